#include "solvers/linear_stability.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "solvers/period_map.hpp"
#include "tests/approx.hpp"
#include "tests/solvers/phase_blocks.hpp"

using namespace edgewise::solvers;
using edgewise::solvers::test::block_of;
using edgewise::tests::Approx;

namespace {

Phase noisy(std::size_t r, const std::vector<double>& T0, const std::vector<double>& T1, const std::vector<double>& n,
            const std::vector<double>& e, double omega) {
  return {{block_of(r, T0, T1, n, e, omega)}, 1};
}

Phase sync(std::size_t r, const std::vector<double>& T0) {
  return {{block_of(r, T0, {})}, 0};
}

/// Modes of one coordinate each, whose input coordinates have the fourth moment `kurtosis`.
LinearModes modes_of(const std::vector<double>& x, double kurtosis) {
  LinearModes modes;
  modes.x = modes.weight = modes.feedback = x;
  for (const double value : x) modes.own.push_back((kurtosis - 2) * value * value);
  return modes;
}

/// Steps with different gains on one coordinate (or one gain, in a run), then a sync that keeps half of what they moved.
PeriodicPhases lookahead(const std::vector<double>& x, double gain, double omega, int steps, double kurtosis = 3,
                         bool same = false) {
  PeriodicPhases system;
  system.modes = modes_of(x, kurtosis);
  system.sizes = {2};
  for (int i = 0; i < (same ? 1 : steps); ++i) {
    const double g = gain * (1 + (same ? 0 : 0.3 * i));
    system.period.push_back({noisy(2, {1, 0, 0, 1}, {0, 0, 0, -g}, {0, -g}, {0, 1}, omega), 1});
  }
  if (same) system.period.back().repeat = static_cast<std::uint64_t>(steps);
  system.period.push_back({sync(2, {0.5, 0.5, 0.5, 0.5}), 1});
  system.rest = {{1, 1}};
  system.readout = {{1, 0}};
  return system;
}

/// Two workers with inner momentum that persists and outer momentum: (V, m, v, u) and the deviation (v, u).
PeriodicPhases stacked(const std::vector<double>& x, double eta, double xi, double bi, double bo, int steps,
                       double workers, double kurtosis) {
  PeriodicPhases system;
  system.modes = modes_of(x, kurtosis);
  system.sizes = {4, 2};
  Phase step = noisy(4, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, -eta * bi, 0, 0, 0, bi},
                     {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -eta, 0, 0, 0, 1, 0}, {0, 0, -eta, 1}, {0, 0, 1, 0}, 1 / workers);
  step.blocks.push_back(block_of(2, {1, -eta * bi, 0, bi}, {-eta, 0, 1, 0}, {-eta, 1}, {1, 0}, 1 - 1 / workers));
  Phase last = sync(4, {1 - xi, xi * bo, xi, 0, -1, bo, 1, 0, 1 - xi, xi * bo, xi, 0, 0, 0, 0, 1});
  last.blocks.push_back(block_of(2, {0, 0, 0, 1}, {}));
  system.period = {{step, static_cast<std::uint64_t>(steps)}, {last, 1}};
  system.rest = {{1, 0, 1, 0}, {0, 0}};
  system.readout = {{1, 0, 0, 0}, {0, 0}};
  return system;
}

template <class Act>
void each_moment(const PeriodicPhases& system, Act act) {
  for (std::size_t b = 0; b < system.sizes.size(); ++b)
    for (std::size_t i = 0; i < system.sizes[b]; ++i)
      for (std::size_t j = i; j < system.sizes[b]; ++j) act(b, i, j);
}

void run_period(const PeriodicPhases& system, LinearPhases& state) {
  for (const PhaseRun& run : system.period)
    for (std::uint64_t k = 0; k < run.repeat; ++k) state.apply(run.phase);
}

