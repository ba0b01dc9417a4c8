// How experiments of the softmax's temperature are read: every key in the place that it names, and defaults.
#include "models/softmax_temperature/temperature_settings.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models::softmax_temperature;
using edgewise::tests::Approx;

namespace {

std::shared_ptr<const TemperatureProblem> read(const std::string& sections, const std::string& rate = "0.1") {
  const settings::Description descent = descent_description();
  const settings::Description* const one = &descent;
  return read_temperature(models::read_experiment(settings::read_text(
                              "model = 'softmax-temperature'\n[optimizer]\nlearning_rate = " + rate + "\n" + sections +
                                  (sections.find("[time]") == std::string::npos ? "[time]\nat = [1, 7]\n" : ""),
                              "e.toml")),
                          std::span(&one, 1));
}

const std::string kernel = "[task]\nkind = 'kernel'\nlabels = [1, -1, -1]\n";

}  // namespace

TEST_CASE("temperature settings: defaults of a population") {
  const auto problem = read("");
  CHECK(problem->kind == TaskKind::population);
  CHECK(problem->classes == 1);
  CHECK(problem->inverse_temperature == 1);
  CHECK(problem->learning_rate == 0.1);
  CHECK(problem->eigenvalue == 1);
  CHECK(problem->start_deviation == 0);
  CHECK(problem->draws == 1000);
  CHECK(problem->replicas == 64);
  CHECK(problem->rtol == 1e-9);
  CHECK(problem->accuracies == std::vector<double>{0.9});
  CHECK_FALSE(problem->flow);
  CHECK_FALSE(problem->linear);
  CHECK(problem->time.at.back() == 7);
}

TEST_CASE("temperature settings: every key of a population in its place") {
  const auto problem = read(
      "rescaled = true\n[task]\nclasses = 5\neigenvalue = 0.3\n[initial]\ndeviation = 0.2\n[loss]\n"
      "inverse_temperature = 4\n[theory]\nmethod = 'flow'\naccuracies = [0.6, 0.99]\n[monte_carlo]\npoints = 321\n"
      "replicas = 6\n");
  CHECK(problem->classes == 5);
  CHECK(problem->eigenvalue == 0.3);
  CHECK(problem->start_deviation == 0.2);
  CHECK(problem->inverse_temperature == 4);
  CHECK(problem->learning_rate == Approx(0.1 / 16).epsilon(1e-15));
  CHECK(problem->start_spread() == Approx(0.8).epsilon(1e-15));
  CHECK(problem->time_per_step() == Approx(0.03).epsilon(1e-15));
  CHECK(problem->flow);
  CHECK_FALSE(problem->linear);
  CHECK(problem->accuracies == std::vector<double>{0.6, 0.99});
  CHECK(problem->draws == 321);
  CHECK(problem->replicas == 6);
}

TEST_CASE("temperature settings: points coupled by a kernel") {
  const auto one = read(kernel +
                        "kernel = 'powers'\n[initial]\nlogits = [0.1, 0.2, 0.3]\n[loss]\ninverse_temperature = 2\n"
                        "[theory]\nmethod = 'flow'\nrtol = 1e-4\n");
  CHECK(one->rtol == 1e-4);
  CHECK(one->logits.inverse_temperature == 2);
  CHECK(one->logits.learning_rate == 0.1);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(one->logits.targets(0, i) == (i == 0 ? 1 : -1));
    CHECK(one->logits.start(0, i) == Approx(0.1 * static_cast<double>(i + 1)).epsilon(1e-15));
    // base^|i - j|, of base 1/2.
    for (std::size_t j = 0; j < 3; ++j)
      CHECK(one->logits.kernel(i, j) == Approx(i == j ? 1 : i + 2 == j || j + 2 == i ? 0.25 : 0.5).epsilon(1e-15));
  }
  const auto apart = read(kernel);
  CHECK(apart->logits.kernel(1, 1) == 1);
  CHECK(apart->logits.kernel(0, 1) == 0);
  CHECK(apart->logits.start(0, 2) == 0);
  CHECK(read(kernel + "kernel = 'powers'\nbase = -0.2\n")->logits.kernel(2, 1) == -0.2);

  // Classes are counted from 1, logits of a point stand together.
  const auto three = read(
      "[task]\nkind = 'kernel'\nkernel = 'list'\nmatrix = [[2, 1], [1, 3]]\nclasses = 3\nlabels = [3, 2]\n[initial]\n"
      "logits = [1, 2, 3, 4, 5, 6]\n[theory]\nmethod = 'linear'\n");
  CHECK(three->linear);
  CHECK(three->logits.kernel(1, 1) == 3);
  CHECK(three->logits.kernel(0, 1) == 1);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(three->logits.targets(c, i) == (c == (i == 0 ? 2u : 1u) ? 1 : 0));
      CHECK(three->logits.start(c, i) == static_cast<double>(3 * i + c + 1));
    }
}

