#include "models/quadratic_regression/tuned_steps.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <stdexcept>

#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

/// Of the first loss and of the first |g|^2.
constexpr double learned = 1e-24, at_rest = 1e-28;

}  // namespace

TunedSteps::TunedSteps(const ingredients::RateRule* rule, const ingredients::BaseUpdate& base, bool full_batch,
                       std::size_t parameters)
    : rule_(rule),
      base_(base, parameters),
      full_batch_(full_batch),
      average_(rule && rule->averaging() > 0 ? parameters : 0) {
  if (rule) run_.emplace(*rule);
}

void check_scale(const ingredients::StepObservation& now) {
  if (std::isfinite(now.curvature_along) && std::isfinite(now.squared_gradient)) return;
  throw std::runtime_error(
      "rate: |g|^2 or u.Hu is too large for a number; give data.residual_variance and data.jacobian_variance, or z0 "
      "and "
      "J0, other units");
}

double TunedSteps::batch_loss(const QuadraticState& state, double eta) const {
  const auto& z = state.residual();
  const auto after = [&](std::size_t a) {
    const double r = z[a] - eta * state.pushed()[a] + 0.5 * eta * eta * state.bent()[a];
    return 0.5 * r * r;
  };
  double sum = 0;
  if (state.batch().empty())
    for (std::size_t a = 0; a < z.size(); ++a) sum += after(a);
  for (const std::size_t a : state.batch()) sum += after(a);
  return sum;
}

void TunedSteps::direct(const QuadraticState& state, std::span<double> along) {
  if (!rule_) return base_.turn(along);
  const double loss = state.loss(), square = numerics::squared_norm_in_order(along);
  if (first_loss_ < 0) {
    first_loss_ = loss;
    first_square_ = square;
  }
  ended_ = !(loss > learned * first_loss_) || (full_batch_ && !(square > at_rest * first_square_));
  if (ended_) {
    std::ranges::fill(along, 0.0);
    return;
  }
  gradient_.assign(along.begin(), along.end());
  base_.turn(along);
  if (run_->whole_vector()) {
    std::vector<double> moved = state.theta();
    const double batch = 0.5 * numerics::squared_norm_in_order(state.masked_residual());
    run_->step(gradient_, batch, factor_, moved);
    for (std::size_t i = 0; i < moved.size(); ++i) along[i] = state.theta()[i] - moved[i];
  } else if (const double beta = rule_->averaging(); beta > 0) {
    const double weight = rates_.empty() ? 1 : 1 - beta;
    for (std::size_t i = 0; i < average_.size(); ++i) average_[i] += weight * (gradient_[i] - average_[i]);
    std::ranges::copy(average_, along.begin());
  }
}

double TunedSteps::rate(const QuadraticState& state) {
  if (ended_) return 0;
  if (edge_) edge_->leaves(state, base_.preconditioner());
  if (!rule_) {
    rates_.assign(1, factor_);
    return factor_;
  }
  if (run_->whole_vector()) {
    std::vector<double> observed(1 + rule_->memory().size());
    run_->observe(observed);
    rates_.push_back(observed[0]);
    return 1;
  }
  const auto& u = state.along();
  ingredients::StepObservation now;
  now.loss = 0.5 * numerics::squared_norm_in_order(state.masked_residual());
  now.squared_gradient = now.mean_squared_gradient = numerics::squared_norm_in_order(gradient_);
  now.excess_mse = 2 * now.loss;  // what is 0 at the target and twice the loss
  now.slope = now.descent = numerics::dot_in_order(gradient_, u);
  now.curvature_along = numerics::dot_in_order(state.masked_residual(), state.bent());
  if (state.batch().empty()) now.curvature_along += numerics::squared_norm_in_order(state.pushed());
  for (const std::size_t a : state.batch()) now.curvature_along += state.pushed()[a] * state.pushed()[a];
  now.curvature = std::abs(now.curvature_along);
  now.loss_after = [this, &state](double eta) { return batch_loss(state, eta); };
  check_scale(now);
  if (rule_->needs().sharpness) now.sharpness = largest_(state, state.batch(), base_.preconditioner());
  now.squared_distance = numerics::squared_norm_in_order(state.theta());
  now.toward_start = -numerics::dot_in_order(gradient_, state.theta());
  now.weight = rates_.empty() ? 1 : 1 - rule_->averaging();
  now.squared_direction = numerics::squared_norm_in_order(u);
  rates_.push_back(run_->step(now, factor_));
  return rates_.back();
}

void TunedSteps::write(const QuadraticState& state, std::span<double> out) const {
  const linear_algebra::Matrix& j = state.jacobian();
  using linear_algebra::Transposed;
  const bool wide = j.columns() >= j.rows();
  out[0] = linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, wide ? Transposed::no : Transposed::yes,
                                                                         wide ? Transposed::yes : Transposed::no))[0];
  const std::size_t n = rates_.size(), count = n >= 8 ? n / 8 * 2 : n;
  double inverse = 0;
  for (std::size_t k = n - count; k < n; ++k) inverse += 1 / rates_[k];
  out[1] = count > 0 ? static_cast<double>(count) / inverse : absent;
  run_->observe(out.subspan(2));
}

std::vector<Observable> tuned_observables(const ingredients::RateRule& rule) {
  std::vector<Observable> out{
      {"ntk_min", "1", "smallest eigenvalue of K, of those that its rank min(D, P) leaves"},
      {"mean_rate", "1/eigenvalue",
       "harmonic mean of the rates over the last quarter of the steps taken; absent before the first"}};
  std::ranges::copy(ingredients::rate_observables(rule), std::back_inserter(out));
  return out;
}

}  // namespace edgewise::models::quadratic_regression
