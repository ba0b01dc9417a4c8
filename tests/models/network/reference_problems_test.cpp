// The small losses that reference values stand for, against their formulas.
#include "models/network/reference_problems.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "models/ingredients/quadratic_objective.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::network;
using edgewise::tests::Approx;
using models::ingredients::CurvaturePart;
using models::ingredients::QuadraticObjective;

TEST_CASE("the sharpening toy and the saddle are (3.1) and (t^2/2 - 1)^2/2") {
  const double x = 1.3, m1 = -.4, m2 = 2, h = .03, z1 = x * (1 + m1) - 1, z2 = h * (m1 + m2) - 1;
  QuadraticObjective toy(sharpening_toy());
  CHECK(toy.move_to(std::vector{x, m1, m2}) == Approx((z1 * z1 + z2 * z2) / 2));
  std::vector<double> g(3), column(3);
  toy.gradient(g);
  CHECK(g[0] == Approx((1 + m1) * z1));
  CHECK(g[1] == Approx(x * z1 + h * z2));
  CHECK(g[2] == Approx(h * z2));
  toy.product(CurvaturePart::neglected, std::vector<double>{0, 1, 0}, column);
  CHECK(column[0] == Approx(z1));
  CHECK(column[1] == 0);
  CHECK(column[2] == 0);
  toy.move_to(std::vector{1.1, 0., 0.});
  CHECK(largest_curvature(toy, CurvaturePart::hessian).value == Approx(2.31007449).epsilon(1e-8));

  const double t = .7;
  QuadraticObjective saddle(scalar_saddle());
  CHECK(saddle.move_to(std::vector{t}) == Approx(std::pow(t * t / 2 - 1, 2) / 2));
  saddle.gradient(std::span(g).first(1));
  CHECK(g[0] == Approx(t * (t * t / 2 - 1)));
}

TEST_CASE("the portable instance is the printed one, and the toy of functional SAM starts at its loss") {
  QuadraticObjective portable(portable_quadratic());
  CHECK(portable.move_to(std::vector<double>(16)) == Approx(5.80253307478699).epsilon(1e-14));
  CHECK(traces_by_columns(portable).hessian == Approx(9.03688964958897).epsilon(1e-14));
  for (const bool deep : {false, true}) {
    FunctionalSamToy toy(deep);
    CHECK(toy.theta.size() == (deep ? 12 : 9));
    CHECK(toy.objective.move_to(toy.theta) == Approx(deep ? 1.0834238575 : 1.15819441304).epsilon(1e-10));
  }
}
