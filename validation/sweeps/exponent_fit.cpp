// Built at -O1: nothing here takes time.
#include "validation/sweeps/exponent_fit.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <stdexcept>

namespace edgewise::validation {
namespace {

constexpr std::size_t fewest_points = 3;

/// A point on doubly logarithmic paper; weights have mean 1.
struct Point {
  double u, v, weight;
};

bool usable(double x, double y) {
  return x > 0 && y > 0 && std::isfinite(x) && std::isfinite(y);
}

double weighted_sum(const std::vector<Point>& points, const auto& term) {
  double sum = 0;
  for (const Point& p : points) sum += p.weight * term(p);
  return sum;
}

/// Number of independent residuals that would tell as much.
double effective(const std::vector<Point>& points, const std::vector<double>& residuals) {
  const auto n = static_cast<double>(residuals.size());
  double neighbours = 0, squares = 0;
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    const double r = std::sqrt(points[i].weight) * residuals[i];
    squares += r * r;
    if (i > 0) neighbours += r * std::sqrt(points[i - 1].weight) * residuals[i - 1];
  }
  // Those that alternate tell no more than all.
  if (!(neighbours > 0)) return n;
  const double correlation = neighbours / squares;
  return std::max(n * (1 - correlation) / (1 + correlation), static_cast<double>(fewest_points));
}

/// Standard error of a coefficient whose basis function has the weighted square sum `squares`.
double error_of(const std::vector<Point>& points, const std::vector<double>& residuals, std::size_t coefficients,
                double squares) {
  const auto n = static_cast<double>(points.size());
  double sum = 0;
  for (std::size_t i = 0; i < points.size(); ++i) sum += points[i].weight * residuals[i] * residuals[i];
  const double variance = sum / (n - static_cast<double>(coefficients));
  return std::sqrt(variance / squares * n / effective(points, residuals));
}

}  // namespace

ExponentFit fit_exponent(std::span<const double> x, std::span<const double> y, const ExponentOptions& options,
                         std::span<const double> relative_errors) {
  if (x.size() != y.size() || (!relative_errors.empty() && relative_errors.size() != x.size()))
    throw std::invalid_argument("fit_exponent: x, y and the errors must be of one length");
  std::vector<Point> points;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!usable(x[i], y[i]) || x[i] < options.from || x[i] > options.to) continue;
    double weight = 1;
    if (!relative_errors.empty()) {
      if (!(relative_errors[i] > 0) || !std::isfinite(relative_errors[i])) continue;
      weight = 1 / (relative_errors[i] * relative_errors[i]);
    }
    points.push_back({std::log(x[i]), std::log(y[i]), weight});
  }
  ExponentFit fit;
  fit.points = points.size();
  fit.effective_points = static_cast<double>(points.size());
  if (points.size() < fewest_points) return fit;
  const auto n = static_cast<double>(points.size());
  const double total = weighted_sum(points, [](const Point&) { return 1.0; });
  for (Point& p : points) p.weight *= n / total;

  const double middle_u = weighted_sum(points, [](const Point& p) { return p.u; }) / n;
  const double middle_v = weighted_sum(points, [](const Point& p) { return p.v; }) / n;
  for (Point& p : points) p.u -= middle_u;
  const double squares = weighted_sum(points, [](const Point& p) { return p.u * p.u; });
  if (!(squares > 0)) return fit;
  fit.exponent = weighted_sum(points, [&](const Point& p) { return p.u * (p.v - middle_v); }) / squares;
  fit.prefactor = std::exp(middle_v - fit.exponent * middle_u);
  std::vector<double> residuals;
  for (const Point& p : points) residuals.push_back(p.v - middle_v - fit.exponent * p.u);
  fit.effective_points = effective(points, residuals);
  fit.standard_error = error_of(points, residuals, 2, squares);

  // The parabola orthogonal to the line.
  const double b = squares / n, a = weighted_sum(points, [](const Point&p) { return p.u * p.u * p.u; }) / squares;
  const auto parabola = [&](const Point& p) { return p.u * p.u - a * p.u - b; };
  const double parabola_squares = weighted_sum(points, [&](const Point& p) { return parabola(p) * parabola(p); });
  // Rounding of b when all points sit on two places.
  if (!(parabola_squares > 1e-20 * squares * squares)) return fit;
  double coefficient = 0;
  for (std::size_t i = 0; i < points.size(); ++i)
    coefficient += points[i].weight * parabola(points[i]) * residuals[i] / parabola_squares;
  const auto [least, most] =
      std::minmax_element(points.begin(), points.end(), [](const Point& p, const Point& q) { return p.u < q.u; });
  const double change = 2 * (most->u - least->u);
  fit.curvature = coefficient * change;
  if (points.size() < fewest_points + 1) return fit;
  for (std::size_t i = 0; i < points.size(); ++i) residuals[i] -= coefficient * parabola(points[i]);
  fit.curvature_error = change * error_of(points, residuals, 3, parabola_squares);
  if (fit.curvature == 0)
    fit.curvature_p = 1;
  else
    fit.curvature_p =
        2 * boost::math::cdf(boost::math::complement(boost::math::students_t(n - 3),
                                                     std::min(std::abs(fit.curvature / fit.curvature_error), 1e10)));
  fit.curved = std::abs(fit.curvature) > options.tolerance && fit.curvature_p < options.significance;
  return fit;
}

std::vector<LocalExponent> local_exponents(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size()) throw std::invalid_argument("local_exponents: x and y must be of one length");
  std::vector<LocalExponent> out;
  const std::size_t none = x.size();
  std::size_t before = none;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!usable(x[i], y[i])) continue;
    if (before != none && x[i] != x[before])
      out.push_back({std::sqrt(x[i] * x[before]), std::log(y[i] / y[before]) / std::log(x[i] / x[before])});
    before = i;
  }
  return out;
}

}  // namespace edgewise::validation
