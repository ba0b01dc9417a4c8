#include "solvers/noisy_run.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "tests/approx.hpp"
#include "tests/solvers/phase_blocks.hpp"

using namespace edgewise::solvers;
using edgewise::solvers::test::block_of;
using edgewise::tests::Approx;

namespace {

/// Plain SGD on 70 modes, too many for a jump.
struct Case {
  NoisyRun run;
  Coupling modes;
  std::vector<double> g;  ///< moments at the start
};

Case many_modes(std::uint64_t repeat) {
  PhaseBlock step;
  step.r = 1;
  step.T0[0] = 1;
  step.T1[0] = -0.3;
  step.n[0] = 0.3;
  step.e[0] = 0.8;
  step.omega = 0.7;
  Case c{NoisyRun(PhaseRun{Phase{{step}, 1}, repeat}), {}, {}};
  const std::size_t n = 70;
  c.modes.factor = 0.9;
  c.run.step.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double x = 1 / (1.0 + static_cast<double>(i));
    c.modes.weight.push_back(x);
    c.modes.feedback.push_back(0.5 * x);
    c.modes.itself.push_back(0.2 * x * x);
    c.run.step[i] = (1 - 0.3 * x) * (1 - 0.3 * x);
    c.g.push_back(1 + 0.1 * static_cast<double>(i % 7));
  }
  return c;
}

/// What the noise leaves at the end, by the definition: the moments with it less the moments without it.
std::vector<double> literal(const Case& c, double source) {
  const std::size_t n = c.g.size();
  std::vector<double> with = c.g, noise(n, 0.0);
  for (std::uint64_t k = 0; k < c.run.repeat; ++k) {
    double p = 0;
    for (std::size_t i = 0; i < n; ++i) p += c.modes.weight[i] * c.run.reads[0] * with[i];
    for (std::size_t i = 0; i < n; ++i) {
      const double enters =
          c.run.enters[0] * (c.modes.factor * (c.modes.feedback[i] * p - c.modes.itself[i] * c.run.reads[0] * with[i]) +
                             c.modes.feedback[i] * source);
      noise[i] = c.run.step[i] * noise[i] + enters;
      with[i] = c.run.step[i] * with[i] + enters;
    }
  }
  return noise;
}

void check_literal(Case c, double source, std::uint64_t passes) {
  const std::vector<double> expected = literal(c, source);
  std::vector<double> v;
  REQUIRE(c.run.follow(c.modes, source, c.g, v));
  CHECK(c.run.passes() == passes);
  for (std::size_t i = 0; i < v.size(); ++i) CHECK(v[i] == Approx(expected[i]).epsilon(1e-12));
}

}  // namespace

TEST_CASE("noisy run: enters and reads are those of the block") {
  const Case c = many_modes(70);
  REQUIRE(c.run.q == 1);
  CHECK(c.run.enters[0] == Approx(0.7 * 0.3 * 0.3).epsilon(1e-15));
  CHECK(c.run.reads[0] == Approx(0.8 * 0.8).epsilon(1e-15));
}

TEST_CASE("noisy run: many modes go by strides of 32 phases and what is left, short runs phase by phase") {
  check_literal(many_modes(63), 0.3, 63);
  check_literal(many_modes(64), 0.3, 2);
  check_literal(many_modes(70), 0.3, 3);
  check_literal(many_modes(127), 0, 4);
}

TEST_CASE("noisy run: powers that leave the range of doubles meet no zeros") {
  SUBCASE("those of a mode without its noise") {
    Case c = many_modes(70);
    c.modes.weight.back() = c.modes.feedback.back() = c.modes.itself.back() = c.g.back() = 0;
    c.run.step.back() = 4.5e9;  // the 32nd power is infinite, the 31st is not
    check_literal(c, 0.3, 70);
  }
  SUBCASE("those of a mode with its noise") {
    Case c = many_modes(70);
    c.modes.weight.back() = c.modes.feedback.back() = c.g.back() = 0;
    c.modes.itself.back() = 1e12;
    check_literal(c, 0.3, 70);
  }
  SUBCASE("what is seen of it") {
    Case c = many_modes(70);
    c.modes.feedback.back() = c.modes.itself.back() = c.g.back() = 0;
    c.modes.weight.back() = 1e200;
    c.run.step.back() = 1e5;
    check_literal(c, 0.3, 70);
  }
  SUBCASE("what it is left with") {
    Case c = many_modes(70);
    c.modes.factor = c.modes.weight.back() = c.modes.itself.back() = c.g.back() = 0;
    c.modes.feedback.back() = 1e200;
    c.run.step.back() = 1e5;
    check_literal(c, 0, 70);
  }
}

