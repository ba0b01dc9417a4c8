#include "models/least_squares/theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "models/framework/recorder.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "models/least_squares/product_variance.hpp"
#include "models/least_squares/reduced_noise.hpp"
#include "models/least_squares/risk_variance.hpp"
#include "models/least_squares/sgd_flow.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "models/least_squares/sgd_sde.hpp"
#include "numerics/constants.hpp"
#include "numerics/power_of_two.hpp"
#include "settings/section.hpp"
#include "spectra/compression.hpp"

namespace edgewise::models::least_squares {

namespace {

const settings::Words<FlowLevel>& flow_levels() {
  static const settings::Words<FlowLevel> words = {
      {"homog", FlowLevel::homog}, {"diff", FlowLevel::diff}, {"log", FlowLevel::log}};
  return words;
}
const settings::Words<FlowIntegrator>& flow_integrators() {
  static const settings::Words<FlowIntegrator> words = {{"auto", FlowIntegrator::automatic},
                                                        {"contour", FlowIntegrator::contour},
                                                        {"sdirk4", FlowIntegrator::sdirk4},
                                                        {"etd", FlowIntegrator::etd},
                                                        {"explicit", FlowIntegrator::explicit_}};
  return words;
}
const settings::Words<NoiseKernel>& noise_kernels() {
  static const settings::Words<NoiseKernel> words = {{"volterra", NoiseKernel::volterra},
                                                     {"exponentials", NoiseKernel::exponentials},
                                                     {"oneexp", NoiseKernel::oneexp},
                                                     {"adiabatic", NoiseKernel::adiabatic},
                                                     {"gflow", NoiseKernel::gflow}};
  return words;
}
const settings::Words<solvers::SdeScheme>& sde_schemes() {
  static const settings::Words<solvers::SdeScheme> words = {{"euler-maruyama", solvers::SdeScheme::euler_maruyama},
                                                            {"weak2", solvers::SdeScheme::weak_two}};
  return words;
}

void declare(settings::Section<LeastSquaresTheory>& s, TheoryOf of) {
  using Theory = LeastSquaresTheory;
  using Methods = std::vector<std::string>;
  const bool plain = of == TheoryOf::plain_sgd;
  // Of rounds the ode gives P alone.
  const Methods moments = plain ? Methods{"recursion", "ode", "volterra", "reduced"} : Methods{"recursion"};
  const Methods tolerant{"recursion", "ode", "volterra"};
  const auto of_rounds = [&](settings::Parameter& parameter) {
    if (!plain) parameter.where("method", moments);
  };
  s.words("method", &Theory::method, "how the theory is solved", theory_methods());
  if (plain) {
    s.words("level", &Theory::level, "homog (d -> inf limit), diff, log", flow_levels()).where("method", {"ode"});
    s.words("kernel", &Theory::kernel,
            "volterra (the whole noise kernel), exponentials (a non-negative fit), oneexp, adiabatic (none: the noise "
            "follows the rate), gflow (no noise)",
            noise_kernels())
        .where("method", {"reduced"});
    s.key("exponentials", &Theory::exponentials, "how many").where("kernel", {"exponentials"}).at_least(1).at_most(8);
    s.words("integrator", &Theory::integrator, "auto is contour at a constant learning rate, else sdirk4",
            flow_integrators())
        .where("method", {"ode"});
  }
  s.key("bands", &Theory::bands,
        "add the predicted standard deviation of each observable (no real rows; label noise of a finite fourth moment; "
        "in continuous time Gaussian data and labels, of several workers Gaussian data)")
      .where("method", moments);
  s.key("decomposition", &Theory::decomposition, "add the bias, kernel and label-noise parts of P")
      .where("method", moments);
  of_rounds(s.key("exponents", &Theory::exponents, "add the local exponent d log P / d log step"));
  if (plain) {
    s.key("rtol", &Theory::rtol, "relative tolerance").where("method", tolerant).above(0).below(1);
    s.key("atol", &Theory::atol, "absolute tolerance").where("method", {"ode"}).at_least(0);
    s.key("scale_contraction", &Theory::scale_contraction,
          "factor on the decay per step, to see what a run would notice")
        .where("method", tolerant)
        .above(0);
    s.key("scale_feedback", &Theory::scale_feedback, "factor on (eta^2/B) n lambda, to see what a run would notice")
        .where("method", moments)
        .at_least(0);
  }
  of_rounds(s.key("scale_label_noise", &Theory::scale_label_noise, "factor on sigma^2, to see what a run would notice")
                .at_least(0));
  if (of == TheoryOf::steps) {
    s.words("level", &Theory::level, "homog (a step changes little) or diff (the recursion's fixed point)",
            {{"homog", FlowLevel::homog}, {"diff", FlowLevel::diff}})
        .where("method", {"ode"})
        .otherwise("diff");
    s.key("rtol", &Theory::rtol, "relative tolerance").where("method", {"ode"}).above(0).below(1);
  }
  if (!plain) return;
  s.words("scheme", &Theory::scheme, "of the paths", sde_schemes()).where("method", {"sde"});
  s.key("paths", &Theory::paths, "how many are averaged").where("method", {"sde"}).at_least(2).at_most(1e7);
  s.key("time_step", &Theory::time_step, "of the paths").where("method", {"sde"}).in("step").above(0);
}

const settings::Section<LeastSquaresTheory>& theory_section(TheoryOf of) {
  static const settings::Section<LeastSquaresTheory> of_sgd([](auto& s) { declare(s, TheoryOf::plain_sgd); });
  static const settings::Section<LeastSquaresTheory> of_steps([](auto& s) { declare(s, TheoryOf::steps); });
  static const settings::Section<LeastSquaresTheory> of_rounds([](auto& s) { declare(s, TheoryOf::rounds); });
  return of == TheoryOf::plain_sgd ? of_sgd : of == TheoryOf::steps ? of_steps : of_rounds;
}

}  // namespace

const settings::Words<TheoryMethod>& theory_methods() {
  static const settings::Words<TheoryMethod> words = {{"recursion", TheoryMethod::recursion},
                                                      {"ode", TheoryMethod::ode},
                                                      {"volterra", TheoryMethod::volterra},
                                                      {"reduced", TheoryMethod::reduced},
                                                      {"sde", TheoryMethod::sde}};
  return words;
}

const std::vector<settings::Parameter>& theory_parameters() {
  return theory_section(TheoryOf::plain_sgd).parameters();
}

LeastSquaresTheory read_theory(const settings::Table& theory, TheoryOf of) {
  const settings::Section<LeastSquaresTheory>& section = theory_section(of);
  for (const settings::Parameter& p : theory_section(TheoryOf::plain_sgd).parameters())
    if (theory.has(p.name) &&
        std::ranges::find(section.parameters(), p.name, &settings::Parameter::name) == section.parameters().end())
      throw theory.error(p.name, "is read for sgd without weight decay or [schedule.batch] only; leave it out");
  return section.read(theory);
}

namespace {

class Solver {
 public:
  Solver(const LeastSquares& problem, const LeastSquaresTheory& theory)
      : problem_(problem),
        theory_(theory),
        modes_(problem),
        scaled_noise_(modes_.noise_variance * theory.scale_label_noise) {}

