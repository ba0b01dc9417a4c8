// Built at -O1: nothing here takes time.
#include "models/least_squares/typical_growth.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "numerics/roots.hpp"

namespace edgewise::models::least_squares {

namespace {

/// A node of the tanh-sinh rule on (0, 1), which any behaviour at the ends leaves accurate.
struct Node {
  double u, complement, weight;
};

std::vector<Node> nodes() {
  constexpr int each_side = 56;
  constexpr double step = 1.0 / 16;
  std::vector<Node> out;
  for (int k = -each_side; k <= each_side; ++k) {
    const double t = k * step, s = std::numbers::pi / 2 * std::sinh(t);
    out.push_back({1 / (1 + std::exp(-2 * s)), 1 / (1 + std::exp(2 * s)),
                   step * std::numbers::pi / 4 * std::cosh(t) / (std::cosh(s) * std::cosh(s))});
  }
  return out;
}

double quantile(const boost::math::chi_squared& law, double u, double complement) {
  return u < 0.5 ? boost::math::quantile(law, u) : boost::math::quantile(boost::math::complement(law, complement));
}

}  // namespace

// docs/theory/least-squares-sgd.md (11.1): v' = (1 - x C/B) v + (x/B) sqrt(C) |v| h, h normal and orthogonal to v.
double typical_log_growth(double x, double batch, double dimension) {
  if (x == 0) return 0;
  const std::vector<Node> rule = nodes();
  std::vector<std::pair<double, double>> across;  // |h|^2 with its weight
  if (dimension > 1)
    for (const Node& node : rule)
      across.emplace_back(quantile(boost::math::chi_squared(dimension - 1), node.u, node.complement), node.weight);
  else
    across.emplace_back(0, 1);
  const boost::math::chi_squared along(batch);
  const auto given = [&](double C) {
    const double kept = 1 - x * C / batch, thrown = x / batch * x / batch * C;
    double sum = 0;
    for (const auto& [square, weight] : across)
      if (const double factor = kept * kept + thrown * square; factor > 0) sum += weight * std::log(factor);
    return sum;
  };
  // Apart below and above the C that leaves nothing of v, where the logarithm may be infinite.
  const double edge = std::min(batch / x, std::numeric_limits<double>::max()), below = boost::math::cdf(along, edge),
               above = boost::math::cdf(boost::math::complement(along, edge));
  double total = 0;
  for (const Node& node : rule) {
    if (below * node.u > 0)
      total += below * node.weight * given(quantile(along, below * node.u, above + below * node.complement));
    if (above * node.u > 0)
      total += above * node.weight * given(quantile(along, below + above * node.complement, above * node.u));
  }
  return total;
}

double typical_threshold(double batch, double dimension, double mean_threshold) {
  const auto growth = [&](double x) { return typical_log_growth(x, batch, dimension); };
  double low = mean_threshold, at_low = growth(low);
  if (at_low >= 0) return low;  // to rounding, in high dimension
  double high = 1.01 * low, at_high = growth(high);
  while (at_high < 0) {
    low = high;
    at_low = at_high;
    high *= 1.5;
    at_high = growth(high);
  }
  return numerics::root(growth, low, high, at_low, at_high);
}

}  // namespace edgewise::models::least_squares
