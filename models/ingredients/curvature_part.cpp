// Built at -O1: nothing here takes time.
#include "models/ingredients/curvature_part.hpp"

namespace edgewise::models::ingredients {

const settings::Section<CurvaturePartKey>& curvature_part_section() {
  static const settings::Section<CurvaturePartKey> section([](settings::Section<CurvaturePartKey>& s) {
    s.words("part", &CurvaturePartKey::part, "A: full H, its gauss-newton part, or what that neglects",
            {{"full", CurvaturePart::hessian},
             {"gauss-newton", CurvaturePart::gauss_newton},
             {"neglected", CurvaturePart::neglected}});
  });
  return section;
}

}  // namespace edgewise::models::ingredients
