// The growth of single runs on isotropic data.
#include "models/least_squares/typical_growth.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise::models::least_squares;
using edgewise::models::testing::number;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

TEST_CASE("one coordinate, one sample: E log (1 - x z^2)^2 by its series") {
  // For small x: -2 sum_k x^k E z^(2k)/k, an asymptotic series, E z^(2k) = (2k - 1)!!.
  const double x = 1e-3;
  double series = 0, moment = 1;
  for (int k = 1; k <= 12; ++k) series -= 2 * std::pow(x, k) * (moment *= 2 * k - 1) / k;
  CHECK(typical_log_growth(x, 1, 1) == Approx(series).epsilon(1e-11));
  // For large x: 2 log x + E log z^4 = 2 log x - 2 (gamma + log 2), corrections O(x^(-1/2)).
  const double far = 1e10;
  CHECK(typical_log_growth(far, 1, 1) ==
        Approx(2 * std::log(far) - 2 * (std::numbers::egamma + std::log(2.0))).epsilon(1e-6));
}

TEST_CASE("the growth of log P against draws of the step") {
  struct Row {
    double x;
    int batch, dimension;
  };
  for (const Row& row : {Row{0.7, 1, 1}, Row{1.3, 3, 1}, Row{0.4, 1, 2}, Row{0.5, 2, 5}, Row{0.1, 4, 30}}) {
    CAPTURE(row.batch);
    CAPTURE(row.dimension);
    std::mt19937_64 engine(5);
    std::normal_distribution<double> normal;
    constexpr int draws = 100000;
    double sum = 0, squares = 0;
    for (int i = 0; i < draws; ++i) {
      // v along the first coordinate: v' = v - (x/B) sum_b z_b z_b1.
      std::vector<double> next(row.dimension, 0.0);
      next[0] = 1;
      for (int b = 0; b < row.batch; ++b) {
        const double first = normal(engine);
        next[0] -= row.x / row.batch * first * first;
        for (int j = 1; j < row.dimension; ++j) next[j] -= row.x / row.batch * first * normal(engine);
      }
      double norm = 0;
      for (const double value : next) norm += value * value;
      sum += std::log(norm);
      squares += std::log(norm) * std::log(norm);
    }
    const double mean = sum / draws, error = std::sqrt((squares / draws - mean * mean) / draws);
    CHECK(std::abs(typical_log_growth(row.x, row.batch, row.dimension) - mean) < 4 * error);
  }
}

TEST_CASE("at the mean's threshold single runs still decay, by -16 B (B + 2)/d^3 in high dimension") {
  for (const double B : {1.0, 2.0})
    for (const double d : {1000.0, 4000.0}) {
      CAPTURE(B);
      CAPTURE(d);
      const double threshold = 2 * B / (B + d + 1);
      CHECK(typical_log_growth(threshold, B, d) * d * d * d == Approx(-16 * B * (B + 2)).epsilon(20 / d));
      if (B == 1) CHECK((typical_threshold(B, d, threshold) / threshold - 1) * d * d == Approx(12).epsilon(20 / d));
    }
  const auto findings =
      prepare(
          "model = 'least-squares'\n[spectrum]\nkind = 'isotropic'\ndimension = 6\neigenvalue = 2\n[time]\nsteps = 5\n"
          "[optimizer]\nlearning_rate = 0.2\nbatch = 3\n")
          ->stability();
  CHECK(std::log(number(findings, "growth_factor_typical")) == Approx(typical_log_growth(0.4, 3, 6)).epsilon(1e-12));
  const double eta = number(findings, "eta_typical");
  CHECK(eta > number(findings, "eta_max"));
  CHECK(std::abs(typical_log_growth(2 * eta, 3, 6)) < 1e-10);
}
