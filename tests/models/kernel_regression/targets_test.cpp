// Targets: their values against their powers, by sampling and by sums.
#include "models/kernel_regression/targets.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

#include "models/ingredients/learning_curves/kernel_ridge.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::kernel_regression;
using edgewise::tests::Approx;

namespace {

/// Mean square over uniform points.
double sampled_power(const SphereTarget& target, std::size_t d, std::size_t count) {
  random::Stream stream(11, 0);
  const auto x = models::ingredients::learning_curves::uniform_points(stream, d, count);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += std::pow(target.value(x.column(i)), 2);
  return sum / static_cast<double>(count);
}

}  // namespace

TEST_CASE("the values have the power that is said") {
  // 40000 points: standard errors of about 1%; fixed seed.
  CHECK(sampled_power(zonal_powers(6, {0.1, 0.2, 0, 0.4}), 6, 40000) == Approx(0.7).epsilon(0.04));
  for (const std::size_t d : {2, 3, 5})
    for (const bool force : {false, true}) {
      const Sources s{{1, -0.7, 0.4}, {0.5, 0.6, 0.3}, {{1, 0.3, 0.1}, {0.3, 1, 0.2}, {0.1, 0.2, 1}}, force};
      if (d == 2) {
        CHECK_THROWS_AS(point_sources(2, s), std::invalid_argument);  // three such directions need three dimensions
        const Sources plane{{1, -0.7}, {0.5, 0.6}, {{1, 0.3}, {0.3, 1}}, force};
        const SphereTarget target = point_sources(2, plane);
        CHECK(sampled_power(target, 2, 40000) == Approx(target.total()).epsilon(0.04));
        continue;
      }
      CAPTURE(d);
      const SphereTarget target = point_sources(static_cast<double>(d), s);
      CHECK(sampled_power(target, d, 40000) == Approx(target.total()).epsilon(0.05));
    }
}

TEST_CASE("a force is the potential's derivative by the radius") {
  const double h = 1e-5, x[] = {0.3, 0.2, std::sqrt(0.87)};
  for (const double d : {2.0, 3.0, 9.0}) {
    const auto at = [&](double r, bool force) {
      return point_sources(d, {{1.5}, {r}, {}, force}).value(std::span(x, 2));
    };
    CHECK((at(0.6 + h, false) - at(0.6 - h, false)) / (2 * h) == Approx(at(0.6, true)).epsilon(1e-8));
  }
}

TEST_CASE("a formula of the user's: powers add up, kinks keep power beyond") {
  const SphereTarget smooth = zonal_function(5, 60, [](double t) { return std::exp(2 * t) - 1; });
  CHECK(smooth.beyond == 0);
  CHECK(sampled_power(smooth, 5, 40000) == Approx(smooth.total()).epsilon(0.05));
  const SphereTarget kink = zonal_function(3, 40, [](double t) { return std::abs(t); });
  CHECK(kink.beyond > 0);
  CHECK(kink.total() == Approx(1.0 / 3).epsilon(1e-9));
  CHECK(kink.power[1] == 0);
  CHECK_THROWS_AS(zonal_function(3, 8, [](double t) { return std::sqrt(t); }), std::invalid_argument);
  CHECK_THROWS_AS(point_sources(3, {{1}, {1.2}, {}, false}), std::invalid_argument);
  CHECK_THROWS_AS(point_sources(3, {{1, 1}, {0.5, 0.5}, {}, false}), std::invalid_argument);
  CHECK_THROWS_AS(point_sources(3, {{1, 1}, {0.5, 0.5}, {{1, 1.5}, {1.5, 1}}, false}), std::invalid_argument);
}