/// Literally the whole second-moment map: every moment of every mode, by unit vectors.
Eigen::MatrixXd second_moment_map(const PeriodicPhases& system) {
  const std::size_t n = system.modes.x.size();
  std::size_t per_mode = 0;
  each_moment(system, [&](std::size_t, std::size_t, std::size_t) { ++per_mode; });
  const auto size = static_cast<Eigen::Index>(per_mode * n);
  Eigen::MatrixXd map(size, size);
  Eigen::Index column = 0;
  each_moment(system, [&](std::size_t b, std::size_t i, std::size_t j) {
    for (std::size_t mode = 0; mode < n; ++mode, ++column) {
      LinearPhases state(system.modes, system.sizes);
      state.moment(b, i, j)[mode] = 1;
      run_period(system, state);
      Eigen::Index row = 0;
      each_moment(system, [&](std::size_t c, std::size_t k, std::size_t l) {
        for (std::size_t other = 0; other < n; ++other) map(row++, column) = state.moment(c, k, l)[other];
      });
    }
  });
  return map;
}

double radius_of(const Eigen::MatrixXd& map) {
  return map.eigenvalues().cwiseAbs().maxCoeff();
}

const std::vector<double> x{1, 0.7, 0.4, 0.2, 0.1};

}  // namespace

TEST_CASE("Rademacher inputs: the noise of a step is that of all sign patterns, one after the other") {
  // E of (1 - eta x x') Sigma (1 - eta x x')' over the 2^3 patterns x_i = +- sqrt(lambda_i), diagonal part.
  const std::vector<double> lambda{1.0, 0.6, 0.3};
  const double eta = 0.8;
  Eigen::Matrix3d expected = Eigen::Matrix3d::Zero();
  for (int start = 0; start < 3; ++start)
    for (int pattern = 0; pattern < 8; ++pattern) {
      Eigen::Vector3d input;
      for (int i = 0; i < 3; ++i)
        input(i) = ((pattern >> i & 1) ? 1 : -1) * std::sqrt(lambda[static_cast<std::size_t>(i)]);
      const Eigen::Matrix3d step = Eigen::Matrix3d::Identity() - eta * input * input.transpose();
      const Eigen::Vector3d moved = step.col(start);
      expected.col(start) += moved.cwiseAbs2() / 8;
    }
  PeriodicPhases system;
  system.modes = modes_of(lambda, 1);
  system.sizes = {1};
  system.period = {{noisy(1, {1}, {-eta}, {-eta}, {1}, 1), 1}};
  CHECK((second_moment_map(system) - expected).norm() < 1e-15);
  CHECK(Renewal(system).growth().growth_factor == Approx(radius_of(expected)).epsilon(1e-12));
}

TEST_CASE("the growth factor is the spectral radius of the whole second-moment map, stable or not, at every kurtosis") {
  int stable = 0, unstable = 0;
  const auto check = [&](const PeriodicPhases& system) {
    const double radius = radius_of(second_moment_map(system));
    const Renewal renewal(system);
    const Growth growth = renewal.growth();
    CHECK(growth.growth_factor == Approx(radius).epsilon(1e-9));
    CHECK(growth.stable == (radius < 1));
    CHECK(growth.stable == renewal.stable());
    CHECK(growth.failed.empty() == growth.stable);
    CHECK((growth.mode_radius < 1 && growth.perron < 1) == growth.stable);
    (growth.stable ? stable : unstable)++;
  };
  for (const double kurtosis : {1.0, 1.8, 3.0, 6.0}) {
    CAPTURE(kurtosis);
    for (const double omega : {0.1, 0.5, 1.0, 2.0, 4.0}) {
      CAPTURE(omega);
      for (const double gain : {0.4, 1.1})
        for (const int steps : {1, 3, 8}) {
          CAPTURE(gain);
          CAPTURE(steps);
          for (const bool same : {false, true}) check(lookahead(x, gain, omega, steps, kurtosis, same));
          check(lookahead({1}, gain, omega, steps, kurtosis));
        }
    }
    for (const double eta : {0.05, 0.3, 0.8})
      for (const double xi : {0.5, 1.3})
        for (const int steps : {1, 4, 9}) {
          CAPTURE(eta);
          CAPTURE(xi);
          CAPTURE(steps);
          check(stacked({1, 0.5, 0.1}, eta, xi, 0.7, 0.4, steps, 3, kurtosis));
          check(stacked({1}, eta, xi, 0.95, 0, steps, 1, kurtosis));
        }
  }
  CHECK(stable > 40);
  CHECK(unstable > 40);
}

