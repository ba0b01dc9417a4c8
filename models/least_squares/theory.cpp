#include "models/least_squares/theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>

#include "models/framework/divergence.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "models/least_squares/reduced_noise.hpp"
#include "models/least_squares/risk_variance.hpp"
#include "models/least_squares/sgd_flow.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "models/least_squares/sgd_sde.hpp"
#include "numerics/power_of_two.hpp"
#include "solvers/contour.hpp"
#include "solvers/linear_phases.hpp"
#include "spectra/compression.hpp"

namespace edgewise::models::least_squares {

// ---- trajectories -----------------------------------------------------------------------------------------------

namespace {

// What every method produces at a recorded step.
struct Point {
  double P = 0, parameter_error = 0;
};

// The values of one method along the recorded steps; stops at divergence.
struct Curve {
  std::vector<Point> points;
  std::optional<double> diverged_at;
  std::optional<double> valid_until;  // last step before P is lost in rounding
  bool knows_parameter_error = true;
};

bool diverged(double P, double scale) {
  return !std::isfinite(P) || P > divergence_limit(scale);
}

// One solve of the family: which start, which label noise.
struct Setting {
  std::vector<double> power;  // rho_a(0)
  double noise_variance = 0;
  double feedback = 1;  // factor on the noise kernel; 0 leaves the bias alone
};

double scale_of(const SgdModes& modes, const Setting& setting) {
  double P0 = setting.noise_variance;
  for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a) P0 += modes.eigenvalue[a] * setting.power[a];
  return P0;
}

class Solver {
 public:
  Solver(const LeastSquares& problem, const LeastSquaresTheory& theory)
      : problem_(problem),
        theory_(theory),
        modes_(problem),
        scaled_noise_(modes_.noise_variance * theory.scale_label_noise) {}

  Trajectory run() {
    Trajectory out;
    const Setting whole{modes_.power, scaled_noise_, 1};
    Curve curve;
    if (theory_.method == "recursion") {
      curve = recursion(whole, out);
      out.method = "recursion";
      out.exact = !theory_.scaled() && problem_.data.name != "rows";
    } else if (theory_.method == "ode") {
      curve = ode(whole, out);
    } else if (theory_.method == "volterra") {
      curve = volterra(whole, out);
      out.method = "volterra";
    } else if (theory_.method == "reduced") {
      curve = reduced(whole);
      out.method = "reduced, " + theory_.kernel;
    } else {
      curve = sde(out);
      out.method = "sde, " + theory_.scheme;
    }
    fill(out, curve);
    if (!sde_std_.empty()) show_sde_fluctuations(out);
    if (theory_.bands) bands(out);
    if (theory_.decomposition) decompose(out);
    if (theory_.exponents) add_local_exponent(out);
    if (theory_.scaled())
      out.warnings.push_back(
          "coefficients of the theory are scaled by the keys theory.scale_*: this is not the theory");
    return out;
  }

 private:
  bool constant() const { return problem_.schedule->constant(); }
  double feedback(const Setting& setting) const { return setting.feedback * theory_.scale_feedback; }
  double step_of(std::size_t i) const { return static_cast<double>(problem_.time.at[i]); }
  std::size_t times() const { return problem_.time.at.size(); }

  solvers::RankOneSystem map_system(const Setting& setting) const {
    solvers::RankOneSystem s;
    s.kind = solvers::RankOneSystem::Kind::map;
    for (std::size_t a = 0; a < modes_.eigenvalue.size(); ++a) {
      s.decay.push_back(theory_.scale_contraction * modes_.contraction(a, problem_.learning_rate));
      s.input.push_back(feedback(setting) * modes_.feedback(a, problem_.learning_rate));
      s.weight.push_back(modes_.eigenvalue[a]);
      s.initial.push_back(setting.power[a]);
    }
    s.source = setting.noise_variance;
    return s;
  }

