#include "solvers/period_map.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <random>
#include <stdexcept>
#include <vector>

#include "solvers/noisy_run.hpp"
#include "tests/approx.hpp"
#include "tests/solvers/phase_blocks.hpp"

using namespace edgewise::solvers;
using edgewise::solvers::test::block_of;
using edgewise::tests::Approx;

namespace {

/// Heavy-ball momentum, three noisy steps, then a phase that damps; no coordinate repeats another.
PeriodicPhases momentum(const std::vector<double>& x, double kurtosis, double rate = 0.4, double beta = 0.7) {
  PeriodicPhases s;
  s.modes.x = s.modes.weight = s.modes.feedback = x;
  for (const double value : x) s.modes.own.push_back((kurtosis - 2) * value * value);
  s.sizes = {2};
  const PhaseBlock step = block_of(2, {1, -rate * beta, 0, beta}, {-rate, 0, 1, 0}, {-rate, 1}, {1}, 0.3);
  const PhaseBlock rest = block_of(2, {0.9, 0.1, 0.05, 0.6}, {});
  s.period = {{Phase{{step}, 1}, 3}, {Phase{{rest}, 0}, 1}};
  s.rest = {{1, 0}};
  s.readout = {{1, 0.5}};
  return s;
}

Eigen::MatrixXd own(const PeriodMap& map, std::size_t mode) {
  const auto D = static_cast<Eigen::Index>(map.moments());
  Eigen::MatrixXd out = Eigen::MatrixXd::Identity(D, D);
  for (Eigen::Index i = 0; i < D; ++i)
    for (Eigen::Index j = 0; j < D; ++j) out(i, j) += map.own_map(mode)[static_cast<std::size_t>(i * D + j)];
  return out;
}

void run(const PeriodicPhases& s, LinearPhases& state) {
  for (const PhaseRun& part : s.period)
    for (std::uint64_t k = 0; k < part.repeat; ++k) state.apply(part.phase);
}

/// The map of the moments (00, 01, 11) of the only mode of a system.
Eigen::Matrix3d literal(const PeriodicPhases& s) {
  Eigen::Matrix3d out;
  for (int column = 0; column < 3; ++column) {
    LinearPhases state(s.modes, s.sizes);
    state.moment(0, column / 2, (column + 1) / 2)[0] = 1;
    run(s, state);
    for (int row = 0; row < 3; ++row) out(row, column) = state.moment(0, row / 2, (row + 1) / 2)[0];
  }
  return out;
}

std::vector<double> sorted_sizes(const Eigen::MatrixXd& m) {
  std::vector<double> out;
  for (const std::complex<double>& value : m.eigenvalues()) out.push_back(std::abs(value));
  std::ranges::sort(out);
  return out;
}

void check_alike(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t k = 0; k < a.size(); ++k) CHECK(a[k] == Approx(b[k]).epsilon(1e-12));
}

}  // namespace

TEST_CASE(
    "a mode's own map is that of the mode alone: without noise, with its own noise, with all it feeds to itself") {
  for (const double kurtosis : {1.0, 3.0}) {
    CAPTURE(kurtosis);
    for (const double x : {1.0, 0.3}) {
      CAPTURE(x);
      PeriodicPhases alone = momentum({x}, kurtosis);
      const std::vector<double> with_p = sorted_sizes(literal(alone));
      alone.modes.feedback = {0};  // its own part of p left out
      const std::vector<double> without_p = sorted_sizes(literal(alone));
      check_alike(sorted_sizes(own(PeriodMap(momentum({x}, kurtosis), true, true), 0)), without_p);
      // Below kurtosis 2 its own part of p belongs to it, or it would leave the cone.
      const PeriodMap map(momentum({x}, kurtosis));
      check_alike(sorted_sizes(own(map, 0)), kurtosis < 2 ? with_p : without_p);
      CHECK(map.splits() == (kurtosis < 2));
      alone.modes.own = {0};
      check_alike(sorted_sizes(own(PeriodMap(momentum({x}, kurtosis), false), 0)), sorted_sizes(literal(alone)));
    }
  }
}

