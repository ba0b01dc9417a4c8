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
  GramProblem short_of_powers = problem;
  short_of_powers.power.pop_back();
  CHECK_THROWS_AS(ProductCovariance(short_of_powers, {}), std::invalid_argument);
  CHECK_THROWS_AS(product.apply({1, {1}, {0}, {}, {}}), std::invalid_argument);
}

namespace {

/// Workers of SGD at rate eta from a parameter that they share, which a sync moves by xi to their mean.
GramPhase inner_phase(std::size_t workers, double eta, double batch) {
  GramPhase out{workers + 1, std::vector<double>((workers + 1) * (workers + 1)), {}, {}, {}, batch};
  out.T1 = out.T0;
  for (std::size_t i = 0; i <= workers; ++i) out.T0[i * (workers + 2)] = 1;
  for (std::size_t w = 1; w <= workers; ++w) {
    out.T1[w * (workers + 2)] = -eta;
    out.e.emplace_back(workers + 1);
    out.n.emplace_back(workers + 1);
    out.e.back()[w] = 1;
    out.n.back()[w] = -eta;
  }
  return out;
}

GramPhase sync_phase(std::size_t workers, double xi) {
  GramPhase out{workers + 1, {}, std::vector<double>((workers + 1) * (workers + 1)), {}, {}};
  for (std::size_t i = 0; i <= workers; ++i)
    for (std::size_t j = 0; j <= workers; ++j) out.T0.push_back(j == 0 ? 1 - xi : xi / static_cast<double>(workers));
  return out;
}

}  // namespace

TEST_CASE("product covariance: two workers on inputs and labels of three points, by every outcome") {
  constexpr std::size_t modes = 2, workers = 2;
  const std::vector<double> lambda{0.9, 0.35};
  const double eta = 0.4, xi = 0.7, sigma = 0.5, p = 0.3, q = 0.6;  // of a draw other than 0, of inputs and of labels
  const GramForm shared{{1, 0, 0, 0, 0, 0, 0, 0, 0}, true},
      of_workers{{0.5, 0.2, 0, 0.2, 0.3, -0.4, 0, -0.4, 0.6}, false};
  double mean = 0, square = 0, mean_of_workers = 0, square_of_workers = 0;
  struct State {
    double V[modes], v[workers][modes];
  };
  const auto visit = [&](const State& z, double chance, bool synced, const auto& again) -> void {
    // Six draws, of three values each: two inputs and a label of either worker.
    for (std::size_t outcome = 0; outcome < 729; ++outcome) {
      State now = z;
      double weight = chance;
      std::size_t rest = outcome;
      const auto draw = [&](double often) {
        const std::size_t value = rest % 3;
        rest /= 3;
        weight *= value == 0 ? 1 - often : often / 2;
        return value == 0 ? 0 : (value == 1 ? 1 : -1) / std::sqrt(often);
      };
      for (std::size_t w = 0; w < workers; ++w) {
        double x[modes], r = -sigma * draw(q);
        for (std::size_t i = 0; i < modes; ++i) {
          x[i] = std::sqrt(lambda[i]) * draw(p);
          r += x[i] * z.v[w][i];
        }
        for (std::size_t i = 0; i < modes; ++i) now.v[w][i] -= eta * r * x[i];
      }
      if (!synced) {
        for (std::size_t i = 0; i < modes; ++i) {
          now.V[i] += xi * ((now.v[0][i] + now.v[1][i]) / 2 - now.V[i]);
          now.v[0][i] = now.v[1][i] = now.V[i];
        }
        again(now, weight, true, again);
        continue;
      }
      double one = 0, all = 0;
      for (std::size_t i = 0; i < modes; ++i) {
        const double V = now.V[i], a = now.v[0][i], b = now.v[1][i];
        const double synced_to = (1 - xi) * V + xi * (a + b) / 2;
        one += lambda[i] * synced_to * synced_to;
        all += 0.5 * V * V + 0.4 * V * a + 0.3 * a * a - 0.8 * a * b + 0.6 * b * b;
      }
      mean += weight * one, square += weight * one * one;
      mean_of_workers += weight * all, square_of_workers += weight * all * all;
    }
  };
  visit({{1.1, -0.8}, {{1.1, -0.8}, {1.1, -0.8}}}, 1, false, visit);

  GramProblem problem{lambda, {1, 1}, {1.21, 0.64}, {1, 1, 1}, sigma * sigma, workers, 1, 0.0625 * (1 / q - 3)};
  ProductCovariance found(problem, {1 / p, 1 / p / p, 1 / p / p / p});
  const GramPhase inner = inner_phase(workers, eta, 1), sync = sync_phase(workers, xi);
  found.apply(inner);
  found.apply(sync);
  found.apply(inner);
  CHECK(found.mean(of_workers) == Approx(mean_of_workers).epsilon(1e-11));
  CHECK(found.variance(of_workers) == Approx(square_of_workers - mean_of_workers * mean_of_workers).epsilon(1e-9));
  found.apply(sync);
  CHECK(found.mean(shared) == Approx(mean).epsilon(1e-11));
  CHECK(found.variance(shared) == Approx(square - mean * mean).epsilon(1e-9));
}