  // The exact recursion (1.1): step by step, or at any step at once when nothing depends on time.
  Curve recursion(const Setting& setting, Trajectory& out) {
    Curve curve;
    const double scale = scale_of(modes_, setting);
    const std::size_t n = modes_.eigenvalue.size();
    // The first method of the linear family.
    const LinearMethod& method = linear_method("sgd");
    Hyperparameters h = sgd_hyperparameters(problem_);
    const double scale_contraction = theory_.scale_contraction;
    solvers::LinearPhases state(linear_modes(problem_, setting.noise_variance, feedback(setting), false),
                                method.layout(h).sizes());
    std::copy(setting.power.begin(), setting.power.end(), state.moment(0, 0, 0).begin());
    solvers::Phase phase;
    method.step(h, 0, 0, phase);

    std::optional<solvers::Contour> contour;
    double direct_until = std::numeric_limits<double>::infinity();
    if (constant()) {
      solvers::RankOneSystem system = map_system(setting);
      if (solvers::invertible(system)) {
        contour.emplace(std::move(system), std::min(theory_.rtol, 1e-11));
        // Iterate while that is cheaper than one inversion per recorded step, and as far as the contour cannot go.
        direct_until = std::max(contour->earliest(), 16.0 * static_cast<double>(contour->nodes()));
      }
    }
    std::uint64_t k = 0;
    std::size_t iterated = 0;
    std::vector<double> previous;
    for (std::size_t i = 0; i < times(); ++i) {
      const std::uint64_t target = problem_.time.at[i];
      Point point;
      if (static_cast<double>(target) <= direct_until) {
        double P = 0;
        while (k < target) {
          if (scale_contraction != 1) {
            previous.assign(state.moment(0, 0, 0).begin(), state.moment(0, 0, 0).end());
          }
          if (!constant()) {
            h.seek(static_cast<double>(k));
            method.step(h, k, 0, phase);
          }
          P = state.apply(phase);
          if (scale_contraction != 1) {
            const auto D = state.moment(0, 0, 0);
            const double eta = problem_.rate_at(static_cast<double>(k));
            for (std::size_t a = 0; a < n; ++a)
              D[a] -= (scale_contraction - 1) * modes_.contraction(a, eta) * previous[a];
          }
          ++iterated;
          if (diverged(P, scale)) {
            curve.diverged_at = static_cast<double>(k);
            break;
          }
          ++k;
        }
        if (curve.diverged_at) break;
        point = {state.shared(phase), sum_of(state)};
      } else {
        double values[2];
        const double error = contour->functionals(static_cast<double>(target), ones(), values);
        if (error > lost_accuracy && !curve.valid_until) curve.valid_until = i == 0 ? 0.0 : step_of(i - 1);
        for (double& value : values)
          if (value < 0) value = 0;
        point = {values[0], values[1]};
      }
      if (diverged(point.P, scale)) {
        curve.diverged_at = first_divergence(contour, i == 0 ? 0 : problem_.time.at[i - 1], target, scale);
        break;
      }
      point.parameter_error += modes_.null_power;
      curve.points.push_back(point);
    }
    out.report.emplace_back("iterated_steps", static_cast<double>(iterated));
    if (contour && contour->evaluations() > 0) {
      out.report.emplace_back("transform_evaluations", static_cast<double>(contour->evaluations()));
      out.report.emplace_back("growth_rate", contour->growth_rate());
      accuracy(out, contour->error_estimate());
    }
    return curve;
  }

  void accuracy(Trajectory& out, double estimate) const {
    out.report.emplace_back("contour_error_estimate", estimate);
    if (estimate > lost_accuracy)
      out.warnings.push_back(
          "at the latest steps P is so far below its early values that rounding hides it; they are shown, not judged");
    else if (estimate > theory_.rtol)
      out.warnings.push_back(
          fmt::format("at the latest steps P is so far below its early values that only a relative accuracy of "
                      "about {:.1g} is left",
                      estimate));
  }

  double sum_of(const solvers::LinearPhases& state) const {
    const auto D = state.moment(0, 0, 0);
    return solvers::dot(D, ones()[0]);
  }

  const std::vector<std::vector<double>>& ones() const {
    if (ones_.empty()) ones_.emplace_back(modes_.eigenvalue.size(), 1.0);
    return ones_;
  }

