#include "models/softmax_temperature/margin.hpp"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <numbers>

#include "numerics/constants.hpp"
#include "numerics/piecewise.hpp"

namespace edgewise::models::softmax_temperature {

namespace {

constexpr double reach = 9;       ///< standard deviations of the population
constexpr double finest = 1e-17;  ///< starts so near to each other weigh nothing
/// Recorded steps around which starts are dense, times steps taken: some hundred starts each.
constexpr std::uint64_t most_turns = 200000;
constexpr double steepest = 700;  ///< beyond it e^u would overflow, and u stands still

/// With u = log K + v, (C-1) u + e^u = a is v + e^v = a/K - log K, K = C - 1; binary: K = 1.
double rivals(double classes) {
  return classes == 1 ? 1 : classes - 1;
}

/// du/dT = speed/(K + e^u).
double speed(double classes) {
  return classes == 1 ? 1 : classes;
}

double rate(double u, double classes) {
  const double K = rivals(classes), scale = speed(classes);
  return scale * (u > 0 ? std::exp(-u) / (1 + K * std::exp(-u)) : 1 / (K + std::exp(u)));
}

double normal_beyond(double x) {
  return std::erfc(x / std::numbers::sqrt2) / 2;
}

/// The x with x + g rate(x) = u, where that rises.
double stepped_back(double u, double g, double classes) {
  const double K = rivals(classes);
  double x = u - g * rate(u, classes);
  for (int newton = 0; newton < 60; ++newton) {
    const double r = rate(x, classes);
    // rate' = -rate (1 - K rate/scale), for rate = scale/(K + e^u).
    const double slope = 1 - g * r * (1 - K * r / speed(classes)), step = (x + g * r - u) / slope;
    x -= step;
    if (std::abs(step) <= 4e-16 * std::max(std::abs(x), 1e-300)) break;
  }
  return x;
}

/// u_0 that is at u = 0 at time T.
double turned_at(double T, double classes) {
  const double K = rivals(classes), a = 1 - speed(classes) * T;
  double u = std::log(K) + log_lambert(a / K - std::log(K));
  // K u + e^u - 1 = -scale T: near 0 relative to u.
  for (int newton = 0; newton < 2; ++newton) u -= (K * u + std::expm1(u) + speed(classes) * T) / (K + std::exp(u));
  return u;
}

/// Nodes and weights of u_0 ~ N(0, s^2), fine where the margin turns at these times T: around 0, where unlearning, at
/// the rate speed/K, ends at T, and where e^u_0 is all that is learned by T.
std::vector<numerics::WeightedNode> population(double s, std::span<const double> times, double classes) {
  if (s == 0) return {{0, 1}};
  std::vector<double> cuts{0};
  for (const double T : times) {
    cuts.push_back(-std::min(speed(classes) * T / rivals(classes), 1e300) / s);
    if (speed(classes) * T > 1) cuts.push_back(std::log(speed(classes) * T) / s);
  }
  auto nodes = numerics::piecewise_gauss(
      numerics::piece_edges(-reach, reach, cuts, std::clamp(0.5 / s, finest, 0.5), 1.0), numerics::GaussPoints::twenty);
  for (numerics::WeightedNode& node : nodes) {
    node.weight *= std::exp(-node.x * node.x / 2) / std::sqrt(2 * pi);
    node.x *= s;
  }
  return nodes;
}

/// Squares are taken about the loss at the margin `centre`, and in units of the population's spread.
class PopulationSum {
 public:
  PopulationSum(double s, double centre, double classes)
      : classes_(classes), unit_(std::max(s, 1.0)), centre_(loss_of_margin(centre, classes)) {}
  void add(double weight, double u) {
    const double l = loss_of_margin(u, classes_), off = (l - centre_) / unit_;
    loss_ += weight * l;
    first_ += weight * off;
    square_ += weight * off * off;
  }
  PopulationPoint point(double right) const {
    return {loss_, right, unit_ * std::sqrt(std::max(0.0, square_ - first_ * first_))};
  }

