#include "spectra/marchenko_pastur.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "random/random.hpp"
#include "settings/settings.hpp"
#include "spectra/kinds.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::spectra;
using edgewise::tests::Approx;

namespace {

Spectrum built(const std::string& section) {
  return build(settings::read_text("[spectrum]\nkind = \"marchenko-pastur\"\n" + section, "experiment.toml"));
}

double moment(const Spectrum& s, int power) {
  double sum = 0;
  for (std::size_t a = 0; a < s.modes(); ++a) sum += s.multiplicity[a] * std::pow(s.eigenvalue[a], power);
  return sum / s.dimension();
}

}  // namespace

TEST_CASE("the share above is the integral of the density") {
  for (const double c : {0.1, 0.5, 1.0, 2.0, 7.0})
    for (const double phi : {0.3, 1.0, 2.0, 3.0}) {
      CAPTURE(c);
      CAPTURE(phi);
      const auto density = [&](double x) {
        return 2 * std::sin(x) * std::sin(x) / (std::numbers::pi * (1 + c + 2 * std::sqrt(c) * std::cos(x)));
      };
      const double integral =
          boost::math::quadrature::gauss_kronrod<double, 61>::integrate(density, 0.0, phi, 8, 1e-13);
      CHECK(marchenko_pastur_above(c, phi) == Approx(integral).epsilon(1e-10));
    }
  CHECK(marchenko_pastur_above(0.3, std::numbers::pi) == Approx(1).epsilon(1e-14));
  CHECK(marchenko_pastur_above(4.0, std::numbers::pi) == Approx(0.25).epsilon(1e-14));
}

TEST_CASE("quantiles have the moments 1, 1 + c, 1 + 3c + c^2 and stay inside the edges") {
  for (const double c : {0.2, 1.0, 2.5}) {
    CAPTURE(c);
    const Spectrum s = built("dimension = 20000\nratio = " + std::to_string(c));
    CHECK(s.dimension() == 20000);
    // The midpoint rule misses O(1/count) at the square-root edges.
    CHECK(moment(s, 1) == Approx(1).epsilon(1e-4));
    CHECK(moment(s, 2) == Approx(1 + c).epsilon(1e-4));
    CHECK(moment(s, 3) == Approx(1 + 3 * c + c * c).epsilon(1e-4));
    const double root = std::sqrt(c);
    CHECK(s.largest() < (1 + root) * (1 + root));
    CHECK(s.smallest_positive() > (1 - root) * (1 - root));
  }
}

TEST_CASE("quantiles stand at the middles of equal shares") {
  for (const double c : {0.4, 2.5}) {
    const std::vector<double> quantiles = marchenko_pastur_quantiles(c, 5);
    REQUIRE(quantiles.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
      CAPTURE(i);
      const double phi = std::acos((quantiles[i] - 1 - c) / (2 * std::sqrt(c)));
      CHECK(marchenko_pastur_above(c, phi) ==
            Approx(std::min(1.0, 1 / c) * (static_cast<double>(i) + 0.5) / 5).epsilon(1e-12));
    }
  }
}

TEST_CASE("a sample is X'X/n of its stream") {
  for (const auto& sizes : {std::pair{2, 3}, {3, 2}}) {
    const int d = sizes.first, n = sizes.second;
    CAPTURE(n);
    std::vector<double> x(6);
    random::Stream stream(11, 0, 0, random::Purpose::data);
    stream.normals(x);
    double squares = 0;
    for (const double v : x) squares += v * v;
    // min(n, d) = 2 vectors of length 3 stand in the rows of a matrix kept by columns.
    double a = 0, b = 0, ab = 0;
    for (std::size_t k = 0; k < 6; k += 2) {
      a += x[k] * x[k];
      b += x[k + 1] * x[k + 1];
      ab += x[k] * x[k + 1];
    }
    const std::vector<double> lambda =
        wishart_eigenvalues(static_cast<std::size_t>(n), static_cast<std::size_t>(d), 11);
    REQUIRE(lambda.size() == 2);
    CHECK(lambda[0] > lambda[1]);
    CHECK(lambda[0] + lambda[1] == Approx(squares / n).epsilon(1e-14));
    CHECK(lambda[0] * lambda[1] == Approx((a * b - ab * ab) / (n * n)).epsilon(1e-13));
  }
}

TEST_CASE("more coordinates than samples: the mass at zero") {
  for (const std::string method : {"quantiles", "sample"}) {
    CAPTURE(method);
    const Spectrum s = built("dimension = 300\nratio = 3\ntarget_power = 6\nmethod = \"" + method + "\"");
    CHECK(s.modes() == 101);
    CHECK(s.eigenvalue.back() == 0);
    CHECK(s.multiplicity.back() == 200);
    CHECK(s.target_power.back() == Approx(4).epsilon(1e-14));
    CHECK(s.eigenvalue[99] > 0.1);
    CHECK(std::accumulate(s.target_power.begin(), s.target_power.end(), 0.0) == Approx(6).epsilon(1e-13));
  }
}

TEST_CASE("a sample has the moments of a Wishart matrix") {
  // E tr/d = 1 with variance 2/(n d); E tr K^2/d = 1 + (d+1)/n, standard deviation about sqrt(8 (1+c)^2+..)/d.
  // Thresholds of 6 standard deviations: a right program fails one seed in 1e8.
  const double d = 200, n = 400;
  const Spectrum s = built("dimension = 200\nratio = 0.5\nmethod = \"sample\"\nseed = 5");
  CHECK(s.modes() == 200);
  CHECK(std::abs(moment(s, 1) - 1) < 6 * std::sqrt(2 / (n * d)));
  CHECK(std::abs(moment(s, 2) - 1 - (d + 1) / n) < 6 * 5 / d);
  const Spectrum same = built("dimension = 200\nratio = 0.5\nmethod = \"sample\"\nseed = 5");
  const Spectrum other = built("dimension = 200\nratio = 0.5\nmethod = \"sample\"\nseed = 6");
  CHECK(s.eigenvalue == same.eigenvalue);
  CHECK(s.eigenvalue != other.eigenvalue);
  // Sampled and limiting quantiles lie close together (rigidity: O(1/d) in the bulk).
  const std::vector<double> limit = marchenko_pastur_quantiles(0.5, 200);
  for (std::size_t i = 20; i < 180; ++i) CHECK(s.eigenvalue[i] == Approx(limit[i]).epsilon(0.1));
}

