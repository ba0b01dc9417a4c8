// Built at -O1: nothing here takes time.
#include "models/nonlinear/findings.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "models/nonlinear/coordinate_drift.hpp"
#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/finite_limit.hpp"
#include "models/nonlinear/second_moment.hpp"
#include "models/nonlinear/theory.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Progress of the mean of signs over that of the sign of the mean; for one example, of many.
double early_advantage(const ingredients::Noise& noise, double P, double batch) {
  if (batch == 1) return noise_compression(noise, P) / (std::numbers::pi / 2);
  const double one = late_drift(noise, P, 1), late = late_drift(noise, P, batch);
  return batch * one * one / (late * late);
}

/// Memories 1/(1 - beta) after which an average is stationary.
constexpr double grown_average = 10;

/// The first recorded step after the start.
double first_record(const NonlinearProblem& p) {
  for (const std::uint64_t step : p.time.at)
    if (step > 0) return static_cast<double>(step);
  return infinity;
}

/// tr(K C), C the correlations.
double correlated_trace(const Covariance& K) {
  if (K.diagonal) return K.trace();
  const std::vector<double> variance = K.diagonal_entries();
  double sum = 0;
  for (std::size_t j = 0; j < K.d; ++j)
    for (std::size_t i = 0; i < K.d; ++i)
      if (variance[i] > 0 && variance[j] > 0)
        sum += K.matrix[j * K.d + i] / std::sqrt(variance[i]) * (K.matrix[j * K.d + i] / std::sqrt(variance[j]));
  return sum;
}

/// S = sum_ij K_ij f(C_ij), f(c) = f'(0) c + ... off the diagonal and 1 on it, in three parts.
void add_noise_trace(const NonlinearProblem& p, const ModeSystem& m, std::vector<Finding>& out) {
  constexpr double small = 1e-6;
  const double slope = noise_kernel(p)(small) / small, linear = slope * correlated_trace(p.covariance);
  const double own = (1 - slope) * p.covariance.trace(), all = m.noise_trace();
  out.push_back({"noise_trace_linear", linear, "part of noise_trace that is linear in correlations: (2/pi) tr(K C)"});
  out.push_back({"noise_trace_own", own, "part that a coordinate's noise has alone: (1 - 2/pi) tr K"});
  // Without correlations there is no rest; off the diagonal it is known to rounding.
  out.push_back(
      {"noise_trace_rest", p.covariance.diagonal ? 0 : all - linear - own, "the rest, of third order in correlations"});
}

void add_sign_findings(const NonlinearProblem& p, const ModeSystem& m, const ingredients::Noise& noise, double P,
                       const LawValues& law, std::vector<Finding>& out) {
  add_noise_trace(p, m, out);
  out.push_back({"phi", sign_phi(noise, P), "(2/pi) E exp(-eps^2/(2P)) at the start"});
  const double advantage = early_advantage(noise, P, p.batch);
  out.push_back({"noise_compression", noise_compression(noise, P), "kappa_nc at the start: > 1 helps"});
  out.push_back({"early_advantage", advantage,
                 "best progress with the sign of every example over that with the sign of their mean, at the start (at "
                 "batch 1: for many examples)"});
  out.push_back({"best_placement", std::string(advantage > 1 ? "early" : "late"),
                 "sign of every example, or of their mean, at the start"});
  out.push_back({"localisation", localisation(p), localisation_name(p) + " at the start: small for linear response"});
  const double k = largest_pull(p.covariance);
  out.push_back({"largest_linear_drift", law.a * k, "max_i a |(K v)_i|/sqrt(K_ii) at the start: linear response"});
  if (const auto exact = exact_drift(p, noise, P, k))
    out.push_back({"largest_exact_drift", *exact, "E u_i of that coordinate at finite dimension"});
  if (p.method == Method::sign_majority) {
    out.push_back({"majority_gain", majority_gain(p.batch), "E|sum of B signs|"});
    out.push_back({"majority_tie", majority_tie(p.batch), "probability of a tie"});
  }
  if (p.method == Method::adam && noise.gaussian()) {
    out.push_back({"c1", law.a * std::sqrt((P + noise.variance()) / p.batch), "a = c1 sqrt(B/(P + sigma^2))"});
    out.push_back({"c2", law.b, "b at nhat = P + sigma^2"});
  }
  if (p.method == Method::sign_ema && noise.gaussian()) {
    out.push_back({"ema_gain", law.a * std::sqrt(P + noise.variance()), "a sqrt(P + sigma^2)"});
    out.push_back({"ema_noise", law.b, "integrated autocovariance of the signs"});
  }
}

