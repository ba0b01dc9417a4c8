#pragma once
/// \file
/// A problem as a function of the learning rates of its steps: what a search for the best schedule minimises
/// (docs/theory/schedules-and-collapse.md, section 3).
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// A run at given rates, seen from its steps.
struct RatePath {
  std::vector<double> loss;  ///< the objective's observable before each step and at the end: T + 1 numbers
  /// h_k of (3.5): what the shared gradient noise of step k adds to J; empty where it is not known.
  std::vector<double> injected;
};

/// Steps that are taken at one rate.
struct RateStretch {
  std::uint64_t steps = 1;
  double rate = 0;
};

/// Whether the minimum is attained by one schedule.
enum class Uniqueness {
  unknown,  ///< nothing is proved
  proved,
  none,  ///< many schedules attain it, so that none of them is "the" shape
};

/// J as a function of the shares, in [0, 1], that the rates are of the largest ones which the run's own states allow.
class RateShares {
 public:
  virtual ~RateShares() = default;
  /// Of rates at which J is finite.
  virtual std::vector<double> of(std::span<const double> rates) const = 0;
  virtual std::vector<double> rates(std::span<const double> shares) const = 0;
  /// J, and its derivatives by the shares written to `slope`.
  virtual double gradient(std::span<const double> shares, std::span<double> slope) const = 0;
};

/// J(eta_0 .. eta_{T-1}), the loss at the end of T steps; everything else is as the experiment has it.
class RateObjective {
 public:
  virtual ~RateObjective() = default;
  /// T.
  virtual std::uint64_t steps() const = 0;
  /// What J is, e.g. excess_mse.
  virtual const Observable& observable() const = 0;
  /// A learning rate of the problem's own size, 1/lambda_max: searches are on grids of multiples of it, and a rate above
  /// twice of it is one that a constant schedule would not survive.
  virtual double natural_rate() const = 0;
  /// What is known of the minimum before any search, and in words why.
  virtual std::pair<Uniqueness, std::string> uniqueness() const { return {Uniqueness::unknown, ""}; }
  /// Where the theory behind J is not to be believed at rates that a search may end with, a sentence; else empty.
  virtual std::string caution() const { return ""; }
  /// What no rates get below, where it is known.
  virtual std::optional<double> least_loss() const { return std::nullopt; }
  /// Rates that attain the minimum but for their rounding, where they are known without a search; else empty.
  virtual std::vector<double> known_optimum() const { return {}; }
  /// J; inf where the run diverges. May be called from several threads. \param rates  T of them, each >= 0
  virtual double value(std::span<const double> rates) const = 0;
  /// About J, for the price of so many stretches instead of steps() steps: for comparing shapes before J itself is asked.
  /// The losses change slowly within a stretch, whose steps are a power of two. nullopt where there is no such way.
  virtual std::optional<double> estimate(std::span<const RateStretch> /*run*/) const { return std::nullopt; }
  /// J, and dJ/d eta_k for every step written to `slope`; where the run diverges inf, and `slope` is left as it is.
  virtual double gradient(std::span<const double> rates, std::span<double> slope) const = 0;
  /// Where the state bounds the rate that it meets, and J is inf beyond: the shares of these bounds, none of which is above
  /// `cap`; they live as long as this does. nullptr where nothing bounds the rates.
  virtual std::unique_ptr<RateShares> shares(double /*cap*/) const { return nullptr; }
  /// Where J is a quadratic of every single rate: one pass from the last step to the first that sets each rate to its
  /// minimiser within [0, cap], the later ones being set already; a rate on which J does not depend is left as it is.
  /// Returns the new J, which is never above the old; nullopt where J is not of that kind. inf, with the rates as they
  /// were, where the run diverges.
  virtual std::optional<double> sweep(std::span<double> /*rates*/, double /*cap*/) const { return std::nullopt; }
  /// Sets every rate within [0, cap] to what is best for the loss after its own step alone, from the first step on, and
  /// returns J; nullopt where that is not known.
  virtual std::optional<double> greedy(std::span<double> /*rates*/, double /*cap*/) const { return std::nullopt; }
  /// What is known of the optimum of rates up to `max_rate` without a search; may be empty.
  virtual std::vector<Finding> predictions(double /*max_rate*/) const { return {}; }
  /// The run at these rates. \throws std::runtime_error where it diverges.
  virtual RatePath path(std::span<const double> rates) const = 0;
};

}  // namespace edgewise::models
