#include "cli/commands/replicas.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <sstream>
#include <string>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using namespace edgewise::cli;

TEST_CASE("times as they are told, and where results went") {
  CHECK(seconds_text(0.0123) == "0.012 s");
  CHECK(seconds_text(59.4) == "59 s");
  CHECK(seconds_text(60) == "1:00 min");
  CHECK(seconds_text(125.9) == "2:05 min");
  CHECK(seconds_text(3600) == "60:00 min");
  CHECK(written({{std::nullopt, "csv"}}).empty());
  CHECK(written({{"a.csv", "csv"}, {std::nullopt, "txt"}, {"b.nc", "nc"}}) == ", written to a.csv and b.nc");
}

TEST_CASE("an interruption tells how far it came, and what became of that") {
  validation::Sample sample;
  sample.replicas = 3;
  models::Experiment experiment = models::read_experiment(settings::read_text(testing::small_experiment, "e.toml"));
  CHECK(std::string(interruption(sample, experiment, "; gone").what()) == "interrupted after 3 of 400 replicas; gone");
  CHECK(std::string(interruption(sample, experiment, Targets{{std::nullopt, "csv"}}).what()) ==
        "interrupted after 3 of 400 replicas; they are printed");
  CHECK(std::string(interruption(sample, experiment, Targets{{"a.csv", "csv"}}).what()) ==
        "interrupted after 3 of 400 replicas; they are written to a.csv");
  sample.replicas = 0;
  experiment.monte_carlo.replicas = 1;
  CHECK(std::string(interruption(sample, experiment, "").what()) == "interrupted after 0 of 1 replica");
}

TEST_CASE("replicas are those that the experiment asks for, and nothing is said where nobody looks") {
  std::ostringstream out, err;
  Context context{out, err};
  context.threads = 1;
  models::Experiment experiment = models::read_experiment(settings::read_text(testing::small_experiment, "e.toml"));
  experiment.monte_carlo.replicas = 5;
  const auto problem = models::find(experiment).prepare(experiment);
  const auto simulation = build_simulation(context, "e.toml", *problem);
  const validation::Sample one = run_replicas(context, "e.toml", *simulation, experiment, "");
  context.threads = 2;
  const validation::Sample two = run_replicas(context, "e.toml", *simulation, experiment, ", again");
  CHECK(one.replicas == 5);
  CHECK(one.mean == two.mean);
  CHECK(one.steps.front() == 0);
  CHECK(one.steps.back() == 300);
  CHECK(out.str().empty());
  CHECK(err.str().empty());
}
