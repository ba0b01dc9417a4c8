// Built at -O1: nothing here takes time.
#include "models/nonlinear/closed_form_problems.hpp"

#include <utility>

#include "settings/settings.hpp"
#include "spectra/formulas.hpp"

namespace edgewise::models::nonlinear {

NonlinearProblem problem_of(Covariance covariance, Method method, std::shared_ptr<const ingredients::Noise> noise,
                            double eta, double batch, double threshold) {
  NonlinearProblem problem;
  problem.covariance = std::move(covariance);
  problem.noise = std::move(noise);
  problem.method = method;
  problem.learning_rate = eta;
  problem.batch = batch;
  problem.threshold = threshold;
  problem.schedule = ingredients::read_schedule(settings::Table("closed form", ""), "schedule", 1);
  return problem;
}

NonlinearProblem isotropic_problem(Method method, double d, double eta) {
  return problem_of(diagonal_covariance(spectra::isotropic(d, 1)), method, ingredients::gaussian_noise(0.25), eta);
}

ExcessAfter excess_after(NonlinearProblem problem, std::uint64_t steps, const NonlinearTheory& theory) {
  problem.time.steps = steps;
  problem.time.at = {0, steps};
  const Trajectory path = solve_nonlinear(problem, modes_of(problem), theory);
  const Column& excess = *path.find("excess_mse");
  return {excess.value.at(1), excess.std.empty() ? 0 : excess.std.at(1)};
}

}  // namespace edgewise::models::nonlinear
