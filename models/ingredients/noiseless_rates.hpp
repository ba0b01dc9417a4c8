#pragma once
/// \file
/// The loss of a linear method without gradient noise as a function of the learning rate of every step: the coordinates
/// move instead of their second moments, so that a loss far below its start keeps its digits.
#include <span>
#include <vector>

#include "models/ingredients/phase_rates.hpp"

namespace edgewise::models::ingredients {

/// J = sum_i weight_i sum_blocks (selector . z_i)^2 of coordinates that phases move by z <- T z; a quadratic of every
/// single rate. The coordinates of every step are kept.
class NoiselessRates final : public RateObjective {
 public:
  /// \param law  its noise and the moments of its start are not read
  /// \param start  per block: coordinate after coordinate, of every mode
  NoiselessRates(PhaseLaw law, std::vector<std::vector<double>> start)
      : RateObjective(law.facts), law_(std::move(law)), start_(std::move(start)) {}
  double value(std::span<const double> rates) const override;
  double gradient(std::span<const double> rates, std::span<double> slope) const override;
  std::optional<double> sweep(std::span<double> rates, double cap) const override;
  std::optional<double> greedy(std::span<double> rates, double cap) const override;
  RatePath path(std::span<const double> rates) const override;

  /// Most numbers kept; beyond them PhaseRates serves.
  static constexpr double most_numbers = 4e7;

 private:
  using Blocks = std::vector<std::vector<double>>;
  Blocks moved(const solvers::Phase& phase, const Blocks& z, bool transposed = false) const;
  Blocks selectors() const;
  double read(const Blocks& z) const;
  /// The coordinates before every step and at the end; fewer where the run diverges.
  std::vector<Blocks> forward(std::span<const double> rates) const;
  /// J = sum weight (a + rate b)^2 by the rate of a step: its sums of a b and b b.
  struct ByRate {
    double cross = 0, quadratic = 0;
    /// The rate within [0, cap] at which it is least, `now` where it is flat.
    double best(double now, double cap) const;
  };
  /// \param reader  what reads the end of the step
  ByRate by_rate(const solvers::ControlledPhase& step, const Blocks& reader, const Blocks& before) const;

  PhaseLaw law_;
  Blocks start_;
};

}  // namespace edgewise::models::ingredients
