#include "numerics/simplex.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using edgewise::numerics::simplex_minimum;
using edgewise::tests::Approx;

TEST_CASE("a curved valley, a kink, a bound, a single variable") {
  const auto valley = [](std::span<const double> x) {
    const double a = 4 * x[0] - 2, b = 4 * x[1] - 1;  // Rosenbrock's, least at (1, 1)
    return 1 + 100 * std::pow(b - a * a, 2) + std::pow(1 - a, 2);
  };
  auto found = simplex_minimum(valley, {0.2, 0.5}, {0.05, 0.05}, 1e-12, 2000);
  CHECK(found.at[0] == Approx(0.75).epsilon(1e-4));
  CHECK(found.at[1] == Approx(0.5).epsilon(1e-4));
  CHECK(found.evaluations < 1000);

  const auto kink = [](std::span<const double> x) {
    return 1 + std::abs(x[0] - 0.3) + 2 * std::abs(x[1] - x[0]) + std::pow(x[2] - 2, 2);
  };
  found = simplex_minimum(kink, {0.9, 0.1, 0.2}, {0.1, 0.1, 0.1}, 1e-10, 2000);
  CHECK(found.at[0] == Approx(0.3).epsilon(1e-5));
  CHECK(found.at[1] == Approx(0.3).epsilon(1e-5));
  CHECK(found.at[2] == 1);

  found = simplex_minimum([](std::span<const double> x) { return std::cosh(x[0] - 0.25); }, {0.9}, {0.1}, 1e-14, 500);
  CHECK(found.at[0] == Approx(0.25).epsilon(1e-5));
}

TEST_CASE("what is held stays, what is out of range is worse than anything") {
  const auto f = [](std::span<const double> x) {
    return x[0] > 0.5 ? std::numeric_limits<double>::quiet_NaN() : 2 - x[0] + std::pow(x[1] - 0.2, 2);
  };
  const auto found = simplex_minimum(f, {0.1, 0.6}, {0.1, 0}, 1e-10, 500);
  CHECK(found.at[0] == Approx(0.5).epsilon(1e-5));
  CHECK(found.at[1] == 0.6);
  CHECK(simplex_minimum(f, {0.1, 0.6}, {0, 0}, 1e-10, 500).at == std::vector<double>{0.1, 0.6});
  // Nowhere any value: the start and its simplex.
  const auto nowhere = [](std::span<const double>) { return std::numeric_limits<double>::quiet_NaN(); };
  CHECK(simplex_minimum(nowhere, {0.1, 0.6}, {0.1, 0.1}, 1e-10, 500).evaluations == 3);
}

namespace {

struct Corner {
  std::vector<double> at;
  double value;
};

/// Gao and Han's method as their article puts it, in three or more variables that are all free: reflection 1, expansion
/// 1 + 2/n, contraction 3/4 - 1/(2n), shrinking 1 - 1/n; every point that is looked at.
std::vector<std::vector<double>> literal_points(const std::function<double(std::span<const double>)>& f,
                                                std::vector<double> start, double width, double tolerance,
                                                std::size_t count, std::set<std::string>& kinds) {
  std::vector<std::vector<double>> seen;
  const std::size_t n = start.size();
  const auto look = [&](std::vector<double> x) {
    for (double& v : x) v = std::min(1.0, std::max(0.0, v));
    seen.push_back(x);
    return Corner{x, f(x)};
  };
  Corner best = look(start);
  for (; seen.size() < count; width *= 0.3) {
    kinds.insert("anew");
    std::vector<Corner> s{best};
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> x = best.at;
      x[i] += x[i] + width <= 1 ? width : -width;
      s.push_back(look(x));
    }
    const double N = static_cast<double>(n);
    while (seen.size() < count) {
      std::stable_sort(s.begin(), s.end(), [](const Corner& a, const Corner& b) { return a.value < b.value; });
      if (s[n].value - s[0].value <= tolerance * std::abs(s[0].value)) break;
      const auto on_line = [&](double by) {
        std::vector<double> x(n);
        for (std::size_t i = 0; i < n; ++i) {
          double middle = 0;
          for (std::size_t j = 0; j < n; ++j) middle += s[j].at[i] / N;
          x[i] = middle + by * (middle - s[n].at[i]);
        }
        return look(x);
      };
      const Corner mirrored = on_line(1);
      if (mirrored.value < s[0].value) {
        const Corner further = on_line(1 + 2 / N);
        kinds.insert(further.value < mirrored.value ? "further" : "no further");
        s[n] = further.value < mirrored.value ? further : mirrored;
      } else if (mirrored.value < s[n - 1].value) {
        kinds.insert("mirrored");
        s[n] = mirrored;
      } else {
        const bool outside = mirrored.value < s[n].value;
        const Corner nearer = on_line((outside ? 1 : -1) * (0.75 - 1 / (2 * N)));
        const bool good = outside ? nearer.value <= mirrored.value : nearer.value < s[n].value;
        kinds.insert(std::string(outside ? "outside" : "inside") + (good ? "" : ", shrunk"));
        if (good) {
          s[n] = nearer;
        } else {
          for (std::size_t j = 1; j <= n; ++j) {
            for (std::size_t i = 0; i < n; ++i) s[j].at[i] = s[0].at[i] + (1 - 1 / N) * (s[j].at[i] - s[0].at[i]);
            s[j] = look(s[j].at);
          }
        }
      }
    }
    std::stable_sort(s.begin(), s.end(), [](const Corner& a, const Corner& b) { return a.value < b.value; });
    const double gained = best.value - s[0].value;
    best = s[0];
    if (!(gained > tolerance * std::abs(best.value))) break;
  }
  return seen;
}

}  // namespace