void add_residual_findings(const NonlinearProblem& p, const ModeSystem& m, const ingredients::Noise& noise, double P,
                           const LawValues& law, const DriftPowers& powers, std::vector<Finding>& out) {
  const double B = p.batch;
  out.push_back({"mu", law.a, "E chi'(r) at the start"});
  out.push_back({"q", law.b * B, "E chi(r)^2 at the start"});
  if (p.method != Method::mean_clip)
    out.push_back({"c2", B * (law.c - (1 - 1 / B) * law.a * law.a), "E (chi^2)''(r) at the start"});
  if (p.cuts_residuals()) out.push_back({"threshold", threshold_at_risk(p, noise, P), "h on |r| at the start"});
  const OptimalThreshold h = optimal_threshold(noise, P);
  const double gain = h.progress * (P + noise.variance());
  out.push_back({"optimal_threshold", h.threshold, "h* of clipping |r| at the start, inf for no clipping"});
  out.push_back({"clipping_gain", gain, "max mu^2/nu, at h*: best progress of clipping over that of SGD"});
  out.push_back({"clipping_helps", std::isfinite(h.threshold), "the criterion CCC: clipping_gain exceeds 1"});
  const LawValues best = law_of_batch(residual_coefficients(*huber_nonlinearity(h.threshold), noise, P), B);
  out.push_back({"optimal_learning_rate", greedy_rate(best, powers, m.noise_trace()),
                 "greedy_learning_rate at h*: the rate that goes with it"});
  if (std::isfinite(h.threshold))
    out.push_back({"learning_rate_gain", learning_rate_gain(noise, P, h.threshold),
                   "mu/nu at h*: largest rate at which P falls, over that of SGD"});
  out.push_back({"intrinsic_dimension", p.covariance.trace() / m.largest(), "tr K/|K|"});
  out.push_back(
      {"norm_spread", std::sqrt(2 * p.covariance.trace_of_square()) / p.covariance.trace(),
       "standard deviation of |x|^2 over its mean: clipping by norm is clipping of residuals where it is small"});
  if (p.nonlinearity) {
    out.push_back(
        {"progress", law.a * law.a / (law.b * B), "mu^2/q of chi at the start, at most residual_information"});
    out.push_back({"quadrature_error", p.nonlinearity->quadrature_error(noise, P),
                   "largest relative change of mu, q, c2 under a finer rule, at the start"});
    out.push_back({"growth", p.nonlinearity->growth(), "p of |chi| ~ |r|^p for large r"});
  }
}

void add_second_moment_findings(const NonlinearProblem& p, std::vector<Finding>& out) {
  const double local = localisation(p);
  out.push_back(
      {"zeta", p.zeta, "share of the variance over examples in n: 1/B is Adam, 1 per example, inf variance only"});
  out.push_back({"localisation", local, "sqrt(B) max |rho_i| at the start: a coordinate's signal over its noise"});
  out.push_back({"closure_reliable", !closure_unreliable(p, local),
                 "false where zeta < 1/B and the noise of every coordinate exceeds its signal, at the start"});
}

}  // namespace

std::vector<Finding> nonlinear_findings(const NonlinearProblem& p, const ModeSystem& m, Steps steps) {
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(p);
  std::vector<Finding> out;
  const double P = m.excess_mse();
  if (p.method == Method::per_example_adam) {
    SecondMomentRecursion check(p);  // refuses what the closure does not cover
    if (P > 0) add_second_moment_findings(p, out);
    return out;
  }
  const ScalarLaws laws = scalar_laws(p);
  if (!p.greedy && p.threshold_rule != "optimal") {
    const std::vector<double> steady = steady_states(p, m, laws, steps);
    out.push_back({"stable", !steady.empty(), "a fixed point exists at the full learning rate"});
    if (!steady.empty()) {
      out.push_back({"steady_excess_mse", steady.front(),
                     steps == Steps::small ? "2 a(P) P = eta b(P) sum s: where P settles"
                                           : "P = sum eta b(P) s_i/(2 a(P) - eta c(P) kappa_i): where P settles"});
      if (steady.front() > 0)
        if (const auto more = finite_limit(p, steady.front(), laws.exact(steady.front()).a))
          out.push_back(
              {"finite_excess", *more,
               "what a finite dimension adds to the mean of steady_excess_mse, relative, to first order in 1/d"});
      if (steady.size() > 1)
        out.push_back({"largest_steady_excess_mse", steady.back(), "there are several fixed points"});
    }
  }
  out.push_back({"noise_power", m.noise_power(), "sum s: tr K, or sum sqrt(K_ii) of signs"});
  out.push_back({"noise_trace", m.noise_trace(), "S = sum kappa s: tr K^2, or tr(K K_sigma) of signs"});
  out.push_back({"kappa_max", m.largest(), "largest kappa"});
  if (!(P > 0)) return out;
  const LawValues law = laws.exact(P);
  const DriftPowers powers = start_powers(m, steps);
  const double best = greedy_rate(law, powers, m.noise_trace());
  out.push_back({"drift", law.a, "a(P) at the start: the rate of SGD with this drift over the learning rate"});
  out.push_back({"noise", law.b, "b(P) at the start"});
  out.push_back({"drift_power", powers.Q, "Q = sum kappa^2 M at the start"});
  const bool curved = steps == Steps::finite && law.c != 0;
  if (curved)
    out.push_back({"drift_curvature", law.c * powers.T, "c sum kappa^3 M at the start: what the drift adds to b S"});
  out.push_back({"greedy_learning_rate", best,
                 curved ? "a Q/(b S + c sum kappa^3 M) at the start: the fastest decrease of P"
                        : "a Q/(b S) at the start: the fastest decrease of P"});
  if (curved)
    out.push_back({"flow_greedy_learning_rate", greedy_rate(law, {.Q = powers.Q}, m.noise_trace()),
                   "a Q/(b S) at the start: that of the flow, the limit of high dimension"});
  out.push_back({"eta_decrease", 2 * best, "P falls at the start below this learning rate"});
  out.push_back({"eta_stable_step", 1 / (2 * law.a * m.largest()), "2 eta a kappa_max = 1 at the start"});
  if (std::isfinite(noise->variance()))
    out.push_back({"efficiency", efficiency(law, P + noise->variance(), p.batch),
                   "a^2 (P + sigma^2)/(b B) at the start: SGD has 1"});
  out.push_back({"residual_information", residual_information(*noise, P),
                 "J at the start: the ceiling of mu^2/q for any nonlinearity"});
  if (p.coordinatewise())
    add_sign_findings(p, m, *noise, P, law, out);
  else
    add_residual_findings(p, m, *noise, P, law, powers, out);
  return out;
}

