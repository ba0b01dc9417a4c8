#pragma once
/// \file
/// What became of a simulated run: two independent findings, how it ended and at which edge of stability it sits
/// (docs/theory/quadratic-regression.md, section 4).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <stdexcept>

#include "models/ingredients/plateau.hpp"
#include "models/ingredients/row_moments.hpp"
#include "models/quadratic_regression/predictions.hpp"

namespace edgewise::tests {

using models::ingredients::RowMoments;
using models::ingredients::tail_median;
using models::quadratic_regression::decayed_loss;
using models::quadratic_regression::edge_norm_low;
/// The exact kernel norm at the stochastic edge is below it.
inline constexpr double edge_norm_high = 1.1;

enum class RunOutcome { diverged, converged, persistent_oscillation, slow };
enum class RunEdge { none, eos, stochastic_eos };

/// The recorded steps of one replica, all of one length, up to the last finite one.
struct RecordedRun {
  std::span<const double> step;
  std::span<const double> loss;
  std::span<const double> eta_lambda_max;
  std::span<const double> kernel_norm_exact;  ///< may be empty: no stochastic edge is then found
  bool diverged = false;
};

struct RunClass {
  RunOutcome outcome = RunOutcome::slow;
  RunEdge edge = RunEdge::none;
  double tail_eta_lambda_max = 0;  ///< median over the last quarter of the steps
  double tail_kernel_norm = 0;     ///< the same; NaN when it was not recorded
};

/// outcome: converged when the last loss is below 1e-6 of the first, persistent_oscillation when at full batch it is
/// above 1e-3 of it, else slow. edge, of runs that did not diverge: EOS when eta beta lambda_1 reached 2 and its median
/// over the last quarter is within 5% of 2 (25% when oscillating), beta = (B-1)/(D-1); else stochastic EOS when B < D
/// and the median of the exact kernel norm is in [0.93, 1.1].
/// \throws std::invalid_argument for an empty run or lengths that differ.
inline RunClass classify_run(const RecordedRun& run, std::size_t outputs, std::size_t batch) {
  const std::size_t n = run.step.size();
  if (n == 0 || run.loss.size() != n || run.eta_lambda_max.size() != n ||
      (!run.kernel_norm_exact.empty() && run.kernel_norm_exact.size() != n))
    throw std::invalid_argument("a recorded run needs at least one step, and every observable at each");
  RunClass out;
  out.tail_eta_lambda_max = tail_median(run.step, run.eta_lambda_max);
  out.tail_kernel_norm = run.kernel_norm_exact.empty() ? std::numeric_limits<double>::quiet_NaN()
                                                       : tail_median(run.step, run.kernel_norm_exact);
  if (run.diverged) {
    out.outcome = RunOutcome::diverged;
    return out;
  }
  const bool full = batch == outputs;
  if (run.loss.back() < 1e-6 * run.loss.front())
    out.outcome = RunOutcome::converged;
  else if (full && run.loss.back() > decayed_loss * run.loss.front())
    out.outcome = RunOutcome::persistent_oscillation;

  const double beta = RowMoments(outputs, batch).beta;
  const double highest = beta * *std::ranges::max_element(run.eta_lambda_max);
  const double slack = out.outcome == RunOutcome::persistent_oscillation ? 0.25 : 0.05;
  if (highest >= 2 && std::abs(beta * out.tail_eta_lambda_max - 2) <= 2 * slack)
    out.edge = RunEdge::eos;
  else if (!full && out.tail_kernel_norm >= edge_norm_low && out.tail_kernel_norm <= edge_norm_high)
    out.edge = RunEdge::stochastic_eos;
  return out;
}

}  // namespace edgewise::tests
