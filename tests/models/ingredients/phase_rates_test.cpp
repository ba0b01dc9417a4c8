// The loss as a function of the rates of linear phases, with noise and without: against moments moved by plain loops, and
// parabolas through three values.
#include "models/ingredients/phase_rates.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#include "models/ingredients/noiseless_rates.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

constexpr std::size_t modes = 3, steps = 7;
using Array = std::array<double, modes>;
constexpr Array x{1.2, 0.5, 0.2}, shared{1, 0.7, 0.4}, feedback{0.3, 0.2, 0.1}, own{0.15, 0.1, 0.05},
    reads{0.9, 0.6, 1.1};
constexpr double source = 0.35;

/// Two blocks, of two coordinates and one; every third step ends in a phase of its own.
struct Steps {
  solvers::ControlledPhase noisy;
  solvers::Phase after;
  explicit Steps(double noise) {
    solvers::PhaseBlock two, slope_two, one, slope_one;
    two.r = slope_two.r = 2;
    two.T0 = {1, 0.2, 0.1, 0.8};
    two.T1 = {0.05, 0, -0.1, 0.02};
    slope_two.T0 = {0.1, -0.2, 0, 0.1};
    slope_two.T1 = {-0.6, -0.1, 0.2, -0.3};
    two.n = {0.1, 0.3};
    slope_two.n = {-0.7, 0.2};
    two.e = slope_two.e = {1, -0.3};
    two.omega = slope_two.omega = 0.8;
    one.T0 = {1};
    one.T1 = {0.02};
    slope_one.T1 = {-0.5};
    slope_one.n = {-0.4};
    one.e = slope_one.e = {0.6};
    one.omega = slope_one.omega = 1.1;
    noisy.rest.blocks = {two, one};
    noisy.slope.blocks = {slope_two, slope_one};
    noisy.rest.noise_scale = noisy.slope.noise_scale = noise;
    solvers::PhaseBlock mixed, kept;
    mixed.r = 2;
    mixed.T0 = {0.7, 0.3, 0.1, 0.6};
    kept.T0 = {0.9};
    after.blocks = {mixed, kept};
  }
};

const std::vector<std::vector<double>> selector{{1, 0.4}, {0.5}};
const std::vector<std::vector<double>> coordinates{{1, -0.6, 0.8, 0.3, 0.2, -0.5}, {0.7, 0.9, -1.2}};

PhaseLaw law(double noise, double scale = 1) {
  solvers::LinearPhases start({{x.begin(), x.end()},
                               {shared.begin(), shared.end()},
                               {feedback.begin(), feedback.end()},
                               {own.begin(), own.end()},
                               source},
                              {2, 1});
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t i = 0; i < 2 - b; ++i)
      for (std::size_t j = i; j < 2 - b; ++j)
        for (std::size_t a = 0; a < modes; ++a)
          start.moment(b, i, j)[a] = coordinates[b][i * modes + a] * coordinates[b][j * modes + a];
  PhaseLaw out{std::move(start), selector, {reads.begin(), reads.end()}, scale};
  out.facts.steps = steps;
  const auto kept = std::make_shared<const Steps>(noise), last = std::make_shared<const Steps>(noise);
  out.step = [kept, last](std::uint64_t k) {
    return k % 3 == 2 ? RatedStep{&last->noisy, &last->after} : RatedStep{&kept->noisy, nullptr};
  };
  return out;
}

/// Second moments as full matrices: [block][mode][row][column].
struct Literal {
  double noise;
  Steps of{noise};
  double Sigma[2][modes][2][2] = {};

