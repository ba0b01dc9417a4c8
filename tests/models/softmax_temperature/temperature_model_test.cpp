#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models;

TEST_CASE("logits and margins that are 0 by symmetry differ from the run by no more than their stated rounding") {
  // Class 1 at both ends of the chain, 2 and 3 between them: logits of the classes 2 and 3 mirror each other.
  for (const std::string labels : {"[1, 2, 3, 1]", "[1, 2, 3, 2]"}) {
    CAPTURE(labels);
    const auto problem = testing::prepare(
        "model = 'softmax-temperature'\n[task]\nkind = 'kernel'\nkernel = 'powers'\nclasses = 3\nlabels = " + labels +
        "\n[loss]\ninverse_temperature = 2\n[optimizer]\nlearning_rate = 0.05\n[time]\nat = [1, 10, 100]\n");
    const Trajectory theory = problem->solve();
    const auto simulation = problem->simulate();
    const auto replica = simulation->replica(1, 0);
    std::vector<double> seen(simulation->observables().size());
    REQUIRE(theory.columns.size() == seen.size());
    double least = 1;
    for (std::size_t t = 0; t < theory.steps.size(); ++t) {
      replica->advance(static_cast<std::uint64_t>(theory.steps[t]));
      replica->observe(seen);
      for (std::size_t o = 0; o < seen.size(); ++o) {
        const Column& column = theory.columns[o];
        CAPTURE(column.observable.name);
        CHECK(std::abs(seen[o] - column.value[t]) <= column.rounding + 1e-12 * std::abs(column.value[t]));
        CHECK(column.rounding < 1e-13);
        if (theory.steps[t] > 0) least = std::min(least, std::abs(column.value[t]));
      }
    }
    CHECK(least < 1e-15);  // such values there are
    CHECK(theory.columns[0].rounding == 0);
    CHECK(theory.columns[1].rounding == 0);
  }
}