  Trajectory run() {
    Trajectory out = solved(all());
    if (!sde_std_.empty()) show_sde_fluctuations(out);
    if (theory_.bands) bands(out);
    if (theory_.decomposition) {
      // By linearity: P = F (no noise at all) + what F excites through the kernel + what label noise excites.
      Parts bare = all(), noiseless = all(), labels = all();
      bare.label_noise = noiseless.label_noise = labels.start = false;
      bare.feedback = 0;
      add_parts(out,
                {{{"excess_mse_bias", "label^2", "F: the part of P without any noise"},
                  {"excess_mse_kernel", "label^2", "the part of P that the bias excites through the noise kernel"},
                  {"excess_mse_label_noise", "label^2", "the part of P that label noise excites"}}},
                solved(bare), solved(noiseless), solved(labels));
    }
    if (theory_.exponents) add_local_exponent(out);
    return out;
  }

 private:
  Parts all() const { return {.feedback = theory_.scale_feedback, .contraction = theory_.scale_contraction}; }
  bool constant() const { return problem_.schedule->constant(); }

  /// risk, excess_mse and, where it is known, parameter_error.
  Trajectory solved(const Parts& parts) {
    switch (theory_.method) {
      case TheoryMethod::recursion: {
        Trajectory out =
            follow_recursion(with_scaled_noise(sgd_problem(problem_), theory_.scale_label_noise), parts, theory_.rtol);
        out.exact = !theory_.scaled() && !problem_.data.rows();
        return out;
      }
      case TheoryMethod::ode:
        return with_still(completed(ode(parts)));
      case TheoryMethod::volterra:
        return completed(solve_volterra(flow(parts, FlowLevel::homog), problem_.time, theory_.rtol));
      case TheoryMethod::reduced:
        return completed(reduced(parts));
      case TheoryMethod::sde:
        return completed(sde());
    }
    throw std::logic_error("there is no such method");
  }

