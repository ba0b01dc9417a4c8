// Built at -O1: nothing here takes time.
#include "models/nonlinear/closed_form_problems.hpp"

#include "settings/settings.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::models::nonlinear {

NonlinearProblem isotropic_problem(const std::string& method, double d, double learning_rate, std::uint64_t steps) {
  spectra::Spectrum spectrum;
  spectrum.eigenvalue = {1};
  spectrum.multiplicity = {d};
  spectrum.target_power = {1};
  NonlinearProblem problem;
  problem.covariance = diagonal_covariance(spectrum);
  problem.noise = ingredients::gaussian_noise(0.25);
  problem.method = method;
  problem.learning_rate = learning_rate;
  problem.schedule = ingredients::read_schedule(settings::Table("closed form", ""), "schedule", 1);
  problem.time.steps = steps;
  problem.time.at = {0, steps};
  return problem;
}

}  // namespace edgewise::models::nonlinear
