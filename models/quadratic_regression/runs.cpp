// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/runs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "models/ingredients/plateau.hpp"
#include "models/ingredients/row_moments.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::RowMoments;
using ingredients::tail_median;

std::string_view name(RunOutcome outcome) {
  switch (outcome) {
    case RunOutcome::diverged:
      return "diverged";
    case RunOutcome::converged:
      return "converged";
    case RunOutcome::persistent_oscillation:
      return "persistent_oscillation";
    case RunOutcome::slow:
      return "slow";
  }
  return "";
}

std::string_view name(RunEdge edge) {
  switch (edge) {
    case RunEdge::none:
      return "none";
    case RunEdge::eos:
      return "EOS";
    case RunEdge::stochastic_eos:
      return "S-EOS";
  }
  return "";
}

RunClass classify_run(const RecordedRun& run, std::size_t outputs, std::size_t batch) {
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

}  // namespace edgewise::models::quadratic_regression