TEST_CASE("margins and determinants of gradient descent and of momentum in closed form") {
  // E v_i^2 <- a_i E v_i^2 + s r^2 x_i p, a_i = (1 - r x_i)^2 + s r^2 (k - 2) x_i^2: at z the feedback of p is
  // G(z) = sum_i s r^2 x_i^2/(z - a_i), and the margin 1 - G(1 + excess).
  const double s = 0.2;
  for (const double kurtosis : {2.0, 5.0})
    for (const double r : {0.3, 0.9, 1.5})
      for (const double excess : {0.0, 0.05, 0.7, -1e-3}) {
        CAPTURE(kurtosis);
        CAPTURE(r);
        CAPTURE(excess);
        PeriodicPhases sgd;
        sgd.modes = modes_of(x, kurtosis);
        sgd.sizes = {1};
        sgd.period = {{noisy(1, {1}, {-r}, {-r}, {1}, s), 1}};
        sgd.rest = sgd.readout = {{1}};
        const Renewal renewal(sgd);
        double G = 0, worst = 0;
        const std::vector<double> determinants = renewal.determinants();
        for (std::size_t i = 0; i < x.size(); ++i) {
          const double a = std::pow(1 - r * x[i], 2) + s * r * r * (kurtosis - 2) * x[i] * x[i];
          G += s * r * r * x[i] * x[i] / (1 + excess - a);
          worst = std::max(worst, a);
          CHECK(determinants[i] == Approx(1 - a).epsilon(1e-13));
          CHECK(renewal.radius()[i] == Approx(a).epsilon(1e-13));
        }
        CHECK(renewal.largest_radius() == Approx(worst).epsilon(1e-13));
        const Renewal::Probe probe = renewal.probe(excess);
        if (!(worst < 1 + excess)) {
          CHECK_FALSE(probe.stable);
          CHECK(probe.margin == -1);
          continue;
        }
        CHECK(probe.stable == (G < 1));
        if (G < 2) CHECK(probe.margin == Approx(1 - G).epsilon(1e-11));
        CHECK((probe.margin > 0) == (G < 1));
        const Growth growth = renewal.growth();
        if (excess == 0) {
          CHECK(growth.perron == Approx(G).epsilon(1e-11));
          CHECK(growth.failed == (G < 1 ? "" : "the Perron root of the renewal matrix is >= 1"));
        }
        CHECK(growth.mode_radius == renewal.largest_radius());
      }
  // Of several coordinates: det(1 - A) of every mode's own map, alone and without p.
  for (const int steps : {1, 4}) {
    PeriodicPhases system = stacked({1, 0.5, 0.1}, 0.3, 0.5, 0.7, 0.4, steps, 3, 3);
    const std::vector<double> found = Renewal(system).determinants();
    for (std::size_t i = 0; i < 3; ++i) {
      PeriodicPhases alone = stacked({system.modes.x[i]}, 0.3, 0.5, 0.7, 0.4, steps, 3, 3);
      alone.modes.feedback = {0};
      const Eigen::MatrixXd map = second_moment_map(alone);
      const Eigen::MatrixXd left = Eigen::MatrixXd::Identity(map.rows(), map.cols()) - map;
      CHECK(found[i] == Approx(left.determinant()).epsilon(1e-11));
    }
  }
}

TEST_CASE("the Perron root is that of the renewal matrix, phase by phase") {
  // G_hj: what a drive of 1 at phase j, in every earlier period too, leaves of p at phase h.
  const PeriodicPhases system = lookahead(x, 0.4, 0.7, 5);
  Eigen::MatrixXd G(5, 5);
  for (int j = 0; j < 5; ++j) {
    LinearPhases state(system.modes, system.sizes);
    for (int period = 0; period < 4000; ++period)
      for (std::size_t k = 0; k < system.period.size(); ++k) {
        const Phase& phase = system.period[k].phase;
        const double p = state.apply_driven(phase, static_cast<int>(k) == j ? 1.0 : 0.0);
        if (phase.noise_scale != 0) G(static_cast<Eigen::Index>(k), j) = p;
      }
  }
  CHECK(Renewal(system).perron() == Approx(radius_of(G)).epsilon(1e-11));
}