TEST_CASE("every point of a search is that of the method, one after the other") {
  const std::function<double(std::span<const double>)> functions[] = {
      [](std::span<const double> x) {
        return 1 + 30 * std::pow(x[1] - x[0] * x[0], 2) + std::pow(0.8 - x[0], 2) + std::pow(x[2] - 0.3 * x[1], 2);
      },
      [](std::span<const double> x) {
        return 2 + std::abs(x[0] - 0.41) + 3 * std::abs(x[1] - x[0]) + std::abs(x[2] - 2);
      },
      [](std::span<const double> x) {
        return 3 + std::sin(13 * x[0]) * std::cos(17 * x[1] + 1) * std::sin(9 * x[2] + 2) + 0.3 * x[0];
      },
      [](std::span<const double> x) {
        return std::floor(40 * (x[0] + 1)) + std::floor(30 * x[1]) + std::floor(50 * x[2]);
      }};
  std::set<std::string> kinds;
  for (const auto& f : functions)
    for (const double width : {0.1, 0.35}) {
      std::vector<std::vector<double>> seen;
      const std::vector<double> start{0.9, 0.15, 0.6};
      constexpr std::size_t most = 400;
      const auto found = simplex_minimum(
          [&](std::span<const double> x) {
            seen.emplace_back(x.begin(), x.end());
            return f(x);
          },
          start, {width, width, width}, 1e-9, most);
      std::vector<std::vector<double>> expected = literal_points(f, start, width, 1e-9, most, kinds);
      REQUIRE(seen.size() == expected.size());
      CHECK(found.evaluations == static_cast<int>(seen.size()));
      double least = 1e300;
      for (std::size_t k = 0; k < seen.size(); ++k) {
        CAPTURE(k);
        for (std::size_t i = 0; i < 3; ++i) REQUIRE(std::abs(seen[k][i] - expected[k][i]) < 1e-9);
        least = std::min(least, f(seen[k]));
      }
      CHECK(found.value == least);
      CHECK(f(found.at) == least);
    }
  // Nothing of the method is left out by these functions.
  CHECK(kinds == std::set<std::string>{"anew", "further", "no further", "inside", "inside, shrunk", "mirrored",
                                       "outside", "outside, shrunk"});
}

TEST_CASE("in one and two variables the coefficients are those of two") {
  // From .5 to the right by .1, where (x - 1)^2 is less: mirrored to .7, then on by the 2 of n = 2 to .8; then .4 more.
  std::vector<double> seen;
  simplex_minimum(
      [&](std::span<const double> x) {
        seen.push_back(x[0]);
        return 1 + std::pow(x[0] - 1, 2);
      },
      {0.5}, {0.1}, 1e-12, 6);
  const std::vector<double> expected{0.5, 0.6, 0.7, 0.8, 1.0, 1.0};
  REQUIRE(seen.size() == 6);
  for (std::size_t k = 0; k < 6; ++k) CHECK(seen[k] == Approx(expected[k]).epsilon(1e-14));
}
