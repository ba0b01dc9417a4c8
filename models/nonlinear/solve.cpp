// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "models/framework/divergence.hpp"
#include "models/ingredients/coupled_law.hpp"
#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/path_variance.hpp"
#include "models/nonlinear/second_moment.hpp"
#include "models/nonlinear/theory.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "solvers/gram_covariance.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// P below which the laws are not asked.
constexpr double smallest = 1e-300;
/// Modes squared times steps: half a minute or so.
constexpr double most_band_work = 1e11;

/// One solve: records what is asked for along the way.
class Solver {
 public:
  Solver(const NonlinearProblem& problem, const ModeSystem& modes, const NonlinearTheory& theory)
      : problem_(problem),
        modes_(modes),
        theory_(theory),
        noise_(effective_noise(problem)),
        laws_(scaled(scalar_laws(problem), theory)),
        scale_(divergence_scale(*noise_, modes.excess_mse())) {}

  Trajectory run() {
    out_.exact = is_exact(problem_, theory_);
    if (stays())
      rest();
    else if (theory_.method == "ode")
      ode();
    else if (theory_.method == "sde")
      sde();
    else
      recursion();
    columns();
    if (!stays()) leave_optimum();
    if (theory_.bands) bands();
    if (theory_.effects && at_rest())
      out_.warnings.push_back("theory.effects: at the optimum without noise nothing moves, and there are none");
    else if (theory_.effects)
      effects();
    if (theory_.compare) compare();
    report();
    return std::move(out_);
  }

 private:
  static ScalarLaws scaled(ScalarLaws laws, const NonlinearTheory& theory) {
    if (theory.scale_drift == 1 && theory.scale_noise == 1) return laws;
    return ScalarLaws([laws = std::move(laws), a = theory.scale_drift, b = theory.scale_noise](double P) {
      const LawValues v = laws.exact(P);
      return LawValues{v.a * a, v.b * b, v.c};
    });
  }

  void record(double step, double P) {
    out_.steps.push_back(step);
    P_.push_back(P);
    feel_floor(step, P);
    if (P < smallest && modes_.excess_mse() > 0 && !clamped_) {
      clamped_ = true;
      out_.warnings.push_back(
          fmt::format("P fell below {:g} by step {:g}: from there its laws are read at that value", smallest, step));
    }
  }

  void feel_floor(double step, double P) {
    const double share = floor_share(problem_, *noise_, P);
    if (step == 0) floor_felt_ = share > felt_floor;  // which the problem's own warnings say
    if (floor_felt_ || !(share > felt_floor)) return;
    floor_felt_ = true;
    out_.warnings.push_back(fmt::format(
        "optimizer.floor is {:.2g} of sqrt(n) of the coordinate that varies least, by step {:g}: the theory "
        "takes it as 0, the simulation does not",
        share, step));
  }

  // How much single coordinates feel the residual; of signs only.
  void localise(double step, double value) {
    localisation_.push_back(value);
    if (localisation_.back() > localised && localisation_.front() <= localised && !localised_) {
      localised_ = true;
      out_.warnings.push_back(
          fmt::format("no longer delocalised: {} = {:.2g} at step {:g} (above {}), where the linear-response drift "
                      "overestimates",
                      localisation_name(problem_), localisation_.back(), step, localised));
    }
  }

  /// At the optimum without noise every residual is 0, and so is every step unless chi(0) is not. Laws may have no value there.
  bool at_rest() const {
    if (modes_.excess_mse() > 0 || !noise_->gaussian() || noise_->variance() > 0) return false;
    return problem_.nonlinearity ? (*problem_.nonlinearity)(0) == 0 : problem_.method != Method::quantile;
  }

  /// At the optimum, where no step moves, whatever the noise.
  bool stays() const { return at_rest() || (modes_.excess_mse() == 0 && step_at_optimum(problem_).share == 0); }

