// Predicted boundaries of the (eta, B) phase diagram against the diagram measured in
// docs/theory/quadratic-regression.md, section 4 (D = 40, P = 80, kappa = 4).
#include "models/quadratic_regression/phase_boundaries.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "settings/settings.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::quadratic_regression;
using edgewise::tests::Approx;

namespace {

QuadraticEnsemble strong() {
  QuadraticEnsemble e;
  e.kappa = 4;
  return e;
}

enum class Outcome { none, some, all };  // runs that diverge

struct Cell {
  std::size_t batch;
  double eta;
  Outcome diverges;
  double eta_lambda = 0, norm = 0;  ///< medians where the run stays below the edge
};

// Cells beyond the first that diverges say nothing new.
const std::vector<Cell> measured = {{1, .3, Outcome::none, 2.2, .47},
                                    {1, .4, Outcome::none, 2.9, .63},
                                    {1, .6, Outcome::none, 4.2, .91},
                                    {1, .7, Outcome::none},
                                    {1, .8, Outcome::some},
                                    {1, 1, Outcome::all},
                                    {2, .4, Outcome::none, 2.95, .64},
                                    {2, .7, Outcome::none},
                                    {2, .8, Outcome::some},
                                    {4, .3, Outcome::none, 2.1, .42},
                                    {4, .4, Outcome::none, 2.95, .61},
                                    {4, .6, Outcome::none, 4.2, .92},
                                    {4, .7, Outcome::some},
                                    {4, 1, Outcome::all},
                                    {10, .3, Outcome::none, 2.2, .41},
                                    {10, .4, Outcome::none, 2.8, .58},
                                    {10, .6, Outcome::none},
                                    {10, .7, Outcome::some},
                                    {10, .8, Outcome::all},
                                    {20, .3, Outcome::none, 2.2, .37},
                                    {20, .4, Outcome::none, 2.8, .57},
                                    {20, .6, Outcome::some},
                                    {20, .7, Outcome::all},
                                    {40, .4, Outcome::none},
                                    {40, .6, Outcome::all}};

}  // namespace

TEST_CASE("the measured phase diagram") {
  QuadraticBoundaryOptions options;
  options.most_steps = 300;
  const QuadraticBoundaries boundaries(strong(), 40, 80, options);
  std::size_t batch = 0;
  double divergence = 0, edge = 0;
  for (const Cell& cell : measured) {
    if (cell.batch != batch) {
      batch = cell.batch;
      divergence = boundaries.divergence(batch);
      edge = boundaries.edge(batch);
      CHECK(edge < divergence);
      CHECK(edge <= boundaries.annealed_edge(batch) * (1 + 1e-3));
    }
    CAPTURE(cell.batch);
    CAPTURE(cell.eta);
    if (cell.diverges == Outcome::none) CHECK(cell.eta < divergence);
    if (cell.diverges == Outcome::all) CHECK(cell.eta > divergence);
    if (cell.diverges == Outcome::some) CHECK(std::abs(cell.eta / divergence - 1) < .15);
    if (cell.norm > 0) {
      CHECK(cell.eta < edge);
      CHECK(boundaries.eta_lambda(cell.eta, batch) == Approx(cell.eta_lambda).epsilon(.08));
      CHECK(boundaries.kernel_norm(cell.eta, batch) == Approx(cell.norm).epsilon(.08));
    }
  }
}

TEST_CASE("the edge of full batch: of the limit, and of finite kernels") {
  // Of twelve runs none crosses at .20, two at .25, ten at .30, all at .325.
  const double limit = quadratic_eos_threshold(strong()), finite = QuadraticBoundaries(strong(), 40, 80).edge(40);
  CHECK(limit > .25);
  CHECK(limit < finite);
  CHECK(finite < .30);
  QuadraticMemoryProblem problem;
  problem.ensemble = strong();
  problem.steps = 70;
  problem.learning_rate = {limit * 1.002};
  CHECK(solve_quadratic_memory(problem).post_eos.has_value());
  problem.learning_rate = {limit * .998};
  CHECK(!solve_quadratic_memory(problem).post_eos);
}