  static double first_divergence(const std::optional<solvers::Contour>& contour, std::uint64_t good, std::uint64_t bad,
                                 double scale) {
    if (!contour) return static_cast<double>(bad);
    const auto earliest = static_cast<std::uint64_t>(contour->earliest());
    good = std::max(good, earliest);
    while (bad > good + 1) {
      const std::uint64_t middle = good + (bad - good) / 2;
      (diverged(contour->shared(static_cast<double>(middle)), scale) ? bad : good) = middle;
    }
    return static_cast<double>(bad);
  }

  FlowLevel level() const {
    return theory_.level == "homog" ? FlowLevel::homog : theory_.level == "diff" ? FlowLevel::diff : FlowLevel::log;
  }

  Curve ode(const Setting& setting, Trajectory& out) {
    Curve curve;
    const FlowProblem flow{modes_,
                           setting.power,
                           setting.noise_variance,
                           level(),
                           theory_.scale_contraction,
                           feedback(setting),
                           problem_.learning_rate,
                           problem_.schedule};
    std::string integrator = theory_.integrator;
    if (integrator == "auto") integrator = constant() ? "contour" : "sdirk4";
    if (integrator == "contour" && !constant())
      throw std::invalid_argument("theory.integrator: contour needs a constant schedule; use sdirk4");
    std::vector<double> at;
    for (std::size_t i = 0; i < times(); ++i) at.push_back(step_of(i));
    const FlowResult result =
        integrate_flow(flow, at, integrator, theory_.rtol, theory_.atol, divergence_limit(scale_of(modes_, setting)));
    for (std::size_t i = 0; i < result.excess_mse.size(); ++i)
      curve.points.push_back({result.excess_mse[i], result.parameter_error[i] + modes_.null_power});
    curve.diverged_at = result.diverged_at;
    curve.valid_until = result.valid_until;
    out.report.insert(out.report.end(), result.report.begin(), result.report.end());
    out.method = fmt::format("ode, level {}, {}", theory_.level, integrator);
    if (result.error_estimate > 0) accuracy(out, result.error_estimate);
    if (theory_.level == "homog" && problem_.learning_rate * largest_eigenvalue(modes_) > 0.3)
      out.warnings.push_back(
          fmt::format("level homog assumes eta lambda_max << 1, here it is {:.3g}; level log or the recursion is safer",
                      problem_.learning_rate * largest_eigenvalue(modes_)));
    return curve;
  }

  Curve volterra(const Setting& setting, Trajectory& out) {
    Curve curve;
    const FlowProblem flow{modes_,
                           setting.power,
                           setting.noise_variance,
                           FlowLevel::homog,
                           theory_.scale_contraction,
                           feedback(setting),
                           problem_.learning_rate,
                           problem_.schedule};
    std::vector<double> at;
    for (std::size_t i = 0; i < times(); ++i) at.push_back(step_of(i));
    const FlowResult result = integrate_volterra(flow, at, theory_.rtol, divergence_limit(scale_of(modes_, setting)));
    for (const double P : result.excess_mse) curve.points.push_back({P, 0});
    curve.knows_parameter_error = false;
    curve.diverged_at = result.diverged_at;
    out.report.insert(out.report.end(), result.report.begin(), result.report.end());
    return curve;
  }

  /// Few scalars in place of the modes' noise, (5.1) of docs/theory/schedules-and-collapse.md.
  Curve reduced(const Setting& setting) const {
    Curve curve;
    curve.knows_parameter_error = false;
    std::vector<double> rates(problem_.time.steps);
    for (std::size_t k = 0; k < rates.size(); ++k) rates[k] = problem_.rate_at(static_cast<double>(k));
    const std::vector<double> P = reduced_excess(modes_, setting.power, setting.noise_variance, rates,
                                                 {theory_.kernel, theory_.exponentials, feedback(setting)});
    for (const std::uint64_t step : problem_.time.at) {
      if (diverged(P[step], scale_of(modes_, setting))) {
        curve.diverged_at = static_cast<double>(step);
        break;
      }
      curve.points.push_back({P[step], 0});
    }
    return curve;
  }

