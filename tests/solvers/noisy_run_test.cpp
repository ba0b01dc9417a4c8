#include "solvers/noisy_run.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
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
