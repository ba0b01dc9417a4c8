#pragma once
/// \file
/// What the closed forms of this folder share: steps of a rule on a loss, and what is read where they end.
#include <cstdint>
#include <span>
#include <vector>

#include "models/ingredients/curved_objective.hpp"
#include "models/network/updates.hpp"

namespace edgewise::models::network {

/// Of values printed with twelve digits.
inline constexpr double twelve_digits = 6e-12;

/// |x|.
double length(std::span<const double> x);
/// |g| where the objective is.
double gradient_length(const ingredients::CurvedObjective& objective);
/// g'A g/|g|^2.
double share(const ingredients::CurvedObjective& objective, ingredients::CurvaturePart part);

/// A normalised ascent, and a penalty that is not.
UpdateRule ascent(UpdateKind kind, double rho, bool preconditioned = false);
UpdateRule penalty(ingredients::CurvaturePart part, double rho);

/// `steps` steps of a rule from theta, where the objective is at the end. Its loss there.
double follow(ingredients::CurvedObjective& objective, std::vector<double>& theta, const UpdateRule& rule, double rate,
              std::uint64_t steps);

}  // namespace edgewise::models::network
