// The adjoint of a phase against the phase itself: both are linear in the moments, and the phase quadratic in its control.
#include "solvers/phase_gradient.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

constexpr std::size_t count = 11;  // no multiple of 8

std::vector<double> numbers(edgewise::random::Stream& stream, std::size_t n) {
  std::vector<double> out(n);
  for (double& x : out) x = stream.normal();
  return out;
}

/// Two blocks, of two and three coordinates, with every entry of every matrix in use.
struct Case {
  edgewise::random::Stream stream{7, 0};
  LinearModes modes{numbers(stream, count), numbers(stream, count), numbers(stream, count), numbers(stream, count),
                    0.3};
  std::vector<std::size_t> sizes{2, 3};
  ControlledPhase phase;
  Case() {
    for (Phase* part : {&phase.rest, &phase.slope}) {
      part->noise_scale = 0.7;
      for (const std::size_t r : sizes) {
        PhaseBlock block;
        block.r = r;
        block.omega = 0.4 + 0.1 * static_cast<double>(r);
        for (std::size_t i = 0; i < r * r; ++i) {
          block.T0[i] = stream.normal();
          block.T1[i] = stream.normal();
        }
        for (std::size_t i = 0; i < r; ++i) {
          block.n[i] = stream.normal();
          block.e[i] = static_cast<double>(i) - 0.5;
        }
        part->blocks.push_back(block);
      }
    }
  }
  LinearPhases filled(const LinearModes& of) {
    LinearPhases out(of, sizes);
    for (std::size_t b = 0; b < sizes.size(); ++b)
      for (std::size_t i = 0; i < sizes[b]; ++i)
        for (std::size_t j = i; j < sizes[b]; ++j)
          for (double& x : out.moment(b, i, j)) x = stream.normal();
    return out;
  }
  double product(const LinearPhases& A, const LinearPhases& sigma) const {
    double sum = 0;
    for (std::size_t b = 0; b < sizes.size(); ++b)
      for (std::size_t i = 0; i < sizes[b]; ++i)
        for (std::size_t j = i; j < sizes[b]; ++j) sum += (i == j ? 1 : 2) * sigma.sum(b, i, j, A.moment(b, i, j));
    return sum;
  }
};

}  // namespace

TEST_CASE("a phase's adjoint carries the form back, its own noise apart") {
  Case test;
  const LinearPhases A = test.filled(adjoint_modes(test.modes));
  Phase forward, back;
  for (const double c : {0.0, 0.6, -1.3}) {
    phase_at(test.phase, c, forward);
    adjoint_phase(forward, back);
    LinearPhases earlier = A;
    earlier.apply(back);
    // Linear in the moments: the difference of two states leaves out what the source adds.
    const LinearPhases one = test.filled(test.modes), two = test.filled(test.modes);
    LinearPhases one_moved = one, two_moved = two;
    one_moved.apply(forward);
    two_moved.apply(forward);
    CHECK(test.product(A, one_moved) - test.product(A, two_moved) ==
          Approx(test.product(earlier, one) - test.product(earlier, two)).epsilon(1e-11));
  }
}

TEST_CASE("the dependence on the control is the phase's own") {
  Case test;
  const LinearPhases A = test.filled(adjoint_modes(test.modes)), sigma = test.filled(test.modes);
  const auto J = [&](double c) {
    Phase phase;
    phase_at(test.phase, c, phase);
    LinearPhases moved = sigma;
    moved.apply(phase);
    return test.product(A, moved);
  };
  const ControlDependence found =
      control_dependence(A, sigma, sigma.contents(), test.phase, sigma.shared(test.phase.rest));
  const double one = J(1) - J(0), minus = J(-1) - J(0);
  CHECK(found.linear == Approx((one - minus) / 2).epsilon(1e-10));
  CHECK(found.quadratic == Approx((one + minus) / 2).epsilon(1e-10));
  // Without noise.
  test.phase.rest.noise_scale = test.phase.slope.noise_scale = 0;
  const ControlDependence silent =
      control_dependence(A, sigma, sigma.contents(), test.phase, sigma.shared(test.phase.rest));
  CHECK(silent.linear == Approx((J(1) - J(-1)) / 2).epsilon(1e-10));
  CHECK(silent.quadratic == Approx((J(1) + J(-1)) / 2 - J(0)).epsilon(1e-10));
}

