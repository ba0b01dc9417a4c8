#include "validation/verdicts/max_statistic.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <utility>
#include <vector>

#include "random/random.hpp"
#include "tests/approx.hpp"
#include "validation/monte_carlo/statistics.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

std::vector<std::vector<double>> independent(std::size_t cells, std::size_t replicas) {
  std::vector<std::vector<double>> data(cells, std::vector<double>(replicas));
  for (std::size_t c = 0; c < cells; ++c) {
    random::Stream stream(9, c);
    for (double& x : data[c]) x = stream.normal();
  }
  return data;
}

MaxStatistic law_of(const std::vector<std::vector<double>>& data, std::vector<std::vector<std::size_t>> groups = {}) {
  const std::vector<std::span<const double>> spans(data.begin(), data.end());
  return MaxStatistic(spans, groups, 7);
}

/// Two-sided critical value of n independent comparisons.
double independent_critical(double n, double probability) {
  return -normal_quantile((1 - std::pow(1 - probability, 1 / n)) / 2);
}

}  // namespace

// The share of 20000 draws beyond the 1% point has a standard error of 7e-4, an error of 0.03 in the critical value.
TEST_CASE("one comparison, and copies of it, have the normal critical value") {
  auto data = independent(1, 500);
  CHECK(law_of(data).critical(0.01) == Approx(2.5758).epsilon(0.02));
  for (int copy = 1; copy < 50; ++copy) {
    data.push_back(data.front());
    for (double& x : data.back()) x = 0.5 * x + copy;  // affine copies cost nothing
  }
  CHECK(law_of(data).critical(0.01) == Approx(2.5758).epsilon(0.02));
  // A guard: extrapolated from 200 of 20000 draws.
  CHECK(law_of(data).effective_comparisons() == Approx(1).epsilon(0.2));
}

TEST_CASE("independent comparisons have Sidak's") {
  for (const std::size_t replicas : {2000u, 300u}) {
    const auto law = law_of(independent(20, replicas));
    CHECK(law.critical(0.01) == Approx(independent_critical(20, 0.01)).epsilon(0.02));
    CHECK(law.critical(0.05) == Approx(independent_critical(20, 0.05)).epsilon(0.02));
    CHECK(law.critical(1e-6) == Approx(independent_critical(20, 1e-6)).epsilon(0.02));
    // A guard: likewise.
    CHECK(law.effective_comparisons() == Approx(20).epsilon(0.25));
    for (const double p : {0.3, 0.05, 0.01, 1e-4, 1e-9}) CHECK(law.tail(law.critical(p)) == Approx(p).epsilon(0.02));
    CHECK(law.tail(0) == 1);
  }
}

TEST_CASE("more comparisons than replicas, and more than the correlation's cap") {
  CHECK(law_of(independent(300, 100)).critical(0.01) == Approx(independent_critical(300, 0.01)).epsilon(0.03));
  CHECK(law_of(independent(1100, 40)).critical(0.01) > 3.8);
}

TEST_CASE("groups: the spread of a sum, and its place in the law") {
  auto data = independent(4, 20000);
  CHECK(law_of(data, {{0, 1, 2, 3}}).group_std(0) == Approx(2).epsilon(0.03));
  data[1] = data[0];
  CHECK(law_of(data, {{0, 1}}).group_std(0) == Approx(2).epsilon(1e-10));
  // A shift of 1 in each of four independent comparisons is a shift of 2 in their normalised sum.
  const auto law = law_of(independent(4, 20000), {{0, 1, 2, 3}});
  const std::vector<double> shift{0, 0, 0, 0, 2};
  CHECK(law.exceedance(shift, 1e9) == 0);
  CHECK(law.exceedance(std::vector<double>{0, 0, 0, 0, 10}, 3.5) == 1);
  CHECK(law.exceedance(std::vector<double>{3.5, 0, 0, 0, 0}, 3.5) == Approx(0.5).epsilon(0.1));
}