TEST_CASE("the steady state is where a long run ends, for short and long periods") {
  const auto check = [](PeriodicPhases system, int periods) {
    const Steady steady = Renewal(system).steady(0.2);
    system.modes.source = 0.2;
    LinearPhases state(system.modes, system.sizes), before = state;
    double drive = 0;
    for (int period = 0; period < periods; ++period) {
      before = state;
      bool first = true;
      for (const PhaseRun& run : system.period)
        for (std::uint64_t k = 0; k < run.repeat; ++k) {
          const double p = state.apply(run.phase);
          if (first) drive = p + 0.2;
          first = false;
        }
    }
    CHECK(steady.drive == Approx(drive).epsilon(1e-10));
    CHECK(steady.amplification == Approx(drive / 0.2).epsilon(1e-10));
    LinearPhases kept = before;
    for (const PhaseRun& run : system.period) {
      Phase quiet = run.phase;
      quiet.noise_scale = 0;
      for (std::uint64_t k = 0; k < run.repeat; ++k) kept.apply(quiet);
    }
    for (std::size_t i = 0; i < system.modes.x.size(); ++i) {
      CHECK(steady.observed[i] == Approx(state.moment(0, 0, 0)[i]).epsilon(1e-9));
      CHECK(steady.generated[i] == Approx(state.moment(0, 0, 0)[i] - kept.moment(0, 0, 0)[i]).epsilon(1e-7));
    }
  };
  for (const double kurtosis : {1.0, 3.0}) {
    for (const int steps : {1, 4}) check(lookahead(x, 0.3, 0.5, steps, kurtosis), 4000);
    check(lookahead(x, 0.02, 0.5, 60, kurtosis), 4000);
    check(lookahead(x, 0.02, 0.5, 60, kurtosis, true), 4000);
    check(stacked(x, 0.05, 0.5, 0.7, 0.4, 6, 3, kurtosis), 4000);
  }
}

TEST_CASE("the steady state keeps the feedback of the modes at label noise of any size") {
  // One step of plain SGD on one mode of kurtosis 3 at batch 1: P = eta sigma^2/(2 - 3 eta), by hand.
  PeriodicPhases system;
  system.modes = modes_of({1}, 3);
  system.sizes = {1};
  system.period.push_back({noisy(1, {1}, {-0.1}, {-0.1}, {1}, 1), 1});
  system.rest = {{1}};
  system.readout = {{1}};
  for (const double sigma2 : {1e-290, 1e-200, 1.0, 1e170, 1e290}) {
    CHECK(Renewal(system).steady(sigma2).observed[0] / sigma2 == Approx(0.1 / 1.7).epsilon(1e-12));
    for (const double kurtosis : {1.0, 3.0}) {
      PeriodicPhases several = lookahead(x, 0.3, 0.5, 4, kurtosis);
      const Steady at = Renewal(several).steady(sigma2), one = Renewal(several).steady(1);
      CHECK(at.drive / sigma2 == Approx(one.drive).epsilon(1e-12));
    }
  }
}

TEST_CASE("the steady state that constant coordinates and label noise keep up is where a long run ends") {
  // Parameters that follow a constant target by momentum: (v, m, c), c the same for ever; two different steps a period.
  for (const double kurtosis : {1.0, 3.0}) {
    CAPTURE(kurtosis);
    PeriodicPhases system;
    system.modes = modes_of({1, 0.6, 0.2}, kurtosis);
    system.modes.feedback = {0.7, 0.5, 0.3};
    system.sizes = {3};
    const auto step = [](double rate) {
      return noisy(3, {1, -rate, 0.05, 0, 0.6, 0.1, 0, 0, 1}, {-rate, 0, 0.1, 1, 0, -0.3}, {-rate, 1, 0}, {1, 0, 0.4},
                   0.3);
    };
    system.period = {{step(0.2), 2}, {sync(3, {0.9, 0.1, 0.02, 0, 0.5, 0, 0, 0, 1}), 1}, {step(0.1), 1}};
    system.constants = {{0, 2, 1.3}};
    system.readout = {{1, 0.2, -0.5}};
    const std::vector<double> power{0.5, 2, 0.1};
    const Steady steady = Renewal(system).steady(0.2, power);
    system.modes.source = 0.2;
    LinearPhases state(system.modes, system.sizes), before = state;
    for (std::size_t i = 0; i < 3; ++i) state.moment(0, 2, 2)[i] = 1.3 * 1.3 * power[i];
    double drive = 0;
    for (int period = 0; period < 3000; ++period) {
      before = state;
      drive = state.shared(system.period[0].phase) + 0.2;
      run_period(system, state);
    }
    CHECK(steady.drive == Approx(drive).epsilon(1e-10));
    LinearPhases kept = before;
    for (const PhaseRun& run : system.period) {
      Phase quiet = run.phase;
      quiet.noise_scale = 0;
      for (std::uint64_t k = 0; k < run.repeat; ++k) kept.apply(quiet);
    }
    const auto read = [](const LinearPhases& of, std::size_t i) {
      const auto S = [&](std::size_t j, std::size_t k) { return of.moment(0, j, k)[i]; };
      return S(0, 0) + 0.4 * S(0, 1) - S(0, 2) + 0.04 * S(1, 1) - 0.2 * S(1, 2) + 0.25 * S(2, 2);
    };
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(steady.observed[i] == Approx(read(state, i)).epsilon(1e-10));
      CHECK(steady.generated[i] == Approx(read(state, i) - read(kept, i)).epsilon(1e-8));
    }
    // The amplification is that of label noise alone.
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t k = 0; k < 3; ++k) state.moment(0, 2, k)[i] = 0;
    for (int period = 0; period < 3000; ++period) run_period(system, state);
    CHECK(steady.amplification == Approx((state.shared(system.period[0].phase) + 0.2) / 0.2).epsilon(1e-10));
  }
}

