#include "validation/collapse/spread.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::tests::Approx;

namespace {

/// Two sizes, three seeds, three x: small enough to write every definition out.
SampledCurves small_case() {
  SampledCurves out;
  out.x = {0.25, 0.5, 1};
  out.size = {10, 20};
  out.horizon = {100, 400};
  out.loss = {{{5, 4, 3}, {5.5, 4.2, 3.1}, {5.2, 3.9, 2.9}}, {{4, 3.1, 2.5}, {4.4, 3.3, 2.6}, {4.1, 3.2, 2.4}}};
  return out;
}

/// l = x^-1 and relative noise of each seed: `slow` the same along the run, `fast` anew at every x; sizes differ by `gap`.
SampledCurves noisy(double gap, double slow, double fast, std::size_t seeds, std::uint64_t seed) {
  SampledCurves out;
  for (int k = 1; k <= 20; ++k) out.x.push_back(0.05 * k);
  for (std::uint64_t p = 0; p < 4; ++p) {
    out.size.push_back(std::pow(2.0, p));
    out.horizon.push_back(100);
    auto& of_size = out.loss.emplace_back();
    for (std::uint64_t w = 0; w < seeds; ++w) {
      random::Stream stream(seed, p * 1000 + w);
      const double along = std::exp(slow * stream.normal());
      auto& run = of_size.emplace_back();
      for (const double x : out.x)
        run.push_back(std::pow(x, -1 - gap * static_cast<double>(p)) * along * std::exp(fast * stream.normal()));
    }
  }
  return out;
}

}  // namespace

TEST_CASE("every measure as its definition says") {
  const SampledCurves c = small_case();
  const double floor = 1;
  const CollapseSpread s = spread_of(c, floor);
  for (std::size_t k = 0; k < 3; ++k) {
    double sum = 0, squares = 0, between = 0, within = 0, tuples = 0, floors = 0;
    double of_size[2], l[2][3];
    for (std::size_t p = 0; p < 2; ++p)
      for (std::size_t w = 0; w < 3; ++w) {
        l[p][w] = (c.loss[p][w][k] - floor) / (c.loss[p][w][2] - floor);
        sum += l[p][w] / 6;
        squares += l[p][w] * l[p][w] / 6;
      }
    for (std::size_t p = 0; p < 2; ++p) {
      of_size[p] = (l[p][0] + l[p][1] + l[p][2]) / 3;
      double raw = 0, raw_squares = 0;
      for (std::size_t w = 0; w < 3; ++w) {
        within += std::pow(l[p][w] - of_size[p], 2) / 6;
        raw += (c.loss[p][w][k] - floor) / 3;
      }
      for (std::size_t w = 0; w < 3; ++w) raw_squares += std::pow(c.loss[p][w][k] - floor - raw, 2) / 2;
      floors += raw_squares / (raw * raw) / 2;
      CHECK(s.floor_of[p][k] == Approx(std::sqrt(raw_squares) / raw));
      CHECK(s.mean_of[p][k] == Approx(of_size[p]));
    }
    between = std::pow((of_size[0] - of_size[1]) / 2, 2);
    for (std::size_t w = 0; w < 9; ++w) {
      const double first = l[0][w / 3], second = l[1][w % 3], m = (first + second) / 2;
      tuples += (std::pow(first - m, 2) + std::pow(second - m, 2)) / (m * m) / 9;
    }
    CHECK(s.mean[k] == Approx(sum));
    // std over (p, w) jointly, and its split.
    CHECK(s.delta[k] == Approx(std::sqrt(std::max(0.0, squares - sum * sum)) / sum).epsilon(1e-6).scale(1));
    CHECK(s.between[k] == Approx(std::sqrt(between) / sum));
    CHECK(s.within[k] == Approx(std::sqrt(within) / sum));
    CHECK(s.delta[k] == Approx(std::hypot(s.between[k], s.within[k])));
    CHECK(s.tuples[k] == Approx(std::sqrt(tuples)));
    CHECK(s.floor[k] == Approx(std::sqrt(floors)));
  }
  CHECK(s.mean[2] == 1);
  CHECK(s.delta[2] == 0);
  CHECK_THROWS_AS(spread_of(c, 2.45), std::invalid_argument);
}

TEST_CASE("every measure is the same in any unit of the loss") {
  // Powers of two change no digit; squares of these leave the range of numbers.
  const CollapseSpread usual = spread_of(small_case(), 1);
  for (const int exponent : {-700, 700}) {
    CAPTURE(exponent);
    SampledCurves c = small_case();
    for (auto& of_size : c.loss)
      for (auto& run : of_size)
        for (double& loss : run) loss = std::ldexp(loss, exponent);
    const CollapseSpread s = spread_of(c, std::ldexp(1.0, exponent));
    CHECK(s.floor_of == usual.floor_of);
    CHECK(s.floor == usual.floor);
    CHECK(s.mean_of == usual.mean_of);
    CHECK(s.delta == usual.delta);
    CHECK(s.tuples == usual.tuples);
    SampledCurves many = noisy(0, 0.1, 0.1, 8, 3);
    const auto bounds = supercollapse_bounds(many, 0);
    for (auto& of_size : many.loss)
      for (auto& run : of_size)
        for (double& loss : run) loss = std::ldexp(loss, exponent);
    CHECK(supercollapse_bounds(many, 0) == bounds);
    CHECK(bounds.second > bounds.first);
  }
}

