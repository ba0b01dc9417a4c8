#pragma once
/// \file
/// What a problem of one size says about all sizes, for `edgewise collapse`
/// (docs/theory/schedules-and-collapse.md, section 4).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// The scaling of the loss, which is the model's first observable, over sizes at which nothing but the size changes.
class ScalingLaw {
 public:
  virtual ~ScalingLaw() = default;
  /// L0, the loss that no size gets below.
  virtual double floor() const = 0;
  /// Whether there are runs to simulate.
  virtual bool simulated() const { return true; }
  /// Why what is said of the horizon and the limit does not hold here, a sentence; empty where it does.
  virtual std::string caution() const { return ""; }
  /// The compute-optimal number of steps of this size at a constant rate; NaN where it is not known.
  virtual double horizon() const = 0;
  /// (L(x T) - L0)/(L(T) - L0) in the limit of large sizes, T the last step of the experiment and its schedule as it
  /// is; NaN where it is not known.
  virtual double limit(double x) const = 0;
  /// Of single runs.
  struct Fluctuations {
    std::vector<double> std;          ///< of the loss, at every step asked for
    std::vector<double> correlation;  ///< with the loss at the last of them
  };
  /// \param steps  increasing, the last is the end of the run
  /// \returns nothing where they are not known, or not at an acceptable cost.
  virtual std::optional<Fluctuations> fluctuations(std::span<const std::uint64_t> steps) const = 0;
};

}  // namespace edgewise::models