TEST_CASE("own map and response together are a period of all modes, step by step") {
  const std::vector<double> x{1, 0.7, 0.2};
  for (const double kurtosis : {1.0, 2.0, 3.0, 7.0}) {
    CAPTURE(kurtosis);
    const PeriodicPhases s = momentum(x, kurtosis);
    const PeriodMap map(s);
    REQUIRE(map.modes() == 3);
    REQUIRE(map.moments() == 3);
    CHECK(map.coupled());
    const BalancedPhases in_units = balanced(s);
    const std::vector<double>& unit = in_units.unit[0];
    PeriodicPhases source = s;
    source.modes.source = 0.37;
    LinearPhases state(source.modes, s.sizes);
    const auto moments_of = [&](const LinearPhases& of) {
      std::vector<double> y;
      for (std::size_t i = 0; i < x.size(); ++i)
        for (const auto& [row, column] : {std::pair<std::size_t, std::size_t>{0, 0}, {0, 1}, {1, 1}})
          y.push_back(of.moment(0, row, column)[i] / unit[row] / unit[column]);
      return y;
    };
    for (std::size_t i = 0; i < x.size(); ++i) {
      state.moment(0, 0, 0)[i] = 0.5 + static_cast<double>(i);
      state.moment(0, 0, 1)[i] = -0.2;
      state.moment(0, 1, 1)[i] = 0.8;
    }
    std::vector<double> y = moments_of(state), added(y.size());
    CHECK(moment_place(0, 1, 2) == 1);
    CHECK(moment_place(1, 1, 2) == 2);
    double first = 0;
    REQUIRE(map.respond(y, 0.37 / map.shared_unit(), {}, added, &first));
    // p = sum x_i E v_i^2 at the first noisy phase, here the first.
    CHECK(first * map.shared_unit() == Approx(0.5 + 0.7 * 1.5 + 0.2 * 2.5).epsilon(1e-13));
    CHECK(map.shared(y) * map.shared_unit() == Approx(0.5 + 0.7 * 1.5 + 0.2 * 2.5).epsilon(1e-13));
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(map.position()[i] / map.position()[0] == Approx(x[i]).epsilon(1e-15));
      CHECK(map.weight()[i] * map.shared_unit() == Approx(x[i]).epsilon(1e-15));
    }
    // (v + m/2)^2.
    const std::vector<double> seen = map.observed(y);
    for (std::size_t i = 0; i < x.size(); ++i)
      CHECK(seen[i] == Approx(0.5 + static_cast<double>(i) - 0.2 + 0.25 * 0.8).epsilon(1e-13));
    run(source, state);
    const std::vector<double> expected = moments_of(state);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Eigen::Vector3d before(y[3 * i], y[3 * i + 1], y[3 * i + 2]);
      const Eigen::Vector3d after = own(map, i) * before;
      for (std::size_t k = 0; k < 3; ++k)
        CHECK(after[static_cast<int>(k)] + added[3 * i + k] == Approx(expected[3 * i + k]).epsilon(1e-12));
    }
  }
}

TEST_CASE("modes in different directions act on each other in proportion to the coupling") {
  const PeriodicPhases s = momentum({1, 0.5}, 3);
  PeriodMap map(s);
  const std::vector<double> y{1, 0, 0.5, 0, 0, 0};  // the first mode alone
  std::vector<double> all(6), half(6), none(6);
  REQUIRE(map.respond(y, 0, {}, all));
  map.set_coupling(0);
  REQUIRE(map.respond(y, 0, {}, none));
  map.set_coupling(1e-6);
  REQUIRE(map.respond(y, 0, {}, half));
  CHECK(std::ranges::all_of(none, [](double v) { return v == 0; }));
  // To first order, p itself is as without: p at each of the three steps of the mode's own map.
  for (std::size_t k = 3; k < 6; ++k) {
    CHECK(all[k] != 0);
    CHECK(half[k] / 1e-6 == Approx(all[k]).epsilon(0.5));
  }
  CHECK(half[3] > 0);
}