TEST_CASE("the seeds' share is taken off the spread of the sizes without bias") {
  // No gap between sizes: the square of `deterministic` before it is cut at 0 has mean 0. 400 cases of 3 seeds; the mean
  // of between^2 - share is within 4 standard errors of 0 (false alarm 6e-5).
  double sum = 0, squares = 0;
  constexpr int cases = 400;
  for (int i = 0; i < cases; ++i) {
    const CollapseSpread s = spread_of(noisy(0, 0, 0.1, 3, 100 + i), 0);
    const std::size_t k = 9;
    const double share = s.within[k] * s.within[k] / 2 * 3 / 4;
    const double excess = s.between[k] * s.between[k] - share;
    sum += excess;
    squares += excess * excess;
    CHECK(s.deterministic[k] == Approx(std::sqrt(std::max(0.0, excess))));
  }
  const double mean = sum / cases, error = std::sqrt((squares / cases - mean * mean) / cases);
  CHECK(std::abs(mean) < 4 * error);
}

TEST_CASE("verdicts: well scaled, broken, and inconclusive where seeds are too few") {
  CHECK(judge_collapse(noisy(0, 0, 0, 1, 1), 0).outcome == Collapse::well_scaled);
  CHECK(judge_collapse(noisy(0.1, 0, 0, 1, 1), 0).outcome == Collapse::broken);
  CHECK(judge_collapse(noisy(0, 0.2, 0.01, 5, 1), 0).outcome == Collapse::well_scaled);
  CHECK(judge_collapse(noisy(0.1, 0.2, 0.01, 5, 1), 0).outcome == Collapse::broken);
  const CollapseVerdict few = judge_collapse(noisy(0, 0, 0.2, 3, 2), 0);
  CHECK(few.outcome == Collapse::inconclusive);
  CHECK(few.low < 0.06);
  CHECK(few.high > 0.03);
  // Between the thresholds, and sure of it.
  const CollapseVerdict middle = judge_collapse(noisy(0.033, 0, 0, 1, 1), 0);
  CHECK(middle.outcome == Collapse::inconclusive);
  CHECK(middle.reason.find("between 0.03 and 0.06") != std::string::npos);
  // Rough curves of one seed: what shows as roughness is not held against the sizes.
  CHECK(judge_collapse(noisy(0, 0, 0.06, 1, 3), 0).outcome == Collapse::inconclusive);
  // Nothing in common before x = .5 is no evidence of a collapse.
  SampledCurves late = noisy(0, 0, 0, 1, 1);
  late.x.erase(late.x.begin(), late.x.begin() + 9);
  for (auto& of_size : late.loss)
    for (auto& run : of_size) run.erase(run.begin(), run.begin() + 9);
  CHECK(judge_collapse(late, 0).outcome == Collapse::inconclusive);
}

TEST_CASE("sizes with unequal numbers of seeds: each has the variance of its own") {
  // 100 seeds of a noisy size, two of quiet ones, a gap between them: the noise of the first mean is a hundredth of a seed's.
  SampledCurves c;
  c.x = {0.3, 0.5, 1};
  c.size = {1, 2, 3};
  c.horizon = {1, 1, 1};
  for (std::size_t p = 0; p < 3; ++p) {
    auto& of_size = c.loss.emplace_back();
    for (std::uint64_t w = 0; w < (p == 0 ? 100U : 2U); ++w) {
      random::Stream stream(5, 1000 * p + w);
      const double noise = p == 0 ? 0.12 : 0.002;
      auto& run = of_size.emplace_back();
      for (const double x : c.x)
        run.push_back(std::pow(x, -0.5) * (1 + 0.11 * (static_cast<double>(p) - 1) * (1 - x)) *
                      std::exp(noise * stream.normal()));
    }
  }
  const CollapseSpread s = spread_of(c, 0);
  for (std::size_t k = 0; k < 2; ++k) {
    double share = 0;
    for (const auto& of_size : c.loss) {
      const auto n = static_cast<double>(of_size.size());
      double mean = 0, squares = 0;
      for (const auto& run : of_size) mean += run[k] / run[2] / n;
      for (const auto& run : of_size) squares += std::pow(run[k] / run[2] - mean, 2) / (n - 1);
      share += squares / n / 3 * 2 / 3;
    }
    CHECK(s.deterministic[k] ==
          Approx(std::sqrt(s.between[k] * s.between[k] - share / (s.mean[k] * s.mean[k]))).epsilon(1e-10));
    CHECK(s.deterministic[k] > 0.9 * s.between[k]);
  }
  const CollapseVerdict verdict = judge_collapse(c, 0);
  CHECK(verdict.outcome != Collapse::well_scaled);
  CHECK(verdict.low < s.deterministic[0]);
  CHECK(verdict.high > s.deterministic[0]);
}

