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
#include "tests/validation/verdicts/sample_shape.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using namespace edgewise::validation;

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
  // A sample of one value that all draws of rare noise have missed: no more is missing than they would bring.
  const std::vector<double> still(16, 2.0);
  CHECK(kind(still, 2.5, 0.75, 0.5) == CellKind::unmet);
  CHECK(kind(still, 2.5, 0.75, 0.49) == CellKind::frozen);
  CHECK(kind(still, 2.5, 0.75) == CellKind::frozen);
  // Nothing is missing where that noise is nothing to the mean.
  CHECK(kind(still, 2, 0, 1e-20) == CellKind::deterministic);
  CHECK(kind(still, 2, 0, 1e-15) == CellKind::deterministic);
  CHECK(kind(still, 2, 0.1, 0.01) == CellKind::unmet);
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
  t.columns.push_back({{"o2", "", ""}, {1, 1, 1}, {}});
  t.columns[0].std = {0, 2, 0.5};
  const std::vector<double> ones(100, 1.0), plain = normal(100, 1, 0.1);
  const ComparedCells shared =
      compared_cells(t, sample_of({0, 1, 2}, {{ones, skewed, skewed}, {ones, plain, plain}, {ones, ones, plain}}));
  REQUIRE(shared.cells.size() == 6);
  CHECK(shared.cells[0].kind == CellKind::heavy);
  CHECK(shared.cells[1].kind == CellKind::fluctuating);
  CHECK(shared.cells[2].kind == CellKind::heavy);
  CHECK(shared.cells[3].kind == CellKind::fluctuating);
  // What stands still does so whatever others do; of what is known the deviation tells.
  CHECK(shared.cells[4].kind == CellKind::deterministic);
  t.columns[1].std = {0, 0.1, 0.1};
  CHECK(compared_cells(t, sample_of({0, 1, 2}, {{ones, skewed, skewed}, {ones, plain, plain}, {ones, ones, plain}}))
            .cells[2]
            .kind == CellKind::fluctuating);
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

TEST_CASE(
    "a replica's skewness is the sample's, shrunk to the usual one of its coefficient of variation; the tails are its "
    "range") {
  std::vector<std::vector<std::vector<double>>> values(3, std::vector<std::vector<double>>(4));
  random::Stream stream(19, 0);
  for (std::size_t r = 0; r < 50; ++r)
    for (std::size_t t = 0; t < 4; ++t) {
      const double z = stream.normal();
      values[0][t].push_back(std::exp((0.2 + 0.2 * static_cast<double>(t)) * z));
      values[1][t].push_back(2 - std::exp(0.4 * stream.normal() + 0.1 * static_cast<double>(t)));
      values[2][t].push_back(1 + 0.1 * z + (t == 2 && r == 7 ? -2 : 0));  // below 0 once
    }
  models::Trajectory t = theory_of({0, 1, 2, 3}, {{1, 1.1, 1.2, 1.3}, {1, -0.5, 0.4, 0.3}, {1, 1, 1, 1}});
  t.columns[0].std = {0, 0.7, 0.8, 0.9};
  const Sample sample = sample_of({0, 1, 2, 3}, values);
  const ComparedCells shared = compared_cells(t, sample);
  REQUIRE(shared.cells.size() == 9);
  for (std::size_t o = 0; o < 3; ++o) {
    double least = 0, most = 0;
    bool positive = true;
    for (std::size_t k = 1; k < 4; ++k) {
      const ComparedCell& cell = shared.cells[3 * o + k - 1];
      const auto& x = values[o][k];
      const Shape seen = shape(x);
      const double theory = t.columns[o].value[k], std = o == 0 ? t.columns[0].std[k] : seen.std;
      const bool above = theory > 0 && *std::ranges::min_element(x) >= 0;
      const double c = above ? std / theory : 0, usual = 2.5 * c, spread = 0.5 + 0.5 * c;
      const double expected = (spread * spread * seen.skewness + 6 / 50. * usual) / (spread * spread + 6 / 50.);
      CHECK(cell.skewness == Approx(expected).epsilon(1e-10));
      CHECK(cell.positive() == above);
      CHECK(cell.std() == Approx(std).epsilon(1e-12));
      CHECK(cell.scale() == std::abs(theory));
      least = std::min(least, expected);
      most = std::max(most, expected);
      positive = positive && above;
    }
    CHECK(shared.tails[o].least == Approx(least).epsilon(1e-10));
    CHECK(shared.tails[o].most == Approx(most).epsilon(1e-10));
    CHECK(shared.tails[o].positive == positive);
    CHECK(positive == (o == 0));
  }
}

