#include "models/nonlinear/adam.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "random/random.hpp"

namespace edgewise::models {

namespace {

constexpr std::size_t chains = 64;  // run side by side, for vector instructions

AdamCoefficients simulate(double beta1, double beta2) {
  using Lane = std::array<double, chains>;
  Lane m{}, n{}, A{}, C{}, response{}, walk{};
  std::vector<double> normal(2 * chains);
  random::Stream stream(20240601, 0, 0, random::Purpose::other);
  const double w1 = 1 - beta1, w2 = 1 - beta2;
  const auto step = [&](bool record) {
    stream.normals(normal);
    for (std::size_t i = 0; i < chains; ++i) {
      const double r = normal[i], g = r * normal[chains + i];
      m[i] = beta1 * m[i] + w1 * g;
      n[i] = beta2 * n[i] + w2 * g * g;
      A[i] = beta1 * A[i] + w1 * r * r;
      C[i] = beta2 * C[i] + w2 * g * r * r;
      if (!record) continue;
      const double inverse = 1 / std::sqrt(n[i]), move = m[i] * inverse;
      response[i] += A[i] * inverse - move * C[i] * (inverse * inverse);
      walk[i] += move;
    }
  };
  // Forget the start; then blocks so long that the edges of a block do not matter to its variance.
  const auto memory = 1 / std::min(w1, w2);
  for (double k = 0; k < 40 * memory; ++k) step(false);
  const double length = std::ceil(std::max(200 / w1, 20 * memory));
  const double blocks = std::ceil(std::max(500.0, 1000000 / length));
  double s1 = 0, s2 = 0, v1 = 0, v2 = 0;
  for (double block = 0; block < blocks; ++block) {
    response.fill(0);
    walk.fill(0);
    for (double k = 0; k < length; ++k) step(true);
    for (std::size_t i = 0; i < chains; ++i) {
      const double c1 = response[i] / length, c2 = walk[i] * walk[i] / length;
      s1 += c1;
      s2 += c1 * c1;
      v1 += c2;
      v2 += c2 * c2;
    }
  }
  const double count = blocks * chains;
  AdamCoefficients out;
  out.drift = s1 / count;
  out.drift_error = std::sqrt((s2 / count - out.drift * out.drift) / count);
  out.noise = v1 / count;
  out.noise_error = std::sqrt((v2 / count - out.noise * out.noise) / count);
  return out;
}

}  // namespace

AdamCoefficients adam_coefficients(double beta1, double beta2) {
  if (!(beta1 >= 0 && beta1 < 1)) throw std::invalid_argument("optimizer.beta1: must be >= 0 and < 1");
  if (!(beta2 >= 0.9 && beta2 < 1))
    throw std::invalid_argument("optimizer.beta2: the theory of adam needs 0.9 <= beta2 < 1");
  static std::mutex mutex;
  static std::map<std::pair<double, double>, AdamCoefficients> known;
  const std::lock_guard lock(mutex);
  const auto [it, fresh] = known.try_emplace({beta1, beta2});
  if (fresh) it->second = simulate(beta1, beta2);
  return it->second;
}

}  // namespace edgewise::models
