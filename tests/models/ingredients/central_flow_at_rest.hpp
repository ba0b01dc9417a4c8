#pragma once
// A central flow of one parameter that rests from its first step at the edge on, beside descent's cycle of two:
// u + z = 2 with the invariant E, in units where the rate and the curvature are 1.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/named.hpp"

namespace edgewise::models::testing {

/// z at both ends of the cycle, and its mean loss over the flow's.
struct CycleOfTwo {
  double first = 0, second = 0, ratio = 0;
};

/// Turns, 3 J w/(2 pi) a step, until half of `steps` are gone; descent is at its cycle before long. `loss` in those units.
inline CycleOfTwo check_play_at_rest(const Trajectory& t, double E, double steps, double loss) {
  using edgewise::tests::Approx;
  const double z = 2 * (1 + E) / 3, u = 2 * (z - E), w2 = -2 * z / 3;
  CHECK(report(t, "turns") == Approx(steps / 2 * 3 * std::sqrt(u * w2) / (2 * std::acos(-1))).epsilon(0.01));
  double cycle = 0.1;
  const auto step = [E](double x) { return x * (1 - (x - E) * (2 - x)); };
  for (int k = 0; k < 20000; ++k) cycle = step(cycle);
  const double ratio = (cycle * cycle + step(cycle) * step(cycle)) / 4 / loss;
  REQUIRE(ratio > 1.1);
  CHECK(report(t, "descent_least") == Approx(ratio).epsilon(0.02));
  CHECK(report(t, "descent_most") == Approx(ratio).epsilon(0.02));
  return {cycle, step(cycle), ratio};
}

/// The claim is the mean from the first of the records 0, 3, 1000, 2000 at the edge on, between `low` and `high` times its own, wider by what
/// has not settled from `off` times the oscillation on.
inline void check_claim_at_rest(const Problem& flow, const Trajectory& t, double nominal, double off, double low,
                                double high) {
  using edgewise::tests::Approx;
  const auto claims = flow.predictions();
  REQUIRE(claims.size() == 1);
  CHECK(claims[0].nominal == Approx(nominal).epsilon(0.005));
  const double p = off * off, unsettled = report(t, "unsettled");
  CHECK(unsettled == Approx(std::sqrt((p - 1 - std::log(p)) / 2) / (std::acos(-1) * report(t, "turns"))).epsilon(0.01));
  CHECK(claims[0].low == Approx(low / (1 + unsettled) * claims[0].nominal).epsilon(1e-12));
  CHECK(claims[0].high == Approx(high * (1 + unsettled) * claims[0].nominal).epsilon(1e-12));
  for (const Column& c : flow.reference().columns) CHECK(std::isinf(c.valid_from));
  RecordedReplica recorded;
  const std::vector<std::string> observed{"loss", "mean_loss"};
  recorded.names = observed;
  recorded.steps = t.steps;
  recorded.rows = {{1, 1, 1, 1}, {9, 4, 3, 7}};
  const bool from_three = column(t, "oscillation")[1] > 0;
  CHECK(claims[0].statistic(recorded) == Approx(from_three ? (997 * 3 + 1000 * 7.) / 1997 : 7));
}

}  // namespace edgewise::models::testing
