#pragma once
/// \file
/// What `edgewise stability` and `edgewise validate` say of the reduced model (docs/theory/curvature-dynamics.md, 1 and 2).
#include <string>
#include <vector>

#include "models/self_stabilization/dynamics.hpp"

namespace edgewise::models::self_stabilization {

struct Setup {
  Landscape land;
  State start;
  double learning_rate = 1;  ///< of the constant rate
  /// "constant" or a rate rule's: inverse-sharpness, cdat, stochastic-polyak.
  std::string rule = "constant";
  double sigma = 0;         ///< of the rule, multiplier included; s of Polyak's
  double average = 0;       ///< its ema
  std::uint64_t delay = 0;  ///< of inverse-sharpness
  bool capped = false;      ///< a largest rate is set

  bool constant() const { return rule == "constant"; }
  double epsilon() const { return learning_rate * learning_rate * land.sharpening; }
  double noise() const;  ///< n of the constant rate
  double mean_delay() const { return static_cast<double>(delay) + average / (1 - average); }
};

std::vector<Finding> findings_of(const Setup& setup, double steps);
std::vector<Prediction> predictions_of(const Setup& setup, double steps);

}  // namespace edgewise::models::self_stabilization