  Curve sde(Trajectory& out) {
    Curve curve;
    const SdeResult result = homogenized_sde(problem_, theory_);
    for (std::size_t i = 0; i < result.excess_mse.size(); ++i)
      curve.points.push_back({result.excess_mse[i], result.parameter_error[i]});
    curve.diverged_at = result.diverged_at;
    sde_std_ = result.excess_mse_std;
    out.report = result.report;
    check_time_step(result, out);
    return curve;
  }

  // The equation's own mean is known: paths that miss it by more than chance have too large a step.
  void check_time_step(const SdeResult& result, Trajectory& out) const {
    // Beyond this share of the fastest mode's own time the scheme's mean square is off by some 10% a step, or grows.
    const double share = theory_.time_step * problem_.learning_rate * largest_eigenvalue(modes_);
    if (const double most = theory_.scheme == "euler-maruyama" ? 0.5 : 1.0; share > most)
      out.warnings.push_back(fmt::format(
          "theory.time_step: the step {} is too large: times eta and the largest eigenvalue it is {:.3g}, and "
          "{} needs at most {}",
          theory_.time_step, share, theory_.scheme, most));
    const FlowProblem flow{modes_, modes_.power,           scaled_noise_,    FlowLevel::sde, 1,
                           1,      problem_.learning_rate, problem_.schedule};
    std::vector<double> at;
    for (std::size_t i = 0; i < times(); ++i) at.push_back(step_of(i));
    const FlowResult exact = integrate_flow(flow, at, constant() ? "contour" : "sdirk4", 1e-6, 0,
                                            divergence_limit(scale_of(modes_, {modes_.power, scaled_noise_, 1})));
    if (result.diverged_at && exact.excess_mse.size() > result.excess_mse.size()) {
      out.warnings.push_back(fmt::format(
          "theory.time_step: the paths diverge by step {} where the mean of the equation is {:.3g}; the step "
          "{} is too large",
          *result.diverged_at, exact.excess_mse[result.excess_mse.size()], theory_.time_step));
      return;
    }
    constexpr double most_errors = 5, least_share = 0.05;
    double worst = 0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < std::min(result.excess_mse.size(), exact.excess_mse.size()); ++i) {
      const double mean = result.excess_mse[i], known = exact.excess_mse[i];
      const double error = result.excess_mse_std[i] / std::sqrt(static_cast<double>(theory_.paths));
      const double off = std::abs(std::log(mean / known));
      if (!(std::abs(mean - known) > most_errors * error + least_share * known) || !(off > worst)) continue;
      worst = off;
      where = i;
    }
    if (worst > 0)
      out.warnings.push_back(fmt::format(
          "theory.time_step: the mean of the paths is {:.3g} times that of the equation at step {}; the step {} "
          "is too large, or the paths are too few",
          result.excess_mse[where] / exact.excess_mse[where], at[where], theory_.time_step));
  }

  // The SDE's own spread beside that of SGD: the warning of docs/theory/least-squares-sgd.md, section 3, made visible.
  void show_sde_fluctuations(Trajectory& out) const {
    Column spread{{"excess_mse_sde_std", "label^2", "standard deviation of P over the paths of the SDE (not of SGD)"},
                  sde_std_,
                  {}};
    Column error{{"excess_mse_sde_sem", "label^2", "standard error of the SDE's mean of P"}, {}, {}};
    for (const double s : sde_std_) error.value.push_back(s / std::sqrt(static_cast<double>(theory_.paths)));
    out.columns.push_back(spread);
    out.columns.push_back(error);
    out.warnings.push_back("the SDE has the mean risk of SGD, but not its fluctuations: draw no bands from it");
    if (!problem_.data.gaussian() || !problem_.noise->gaussian()) return;
    LeastSquaresTheory exact;
    exact.bands = true;
    const Trajectory truth = Solver(problem_, exact).run();
    const auto& exact_std = truth.columns[1].std;
    Column sgd{{"excess_mse_sgd_std", "label^2", "exact standard deviation of P under SGD"}, exact_std, {}};
    sgd.value.resize(out.steps.size());
    out.columns.push_back(sgd);
    double smallest = std::numeric_limits<double>::infinity(), largest = 0;
    for (std::size_t i = 0; i < std::min(sde_std_.size(), exact_std.size()); ++i)
      if (exact_std[i] > 0) {
        smallest = std::min(smallest, sde_std_[i] / exact_std[i]);
        largest = std::max(largest, sde_std_[i] / exact_std[i]);
      }
    if (largest > 0)
      out.warnings.push_back(fmt::format("standard deviation of P, SDE over SGD: {:.3g} to {:.3g} along the trajectory",
                                         smallest, largest));
  }

