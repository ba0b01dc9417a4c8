// Built at -O1: nothing here takes time.
#include "models/least_squares/linear_methods/stability.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "models/least_squares/linear_methods/isotropic.hpp"
#include "numerics/power_of_two.hpp"
#include "spectra/compression.hpp"

namespace edgewise::models::least_squares {

namespace {

/// Steps of a first round that is run to tell its best outer rate.
constexpr double longest_greedy_round = 4096;
constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

std::uint64_t steps_of(const LinearProblem& problem) {
  Hyperparameters h = problem.hyperparameters;
  h.seek(0);
  return problem.method->period(h);
}

// Second moments of what the constants of each mode with lambda > 0 hold; empty when there are none.
std::vector<double> constant_power(const LinearProblem& problem, const solvers::PeriodicPhases& system) {
  if (system.constants.empty()) return {};
  std::vector<double> out;
  const auto& s = problem.data->spectrum;
  const std::vector<double>& held = problem.data->alignment ? s.target_power : problem.data->initial_power;
  for (std::size_t a = 0; a < s.modes(); ++a)
    if (s.eigenvalue[a] > 0) out.push_back(held[a]);
  return out;
}

/// Excess risk of the readout in the steady state.
double steady_excess(const solvers::PeriodicPhases& system, const solvers::Steady& state) {
  double total = 0;
  for (std::size_t a = 0; a < system.modes.x.size(); ++a) total += system.modes.weight[a] * state.observed[a];
  return total;
}

/// Of every readout beyond the first. Eigenvalues of rounding size read as 0.
std::vector<Finding> further_steady_states(LinearProblem problem) {
  auto data = std::make_shared<LeastSquares>(*problem.data);
  const double largest = data->spectrum.largest();
  for (double& lambda : data->spectrum.eigenvalue)
    if (solvers::is_null(lambda, largest)) lambda = 0;
  problem.data = std::move(data);
  const std::vector<Readout> readouts = problem.method->layout(problem.hyperparameters).readouts;
  std::vector<Finding> out;
  for (std::size_t i = 1; i < readouts.size(); ++i) {
    const solvers::PeriodicPhases system = periodic(problem, i);
    const solvers::Renewal renewal(system);
    const double steady =
        renewal.stable()
            ? steady_excess(system, renewal.steady(problem.data->noise_variance(), constant_power(problem, system)))
            : undefined;
    out.push_back({"steady_" + readouts[i].name + "_excess_mse", steady, "at infinite time: " + readouts[i].doc});
  }
  return out;
}

LinearProblem with(LinearProblem problem, const std::string& name, double value) {
  problem.hyperparameters.set(name, value);
  return problem;
}

// The same problem on fewer modes, close enough to guide a search.
LinearProblem shortened(const LinearProblem& problem) {
  constexpr std::size_t few = 12;
  constexpr double tolerance = 0.02;
  if (problem.data->spectrum.modes() <= few) return problem;
  LinearProblem out = problem;
  auto data = std::make_shared<LeastSquares>(*problem.data);
  data->spectrum = spectra::compress(data->spectrum, tolerance).spectrum;
  data->initial_power = data->spectrum.target_power;
  out.data = std::move(data);
  return out;
}

// F = (xi times the weight of a first move) g.
double gain_of(const LinearProblem& problem, double contraction) {
  if (!problem.method->rule) return contraction;
  const Rule rule = problem.method->rule(problem.hyperparameters, 0);
  if (!rule.has_outer) return contraction;
  const double first = rule.xi * (rule.has_outer_momentum ? rule.p0 + rule.p1 : 1);
  return first == 0 ? undefined : contraction / first;
}

}  // namespace

double mode_gain(const LinearProblem& problem, double lambda) {
  return gain_of(problem, solvers::contraction(periodic(problem), lambda));
}

namespace {

// A value of the hyperparameter that is small against all that could end stability.
double small_value(const LinearProblem& problem, const std::string& name) {
  constexpr double small = 1e-4;
  const Hyperparameters& h = problem.hyperparameters;
  const auto& s = problem.data->spectrum;
  const double batch = h.value_or("batch", 1);
  if (name != "learning_rate") {
    // An outer rate of 1/g takes the stiffest mode to its minimum, and the shorter the inner steps the larger it is.
    if (name != "outer_learning_rate" || !problem.method->rule) return small;
    const double gain = std::abs(mode_gain(with(problem, name, 1), s.largest()));
    double start = small / gain;
    if (!(start > 0) || std::isinf(start)) return small;
    if (std::isfinite(batch)) start *= std::min(1.0, batch * (s.largest() / s.trace()));
    const Rule rule = problem.method->rule(h, 0);
    return rule.has_outer_momentum ? start * (1 - rule.bo) : start;
  }
  double start = 2 / s.largest();
  if (std::isfinite(batch)) start = std::min(start, 2 * batch / s.trace());
  // Momentum and a large outer rate divide the threshold by up to their gain.
  start *= 1 - h.value_or("momentum", 0);
  if (problem.method->rule) {
    const Rule rule = problem.method->rule(h, 0);
    if (rule.has_outer && rule.xi > 1) start /= rule.xi;
    if (rule.has_outer_momentum) start *= 1 - rule.bo;
  }
  return small * start;
}

}  // namespace

bool is_stable(const LinearProblem& problem) {
  const solvers::Renewal renewal(periodic(problem));
  return renewal.stable() && renewal.frozen() == 0;
}

solvers::StabilityBoundary stability_boundary(const LinearProblem& problem, const std::string& name) {
  const double start = small_value(problem, name);
  // No rate that is a double is large against what ends stability.
  if (!std::isfinite(start)) return {start, 0, start, true};
  const LinearProblem few = shortened(problem);
  const auto at = [&](const LinearProblem& p) {
    return [&p, &name](double value) { return periodic(with(p, name, value)); };
  };
  return solvers::stability_boundary(at(problem), at(few), start);
}

double stability_threshold(const LinearProblem& problem, const std::string& name) {
  return stability_boundary(problem, name).first;
}

std::vector<ModeRow> mode_table(const LinearProblem& problem) {
  const solvers::PeriodicPhases system = periodic(problem);
  const solvers::Renewal renewal(system);
  if (renewal.frozen() > 0) throw std::domain_error("nothing moves, so there is no steady state");
  const solvers::Steady steady = renewal.steady(problem.data->noise_variance(), constant_power(problem, system));
  const auto mean = solvers::mean_radius(system);
  std::vector<ModeRow> out;
  const auto& s = problem.data->spectrum;
  const double largest = s.largest();
  for (std::size_t a = 0, i = 0; a < s.modes(); ++a) {
    if (s.eigenvalue[a] == 0) continue;
    if (!solvers::is_null(s.eigenvalue[a], largest)) {
      ModeRow row;
      row.eigenvalue = s.eigenvalue[a];
      row.multiplicity = s.multiplicity[a];
      row.contraction = solvers::contraction(system, row.eigenvalue);
      row.gain = gain_of(problem, row.contraction);
      row.mean_radius = mean[i];
      row.radius = renewal.radius()[i];
      row.stationary = steady.observed[i];
      row.generated_noise = steady.generated[i];
      out.push_back(row);
    }
    ++i;
  }
  return out;
}

namespace {

/// Coordinates of rounds of plain gradients in which a worker's parameters theta are told by how far they are from the
/// outer ones: u = unit (theta - Theta). Steps however short then keep their digits.
struct FromOuter {
  std::size_t outer = 0, inner = 0, target = absent;
  double unit = 1;
  static constexpr std::size_t absent = static_cast<std::size_t>(-1);

