#pragma once
/// \file
/// What the two models of nonlinear gradients share: reading an experiment, theory, simulation, stability, warnings.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "models/framework/declared_model.hpp"

namespace edgewise::models::nonlinear {

/// A method of docs/theory/sign-and-clip.md, with the parameters of every method (learning_rate, gamma, learning_rate_rule,
/// batch) and `more`.
settings::Description method(std::string name, std::string summary, std::string equations, std::string_view section,
                             const std::vector<settings::Parameter>& more = {});

/// The model of one class of methods (docs/theory/sign-and-clip.md, section 1).
/// \param methods  optimizers; their names are those of NonlinearProblem::method
/// \param unread   the key of [theory] that is of the other class alone
ModelDeclaration nonlinear_declaration(settings::Description description, std::vector<settings::Description> methods,
                                       std::function<std::vector<ClosedForm>()> closed_forms,
                                       const std::string& unread);

}  // namespace edgewise::models::nonlinear
