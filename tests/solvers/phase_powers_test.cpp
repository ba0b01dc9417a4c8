#include "solvers/phase_powers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

TEST_CASE("powers of random phases are the phases, one after another") {
  std::mt19937 generator(3);
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(generator);
  };
  for (const std::size_t n : {1u, 3u, 9u})
    for (const std::size_t second : {1u, 3u}) {
      LinearModes modes;
      for (std::size_t i = 0; i < n; ++i) {
        modes.x.push_back(uniform(0, 1));
        modes.weight.push_back(uniform(0, 1));
        modes.feedback.push_back(uniform(0, 0.05));
        modes.own.push_back(uniform(-0.05, 0.05));
      }
      modes.source = 0.3;
      const std::vector<std::size_t> sizes{2, second};
      std::vector<Phase> period(3);
      for (std::size_t k = 0; k < period.size(); ++k) {
        period[k].noise_scale = k == 2 ? 0 : 0.4 + 0.1 * static_cast<double>(k);
        for (const std::size_t r : sizes) {
          PhaseBlock block;
          block.r = r;
          block.omega = uniform(0.2, 1);
          for (std::size_t i = 0; i < r; ++i) {
            block.n[i] = uniform(-1, 1);
            block.e[i] = uniform(-1, 1);
            for (std::size_t j = 0; j < r; ++j) {
              block.T0[i * r + j] = (i == j ? 0.8 : 0) + uniform(-0.1, 0.1);
              block.T1[i * r + j] = uniform(-0.1, 0.1);
            }
          }
          period[k].blocks.push_back(block);
        }
      }
      LinearPhases stepped(modes, sizes);
      for (std::size_t b = 0; b < 2; ++b)
        for (std::size_t i = 0; i < sizes[b]; ++i)
          for (double& moment : stepped.moment(b, i, i)) moment = uniform(0.5, 1);
      LinearPhases jumped = stepped;
      PhasePowers powers(stepped, period);
      for (const std::uint64_t periods : {0u, 1u, 2u, 5u, 22u, 6u}) {
        for (std::uint64_t k = 0; k < periods; ++k)
          for (const Phase& phase : period) stepped.apply(phase);
        REQUIRE(powers.advance(jumped, periods));
        for (std::size_t b = 0; b < 2; ++b)
          for (std::size_t i = 0; i < sizes[b]; ++i)
            for (std::size_t j = 0; j < sizes[b]; ++j)
              for (std::size_t a = 0; a < n; ++a) {
                const double expected = stepped.moment(b, i, j)[a];
                CHECK(std::abs(jumped.moment(b, i, j)[a] - expected) <= 1e-13 * (1 + std::abs(expected)));
              }
      }
    }
}

