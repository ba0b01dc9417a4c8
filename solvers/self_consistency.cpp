#include "solvers/self_consistency.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "linear_algebra/dense.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::solvers {

namespace {

constexpr int most_halvings = 40;

/// A point, F there, and how far it is from being fixed.
struct Iterate {
  std::vector<double> x, image;
  double residual = infinity;  ///< max |F_i - x_i| / (atol + |x_i|)
  bool within = false;         ///< of the tolerance
};

class FixedPointSearch {
 public:
  FixedPointSearch(const SelfMap& map, std::span<const double> x0, const FixedPointOptions& options)
      : map_(map), options_(options), scale_(x0.size(), 0), trial_{{}, std::vector<double>(x0.size())} {
    if (x0.empty() || !(options.rtol >= 0) || !(options.atol >= 0) || !(options.damping > 0) ||
        !(options.damping <= 1) || options.memory < 1)
      throw std::invalid_argument("fixed point: bad options");
    at_.x.assign(x0.begin(), x0.end());
    at_.image.resize(x0.size());
  }

  FixedPoint run() {
    FixedPoint out;
    if (!evaluate(at_)) {
      out.x = at_.x;
      out.residual = infinity;
      return out;
    }
    while (!at_.within) {
      if (out.iterations == options_.max_iterations) {
        out.status = FixedPointStatus::out_of_iterations;
        break;
      }
      const FixedPointStatus moved = step();
      if (moved != FixedPointStatus::converged) {
        out.status = moved;
        break;
      }
      ++out.iterations;
    }
    if (at_.within) out.status = FixedPointStatus::converged;
    out.x = std::move(at_.x);
    out.residual = at_.residual;
    return out;
  }

 private:
  /// F at the point, how far it is from fixed; false outside, and where F is not finite.
  bool evaluate(Iterate& point) {
    for (const double value : point.x)
      if (!std::isfinite(value)) return false;
    if (options_.inside && !options_.inside(point.x)) return false;
    map_(point.x, point.image);
    point.residual = 0;
    point.within = true;
    for (std::size_t i = 0; i < point.x.size(); ++i) {
      if (!std::isfinite(point.image[i])) return false;
      const double gap = std::abs(point.image[i] - point.x[i]), size = std::abs(point.x[i]);
      point.within = point.within && gap <= options_.atol + options_.rtol * size;
      if (gap > 0) point.residual = std::max(point.residual, gap / (options_.atol + size));
      scale_[i] = std::max({scale_[i], size, std::abs(point.image[i])});
    }
    return true;
  }

  FixedPointStatus step() {
    if (options_.method == FixedPointMethod::newton) return newton();
    std::vector<double> to(at_.x);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += options_.damping * (at_.image[i] - at_.x[i]);
    if (options_.method == FixedPointMethod::anderson) mix(to);
    return move(to, false) ? FixedPointStatus::converged : FixedPointStatus::left_domain;
  }

  /// To `to`, or part of the way, where it is inside and, if it must, the residual has fallen (both in the units of now).
  bool move(std::span<const double> to, bool fall) {
    double part = 1;
    for (int halving = 0; halving < most_halvings; ++halving, part /= 2) {
      trial_.x = at_.x;
      for (std::size_t i = 0; i < to.size(); ++i) trial_.x[i] += part * (to[i] - at_.x[i]);
      if (!evaluate(trial_) || (fall && !(norm(trial_) < norm(at_) || trial_.within))) continue;
      std::swap(at_, trial_);
      return true;
    }
    return false;
  }

  /// In units of the largest each variable has been.
  double norm(const Iterate& point) const {
    double sum = 0;
    for (std::size_t i = 0; i < point.x.size(); ++i)
      if (scale_[i] > 0) sum += std::pow((point.image[i] - point.x[i]) / scale_[i], 2);
    return std::sqrt(sum);
  }

  FixedPointStatus newton() {
    const std::size_t n = at_.x.size();
    linear_algebra::Matrix jacobian(n, n), gap(n, 1);  // of F(x) - x
    Iterate near{at_.x, std::vector<double>(n)};
    // As they are now: the points beside this one may be larger.
    std::vector<double> unit(n);
    for (std::size_t i = 0; i < n; ++i) unit[i] = scaled(i);
    for (std::size_t j = 0; j < n; ++j) {
      const double width = std::cbrt(std::numeric_limits<double>::epsilon()) * unit[j];
      std::vector<double> ahead, behind;
      // One-sided where the other side is outside.
      double span = 0;
      for (const double side : {1.0, -1.0}) {
        near.x[j] = at_.x[j] + side * width;
        std::vector<double>& values = side > 0 ? ahead : behind;
        if (evaluate(near)) {
          values = near.image;
          span += std::abs(near.x[j] - at_.x[j]);
        } else {
          values = at_.image;
        }
      }
      near.x[j] = at_.x[j];
      if (span == 0) return FixedPointStatus::left_domain;
      for (std::size_t i = 0; i < n; ++i)
        jacobian(i, j) = ((ahead[i] - behind[i]) / span - (i == j ? 1 : 0)) * unit[j] / unit[i];
      gap(j, 0) = (at_.x[j] - at_.image[j]) / unit[j];
    }
    const linear_algebra::Matrix direction = linear_algebra::solve(jacobian, gap);
    std::vector<double> to(at_.x);
    for (std::size_t i = 0; i < n; ++i) to[i] += direction(i, 0) * unit[i];
    for (const double value : to)
      if (!std::isfinite(value)) return FixedPointStatus::stalled;
    return move(to, true) ? FixedPointStatus::converged : FixedPointStatus::stalled;
  }
  double scaled(std::size_t i) const { return scale_[i] > 0 ? scale_[i] : 1; }