  explicit Literal(double level) : noise(level) {
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t a = 0; a < modes; ++a)
        for (std::size_t i = 0; i < 2 - b; ++i)
          for (std::size_t j = 0; j < 2 - b; ++j)
            Sigma[b][a][i][j] = coordinates[b][i * modes + a] * coordinates[b][j * modes + a];
  }
  double loss() const {
    double sum = 0;
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t a = 0; a < modes; ++a)
        for (std::size_t i = 0; i < 2 - b; ++i)
          for (std::size_t j = 0; j < 2 - b; ++j) sum += reads[a] * selector[b][i] * selector[b][j] * Sigma[b][a][i][j];
    return sum;
  }
  Array sources() const {
    Array S{};
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t a = 0; a < modes; ++a)
        for (std::size_t i = 0; i < 2 - b; ++i)
          for (std::size_t j = 0; j < 2 - b; ++j) {
            const auto& e = of.noisy.rest.blocks[b].e;
            S[a] += e[i] * e[j] * Sigma[b][a][i][j];
          }
    return S;
  }
  double p() const {
    double sum = 0;
    for (std::size_t a = 0; a < modes; ++a) sum += shared[a] * sources()[a];
    return sum;
  }
  /// \param level  what is added of the noise, of each mode
  void move(const std::function<double(const solvers::PhaseBlock&, const solvers::PhaseBlock*, std::size_t, double)>& T,
            const solvers::Phase& rest, const solvers::Phase* slope, double rate, const Array& level) {
    for (std::size_t b = 0; b < 2; ++b)
      for (std::size_t a = 0; a < modes; ++a) {
        const std::size_t r = 2 - b;
        const auto* by = slope ? &slope->blocks[b] : nullptr;
        double out[2][2] = {};
        for (std::size_t i = 0; i < r; ++i)
          for (std::size_t j = 0; j < r; ++j) {
            for (std::size_t k = 0; k < r; ++k)
              for (std::size_t l = 0; l < r; ++l)
                out[i][j] +=
                    T(rest.blocks[b], by, i * r + k, x[a]) * Sigma[b][a][k][l] * T(rest.blocks[b], by, j * r + l, x[a]);
            const auto n = [&](std::size_t at) { return rest.blocks[b].n[at] + (by ? rate * by->n[at] : 0); };
            out[i][j] += rest.blocks[b].omega * level[a] * n(i) * n(j);
          }
        std::copy(&out[0][0], &out[0][0] + 4, &Sigma[b][a][0][0]);
      }
  }
  /// \param own_part, shared_part  factors on the two parts of the noise; \param constant the source
  void step(std::size_t k, double rate, double constant = source) {
    Array level{};
    const Array S = sources();
    for (std::size_t a = 0; a < modes; ++a) level[a] = noise * (own[a] * S[a] + feedback[a] * (p() + constant));
    move_noisy(rate, level);
    end(k);
  }
  void move_noisy(double rate, const Array& level) {
    move(
        [rate](const solvers::PhaseBlock& rest, const solvers::PhaseBlock* slope, std::size_t at, double mode) {
          return rest.T0[at] + rate * slope->T0[at] + mode * (rest.T1[at] + rate * slope->T1[at]);
        },
        of.noisy.rest, &of.noisy.slope, rate, level);
  }
  void end(std::size_t k) {
    if (k % 3 != 2) return;
    move([](const solvers::PhaseBlock& rest, const solvers::PhaseBlock*, std::size_t at,
            double mode) { return rest.T0[at] + mode * rest.T1[at]; },
         of.after, nullptr, 0, {});
  }
};

double run(double noise, const std::vector<double>& rates) {
  Literal state(noise);
  for (std::size_t k = 0; k < steps; ++k) state.step(k, rates[k]);
  return state.loss();
}

/// Where a parabola through its values at 0, 1 and 2 is least, within [0, cap].
double least(const std::function<double(double)>& of, double cap) {
  const double at0 = of(0), at1 = of(1), at2 = of(2), quadratic = (at2 - 2 * at1 + at0) / 2;
  return std::clamp(-(at1 - at0 - quadratic) / (2 * quadratic), 0.0, cap);
}

/// With noise, or NoiselessRates without.
std::unique_ptr<RateObjective> objective(double noise, double scale = 1) {
  if (noise > 0) return std::make_unique<PhaseRates>(law(noise, scale));
  return std::make_unique<NoiselessRates>(law(noise, scale), coordinates);
}

const std::vector<double> rates{0.3, 0.7, 0.2, 0.5, 0.1, 0.6, 0.4};

}  // namespace

