#include "numerics/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <stdexcept>
#include <utility>

namespace edgewise::numerics {

namespace {

constexpr std::size_t memory = 12;

double inner(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void add(std::span<double> to, double factor, std::span<const double> what) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * what[i];
}

/// The last moves and how the gradient changed along them.
class Curvature {
 public:
  void learn(std::vector<double> move, std::vector<double> change) {
    const double sy = inner(move, change);
    if (!(sy > 1e-14 * inner(change, change))) return;
    if (pairs_.size() == memory) pairs_.pop_front();
    pairs_.push_back({std::move(move), std::move(change), sy});
  }
  bool empty() const { return pairs_.empty(); }
  void forget() { pairs_.clear(); }
  /// The inverse Hessian's estimate times `g`, in place.
  void apply(std::span<double> g) const {
    std::vector<double> a(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      a[i] = inner(pairs_[i].move, g) / pairs_[i].sy;
      add(g, -a[i], pairs_[i].change);
    }
    const Pair& last = pairs_.back();
    const double size = last.sy / inner(last.change, last.change);
    for (double& x : g) x *= size;
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      add(g, a[i] - inner(pairs_[i].change, g) / pairs_[i].sy, pairs_[i].move);
  }

 private:
  struct Pair {
    std::vector<double> move, change;
    double sy;
  };
  std::deque<Pair> pairs_;
};

}  // namespace

MinimumOfMany lbfgs(const FunctionOfMany& f, std::vector<double> start, double low, double high, double tolerance,
                    int most_iterations) {
  MinimumOfMany out{std::move(start)};
  std::vector<double>& x = out.at;
  const std::size_t n = x.size();
  for (double& xi : x) xi = std::clamp(xi, low, high);
  std::vector<double> g(n), direction(n), trial(n), trial_g(n);
  out.value = f(x, g);
  if (!std::isfinite(out.value)) throw std::domain_error("the function is not finite where its minimum is looked for");
  Curvature curvature;
  int small = 0;
  while (out.iterations < most_iterations && !out.converged) {
    const auto held = [&](std::size_t i) { return (x[i] <= low && g[i] > 0) || (x[i] >= high && g[i] < 0); };
    double steepest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      direction[i] = held(i) ? 0 : g[i];
      steepest = std::max(steepest, std::abs(direction[i]));
    }
    if (steepest <= tolerance * 1e-3) {
      out.converged = true;
      break;
    }
    if (!curvature.empty()) curvature.apply(direction);
    for (std::size_t i = 0; i < n; ++i) direction[i] = held(i) ? 0 : -direction[i];
    double length = curvature.empty() ? std::min(1.0, 1 / steepest) : 1.0, value = 0;
    bool lower = false;
    for (int halving = 0; halving < 40 && !lower; ++halving, length *= 0.5) {
      double slope = 0;
      for (std::size_t i = 0; i < n; ++i) {
        trial[i] = std::clamp(x[i] + length * direction[i], low, high);
        slope += g[i] * (trial[i] - x[i]);
      }
      value = f(trial, trial_g);
      lower = std::isfinite(value) && value <= out.value + 1e-4 * slope && slope < 0;
    }
    ++out.iterations;
    if (!lower) {
      if (curvature.empty()) {
        out.converged = true;  // not even the steepest descent goes down: rounding
        break;
      }
      curvature.forget();  // it misleads
      continue;
    }
    std::vector<double> move(n), change(n);
    for (std::size_t i = 0; i < n; ++i) {
      move[i] = trial[i] - x[i];
      change[i] = trial_g[i] - g[i];
    }
    curvature.learn(std::move(move), std::move(change));
    small = out.value - value <= tolerance * std::max(1.0, std::abs(value)) ? small + 1 : 0;
    x.swap(trial);
    g.swap(trial_g);
    out.value = value;
    out.converged = small >= 3;
  }
  return out;
}

}  // namespace edgewise::numerics
