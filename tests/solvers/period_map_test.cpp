#include "solvers/period_map.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <complex>
#include <stdexcept>
#include <vector>

#include "solvers/noisy_run.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

/// Heavy-ball momentum, three noisy steps, then a phase that damps; no coordinate repeats another.
PeriodicPhases momentum(const std::vector<double>& x, double kurtosis, double rate = 0.4, double beta = 0.7) {
  PeriodicPhases s;
  s.modes.x = s.modes.weight = s.modes.feedback = x;
  for (const double value : x) s.modes.own.push_back((kurtosis - 2) * value * value);
  s.sizes = {2};
  PhaseBlock step, rest;
  step.r = rest.r = 2;
  std::ranges::copy(std::vector<double>{1, -rate * beta, 0, beta}, step.T0.begin());
  std::ranges::copy(std::vector<double>{-rate, 0, 1, 0}, step.T1.begin());
  std::ranges::copy(std::vector<double>{-rate, 1}, step.n.begin());
  step.e[0] = 1;
  step.omega = 0.3;
  std::ranges::copy(std::vector<double>{0.9, 0.1, 0.05, 0.6}, rest.T0.begin());
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
