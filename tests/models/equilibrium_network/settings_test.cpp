// How experiments of equilibrium networks are read: every key in the place that it names, defaults, and the scale by each of
// the three keys that tell it.
#include "models/equilibrium_network/settings.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>

#include "tests/approx.hpp"
#include "tests/models/equilibrium_network/family_defaults.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models::equilibrium_network;
using edgewise::tests::Approx;

namespace {

std::shared_ptr<const EquilibriumProblem> read(const std::string& sections) {
  return read_equilibrium(models::read_experiment(
      settings::read_text("model = 'equilibrium-network'\n[depth]\nat = [1, 4]\n" + sections, "e.toml")));
}

double scale_of(const std::string& keys) {
  return read("[network]\n" + keys)->g;
}

}  // namespace

TEST_CASE("equilibrium settings: defaults") {
  const auto problem = read("");
  CHECK(problem->g == 0.5);
  CHECK(problem->width == 1000);
  CHECK(problem->phi.value(-3) == -3);
  CHECK(problem->input_power == 1);
  CHECK_FALSE(problem->correlation);
  CHECK_FALSE(problem->gaussian_input);
  CHECK_FALSE(problem->error_allowed);
  CHECK_FALSE(problem->damping);
  CHECK(problem->tolerance == 1e-12);
  CHECK(problem->max_iterations == 10000);
  CHECK(problem->singular_values);
  CHECK(problem->draws == 1);
  CHECK(problem->estimator == Estimator::mean);
  CHECK(problem->depth.at.back() == 4);
}

TEST_CASE("equilibrium settings: the scale by the radius of each family, and by the length map") {
  CHECK(scale_of("scale = 0.3\n") == 0.3);
  // g = R/(1 + |tau|), of goe and anti R/2.
  CHECK(scale_of("radius = 0.6\n") == Approx(0.6).epsilon(1e-15));
  CHECK(scale_of("radius = 0.6\nfamily = 'haar'\n") == Approx(0.6).epsilon(1e-15));
  for (const std::string family : {"goe", "anti"})
    CHECK(scale_of("radius = 0.6\nfamily = '" + family + "'\n") == Approx(0.3).epsilon(1e-15));
  for (const std::string tau : {"0.5", "-0.5"})
    CHECK(scale_of("radius = 0.6\nfamily = 'elliptic'\ntau = " + tau + "\n") == Approx(0.4).epsilon(1e-15));
  CHECK(scale_of("radius = 0.6\nfamily = 'bi-invariant'\nkurtosis = 3\n") == Approx(0.6).epsilon(1e-15));
  // m1 = 1/(1 - g^2) of iid weights.
  CHECK(scale_of("length_map = 4\n") == Approx(std::sqrt(0.75)).epsilon(1e-12));
}

TEST_CASE("equilibrium settings: every key in its place") {
  const auto problem = read(
      "[network]\nfamily = 'elliptic'\ntau = -0.25\nactivation = 'formula'\nformula = 'max(u, 0.1 * u)'\nkinks = [0]\n"
      "width = 77\n[input]\npower = 2.5\ncorrelation = -0.4\nlaw = 'gaussian'\n[monte_carlo]\ndamping = 0.2\n"
      "tolerance = 1e-7\nmax_iterations = 321\nsingular_values = false\ndraws = 12\nestimator = 'trimmed-mean'\n"
      "[verdict]\nallowed = 0.02\n");
  CHECK(problem->family.kind == FamilyKind::elliptic);
  CHECK(problem->family.tau == -0.25);
  CHECK(problem->phi.value(-3) == Approx(-0.3).epsilon(1e-15));
  CHECK(problem->phi.value(2) == 2);
  CHECK(problem->width == 77);
  CHECK(problem->input_power == 2.5);
  REQUIRE(problem->correlation);
  CHECK(*problem->correlation == -0.4);
  CHECK(problem->gaussian_input);
  CHECK(problem->error_allowed);
  REQUIRE(problem->damping);
  CHECK(*problem->damping == 0.2);
  CHECK(problem->tolerance == 1e-7);
  CHECK(problem->max_iterations == 321);
  CHECK_FALSE(problem->singular_values);
  CHECK(problem->draws == 12);
  CHECK(problem->estimator == Estimator::trimmed_mean);
  CHECK(read("[monte_carlo]\nestimator = 'median'\n")->estimator == Estimator::median);
  CHECK(read("[network]\nfamily = 'bi-invariant'\nkurtosis = 3\n")->family.kurtosis == 3);
  CHECK(read("[network]\nactivation = 'tanh'\n")->phi.value(0.7) == Approx(std::tanh(0.7)).epsilon(1e-15));
}

TEST_CASE("equilibrium settings: edges of what is accepted") {
  const auto refused = [](const std::string& sections) {
    try {
      read(sections);
    } catch (const settings::Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  // Ten draws are the fewest of which a tenth can be left out on each side.
  CHECK(refused("[monte_carlo]\nestimator = 'trimmed-mean'\ndraws = 10\n") == "accepted");
  CHECK(models::testing::holds(refused("[monte_carlo]\nestimator = 'trimmed-mean'\ndraws = 9\n"),
                               "e.toml: monte_carlo.estimator"));
  CHECK(refused("[network]\nwidth = 2\n[input]\ncorrelation = 0.5\n") == "accepted");
  CHECK(refused("[network]\nwidth = 40\nfamily = 'bi-invariant'\nkurtosis = 40\n") == "accepted");
  CHECK(models::testing::holds(refused("[network]\nlength_map = 2\nactivation = 'relu'\n"),
                               "e.toml: network.length_map"));
  CHECK(models::testing::holds(refused("[network]\nlength_map = 2\nscale = 0.5\n"), "e.toml: network.length_map"));
}

TEST_CASE("equilibrium networks: what is left out is what the description says") {
  const auto check = [](const std::string& keys, const char* key, const char* usual, const char* other) {
    models::testing::check_default("model = 'equilibrium-network'\n[depth]\nat = [1, 3]\n" + keys, key, usual, other);
  };
  const std::string narrow = "[network]\nwidth = 20\n";
  check("[monte_carlo]\nsingular_values = false\n", "network.width", "1000", "999");
  models::equilibrium_network::testing::check_family_defaults(check, narrow);
  check(narrow, "input.power", "1", "1.1");
  check(narrow, "input.law", "'fixed'", "'gaussian'");
  const std::string curved = narrow + "activation = 'tanh'\n";
  check(curved, "monte_carlo.tolerance", "1e-12", "1e-3");
  check(curved, "monte_carlo.max_iterations", "10000", "3");
  check(curved, "monte_carlo.singular_values", "true", "false");
  check(curved, "monte_carlo.draws", "1", "2");
  check(curved + "[monte_carlo]\ndraws = 3\n", "monte_carlo.estimator", "'mean'", "'median'");
}
