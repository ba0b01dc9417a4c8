#include "models/network/updates.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/sums.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;
using ingredients::CurvedObjective;

/// Of the preconditioner.
constexpr double averaging = 0.9, floor_of_scale = 1e-3;
/// Of the second difference of the gradient that a Hessian trace is differentiated by, relative to the parameters' size:
/// its square is the error by truncation, rounding over it the error by rounding.
constexpr double difference_step = 1e-3;

double norm(std::span<const double> x) {
  return std::sqrt(numerics::squared_norm_in_order(x));
}

void displace(std::span<const double> theta, double t, std::span<const double> v, std::vector<double>& out) {
  out.assign(theta.begin(), theta.end());
  for (std::size_t k = 0; k < out.size(); ++k) out[k] += t * v[k];
}

}  // namespace

double UpdateRule::ratio(double gradient_norm) const {
  if (!normalised) return rho;
  return gradient_norm > 0 ? rho / gradient_norm : 0;
}

Updates::Updates(const UpdateRule& rule, std::size_t parameters, std::uint64_t seed, std::uint64_t replica)
    : rule_(rule),
      stream_(seed, replica, 0, random::Purpose::other),
      gradient_(parameters),
      direction_(parameters),
      squares_(rule.preconditioned ? parameters : 0),
      base_(rule.base, parameters) {}

void Updates::precondition() {
  square_weight_ *= averaging;
  for (std::size_t k = 0; k < ascent_.size(); ++k) {
    const double g = gradient_[k];
    squares_[k] = averaging * squares_[k] + (1 - averaging) * g * g;
    ascent_[k] = g / (std::sqrt(squares_[k] / (1 - square_weight_)) + floor_of_scale);
  }
}

void Updates::ascend(CurvedObjective& objective, std::span<const double> theta, double rho) {
  // |u|_M^2 = g'M^-1 g.
  const double length =
      rule_.norm_of_preconditioner ? std::sqrt(numerics::dot_in_order(gradient_, ascent_)) : norm(ascent_);
  const double step = !rule_.normalised ? rho : length > 0 ? rho / length : 0;
  const std::vector<double> here =
      rule_.kind == UpdateKind::functional_sam ? objective.cotangent() : std::vector<double>();
  displace(theta, step, ascent_, moved_);
  objective.move_to(moved_);
  if (rule_.kind == UpdateKind::sam) {
    objective.gradient(direction_);
  } else if (rule_.kind == UpdateKind::functional_sam) {
    objective.pull_back(here, direction_);
  } else {
    const std::vector<double> there = objective.cotangent();
    objective.move_to(theta);
    objective.pull_back(there, direction_);
  }
}

void Updates::add_trace_gradient(CurvedObjective& objective, std::span<const double> theta) {
  const double strength = 0.5 * rule_.deviation * rule_.deviation;
  if (rule_.kind == UpdateKind::gauss_newton_trace) {
    // E |J'c|^2 = tr GGN of probes c with E c c' = d2L/df2, whose gradient is 2 sum_a c_a grad^2 f_a (J'c).
    probe_ = objective.root_probe(stream_);
    moved_.resize(theta.size());
    ascent_.resize(theta.size());
    objective.pull_back(probe_, moved_);
    objective.weighted_curvature(probe_, moved_, ascent_);
    for (std::size_t k = 0; k < direction_.size(); ++k) direction_[k] += 2 * strength * ascent_[k];
    return;
  }
  // grad (xi'H xi) is the second derivative of the gradient along xi.
  probe_.resize(theta.size());
  for (double& x : probe_) x = stream_.uniform() < 0.5 ? -1 : 1;
  const double size = norm(theta) / std::sqrt(static_cast<double>(theta.size()));
  const double h = difference_step * (size > 0 ? size : 1), weight = strength / (h * h);
  for (const double sign : {1.0, -1.0}) {
    displace(theta, sign * h, probe_, moved_);
    objective.move_to(moved_);
    ascent_.resize(theta.size());
    objective.gradient(ascent_);
    for (std::size_t k = 0; k < direction_.size(); ++k) direction_[k] += weight * (ascent_[k] - gradient_[k]);
  }
}

