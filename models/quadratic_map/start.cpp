// Built at -O1: nothing here takes time.
#include "models/quadratic_map/start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace edgewise::models::quadratic_map {

using settings::Parameter;
using settings::Table;
using settings::Values;

namespace {

// J_0 from sharpness and, for two parameters, another linear condition on J_1^2, J_2^2.
std::vector<double> jacobian_of(const Values& initial, const std::vector<double>& curvature) {
  const double z = initial.number("residual");
  double sharpness = 0;
  if (initial.given("sharpness")) {
    sharpness = initial.number("sharpness");
  } else {
    double omega = curvature.front();
    for (const double other : curvature)
      if (std::abs(other) > std::abs(omega)) omega = other;
    sharpness = initial.number("minimum_sharpness") + 2 * omega * z;
    if (!(sharpness >= 0))
      throw initial.error("minimum_sharpness", fmt::format("gives lambda_0 = {:g} at this residual", sharpness));
  }
  if (curvature.size() == 1) {
    for (const char* other : {"invariant", "curvature_moment"})
      if (initial.given(other))
        throw initial.error(other, "with one parameter the sharpness says it all; leave it out");
    return {std::sqrt(sharpness)};
  }
  if (curvature.size() != 2)
    throw initial.error(
        "sharpness", fmt::format("determines J_0 for one or two parameters, not {}; give jacobian", curvature.size()));
  if (initial.given("invariant") == initial.given("curvature_moment"))
    throw initial.error("sharpness", "needs either invariant or curvature_moment beside it (two parameters)");
  // a J_1^2 + b J_2^2 = given.
  const bool by_invariant = initial.given("invariant");
  const char* key = by_invariant ? "invariant" : "curvature_moment";
  double a = curvature[0], b = curvature[1], given = 0;
  if (by_invariant) {
    if (a == 0 || b == 0) throw initial.error(key, "is not defined where a curvature is 0; give curvature_moment");
    a = 1 / a;
    b = 1 / b;
    given = 2 * (z - initial.number(key));
  } else {
    given = initial.number(key);
  }
  if (a == b) throw initial.error(key, "two equal curvatures leave it no freedom; give jacobian");
  const double first = (given - b * sharpness) / (a - b), second = (a * sharpness - given) / (a - b);
  const double negative = -1e-14 * sharpness;
  if (first < negative || second < negative)
    throw initial.error(key, fmt::format("no J_0 has this sharpness and this {}: its squares would be {:g} and {:g}",
                                         key, first, second));
  return {std::sqrt(std::max(0.0, first)), std::sqrt(std::max(0.0, second))};
}

}  // namespace

/// Its square and products with the rest stay in the range of numbers.
constexpr double largest_curvature = 1e100;

const std::vector<Parameter>& quadratic_data_parameters() {
  static const std::vector<Parameter> parameters = {
      settings::numbers("curvature", "omega_i, eigenvalues of the curvature matrix Q, one per parameter; or epsilon")
          .in("label/parameter^2")
          .at_least(-largest_curvature)
          .at_most(largest_curvature)
          .computed("[1, -epsilon]"),
      settings::number("epsilon", "two parameters of curvature 1 and -epsilon")
          .in("label/parameter^2")
          .at_least(0)
          .at_most(largest_curvature)};
  return parameters;
}

const std::vector<Parameter>& quadratic_initial_parameters() {
  static const std::vector<Parameter> parameters = {
      settings::number("residual", "z_0").in("label").must(),
      settings::numbers("jacobian",
                        "J_0 in the eigenbasis of Q, one number per parameter; or sharpness, with invariant or "
                        "curvature_moment for two parameters")
          .in("label/parameter"),
      settings::number("sharpness", "lambda_0 = |J_0|^2").in("label^2/parameter^2").at_least(0),
      settings::number(
          "minimum_sharpness",
          "instead of sharpness: lambda_0 - 2 omega z_0 with the curvature omega of larger size, what lambda "
          "would be at z = 0 if the slower direction stood still")
          .in("label^2/parameter^2"),
      settings::number("invariant", "E = z_0 - J_0 Q^-1 J_0'/2").in("label"),
      settings::number("curvature_moment", "J_0 Q J_0'").in("label^3/parameter^4")};
  return parameters;
}

QuadraticRegression read_regression(const Table& table) {
  const Values data = settings::read(table.table_or_empty("data"), quadratic_data_parameters());
  const Values initial = settings::read(table.table_or_empty("initial"), quadratic_initial_parameters());
  QuadraticRegression problem;
  if (data.given("curvature") == data.given("epsilon"))
    throw data.error("curvature", "give either curvature (the eigenvalues of Q) or epsilon (for 1 and -epsilon)");
  problem.curvature =
      data.given("curvature") ? data.numbers("curvature") : std::vector<double>{1, -data.number("epsilon")};
  if (problem.curvature.empty()) throw data.error("curvature", "needs at least one eigenvalue");
  problem.residual = initial.number("residual");
  const int starts = initial.given("jacobian") + initial.given("sharpness") + initial.given("minimum_sharpness");
  if (starts != 1) throw initial.error("jacobian", "give either jacobian or sharpness or minimum_sharpness");
  if (initial.given("jacobian")) {
    for (const char* other : {"invariant", "curvature_moment"})
      if (initial.given(other)) throw initial.error(other, "follows from jacobian; leave it out");
    problem.jacobian = initial.numbers("jacobian");
    if (problem.jacobian.size() != problem.curvature.size())
      throw initial.error("jacobian", fmt::format("needs one number per eigenvalue of Q: {}, got {}",
                                                  problem.curvature.size(), problem.jacobian.size()));
  } else {
    problem.jacobian = jacobian_of(initial, problem.curvature);
  }
  const auto finite = [](const std::vector<double>& list) {
    return std::ranges::all_of(list, [](double x) { return std::isfinite(x); });
  };
  if (!finite(problem.jacobian)) throw initial.error("jacobian", "must be finite");
  return problem;
}

}  // namespace edgewise::models::quadratic_map
