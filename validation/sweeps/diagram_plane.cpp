// Built at -O1: nothing here takes time.
#include "validation/sweeps/diagram_plane.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace edgewise::validation {

AxisScale::AxisScale(const SweepAxis& axis) : log_(axis.log && axis.words.empty()) {
  for (std::size_t i = 0; i < axis.size(); ++i) {
    values_.push_back(axis.words.empty() ? axis.numbers[i] : static_cast<double>(i));
    double place = axis.words.empty() ? to_scale(values_[i]) : values_[i];
    if (std::isinf(values_[i])) place = i == 0 ? 0 : scaled_[i - 1] + (i > 1 ? scaled_[i - 1] - scaled_[i - 2] : 1);
    scaled_.push_back(place);
  }
  order_.resize(scaled_.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return scaled_[a] < scaled_[b]; });
  for (const std::size_t i : order_) sorted_.push_back(scaled_[i]);
  const std::size_t n = sorted_.size();
  if (n == 0) return;
  const double first = n > 1 ? (sorted_[1] - sorted_[0]) / 2 : 0.5,
               last = n > 1 ? (sorted_[n - 1] - sorted_[n - 2]) / 2 : 0.5;
  edges_.push_back(sorted_.front() - first);
  for (std::size_t i = 0; i + 1 < n; ++i) edges_.push_back((sorted_[i] + sorted_[i + 1]) / 2);
  edges_.push_back(sorted_.back() + last);
}

double AxisScale::to_scale(double value) const {
  return log_ ? std::log(value) : value;
}
double AxisScale::from_scale(double place) const {
  // Beside a subnormal value the edge of a cell may be 0, which is nowhere on a logarithmic scale.
  return log_ ? std::clamp(std::exp(place), 1e-307, 1e307) : place;
}
double AxisScale::value_at(double place) const {
  const bool ends_infinite = !values_.empty() && std::isinf(values_.back());
  return ends_infinite && place >= edges_[edges_.size() - 2] ? values_.back() : from_scale(place);
}

double AxisScale::cells(double place) const {
  const std::size_t n = sorted_.size();
  if (n < 2) return place - sorted_.front();
  const auto after = std::upper_bound(sorted_.begin() + 1, sorted_.end() - 1, place);
  const auto i = static_cast<std::size_t>(after - sorted_.begin());
  return static_cast<double>(i) - (sorted_[i] - place) / (sorted_[i] - sorted_[i - 1]);
}

std::size_t cell_at(const SweepTable& table, std::span<const std::size_t> place) {
  std::size_t cell = 0;
  for (std::size_t a = 0; a < table.axes.size(); ++a) cell = cell * table.axes[a].size() + place[a];
  return cell;
}

std::vector<Plane> planes(const SweepTable& table) {
  std::vector<std::size_t> running;
  for (std::size_t a = 0; a < table.axes.size() && running.size() < 2; ++a)
    if (table.axes[a].words.empty() && table.axes[a].size() > 1) running.push_back(a);
  if (running.empty() || table.cells.empty()) return {};
  Plane plane{running[0], running.size() > 1 ? std::optional(running[1]) : std::nullopt,
              std::vector<std::size_t>(table.axes.size(), 0)};
  std::vector<Plane> out;
  while (true) {
    out.push_back(plane);
    std::size_t a = table.axes.size();
    while (a > 0) {
      --a;
      const bool runs = a == plane.horizontal || plane.vertical == a;
      if (runs) continue;
      if (++plane.place[a] < table.axes[a].size()) break;
      plane.place[a] = 0;
    }
    if (std::all_of(plane.place.begin(), plane.place.end(), [](std::size_t i) { return i == 0; })) return out;
  }
}

}  // namespace edgewise::validation
