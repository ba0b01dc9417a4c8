#pragma once
/// \file
/// The base learning rate at which a loss is least: how a schedule or an optimizer is given its best chance before it is
/// compared (docs/theory/schedules-and-collapse.md, section 2).
#include <functional>

namespace edgewise::validation {

struct TunedRate {
  double rate = 0;
  double loss = 0;       ///< infinite where every rate diverges
  bool on_edge = false;  ///< the least loss lies on the end of what was searched, though that was widened
};

/// The least loss(rate) by a logarithmic grid of 33 points in [from, to], widened where the loss is still low at an end and
/// refined between its points (numerics::scanned_minimum), and Brent's method around every local minimum.
/// \param loss  infinite or not-a-number where a run diverges
TunedRate tune_rate(const std::function<double(double)>& loss, double from, double to);

}  // namespace edgewise::validation