TEST_CASE("value, gradient, sweep, greedy rates and path are the moments moved by plain loops") {
  for (const double noise : {0.6, 0.0}) {
    CAPTURE(noise);
    const auto J = objective(noise);
    CHECK(J->value(rates) == Approx(run(noise, rates)).epsilon(1e-12));
    std::vector<double> slope(steps);
    CHECK(J->gradient(rates, slope) == Approx(run(noise, rates)).epsilon(1e-12));
    for (std::size_t k = 0; k < steps; ++k) {
      std::vector<double> up = rates, down = rates;
      up[k] += 0.25;
      down[k] -= 0.25;
      CHECK(slope[k] == Approx((run(noise, up) - run(noise, down)) / 0.5).epsilon(1e-10).scale(1e-3));
    }

    for (const double cap : {1e9, 0.45}) {
      std::vector<double> expected = rates, swept = rates;
      for (std::size_t k = steps; k-- > 0;)
        expected[k] = least(
            [&](double rate) {
              std::vector<double> there = expected;
              there[k] = rate;
              return run(noise, there);
            },
            cap);
      const double after = *J->sweep(swept, cap);
      for (std::size_t k = 0; k < steps; ++k) CHECK(swept[k] == Approx(expected[k]).epsilon(1e-9).scale(1e-3));
      CHECK(after == Approx(run(noise, expected)).epsilon(1e-9));

      Literal state(noise);
      std::vector<double> greedy(steps);
      const double end = *J->greedy(greedy, cap);
      for (std::size_t k = 0; k < steps; ++k) {
        const double best = least(
            [&](double rate) {
              Literal there = state;
              there.step(k, rate);
              return there.loss();
            },
            cap);
        CHECK(greedy[k] == Approx(best).epsilon(1e-9).scale(1e-3));
        state.step(k, best);
      }
      CHECK(end == Approx(state.loss()).epsilon(1e-9));
    }

    const RatePath path = J->path(rates);
    REQUIRE(path.loss.size() == steps + 1);
    Literal state(noise);
    for (std::size_t k = 0; k < steps; ++k) {
      CHECK(path.loss[k] == Approx(state.loss()).epsilon(1e-12));
      // What the shared noise of this step alone leaves at the end.
      Literal alone = state;
      for (auto& block : alone.Sigma)
        for (auto& of_mode : block)
          for (auto& row : of_mode) std::ranges::fill(row, 0.0);
      Array level{};
      for (std::size_t a = 0; a < modes; ++a) level[a] = noise * feedback[a] * (state.p() + source);
      alone.move_noisy(rates[k], level);
      alone.end(k);
      for (std::size_t later = k + 1; later < steps; ++later) alone.step(later, rates[later], 0);
      CHECK(path.injected[k] == Approx(alone.loss()).epsilon(1e-10));
      state.step(k, rates[k]);
    }
    CHECK(path.loss.back() == Approx(state.loss()).epsilon(1e-12));
  }
}

TEST_CASE("a run is of no use beyond 1e12 times its scale, and then nothing is touched") {
  std::vector<double> large(steps, 40.0);
  for (const double noise : {0.6, 0.0}) {
    CAPTURE(noise);
    double largest = 0;  // of what is compared with the limit; the last loss is the largest
    Literal state(noise);
    for (std::size_t k = 0; k < steps; ++k) {
      largest = std::max(largest, state.p());
      state.step(k, large[k]);
    }
    REQUIRE(largest < state.loss());
    const auto kept = objective(noise, state.loss() * 1.02e-12), lost = objective(noise, state.loss() * 0.98e-12);
    std::vector<double> slope(steps, 7.0), swept = large;
    CHECK(kept->value(large) == Approx(state.loss()).epsilon(1e-12));
    CHECK(std::isfinite(kept->gradient(large, slope)));
    slope.assign(steps, 7.0);
    CHECK(kept->path(large).loss.size() == steps + 1);
    CHECK(std::isinf(lost->value(large)));
    CHECK(std::isinf(lost->gradient(large, slope)));
    CHECK(slope == std::vector<double>(steps, 7.0));
    CHECK(std::isinf(*lost->sweep(swept, 1e9)));
    CHECK(swept == large);
    CHECK_THROWS_AS(objective(noise, state.loss() * 1e-15)->path(large), std::runtime_error);
  }
}

