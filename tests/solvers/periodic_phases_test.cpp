#include "solvers/periodic_phases.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "tests/approx.hpp"
#include "tests/solvers/phase_blocks.hpp"

using namespace edgewise::solvers;
using edgewise::solvers::test::block_of;
using edgewise::tests::Approx;

namespace {

Phase noisy(std::vector<PhaseBlock> blocks, double scale = 1) {
  return {std::move(blocks), scale};
}

Eigen::MatrixXd at(const PhaseBlock& b, double x) {
  Eigen::MatrixXd out(b.r, b.r);
  for (std::size_t i = 0; i < b.r; ++i)
    for (std::size_t j = 0; j < b.r; ++j)
      out(static_cast<int>(i), static_cast<int>(j)) = b.T0[i * b.r + j] + x * b.T1[i * b.r + j];
  return out;
}

/// Heavy-ball momentum, 13 steps, then an outer step that halves the way and forgets half of the memory.
PeriodicPhases momentum(double rate = 0.3, double beta = 0.8, std::uint64_t steps = 13) {
  PeriodicPhases s;
  s.modes.x = {1, 0.4, 0.05};
  s.modes.weight = s.modes.feedback = s.modes.x;
  s.modes.own = {1, 0.16, 0.0025};
  s.modes.source = 0.5;
  s.sizes = {3};
  // Coordinates: outer parameters, inner parameters, memory.
  s.period.push_back({noisy({block_of(3, {1, 0, 0, 0, 1, -rate * beta, 0, 0, beta}, {0, 0, 0, 0, -rate, 0, 0, 1, 0},
                                      {0, -rate, 1}, {0, 1, 0}, 0.7)}),
                      steps});
  s.period.push_back({noisy({block_of(3, {0.5, 0.5, 0, 0.5, 0.5, 0, 0, 0, 0.5}, {})}, 0), 1});
  s.rest = {{1, 1, 0}};
  s.readout = {{1, 0, 0}};
  return s;
}

Eigen::MatrixXd period_at(const PeriodicPhases& s, double x) {
  Eigen::MatrixXd map = Eigen::MatrixXd::Identity(3, 3);
  for (const PhaseRun& run : s.period)
    for (std::uint64_t k = 0; k < run.repeat; ++k) map = at(run.phase.blocks[0], x) * map;
  return map;
}

}  // namespace

TEST_CASE("the mean map of a period is the product of its phases, its radius that of the product") {
  for (const std::uint64_t steps : {1, 2, 7, 13, 64}) {
    CAPTURE(steps);
    const PeriodicPhases s = momentum(0.3, 0.8, steps);
    const std::vector<double> radius = mean_radius(s);
    REQUIRE(radius.size() == 3);
    for (std::size_t k = 0; k < 3; ++k) {
      const double x = s.modes.x[k];
      const Eigen::MatrixXd expected = period_at(s, x);
      const std::vector<double> map = mean_map(s, 0, x);
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j)
          CHECK(map[static_cast<std::size_t>(i * 3 + j)] == Approx(expected(i, j)).epsilon(1e-13));
      CHECK(radius[k] == Approx(expected.eigenvalues().cwiseAbs().maxCoeff()).epsilon(1e-12));
    }
  }
}

TEST_CASE("contraction is what a period takes off the readout, to all digits of slow modes") {
  const PeriodicPhases s = momentum();
  const Eigen::Vector3d rest(1, 1, 0);
  for (const double x : {1.0, 0.4, 0.05})
    CHECK(contraction(s, x) == Approx(1 - (period_at(s, x) * rest)(0)).epsilon(1e-13));
  // To first order in x: memory m_k = (1 - b^k)/(1 - b) x, and each step moves by rate (x + b m).
  double memory = 0, moved = 0;
  for (int k = 0; k < 13; ++k) {
    moved += 0.3 * (1 + 0.8 * memory);
    memory = 1 + 0.8 * memory;
  }
  for (const double x : {1e-8, 1e-20, 1e-200}) CHECK(contraction(s, x) / x == Approx(moved / 2).epsilon(1e-6));
}

