#pragma once
/// \file
/// The key by which an optimizer says which part of the Hessian it takes.
#include "models/ingredients/curved_objective.hpp"
#include "settings/section.hpp"

namespace edgewise::models::ingredients {

/// Key `part` of [optimizer].
struct CurvaturePartKey {
  CurvaturePart part = CurvaturePart::hessian;
};
const settings::Section<CurvaturePartKey>& curvature_part_section();

}  // namespace edgewise::models::ingredients
