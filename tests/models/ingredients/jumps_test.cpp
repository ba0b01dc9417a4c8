// Jumps against the system itself, step by step, and what is said where rounding hides p.
#include "models/ingredients/jumps.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::ingredients::Jumps;
using solvers::RankOneSystem;

namespace {

RankOneSystem two_modes(RankOneSystem::Kind kind, double growth = 0) {
  return {kind, {0.05, 0.004}, {0.01, 0.002 + growth}, {1, 0.3}, {2, 5}, 0.4};
}

/// p and s_0 + s_1 after so many steps.
std::vector<double> iterated(RankOneSystem s, std::uint64_t steps) {
  for (std::uint64_t k = 0; k < steps; ++k) {
    const double p = s.weight[0] * s.initial[0] + s.weight[1] * s.initial[1] + s.source;
    for (std::size_t i = 0; i < 2; ++i) s.initial[i] += s.input[i] * p - s.decay[i] * s.initial[i];
  }
  return {s.weight[0] * s.initial[0] + s.weight[1] * s.initial[1], s.initial[0] + s.initial[1]};
}

}  // namespace

TEST_CASE("a map is read where its steps lead") {
  const RankOneSystem system = two_modes(RankOneSystem::Kind::map);
  Jumps jumps(system, 1e-9);
  CHECK(jumps.worthwhile() >= jumps.earliest());
  const std::vector<std::vector<double>> rows{{1, 1}};
  std::vector<double> out(2), state(2);
  for (const std::uint64_t step : {500u, 4000u}) {
    const std::vector<double> known = iterated(system, step);
    jumps.read(static_cast<double>(step), rows, out);
    jumps.state(static_cast<double>(step), state);
    for (std::size_t i = 0; i < 2; ++i) CHECK(out[i] == Approx(known[i]).epsilon(1e-9));
    CHECK(state[0] + state[1] == Approx(known[1]).epsilon(1e-9));
  }
  models::Trajectory said;
  jumps.report(said);
  CHECK(said.report.size() == 3);
  CHECK(said.warnings.empty());
  CHECK(!said.valid_until);
}

TEST_CASE("time 0 is the start, of a flow too") {
  Jumps jumps(two_modes(RankOneSystem::Kind::flow), 1e-9);
  const std::vector<std::vector<double>> rows{{1, 1}};
  std::vector<double> out(2), state(2);
  jumps.read(0, rows, out);
  CHECK(out == std::vector<double>{3.5, 7});
  jumps.state(0, state);
  CHECK(state == std::vector<double>{2, 5});
  // Nothing was inverted: nothing is said.
  models::Trajectory said;
  jumps.report(said);
  CHECK(said.report.empty());
}

TEST_CASE("where p passes a limit") {
  const RankOneSystem map = two_modes(RankOneSystem::Kind::map, 0.1);
  const Jumps jumps(map, 1e-9);
  const double limit = 1e8;
  const auto found = static_cast<std::uint64_t>(jumps.crossing(0, 3000, limit));
  CHECK(iterated(map, found)[0] > limit);
  CHECK(iterated(map, found - 1)[0] <= limit);
  // A flow: p at the time itself.
  Jumps flow(two_modes(RankOneSystem::Kind::flow, 0.1), 1e-9);
  const double time = flow.crossing(0, 3000, limit);
  std::vector<double> out(1);
  flow.read(time * (1 - 1e-5), {}, out);
  CHECK(out[0] < limit);
  flow.read(time * (1 + 1e-5), {}, out);
  CHECK(out[0] > limit);
}