TEST_CASE("few seeds: curves that collapse are hardly ever called broken, nor curves that do not well scaled" *
          doctest::test_suite("slow")) {
  // Bounds at error 2.5% each; 60 cases of a true spread 0, and of one above .03; more than 6 false verdicts have
  // probability 5e-4 each at the stated error, and the bounds are wider where noise is forgotten.
  for (const std::size_t seeds : {2U, 3U, 4U, 8U})
    for (const double fast : {0.02, 0.1})
      for (const double slow : {0.0, 0.1}) {
        CAPTURE(seeds);
        CAPTURE(fast);
        CAPTURE(slow);
        int broken = 0, well = 0;
        for (std::uint64_t i = 0; i < 60; ++i) {
          broken += judge_collapse(noisy(0, slow, fast, seeds, 1000 + i), 0).outcome == Collapse::broken;
          well += judge_collapse(noisy(0.024, slow, fast, seeds, 1000 + i), 0).outcome == Collapse::well_scaled;
        }
        CHECK(broken <= 6);
        CHECK(well <= 6);
      }
  // What is far above is seen with two seeds.
  CHECK(judge_collapse(noisy(0.3, 0.1, 0.002, 2, 1), 0).outcome == Collapse::broken);
}

TEST_CASE("what two seeds of every size may move: quantiles of F in closed form") {
  const double h = 0.02;
  const auto curves = [&](std::vector<double> middle) {
    SampledCurves out;
    out.x = {0.5, 1};
    for (const double b : middle) {
      out.size.push_back(b);
      out.horizon.push_back(10);
      out.loss.push_back({{b + h, 1}, {b - h, 1}});
    }
    return out;
  };
  // Means of error h each: their population variance is h^2 (1 - 1/n) on average, of n - 1 degrees of freedom; n of its
  // estimate. P(F > f) = (1 + 2 f/3)^(-3/2) of F(2, 3).
  const double three = 1.5 * (std::pow(0.025, -2 / 3.0) - 1);
  CollapseVerdict verdict = judge_collapse(curves({1.5, 2.5, 3.5}), 0);
  double between = std::sqrt(2 / 3.0) / 2.5, moved = std::sqrt(2 / 3.0 * h * h * three) / 2.5;
  CHECK(verdict.high == Approx(between + moved).epsilon(1e-12));
  CHECK(verdict.low == Approx(between - moved).epsilon(1e-12));
  CHECK(verdict.spread == Approx(std::sqrt(2 / 3.0 * (1 - h * h)) / 2.5).epsilon(1e-12));
  // F(1, 2) is the square of Student's t of 2, whose quantile at p is (2 p - 1)/sqrt(2 p (1 - p)).
  const double two = 0.975 / std::sqrt(2 * 0.9875 * 0.0125);
  verdict = judge_collapse(curves({2, 3}), 0);
  between = 0.5 / 2.5;
  moved = std::sqrt(0.5) * h * two / 2.5;
  CHECK(verdict.high == Approx(between + moved).epsilon(1e-12));
  CHECK(verdict.low == Approx(between - moved).epsilon(1e-12));
}

TEST_CASE("of one seed a size the bounds are those of the curves' roughness, on a grid of any spacing") {
  SampledCurves curves;
  curves.x = {0.3, 0.45, 0.5, 0.7, 0.85, 0.9, 1};
  curves.size = {1, 2};
  curves.horizon = {10, 20};
  curves.loss = {{{9, 6.3, 5.6, 3.4, 2.5, 2.42, 2}}, {{8.8, 6.1, 5.8, 3.3, 2.6, 2.35, 2}}};
  const CollapseSpread all = spread_of(curves, 0);
  // Second differences of l over its mean, each with its share of three errors of the same size; the end has none.
  double sum = 0, count = 0;
  for (const auto& of_size : curves.loss)
    for (std::size_t k = 1; k + 2 < curves.x.size(); ++k) {
      const auto l = [&](std::size_t at) { return of_size[0][at] / of_size[0].back() / all.mean[at]; };
      const double right = (curves.x[k] - curves.x[k - 1]) / (curves.x[k + 1] - curves.x[k - 1]), left = 1 - right;
      sum += std::pow(l(k) - left * l(k - 1) - right * l(k + 1), 2) / (1 + left * left + right * right);
      ++count;
    }
  const double noise = std::sqrt(sum / count);
  double low = 0, high = 0;
  for (const double spread : all.deterministic) {
    const double error = noise * (2 * spread + noise);
    low = std::max(low, std::sqrt(std::max(0.0, spread * spread - 2 * error)));
    high = std::max(high, std::sqrt(spread * spread + 2 * error));
  }
  const CollapseVerdict verdict = judge_collapse(curves, 0);
  CHECK(verdict.low == Approx(low).epsilon(1e-12));
  CHECK(verdict.high == Approx(high).epsilon(1e-12));
  CHECK(noise > 0.001);
}