TEST_CASE(
    "the tail is the share of the draws, and beyond the point where these are few that of independent comparisons") {
  // Of at most 2000 draws all are kept: what no shift lifts beyond z is the law itself.
  auto data = independent(6, 40);
  for (std::size_t r = 0; r < 40; ++r) data[1][r] = 0.8 * data[0][r] + 0.6 * data[1][r];
  const std::vector<std::span<const double>> spans(data.begin(), data.end());
  const std::vector<std::vector<std::size_t>> groups{{0, 1, 2}, {3, 4}};
  const std::vector<double> none(8, 0.0);
  // The last 100 draws, but at least 1%, at most a half of all.
  for (const auto& [draws, level] :
       {std::pair<std::size_t, double>{2000, 0.05}, {1000, 0.1}, {300, 1 / 3.0}, {150, 0.5}}) {
    const MaxStatistic law(spans, groups, 3, draws);
    const double resolved = law.critical(level);
    CHECK(law.exceedance(none, resolved) == Approx(level).epsilon(1.01 / static_cast<double>(draws) / level));
    for (const double z : {0.5, 1.5, 0.999 * resolved}) CHECK(law.tail(z) == law.exceedance(none, z));
    for (const double p : {0.9, 0.6, 1.01 * level})
      CHECK(std::abs(law.exceedance(none, law.critical(p)) - p) < 1.01 / static_cast<double>(draws));
    const double comparisons = std::log(1 - level) / std::log(1 - std::erfc(resolved / std::sqrt(2)));
    CHECK(law.effective_comparisons() == Approx(comparisons).epsilon(1e-9));
    for (const double z : {1.001 * resolved, 4.0, 6.0})
      CHECK(law.tail(z) == Approx(1 - std::pow(1 - std::erfc(z / std::sqrt(2)), comparisons)).epsilon(1e-6));
    for (const double p : {0.99 * level, 1e-3})
      CHECK(std::erfc(law.critical(p) / std::sqrt(2)) == Approx(1 - std::pow(1 - p, 1 / comparisons)).epsilon(1e-9));
  }
  const MaxStatistic many(spans, groups, 3);
  const double resolved = many.critical(0.01);
  CHECK(many.effective_comparisons() ==
        Approx(std::log(0.99) / std::log(1 - std::erfc(resolved / std::sqrt(2)))).epsilon(1e-9));
  CHECK(many.tail(1.2) == Approx(many.exceedance(none, 1.2)).epsilon(0.05));
}

TEST_CASE("draws have the sample's correlations, of more replicas than comparisons and of fewer") {
  // P(z1 > 0 or z2 > 0) = 3/4 - asin(rho)/2 pi, where a shift by as much as z leaves no other side. Of 2000 draws it is known to
  // .011, 4 of which are passed once in 16000.
  for (const std::size_t replicas : {30U, 4U}) {
    auto data = independent(6, replicas);
    for (std::size_t r = 0; r < replicas; ++r) data[3][r] = -0.7 * data[0][r] + 0.4 * data[3][r];
    const auto correlation = [&](std::size_t a, std::size_t b) {
      const Moments x = moments(data[a]), y = moments(data[b]);
      double sum = 0;
      for (std::size_t r = 0; r < replicas; ++r) sum += (data[a][r] - x.mean) * (data[b][r] - y.mean);
      return sum / (x.std * y.std * static_cast<double>(replicas - 1));
    };
    const auto law = law_of(data, {{0, 1, 2, 3, 4, 5}, {1, 4}});
    double all = 0;
    for (std::size_t a = 0; a < 6; ++a)
      for (std::size_t b = 0; b < 6; ++b) all += correlation(a, b);
    CHECK(law.group_std(0) == Approx(std::sqrt(all)).epsilon(2e-3));
    CHECK(law.group_std(1) == Approx(std::sqrt(2 + 2 * correlation(1, 4))).epsilon(2e-3));
    for (const auto& [a, b] : {std::pair<std::size_t, std::size_t>{0, 3}, {1, 4}, {2, 5}}) {
      std::vector<double> shift(8, 0.0);
      shift[a] = shift[b] = 50;
      const double expected = 0.75 - std::asin(correlation(a, b)) / (2 * std::numbers::pi);
      CHECK(std::abs(law.exceedance(shift, 50) - expected) < 0.045);
    }
  }
}

