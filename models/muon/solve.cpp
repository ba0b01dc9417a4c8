// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "models/framework/divergence.hpp"
#include "models/muon/constant_optimal.hpp"
#include "models/muon/learning_rates.hpp"
#include "models/muon/theory.hpp"
#include "solvers/contour.hpp"
#include "solvers/integrate.hpp"

namespace edgewise::models::muon {

namespace {

using solvers::Contour;
using solvers::RankOneSystem;

// Steps beyond which a linear recursion is inverted at the recorded steps instead of being iterated.
constexpr double iterate_up_to = 20000;

/// What the theory needs along a trajectory (docs/theory/muon-phases.md, section 5): steps that do not overshoot, and
/// signal shares that are small.
class Guards {
 public:
  Guards(const MatrixDynamics& dynamics, const MatrixTheory& theory)
      : dynamics_(dynamics), theory_(theory), h_(dynamics.size()), q_(dynamics.size()) {}

  void signal(std::span<const double> M, double V) {
    if (dynamics_.inputs) signal_ = std::max(signal_, dynamics_.signal_to_noise(M, V));
  }
  /// \param overshoot  2 eta max(hhat)/sqrt(V) of the step
  void step(double step, double overshoot) {
    overshoot_ = std::max(overshoot_, overshoot);
    if (overshoot >= 1 && !first_) first_ = step;
  }
  /// The same from a rate, with the bare drift.
  void step(double step, double eta, double V) {
    if (V == 0) return;
    dynamics_.at(V, h_, q_);
    this->step(step, 2 * eta * theory_.scale_drift * *std::ranges::max_element(h_) / std::sqrt(std::max(V, 1e-290)));
  }

  void report(Trajectory& out) const {
    if (dynamics_.exact() && theory_.method == "recursion") return;  // nothing to guard
    out.report.emplace_back("overshoot", overshoot_);
    if (dynamics_.inputs) out.report.emplace_back("snr_max", signal_);
    if (first_) {
      out.labels.emplace_back("guard", "step_too_large");
      out.warnings.push_back(
          theory_.method == "recursion"
              ? fmt::format("step_too_large: 2 eta hhat/sqrt(V) passes 1 at step {}, where the top modes overshoot and "
                            "the recursion is not to be trusted",
                            *first_)
              : fmt::format("step_too_large: 2 eta hhat/sqrt(V) is above 1 at step {}, where a step overshoots in the "
                            "top modes and the flow, which cannot, is not to be trusted",
                            *first_));
    }
    const double limit = theory_.dressed ? 5 : 0.1;
    if (signal_ > limit)
      out.warnings.push_back(fmt::format(
          "the top mode's signal share is large: snr_max = {:.3g}, above {} ({} theory): its drift is {}", signal_,
          limit, theory_.dressed ? "dressed" : "bare", theory_.dressed ? "uncertain" : "overestimated"));
  }

 private:
  const MatrixDynamics& dynamics_;
  const MatrixTheory& theory_;
  std::vector<double> h_, q_;
  double overshoot_ = 0, signal_ = 0;
  std::optional<double> first_;
};

/// 0 and `points` - 1 log-spaced times from a twentieth of the time unit to the asked multiple of the resolution time.
std::vector<double> resolution_grid(const MatrixLeastSquares& problem, const MatrixTheory& theory) {
  const ResolutionTimes times = resolution_times(problem, theory.power_law);
  const double longest = problem.map == UpdateMap::signsgd ? std::max(times.signsvd, times.signsgd) : times.signsvd;
  const double first = 0.05 * problem.time_unit(), last = theory.resolutions * longest;
  std::vector<double> out{0};
  const auto intervals = static_cast<double>(theory.points - 2);
  for (std::size_t i = 0; i + 1 < theory.points; ++i)
    out.push_back(first * std::exp(std::log(last / first) * static_cast<double>(i) / intervals));
  return out;
}

/// One solve: records what is asked for along the way.
class Solver {
 public:
  Solver(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory)
      : problem_(problem),
        dynamics_(dynamics),
        theory_(theory),
        times_(theory.resolutions > 0 ? resolution_grid(problem, theory)
                                      : std::vector<double>(problem.time.at.begin(), problem.time.at.end())),
        guards_(dynamics, theory) {
    for (const std::size_t j : theory.powers) {
      if (!dynamics.inputs)
        throw std::invalid_argument(
            "theory.powers: the modes of this theory are not the eigenvectors of K; leave it "
            "out");
      spaces_.push_back(eigenspace_of(problem.spectrum, j));
    }
    for (const Observable& o : matrix_observables(theory.powers)) out_.columns.push_back({o, {}, {}});
    if (problem.protocol != Protocol::constant_optimal)
      out_.columns.push_back({{"learning_rate", "per step", "eta of the step that follows"}, {}, {}});
    out_.method = theory.method;
  }

