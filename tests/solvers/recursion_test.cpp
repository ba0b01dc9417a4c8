#include "solvers/recursion.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::solvers::test::LeastSquares;
using edgewise::tests::Approx;

TEST_CASE("one mode: the closed form of a geometric approach to the fixed point") {
  // M' = (1 - A + b) M + b s, fixed point b s/(A - b).
  const double A = 0.3, b = 0.1, s = 2, fixed = b * s / (A - b);
  const LeastSquares system({A}, {b}, s);
  const std::vector<double> start{5.0};
  const std::vector<std::uint64_t> at{0, 1, 7, 50};
  const RecursionSolution found = follow(system, start, at);
  REQUIRE(found.steps == at);
  for (std::size_t k = 0; k < at.size(); ++k)
    CHECK(found.shared[k][0] ==
          Approx(fixed + (5 - fixed) * std::pow(1 - A + b, static_cast<double>(at[k]))).epsilon(1e-13));
  CHECK(found.last[0] == found.shared.back()[0]);
  CHECK_FALSE(found.diverged_at);
}

TEST_CASE("the coefficients are read at the step's number, and the observer sees what is recorded") {
  LeastSquares system({0.5, 0.25}, {0.0, 0.0});
  system.eta = [](double t) { return t == 1 ? 1.0 : 0.0; };  // moves once, from step 1 to step 2
  const std::vector<double> start{4.0, 8.0};
  RecursionOptions options;
  std::vector<double> seen;
  options.observer = [&](std::uint64_t step, std::span<const double> p, std::span<const double> M) {
    seen.insert(seen.end(), {static_cast<double>(step), p[0], M[0], M[1]});
  };
  const std::vector<std::uint64_t> at{1, 2, 3};
  follow(system, start, at, options);
  CHECK(seen == std::vector<double>{1, 12, 4, 8, 2, 8, 2, 6, 3, 8, 2, 6});
}

TEST_CASE("a recursion that has come to rest, or goes to and fro, is not followed on") {
  const std::vector<std::uint64_t> at{3, 1000000, 1000000000000000000, 1000000000000000001};
  // The fixed point b s/(A - b) = 1.
  const LeastSquares resting({0.3}, {0.1}, 2);
  const RecursionSolution rest = follow(resting, std::vector<double>{5.0}, at);
  REQUIRE(rest.steps == at);
  CHECK(rest.shared[0][0] == Approx(1 + 4 * std::pow(0.8, 3)).epsilon(1e-13));
  for (std::size_t k = 1; k < 4; ++k) CHECK(rest.shared[k][0] == Approx(1).epsilon(1e-14));
  // M' = -M: of two, and from an even step on.
  const LeastSquares swinging({2.0}, {0.0});
  const RecursionSolution swing = follow(swinging, std::vector<double>{5.0}, at);
  REQUIRE(swing.steps == at);
  CHECK(swing.shared[0][0] == -5);
  CHECK(swing.shared[1][0] == 5);
  CHECK(swing.shared[2][0] == 5);
  CHECK(swing.shared[3][0] == -5);
  // Of very many modes too; `stop` ends a run that goes on.
  constexpr std::size_t many = 70000;
  RecursionOptions options;
  options.stop = [asked = 0]() mutable { return ++asked > 50; };
  const LeastSquares wide(std::vector<double>(many, 2.0), std::vector<double>(many, 0.0));
  CHECK(follow(wide, std::vector<double>(many, 1.0), at, options).steps == at);
}

TEST_CASE("divergence is noticed at its step, and what was recorded ends before it") {
  const LeastSquares system({-1.0}, {0.0});  // doubles
  const std::vector<double> start{1.0};
  const std::vector<std::uint64_t> at{0, 9, 10, 11};
  RecursionOptions options;
  options.divergence_limit = 1000;
  const RecursionSolution found = follow(system, start, at, options);
  CHECK(found.diverged_at == 10);
  CHECK(found.steps == std::vector<std::uint64_t>{0, 9});
  options.divergence_limit = 1024;  // reached, not exceeded
  CHECK(follow(system, start, at, options).diverged_at == 11);
}

TEST_CASE("a start at 0 may grow, and a request to stop is heard") {
  const LeastSquares system({0.5}, {0.5}, 1.0);
  const std::vector<double> zero{0.0};
  const std::vector<std::uint64_t> at{0, 3};
  CHECK(follow(system, zero, at).shared[1][0] == Approx(1.5));
  RecursionOptions options;
  options.stop = [] { return true; };
  CHECK(follow(system, zero, at, options).steps == std::vector<std::uint64_t>{0});
}

TEST_CASE("bad input") {
  const LeastSquares system({0.5}, {0.0});
  const std::vector<double> two{1.0, 1.0}, one{1.0};
  const std::vector<std::uint64_t> at{0, 1}, twice{1, 1};
  CHECK_THROWS_WITH_AS(follow(system, two, at), "the recursion needs one initial value per mode",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(follow(system, one, twice), "the recorded steps of a recursion must increase",
                       std::invalid_argument);
}