  /// The risk before P and |v|^2.
  Trajectory completed(Trajectory path) const {
    Column risk{least_squares_observables()[0], {}, {}};
    for (const double P : path.columns[0].value) risk.value.push_back((P + scaled_noise_) / 2);
    path.columns.insert(path.columns.begin(), std::move(risk));
    return path;
  }
  /// With what never moves.
  Trajectory with_still(Trajectory path) const {
    for (double& value : path.columns[2].value) value += modes_.null_power;
    return path;
  }

  std::vector<double> power(const Parts& parts) const {
    return parts.start ? modes_.power : std::vector<double>(modes_.power.size(), 0.0);
  }
  double noise(const Parts& parts) const { return parts.label_noise ? scaled_noise_ : 0; }

  FlowProblem flow(const Parts& parts, FlowLevel level) const {
    return {modes_,         power(parts),           noise(parts),     level, parts.contraction,
            parts.feedback, problem_.learning_rate, problem_.schedule};
  }

  Trajectory ode(const Parts& parts) const {
    FlowIntegrator integrator = theory_.integrator;
    if (integrator == FlowIntegrator::automatic)
      integrator = constant() ? FlowIntegrator::contour : FlowIntegrator::sdirk4;
    if (integrator == FlowIntegrator::contour && !constant())
      throw std::invalid_argument("theory.integrator: contour needs a constant schedule; use sdirk4");
    Trajectory out = followed(flow(parts, theory_.level), integrator, theory_.rtol, theory_.atol);
    out.method = fmt::format("ode, level {}, {}", settings::word_of(flow_levels(), theory_.level),
                             settings::word_of(flow_integrators(), integrator));
    const double fastest = problem_.learning_rate * largest_eigenvalue(modes_);
    if (theory_.level == FlowLevel::homog && fastest > 0.3)
      out.warnings.push_back(fmt::format(
          "level homog assumes eta lambda_max << 1, here it is {:.3g}; level log or the recursion is safer", fastest));
    return out;
  }

  Trajectory followed(const FlowProblem& flow, FlowIntegrator integrator, double rtol, double atol) const {
    using ingredients::Following;
    const Following how{
        .method = integrator == FlowIntegrator::contour ? Following::Method::jump : Following::Method::ode,
        .integrator = integrator == FlowIntegrator::etd         ? solvers::Integrator::etd
                      : integrator == FlowIntegrator::explicit_ ? solvers::Integrator::explicit_
                                                                : solvers::Integrator::sdirk4,
        .rtol = rtol,
        .atol = atol};
    return ingredients::follow(flow_law(flow), problem_.time, how);
  }

  /// P alone, by few scalars in place of the modes' noise, (5.1) of docs/theory/schedules-and-collapse.md.
  Trajectory reduced(const Parts& parts) const {
    std::vector<double> rates(problem_.time.steps);
    for (std::size_t k = 0; k < rates.size(); ++k) rates[k] = problem_.rate_at(static_cast<double>(k));
    const std::vector<double> P = reduced_excess(modes_, power(parts), noise(parts), rates,
                                                 {theory_.kernel, theory_.exponentials, parts.feedback});
    Recorder recorder(scale());
    const Recorder::Handle excess = recorder.add(least_squares_observables()[1]);
    for (const std::uint64_t step : problem_.time.at) {
      if (!recorder.alive(static_cast<double>(step), P[step])) break;
      recorder.row(static_cast<double>(step));
      recorder.set(excess, P[step]);
    }
    Trajectory out = recorder.take();
    out.method = "reduced, " + settings::word_of(noise_kernels(), theory_.kernel);
    return out;
  }

  /// Of the start and the noise together.
  double scale() const {
    return std::inner_product(modes_.eigenvalue.begin(), modes_.eigenvalue.end(), modes_.power.begin(), scaled_noise_);
  }

