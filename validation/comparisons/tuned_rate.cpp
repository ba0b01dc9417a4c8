#include "validation/comparisons/tuned_rate.hpp"

#include <cmath>

#include "numerics/constants.hpp"
#include "numerics/scan.hpp"

namespace edgewise::validation {

TunedRate tune_rate(const std::function<double(double)>& loss, double from, double to) {
  numerics::Scan scan{std::log(from), std::log(to)};
  const double widened = 48 * (scan.high - scan.low) / (scan.points - 1);
  scan.lowest = scan.low - widened;
  scan.highest = scan.high + widened;
  scan.finest = 0.005;
  // Losses go over decades: their logarithm, of either sign.
  constexpr double least_log = 750;
  scan.lost = 2 * least_log;
  scan.enough = -2 * least_log;
  const auto scaled = [&](double value) {
    if (value == 0 || !(std::abs(value) < infinity)) return value == 0 ? 0 : scan.lost;
    return std::copysign(std::log(std::abs(value)) + least_log, value);
  };
  const numerics::ScannedMinimum found =
      numerics::scanned_minimum([&](double log_rate) { return scaled(loss(std::exp(log_rate))); }, scan);
  const double rate = std::exp(found.at);
  return {rate, found.value < scan.lost ? loss(rate) : infinity, found.at_end};
}

}  // namespace edgewise::validation
