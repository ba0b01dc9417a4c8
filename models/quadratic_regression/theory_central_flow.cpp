#include "models/quadratic_regression/theory_central_flow.hpp"

#include <stdexcept>

#include "models/ingredients/central_flow.hpp"
#include "models/ingredients/quadratic_objective.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

Trajectory solve_central_flow(const QuadraticProblem& problem) {
  if (!problem.fixed_curvature())
    throw std::invalid_argument("central-flow is of one instance: data.shared_instance = true, or a given Q");
  if (problem.batch < problem.law.outputs || problem.schedule || problem.rule.rho > 0)
    throw std::invalid_argument("central-flow is of gradient descent on all outputs at a constant learning rate");
  std::shared_ptr<const QuadraticInstance> instance = problem.given;
  if (!instance) {
    QuadraticStart start = quadratic_start(problem, problem.seed, 0);
    instance = std::make_shared<const QuadraticInstance>(
        QuadraticInstance{std::move(start.z0), std::move(start.j0),
                          CurvatureTensor(problem.law, problem.seed, 0, CurvatureTensor::Storage::stored)});
  }
  std::vector<double> scratch;
  ingredients::QuadraticObjective objective(
      instance->z0, instance->j0,
      [&](std::span<const double> v, linear_algebra::Matrix& w) { instance->curvature.contract(v, w, scratch); });
  const auto D = static_cast<double>(problem.law.outputs), P = static_cast<double>(problem.law.parameters);
  return ingredients::follow_central_flow(
      objective, std::vector<double>(problem.law.parameters), problem.rule.learning_rate, problem.time,
      {{{"loss", "label^2", "|z|^2/(2D), per output"}, [&](auto theta) { return objective.move_to(theta) / D; }},
       {{"parameter_power", "1", "|theta|^2/P"},
        [&](auto theta) { return numerics::squared_norm_in_order(theta) / P; }}});
}

}  // namespace edgewise::models::quadratic_regression
