#include "models/nonlinear/adam.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "random/random.hpp"

namespace edgewise::models::nonlinear {

namespace {

constexpr std::size_t chains = 64;  // run side by side, for vector instructions
constexpr std::uint64_t fixed_seed = 20240601;
using Lane = std::array<double, chains>;

/// The size of a step's mean gradient, and the pull on it, for every chain.
using Driver = std::function<void(Lane& size, Lane& pull)>;

/// R and R^2 of a Gaussian residual of unit variance, times sqrt(B).
Driver gaussian_driver(double batch) {
  auto stream = std::make_shared<random::Stream>(fixed_seed, 0, 0, random::Purpose::data);
  if (batch == 1)
    return [stream](Lane& size, Lane& pull) {
      stream->normals(size);
      for (std::size_t i = 0; i < chains; ++i) pull[i] = size[i] * size[i];
    };
  return [stream, batch](Lane& size, Lane& pull) {
    for (std::size_t i = 0; i < chains; ++i) {
      pull[i] = stream->chi_square(batch) / batch;
      size[i] = std::sqrt(pull[i]);
    }
  };
}

Driver noise_driver(const ingredients::Noise& noise, double P, double batch) {
  auto stream = std::make_shared<random::Stream>(fixed_seed, 0, 0, random::Purpose::data);
  auto labels = std::make_shared<random::Stream>(fixed_seed, 0, 0, random::Purpose::labels);
  return [stream, labels, &noise, deviation = std::sqrt(P), P, batch](Lane& size, Lane& pull) {
    for (std::size_t i = 0; i < chains; ++i) {
      double squares = 0, products = 0;
      for (double b = 0; b < batch; ++b) {
        const double w = deviation * stream->normal(), r = w - noise.draw(*labels);
        squares += r * r;
        products += r * w;
      }
      size[i] = std::sqrt(squares) / batch;
      pull[i] = products / (batch * P);
    }
  };
}

/// Blocks so long that their edges do not matter to the variance of a sum over one.
double block_length(double beta1, double beta2) {
  return std::ceil(std::max(200 / (1 - beta1), 20 / std::min(1 - beta1, 1 - beta2)));
}

AdamCoefficients simulate(double beta1, double beta2, const Driver& draw, double blocks) {
  Lane m{}, n{}, A{}, C{}, response{}, walk{}, z{}, size{}, pull{};
  random::Stream stream(fixed_seed, 0, 0, random::Purpose::other);
  const double w1 = 1 - beta1, w2 = 1 - beta2;
  const auto step = [&](bool record) {
    stream.normals(z);
    draw(size, pull);
    for (std::size_t i = 0; i < chains; ++i) {
      const double g = size[i] * z[i];
      m[i] = beta1 * m[i] + w1 * g;
      n[i] = beta2 * n[i] + w2 * g * g;
      A[i] = beta1 * A[i] + w1 * pull[i];
      C[i] = beta2 * C[i] + w2 * g * pull[i];
      if (!record) continue;
      const double inverse = 1 / std::sqrt(n[i]), move = m[i] * inverse;
      response[i] += A[i] * inverse - move * C[i] * (inverse * inverse);
      walk[i] += move;
    }
  };
  for (double k = 0; k < 40 / std::min(w1, w2); ++k) step(false);  // forget the start
  const double length = block_length(beta1, beta2);
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

/// Cross-covariances of the moves of coordinates at angles of 0, 30 and 60 degrees in the plane of two independent
/// ones, each averaged over its rotations.
std::array<double, 3> cross_covariances(double beta1, double beta2, double batch) {
  constexpr std::size_t angles = 6;
  constexpr double pi = 3.14159265358979323846;
  std::array<Lane, angles> m{}, n{}, walk{};
  Lane x{}, y{}, size{}, pull{};
  random::Stream stream(fixed_seed, 0, 0, random::Purpose::other);
  const Driver draw = gaussian_driver(batch);
  const double w1 = 1 - beta1, w2 = 1 - beta2;
  const auto step = [&] {
    stream.normals(x);
    stream.normals(y);
    draw(size, pull);
    for (std::size_t a = 0; a < angles; ++a) {
      const double turn = pi * static_cast<double>(a) / angles, along = std::cos(turn), across = std::sin(turn);
      for (std::size_t i = 0; i < chains; ++i) {
        const double g = size[i] * (along * x[i] + across * y[i]);
        m[a][i] = beta1 * m[a][i] + w1 * g;
        n[a][i] = beta2 * n[a][i] + w2 * g * g;
        walk[a][i] += m[a][i] / std::sqrt(n[a][i]);
      }
    }
  };
  for (double k = 0; k < 40 / std::min(w1, w2); ++k) step();
  const double length = block_length(beta1, beta2), blocks = std::ceil(200'000 / length);
  std::array<double, 3> sum{};
  for (double block = 0; block < blocks; ++block) {
    for (Lane& lane : walk) lane.fill(0);
    for (double k = 0; k < length; ++k) step();
    for (std::size_t apart = 0; apart < sum.size(); ++apart)
      for (std::size_t a = 0; a < angles; ++a) {
        const std::size_t b = (a + apart) % angles;
        const double side = a + apart < angles ? 1 : -1;  // half a turn reverses a coordinate
        for (std::size_t i = 0; i < chains; ++i) sum[apart] += side * walk[a][i] * walk[b][i];
      }
  }
  return sum;
}

void check(double beta1, double beta2) {
  if (!(beta1 >= 0 && beta1 < 1)) throw std::invalid_argument("optimizer.beta1: must be >= 0 and < 1");
  if (!(beta2 >= 0.9 && beta2 < 1))
    throw std::invalid_argument("optimizer.beta2: the theory of adam needs 0.9 <= beta2 < 1; it can be simulated");
}

/// f(key), found once.
template <class Key, class Value, class F>
Value remembered(std::map<Key, Value>& known, std::mutex& mutex, const Key& key, F f) {
  const std::lock_guard lock(mutex);
  const auto it = known.find(key);
  if (it != known.end()) return it->second;
  return known.emplace(key, f()).first->second;
}

using Key = std::tuple<double, double, double>;

}  // namespace

AdamCoefficients adam_coefficients(double beta1, double beta2, double batch) {
  check(beta1, beta2);
  static std::mutex mutex;
  static std::map<Key, AdamCoefficients> known;
  return remembered(known, mutex, Key(beta1, beta2, batch), [&] {
    const double blocks = std::ceil(std::max(500.0, 1'000'000 / block_length(beta1, beta2)));
    return simulate(beta1, beta2, gaussian_driver(batch), blocks);
  });
}

AdamCoefficients adam_laws_at(double beta1, double beta2, double batch, const ingredients::Noise& noise, double P) {
  check(beta1, beta2);
  const double blocks = std::ceil(std::max(100.0, 200'000 / block_length(beta1, beta2)));
  return simulate(beta1, beta2, noise_driver(noise, P, batch), blocks);
}

NoiseKernel adam_noise_kernel(double beta1, double beta2, double batch) {
  check(beta1, beta2);
  static std::mutex mutex;
  static std::map<Key, std::array<double, 3>> known;
  const std::array<double, 3> f =
      remembered(known, mutex, Key(beta1, beta2, batch), [&] { return cross_covariances(beta1, beta2, batch); });
  // f(c)/c at c^2 = 1, 3/4, 1/4 is a quadratic in c^2.
  const double at1 = 1, at2 = f[1] / f[0] / std::sqrt(0.75), at3 = f[2] / f[0] / 0.5;
  return [=](double c) {
    const double x = c * c;
    return c * (at1 * (x - 0.75) * (x - 0.25) / (0.25 * 0.75) + at2 * (x - 1) * (x - 0.25) / (-0.25 * 0.5) +
                at3 * (x - 1) * (x - 0.75) / (-0.75 * -0.5));
  };
}

}  // namespace edgewise::models::nonlinear