  /// Anderson's mixing: with steps dx_j and the changes of the residual dr_j, to - sum c_j (dx_j + damping dr_j), where c
  /// makes |r - sum c_j dr_j| least.
  void mix(std::vector<double>& to) {
    const std::size_t n = to.size();
    const double size = norm(at_);
    // What made it much worse is forgotten.
    if (size > 2 * best_) steps_.clear();
    best_ = std::min(best_, size);
    if (!last_.x.empty()) {
      steps_.push_back(last_);
      if (steps_.size() > std::min(options_.memory, n)) steps_.erase(steps_.begin());
    }
    last_ = at_;
    if (steps_.empty()) return;
    linear_algebra::Matrix changes(n, steps_.size());
    std::vector<double> residual(n);
    const auto gap = [&](const Iterate& point, std::size_t i) { return point.image[i] - point.x[i]; };
    for (std::size_t i = 0; i < n; ++i) {
      residual[i] = gap(at_, i) / scaled(i);
      for (std::size_t j = 0; j < steps_.size(); ++j) changes(i, j) = (gap(at_, i) - gap(steps_[j], i)) / scaled(i);
    }
    const std::vector<double> c = linear_algebra::least_squares(changes, residual);
    for (const double weight : c)
      if (!(std::abs(weight) < 1e8)) return;
    for (std::size_t j = 0; j < c.size(); ++j)
      for (std::size_t i = 0; i < n; ++i)
        to[i] -= c[j] * (at_.x[i] - steps_[j].x[i] + options_.damping * (gap(at_, i) - gap(steps_[j], i)));
  }

  const SelfMap& map_;
  const FixedPointOptions& options_;
  std::vector<double> scale_;
  Iterate at_, trial_, last_;
  std::vector<Iterate> steps_;
  double best_ = infinity;
};

class BranchSearch {
 public:
  BranchSearch(const ParametricMap& map, double from, double to, const ContinuationOptions& options)
      : map_(map), options_(options), from_(from), to_(to) {}

  Branch run(std::span<const double> x0) {
    Point last = solved(from_, x0);
    if (!last.holds()) return ended(last.at.converged() ? FixedPointStatus::edge : last.at.status, std::move(last));
    if (last.level >= options_.goal) return ended(FixedPointStatus::converged, std::move(last));
    const double way = to_ - from_;
    const double longest = std::abs(way) / static_cast<double>(std::max<std::size_t>(options_.steps, 1));
    Point before = last;
    double step = longest, barred = to_;  // where it was found not to hold
    bool bars = false;
    while (last.parameter != to_) {
      // Half the way to a bar; else to the end, where no more than rounding would be left of the way.
      const double reach = std::abs(barred - last.parameter);
      const bool ends = !bars && step >= (1 - 1e-6) * reach;
      step = bars ? std::min(step, reach / 2) : std::min(step, reach);
      const double shortest = options_.rtol * std::max(std::abs(last.parameter), options_.rtol * std::abs(way));
      const double next = ends ? to_ : last.parameter + std::copysign(step, way);
      if ((!ends && step <= shortest) || next == last.parameter)
        return finish(bars && reach <= 4 * shortest ? FixedPointStatus::edge : FixedPointStatus::lost, before,
                      std::move(last));
      Point point = predicted(before, last, next);
      if (!point.at.converged()) {
        step /= 2;
      } else if (std::isnan(point.margin)) {
        barred = next;
        bars = true;
      } else if (!point.holds()) {
        return finish(FixedPointStatus::edge, before, crossing(last, point, [](const Point& p) { return p.margin; }));
      } else if (options_.level && !(point.level > last.level)) {
        return finish(FixedPointStatus::lost, before, std::move(point));
      } else if (point.level >= options_.goal) {
        return reached(last, point);
      } else {
        before = std::exchange(last, std::move(point));
        step = std::min(2 * step, longest);
      }
    }
    return ended(options_.goal < infinity ? FixedPointStatus::lost : FixedPointStatus::converged, std::move(last));
  }

 private:
  struct Point {
    double parameter = 0;
    FixedPoint at;
    double margin = 1, level = -infinity;
    bool holds() const { return at.converged() && margin > 0; }
  };

