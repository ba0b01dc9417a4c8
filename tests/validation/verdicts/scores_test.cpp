// The numbers of a verdict, one by one, against loops over their definitions; thresholds met from both sides.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/holds.hpp"
#include "tests/validation/verdicts/sample_shape.hpp"
#include "validation/monte_carlo/statistics.hpp"
#include "validation/verdicts/max_statistic.hpp"
#include "validation/verdicts/verdict.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using namespace edgewise::validation;
using edgewise::expected::holds;

namespace {

/// `values[o][t][r]` at steps 0, 1, ...
Sample sample_of(const std::vector<std::vector<std::vector<double>>>& values) {
  Sample s;
  s.replicas = values[0][0].size();
  for (std::size_t o = 0; o < values.size(); ++o) {
    s.observables.push_back({"o" + std::to_string(o), "", ""});
    for (const auto& cell : values[o]) s.values.push_back(cell);
  }
  for (std::size_t t = 0; t < values[0].size(); ++t) s.steps.push_back(t);
  return s;
}

models::Trajectory theory_of(const std::vector<std::vector<double>>& value,
                             const std::vector<std::vector<double>>& std = {}) {
  models::Trajectory t;
  t.exact = true;
  t.method = "recursion";
  for (std::size_t o = 0; o < value.size(); ++o)
    t.columns.push_back({{"o" + std::to_string(o), "", ""}, value[o], o < std.size() ? std[o] : std::vector<double>{}});
  for (std::size_t i = 0; i < value[0].size(); ++i) t.steps.push_back(static_cast<double>(i));
  return t;
}

/// One observable at steps 0 and 1.
Verdict one_cell(const std::vector<double>& values, double theory, double std = 0, const VerdictOptions& options = {},
                 double unmet = 0) {
  std::vector<std::vector<double>> exact;
  if (std != 0) exact.push_back({0, std});
  auto t = theory_of({{1, theory}}, exact);
  t.columns[0].unmet = {0, unmet};
  return judge(t, sample_of({{std::vector<double>(values.size(), 1.0), values}}), options, 1);
}

/// Where a criterion that grows with x passes 0.
double crossing(double low, double high, const std::function<double(double)>& criterion) {
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (criterion(middle) < 0 ? low : high) = middle;
  }
  return low;
}

/// n values 1 + .1 and 1 - .1 in turn, the last one larger by `outlier`.
std::vector<double> with_outlier(std::size_t n, double outlier) {
  std::vector<double> out(n);
  for (std::size_t r = 0; r < n; ++r) out[r] = r % 2 ? 1.1 : 0.9;
  out.back() += outlier;
  return out;
}

/// Wilson and Hilferty: z as a gamma variate of shape k = 4n/skewness^2, whose cube root is normal.
double gamma_score(double z, double skewness, double n) {
  const double k = 4 * n / (skewness * skewness), x = skewness > 0 ? z : -z;
  const double score = (std::cbrt((k + x * std::sqrt(k)) / k) - 1 + 1 / (9 * k)) * std::sqrt(9 * k);
  return skewness > 0 ? score : -score;
}
/// Hall: ((1 + g t/3)^3 - 1)/g + g/6, then Student's law to the normal one.
double student_score(double t, double skewness, double n) {
  const double g = skewness / std::sqrt(n);
  return normal_from_student((std::pow(1 + g * t / 3, 3) - 1) / g + g / 6, n - 1);
}

}  // namespace

TEST_CASE("scores of skewed means by their formulas") {
  for (const double skewness : {2.0, 0.3, -1.1})
    for (const double z : {-4.0, -0.3, 0.0, 1.7, 6.0}) {
      CHECK(normal_score(z, skewness, 40) == Approx(gamma_score(z, skewness, 40)).epsilon(1e-11).scale(1));
      CHECK(normal_score_studentized(z, skewness, skewness, 40) ==
            Approx(student_score(z, skewness, 40)).epsilon(1e-11).scale(1));
    }
  // Good to 0.3% here. Tails of the gamma law of shape 16 are those of Poisson's: P(x > 32) = sum_{k < 16} e^-32 32^k/k!.
  double tail = 0, term = std::exp(-32.0);
  for (int k = 0; k < 16; ++k) {
    tail += term;
    term *= 32.0 / (k + 1);
  }
  CHECK(normal_score(4, 2, 16) == Approx(-normal_quantile(tail)).epsilon(4e-3));
}

