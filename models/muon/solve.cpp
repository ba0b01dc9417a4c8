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

/// Collects the columns of a trajectory.
class Recorder {
 public:
  Recorder(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory,
           Trajectory& out)
      : problem_(problem), dynamics_(dynamics), out_(out) {
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
  }

  const std::vector<std::size_t>& spaces() const { return spaces_; }

  /// \param powers  sums over the eigenspaces of `spaces()`
  void add(double step, double P, std::span<const double> powers, double eta) {
    out_.steps.push_back(step);
    out_.columns[0].value.push_back(P);
    out_.columns[1].value.push_back(problem_.risk(P));
    for (std::size_t i = 0; i < powers.size(); ++i)
      out_.columns[2 + i].value.push_back(powers[i] / dynamics_.count[spaces_[i]]);
    if (problem_.protocol != Protocol::constant_optimal) out_.columns.back().value.push_back(eta);
    if (out_.steps.size() == 1) scale_ = P + problem_.noise_variance;
  }
  void add(double step, std::span<const double> M, double eta) {
    std::vector<double> powers;
    for (const std::size_t a : spaces_) powers.push_back(M[a]);
    add(step, dynamics_.excess(M), powers, eta);
  }
  bool diverged(double P) const { return !std::isfinite(P) || P > divergence_limit(scale_); }

 private:
  const MatrixLeastSquares& problem_;
  const MatrixDynamics& dynamics_;
  Trajectory& out_;
  std::vector<std::size_t> spaces_;
  double scale_ = 0;  // of the start and the noise
};

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
    dynamics_.at(V, h_, q_);
    this->step(step, 2 * eta * theory_.scale_drift * *std::ranges::max_element(h_) / std::sqrt(std::max(V, 1e-290)));
  }

  void report(Trajectory& out) const {
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

std::vector<double> whole_steps(const MatrixLeastSquares& problem) {
  std::vector<double> out;
  for (const std::uint64_t k : problem.time.at) out.push_back(static_cast<double>(k));
  return out;
}

/// 0 and `points` - 1 log-spaced times from a twentieth of the time unit to the asked multiple of the resolution time.
std::vector<double> resolution_grid(const MatrixLeastSquares& problem, const MatrixTheory& theory) {
  const PowerLaw* law = theory.power_law ? &*theory.power_law : nullptr;
  const double smallest = law ? std::pow(law->n, -2 * law->alpha) : problem.spectrum.smallest_positive();
  const ResolutionTimes times = resolution_times(problem, smallest);
  const double longest = problem.map == UpdateMap::signsgd ? std::max(times.signsvd, times.signsgd) : times.signsvd;
  const double first = 0.05 * problem.time_unit(), last = theory.resolutions * longest;
  std::vector<double> out{0};
  const auto intervals = static_cast<double>(theory.points - 2);
  for (std::size_t i = 0; i + 1 < theory.points; ++i)
    out.push_back(first * std::exp(std::log(last / first) * static_cast<double>(i) / intervals));
  return out;
}

RankOneSystem linear_system(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                            const MatrixTheory& theory, double gamma, RankOneSystem::Kind kind) {
  RankOneSystem system;
  system.kind = kind;
  const double pull = 2 * gamma * theory.scale_drift, push = gamma * gamma * theory.scale_noise;
  for (std::size_t i = 0; i < dynamics.size(); ++i) {
    system.decay.push_back(pull * dynamics.drift[i]);
    system.input.push_back(push * dynamics.noise[i]);
  }
  system.weight = dynamics.weight;
  system.initial = dynamics.initial;
  system.source = problem.noise_variance;
  return system;
}

/// Whether the adaptive protocol is a time-invariant linear system.
bool linear(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory) {
  return problem.protocol == Protocol::adaptive && problem.schedule->constant() && dynamics.constant() &&
         !theory.dressed && problem.labels == Labels::bilinear;
}

/// Reads a contour at times[from..]; false (and nothing recorded) where its error exceeds the tolerance.
bool record_contour(const Contour& contour, std::span<const double> times, const MatrixLeastSquares& problem,
                    const MatrixDynamics& dynamics, const MatrixTheory& theory, double gamma, Recorder& recorder,
                    Trajectory& out) {
  std::vector<std::vector<double>> rows;
  for (const std::size_t a : recorder.spaces()) {
    rows.emplace_back(dynamics.size());
    rows.back()[a] = 1;
  }
  std::vector<std::vector<double>> values;
  for (const double t : times) {
    values.emplace_back(rows.size() + 1);
    contour.functionals(t, rows, values.back());
    if (recorder.diverged(values.back()[0])) break;
  }
  // Rounding of the inverted transform, where the solution has fallen by many decades.
  if (contour.error_estimate() > std::max(100 * theory.rtol, 1e-6)) return false;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const double P = values[k][0];
    if (recorder.diverged(P)) {
      out.diverged_at = times[k];
      break;
    }
    recorder.add(times[k], P, std::span(values[k]).subspan(1), gamma * std::sqrt(problem.residual_variance(P)));
  }
  out.report.emplace_back("solver_evaluations", static_cast<double>(contour.evaluations()));
  out.report.emplace_back("solver_error", contour.error_estimate());
  return true;
}