std::vector<std::string> nonlinear_warnings(const NonlinearProblem& p,
                                            const std::function<const ModeSystem&()>& modes) {
  std::vector<std::string> out;
  if (p.dataset) out.push_back("the data are real rows: the theory takes them as Gaussian with the same covariance");
  if (p.method == Method::per_example_adam) {
    if (p.noise && !p.noise->gaussian())
      out.push_back("the closure of per-example-adam was measured under Gaussian noise only");
    return out;
  }
  if (p.coordinatewise()) {
    const double local = localisation(p);
    if (local > localised)
      out.push_back(
          fmt::format("not delocalised: {} = {:.2g} at the start (above {}), where the "
                      "linear-response drift overestimates",
                      localisation_name(p), local, localised));
    if (const double felt = floor_share(p, *effective_noise(p), p.covariance.signal()); felt > felt_floor)
      out.push_back(
          fmt::format("optimizer.floor is {:.2g} of sqrt(n) of the coordinate that varies least, at the start: the "
                      "theory takes it as 0, the simulation does not",
                      felt));
    // Off the diagonal the modes of adam take seconds to find.
    const bool cheap = p.covariance.diagonal || p.method != Method::adam;
    const double P = p.covariance.signal();
    const double drift = P > 0 ? sign_phi(*effective_noise(p), P) / std::sqrt(P) : 0;
    // What is averaged lags by beta/(1 - beta) steps, which the theory does not know.
    const double share = p.method == Method::adam ? 0.1 : 0.01;
    if (p.ema > 0 && !p.greedy && cheap && 2 * p.learning_rate * drift * modes().largest() > share * (1 - p.ema))
      out.push_back("the exponential average is slow: its theory needs eta << 1 - its beta");
    if (p.method == Method::sign_ema && static_cast<double>(p.time.steps) * (1 - p.ema) < grown_average)
      out.push_back(fmt::format(
          "the exponential average is young: the theory charges the noise of averages over {:.3g} steps from "
          "the start, where they have it after some ten times that many",
          1 / (1 - p.ema)));
    if (p.method == Method::adam && !std::isfinite(effective_noise(p)->variance()) &&
        first_record(p) * (1 - p.ema_square) < grown_average)
      out.push_back(
          fmt::format("under noise of infinite variance n grows to what the theory takes it for, the largest square of "
                      "{:.3g} steps, "
                      "over ten times that many; before, steps are larger and P falls faster than it says",
                      1 / (1 - p.ema_square)));
    return out;
  }
  if (p.nonlinearity && p.covariance.signal() > 0)
    if (const double error = p.nonlinearity->quadrature_error(*effective_noise(p), p.covariance.signal());
        !(error <= well_averaged))
      out.push_back(
          fmt::format("the averages of optimizer.chi are known to {:.1g} only, relative, at the start", error));
  if (p.nonlinearity && !p.nonlinearity->odd())
    out.push_back("chi is not odd: under symmetric noise its even part pulls nowhere and adds noise");
  if (p.method != Method::clip && p.method != Method::mean_clip) return out;
  const double trace = p.covariance.trace(), dimension = trace / modes().largest();
  if (dimension < 5)
    out.push_back(
        fmt::format("intrinsic dimension tr K/|K| = {:.2g} is below 5: norms of examples spread, and "
                    "clipping by norm is not clipping of residuals",
                    dimension));
  const double most = 0.1 * trace * trace / p.covariance.trace_of_square();
  if (p.method == Method::mean_clip && p.batch > most)
    out.push_back(
        fmt::format("batch {} exceeds a tenth of (tr K)^2/tr K^2, {:.3g}: the theory of mean-clip "
                    "assumes far smaller batches",
                    p.batch, most));
  return out;
}

}  // namespace edgewise::models::nonlinear