  void fill(Trajectory& out, const Curve& curve) const {
    const auto& observables = least_squares_observables();
    out.columns.clear();
    for (const auto& observable : observables) out.columns.push_back({observable, {}, {}});
    for (std::size_t i = 0; i < curve.points.size(); ++i) {
      out.steps.push_back(step_of(i));
      const Point& p = curve.points[i];
      out.columns[0].value.push_back((p.P + scaled_noise_) / 2);
      out.columns[1].value.push_back(p.P);
      out.columns[2].value.push_back(p.parameter_error);
    }
    if (!curve.knows_parameter_error) out.columns.pop_back();
    out.diverged_at = curve.diverged_at;
    out.valid_until = curve.valid_until;
  }

  void bands(Trajectory& out) const;
  void decompose(Trajectory& out);

  const LeastSquares& problem_;
  const LeastSquaresTheory& theory_;
  SgdModes modes_;
  double scaled_noise_;
  mutable std::vector<std::vector<double>> ones_;
  std::vector<double> sde_std_;
};

void Solver::bands(Trajectory& out) const {
  if (!problem_.data.gaussian() || !problem_.noise->gaussian())
    throw std::invalid_argument("theory.bands: the variance is known for Gaussian data and Gaussian labels only");
  const std::size_t count = out.steps.size();
  std::vector<double> variance(count, 0.0), parameter_variance(count, 0.0);
  if (count == 0 || std::isinf(problem_.batch)) {
    for (auto& column : out.columns) column.std.assign(count, 0.0);
    return;
  }
  // Eigenvalues and errors of size 1: fourth powers of others may be no numbers.
  const double unit = numerics::power_of_two(problem_.spectrum.largest());
  const double scale = numerics::power_of_two(scale_of(modes_, {modes_.power, scaled_noise_, 1}));
  spectra::Spectrum joint = problem_.spectrum;
  for (double& lambda : joint.eigenvalue) lambda /= unit;
  for (std::size_t a = 0; a < joint.modes(); ++a) joint.target_power[a] = problem_.initial_power[a] / scale * unit;
  // Quadratic cost in the number of modes: use nodes where that would be slow (error 1e-7 of the means).
  const double last = out.steps.back();
  double n = static_cast<double>(joint.modes());
  if (last * n * n > 4e8) {
    joint = spectra::compress(joint, 1e-7).spectrum;
    n = static_cast<double>(joint.modes());
  }
  VarianceProblem variance_problem;
  for (std::size_t a = 0; a < joint.modes(); ++a) {
    if (joint.eigenvalue[a] == 0) continue;
    variance_problem.eigenvalue.push_back(joint.eigenvalue[a]);
    variance_problem.multiplicity.push_back(joint.multiplicity[a]);
    variance_problem.initial_power.push_back(joint.target_power[a]);
  }
  variance_problem.batch = problem_.batch;
  variance_problem.noise_variance = scaled_noise_ / scale;

  if (theory_.method != "recursion") {
    if (!constant())
      throw std::invalid_argument(
          "theory.bands: in continuous time they need a constant schedule; use method = \"recursion\"");
    variance = linear_noise_variance(variance_problem, problem_.learning_rate * unit, out.steps);
    parameter_variance.clear();
  } else {
    std::optional<VarianceContour> contour;
    double direct_until = std::numeric_limits<double>::infinity();
    if (constant() && last * n * n > 4e8) {
      contour.emplace(variance_problem, problem_.learning_rate * unit, 1e-12);
      if (contour->converges())
        direct_until = std::max(contour->earliest(), 256.0);
      else if (last * n * n > 1e11)
        throw std::invalid_argument(
            "theory.bands: the variance diverges at this learning rate, and so many steps of its recursion cost too "
            "much; "
            "ask for fewer steps");
    } else if (last * n * n > 1e12) {
      throw std::invalid_argument(
          "theory.bands: so many steps under a schedule cost too much; ask for fewer steps or modes");
    }
    VarianceRecursion recursion(variance_problem);
    double k = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (out.steps[i] <= direct_until) {
        for (; k < out.steps[i]; ++k) recursion.step(problem_.rate_at(k) * unit);
        variance[i] = recursion.excess_mse_variance();
        parameter_variance[i] = recursion.parameter_error_variance();
      } else {
        const auto v = contour->at(out.steps[i]);
        variance[i] = v.excess_mse;
        parameter_variance[i] = v.parameter_error;
      }
    }
  }
  auto& risk = out.columns[0].std;
  auto& excess = out.columns[1].std;
  risk.clear();
  excess.clear();
  for (std::size_t i = 0; i < count; ++i) {
    excess.push_back(scale * std::sqrt(variance[i]));
    risk.push_back(excess.back() / 2);
  }
  if (!parameter_variance.empty() && out.columns.size() > 2)
    for (const double v : parameter_variance) out.columns[2].std.push_back(scale / unit * std::sqrt(v));
}

