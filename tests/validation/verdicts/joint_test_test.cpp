#include "validation/verdicts/joint_test.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/validation/verdicts/sample_shape.hpp"
#include "validation/monte_carlo/statistics.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using namespace edgewise::validation;

namespace {

using Range = std::pair<double, double>;

/// The skewnesses that are left open, as OpenSkewness says in words.
Range open_range(double shrunk, double of_sample, double least, double most, bool positive) {
  std::vector<double> low{shrunk, of_sample}, high{shrunk, (shrunk + most) / 2};
  if (!positive || std::abs(least) > most) low.push_back((shrunk + least) / 2);
  if (!positive) high.push_back(of_sample);
  return {*std::ranges::min_element(low), *std::ranges::max_element(high)};
}

}  // namespace

TEST_CASE("skewnesses that a sample leaves open: half way to the most skewed step, on both sides of what has no sign") {
  for (const double shrunk : {-0.3, 0.4})
    for (const double of_sample : {-0.5, 0.1, 0.9})
      for (const double least : {-0.2, -1.6})
        for (const double most : {0.6, 1.2})
          for (const bool positive : {true, false}) {
            const OpenSkewness open(shrunk, of_sample, {least, most, positive});
            const auto [low, high] = open_range(shrunk, of_sample, least, most, positive);
            CHECK(open.low == low);
            CHECK(open.high == high);
          }
}

TEST_CASE("what is forgiven of a score, and how few replicas widen their law") {
  CHECK(forgiven(3, 1) == 2);
  CHECK(forgiven(-3, 1) == -2);
  CHECK(forgiven(0.5, 1) == 0);
  CHECK(widening_of_few(8) == Approx(1 + 1.2 * (1 / 8. - 1 / 200.)).epsilon(1e-14));
  CHECK(widening_of_few(200) == 1);
  CHECK(widening_of_few(1e4) == 1);
}