 private:
  double classes_, unit_, centre_, loss_ = 0, first_ = 0, square_ = 0;
};

}  // namespace

double log_lambert(double c) {
  // u + e^u - c is convex and rises: from above Newton's steps go down to the root.
  double u = c > 1 ? std::log(c) : c;
  for (int k = 0; k < 100; ++k) {
    const double e = std::exp(u), step = (u + e - c) / (1 + e);
    u -= step;
    if (std::abs(step) <= 4e-16 * std::max(std::abs(u), 1e-300)) break;
    if (!(step > 0) && k > 2) break;  // rounding
  }
  return u;
}

double margin_after(double T, double u0, double classes) {
  const double K = rivals(classes), scale = speed(classes);
  if (u0 > steepest) return u0 + scale * T * std::exp(-u0);
  const double a = K * u0 + std::exp(u0) + scale * T;
  return std::max(u0, std::log(K) + log_lambert(a / K - std::log(K)));
}

double margin_descended(std::uint64_t steps, double g, double u0, double classes) {
  double u = u0;
  for (std::uint64_t k = 0; k < steps; ++k) u += g * rate(u, classes);
  return u;
}

double loss_of_margin(double u, double classes) {
  const double K = rivals(classes);
  return u > 0 ? std::log1p(K * std::exp(-u)) : std::log(K + std::exp(u)) - u;
}

PopulationPoint population_at(double T, double s, double classes) {
  PopulationSum sum(s, margin_after(T, 0, classes), classes);
  for (const auto& [u0, weight] : population(s, {&T, 1}, classes)) sum.add(weight, margin_after(T, u0, classes));
  return sum.point(s > 0 ? normal_beyond(turned_at(T, classes) / s) : T > 0 ? 1 : 0);
}

std::vector<PopulationPoint> population_descended(std::span<const std::uint64_t> steps, double g, double s,
                                                  double classes) {
  if (steps.empty()) return {};
  // The last recorded step, and as many others as the work allows.
  const std::uint64_t most = most_turns / std::max<std::uint64_t>(1, steps.back());
  const std::size_t turns = std::clamp<std::uint64_t>(most, 1, steps.size());
  std::vector<double> times;
  for (std::size_t i = 0; i < turns; ++i)
    times.push_back(g * static_cast<double>(steps[steps.size() - 1 - i * steps.size() / turns]));
  auto nodes = population(s, times, classes);
  std::vector<PopulationPoint> out;
  std::uint64_t k = 0;
  // The start that is at 0 after k steps, one step further back each time, while the step is a rising map; where 0 is.
  double turned = 0, middle = 0;
  const bool rising = g * (classes == 1 ? 1 : classes / (classes - 1)) < 4;
  for (const std::uint64_t step : steps) {
    for (; k < step; ++k) {
      for (auto& node : nodes) node.x += g * rate(node.x, classes);
      if (rising) turned = stepped_back(turned, g, classes);
      middle += g * rate(middle, classes);
    }
    PopulationSum sum(s, middle, classes);
    double right = 0;
    for (const auto& node : nodes) {
      sum.add(node.weight, node.x);
      if (node.x > 0) right += node.weight;
    }
    if (rising) right = s > 0 ? normal_beyond(turned / s) : turned < 0 ? 1 : 0;
    out.push_back(sum.point(right));
  }
  return out;
}

double time_to_accuracy(double accuracy, double s, double classes) {
  // u_* = s Phi^-1(1 - A) <= 0 turns at that time: K u_* + e^u_* + scale T = 1.
  const double turned = -s * std::numbers::sqrt2 * boost::math::erf_inv(2 * accuracy - 1);
  return -(rivals(classes) * turned + std::expm1(turned)) / speed(classes);
}

double stability_threshold(double classes) {
  return classes == 1 ? 8 : 2 * classes;
}

}  // namespace edgewise::models::softmax_temperature
