// The eigenvalues of K tracked along a run, against full decompositions.
#include "models/quadratic_regression/ntk_eigenvalues.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "models/quadratic_regression/simulation.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using linear_algebra::Transposed;

TEST_CASE("tracked eigenvalues are those of a full decomposition, for small and large kernels") {
  for (const std::size_t d : {5u, 40u}) {
    models::ingredients::QuadraticLaw law;
    law.outputs = d;
    law.parameters = 60;
    law.curvature = 3;
    const auto instance =
        models::ingredients::draw_instance(law, 4, 0, models::ingredients::CurvatureTensor::Storage::stored);
    models::quadratic_regression::QuadraticState state(instance);
    models::quadratic_regression::LargestNtkEigenvalues one, four(4);
    for (int t = 0; t < 12; ++t) {
      const auto& j = state.jacobian();
      const std::vector<double> all =
          linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
      const auto found = four(j);
      REQUIRE(found.size() == 4);
      for (std::size_t k = 0; k < 4; ++k) CHECK(found[k] == Approx(all[d - 1 - k]).epsilon(1e-9));
      CHECK(one(j)[0] == Approx(all.back()).epsilon(1e-9));
      for (int k = 0; k < 5; ++k) state.step({.learning_rate = 0.2});
    }
  }
}

TEST_CASE("a simulation observes the eigenvalues asked for, tracked or from the decomposition that a norm needs") {
  models::quadratic_regression::QuadraticProblem p;
  p.law.outputs = 30;
  p.law.parameters = 50;
  p.law.curvature = 2;
  p.rule.learning_rate = 0.2;
  p.batch = 6;
  p.eigenvalues = 3;
  const models::ingredients::QuadraticInstance instance =
      models::ingredients::draw_instance(p.law, 2, 1, models::ingredients::CurvatureTensor::Storage::stored);
  for (const auto norms :
       {models::quadratic_regression::KernelNorms::none, models::quadratic_regression::KernelNorms::annealed}) {
    p.kernel_norms = norms;
    const auto simulation = models::quadratic_regression::simulate_quadratic(
        std::make_shared<const models::quadratic_regression::QuadraticProblem>(p));
    const auto replica = simulation->replica(2, 1);
    models::quadratic_regression::QuadraticState state(instance);
    models::quadratic_regression::RowMasks masks(30, 6, 2, 1);
    std::vector<double> out(simulation->observables().size());
    for (std::uint64_t t = 0; t <= 20; t += 5) {
      replica->advance(t);
      replica->observe(out);
      const auto& j = state.jacobian();
      const std::vector<double> all =
          linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
      for (std::size_t k = 0; k < 3; ++k) {
        const std::string name = k == 0 ? "ntk_max" : "ntk_" + std::to_string(k + 1);
        const auto found = std::ranges::find(simulation->observables(), name, &models::Observable::name);
        REQUIRE(found != simulation->observables().end());
        CHECK(out[static_cast<std::size_t>(found - simulation->observables().begin())] ==
              Approx(all[29 - k]).epsilon(1e-9));
      }
      for (std::uint64_t s = t; s < t + 5; ++s) state.step(p.rule, masks.rows(s));
    }
  }
}