  FromOuter(const Layout& layout, double length) : unit(length) {
    const auto place = [](const Readout& r) { return std::ranges::find(r.selector[0], 1.0) - r.selector[0].begin(); };
    outer = static_cast<std::size_t>(place(layout.readouts.at(0)));
    inner = static_cast<std::size_t>(place(layout.readouts.at(1)));
    for (std::size_t i = 0; i < layout.blocks[0].size(); ++i)
      if (layout.blocks[0][i].constant) target = i;
  }
  /// A phase in these coordinates.
  solvers::Phase operator()(solvers::Phase phase) const {
    solvers::PhaseBlock& b = phase.blocks[0];
    // Weight decay pulls as far as it does on the target, of which 1 is not taken off.
    const double pull = target == absent ? 0 : b.T0[inner * b.r + target];
    for (auto* T : {&b.T0, &b.T1}) {
      for (std::size_t i = 0; i < b.r; ++i) {
        double* row = T->data() + i * b.r;
        row[outer] += row[inner];
        row[inner] /= unit;
      }
      for (std::size_t j = 0; j < b.r; ++j) {
        double& moved = (*T)[inner * b.r + j];
        moved = unit * (moved - (*T)[outer * b.r + j]);
      }
    }
    b.T0[inner * b.r + outer] = unit * pull;
    b.n[inner] = unit * (b.n[inner] - b.n[outer]);
    b.e[outer] += b.e[inner];
    b.e[inner] /= unit;
    return phase;
  }
};

}  // namespace

double greedy_outer_rate(const LinearProblem& problem, std::uint64_t rounds) {
  LinearProblem p = balanced(problem).problem;
  Hyperparameters& h = p.hyperparameters;
  h.seek(0);
  const LeastSquares& data = *p.data;
  const Layout layout = p.method->layout(h);
  // About as far as a round moves the stiffest mode.
  const double moved = p.method->rule(h, 0).learning_rate * data.spectrum.largest() * static_cast<double>(steps_of(p));
  const FromOuter from_outer(layout, moved > 0 && moved < 1 ? numerics::power_of_two(1 / moved) : 1);
  solvers::LinearPhases state(linear_modes(data, data.noise_variance()), layout.sizes());
  std::vector<BlockStart> start = starts(p, layout);
  start[0].factor[from_outer.inner] = 0;
  set_moments(start, state);
  StepPhases phases;
  std::uint64_t step = 0;
  for (std::uint64_t round = 0; round <= rounds; ++round) {
    h.seek(static_cast<double>(step), true);
    const std::uint64_t H = p.method->period(h);
    for (std::uint64_t i = 0; i < H; ++i, ++step) {
      if (i > 0) h.seek(static_cast<double>(step), false);
      p.method->phases(h, step, i, phases);
      state.apply(from_outer(phases.noisy));
      if (phases.has_sync && round < rounds) state.apply(from_outer(phases.sync));
    }
  }
  // P after the sync is that of Theta + xi u/unit.
  const std::vector<double>& lambda = data.spectrum.eigenvalue;
  const double slope = state.sum(0, from_outer.outer, from_outer.inner, lambda),
               curvature = state.sum(0, from_outer.inner, from_outer.inner, lambda);
  return -slope / curvature * from_outer.unit;
}

std::vector<Finding> linear_power_law(double alpha, double beta, const LinearProblem& problem, double amplification) {
  const LeastSquares& data = *problem.data;
  if (!problem.method->rule || !data.alignment || std::isnan(amplification)) return {};
  const Rule rule = problem.method->rule(problem.hyperparameters, 0);
  if (rule.has_decay) return {};
  const bool resummed = 2 * alpha > 1;
  PowerLawPrediction law = power_law_prediction(alpha, beta, effective_learning_rate(rule), rule.batch, 0);
  if (law.bias_exponent == 0) return {};
  // rho_j(0) = amplitude j^(-2 beta).
  law.bias_constant *= data.initial_power[0] * (resummed ? amplification : 1);
  // The constant of the other term depends on more than the rate.
  if (beta > 0.5 && std::isfinite(rule.batch)) law.kernel_constant = undefined;
  law.judge();
  return {{"phase", law.phase, "which term rules P at long times, before finite size is felt"},
          {"bias_exponent", law.bias_exponent, "p of P ~ t^(-p)"},
          {"bias_constant", law.bias_constant,
           "its constant, t in steps: Lambda Gamma(p)/(2 alpha) (2 effective rate)^(-p)"},
          {"kernel_exponent", law.kernel_exponent, "q of P ~ t^(-q); 0 when the term is absent or a plateau"}};
}

std::vector<Finding> linear_stability(const LinearProblem& problem) {
  const LeastSquares& data = *problem.data;
  const solvers::PeriodicPhases system = periodic(problem);
  const solvers::Renewal renewal(system);
  const solvers::Growth growth = renewal.growth();
  const auto period = static_cast<double>(steps_of(problem));
  const double sigma2 = data.noise_variance();
  const Hyperparameters& h = problem.hyperparameters;
  std::vector<Finding> findings;
  const auto add = [&](std::string name, auto value, std::string doc) {
    findings.push_back({std::move(name), value, std::move(doc)});
  };
  for (const char* name : {"learning_rate", "batch", "momentum", "weight_decay", "inner_steps", "workers",
                           "outer_learning_rate", "outer_momentum"})
    if (h.has(name)) add(name, h(name), "hyperparameter at step 0");
  if (h.has("learning_rate")) add("gamma", h("learning_rate") * data.spectrum.trace(), "eta tr K");
  if (problem.method->rule)
    add("effective_learning_rate", effective_learning_rate(problem.method->rule(h, 0)),
        "of slow modes: their error falls as exp(-this lambda) a step, weight decay aside");
  add("trace", data.spectrum.trace(), "tr K");
  add("noise_variance", sigma2, "sigma^2, label noise and unexplained variance");
  add("period", period, "steps of a period");
  add("mode_radius", growth.mode_radius, "largest spectral radius of a mode's own second-moment map over a period");
  add("kernel_norm", growth.perron,
      "rho(G(1)), Perron root of the renewal matrix; infinite when a mode radius is >= 1");
  add("growth_factor", std::exp(growth.log_growth_factor / period),
      "factor per step of the mean risk at long times (label noise aside)");
  add("growth_factor_period", growth.growth_factor, "the same per period");
  double steady = undefined, amplification = undefined;
  if (growth.stable) {
    const solvers::Steady state = renewal.steady(sigma2, constant_power(problem, system));
    amplification = state.amplification;
    steady = steady_excess(system, state);
  } else if (growth.growth_factor > 1 && sigma2 > 0 && std::isfinite(h("batch"))) {
    steady = std::numeric_limits<double>::infinity();  // the noise of the gradients enters whatever grows
  }
  add("steady_excess_mse", steady, "P at infinite time; inf where noise drives what grows, undefined when frozen");
  add("steady_risk", (steady + sigma2) / 2,
      "risk at infinite time; inf where noise drives what grows, undefined when frozen");
  if (growth.stable && problem.method->time_invariant)
    for (Finding& further : further_steady_states(problem)) findings.push_back(std::move(further));
  add("noise_amplification", amplification,
      "Lambda = [(1 - G)^{-1} 1]_0: label noise counts Lambda times, and late power laws too");
  for (const auto& [name, finding] : {std::pair("learning_rate", "eta"), std::pair("outer_learning_rate", "xi")}) {
    if (!h.has(name)) continue;
    const solvers::StabilityBoundary found = stability_boundary(problem, name);
    add(std::string(finding) + "_max", found.first,
        std::string(name) + " at which stability ends, coming from below (first crossing); nan: no rate is stable");
    if (found.windows == 0 && found.complete) continue;
    add(std::string(finding) + "_windows", static_cast<double>(found.windows),
        std::string("stable windows of the ") + name + " above it" + (found.complete ? "" : ", of those looked for"));
    add(std::string(finding) + "_last", found.last, "end of the last of them");
  }
  if (problem.method->plain && h.has("inner_steps") && period <= longest_greedy_round &&
      (data.alignment || h.value_or("weight_decay", 0) == 0))
    add("xi_greedy", greedy_outer_rate(problem, 0), "outer learning rate after which P of the first round is smallest");
  if (problem.method->plain && h.has("inner_steps") && data.spectrum.modes() == 1 && data.data.excess_kurtosis == 0 &&
      h.value_or("weight_decay", 0) == 0) {
    // On K = lambda I a round is a quadratic in xi.
    const auto round = [&](double xi) {
      return isotropic_round(data.spectrum.dimension(), h("learning_rate") * data.spectrum.eigenvalue[0], h("batch"),
                             h("inner_steps"), xi, h.value_or("workers", 1), sigma2);
    };
    const double best = round(1).xi_fastest;
    add("xi_best", best, "xi*, the outer learning rate at which the risk decays fastest");
    add("growth_factor_best", round(best).growth, "g*, the factor per period there");
  }
  add("stable", growth.stable, "all second moments decay: their map has a spectral radius below 1");
  add("reason", growth.stable ? std::string("stable") : (growth.frozen > 0 ? "" : "unstable: ") + growth.failed,
      growth.perron < std::numeric_limits<double>::infinity() ? "the renewal test decides" : "the mode radius decides");
  if (growth.frozen > 0)
    add("frozen_modes", static_cast<double>(growth.frozen), "modes that this method never moves, left out");
  return findings;
}

}  // namespace edgewise::models::least_squares
