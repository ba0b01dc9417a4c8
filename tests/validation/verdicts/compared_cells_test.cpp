#include "validation/verdicts/compared_cells.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "models/framework/absent.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

/// `values[o][t][r]` at these steps.
Sample sample_of(std::vector<std::uint64_t> steps, const std::vector<std::vector<std::vector<double>>>& values) {
  Sample s;
  s.steps = std::move(steps);
  s.replicas = values[0][0].size();
  for (std::size_t o = 0; o < values.size(); ++o) {
    s.observables.push_back({"o" + std::to_string(o), "", ""});
    for (const auto& cell : values[o]) s.values.push_back(cell);
  }
  return s;
}

models::Trajectory theory_of(std::vector<double> steps, const std::vector<std::vector<double>>& value) {
  models::Trajectory t;
  t.steps = std::move(steps);
  for (std::size_t o = 0; o < value.size(); ++o) t.columns.push_back({{"o" + std::to_string(o), "", ""}, value[o], {}});
  return t;
}

/// The kind of one observable at step 1, by values of the replicas, the theory and its exact deviation.
CellKind kind(const std::vector<double>& values, double theory, double std = 0, double unmet = 0) {
  models::Trajectory t = theory_of({0, 1}, {{1, theory}});
  if (std > 0) t.columns[0].std = {0, std};
  t.columns[0].unmet = {0, unmet};
  const Sample sample = sample_of({0, 1}, {{std::vector<double>(values.size(), 1.0), values}});
  const ComparedCells shared = compared_cells(t, sample);
  REQUIRE(shared.cells.size() == 1);
  return shared.cells[0].kind;
}

std::vector<double> normal(std::size_t n, double mean, double std) {
  std::vector<double> out;
  random::Stream stream(5, 0);
  for (std::size_t r = 0; r < n; ++r) out.push_back(mean + std * stream.normal());
  return out;
}

}  // namespace

TEST_CASE(
    "what theory and sample share: observables by name, steps after 0 that both have, where the theory is valid") {
  const std::vector<double> two{1, 3};
  models::Trajectory t = theory_of({0, 1, 2, 4, 8, 16}, {{9, 1, 2, 4, 8, 16}, {9, 10, 20, 40, 80, 160}});
  t.columns[0].observable.name = "a";
  t.columns[1].observable.name = "b";
  t.columns[1].valid_from = 4;
  t.valid_until = 8;
  Sample s = sample_of({0, 2, 3, 4, 8, 16}, {std::vector(6, two), std::vector(6, two), std::vector(6, two)});
  s.observables = {{"b", "", ""}, {"c", "", ""}, {"a", "", ""}};
  const ComparedCells shared = compared_cells(t, s);
  CHECK(shared.steps == std::vector<std::uint64_t>{2, 4, 8});
  CHECK(shared.observables == std::vector<std::string>{"b", "a"});
  REQUIRE(shared.cells.size() == 5);
  const double theory[] = {40, 80, 2, 4, 8};
  const std::size_t time[] = {1, 2, 0, 1, 2}, observable[] = {0, 0, 1, 1, 1};
  for (std::size_t c = 0; c < 5; ++c) {
    CAPTURE(c);
    CHECK(shared.cells[c].theory == theory[c]);
    CHECK(shared.cells[c].time == time[c]);
    CHECK(shared.cells[c].observable == observable[c]);
    CHECK(shared.cells[c].moments.mean == 2);
    CHECK(shared.cells[c].gap() == 2 - theory[c]);
    CHECK(shared.cells[c].scale() == theory[c]);
  }
  CHECK(shared.place(shared.cells[1]) == "b at step 8");
  CHECK(shared.place(shared.cells[2]) == "a at step 2");
  CHECK_FALSE(shared.asked_beyond_sample);
  // A sample that ends before the theory's validity does not have all that is asked.
  s.steps = {0, 2, 3, 4, 5, 6};
  CHECK(compared_cells(t, s).asked_beyond_sample);
  t.valid_until.reset();
  CHECK(compared_cells(t, s).asked_beyond_sample);
  // Where a replica has no value nothing is compared.
  s.values[2 * 6 + 1][1] = models::absent;
  CHECK(compared_cells(t, s).cells.size() == 2);
}

TEST_CASE("the largest value so far is of one replica, at every step up to this") {
  const Sample s = sample_of({0, 1, 2, 3}, {{{-7, 50}, {2, 50}, {8, 50}, {3, 50}}});
  const ComparedCells shared = compared_cells(theory_of({0, 1, 2, 3}, {{1, 1, 1, 1}}), s);
  REQUIRE(shared.cells.size() == 3);
  CHECK(shared.cells[0].largest == 7);
  CHECK(shared.cells[1].largest == 8);
  CHECK(shared.cells[2].largest == 8);
}