  Trajectory run() {
    if (problem_.protocol == Protocol::constant_optimal)
      constant_optimal();
    else if (problem_.residual_variance(dynamics_.excess(dynamics_.initial)) == 0)
      rest();
    else if (theory_.method == "recursion")
      recursion();
    else
      ode();
    guards_.report(out_);
    out_.report.insert(out_.report.end(), last_.begin(), last_.end());
    describe();
    return std::move(out_);
  }

 private:
  using Powers = std::span<const double>;

  /// \param powers  sums over the eigenspaces of the asked columns
  void record(double step, double P, Powers powers, double eta) {
    out_.steps.push_back(step);
    out_.columns[0].value.push_back(P);
    out_.columns[1].value.push_back(problem_.risk(P));
    for (std::size_t i = 0; i < powers.size(); ++i)
      out_.columns[2 + i].value.push_back(powers[i] / dynamics_.count[spaces_[i]]);
    if (problem_.protocol != Protocol::constant_optimal) out_.columns.back().value.push_back(eta);
    if (out_.steps.size() == 1) scale_ = P + problem_.noise_variance;
  }
  void record_state(double step, std::span<const double> M, double eta) {
    std::vector<double> powers;
    for (const std::size_t a : spaces_) powers.push_back(M[a]);
    record(step, dynamics_.excess(M), powers, eta);
  }
  bool diverged(double P) const { return !std::isfinite(P) || P > divergence_limit(scale_); }

  RankOneSystem linear_system(double gamma, RankOneSystem::Kind kind) const {
    RankOneSystem system;
    system.kind = kind;
    const double pull = 2 * gamma * theory_.scale_drift, push = gamma * gamma * theory_.scale_noise;
    for (std::size_t i = 0; i < dynamics_.size(); ++i) {
      system.decay.push_back(pull * dynamics_.drift[i]);
      system.input.push_back(push * dynamics_.noise[i]);
    }
    system.weight = dynamics_.weight;
    system.initial = dynamics_.initial;
    system.source = problem_.noise_variance;
    return system;
  }

  /// Whether the adaptive protocol is a time-invariant linear system.
  bool linear() const {
    return problem_.protocol == Protocol::adaptive && problem_.schedule->constant() && dynamics_.constant() &&
           !theory_.dressed && problem_.labels == Labels::bilinear;
  }

  /// Reads a contour from times_[first] on; false (and nothing recorded) where its error exceeds the tolerance.
  bool record_contour(const Contour& contour, std::size_t first, double gamma) {
    std::vector<std::vector<double>> rows;
    for (const std::size_t a : spaces_) {
      rows.emplace_back(dynamics_.size());
      rows.back()[a] = 1;
    }
    const std::span<const double> times = std::span(times_).subspan(first);
    std::vector<std::vector<double>> values;
    for (const double t : times) {
      values.emplace_back(rows.size() + 1);
      contour.functionals(t, rows, values.back());
      if (diverged(values.back()[0])) break;
    }
    // Rounding of the inverted transform, where the solution has fallen by many decades.
    if (contour.error_estimate() > std::max(100 * theory_.rtol, 1e-6)) return false;
    for (std::size_t k = 0; k < values.size(); ++k) {
      const double P = values[k][0];
      if (diverged(P)) {
        out_.diverged_at = times[k];
        break;
      }
      record(times[k], P, Powers(values[k]).subspan(1), gamma * std::sqrt(problem_.residual_variance(P)));
    }
    out_.report.emplace_back("solver_evaluations", static_cast<double>(contour.evaluations()));
    out_.report.emplace_back("solver_error", contour.error_estimate());
    return true;
  }

  /// Without residuals there is no gradient, and S(0) = 0.
  void rest() {
    LearningRate rate(problem_, &dynamics_);
    for (const double t : times_) record_state(t, dynamics_.initial, rate.next(t, 0));
  }