void solve_recursion(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory,
                     Recorder& recorder, Trajectory& out) {
  MatrixRecursion recursion(problem, dynamics, theory);
  LearningRate rate(problem, &dynamics);
  Guards guards(dynamics, theory);
  const double first_V = recursion.residual_variance();
  const std::vector<double> at = whole_steps(problem);
  const auto can_invert = [&] {
    return linear(problem, dynamics, theory) && at.back() > iterate_up_to &&
           2 * rate.gamma() * theory.scale_drift * *std::max_element(dynamics.drift.begin(), dynamics.drift.end()) <=
               solvers::largest_map_decay;
  };
  std::optional<Contour> contour;
  if (can_invert())
    contour.emplace(linear_system(problem, dynamics, theory, rate.gamma(), RankOneSystem::Kind::map),
                    std::min(theory.rtol, 1e-9));
  double step = 0;
  for (std::size_t k = 0; k < at.size(); ++k) {
    if (contour && at[k] >= contour->earliest()) {
      if (record_contour(*contour, std::span(at).subspan(k), problem, dynamics, theory, rate.gamma(), recorder, out)) {
        out.method += ", inverted transform";
        break;
      }
      contour.reset();
    }
    for (; step < at[k]; ++step) {
      const double V = recursion.residual_variance();
      guards.signal(recursion.state(), V);
      recursion.step(rate.next(step, V));
      guards.step(step, recursion.last_overshoot());
      if (recorder.diverged(recursion.excess()) || recursion.excess() < 0) {
        out.diverged_at = step + 1;
        break;
      }
    }
    if (out.diverged_at) break;
    LearningRate next = rate;
    recorder.add(at[k], recursion.state(), next.next(step, recursion.residual_variance()));
  }
  if (contour) guards.step(step, rate.gamma() * std::sqrt(first_V), first_V);
  guards.report(out);
  if (theory.dressed) out.report.emplace_back("drift_refreshes", static_cast<double>(recursion.refreshes()));
}

void add_statistics(const solvers::Statistics& s, Trajectory& out) {
  out.report.emplace_back("solver_steps", static_cast<double>(s.steps));
  out.report.emplace_back("solver_evaluations", static_cast<double>(s.evaluations));
}

void solve_ode(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory,
               std::span<const double> times, Recorder& recorder, Trajectory& out) {
  const double start = dynamics.excess(dynamics.initial), V0 = problem.residual_variance(start);
  solvers::Options options;
  options.rtol = theory.rtol;
  options.atol = theory.atol;
  options.divergence_limit = divergence_factor;
  options.breaks = problem.schedule->breaks();
  std::function<double(double, double)> eta_at;  // of time and V
  std::vector<double> at(times.begin(), times.end());
  std::unique_ptr<solvers::CoupledModes> flow;
  std::shared_ptr<LocalEquilibrium> local;
  Guards guards(dynamics, theory);
  const ingredients::Schedule& schedule = *problem.schedule;
  if (problem.protocol == Protocol::constant) {
    const auto eta = [&problem, &schedule](double t) { return problem.learning_rate * schedule.at(t); };
    flow = std::make_unique<MatrixFlow>(problem, dynamics, theory, eta, schedule.constant());
    eta_at = [eta](double t, double) { return eta(t); };
    out.method = "ode, sdirk4";
  } else if (problem.protocol == Protocol::adaptive) {
    const double gamma = adaptive_gamma(problem, dynamics);
    if (linear(problem, dynamics, theory)) {
      const Contour contour(linear_system(problem, dynamics, theory, gamma, RankOneSystem::Kind::flow), theory.rtol);
      recorder.add(0, dynamics.initial, gamma * std::sqrt(V0));
      out.method = "ode, inverted transform";
      if (times.size() == 1 ||
          record_contour(contour, times.subspan(1), problem, dynamics, theory, gamma, recorder, out)) {
        guards.signal(dynamics.initial, V0);
        guards.step(0, gamma * std::sqrt(V0), V0);
        guards.report(out);
        return;
      }
      out.steps.clear();
      for (Column& c : out.columns) c.value.clear();
    }
    const auto scale = [gamma, &schedule](double t) { return gamma * schedule.at(t); };
    flow = std::make_unique<AdaptiveFlow>(
        problem, dynamics, theory, scale, [scale](double t) { return scale(t) * scale(t); }, schedule.constant());
    eta_at = [scale](double t, double V) { return scale(t) * std::sqrt(V); };
    if (schedule.constant()) options.integrator = solvers::Integrator::etd;
    out.method = schedule.constant() ? "ode, etd" : "ode, sdirk4";
  } else {
    local = std::make_shared<LocalEquilibrium>(dynamics, problem.gamma_fraction);
    for (double& t : at) t = local->progress(t);
    flow = std::make_unique<AdaptiveFlow>(
        problem, dynamics, theory, [](double) { return 1.0; }, [local](double u) { return local->gamma(u); }, false);
    eta_at = [local](double u, double V) { return local->gamma(u) * std::sqrt(V); };
    options.integrator = solvers::Integrator::etd;
    out.method = "ode, etd";
  }
  options.observer = [&](std::size_t index, double t, std::span<const double> p, std::span<const double> M) {
    const double V = problem.residual_variance(p[0]), eta = eta_at(t, V);
    recorder.add(times[index], M, eta);
    guards.signal(M, V);
    guards.step(times[index], eta, V);
  };
  const solvers::Solution solution = solvers::integrate(*flow, dynamics.initial, at, options);
  out.diverged_at = solution.diverged_at;
  add_statistics(solution.statistics, out);
  guards.report(out);
}