  Point solved(double parameter, std::span<const double> start) const {
    const auto map = [&](auto x, auto next) { map_(parameter, x, next); };
    Point out{parameter, fixed_point(map, start, options_.solver)};
    if (!out.at.converged()) return out;
    if (options_.margin) out.margin = options_.margin(parameter, out.at.x);
    if (options_.level) out.level = options_.level(parameter, out.at.x);
    return out;
  }
  /// From the straight line through two points; from the second where that leads nowhere.
  Point predicted(const Point& a, const Point& b, double parameter) const {
    std::vector<double> start(b.at.x);
    if (a.parameter != b.parameter)
      for (std::size_t i = 0; i < start.size(); ++i)
        start[i] += (start[i] - a.at.x[i]) * ((parameter - b.parameter) / (b.parameter - a.parameter));
    Point out = solved(parameter, start);
    return out.at.converged() ? out : solved(parameter, b.at.x);
  }
  Point part(const Point& a, const Point& b, double share) const {
    return predicted(b, a, a.parameter + share * (b.parameter - a.parameter));
  }
  /// Where a number that has two signs at two points vanishes between them.
  template <class Of>
  Point crossing(const Point& a, const Point& b, const Of& of) const {
    const double at_a = of(a), at_b = of(b);
    const double share = numerics::root(
        [&](double s) {
          const Point p = part(a, b, s);
          return p.at.converged() ? of(p) : at_b;
        },
        0, 1, at_a, at_b);
    Point out = part(a, b, share);
    return out.at.converged() ? out : a;
  }
  Branch reached(const Point& a, const Point& b) const {
    return ended(FixedPointStatus::converged,
                 crossing(a, b, [this](const Point& p) { return p.level - options_.goal; }));
  }
  static Branch ended(FixedPointStatus status, Point at) { return {status, at.parameter, std::move(at.at)}; }

  /// At the end, or at a fold of the level that lies before it; or where the goal is on the way there.
  Branch finish(FixedPointStatus status, const Point& before, Point end) const {
    constexpr double beside = 1e-6;
    if (options_.level && before.parameter != end.parameter) {
      const Point near = part(end, before, beside);
      if (status == FixedPointStatus::lost || (near.at.converged() && near.level >= end.level)) {
        const numerics::Minimum fold = numerics::minimum(
            [&](double s) {
              const Point p = part(before, end, s);
              return p.at.converged() ? -p.level : infinity;
            },
            0, 1);
        if (Point top = part(before, end, fold.at); top.at.converged() && top.level > end.level) {
          end = std::move(top);
          status = FixedPointStatus::lost;
        }
      }
    }
    if (before.level < options_.goal && end.level >= options_.goal && options_.level) return reached(before, end);
    return ended(status, std::move(end));
  }

  const ParametricMap& map_;
  const ContinuationOptions& options_;
  double from_, to_;
};

}  // namespace

std::string_view name(FixedPointStatus status) {
  switch (status) {
    case FixedPointStatus::converged:
      return "converged";
    case FixedPointStatus::out_of_iterations:
      return "out of iterations";
    case FixedPointStatus::stalled:
      return "stalled";
    case FixedPointStatus::left_domain:
      return "left its domain";
    case FixedPointStatus::edge:
      return "at an edge";
    case FixedPointStatus::lost:
      return "branch lost";
    case FixedPointStatus::no_bracket:
      return "no sign change";
  }
  return "";
}

FixedPoint fixed_point(const SelfMap& map, std::span<const double> x0, const FixedPointOptions& options) {
  return FixedPointSearch(map, x0, options).run();
}

Branch follow_branch(const ParametricMap& map, double from, double to, std::span<const double> x0,
                     const ContinuationOptions& options) {
  return BranchSearch(map, from, to, options).run(x0);
}

FixedPoint bracketed(const std::function<double(double)>& f, double low, double high) {
  FixedPoint out;
  const double at_low = f(low), at_high = f(high);
  const bool lower = !(std::abs(at_high) < std::abs(at_low));
  out.x = {lower ? low : high};
  out.residual = std::abs(lower ? at_low : at_high);
  out.status = FixedPointStatus::no_bracket;
  if (!(low <= high) || !std::isfinite(at_low) || !std::isfinite(at_high) ||
      (at_low != 0 && at_high != 0 && std::signbit(at_low) == std::signbit(at_high))) {
    if (!std::isfinite(out.residual)) out.residual = infinity;
    return out;
  }
  bool finite = true;
  const double root = numerics::root(
      [&](double x) {
        ++out.iterations;
        const double value = f(x);
        finite = finite && std::isfinite(value);
        return std::isfinite(value) ? value : 0;
      },
      low, high, at_low, at_high);
  if (!finite) {
    out.status = FixedPointStatus::left_domain;
    return out;
  }
  out.x = {root};
  out.residual = std::abs(f(root));
  out.status = FixedPointStatus::converged;
  return out;
}

}  // namespace edgewise::solvers
