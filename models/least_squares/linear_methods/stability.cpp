#include "models/least_squares/linear_methods/stability.hpp"

#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace edgewise::models::least_squares {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

std::uint64_t steps_of(const LinearProblem& problem) {
  Hyperparameters h = problem.hyperparameters;
  h.seek(0);
  return problem.method->period(h);
}

// Second moments of the constants (theta*) of each mode with lambda > 0; empty when there are none.
std::vector<double> constant_power(const LinearProblem& problem, const solvers::PeriodicPhases& system) {
  if (system.constants.empty()) return {};
  std::vector<double> out;
  const auto& s = problem.data->spectrum;
  for (std::size_t a = 0; a < s.modes(); ++a)
    if (s.eigenvalue[a] > 0) out.push_back(s.target_power[a]);
  return out;
}

LinearProblem with(LinearProblem problem, const std::string& name, double value) {
  problem.hyperparameters.set(name, value);
  return problem;
}

double readout_power(const solvers::LinearPhases& state, const Readout& readout, std::size_t mode) {
  double total = 0;
  for (std::size_t b = 0; b < readout.selector.size(); ++b) {
    const auto& e = readout.selector[b];
    for (std::size_t i = 0; i < e.size(); ++i)
      for (std::size_t j = 0; j < e.size(); ++j)
        if (e[i] != 0 && e[j] != 0) total += e[i] * e[j] * state.moment(b, i, j)[mode];
  }
  return total;
}

// F: what a period takes off the parameters that are kept, from a start at rest (error 1, all memory 0).
double contraction_of(const solvers::PeriodicPhases& system, const Layout& layout, double lambda) {
  const auto map = solvers::mean_map(system, 0, lambda);
  const std::size_t r = system.sizes[0];
  const auto& selector = layout.readouts.front().selector[0];
  double moved = 0;
  for (std::size_t x = 0; x < r; ++x)
    for (std::size_t y = 0; y < r; ++y) moved += selector[x] * map[x * r + y] * layout.blocks[0][y].from_error;
  return 1 - moved;
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
  return gain_of(problem, contraction_of(periodic(problem), problem.method->layout(problem.hyperparameters), lambda));
}

bool is_stable(const LinearProblem& problem) {
  return solvers::Renewal(periodic(problem)).stable();
}

double stability_threshold(const LinearProblem& problem, const std::string& name, double most) {
  const auto& s = problem.data->spectrum;
  double start = 1e-3;
  if (name == "learning_rate") {
    start = 2 / s.largest();
    if (std::isfinite(problem.hyperparameters.value_or("batch", 1)))
      start = std::min(start, 2 * problem.hyperparameters.value_or("batch", 1) / s.trace());
    // Momentum divides the threshold by up to its memory.
    start *= 1e-2 * (1 - problem.hyperparameters.value_or("momentum", 0));
  }
  // Below 0 where stable; continuous where the renewal matrix decides.
  const auto excess = [&](double value) {
    const solvers::Renewal renewal(periodic(with(problem, name, value)));
    if (!(renewal.largest_radius() < 1)) return 1e3;
    return std::min(renewal.perron(), 1e3) - 1;
  };
  int tries = 0;
  while (!(excess(start) < 0)) {
    start /= 4;
    if (++tries > 20) throw std::domain_error("no small " + name + " is stable");
  }
  double low = start, high = start;
  do {
    low = high;
    high *= 1.2;
    if (high > start * most) return infinity;
  } while (excess(high) < 0);
  std::uintmax_t iterations = 100;
  const auto root =
      boost::math::tools::toms748_solve(excess, low, high, boost::math::tools::eps_tolerance<double>(42), iterations);
  return (root.first + root.second) / 2;
}

std::vector<ScanPoint> stability_scan(const LinearProblem& problem, const std::string& name, double from, double to,
                                      int points) {
  if (!(from > 0) || !(to >= from) || points < 1) throw std::invalid_argument("a scan needs 0 < from <= to");
  std::vector<ScanPoint> out;
  for (int i = 0; i < points; ++i) {
    const double x = points == 1 ? from : from * std::pow(to / from, static_cast<double>(i) / (points - 1));
    out.push_back({x, is_stable(with(problem, name, x))});
  }
  return out;
}