TEST_CASE("tuples are all of them: no order of the seeds counts, and sizes with one seed take no other's away") {
  SampledCurves c = small_case();
  const std::vector<double> before = spread_of(c, 1).tuples;
  std::swap(c.loss[0][0], c.loss[0][2]);
  const std::vector<double> after = spread_of(c, 1).tuples;
  for (std::size_t k = 0; k < 3; ++k) CHECK(after[k] == Approx(before[k]).epsilon(1e-14));
  c.loss[1].resize(1);
  double square = 0;
  for (const auto& run : c.loss[0]) {
    const double one = (run[0] - 1) / (run[2] - 1), other = (c.loss[1][0][0] - 1) / (c.loss[1][0][2] - 1);
    square += std::pow((one - other) / (one + other), 2) * 2 / 3;
  }
  CHECK(spread_of(c, 1).tuples[0] == Approx(std::sqrt(square)));
  // More than can be counted are drawn: near the mean over all.
  const SampledCurves many = noisy(0.1, 0, 0.1, 30, 4);
  const CollapseSpread s = spread_of(many, 0);
  CHECK(s.tuples[5] ==
        Approx(std::sqrt(4.0 / 3 * s.between[5] * s.between[5] + s.within[5] * s.within[5])).epsilon(0.05));
}

TEST_CASE("the noise floor of few seeds is that of many, as Delta is") {
  // Relative noise .05: a plain average of standard deviations is .80 of it at two seeds.
  for (const std::size_t seeds : {2, 20}) {
    double square = 0, count = 0;
    for (std::uint64_t data = 0; data < 60; ++data)
      for (const double floor : spread_of(noisy(0, 0, 0.05, seeds, 100 + data), 0).floor) {
        square += floor * floor;
        ++count;
      }
    CAPTURE(seeds);
    CHECK(std::sqrt(square / count) == Approx(0.05).epsilon(0.03));
  }
}

TEST_CASE("a floor far too low does not make sizes well scaled whose progress differs by two") {
  // L = .3 + t^-1/2 + p^-1/2 to t = p: a perfect collapse above .3. Above 0 what is left of the sizes' fall at x = .3 is
  // .165, .132, .103, .079, of relative spread .27, while that of l is .029.
  SampledCurves c;
  for (int k = 1; k <= 100; ++k) c.x.push_back(0.01 * k);
  for (const double p : {100, 200, 400, 800}) {
    c.size.push_back(p);
    c.horizon.push_back(p);
    auto& run = c.loss.emplace_back().emplace_back();
    for (const double x : c.x) run.push_back(0.3 + 1 / std::sqrt(x * p) + 1 / std::sqrt(p));
  }
  CHECK(judge_collapse(c, 0.3).outcome == Collapse::well_scaled);
  const CollapseVerdict low = judge_collapse(c, 0);
  CHECK(low.spread == Approx(0.0288).epsilon(2e-3));
  CHECK(low.outcome == Collapse::inconclusive);
  CHECK(low.reason.find("l - 1, is 27% apart: the verdict hangs on the floor") != std::string::npos);
}

TEST_CASE("noise that lasts along a run gives a supercollapse, noise that is forgotten does not") {
  CHECK(supercollapse_fraction(spread_of(noisy(0, 0.1, 0.01, 20, 1), 0)) == 1);
  CHECK(supercollapse_fraction(spread_of(noisy(0, 0, 0.1, 20, 1), 0)) == 0);
  CHECK(std::isnan(supercollapse_fraction(spread_of(noisy(0, 0, 0, 1, 1), 0))));
}

TEST_CASE(
    "bounds of the share of supercollapse: around it, wide where delta and floor are alike, narrow of many seeds") {
  CHECK(supercollapse_bounds(noisy(0, 0.1, 0.01, 20, 1), 0) == std::pair(1.0, 1.0));
  CHECK(supercollapse_bounds(noisy(0, 0, 0.1, 20, 1), 0) == std::pair(0.0, 0.0));
  CHECK(std::isnan(supercollapse_bounds(noisy(0, 0.1, 0.1, 2, 1), 0).first));
  // Noise of both kinds alike puts every point on the border: each is beyond a bound in 2.5% of draws. Over 100 draws of 16
  // points, which the runs' ends tie together, that mean is off by less than .03 but for one time in a thousand.
  double surely = 0, not_perhaps = 0, width = 0, width_of_many = 0;
  for (std::uint64_t draw = 1; draw <= 100; ++draw) {
    const SampledCurves curves = noisy(0, 0.1, 0.1, 8, draw);
    const auto [low, high] = supercollapse_bounds(curves, 0);
    const double share = supercollapse_fraction(spread_of(curves, 0));
    CHECK(low <= share);
    CHECK(share <= high);
    surely += low / 100;
    not_perhaps += (1 - high) / 100;
    const auto [less, more] = supercollapse_bounds(noisy(0, 0.1, 0.08, 8, draw), 0);
    width += (more - less) / 100;
    if (draw > 3) continue;
    const auto [many_less, many_more] = supercollapse_bounds(noisy(0, 0.1, 0.08, 400, draw), 0);
    width_of_many += (many_more - many_less) / 3;
  }
  CHECK(surely < 0.055);
  CHECK(not_perhaps < 0.055);
  CHECK(surely + not_perhaps > 0.01);
  CHECK(width > 0.5);
  CHECK(width_of_many < 0.1);
}

