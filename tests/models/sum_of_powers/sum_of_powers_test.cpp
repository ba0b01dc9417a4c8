#include "models/sum_of_powers/sum_of_powers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "models/framework/model.hpp"
#include "models/framework/scaling_law.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models::sum_of_powers;
using edgewise::tests::Approx;

TEST_CASE("the horizon is where the loss is least at fixed compute, for any terms, sizes and units") {
  const SumOfPowers sums[] = {{0.3, {{1, 0.5, 0}, {1, 0, 0.5}}},
                              {0, {{2, 0.41, 0.05}, {0.7, 0.1, 0.37}, {3, 0.3, 0.3}}},
                              {3, {{1e60, 0.6, 0}, {1e-60, 0, 0.2}}}};
  for (const SumOfPowers& sum : sums)
    for (const double p : {1e-3, 1.0, 1e9}) {
      const double t = sum.horizon(p);
      // The excess alone: the floor would drown it.
      const SumOfPowers excess{0, sum.terms};
      const double best = excess.loss(t, p);
      for (const double factor : {0.7, 0.97, 1.03, 1.4}) CHECK(excess.loss(t * factor, p / factor) > best);
    }
}

TEST_CASE("the tie theorem: exponent, prefactor, limit and correction by brute force") {
  const SumOfPowers sum{0, {{2, 0.5, 0.05}, {0.7, 0.02, 0.45}, {3, 0.3, 0.35}}};
  const HorizonLaw law = sum.law();
  // Frontier exponents min_i (mu_i g + nu_i)/(1 + g) on a grid of g have their largest there.
  double best = 0, at = 0;
  for (double g = 0.01; g < 10; g += 1e-4) {
    double least = 1e9;
    for (const PowerTerm& i : sum.terms) least = std::min(least, (i.step_exponent * g + i.size_exponent) / (1 + g));
    if (least > best) {
      best = least;
      at = g;
    }
  }
  CHECK(law.exponent == Approx(at).epsilon(1e-3));
  CHECK(law.frontier_exponent == Approx(best).epsilon(1e-4));
  CHECK(law.tied.size() == 2);
  CHECK(law.correction_exponent == Approx(0.3 * law.exponent + 0.35 - law.loss_exponent));
  // Far out the horizon and the normalised curve are those of the law.
  const double p = 1e60, t = sum.horizon(p);
  CHECK(t == Approx(law.prefactor * std::pow(p, law.exponent)).epsilon(1e-4));
  CHECK(sum.loss(0.2 * t, p) / sum.loss(t, p) == Approx(normalised_limit(law, 0.2)).epsilon(1e-4));
}

TEST_CASE("a term of equal exponents has no say in the horizon, however slowly it falls") {
  for (const double even : {0.1, 0.2, 0.25, 0.3}) {
    CAPTURE(even);
    // Beside t^-.5 + p^-.5, whose horizon is t = p, and two terms that cross elsewhere under the even one.
    const SumOfPowers sum{0, {{1, 0.9, 0.1}, {1, 0.1, 0.9}, {1, 0.5, 0}, {1, 0, 0.5}, {1, even, even}}};
    const HorizonLaw law = sum.law();
    CHECK(law.exponent == Approx(1).epsilon(1e-12));
    CHECK(law.frontier_exponent == Approx(std::min(even, 0.25)).epsilon(1e-12));
    CHECK(law.prefactor == Approx(1).epsilon(1e-12));
    CHECK(law.correction_exponent == Approx(even == 0.25 ? 0.5 : std::abs(0.5 - 2 * even)).epsilon(1e-12));
    const double p = 1e200, t = sum.horizon(p), b = law.correction_exponent;
    CHECK(t / p == Approx(law.prefactor).epsilon(1e-6));
    CHECK(sum.loss(0.2 * t, p) / sum.loss(t, p) ==
          Approx(normalised_limit(law, 0.2)).epsilon(1e-9 + 3 * std::pow(p, -b)));
  }
}