  /// Where P starts as nothing but what its first steps make of noise, the mean lags by some steps (or is ahead): those that
  /// single runs wait where steps jump at the optimum, which no dimension averages; those until averages are stationary; and
  /// what the flow does in place of the first step. It is off by their number over that of all steps, as measured.
  void leave_optimum() {
    constexpr double error = 0.01;
    const double start = modes_.excess_mse(), memory = memory_lag(problem_);
    const StepAtOptimum first = start == 0 ? step_at_optimum(problem_) : StepAtOptimum{};
    const double lag = memory + first.lag + (theory_.method == "recursion" ? 0 : first.missed);
    double before = 0;  // steps in which noise makes as much as the start
    if (start > 0) {
      if (problem_.greedy || memory == 0) return;
      const LawValues law = laws_(start);
      const double eta = problem_.rate_at(0), grown = eta * eta * law.b * modes_.noise_trace();
      const double Q = start_powers(modes_, Steps::small).Q;
      if (!(grown > 2 * eta * law.a * Q)) return;
      before = start / grown;
    }
    const double from = std::ceil(lag / error - before - 1e-6);
    if (!(from > 1)) return;
    out_.claim_from(from, std::array<std::string_view, 2>{excess_observable.name, risk_observable.name});
    const std::string claimed = fmt::format("the mean is claimed from step {:g} on", from);
    out_.warnings.push_back(
        first.lag > 0
            ? "the run starts at the optimum under noise that is often 0: single runs leave it at different steps, "
              "whatever the dimension, and " +
                  claimed
        : memory > 0 ? "the run starts where P is soon the noise of its first steps, which remember too little to be "
                       "those of the theory: " +
                           claimed
                     : "the run starts at the optimum, and steps there are not those beside it, which the " +
                           theory_.method + " takes: " + claimed);
  }

  void rest() {
    out_.method = theory_.method;
    for (const std::uint64_t target : problem_.time.at) {
      record(static_cast<double>(target), 0);
      powers_.push_back({});
      if (problem_.coordinatewise()) localise(static_cast<double>(target), 0);
      if (problem_.greedy) last_rates_.push_back(0);
    }
  }

  void recursion() {
    out_.method = "recursion";
    NonlinearRecursion recursion(modes_, laws_, problem_);
    for (const std::uint64_t target : problem_.time.at) {
      while (recursion.steps() < target) {
        if (!recursion.step()) {
          out_.valid_until = static_cast<double>(recursion.steps());
          out_.warnings.push_back(
              fmt::format("unstable-step: at step {} 2 eta a kappa_max exceeds 1, the largest mode would be thrown "
                          "past its optimum; "
                          "the theory of small steps ends here",
                          recursion.steps()));
          return;
        }
        if (!(recursion.excess_mse() <= divergence_limit(scale_))) {
          out_.diverged_at = static_cast<double>(recursion.steps());
          return;
        }
        if (recursion.at_rest()) recursion.rest(target - recursion.steps());
      }
      record(static_cast<double>(target), recursion.excess_mse());
      powers_.push_back(recursion.drift_powers());
      if (problem_.coordinatewise())
        localise(static_cast<double>(target),
                 localisation(problem_, modes_, recursion.state(), recursion.pull(), recursion.excess_mse()));
      if (problem_.greedy) last_rates_.push_back(recursion.last_rate());
    }
    out_.report.emplace_back("iterated_steps", static_cast<double>(recursion.steps()));
  }

  // The law in continuous time, of these modes.
  ingredients::CoupledLaw flow_of(const ModeSystem& modes) const {
    ingredients::CoupledLaw law;
    law.modes = std::make_shared<NonlinearFlow>(modes, laws_, problem_);
    law.start = modes.initial;
    law.breaks = problem_.schedule->breaks();
    law.scale = scale_;
    law.readings.push_back({excess_observable, [](auto p, auto) { return p[0]; }});
    return law;
  }

  // Takes over what the driver recorded, P first.
  Trajectory followed(const ingredients::CoupledLaw& law, const ingredients::Following& how) {
    Trajectory path = ingredients::follow(law, problem_.time, how);
    for (std::size_t i = 0; i < path.steps.size(); ++i) record(path.steps[i], path.columns[0].value[i]);
    out_.diverged_at = path.diverged_at;
    out_.method = path.method;
    out_.report = path.report;
    return path;
  }