TEST_CASE("the angle of an undamped oscillation: cos(angle) = 1 - rate x / 2 a step") {
  PeriodicPhases s = momentum(0.3, 1.0, 5);
  for (const double x : {1.0, 0.4})
    CHECK(oscillation_phase(s, x) == Approx(5 * std::acos(1 - 0.15 * x)).epsilon(1e-12));
  // With damping b: cos(angle) = (1 + b - rate x) / (2 sqrt b); real eigenvalues do not turn.
  s = momentum(0.3, 0.81, 5);
  CHECK(oscillation_phase(s, 1) == Approx(5 * std::acos((1.81 - 0.3) / 1.8)).epsilon(1e-12));
  CHECK(oscillation_phase(s, 0.001) == 0);
  // sqrt(b)^100 < 1e-4: damped away.
  for (const double left : {0.98e-4, 1.02e-4})
    CHECK((oscillation_phase(momentum(0.3, std::pow(left, 1.0 / 50), 100), 1) > 0) == (left > 1e-4));
}

TEST_CASE("null eigenvalues are those of rounding size beside the largest") {
  const double epsilon = std::numeric_limits<double>::epsilon();
  CHECK(is_null(0, 1));
  CHECK(is_null(4 * epsilon * 3e50, 3e50));
  CHECK_FALSE(is_null(5 * epsilon * 3e50, 3e50));
  CHECK(is_null(-1e-17, 1));
}

TEST_CASE("displacements: what rounding leaves of T0 f - f is 0, and small x keeps its digits") {
  const PhaseBlock b = block_of(2, {0.1, 0.9, -0.2, 1.2}, {0, -0.5, 1, 0});
  const double still[] = {1, 1}, other[] = {2, 1};
  double out[2];
  displacement(b, still, 1e-30, out);
  CHECK(out[0] == Approx(-0.5e-30));
  CHECK(out[1] == Approx(1e-30));
  displacement(b, other, 0.5, out);
  CHECK(out[0] == Approx(0.2 + 0.9 - 2 - 0.25).epsilon(1e-15));
  CHECK(out[1] == Approx(-0.4 + 1.2 - 1 + 1).epsilon(1e-15));
  double T[4];
  transfer(b, 0.5, T);
  CHECK(T[1] == Approx(0.65));
  CHECK(T[2] == Approx(0.3));
}

TEST_CASE("coordinates that repeat another one after the last noiseless phase, and those that vanish") {
  PeriodicPhases s;
  s.sizes = {4};
  s.period = {{noisy({block_of(4, {}, {})}), 1},
              {noisy({block_of(4,
                               {1, 2, 0, 0,     // itself
                                0, 0, 0, 0,     // vanishes
                                1, 2, 0, 0,     // repeats the first
                                1, 2, 0, 0.5},  // does not quite
                               {})},
                     0),
               1}};
  CHECK(representatives(s, 0) == std::vector<std::size_t>{0, vanishes, 0, 3});
  s.period.back().phase.blocks[0].T1[2 * 4 + 3] = 1;  // by x it moves differently
  CHECK(representatives(s, 0) == std::vector<std::size_t>{0, vanishes, 2, 3});
  s.period.back().phase.noise_scale = 1;
  CHECK(representatives(s, 0) == std::vector<std::size_t>{0, 1, 2, 3});
  CHECK_FALSE(s.is_constant(0, 1));
  s.constants = {{0, 1, 2.0}};
  CHECK(s.is_constant(0, 1));
  CHECK_FALSE(s.is_constant(0, 2));
  CHECK_FALSE(s.is_constant(1, 1));
}

TEST_CASE("where noise enters: the workers' own coordinates are joined where they are alike") {
  // Shared: (outer, inner, memory); deviations: (inner, memory).
  const PhaseBlock shared = block_of(3, {1, 0, 0, 0, 1, -0.2, 0, 0, 0.9}, {0, 0, 0, 0, -0.1, 0, 0, 1, 0}, {0, -0.1, 1},
                                     {0, 1, 0}, 0.25),
                   own = block_of(2, {1, -0.2, 0, 0.9}, {-0.1, 0, 1, 0}, {-0.1, 1}, {1, 0}, 0.75);
  const NoiseCoordinates found = noise_coordinates(noisy({own, shared}));
  REQUIRE(found.block.size() == 2);
  CHECK(found.block[0] == std::vector<std::size_t>{0, 1});
  CHECK(found.block[1] == std::vector<std::size_t>{1, 2});
  CHECK(found.joined);
  CHECK(found.lead == 0);
  for (const int change : {0, 1, 2, 3}) {
    CAPTURE(change);
    PhaseBlock other = shared;
    if (change == 0) other.T0[1 * 3 + 2] = -0.3;
    if (change == 1) other.T1[2 * 3 + 1] = 0.5;
    if (change == 2) other.n[2] = 0;
    if (change == 3) other.e[2] = 1;
    CHECK_FALSE(noise_coordinates(noisy({own, other})).joined);
  }
  PhaseBlock mixed = shared;
  mixed.T0[0 * 3 + 1] = 0.5;  // the outer coordinate now hears of the noise
  const NoiseCoordinates all = noise_coordinates(noisy({own, mixed}));
  CHECK(all.block[1] == std::vector<std::size_t>{0, 1, 2});
  CHECK(all.lead == 1);
}

