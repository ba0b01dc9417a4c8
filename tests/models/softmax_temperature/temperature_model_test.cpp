#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models;
using edgewise::tests::Approx;

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

TEST_CASE("the linear stage is descent's while logits are small, and ends at the linear force's zero") {
  for (const bool one : {true, false}) {
    CAPTURE(one);
    const std::string text =
        std::string("model = 'softmax-temperature'\n[task]\nkind = 'kernel'\nkernel = 'powers'\n") +
        (one ? "labels = [1, -1, 1]\n[initial]\nlogits = [1e-3, -2e-3, 0]\n"
             : "classes = 3\nlabels = [1, 2, 3]\n[initial]\nlogits = [1e-3, 0, 0, 0, 2e-3, 0, 1e-3, 1e-3, 1e-3]\n") +
        "[loss]\ninverse_temperature = 2\n[optimizer]\nlearning_rate = 1e-5\n[time]\nat = [0, 250, 1000000000]\n";
    const Trajectory linear = testing::prepare(text + "[theory]\nmethod = 'linear'\n")->solve();
    const Trajectory descent = testing::prepare(text + "[theory]\nmethod = 'gd'\n", {"time.at=[0, 250]"})->solve();
    CHECK(linear.valid_until == 0);
    const std::size_t first = 3, C = one ? 1 : 3;
    double largest = 0;
    for (std::size_t o = first; o < linear.columns.size(); ++o)
      largest = std::max(largest, descent.columns[o].value[1]);
    for (std::size_t o = first; o < linear.columns.size(); ++o) {
      const auto& z = linear.columns[o].value;
      CHECK(z[0] == descent.columns[o].value[0]);
      // T = 250 4e-5 = .01: force and time step are off by some 1e-3 of the way.
      CHECK(std::abs(z[1] - descent.columns[o].value[1]) < 3e-3 * largest);
      // (C/beta)(Y - 1/C) and the mean over classes that was; one logit 2 y/beta.
      const std::size_t point = (o - first) / C, c = (o - first) % C;
      const double mean = point == 0 ? 1e-3 / 3 : point == 1 ? 2e-3 / 3 : 1e-3;
      const double end = one ? (point == 1 ? -1 : 1) : 1.5 * ((c == point ? 1 : 0) - 1 / 3.0) + mean;
      CHECK(z[2] == Approx(end).epsilon(1e-9));
    }
  }
}
