#pragma once
/// \file
/// Functions on the sphere S^(d-1) and their power in each degree (docs/theory/networks-and-kernels.md, sections 4.3, 4.4).
#include <functional>
#include <span>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::models::kernel_regression {

struct SphereTarget {
  std::vector<double> power;  ///< v_k^2 by degree
  double beyond = 0;          ///< in degrees that are not listed
  std::function<double(std::span<const double>)> value;
  /// Of the power, what the inputs of largest f^2 carry that together have this probability; empty: not known.
  std::function<double(double)> rare_share = {};
  double total() const;
};

/// Point sources: f = sum_i q_i (1 + r_i^2 - 2 r_i <b_i, x>)^(-(d-2)/2), in two dimensions -log(..)/2; or the derivatives
/// by the r_i.
struct Sources {
  std::vector<double> mass, radius;          ///< q_i; 0 < r_i < 1
  std::vector<std::vector<double>> cosines;  ///< <b_i, b_j>; empty: of one source
  bool force = false;
};

/// sum_k c_k P_k(x_1) with c_k >= 0, of these powers.
SphereTarget zonal_powers(double dimension, std::vector<double> powers);
/// g(x_1), with powers up to `max_degree` by quadrature.
SphereTarget zonal_function(double dimension, std::size_t max_degree, std::function<double(double)> g);
/// \throws std::invalid_argument for cosines of no unit vectors in this dimension, radii out of (0, 1).
SphereTarget point_sources(double dimension, const Sources& sources);

/// Keys of section [target].
const std::vector<settings::Parameter>& target_parameters();
/// \throws settings::Error
SphereTarget read_target(const settings::Values& values, double dimension);

}  // namespace edgewise::models::kernel_regression
