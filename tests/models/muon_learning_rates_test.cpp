#include "models/muon/learning_rates.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace edgewise::models;

TEST_CASE("local equilibrium: the conjectured cost of J resolved modes") {
  // T ~ J^max(1, alpha) for SignSVD and J^(2 alpha) for SignSGD, alpha > 1/2 (note 7.C). J is resolved at progress
  // u = 1/(2 h_J).
  const std::size_t n = 100000;
  for (const double alpha : {0.75, 1.5, 2.0})
    for (const UpdateMap map : {UpdateMap::signsvd, UpdateMap::signsgd}) {
      MatrixLeastSquares problem;
      for (std::size_t j = 1; j <= n; ++j) {
        problem.spectrum.eigenvalue.push_back(std::pow(static_cast<double>(j), -2 * alpha));
        problem.spectrum.multiplicity.push_back(1);
        problem.spectrum.target_power.push_back(1);
      }
      problem.outputs = problem.batch = static_cast<double>(n);
      problem.output_spectrum.eigenvalue = problem.output_spectrum.multiplicity = {1};
      problem.output_spectrum.target_power = {0};
      problem.map = map;
      CoefficientOptions options;
      options.source = CoefficientSource::idealised;
      const MatrixDynamics dynamics(problem, options);
      const LocalEquilibrium local(dynamics, 0.5);
      const auto cost = [&](std::size_t J) { return local.time(1 / (2 * dynamics.drift[J - 1])); };
      const double slope = std::log(cost(8000) / cost(2000)) / std::log(4.0);
      CAPTURE(alpha);
      CAPTURE(static_cast<int>(map));
      CHECK(slope == doctest::Approx(map == UpdateMap::signsvd ? std::max(1.0, alpha) : 2 * alpha).epsilon(0.05));
      for (const double u : {1e-3, 1.0, 1e3}) CHECK(local.progress(local.time(u)) == doctest::Approx(u).epsilon(1e-9));
    }
}
