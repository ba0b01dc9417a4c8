#pragma once
/// \file
/// The best learning rate of every step, and what is known of it (docs/theory/schedules-and-collapse.md, section 3.2).
/// Nothing here knows what the loss is of.
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedule_search/options.hpp"

namespace edgewise::models::ingredients {

/// The best factor on a shape: Phi(s) = min over base of J(base s).
struct BestBase {
  double base = 0, loss = 0;  ///< loss inf: every base of the grid diverges
  bool at_edge = false;       ///< it lies beyond the grid, [1e-4, 10] over lambda_max
  std::size_t minima = 1;     ///< local ones that were told apart
};
/// 33 points on a logarithmic grid, extended below while the loss falls there and above until the run diverges, and refined
/// until its points tell what lies between them (numerics::scanned_minimum); then Brent's method around every local minimum.
/// \param shape  of any scale, >= 0, not all 0. \param max_rate  no base * shape_k is above
BestBase best_base(const RateObjective& J, std::span<const double> shape, double max_rate);
/// The same where the base is known to lie within [low, high]: to `bits` bits.
BestBase best_base_between(const RateObjective& J, std::span<const double> shape, double low, double high, int bits);
/// The base itself where the run does not diverge there, else the highest below it at which it does not, to a relative 1e-4
/// and no lower than an eighth of it; a loss of inf where there is none.
BestBase highest_finite_base(const RateObjective& J, std::span<const double> shape, double base);

/// One local search.
struct SearchFrom {
  std::string start;  ///< in words
  double loss = 0;
  int passes = 0;
  bool converged = false;
  double apart = 0;  ///< largest difference of a rate to that of the best search, over the best one's peak
};

struct Optimum {
  std::vector<double> rates;
  double loss = 0;
  std::string method;  ///< "coordinate sweep" or "L-BFGS"
  std::vector<SearchFrom> searches;
  double spread = 0;         ///< of their losses: largest over least, less 1; losses of the size of rounding are alike
  bool least = false;        ///< it is proved that no rates get below the loss, but for rounding
  bool identifiable = true;  ///< false: many schedules attain the loss, or about it; these rates are one of them
  std::size_t idle = 0;      ///< rates that do not move the loss; they are 0
  std::string statement;     ///< what is known of uniqueness, a sentence
  std::vector<std::string> warnings;
};

/// Rates that a search begins at, each with a name.
using NamedRates = std::vector<std::pair<std::string, std::vector<double>>>;

/// The minimum of J over all rates in [0, max_rate]: from tuned linear decay, a tuned constant rate, the greedy rates and
/// disturbed constant rates, `starts` of them, and up to five times as many until two end with the least loss.
/// \param stop  asked between passes \param also  further starts, named
/// \throws std::invalid_argument where J has no steps, or diverges at every rate.
Optimum best_rates(const RateObjective& J, const ScheduleSearch& options, const std::function<bool()>& stop,
                   const NamedRates& also = {});

}  // namespace edgewise::models::ingredients