  void ode() {
    ingredients::CoupledLaw law = flow_of(modes_);
    law.readings.push_back(
        {{"drift_power", "", "sum kappa^2 M"}, [this](auto, auto M) { return drift_powers(modes_.kappa, M).Q; }});
    // Off the diagonal it needs the integral of eta a, which the solver does not keep.
    const bool local = problem_.coordinatewise() && !modes_.coordinates;
    if (local)
      law.readings.push_back({{"localisation", "1", localisation_name(problem_)},
                              [this](auto p, auto M) { return localisation(problem_, modes_, M, 0, p[0]); }});
    const Trajectory path = followed(law, {.method = ingredients::Following::Method::ode,
                                           .integrator = theory_.integrator,
                                           .rtol = theory_.rtol,
                                           .atol = theory_.atol});
    for (const double Q : path.columns[1].value) powers_.push_back({.Q = Q});
    for (std::size_t i = 0; local && i < path.steps.size(); ++i) localise(path.steps[i], path.columns[2].value[i]);
  }

  // dz_i = -eta a kappa_i z_i dt + eta sqrt(b s_i) dW_i, P = sum kappa z^2, in the coordinates that diagonalise the
  // drift; there the noise of class II is taken without its correlations between modes, which the mean does not see.
  void sde() {
    if (problem_.greedy)
      throw std::invalid_argument("theory.method: sde does not follow the risk; use recursion or ode");
    if (!problem_.covariance.count.empty())
      throw std::invalid_argument(
          "theory.method: sde needs every coordinate (whole multiplicities, no compression); use recursion or ode");
    const ModeSystem single = problem_.coordinatewise() ? class_two_modes(problem_.covariance, noise_kernel(problem_))
                                                        : class_one_modes(problem_.covariance);
    ingredients::CoupledLaw law = flow_of(single);
    law.multiplicity.assign(single.kappa.size(), 1.0);
    Trajectory path = followed(law, {.method = ingredients::Following::Method::sde,
                                     .paths = theory_.paths,
                                     .time_step = theory_.time_step,
                                     .seed = theory_.seed});
    extra_.push_back(std::move(path.columns[1]));
    check_time_step(single, path.steps);
    claim_by_time_step();
  }

  /// P at the recorded steps as the means of Euler-Maruyama's squares go, M' = (1 - h eta a kappa)^2 M + h eta^2 b s.
  std::vector<double> euler_means(double h) const {
    std::vector<double> M = modes_.initial, out;
    double t = 0, P = modes_.excess_mse();
    for (const double target : out_.steps) {
      const double whole = std::ceil((target - t) / h - 1e-9), step = whole > 0 ? (target - t) / whole : 0;
      for (double k = 0; k < whole; ++k, t += step) {
        const double eta = problem_.rate_at(t);
        const LawValues law = laws_(std::max(P, smallest));
        P = 0;
        for (std::size_t i = 0; i < M.size(); ++i) {
          const double kept = (1 - step * eta * law.a * modes_.kappa[i]) * std::sqrt(M[i]);
          M[i] = (M[i] > 0 ? kept * kept : 0) + step * eta * eta * law.b * modes_.s[i];
          P += modes_.kappa[i] * M[i];
        }
      }
      t = target;
      out.push_back(P);
    }
    return out;
  }