TEST_CASE("the largest value over a window, whose ends are in it however they are rounded") {
  const std::vector<double> x{0.1, 0.2, 0.3, 0.4}, values{9, 2, 5, 7};
  CHECK(largest_in(x, values, 0.2, 0.3) == 5);
  CHECK(largest_in(x, values, 0.2 + 1e-12, 0.4 - 1e-12) == 7);
  CHECK(largest_in(x, values, 0.2 + 1e-12, 0.2 + 2e-12) == 2);
  CHECK(largest_in(x, values, 0.15, 0.29) == 2);
  CHECK(largest_in(x, values, 0.1 + 1e-12, 0.25) == 9);
  CHECK(largest_in(x, {-9, -2, -5, -7}, 0.3, 0.4) == -5);
  CHECK(std::isnan(largest_in(x, values, 0.31, 0.39)));
}

TEST_CASE("the slope at the end of a sum of powers is -d") {
  // l = (r x^-mu + 1)/(r + 1), slope -mu r/(r + 1) = -mu nu/(mu + nu); from x = .8 on to 1e-3.
  const double mu = 0.5, nu = 0.4, r = nu / mu;
  SampledCurves c;
  for (int k = 1; k <= 100; ++k) c.x.push_back(0.01 * k);
  c.size = {1, 2};
  c.horizon = {1, 1};
  std::vector<double> l;
  for (const double x : c.x) l.push_back((r * std::pow(x, -mu) + 1) / (r + 1));
  c.loss = {{l}, {l}};
  CHECK(end_slope(spread_of(c, 0)) == Approx(-mu * nu / (mu + nu)).epsilon(1e-3));
}

TEST_CASE("why curves are no test of a scaling: how far from 1 they come, and from where on they have anything") {
  const auto reason = [](std::vector<double> x, const std::vector<std::vector<double>>& losses,
                         bool unrecorded = false) {
    SampledCurves c;
    c.x = std::move(x);
    for (std::size_t p = 0; p < losses.size(); ++p) {
      c.size.push_back(static_cast<double>(p + 1));
      c.horizon.push_back(1);
      c.loss.push_back({losses[p]});
    }
    c.unrecorded = unrecorded;
    const CollapseVerdict verdict = judge_collapse(c, 1);
    CHECK(verdict.outcome == Collapse::inconclusive);
    return verdict.reason;
  };
  // L - 1, in units of its end: 1.05 and 1.04 at x = .3; what is before does not count.
  const std::vector<std::vector<double>> near{{9, 3.1, 3.02, 3}, {7, 2.04, 2.03, 2}};
  CHECK(reason({0.1, 0.3, 0.7, 1}, near)
            .ends_with("], but no curve is further than 0.05 from 1 there, so that no scaling would show"));
  CHECK(reason({0.1, 0.3, 0.7, 1}, near, true).ends_with("], but a run has no loss recorded at 0.3 <= x < 1"));
  CHECK(reason({0.4, 0.6, 0.8, 1}, near).ends_with("], but the runs have nothing in common before x = 0.4"));
  CHECK(reason({0.1, 0.2, 0.25, 0.28}, near).starts_with("no point at x >= 0.3 that all runs have"));
}

TEST_CASE("bounds of the share of supercollapse are those of the jackknife of log(Delta/floor), written out") {
  // Noise that lasts along a run and noise that is forgotten, whose part grows along x: Delta passes the floor on the way.
  SampledCurves c;
  for (int k = 1; k <= 60; ++k) c.x.push_back(k / 60.0);
  const std::size_t seeds[] = {4, 7, 5};
  for (std::size_t p = 0; p < 3; ++p) {
    c.size.push_back(std::pow(2.0, p));
    c.horizon.push_back(100);
    auto& of_size = c.loss.emplace_back();
    for (std::size_t w = 0; w < seeds[p]; ++w) {
      random::Stream stream(21, 100 * p + w);
      const double along = stream.normal();
      auto& run = of_size.emplace_back();
      for (const double x : c.x)
        run.push_back(0.5 +
                      (1 + static_cast<double>(p)) / x * std::exp(0.1 * along + 0.11 * (1.1 - x) * stream.normal()));
    }
  }
  const double floor = 0.5;
  const auto ratios = [&](const SampledCurves& curves) {
    const CollapseSpread s = spread_of(curves, floor);
    std::vector<double> out;
    for (std::size_t k = 0; k < s.x.size(); ++k) out.push_back(std::log(s.delta[k] / s.floor[k]));
    return out;
  };
  const std::vector<double> whole = ratios(c);
  std::vector<std::vector<double>> left[3];  // by size, of each seed left out
  for (std::size_t p = 0; p < 3; ++p)
    for (std::size_t w = 0; w < seeds[p]; ++w) {
      SampledCurves without = c;
      without.loss[p].erase(without.loss[p].begin() + static_cast<std::ptrdiff_t>(w));
      left[p].push_back(ratios(without));
    }
  // Student's t at 97.5% of 3 + 6 + 4 degrees of freedom, from tables.
  const double quantile = 2.1603686564610127;
  for (const auto& [from, to] : {std::pair{0.2, 0.95}, {0.1, 0.5}}) {
    double all = 0, below = 0, surely = 0, perhaps = 0;
    for (std::size_t k = 0; k < c.x.size(); ++k) {
      if (c.x[k] < from - 1e-9 || c.x[k] > to + 1e-9) continue;
      double variance = 0;
      for (std::size_t p = 0; p < 3; ++p) {
        const auto n = static_cast<double>(seeds[p]);
        double sum = 0, squares = 0;
        for (const std::vector<double>& one : left[p]) {
          sum += one[k];
          squares += one[k] * one[k];
        }
        variance += (squares - sum * sum / n) * (n - 1) / n;
      }
      const double here = whole[k], error = std::sqrt(variance);
      ++all;
      below += here < 0;
      surely += here + quantile * error < 0;
      perhaps += here - quantile * error < 0;
    }
    CHECK(all > 20);
    CHECK(surely > 0);
    CHECK(surely < below);
    CHECK(below < perhaps);
    const auto [low, high] = supercollapse_bounds(c, floor, from, to);
    CHECK(low == Approx(surely / all).epsilon(1e-12));
    CHECK(high == Approx(perhaps / all).epsilon(1e-12));
    CHECK(supercollapse_fraction(spread_of(c, floor), from, to) == Approx(below / all).epsilon(1e-12));
    if (from == 0.2) CHECK(supercollapse_bounds(c, floor) == std::pair(low, high));
  }
}

