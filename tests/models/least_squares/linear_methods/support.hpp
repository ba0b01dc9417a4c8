#pragma once
// Problem R of docs/theory/two-phase.md, section 10, and ways to build linear problems for tests.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"

namespace edgewise::tests {

using namespace edgewise::models;
using namespace edgewise::models::least_squares;
using namespace edgewise::models::ingredients;

inline spectra::Spectrum power_law(std::size_t d, double alpha, double beta) {
  spectra::Spectrum s;
  for (std::size_t j = 1; j <= d; ++j) {
    s.eigenvalue.push_back(std::pow(static_cast<double>(j), -2 * alpha));
    s.target_power.push_back(std::pow(static_cast<double>(j), -2 * beta));
    s.multiplicity.push_back(1);
  }
  return spectra::checked(std::move(s));
}

inline std::shared_ptr<LeastSquares> data_of(spectra::Spectrum spectrum, double sigma2,
                                             std::vector<std::uint64_t> at = {0}) {
  auto data = std::make_shared<LeastSquares>();
  settings::Table table("test", "");
  auto& noise = table.make_table("noise");
  noise.set("law", std::string("gaussian"));
  noise.set("variance", sigma2);
  data->noise = read_noise(table);
  data->label_noise_variance = sigma2;
  data->initial_power = spectrum.target_power;
  data->spectrum = std::move(spectrum);
  data->time.at = std::move(at);
  data->time.steps = data->time.at.back();
  data->schedule = read_schedule(table, "schedule", static_cast<double>(data->time.steps));
  data->learning_rate = 0.1;
  return data;
}

/// `text`: the section [optimizer] in TOML.
inline LinearProblem problem_of(std::shared_ptr<const LeastSquares> data, const std::string& name,
                                const std::string& text) {
  LinearProblem problem;
  problem.data = std::move(data);
  problem.method = &linear_method(name);
  settings::Table table = settings::read_text("[optimizer]\n" + text, "test");
  const settings::Table& section = *table.table("optimizer");
  const std::vector<std::string> also{"phase"};
  problem.hyperparameters = Hyperparameters(
      problem.method->description, settings::read(section, problem.method->description.parameters, also), section);
  return problem;
}

inline std::shared_ptr<LeastSquares> problem_R() {
  return data_of(power_law(200, 0.7, 0.4), 0.05);
}

}  // namespace edgewise::tests
