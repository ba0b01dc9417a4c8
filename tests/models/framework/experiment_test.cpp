#include "models/framework/experiment.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace edgewise;
using models::read_experiment;
using models::recorded_steps;

namespace {

models::Experiment parse(const std::string& text) {
  return read_experiment(settings::read_text(text, "x.toml"));
}

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("common sections are read, defaults filled in") {
  const auto experiment = parse("title = 'T'\nmodel = 'm'\n[time]\nsteps = 1000\n");
  CHECK(experiment.title == "T");
  CHECK(experiment.model == "m");
  CHECK(experiment.time.steps == 1000);
  CHECK(experiment.time.at.size() == 200);
  CHECK(experiment.time.at.front() == 0);
  CHECK(experiment.time.at.back() == 1000);
  CHECK(experiment.monte_carlo.replicas == 64);
  CHECK(experiment.monte_carlo.seed == 1);
  CHECK(experiment.table.has("time"));
}

TEST_CASE("listed steps are sorted, and step 0 and the last added") {
  const auto with_last = parse("model='m'\n[time]\nsteps = 50\nat = [10, 3, 3]\n");
  CHECK(with_last.time.at == std::vector<std::uint64_t>{0, 3, 10, 50});
  const auto without = parse("model='m'\n[time]\nat = [7, 100]\n");
  CHECK(without.time.steps == 100);
  CHECK(without.time.at == std::vector<std::uint64_t>{0, 7, 100});
  const auto both = parse("model='m'\n[time]\nsteps = 5\nat = [4]\npoints = 3\n");  // `at` wins
  CHECK(both.time.at == std::vector<std::uint64_t>{0, 4, 5});
  const auto only_zero = parse("model='m'\n[time]\nsteps = 0\n");
  CHECK(only_zero.time.at == std::vector<std::uint64_t>{0});
}

TEST_CASE("the model's own Monte Carlo keys pass, the common ones are checked") {
  const auto experiment =
      parse("model='m'\n[time]\nsteps=1\n[monte_carlo]\nreplicas = 8\nseed = 5\nsampler = 'block'\n");
  CHECK(experiment.monte_carlo.replicas == 8);
  CHECK(experiment.monte_carlo.seed == 5);
}

TEST_CASE("bad input: one line naming file, key and what is accepted") {
  const std::string rest = "model='m'\n[time]\n";
  CHECK(holds(error_of(rest + "steps = 10\npoints = 0\n"), "x.toml: time.points: must be >= 2"));
  CHECK(holds(error_of(rest + "steps = 10\npoints = -3\n"), "x.toml: time.points"));
  CHECK(holds(error_of(rest + "steps = -1\n"), "x.toml: time.steps: must be >= 0"));
  CHECK(holds(error_of(rest + "steps = 2.5\n"), "x.toml: time.steps: must be a whole number"));
  CHECK(holds(error_of(rest), "x.toml: time.steps: is required"));
  CHECK(holds(error_of("model='m'\n"), "x.toml: time.steps: is required"));
  CHECK(holds(error_of(rest + "at = []\n"), "x.toml: time.at: must list at least one"));
  CHECK(holds(error_of(rest + "at = [1.5]\n"), "x.toml: time.at: steps are whole numbers, got 1.5"));
  CHECK(holds(error_of(rest + "at = [-1]\n"), "x.toml: time.at: must be >= 0"));
  CHECK(holds(error_of(rest + "steps = 5\nat = [6]\n"), "x.toml: time.at: step 6 is beyond the last"));
  CHECK(holds(error_of(rest + "steps = 5\nstep = 4\n"), "x.toml: time.step: unknown key, did you mean 'steps'?"));
  CHECK(holds(error_of("model='m'\ntime = 3\n"), "x.toml: time: must be a section"));
  CHECK(holds(error_of("model='m'\n[optimiser]\n[time]\nsteps=1\n"),
              "x.toml: optimiser: unknown key, did you mean 'optimizer'?"));
  CHECK(holds(error_of("[time]\nsteps=1\n"), "x.toml: model: is required"));
  CHECK(holds(error_of("model=3\n[time]\nsteps=1\n"), "x.toml: model: must be text"));
  CHECK(holds(error_of(rest + "steps=1\n[monte_carlo]\nreplicas=0\n"), "x.toml: monte_carlo.replicas: must be >= 1"));
  CHECK(holds(error_of(rest + "steps=1\n[monte_carlo]\nseed=-1\n"), "x.toml: monte_carlo.seed: must be >= 0"));
}

TEST_CASE("recorded steps are increasing, without repeats, exactly as many as asked where there are so many") {
  CHECK(recorded_steps(0, 200) == std::vector<std::uint64_t>{0});
  CHECK(recorded_steps(3, 200) == std::vector<std::uint64_t>{0, 1, 2, 3});
  CHECK(recorded_steps(1000, 5) == std::vector<std::uint64_t>{0, 1, 10, 100, 1000});
  CHECK(recorded_steps(1000, 2) == std::vector<std::uint64_t>{0, 1000});
  const bool ok = rc::check("recorded steps", [] {
    const auto steps = *rc::gen::inRange<std::uint64_t>(0, 5000) * *rc::gen::element<std::uint64_t>(1, 977, 1u << 30);
    const auto points = *rc::gen::inRange<std::uint64_t>(2, 400);
    const auto at = recorded_steps(steps, points);
    RC_ASSERT(at.size() == std::min(points, steps + 1));
    RC_ASSERT(at.front() == 0u);
    RC_ASSERT(at.back() == steps);
    RC_ASSERT(std::adjacent_find(at.begin(), at.end(), std::greater_equal<>()) == at.end());
  });
  CHECK(ok);
}

TEST_CASE("records of every axis: as many as asked, in equal ratios, with 0 and the last") {
  const std::pair<const char*, const char*> axes[] = {{"least-squares", "[time]\nsteps"},
                                                      {"kernel-regression", "[samples]\nmax"},
                                                      {"equilibrium-network", "[depth]\nmax"}};
  for (const auto& [model, last] : axes) {
    const std::string text = "model = '" + std::string(model) + "'\n" + last + " = 1000\npoints = ";
    CAPTURE(text);
    CHECK(parse(text + "4\n").time.at == std::vector<std::uint64_t>{0, 1, 32, 1000});  // 1000^(1/2) = 31.6
    CHECK(parse(text + "5\n").time.at == std::vector<std::uint64_t>{0, 1, 10, 100, 1000});
    const auto given = parse(text + "5\nat = [7, 70]\n[monte_carlo]\nreplicas = 17\nseed = 23\n");
    CHECK(given.time.at == std::vector<std::uint64_t>{0, 7, 70, 1000});
    CHECK(given.monte_carlo.replicas == 17);
    CHECK(given.monte_carlo.seed == 23);
  }
}
