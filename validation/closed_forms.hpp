#pragma once
/// \file
/// The table of closed forms: formulas known exactly, that a computation must reproduce on every build.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::validation {

/// One closed form, evaluated.
struct ClosedFormResult {
  std::string name, formula, source;
  double value = 0;     ///< of the formula
  double computed = 0;  ///< by the solver or simulator that it checks
  double error = 0;     ///< relative when the value is not 0, else absolute
  double tolerance = 0;
  bool reference = false;  ///< a reference value, pinned and not derived
  bool pass = false;       ///< error <= tolerance; a NaN or an exception never passes
  std::string failure;     ///< what was thrown, if anything
};

/// Whether `name` fits `pattern`: with * (any text) and ? (any character) the whole name must fit, without them the
/// pattern may occur anywhere in it. The empty pattern fits everything.
bool fits(std::string_view name, std::string_view pattern);

/// Evaluates one closed form.
ClosedFormResult evaluate(const models::ClosedForm& form);

/// Evaluates the closed forms of `models` whose names fit `pattern`, in the models' order.
/// `progress`, if set, is called with the fraction done.
std::vector<ClosedFormResult> closed_forms(std::span<const models::Model* const> models, std::string_view pattern = "",
                                           const std::function<void(double)>& progress = {});
/// The same for every model there is.
std::vector<ClosedFormResult> closed_forms(std::string_view pattern = "",
                                           const std::function<void(double)>& progress = {});

}  // namespace edgewise::validation
