#pragma once
/// \file
/// The loss of a linear method as a function of its learning rates (docs/theory/schedules-and-collapse.md, section 3).
#include <memory>
#include <optional>
#include <string>

#include "models/framework/rate_objective.hpp"
#include "models/least_squares/scaling_form.hpp"

namespace edgewise::models::least_squares {

/// The excess risk after the last step, the learning rate of each step being free; whatever else has a schedule keeps it.
/// \param observable  an excess_mse of the method's (linear_observables) that no sync changes; empty: excess_mse
/// \param power_law  that of the spectrum, where it is one: its exponents are among the predictions
/// \throws std::invalid_argument where the method has no learning rate, or its steps are not linear in it.
std::unique_ptr<RateObjective> linear_rate_objective(const LinearProblem& problem, const std::string& observable,
                                                     const std::optional<ScalingForm>& power_law = {});

}  // namespace edgewise::models::least_squares
