// Built at -O1: nothing here takes time.
#include "models/muon/learning_rates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "numerics/roots.hpp"
#include "solvers/contour.hpp"

namespace edgewise::models::muon {

double largest_gamma(const MatrixDynamics& dynamics) {
  return 2 / dynamics.noise_to_drift();
}

double adaptive_gamma(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics) {
  return problem.gamma > 0 ? problem.gamma : problem.gamma_fraction * largest_gamma(dynamics);
}

BestGamma best_gamma(const MatrixDynamics& dynamics) {
  std::vector<double> drift, noise, weight;  // without null modes, of which P knows nothing
  for (std::size_t i = 0; i < dynamics.size(); ++i)
    if (dynamics.weight[i] > 0) {
      drift.push_back(dynamics.drift[i]);
      noise.push_back(dynamics.noise[i]);
      weight.push_back(dynamics.weight[i]);
    }
  std::vector<double> decay(weight.size()), input(weight.size());
  const auto rate = [&](double gamma) {
    for (std::size_t i = 0; i < weight.size(); ++i) {
      decay[i] = 2 * gamma * drift[i];
      input[i] = gamma * gamma * noise[i];
    }
    const double slowest = *std::min_element(decay.begin(), decay.end());
    return slowest - solvers::leading_shift(decay, input, weight);
  };
  const double largest = largest_gamma(dynamics);
  const numerics::Minimum best = numerics::minimum([&](double x) { return -rate(x * largest); }, 1e-3, 1.0, 40);
  return {best.at * largest, -best.value};
}

LocalEquilibrium::LocalEquilibrium(const MatrixDynamics& dynamics, double fraction)
    : dynamics_(dynamics),
      fraction_(fraction),
      cap_(1 / (2 * *std::max_element(dynamics.drift.begin(), dynamics.drift.end()))) {
  // gamma falls with u; the guard holds until it is below the cap.
  const auto excess = [&](double log_u) { return std::log(2 * fraction_ / resolved(std::exp(log_u)) / cap_); };
  double low = std::log(cap_) - 40, high = low + 1;
  if (excess(low) <= 0) return;
  while (excess(high) > 0 && high < 700) high += 2;
  if (high >= 700) {
    capped_until_ = std::numeric_limits<double>::infinity();
    return;
  }
  capped_until_ = std::exp(numerics::root(excess, high - 2, high, 50));
}

double LocalEquilibrium::resolved(double u) const {
  double N = 0;
  for (std::size_t i = 0; i < dynamics_.size(); ++i)
    if (dynamics_.weight[i] > 0)
      N += dynamics_.weight[i] * dynamics_.noise[i] * -std::expm1(-2 * dynamics_.drift[i] * u) / dynamics_.drift[i];
  return N;
}

double LocalEquilibrium::gamma(double u) const {
  return u <= capped_until_ ? cap_ : 2 * fraction_ / resolved(u);
}

double LocalEquilibrium::uncapped_time(double u) const {
  double t = 0;
  for (std::size_t i = 0; i < dynamics_.size(); ++i) {
    if (!(dynamics_.weight[i] > 0)) continue;
    const double h = dynamics_.drift[i], x = 2 * h * u;
    // u - (1 - e^-x)/(2h) without cancellation at small x.
    const double gap = x < 1e-3 ? x * x * (0.5 - x * (1.0 / 6 - x / 24)) : x + std::expm1(-x);
    t += dynamics_.weight[i] * dynamics_.noise[i] / h * gap / (2 * h);
  }
  return t / (2 * fraction_);
}

double LocalEquilibrium::time(double u) const {
  if (u <= capped_until_) return u / cap_;
  return capped_until_ / cap_ + uncapped_time(u) - uncapped_time(capped_until_);
}

double LocalEquilibrium::progress(double t) const {
  if (t <= 0) return 0;
  if (std::isinf(capped_until_) || t <= capped_until_ / cap_) return t * cap_;
  const auto excess = [&](double log_u) { return std::log(time(std::exp(log_u)) / t); };
  double low = std::log(capped_until_ > 0 ? capped_until_ : 1e-300), high = low + 1;
  while (excess(high) < 0) {
    low = high;
    high += 2;
  }
  return std::exp(numerics::root(excess, low, high, 50));
}

bool follows_coefficients(const MatrixLeastSquares& problem) {
  return problem.protocol == Protocol::local_equilibrium ||
         (problem.protocol == Protocol::adaptive && !(problem.gamma > 0));
}

LearningRate::LearningRate(const MatrixLeastSquares& problem, const MatrixDynamics* dynamics) : problem_(problem) {
  if (problem.protocol == Protocol::constant_optimal)
    throw std::invalid_argument(
        "optimizer.protocol: constant-optimal has another learning rate for every horizon and cannot be run; solve it, "
        "then run the constant protocol at the best_learning_rate of a horizon");
  if (problem.protocol == Protocol::adaptive)
    gamma_ = problem.gamma > 0 ? problem.gamma : adaptive_gamma(problem, *dynamics);
  if (problem.protocol == Protocol::local_equilibrium)
    local_ = std::make_shared<LocalEquilibrium>(*dynamics, problem.gamma_fraction);
}

double LearningRate::next(double step, double V) {
  if (local_) {
    gamma_ = local_->gamma(progress_);
    progress_ += gamma_;
    return gamma_ * std::sqrt(V);
  }
  const double scale = problem_.schedule->at(step);
  return problem_.protocol == Protocol::adaptive ? gamma_ * scale * std::sqrt(V) : problem_.learning_rate * scale;
}

std::string protocol_text(const MatrixLeastSquares& problem, double gamma) {
  const std::string schedule = problem.schedule->constant() ? "" : ", times the schedule";
  const std::string fraction =
      problem.gamma > 0 ? "" : fmt::format(" = {} gamma_max", settings::text_of(problem.gamma_fraction));
  switch (problem.protocol) {
    case Protocol::constant:
      return fmt::format("constant: raw eta = {}{}", settings::text_of(problem.learning_rate), schedule);
    case Protocol::adaptive:
      return fmt::format("adaptive: eta = gamma sqrt(V), gamma = {:.6g}{}{}", gamma, fraction, schedule);
    case Protocol::constant_optimal:
      return "constant-optimal: the best constant raw eta for every horizon";
    case Protocol::local_equilibrium:
      break;
  }
  return fmt::format("local-equilibrium (conjecture): eta = gamma sqrt(V), gamma = {} of gamma_max of what is resolved",
                     settings::text_of(problem.gamma_fraction));
}

ResolutionTimes resolution_times(const MatrixLeastSquares& problem, const std::optional<PowerLaw>& law) {
  const spectra::Spectrum& s = problem.spectrum;
  const double smallest = law ? std::pow(law->n, -2 * law->alpha) : s.smallest_positive();
  return {problem.time_unit() * root_trace(s) / std::sqrt(smallest), problem.time_unit() * s.trace() / smallest};
}

}  // namespace edgewise::models::muon