TEST_CASE("at its edge the predicted norm is 1, and without curvature the edge is that of the frozen kernel") {
  QuadraticBoundaryOptions options;
  options.most_steps = 150;
  options.kernels = 1;
  options.tolerance = 1e-6;
  const QuadraticBoundaries boundaries(strong(), 12, 24, options);
  for (const std::size_t batch : {1, 6}) {
    const double edge = boundaries.edge(batch);
    CHECK(boundaries.kernel_norm(edge, batch) == Approx(1).epsilon(1e-4));
    CHECK(boundaries.kernel_norm(.9 * edge, batch) < 1);
  }
  QuadraticEnsemble linear;
  linear.kappa = 0;
  linear.jacobian_variance = 2;
  const QuadraticBoundaries frozen(linear, 12, 24, options);
  CHECK(frozen.kernel_mean(.1, 3) == 2);
  CHECK(frozen.kernel_norm(frozen.edge(3), 3) == Approx(1).epsilon(1e-4));
  linear.jacobian_variance = 1;
  CHECK(QuadraticBoundaries(linear, 12, 24, options).edge(3) == Approx(2 * frozen.edge(3)).epsilon(1e-5));
  CHECK(frozen.kernel_norm(.1, 12) == 0);
  // All rows at every step: both norms have their pole at 2/lambda_1.
  CHECK(frozen.annealed_edge(12) == Approx(frozen.edge(12)).epsilon(1e-5));
  // Far enough above the threshold that the loss grows 50-fold within the effective time.
  CHECK(std::isinf(frozen.kernel_norm(1.2 * frozen.divergence(12), 12)));
  CHECK(std::isinf(QuadraticBoundaries(linear, 12, 24, options).kernel_norm(2.4 * frozen.divergence(12), 12)));
  // What a linear run's growth is measured by is its own start.
  linear.jacobian_variance = 2;
  linear.residual_variance = .01;
  const QuadraticBoundaries small(linear, 12, 24, options);
  std::size_t beyond = 0;
  for (double factor = 1.02; factor < 1.2; factor += .01) {
    const double rate = factor * frozen.divergence(12);
    CHECK(std::isinf(small.kernel_mean(rate, 12)) == std::isinf(frozen.kernel_mean(rate, 12)));
    beyond += std::isinf(small.kernel_mean(rate, 12)) ? 1 : 0;
  }
  CHECK(beyond > 2);
  CHECK(beyond < 16);
}

TEST_CASE("the kernel is followed for its effective time: so many steps, each of its share of the rows") {
  QuadraticBoundaryOptions options;
  options.effective_time = 5;
  QuadraticEnsemble e = strong();
  e.jacobian_variance = 2;
  // 5/(.05 * 2) = 50 steps of all rows, 200 of a quarter; with 100 at most, of half of them.
  QuadraticMemoryProblem problem;
  problem.ensemble = e;
  problem.ensemble.delta = .5;
  problem.learning_rate = {.05};
  const auto largest = [&](std::size_t steps, double fraction) {
    problem.steps = steps;
    problem.batch_fraction = fraction;
    const std::vector<double> mean = solve_quadratic_memory(problem).kernel_mean;
    return *std::ranges::max_element(mean);
  };
  const QuadraticBoundaries boundaries(e, 12, 24, options);
  CHECK(boundaries.kernel_mean(.05, 12) == largest(50, 1));
  CHECK(boundaries.kernel_mean(.05, 3) == largest(200, .25));
  options.most_steps = 100;
  CHECK(QuadraticBoundaries(e, 12, 24, options).kernel_mean(.05, 3) == largest(100, .5));
  CHECK(largest(50, 1) > largest(48, 1));
}

TEST_CASE("bad input of phase boundaries is named") {
  CHECK_THROWS_WITH_AS(QuadraticBoundaries({}, 4, 8).edge(5), "optimizer.batch: must lie in 1..4, not 5",
                       std::invalid_argument);
  CHECK_THROWS_AS(QuadraticBoundaries({}, 0, 8), std::invalid_argument);
  CHECK_THROWS_AS(QuadraticBoundaries({}, 4, 8).kernel_mean(-1, 1), std::invalid_argument);
  CHECK_THROWS_AS(QuadraticBoundaries({}, 4, 8, {.passes = 0}), std::invalid_argument);
}
