#include "models/nonlinear/findings.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"
#include "models/nonlinear/second_moment.hpp"
#include "models/nonlinear/theory.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Progress of the mean of signs over that of the sign of the mean; for one example, of many.
double early_advantage(const ingredients::Noise& noise, double P, double batch) {
  if (batch == 1) return noise_compression(noise, P) / (std::numbers::pi / 2);
  const double one = late_drift(noise, P, 1), late = late_drift(noise, P, batch);
  return batch * one * one / (late * late);
}

void add_sign_findings(const NonlinearProblem& p, const ingredients::Noise& noise, double P,
                       std::vector<Finding>& out) {
  const double advantage = early_advantage(noise, P, p.batch);
  out.push_back({"noise_compression", noise_compression(noise, P), "kappa_nc at the start: > 1 helps"});
  out.push_back({"early_advantage", advantage,
                 "best progress with the sign of every example over that with the sign of their mean, at the start (at "
                 "batch 1: for many examples)"});
  out.push_back({"best_placement", std::string(advantage > 1 ? "early" : "late"),
                 "sign of every example, or of their mean, at the start"});
  out.push_back({"localisation", localisation(p), "sqrt(B) max |rho_i| at the start: small for linear response"});
}

void add_residual_findings(const NonlinearProblem& p, const ModeSystem& m, const ingredients::Noise& noise, double P,
                           const LawValues& law, std::vector<Finding>& out) {
  const OptimalThreshold h = optimal_threshold(noise, P);
  const double gain = h.progress * (P + noise.variance());
  out.push_back({"optimal_threshold", h.threshold, "h* on |r| at the start, inf for no clipping"});
  out.push_back({"clipping_gain", gain, "max mu^2/nu, at h*: best progress of clipping over that of SGD"});
  out.push_back({"clipping_helps", std::isfinite(h.threshold), "the criterion CCC: clipping_gain exceeds 1"});
  if (std::isfinite(h.threshold))
    out.push_back({"learning_rate_gain", learning_rate_gain(noise, P, h.threshold),
                   "mu/nu at h*: largest rate at which P falls, over that of SGD"});
  out.push_back({"intrinsic_dimension", p.covariance.trace() / m.largest(), "tr K/|K|"});
  if (p.nonlinearity) {
    out.push_back(
        {"progress", law.a * law.a / (law.b * p.batch), "mu^2/q of chi at the start, at most residual_information"});
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

std::vector<Finding> nonlinear_findings(const NonlinearProblem& p, const ModeSystem& m) {
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(p);
  std::vector<Finding> out;
  const double P = m.excess_mse();
  if (p.method == "per-example-adam") {
    SecondMomentRecursion check(p);  // refuses what the closure does not cover
    if (P > 0) add_second_moment_findings(p, out);
    return out;
  }
  const ScalarLaws laws = scalar_laws(p);
  if (!p.greedy && p.threshold_rule != "optimal") {
    const std::vector<double> steady = steady_states(m, laws, p.learning_rate);
    out.push_back({"stable", !steady.empty(), "a fixed point exists at the full learning rate"});
    if (!steady.empty()) {
      out.push_back({"steady_excess_mse", steady.front(), "2 a(P) P = eta b(P) sum s: where P settles"});
      if (steady.size() > 1)
        out.push_back({"largest_steady_excess_mse", steady.back(), "there are several fixed points"});
    }
  }
  if (!(P > 0)) return out;
  const LawValues law = laws.exact(P);
  const double best = law.a * m.drift_power() / (law.b * m.noise_trace());
  out.push_back({"greedy_learning_rate", best, "a Q/(b S) at the start: the fastest decrease of P"});
  out.push_back({"eta_decrease", 2 * best, "P falls at the start below this learning rate"});
  out.push_back({"eta_stable_step", 1 / (2 * law.a * m.largest()), "2 eta a kappa_max = 1 at the start"});
  if (std::isfinite(noise->variance()))
    out.push_back({"efficiency", law.a * law.a * (P + noise->variance()) / (law.b * p.batch),
                   "a^2 (P + sigma^2)/(b B) at the start: SGD has 1"});
  out.push_back({"residual_information", residual_information(*noise, P),
                 "J at the start: the ceiling of mu^2/q for any nonlinearity"});
  if (p.coordinatewise())
    add_sign_findings(p, *noise, P, out);
  else
    add_residual_findings(p, m, *noise, P, law, out);
  return out;
}

std::vector<std::string> nonlinear_warnings(const NonlinearProblem& p,
                                            const std::function<const ModeSystem&()>& modes) {
  std::vector<std::string> out;
  if (p.dataset) out.push_back("the data are real rows: the theory takes them as Gaussian with the same covariance");
  if (p.method == "per-example-adam") {
    if (p.noise && !p.noise->gaussian())
      out.push_back("the closure of per-example-adam was measured under Gaussian noise only");
    return out;
  }
  if (p.coordinatewise()) {
    const double local = localisation(p);
    if (local > localised)
      out.push_back(
          fmt::format("not delocalised: sqrt(B) max |rho_i| = {:.2g} at the start (above {}), where the "
                      "linear-response drift overestimates",
                      local, localised));
    // Off the diagonal the modes of adam take seconds to find.
    const bool cheap = p.covariance.diagonal || p.method != "adam";
    const double P = p.covariance.signal();
    const double drift = P > 0 ? sign_phi(*effective_noise(p), P) / std::sqrt(P) : 0;
    if (p.ema > 0 && !p.greedy && cheap && 2 * p.learning_rate * drift * modes().largest() > 0.1 * (1 - p.ema))
      out.push_back("the exponential average is slow: its theory needs eta << 1 - its beta");
    return out;
  }
  if (p.nonlinearity && !p.nonlinearity->odd())
    out.push_back("chi is not odd: under symmetric noise its even part pulls nowhere and adds noise");
  if (p.method != "clip" && p.method != "mean-clip") return out;
  const double trace = p.covariance.trace(), dimension = trace / modes().largest();
  if (dimension < 5)
    out.push_back(
        fmt::format("intrinsic dimension tr K/|K| = {:.2g} is below 5: norms of examples spread, and "
                    "clipping by norm is not clipping of residuals",
                    dimension));
  const double most = 0.1 * trace * trace / p.covariance.trace_of_square();
  if (p.method == "mean-clip" && p.batch > most)
    out.push_back(
        fmt::format("batch {} exceeds a tenth of (tr K)^2/tr K^2, {:.3g}: the theory of mean-clip "
                    "assumes far smaller batches",
                    p.batch, most));
  return out;
}

}  // namespace edgewise::models::nonlinear
