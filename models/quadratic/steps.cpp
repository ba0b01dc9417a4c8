#include "models/quadratic/steps.hpp"

#include <algorithm>
#include <cmath>

namespace edgewise::models {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// out = m v.
void apply(const Matrix& m, std::span<const double> v, std::vector<double>& out) {
  linear_algebra::multiply(m.rows(), 1, m.columns(), 1, m.data(), m.rows(), Transposed::no, v.data(), v.size(),
                           Transposed::no, 0, out.data(), out.size());
}

double norm_square(std::span<const double> v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return sum;
}

}  // namespace

QuadraticState::QuadraticState(const QuadraticInstance& instance, double sign)
    : instance_(instance),
      z_(instance.z0),
      theta_(instance.j0.columns(), 0.0),
      j_(instance.j0),
      masked_(z_.size()),
      g_(theta_.size()),
      jg_(z_.size()),
      wg_(z_.size()),
      w_(j_.rows(), j_.columns()) {
  for (double& z : z_) z *= sign;
  for (double& j : j_.entries()) j *= sign;
}

double QuadraticState::loss() const {
  return 0.5 * norm_square(z_);
}

void QuadraticState::gradient(const Matrix& j, std::span<const double> z, std::span<const std::size_t> batch) {
  if (batch.empty()) {
    std::ranges::copy(z, masked_.begin());
  } else {
    std::ranges::fill(masked_, 0.0);
    for (const std::size_t row : batch) masked_[row] = z[row];
  }
  linear_algebra::multiply(j.columns(), 1, j.rows(), 1, j.data(), j.rows(), Transposed::yes, masked_.data(),
                           masked_.size(), Transposed::no, 0, g_.data(), g_.size());
}

void QuadraticState::step(const QuadraticRule& rule, std::span<const std::size_t> batch) {
  gradient(j_, z_, batch);
  double rho = rule.rho;
  if (rho > 0 && rule.normalised) {
    const double norm = std::sqrt(norm_square(g_));
    rho = norm > 0 ? rho / norm : 0.0;
  }
  if (rho > 0) {
    instance_.curvature.contract(g_, w_, scratch_);
    apply(j_, g_, jg_);
    apply(w_, g_, wg_);
    ascent_z_ = z_;
    for (std::size_t a = 0; a < z_.size(); ++a) ascent_z_[a] += rho * jg_[a] + 0.5 * rho * rho * wg_[a];
    ascent_j_ = j_;
    for (std::size_t i = 0; i < j_.size(); ++i) ascent_j_.data()[i] += rho * w_.data()[i];
    gradient(ascent_j_, ascent_z_, batch);
  }
  const double eta = rule.learning_rate;
  instance_.curvature.contract(g_, w_, scratch_);
  apply(j_, g_, jg_);
  apply(w_, g_, wg_);
  for (std::size_t a = 0; a < z_.size(); ++a) z_[a] += -eta * jg_[a] + 0.5 * eta * eta * wg_[a];
  for (std::size_t i = 0; i < j_.size(); ++i) j_.data()[i] -= eta * w_.data()[i];
  for (std::size_t i = 0; i < theta_.size(); ++i) theta_[i] -= eta * g_[i];
}

}  // namespace edgewise::models