TEST_CASE("a long run of one phase is the run step by step") {
  // 700 steps of few modes are jumped over; written one by one they are stepped through.
  PeriodicPhases jumped = lookahead(x, 0.05, 0.5, 700, 1.8, true), stepped = jumped;
  stepped.period.clear();
  for (int k = 0; k < 100; ++k) stepped.period.push_back({jumped.period[0].phase, 7});
  stepped.period.push_back(jumped.period[1]);
  const Renewal a(jumped), b(stepped);
  CHECK(a.growth().growth_factor == Approx(b.growth().growth_factor).epsilon(1e-12));
  CHECK(a.perron() == Approx(b.perron()).epsilon(1e-12));
  const Steady s = a.steady(0.3), t = b.steady(0.3);
  CHECK(s.drive == Approx(t.drive).epsilon(1e-12));
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(s.observed[i] == Approx(t.observed[i]).epsilon(1e-12));
    CHECK(s.generated[i] == Approx(t.generated[i]).epsilon(1e-12));
  }
}

TEST_CASE("a long run of many modes is the run step by step, at a thirtieth of its passes") {
  std::vector<double> many;
  for (int i = 0; i < 60; ++i) many.push_back(std::pow(1 + i, -1.4));
  for (const double kurtosis : {1.0, 3.0}) {
    CAPTURE(kurtosis);
    // 325 steps go by strides of 32; in runs of 25 they are stepped through.
    const PeriodicPhases whole = stacked(many, 0.02, 0.5, 0.7, 0.4, 325, 3, kurtosis);
    PeriodicPhases parts = whole;
    parts.period.assign(13, {whole.period[0].phase, 25});
    parts.period.push_back(whole.period[1]);
    const PeriodMap strides(whole), steps(parts);
    const std::vector<double> y = strides.interior(0);
    std::vector<double> a(y.size()), b(y.size());
    REQUIRE(strides.respond(y, 0.3, {}, a));
    REQUIRE(steps.respond(y, 0.3, {}, b));
    for (std::size_t k = 0; k < y.size(); ++k) CHECK(a[k] == Approx(b[k]).epsilon(1e-11));
    CHECK(strides.passes() == 325 / 32 + 1);
    CHECK(steps.passes() == 325);
    const Renewal r(whole), s(parts);
    CHECK(r.growth().growth_factor == Approx(s.growth().growth_factor).epsilon(1e-12));
    CHECK(r.perron() == Approx(s.perron()).epsilon(1e-12));
    const Steady t = r.steady(0.3), u = s.steady(0.3);
    CHECK(t.drive == Approx(u.drive).epsilon(1e-12));
    for (std::size_t i = 0; i < many.size(); ++i) {
      CHECK(t.observed[i] == Approx(u.observed[i]).epsilon(1e-11));
      CHECK(t.generated[i] == Approx(u.generated[i]).epsilon(1e-9));
    }
  }
}