TEST_CASE("cosines must be a square, symmetric, with ones on the diagonal, and of directions that fit the dimension") {
  using Cosines = std::vector<std::vector<double>>;
  const auto with = [](const Cosines& cosines, double d = 3) {
    const std::size_t n = cosines.size();
    return point_sources(d, {std::vector<double>(n, 1.0), std::vector<double>(n, 0.5), cosines, false});
  };
  CHECK_NOTHROW(with({{1, 0.3}, {0.3, 1}}));
  for (const Cosines& wrong : {Cosines{{1, 0.3}, {0.3, 0.9}},
                               {{0.9, 0.3}, {0.3, 1}},
                               {{1, 0.3}, {0.2, 1}},
                               {{1, 0.3}, {1}},
                               {{1, 0.3}, {}},
                               {{1}, {0.3, 1}},
                               {{1, 0.3, 0}, {0.3, 1, 0}}})
    CHECK_THROWS_AS(with(wrong), std::invalid_argument);
  // 120 degrees apart, three fit a plane; at right angles they do not.
  const Cosines thirds{{1, -0.5, -0.5}, {-0.5, 1, -0.5}, {-0.5, -0.5, 1}}, right{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  CHECK_NOTHROW(with(thirds, 2));
  CHECK_THROWS_AS(with(right, 2), std::invalid_argument);
  CHECK_NOTHROW(with(right, 3));
  // Equal sources at one place are one of the whole mass.
  CHECK(with({{1, 1}, {1, 1}}).total() == Approx(point_sources(3, {{2}, {0.5}, {}, false}).total()).epsilon(1e-13));
}

TEST_CASE("formulas that are not square integrable are refused, poles that are get their power") {
  const auto power_of = [](double d, double exponent) {
    return zonal_function(d, 256, [exponent](double t) { return std::pow(std::abs(t), exponent); }).total();
  };
  CHECK(power_of(3, -0.4) == Approx(5).epsilon(1e-6));
  CHECK(power_of(3, -0.25) == Approx(2).epsilon(1e-6));
  for (const double exponent : {-0.5, -0.6, -1.0, -2.0}) {
    CHECK_THROWS_AS(power_of(3, exponent), std::invalid_argument);
    CHECK_THROWS_AS(power_of(4, exponent), std::invalid_argument);
  }
  for (const double exponent : {-0.7, -1.0})
    CHECK_THROWS_AS(zonal_function(3, 256, [=](double t) { return std::pow(1 - t, exponent); }), std::invalid_argument);
  CHECK(zonal_function(3, 256, [](double t) { return t > 0.3 ? 1 : -1; }).total() == Approx(1));
}

TEST_CASE("sources in high dimensions have all their power, or are refused where it is no double") {
  const SphereTarget near = point_sources(300, {{1}, {0.9}, {}, false});
  CHECK(near.total() == Approx(8.993847847e213).epsilon(1e-8));
  CHECK(point_sources(1000, {{1}, {0.5}, {}, false}).total() == Approx(2.9328427562e124).epsilon(1e-8));
  for (const double d : {1000.0, 1e6, 1e9})
    CHECK_THROWS_AS(point_sources(d, {{1}, {0.9}, {}, false}), std::invalid_argument);
}

TEST_CASE("steep formulas in high dimension have their power where the sphere has next to no weight") {
  // E t^(2n) = prod_(k <= n) (2k - 1)/(d + 2k - 2).
  const auto of_power = [](double d, int n) {
    double out = 1;
    for (int k = 1; k <= n; ++k) out *= (2 * k - 1) / (d + 2 * k - 2);
    return out;
  };
  for (const auto& [d, n] : {std::pair{1000.0, 80}, {1000.0, 200}, {50.0, 40}, {1e6, 60}}) {
    const int exponent = n;
    CAPTURE(exponent);
    CHECK(zonal_function(d, 64, [=](double t) { return std::pow(t, exponent); }).total() ==
          Approx(of_power(d, n)).epsilon(1e-9));
  }
  // E e^(2ct) in d dimensions, by its series.
  double series = 1, term = 1;
  for (int k = 1; k <= 2000; ++k) series += term *= 700.0 * 700.0 / (2.0 * k * (998.0 + 2 * k));
  CHECK(zonal_function(1000, 64, [](double t) { return std::exp(350 * t); }).total() == Approx(series).epsilon(1e-9));
}
