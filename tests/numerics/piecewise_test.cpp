#include "numerics/piecewise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::numerics;
using edgewise::tests::Approx;

TEST_CASE("pieces hold every cut, begin narrow there and double up to the widest") {
  const std::vector<double> edges = piece_edges(-2, 10, std::array{0.0, 50.0}, 0.5, 2.0);
  CHECK(edges.front() == -2);
  CHECK(edges.back() == 10);
  std::size_t cut = 0;
  for (std::size_t i = 1; i < edges.size(); ++i) {
    CHECK(edges[i] > edges[i - 1]);
    CHECK(edges[i] - edges[i - 1] <= 3.0);  // the last piece takes what is left
    if (edges[i] == 0) cut = i;
  }
  REQUIRE(cut > 0);
  CHECK(edges[cut + 1] == 0.5);
  CHECK(edges[cut + 2] == 1.5);
  CHECK(edges[cut - 1] == -0.5);
  // What lies outside or at the ends is no cut.
  CHECK(piece_edges(-2, 10, std::array{-7.0, -2.0, 0.0, 10.0, 50.0}, 0.5, 2.0) == edges);
}

TEST_CASE("between two cuts pieces widen from both inwards; without cuts they are the widest") {
  const std::vector<double> edges = piece_edges(-1, 11, std::array{10.0, 0.0}, 0.5, 2.0);
  const auto at = [&](double cut) { return std::ranges::find(edges, cut) - edges.begin(); };
  const auto first = static_cast<std::size_t>(at(0)), second = static_cast<std::size_t>(at(10));
  REQUIRE(second < edges.size());
  CHECK(edges[first + 1] == 0.5);
  CHECK(edges[first + 2] == 1.5);
  CHECK(edges[first + 3] == 3.5);
  CHECK(edges[second - 1] == 9.5);
  CHECK(edges[second - 2] == 8.5);
  CHECK(std::ranges::is_sorted(edges, std::less_equal<>()));
  CHECK(std::ranges::adjacent_find(edges, [](double a, double b) { return b - a > 3; }) == edges.end());
  CHECK(piece_edges(0, 5, {}, 0.5, 2.0) == std::vector<double>{0, 2, 5});
  CHECK(piece_edges(0, 1, {}, 0.5, 2.0) == std::vector<double>{0, 1});
}

TEST_CASE("pieces by hand: the nearer end's turn first, and what is left within one and a half is the last") {
  using Edges = std::vector<double>;
  CHECK(piece_edges(-1, 11, std::array{10.0, 0.0}, 0.5, 2.0) ==
        Edges{-1, -0.5, 0, 0.5, 1.5, 3.5, 5.5, 8.5, 9.5, 10, 10.5, 11});
  CHECK(piece_edges(0, 2.95, {}, 0.5, 2.0) == Edges{0, 2.95});
  CHECK(piece_edges(0, 3.05, {}, 0.5, 2.0) == Edges{0, 2, 3.05});
  // From a cut on, and up to one.
  CHECK(piece_edges(-9, 0, std::array{-8.0}, 1.0, 4.0) == Edges{-9, -8, -7, -5, 0});
  CHECK(piece_edges(0, 9, std::array{8.0}, 1.0, 4.0) == Edges{0, 5, 7, 8, 9});
}

TEST_CASE("kinks at cuts cost nothing") {
  const auto integral = [](GaussPoints points) {
    double sum = 0;
    for (const auto& [x, weight] : piecewise_gauss(piece_edges(-3, 4, std::array{1.0, -0.3}, 0.5, 1.0), points))
      sum += weight * (std::abs(x - 1) * std::exp(-x * x) + std::pow(std::abs(x + 0.3), 3));
    return sum;
  };
  // By parts: int |x-1| e^(-x^2) = e^-1 - (e^-9 + e^-16)/2 + (sqrt pi/2)(2 erf 1 + erf 3 - erf 4), and 2.7^4/4 + 4.3^4/4.
  const double exact = std::exp(-1) - (std::exp(-9) + std::exp(-16)) / 2 +
                       std::sqrt(std::acos(-1)) / 2 * (2 * std::erf(1) + std::erf(3) - std::erf(4)) +
                       (std::pow(2.7, 4) + std::pow(4.3, 4)) / 4;
  CHECK(integral(GaussPoints::ten) == Approx(exact).epsilon(1e-13));
  CHECK(integral(GaussPoints::twenty) == Approx(exact).epsilon(1e-14));
  CHECK(integral(GaussPoints::thirty) == Approx(exact).epsilon(1e-14));
}