TEST_CASE("inputs of small kurtosis cost a probe of stability no more than Gaussian ones") {
  std::vector<double> many;
  for (int i = 0; i < 60; ++i) many.push_back(std::pow(1 + i, -1.4));
  const auto passes = [&](double kurtosis) {
    const Renewal renewal(stacked(many, 0.02, 0.5, 0.7, 0.4, 320, 3, kurtosis));
    CHECK(renewal.probe().stable);
    return renewal.passes();
  };
  CHECK(passes(3) <= 10 * 16);
  CHECK(passes(1) <= 10 * 20);
}

TEST_CASE("a mode that does not decay is named, and one that never moves is left out") {
  const Growth growth = Renewal(lookahead({6, 0.5}, 0.4, 0.1, 2)).growth();
  CHECK_FALSE(growth.stable);
  CHECK(growth.mode_radius > 1);
  CHECK(std::isinf(growth.perron));
  CHECK(growth.failed == "the period map of some mode has a spectral radius >= 1");
  const Renewal unstable(lookahead({6, 0.5}, 0.4, 0.1, 2));
  CHECK_THROWS_AS(unstable.steady(1), std::domain_error);

  const Renewal still(lookahead({0.5, 0}, 0.4, 0.1, 2));
  CHECK(still.dropped() == 1);
  CHECK(still.stable());
  CHECK(still.growth().growth_factor < 1);
}

TEST_CASE("the Perron root is linear in the feedback, over hundreds of decades") {
  for (const double kurtosis : {2.0, 3.0}) {
    const auto with = [&](double factor) {
      PeriodicPhases system = lookahead(x, 0.4, 0.7, 3, kurtosis);
      for (double& f : system.modes.feedback) f *= factor;
      return Renewal(system);
    };
    const double one = with(1).perron();
    for (const double factor : {1e-250, 1e-90, 1e-12, 0.3, 0.99 / one, 1.01 / one, 4.0, 1e7, 1e80, 1e250}) {
      CAPTURE(factor);
      const Renewal renewal = with(factor);
      CHECK(renewal.perron() / factor == Approx(one).epsilon(1e-11));
      CHECK(renewal.stable() == (factor * one < 1));
    }
    CHECK(with(0).perron() == 0);
    CHECK(with(0).probe().margin == 1);
  }
}

TEST_CASE("modes that stand still are told from those that move where it is not known at what they rest") {
  PeriodicPhases sgd;
  sgd.modes = modes_of({0.5, 0, 0, 2e-13, 1e-11}, 3);
  sgd.modes.weight = {0.5, 0.1, 0, 0.1, 0.1};  // the third is not seen
  sgd.sizes = {1};
  sgd.period = {{noisy(1, {1}, {-0.4}, {-0.4}, {1}, 0.3), 1}};
  sgd.readout = {{1}};
  const Renewal without(sgd);
  CHECK(without.frozen() == 1);
  CHECK(without.dropped() == 2);
  CHECK(without.radius()[1] == 1);
  CHECK_FALSE(without.growth().stable);
  CHECK(without.growth().growth_factor == 1);
  sgd.rest = {{1}};
  const Renewal with(sgd);
  CHECK(with.frozen() == 1);
  CHECK(with.dropped() == 2);
  // One that grows by less than 1e-12 a period is taken for still, by more it is not.
  sgd.rest = {};
  for (const double rate : {-0.4e-12, -0.6e-12}) {
    PeriodicPhases growing = sgd;
    growing.modes.x = {0.5, 1};
    growing.modes.weight = {0.5, 1};
    growing.modes.feedback = growing.modes.own = {0, 0};
    growing.period[0].phase.blocks[0].T1[0] = 0;
    growing.period[0].phase.blocks[0].T0[0] = 1 - rate;
    CHECK(Renewal(growing).frozen() == (rate > -0.5e-12 ? 2 : 0));
  }
}

TEST_CASE("a method that never moves is not stable: all modes are frozen") {
  const Growth growth = Renewal(lookahead(x, 0, 0.5, 3)).growth();
  CHECK_FALSE(growth.stable);
  CHECK(growth.frozen == x.size());
  CHECK(growth.growth_factor == 1);
  CHECK(growth.failed == "frozen: no mode moves");
}