TEST_CASE("moments of coordinates, frozen modes, and systems without noise") {
  const PeriodMap map(momentum({1, 0.5}, 3));
  const std::vector<double> inside = map.interior(0.01);
  CHECK(map.positive(inside, 0));
  CHECK(map.positive(inside, 1));
  CHECK(map.positive(std::vector<double>{1, 0.9, 1, 1, 0, 1}, 0));
  CHECK_FALSE(map.positive(std::vector<double>{1, 1.1, 1, 1, 0, 1}, 0));
  CHECK_FALSE(map.positive(std::vector<double>{-1, 0, 1, 1, 0, 1}, 0));
  CHECK(map.positive(std::vector<double>{-1, 0, 1, 1, 0, 1}, 1));
  CHECK_FALSE(map.frozen(0));
  CHECK(map.finite(0));

  PeriodicPhases still = momentum({1, 0.5}, 3, 0.0);
  still.period.pop_back();
  for (double& t : still.period[0].phase.blocks[0].T0) t = 0;
  still.period[0].phase.blocks[0].T0[0] = still.period[0].phase.blocks[0].T0[3] = 1;
  still.period[0].phase.blocks[0].T1 = {};
  still.period[0].phase.blocks[0].n = {};
  CHECK(PeriodMap(still).frozen(0));

  // Mode by mode: gradient descent leaves those at 0 where they are, and jumps over the minimum of those at 2/rate.
  PeriodicPhases sgd = still;
  sgd.modes.x = sgd.modes.weight = sgd.modes.feedback = sgd.modes.own = {0.5, 0, 5, 0};
  sgd.period[0].phase.blocks[0].T1[0] = -0.4;
  const PeriodMap of_sgd(sgd);
  for (std::size_t i = 0; i < 4; ++i) CHECK(of_sgd.frozen(i) == (i % 2 == 1));

  PeriodicPhases quiet = momentum({1}, 3);
  quiet.period[0].phase.noise_scale = 0;
  CHECK_THROWS_AS(PeriodMap{quiet}, std::invalid_argument);
}

TEST_CASE("growth by iteration is that of the step, once for every step of a period, however far it leads") {
  for (const std::uint64_t steps : {50, 4000}) {
    PeriodicPhases s = momentum({0.8}, 3, 20);
    s.period.pop_back();
    s.period[0].repeat = 1;
    const double radius = literal(s).eigenvalues().cwiseAbs().maxCoeff();
    REQUIRE(radius > 100);
    s.period[0].repeat = steps;
    CHECK(PeriodMap(s).log_growth_by_iteration() ==
          Approx(static_cast<double>(steps) * std::log(radius)).epsilon(1e-12));
  }
}

TEST_CASE("growth by iteration of long runs is that of short ones, phase by phase") {
  // Gradient descent beyond its edge on two modes, one of which takes its time to fall behind; runs of 10^12 phases.
  const auto grown = [](std::uint64_t repeat) {
    PhaseBlock step = block_of(1, {1}, {-1}, {1}, {1}, 1);
    PeriodicPhases s;
    s.sizes = {1};
    s.modes.x = {3.0, 2.98};
    s.modes.weight = {0.1, 0.1};
    s.modes.feedback = {0.0, 0.0};
    s.modes.own = {0.0, 0.0};
    s.period = {{Phase{{step}, 1}, repeat}};
    return PeriodMap(s).log_growth_by_iteration();
  };
  for (const std::uint64_t repeat : {5ULL, 8ULL, 1000ULL, 20003ULL, 1000000000003ULL}) {
    CAPTURE(repeat);
    CHECK(grown(repeat) == Approx(static_cast<double>(repeat) * std::log(4.0)).epsilon(1e-12));
  }
}

