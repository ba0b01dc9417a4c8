#include "models/least_squares/sgd_flow.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "solvers/contour.hpp"
#include "solvers/integrate.hpp"
#include "solvers/volterra.hpp"

namespace edgewise::models::least_squares {

SgdFlow::SgdFlow(const FlowProblem& problem) : problem_(problem), ones_(problem.modes.eigenvalue.size(), 1.0) {
  A_.resize(ones_.size());
  b_.resize(ones_.size());
}

void SgdFlow::rates(double eta, std::span<double> A, std::span<double> b) const {
  const SgdModes& modes = problem_.modes;
  for (std::size_t a = 0; a < ones_.size(); ++a) {
    const double lambda = modes.eigenvalue[a], m = modes.contraction(a, eta);
    b[a] = problem_.scale_feedback * lambda * modes.feedback(a, eta);
    switch (problem_.level) {
      case FlowLevel::homog:
        A[a] = 2 * eta * lambda;
        break;
      case FlowLevel::diff:
        A[a] = m;
        break;
      case FlowLevel::sde:
        A[a] = eta * lambda * (2 - eta * lambda / modes.batch);
        break;
      case FlowLevel::log: {
        if (m >= 1)
          throw std::invalid_argument(
              "theory.level: log needs (1 - eta lambda)^2 + eta^2 lambda^2/B > 0 for every mode; use diff or the "
              "recursion");
        A[a] = -std::log1p(-m);
        if (m != 0) b[a] *= A[a] / m;
        break;
      }
    }
    A[a] *= problem_.scale_contraction;
  }
}

void SgdFlow::refresh(double t) const {
  const double eta = problem_.learning_rate * problem_.schedule->at(t);
  if (eta == cached_eta_) return;
  cached_eta_ = eta;
  rates(eta, A_, b_);
}

void SgdFlow::coefficients(double t, std::span<const double> p, std::span<double> rate,
                           std::span<double> source) const {
  refresh(t);
  const double Q = p[0] + problem_.noise_variance;
  std::copy(A_.begin(), A_.end(), rate.begin());
  for (std::size_t a = 0; a < source.size(); ++a) source[a] = b_[a] * Q;
}

void SgdFlow::sensitivity(double t, std::span<const double>, std::span<const double>, std::span<double> u) const {
  refresh(t);
  std::copy(b_.begin(), b_.end(), u.begin());
}

std::vector<double> SgdFlow::initial() const {
  std::vector<double> q(ones_.size());
  for (std::size_t a = 0; a < q.size(); ++a) q[a] = problem_.modes.eigenvalue[a] * problem_.power[a];
  return q;
}

namespace {

bool past(double P, double limit) {
  return !std::isfinite(P) || P > limit;
}

// First time in (good, bad] at which P passes the limit, to a relative 1e-6.
double crossing(const solvers::Contour& contour, double good, double bad, double limit) {
  while (bad - good > 1e-6 * bad) {
    const double middle = (good + bad) / 2;
    (past(contour.shared(middle), limit) ? bad : good) = middle;
  }
  return bad;
}

FlowResult by_contour(const FlowProblem& problem, const SgdFlow& flow, std::span<const double> times, double rtol,
                      double limit) {
  solvers::RankOneSystem system;
  const std::size_t n = flow.size();
  system.decay.resize(n);
  system.input.resize(n);
  flow.rates(problem.learning_rate, system.decay, system.input);
  system.weight.assign(n, 1.0);
  system.initial = flow.initial();
  system.source = problem.noise_variance;
  const std::vector<double> start = system.initial;
  std::vector<std::vector<double>> inverse(1);
  for (const double lambda : problem.modes.eigenvalue) inverse[0].push_back(1 / lambda);
  const solvers::Contour contour(std::move(system), std::min(rtol, 1e-11));
  FlowResult result;
  double good = 0;
  for (const double t : times) {
    double values[2] = {0, 0};
    if (t == 0) {
      for (std::size_t a = 0; a < n; ++a) {
        values[0] += start[a];
        values[1] += inverse[0][a] * start[a];
      }
    } else {
      const double error = contour.functionals(t, inverse, values);
      if (error > lost_accuracy && !result.valid_until) result.valid_until = good;
      for (double& value : values)
        if (value < 0) value = 0;
    }
    if (past(values[0], limit)) {
      result.diverged_at = crossing(contour, good, t, limit);
      break;
    }
    good = t;
    result.excess_mse.push_back(values[0]);
    result.parameter_error.push_back(values[1]);
  }
  result.error_estimate = contour.error_estimate();
  result.report.emplace_back("transform_evaluations", static_cast<double>(contour.evaluations()));
  result.report.emplace_back("growth_rate", contour.growth_rate());
  return result;
}

}  // namespace

FlowResult integrate_flow(const FlowProblem& problem, std::span<const double> times, const std::string& integrator,
                          double rtol, double atol, double limit) {
  const SgdFlow flow(problem);
  if (integrator == "contour") return by_contour(problem, flow, times, rtol, limit);
  std::vector<double> at(times.begin(), times.end());
  const bool starts_late = at.empty() || at.front() > 0;
  if (starts_late) at.insert(at.begin(), 0.0);
  solvers::Options options;
  options.integrator = solvers::integrator_from_name(integrator);
  options.rtol = rtol;
  options.atol = atol;
  options.breaks = problem.schedule->breaks();
  const std::vector<double> start = flow.initial();
  double P0 = 0;
  for (const double q : start) P0 += q;
  options.divergence_limit = limit / (P0 > 0 ? P0 : 1);
  FlowResult result;
  const auto& lambda = problem.modes.eigenvalue;
  options.observer = [&](std::size_t index, double, std::span<const double> p, std::span<const double> q) {
    if (starts_late && index == 0) return;
    double error = 0;
    for (std::size_t a = 0; a < q.size(); ++a) error += q[a] / lambda[a];
    result.excess_mse.push_back(p[0]);
    result.parameter_error.push_back(error);
  };
  const solvers::Solution solution = solvers::integrate(flow, start, at, options);
  result.diverged_at = solution.diverged_at;
  const solvers::Statistics& s = solution.statistics;
  result.report = {{"solver_steps", static_cast<double>(s.steps)},
                   {"solver_rejected", static_cast<double>(s.rejected)},
                   {"solver_evaluations", static_cast<double>(s.evaluations)},
                   {"solver_solves", static_cast<double>(s.solves)},
                   {"solver_last_step", s.last_step}};
  return result;
}

FlowResult integrate_volterra(const FlowProblem& problem, std::span<const double> times, double rtol, double limit) {
  if (!problem.schedule->constant())
    throw std::invalid_argument("theory.method: volterra needs a constant schedule; use recursion or ode");
  const SgdFlow flow(problem);
  const std::size_t n = flow.size();
  // Where the solution passes the limit is known without solving; beyond it the equation only overflows.
  FlowResult known = by_contour(problem, flow, times, 1e-4, limit);
  solvers::ExponentialSum F, H;
  F.rate.resize(n);
  H.weight.resize(n);
  flow.rates(problem.learning_rate, F.rate, H.weight);
  H.rate = F.rate;
  F.weight = flow.initial();
  solvers::VolterraOptions options;
  options.rtol = rtol;
  const auto solution = solvers::volterra([&](double t) { return F(t); }, H, problem.noise_variance,
                                          times.first(known.excess_mse.size()), options);
  FlowResult result;
  result.excess_mse = solution.values;
  result.diverged_at = known.diverged_at;
  result.report = {{"solver_steps", static_cast<double>(solution.statistics.steps)},
                   {"solver_rejected", static_cast<double>(solution.statistics.rejected)}};
  return result;
}

}  // namespace edgewise::models::least_squares