TEST_CASE("a sample of one value: what it may have missed by its thresholds, met from both sides") {
  // `largest` at step 0, then n replicas at `value`; a second observable that fluctuates, or not.
  struct Still {
    double value = 0, theory = 0, std = 0, largest = 4, rounding = 0;
    std::size_t n = 200;
    bool random = true;
  };
  const auto kind_of = [](const Still& s) {
    models::Trajectory t = theory_of({0, 1}, {{1, s.theory}, {1, 1}});
    if (s.std > 0) t.columns[0].std = {0, s.std};
    t.columns[0].rounding = s.rounding;
    const Sample sample = sample_of(
        {0, 1}, {{std::vector<double>(s.n, s.largest), std::vector<double>(s.n, s.value)},
                 {std::vector<double>(s.n, 1.0), s.random ? normal(s.n, 1, 0.1) : std::vector<double>(s.n, 1.0)}});
    const ComparedCells shared = compared_cells(t, sample);
    REQUIRE(shared.cells.size() == 2);
    return shared.cells[0].kind;
  };
  // All of n replicas miss what has probability p with probability below 1% where p > log(100)/n.
  for (const std::size_t n : {200U, 50U})
    for (const double by : {0.99, 1.01}) {
      CAPTURE(n);
      CAPTURE(by);
      const double met = std::log(100.0) / static_cast<double>(n);
      const bool missed = by < 1;
      // With the exact deviation: P >= t^2/(t^2 + s^2).
      const double t = 0.02, s = t * std::sqrt(1 / (by * met) - 1);
      CHECK(kind_of({.theory = t, .std = s, .n = n}) == (missed ? CellKind::heavy : CellKind::frozen));
      CHECK(kind_of({.theory = -t, .std = s, .n = n}) == (missed ? CellKind::heavy : CellKind::frozen));
      CHECK(kind_of({.value = 3, .theory = 3 - t, .std = s, .n = n}) == (missed ? CellKind::heavy : CellKind::frozen));
      // Without: runs as large as 4.
      const double away = by * met * 4;
      CHECK(kind_of({.theory = away, .n = n}) == (missed ? CellKind::heavy : CellKind::deterministic));
      CHECK(kind_of({.theory = away, .n = n, .random = false}) == CellKind::deterministic);
      CHECK(kind_of({.value = 3, .theory = 3 - away, .n = n}) == CellKind::deterministic);
    }
  // A share whose runs would lie farther off than any value was: variance/away against 4, or against the value itself.
  for (const double by : {0.99, 1.01}) {
    CHECK(kind_of({.value = 3, .theory = 3 - 0.01, .std = std::sqrt(by * 0.04)}) ==
          (by < 1 ? CellKind::heavy : CellKind::frozen));
    CHECK(kind_of({.value = 3, .theory = 3 - 0.01, .std = std::sqrt(by * 0.03), .largest = 1}) ==
          (by < 1 ? CellKind::heavy : CellKind::frozen));
    // At 0 that is no matter.
    CHECK(kind_of({.theory = 0.01, .std = 0.3}) == CellKind::heavy);
    // What lies within the theory's rounding is 0, whether of the mean, of the theory or of what is between.
    CHECK(kind_of({.value = 0.001 * by, .theory = 0.01, .std = 0.3, .rounding = 0.001}) ==
          (by < 1 ? CellKind::heavy : CellKind::frozen));
    CHECK(kind_of({.theory = 0.001 * by, .std = 0.3, .rounding = 0.001}) ==
          (by < 1 ? CellKind::deterministic : CellKind::heavy));
    CHECK(kind_of({.value = 3, .theory = 3 - 0.001 * by, .std = 0.05, .rounding = 0.001}) ==
          (by < 1 ? CellKind::deterministic : CellKind::heavy));
    CHECK(kind_of({.value = 3, .theory = 3, .std = 0.001 * by, .rounding = 0.001}) ==
          (by < 1 ? CellKind::deterministic : CellKind::frozen));
  }
  CHECK(kind_of({.value = 3, .theory = 3, .std = 0.3}) == CellKind::frozen);
  CHECK(kind_of({.value = 1e-291, .theory = 0.01, .std = 0.3}) == CellKind::heavy);
  CHECK(kind_of({.value = 1e-289, .theory = 0.01, .std = 0.3}) == CellKind::frozen);
  CHECK(kind_of({.value = 3, .theory = 1, .std = infinite}) == CellKind::heavy);
}

