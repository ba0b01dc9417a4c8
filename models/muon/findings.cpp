// Built at -O1: nothing here takes time.
#include "models/muon/findings.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "models/muon/learning_rates.hpp"
#include "models/muon/null_draws.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::muon {

namespace {

/// sum_j min(1, lambda_j > kappa): how many modes lie above the ridge.
double modes_above(const spectra::Spectrum& s, double kappa) {
  double above = 0;
  for (std::size_t a = 0; a < s.modes(); ++a)
    if (s.eigenvalue[a] > kappa) above += s.multiplicity[a];
  return above;
}

void add_rank_findings(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                       const std::optional<PowerLaw>& law, std::vector<Finding>& out) {
  out.push_back({"rank", problem.rank(), "r = min(m, n, B)"});
  if (dynamics.sign_factor > 0)
    out.push_back(
        {"sign_drift_factor", dynamics.sign_factor, "phi_B: E S = sqrt(B) phi_B Delta K diag(K)^(-1/2)/sqrt(V)"});
  if (problem.map != UpdateMap::signsvd) return;
  out.push_back({"ridge", dynamics.ridge, "kappa: sum lambda/(lambda + kappa) = r; 0 at full rank"});
  if (dynamics.ridge > 0) {
    out.push_back(
        {"crossover_index",
         law ? std::pow(dynamics.ridge, -1 / (2 * law->alpha)) : modes_above(problem.spectrum, dynamics.ridge),
         "j_c, where lambda = kappa: modes beyond it are driven as by SGD, those before preconditioned"});
    if (law && 2 * law->alpha > 1)
      out.push_back({"crossover_index_limit", problem.rank() * std::sin(pi / (2 * law->alpha)) * 2 * law->alpha / pi,
                     "its limit for n = infinity, r sin(pi/(2 alpha)) 2 alpha/pi"});
  }
}

}  // namespace

