#pragma once
/// \file
/// What an experiment of model equilibrium-network asks for, after reading.
#include <cstdint>
#include <optional>
#include <string>

#include "models/equilibrium_network/families.hpp"
#include "models/equilibrium_network/state_function.hpp"
#include "models/framework/experiment.hpp"

namespace edgewise::models::equilibrium_network {

/// Nonlinear networks below this width are not judged by the limit of wide ones.
inline constexpr std::size_t narrowest = 20;
/// Wider weights are not drawn.
inline constexpr std::size_t widest_drawn = 20000;

/// Of draws with heavy tails the median, or the mean of the middle 80%, says more than the mean.
enum class Estimator { mean, median, trimmed_mean };

struct EquilibriumProblem {
  Family family;
  double g = 0;
  StateFunction phi;
  std::size_t width = 0;              ///< n
  double input_power = 1;             ///< q_h = |h|^2/n
  std::optional<double> correlation;  ///< of a second input, of the same norm
  bool gaussian_input = false;        ///< h ~ N(0, q_h I); else |h|^2 = n q_h exactly
  Time depth;
  bool error_allowed = false;  ///< whether the verdict is told what error of the wide limit is accepted

  std::optional<double> damping;  ///< a; empty: 1, smaller where that does not converge
  double tolerance = 1e-12;       ///< of the largest change of u, in units of sqrt q_h
  std::uint64_t max_iterations = 10000;
  bool singular_values = true;  ///< whether the smallest one of I - W D is computed
  std::uint64_t draws = 1;      ///< of W and h in one replica
  Estimator estimator = Estimator::mean;
};

}  // namespace edgewise::models::equilibrium_network
