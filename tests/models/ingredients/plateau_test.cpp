#include "models/ingredients/plateau.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::ingredients;

namespace {

/// Recorded at steps 0, 10, ..., 100: the tail begins at 75.
RecordedReplica run() {
  RecordedReplica out;
  for (int k = 0; k <= 10; ++k) out.steps.push_back(10.0 * k);
  return out;
}

}  // namespace

TEST_CASE("a run comes to its edge before the tail, from below or to stay") {
  const RecordedReplica r = run();
  const auto came = [&](std::vector<double> value) { return came_to(r, value, 2); };
  const auto exceeded = [&](std::vector<double> value) { return reached(r, value, 2); };
  const std::vector<double> sharpened{1, 1.5, 2.1, 2, 2, 2, 2, 2, 2, 2, 2};
  CHECK(came(sharpened));
  CHECK(exceeded(sharpened));
  const std::vector<double> at_rest(11, 2.7);
  CHECK_FALSE(came(at_rest));
  CHECK(exceeded(at_rest));
  const std::vector<double> thrown{3, 5, 1.2, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3};
  CHECK_FALSE(came(thrown));
  std::vector<double> back = thrown;
  back[6] = 2.2;
  CHECK(came(back));
  std::vector<double> late(11, 1);
  late[8] = 2.5;
  CHECK_FALSE(came(late));
  CHECK_FALSE(exceeded(late));
  const std::vector<double> fallen{3, 2.5, 2.05, 2.02, 2.01, 2.01, 2.01, 2.01, 2.01, 2.01, 2.01};
  CHECK(came(fallen));
  const std::vector<double> passing{3, 2.5, 2.05, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8, 1.8};
  CHECK_FALSE(came(passing));
}

TEST_CASE("shares and medians of no steps are absent") {
  CHECK(is_absent(edge_share({}).median));
  CHECK(is_absent(edge_share({}).below));
  CHECK(edge_share({1, 3, 5}).median == 3);
  CHECK(edge_share({1, 3, 5, 1}).below == 0.5);
}

TEST_CASE("the tail of an oscillation is the mean of its phases, however many records each has") {
  const std::vector<double> steps{0, 50, 76, 78, 79, 80, 83, 100};
  // At even steps from 75 on 2.2, 2.18, 2.21 and 2.2: 2.2; at odd 1.8 and 1.9: 1.85.
  CHECK(tail_median_of_phases(steps, std::vector<double>{9, 9, 2.2, 2.18, 1.8, 2.21, 1.9, 2.2}) ==
        edgewise::tests::Approx(2.025).epsilon(1e-14));
  // Of one phase its median.
  CHECK(tail_median_of_phases(std::vector<double>{0, 76, 80, 100}, std::vector<double>{9, 1, 2, 4}) == 2);
}