  /// Euler-Maruyama's bias is of first order in the time step: what a quarter of it shows, by means alone.
  void claim_by_time_step() {
    constexpr double allowed = 0.01;
    const double h = theory_.time_step;
    const std::vector<double> whole = euler_means(h), quarter = euler_means(h / 4);
    double worst = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      if (whole[i] == quarter[i]) continue;
      const double bias = std::abs(4 * (whole[i] - quarter[i]) / (4 * quarter[i] - whole[i]));  // of an h of 0
      worst = std::max(worst, bias);
      if (!(bias <= allowed)) claimed_from_ = out_.steps[i] + 1;
    }
    if (claimed_from_ > 0)
      out_.warnings.push_back(
          fmt::format("theory.time_step: {} biases the SDE's mean by up to {:.2g}, relative, and in proportion: it is "
                      "claimed where that "
                      "is {} at most, from step {:g} on",
                      h, worst, allowed, claimed_from_));
  }

  // Euler-Maruyama's fluctuations are too large by 1/(1 - x/2), x = h eta a kappa of the stiffest mode, and explode at 2.
  void check_time_step(const ModeSystem& single, std::span<const double> times) {
    constexpr double largest_share = 0.1;
    const double kappa = *std::ranges::max_element(single.kappa);
    double worst = 0;
    for (std::size_t i = 0; i < P_.size(); ++i)
      if (P_[i] > 0)
        worst = std::max(worst,
                         problem_.rate_at(times[i]) * laws_(std::max(P_[i], smallest)).a * kappa * theory_.time_step);
    if (worst > largest_share)
      out_.warnings.push_back(fmt::format(
          "theory.time_step: {} is too large for Euler-Maruyama: of the stiffest mode a step takes the share "
          "{:.2g}, and {} at most keeps the mean within some 5%",
          theory_.time_step, worst, largest_share));
  }

  void report() {
    if (!localisation_.empty())
      out_.report.emplace_back("largest_localisation", *std::ranges::max_element(localisation_));
    if (!problem_.nonlinearity || P_.empty()) return;
    const auto error_at = [this](double P) { return P > 0 ? problem_.nonlinearity->quadrature_error(*noise_, P) : 0; };
    const double first = error_at(P_.front()), last = error_at(P_.back());
    out_.report.emplace_back("quadrature_error", std::max(first, last));
    if (!(last <= well_averaged) && first <= well_averaged)  // of the start every command is warned
      out_.warnings.push_back(
          fmt::format("the averages of optimizer.chi are known to {:.1g} only, relative, at the end", last));
  }

  void columns() {
    const double sigma2 = noise_->variance();
    out_.columns.push_back({excess_observable, P_, {}});
    if (std::isfinite(sigma2)) {
      Column risk{risk_observable, {}, {}};
      for (const double P : P_) risk.value.push_back((P + sigma2) / 2);
      out_.columns.push_back(std::move(risk));
    }
    if (!last_rates_.empty())
      out_.columns.push_back({ingredients::rate_observables(ingredients::line_search_rule()).front(), last_rates_, {}});
    out_.claim_from(claimed_from_);
    for (Column& column : extra_) out_.columns.push_back(std::move(column));
  }

  void bands() {
    if (theory_.method != "recursion") throw std::invalid_argument("theory.bands: needs method = \"recursion\"");
    const double n = static_cast<double>(modes_.kappa.size());
    if (n * n * static_cast<double>(problem_.time.steps) > most_band_work)
      throw std::invalid_argument(
          fmt::format("theory.bands: {:.0f} modes over {} steps are too many, for every step costs the modes' square; "
                      "leave bands out, or take fewer modes or steps",
                      n, problem_.time.steps));
    std::vector<double> std;
    if (at_rest())
      std.assign(out_.steps.size(), 0.0);
    else if (out_.exact && std::isfinite(noise_->kurtosis()))
      std = exact_deviations();
    else
      std = linearised_deviations();
    for (Column& column : out_.columns) {
      if (column.observable.name == "excess_mse") column.std = std;
      if (column.observable.name == "risk")
        for (const double sigma : std) column.std.push_back(sigma / 2);
    }
  }

  std::vector<double> linearised_deviations() {
    PathVariance variance(modes_, laws_, problem_);
    // Measured, first steps whose spread is estimated up to twice (or to nothing) have it within a tenth.
    if (modes_.excess_mse() == 0 && variance.estimated_share() > 1)
      out_.warnings.push_back(
          "theory.bands: coordinates correlate so much that the spread of the first steps from the optimum, whose "
          "squares are "
          "those of signs, is not known");
    NonlinearRecursion recursion(modes_, laws_, problem_);
    std::vector<double> std;
    for (const double target : out_.steps) {
      while (static_cast<double>(recursion.steps()) < target) {
        variance.step(recursion.rate(), recursion.excess_mse(), recursion.state());
        recursion.step();
      }
      std.push_back(variance.deviation());
    }
    return std;
  }

  /// Of plain SGD, in units of the largest eigenvalue and of the start and the noise.
  std::vector<double> exact_deviations() const {
    const double unit = modes_.largest(), sigma2 = noise_->variance() / scale_;
    solvers::GramProblem problem;
    for (std::size_t i = 0; i < modes_.kappa.size(); ++i) {
      problem.eigenvalue.push_back(modes_.kappa[i] / unit);
      problem.multiplicity.push_back(modes_.s[i] / modes_.kappa[i]);
      problem.power.push_back(modes_.initial[i] * (unit / scale_));
    }
    problem.factor = {1};
    problem.noise_variance = sigma2;
    problem.noise_excess = (noise_->kurtosis() - 3) * sigma2 * sigma2;
    solvers::GramCovariance covariance(problem);
    std::vector<double> std;
    std::uint64_t step = 0;
    for (const double target : out_.steps) {
      for (; static_cast<double>(step) < target; ++step) {
        const double eta = problem_.rate_at(static_cast<double>(step)) * unit;
        covariance.apply({1, {1}, {-eta}, {{1}}, {{-eta}}, problem_.batch});
      }
      std.push_back(scale_ * std::sqrt(covariance.variance({{1}, true})));
    }
    return std;
  }

  void effects() {
    Column rate{{"effective_learning_rate", "", "eta a(P): the learning rate of SGD with the same drift"}, {}, {}};
    Column second{{"effective_noise", "", "b(P): what takes the place of (P + sigma^2)/B in the noise"}, {}, {}};
    Column efficient{{"efficiency", "1", "a^2 (P + sigma^2)/(b B) per sample: SGD has 1"}, {}, {}};
    Column compression{{"noise_compression", "1", "(pi^2/4) phi^2 (P + sigma^2)/P: 1 for Gaussian noise"}, {}, {}};
    Column variance{{"variance_reduction", "1", "nu = q/(P + sigma^2) of the clipped residual"}, {}, {}};
    Column gain{{"clipping_gain", "1", "mu^2/nu: progress at the best rate over that of SGD"}, {}, {}};
    Column faster{{"learning_rate_gain", "1", "mu/nu: the largest stable rate over that of SGD"}, {}, {}};
    Column phi{{"phi", "1", "(2/pi) E exp(-eps^2/(2P)): the drift of a single sign is phi/sqrt(P)"}, {}, {}};
    // What is not claimed may have no value.
    Column threshold{{"threshold", "label", "h on |r|; nan where nothing is cut"}, {}, {}};
    threshold.valid_from = infinity;
    Column best{{"greedy_learning_rate", "per step",
                 "a Q/(b S + c sum kappa^3 M), of the flow a Q/(b S): the fastest decrease of P"},
                {},
                {}};
    const bool finite = std::isfinite(noise_->variance());
    const bool example_wise = !problem_.coordinatewise() && problem_.method != Method::mean_clip;
    for (std::size_t i = 0; i < P_.size(); ++i) {
      const double P = std::max(P_[i], 1e-300), total = P + noise_->variance();
      LawValues law = laws_(P);
      // At the optimum what is proportional to an endless drift has no value.
      const bool endless = P_[i] == 0 && endless_drift_at_optimum(laws_);
      if (P_[i] == 0) law.b *= step_at_optimum(problem_).share;
      if (endless) law.a = nan;
      if (P_[i] == 0 && std::isinf(noise_->density(0)))
        for (Column* column : {&rate, &efficient, &compression, &variance, &gain, &faster}) column->valid_from = 1;
      rate.value.push_back(problem_.rate_at(out_.steps[i]) * law.a);
      second.value.push_back(law.b);
      if (i < powers_.size())
        best.value.push_back(powers_[i].Q > 0 ? greedy_rate(law, powers_[i], modes_.noise_trace()) : 0);
      if (problem_.coordinatewise()) phi.value.push_back(sign_phi(*noise_, P));
      if (problem_.cuts_residuals()) {
        const double h = threshold_at_risk(problem_, *noise_, P);
        threshold.value.push_back(std::isinf(h) ? nan : h);
      }
      if (!finite) continue;
      efficient.value.push_back(efficiency(law, total, problem_.batch));
      if (problem_.coordinatewise())
        compression.value.push_back(P_[i] == 0 && std::isinf(noise_->density(0)) ? nan : noise_compression(*noise_, P));
      if (example_wise) {
        const double nu = P_[i] + noise_->variance() > 0 ? law.b * problem_.batch / total : nan;
        variance.value.push_back(nu);
        gain.value.push_back(law.a * law.a / nu);
        faster.value.push_back(law.a / nu);
      }
    }
    if (!problem_.greedy) out_.columns.push_back(std::move(rate));
    out_.columns.push_back(std::move(second));
    for (Column* column : {&best, &phi, &threshold, &efficient, &compression, &variance, &gain, &faster})
      if (!column->value.empty()) out_.columns.push_back(std::move(*column));
    if (localisation_.size() == P_.size() && !P_.empty())
      out_.columns.push_back(
          {{"localisation", "1", localisation_name(problem_) + ": small for linear response"}, localisation_, {}});
  }

  // Each column switches on one effect more: SGD; SGD with the sign's effective rate; and with its preconditioner;
  // the sign itself is excess_mse.
  void compare() {
    if (!problem_.coordinatewise() || theory_.method != "recursion")
      throw std::invalid_argument("theory.compare: is for signs, and needs method = \"recursion\"");
    const double sigma2 = noise_->variance();
    if (!std::isfinite(sigma2))
      throw std::invalid_argument("theory.compare: SGD has no theory under noise of infinite variance");
    const ModeSystem plain = merged(class_one_modes(problem_.covariance));
    ModeSystem pre = modes_;
    pre.s = pre_noise();
    const double batch = problem_.batch;
    std::vector<double> sgd = plain.initial, matched = plain.initial, preconditioned = pre.initial;
    const auto risk = [](const ModeSystem& m, const std::vector<double>& M) {
      return numerics::dot_in_order(m.kappa, M);
    };
    // Exact: E g g' = (1 + 1/B) K v v' K + K (P + sigma^2)/B of a batch of Gaussian data.
    const auto move = [&](const ModeSystem& m, std::vector<double>& M, double eta) {
      const double second = (risk(m, M) + sigma2) / batch;
      for (std::size_t i = 0; i < M.size(); ++i) {
        const double pull = eta * m.kappa[i];
        M[i] += eta * eta * second * m.s[i] - pull * (2 - (1 + 1 / batch) * pull) * M[i];
      }
    };
    NonlinearRecursion recursion(modes_, laws_, problem_);
    Column c1{{"excess_mse_sgd", "label^2", "P of SGD at the same learning rate"}, {}, {}};
    Column c2{{"excess_mse_matched_rate", "label^2", "P of SGD at the sign's effective rate eta a(P)"}, {}, {}};
    Column c3{{"excess_mse_preconditioned", "label^2", "P of SGD at that rate with preconditioner Dg^(-1/2)"}, {}, {}};
    for (const double target : out_.steps) {
      while (static_cast<double>(recursion.steps()) < target) {
        const double eta = recursion.rate(), effective = eta * recursion.law().a;
        move(plain, sgd, eta);
        move(plain, matched, effective);
        move(pre, preconditioned, effective);
        if (!recursion.step()) break;
      }
      c1.value.push_back(risk(plain, sgd));
      c2.value.push_back(risk(plain, matched));
      c3.value.push_back(risk(pre, preconditioned));
    }
    for (Column* column : {&c1, &c2, &c3}) out_.columns.push_back(std::move(*column));
  }

  // The preconditioned gradient has covariance Dg^(-1/2) K Dg^(-1/2): kappa per mode, as often as the mode occurs.
  std::vector<double> pre_noise() const {
    ModeSystem single = class_two_modes(problem_.covariance);
    single.s = single.kappa;
    for (std::size_t i = 0; i < single.count.size(); ++i) single.s[i] *= single.count[i];
    return merged(single, true).s;
  }

  const NonlinearProblem& problem_;
  const ModeSystem& modes_;
  const NonlinearTheory& theory_;
  std::shared_ptr<const ingredients::Noise> noise_;
  ScalarLaws laws_;
  double scale_;  // of the start and the noise
  Trajectory out_;
  std::vector<double> P_;
  std::vector<double> localisation_, last_rates_;
  std::vector<DriftPowers> powers_;
  bool clamped_ = false, localised_ = false, floor_felt_ = false;
  double claimed_from_ = 0;  ///< of the sde
  std::vector<Column> extra_;
};

}  // namespace

bool is_exact(const NonlinearProblem& problem, const NonlinearTheory& theory) {
  return theory.method == "recursion" && problem.method == Method::sgd && !problem.greedy && !problem.dataset &&
         theory.scale_drift == 1 && theory.scale_noise == 1;
}

Trajectory solve_nonlinear(const NonlinearProblem& problem, const ModeSystem& modes, const NonlinearTheory& theory) {
  if (problem.method == Method::per_example_adam) return solve_second_moment(problem, theory);
  return Solver(problem, modes, theory).run();
}

}  // namespace edgewise::models::nonlinear