TEST_CASE("what fluctuates does so by more than its rounding, and by more than that of its mean") {
  const auto fluctuating = [](double mean, double spread, double rounding) {
    models::Trajectory t = theory_of({0, 1}, {{1, mean}});
    t.columns[0].rounding = rounding;
    std::vector<double> values;
    for (int r = 0; r < 50; ++r) values.push_back(mean + (r % 2 ? spread : -spread) * std::sqrt(49 / 50.));
    return compared_cells(t, sample_of({0, 1}, {{std::vector<double>(50, 1.0), values}})).cells[0].kind ==
           CellKind::fluctuating;
  };
  for (const double by : {0.98, 1.02}) {
    CHECK(fluctuating(2, by * 2e-10, 0) == (by > 1));
    CHECK(fluctuating(-2, by * 2e-10, 0) == (by > 1));
    CHECK(fluctuating(2, by * 1e-3, 1e-3) == (by > 1));
  }
}

TEST_CASE("over decades: of many replicas by their number; a sample that is mostly 0, or never above it") {
  // e^(sigma z) at the quantiles of z, of n values: the median is 1 and the 95% quantile nearly e^(1.645 sigma).
  const auto heavy = [](std::size_t n, double sigma, double std = 0) {
    std::vector<double> values;
    double mean = 0;
    for (std::size_t r = 0; r < n; ++r) {
      // Alike but for the last twentieth, so that neither the skewness nor one replica decides.
      const double share = static_cast<double>(r) / static_cast<double>(n - 1);
      values.push_back(share < 0.5     ? share * 2
                       : share <= 0.95 ? std::exp(1.645 * sigma * (share - 0.5) / 0.45)
                                       : std::exp(1.645 * sigma));
      mean += values.back() / static_cast<double>(n);
    }
    return kind(values, mean, std) == CellKind::heavy;
  };
  for (const double by : {0.98, 1.02}) {
    CHECK(heavy(101, by * std::sqrt(3.0)) == (by > 1));
    // log(n)/2 = 3.8 is more than 3.
    CHECK(heavy(2001, by * std::sqrt(0.5 * std::log(2001.0))) == (by > 1));
  }
  // With an exact deviation it is that which tells.
  CHECK_FALSE(heavy(101, 1.9, 6));
  std::vector<double> zeros(100, 0.0);
  for (std::size_t r = 0; r < 12; ++r) zeros[r] = 1 + 0.01 * static_cast<double>(r);
  CHECK(kind(zeros, 0.13) == CellKind::heavy);
  for (std::size_t r = 3; r < 12; ++r) zeros[r] = 0;  // the 95% quantile is 0 as well
  CHECK(kind(zeros, 0.03) == CellKind::fluctuating);
}

TEST_CASE("a quantity is positive where its theory is above 0 and no replica is below") {
  const auto positive = [](double theory, double least) {
    ComparedCell cell;
    const double values[] = {1, least, 2};
    cell.values = values;
    cell.theory = theory;
    return cell.positive();
  };
  CHECK(positive(1, 0.5));
  CHECK(positive(1, 0));
  CHECK_FALSE(positive(1, -1e-9));
  CHECK_FALSE(positive(0, 0.5));
  CHECK_FALSE(positive(-1, 0.5));
}

TEST_CASE("without samples a predictor has an error like any other; a start at step 0 is given") {
  Sample s = sample_of({0, 5}, {{{1, 2, 3}, {4, 5, 6}}});
  const models::Trajectory t = theory_of({0, 5}, {{2, 5}});
  CHECK(compared_cells(t, s).steps == std::vector<std::uint64_t>{5});
  s.axis = &models::samples_axis();
  CHECK(compared_cells(t, s).steps == std::vector<std::uint64_t>{0, 5});
}

TEST_CASE("a tail that the sample alone shows is no sign of one elsewhere") {
  std::vector<double> outlier(100, 1.0);
  outlier[3] = 2;
  const std::vector<double> ones(100, 1.0), plain = normal(100, 1, 0.1);
  const models::Trajectory t = theory_of({0, 1}, {{1, 1}, {1, 1}});
  const ComparedCells shared = compared_cells(t, sample_of({0, 1}, {{ones, outlier}, {ones, plain}}));
  CHECK(shared.cells[0].kind == CellKind::heavy);
  CHECK(shared.cells[1].kind == CellKind::fluctuating);
}
