// Keys of optimizers that go by the Hessian or a part of it.
#include "models/ingredients/curvature_part.hpp"

#include <doctest/doctest.h>

#include "settings/settings.hpp"

using namespace edgewise;
using models::ingredients::CurvaturePart;

TEST_CASE("curvature part: a penalty's keys in their order, and each word of the part") {
  const auto keys = models::ingredients::penalty_parameters(settings::number("learning_rate", "eta").above(0).must(),
                                                            {models::ingredients::deviation_parameter()});
  const auto read = [&](const std::string& more) {
    return settings::read(settings::read_text("learning_rate = 1.0\nrho = 0.5\ndeviation = 2.0\n" + more, "test"),
                          keys);
  };
  std::string names;
  for (const settings::Parameter& key : keys) names += key.name + " ";
  CHECK(names == "learning_rate rho part normalised deviation ");
  const auto part = [&](const std::string& more) {
    return models::ingredients::read_curvature_part(read(more), CurvaturePart::neglected);
  };
  CHECK(part("") == CurvaturePart::hessian);
  CHECK(part("part = 'full'\n") == CurvaturePart::hessian);
  CHECK(part("part = 'gauss-newton'\n") == CurvaturePart::gauss_newton);
  CHECK(part("part = 'neglected'\n") == CurvaturePart::neglected);
  const std::vector without{models::ingredients::deviation_parameter()};
  const settings::Values none = settings::read(settings::read_text("deviation = 1.0\n", "test"), without);
  CHECK(models::ingredients::read_curvature_part(none, CurvaturePart::gauss_newton) == CurvaturePart::gauss_newton);
}