TEST_CASE("variance scales the eigenvalues") {
  const Spectrum one = built("dimension = 50\nratio = 0.5"), four = built("dimension = 50\nratio = 0.5\nvariance = 4");
  for (std::size_t i = 0; i < 50; ++i) CHECK(four.eigenvalue[i] == 4 * one.eigenvalue[i]);
}

TEST_CASE("bad input") {
  CHECK_THROWS_WITH_AS(built("dimension = 50\nratio = 0"),
                       "experiment.toml: spectrum.ratio: must be >= 1e-06 and <= 1000000, got 0", settings::Error);
  CHECK_THROWS_WITH_AS(built("dimension = 0\nratio = 1"),
                       "experiment.toml: spectrum.dimension: must be >= 1 and <= 1000000000000000, got 0",
                       settings::Error);
  CHECK_THROWS_WITH_AS(built("dimension = 50\nratio = 1\nseed = 3"),
                       "experiment.toml: spectrum.seed: is for method = \"sample\" only", settings::Error);
  CHECK_THROWS_WITH_AS(
      built("dimension = 100000\nratio = 1\nmethod = \"sample\""),
      "experiment.toml: spectrum.dimension: a sample of 100000 x 100000 numbers is too large; use method = "
      "\"quantiles\"",
      settings::Error);
}

TEST_CASE("every value of a spectrum by quantiles: variance, shares of the target and the mass at zero") {
  const auto same = [](const Spectrum& s, double ratio, double variance, std::size_t positive, double zeros,
                       double power) {
    const std::vector<double> quantiles = marchenko_pastur_quantiles(ratio, positive);
    REQUIRE(s.modes() == positive + (zeros > 0 ? 1 : 0));
    for (std::size_t i = 0; i < positive; ++i) {
      CHECK(s.eigenvalue[i] == Approx(variance * quantiles[i]).epsilon(1e-15));
      CHECK(s.multiplicity[i] == 1);
      CHECK(s.target_power[i] == Approx(power).epsilon(1e-15));
    }
    if (zeros == 0) return;
    CHECK(s.eigenvalue.back() == 0);
    CHECK(s.multiplicity.back() == zeros);
    CHECK(s.target_power.back() == Approx(zeros * power).epsilon(1e-15));
  };
  same(built("dimension = 4\nratio = 0.5\nvariance = 4\ntarget_power = 2"), 0.5, 4, 4, 0, 0.5);
  same(built("dimension = 5\nratio = 1"), 1, 1, 5, 0, 0.2);
  // n = d/c to the nearest whole number: 2.27, 2.63, and at least one sample.
  same(built("dimension = 5\nratio = 2.2"), 2.2, 1, 2, 3, 0.2);
  same(built("dimension = 5\nratio = 1.9"), 1.9, 1, 3, 2, 0.2);
  same(built("dimension = 3\nratio = 1e6"), 1e6, 1, 1, 2, 1 / 3.0);
}

TEST_CASE("one quantile: the median of the law, at both ends of the ratio") {
  // c -> 0: all eigenvalues are 1, and half of the semicircle about it is above. c -> infinity: d X'X/n of n = 1 is c.
  CHECK(marchenko_pastur_quantiles(1e-6, 1)[0] == Approx(1).epsilon(1e-5));
  CHECK(marchenko_pastur_quantiles(1e6, 1)[0] == Approx(1e6).epsilon(1e-5));
  const std::vector<double> many = marchenko_pastur_quantiles(1, 1000);
  CHECK(std::ranges::is_sorted(many, std::greater<>()));
  // Near the hard edge the share below x is 2 sqrt(x)/pi: the last is at a share of 1/2000.
  CHECK(many.back() == Approx(std::pow(std::numbers::pi / 4000, 2)).epsilon(1e-5));
}

TEST_CASE("samples that are too large, and a seed that nobody reads") {
  CHECK_THROWS_WITH_AS(
      built("dimension = 14150\nratio = 1\nmethod = \"sample\""),
      "experiment.toml: spectrum.dimension: a sample of 14150 x 14150 numbers is too large; use method = "
      "\"quantiles\"",
      settings::Error);
  CHECK_THROWS_WITH_AS(built("dimension = 10000001\nratio = 1"),
                       "experiment.toml: spectrum.dimension: at most 10000000 quantiles are computed, got 10000001",
                       settings::Error);
  CHECK(built("dimension = 6\nratio = 2\nmethod = \"sample\"\nseed = 0").modes() == 4);
  CHECK(built("dimension = 5\nratio = 1\nseed = 0").modes() == 5);
  // Three samples of six coordinates: eigenvalues of X'X/3 with variance 2, their sum that of the squares.
  std::vector<double> x(18);
  random::Stream(7, 0, 0, random::Purpose::data).normals(x);
  double squares = 0;
  for (const double v : x) squares += v * v;
  const Spectrum s = built("dimension = 6\nratio = 2\nmethod = \"sample\"\nseed = 7\nvariance = 2");
  CHECK(s.trace() == Approx(2 * squares / 3).epsilon(1e-14));
  CHECK(s.multiplicity.back() == 3);
}
