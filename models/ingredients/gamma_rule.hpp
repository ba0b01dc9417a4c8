#pragma once
/// \file
/// A quadrature rule for functions of the logarithm of a Gamma variable.
#include <limits>
#include <vector>

namespace edgewise::models::ingredients {

struct GammaNode {
  double u = 0, probability = 0;
};

/// Nodes for E f(u), e^u = Y/shape, Y ~ Gamma(shape), so that E e^u = 1: a trapezoid rule in u, which is spectrally
/// accurate (to rounding) for functions analytic for |Im u| < pi/2. They may grow like e^{-left u} to the left and like
/// e^{right u} to the right, left < shape. Beyond `first`, where e^first << 1, a single node stands for all, where
/// e^{-left u} has its average. For any shape > 0; some 50 nodes for a large one, 110/(0.15 (shape - left)) for a small
/// one without `first`.
std::vector<GammaNode> log_gamma_rule(double shape, double left = 0, double right = 0,
                                      double first = -std::numeric_limits<double>::infinity());

}  // namespace edgewise::models::ingredients
