#include "validation/verdicts/max_statistic.hpp"

#include <doctest/doctest.h>

#include <cmath>
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