TEST_CASE("Kolmogorov's law by its alternating series, one sample and two") {
  const auto tail = [](double x) {
    double sum = 0;
    for (int k = 1; k < 200; ++k) sum += (k % 2 ? 2 : -2) * std::exp(-2.0 * k * k * x * x);
    return sum;
  };
  for (const double distance : {0.03, 0.06, 0.09, 0.12, 0.2}) {
    // 100 points that start `distance` too late: the law is ahead of them at the first.
    std::vector<double> sorted;
    for (int i = 0; i < 100; ++i) sorted.push_back(std::max(distance, (i + 0.5) / 100));
    CHECK(ks_p_value(sorted, [](double u) { return u; }) == Approx(tail(distance * (10 + 0.12 + 0.011))).epsilon(1e-9));
  }
  // Two samples, the step functions differ most between 2 and 3: 3/4 against 1/5.
  const std::vector<double> first{0.5, 1, 2, 6}, second{2, 3, 4, 5, 7};
  const double n = 4 * 5 / 9.0;
  CHECK(ks_p_value(first, second) == Approx(tail(0.55 * (std::sqrt(n) + 0.12 + 0.11 / std::sqrt(n)))).epsilon(1e-9));
  CHECK(ks_p_value(second, first) == Approx(ks_p_value(first, second)).epsilon(1e-14));
}

