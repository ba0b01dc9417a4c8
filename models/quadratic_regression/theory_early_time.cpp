// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/ingredients/row_moments.hpp"
#include "models/quadratic_regression/early_time.hpp"
#include "models/quadratic_regression/sharpening_record.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::RowMoments;

namespace {

using linear_algebra::Transposed;

/// A second difference by orders of eta.
struct Orders {
  double order2 = 0, order3 = 0;
  double upto(unsigned order) const { return order == 2 ? order2 : order2 + order3; }
};

/// Expected differences of the kernel over the first two steps.
struct Differences {
  double kernel_mean = 0;            ///< tr K/D at step 0
  double top = 0, trace = 0;         ///< of K, or of what it is on average
  double first = 0;                  ///< D1 along any direction
  Orders second_mean;                ///< D2 of tr K/D
  std::vector<Orders> second_along;  ///< D2 along the eigenvectors, eigenvalues descending; empty when K is random
  std::optional<Orders> second_top;  ///< D2 of lambda_1; where K is known
};

/// Averages over z, J and Q.
Differences of_random_kernel(const QuadraticProblem& problem, double curvature) {
  const auto d = static_cast<double>(problem.law.outputs), p = static_cast<double>(problem.law.parameters);
  const double eta = problem.rule.learning_rate, tau = eta * problem.batch_fraction();
  const double s = problem.law.jacobian_variance, z2 = problem.law.residual_variance;
  const double beta = RowMoments(problem.law.outputs, problem.batch).beta;
  // Of a Wishart kernel: sum K_aa^2 and tr K^2.
  const double diagonal = d * s * s * (1 + 2 / p), square = diagonal + d * (d - 1) * s * s / p;
  const double scale = 2 * tau * tau * curvature * z2;
  Differences out;
  out.kernel_mean = s;
  out.trace = d * s;
  out.top = s * (1 + std::sqrt(d / p)) * (1 + std::sqrt(d / p));
  out.first = eta * tau * curvature * (p + 1) * z2 * d * s;
  out.second_mean.order2 = scale * (p + 1) * (s + d * s);
  out.second_mean.order3 =
      -scale * eta * ((p + 2) * square / d + (p + 1) * ((1 + beta) * square + (1 - beta) * diagonal));
  return out;
}

/// Adds what the residual of `state` contributes.
void add(Differences& out, const EarlyTimeState& state, double eta, std::size_t batch) {
  const std::size_t d = state.residual.size();
  const ModeDifferences modes = sgd_mode_differences(state, eta, batch);
  const LevelRepulsion repulsion = sgd_level_repulsion(state, eta, batch);
  out.first += modes.first;
  for (std::size_t k = 0; k < d; ++k) {
    const std::size_t ascending = d - 1 - k;
    out.second_along[k].order2 += modes.order2[ascending];
    out.second_along[k].order3 += modes.order3[ascending];
    out.second_mean.order2 += modes.order2[ascending] / static_cast<double>(d);
    out.second_mean.order3 += modes.order3[ascending] / static_cast<double>(d);
  }
  out.second_top->order2 += modes.order2.back() + repulsion.order2.back();
  out.second_top->order3 += modes.order3.back() + repulsion.order3.back();
}

/// Averages over Q, and over z where it is drawn.
Differences of_known_kernel(const QuadraticProblem& problem, double curvature) {
  const QuadraticStart start = quadratic_start(problem, problem.seed, 0);
  EarlyTimeState state{start.z0, linear_algebra::product(start.j0, start.j0, Transposed::no, Transposed::yes),
                       problem.law.parameters, curvature};
  const std::size_t d = problem.law.outputs;
  const std::vector<double> lambda = linear_algebra::symmetric_eigenvalues(state.kernel);
  Differences out;
  out.trace = std::accumulate(lambda.begin(), lambda.end(), 0.0);
  out.kernel_mean = out.trace / static_cast<double>(d);
  out.top = lambda.back();
  out.second_along.resize(d);
  out.second_top.emplace();
  if (problem.fixed_residual()) {
    add(out, state, problem.rule.learning_rate, problem.batch);
    return out;
  }
  // Every term is a quadratic form of z, whose covariance is sz2 times the identity.
  for (std::size_t a = 0; a < d; ++a) {
    std::ranges::fill(state.residual, 0.0);
    state.residual[a] = std::sqrt(problem.law.residual_variance);
    add(out, state, problem.rule.learning_rate, problem.batch);
  }
  return out;
}

/// sQ2.
double curvature_variance(const QuadraticProblem& problem) {
  const auto p = static_cast<double>(problem.law.parameters);
  return problem.law.curvature / (p * p);
}

Differences differences_of(const QuadraticProblem& problem) {
  const double curvature = curvature_variance(problem);
  return problem.fixed_jacobian() ? of_known_kernel(problem, curvature) : of_random_kernel(problem, curvature);
}

/// Of order eta^2 and not consumed by the next.
bool clearly_positive(const Orders& second) {
  return second.order2 > 0 && second.upto(3) > 0.5 * second.order2;
}

/// What Differences say of the observables of SharpeningRecord, in their order; nullopt where they say nothing.
std::vector<std::optional<double>> sharpening_of(const Differences& x, std::size_t modes, unsigned order) {
  std::vector<std::optional<double>> out(modes, x.first);
  for (std::size_t k = 0; k < modes; ++k)
    out.push_back(x.second_along.empty() ? std::nullopt : std::optional(x.second_along[k].upto(order)));
  out.emplace_back(x.first);
  out.emplace_back(x.second_mean.upto(order));
  const double top = x.second_top ? x.second_top->upto(order) : infinity;
  out.push_back(std::isfinite(top) ? std::optional(top) : std::nullopt);
  return out;
}

/// So it is on average over kernels; of a known one each is 0 where there is no gradient.
bool all_positive(const Differences& x) {
  return std::ranges::all_of(x.second_along, [](const Orders& along) { return along.order2 > 0; });
}

}  // namespace