TEST_CASE(
    "steps are carried back all at once: the form's slope by every control, by differences of the steps themselves") {
  for (const bool noisy : {true, false})
    for (const bool alone : {true, false}) {
      CAPTURE(noisy);
      CAPTURE(alone);
      Case test;
      if (alone) {
        test.sizes = {3};
        for (Phase* part : {&test.phase.rest, &test.phase.slope}) part->blocks.erase(part->blocks.begin());
      }
      if (!noisy) test.phase.rest.noise_scale = test.phase.slope.noise_scale = 0;
      const LinearPhases A(test.filled(adjoint_modes(test.modes))), start = test.filled(test.modes);
      const std::vector<double> controls{0.4, -0.2, 0.9};
      const auto end = [&](const std::vector<double>& c) {
        LinearPhases moved = start;
        apply_run(moved, test.phase, c, INFINITY);
        return moved;
      };
      const std::size_t size = start.contents().size();
      std::vector<double> states(4 * size), shared(3), slope(3);
      std::copy(start.contents().begin(), start.contents().end(), states.begin());
      LinearPhases room = start, back = A;
      CHECK(apply_run(room, test.phase, controls, INFINITY, {states.data(), true, shared.data()}) == 3);
      CHECK(shared[0] == (noisy ? start.shared(test.phase.rest) : 0.0));
      const LinearPhases last = end(controls);
      CHECK(std::equal(last.contents().begin(), last.contents().end(), states.begin() + 3 * size));
      // Once more with the p that was left.
      std::vector<double> again(states.begin(), states.begin() + size);
      again.resize(4 * size);
      CHECK(apply_run(room, test.phase, controls, INFINITY, {again.data(), true, shared.data(), true}) == 3);
      CHECK(again == states);
      carry_back(back, start, test.phase, controls, states.data(), shared.data(), slope);
      for (std::size_t k = 0; k < 3; ++k) {
        std::vector<double> c = controls;
        const auto J = [&](double shift) {
          c[k] = controls[k] + shift;
          return test.product(A, end(c));
        };
        // A quadratic of every control.
        CHECK(slope[k] == Approx((J(0.5) - J(-0.5))).epsilon(1e-9));
      }
      Phase forward, turned;
      LinearPhases carried = A;
      for (std::size_t k = 3; k-- > 0;) {
        phase_at(test.phase, controls[k], forward);
        adjoint_phase(forward, turned);
        carried.apply(turned);
      }
      for (std::size_t i = 0; i < size; ++i)
        CHECK(back.contents()[i] == Approx(carried.contents()[i]).epsilon(1e-11).scale(1));
    }
}

TEST_CASE("a phase through three values of its control, or none") {
  Case test;
  Phase zero, one, two;
  phase_at(test.phase, 0, zero);
  phase_at(test.phase, 0.5, one);
  phase_at(test.phase, 1, two);
  const ControlledPhase found = controlled_phase(zero, one, two, 0.5);
  CHECK(found.slope.blocks[1].T1[4] == Approx(test.phase.slope.blocks[1].T1[4]).epsilon(1e-12));
  CHECK(found.slope.blocks[0].n[1] == Approx(test.phase.slope.blocks[0].n[1]).epsilon(1e-12));
  Phase bent = two;
  bent.blocks[0].T0[1] += 0.1;
  CHECK_THROWS_AS(controlled_phase(zero, one, bent, 0.5), std::invalid_argument);
  bent = two;
  bent.blocks[1].omega *= 2;
  CHECK_THROWS_AS(controlled_phase(zero, one, bent, 0.5), std::invalid_argument);
}