TEST_CASE(
    "the share of supercollapse is over x in [.2, .95] and points that have a floor, where nothing else is said") {
  CollapseSpread s;
  s.x = {0.19, 0.2, 0.4, 0.6, 0.8, 0.95, 0.96};
  s.delta = {1, 1, 3, 1, 1, 3, 1};
  s.floor = {2, 2, 2, 1, NAN, 2, 2};
  CHECK(supercollapse_fraction(s) == 0.25);         // of .2, .4, .6 and .95 the first; equal is not below
  CHECK(supercollapse_fraction(s, 0.19) == 0.4);    // .19 and .2 of five
  CHECK(supercollapse_fraction(s, 0.2, 1) == 0.4);  // .2 and .96 of five
  CHECK(supercollapse_fraction(s, 0.2 + 1e-12, 0.4 - 1e-12) == 0.5);
  CHECK(std::isnan(supercollapse_fraction(s, 0.7, 0.9)));
}

TEST_CASE(
    "the slope at the end is exact for a parabola in logarithms, of the points from .8 on that have a logarithm") {
  CollapseSpread s;
  s.x = {0.5, 0.8, 0.85, 0.9, 0.95, 1};
  for (const double x : s.x) s.mean.push_back(std::exp(-0.7 * std::log(x) + 1.9 * std::pow(std::log(x), 2)));
  s.mean[0] = 40;
  CHECK(end_slope(s) == Approx(-0.7).epsilon(1e-9));
  s.mean[2] = -1;
  CHECK(end_slope(s) == Approx(-0.7).epsilon(1e-9));
  // Two points with a logarithm of x that is not 0 are as many as coefficients, one is too few.
  CHECK(end_slope(s, 0.9) == Approx(-0.7).epsilon(1e-9));
  CHECK(std::isnan(end_slope(s, 0.95)));
  // Scattered: least squares of log l = b u + a u^2 by the normal equations.
  s.mean = {9, 1.5, 1.3, 1.25, 1.02, 1};
  double uu = 0, u3 = 0, u4 = 0, uy = 0, u2y = 0;
  for (std::size_t k = 1; k < 6; ++k) {
    const double u = std::log(s.x[k]), y = std::log(s.mean[k]);
    uu += u * u, u3 += u * u * u, u4 += u * u * u * u, uy += u * y, u2y += u * u * y;
  }
  CHECK(end_slope(s) == Approx((uy * u4 - u2y * u3) / (uu * u4 - u3 * u3)).epsilon(1e-10));
}

