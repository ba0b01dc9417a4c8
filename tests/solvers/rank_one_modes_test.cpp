#include "solvers/rank_one_modes.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

/// (p, sum of s) after `steps` steps of the map, by the steps themselves.
std::pair<double, double> stepped(const RankOneSystem& system, int steps) {
  std::vector<double> s = system.initial;
  for (int k = 0;; ++k) {
    double p = 0, total = 0;
    for (std::size_t i = 0; i < s.size(); ++i) p += system.weight[i] * s[i];
    for (const double x : s) total += x;
    if (k == steps) return {p, total};
    for (std::size_t i = 0; i < s.size(); ++i) s[i] = (1 - system.decay[i]) * s[i] + system.input[i] * p;
  }
}

}  // namespace

TEST_CASE("rank one modes: two coupled modes have the eigenvalues of their matrix") {
  // [[1 - .3 + .02, .04], [.01, 1 - .1 + .02]], by hand: mean .82, half-difference .1, product of couplings .0004.
  const RankOneSystem system{RankOneSystem::Kind::map, {0.3, 0.1}, {0.02, 0.01}, {1, 2}, {1, 0}, 0};
  const RankOneModes modes(system);
  const double root = std::sqrt(0.1 * 0.1 + 0.0004), high = 0.82 + root, low = 0.82 - root;
  double p = 0;
  for (const double t : {0.0, 1.0, 2.0, 50.0}) {
    // p(0) = 1, p(1) = .72 + 2 * .01; p = a high^t + (1 - a) low^t.
    const double a = (0.74 - low) / (high - low);
    modes.functionals(t, {}, std::span(&p, 1));
    CHECK(p == Approx(a * std::pow(high, t) + (1 - a) * std::pow(low, t)).epsilon(1e-13));
  }
}

TEST_CASE("rank one modes: equal decays, modes that are not driven and modes that drive nothing") {
  const RankOneSystem system{RankOneSystem::Kind::map,
                             {0.4, 0.4, 0.25, 0.1, 0.02},
                             {0.01, 0.03, 0.02, 0, 0.05},  // the fourth is not driven, the last does not drive
                             {1, 0.5, 0.3, 0.7, 0},
                             {1, 2, 0.1, 0.4, 3},
                             0};
  const RankOneModes modes(system);
  const std::vector<std::vector<double>> rows = {std::vector<double>(5, 1.0), {0, 1, 0, 0, 0}, {0, 0, 0, 0, 1}};
  std::vector<double> s(5), values(4);
  for (const int t : {0, 1, 2, 7, 100}) {
    const auto [p, total] = stepped(system, t);
    const double error = modes.functionals(t, rows, values);
    CHECK(error < 1e-12);
    CHECK(values[0] == Approx(p).epsilon(1e-12));
    CHECK(values[1] == Approx(total).epsilon(1e-12));
    modes.state(t, s);
    CHECK(values[2] == Approx(s[1]).epsilon(1e-12));
    CHECK(values[3] == Approx(s[4]).epsilon(1e-12));
  }
  // One step by hand: p = 1 + 1 + .03 + .28, s_2 = .6 * 2 + .03 p.
  modes.state(1, s);
  CHECK(s[1] == Approx(1.2 + 0.03 * 2.31).epsilon(1e-13));
  CHECK(s[3] == Approx(0.36).epsilon(1e-14));
}

TEST_CASE("rank one modes: many modes, driven from next to nothing to as much as they decay, near and far") {
  // Eigenvalues next to one decay, next to the other and between, with and without neighbours.
  std::vector<double> decay, input, weight, initial;
  for (int i = 0; i < 12; ++i) {
    decay.push_back(0.7 * std::pow(0.55, i) * (i % 4 == 3 ? 1.7 : 1));
    input.push_back(decay.back() * (i % 3 == 0 ? 1e-9 : i % 3 == 1 ? 0.15 : 0.01));
    weight.push_back(0.3 + 0.1 * (i % 5));
    initial.push_back(1.0 / (1 + i));
  }
  const RankOneSystem system{RankOneSystem::Kind::map, decay, input, weight, initial, 0};
  const RankOneModes modes(system);
  const std::vector<std::vector<double>> rows = {std::vector<double>(decay.size(), 1.0)};
  std::vector<double> values(2), s(decay.size());
  for (const int t : {0, 1, 2, 10, 300}) {
    CAPTURE(t);
    const auto [p, total] = stepped(system, t);
    const double error = modes.functionals(t, rows, values);
    CHECK(error < 1e-13 * (1 + t));
    CHECK(std::abs(values[0] / p - 1) < 1e-14 * (1 + t) + error);
    CHECK(values[1] == Approx(total).epsilon(1e-12));
    modes.state(t, s);
    double sum = 0;
    for (std::size_t i = 0; i < s.size(); ++i) sum += system.weight[i] * s[i];
    CHECK(sum == Approx(p).epsilon(1e-12));
  }
}