TEST_CASE("product covariance: three workers on Gaussian inputs are those of the Gram matrices") {
  const GramProblem problem{{1.3, 0.4}, {1, 3}, {0.8, 2.4}, {1, 1, 1, 1}, 0.37, 3, 1, 0.2};
  GramCovariance gram(problem);
  ProductCovariance product(problem, {});
  const GramPhase inner = inner_phase(3, 0.2, 4), sync = sync_phase(3, 0.7);
  const GramForm shared{{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, true},
      of_workers{{0.5, 0.2, 0.2, 0.2, 0.2, 0.3, -0.4, -0.4, 0.2, -0.4, 0.3, -0.4, 0.2, -0.4, -0.4, 0.3}, false};
  for (const GramPhase& phase : {inner, inner, sync, inner, inner, sync}) {
    gram.apply(phase);
    product.apply(phase);
    for (const GramForm& form : {shared, of_workers}) {
      CHECK(product.mean(form) == Approx(gram.mean(form)).epsilon(1e-13));
      CHECK(product.variance(form) == Approx(gram.variance(form)).epsilon(1e-11).scale(1e-3));
    }
  }
}

TEST_CASE("product covariance: one coordinate and three, as of Gaussian inputs") {
  const GramPhase one{1, {0.95}, {-0.2}, {{1}}, {{-0.2}}, 2};
  const GramPhase three{3,
                        {0.9, 0.1, -0.05, 0.2, 0.7, 0, 0, 0.3, 0.8},
                        {-0.1, 0, 0.05, 0, -0.2, 0, 0.1, 0, 0},
                        {{1, -0.3, 0.2}},
                        {{-0.2, 0.1, 0.4}},
                        2};
  for (const GramPhase& phase : {one, three}) {
    CAPTURE(phase.r);
    GramProblem problem{{1.3, 0.4}, {1, 2}, {0.8, 2.4}, {1}, 0.37, 1, 0, 0.2};
    GramForm form{{1}, true};
    if (phase.r == 3) problem.factor = {1, -0.4, 0.5}, form.A = {1, 0.2, 0, 0.2, 0.5, -0.1, 0, -0.1, 0.3};
    GramCovariance gram(problem);
    ProductCovariance product(problem, {});
    for (int k = 0; k < 3; ++k) {
      gram.apply(phase);
      product.apply(phase);
      CHECK(product.mean(form) == Approx(gram.mean(form)).epsilon(1e-13));
      CHECK(product.variance(form) == Approx(gram.variance(form)).epsilon(1e-11));
    }
  }
}