TEST_CASE("z-scores of single steps and of stretches, the largest of them, and what would be detected") {
  // Two observables at nine steps, correlated along the run, skewed; the second has no exact deviation.
  constexpr std::size_t replicas = 250, times = 9;
  const auto n = static_cast<double>(replicas);
  for (const double allowed : {0.0, 0.004})
    for (const bool both_exact : {true, false}) {
      CAPTURE(allowed);
      CAPTURE(both_exact);
      std::vector<std::vector<std::vector<double>>> values(2, std::vector<std::vector<double>>(times + 1));
      for (std::size_t r = 0; r < replicas; ++r) {
        random::Stream stream(3, r);
        double walk = 0;
        for (std::size_t t = 0; t <= times; ++t) {
          walk = 0.6 * walk + 0.3 * stream.normal();
          values[0][t].push_back(2 * std::exp(0.4 * walk));
          values[1][t].push_back(3 + walk + 0.5 * stream.normal());
        }
      }
      const std::vector<std::vector<double>> theory{std::vector<double>(times + 1, 2.02),
                                                    std::vector<double>(times + 1, 3.01)};
      const std::vector<std::vector<double>> exact{std::vector<double>(times + 1, 0.3),
                                                   std::vector<double>(both_exact ? times + 1 : 0, 0.62)};
      VerdictOptions options;
      options.allowed = allowed;
      options.power = 0.9;
      options.false_alarm = 0.02;
      options.resolution = 0.5;
      const Verdict verdict = judge(theory_of(theory, exact), sample_of(values), options, 5);

      std::vector<std::span<const double>> cells;
      std::vector<std::vector<std::size_t>> groups;
      std::vector<double> raw, slack, skewness, scores, deviation;
      std::vector<std::pair<double, double>> tails;      // by observable: the least and the most skewed step
      std::vector<std::pair<double, double>> open_side;  // by comparison: skewness for t > 0 and for t < 0; 0, 0: exact
      const auto open_score = [&](double t, double shrunk, double of_sample, std::size_t o) {
        const auto [least, most] = tails[o];
        double low = std::min(shrunk, of_sample), high = std::max(shrunk, (shrunk + most) / 2);
        if (-least > most) low = std::min(low, (shrunk + least) / 2);
        open_side.resize(scores.size());
        open_side.emplace_back(low, high);
        // Nowhere near where the transformation turns; 0 where the range leaves the sign open.
        const double score = student_score(t, t > 0 ? low : high, n);
        scores.push_back(low < high && score * t <= 0 ? 0 : score);
      };
      for (std::size_t o = 0; o < 2; ++o) {
        std::vector<std::size_t> own;
        std::vector<double> left, raw_skewness;
        for (std::size_t t = 1; t <= times; ++t) {
          own.push_back(cells.size());
          const auto& x = values[o][t];
          cells.emplace_back(x);
          const Shape s = shape(x);
          const bool known = o == 0 || both_exact;
          const double std = known ? exact[o][t] : s.std, mu = theory[o][t];
          deviation.push_back(std);
          raw.push_back(std::sqrt(n) * (s.mean - mu) / std);
          slack.push_back(std::sqrt(n) * allowed * mu / std);
          // The sample's skewness, shrunk to 2.5 coefficients of variation where everything is positive.
          const bool positive = *std::ranges::min_element(x) >= 0;
          const double variation = positive ? std / mu : 0, width = 0.5 + 0.5 * variation;
          const double weight = width * width / (width * width + 6 / n);
          skewness.push_back(weight * s.skewness + (1 - weight) * 2.5 * variation);
          const double z = std::copysign(std::max(0.0, std::abs(raw.back()) - slack.back()), raw.back());
          if (known) scores.push_back(gamma_score(z, skewness.back(), n));
          if (!known) left.push_back(z), raw_skewness.push_back(s.skewness);
        }
        // Without an exact deviation: at the least favourable of the skewnesses that the sample leaves open.
        const double most = std::max(0.0, *std::ranges::max_element(skewness.end() - times, skewness.end()));
        const double least = std::min(0.0, *std::ranges::min_element(skewness.end() - times, skewness.end()));
        tails.push_back({least, most});
        for (std::size_t t = 0; t < left.size(); ++t) open_score(left[t], skewness[o * times + t], raw_skewness[t], o);
        // All nine, halves of 4 and 5, quarters of 2, 2, 2 and 3.
        groups.push_back(own);
        for (const auto& [from, to] : {std::pair{0, 4}, {4, 9}, {0, 2}, {2, 4}, {4, 6}, {6, 9}})
          groups.emplace_back(own.begin() + from, own.begin() + to);
      }
      const MaxStatistic law(cells, groups, 5);
      for (std::size_t g = 0; g < groups.size(); ++g) {
        const auto size = static_cast<double>(groups[g].size());
        double z = 0, forgiven = 0, usual = 0;
        std::vector<double> sum(replicas);
        for (const std::size_t c : groups[g]) {
          const Shape s = shape({cells[c].begin(), cells[c].end()});
          z += raw[c];
          forgiven += slack[c];
          usual += skewness[c] / size;
          for (std::size_t r = 0; r < replicas; ++r) sum[r] += (cells[c][r] - s.mean) / s.std;
        }
        const double spread = shape(sum).std;
        CHECK(law.group_std(g) == Approx(spread).epsilon(2e-3));
        usual *= law.group_std(g) / size;
        z = std::copysign(std::max(0.0, std::abs(z) - forgiven), z) / law.group_std(g);
        const double weight = 0.25 / (0.25 + 6 / n), skew = weight * shape(sum).skewness + (1 - weight) * usual;
        const bool known = both_exact || g < 7;
        if (known)
          scores.push_back(normal_from_student(gamma_score(z, skew, n), n - 1));
        else
          open_score(z, skew, shape(sum).skewness, g / 7);
      }
      open_side.resize(scores.size());
      // How much farther than the critical score t must be for its score to be there.
      std::vector<double> excess;
      for (const auto& range : open_side) {
        const double low = range.first, high = range.second, at = verdict.critical_z;
        excess.push_back(0);
        if (low == 0 && high == 0) continue;
        const double up = crossing(0, 20, [&](double t) { return student_score(t, low, n) - at; });
        const double down = crossing(0, 20, [&](double t) { return -student_score(-t, high, n) - at; });
        excess.back() = std::max(up, down) - at;
      }
      double largest = 0;
      for (const double z : scores) largest = std::max(largest, std::abs(z));
      CHECK(verdict.max_z == Approx(largest).epsilon(1e-9));
      CHECK(verdict.critical_z == Approx(law.critical(0.02)).epsilon(1e-12));
      CHECK(verdict.p_value == Approx(law.tail(largest)).epsilon(1e-9));
      CHECK(verdict.effective_comparisons == law.effective_comparisons());
      CHECK(verdict.exact_std == both_exact);
      double gap = 0;
      REQUIRE(verdict.rows.size() == 2 * times);
      for (std::size_t c = 0; c < cells.size(); ++c) {
        CAPTURE(c);
        const Shape s = shape({cells[c].begin(), cells[c].end()});
        const Comparison& row = verdict.rows[c];
        CHECK(row.step == c % times + 1);
        CHECK(row.observable == (c < times ? "o0" : "o1"));
        CHECK(row.mc_mean == Approx(s.mean).epsilon(1e-13));
        CHECK(row.mc_sem == Approx(s.std / std::sqrt(n)).epsilon(1e-12));
        CHECK(row.std_used == Approx(deviation[c]).epsilon(1e-12));
        CHECK(row.z == Approx(scores[c]).epsilon(1e-9).scale(1e-3));
        gap = std::max(gap, std::abs(s.mean - row.theory) / row.theory);
      }
      CHECK(verdict.largest_gap == Approx(gap).epsilon(1e-12));
      // A share of the theory, added to the steps 1 .. 4 or 5 .. 9 of one observable, that is seen with probability .9.
      double worst = 0;
      for (std::size_t o = 0; o < 2; ++o)
        for (const bool late : {false, true}) {
          std::vector<double> unit(scores.size(), 0.0);
          for (std::size_t t = 0; t < times; ++t)
            if ((t >= 5) == late) unit[o * times + t] = std::sqrt(n) * theory[o][1] / deviation[o * times + t];
          for (std::size_t g = 0; g < groups.size(); ++g) {
            for (const std::size_t c : groups[g]) unit[cells.size() + g] += unit[c];
            unit[cells.size() + g] /= law.group_std(g);
          }
          worst = std::max(worst, crossing(0, 1, [&](double share) {
                             std::vector<double> shift = unit;
                             for (std::size_t c = 0; c < shift.size(); ++c)
                               shift[c] = std::max(0.0, share * shift[c] - excess[c]);
                             return law.exceedance(shift, verdict.critical_z) - 0.9;
                           }));
        }
      CHECK(verdict.detectable == Approx(worst + allowed).epsilon(1e-6));
    }
}

