#pragma once
/// \file
/// A problem as a function of the learning rates of its steps: what a search for the best schedule minimises
/// (docs/theory/schedules-and-collapse.md, section 3).
#include <cstdint>
#include <optional>
#include <span>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// J(eta_0 .. eta_{T-1}), the loss at the end of T steps; everything else is as the experiment has it.
class RateObjective {
 public:
  virtual ~RateObjective() = default;
  /// T.
  virtual std::uint64_t steps() const = 0;
  /// What J is, e.g. excess_mse.
  virtual const Observable& observable() const = 0;
  /// J; inf where the run diverges. \param rates  T of them, each >= 0
  virtual double value(std::span<const double> rates) const = 0;
  /// J, and dJ/d eta_k for every step written to `slope`; where the run diverges inf, and `slope` is left as it is.
  virtual double gradient(std::span<const double> rates, std::span<double> slope) const = 0;
  /// Where J is a quadratic of every single rate: one pass from the last step to the first that sets each rate to its
  /// minimiser within [0, cap], the later ones being set already. Returns the new J, which is never above the old; nullopt
  /// where J is not of that kind.
  virtual std::optional<double> sweep(std::span<double> /*rates*/, double /*cap*/) const { return std::nullopt; }
};

}  // namespace edgewise::models
