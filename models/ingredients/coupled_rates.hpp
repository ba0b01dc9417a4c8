#pragma once
/// \file
/// The loss of coupled modes as a function of the learning rate of every step, by the adjoint of their recursion
/// (solvers/adjoint.hpp).
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "solvers/adjoint.hpp"

namespace edgewise::models::ingredients {

/// The modes at given rates, which it copies; its one control is the rate of the step. Where the recursion does not hold at
/// a rate, a shared scalar is infinite after the step.
using ModesAtRates = std::function<std::unique_ptr<solvers::ControlledModes>(std::span<const double> rates)>;

/// Where the state bounds the rate that it meets: the recursion holds up to the bound alone.
struct RateBounds {
  std::function<double(std::uint64_t k, std::span<const double> p)> at;
  /// The modes at rates share_k min(bound, cap), which it copies; its one control is the share of the step.
  std::function<std::unique_ptr<solvers::ControlledModes>(std::span<const double> shares, double cap)> modes;
};

struct CoupledRatesLaw {
  ModesAtRates at;
  std::optional<RateBounds> bounds = {};  ///< without: the recursion holds at every rate
  std::vector<double> start;
  double scale = 1;  ///< what J, the first shared scalar at the end, may be compared with: whether the run diverges
  RateFacts facts = {};
};

class CoupledRates final : public RateObjective {
 public:
  explicit CoupledRates(CoupledRatesLaw law) : RateObjective(law.facts), law_(std::move(law)) {}
  double value(std::span<const double> rates) const override;
  double gradient(std::span<const double> rates, std::span<double> slope) const override;
  std::unique_ptr<RateShares> shares(double cap) const override;
  RatePath path(std::span<const double> rates) const override;

 private:
  /// The loss before every step and at the end; ends with inf where the run diverges.
  std::vector<double> losses(std::span<const double> rates) const;
  CoupledRatesLaw law_;
};

}  // namespace edgewise::models::ingredients