void Updates::along_gradients(CurvedObjective& objective, std::span<const double> theta, std::uint64_t step) {
  objective.gradient(gradient_);
  direction_ = gradient_;
  const bool due = step % rule_.every == 0;
  const double rho = rule_.rho * static_cast<double>(rule_.every);
  switch (rule_.kind) {
    case UpdateKind::plain:
      break;
    case UpdateKind::sam:
    case UpdateKind::functional_sam:
    case UpdateKind::logit_sam:
      ascent_ = gradient_;
      if (rule_.preconditioned) precondition();
      if (due && rho > 0) ascend(objective, theta, rho);
      break;
    case UpdateKind::penalty: {
      if (!due || rho == 0) break;
      ascent_.resize(gradient_.size());
      objective.product(rule_.part, gradient_, ascent_);
      const double length = norm(gradient_), strength = !rule_.normalised ? rho : length > 0 ? rho / length : 0;
      for (std::size_t k = 0; k < direction_.size(); ++k) direction_[k] += strength * ascent_[k];
      break;
    }
    case UpdateKind::weight_noise: {
      stream_.seek(step);
      probe_.resize(theta.size());
      for (double& x : probe_) x = stream_.normal();
      displace(theta, rule_.deviation, probe_, moved_);
      objective.move_to(moved_);
      objective.gradient(direction_);
      if (!rule_.antithetic) break;
      displace(theta, -rule_.deviation, probe_, moved_);
      objective.move_to(moved_);
      ascent_.resize(theta.size());
      objective.gradient(ascent_);
      for (std::size_t k = 0; k < direction_.size(); ++k) direction_[k] = 0.5 * (direction_[k] + ascent_[k]);
      break;
    }
    case UpdateKind::gauss_newton_trace:
    case UpdateKind::hessian_trace:
      stream_.seek(step);
      if (due) add_trace_gradient(objective, theta);
      break;
  }
}

const std::vector<double>& Updates::direction(CurvedObjective& objective, std::span<const double> theta,
                                              std::uint64_t step) {
  along_gradients(objective, theta, step);
  base_.turn(direction_);
  return direction_;
}

SamResidual sam_residual(CurvedObjective& objective, std::span<const double> theta, const UpdateRule& rule) {
  objective.move_to(theta);
  std::vector<double> e(theta.size()), there(theta.size()), here(theta.size());
  objective.gradient(e);
  const double ratio = rule.ratio(norm(e));
  for (double& x : e) x *= ratio;
  objective.weighted_curvature(objective.moved_cotangent(e), e, here);
  const double leading = norm(here);
  const std::vector<double> before = objective.cotangent();
  displace(theta, 1, e, here);
  objective.move_to(here);
  std::vector<double> moved = objective.cotangent();
  for (std::size_t a = 0; a < moved.size(); ++a) moved[a] -= before[a];
  objective.pull_back(moved, there);
  objective.move_to(theta);
  objective.pull_back(moved, here);
  for (std::size_t k = 0; k < here.size(); ++k) there[k] -= here[k];
  return {norm(there), leading};
}

std::vector<double> first_preconditioner(const CurvedObjective& objective, double epsilon) {
  std::vector<double> out(objective.parameters());
  objective.gradient(out);
  for (double& x : out) x = std::abs(x) + epsilon;
  return out;
}

ingredients::StepObservation observe_step(CurvedObjective& objective, std::span<const double> theta, double loss,
                                          std::span<const double> along, ingredients::RateNeeds needs,
                                          std::span<const double> P) {
  objective.move_to(theta);
  std::vector<double> g(theta.size());
  objective.gradient(g);
  ingredients::StepObservation out;
  out.loss = loss;
  out.squared_gradient = out.mean_squared_gradient = numerics::squared_norm_in_order(g);
  out.excess_mse = 2 * loss;  // what is least at 0 and twice the loss
  out.slope = out.descent = numerics::dot_in_order(g, along);
  if (!needs.descent && !needs.own_loss) return out;
  out.curvature_along = curvature_along(objective, CurvaturePart::hessian, along);
  out.curvature = std::abs(out.curvature_along);
  if (needs.sharpness) out.sharpness = largest_curvature(objective, CurvaturePart::hessian, {}, 1e-6, P).value;
  out.loss_after = [&objective, theta, along](double eta) {
    std::vector<double> there(theta.begin(), theta.end());
    move(along, eta, there);
    return objective.move_to(there);
  };
  return out;
}

void move(std::span<const double> direction, double rate, std::span<double> theta) {
  for (std::size_t k = 0; k < theta.size(); ++k) theta[k] -= rate * direction[k];
}

}  // namespace edgewise::models::network