TEST_CASE("one comparison's law is that of the absolute values of the draws themselves") {
  const auto data = independent(1, 30);
  const std::vector<std::span<const double>> spans(data.begin(), data.end());
  const MaxStatistic law(spans, {}, 12, 300);
  random::Stream stream(12, 0, 0, random::Purpose::other);
  std::vector<double> draws(512);
  stream.normals(std::span(draws).first(256));
  stream.normals(std::span(draws).last(256));
  draws.resize(300);
  for (double& z : draws) z = std::abs(z);
  std::ranges::sort(draws);
  for (const double p : {0.9, 0.6, 0.4}) CHECK(law.critical(p) == Approx(quantile(draws, 1 - p)).epsilon(1e-14));
}

TEST_CASE("components that together carry less than a ten-thousandth of the correlations are left out") {
  // Two comparisons of correlation rho have components of shares (1 + rho)/2 and (1 - rho)/2; without the second they are one.
  const auto spread_of_both = [](double share, std::size_t replicas) {
    std::vector<std::vector<double>> data(2, std::vector<double>(replicas, 0.0));
    const double rho = 1 - 2 * share;
    data[0] = {1, -1, 0, 0};
    data[1] = {rho, -rho, std::sqrt(1 - rho * rho), -std::sqrt(1 - rho * rho)};
    for (auto& values : data) values.resize(replicas);
    return law_of(data, {{0, 1}}).group_std(0);
  };
  for (const std::size_t replicas : {4U, 9U}) {
    CHECK(spread_of_both(0.99e-4, replicas) == Approx(2).epsilon(1e-12));
    CHECK(spread_of_both(1.01e-4, replicas) == Approx(2 * std::sqrt(1 - 1.01e-4)).epsilon(1e-9));
  }
  // In any unit, and nothing of what does not move.
  std::vector<std::vector<double>> data = independent(2, 50);
  const double both = law_of(data, {{0, 1}}).group_std(0);
  for (double& x : data[0]) x = std::ldexp(x, 900);
  for (double& x : data[1]) x = std::ldexp(x, -900);
  CHECK(law_of(data, {{0, 1}}).group_std(0) == Approx(both).epsilon(1e-12));
  for (double& x : data[0]) x = 0;
  CHECK(law_of(data, {{0, 1}}).group_std(0) == Approx(1).epsilon(1e-12));
}

TEST_CASE("a group moves as its cells do: as a further cell that is their sum") {
  for (const std::size_t replicas : {3U, 200U}) {
    auto data = independent(3, replicas);
    // A group sums cells in units of their spread.
    for (std::size_t c = 0; c < 2; ++c) {
      const double std = moments(data[c]).std;
      for (double& x : data[c]) x /= std;
    }
    for (std::size_t r = 0; r < replicas; ++r) data[2][r] = data[0][r] + data[1][r];
    const auto alone = law_of(data), with_sum = law_of(data, {{0, 1}});
    for (const double shift : {-2.0, 0.5, 1.0}) {
      CAPTURE(shift);
      const double share = alone.exceedance(std::vector<double>{0, 0, shift}, 2.5);
      CHECK(share > 0.01);
      CHECK(with_sum.exceedance(std::vector<double>{0, 0, shift, shift}, 2.5) == share);
      CHECK(with_sum.exceedance(std::vector<double>{0, 0, shift, -shift}, 2.5) > share);
    }
  }
}
