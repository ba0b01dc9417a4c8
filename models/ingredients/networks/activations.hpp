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
  /// Of relu: beta of the GELU whose phi'' stands for relu's, which is 0 where it exists; 0: none does.
  double synthetic_beta = 0;

  /// phi'' = 0 everywhere: identity, relu.
  bool piecewise_linear() const {
    return kind == ActivationKind::identity || (kind == ActivationKind::relu && synthetic_beta == 0);
  }
};

/// phi(s), phi'(s), phi''(s). Of relu phi'(0) = phi''(0) = 0, as automatic differentiation has it, without a synthetic phi''.
struct ActivationValues {
  double value = 0, first = 0, second = 0;
};
ActivationValues evaluate(const Activation& activation, double s);

/// The largest |phi''|; 0 of piecewise linear ones.
double largest_second(const Activation& activation);

}  // namespace edgewise::models::ingredients::networks
