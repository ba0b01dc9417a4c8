// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/closed_forms.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

#include "models/framework/closed_form_list.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// A rule, its steps and where it leads: z_1, z_2, and the eigenvalues of K, ascending.
struct Path {
  const char* name;
  const char* words;
  QuadraticRule rule;
  bool alternating;  // batches of one row: 1, 2, 1, 2, ...
  std::size_t steps;
  std::array<double, 4> end;
};

const std::array<Path, 7>& paths() {
  static const std::array<Path, 7> all{
      {{"gd-1", "GD, eta = .05", {.05}, false, 1, {.8225, -1.45, 2.0627055788, 5.0722944212}},
       {"gd-2", "GD, eta = .05", {.05}, false, 2, {.6893987223, -1.0582176076, 2.4791346533, 5.2857583899}},
       {"gd-5", "GD, eta = .05", {.05}, false, 5, {.4199995735, -.3570580582, 3.0375367743, 6.7393540283}},
       {"sgd",
        "SGD, eta = .05, rows 1, 2, 1, 2",
        {.05},
        true,
        4,
        {.6707770146, -1.0528989688, 2.3470440161, 5.4729678741}},
       {"sam",
        "SAM, eta = .05, rho = .02",
        {.05, .02},
        false,
        3,
        {.5788744227, -.6812947059, 3.0714938354, 5.6481340249}},
       {"normalised-sam",
        "normalised SAM, eta = .05, rho = .1",
        {.05, .1, true},
        false,
        3,
        {.5757790517, -.6473741035, 3.1693942540, 5.6573871303}},
       {"sgd-sam",
        "SAM, eta = .05, rho = .02, rows 1, 2, 1, 2",
        {.05, .02},
        true,
        4,
        {.6540530064, -.9884366888, 2.5069735459, 5.4038738223}}}};
  return all;
}

std::array<double, 4> follow(const Path& path) {
  const QuadraticInstance instance = fixed_instance();
  QuadraticState state(instance);
  for (std::size_t t = 0; t < path.steps; ++t) {
    const std::array<std::size_t, 1> row{t % 2};
    state.step(path.rule, path.alternating ? std::span<const std::size_t>(row) : std::span<const std::size_t>());
  }
  const Matrix& j = state.jacobian();
  const auto lambda =
      linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
  return {state.residual()[0], state.residual()[1], lambda[0], lambda[1]};
}

}  // namespace

QuadraticInstance fixed_instance() {
  Matrix j0(2, 3), rows(6, 3);
  constexpr double jacobian[2][3] = {{1, 0, 1}, {0, 2, -1}};
  constexpr double curvature[6][3] = {{1, 2, 0}, {2, 0, -1}, {0, -1, 1}, {0, 1, 1}, {1, -1, 0}, {1, 0, 2}};
  for (std::size_t j = 0; j < 3; ++j) {
    for (std::size_t i = 0; i < 2; ++i) j0(i, j) = jacobian[i][j];
    for (std::size_t i = 0; i < 6; ++i) rows(i, j) = curvature[i][j];
  }
  return {{1, -2}, j0, CurvatureTensor(2, 3, rows)};
}

std::vector<ClosedForm> quadratic_simulation_closed_forms() {
  static constexpr std::array<const char*, 4> what{"z_1", "z_2", "lambda_2(K)", "lambda_1(K)"};
  ClosedFormList table("quadratic-regression/instance-", "quadratic-regression");
  for (const Path& path : paths())
    for (std::size_t k = 0; k < 4; ++k)
      table.add_reference(fmt::format("{}/{}", path.name, k),
                          fmt::format("{} of the instance F after {} steps of {}", what[k], path.steps, path.words),
                          "2 (F)", 2e-10, [path, k] {
                            return std::pair{path.end[k], follow(path)[k]};
                          });
  return table.take();
}

}  // namespace edgewise::models::quadratic_regression