std::vector<Finding> matrix_findings(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                                     const MatrixTheory& theory) {
  std::vector<Finding> out;
  const std::optional<PowerLaw>& law = theory.power_law;
  const bool constant = dynamics.constant();
  const double gamma =
      constant && problem.protocol == Protocol::adaptive ? adaptive_gamma(problem, dynamics) : problem.gamma;
  out.push_back({"protocol", protocol_text(problem, gamma), "how the learning rate is set"});
  out.push_back({"coefficients", dynamics.description, "where drift and noise come from"});
  add_rank_findings(problem, dynamics, law, out);
  const double P0 = dynamics.excess(dynamics.initial), V0 = problem.residual_variance(P0);
  out.push_back({"initial_excess_mse", P0, "P at the start"});
  if (problem.isotropic_outputs && dynamics.inputs) {
    double total = 0;
    for (std::size_t i = 0; i < dynamics.size(); ++i) total += dynamics.count[i] * dynamics.drift[i];
    out.push_back({"total_drift", total, "sum_j hhat_j; SignSVD: the mean nuclear norm of the null gradient over m"});
  }
  const double largest = *std::max_element(dynamics.drift.begin(), dynamics.drift.end());
  if (constant) {
    const double N = dynamics.noise_to_drift();
    out.push_back({"noise_to_drift", N, "N = sum lambda Q/hhat"});
    if (problem.protocol == Protocol::constant) {
      const double floor = V0 > 0 ? noise_floor(problem.learning_rate, N, problem) : 0;
      out.push_back({"stable", true, "a constant rate of a bounded update never diverges"});
      out.push_back({"steady_excess_mse", floor, "P = (eta/2) N sqrt(V) at the full learning rate"});
      // Where the floor is all noise of the steps, sqrt(V) = eta N/2.
      const double at_floor = V0 == 0 ? 0
                              : std::isfinite(floor)
                                  ? 2 * problem.learning_rate * largest / std::sqrt(problem.residual_variance(floor))
                                  : 4 * largest / N;
      out.push_back({"overshoot", at_floor, "2 eta max(hhat)/sqrt(V) at the floor; the recursion needs < 1"});
      out.push_back({"step_too_large", at_floor >= 1, "that guard is violated on the way down"});
    }
    if (problem.labels == Labels::bilinear) {
      const double gamma_max = largest_gamma(dynamics);
      const BestGamma best = best_gamma(dynamics);
      out.push_back({"gamma_max", gamma_max, "2/N: the adaptive protocol eta = gamma sqrt(V) diverges from there on"});
      out.push_back({"gamma_optimal", best.gamma, "at which the adaptive protocol's slowest part decays fastest"});
      out.push_back({"rate_optimal", best.rate, "decay of log P per step at gamma_optimal, in the end"});
      if (problem.protocol == Protocol::adaptive) {
        out.push_back({"gamma", gamma, "of the protocol"});
        out.push_back({"stable", gamma < gamma_max, "gamma < gamma_max"});
        out.push_back({"overshoot", 2 * gamma * largest, "2 gamma max(hhat); the recursion needs < 1"});
        out.push_back({"step_too_large", 2 * gamma * largest >= 1, "that guard is violated"});
      }
    }
  }
  if (dynamics.inputs)
    out.push_back({"snr_max", dynamics.signal_to_noise(dynamics.initial, V0),
                   "max_j (2 + B/m) lambda_j D_j/V at the start: bare theory needs < 0.1, dressed < 5"});
  const ResolutionTimes times = resolution_times(problem, law);
  out.push_back({"time_unit", problem.time_unit(), "m/B steps, common to both maps"});
  out.push_back({"resolution_time_signsvd", times.signsvd, "(m/B) tr sqrt(K)/sqrt(lambda_n): all modes resolved"});
  out.push_back({"resolution_time_signsgd", times.signsgd, "(m/B) tr K/lambda_n"});
  if (law) {
    out.push_back({"phase_deep", std::string(1, predicted_phase(law->alpha, law->beta, true)),
                   "protocol A, to the end of convergence: T trade-off, V SignSVD, S SignSGD ahead, - equal"});
    out.push_back({"phase_scaling", std::string(1, predicted_phase(law->alpha, law->beta, false)),
                   "protocol A, within the power-law range"});
    if (const auto predicted = predicted_exponent(problem, *law)) {
      out.push_back({"predicted_exponent", predicted->exponent, "P ~ t^(-exponent) in the window"});
      out.push_back({"predicted_from", predicted->from, "steps; the window's start"});
      out.push_back({"predicted_to", predicted->to, "steps; the window's end"});
      out.push_back({"limited_by", predicted->limited_by, "what sets the exponent"});
      if (predicted->conjectured) out.push_back({"conjecture", true, "this exponent is conjectured"});
    }
  }
  return out;
}

std::vector<double> local_slopes(std::span<const double> x, std::span<const double> y) {
  std::vector<double> out(x.size(), nan);
  const auto between = [&](std::size_t a, std::size_t b) { return std::log(y[b] / y[a]) / std::log(x[b] / x[a]); };
  std::size_t size = x.size();
  while (size > 0 && !(x[size - 1] > 0 && y[size - 1] > 0)) --size;  // null modes have none
  if (size < 2) return out;
  const std::size_t last = size - 1;
  for (std::size_t i = 0; i <= last; ++i) {
    if (i == 0 || i == last) {
      out[i] = i == 0 ? between(0, 1) : between(last - 1, last);
      continue;
    }
    // The slope at i of the parabola through three unequally spaced points.
    const double before = std::log(x[i] / x[i - 1]), after = std::log(x[i + 1] / x[i]);
    out[i] = (after * between(i - 1, i) + before * between(i, i + 1)) / (before + after);
  }
  return out;
}

namespace {

/// eta sqrt(V) in the steady state at the full learning rate: times Q/(2 hhat) the power that a mode keeps. Nothing where
/// the learning rate has no such state.
std::optional<double> steady_scale(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics) {
  if (!dynamics.constant()) return std::nullopt;
  if (problem.residual_variance(dynamics.excess(dynamics.initial)) == 0) return std::nullopt;  // nothing moves
  const double N = dynamics.noise_to_drift();
  if (problem.protocol == Protocol::constant)
    return problem.learning_rate * std::sqrt(problem.residual_variance(noise_floor(problem.learning_rate, N, problem)));
  if (problem.protocol != Protocol::adaptive) return std::nullopt;
  // eta sqrt(V) = gamma V, and V = sigma^2 + gamma V N/2 (bilinear labels).
  const double gamma = adaptive_gamma(problem, dynamics);
  const double grown = problem.labels == Labels::vector ? 0 : gamma * N / 2;
  return grown < 1 ? gamma * problem.noise_variance / (1 - grown) : infinity;
}

}  // namespace

