#include "solvers/stability_boundary.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "numerics/roots.hpp"
#include "solvers/linear_stability.hpp"
#include "solvers/noisy_run.hpp"

namespace edgewise::solvers {

namespace {

using SystemAt = std::function<PeriodicPhases(double)>;

constexpr double coarse_ratio = 1.15;
constexpr double turn = std::numbers::pi / 12;
constexpr std::size_t most_samples = 20000;
/// The search begins no lower: of the last doubles above 0 a small factor makes the same ones.
constexpr double least = 1e-300;

struct Sample {
  double value = 0;
  bool stable = false;
  double margin = 0;
  std::vector<double> determinants;
};

class Search {
 public:
  explicit Search(const SystemAt& few) : few_(few) {}

  /// Samples from `start` up to where the stiffest mode is lost for good, in order.
  std::vector<Sample> run(double start) {
    start = std::max(start, least);
    Sample now = sample(start);
    for (int tries = 0; tries < 16 && !now.stable && start > 16 * least; ++tries) now = sample(start /= 16);
    path_.push_back(now);
    double ratio = coarse_ratio, phase = phase_at(start);
    int lost = 0;
    while (lost < 12 && path_.size() < most_samples && path_.back().value < 1e12 * start) {
      const double value = path_.back().value;
      ratio = std::min(coarse_ratio, 1 + 2 * (ratio - 1));
      double next_phase = phase_at(value * ratio);
      while (std::abs(next_phase - phase) > turn && ratio > 1 + 1e-7) {
        ratio = 1 + (ratio - 1) / 2;
        next_phase = phase_at(value * ratio);
      }
      phase = next_phase;
      path_.push_back(sample(value * ratio));
      lost = hopeless(path_.back()) ? lost + 1 : 0;
      if (path_.size() >= 3) look_between(path_.size() - 3);
    }
    complete = path_.size() < most_samples;
    path_.insert(path_.end(), found_.begin(), found_.end());
    std::ranges::sort(path_, {}, &Sample::value);
    return std::move(path_);
  }
  bool complete = true;

 private:
  Sample sample(double value) const {
    const Renewal renewal(few_(value), jumps_);
    const Renewal::Probe probe = renewal.probe();
    Sample out{value, probe.stable && renewal.frozen() == 0, probe.margin, renewal.determinants()};
    return out;
  }
  double phase_at(double value) const {
    const PeriodicPhases system = few_(value);
    return oscillation_phase(system, *std::ranges::max_element(system.modes.x));
  }
  bool hopeless(const Sample& at) const {
    if (at.stable) return false;
    PeriodicPhases system = few_(at.value);
    system.modes.x = {*std::ranges::max_element(system.modes.x)};
    return !(mean_radius(system)[0] < 10);
  }
  double determinant(double value, std::size_t mode) const {
    PeriodicPhases system = few_(value);
    LinearModes& m = system.modes;
    for (auto* v : {&m.x, &m.weight, &m.feedback, &m.own}) *v = {(*v)[mode]};
    return Renewal(system).determinants()[0];
  }
  // Samples the bottom of every dip around path_[first + 1], and where the mode is unstable the top of every rise.
  void look_between(std::size_t first) {
    const Sample a = path_[first], b = path_[first + 1], c = path_[first + 2];
    const auto dips = [](double x, double y, double z) { return y < x && y < z; };
    const auto bottom = [&](auto function, int bits) {
      found_.push_back(sample(numerics::minimum(function, a.value, c.value, bits).at));
    };
    for (std::size_t i = 0; i < b.determinants.size(); ++i)
      for (const double sign : {1.0, -1.0})
        if (dips(sign * a.determinants[i], sign * b.determinants[i], sign * c.determinants[i]) &&
            (sign > 0 || !(a.stable || b.stable || c.stable)))
          bottom([&](double value) { return sign * determinant(value, i); }, 24);
    if (a.stable && b.stable && c.stable && dips(a.margin, b.margin, c.margin))
      bottom([&](double value) { return sample(value).margin; }, 12);
  }

  const SystemAt& few_;
  std::shared_ptr<Jumps> jumps_ = std::make_shared<Jumps>();
  std::vector<Sample> path_, found_;
};

// The end of stability between `low` (stable) and `high` (not), of the system that decides.
double crossing(const SystemAt& system, double low, double high) {
  const auto jumps = std::make_shared<Jumps>();
  const auto margin = [&](double value) {
    const Renewal renewal(system(value), jumps);
    return renewal.frozen() > 0 ? -1.0 : renewal.probe().margin;
  };
  double at_low = margin(low), at_high = margin(high);
  for (double step = 1.01; at_low < 0; step *= step) {
    high = low;
    at_high = at_low;
    low /= step;
    at_low = margin(low);
    if (step > 1e6) return std::numeric_limits<double>::quiet_NaN();
  }
  for (double step = 1.01; at_high >= 0; step *= step) {
    low = high;
    at_low = at_high;
    high *= step;
    at_high = margin(high);
    if (step > 1e6) return std::numeric_limits<double>::infinity();
  }
  return numerics::root(margin, low, high, at_low, at_high, 43);
}

}  // namespace

StabilityBoundary stability_boundary(const std::function<PeriodicPhases(double)>& system,
                                     const std::function<PeriodicPhases(double)>& few, double start) {
  Search search(few);
  const std::vector<Sample> path = search.run(start);
  StabilityBoundary out;
  out.complete = search.complete;
  out.first = out.last = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::size_t> ends;
  for (std::size_t k = 0; k + 1 < path.size(); ++k)
    if (path[k].stable && !path[k + 1].stable) ends.push_back(k);
  if (ends.empty()) {
    if (!path.empty() && path.back().stable) out.first = out.last = std::numeric_limits<double>::infinity();
    return out;
  }
  const auto end = [&](std::size_t k) { return crossing(system, path[k].value, path[k + 1].value); };
  out.first = out.last = end(ends.front());
  out.windows = ends.size() - 1;
  if (out.windows > 0) out.last = end(ends.back());
  return out;
}

}  // namespace edgewise::solvers
