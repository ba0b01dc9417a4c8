#pragma once
/// \file
/// The sections of model feature-alignment: what may be said in them, and reading it.
#include <vector>

#include "models/feature_alignment/correlation.hpp"
#include "models/feature_alignment/deep_linear.hpp"
#include "models/feature_alignment/quadratic_net.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::feature_alignment {

/// In the order of alignment_kinds().
enum class AlignmentKind { quadratic, deep_linear, network };

/// Kinds of section [alignment], and of [optimizer].
const std::vector<settings::Description>& alignment_kinds();
const std::vector<settings::Description>& alignment_optimizers();

Correlation read_correlation(const settings::Values& values);
/// \throws settings::Error for values that do not belong together, or that no law has.
QuadraticNet read_quadratic(const settings::Values& values);
/// But for the learning rate and the method. \throws settings::Error.
DeepLinear read_deep_linear(const settings::Values& values);

}  // namespace edgewise::models::feature_alignment
