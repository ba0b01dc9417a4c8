#pragma once
/// \file
/// A problem as a function of the learning rates of its steps: what a search for the best schedule minimises
/// (docs/theory/schedules-and-collapse.md, section 3).
#include <cstdint>
#include <functional>
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

/// What is known of J without any search.
struct RateFacts {
  std::uint64_t steps = 0;     ///< T
  Observable observable = {};  ///< what J is, e.g. excess_mse
  /// A learning rate of the problem's own size, 1/lambda_max: searches are on grids of multiples of it, and a rate above
  /// twice of it is one that a constant schedule would not survive.
  double natural_rate = 1;
  std::pair<Uniqueness, std::string> uniqueness = {Uniqueness::unknown, ""};  ///< of the minimum, and in words why
  /// Where the theory behind J is not to be believed at rates that a search may end with, a sentence; else empty.
  std::string caution = {};
  std::optional<double> least = {};       ///< what no rates get below; empty: not known
  std::vector<double> optimum = {};       ///< rates that attain the minimum but for their rounding; empty: not known
  std::vector<Finding> predictions = {};  ///< of the optimum, whatever the cap on the rates is
  std::function<std::vector<Finding>(double max_rate)> capped = {};  ///< further ones, by the cap; empty: none
};

/// J(eta_0 .. eta_{T-1}), the loss at the end of T steps; everything else is as the experiment has it.
class RateObjective {
 public:
  explicit RateObjective(RateFacts facts) : facts_(std::move(facts)) {}
  virtual ~RateObjective() = default;
  const RateFacts& facts() const { return facts_; }
  std::uint64_t steps() const { return facts_.steps; }
  double natural_rate() const { return facts_.natural_rate; }
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
  std::vector<Finding> predictions(double max_rate) const {
    std::vector<Finding> out = facts_.capped ? facts_.capped(max_rate) : std::vector<Finding>{};
    out.insert(out.end(), facts_.predictions.begin(), facts_.predictions.end());
    return out;
  }
  /// The run at these rates. \throws std::runtime_error where it diverges.
  virtual RatePath path(std::span<const double> rates) const = 0;

 protected:
  RateFacts facts_;
};

}  // namespace edgewise::models