TEST_CASE("periods with constants, several noisy phases and several blocks are those of all modes, step by step") {
  // Block 0: parameters, memory, a constant that drives and is read; block 1: a deviation of one coordinate. Two different
  // noisy phases, the second twice, one without noise between.
  PeriodicPhases s;
  s.modes.x = s.modes.weight = {1, 0.6, 0.25};
  s.modes.feedback = {0.5, 0.9, 0.2};
  s.modes.own = {0.8, -0.3, 0.1};
  s.sizes = {3, 1};
  const std::vector<double> first{1, -0.2, 0.1, 0, 0.7, 0.3, 0, 0, 1}, second{0.9, 0.1, 0, 0.2, 0.5, -0.1, 0, 0, 1};
  s.period = {{Phase{{block_of(3, first, {-0.3, 0, 0.05, 0.9}, {-0.3, 0.9, 0}, {1, 0.2, 0.4}, 0.3),
                      block_of(1, {0.8}, {-0.1}, {0.4}, {0.7}, 0.6)},
                     0.9},
               1},
              {Phase{{block_of(3, {0.8, 0.1, 0, 0.1, 0.9, 0.2, 0, 0, 1}, {}), block_of(1, {0.5}, {})}, 0}, 1},
              {Phase{{block_of(3, second, {-0.2, 0.1}, {-0.2, 0.1, 0}, {0.8, 0, -0.3}, 0.5),
                      block_of(1, {0.7}, {0.1}, {-0.3}, {1}, 0.2)},
                     1},
               2}};
  s.constants = {{0, 2, 1.7}};
  s.readout = {{1, 0.5, -0.3}, {0.6}};
  const std::vector<double> power{0.7, 1.1, 0.4};
  const PeriodMap map(s);
  REQUIRE(map.moments() == 6);  // (0, 0), (0, 1), (0, 2), (1, 1), (1, 2) of block 0, (0, 0) of block 1
  const BalancedPhases in_units = balanced(s);
  const auto moments_of = [&](const LinearPhases& of) {
    std::vector<double> y;
    for (std::size_t i = 0; i < 3; ++i)
      for (const auto& [b, row, column] :
           {std::array<std::size_t, 3>{0, 0, 0}, {0, 0, 1}, {0, 0, 2}, {0, 1, 1}, {0, 1, 2}, {1, 0, 0}})
        y.push_back(of.moment(b, row, column)[i] / in_units.unit[b][row] / in_units.unit[b][column]);
    return y;
  };
  for (const double label : {0.0, 0.8}) {
    CAPTURE(label);
    LinearModes modes = s.modes;
    modes.source = label;
    LinearPhases state(modes, s.sizes);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto at = static_cast<double>(i);
      state.moment(0, 0, 0)[i] = 0.9 + at;
      state.moment(0, 0, 1)[i] = -0.2;
      state.moment(0, 0, 2)[i] = 0.3 - 0.1 * at;
      state.moment(0, 1, 1)[i] = 0.8;
      state.moment(0, 1, 2)[i] = 0.15;
      state.moment(0, 2, 2)[i] = 1.7 * 1.7 * power[i];
      state.moment(1, 0, 0)[i] = 0.5 + 0.2 * at;
    }
    const std::vector<double> y = moments_of(state), seen = map.observed(y, power);
    double p = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto S = [&](std::size_t b, std::size_t j, std::size_t k) { return state.moment(b, j, k)[i]; };
      p += s.modes.weight[i] * (S(0, 0, 0) + 0.4 * S(0, 0, 1) + 0.8 * S(0, 0, 2) + 0.04 * S(0, 1, 1) +
                                0.16 * S(0, 1, 2) + 0.16 * S(0, 2, 2) + 0.49 * S(1, 0, 0));
      CHECK(seen[i] == Approx(S(0, 0, 0) + S(0, 0, 1) - 0.6 * S(0, 0, 2) + 0.25 * S(0, 1, 1) - 0.3 * S(0, 1, 2) +
                              0.09 * S(0, 2, 2) + 0.36 * S(1, 0, 0))
                           .epsilon(1e-13));
    }
    std::vector<double> added(y.size());
    double found_p = 0;
    REQUIRE(map.respond(y, label, power, added, &found_p));
    CHECK(found_p * map.shared_unit() == Approx(p).epsilon(1e-13));
    run(s, state);
    const std::vector<double> expected = moments_of(state);
    for (std::size_t i = 0; i < 3; ++i) {
      const Eigen::Map<const Eigen::VectorXd> before(y.data() + 6 * i, 6);
      const Eigen::VectorXd after = own(map, i) * before;
      for (std::size_t k = 0; k < 6; ++k)
        CHECK(after[static_cast<int>(k)] + map.forced(i)[k] * power[i] + added[6 * i + k] ==
              Approx(expected[6 * i + k]).epsilon(1e-12));
    }
  }
  // Without constants p is that of the moments alone.
  std::vector<double> unit(18, 0.0);
  unit[5] = 1 / (in_units.unit[1][0] * in_units.unit[1][0]);
  CHECK(map.shared(unit) * map.shared_unit() == Approx(0.49).epsilon(1e-13));
}

