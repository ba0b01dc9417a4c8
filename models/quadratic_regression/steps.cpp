#include "models/quadratic_regression/steps.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using ingredients::CurvaturePart;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// out = m v.
void apply(const Matrix& m, std::span<const double> v, std::vector<double>& out) {
  linear_algebra::multiply(m.rows(), 1, m.columns(), 1, m.data(), m.rows(), Transposed::no, v.data(), v.size(),
                           Transposed::no, 0, out.data(), out.size());
}

}  // namespace

CurvaturePart QuadraticRule::ascent_part() const {
  switch (kind) {
    case StepKind::functional_sam:
      return CurvaturePart::neglected;
    case StepKind::logit_sam:
      return CurvaturePart::gauss_newton;
    case StepKind::penalty:
      return part;
    default:
      return CurvaturePart::hessian;
  }
}

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

void QuadraticState::displace(std::span<const double> by) {
  std::ranges::copy(by, g_.begin());
  instance_.curvature.contract(g_, w_, scratch_);
  descend(-1, nullptr);
}

double QuadraticState::loss() const {
  return 0.5 * numerics::squared_norm_in_order(z_);
}

void QuadraticState::mask(std::span<const double> z, std::span<const std::size_t> batch, std::vector<double>& out) {
  out.assign(z.begin(), z.end());
  if (batch.empty()) return;
  std::ranges::fill(out, 0.0);
  for (const std::size_t row : batch) out[row] = z[row];
}

void QuadraticState::gradient(const Matrix& j, std::span<const double> z, std::span<const std::size_t> batch) {
  mask(z, batch, masked_);
  linear_algebra::multiply(j.columns(), 1, j.rows(), 1, j.data(), j.rows(), Transposed::yes, masked_.data(),
                           masked_.size(), Transposed::no, 0, g_.data(), g_.size());
}

void QuadraticState::begin(std::span<const std::size_t> batch, StepRule* own) {
  batch_ = batch;
  gradient(j_, z_, batch);
  if (own) own->direct(*this, g_);
}

void QuadraticState::step(const QuadraticRule& rule, std::span<const std::size_t> batch,
                          std::span<const double> noise) {
  JointSteps alone;
  alone.add(*this, batch, nullptr, noise);
  alone.take(rule);
}

void QuadraticState::add_pull_back(const Matrix& j, std::span<const double> z, double factor) {
  linear_algebra::multiply(j.columns(), 1, j.rows(), factor, j.data(), j.rows(), Transposed::yes, z.data(), z.size(),
                           Transposed::no, 1, g_.data(), g_.size());
}

void QuadraticState::ascend(const QuadraticRule& rule, std::span<const std::size_t> batch) {
  double rho = rule.kind == StepKind::weight_noise ? rule.deviation : rule.rho;
  if (rule.normalised) {
    const double norm = std::sqrt(numerics::squared_norm_in_order(g_));
    rho = norm > 0 ? rho / norm : 0.0;
  }
  apply(j_, g_, jg_);
  apply(w_, g_, wg_);
  const CurvaturePart part = rule.ascent_part();
  if (rule.kind == StepKind::penalty || rule.kind == StepKind::functional_sam) {
    // NME g = W'P z, GGN g = J'P J g; J is linear, so that functional SAM is its first order.
    if (part != CurvaturePart::gauss_newton) add_pull_back(w_, masked_, rho);
    if (part == CurvaturePart::neglected) return;
    mask(jg_, batch, ascent_z_);
    add_pull_back(j_, ascent_z_, rho);
    return;
  }
  ascent_z_ = z_;
  for (std::size_t a = 0; a < z_.size(); ++a) ascent_z_[a] += rho * jg_[a] + 0.5 * rho * rho * wg_[a];
  ascent_j_ = j_;
  if (part != CurvaturePart::gauss_newton)
    for (std::size_t i = 0; i < j_.size(); ++i) ascent_j_.data()[i] += rho * w_.data()[i];
  gradient(ascent_j_, ascent_z_, batch);
}

void QuadraticState::add_trace_gradient(const QuadraticRule& rule) {
  const double strength = rule.deviation * rule.deviation;
  if (rule.part != CurvaturePart::neglected) {
    ascent_j_ = batch_.empty() ? j_ : Matrix(j_.rows(), j_.columns());
    for (const std::size_t row : batch_)
      for (std::size_t i = 0; i < j_.columns(); ++i) ascent_j_(row, i) = j_(row, i);
    ascent_z_.resize(g_.size());
    instance_.curvature.pair(ascent_j_, ascent_z_, scratch_);
    for (std::size_t i = 0; i < g_.size(); ++i) g_[i] += strength * ascent_z_[i];
  }
  if (rule.part == CurvaturePart::gauss_newton) return;
  if (traces_.empty()) traces_ = instance_.curvature.invariants(scratch_).traces;
  mask(traces_, batch_, ascent_z_);
  add_pull_back(j_, ascent_z_, 0.5 * strength);
}

void QuadraticState::descend(double learning_rate, StepRule* own) {
  apply(j_, g_, jg_);
  apply(w_, g_, wg_);
  const double eta = own ? own->rate(*this) : learning_rate;
  for (std::size_t a = 0; a < z_.size(); ++a) z_[a] += -eta * jg_[a] + 0.5 * eta * eta * wg_[a];
  for (std::size_t i = 0; i < j_.size(); ++i) j_.data()[i] -= eta * w_.data()[i];
  for (std::size_t i = 0; i < theta_.size(); ++i) theta_[i] -= eta * g_[i];
}

void JointSteps::add(QuadraticState& state, std::span<const std::size_t> batch, StepRule* own,
                     std::span<const double> noise) {
  state.noise_ = noise;
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
  if (rule.turns() && rule.kind == StepKind::trace) {
    for (QuadraticState* state : states_) state->add_trace_gradient(rule);
  } else if (rule.turns()) {
    if (rule.kind == StepKind::weight_noise)
      for (QuadraticState* state : states_) std::ranges::copy(state->noise_, state->g_.begin());
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
