// Which start a replica has: drawn, shared or given.
#include "models/quadratic_regression/problem.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace edgewise;
using models::ingredients::QuadraticStart;
using models::quadratic_regression::QuadraticProblem;

namespace {

bool same(const QuadraticStart& a, const QuadraticStart& b) {
  return a.z0 == b.z0 && std::ranges::equal(a.j0.entries(), b.j0.entries());
}

}  // namespace

TEST_CASE("starts are drawn, shared or given") {
  QuadraticProblem p;
  p.law.outputs = 3;
  p.law.parameters = 4;
  const QuadraticStart zero = models::ingredients::draw_start(p.law, 7, 0),
                       two = models::ingredients::draw_start(p.law, 7, 2);
  CHECK_FALSE(same(zero, two));
  CHECK(same(models::quadratic_regression::quadratic_start(p, 7, 2), two));
  CHECK_FALSE(p.fixed_residual());
  CHECK_FALSE(p.fixed_jacobian());
  CHECK_FALSE(p.fixed_curvature());
  const auto instance =
      models::ingredients::draw_instance(p.law, 7, 2, models::ingredients::CurvatureTensor::Storage::stored);
  CHECK(same({instance.z0, instance.j0}, two));

  QuadraticProblem shared = p;
  shared.shared_initial = true;
  CHECK(same(models::quadratic_regression::quadratic_start(shared, 7, 2), zero));
  CHECK(shared.fixed_residual());
  CHECK(shared.fixed_jacobian());
  CHECK_FALSE(shared.fixed_curvature());
  shared = p;
  shared.shared_instance = true;
  CHECK(same(models::quadratic_regression::quadratic_start(shared, 7, 2), zero));
  CHECK(shared.fixed_curvature());

  QuadraticProblem given = p;
  given.given_j0 = zero.j0;
  CHECK(same(models::quadratic_regression::quadratic_start(given, 7, 2), {two.z0, zero.j0}));
  CHECK(given.fixed_jacobian());
  CHECK_FALSE(given.fixed_residual());
  given.given_z0 = {1, 2, 3};
  CHECK(same(models::quadratic_regression::quadratic_start(given, 7, 2), {{1, 2, 3}, zero.j0}));
  CHECK(given.fixed_residual());
  given = p;
  given.given = std::make_shared<const models::ingredients::QuadraticInstance>(instance);
  CHECK(same(models::quadratic_regression::quadratic_start(given, 7, 5), two));
  CHECK(given.fixed_residual());
  CHECK(given.fixed_jacobian());
  CHECK(given.fixed_curvature());
}