TEST_CASE("moments of the inside of the cone: of unit size, slow modes' as small as they are slow") {
  const PeriodMap map(momentum({1, 1e-9, 1e-300}, 3));
  for (const double excess : {0.0, -0.3, 0.01}) {
    CAPTURE(excess);
    const std::vector<double> y = map.interior(excess);
    for (std::size_t i = 0; i < 3; ++i) {
      const double decay = std::abs(map.own_map(i)[0]) + std::abs(excess);
      CHECK(y[3 * i] == Approx(std::clamp(decay, 1e-280, 1.0)).epsilon(1e-14));
      CHECK(y[3 * i + 1] == 0);
      CHECK(y[3 * i + 2] == 1);
    }
  }
}

TEST_CASE("moments are those of coordinates where no combination of a block has a square below 0") {
  // Three coordinates and one of another block; a matrix is tried with its least eigenvalue moved to either side of 0.
  PeriodicPhases s = momentum({1, 0.5}, 3);
  s.sizes = {3, 1};
  for (PhaseRun& part : s.period) {
    part.phase.blocks[0].r = 3;
    part.phase.blocks[0].T0 = {0.9, 0.1, 0.2, 0.3, 0.8, -0.1, 0.05, 0.2, 0.7};
    part.phase.blocks[0].T1 = {};
    part.phase.blocks.push_back(PhaseBlock{});
    part.phase.blocks[1].T0[0] = 0.5;
    part.phase.blocks[1].e[0] = 1;
  }
  s.rest = {};
  s.readout = {{1, 0, 0}, {1}};
  const PeriodMap map(s);
  REQUIRE(map.moments() == 7);
  std::mt19937 generator(3);
  const auto uniform = [&] { return static_cast<double>(generator()) * 0x1p-31 - 1; };
  for (int trial = 0; trial < 200; ++trial) {
    Eigen::Matrix3d m;
    for (int i = 0; i < 3; ++i)
      for (int j = i; j < 3; ++j) m(i, j) = m(j, i) = uniform();
    const double least = m.selfadjointView<Eigen::Lower>().eigenvalues().minCoeff();
    for (const double to : {-1e-3, 1e-3})
      for (const double other : {-1.0, 0.0, 2.0}) {
        const Eigen::Matrix3d moved = m + (to - least) * Eigen::Matrix3d::Identity();
        std::vector<double> y(14, 0.0);
        std::size_t k = 7;  // of the second mode
        for (int i = 0; i < 3; ++i)
          for (int j = i; j < 3; ++j) y[k++] = moved(i, j);
        y[k] = other;
        CHECK(map.positive(y, 1) == (to > 0 && other > 0));
      }
  }
  // One coordinate in several guises: pivots of rounding size, which must not hide a product that is too large.
  for (const double excess : {0.0, 1e-3}) {
    const std::vector<double> y{1, 2, -1, 4, -2 - excess, 1, 1, 0, 0, 0, 0, 0, 0, 0};
    CHECK(map.positive(y, 0) == (excess == 0));
  }
}
