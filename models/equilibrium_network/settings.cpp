// Built at -O1: nothing here takes time.
#include "models/equilibrium_network/settings.hpp"

#include "models/equilibrium_network/linear_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace edgewise::models::equilibrium_network {

using settings::Parameter;
using settings::Values;

const std::vector<Parameter>& network_parameters() {
  static const std::vector<Parameter> keys = [] {
    std::vector<std::string> functions = state_function_names();
    functions.emplace_back("formula");
    return std::vector<Parameter>{
        settings::text("family",
                       "iid: Gaussian entries; haar: g times uniform orthogonal; goe symmetric; anti antisymmetric; "
                       "elliptic: E W_ij W_ji = tau g^2/n; bi-invariant: by its two moments g^2 and kurtosis g^4")
            .one_of(family_names())
            .otherwise(std::string("iid")),
        settings::number("scale", "g: entries of W have variance g^2/n").at_least(0).computed("0.5, or by radius"),
        settings::number("radius", "R, the spectral radius of W: g = R/(1 + |tau|), of goe and anti R/2")
            .at_least(0)
            .computed("instead of scale"),
        settings::number(
            "length_map",
            "m1 = |z|^2/|h|^2 of the wide linear network, to compare families at one: g is the least scale "
            "that has it")
            .above(0)
            .computed("instead of scale"),
        settings::number("tau", "of elliptic").at_least(-1).at_most(1).otherwise(0.0).where("family", {"elliptic"}),
        settings::number("kurtosis", "of bi-invariant: (1/n) tr (WW')^2/g^4; haar has 1, iid 2")
            .at_least(1)
            .otherwise(2.0)
            .where("family", {"bi-invariant"}),
        settings::text("activation", "phi; erf erf(u/sqrt 2), hard-tanh u clipped to [-1, 1], formula the user's")
            .one_of(functions)
            .otherwise(std::string("linear")),
        settings::text("formula", "phi(u) of activation = \"formula\", e.g. \"u / (1 + abs(u))\"")
            .otherwise(std::string())
            .where("activation", {"formula"}),
        settings::numbers("kinks", "where phi' of a formula jumps")
            .otherwise(std::vector<double>{})
            .where("activation", {"formula"}),
        settings::number("width", fmt::format("n; whole; at most {} in a simulation", widest_drawn))
            .at_least(1)
            .at_most(1e15)
            .otherwise(1000.0)};
  }();
  return keys;
}

const std::vector<Parameter>& input_parameters() {
  static const std::vector<Parameter> keys{
      settings::number("power", "q_h = |h|^2/n").above(0).otherwise(1.0),
      settings::number("correlation", "rho_h of a second input of the same norm")
          .at_least(-1)
          .at_most(1)
          .computed("none: one input"),
      settings::text("law", "fixed: |h|^2 = n q_h in every draw; gaussian: h ~ N(0, q_h I)")
          .one_of({"fixed", "gaussian"})
          .otherwise(std::string("fixed"))};
  return keys;
}

namespace {

template <class Names>
std::size_t place_in(const Names& names, const std::string& word) {
  return static_cast<std::size_t>(std::ranges::find(names, word) - names.begin());
}

}  // namespace

const std::vector<Parameter>& solver_parameters() {
  static const std::vector<Parameter> keys{
      settings::number("damping", "a of u <- (1 - a) u + a (W phi(u) + h), the search for the fixed point")
          .above(0)
          .at_most(1)
          .computed("1, then 0.3, 0.1, ... where that fails"),
      settings::number("tolerance", "largest change of u at which it ends, in units of sqrt q_h")
          .above(0)
          .below(1)
          .otherwise(1e-12),
      settings::number("max_iterations", "of each attempt; whole").at_least(1).at_most(1e9).otherwise(1e4),
      settings::boolean("singular_values", "the smallest singular value of I - W diag phi' in every draw")
          .otherwise(true),
      settings::number("draws", "of W and h in each replica, whose fixed points are averaged; whole")
          .at_least(1)
          .at_most(1e6)
          .otherwise(1.0),
      settings::text(
          "estimator",
          "of a replica's draws, and with one draw of the prediction `equilibrium` (mean, median): draws near "
          "the edge have heavy tails; trimmed-mean is that of the middle 80%")
          .one_of({"mean", "median", "trimmed-mean"})
          .otherwise(std::string("mean"))};
  return keys;
}

void read_network(const settings::Table& experiment, EquilibriumProblem& problem) {
  const Values network = settings::read(experiment.table_or_empty("network"), network_parameters());
  const auto kind = static_cast<FamilyKind>(place_in(family_names(), network.text("family")));
  problem.family = family_of(kind, network.number("tau"), network.number("kurtosis"));
  if (network.given("scale") && network.given("radius"))
    throw network.error("radius", "give the scale or the radius, not both");
  if (network.given("length_map") && (network.given("scale") || network.given("radius")))
    throw network.error("length_map", "give the scale, the radius or the length map, not two of them");
  problem.g = network.given("radius")  ? network.number("radius") / spectral_radius(problem.family)
              : network.given("scale") ? network.number("scale")
                                       : 0.5;
  if (network.given("length_map")) {
    if (network.text("activation") != "linear") throw network.error("length_map", "is of activation = \"linear\"");
    problem.g = settings::naming(network, "length_map",
                                 [&] { return scale_at_length(problem.family, network.number("length_map")); });
  }
  const bool formula = network.text("activation") == "formula";
  if (formula && network.text("formula").empty()) throw network.error("formula", "is required with this activation");
  problem.phi = formula ? settings::naming(
                              network, "formula",
                              [&] { return custom_state_function(network.text("formula"), network.numbers("kinks")); })
                        : state_function(network.text("activation"));
  problem.width = network.whole("width");
  if (network.given("kurtosis") && network.number("kurtosis") > static_cast<double>(problem.width))
    throw network.error(
        "kurtosis", fmt::format("must be at most the width, {}: n singular values have no larger one", problem.width));
}

std::shared_ptr<const EquilibriumProblem> read_equilibrium(const Experiment& experiment) {
  auto problem = std::make_shared<EquilibriumProblem>();
  read_network(experiment.table, *problem);
  const Values input = settings::read(experiment.table.table_or_empty("input"), input_parameters());
  problem->input_power = input.number("power");
  if (input.given("correlation")) problem->correlation = input.number("correlation");
  problem->gaussian_input = input.text("law") == "gaussian";
  if (problem->correlation && problem->width < 2)
    throw input.error("correlation", "two inputs need network.width of at least 2");
  problem->depth = experiment.time;
  problem->error_allowed = experiment.table.table_or_empty("verdict").has("allowed");
  const Values solver = read_monte_carlo(experiment.table, solver_parameters());
  if (solver.given("damping")) problem->damping = solver.number("damping");
  problem->tolerance = solver.number("tolerance");
  problem->max_iterations = solver.whole("max_iterations");
  problem->draws = solver.whole("draws");
  problem->singular_values = solver.flag("singular_values");
  problem->estimator = static_cast<Estimator>(
      place_in(std::vector<std::string>{"mean", "median", "trimmed-mean"}, solver.text("estimator")));
  if (problem->estimator == Estimator::trimmed_mean && problem->draws < 10)
    throw solver.error(
        "estimator",
        "trimmed-mean leaves out a tenth of the draws on each side: monte_carlo.draws must be at least 10");
  return problem;
}

}  // namespace edgewise::models::equilibrium_network
