#pragma once
// Problem R of docs/theory/two-phase.md, section 10, and ways to build linear problems for tests.
#include <memory>
#include <string>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "models/least_squares/linear_methods/closed_form_problems.hpp"
#include "spectra/formulas.hpp"

namespace edgewise::tests {

using namespace edgewise::models;
using namespace edgewise::models::least_squares;
using namespace edgewise::models::ingredients;

using spectra::power_law;

inline std::shared_ptr<LeastSquares> data_of(spectra::Spectrum spectrum, double sigma2,
                                             std::vector<std::uint64_t> at = {0}) {
  auto data = std::make_shared<LeastSquares>(*linear_forms::data_of(std::move(spectrum), sigma2));
  data->time.at = std::move(at);
  data->time.steps = data->time.at.back();
  data->learning_rate = 0.1;
  return data;
}

using linear_forms::problem_of;

inline std::shared_ptr<LeastSquares> problem_R() {
  return data_of(power_law(200, 0.7, 0.4), 0.05);
}

}  // namespace edgewise::tests
