#include "models/nonlinear/second_moment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "models/framework/divergence.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/theory.hpp"

namespace edgewise::models::nonlinear {

SecondMomentRecursion::SecondMomentRecursion(const NonlinearProblem& problem)
    : problem_(problem), sigma2_(effective_noise(problem)->variance()) {
  if (!problem.covariance.diagonal)
    throw std::invalid_argument(
        "optimizer.kind: the theory of per-example-adam is known for a diagonal covariance only: elsewhere its "
        "preconditioner mixes the modes, each step anew; it can be simulated");
  if (!std::isfinite(sigma2_))
    throw std::invalid_argument(fmt::format(
        "noise.law: the theory of per-example-adam needs a finite variance, for it closes on second moments "
        "of the gradient; that of {} is infinite. It can be simulated",
        problem.noise->name()));
  if (problem.lacks_examples())
    throw std::invalid_argument("optimizer.batch: a variance over examples needs at least 2, got 1");
  const auto& lambda = problem.covariance.eigenvalue;
  const auto& target = problem.covariance.target;
  std::vector<std::size_t> order(lambda.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const Covariance& k = problem.covariance;
  const auto key = [&](std::size_t i) { return std::pair(lambda[i], target[i] * target[i] / k.copies(i)); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return key(i) > key(j); });
  for (const std::size_t i : order) {
    const auto [value, power] = key(i);
    if (value == 0) continue;
    if (lambda_.empty() || lambda_.back() != value || D_.back() != power) {
      lambda_.push_back(value);
      D_.push_back(power);
      count_.push_back(0);
    }
    count_.back() += k.copies(i);
    P_ += k.copies(i) * value * power;
  }
  n_.assign(D_.size(), 0.0);
}

void SecondMomentRecursion::step() {
  const double eta = problem_.rate_at(static_cast<double>(steps_)), beta = problem_.ema_square;
  const double zeta = problem_.zeta, B = problem_.batch, noise = P_ + sigma2_;
  const bool alone = std::isinf(zeta);
  const double left = left_ * beta, correction = 1 / (1 - left);
  std::vector<double> n(n_.size()), D(D_.size());
  double P = 0;
  for (std::size_t i = 0; i < D.size(); ++i) {
    const double lambda = lambda_[i], mean2 = lambda * lambda * D_[i], variance = lambda * noise + mean2;
    n[i] = beta * n_[i] + (1 - beta) * (alone ? variance : mean2 + zeta * variance);
    const double step = eta / (std::sqrt(n[i] * correction) + problem_.floor);
    D[i] = D_[i] - 2 * step * scale_drift * lambda * D_[i] + step * step * (mean2 + scale_noise * variance / B);
    P += count_[i] * lambda * D[i];
  }
  n_ = std::move(n);
  D_ = std::move(D);
  P_ = P;
  left_ = left;
  ++steps_;
}

double SecondMomentRecursion::localisation() const {
  double most = 0;
  for (std::size_t i = 0; i < D_.size(); ++i) most = std::max(most, lambda_[i] * D_[i]);
  return std::sqrt(problem_.batch * most / (P_ + sigma2_));
}

bool closure_unreliable(const NonlinearProblem& problem, double localisation) {
  return problem.zeta < 1 / problem.batch && localisation < 1;
}

Trajectory solve_second_moment(const NonlinearProblem& problem, const NonlinearTheory& theory) {
  if (theory.method != "recursion")
    throw std::invalid_argument(
        "theory.method: the theory of per-example-adam is a recursion; use method = \"recursion\"");
  if (theory.bands) throw std::invalid_argument("theory.bands: not known for per-example-adam");
  if (theory.compare) throw std::invalid_argument("theory.compare: not known for per-example-adam");
  SecondMomentRecursion recursion(problem);
  recursion.scale_drift = theory.scale_drift;
  recursion.scale_noise = theory.scale_noise;
  const double sigma2 = effective_noise(problem)->variance();
  const double limit = divergence_limit(divergence_scale(*effective_noise(problem), recursion.excess_mse()));
  Trajectory out;
  out.method = "recursion";
  Column P{{"excess_mse", "label^2", "P = v'Kv"}, {}, {}},
      risk{{"risk", "label^2", "population loss with noise, (P + sigma^2)/2"}, {}, {}};
  Column local{{"localisation", "1", "sqrt(B) max |rho_i|: a coordinate's signal over its noise"}, {}, {}};
  bool unreliable = false;
  for (const std::uint64_t target : problem.time.at) {
    while (recursion.steps() < target && !out.diverged_at) {
      recursion.step();
      if (!(recursion.excess_mse() <= limit)) out.diverged_at = static_cast<double>(recursion.steps());
    }
    if (out.diverged_at) break;
    out.steps.push_back(static_cast<double>(target));
    P.value.push_back(recursion.excess_mse());
    risk.value.push_back((recursion.excess_mse() + sigma2) / 2);
    local.value.push_back(recursion.localisation());
    if (closure_unreliable(problem, local.value.back()) && !unreliable) {
      unreliable = true;
      out.warnings.push_back(fmt::format(
          "closure unreliable: zeta < 1/B while the noise of every coordinate exceeds its signal (sqrt(B) max |rho_i| "
          "= "
          "{:.2g} at step {}): the estimate n turns negative, which the closure does not see; trust the simulation",
          local.value.back(), target));
    }
  }
  out.columns = {std::move(P), std::move(risk)};
  if (theory.effects) out.columns.push_back(std::move(local));
  out.report.emplace_back("iterated_steps", static_cast<double>(recursion.steps()));
  return out;
}

}  // namespace edgewise::models::nonlinear
