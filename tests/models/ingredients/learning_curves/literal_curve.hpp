#pragma once
/// \file
/// A second rendering of the learning curve's equations, term by term.
#include <cmath>
#include <cstddef>
#include <vector>

namespace edgewise::literal {

struct LearningCurve {
  std::vector<double> lambda, multiplicity, power;
  double fixed = 0;  ///< ridge, and the trace of what is not listed
  double beyond = 0, noise = 0;

  double learned(std::size_t i, double kappa) const { return lambda[i] / (lambda[i] + kappa); }
  /// n = sum m L + fixed/kappa, by halving.
  double kappa(double n) const {
    double low = 1e-30, high = 1e30;
    for (int k = 0; k < 300; ++k) {
      const double middle = std::sqrt(low * high);
      double sum = fixed / middle;
      for (std::size_t i = 0; i < lambda.size(); ++i) sum += multiplicity[i] * learned(i, middle);
      (sum > n ? low : high) = middle;
    }
    return low;
  }
  /// E0 = n/(n - sum m L^2).
  double overfitting(double n) const {
    const double at = kappa(n);
    double squares = 0;
    for (std::size_t i = 0; i < lambda.size(); ++i) squares += multiplicity[i] * std::pow(learned(i, at), 2);
    return n / (n - squares);
  }
  double left(std::size_t i, double kappa) const { return std::pow(1 - learned(i, kappa), 2) * power[i]; }
  double excess(double n) const {
    const double at = kappa(n);
    double sum = beyond + noise;
    for (std::size_t i = 0; i < lambda.size(); ++i) sum += left(i, at);
    return overfitting(n) * sum - noise;
  }
};

}  // namespace edgewise::literal
