// Targets: their values against their powers, by sampling and by sums.
#include "models/kernel_regression/targets.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
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
  CHECK_THROWS_WITH_AS(with(right, 2), "cosines are those of unit vectors in more than 2 dimensions",
                       std::invalid_argument);
  // Eigenvalues 1.9, 1.9 and -.8.
  CHECK_THROWS_WITH_AS(with({{1, 0.9, -0.9}, {0.9, 1, 0.9}, {-0.9, 0.9, 1}}),
                       "cosines are those of no unit vectors: their matrix has the eigenvalue -0.8",
                       std::invalid_argument);
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

TEST_CASE("a target of an experiment: sources of mass 1 at radius 1/2 where none are given, and the power asked for") {
  const auto read = [](const std::string& keys) {
    return read_target(settings::read(settings::read_text(keys, "t.toml"), target_parameters()), 3);
  };
  const std::vector<std::vector<double>> cosines{{1, 0.3}, {0.3, 1}};
  const std::string two = "cosines = [[1, 0.3], [0.3, 1]]\n";
  const double x[] = {0.6, 0.64, 0.48};
  const auto same = [&](const SphereTarget& found, const SphereTarget& expected, double factor = 1) {
    CHECK(found.total() == Approx(factor * expected.total()).epsilon(1e-13));
    CHECK(found.power[2] == Approx(factor * expected.power[2]).epsilon(1e-13));
    CHECK(found.beyond == Approx(factor * expected.beyond).epsilon(1e-13));
    CHECK(found.value(x) == Approx(std::sqrt(factor) * expected.value(x)).epsilon(1e-13));
  };
  same(read("kind = 'newton'\n"), point_sources(3, {{1}, {0.5}, {}, false}));
  same(read("kind = 'radial-force'\nradii = [0.3]\n"), point_sources(3, {{1}, {0.3}, {}, true}));
  same(read("kind = 'newton'\nmasses = [2, -0.7]\n" + two), point_sources(3, {{2, -0.7}, {0.5, 0.5}, cosines, false}));
  same(read("kind = 'newton'\nradii = [0.3, 0.6]\n" + two), point_sources(3, {{1, 1}, {0.3, 0.6}, cosines, false}));
  const SphereTarget plain = read("kind = 'zonal'\nformula = 'abs(t)'\n");
  CHECK(plain.total() == Approx(1.0 / 3).epsilon(1e-9));
  CHECK(plain.beyond > 0);
  same(read("kind = 'zonal'\nformula = 'abs(t)'\npower = 5\n"), plain, 5 / plain.total());
  same(read("powers = [0.1, 0.2, 0.3]\npower = 3\n"), zonal_powers(3, {0.1, 0.2, 0.3}), 5);
}

TEST_CASE("rare inputs of sources: what the most probable few carry of each, weighted by their powers") {
  // f of one source on a grid of angles, the largest f^2 first.
  struct Part {
    double power, rare;
  };
  const auto part = [](double d, double r, bool force, double probability) {
    constexpr int points = 20000;
    std::vector<std::pair<double, double>> squares;
    double all = 0, weights = 0;
    for (int i = 0; i < points; ++i) {
      const double angle = 3.14159265358979324 * (i + 0.5) / points, t = std::cos(angle);
      const double square = 1 + r * r - 2 * r * t, weight = std::pow(std::sin(angle), d - 2);
      const double strength = d == 2 ? 1 : d - 2;
      const double f = force    ? strength * (t - r) * std::pow(square, -d / 2)
                       : d == 2 ? -0.5 * std::log(square)
                                : std::pow(square, -strength / 2);
      squares.emplace_back(f * f, weight);
      all += weight * f * f;
      weights += weight;
    }
    std::ranges::sort(squares, std::greater<>());
    double rare = 0, used = 0;
    for (const auto& [square, weight] : squares) {
      if (used >= probability * weights) break;
      used += weight;
      rare += weight * square;
    }
    return Part{all / weights, rare / all};
  };
  for (const double d : {2.0, 3.0, 5.0})
    for (const bool force : {false, true}) {
      CAPTURE(d);
      CAPTURE(force);
      const SphereTarget two = point_sources(d, {{1, -0.5}, {0.3, 0.7}, {{1, 0.2}, {0.2, 1}}, force});
      for (const double probability : {0.02, 0.1, 0.5}) {
        CAPTURE(probability);
        const Part a = part(d, 0.3, force, probability), b = part(d, 0.7, force, probability);
        const double expected = (a.power * a.rare + 0.25 * b.power * b.rare) / (a.power + 0.25 * b.power);
        CHECK(two.rare_share(probability) == Approx(expected).epsilon(0.03));
        CHECK(point_sources(d, {{3}, {0.7}, {}, force}).rare_share(probability) == Approx(b.rare).epsilon(0.03));
      }
    }
}
