// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/theory.hpp"

#include <cmath>
#include <optional>
#include <stdexcept>
#include <utility>

#include "models/framework/absent.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/ingredients/sam_mean_square.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::sam_mean_descent;
using ingredients::sam_second_moment_step;

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Operations that the second moment may take.
constexpr double most_operations = 1e12;
/// A mean this many times what it was at the start has diverged.
constexpr double divergence = 1e6;

double square(const Matrix& x) {
  return numerics::squared_norm_in_order(x.entries());
}

double inner(const Matrix& x, const Matrix& y) {
  return numerics::dot_in_order(x.entries(), y.entries());
}

void check(const QuadraticProblem& problem) {
  if (problem.given || problem.law.curvature != 0)
    throw std::invalid_argument("theory.method: linear-mean is the theory of the linear model, data.curvature = 0");
  if (!problem.fixed_jacobian())
    throw std::invalid_argument(
        "theory.method: linear-mean needs one Jacobian in all replicas: data.shared_initial = true, or J0 in the file");
  if (problem.rule.linear_rho() > 0 && problem.rule.normalised)
    throw std::invalid_argument("optimizer.normalised: the steps of normalised SAM are not linear in the residual");
}

}  // namespace

Trajectory solve_linear_mean(const QuadraticProblem& problem) {
  check(problem);
  const std::size_t d = problem.law.outputs;
  const QuadraticStart start = quadratic_start(problem, problem.seed, 0);
  const Matrix kernel = linear_algebra::product(start.j0, start.j0, Transposed::no, Transposed::yes);
  const Matrix descent = sam_mean_descent(kernel, problem.rule.linear_rho(), problem.batch);

  // One column, z0, or all directions alike.
  const bool fixed = problem.fixed_residual();
  const Matrix initial = fixed ? Matrix(d, 1, start.z0) : Matrix::identity(d, d);
  const double variance = fixed ? 1.0 : problem.law.residual_variance;
  const double scale = square(initial);
  Matrix mean = initial, change;

  const bool full = problem.batch == d;
  const double operations = std::pow(static_cast<double>(d), 3) * static_cast<double>(problem.time.steps);
  const bool by_moment = !full && operations <= most_operations;
  std::optional<Matrix> moment;
  if (by_moment) {
    moment = linear_algebra::product(initial, initial, Transposed::no, Transposed::yes);
    for (double& x : moment->entries()) x *= variance;
  }

  Trajectory out;
  out.method = "mean of the linear model";
  out.exact = true;
  std::vector<double> overlap, loss;
  std::uint64_t step = 0;
  for (const std::uint64_t target : problem.time.at) {
    for (; step < target; ++step) {
      const double eta = problem.learning_rate(static_cast<double>(step));
      linear_algebra::multiply(-eta, descent, Transposed::no, mean, Transposed::no, 0, change);
      for (std::size_t i = 0; i < mean.size(); ++i) mean.data()[i] += change.data()[i];
      if (moment && eta > 0)
        moment = sam_second_moment_step(kernel, eta, problem.rule.linear_rho(), problem.batch, *moment);
    }
    const double total = moment ? linear_algebra::trace(*moment) : variance * square(mean);
    if (!(total <= divergence * variance * scale)) {
      out.diverged_at = static_cast<double>(step);
      break;
    }
    out.steps.push_back(static_cast<double>(step));
    overlap.push_back(scale > 0 ? inner(initial, mean) / scale : absent);
    loss.push_back(total / (2 * static_cast<double>(d)));
  }
  const std::vector<double> kernel_mean(out.steps.size(), linear_algebra::trace(kernel) / static_cast<double>(d));
  if (full || moment) out.columns.push_back({{"loss", "label^2", "|z|^2/(2D), per output"}, std::move(loss), {}});
  out.columns.push_back({{"ntk_mean", "1", "tr K/D, K = J J'"}, kernel_mean, {}});
  out.columns.push_back({{"residual_overlap", "1", "z0'z/|z0|^2, the part of the initial residual that remains"},
                         std::move(overlap),
                         {}});
  if (!full && !moment)
    out.warnings.push_back("the loss is left out: its second moment, D^3 operations a step, would take too long");
  return out;
}

}  // namespace edgewise::models::quadratic_regression
