// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/problem.hpp"

namespace edgewise::models::quadratic_regression {

QuadraticStart quadratic_start(const QuadraticProblem& problem, std::uint64_t seed, std::uint64_t replica) {
  if (problem.given) return {problem.given->z0, problem.given->j0};
  const bool shared = problem.shared_initial || problem.shared_instance;
  QuadraticStart start = ingredients::draw_start(problem.law, seed, shared ? 0 : replica);
  if (!problem.given_z0.empty()) start.z0 = problem.given_z0;
  if (problem.given_j0.size() > 0) start.j0 = problem.given_j0;
  return start;
}

}  // namespace edgewise::models::quadratic_regression
