// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/problem.hpp"

#include <utility>

namespace edgewise::models::quadratic_regression {

QuadraticStart quadratic_start(const QuadraticProblem& problem, std::uint64_t seed, std::uint64_t replica) {
  if (problem.given) return {problem.given->z0, problem.given->j0};
  const bool shared = problem.shared_initial || problem.shared_instance;
  QuadraticStart start = ingredients::draw_start(problem.law, seed, shared ? 0 : replica);
  if (!problem.given_z0.empty()) start.z0 = problem.given_z0;
  if (problem.given_j0.size() > 0) start.j0 = problem.given_j0;
  return start;
}

std::shared_ptr<const QuadraticInstance> first_instance(const QuadraticProblem& problem) {
  if (problem.given) return problem.given;
  QuadraticStart start = quadratic_start(problem, problem.seed, 0);
  return std::make_shared<const QuadraticInstance>(
      QuadraticInstance{std::move(start.z0), std::move(start.j0),
                        CurvatureTensor(problem.law, problem.seed, 0, CurvatureTensor::Storage::stored)});
}

}  // namespace edgewise::models::quadratic_regression
