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

struct CoupledRatesLaw {
  /// The modes at given rates, or with a cap at number_k min(bound, cap); it copies the numbers, and its one control is that
  /// of the step. Where the recursion does not hold at a rate, a shared scalar is infinite after the step.
  std::function<std::unique_ptr<solvers::ControlledModes>(std::span<const double> numbers, std::optional<double> cap)>
      modes;
  /// Where the state bounds the rate that it meets, up to which alone the recursion holds; empty: at every rate.
  std::function<double(std::uint64_t k, std::span<const double> p)> bound = {};
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
