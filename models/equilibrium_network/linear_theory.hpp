#pragma once
/// \file
/// The linear equilibrium z = W z + h in the limit of wide networks (docs/theory/networks-and-kernels.md, sections 1.2
/// and 1.4).
#include "models/equilibrium_network/families.hpp"

namespace edgewise::models::equilibrium_network {

/// g at which the phase ends, 1/(1 + tau): infinite for the antisymmetric family.
double linear_edge(const Family& family);

/// x = 1/gamma of G's trace gamma, root = sqrt(1 - 4 tau g^2) = 2x - 1, and x - g, which vanishes at the edge, without
/// cancellation. \throws std::domain_error outside the phase, naming the edge.
struct Resolvent {
  double root = 1, x = 1, below = 1;
};
Resolvent resolvent_of(const Family& family, double g);

/// Of G = (I - W)^-1.
struct LinearMoments {
  double gamma = 1;   ///< (1/n) tr G
  double m1 = 1;      ///< (1/n) tr GG': the length map |z|^2/|h|^2
  double m2 = 1;      ///< (1/n) tr (GG')^2
  double spread = 0;  ///< m2 - m1^2, without cancellation
  double kurtosis() const { return m2 / m1 / m1; }
};
/// \throws std::domain_error outside the phase, naming the edge.
LinearMoments linear_moments(const Family& family, double g);

/// The least g >= 0 whose m1 is this. \throws std::invalid_argument where no scale has it, telling the range.
double scale_at_length(const Family& family, double m1);

/// The square of the smallest singular value of I - W inside the phase: the maximum along the gap of the Hermitised
/// spectrum. \throws std::domain_error outside the phase, and for bi-invariant families, which two moments do not fix.
double smallest_singular_value_squared(const Family& family, double g);

/// m1 at width n to O(1/n) (haar: exactly); m1 where the correction is no small one (over half of it).
double finite_width_m1(const Family& family, double g, double n);

}  // namespace edgewise::models::equilibrium_network