TEST_CASE("temperature settings: a network's inputs on the sphere, its labels and its widths") {
  const auto problem =
      read("[task]\nkind = 'network'\npoints = 400\ninputs = 6\nwidth = 33\nactivation = 'erf'\nseed = 5\n");
  REQUIRE(problem->network);
  const auto& layers = problem->network->architecture().layers;
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].width == 33);
  CHECK(layers[1].width == 1);
  CHECK(problem->network->architecture().inputs == 6);
  CHECK(problem->inputs.rows() == 6);
  CHECK(problem->inputs.columns() == 400);
  double positive = 0, mean = 0;
  for (std::size_t i = 0; i < 400; ++i) {
    double square = 0;
    for (const double x : problem->inputs.column(i)) square += x * x;
    CHECK(square == Approx(6).epsilon(1e-13));  // sqrt d times a unit vector
    mean += problem->inputs(0, i) / 400;
    positive += problem->logits.targets(0, i) > 0 ? 1 : 0;
    CHECK(std::abs(problem->logits.targets(0, i)) == 1);
  }
  // Six standard errors, of 10 labels and of 1/20: p < 2e-9, at a fixed seed.
  CHECK(std::abs(positive - 200) < 60);
  CHECK(std::abs(mean) < 0.3);
  // E phi^2 = (2/pi) asin(1/2) and E phi'^2 = (2/pi) E exp(-u^2) of erf(u/sqrt 2), u ~ N(0, 1).
  const double pi = std::acos(-1.0);
  CHECK(problem->logits.kernel(7, 7) == Approx(2 / pi * std::asin(0.5) + 2 / pi / std::sqrt(3.0)).epsilon(1e-12));
  CHECK(read("[task]\nkind = 'network'\nseed = 6\n")->inputs(0, 0) != read("[task]\nkind = 'network'\n")->inputs(0, 0));
}

TEST_CASE("temperature settings: the flow where descent takes 1e9 operations, or is asked for") {
  const auto flows = [](const std::string& sections) { return read(sections)->flow; };
  // A population takes 1000 C a step, N coupled points N^2 C + 1000.
  CHECK_FALSE(flows("[time]\nsteps = 1000000\n"));
  CHECK(flows("[time]\nsteps = 1000001\n"));
  CHECK(flows("[task]\nclasses = 2\n[time]\nsteps = 500001\n"));
  CHECK_FALSE(flows("[task]\nclasses = 2\n[time]\nsteps = 500000\n"));
  CHECK_FALSE(flows(kernel + "[time]\nsteps = 991080\n"));  // 1e9/1009 = 991080.3
  CHECK(flows(kernel + "[time]\nsteps = 991081\n"));
  CHECK_FALSE(flows("[theory]\nmethod = 'gd'\n[time]\nsteps = 2000000\n"));
}