TEST_CASE("balancing keeps eigenvalues and makes rows and columns alike") {
  // In the second to fourth two coordinates are alike whatever becomes of the third, which the others do not balance.
  for (std::vector<double> m : {std::vector<double>{0.5, 1e8, 0, 1e-9, -0.3, 2e5, 3e-4, 1e-6, 0.1},
                                {0.5, 1e4, 1e4, 1e-4, 0.2, 1e8, 1e-4, 1e8, 0.1},
                                {0.5, 1e-4, 1e8, 1e4, 0.2, 1e4, 1e8, 1e-4, 0.1},
                                {0.5, 1e8, 1e-4, 1e8, 0.2, 1e-4, 1e4, 1e4, 0.1}}) {
    const Eigen::Map<const Eigen::Matrix3d> at(m.data());
    const double radius = at.eigenvalues().cwiseAbs().maxCoeff();
    CHECK(spectral_radius(m, 3) == Approx(radius).epsilon(1e-9));
    balance(m, 3);
    CHECK(at.eigenvalues().cwiseAbs().maxCoeff() == Approx(radius).epsilon(1e-9));
    CHECK(at(0, 0) == 0.5);
    for (int i = 0; i < 3; ++i) {
      double row = 0, column = 0;
      for (int j = 0; j < 3; ++j)
        if (j != i) {
          row = std::max(row, std::abs(at(i, j)));
          column = std::max(column, std::abs(at(j, i)));
        }
      CHECK(row / column < 4.01);
      CHECK(column / row < 4.01);
    }
  }
  CHECK(spectral_radius({-2}, 1) == 2);
  CHECK(spectral_radius({0, -4, 1, 0}, 2) == Approx(2).epsilon(1e-15));
  CHECK(std::isinf(spectral_radius({NAN}, 1)));
  CHECK(std::isinf(spectral_radius({1, INFINITY, 0, 1}, 2)));
}

TEST_CASE("balanced phases are the same system in other units") {
  PeriodicPhases s = momentum();
  const double c = 3e40;  // eigenvalues in other units
  s.modes.x = {c, 0.4 * c, 0.05 * c};
  s.modes.weight = {2e-30, 1e-30, 3e-30};
  s.modes.feedback = {1e50, 2e50, 0.5e50};
  s.modes.own = {c * c, 0.2 * c * c, 0.01 * c * c};
  for (double& t : s.period[0].phase.blocks[0].T1) t /= c;
  for (double& n : s.period[0].phase.blocks[0].n) n /= c;
  const BalancedPhases found = balanced(s);
  const PeriodicPhases& b = found.system;
  REQUIRE(b.sizes == s.sizes);
  const auto in_range = [](const std::vector<double>& v) {
    const double most = *std::ranges::max_element(v);
    return most * most >= 0.5 && most * most <= 2;
  };
  CHECK(in_range(b.modes.x));
  CHECK(in_range(b.modes.weight));
  const std::vector<double>& d = found.unit[0];
  CHECK(std::ranges::all_of(d, [](double u) { return std::exp2(std::round(std::log2(u))) == u; }));
  const double x_unit = s.modes.x[0] / b.modes.x[0];
  for (std::size_t k = 0; k < 2; ++k) {
    const PhaseBlock &old = s.period[k].phase.blocks[0], &now = b.period[k].phase.blocks[0];
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        CHECK(now.T0[i * 3 + j] * d[i] / d[j] == Approx(old.T0[i * 3 + j]).epsilon(1e-15));
        CHECK(now.T1[i * 3 + j] * d[i] / d[j] / x_unit * c == Approx(old.T1[i * 3 + j] * c).epsilon(1e-15));
      }
      CHECK(now.n[i] * d[i] / x_unit * c == Approx(old.n[i] * c).epsilon(1e-15));
      CHECK(now.e[i] / d[i] == old.e[i]);
    }
    CHECK(now.omega == old.omega);
  }
  // S = (e z)^2, p = sum weight S, and the noise n n' (own S + feedback (p + source)) are what they were.
  for (std::size_t a = 0; a < 3; ++a) {
    CHECK(b.modes.weight[a] * found.shared_unit == Approx(s.modes.weight[a]).epsilon(1e-15));
    CHECK(b.modes.own[a] * x_unit * x_unit == Approx(s.modes.own[a]).epsilon(1e-15));
    CHECK(b.modes.feedback[a] * x_unit * x_unit / found.shared_unit == Approx(s.modes.feedback[a]).epsilon(1e-15));
  }
  CHECK(b.modes.source * found.shared_unit == s.modes.source);
  CHECK(b.readout[0][0] == d[0] * s.readout[0][0]);
  CHECK(b.rest[0][1] == s.rest[0][1] / d[1]);
}

