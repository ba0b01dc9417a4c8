// The eigenvalues of K tracked along a run, against full decompositions.
#include "models/quadratic/ntk_eigenvalues.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "models/quadratic/steps.hpp"

using namespace edgewise;
using linear_algebra::Transposed;

TEST_CASE("tracked eigenvalues are those of a full decomposition, for small and large kernels") {
  for (const std::size_t d : {5u, 40u}) {
    models::QuadraticLaw law;
    law.outputs = d;
    law.parameters = 60;
    law.curvature = 3;
    const auto instance = models::draw_instance(law, 4, 0, models::CurvatureTensor::Storage::stored);
    models::QuadraticState state(instance);
    models::LargestNtkEigenvalues one, four(4);
    for (int t = 0; t < 12; ++t) {
      const auto& j = state.jacobian();
      const std::vector<double> all =
          linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
      const auto found = four(j);
      REQUIRE(found.size() == 4);
      for (std::size_t k = 0; k < 4; ++k) CHECK(found[k] == doctest::Approx(all[d - 1 - k]).epsilon(1e-9));
      CHECK(one(j)[0] == doctest::Approx(all.back()).epsilon(1e-9));
      for (int k = 0; k < 5; ++k) state.step({.learning_rate = 0.2});
    }
  }
}
