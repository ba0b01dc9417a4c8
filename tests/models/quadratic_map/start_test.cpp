#include "models/quadratic_map/start.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::quadratic_map;
using edgewise::tests::Approx;

namespace {

QuadraticRegression read(const std::string& data, const std::string& initial) {
  return read_regression(settings::read_text("[data]\n" + data + "\n[initial]\n" + initial, "x.toml"));
}

std::string complaint(const std::string& data, const std::string& initial) {
  try {
    read(data, initial);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "none";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

double sharpness(const QuadraticRegression& p) {
  double sum = 0;
  for (const double j : p.jacobian) sum += j * j;
  return sum;
}

}  // namespace

TEST_CASE("curvatures, residual and Jacobian as they are given") {
  const QuadraticRegression p = read("curvature = [2, -0.5, 1]", "residual = 0.3\njacobian = [1, 2, -3]");
  CHECK(p.curvature == std::vector<double>{2, -0.5, 1});
  CHECK(p.jacobian == std::vector<double>{1, 2, -3});
  CHECK(p.residual == 0.3);
  CHECK(read("epsilon = 0.25", "residual = 1\njacobian = [1, 1]").curvature == std::vector<double>{1, -0.25});
}

TEST_CASE("the Jacobian of a sharpness, with an invariant or a moment of curvature beside it") {
  CHECK(read("curvature = [3]", "residual = 0.3\nsharpness = 4").jacobian == std::vector<double>{2});
  for (const auto& [a, b] : {std::pair{2.0, -0.5}, {1.0, 3.0}, {-1.0, 0.25}}) {
    const std::string curvature = "curvature = [" + std::to_string(a) + ", " + std::to_string(b) + "]";
    // From J = (0.8, 1.4).
    const double moment = a * 0.64 + b * 1.96, invariant = 0.3 - (0.64 / a + 1.96 / b) / 2;
    for (const std::string& beside :
         {"curvature_moment = " + settings::text_of(moment), "invariant = " + settings::text_of(invariant)}) {
      CAPTURE(beside);
      const QuadraticRegression p = read(curvature, "residual = 0.3\nsharpness = 2.6\n" + beside);
      REQUIRE(p.jacobian.size() == 2);
      CHECK(p.jacobian[0] == Approx(0.8).epsilon(1e-13));
      CHECK(p.jacobian[1] == Approx(1.4).epsilon(1e-13));
    }
  }
  CHECK(read("curvature = [1, 0]", "residual = 0\nsharpness = 2\ncurvature_moment = 0.25").jacobian[0] ==
        Approx(0.5).epsilon(1e-15));
}

TEST_CASE("a minimum sharpness: lambda_0 less 2 omega z_0, omega the curvature of larger size") {
  CHECK(sharpness(read("curvature = [-3]", "residual = -0.5\nminimum_sharpness = 1")) == Approx(1 + 3).epsilon(1e-14));
  for (const char* curvature : {"curvature = [1, -3]", "curvature = [-3, 1]"})
    CHECK(sharpness(read(curvature, "residual = -0.5\nminimum_sharpness = 1\ncurvature_moment = 0")) ==
          Approx(1 + 3).epsilon(1e-14));
  CHECK(holds(complaint("curvature = [3]", "residual = -0.5\nminimum_sharpness = 1"),
              "minimum_sharpness: gives lambda_0 = -2"));
}

TEST_CASE("what contradicts itself, is missing, or has no solution is refused by its key") {
  const std::string two = "curvature = [2, 1]";
  CHECK(holds(complaint("", "residual = 1\njacobian = [1]"), "data.curvature: give either"));
  CHECK(
      holds(complaint("curvature = [1]\nepsilon = 1", "residual = 1\njacobian = [1]"), "data.curvature: give either"));
  CHECK(holds(complaint("curvature = []", "residual = 1\njacobian = []"), "data.curvature: needs at least one"));
  CHECK(holds(complaint(two, "residual = 1"), "initial.jacobian: give either"));
  CHECK(holds(complaint(two, "residual = 1\njacobian = [1, 1]\nsharpness = 2"), "initial.jacobian: give either"));
  CHECK(holds(complaint(two, "residual = 1\njacobian = [1, 1]\ninvariant = 2"), "initial.invariant: follows from"));
  CHECK(holds(complaint(two, "residual = 1\njacobian = [1]"), "initial.jacobian: needs one number"));
  CHECK(holds(complaint(two, "residual = 1\nsharpness = 1"), "initial.sharpness: needs either"));
  CHECK(holds(complaint(two, "residual = 1\nsharpness = 1\ninvariant = 1\ncurvature_moment = 1"),
              "initial.sharpness: needs either"));
  CHECK(holds(complaint("curvature = [2]", "residual = 1\nsharpness = 1\ninvariant = 1"),
              "initial.invariant: with one parameter"));
  CHECK(holds(complaint("curvature = [2, 1, 3]", "residual = 1\nsharpness = 1\ninvariant = 1"),
              "determines J_0 for one or two"));
  CHECK(holds(complaint("curvature = [2, 0]", "residual = 1\nsharpness = 1\ninvariant = 1"),
              "initial.invariant: is not defined"));
  CHECK(holds(complaint("curvature = [2, 2]", "residual = 1\nsharpness = 1\ncurvature_moment = 2"), "no freedom"));
  // J_1^2 + J_2^2 = 1 and 2 J_1^2 + J_2^2 = 3: J_1^2 = 2, J_2^2 = -1.
  CHECK(holds(complaint(two, "residual = 1\nsharpness = 1\ncurvature_moment = 3"), "its squares would be 2 and -1"));
  // Curvatures whose squares would leave the range of numbers.
  for (const char* large : {"curvature = [inf]", "curvature = [1.7e308]", "curvature = [-1e101]"})
    CHECK(holds(complaint(large, "residual = 1\njacobian = [1]"), "data.curvature: "));
  CHECK(holds(complaint("epsilon = 1.7e308", "residual = 1\nsharpness = 1\ninvariant = 0"), "data.epsilon: must be "));
  CHECK(holds(complaint("curvature = [1, 2]", "residual = 1\njacobian = [1, inf]"), "must be finite"));
}