  void recursion() {
    MatrixRecursion recursion(problem_, dynamics_, theory_);
    out_.exact = dynamics_.exact() && theory_.scale_drift == 1 && theory_.scale_noise == 1;
    LearningRate rate(problem_, &dynamics_);
    const double first_V = recursion.residual_variance();
    const bool invertible = linear() && times_.back() > iterate_up_to &&
                            2 * rate.gamma() * theory_.scale_drift * *std::ranges::max_element(dynamics_.drift) <=
                                solvers::largest_map_decay;
    std::optional<Contour> contour;
    if (invertible)
      contour.emplace(linear_system(rate.gamma(), RankOneSystem::Kind::map), std::min(theory_.rtol, 1e-9));
    double step = 0;
    for (std::size_t k = 0; k < times_.size(); ++k) {
      if (contour && times_[k] >= contour->earliest()) {
        if (record_contour(*contour, k, rate.gamma())) {
          out_.method += ", inverted transform";
          break;
        }
        contour.reset();
      }
      for (; step < times_[k]; ++step) {
        const double V = recursion.residual_variance();
        guards_.signal(recursion.state(), V);
        recursion.step(rate.next(step, V));
        guards_.step(step, recursion.last_overshoot());
        if (recursion.excess() < 0) {
          out_.valid_until = step;
          out_.warnings.push_back(fmt::format(
              "the recursion left its range at step {}, where its excess_mse would fall below 0: the theory "
              "ends there; that is no divergence",
              step + 1));
          break;
        }
        if (diverged(recursion.excess())) {
          out_.diverged_at = step + 1;
          break;
        }
      }
      if (out_.diverged_at || out_.valid_until) break;
      LearningRate next = rate;
      record_state(times_[k], recursion.state(), next.next(step, recursion.residual_variance()));
    }
    if (contour) guards_.step(step, rate.gamma() * std::sqrt(first_V), first_V);
    if (theory_.dressed) last_.emplace_back("drift_refreshes", static_cast<double>(recursion.refreshes()));
  }

  void ode() {
    const double V0 = problem_.residual_variance(dynamics_.excess(dynamics_.initial));
    solvers::Options options;
    options.rtol = theory_.rtol;
    options.atol = theory_.atol;
    options.divergence_limit = divergence_factor;
    options.breaks = problem_.schedule->breaks();
    std::vector<double> at = times_;
    const ingredients::Schedule& schedule = *problem_.schedule;
    const bool adaptive = problem_.protocol != Protocol::constant;
    std::function<double(double)> eta;  // adaptive: over sqrt(V)
    FlowRates rates;
    if (problem_.protocol == Protocol::local_equilibrium) {
      const auto local = std::make_shared<LocalEquilibrium>(dynamics_, problem_.gamma_fraction);
      for (double& t : at) t = local->progress(t);
      eta = [local](double u) { return local->gamma(u); };
      rates = {[](double) { return 1.0; }, eta, adaptive, false};
    } else {
      const double full = adaptive ? adaptive_gamma(problem_, dynamics_) : problem_.learning_rate;
      if (linear() && ode_by_contour(full, V0)) return;
      eta = [full, &schedule](double t) { return full * schedule.at(t); };
      rates = {eta, [eta](double t) { return eta(t) * eta(t); }, adaptive, schedule.constant()};
    }
    if (adaptive && schedule.constant()) options.integrator = solvers::Integrator::etd;
    out_.method = options.integrator == solvers::Integrator::etd ? "ode, etd" : "ode, sdirk4";
    const MatrixFlow flow(problem_, dynamics_, theory_, rates);
    options.observer = [&](std::size_t index, double t, std::span<const double> p, std::span<const double> M) {
      const double V = problem_.residual_variance(p[0]), now = eta(t) * (adaptive ? std::sqrt(V) : 1);
      record_state(times_[index], M, now);
      guards_.signal(M, V);
      guards_.step(times_[index], now, V);
    };
    const solvers::Solution solution = solvers::integrate(flow, dynamics_.initial, at, options);
    out_.diverged_at = solution.diverged_at;
    out_.report.emplace_back("solver_steps", static_cast<double>(solution.statistics.steps));
    out_.report.emplace_back("solver_evaluations", static_cast<double>(solution.statistics.evaluations));
  }

  /// The adaptive protocol by the inverted transform; false, and nothing recorded, where that is not accurate.
  bool ode_by_contour(double gamma, double V0) {
    const Contour contour(linear_system(gamma, RankOneSystem::Kind::flow), theory_.rtol);
    record_state(0, dynamics_.initial, gamma * std::sqrt(V0));
    out_.method = "ode, inverted transform";
    if (times_.size() == 1 || record_contour(contour, 1, gamma)) {
      guards_.signal(dynamics_.initial, V0);
      guards_.step(0, gamma * std::sqrt(V0), V0);
      return true;
    }
    out_.steps.clear();
    for (Column& c : out_.columns) c.value.clear();
    return false;
  }

