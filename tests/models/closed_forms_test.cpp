// Every closed form of every model, each to its own tolerance.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "models/framework/model.hpp"

using namespace edgewise::models;

TEST_CASE("every closed form of every model comes out" * doctest::test_suite("slow")) {
  // How many there are, so that none is lost.
  const std::map<std::string, std::size_t> least = {
      {"least-squares", 300},
      {"residual-sgd", 104},
      {"sign-sgd", 70},
      {"matrix-least-squares", 114},
      {"quadratic-regression", 120},
      {"quadratic-map", 135},
      {"finite-data", 52},
      {"network", 352},
      {"sum-of-powers", 15},
      {"equilibrium-network", 189},
      {"self-stabilisation", 243},
      {"single-neuron", 0},
      {"mini-batch-cdat", 46},
      {"feature-alignment", 80},
      {"kernel-regression", 141},
      {"softmax-temperature", 71},
      {"modular-tasks", 53},
      {"equilibrium-training", 0},
  };
  const std::filesystem::path root = std::filesystem::path(EDGEWISE_TEST_DATA).parent_path();
  std::set<std::string> names;
  for (const Model* model : all()) {
    const std::vector<ClosedForm> forms = model->closed_forms();
    CAPTURE(model->description().name);
    CHECK(forms.size() >= least.at(model->description().name));
    for (const ClosedForm& form : forms) {
      CAPTURE(form.name);
      CHECK(names.insert(form.name).second);
      const std::string page = form.source.substr(0, form.source.find_first_of(", "));
      CAPTURE(page);
      CHECK(page.starts_with("docs/"));
      CHECK(std::filesystem::is_regular_file(root / page));
      const auto result = form.evaluate();
      const double value = result.first, computed = result.second;
      CAPTURE(value);
      CAPTURE(computed);
      if (value == computed) continue;  // infinities
      CHECK(std::abs(computed - value) <= form.tolerance * (value == 0 ? 1 : std::abs(value)));
    }
  }
}
