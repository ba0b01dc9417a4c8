#include "solvers/linear_stability.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <stdexcept>

using namespace edgewise::solvers;

namespace {

/// Two phases with different gains on one coordinate, then a sync that keeps half of what the two moved.
PeriodicPhases lookahead(std::vector<double> x, double gain, double noise, int steps) {
  PeriodicPhases system;
  for (const double value : x) {
    system.modes.x.push_back(value);
    system.modes.weight.push_back(value);
    system.modes.feedback.push_back(value);
    system.modes.own.push_back(value * value);
  }
  system.sizes = {2};
  Phase step;
  step.blocks.resize(1);
  auto& b = step.blocks[0];
  b.r = 2;
  b.T0 = {1, 0, 0, 1};
  b.T1 = {0, 0, 0, -gain};
  b.n = {0, -gain};
  b.e = {0, 1};
  b.omega = noise;
  step.noise_scale = 1;
  for (int i = 0; i < steps; ++i) {
    b.T1[3] = b.n[1] = -gain * (1 + 0.3 * i);
    system.period.push_back(step);
  }
  Phase sync;
  sync.blocks.resize(1);
  sync.blocks[0].r = 2;
  sync.blocks[0].T0 = {0.5, 0.5, 0.5, 0.5};
  system.period.push_back(sync);
  return system;
}

/// The whole period of all modes as one matrix on the moments at its start (V^2 of each mode), by unit vectors.
Eigen::MatrixXd coupled_map(const PeriodicPhases& system) {
  const std::size_t n = system.modes.x.size();
  Eigen::MatrixXd map(n, n);
  for (std::size_t j = 0; j < n; ++j) {
    LinearPhases state(system.modes, system.sizes);
    for (const auto& [row, col] : {std::pair(0, 0), std::pair(0, 1), std::pair(1, 1)})
      state.moment(0, static_cast<std::size_t>(row), static_cast<std::size_t>(col))[j] = 1;
    for (const Phase& phase : system.period) state.apply(phase);
    for (std::size_t i = 0; i < n; ++i)
      map(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = state.moment(0, 0, 0)[i];
  }
  return map;
}

const std::vector<double> x{1, 0.7, 0.4, 0.2, 0.1};

}  // namespace

TEST_CASE("the growth factor is the spectral radius of the coupled period map, stable or not") {
  for (const double noise : {0.1, 0.5, 1.0, 2.0, 4.0}) {
    CAPTURE(noise);
    const PeriodicPhases system = lookahead(x, 0.4, noise, 3);
    const double radius = coupled_map(system).eigenvalues().cwiseAbs().maxCoeff();
    const Growth growth = Renewal(system).growth();
    CHECK(growth.growth_factor == doctest::Approx(radius).epsilon(1e-11));
    CHECK(growth.stable == (radius < 1));
    CHECK(growth.failed.empty() == growth.stable);
  }
}

TEST_CASE("the renewal matrix is positive, and its Perron root is that of the dense matrix") {
  const Renewal renewal(lookahead(x, 0.4, 0.7, 5));
  CHECK(renewal.noisy_phases() == 5);
  for (const double z : {1.0, 1.3}) {
    const auto G = renewal.matrix(z);
    const Eigen::Map<const Eigen::Matrix<double, 5, 5, Eigen::RowMajor>> dense(G.data());
    CHECK(dense.minCoeff() > 0);
    CHECK(renewal.perron(z) == doctest::Approx(dense.eigenvalues().cwiseAbs().maxCoeff()).epsilon(1e-12));
  }
  CHECK(renewal.perron(1.3) < renewal.perron(1.0));
}

TEST_CASE("the steady state is where a long run ends, for short and long periods") {
  for (const int steps : {1, 4, 60}) {
    CAPTURE(steps);
    PeriodicPhases system = lookahead(x, steps == 60 ? 0.02 : 0.3, 0.5, steps);
    Renewal renewal(system);
    const Steady steady = renewal.steady(0.2);
    system.modes.source = 0.2;
    LinearPhases state(system.modes, system.sizes);
    std::vector<double> drive;
    for (int period = 0; period < 4000; ++period) {
      drive.clear();
      for (const Phase& phase : system.period) {
        const double p = state.apply(phase);
        if (phase.noise_scale != 0) drive.push_back(p + 0.2);
      }
    }
    for (std::size_t j = 0; j < drive.size(); ++j) CHECK(steady.drive[j] == doctest::Approx(drive[j]).epsilon(1e-10));
    CHECK(steady.amplification == doctest::Approx(steady.drive[0] / 0.2).epsilon(1e-12));
    for (std::size_t i = 0; i < x.size(); ++i)
      CHECK(renewal.state().moment(0, 0, 0)[i] == doctest::Approx(state.moment(0, 0, 0)[i]).epsilon(1e-10));
  }
}

TEST_CASE("a mode that does not decay is named, and one that never moves is left out") {
  const Growth growth = Renewal(lookahead({6, 0.5}, 0.4, 0.1, 2)).growth();
  CHECK_FALSE(growth.stable);
  CHECK(growth.mode_radius > 1);
  CHECK(std::isinf(growth.perron));
  CHECK(growth.failed.find("mode") != std::string::npos);
  Renewal unstable(lookahead({6, 0.5}, 0.4, 0.1, 2));
  CHECK_THROWS_AS(unstable.steady(1), std::domain_error);

  const Renewal still(lookahead({0.5, 0}, 0.4, 0.1, 2));
  CHECK(still.dropped() == 1);
  CHECK(still.stable());
  CHECK(still.growth().growth_factor < 1);
}

TEST_CASE("a method that never moves is bounded, and its modes are counted as frozen") {
  const Growth growth = Renewal(lookahead(x, 0, 0.5, 3)).growth();
  CHECK(growth.stable);
  CHECK(growth.frozen == x.size());
  CHECK(growth.growth_factor == 1);
}

TEST_CASE("mean maps and bad input") {
  const PeriodicPhases system = lookahead({0.5}, 0.4, 0.1, 1);
  const auto map = mean_map(system, 0, 0.5);
  CHECK(map[0] == doctest::Approx(0.5));
  CHECK(map[1] == doctest::Approx(0.5 * 0.8));
  CHECK(mean_radius(system)[0] == doctest::Approx(0.9).epsilon(1e-14));
  PeriodicPhases quiet = system;
  for (auto& phase : quiet.period) phase.noise_scale = 0;
  CHECK_THROWS_AS(Renewal{quiet}, std::invalid_argument);
  CHECK_THROWS_AS(Renewal(system).apply(std::vector<double>(3, 1.0)), std::invalid_argument);
}
