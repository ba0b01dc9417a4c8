#pragma once
/// \file
/// Regressions drawn by hand, for what replicas observe.
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/learning_curves/kernel_ridge.hpp"
#include "random/random.hpp"

namespace edgewise::tests {

using models::ingredients::learning_curves::RidgeData;
/// One after another.
using Points = std::vector<std::vector<double>>;

/// Of replica 3 by seed 5 at n samples.
inline std::vector<double> observed(const std::string& text, std::uint64_t n) {
  const models::Experiment e = models::read_experiment(settings::read_text(text, "e.toml"));
  const auto simulation = models::find(e).prepare(e)->simulate();
  const auto replica = simulation->replica(5, 3);
  replica->advance(n);
  std::vector<double> out(simulation->observables().size());
  replica->observe(out);
  return out;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Unit vectors of normal coordinates.
inline Points directions(random::Stream& stream, std::size_t d, std::size_t count) {
  Points out(count, std::vector<double>(d));
  for (std::vector<double>& x : out) {
    for (double& entry : x) entry = stream.normal();
    const double norm = std::sqrt(dot(x, x));
    for (double& entry : x) entry /= norm;
  }
  return out;
}

/// Of samples i and j, or of sample i and test point j.
using Kernel = std::function<double(std::size_t, std::size_t)>;
inline RidgeData data(const std::vector<double>& labels, const std::vector<double>& truth, const Kernel& between,
                      const Kernel& across) {
  RidgeData out{{labels.size(), labels.size()}, {labels.size(), truth.size()}, labels, truth};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (std::size_t j = 0; j < labels.size(); ++j) out.gram(i, j) = between(i, j);
    for (std::size_t j = 0; j < truth.size(); ++j) out.cross(i, j) = across(i, j);
  }
  return out;
}

/// The kernel of coefficients 0.5, 0.2, 0.3.
inline double taylor_kernel(double t) {
  return 0.5 + 0.2 * t + 0.3 * t * t;
}

}  // namespace edgewise::tests
