#include "models/nonlinear/second_moment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "models/framework/recorder.hpp"
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
  ModeSystem modes = merged(class_one_modes(problem.covariance), true);
  P_ = modes.excess_mse();
  for (std::size_t i = 0; i < modes.kappa.size(); ++i) D_.push_back(modes.initial[i] / modes.count[i]);
  lambda_ = std::move(modes.kappa);
  count_ = std::move(modes.count);
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

double young_lag(const NonlinearProblem& problem) {
  const double B = problem.batch, sigma2 = effective_noise(problem)->variance();
  if (!(problem.zeta > 1) || !(sigma2 > 0)) return 0;
  const std::vector<double> variance = problem.covariance.diagonal_entries();
  const double size = std::sqrt(*std::ranges::max_element(variance) * sigma2);
  const double first = B > 3 ? 1 / (B - 3) : B > 2 ? std::log1p(size / problem.floor) : size / problem.floor / 4;
  return first - 2.2 / (B - 1) * std::log1p(-problem.ema_square);
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
  Recorder recorder(divergence_scale(*effective_noise(problem), recursion.excess_mse()));
  const auto P = recorder.add(excess_observable), risk = recorder.add(risk_observable);
  std::optional<Recorder::Handle> local;
  if (theory.effects)
    local = recorder.add({"localisation", "1", "sqrt(B) max |rho_i|: a coordinate's signal over its noise"});
  Trajectory& out = recorder.trajectory();
  out.method = "recursion";
  for (const std::uint64_t target : problem.time.at) {
    while (recursion.steps() < target && !out.diverged_at) {
      recursion.step();
      recorder.alive(static_cast<double>(recursion.steps()), recursion.excess_mse());
    }
    if (out.diverged_at) break;
    const double localisation = recursion.localisation();
    recorder.row(static_cast<double>(target));
    recorder.set(P, recursion.excess_mse());
    recorder.set(risk, (recursion.excess_mse() + sigma2) / 2);
    if (local) recorder.set(*local, localisation);
    if (closure_unreliable(problem, localisation) && out.warnings.empty())
      out.warnings.push_back(fmt::format(
          "closure unreliable: zeta < 1/B while the noise of every coordinate exceeds its signal (sqrt(B) max |rho_i| "
          "= {:.2g} at step {}): the estimate n turns negative, which the closure does not see; trust the simulation",
          localisation, target));
  }
  out.report.emplace_back("iterated_steps", static_cast<double>(recursion.steps()));
  Trajectory taken = recorder.take();
  const double from = std::ceil(young_lag(problem) / 0.01 - 1e-6);
  if (problem.covariance.signal() > 0 || !(from > 1)) return taken;
  taken.claim_from(from, std::array<std::string_view, 2>{excess_observable.name, risk_observable.name});
  taken.warnings.push_back(
      fmt::format("the run starts at the optimum, where steps divide by variances of few examples, which are small at "
                  "times: they are larger "
                  "than the theory's until n has seen many, and the mean is claimed from step {:g} on",
                  from));
  return taken;
}

}  // namespace edgewise::models::nonlinear