TEST_CASE("sums without a horizon, and bad rows, are refused by their key") {
  CHECK_THROWS_AS((SumOfPowers{0, {{1, 0.5, 0}}}).law(), std::domain_error);
  CHECK_THROWS_AS((SumOfPowers{0, {{1, 0.3, 0.3}}}).horizon(10), std::domain_error);
  const auto message = [](const std::string& terms) {
    try {
      const auto e = models::read_experiment(settings::read_text(
          "model = 'sum-of-powers'\n[powers]\nterms = " + terms + "\n[time]\nsteps = 10\n", "e.toml"));
      models::find(e).prepare(e);
    } catch (const settings::Error& error) {
      return std::string(error.what());
    }
    return std::string("read");
  };
  CHECK(message("[[1, 0.5, 0], [1, 0, 0.5]]") == "read");
  CHECK(message("[[1, 0.5, 0]]").starts_with("e.toml: powers.terms: no compute-optimal horizon"));
  CHECK(message("[[-1, 0.5, 0]]").starts_with("e.toml: powers.terms: rows are [a, mu, nu]"));
  CHECK(message("[[1, 0, 0], [1, 0, 0.5], [1, 0.5, 0]]").starts_with("e.toml: powers.terms: rows are"));
  CHECK(message("[[1, 0.5]]").starts_with("e.toml: powers.terms: rows are"));
  const std::string pair = "[1, 0, 0.5], [1, 0.5, 0]]";
  for (const std::string row :
       {"[0, 0.5, 0.1]", "[1, -0.1, 0.5]", "[1, 0.5, -0.1]", "[inf, 0.5, 0.1]", "[1, inf, 0.1]"})
    CHECK(message("[" + row + ", " + pair) ==
          "e.toml: powers.terms: rows are [a, mu, nu] with a > 0, mu and nu >= 0 and not both 0");
  CHECK(message("[]").starts_with("e.toml: powers.terms: must be a list of rows"));
}

TEST_CASE("findings and columns of a sum of powers are its formulas") {
  const auto e = models::read_experiment(settings::read_text(
      "model = 'sum-of-powers'\n[powers]\nfloor = 0.4\nsize = 1e4\nterms = [[2, 0.4, 0], [3, 0, 0.2], [1, 0.3, 0.3]]\n"
      "[time]\nat = [10, 1000]\n",
      "e.toml"));
  const auto problem = models::find(e).prepare(e);
  const auto found = problem->stability();
  using models::testing::number;
  // The first two terms tie at g = 1/2, of exponent .2 in p: frontier .2/1.5; the third is late by .15 + .3 - .2.
  CHECK(number(found, "horizon_exponent") == Approx(.5).epsilon(1e-12));
  CHECK(number(found, "horizon_prefactor") == Approx(std::pow(2 * .4 / (3 * .2), 1 / .4)).epsilon(1e-12));
  CHECK(number(found, "frontier_exponent") == Approx(.2 / 1.5).epsilon(1e-12));
  CHECK(number(found, "correction_exponent") == Approx(.25).epsilon(1e-12));
  CHECK(number(found, "tied_terms") == 2);
  // Its mu - nu is 0: it does not move t*.
  CHECK(number(found, "compute_optimal_steps") == Approx(std::pow(2 * .4 / (3 * .2), 2.5) * 100).epsilon(1e-10));
  const auto theory = problem->solve();
  REQUIRE(theory.steps == std::vector<double>{10, 1000});
  for (std::size_t k = 0; k < 2; ++k) {
    const double t = theory.steps[k];
    CHECK(theory.columns[0].value[k] ==
          Approx(.4 + 2 * std::pow(t, -.4) + 3 * std::pow(1e4, -.2) + std::pow(t * 1e4, -.3)).epsilon(1e-13));
  }
  CHECK(theory.exact);
  CHECK_THROWS_WITH_AS(problem->simulate(), "e.toml: model: a sum of powers is a formula: there is nothing to simulate",
                       settings::Error);
  CHECK(problem->scaling_law()->floor() == .4);
  CHECK(problem->scaling_law()->horizon() == number(found, "compute_optimal_steps"));
}

TEST_CASE("the limit of the normalised curve is that of the tie, however slowly sizes come to it") {
  // A third term that fades as p^-.0143: at no size that can be written down is t*/p^g near kappa.
  const auto limit = [](double x, double times) {
    std::string text =
        "model = 'sum-of-powers'\n[powers]\nterms = [[2.0, 0.7, 0.0], [0.3, 0.0, 0.4], [5.0, 0.2, 0.3]]\nfloor = 1.0\n"
        "size = 1e9\n[time]\nsteps = ";
    const double optimal = models::testing::prepare(text + "10")->scaling_law()->horizon();
    return models::testing::prepare(text + std::to_string(std::llround(times * optimal)))->scaling_law()->limit(x);
  };
  // w = 2 kappa^-.7 and .3, kappa from 1.4 kappa^-.7 = .12, and of twice the horizon 2 kappa.
  for (const double times : {1.0, 2.0}) {
    const double w = 0.12 / 0.7 * std::pow(times, -0.7);
    for (const double x : {0.1, 0.5})
      CHECK(limit(x, times) == Approx((w * std::pow(x, -0.7) + 0.3) / (w + 0.3)).epsilon(1e-5));
  }
}

TEST_CASE("a sum of powers of which nothing more is said is of size 100 and falls to 0") {
  const auto theory = models::testing::prepare(
                          "model = 'sum-of-powers'\n[powers]\nterms = [[2, 0.4, 0], [3, 0, 0.2]]\n[time]\nat = [7]\n")
                          ->solve();
  REQUIRE(theory.steps.size() == 1);
  CHECK(theory.columns[0].value[0] == Approx(2 * std::pow(7, -.4) + 3 * std::pow(100, -.2)).epsilon(1e-13));
}
