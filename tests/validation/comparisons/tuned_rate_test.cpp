#include "validation/comparisons/tuned_rate.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;

TEST_CASE("tuned rate: the minimum of a parabola in log rate, wherever it lies") {
  // 1e-6 and 3e3 are outside of the range, which is widened.
  for (const double best : {1e-6, 3e-3, 0.07, 1.0, 3e3}) {
    CAPTURE(best);
    const auto found =
        validation::tune_rate([&](double rate) { return 2 + std::pow(std::log(rate / best), 2); }, 1e-4, 10);
    CHECK_FALSE(found.on_edge);
    CHECK(found.rate == Approx(best).epsilon(1e-6));
    CHECK(found.loss == Approx(2).epsilon(1e-12));
  }
}

TEST_CASE("tuned rate: one step from d equal modes") {
  // P_1 = P ((1 - x)^2 + (d + 1) x^2/B) + d x^2 sigma^2/B with x = eta l: least at x = P/(P (1 + (d+1)/B) + d sigma^2/B).
  const double d = 30, B = 4, P = 0.7, s2 = 0.3;
  const auto loss = [&](double x) { return P * ((1 - x) * (1 - x) + (d + 1) * x * x / B) + d * x * x * s2 / B; };
  const auto found = validation::tune_rate(loss, 1e-4, 10);
  CHECK(found.rate == Approx(P / (P * (1 + (d + 1) / B) + d * s2 / B)).epsilon(1e-6));
}

TEST_CASE("tuned rate: divergence, monotone losses, and losses that are no numbers") {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto cliff = validation::tune_rate([&](double rate) { return rate < 0.5 ? 1 / rate : infinity; }, 1e-4, 10);
  CHECK_FALSE(cliff.on_edge);
  CHECK(cliff.rate == Approx(0.5).epsilon(1e-3));
  // Widened by 48 of the grid's spacings, each 5/32 decades.
  const auto falling = validation::tune_rate([](double rate) { return 1 / rate; }, 1e-4, 10),
             rising = validation::tune_rate([](double rate) { return rate; }, 1e-4, 10);
  CHECK(falling.on_edge);
  CHECK(falling.rate == Approx(std::pow(10, 1 + 7.5)).epsilon(1e-6));
  CHECK(rising.on_edge);
  CHECK(rising.rate == Approx(std::pow(10, -4 - 7.5)).epsilon(1e-6));
  CHECK(std::isinf(validation::tune_rate([&](double) { return infinity; }, 1e-4, 10).loss));
  const auto holes = validation::tune_rate(
      [](double rate) { return rate > 0.3 ? std::nan("") : std::pow(std::log(rate / 0.1), 2); }, 1e-4, 10);
  CHECK(holes.rate == Approx(0.1).epsilon(1e-6));
}

TEST_CASE("tuned rate: the grid has 33 points, both ends among them, and grows by its own spacing") {
  std::vector<double> tried;
  const auto loss = [&](double best) {
    return [&tried, best](double rate) {
      tried.push_back(rate);
      return std::abs(std::log(rate / best));
    };
  };
  validation::tune_rate(loss(0.01), 1e-4, 1);
  REQUIRE(tried.size() > 33);
  for (std::size_t k = 0; k < 33; ++k)
    CHECK(tried[k] == Approx(std::pow(10, -4 + static_cast<double>(k) / 8)).epsilon(1e-13));
  CHECK(tried.size() < 150);

  tried.clear();
  const auto above = validation::tune_rate(loss(3), 1e-4, 1);
  CHECK(tried[33] == Approx(std::pow(10, 1.0 / 8)).epsilon(1e-13));
  CHECK(tried[40] == Approx(10).epsilon(1e-13));
  CHECK(above.rate == Approx(3).epsilon(1e-6));
  tried.clear();
  validation::tune_rate(loss(3e-5), 1e-4, 1);
  CHECK(tried[33] == Approx(std::pow(10, -4 - 1.0 / 8)).epsilon(1e-13));
}

TEST_CASE("tuned rate: of two valleys the lower one, though it lies between two points of the grid") {
  // Full batches, two modes, three steps of rates 1, .65, .35 times the base: a polynomial of degree six.
  const auto loss = [](double base) {
    double total = 0;
    for (const double lambda : {1.0, 0.3}) {
      double left = 1;
      for (const double s : {1.0, 0.65, 0.35}) left *= 1 - base * s * lambda;
      total += lambda * left * left;
    }
    return total;
  };
  double least = 1e300;
  for (double base = 1e-3; base < 20; base += 1e-4) least = std::min(least, loss(base));
  for (const double from : {1e-3, 2e-3, 0.017}) CHECK(validation::tune_rate(loss, from, 1e5 * from).loss <= least);
  // Losses below 0 too.
  const auto deep = validation::tune_rate([](double rate) { return std::pow(std::log(rate / 0.1), 2) - 3; }, 1e-4, 10);
  CHECK(deep.rate == Approx(0.1).epsilon(1e-5));
  CHECK(deep.loss == Approx(-3).epsilon(1e-9));
}

TEST_CASE("tuned rate: a loss of exactly 0, and losses as small as numbers are") {
  const auto flat =
      validation::tune_rate([](double rate) { return std::max(0.0, std::abs(std::log(rate / 0.1)) - 1); }, 1e-4, 10);
  CHECK(flat.loss == 0);
  CHECK(std::abs(std::log(flat.rate / 0.1)) <= 1);
  const auto tiny =
      validation::tune_rate([](double rate) { return 1e-310 * (1 + std::pow(std::log(rate / 0.1), 2)); }, 1e-4, 10);
  CHECK(tiny.rate == Approx(0.1).epsilon(1e-3));
}