TEST_CASE(
    "scores of steps and stretches written out: deviations known at some steps, either sign, observables that begin "
    "late") {
  constexpr std::size_t replicas = 60, times = 8;
  constexpr auto n = static_cast<double>(replicas);
  Sample sample;
  sample.replicas = replicas;
  models::Trajectory theory;
  for (std::size_t t = 0; t <= times; ++t) {
    sample.steps.push_back(t);
    theory.steps.push_back(static_cast<double>(t));
  }
  const double mean[] = {1.9, 0.4, 3};
  for (std::size_t o = 0; o < 3; ++o) {
    const models::Observable observable{"o" + std::to_string(o), "", ""};
    sample.observables.push_back(observable);
    theory.columns.push_back({observable, std::vector<double>(times + 1, mean[o]), {}});
    for (std::size_t t = 0; t <= times; ++t) {
      theory.columns[o].value[t] *= 1 + 0.02 * static_cast<double>(t);
      sample.values.emplace_back();
    }
  }
  for (std::size_t r = 0; r < replicas; ++r) {
    random::Stream stream(23, r);
    double walk = 0;
    for (std::size_t t = 0; t <= times; ++t) {
      walk = 0.7 * walk + 0.3 * stream.normal();
      sample.values[t].push_back(1.9 * std::exp(0.5 * walk));
      sample.values[times + 1 + t].push_back(0.6 - std::exp(0.3 * walk + 0.4 * stream.normal()) + 0.9);
      sample.values[2 * times + 2 + t].push_back(3.2 + walk + 0.2 * stream.normal());
    }
  }
  // Of the first known at every other step, of the second never, of the third always.
  theory.columns[0].std = {0, 0, 0.5, 0, 0.5, 0, 0.5, 0, 0.5};
  theory.columns[2].std.assign(times + 1, 0.45);
  theory.columns[2].valid_from = 5;
  VerdictOptions options;
  options.allowed = 0.01;
  options.power = 0.8;
  options.false_alarm = 0.03;
  const ComparedCells shared = compared_cells(theory, sample);
  std::vector<const ComparedCell*> cells;
  for (const ComparedCell& cell : shared.cells) cells.push_back(&cell);
  REQUIRE(cells.size() == 20);
  const JointTest test(cells, shared, options, 11);

  const std::vector<std::vector<std::size_t>> groups = {{0, 1, 2, 3, 4, 5, 6, 7},
                                                        {0, 1, 2, 3},
                                                        {4, 5, 6, 7},
                                                        {0, 1},
                                                        {2, 3},
                                                        {4, 5},
                                                        {6, 7},
                                                        {8, 9, 10, 11, 12, 13, 14, 15},
                                                        {8, 9, 10, 11},
                                                        {12, 13, 14, 15},
                                                        {8, 9},
                                                        {10, 11},
                                                        {12, 13},
                                                        {14, 15},
                                                        {16, 17, 18, 19},
                                                        {16, 17},
                                                        {18, 19}};
  std::vector<std::span<const double>> spans;
  for (const ComparedCell* cell : cells) spans.push_back(cell->values);
  const MaxStatistic law(spans, groups, 11);
  const auto gamma_score = [&](double z, double skewness) {
    const double k = 4 * n / (skewness * skewness), x = skewness > 0 ? z : -z;
    return (skewness > 0 ? 1 : -1) * (std::cbrt(1 + x / std::sqrt(k)) - 1 + 1 / (9 * k)) * std::sqrt(9 * k);
  };
  const auto hall = [&](double t, double skewness) {
    const double g = skewness / std::sqrt(n);
    return normal_from_student((std::pow(1 + g * t / 3, 3) - 1) / g + g / 6, n - 1);
  };
  const auto open_score = [&](double t, const Range& range) {
    const double score = hall(t, t > 0 ? range.first : range.second);
    return score * t <= 0 ? 0 : score;
  };
  const auto off = [](double z, double slack) { return std::copysign(std::max(0.0, std::abs(z) - slack), z); };
  double least[3] = {}, most[3] = {};
  for (const ComparedCell* cell : cells) {
    least[cell->observable] = std::min(least[cell->observable], cell->skewness);
    most[cell->observable] = std::max(most[cell->observable], cell->skewness);
  }
  CHECK(least[1] < -0.5);
  CHECK_FALSE(shared.tails[1].positive);
  std::vector<double> raw, slack, scores;
  std::vector<std::optional<Range>> open;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const std::size_t o = c < 8 ? 0 : c < 16 ? 1 : 2, t = o == 2 ? c - 16 + 5 : c % 8 + 1;
    const auto& values = sample.values[o * (times + 1) + t];
    const Shape s = shape(values);
    const double known = theory.columns[o].std.empty() ? 0 : theory.columns[o].std[t], std = known > 0 ? known : s.std;
    const double mu = theory.columns[o].value[t];
    raw.push_back(std::sqrt(n) * (s.mean - mu) / std);
    slack.push_back(std::sqrt(n) * 0.01 * mu / std);
    const double left = off(raw[c], slack[c]);
    open.emplace_back();
    if (known == 0) open[c] = open_range(cells[c]->skewness, s.skewness, least[o], most[o], o != 1);
    scores.push_back(known > 0 ? gamma_score(left, cells[c]->skewness) : open_score(left, *open[c]));
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    double z = 0, forgive = 0, usual = 0;
    std::vector<double> sum(replicas);
    const std::size_t o = g < 7 ? 0 : g < 14 ? 1 : 2;
    for (const std::size_t c : groups[g]) {
      z += raw[c];
      forgive += slack[c];
      usual += cells[c]->skewness;
      const Shape s = shape({cells[c]->values.begin(), cells[c]->values.end()});
      for (std::size_t r = 0; r < replicas; ++r) sum[r] += (cells[c]->values[r] - s.mean) / s.std;
    }
    const auto size = static_cast<double>(groups[g].size());
    const double spread = law.group_std(g), of_sum = shape(sum).skewness;
    const double skewness = (0.25 * of_sum + 6 / n * usual * spread / size / size) / (0.25 + 6 / n);
    const double left = off(z / spread, forgive / spread);
    open.emplace_back();
    // Known throughout in the third alone.
    if (o < 2) open.back() = open_range(skewness, of_sum, least[o], most[o], o != 1);
    scores.push_back(o < 2 ? open_score(left, *open.back()) : normal_from_student(gamma_score(left, skewness), n - 1));
  }
  REQUIRE(test.scores().size() == scores.size());
  double largest = 0;
  std::size_t worst = 0;
  for (std::size_t c = 0; c < scores.size(); ++c) {
    CAPTURE(c);
    CHECK(test.scores()[c] == Approx(scores[c]).epsilon(1e-8).scale(1e-3));
    largest = std::max(largest, std::abs(scores[c]));
    if (c < cells.size() && std::abs(scores[c]) > std::abs(scores[worst])) worst = c;
  }
  CHECK(std::ranges::count_if(scores, [](double z) { return std::abs(z) > 0.5; }) > 20);
  CHECK(test.largest() == Approx(largest).epsilon(1e-9));
  CHECK(&test.worst_cell() == cells[worst]);
  CHECK_FALSE(test.exact());
  const double widening = 1 + 1.2 * (1 / n - 1 / 200.);
  CHECK(test.critical() == Approx(widening * law.critical(0.03)).epsilon(1e-12));
  CHECK(test.p_value() == Approx(law.tail(largest / widening)).epsilon(1e-8));

  const auto crossing = [](double low, double high, const auto& criterion) {
    for (int i = 0; i < 100; ++i) {
      const double middle = (low + high) / 2;
      (criterion(middle) < 0 ? low : high) = middle;
    }
    return low;
  };
  const double critical = test.critical();
  std::vector<double> lost;
  for (const auto& range : open) {
    lost.push_back(0);
    if (!range) continue;
    const double up = crossing(0, 30, [&](double t) { return hall(t, range->first) - critical; });
    const double down = crossing(0, 30, [&](double t) { return -hall(-t, range->second) - critical; });
    lost.back() = std::max(up, down) - critical;
  }
  // Steps 1 to 4 and 5 to 8, of which the third observable has the second half alone.
  double detectable = 0;
  for (std::size_t o = 0; o < 3; ++o)
    for (const bool late : {false, true}) {
      if (o == 2 && !late) continue;
      std::vector<double> unit(scores.size(), 0.0);
      for (std::size_t c = 0; c < cells.size(); ++c) {
        const std::size_t own = c < 8 ? 0 : c < 16 ? 1 : 2, t = own == 2 ? c - 16 + 5 : c % 8 + 1;
        if (own != o || (t > 4) != late) continue;
        unit[c] = std::sqrt(n) * theory.columns[o].value[t] / cells[c]->std();
      }
      for (std::size_t g = 0; g < groups.size(); ++g)
        for (const std::size_t c : groups[g]) unit[cells.size() + g] += unit[c] / law.group_std(g);
      detectable = std::max(detectable, crossing(0, 20, [&](double share) {
                              std::vector<double> shift;
                              for (std::size_t c = 0; c < unit.size(); ++c)
                                shift.push_back(std::max(0.0, share * unit[c] - lost[c]));
                              return law.exceedance(shift, critical) - 0.8;
                            }));
    }
  CHECK(test.detectable() == Approx(detectable + 0.01).epsilon(1e-6));

  // The third alone has all deviations of the theory: another widening of so few.
  const std::vector<const ComparedCell*> third(cells.begin() + 16, cells.end());
  const JointTest known(third, shared, options, 11);
  CHECK(known.exact());
  const std::vector<std::span<const double>> own(spans.begin() + 16, spans.end());
  const std::vector<std::vector<std::size_t>> parts{{0, 1, 2, 3}, {0, 1}, {2, 3}};
  const MaxStatistic of_third(own, parts, 11);
  CHECK(known.critical() == Approx(of_third.critical(0.03)).epsilon(1e-12));  // no wider from 16 replicas on
}