TEST_CASE("bounds of a verdict over many points, of sizes with unequal numbers of seeds and unequal noise") {
  SampledCurves c;
  c.x = {0.2, 0.3, 0.45, 0.6, 0.8, 1};
  c.horizon = {1, 1, 1};
  c.size = {1, 2, 3};
  const std::size_t seeds[] = {2, 4, 9};
  for (std::size_t p = 0; p < 3; ++p) {
    auto& of_size = c.loss.emplace_back();
    for (std::size_t w = 0; w < seeds[p]; ++w) {
      random::Stream stream(31, 100 * p + w);
      auto& run = of_size.emplace_back();
      for (const double x : c.x)
        run.push_back(std::pow(x, -1 - 0.2 * static_cast<double>(p)) *
                      std::exp(0.02 * (1 + static_cast<double>(p)) * (x < 1 ? stream.normal() : 0)));
      // What is before the verdict's range is far apart, and counts for nothing.
      run[0] *= 1 + static_cast<double>(p);
    }
  }
  const CollapseSpread s = spread_of(c, 0);
  double low = 0, high = 0, spread = 0;
  for (std::size_t k = 1; k < 5; ++k) {
    double sum = 0, fourths = 0, mean = 0, between = 0;
    double of_size[3];
    for (std::size_t p = 0; p < 3; ++p) {
      const auto n = static_cast<double>(seeds[p]);
      double average = 0, variance = 0;
      for (const auto& run : c.loss[p]) average += run[k] / run.back() / n;
      for (const auto& run : c.loss[p]) variance += std::pow(run[k] / run.back() - average, 2) / (n - 1) / n;
      CHECK(s.error_of[p][k] == Approx(std::sqrt(variance)).epsilon(1e-10));
      of_size[p] = average;
      mean += average / 3;
      sum += variance;
      fourths += variance * variance / (n - 1);
    }
    for (const double m : of_size) between += std::pow(m - mean, 2) / 3;
    // Means less their mean: covariance diag(v) projected. Its trace, and that of its square, by the matrix itself.
    double trace = 0, trace_of_square = 0;
    const auto projected = [&](std::size_t i, std::size_t j) {
      double out = 0;
      for (std::size_t q = 0; q < 3; ++q)
        out += ((i == q) - 1 / 3.0) * s.error_of[q][k] * s.error_of[q][k] * ((j == q) - 1 / 3.0);
      return out;
    };
    for (std::size_t i = 0; i < 3; ++i) {
      trace += projected(i, i);
      for (std::size_t j = 0; j < 3; ++j) trace_of_square += projected(i, j) * projected(j, i);
    }
    const boost::math::fisher_f law(trace * trace / trace_of_square, sum * sum / fourths);
    const auto moved = [&](double error) {
      return std::sqrt(trace / 3 * boost::math::quantile(boost::math::complement(law, error))) / mean;
    };
    // The largest of four points: the lower bound asks for a quarter of the error.
    low = std::max(low, std::sqrt(between) / mean - moved(0.025 / 4));
    high = std::max(high, std::sqrt(between) / mean + moved(0.025));
    spread = std::max(spread, std::sqrt(between - trace / 3) / mean);
  }
  const CollapseVerdict verdict = judge_collapse(c, 0);
  CHECK(verdict.spread == Approx(spread).epsilon(1e-10));
  CHECK(verdict.low == Approx(low).epsilon(1e-9));
  CHECK(verdict.high == Approx(high).epsilon(1e-9));
  CHECK(low > 0.06);
  // Thresholds on either side of both bounds, and what is said then.
  const auto said = [&](double well, double broken) {
    CollapseRule rule;
    rule.well = well;
    rule.broken = broken;
    rule.progress = 10;
    const CollapseVerdict v = judge_collapse(c, 0, rule);
    const std::string begin =
        fmt::format("largest spread of the sizes over x >= 0.3 is {:.4f} [{:.4f}, {:.4f}]", spread, low, high);
    CHECK(v.reason.starts_with(begin));
    return std::string(name(v.outcome)) + v.reason.substr(begin.size());
  };
  CHECK(said(0.5, 0.6) == "well scaled, below 0.5");
  CHECK(said(high * 1.001, 0.6).starts_with("well scaled, below "));
  CHECK(said(high * 0.999, 0.6).starts_with("inconclusive: too uncertain for the thresholds "));
  CHECK(said(0.01, low * 0.999).starts_with("broken, above "));
  CHECK(said(0.01, low * 1.001).starts_with("inconclusive: too uncertain for the thresholds 0.01 and "));
  CHECK(said(0.01, 0.5) == "inconclusive, between 0.01 and 0.5");
  CHECK(said(low * 0.999, high * 1.001).starts_with("inconclusive, between "));
  CHECK(said(low * 1.001, high * 1.001).starts_with("inconclusive: too uncertain"));
  CHECK(said(low * 0.999, high * 0.999).starts_with("inconclusive: too uncertain"));
}

TEST_CASE("more tuples of seeds than 4096 are drawn, 4096 are counted out") {
  const auto expected = [](const SampledCurves& c, bool drawn) {
    const std::size_t n = c.loss[0].size(), m = c.loss[1].size(), count = drawn ? 4096 : n * m;
    double sum = 0;
    for (std::size_t t = 0; t < count; ++t) {
      random::Stream stream(1, t);
      std::size_t one = t % n, other = t / n;
      if (drawn) {
        one = static_cast<std::size_t>(std::floor(stream.uniform() * static_cast<double>(n)));
        other = static_cast<std::size_t>(std::floor(stream.uniform() * static_cast<double>(m)));
      }
      const double a = c.loss[0][one][0] / c.loss[0][one][1], b = c.loss[1][other][0] / c.loss[1][other][1];
      sum += 2 * std::pow((a - b) / (a + b), 2) / static_cast<double>(count);
    }
    return std::sqrt(sum);
  };
  for (const std::size_t seeds : {64U, 65U}) {
    SampledCurves c;
    c.x = {0.5, 1};
    c.size = c.horizon = {1, 2};
    random::Stream stream(8, 0);
    for (const std::size_t n : {seeds, std::size_t{64}}) {
      auto& of_size = c.loss.emplace_back();
      for (std::size_t w = 0; w < n; ++w)
        of_size.push_back({2 + 0.5 * stream.uniform() + 0.01 * static_cast<double>(w), 1});
    }
    CHECK(spread_of(c, 0).tuples[0] == Approx(expected(c, seeds > 64)).epsilon(1e-12));
    CHECK(spread_of(c, 0).tuples[0] != Approx(expected(c, seeds == 64)).epsilon(1e-6));
  }
}