  Trajectory sde() {
    Trajectory out = homogenized_sde(problem_, theory_);
    out.method = "sde, " + settings::word_of(sde_schemes(), theory_.scheme);
    sde_std_ = std::move(out.columns[0].std);  // which is not that of SGD
    out.columns[0].std.clear();
    check_time_step(out);
    return out;
  }

  // The equation's own mean is known: paths that miss it by more than chance have too large a step.
  void check_time_step(Trajectory& out) const {
    const std::vector<double>& found = out.columns[0].value;
    // Beyond this share of the fastest mode's own time the scheme's mean square is off by some 10% a step, or grows.
    const double share = theory_.time_step * problem_.learning_rate * largest_eigenvalue(modes_);
    if (const double most = theory_.scheme == solvers::SdeScheme::euler_maruyama ? 0.5 : 1.0; share > most)
      out.warnings.push_back(fmt::format(
          "theory.time_step: the step {} is too large: times eta and the largest eigenvalue it is {:.3g}, and "
          "{} needs at most {}",
          theory_.time_step, share, settings::word_of(sde_schemes(), theory_.scheme), most));
    const Trajectory exact =
        followed(flow({}, FlowLevel::sde), constant() ? FlowIntegrator::contour : FlowIntegrator::sdirk4, 1e-6, 0);
    const std::vector<double>& known_mean = exact.columns[0].value;
    if (out.diverged_at && known_mean.size() > found.size()) {
      out.warnings.push_back(fmt::format(
          "theory.time_step: the paths diverge by step {} where the mean of the equation is {:.3g}; the step "
          "{} is too large",
          *out.diverged_at, known_mean[found.size()], theory_.time_step));
      return;
    }
    constexpr double most_errors = 5, least_share = 0.05;
    double worst = 0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < std::min(found.size(), known_mean.size()); ++i) {
      const double mean = found[i], known = known_mean[i];
      const double error = sde_std_[i] / std::sqrt(static_cast<double>(theory_.paths));
      const double off = std::abs(std::log(mean / known));
      if (!(std::abs(mean - known) > most_errors * error + least_share * known) || !(off > worst)) continue;
      worst = off;
      where = i;
    }
    if (worst > 0)
      out.warnings.push_back(fmt::format(
          "theory.time_step: the mean of the paths is {:.3g} times that of the equation at step {}; the step {} "
          "is too large, or the paths are too few",
          found[where] / known_mean[where], exact.steps[where], theory_.time_step));
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
    double smallest = infinity, largest = 0;
    for (std::size_t i = 0; i < std::min(sde_std_.size(), exact_std.size()); ++i)
      if (exact_std[i] > 0) {
        smallest = std::min(smallest, sde_std_[i] / exact_std[i]);
        largest = std::max(largest, sde_std_[i] / exact_std[i]);
      }
    if (largest > 0)
      out.warnings.push_back(fmt::format("standard deviation of P, SDE over SGD: {:.3g} to {:.3g} along the trajectory",
                                         smallest, largest));
  }

  void bands(Trajectory& out) const;

