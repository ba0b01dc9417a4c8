#include "numerics/scan.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace edgewise::numerics {

namespace {

constexpr std::size_t most_halvings = 2000, most_minima = 100;
/// Of the fall or rise within an interval: how near its middle must be to what was expected.
constexpr double as_expected = 0.1;
/// Differences of f that nothing hides in, and differences that are rounding.
constexpr double flat = 1e-3, same = 1e-12;
/// A minimum lower than its neighbours by more is looked at as one of exp f.
constexpr double needle = 1;
/// Strides of the extension, in steps of the grid: alike at first, then longer ones.
constexpr double alike = 30, growth = 1.25, longest_stride = 36;

class Samples {
 public:
  Samples(const Function& f, const Scan& scan) : f_(f), scan_(scan) {}

  void sample() {
    const double step = (scan_.high - scan_.low) / (scan_.points - 1);
    for (int i = 0; i < scan_.points; ++i) {
      // The last is the end itself, not a neighbour that rounding puts beside it.
      at_.push_back(point(std::min(i + 1 < scan_.points ? scan_.low + i * step : scan_.high, scan_.highest)));
      if (at_.back().at >= scan_.highest) break;
    }
    const auto falls = [&] { return at_.size() < 2 || at_[0].value < at_[1].value; };
    const auto least = [&] {
      return std::ranges::min_element(at_, {}, [](const Minimum& m) { return m.value; })->value;
    };
    for (double stride = step; at_[0].at > scan_.lowest && at_[0].value <= least() && falls();) {
      at_.insert(at_.begin(), point(std::max(at_[0].at - stride, scan_.lowest)));
      stride = std::min(stride * growth, longest_stride * step);
    }
    const double top = std::min(scan_.lost, at_[0].value < scan_.lost ? at_[0].value + scan_.rise : scan_.lost);
    for (double stride = step; at_.back().at < scan_.highest && at_.back().value < top;) {
      at_.push_back(point(std::min(at_.back().at + stride, scan_.highest)));
      if (at_.back().at > scan_.high + alike * step) stride = std::min(stride * growth, longest_stride * step);
    }
    halve();
    for (const double x : scan_.also) {
      const auto next = std::ranges::lower_bound(at_, x, {}, [](const Minimum& m) { return m.at; });
      if (next == at_.begin() || next == at_.end()) continue;
      const double near = 1e-6 * (next->at - (next - 1)->at);
      if (next->at - x > near && x - (next - 1)->at > near) at_.insert(next, point(x));
    }
  }

  ScannedMinimum least() const {
    std::vector<std::size_t> bottoms;
    for (std::size_t i = 0; i < at_.size(); ++i) {
      const double left = i > 0 ? at_[i - 1].value : INFINITY, right = i + 1 < at_.size() ? at_[i + 1].value : INFINITY;
      if (at_[i].value < scan_.lost && at_[i].value < left && at_[i].value <= right) bottoms.push_back(i);
    }
    const Minimum lowest = *std::ranges::min_element(at_, {}, [](const Minimum& m) { return m.value; });
    ScannedMinimum out{lowest.at, lowest.value};
    if (bottoms.size() > most_minima) {
      std::ranges::nth_element(bottoms, bottoms.begin() + most_minima, {}, [&](std::size_t i) { return at_[i].value; });
      bottoms.resize(most_minima);
      std::ranges::sort(bottoms);
    }
    for (const std::size_t i : bottoms) {
      const std::size_t left = i > 0 ? i - 1 : i, right = std::min(i + 1, at_.size() - 1);
      out.minima += (left == i || at_[left].value > at_[i].value + same) &&
                    (right == i || at_[right].value > at_[i].value + same);
      if (out.value <= scan_.enough) continue;
      Minimum finer = minimum(f_, at_[left].at, at_[right].at, scan_.bits);
      if (finer.value < std::min(at_[left].value, at_[right].value) - needle) sharpen(finer);
      if (finer.value < out.value) {
        out.at = finer.at;
        out.value = finer.value;
      }
    }
    const double near = at_.size() > 1 ? 1e-3 * (at_[1].at - at_[0].at) : 0;
    out.at_end = out.at <= at_[0].at + near || out.at >= at_.back().at - near;
    return out;
  }

 private:
  Minimum point(double x) const { return {x, std::min(f_(x), scan_.lost)}; }

  /// Where the function behind comes near 0 its logarithm is no parabola, but it is one itself.
  void sharpen(Minimum& best) const {
    for (const double h : {1e-5, 1e-8}) {
      const double left = std::exp(f_(best.at - h) - best.value), right = std::exp(f_(best.at + h) - best.value);
      const double by = -0.5 * h * (right - left) / (right - 2 + left);
      if (!(std::abs(by) < 10 * h)) continue;
      if (const double value = f_(best.at + by); value < best.value) best = {best.at + by, value};
    }
  }

  /// What a cubic through the samples around interval i, or fewer where some are lost, makes of f at x.
  double expected(std::size_t i, double x) const {
    std::vector<std::size_t> use;
    for (std::size_t j = i > 0 ? i - 1 : 0; j < std::min(i + 3, at_.size()); ++j)
      if (at_[j].value < scan_.lost) use.push_back(j);
    double sum = 0;
    for (const std::size_t j : use) {
      double weight = at_[j].value;
      for (const std::size_t k : use)
        if (k != j) weight *= (x - at_[k].at) / (at_[j].at - at_[k].at);
      sum += weight;
    }
    return sum;
  }

  void halve() {
    std::size_t halvings = 0;
    for (std::size_t i = 0; i + 1 < at_.size() && halvings < most_halvings;) {
      const Minimum left = at_[i], right = at_[i + 1];
      const bool lost = left.value >= scan_.lost || right.value >= scan_.lost;
      const double before = i > 0 ? at_[i - 1].value : left.value;
      const double after = i + 2 < at_.size() ? at_[i + 2].value : right.value;
      const auto [low, high] = std::minmax({before, left.value, right.value, after});
      const bool wide = left.at >= scan_.dense_from && right.at - left.at > scan_.dense;
      if (!(right.at - left.at > scan_.finest) || (high - low < flat && !wide) ||
          (left.value >= scan_.lost && right.value >= scan_.lost)) {
        ++i;
        continue;
      }
      const Minimum middle = point(left.at + (right.at - left.at) / 2);
      const double off = std::abs(middle.value - expected(i, middle.at));
      const auto [bottom, top] = std::minmax({left.value, right.value, middle.value});
      at_.insert(at_.begin() + static_cast<std::ptrdiff_t>(i) + 1, middle);
      ++halvings;
      if (!lost && !wide && off <= as_expected * (top - bottom)) i += 2;
    }
  }

  const Function& f_;
  const Scan& scan_;
  std::vector<Minimum> at_;  // in order
};

}  // namespace

ScannedMinimum scanned_minimum(const Function& f, const Scan& scan) {
  Samples samples(f, scan);
  samples.sample();
  return samples.least();
}

}  // namespace edgewise::numerics
