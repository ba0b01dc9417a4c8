#include "models/quadratic_regression/steps.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// out = m v.
void apply(const Matrix& m, std::span<const double> v, std::vector<double>& out) {
  linear_algebra::multiply(m.rows(), 1, m.columns(), 1, m.data(), m.rows(), Transposed::no, v.data(), v.size(),
                           Transposed::no, 0, out.data(), out.size());
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
  return 0.5 * numerics::squared_norm_in_order(z_);
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

void QuadraticState::begin(std::span<const std::size_t> batch, StepRule* own) {
  batch_ = batch;
  gradient(j_, z_, batch);
  if (own) own->direct(*this, g_);
}

void QuadraticState::step(const QuadraticRule& rule, std::span<const std::size_t> batch) {
  JointSteps alone;
  alone.add(*this, batch);
  alone.take(rule);
}

void QuadraticState::ascend(const QuadraticRule& rule, std::span<const std::size_t> batch) {
  double rho = rule.rho;
  if (rule.normalised) {
    const double norm = std::sqrt(numerics::squared_norm_in_order(g_));
    rho = norm > 0 ? rho / norm : 0.0;
  }
  apply(j_, g_, jg_);
  apply(w_, g_, wg_);
  ascent_z_ = z_;
  for (std::size_t a = 0; a < z_.size(); ++a) ascent_z_[a] += rho * jg_[a] + 0.5 * rho * rho * wg_[a];
  ascent_j_ = j_;
  for (std::size_t i = 0; i < j_.size(); ++i) ascent_j_.data()[i] += rho * w_.data()[i];
  gradient(ascent_j_, ascent_z_, batch);
}

void QuadraticState::descend(double learning_rate, StepRule* own) {
  apply(j_, g_, jg_);
  apply(w_, g_, wg_);
  const double eta = own ? own->rate(*this) : learning_rate;
  for (std::size_t a = 0; a < z_.size(); ++a) z_[a] += -eta * jg_[a] + 0.5 * eta * eta * wg_[a];
  for (std::size_t i = 0; i < j_.size(); ++i) j_.data()[i] -= eta * w_.data()[i];
  for (std::size_t i = 0; i < theta_.size(); ++i) theta_[i] -= eta * g_[i];
}

void JointSteps::add(QuadraticState& state, std::span<const std::size_t> batch, StepRule* own) {
  states_.push_back(&state);
  rules_.push_back(own);
  batches_.push_back(batch);
}

void JointSteps::contract() {
  from_.clear();
  to_.clear();
  for (QuadraticState* state : states_) {
    from_.push_back(state->g_.data());
    to_.push_back(state->w_.data());
  }
  states_.front()->instance_.curvature.contract(from_, to_, scratch_);
}

void JointSteps::take(const QuadraticRule& rule) {
  if (states_.empty()) return;
  for (const QuadraticState* state : states_)
    if (&state->instance_ != &states_.front()->instance_)
      throw std::invalid_argument("runs that step together must be on one instance");
  for (std::size_t r = 0; r < states_.size(); ++r) states_[r]->begin(batches_[r], rules_[r]);
  if (rule.rho > 0) {
    contract();
    for (std::size_t r = 0; r < states_.size(); ++r) states_[r]->ascend(rule, batches_[r]);
  }
  contract();
  for (std::size_t r = 0; r < states_.size(); ++r) states_[r]->descend(rule.learning_rate, rules_[r]);
  states_.clear();
  rules_.clear();
  batches_.clear();
}

}  // namespace edgewise::models::quadratic_regression