void Solver::decompose(Trajectory& out) {
  // By linearity: P = F (no noise at all) + what F excites through the kernel + what label noise excites.
  Trajectory unused;
  const auto solve = [&](const Setting& setting) {
    if (theory_.method == "ode") return ode(setting, unused);
    if (theory_.method == "volterra") return volterra(setting, unused);
    if (theory_.method == "reduced") return reduced(setting);
    return recursion(setting, unused);
  };
  const Curve bare = solve({modes_.power, 0.0, 0});
  const Curve noiseless = solve({modes_.power, 0.0, 1});
  const Curve labels = solve({std::vector<double>(modes_.power.size(), 0.0), scaled_noise_, 1});
  Column bias{{"excess_mse_bias", "label^2", "F: the part of P without any noise"}, {}, {}};
  Column kernel{
      {"excess_mse_kernel", "label^2", "the part of P that the bias excites through the noise kernel"}, {}, {}};
  Column label{{"excess_mse_label_noise", "label^2", "the part of P that label noise excites"}, {}, {}};
  for (std::size_t i = 0; i < out.steps.size(); ++i) {
    bias.value.push_back(bare.points.at(i).P);
    kernel.value.push_back(std::max(0.0, noiseless.points.at(i).P - bare.points.at(i).P));
    label.value.push_back(labels.points.at(i).P);
  }
  for (auto* column : {&bias, &kernel, &label}) out.columns.push_back(std::move(*column));
}

}  // namespace

void add_local_exponent(Trajectory& out) {
  Column column{{"excess_mse_exponent", "1", "local exponent d log P / d log step, second-order differences"}, {}, {}};
  const auto& P = out.columns[1].value;
  const std::size_t count = out.steps.size();
  const auto x = [&](std::size_t i) { return std::log(out.steps[i]); };
  const auto y = [&](std::size_t i) { return std::log(P[i]); };
  for (std::size_t i = 0; i < count; ++i) {
    double slope = std::numeric_limits<double>::quiet_NaN();
    if (out.steps[i] > 0) {
      const bool left = i > 0 && out.steps[i - 1] > 0, right = i + 1 < count;
      if (left && right) {
        const double h0 = x(i) - x(i - 1), h1 = x(i + 1) - x(i);
        slope = ((y(i) - y(i - 1)) / h0 * h1 + (y(i + 1) - y(i)) / h1 * h0) / (h0 + h1);
      } else if (left || right) {
        const std::size_t j = left ? i - 1 : i + 1;
        slope = (y(i) - y(j)) / (x(i) - x(j));
      }
    }
    // P = 0 has no logarithm.
    column.value.push_back(std::isfinite(slope) ? slope : std::numeric_limits<double>::quiet_NaN());
  }
  // Not defined everywhere, and nowhere a claim about runs.
  column.valid_from = std::numeric_limits<double>::infinity();
  out.columns.push_back(std::move(column));
}

Trajectory solve_sgd(const LeastSquares& problem, const LeastSquaresTheory& theory) {
  return Solver(problem, theory).run();
}

}  // namespace edgewise::models::least_squares