  /// Protocol B: every recorded step is a horizon.
  void constant_optimal() {
    if (!theory_.powers.empty())
      throw std::invalid_argument("theory.powers: not along the envelope of constant-optimal; leave it out");
    const BestConstantRates best = best_constant_rates(problem_, dynamics_, theory_, times_);
    Column rates{
        {"best_learning_rate", "per step", "the constant eta that is best at this horizon; 0 without a step"}, {0}, {}};
    const double start = dynamics_.excess(dynamics_.initial);
    guards_.signal(dynamics_.initial, problem_.residual_variance(start));
    record(0, start, {}, 0);
    for (std::size_t t = 1; t < times_.size(); ++t) {
      const BestConstantRate& of = best.of[t - 1];
      record(times_[t], of.excess, {}, 0);
      rates.value.push_back(of.learning_rate);
      guards_.step(times_[t], of.learning_rate, problem_.residual_variance(of.excess));
    }
    out_.columns.push_back(std::move(rates));
    out_.method = "ode, sdirk4, " + std::to_string(best.rates) + " learning rates";
    last_.emplace_back("solver_steps", static_cast<double>(best.solver_steps));
  }

  /// What every trajectory says of itself.
  void describe() {
    const double N = dynamics_.constant() ? dynamics_.noise_to_drift() : 0;
    const bool adaptive = problem_.protocol == Protocol::adaptive;
    const double gamma = adaptive ? adaptive_gamma(problem_, dynamics_) : 0;
    out_.labels.emplace_back("protocol", protocol_text(problem_, gamma));
    out_.labels.emplace_back("coefficients", dynamics_.description);
    out_.labels.emplace_back("drift", theory_.dressed ? "dressed" : "bare");
    out_.labels.emplace_back("window",
                             fmt::format("steps 0 to {:.6g}, m/B = {:.6g}", times_.back(), problem_.time_unit()));
    if (adaptive) {
      out_.report.emplace_back("gamma", gamma);
      out_.report.emplace_back("gamma_max", largest_gamma(dynamics_));
      if (gamma * N >= 2 * (1 - 1e-12)) {
        out_.labels.emplace_back("stability", "unstable");
        out_.warnings.push_back(
            fmt::format("unstable: gamma N = {:.4g}, the adaptive protocol diverges from 2 on", gamma * N));
      }
    }
    out_.report.emplace_back("time_unit", problem_.time_unit());
    const ResolutionTimes resolution = resolution_times(problem_, theory_.power_law);
    out_.report.emplace_back("resolution_time_signsvd", resolution.signsvd);
    out_.report.emplace_back("resolution_time_signsgd", resolution.signsgd);
    if (theory_.power_law)
      if (const auto predicted = predicted_exponent(problem_, *theory_.power_law)) {
        out_.report.emplace_back("predicted_exponent", predicted->exponent);
        out_.report.emplace_back("predicted_from", predicted->from);
        out_.report.emplace_back("predicted_to", predicted->to);
      }
  }

  const MatrixLeastSquares& problem_;
  const MatrixDynamics& dynamics_;
  const MatrixTheory& theory_;
  std::vector<double> times_;
  Guards guards_;
  std::vector<std::size_t> spaces_;
  double scale_ = 0;  // of the start and the noise
  Trajectory out_;
  std::vector<std::pair<std::string, double>> last_;  // of the report, behind that of the guards
};

}  // namespace

Trajectory solve_matrix(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory) {
  if (problem.protocol != Protocol::constant && !dynamics.constant())
    throw std::invalid_argument("optimizer.protocol: this map has a scale, and only the constant protocol");
  if (theory.dressed) {
    if (const auto why = dynamics.no_dressing())
      throw std::invalid_argument("theory.dressed: the correction is not known for " + *why);
    if (theory.method != "recursion") throw std::invalid_argument("theory.dressed: needs method = \"recursion\"");
  }
  if (problem.protocol == Protocol::constant_optimal && theory.method != "ode")
    throw std::invalid_argument("optimizer.protocol: constant-optimal needs [theory] method = \"ode\"");
  return Solver(problem, dynamics, theory).run();
}

}  // namespace edgewise::models::muon
