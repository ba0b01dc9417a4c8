// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/predictions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/ingredients/plateau.hpp"
#include "models/quadratic_regression/saddle.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::came_to;
using ingredients::exact_critical_rate;
using ingredients::exact_kernel_norm;
using ingredients::sam_edge;
using ingredients::tail_median;

namespace {

constexpr const char* source = "docs/theory/quadratic-regression.md, section ";
/// Where the exact kernel norm is held, and how closely.
constexpr double norm_edge = 1, norm_spread = 0.04;
/// The largest batch fraction at which that has been measured to hold.
constexpr double small_batch = 0.25;

bool oscillates(const RecordedReplica& run) {
  const auto loss = run.values("loss");
  return !(loss.back() < decayed_loss * loss.front());
}

std::vector<Prediction> full_batch(bool one_instance) {
  const auto plateau = [](bool oscillating) {
    return [oscillating](const RecordedReplica& run) -> std::optional<double> {
      const auto value = run.values("eta_lambda_max");
      if (run.diverged || !came_to(run, value, 2) || oscillates(run) != oscillating) return std::nullopt;
      return tail_median(run.steps, value);
    };
  };
  Prediction settled;
  settled.name = "plateau";
  settled.statement =
      "full batch: the largest eigenvalue is held at the edge of stability, eta lambda_1 = 2, within 5%";
  settled.source = std::string(source) + "4";
  settled.quantity = "eta_lambda_max over the last quarter";
  settled.runs = "came to 2 before the last quarter, and whose loss decayed";
  settled.observable = "eta_lambda_max";
  settled.nominal = 2;
  settled.low = one_instance ? 1.88 : 1.9;
  settled.high = 2.1;
  settled.statistic = plateau(false);
  Prediction oscillating = settled;
  oscillating.name = "plateau_oscillating";
  oscillating.statement = "full batch, persistent oscillation: eta lambda_1 stays at 2 within 25%";
  oscillating.runs = "came to 2 before the last quarter, and whose loss did not decay";
  oscillating.low = 1.5;
  oscillating.high = 2.5;
  oscillating.statistic = plateau(true);
  return {settled, oscillating};
}

std::vector<Prediction> mini_batch() {
  const auto tail = [](std::string observable) {
    return [observable = std::move(observable)](const RecordedReplica& run) -> std::optional<double> {
      if (run.diverged || !came_to(run, run.values("kernel_norm_exact"), norm_edge)) return std::nullopt;
      return tail_median(run.steps, run.values(observable));
    };
  };
  Prediction norm;
  norm.name = "norm_plateau";
  norm.statement = "small batches: the exact kernel norm is held at the stochastic edge of stability, near 1";
  norm.source = std::string(source) + "4";
  norm.quantity = "kernel_norm_exact over the last quarter";
  norm.runs = "came to a kernel norm of 1 before the last quarter and did not diverge";
  norm.observable = "kernel_norm_exact";
  norm.nominal = norm_edge;
  norm.low = norm_edge - norm_spread;
  norm.high = norm_edge + norm_spread;
  norm.statistic = tail("kernel_norm_exact");
  Prediction sharpness = norm;
  sharpness.name = "beyond_edge";
  sharpness.statement = "at the stochastic edge eta lambda_1 stands above the edge of full batch, 2";
  sharpness.quantity = "eta_lambda_max over the last quarter";
  sharpness.observable = "eta_lambda_max";
  sharpness.nominal = sharpness.low = 2;
  sharpness.high = infinity;
  sharpness.statistic = tail("eta_lambda_max");
  return {norm, sharpness};
}

/// Of one output and one parameter, where a penalty leads: with v = theta + J0/Q the residual is c + Q v^2/2.
std::optional<Prediction> saddle_end(const QuadraticProblem& problem) {
  const std::optional<ScalarSaddle> saddle = scalar_saddle(problem);
  if (!saddle || !saddle->end) return std::nullopt;
  Prediction out;
  out.name = "saddle_end";
  out.statement = saddle->trapped ? "the penalty holds descent at the saddle, between trap_low and trap_high"
                                  : "descent leaves the saddle for the minimum on its side";
  out.source = "docs/theory/curvature-dynamics.md, section 5.2";
  out.quantity = "the last parameter_power";
  out.runs = "stood still to 1e-6 over the last quarter";
  out.observable = "parameter_power";
  out.nominal = *saddle->end * *saddle->end;
  const double spread = 1e-4 * std::max(saddle->scale * saddle->scale, out.nominal);
  out.low = out.nominal - spread;
  out.high = out.nominal + spread;
  out.statistic = [spread](const RecordedReplica& run) -> std::optional<double> {
    const auto value = run.values("parameter_power");
    if (run.diverged) return std::nullopt;
    for (std::size_t t = 0; t < value.size(); ++t)
      if (run.steps[t] >= 0.75 * run.steps.back() && std::abs(value[t] - value.back()) > 0.01 * spread)
        return std::nullopt;
    return value.back();
  };
  return out;
}

Prediction sam(const QuadraticRule& rule) {
  const double edge = sam_edge(rule.learning_rate, rule.rho);
  Prediction out;
  out.name = "sam_plateau";
  out.statement = fmt::format("SAM: the largest eigenvalue comes back to lambda_SAM = {:.6g}, never far above", edge);
  out.source = std::string(source) + "5";
  out.quantity = "the last ntk_max";
  out.runs = "came to lambda_SAM before the last quarter, and whose loss decayed";
  out.observable = "ntk_max";
  out.nominal = edge;
  out.low = 0.98 * edge;
  out.high = 1.01 * edge;
  out.statistic = [edge](const RecordedReplica& run) -> std::optional<double> {
    const auto value = run.values("ntk_max");
    if (run.diverged || !came_to(run, value, edge) || oscillates(run)) return std::nullopt;
    return value.back();
  };
  return out;
}

/// Of a whole run's last value of an observable.
Prediction at_the_end(const char* name, const char* statement, const char* observable, double low, double high) {
  Prediction out;
  out.name = name;
  out.statement = statement;
  out.source = "docs/theory/curvature-dynamics.md, section 3.4";
  out.quantity = std::string("the last ") + observable;
  out.runs = "did not diverge";
  out.observable = observable;
  out.nominal = 2;
  out.low = low;
  out.high = high;
  out.statistic = [observable](const RecordedReplica& run) -> std::optional<double> {
    if (run.diverged) return std::nullopt;
    return run.values(observable).back();
  };
  return out;
}

/// Of a linear model, whose loss is quadratic: L' - L = -eta n + eta^2 d/2 = 0 at eta = 2 n/d, along whatever step.
Prediction conserved_loss() {
  Prediction out = at_the_end(
      "conserved_loss", "CDAT on edge, sigma = 2 without averages, keeps a quadratic loss, whatever its base update",
      "loss", 1 - 1e-9, 1 + 1e-9);
  out.source = "docs/theory/curvature-dynamics.md, section 2.5";
  out.quantity = "the last loss over the first";
  out.nominal = 1;
  out.observable.clear();  // a ratio, on no observable's axis
  out.statistic = [](const RecordedReplica& run) -> std::optional<double> {
    const auto loss = run.values("loss");
    if (run.diverged || !(loss.front() > 0)) return std::nullopt;
    return loss.back() / loss.front();
  };
  return out;
}

/// Of runs that have come to their edge by then, whose first steps are well off it (eta lambda_1 = 2 |g|^2 lambda_1/g.Hg): the
/// median is off by up to .3 after 20 steps. sigma < 2 comes below it in some 1/(2 - sigma) steps, and bases to it in some ten of
/// their memories, longer than in proportion where that is above .97 (1.89 of Adam, beta1 = .99, after 2000 steps).
constexpr double fewest_steps = 100, fewest_falls = 5 * (1 - 1e-9), fewest_memories = 20 * (1 - 1e-9),
                 longest_memory = 0.97;
/// Outputs and parameters from which on a base with a memory stays on edge: medians of 1.9 to 2.06 at curvatures .1 to 4; below,
/// down to 1.0 (Adam, D = 1, P = 8).
constexpr std::size_t fewest_modes = 8;

/// Of CDAT and Armijo's rule on all outputs.
std::vector<Prediction> tuned(const QuadraticProblem& problem) {
  const ingredients::GreedyMultiple multiple = problem.rate->greedy_multiple();
  std::vector<Prediction> out;
  if (multiple.averaged) return out;
  const double parameter = multiple.low, steps = static_cast<double>(problem.time.steps);
  const bool plain = problem.base.plain(), linear = !problem.given && problem.law.curvature == 0;
  if (linear && multiple.on_edge()) out.push_back(conserved_loss());
  if (plain && undershoots(multiple) && problem.law.outputs <= problem.law.parameters) {
    Prediction balanced =
        at_the_end("extremes_balanced",
                   "CDAT, 1 <= sigma < 2, ends where both ends of the spectrum fall alike: on harmonic "
                   "average eta (lambda_1 + lambda_min) = 2, or eta lambda_1 = sigma where that is more",
                   "mean_rate", 0.99, 1.01);
    balanced.quantity = "the last mean_rate over that of the last kernel";
    balanced.runs = "did not diverge, and whose loss fell below 1e-12 of the first";
    balanced.observable.clear();  // a ratio, on no observable's axis
    balanced.nominal = 1;
    balanced.statistic = [parameter](const RecordedReplica& run) -> std::optional<double> {
      const auto loss = run.values("loss");
      if (run.diverged || !(loss.back() < 1e-12 * loss.front())) return std::nullopt;
      const double largest = run.values("ntk_max").back(), smallest = run.values("ntk_min").back();
      return run.values("mean_rate").back() * largest / late_product(parameter, smallest / largest);
    };
    out.push_back(std::move(balanced));
  }
  if (!problem.every_step || !(steps >= fewest_steps)) return out;
  if (plain && multiple.below_edge() && (multiple.searched || steps * (2 - parameter) >= fewest_falls))
    out.push_back(at_the_end("below_edge",
                             "tuners short of the edge undershoot it: the median of eta lambda is below 2",
                             "median_eta_lambda", -infinity, 2));
  if (multiple.on_edge() && plain)
    out.push_back(at_the_end("on_edge", "CDAT on edge, sigma = 2, holds eta lambda next to 2, whatever the problem is",
                             "median_eta_lambda", 1.95, 2.15));
  // Of other bases on a random ensemble: small instances have been met where a base with a memory does not stay. Where the loss is
  // quadratic a heavy ball does: all of it ends in the top mode, m = (1 + momentum)^-1 g, the multiplier of that is -momentum.
  const bool random = !problem.given && problem.given_j0.size() == 0, settles = linear && !problem.base.adaptive;
  const double memory = std::max(problem.base.momentum, problem.base.beta1);
  const bool forgets = memory <= longest_memory && steps * (1 - memory) >= fewest_memories;
  const bool many = memory == 0 || std::min(problem.law.outputs, problem.law.parameters) >= fewest_modes;
  if (multiple.on_edge() && !plain && ((random && many) || settles) && forgets)
    out.push_back(at_the_end("on_edge", "CDAT on edge of any base update holds eta lambda_max(P^-1 H) next to its edge",
                             "median_eta_lambda", 1.9, 2.25));
  return out;
}

}  // namespace

