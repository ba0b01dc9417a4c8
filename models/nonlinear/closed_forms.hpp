#pragma once
/// \file
/// Closed forms, reference values and identities of nonlinear gradients (docs/theory/sign-and-clip.md, sections 2 to 5,
/// 8, 9).
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::nonlinear {

std::vector<ClosedForm> residual_closed_forms();  ///< class I: clipping and its kin
std::vector<ClosedForm> sign_closed_forms();      ///< class II

// Parts of the two, each in its file.
std::vector<ClosedForm> custom_closed_forms();         ///< class I: a nonlinearity of one's own
std::vector<ClosedForm> residual_path_closed_forms();  ///< class I: the spread of single runs
std::vector<ClosedForm> sign_path_closed_forms();      ///< class II: likewise

}  // namespace edgewise::models::nonlinear