TEST_CASE("balanced phases do not know in which units the coordinates were") {
  const PeriodicPhases s = momentum();
  const std::vector<double> plain = balanced(s).unit[0];
  for (const double parameters : {1e30, 1e-25})
    for (const double memory : {1e-20, 1.0, 1e35}) {
      CAPTURE(parameters);
      CAPTURE(memory);
      PeriodicPhases other = s;
      const std::vector<double> u = {parameters, parameters, memory};  // the outer parameters repeat the inner ones
      for (PhaseRun& run : other.period) {
        PhaseBlock& block = run.phase.blocks[0];
        for (std::size_t i = 0; i < 3; ++i) {
          for (std::size_t j = 0; j < 3; ++j) {
            block.T0[i * 3 + j] *= u[i] / u[j];
            block.T1[i * 3 + j] *= u[i] / u[j];
          }
          block.n[i] *= u[i];
          block.e[i] /= u[i];
        }
      }
      const std::vector<double> unit = balanced(other).unit[0];
      // Powers of two.
      for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(std::log2(unit[i] / plain[i] / u[i])) < 2);
    }
}

TEST_CASE("coordinates that repeat each other keep one unit, however they act on each other") {
  PeriodicPhases s = momentum();
  std::array<double, max_block* max_block>& T0 = s.period[1].phase.blocks[0].T0;
  for (const std::size_t row : {0, 1}) {
    T0[row * 3] = 1e-8;
    T0[row * 3 + 1] = 1;
  }
  REQUIRE(representatives(s, 0) == std::vector<std::size_t>{0, 0, 2});
  const std::vector<double> unit = balanced(s).unit[0];
  CHECK(unit[0] == unit[1]);
  // Each as itself: by sqrt(1e-8) apart.
  T0[0] = 2e-8;
  const std::vector<double> apart = balanced(s).unit[0];
  CHECK(apart[0] / apart[1] > 1e3);
}

TEST_CASE("coordinates that neither the noise nor the readout sees are left out") {
  PeriodicPhases s = momentum();
  // A fourth coordinate, a running mean of the parameters that nothing reads; a fifth is constant and drives the memory.
  PhaseBlock step = block_of(5, {1, 0,   0,     0,   0,    //
                                 0, 1,   -0.24, 0,   0,    //
                                 0, 0,   0.8,   0,   0.5,  //
                                 0, 0.1, 0,     0.9, 0,    //
                                 0, 0,   0,     0,   1},
                             {0, 0, 0, 0, 0, 0, -0.3, 0, 0, 0, 0, 1}, {0, -0.3, 1, 0, 0}, {0, 1, 0, 0, 0});
  s.sizes = {5};
  s.period = {{noisy({step}), 3}};
  s.rest = {{1, 1, 0, 1, 0}};
  s.readout = {{1, 0, 0, 0, 0}};
  s.constants = {{0, 4, 2.0}};
  const BalancedPhases found = balanced(s);
  CHECK(found.system.sizes == std::vector<std::size_t>{4});
  REQUIRE(found.system.constants.size() == 1);
  CHECK(found.system.constants[0].coordinate == 3);
  CHECK(found.system.constants[0].value == 2.0 / found.unit[0][3]);
  CHECK(found.system.rest[0].size() == 4);
  CHECK(found.system.period[0].phase.blocks[0].T0[2 * 4 + 3] == 0.5 * found.unit[0][3] / found.unit[0][2]);
}