bool undershoots(const ingredients::GreedyMultiple& multiple) {
  return multiple.low == multiple.high && multiple.low >= 1 && multiple.low < 2 && !multiple.averaged;
}

double late_product(double sigma, double ratio) {
  return std::max(sigma, 2 / (1 + ratio));
}

std::vector<Prediction> quadratic_predictions(const QuadraticProblem& problem) {
  if (problem.rate) {
    if (problem.schedule || problem.antithetic || !problem.full_batch() || problem.rate->multiplier != 1) return {};
    return tuned(problem);
  }
  if (problem.schedule || problem.antithetic || !problem.base.plain() || (!problem.given && problem.law.curvature == 0))
    return {};
  const bool full = problem.batch == problem.law.outputs;
  if (problem.rule.turns()) {
    if (auto claim = saddle_end(problem)) return {*std::move(claim)};
    if (!full || problem.rule.normalised || problem.rule.deviation > 0) return {};
    return problem.has_sam_edge() ? std::vector<Prediction>{sam(problem.rule)} : full_batch(problem.fixed_curvature());
  }
  if (full) {
    std::vector<Prediction> out = full_batch(problem.fixed_curvature());
    if (problem.has_sam_edge()) out.push_back(sam(problem.rule));
    return out;
  }
  if (problem.kernel_norms == KernelNorms::exact && problem.batch_fraction() <= small_batch) return mini_batch();
  return {};
}

