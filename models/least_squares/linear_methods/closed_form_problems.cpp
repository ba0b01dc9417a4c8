// Built at -O1: nothing here takes time.
#include "models/least_squares/linear_methods/closed_form_problems.hpp"

#include <array>

#include "models/ingredients/noise.hpp"
#include "models/least_squares/linear_methods/stability.hpp"
#include "spectra/formulas.hpp"

namespace edgewise::models::least_squares::linear_forms {

Data data_of(spectra::Spectrum spectrum, double sigma2) {
  auto data = std::make_shared<LeastSquares>();
  settings::Table table("closed form", "");
  auto& noise = table.make_table("noise");
  noise.set("law", std::string("gaussian"));
  noise.set("variance", sigma2);
  data->noise = ingredients::read_noise(table);
  data->label_noise_variance = sigma2;
  data->spectrum = std::move(spectrum);
  data->initial_power = data->spectrum.target_power;
  data->schedule = ingredients::read_schedule(table, "schedule", 0);
  data->time.at = {0};
  return data;
}

Data power_law(std::int64_t d, double alpha, double beta, double sigma2) {
  return data_of(spectra::power_law(d, alpha, beta), sigma2);
}

Data isotropic(double d, double sigma2, double power, double eigenvalue) {
  return data_of(spectra::isotropic(d, power, eigenvalue), sigma2);
}

Data problem_R(double sigma2) {
  return power_law(200, 0.7, 0.4, sigma2);
}

LinearProblem problem_of(Data data, const std::string& method, const std::string& optimizer) {
  LinearProblem problem;
  problem.data = std::move(data);
  problem.method = &linear_method(method);
  const settings::Table table = settings::read_text("[optimizer]\n" + optimizer, "closed form");
  const settings::Table& section = *table.table("optimizer");
  problem.hyperparameters = Hyperparameters(
      problem.method->description,
      settings::read(section, problem.method->description.parameters, std::array{std::string("phase")}), section);
  return problem;
}

double observed(const LinearProblem& problem, std::uint64_t step, std::size_t column) {
  LinearRecursion run(problem);
  run.advance(step);
  std::vector<double> values(linear_observables(problem).size());
  run.observe(values);
  return values.at(column);
}

double steady(const LinearProblem& problem) {
  const double sigma2 = problem.data->noise_variance();
  return solvers::Renewal(periodic(problem)).steady(sigma2).drive - sigma2;
}

double perron(const LinearProblem& problem) {
  return solvers::Renewal(periodic(problem)).perron();
}

}  // namespace edgewise::models::least_squares::linear_forms
