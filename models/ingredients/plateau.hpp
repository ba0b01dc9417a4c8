#pragma once
/// \file
/// What is read off whole runs that come to an edge of stability and are held there.
#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include "models/framework/absent.hpp"
#include "models/framework/prediction.hpp"

namespace edgewise::models::ingredients {

/// The tail of a record, from which its end is read, begins at this share of the last step.
inline constexpr double tail_begins = 0.75;

/// Of values that are not none.
inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

/// Median of the values at steps in the last quarter, from tail_begins of the last step on. Both of one length, at
/// least 1.
inline double tail_median(std::span<const double> step, std::span<const double> value) {
  std::vector<double> tail;
  for (std::size_t t = 0; t < step.size(); ++t)
    if (step[t] >= tail_begins * step.back()) tail.push_back(value[t]);
  return median(std::move(tail));
}

/// The same of a run that may oscillate with period two: the mean of the medians at even and at odd steps, where there are both.
inline double tail_median_of_phases(std::span<const double> step, std::span<const double> value) {
  std::vector<double> tail[2];
  for (std::size_t t = 0; t < step.size(); ++t)
    if (step[t] >= tail_begins * step.back()) tail[std::fmod(step[t], 2) != 0].push_back(value[t]);
  if (tail[0].empty() || tail[1].empty()) return tail_median(step, value);
  return 0.5 * (median(std::move(tail[0])) + median(std::move(tail[1])));
}

/// Whether a value came to the edge before the tail: it rose through it, below at a recorded step and above at a later one,
/// or it fell to it and stayed within 5% for two records. A run that starts above and rests there, or is thrown far below,
/// did not.
inline bool came_to(const RecordedReplica& run, std::span<const double> value, double edge) {
  bool below = false, near = false;
  for (std::size_t t = 0; t < value.size() && run.steps[t] < tail_begins * run.steps.back(); ++t) {
    const bool above = value[t] > edge, still_near = value[t] >= 0.95 * edge && value[t] <= 1.05 * edge;
    if ((below && above) || (near && still_near)) return true;
    below = below || value[t] < edge;
    near = still_near && t > 0;
  }
  return false;
}

/// Whether a value exceeded the edge before the tail. What happens before it picks the runs, what happens in it is predicted.
inline bool reached(const RecordedReplica& run, std::span<const double> value, double edge) {
  for (std::size_t t = 0; t < value.size(); ++t)
    if (run.steps[t] < tail_begins * run.steps.back() && value[t] > edge) return true;
  return false;
}

/// Of eta lambda over steps: its median, and the share of them below 2; both absent of none.
struct EdgeShare {
  double median = absent, below = absent;
};
inline EdgeShare edge_share(const std::vector<double>& products) {
  if (products.empty()) return {};
  const auto below = std::ranges::count_if(products, [](double product) { return product < 2; });
  return {median(products), static_cast<double>(below) / static_cast<double>(products.size())};
}

}  // namespace edgewise::models::ingredients