TEST_CASE("a mode that jumps and keeps its second moment is at its edge, not frozen") {
  // eta lambda = 1 at batch 1: to the minimum, and noise of the very size of what there was. eta lambda = 2, no noise of its
  // own: to the other side.
  for (const auto& entry : {std::pair(1.0, 1.0), {2.0, 0.0}}) {
    const double eta = entry.first, omega = entry.second;
    CAPTURE(eta);
    PeriodicPhases sgd;
    sgd.modes = modes_of({1, 0.25}, 3);
    sgd.sizes = {1};
    sgd.period = {{noisy(1, {1}, {-eta}, {-eta}, {1}, omega), 1}};
    sgd.rest = sgd.readout = {{1}};
    const Growth growth = Renewal(sgd).growth();
    CHECK_FALSE(growth.stable);
    CHECK(growth.frozen == 0);
    CHECK(growth.failed.find("spectral radius >= 1") != std::string::npos);
  }
}

TEST_CASE("eigenvalues of rounding size read as 0, and slow modes keep all their digits") {
  const Renewal without(lookahead({1, 0.5, 0}, 0.4, 0.3, 4));
  for (const double tiny : {1e-16, 1e-17, 1e-20, 1e-300}) {
    CAPTURE(tiny);
    const Renewal with(lookahead({1, 0.5, tiny}, 0.4, 0.3, 4));
    CHECK(with.stable());
    CHECK(with.frozen() == 0);
    CHECK(with.growth().growth_factor == Approx(without.growth().growth_factor).epsilon(1e-13));
    CHECK(with.steady(0.1).drive == Approx(without.steady(0.1).drive).epsilon(1e-14));
  }
  // A slow mode of its own: E V^2 -> eta Q / (2 - ...) whatever its eigenvalue, to leading order in it.
  for (const double slow : {1e-6, 1e-9, 1e-12, 1e-30}) {
    CAPTURE(slow);
    const Steady at = Renewal(lookahead({1, slow}, 0.4, 0.3, 4)).steady(0.1);
    const Steady limit = Renewal(lookahead({1, 1e-100}, 0.4, 0.3, 4)).steady(0.1);
    CHECK(at.observed[1] == Approx(limit.observed[1]).epsilon(1e-14 + 10 * slow));
    CHECK(at.generated[1] / slow == Approx(limit.generated[1] / 1e-100).epsilon(1e-12 + 10 * slow));
  }
}

TEST_CASE("a sync that takes many times what short steps have moved keeps its digits") {
  // One mode, H = 1, sync Theta + xi u: with a = g x the second moment is multiplied by (1 - xi a)^2 + xi^2 a^2 omega at
  // kurtosis 3, so that 1 - A - 1 is xi a (2 - xi a (1 + omega)); and by (1 - xi a)^2 without the mode's own noise.
  for (const double a : {1e-3, 1e-8, 1e-12, 1e-17, 1e-30, 1e-100})
    for (const double share : {0.1, 0.9, 1.7}) {
      CAPTURE(a);
      CAPTURE(share);
      const double xi = share / a, omega = 0.25;
      PeriodicPhases system = lookahead({1}, a, omega, 1, 2, true);
      system.period[1].phase = sync(2, {1 - xi, xi, 1 - xi, xi});
      const double whole = xi * a;
      CHECK(Renewal(system).determinants()[0] == Approx(whole * (2 - whole)).epsilon(1e-14));
      system.modes = modes_of({1}, 3);
      system.modes.feedback = {0};
      CHECK(Renewal(system).determinants()[0] == Approx(whole * (2 - whole * (1 + omega))).epsilon(1e-13));
    }
}