TEST_CASE("tails are heavy beyond their thresholds, and not before") {
  constexpr std::size_t n = 100;
  const double limit = 0.75 * std::sqrt(static_cast<double>(n));
  const auto heavy = [](const Verdict& v) { return v.heavy_tailed; };
  SUBCASE("the sample's skewness beyond 3/4 of its largest") {
    const double at = crossing(0.01, 10, [&](double x) { return shape(with_outlier(n, x)).skewness - limit; });
    for (const double factor : {0.99, 1.01}) {
      const auto values = with_outlier(n, factor * at);
      CHECK(heavy(one_cell(values, shape(values).mean)) == (factor > 1));
      std::vector<double> mirrored = values;
      for (double& x : mirrored) x = 3 - x;
      CHECK(heavy(one_cell(mirrored, shape(mirrored).mean)) == (factor > 1));
    }
  }
  SUBCASE("the exact deviation over twice the sample's, where the sample is skewed by more than 1") {
    for (const double skewness : {0.98, 1.02}) {
      const double at = crossing(0, 10, [&](double x) { return shape(with_outlier(n, x)).skewness - skewness; });
      const auto values = with_outlier(n, at);
      const Shape s = shape(values);
      for (const double factor : {1.98, 2.02})
        CHECK(heavy(one_cell(values, s.mean, factor * s.std)) == (factor > 2 && skewness > 1));
    }
  }
  SUBCASE("a log-normal law of the exact deviation too skewed for so many replicas") {
    const double at = crossing(0, 10, [&](double c) { return 3 * c + c * c * c - limit; });
    for (const double factor : {0.99, 1.01}) CHECK(heavy(one_cell(with_outlier(n, 0), 1, factor * at)) == (factor > 1));
    // Known for positive quantities only.
    std::vector<double> negative = with_outlier(n, 0);
    for (double& x : negative) x = -x;
    CHECK_FALSE(heavy(one_cell(negative, -1, 1.01 * at)));
  }
  SUBCASE("a gross mismatch by Chebyshev's bound, a tenth of the false alarms") {
    // Three heavy steps: sqrt(10 * 3/.02) exact standard errors.
    VerdictOptions options;
    options.false_alarm = 0.02;
    const auto values = with_outlier(n, 5);
    const Shape s = shape(values);
    const double error = s.std / 10, limit_z = std::sqrt(10 * 3 / 0.02);
    for (const double factor : {0.99, 1.01}) {
      const double off = s.mean + factor * limit_z * error;
      const std::vector<double> exact(4, s.std);
      const auto v = judge(theory_of({{1, s.mean, off, s.mean}}, {exact}),
                           sample_of({{std::vector<double>(n, 1.0), values, values, values}}), options, 1);
      CHECK(v.heavy_tailed);
      CHECK(v.outcome == (factor > 1 ? Outcome::disagree : Outcome::inconclusive));
      CHECK(v.rows[1].z == Approx(-factor * limit_z).epsilon(1e-9));
    }
  }
  SUBCASE("label noise that has not been met counts from half a standard error on") {
    const auto values = with_outlier(n, 0);
    const double half = 0.5 * shape(values).std / 10;
    for (const double factor : {0.99, 1.01}) CHECK(heavy(one_cell(values, 1, 0, {}, factor * half)) == (factor > 1));
  }
}