TEST_CASE("a run of one phase at many controls is its steps, bit by bit") {
  edgewise::random::Stream stream(9, 0);
  for (const std::size_t r : {1u, 2u}) {
    CAPTURE(r);
    LinearModes modes{numbers(stream, count), numbers(stream, count), numbers(stream, count), numbers(stream, count),
                      0.3};
    for (std::vector<double>* list : {&modes.x, &modes.weight, &modes.feedback, &modes.own})
      for (double& value : *list) value = std::abs(value);
    ControlledPhase phase;
    for (Phase* part : {&phase.rest, &phase.slope}) {
      part->noise_scale = 0.7;
      part->blocks.resize(1);
      PhaseBlock& block = part->blocks[0];
      block.r = r;
      block.omega = 0.4;
      for (std::size_t i = 0; i < r * r; ++i) {
        block.T0[i] = 0.3 * stream.normal();
        block.T1[i] = 0.3 * stream.normal();
      }
      for (std::size_t i = 0; i < r; ++i) block.n[i] = 0.3 * stream.normal();
      block.e[0] = 1;
    }
    LinearPhases whole(modes, {r});
    for (double& x : whole.moment(0, 0, 0)) x = 1;
    LinearPhases stepped = whole;
    const std::vector<double> controls = numbers(stream, 40);
    Phase now;
    std::vector<double> p;
    for (const double c : controls) {
      phase_at(phase, c, now);
      p.push_back(std::abs(stepped.apply(now)));
    }
    CHECK(apply_run(whole, phase, controls, INFINITY) == controls.size());
    CHECK(std::equal(whole.contents().begin(), whole.contents().end(), stepped.contents().begin()));
    // It ends at the first step that starts beyond the limit.
    LinearPhases again(modes, {r});
    for (double& x : again.moment(0, 0, 0)) x = 1;
    const double limit = *std::max_element(p.begin(), p.begin() + 20);
    const auto first = std::find_if(p.begin(), p.end(), [&](double value) { return !(value <= limit); });
    CHECK(apply_run(again, phase, controls, limit) == static_cast<std::size_t>(first - p.begin()));
  }
}

TEST_CASE("a stretch of steps at once: near what the steps give, exact where nothing feeds back, and to its order") {
  // 16 modes of D <- (1 - eta lambda)^2 D + eta^2 lambda (lambda D + P + 0.25).
  LinearModes modes;
  for (int j = 1; j <= 16; ++j) {
    const double lambda = 1.0 / (j * j);
    modes.x.push_back(lambda);
    modes.weight.push_back(lambda);
    modes.feedback.push_back(lambda);
    modes.own.push_back(lambda * lambda);
  }
  modes.source = 0.25;
  ControlledPhase phase;
  for (Phase* part : {&phase.rest, &phase.slope}) part->blocks.resize(1);
  phase.rest.noise_scale = phase.slope.noise_scale = 1;
  PhaseBlock &rest = phase.rest.blocks[0], &slope = phase.slope.blocks[0];
  rest.T0[0] = rest.e[0] = slope.e[0] = 1;
  slope.T1[0] = -1;
  slope.n[0] = 1;
  const auto start = [&] {
    LinearPhases state(modes, {1});
    for (double& x : state.moment(0, 0, 0)) x = 1;
    return state;
  };
  REQUIRE(has_stretches(start(), phase));
  double before = INFINITY;
  for (const std::uint64_t m : {64u, 16u, 4u, 1u}) {
    LinearPhases steps = start(), stretches = start();
    CHECK(apply_run(steps, phase, std::vector<double>(256, 0.05), INFINITY) == 256);
    double p = 0;
    for (std::uint64_t k = 0; k < 256; k += m) p = apply_stretch(stretches, phase, 0.05, m);
    const double exact = steps.sum(0, 0, 0, modes.weight),
                 off = std::abs(stretches.sum(0, 0, 0, modes.weight) / exact - 1);
    CAPTURE(m);
    CHECK(p == Approx(stretches.sum(0, 0, 0, modes.weight)).epsilon(1e-12));
    CHECK(off < before / 4);
    CHECK(off < (m == 64 ? 0.02 : m == 16 ? 2e-3 : m == 4 ? 2e-4 : 1e-13));
    before = off;
  }
  for (double& weight : modes.weight) weight = 0;
  LinearPhases steps = start(), stretches = start();
  apply_run(steps, phase, std::vector<double>(64, 0.3), INFINITY);
  apply_stretch(stretches, phase, 0.3, 64);
  for (std::size_t i = 0; i < 16; ++i)
    CHECK(stretches.moment(0, 0, 0)[i] == Approx(steps.moment(0, 0, 0)[i]).epsilon(1e-12));
}