TEST_CASE("rates that do not show are left as they are by a sweep, and have no greedy rates") {
  for (const double noise : {0.6, 0.0}) {
    // What is read is moved by what the rate has moved the step before.
    PhaseLaw late = law(noise);
    auto phases = std::make_shared<Steps>(noise);
    solvers::PhaseBlock& two = phases->noisy.rest.blocks[0];
    two.T0 = {1, 0.2, 0, 0.8};
    two.T1 = {};
    two.n = {0, 0.3};
    phases->noisy.slope.blocks[0].T0 = {0, 0, 0, 0};
    phases->noisy.slope.blocks[0].T1 = {0, 0, -0.4, -0.2};
    phases->noisy.slope.blocks[0].n = {0, 0.2};
    phases->noisy.slope.blocks[1].T1 = {};
    phases->noisy.slope.blocks[1].n = {};
    late.selector = {{1, 0}, {0}};
    late.step = [phases](std::uint64_t) { return RatedStep{&phases->noisy, nullptr}; };
    std::unique_ptr<RateObjective> J;
    if (noise > 0)
      J = std::make_unique<PhaseRates>(std::move(late));
    else
      J = std::make_unique<NoiselessRates>(std::move(late), coordinates);
    std::vector<double> swept = rates;
    REQUIRE(J->sweep(swept, 1e9));
    CHECK(swept.back() == rates.back());
    CHECK(swept[0] != rates[0]);
    CHECK_FALSE(J->greedy(swept, 1e9));
  }
}

TEST_CASE("stretches: of one coordinate that is its own source, step by step, and by many") {
  CHECK_FALSE(PhaseRates(law(0.6)).estimate(std::vector<RateStretch>{{1, 0.3}}));
  const auto of = [](double scale, std::uint64_t count) {
    solvers::LinearPhases start({{x.begin(), x.end()},
                                 {shared.begin(), shared.end()},
                                 {feedback.begin(), feedback.end()},
                                 {own.begin(), own.end()},
                                 source},
                                {1});
    std::ranges::copy(reads, start.moment(0, 0, 0).begin());
    PhaseLaw out{std::move(start), {{1}}, {shared.begin(), shared.end()}, scale};
    out.facts.steps = count;
    const auto kept = std::make_shared<Steps>(0.6);
    kept->noisy.rest.blocks.erase(kept->noisy.rest.blocks.begin());
    kept->noisy.slope.blocks.erase(kept->noisy.slope.blocks.begin());
    kept->noisy.rest.blocks[0].e[0] = kept->noisy.slope.blocks[0].e[0] = 1;
    out.step = [kept](std::uint64_t) { return RatedStep{&kept->noisy, nullptr}; };
    return out;
  };
  std::vector<RateStretch> single;
  for (const double rate : rates) single.push_back({1, rate});
  const PhaseRates J(of(1, steps));
  CHECK(*J.estimate(single) == Approx(J.value(rates)).epsilon(1e-12));
  // Slow changes: 64 steps at small rates, by stretches of 16 and of 32.
  std::vector<double> slow(64, 0.02);
  std::fill(slow.begin() + 32, slow.end(), 0.01);
  const PhaseRates many(of(1, 64));
  CHECK(*many.estimate(std::vector<RateStretch>{{16, 0.02}, {16, 0.02}, {32, 0.01}}) ==
        Approx(many.value(slow)).epsilon(1e-3));
  const std::vector<RateStretch> wild(steps, {1, 60.0});
  const double end = PhaseRates(of(1e30, steps)).value(std::vector<double>(steps, 60.0));
  REQUIRE(std::isfinite(end));
  CHECK(std::isfinite(*PhaseRates(of(end * 1.02e-12, steps)).estimate(wild)));
  CHECK(std::isinf(*PhaseRates(of(end * 0.98e-12, steps)).estimate(wild)));
}