namespace {

/// A run of blocks of several coordinates, the moments of all modes literally: E z z' of every block and mode.
struct Blocks {
  Phase phase;
  std::vector<double> x, own;
  Coupling modes;
  double source = 0.3;

  explicit Blocks(std::vector<PhaseBlock> blocks, std::size_t n) : phase{std::move(blocks), 0.8} {
    for (std::size_t i = 0; i < n; ++i) {
      const auto k = static_cast<double>(i);
      x.push_back(1 / (1 + 0.5 * k));
      own.push_back(0.4 * x[i] * x[i]);
      modes.weight.push_back(x[i] * (1 + 0.1 * static_cast<double>(i % 3)) / (n > 9 ? 9 : 1));
      modes.feedback.push_back(0.3 * x[i]);
      modes.itself.push_back(0.2 * x[i] * x[i]);
    }
    modes.factor = 0.9;
  }
  static double start(std::size_t b, std::size_t j, std::size_t k, std::size_t i) {
    return (j == k ? 1.0 : 0.2) + 0.1 * static_cast<double>((i + b + j + k) % 4);
  }
  /// [block][mode] (row, column) after `repeat` phases from start(), with or without what couples the modes.
  std::vector<std::vector<std::vector<double>>> moments(std::uint64_t repeat, bool coupled) const {
    std::vector<std::vector<std::vector<double>>> at(phase.blocks.size());
    for (std::size_t b = 0; b < at.size(); ++b)
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t r = phase.blocks[b].r;
        std::vector<double>& s = at[b].emplace_back(r * r);
        for (std::size_t j = 0; j < r; ++j)
          for (std::size_t k = 0; k < r; ++k) s[j * r + k] = start(b, j, k, i);
      }
    for (std::uint64_t step = 0; step < repeat; ++step) {
      std::vector<double> S(x.size(), 0.0);
      double p = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t b = 0; b < at.size(); ++b) {
          const PhaseBlock& block = phase.blocks[b];
          for (std::size_t j = 0; j < block.r; ++j)
            for (std::size_t k = 0; k < block.r; ++k) S[i] += block.e[j] * at[b][i][j * block.r + k] * block.e[k];
        }
        p += modes.weight[i] * S[i];
      }
      for (std::size_t b = 0; b < at.size(); ++b)
        for (std::size_t i = 0; i < x.size(); ++i) {
          const PhaseBlock& block = phase.blocks[b];
          const std::size_t r = block.r;
          double C = own[i] * S[i];
          if (coupled)
            C += modes.factor * (modes.feedback[i] * p - modes.itself[i] * S[i]) + modes.feedback[i] * source;
          std::vector<double> next(r * r);
          for (std::size_t j = 0; j < r; ++j)
            for (std::size_t k = 0; k < r; ++k) {
              double& sum = next[j * r + k] = phase.noise_scale * block.omega * C * block.n[j] * block.n[k];
              for (std::size_t l = 0; l < r; ++l)
                for (std::size_t m = 0; m < r; ++m)
                  sum += (block.T0[j * r + l] + x[i] * block.T1[j * r + l]) * at[b][i][l * r + m] *
                         (block.T0[k * r + m] + x[i] * block.T1[k * r + m]);
            }
          at[b][i] = next;
        }
    }
    return at;
  }
  /// The same as [moment][mode], summed over blocks where they are joined.
  std::vector<double> listed(const NoisyRun& run, const std::vector<std::vector<std::vector<double>>>& of) const {
    std::vector<double> out(run.q * x.size(), 0.0);
    for (std::size_t b = 0; b < of.size(); ++b) {
      const auto& at = run.where.block[b];
      for (std::size_t j = 0; j < at.size(); ++j)
        for (std::size_t k = j; k < at.size(); ++k) {
          const std::size_t width = run.where.joined ? run.where.block[run.where.lead].size() : at.size();
          const std::size_t m = (run.where.joined ? 0 : run.offset[b]) + moment_place(j, k, width);
          for (std::size_t i = 0; i < x.size(); ++i)
            out[m * x.size() + i] += of[b][i][at[j] * phase.blocks[b].r + at[k]];
        }
    }
    return out;
  }
  /// Checks a run of `repeat` phases, also with another factor on the coupling, and returns the passes it took.
  std::uint64_t check(std::uint64_t repeat, bool joined, std::size_t q) {
    const PhaseRun phases{phase, repeat};
    NoisyRun run(phases);
    REQUIRE(run.where.joined == joined);
    REQUIRE(run.q == q);
    const std::size_t n = x.size();
    run.step.resize(q * q * n);
    std::vector<double> map(q * q);
    for (std::size_t i = 0; i < n; ++i) {
      run.signal(phases, x[i], map.data());
      for (std::size_t a = 0; a < q; ++a)
        for (std::size_t b = 0; b < q; ++b)
          run.step[(a * q + b) * n + i] = map[a * q + b] + own[i] * run.enters[a] * run.reads[b];
    }
    for (const double factor : {0.9, 0.5}) {
      modes.factor = factor;
      run.forget();
      const std::vector<double> with = listed(run, moments(repeat, true)),
                                without = listed(run, moments(repeat, false));
      std::vector<double> g = listed(run, moments(0, false)), v;
      REQUIRE(run.follow(modes, source, g, v));
      double largest = 0;
      for (const double m : with) largest = std::max(largest, std::abs(m));
      for (std::size_t k = 0; k < v.size(); ++k)
        CHECK(v[k] == Approx(with[k] - without[k]).epsilon(1e-11).scale(1e-2 * largest));
    }
    return run.passes();
  }
};

}  // namespace