std::vector<ModeColumn> matrix_modes(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics,
                                     std::uint64_t null_draws, std::uint64_t regression_draws, std::uint64_t seed) {
  std::vector<double> noise, floor, share;
  const double V0 = problem.residual_variance(dynamics.excess(dynamics.initial));
  for (std::size_t i = 0; i < dynamics.size(); ++i) {
    noise.push_back(dynamics.noise[i] / dynamics.count[i]);
    floor.push_back(dynamics.drift[i] > 0 ? dynamics.noise[i] / (2 * dynamics.drift[i]) : nan);
    const double signal = dynamics.weight[i] * dynamics.initial[i];
    share.push_back(signal > 0 ? signal / (dynamics.count[i] * V0) : 0);  // V0 may be 0, too
  }
  // Signs in a random basis have the modes of Dg^(-1/4) K Dg^(-1/4), Dg = diag K, and powers of Delta Dg^(1/4).
  const bool mixed = problem.map == UpdateMap::signsgd && problem.rotation == Rotation::haar && !dynamics.inputs;
  const std::string power_unit = mixed ? "parameter^2 x" : "parameter^2";
  std::vector<ModeColumn> out = {
      {"eigenvalue", mixed ? "x" : "x^2",
       mixed ? "kappa, of Dg^(-1/4) K Dg^(-1/4), Dg = diag K: weight of its power in P"
             : "of the mode; weight of its power in P",
       dynamics.weight},
      {"multiplicity", "1", "coordinates", dynamics.count},
      {"power", power_unit, mixed ? "of Delta Dg^(1/4), at the start" : "at the start, whole mode", dynamics.initial},
      {"drift", "x", "hhat: E[S u] = hhat Delta u/sqrt(V)", dynamics.drift},
      {"slope", "1", "dln hhat/dln lambda between neighbours: 1/2 preconditioned, 1 as SGD",
       local_slopes(dynamics.weight, dynamics.drift)},
      {"noise", mixed ? "x" : "1", mixed ? "E|S Dg^(1/4) u|^2" : "Q = E|S u|^2, per coordinate", std::move(noise)},
      {"floor", mixed ? "1" : "1/x",
       "Q/(2 hhat), whole mode: the power that it keeps, in units of eta sqrt(V); a null mode has none", floor},
      {"signal_share", "1", "phi = lambda D/V at the start, per coordinate; linear response wants (2 + B/m) phi small",
       std::move(share)}};
  if (!dynamics.inputs) out[4].value.assign(dynamics.size(), nan);
  if (const auto scale = steady_scale(problem, dynamics)) {
    for (double& value : floor) value *= *scale;
    out.push_back({"steady_power", power_unit, "eta sqrt(V) floor: the power that it keeps at the full learning rate",
                   std::move(floor)});
  }
  const auto measured = [&out](const std::string& how, const std::string& what, const MeasuredCoefficients& c) {
    out.push_back({"drift_" + how, "1", "hhat, " + what, c.drift});
    out.push_back({"drift_" + how + "_se", "1", "its standard error", c.drift_error});
    out.push_back({"noise_" + how, "1", "Q, " + what, c.noise});
    out.push_back({"noise_" + how + "_se", "1", "its standard error", c.noise_error});
  };
  if (null_draws > 0)
    measured("null", std::to_string(null_draws) + " draws of the null law",
             null_coefficients(problem, null_draws, seed, V0));
  if (regression_draws > 0)
    measured("regressed", "regression of S u on Delta u at the start, " + std::to_string(regression_draws) + " draws",
             regressed_coefficients(problem, regression_draws, seed));
  return out;
}

}  // namespace edgewise::models::muon