  const LeastSquares& problem_;
  const LeastSquaresTheory& theory_;
  SgdModes modes_;
  double scaled_noise_;
  std::vector<double> sde_std_;
};

/// E eps^4 of the law of the labels and of what no linear function explains, of eps^2 times `unit`.
double noise_fourth_moment(const LeastSquares& problem, double unit) {
  const double law = unit * problem.label_noise_variance, rest = unit * problem.spectrum.unexplained_variance;
  return problem.noise->kurtosis() * law * law + 6 * law * rest + 3 * rest * rest;
}

void Solver::bands(Trajectory& out) const {
  if (const std::string unknown = unknown_variance(problem_); !unknown.empty())
    throw std::invalid_argument("theory.bands: " + unknown);
  const bool gaussian = problem_.data.gaussian() && problem_.noise->gaussian();
  if (!gaussian && theory_.method != TheoryMethod::recursion)
    throw std::invalid_argument(
        "theory.bands: in continuous time the variance is known for Gaussian data and Gaussian labels only; use method "
        "= "
        "\"recursion\"");
  const std::size_t count = out.steps.size();
  std::vector<double> variance(count, 0.0), parameter_variance(count, 0.0);
  if (count == 0 || std::isinf(problem_.batch)) {
    for (auto& column : out.columns) column.std.assign(count, 0.0);
    return;
  }
  // Eigenvalues and errors of size 1: fourth powers of others may be no numbers.
  const double unit = numerics::power_of_two(problem_.spectrum.largest());
  const double scale = numerics::power_of_two(this->scale());
  spectra::Spectrum joint = problem_.spectrum;
  for (double& lambda : joint.eigenvalue) lambda /= unit;
  for (std::size_t a = 0; a < joint.modes(); ++a) joint.target_power[a] = problem_.initial_power[a] / scale * unit;
  // Quadratic cost in the number of modes: use nodes where that would be slow (error 1e-7 of the means).
  const double last = out.steps.back();
  double n = static_cast<double>(joint.modes());
  if (last * n * n > most_pairs) {
    joint = modes_of_variance(std::move(joint), problem_.data.gaussian());
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

  const auto follow = [&](auto recursion, double until) {
    double k = 0;
    for (std::size_t i = 0; i < count && out.steps[i] <= until; ++i) {
      for (; k < out.steps[i]; ++k) recursion.step(problem_.rate_at(k) * unit);
      variance[i] = recursion.excess_mse_variance();
      parameter_variance[i] = recursion.parameter_error_variance();
    }
  };
  if (!gaussian) {
    if (last * n * n > 1e11)
      throw std::invalid_argument(
          "theory.bands: so many steps cost too much where data or labels are not Gaussian; ask for fewer steps or "
          "modes");
    follow(ProductVariance({variance_problem, ingredients::even_moments(problem_.data.law),
                            noise_fourth_moment(problem_, theory_.scale_label_noise / scale)}),
           infinity);
  } else if (theory_.method != TheoryMethod::recursion) {
    if (!constant())
      throw std::invalid_argument(
          "theory.bands: in continuous time they need a constant schedule; use method = \"recursion\"");
    variance = linear_noise_variance(variance_problem, problem_.learning_rate * unit, out.steps);
    parameter_variance.clear();
  } else {
    double direct_until = infinity;
    if (constant() && last * n * n > 4e8) {
      const VarianceContour contour(variance_problem, problem_.learning_rate * unit, 1e-12);
      if (contour.converges())
        direct_until = std::max(contour.earliest(), 256.0);
      else if (last * n * n > 1e11)
        throw std::invalid_argument(
            "theory.bands: the variance diverges at this learning rate, and so many steps of its recursion cost too "
            "much; "
            "ask for fewer steps");
      for (std::size_t i = 0; i < count; ++i)
        if (out.steps[i] > direct_until) {
          const auto v = contour.at(out.steps[i]);
          variance[i] = v.excess_mse;
          parameter_variance[i] = v.parameter_error;
        }
    } else if (last * n * n > 1e12) {
      throw std::invalid_argument(
          "theory.bands: so many steps under a schedule cost too much; ask for fewer steps or modes");
    }
    follow(VarianceRecursion(variance_problem), direct_until);
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

}  // namespace

void add_local_exponent(Trajectory& out) {
  Column column{{"excess_mse_exponent", "1", "local exponent d log P / d log step, second-order differences"}, {}, {}};
  const auto& P = out.columns[1].value;
  const std::size_t count = out.steps.size();
  const auto x = [&](std::size_t i) { return std::log(out.steps[i]); };
  const auto y = [&](std::size_t i) { return std::log(P[i]); };
  for (std::size_t i = 0; i < count; ++i) {
    double slope = nan;
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
    column.value.push_back(std::isfinite(slope) ? slope : nan);
  }
  // Not defined everywhere, and nowhere a claim about runs.
  column.valid_from = infinity;
  out.columns.push_back(std::move(column));
}

std::string unknown_variance(const LeastSquares& problem) {
  if (problem.data.rows()) return "the variance is not known for data.law = \"rows\"";
  if (!std::isfinite(problem.noise->kurtosis()))
    return "the variance needs label noise of a finite fourth moment (noise.law is \"" + problem.noise->name() + "\")";
  return {};
}

Trajectory solve_sgd(const LeastSquares& problem, const LeastSquaresTheory& theory) {
  return Solver(problem, theory).run();
}

}  // namespace edgewise::models::least_squares
