#pragma once
/// \file
/// What `edgewise stability` and `edgewise validate` say of the reduced model (docs/theory/curvature-dynamics.md, 1 and 2).
#include <limits>
#include <vector>

#include "models/self_stabilization/dynamics.hpp"

namespace edgewise::models::self_stabilization {

/// What sets the rate; all but `constant` are rules of [rate].
enum class Tuner { constant, inverse_sharpness, cdat, stochastic_polyak };

/// The reduced model as an experiment asks for it.
struct Setup {
  Landscape land;
  State start;
  double learning_rate = 1;  ///< of the constant rate
  Tuner tuner = Tuner::constant;
  double sigma = 0;         ///< of the rule, multiplier included; s of Polyak's
  double average = 0;       ///< its ema
  std::uint64_t delay = 0;  ///< of inverse-sharpness
  double least_loss = 0;    ///< f_min of Polyak's
  bool softened = false;    ///< by an epsilon of cdat
  double largest_rate = std::numeric_limits<double>::infinity();

  bool constant() const { return tuner == Tuner::constant; }
  /// Whether the rule's own rate is `product` over the sharpness.
  bool takes(double product, double sharpness) const { return !softened && product / sharpness < largest_rate; }
  double epsilon() const { return learning_rate * learning_rate * land.sharpening; }
  double noise() const;  ///< n of the constant rate
  double mean_delay() const { return static_cast<double>(delay) + average / (1 - average); }
};

/// What is found without a run: the normal form's fixed point and orbit at a constant rate, a tuner's fixed points and
/// thresholds. \param steps  at which a sharpness that grows unchecked is given
std::vector<Finding> findings_of(const Setup& setup, double steps);
/// What is claimed of runs of so many steps. Claims about the stationary state under noise are made where the averages over
/// the steps from `burn_in` on are those of it (docs/theory/curvature-dynamics.md, 1.4).
std::vector<Prediction> predictions_of(const Setup& setup, double steps, double burn_in);

}  // namespace edgewise::models::self_stabilization
