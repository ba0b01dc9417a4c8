// The spread of linear methods on inputs of any law: against the algorithm written out, and against Gaussian inputs.
#include "solvers/product_covariance.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/least_squares/linear_methods/literal_moments.hpp"

using namespace edgewise::solvers;
using namespace edgewise::tests;
using edgewise::tests::Approx;

namespace {

/// Of momentum: v' = v - eta (q0 g + q1 u'), u' = bi u + g.
GramPhase phase_of(const LiteralRun& run) {
  const double all = run.eta * (run.q0 + run.q1);
  return {2,
          {1, -run.eta * run.q1 * run.bi, 0, run.bi},
          {-all, 0, 1, 0},
          {{1, 0}},
          {{-all, 1}},
          static_cast<double>(run.batch)};
}

const GramForm risk{{1, 0, 0, 0}, true}, mixed{{0.5, -0.3, -0.3, 1.2}, false};

/// 0 up to `least` of a normal draw on five nodes, else +-1/sqrt(probability).
double three_points(double draw, double least, double probability) {
  return std::abs(draw) < least ? 0 : std::copysign(1 / std::sqrt(probability), draw);
}

}  // namespace

TEST_CASE("product covariance: momentum on inputs and labels of three points, by every outcome") {
  const double often = 7.0 / 15, seldom = (7 - 2 * std::sqrt(10.0)) / 30;  // of the outer four nodes, and of two
  for (const bool heavy : {false, true})
    for (const std::size_t batch : {1, 2}) {
      CAPTURE(heavy);
      CAPTURE(batch);
      LiteralRun run;
      run.lambda = batch == 1 ? std::vector{0.9, 0.35} : std::vector{0.9};
      run.target = batch == 1 ? std::vector{1.1, -0.8} : std::vector{1.1};
      run.sigma = 0.5, run.batch = batch, run.eta = heavy ? 0.05 : 0.2, run.q0 = 0.4, run.q1 = 0.7, run.bi = 0.8;
      const double p = heavy ? seldom : often, q = heavy ? often : seldom;
      run.input = [heavy, p](double draw) { return three_points(draw, heavy ? 2 : 0.5, p); };
      run.label = [heavy, q](double draw) { return three_points(draw, heavy ? 0.5 : 2, q); };
      std::vector<double> v0;
      for (const double t : run.target) v0.push_back(-t);
      FourthMoments literal(run, run.start(v0));
      GramProblem problem{run.lambda, {1, 1}, {1.21, 0.64}, {1, 0}, 0.25, 1, 0, 0.0625 * (1 / q - 3)};
      problem.multiplicity.resize(run.dim());
      problem.power.resize(run.dim());
      ProductCovariance found(problem, {1 / p, 1 / p / p, 1 / p / p / p});
      for (std::size_t k = 0; k < 3; ++k) {
        CAPTURE(k);
        literal.step(k);
        found.apply(phase_of(run));
        CHECK(std::sqrt(found.variance(risk)) == Approx(literal.std({0}, run.lambda, 1)).epsilon(1e-8));
      }
    }
}

TEST_CASE("product covariance: Gaussian inputs, copies of an eigenvalue, a phase without noise") {
  LiteralRun run;
  run.eta = 0.1, run.q1 = 0.7, run.bi = 0.8, run.batch = 3;
  const GramPhase step = phase_of(run), quiet{2, {0.9, -0.2, 0.3, 0.8}, {0.1, 0, 0, -0.2}, {}, {}};
  GramPhase sure = step;
  sure.batch = std::numeric_limits<double>::infinity();
  const GramProblem problem{{1.3, 0.4}, {1, 3}, {0.8, 2.4}, {1, -0.4}, 0.37, 1, 0, 0.2};
  GramCovariance gram(problem);
  ProductCovariance product(problem, {});
  // Copies one by one, where the law of the inputs matters.
  const InputMoments laplace{6, 90, 2520};
  const GramProblem apart{{1.3, 0.4, 0.4, 0.4}, {1, 1, 1, 1}, {0.8, 0.8, 0.8, 0.8}, {1, -0.4}, 0.37, 1, 0, 0.2};
  ProductCovariance together(problem, laplace), one_by_one(apart, laplace);
  for (const GramPhase& phase : {quiet, step, step, quiet, sure, step}) {
    gram.apply(phase);
    for (ProductCovariance* one : {&product, &together, &one_by_one}) one->apply(phase);
    for (const GramForm& form : {risk, mixed}) {
      CHECK(product.mean(form) == Approx(gram.mean(form)).epsilon(1e-13));
      CHECK(product.variance(form) == Approx(gram.variance(form)).epsilon(1e-11).scale(1e-3));
      CHECK(together.mean(form) == Approx(one_by_one.mean(form)).epsilon(1e-13));
      CHECK(together.variance(form) == Approx(one_by_one.variance(form)).epsilon(1e-11).scale(1e-3));
    }
  }
  CHECK(together.variance(risk) > 2 * product.variance(risk));
  GramProblem two = problem;
  two.sources = 2;
  CHECK_THROWS_AS(ProductCovariance(two, {}), std::invalid_argument);
  CHECK_THROWS_AS(product.apply({1, {1}, {0}, {}, {}}), std::invalid_argument);
}