TEST_CASE("temperature settings: edges of what is accepted") {
  const auto refused = [](const std::string& sections, const std::string& rate = "0.1") {
    try {
      read(sections, rate);
    } catch (const settings::Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using models::testing::holds;
  CHECK(refused("[theory]\nmethod = 'gd'\n[time]\nsteps = 100000000\n") == "accepted");
  CHECK(holds(refused("[theory]\nmethod = 'gd'\n[time]\nsteps = 100000001\n"), "e.toml: theory.method: gd would"));
  CHECK(holds(refused("[theory]\nmethod = 'linear'\n"), "e.toml: theory.method: linear is of points"));
  CHECK(holds(refused("[theory]\naccuracies = [0.9, 1.0]\n"), "e.toml: theory.accuracies: must be below 1"));
  CHECK(holds(refused(kernel + "[theory]\naccuracies = [0.8]\n"), "e.toml: theory.accuracies: belongs to"));
  CHECK(holds(refused("[initial]\nlogits = [1]\n"), "e.toml: initial.logits: belongs to"));
  CHECK(holds(refused(kernel + "[initial]\nlogits = [1, 2, inf]\n"), "e.toml: initial.logits: must be finite"));
  CHECK(holds(refused(kernel + "kernel = 'list'\nmatrix = [[1, 0, 0], [0, 1, 0], []]\n"), "needs 3 columns"));
  CHECK(holds(refused(kernel + "kernel = 'list'\nmatrix = [[0, 0, 0], [0, 0, 0], [0, 0, 0]]\n"), "some positive one"));
  CHECK(refused(kernel + "kernel = 'list'\nmatrix = [[1, 1, 0], [1, 1, 0], [0, 0, 0]]\n") == "accepted");
  CHECK(holds(refused("[task]\nkind = 'kernel'\nclasses = 3\nlabels = [1, 4]\n"), "classes from 1 to 3, got 4"));
  CHECK(holds(refused("[task]\nkind = 'kernel'\nclasses = 3\nlabels = [1, 1.5]\n"), "classes from 1 to 3, got 1.5"));
  CHECK(holds(refused("[initial]\ndeviation = 1e308\n[loss]\ninverse_temperature = 100\n"), "makes beta z_0 overflow"));
  CHECK(holds(refused("", "1e-320\n[loss]\ninverse_temperature = 1e-10"), "eta beta^2 overflow or vanish"));
}

TEST_CASE("softmax temperature: what is left out is what the description says") {
  const auto check = [](const std::string& keys, const char* key, const char* usual, const char* other) {
    models::testing::check_default(
        "model = 'softmax-temperature'\n[time]\nat = [1, 3]\n[optimizer]\nlearning_rate = 0.1\n" + keys, key, usual,
        other);
  };
  check("", "task.kind", "'population'", "'network'");
  check("", "task.classes", "1", "2");
  check("", "task.eigenvalue", "1", "1.1");
  check("", "initial.deviation", "0", "0.1");
  check("", "loss.inverse_temperature", "1", "1.1");
  check("[loss]\ninverse_temperature = 2\n", "optimizer.rescaled", "false", "true");
  check("", "theory.accuracies", "[0.9]", "[0.8]");
  check("", "theory.method", "'gd'", "'flow'");
  check("[initial]\ndeviation = 1\n", "monte_carlo.points", "1000", "999");
  check(kernel, "task.kernel", "'identity'", "'powers'");
  check(kernel + "kernel = 'powers'\n", "task.base", "0.5", "0.4");
  check(kernel, "initial.logits", "[0, 0, 0]", "[0, 0.1, 0]");
  const std::string network = "[task]\nkind = 'network'\n", narrow = network + "width = 8\n";
  check(network, "task.width", "1024", "1023");
  check(narrow, "task.points", "20", "19");
  check(narrow, "task.inputs", "10", "9");
  check(narrow, "task.activation", "'tanh'", "'erf'");
  check(narrow, "task.seed", "1", "2");
}