TEST_CASE(
    "noisy run: blocks of several coordinates, phase by phase, by strides and by jumps, are all moments one by one") {
  // Momentum with a reading of both coordinates, and a deviation of one; or the same momentum in two blocks, of which one has an
  // outer coordinate beside.
  const std::vector<PhaseBlock> apart{
      block_of(2, {1, -0.1, 0.05, 0.7}, {-0.2, 0, 0.6, 0.1}, {-0.2, 0.6}, {1, 0.3}, 0.4),
      block_of(1, {0.8}, {-0.3}, {0.5}, {0.7}, 0.7)},
      joined{block_of(3, {1, 0, 0, 0, 1, -0.1, 0, 0.05, 0.7}, {0, 0, 0, 0, -0.2, 0, 0, 0.6, 0.1}, {0, -0.2, 0.6},
                      {0, 1, 0.3}, 0.4),
             block_of(2, {1, -0.1, 0.05, 0.7}, {-0.2, 0, 0.6, 0.1}, {-0.2, 0.6}, {1, 0.3}, 0.5)};
  for (const std::size_t n : {2U, 90U})
    for (const std::uint64_t repeat : {1U, 5U, 31U, 32U, 45U, 64U, 70U, 101U}) {
      CAPTURE(n);
      CAPTURE(repeat);
      // Twice: by strides from 64 on.
      const std::uint64_t passes = 2 * (repeat >= 64 ? (repeat + 31) / 32 : repeat);
      CHECK(Blocks(apart, n).check(repeat, false, 4) == passes);
      CHECK(Blocks(joined, n).check(repeat, true, 3) == passes);
    }
  // Long runs pass over no mode.
  for (const std::size_t n : {1U, 2U})
    for (const std::uint64_t repeat : {4095U, 4608U}) {
      CAPTURE(n);
      CAPTURE(repeat);
      CHECK(Blocks(apart, n).check(repeat, false, 4) == 0);
      CHECK(Blocks(joined, n).check(repeat, true, 3) == 0);
    }
}

TEST_CASE("jumps are made once for the same run, and the last four are known") {
  const auto jump = [](Jumps& known, double value, std::uint64_t repeat) {
    ModeBlocks step(1, 1), own(1, 1);
    step(0, 0, 0) = value;
    own(0, 0, 0) = -0.25 * value;
    return known.of(repeat, step, own, {0.125}, {1});
  };
  Jumps known;
  const auto first = jump(known, 0.5, 3);
  CHECK(jump(known, 0.5, 3) == first);
  CHECK(jump(known, 0.5, 2) != first);
  CHECK(jump(known, 0.75, 3) != first);
  // .375^3 - .5^3, and (.375 + .125)^3 - .375^3
  CHECK(first->gained(0, 0, 0) == Approx(0.052734375 - 0.125).epsilon(1e-15));
  double power = 0;
  const double one = 1;
  first->power.add({&one, 1}, {&power, 1});
  CHECK(power == Approx(0.125 - 0.052734375).epsilon(1e-15));
  CHECK(jump(known, 0.25, 3) != first);
  CHECK(jump(known, 0.5, 3) == first);
  CHECK(jump(known, 0.125, 3) != first);
  CHECK(jump(known, 0.5, 3) != first);
}