TEST_CASE("powers beyond the range of numbers are refused, and nothing is moved") {
  LinearModes modes{{1}, {1}, {0.1}, {0.1}, 0};
  Phase phase{{PhaseBlock{}}, 1};
  phase.blocks[0].T0[0] = 2;
  LinearPhases state(modes, {1});
  state.moment(0, 0, 0)[0] = 1;
  PhasePowers powers(state, {phase});
  CHECK_FALSE(powers.advance(state, 1'000'000'000));
  CHECK(state.moment(0, 0, 0)[0] == 1);
  REQUIRE(powers.advance(state, 3));
  CHECK(state.moment(0, 0, 0)[0] == 64);
}

TEST_CASE("powers of a matrix") {
  const auto rotated = matrix_power({0.6L, -0.8L, 0.8L, 0.6L}, 2, 1001);
  const double angle = 1001 * std::atan2(0.8, 0.6);
  CHECK(static_cast<double>(rotated[0]) == Approx(std::cos(angle)).epsilon(1e-12));
  CHECK(static_cast<double>(rotated[2]) == Approx(std::sin(angle)).epsilon(1e-12));
  CHECK(matrix_power({5.0L}, 1, 0)[0] == 1);
}

TEST_CASE("coordinates without noise, moved by many periods at once") {
  // A rotation by 0.5 x and a shrinking by 1 - 0.01 x in turn; of two modes, against their closed form.
  Phase turn, shrink;
  for (Phase* phase : {&turn, &shrink}) {
    phase->blocks.resize(1);
    phase->blocks[0].r = 2;
  }
  turn.blocks[0].T0 = {0.6, -0.8, 0.8, 0.6};
  shrink.blocks[0].T0 = {1, 0, 0, 1};
  shrink.blocks[0].T1 = {-0.01, 0, 0, -0.01};
  const std::vector<double> x{1, 3};
  std::vector<double> z{2, -1, 0.5, 4};  // [coordinate][mode]
  advance_means({turn, shrink}, 0, x, 100, z);
  const double angle = 100 * std::atan2(0.8, 0.6);
  const double start[2][2] = {{2, 0.5}, {-1, 4}};
  for (std::size_t a = 0; a < 2; ++a) {
    const double left = std::pow(1 - 0.01 * x[a], 100);
    CHECK(z[a] == Approx(left * (std::cos(angle) * start[a][0] - std::sin(angle) * start[a][1])).epsilon(1e-12));
    CHECK(z[2 + a] == Approx(left * (std::sin(angle) * start[a][0] + std::cos(angle) * start[a][1])).epsilon(1e-12));
  }
}

TEST_CASE("coordinates without noise after one phase, forwards and backwards, and what a reading of them sums to") {
  // Blocks of 2 and 1 coordinates, modes at 1 and 3; literal T0 + x T1.
  Phase phase;
  phase.blocks.resize(2);
  phase.blocks[0].r = 2;
  phase.blocks[0].T0 = {0.5, 0, 2, 1};
  phase.blocks[0].T1 = {0.1, 0.3, 0, -0.2};
  phase.blocks[1].T0[0] = 0.25;
  phase.blocks[1].T1[0] = -1;
  const std::vector<double> x{1, 3};
  const std::vector<std::vector<double>> z{{2, -1, 0.5, 4}, {8, 16}};  // [coordinate][mode]
  // Mode at 1: [[.6, .3], [2, .8]] (2, .5); at 3: [[.8, .9], [2, .4]] (-1, 4).
  const std::vector<std::vector<double>> forwards{{1.35, 2.8, 4.4, -0.4}, {-6, -44}},
      backwards{{2.2, 7.2, 1, 0.7}, {-6, -44}};
  for (const bool transposed : {false, true}) {
    CAPTURE(transposed);
    const auto found = moved_means(phase, x, z, transposed);
    const auto& expected = transposed ? backwards : forwards;
    REQUIRE(found.size() == 2);
    for (std::size_t b = 0; b < 2; ++b) {
      REQUIRE(found[b].size() == expected[b].size());
      for (std::size_t k = 0; k < expected[b].size(); ++k) CHECK(found[b][k] == Approx(expected[b][k]).epsilon(1e-14));
    }
  }
  // (2 * 2 - .5)^2 = 12.25 and 4^2 of the first mode, (-2 - 4)^2 and 8^2 of the second.
  CHECK(squared_means({{2, -1}, {0.5}}, std::vector<double>{10, 0.1}, z) ==
        Approx(10 * (12.25 + 16) + 0.1 * (36 + 64)));
  // Many periods of one block alone: the second, by (1/4 - x)^3.
  std::vector<double> alone{8, 16};
  advance_means({phase}, 1, x, 3, alone);
  CHECK(alone[0] == Approx(8 * std::pow(-0.75, 3)).epsilon(1e-15));
  CHECK(alone[1] == Approx(16 * std::pow(-2.75, 3)).epsilon(1e-15));
}

TEST_CASE("the cost of a jump: a product of vector and square a binary digit, and the squares that are not there yet") {
  LinearModes modes{{1, 0.5, 0.2}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, 0};
  Phase phase{{PhaseBlock{}, PhaseBlock{}}, 1};
  phase.blocks[0].r = 2;
  LinearPhases state(modes, {2, 1});
  CHECK(PhasePowers::size(state) == 3 * (3 + 1) + 1);
  // 100 = 0b1100100, 7 digits: 6 squares beside the map itself.
  CHECK(PhasePowers::cost(nullptr, 10, 100) == 7 * 100 + 6 * 1000);
  PhasePowers powers(state, {phase});
  CHECK(PhasePowers::cost(&powers, 13, 100) == 7 * 169 + 6 * 2197);
  REQUIRE(powers.advance(state, 5));
  CHECK(PhasePowers::cost(&powers, 13, 100) == 7 * 169 + 4 * 2197);
  CHECK(PhasePowers::cost(&powers, 13, 4) == 3 * 169);
}