/// Protocol B: every recorded step is a horizon.
void solve_constant_optimal(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                            const MatrixTheory& theory, std::span<const double> times, Recorder& recorder,
                            Trajectory& out) {
  if (!theory.powers.empty())
    throw std::invalid_argument("theory.powers: not along the envelope of constant-optimal; leave it out");
  const BestConstantRates best = best_constant_rates(problem, dynamics, theory, times);
  Column rates{
      {"best_learning_rate", "per step", "the constant eta that is best at this horizon; 0 without a step"}, {0}, {}};
  Guards guards(dynamics, theory);
  const double start = dynamics.excess(dynamics.initial);
  guards.signal(dynamics.initial, problem.residual_variance(start));
  recorder.add(0, start, {}, 0);
  for (std::size_t t = 1; t < times.size(); ++t) {
    const BestConstantRate& of = best.of[t - 1];
    recorder.add(times[t], of.excess, {}, 0);
    rates.value.push_back(of.learning_rate);
    guards.step(times[t], of.learning_rate, problem.residual_variance(of.excess));
  }
  guards.report(out);
  out.columns.push_back(std::move(rates));
  out.method = "ode, sdirk4, " + std::to_string(best.rates) + " learning rates";
  out.report.emplace_back("solver_steps", static_cast<double>(best.solver_steps));
}

}  // namespace

Trajectory solve_matrix(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory) {
  if (problem.protocol != Protocol::constant && !dynamics.constant())
    throw std::invalid_argument("optimizer.protocol: this map has a scale, and only the constant protocol");
  if (theory.dressed) {
    if (const auto why = dynamics.no_dressing())
      throw std::invalid_argument("theory.dressed: the correction is not known for " + *why);
    if (theory.method != "recursion") throw std::invalid_argument("theory.dressed: needs method = \"recursion\"");
  }
  const bool own_times = theory.resolutions > 0;
  if (own_times && theory.method != "ode")
    throw std::invalid_argument("theory.resolutions: times between steps need method = \"ode\"");
  if (problem.protocol == Protocol::constant_optimal && theory.method != "ode")
    throw std::invalid_argument("optimizer.protocol: constant-optimal needs [theory] method = \"ode\"");
  Trajectory out;
  Recorder recorder(problem, dynamics, theory, out);
  const std::vector<double> times = own_times ? resolution_grid(problem, theory) : whole_steps(problem);
  out.method = theory.method;
  if (problem.protocol == Protocol::constant_optimal)
    solve_constant_optimal(problem, dynamics, theory, times, recorder, out);
  else if (theory.method == "recursion")
    solve_recursion(problem, dynamics, theory, recorder, out);
  else
    solve_ode(problem, dynamics, theory, times, recorder, out);

  const double N = dynamics.constant() ? dynamics.noise_to_drift() : 0;
  const bool adaptive = problem.protocol == Protocol::adaptive;
  const double gamma = adaptive ? adaptive_gamma(problem, dynamics) : 0;
  out.labels.emplace_back("protocol", protocol_text(problem, gamma));
  out.labels.emplace_back("coefficients", dynamics.description);
  out.labels.emplace_back("drift", theory.dressed ? "dressed" : "bare");
  out.labels.emplace_back("window", fmt::format("steps 0 to {:.6g}, m/B = {:.6g}", times.back(), problem.time_unit()));
  if (adaptive) {
    out.report.emplace_back("gamma", gamma);
    out.report.emplace_back("gamma_max", largest_gamma(dynamics));
    if (gamma * N >= 2 * (1 - 1e-12)) {
      out.labels.emplace_back("stability", "unstable");
      out.warnings.push_back(
          fmt::format("unstable: gamma N = {:.4g}, the adaptive protocol diverges from 2 on", gamma * N));
    }
  }
  out.report.emplace_back("time_unit", problem.time_unit());
  const double smallest = theory.power_law ? std::pow(theory.power_law->n, -2 * theory.power_law->alpha)
                                           : problem.spectrum.smallest_positive();
  const ResolutionTimes resolution = resolution_times(problem, smallest);
  out.report.emplace_back("resolution_time_signsvd", resolution.signsvd);
  out.report.emplace_back("resolution_time_signsgd", resolution.signsgd);
  if (theory.power_law)
    if (const auto predicted = predicted_exponent(problem, *theory.power_law)) {
      out.report.emplace_back("predicted_exponent", predicted->exponent);
      out.report.emplace_back("predicted_from", predicted->from);
      out.report.emplace_back("predicted_to", predicted->to);
    }
  return out;
}

}  // namespace edgewise::models::muon
