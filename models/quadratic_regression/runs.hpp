#pragma once
/// \file
/// What became of a simulated run: two independent findings, how it ended and at which edge of stability it sits
/// (docs/theory/quadratic-regression.md, section 4).
#include <cstddef>
#include <span>
#include <string_view>

namespace edgewise::models::quadratic_regression {

/// A last loss above this multiple of the first has not decayed.
inline constexpr double decayed_loss = 1e-3;
/// Where the exact kernel norm lies at the stochastic edge.
inline constexpr double edge_norm_low = 0.93, edge_norm_high = 1.1;

enum class RunOutcome { diverged, converged, persistent_oscillation, slow };
enum class RunEdge { none, eos, stochastic_eos };
std::string_view name(RunOutcome outcome);
std::string_view name(RunEdge edge);

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
RunClass classify_run(const RecordedRun& run, std::size_t outputs, std::size_t batch);

}  // namespace edgewise::models::quadratic_regression
