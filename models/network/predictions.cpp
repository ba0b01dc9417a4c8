// Built at -O1: nothing here takes time.
#include "models/network/predictions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/central_flow.hpp"
#include "models/ingredients/plateau.hpp"

namespace edgewise::models::network {

namespace {

const std::string curvature = "docs/theory/curvature-dynamics.md, section ";
/// The largest share of the examples a step at which the kernel norm is held.
constexpr double small_batch = 0.25;
/// With fewer, runs have learned them before they come to rest at their edge.
constexpr std::size_t fewest_examples = 16;
/// Whether runs at a constant rate end at the edge of such a base. One that remembers more gradients, and a heavy ball,
/// overshoots and is thrown well below it (medians of 1.5 to 1.97); a scale P that moves as fast as what oscillates lets
/// them stay above (2.5 at beta2 = .9).
bool comes_to_rest(const ingredients::BaseUpdate& base) {
  return base.momentum == 0 && base.beta1 <= 0.5 && (!base.adaptive || base.beta2 >= 0.99);
}

/// The same under CDAT on edge, which averages or not: 2.18 at beta2 = .99, 2.15 to 2.23 of averages without beta1.
bool is_held(const ingredients::BaseUpdate& base, bool averaged) {
  return !base.adaptive || (base.beta2 >= 0.999 && (base.beta1 > 0 || !averaged));
}

/// \param tuned  the rate is a rule's, which comes to the edge by itself: from above, too
Prediction plateau(const std::string& observable, double edge, bool tuned = false) {
  Prediction out;
  out.quantity = observable + " over the last quarter";
  out.observable = observable;
  out.nominal = edge;
  out.statistic = [observable, edge, tuned](const RecordedReplica& run) -> std::optional<double> {
    const auto value = run.values(observable);
    const auto came = tuned ? ingredients::reached : ingredients::came_to;
    if (run.diverged || !came(run, value, edge)) return std::nullopt;
    return ingredients::tail_median(run.steps, value);
  };
  return out;
}

/// The edge of an ascent or penalty is of first order: where J changes by more than this, relatively, along e and the oscillation,
/// medians left the interval in 38 of 156 settings drawn at random, below it in 4 of 350.
constexpr double linear_range = 0.04;

/// Along the oscillation of a run, |g| of that alone, the curvature along the gradient is the sharpness. Where H turns along it the two part,
/// by the square of the angle, and the sharpness at its ends is above the edge by as much: below .95 medians left the interval in
/// about half of the runs drawn at random, above it in none of 700 (docs/curvature.md).
constexpr double least_along = 0.95;

/// Whether a run that came to its edge oscillates there before the last quarter, along the leading eigenvector: in the quarter before it is at
/// the edge (`edge` above 1.9) and the curvature along the gradient is half the sharpness or more (the median), or a burst of it has thrown
/// `edge` back since the first quarter; and where that curvature is half or more, of either sign, its median is `least_along`. A run that was quiet below
/// the edge for long goes on beyond it, to 2.2, until then. One whose loss has vanished stays where it is.
bool oscillates(const RecordedReplica& run) {
  const auto edge = run.values("edge"), lambda = run.values("sharpness"), logit = run.values("logit_share"),
             functional = run.values("functional_share"), loss = run.values("loss");
  std::vector<double> shares;
  double top = 0, last_loss = 0;
  bool below = false, thrown_back = false, there = false;
  for (std::size_t t = 0; t < run.steps.size() && run.steps[t] < ingredients::tail_begins * run.steps.back(); ++t) {
    last_loss = loss[t];
    if (run.steps[t] < 0.25 * run.steps.back()) continue;
    thrown_back = thrown_back || edge[t] < top;
    if (below && edge[t] > 2) top = std::max(top, edge[t]);
    below = below || edge[t] < 2;
    if (run.steps[t] < 0.5 * run.steps.back()) continue;
    there = there || edge[t] > 1.9;
    const double share = (logit[t] + functional[t]) / lambda[t];
    shares.push_back(std::isfinite(share) ? share : 0);
  }
  if (!(last_loss >= 1e-12 * loss[0]) || !there) return false;
  if (!thrown_back && ingredients::median(shares) < 0.5) return false;
  std::erase_if(shares, [](double share) { return std::abs(share) < 0.5; });
  return shares.empty() || ingredients::median(std::move(shares)) >= least_along;
}

/// By how much J changes, relatively, along e (of length rho, or rho |g|) and along the oscillation |g|/lambda: the residual of
/// second order over GGN e, which grows as the length. Of the half of the run before its last quarter; 0 where nothing moves.
double change_of_jacobian(const RecordedReplica& run, const UpdateRule& rule) {
  const auto g = run.values("gradient_norm"), lambda = run.values("sharpness"), share = run.values("logit_share"),
             leading = run.values("sam_residual_leading");
  std::vector<double> changes;
  for (std::size_t t = 0; t < run.steps.size(); ++t) {
    if (run.steps[t] < 0.25 * run.steps.back() || run.steps[t] >= ingredients::tail_begins * run.steps.back()) continue;
    const double e = rule.ratio(g[t]) * g[t];
    if (e > 0 && lambda[t] > 0 && share[t] > 0)
      changes.push_back(leading[t] / (e * share[t]) * (1 + g[t] / lambda[t] / e));
  }
  return changes.empty() ? 0 : ingredients::median(std::move(changes));
}

Prediction full_batch(const NetworkProblem& problem) {
  Prediction out = plateau("edge", 2);
  out.name = "edge_plateau";
  switch (problem.has_ascent() ? problem.rule.kind : UpdateKind::plain) {
    case UpdateKind::plain:
      out.statement = problem.rule.base.adaptive
                          ? "the largest eigenvalue of P^-1 H is held at 2 (1 + beta1)/((1 - beta1) eta)"
                          : "full batch: the sharpness rises to 2/eta and is held there, eta lambda = 2";
      break;
    case UpdateKind::functional_sam:
      out.statement = "functional SAM holds eta lambda (1 + r u'NME u) at 2";
      break;
    case UpdateKind::logit_sam:
      out.statement = "SAM along the logits holds eta lambda (1 + r u'GGN u) at 2";
      break;
    case UpdateKind::penalty:
      out.statement =
          "the gradient penalty holds eta lambda (1 + r u'A u) at 2, A the part of the Hessian that it knows";
      break;
    default:
      out.statement = "SAM holds eta (lambda + r lambda^2) at 2, below the edge of gradient descent";
  }
  out.source = curvature + (problem.has_ascent() ? "5.2" : "1.1");
  out.runs = "came to 2 before the last quarter and did not diverge";
  out.low = 1.9;
  out.high = 2.15;
  if (problem.rule.base.adaptive) return out;
  out.runs = "came to 2 before the last quarter, oscillated along the leading eigenvector and did not diverge";
  if (problem.paths_known()) out.runs += ", and whose ascent and oscillation changed J by at most 4%";
  out.statistic = [rule = problem.rule,
                   paths = problem.paths_known()](const RecordedReplica& run) -> std::optional<double> {
    const auto edge = run.values("edge");
    if (run.diverged || !ingredients::came_to(run, edge, 2) || !oscillates(run)) return std::nullopt;
    if (paths && change_of_jacobian(run, rule) > linear_range) return std::nullopt;
    return ingredients::tail_median_of_phases(run.steps, edge);
  };
  return out;
}

Prediction small_batches() {
  Prediction out = plateau("kernel_norm", 1);
  out.name = "norm_plateau";
  out.statement = "small batches: the exact kernel norm is held at the stochastic edge of stability, near 1";
  out.source = "docs/theory/quadratic-regression.md, section 4";
  out.runs = "came to a kernel norm of 1 before the last quarter and did not diverge";
  out.low = 0.9;
  out.high = 1.1;
  return out;
}

Prediction on_edge(bool plain) {
  Prediction out = plateau(plain ? "eta_sharpness" : "edge", 2, true);
  out.name = "on_edge";
  out.statement =
      plain ? "CDAT on edge, sigma = 2: the rate it finds holds eta lambda next to 2, at no rate of the user's"
            : "CDAT on edge of any base update holds eta lambda_max(P^-1 H) next to that update's own edge";
  out.source = curvature + "3.2";
  out.runs = "passed 2 before the last quarter and did not diverge";
  out.low = 1.95;
  out.high = 2.15;
  return out;
}

Prediction no_neglected_trace() {
  Prediction out;
  out.name = "nme_vanishes";
  out.statement =
      "piecewise linear activations: what automatic differentiation sees of tr NME is 0 along the whole run";
  out.source = curvature + "5.3";
  out.quantity = "largest |nme_trace|/ggn_trace";
  out.runs = "did not diverge";
  out.observable = "nme_trace";
  out.low = 0;
  out.high = 1e-12;
  out.statistic = [](const RecordedReplica& run) -> std::optional<double> {
    if (run.diverged) return std::nullopt;
    const auto nme = run.values("nme_trace"), ggn = run.values("ggn_trace");
    double largest = 0;
    for (std::size_t t = 0; t < nme.size(); ++t)
      if (ggn[t] > 0) largest = std::max(largest, std::abs(nme[t]) / ggn[t]);
    return largest;
  };
  return out;
}

/// Whether the last quarter of the record has both even and odd steps.
bool sees_both_phases(const Time& time) {
  bool seen[2] = {false, false};
  for (const std::uint64_t at : time.at)
    if (static_cast<double>(at) >= ingredients::tail_begins * static_cast<double>(time.at.back())) seen[at % 2] = true;
  return seen[0] && seen[1];
}

/// Why no edge of full batches at a constant rate is claimed; empty: it is. Examples enough, that runs do not learn them at the
/// edge, and weights enough for the examples: with fewer the medians of gradient descent were 1.8 to 1.97 (2 to 8 examples) and
/// 2.21 (4 weights, 12 examples).
std::string no_plateau(const NetworkProblem& problem) {
  const auto& network = *problem.network;
  if (!problem.schedule->constant()) return "the rate changes along the run";
  if (!problem.has_ascent() && problem.rule.kind != UpdateKind::plain)
    return "what the update draws moves runs about it";
  if (problem.rule.every != 1 || problem.rule.preconditioned)
    return "the ascent is preconditioned, or not there at every step";
  if (!comes_to_rest(problem.rule.base))
    return "a base that remembers so many gradients, or moves its scale so fast, does not come to rest at it";
  if (problem.examples() < fewest_examples)
    return fmt::format("{} examples, fewer than {}, are learned before runs come to rest at it", problem.examples(),
                       fewest_examples);
  if (network.parameters() < problem.examples() * network.outputs())
    return "there are fewer parameters than targets, which cannot all be learned";
  if (!problem.rule.base.adaptive && !sees_both_phases(problem.time))
    return "of an oscillation of period two the last quarter of time.at sees one end; record even and odd steps";
  return "";
}

/// The same of CDAT on edge.
std::string not_on_edge(const NetworkProblem& problem) {
  const ingredients::GreedyMultiple greedy = problem.rate->greedy_multiple();
  if (!greedy.on_edge() || problem.rate->multiplier != 1 || !problem.schedule->constant())
    return "of rules it is that of cdat with sigma = 2, without a schedule or a multiplier";
  if (problem.rule.kind != UpdateKind::plain)
    return "under a rule it is that of updates without ascent, penalty or noise";
  if (!is_held(problem.rule.base, greedy.averaged)) return "a base that moves its scale so fast is not held there";
  // Medians of 1.4 to 1.8 of 1 to 4 examples at ema = 0.9, with momentum and without; 2.0 of 8.
  if (greedy.averaged && problem.examples() < fewest_examples)
    return fmt::format("averages of {} examples, fewer than {}, are thrown below it as these are learned",
                       problem.examples(), fewest_examples);
  return "";
}

/// And of mini-batches.
std::string no_norm(const NetworkProblem& problem) {
  const double share = static_cast<double>(problem.batch) / static_cast<double>(problem.examples());
  if (problem.rate || !problem.schedule->constant()) return "on mini-batches it is that of a constant rate";
  if (problem.rule.kind != UpdateKind::plain || !problem.rule.base.plain())
    return "on mini-batches it is that of plain descent";
  if (share > small_batch) return "on mini-batches it is that of at most a quarter of the examples a step";
  if (!problem.kernel_norms)
    return "on mini-batches it is that of the kernel norm (monte_carlo.kernel_norm), of one output";
  return "";
}

/// Whether eta lambda has passed 2 and come back below it before the last quarter.
bool has_turned(const RecordedReplica& run) {
  const auto product = run.values("eta_sharpness");
  bool beyond = false;
  for (std::size_t t = 0; t < product.size() && run.steps[t] <= 0.75 * run.steps.back(); ++t) {
    if (beyond && product[t] < 2) return true;
    beyond = beyond || product[t] > 2;
  }
  return false;
}

}  // namespace

std::vector<Prediction> central_flow_claims(const Trajectory& flow) {
  std::vector<Prediction> out = ingredients::central_flow_predictions(flow, 0.75, 1.33);
  for (Prediction& claim : out) {
    claim.runs = "passed the edge and came back below it before the last quarter, and did not diverge";
    claim.statistic = [of_any = std::move(claim.statistic)](const RecordedReplica& run) -> std::optional<double> {
      return has_turned(run) ? of_any(run) : std::nullopt;
    };
  }
  return out;
}

std::string edge_unclaimed(const NetworkProblem& problem) {
  if (problem.loss.kind != ingredients::networks::LossKind::squared)
    return "the curvature of this loss vanishes as examples are learned";
  if (!problem.full_batch()) return no_norm(problem);
  return problem.rate ? not_on_edge(problem) : no_plateau(problem);
}

std::vector<Prediction> network_predictions(const NetworkProblem& problem) {
  std::vector<Prediction> out;
  if (edge_unclaimed(problem).empty())
    out.push_back(!problem.full_batch() ? small_batches()
                  : problem.rate        ? on_edge(problem.rule.base.plain())
                                        : full_batch(problem));
  const auto& layers = problem.network->architecture().layers;
  const bool bent = std::ranges::any_of(layers, [](const auto& l) { return !l.activation.piecewise_linear(); });
  if (!bent && problem.traces == Traces::exact) out.push_back(no_neglected_trace());
  return out;
}

}  // namespace edgewise::models::network
