// Every model at several threads at once: replicas of one simulation, and problems of their own, as the cells of a sweep
// are. The bits must be those of one thread; the thread sanitizer looks for what they share.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"

using namespace edgewise;

namespace {

struct Case {
  const char* model;
  const char* sections;
};

const std::vector<Case> cases = {
    {"least-squares", R"(
[optimizer]
kind = "sgd"
learning_rate = 0.2
batch = 2
[schedule]
kind = "cosine")"},
    {"least-squares", R"(
[data]
law = "rademacher"
[optimizer]
kind = "diloco"
learning_rate = 0.02
inner_steps = 4
workers = 2)"},
    {"residual-sgd", R"(
[optimizer]
kind = "clip"
threshold = 2.0
learning_rate = 0.02)"},
    {"sign-sgd", R"(
[optimizer]
kind = "sign-late"
learning_rate = 0.01)"},
    {"sign-sgd", R"(
[optimizer]
kind = "per-example-adam"
second_moment = "per-example"
beta2 = 0.95
floor = 1e-3
batch = 4
learning_rate = 0.03)"},
    {"matrix-least-squares", R"(
[data]
outputs = 6
[optimizer]
kind = "signsvd"
learning_rate = 0.02
batch = 8)"},
    {"finite-data", R"(
[data]
samples = 6
[optimizer]
learning_rate = 0.02
batch = 2
sampling = "without-replacement")"},
    {"quadratic-map", R"(
[data]
epsilon = 0.02
[initial]
residual = -0.1
minimum_sharpness = 1.5
invariant = 0.0
[optimizer]
kind = "gd")"},
    {"quadratic-regression", R"(
[data]
outputs = 6
parameters = 12
curvature = 0.0
shared_initial = true
[optimizer]
kind = "sam"
learning_rate = 0.1
rho = 0.2
batch = 1
[theory]
method = "linear-mean")"},
    {"quadratic-regression", R"(
[data]
outputs = 6
parameters = 12
curvature = 0.5
[optimizer]
kind = "gd"
learning_rate = 0.1)"},
};

bool has_spectrum(const Case& c) {
  return !std::string(c.model).starts_with("quadratic");
}

models::Experiment experiment(const Case& c) {
  std::string text = "model = \"" + std::string(c.model) + "\"\n";
  if (has_spectrum(c)) text += "[spectrum]\nkind = \"power-law\"\ndimension = 12\nalpha = 0.5\nbeta = 0.5\n";
  if (has_spectrum(c) && std::string(c.model) != "matrix-least-squares")
    text += "[noise]\nlaw = \"gaussian\"\nvariance = 0.04\n";
  text += std::string(c.sections) + "\n[time]\nat = [4, 12, 24]\n[monte_carlo]\nreplicas = 13\nseed = 3\n";
  return models::read_experiment(settings::read_text(text, c.model));
}

std::vector<std::vector<double>> solved(const Case& c) {
  const models::Experiment e = experiment(c);
  std::vector<std::vector<double>> out;
  for (const models::Column& column : models::find(e).prepare(e)->solve().columns) out.push_back(column.value);
  return out;
}

}  // namespace

TEST_CASE("replicas of every model have the bits of one thread at any number" * doctest::test_suite("threads")) {
  for (const Case& c : cases) {
    CAPTURE(c.model);
    CAPTURE(c.sections);
    const models::Experiment e = experiment(c);
    const auto simulation = models::find(e).prepare(e)->simulate();
    const validation::Sample one = validation::run(*simulation, e, {.threads = 1}),
                             many = validation::run(*simulation, e, {.threads = 4});
    REQUIRE(one.replicas == 13);
    CHECK(one.mean.size() == one.observables.size() * one.steps.size());
    CHECK(many.values == one.values);
    CHECK(many.mean == one.mean);
  }
}

TEST_CASE("problems of every model are solved alike by several threads at once" * doctest::test_suite("threads")) {
  for (const Case& c : cases) {
    CAPTURE(c.model);
    CAPTURE(c.sections);
    std::vector<std::vector<std::vector<double>>> together(3);
    {
      std::vector<std::jthread> threads;
      for (auto& slot : together) threads.emplace_back([&slot, &c] { slot = solved(c); });
    }
    const auto alone = solved(c);
    CHECK(alone.size() > 0);
    for (const auto& one : together) CHECK(one == alone);
  }
}
