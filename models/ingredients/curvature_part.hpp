#pragma once
/// \file
/// The keys of optimizers that go by the Hessian or a part of it: gradient penalties, traces, SAM's kin.
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/curved_objective.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

/// Keys of gradient-penalty, theta' = theta - eta (g + rho A g): `rate`, rho, part, normalised, `more`.
std::vector<settings::Parameter> penalty_parameters(settings::Parameter rate, std::vector<settings::Parameter> more);
/// Its key `part`, or `otherwise` of an optimizer without one.
CurvaturePart read_curvature_part(const settings::Values& optimizer, CurvaturePart otherwise);
/// s of weight noise and of penalties on traces.
settings::Parameter deviation_parameter();
/// What sam, functional-sam, ..., hessian-trace have in ModelDeclaration::start_of.
std::vector<std::pair<std::string, std::string>> curvature_starts(double rho, double deviation);

}  // namespace edgewise::models::ingredients