TEST_CASE("what does not fluctuate, to the digits in which it must agree") {
  const std::vector<double> still(5, 0.7);
  for (const double factor : {0.99, 1.01}) {
    CHECK((one_cell(still, 0.7 / (1 - factor * 1e-9)).outcome == Outcome::agree) == (factor < 1));
    VerdictOptions lenient;
    lenient.allowed = 0.05;
    CHECK((one_cell(still, 0.7 / (1 - factor * 0.05), 0, lenient).outcome == Outcome::agree) == (factor < 1));
  }
  // A spread of 1e-10 is rounding, beside an exact deviation of 1e-6 or more it is a simulation that stands still.
  const auto spread = [](double size) {
    std::vector<double> out;
    for (int r = 0; r < 300; ++r) out.push_back(1 + (r % 2 ? size : -size));
    return out;
  };
  CHECK(one_cell(spread(0.98e-10), 1).rows[0].std_used == 0);
  CHECK(one_cell(spread(1.02e-10), 1).rows[0].std_used > 0);
  CHECK(one_cell(still, 0.7, 0.7 * 0.99e-6).outcome == Outcome::agree);
  CHECK(one_cell(still, 0.7, 0.7 * 1.01e-6).outcome == Outcome::disagree);
  CHECK(holds(one_cell(still, 0.7, 0.7 * 1.01e-6).reason, "theory says a standard deviation of"));
}

TEST_CASE("the critical value of few replicas is wider, and with it what is detectable") {
  // One comparison: 2.5758 at 1%, to the draws of the joint law.
  const auto critical = [](std::size_t n, double std) {
    return one_cell(with_outlier(n, 0), 1, std).critical_z / 2.5758;
  };
  for (const std::size_t n : {8u, 12u, 16u, 100u, 250u}) {
    const auto replicas = static_cast<double>(n);
    CHECK(critical(n, 0.1) == Approx(1 + 1.6 * std::max(0.0, 1 / replicas - 1. / 16)).epsilon(0.02));
    CHECK(critical(n, 0) == Approx(1 + 1.2 * std::max(0.0, 1 / replicas - 1. / 200)).epsilon(0.02));
  }
  // The score that is just at it has the p-value that is allowed.
  std::vector<double> values = with_outlier(8, 0);
  const auto at = one_cell(values, 1, 0.1);
  CHECK((at.p_value < 0.01) == (at.max_z > at.critical_z));
}

TEST_CASE("few replicas are warned of, and how many more would do is said") {
  for (const std::size_t n : {198u, 200u}) {
    const auto v = one_cell(with_outlier(n, 0), 1);
    CHECK(v.warnings.empty() == (n == 200));
    if (n < 200) CHECK(holds(v.warnings[0], "with fewer than 200 replicas"));
    // Known deviations need no such warning.
    CHECK(one_cell(with_outlier(n, 0), 1, 0.1).warnings.empty());
  }
  VerdictOptions sharp;
  sharp.resolution = 0.01;
  const auto v = one_cell(with_outlier(100, 0), 1, 0.1, sharp);
  CHECK(v.outcome == Outcome::inconclusive);
  const double wanted = std::ceil(100 * v.detectable * v.detectable / 1e-4);
  CHECK(holds(v.reason, "about " + std::to_string(static_cast<int>(wanted)) + " replicas would do"));
}

TEST_CASE("beyond its validity a theory is shown beside the sample, and not judged") {
  const auto values = with_outlier(100, 0);
  auto theory = theory_of({{1, 1, 9, 9}});
  theory.valid_until = 1;
  const auto v =
      judge(theory, sample_of({{std::vector<double>(100, 1.0), values, values, with_outlier(100, 1)}}), {}, 1);
  CHECK(v.outcome == Outcome::agree);
  CHECK(v.rows.size() == 1);
  REQUIRE(v.shown.size() == 2);
  CHECK(v.shown[0].step == 2);
  CHECK(v.shown[1].step == 3);
  CHECK(v.shown[1].theory == 9);
  CHECK(v.shown[1].observable == "o0");
  const Shape s = shape(with_outlier(100, 1));
  CHECK(v.shown[1].mc_mean == Approx(s.mean).epsilon(1e-14));
  CHECK(v.shown[1].mc_sem == Approx(s.std / 10).epsilon(1e-12));
  CHECK(v.shown[1].std_used == Approx(s.std).epsilon(1e-12));
  CHECK(std::isnan(v.shown[1].z));
}