TEST_CASE(
    "one seed a size: the bounds with records before the range, and the thresholds that a floor and a start meet") {
  // Roughness counts where all three neighbours are in the range.
  SampledCurves c;
  c.x = {0.1, 0.3, 0.45, 0.6, 0.8, 1};
  c.size = c.horizon = {1, 2};
  c.loss = {{{20, 6.3, 4.9, 3.4, 2.5, 2}}, {{9, 6.1, 5.1, 3.3, 2.6, 2}}};
  const CollapseSpread s = spread_of(c, 0);
  double sum = 0, count = 0;
  for (std::size_t p = 0; p < 2; ++p)
    for (std::size_t k = 2; k + 2 < c.x.size(); ++k) {
      const auto l = [&](std::size_t at) { return s.mean_of[p][at] / s.mean[at]; };
      const double right = (c.x[k] - c.x[k - 1]) / (c.x[k + 1] - c.x[k - 1]), left = 1 - right;
      sum += std::pow(l(k) - left * l(k - 1) - right * l(k + 1), 2) / (1 + left * left + right * right);
      ++count;
    }
  const double noise = std::sqrt(sum / count);
  double low = 0, high = 0, apart = 0, progress = 0;
  for (std::size_t k = 1; k < c.x.size(); ++k) {
    const double d = s.deterministic[k], error = noise * (2 * d + noise);
    const double least = std::sqrt(std::max(0.0, d * d - 2 * error));
    low = std::max(low, least);
    high = std::max(high, std::sqrt(d * d + 2 * error));
    apart = std::max(apart, least * s.mean[k]);
    progress = std::max(progress, std::abs(s.mean[k] - 1));
  }
  const CollapseVerdict verdict = judge_collapse(c, 0);
  CHECK(verdict.low == Approx(low).epsilon(1e-10));
  CHECK(verdict.high == Approx(high).epsilon(1e-10));

  // How far the sizes' progress may be apart, from both sides.
  SampledCurves smooth;
  smooth.x = {0.3, 0.65, 1};
  smooth.size = smooth.horizon = {1, 2};
  smooth.loss = {{{1.6, 1.3, 1}}, {{1.5, 1.25, 1}}};
  const CollapseSpread of_smooth = spread_of(smooth, 0);
  CHECK(of_smooth.deterministic[0] == Approx(0.05 / 1.55));
  CollapseRule rule;
  rule.well = 0.5;
  rule.broken = 0.5001;
  // Second differences of l over its mean at x = .65: none of straight lines but for the mean's. One point: no roughness.
  const double share = 0.05 / 0.55;
  rule.progress = share * 1.001;
  CHECK(judge_collapse(smooth, 0, rule).outcome == Collapse::well_scaled);
  rule.progress = share * 0.999;
  CHECK(judge_collapse(smooth, 0, rule).reason.ends_with("l - 1, is 9% apart: the verdict hangs on the floor"));
  // What is before the range counts for neither.
  SampledCurves longer = smooth;
  longer.x.insert(longer.x.begin(), 0.1);
  for (auto& of_size : longer.loss) of_size[0].insert(of_size[0].begin(), of_size[0][0] > 1.55 ? 9 : 4);
  CHECK(judge_collapse(longer, 0, rule).reason.ends_with("l - 1, is 9% apart: the verdict hangs on the floor"));
  rule.progress = share * 1.001;
  CHECK(judge_collapse(longer, 0, rule).outcome == Collapse::well_scaled);
  // How far a curve must come from 1.
  rule.progress = 1;
  rule.broken = 0.599;
  CHECK(judge_collapse(smooth, 0, rule).outcome == Collapse::well_scaled);
  rule.broken = 0.601;
  CHECK(judge_collapse(smooth, 0, rule)
            .reason.ends_with("no curve is further than 0.6 from 1 there, so that no scaling would show"));
  // Where the record may begin.
  rule.broken = 0.5001;
  for (const double first : {0.3109, 0.3111}) {
    smooth.x[0] = first;
    CHECK((judge_collapse(smooth, 0, rule).outcome == Collapse::well_scaled) == (first < 0.311));
  }
  CHECK(CollapseRule().from == 0.3);
  CHECK(CollapseRule().well == 0.03);
  CHECK(CollapseRule().broken == 0.06);
  CHECK(CollapseRule().progress == 0.2);
  CHECK(std::string(name(Collapse::well_scaled)) == "well scaled");
  CHECK(std::string(name(Collapse::broken)) == "broken");
  CHECK(std::string(name(Collapse::inconclusive)) == "inconclusive");
}