std::vector<ModeRow> mode_table(const LinearProblem& problem) {
  const solvers::PeriodicPhases system = periodic(problem);
  solvers::Renewal renewal(system);
  const double sigma2 = problem.data->noise_variance();
  const auto power = constant_power(problem, system);
  renewal.steady(sigma2, power);
  const Layout layout = problem.method->layout(problem.hyperparameters);
  const Readout& main = layout.readouts.front();
  const auto mean = solvers::mean_radius(system);
  // The mean map alone, applied to the steady state: what is left of it without new noise.
  solvers::LinearPhases kept(system.modes, system.sizes);
  for (std::size_t b = 0; b < system.sizes.size(); ++b)
    for (std::size_t i = 0; i < system.sizes[b]; ++i)
      for (std::size_t j = i; j < system.sizes[b]; ++j)
        std::ranges::copy(renewal.state().moment(b, i, j), kept.moment(b, i, j).begin());
  for (solvers::Phase phase : system.period) {
    phase.noise_scale = 0;
    kept.apply(phase);
  }
  std::vector<ModeRow> out;
  std::size_t i = 0;
  const auto& s = problem.data->spectrum;
  for (std::size_t a = 0; a < s.modes(); ++a) {
    if (s.eigenvalue[a] == 0) continue;
    ModeRow row;
    row.eigenvalue = s.eigenvalue[a];
    row.multiplicity = s.multiplicity[a];
    row.contraction = contraction_of(system, layout, row.eigenvalue);
    row.gain = gain_of(problem, row.contraction);
    row.mean_radius = mean[i];
    row.radius = renewal.radius()[i];
    row.stationary = readout_power(renewal.state(), main, i);
    row.generated_noise = std::max(0.0, row.stationary - readout_power(kept, main, i));
    out.push_back(row);
    ++i;
  }
  return out;
}

double greedy_outer_rate(const LinearProblem& problem, std::uint64_t rounds) {
  const std::uint64_t H = steps_of(problem);
  LinearRecursion run(problem);
  run.advance(rounds * H);
  // The next P is a quadratic in xi: three values of it give the minimum.
  const double now = run.excess_mse();
  const auto next = [&](double xi) {
    LinearProblem other = problem;
    Hyperparameters& h = other.hyperparameters;
    // The state does not depend on the next xi: replay up to it, then change the rate.
    class Switch final : public ingredients::Schedule {
     public:
      Switch(double first, double last, double at) : first_(first), last_(last), at_(at) {}
      double at(double t) const override { return t < at_ ? first_ : last_; }

     private:
      double first_, last_, at_;
    };
    const double base = h("outer_learning_rate");
    h.set("outer_learning_rate", 1);
    h.schedule("outer_learning_rate", std::make_shared<Switch>(base, xi, static_cast<double>(rounds * H)));
    LinearRecursion again(other);
    again.advance((rounds + 1) * H);
    return again.excess_mse();
  };
  const double one = next(1), two = next(2);
  const double curvature = (two - 2 * one + now) / 2, slope = one - now - curvature;
  return -slope / (2 * curvature);
}

std::vector<Finding> linear_stability(const LinearProblem& problem) {
  const LeastSquares& data = *problem.data;
  const solvers::PeriodicPhases system = periodic(problem);
  solvers::Renewal renewal(system);
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
  add("trace", data.spectrum.trace(), "tr K");
  add("noise_variance", sigma2, "sigma^2, label noise and unexplained variance");
  add("period", period, "steps of a period");
  add("mode_radius", growth.mode_radius, "largest spectral radius of a mode's own second-moment map over a period");
  add("kernel_norm", growth.perron,
      "rho(G(1)), Perron root of the renewal matrix; infinite when a mode radius is >= 1");
  add("growth_factor", std::pow(growth.growth_factor, 1 / period),
      "factor per step of the mean risk at long times (label noise aside)");
  add("growth_factor_period", growth.growth_factor, "the same per period");
  double steady = undefined, amplification = undefined;
  if (growth.stable && growth.frozen == 0 && problem.method->time_invariant) {
    const auto state = renewal.steady(sigma2, constant_power(problem, system));
    amplification = state.amplification;
    steady = 0;
    const Readout main = problem.method->layout(h).readouts.front();
    for (std::size_t a = 0; a < system.modes.x.size(); ++a)
      steady += system.modes.weight[a] * readout_power(renewal.state(), main, a);
  }
  add("steady_excess_mse", steady, "P at infinite time; undefined when unstable or frozen");
  add("steady_risk", (steady + sigma2) / 2, "risk at infinite time; undefined when unstable or frozen");
  add("noise_amplification", amplification,
      "Lambda = [(1 - G)^{-1} 1]_0: label noise counts Lambda times, and late power laws too");
  const bool decided_by_noise = growth.mode_radius < 1;
  for (const auto& [name, finding] :
       {std::pair("learning_rate", "eta_max"), std::pair("outer_learning_rate", "xi_max")}) {
    if (!h.has(name)) continue;
    double threshold = undefined;
    try {
      threshold = stability_threshold(problem, name);
    } catch (const std::domain_error&) {
    }
    add(finding, threshold, std::string(name) + " at which stability ends, coming from below (first crossing)");
  }
  const bool moves = growth.frozen < system.modes.x.size();
  add("stable", growth.stable && moves, "every mode radius < 1 and rho(G(1)) < 1, and not every mode is frozen");
  add("reason", !moves ? std::string("frozen: no mode moves")
                : growth.stable ? std::string("stable")
                                : "unstable: " + growth.failed,
      decided_by_noise ? "the renewal test decides" : "the mode radius decides");
  if (growth.frozen > 0)
    add("frozen_modes", static_cast<double>(growth.frozen), "modes that this method never moves, left out");
  return findings;
}

}  // namespace edgewise::models::least_squares