Trajectory solve_early_time(const QuadraticProblem& problem, unsigned order) {
  if (problem.schedule)
    throw std::invalid_argument("schedule: the early-time expansion needs a constant learning rate");
  if (problem.fixed_curvature())
    throw std::invalid_argument(
        "theory.method: the early-time expansion averages over the curvature, and all replicas have one here");
  const double curvature = curvature_variance(problem);
  const Differences x = differences_of(problem);
  const double second = x.second_mean.upto(order);
  Trajectory out;
  out.method = fmt::format("early-time expansion to order eta^{}", order);
  out.columns.push_back({{"ntk_mean", "1", "tr K/D, K = J J'"}, {}, {}});
  for (const std::uint64_t step : problem.time.at) {
    const auto t = static_cast<double>(step);
    out.steps.push_back(t);
    out.columns[0].value.push_back(x.kernel_mean + x.first * t + 0.5 * second * t * (t - 1));
  }
  if (problem.sharpening_modes > 0) {
    const std::vector<Observable> observables = sharpening_observables(problem.sharpening_modes);
    const auto values = sharpening_of(x, problem.sharpening_modes, order);
    for (std::size_t o = 0; o < observables.size(); ++o) {
      if (!values[o]) continue;
      Column column{observables[o], {}, {}};
      column.valid_from = SharpeningRecord::last_step;
      for (const double t : out.steps) column.value.push_back(t < SharpeningRecord::last_step ? absent : *values[o]);
      out.columns.push_back(std::move(column));
    }
  }
  out.report = {{"first_difference", x.first}, {"second_difference", second}};
  for (std::size_t k = 0; k < std::min(problem.sharpening_modes, x.second_along.size()); ++k)
    if (const auto& [order2, order3] = x.second_along[k]; order2 != 0)
      out.report.emplace_back(fmt::format("ratio_{}", k + 1), 1 + order3 / order2);
  if (curvature > 0) {
    const double until =
        sharpening_time(x.top, x.trace, problem.law.parameters, curvature, problem.law.residual_variance) /
        (problem.rule.learning_rate * problem.batch_fraction());
    out.labels.emplace_back("valid_until", fmt::format("step {:.3g}", until));
    out.labels.emplace_back("sharpening", all_positive(x) ? "every second difference is positive at order eta^2"
                                                          : "some second difference is not positive at order eta^2");
    if (out.steps.back() > until)
      out.warnings.push_back(fmt::format(
          "the expansion holds well before step {:.3g}, in which the largest eigenvalue moves by its own size", until));
  }
  return out;
}

std::vector<Prediction> early_time_predictions(const QuadraticProblem& problem) {
  if (problem.schedule || problem.fixed_curvature() || !problem.fixed_jacobian() ||
      problem.batch < problem.law.outputs || problem.sharpening_modes == 0)
    return {};
  const Differences x = differences_of(problem);
  std::vector<Prediction> out;
  const auto claim = [&](const std::string& which, const std::string& of, const Orders& second) {
    if (!clearly_positive(second)) return;
    Prediction p;
    p.name = "sharpens_" + which;
    p.statement = "full batch: the second difference of " + of + " is positive";
    p.source = "docs/theory/quadratic-regression.md, section 2";
    p.quantity = "sharpening_second_" + which;
    p.runs = "did not diverge";
    p.nominal = second.upto(3);
    p.low = 0;
    p.centre = Centre::mean;
    p.statistic = [name = p.quantity](const RecordedReplica& run) -> std::optional<double> {
      if (run.diverged) return std::nullopt;
      return run.values(name).back();
    };
    out.push_back(std::move(p));
  };
  for (std::size_t k = 0; k < problem.sharpening_modes; ++k)
    claim(std::to_string(k + 1), fmt::format("K along initial eigenvector {}", k + 1), x.second_along[k]);
  if (std::isfinite(x.second_top->order2)) claim("ntk_max", "the largest eigenvalue of K", *x.second_top);
  return out;
}

}  // namespace edgewise::models::quadratic_regression