TEST_CASE("rank one modes: an eigenvalue next to the middle of two decays") {
  // .15/(.3 - .2) - .05/(.2 - .1) = 1: the eigenvalue is .2 where `off` is 0.
  for (const double off : {-0.03, -0.01, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.01, 0.03}) {
    CAPTURE(off);
    const RankOneSystem system{RankOneSystem::Kind::map, {0.3, 0.1}, {0.15, 0.05 * (1 + off)}, {1, 1}, {2, -1.9}, 0};
    const RankOneModes modes(system);
    double p = 0;
    for (const int t : {0, 1, 5}) {
      modes.functionals(t, {}, std::span(&p, 1));
      CHECK(p == Approx(stepped(system, t).first).epsilon(1e-12));
    }
  }
}

TEST_CASE("rank one modes: more of a row than is kept, and powers of either kind") {
  const RankOneSystem system{RankOneSystem::Kind::flow, {0.3, 0.1}, {0.02, 0.01}, {1, 2}, {1, 0}, 0};
  const RankOneModes modes(system);
  std::vector<double> s(2), values(2);
  modes.state(3, s);
  for (int k = 0; k < 40; ++k) {
    const std::vector<std::vector<double>> rows = {{1.0, 0.1 * k}};
    modes.functionals(3, rows, values);
    CHECK(values[1] == Approx(s[0] + 0.1 * k * s[1]).epsilon(1e-13));
  }
  CHECK(power_of(RankOneSystem::Kind::flow, 2, 3) == Approx(std::exp(-6)).epsilon(1e-15));
  CHECK(power_of(RankOneSystem::Kind::map, 1e-12, 1e12) == Approx(std::exp(-1)).epsilon(1e-12));
  CHECK(power_of(RankOneSystem::Kind::map, 1.5, 3) == -0.125);
}

TEST_CASE("rank one modes: the error is a rounding of every residue, and of every decay over all the time") {
  const double unit = std::numeric_limits<double>::epsilon();
  double p = 0;
  // One mode alone: p = w s_0 (1 - d + b w)^t, off by one rounding and by t of the larger of d and b w.
  for (const double b : {0.01, 0.5})
    for (const double t : {0.0, 3.0, 40.0}) {
      CAPTURE(b);
      CAPTURE(t);
      const RankOneModes modes({RankOneSystem::Kind::map, {0.3}, {b}, {2}, {-5}, 0});
      const double error = modes.functionals(t, {}, std::span(&p, 1));
      CHECK(p == Approx(-10 * std::pow(0.7 + 2 * b, t)).epsilon(1e-13));
      CHECK(error / unit == Approx(1 + std::max(0.3, 2 * b) * t).epsilon(1e-12));
    }
  // Modes that are not driven, beside one that is and starts at 0: residues start/(1 - g), g = b w/(d - d_i).
  const RankOneModes modes({RankOneSystem::Kind::flow, {0.3, 0.5, 0.2}, {0, 0, 0.1}, {2, 1, 0.4}, {3, -1, 0}, 0});
  const double first = 6 / (1 - 0.04 / (0.2 - 0.3)), second = -1 / (1 - 0.04 / (0.2 - 0.5)), pole = 0.2 - 0.04;
  // Of the pole: f/slope with f = sum of starts over distances, slope = b w/distance^2.
  const double start = 6 / (0.3 - pole), other = -1 / (0.5 - pole), slope = 0.04 / (0.04 * 0.04);
  const double third = (start + other) / slope;
  for (const double t : {0.0, 2.0, 9.0}) {
    const double a = std::exp(-0.3 * t), b = std::exp(-0.5 * t), c = std::exp(-pole * t);
    const double error = modes.functionals(t, {}, std::span(&p, 1));
    CHECK(p == Approx(first * a + second * b + third * c).epsilon(1e-13));
    const double expected = std::abs(first) * a * (1 + 0.3 * t) + std::abs(second) * b * (1 + 0.5 * t) +
                            (start - other) / slope * c + 0.2 * t * std::abs(third) * c;
    CHECK(error / unit == Approx(expected / std::abs(p)).epsilon(1e-12));
  }
  // Nothing at all has no error; what leaves the numbers is not known.
  CHECK(RankOneModes({RankOneSystem::Kind::flow, {0.3}, {0.1}, {1}, {0}, 0}).functionals(1, {}, std::span(&p, 1)) == 0);
  CHECK(std::isinf(
      RankOneModes({RankOneSystem::Kind::flow, {-1}, {0.1}, {1}, {1}, 0}).functionals(1e4, {}, std::span(&p, 1))));
}