TEST_CASE("what is observed before the last phase is where the noisy steps of a long run end") {
  for (PeriodicPhases system : {lookahead(x, 0.1, 0.3, 5), stacked(x, 0.1, 0.4, 0.6, 0.5, 4, 2, 3)}) {
    CAPTURE(system.sizes[0]);
    system.before_last = true;
    system.readout.assign(system.sizes.size(), {});
    for (std::size_t b = 0; b < system.sizes.size(); ++b) {
      system.readout[b].assign(system.sizes[b], 0.0);
      // A worker's own coordinate, and of the mean a part of the outer one.
      if (b == 0) system.readout[b][0] = 0.25;
      system.readout[b][b == 0 ? system.sizes[b] / 2 : 0] = 1;
    }
    system.modes.source = 0.3;
    LinearPhases state(system.modes, system.sizes);
    for (int k = 0; k < 4000; ++k) run_period(system, state);
    for (std::uint64_t k = 0; k < system.period[0].repeat; ++k) state.apply(system.period[0].phase);
    for (std::size_t p = 1; p + 1 < system.period.size(); ++p) state.apply(system.period[p].phase);
    const Steady steady = Renewal(system).steady(0.3);
    REQUIRE(steady.observed.size() == x.size());
    CHECK(steady.generated.empty());
    for (std::size_t i = 0; i < x.size(); ++i) {
      double expected = 0;
      for (std::size_t b = 0; b < system.sizes.size(); ++b)
        for (std::size_t k = 0; k < system.sizes[b]; ++k)
          for (std::size_t l = 0; l < system.sizes[b]; ++l)
            expected += system.readout[b][k] * system.readout[b][l] * state.moment(b, k, l)[i];
      CHECK(steady.observed[i] == Approx(expected).epsilon(1e-9));
    }
  }
}

TEST_CASE("nothing depends on the units of the modes") {
  const auto scaled = [](double c) {
    std::vector<double> all = x;
    for (double& value : all) value *= c;
    PeriodicPhases system = stacked(all, 0.05 / c, 0.5, 0.9, 0.6, 8, 4, 3);
    return system;
  };
  const Growth one = Renewal(scaled(1)).growth();
  const double amplification = Renewal(scaled(1)).steady(1).amplification;
  for (const double c : {1e-60, 3e-20, 1e5, 7e31, 1e60}) {
    CAPTURE(c);
    const Renewal renewal(scaled(c));
    const Growth growth = renewal.growth();
    CHECK(growth.stable);
    CHECK(growth.growth_factor == Approx(one.growth_factor).epsilon(1e-12));
    CHECK(growth.mode_radius == Approx(one.mode_radius).epsilon(1e-12));
    CHECK(growth.perron == Approx(one.perron).epsilon(1e-12));
    CHECK(renewal.steady(c).amplification == Approx(amplification).epsilon(1e-12));
  }
}

TEST_CASE("growth beyond the range of doubles is known by its logarithm") {
  // One coordinate, K = I in d = 1: each step multiplies E v^2 by (1 - g)^2 + 2 g^2 omega.
  const double g = 9, factor = (1 - g) * (1 - g) + 2 * g * g;
  PeriodicPhases system;
  system.modes = modes_of({1}, 3);
  system.sizes = {1};
  system.period = {{noisy(1, {1}, {-g}, {-g}, {1}, 1), 300}};
  const Growth growth = Renewal(system).growth();
  CHECK_FALSE(growth.stable);
  CHECK(growth.log_growth_factor == Approx(300 * std::log(factor)).epsilon(1e-12));
  // 1 - A has its sign all the same, and a phase whose squares are no doubles its growth.
  const double far = 1e200;
  system.period = {{noisy(1, {1}, {-far}, {-far}, {1}, 1), 1}};
  CHECK(Renewal(system).growth().log_growth_factor ==
        Approx(400 * std::log(10) + std::log(3)).epsilon(1e-12));  // (1 - g)^2 + 2 g^2
  CHECK(Renewal(system).determinants() == std::vector<double>{-std::numeric_limits<double>::infinity()});
}

TEST_CASE("mean maps and bad input") {
  const PeriodicPhases system = lookahead({0.5}, 0.4, 0.1, 1);
  const auto map = mean_map(system, 0, 0.5);
  CHECK(map[0] == Approx(0.5));
  CHECK(map[1] == Approx(0.5 * 0.8));
  CHECK(mean_radius(system)[0] == Approx(0.9).epsilon(1e-14));
  CHECK(contraction(system, 0.5) == Approx(0.1).epsilon(1e-14));
  CHECK(contraction(system, 1e-30) == Approx(0.2e-30).epsilon(1e-14));
  PeriodicPhases quiet = system;
  for (auto& run : quiet.period) run.phase.noise_scale = 0;
  CHECK_THROWS_AS(Renewal{quiet}, std::invalid_argument);
}