TEST_CASE("a block that nothing sees at all keeps its coordinates") {
  PeriodicPhases s = momentum();
  for (PhaseRun& run : s.period) run.phase.blocks.push_back(block_of(2, {0.5, 0.25, 0, 0.5}, {}));
  s.sizes = {3, 2};
  s.rest = {{1, 1, 0}, {0, 0}};
  s.readout = {{1, 0, 0}, {0, 0}};
  const BalancedPhases found = balanced(s);
  CHECK(found.system.sizes == std::vector<std::size_t>{3, 2});
  CHECK(found.system.period[0].phase.blocks[1].T0[1] * found.unit[1][0] / found.unit[1][1] == 0.25);
}

TEST_CASE("in balanced units the others, and the noise, act on a coordinate as strongly as it acts on them") {
  // v, its memory, a sum that only the readout sees, and one that drives and is never driven; 0 and 4 repeat each other.
  const std::vector<double> T0{1, -0.2, 0,   0,   0,  //
                               0, 0.9,  0,   0.3, 0,  //
                               2, 0,    0.8, 0,   0,  //
                               0, 0,    0,   0.7, 0,  //
                               0, 0,    0,   0,   1},
      T1{-0.1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0.4, 0, 0, 0},
      back{0.5, 0, 0, 0, 0.5, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0.5, 0, 0, 0, 0.5};
  for (const double of_noise : {1e-12, 1.0, 1e12})
    for (const double unit : {1e-9, 1.0, 1e15}) {
      CAPTURE(of_noise);
      CAPTURE(unit);
      PeriodicPhases s;
      s.modes.x = s.modes.weight = s.modes.feedback = {1, 0.3};
      s.modes.own = {1, 0.09};
      s.sizes = {5};
      const std::vector<double> u{unit, 1, 1 / unit, unit * unit, unit};
      PhaseBlock step = block_of(5, T0, T1, {-0.1, 1, 0, 0, 0}, {1, 0.2, 0, 0, 0}), end = block_of(5, back, {});
      for (PhaseBlock* block : {&step, &end})
        for (std::size_t i = 0; i < 5; ++i) {
          for (std::size_t j = 0; j < 5; ++j) {
            block->T0[i * 5 + j] *= u[i] / u[j];
            block->T1[i * 5 + j] *= u[i] / u[j];
          }
          block->n[i] *= u[i] * of_noise;
          block->e[i] /= u[i] / (i == 1 ? of_noise : 1);
        }
      s.period = {{noisy({step}), 4}, {noisy({end}, 0), 1}};
      s.readout = {{0, 0, 1, 0, 0}};
      const PeriodicPhases b = balanced(s).system;
      REQUIRE(b.sizes[0] == 5);
      const std::vector<std::size_t> classes[] = {{0, 4}, {1}, {2}, {3}};
      for (const std::vector<std::size_t>& one : classes) {
        CAPTURE(one[0]);
        double row = 0, column = 0;
        for (const std::size_t i : one)
          for (const PhaseRun& run : b.period) {
            const PhaseBlock& block = run.phase.blocks[0];
            for (std::size_t j = 0; j < 5; ++j) {
              if (std::ranges::find(one, j) != one.end()) continue;
              row = std::max({row, std::abs(block.T0[i * 5 + j]), std::abs(block.T1[i * 5 + j])});
              column = std::max({column, std::abs(block.T0[j * 5 + i]), std::abs(block.T1[j * 5 + i])});
            }
            row = std::max(row, std::abs(block.n[i]));
            column = std::max(column, std::abs(block.e[i]));
          }
        if (row > 0 && column > 0) {
          CHECK(row / column < 2.01);
          CHECK(column / row < 2.01);
        } else {  // by itself: of the size of 1
          CHECK(std::max(row, column) > 0.7);
          CHECK(std::max(row, column) < 1.42);
        }
      }
    }
}
