#pragma once
/// \file
/// Activations of dense layers, with two derivatives (docs/theory/curvature-dynamics.md, section 5.3).
#include <string>
#include <vector>

namespace edgewise::models::ingredients::networks {

/// identity; tanh s; erf(s/sqrt 2); max(s, 0); s Phi(s), Phi the normal distribution function; s Phi(beta s).
enum class ActivationKind { identity, tanh, erf, relu, gelu, beta_gelu };

/// Names as they stand in experiment files, in the order of ActivationKind.
const std::vector<std::string>& activation_names();

struct Activation {
  ActivationKind kind = ActivationKind::identity;
  double beta = 1;  ///< of beta_gelu; > 0

  /// phi'' = 0 wherever it exists: identity, relu.
  bool piecewise_linear() const { return kind == ActivationKind::identity || kind == ActivationKind::relu; }
};

/// phi(s), phi'(s), phi''(s). Of relu phi'(0) = phi''(0) = 0, as automatic differentiation has it.
struct ActivationValues {
  double value = 0, first = 0, second = 0;
};
ActivationValues evaluate(const Activation& activation, double s);

}  // namespace edgewise::models::ingredients::networks