TEST_CASE("kinds of comparisons") {
  CHECK(kind(normal(100, 2, 0.1), 2) == CellKind::fluctuating);
  CHECK(kind(normal(100, 2, 0.1), 2, 0.1) == CellKind::fluctuating);
  CHECK(kind(normal(7, 2, 0.1), 2) == CellKind::few);
  CHECK(kind(normal(8, 2, 0.1), 2) == CellKind::fluctuating);
  CHECK(kind(std::vector<double>(100, 2.0), 2) == CellKind::deterministic);
  CHECK(kind(std::vector<double>(100, 2.0), 2, 0.1) == CellKind::frozen);
  CHECK(kind(std::vector<double>(100, 2.0), 2, infinite) == CellKind::heavy);
  // Skewed, and known to fluctuate more than twice as much as the sample.
  std::vector<double> skewed = normal(100, 2, 0.1);
  for (double& x : skewed) x = std::exp(5 * (x - 2));
  CHECK(kind(skewed, 1, 0.5) == CellKind::fluctuating);
  CHECK(kind(skewed, 1, 2) == CellKind::heavy);
  // An exact deviation of c means, as log-normal tails have it: 3 c + c^3 against 0.75 sqrt 100 = 7.5, met at c = 1.4608.
  CHECK(kind(normal(100, 2, 0.1), 2, 1.459 * 2) == CellKind::fluctuating);
  CHECK(kind(normal(100, 2, 0.1), 2, 1.463 * 2) == CellKind::heavy);
  // One replica in a hundred is the whole variance: a skewness near 10.
  std::vector<double> outlier(100, 1.0);
  outlier[3] = 2;
  CHECK(kind(outlier, 1) == CellKind::heavy);
  // Rare label noise that the sample has not met: half a standard error, 0.1/10/2, is passed over.
  const std::vector<double> exactly = normal(100, 2, 0.1);
  double mean = 0, squares = 0;
  for (const double x : exactly) mean += x / 100;
  for (const double x : exactly) squares += (x - mean) * (x - mean) / 99;
  const double half = 0.5 * std::sqrt(squares / 100);
  CHECK(kind(exactly, 2, 0, 0.99 * half) == CellKind::fluctuating);
  CHECK(kind(exactly, 2, 0, 1.01 * half) == CellKind::unmet);
}

TEST_CASE("values over decades, without an exact deviation, are too far apart for their mean") {
  // Median 1, 95% quantile q, of 101 values: sigma = log(q)/1.645, and sigma^2 against max(3, log(101)/2).
  const auto spread = [](double q) {
    std::vector<double> values(101, 1.0);
    for (std::size_t r = 0; r < 30; ++r) values[r] = 1 + (q - 1) * static_cast<double>(r + 1) / 30;
    for (std::size_t r = 0; r < 20; ++r) values[r] = q;
    for (std::size_t r = 40; r < 101; ++r) values[r] = 1 - 1e-3 * static_cast<double>(r);
    return values;
  };
  const double limit = std::exp(1.645 * std::sqrt(3.0));
  std::vector<double> below = spread(0.99 * limit), above = spread(1.02 * limit);
  // The median is not exactly 1: measured against it.
  const auto of_median = [](std::vector<double> x) {
    std::sort(x.begin(), x.end());
    return x[50];
  };
  for (double& x : below) x /= of_median(spread(0.99 * limit));
  CHECK(of_median(below) == Approx(1));
  for (auto* values : {&below, &above}) {
    std::vector<double> sorted = *values;
    std::sort(sorted.begin(), sorted.end());
    const double sigma = std::log(sorted[95] / sorted[50]) / 1.645;
    double mean = 0;
    for (const double x : *values) mean += x / 101;
    CHECK((kind(*values, mean) == CellKind::heavy) == (sigma * sigma > 3));
    // A negative value has no decades.
    (*values)[100] = -1e-3;
    CHECK(kind(*values, mean) == CellKind::fluctuating);
  }
}

TEST_CASE("what rare runs do to one observable they do to those of whose tail less is known, at the same step") {
  std::vector<double> skewed = normal(100, 2, 0.1);
  for (double& x : skewed) x = std::exp(5 * (x - 2));
  models::Trajectory t = theory_of({0, 1, 2}, {{1, 1, 1}, {1, 1, 1}});
  t.columns[0].std = {0, 2, 0.5};
  const std::vector<double> ones(100, 1.0), plain = normal(100, 1, 0.1);
  const ComparedCells shared = compared_cells(t, sample_of({0, 1, 2}, {{ones, skewed, skewed}, {ones, plain, plain}}));
  REQUIRE(shared.cells.size() == 4);
  CHECK(shared.cells[0].kind == CellKind::heavy);
  CHECK(shared.cells[1].kind == CellKind::fluctuating);
  CHECK(shared.cells[2].kind == CellKind::heavy);
  CHECK(shared.cells[3].kind == CellKind::fluctuating);
}

TEST_CASE("numbers that do not fluctuate match to rounding, or to the error that is allowed") {
  const auto match = [](double mean, double theory, double allowed, double largest = 1, double rounding = 0) {
    ComparedCell cell;
    cell.moments.mean = mean;
    cell.theory = theory;
    cell.largest = largest;
    cell.rounding = rounding;
    return deterministic_match(cell, allowed);
  };
  CHECK(match(2, 2, 0));
  CHECK(match(2 * (1 + 1e-13), 2, 0));
  CHECK_FALSE(match(2.002, 2, 0));
  CHECK(match(2.002, 2, 0.0011));
  CHECK_FALSE(match(2.002, 2, 0.0009));
  CHECK(match(2.002, 2, 0, 1, 0.0021));
  CHECK_FALSE(match(2.002, 2, 0, 1, 0.0019));
  // Nothing but the rounding of what was there: 1e-26 of it, as the square of a difference is.
  CHECK(match(0.9e-26, 0.3e-26, 0));
  CHECK_FALSE(match(0.9e-26, 0.3e-26, 0, 1e-6));
  // The rounding of a difference, 2 sqrt(v) sqrt(1e-26) of v = 1e-20: 2e-23.
  CHECK(match(1e-20 + 1.9e-23, 1e-20, 0));
  CHECK_FALSE(match(1e-20 + 2.2e-23, 1e-20, 0));
}