std::optional<double> stochastic_edge_validity(const QuadraticProblem& problem, const Trajectory& limit) {
  const Column* mean = limit.find("ntk_mean");
  if (!mean || problem.batch == problem.law.outputs || problem.kernel_norms != KernelNorms::exact) return std::nullopt;
  constexpr std::uint64_t kernels = 3;
  std::vector<linear_algebra::SymmetricEigen> initial;
  double scale = 0;
  for (std::uint64_t r = 0; r < kernels; ++r) {
    const linear_algebra::Matrix j0 = quadratic_start(problem, problem.seed, r).j0;
    initial.push_back(linear_algebra::symmetric_eigen(
        linear_algebra::product(j0, j0, linear_algebra::Transposed::no, linear_algebra::Transposed::yes)));
    for (const double lambda : initial.back().values)
      scale += lambda / static_cast<double>(kernels * problem.law.outputs);
  }
  // The norm depends on eta K alone; K grows as its mean does.
  const auto norm = [&](double rate) {
    double sum = 0;
    for (const auto& kernel : initial) sum += exact_kernel_norm(kernel, rate, problem.batch);
    return sum / static_cast<double>(kernels);
  };
  double low = 0, high = 0;
  for (const auto& kernel : initial) high = std::max(high, exact_critical_rate(kernel, problem.batch));
  for (int i = 0; i < 20; ++i) {
    const double middle = 0.5 * (low + high);
    (norm(middle) < edge_norm_low ? low : high) = middle;
  }
  for (std::size_t t = 0; t < limit.steps.size() && t < mean->value.size(); ++t)
    if (problem.learning_rate(limit.steps[t]) * mean->value[t] / scale >= high)
      return t == 0 ? 0.0 : limit.steps[t - 1];
  return std::nullopt;
}

}  // namespace edgewise::models::quadratic_regression
