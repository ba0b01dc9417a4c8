#include "models/ingredients/learning_curves/harmonics.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>

#include "numerics/constants.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

constexpr double largest_multiplicity = 1e280;
/// What quadrature cannot tell from 0, of sqrt(E g^2/m_k).
constexpr double rounding = 1e-14;
constexpr double most_resolved = 1e18;
constexpr std::size_t fewest_panels = 60;
using Rule = boost::math::quadrature::gauss<double, 20>;

}  // namespace

double last_latitude(double d) {
  return d > 2 ? std::acos(std::exp(-100 / (d - 2))) : pi / 2;
}

std::array<double, 2> multiplicity_ratio(double d, double k) {
  if (k == 0) return {d, 1};
  return {(2 * k + d) / (2 * k + d - 2), (k + d - 2) / (k + 1)};
}

std::vector<double> multiplicities(double d, std::size_t max_degree) {
  std::vector<double> out{1};
  if (max_degree > 0) out.push_back(d);
  for (std::size_t i = 1; i < max_degree; ++i) {
    const auto [first, second] = multiplicity_ratio(d, static_cast<double>(i));
    const double next = out.back() * first * second;
    if (!(next < largest_multiplicity)) break;
    // Of a whole d they are whole, and exact as long as doubles are.
    out.push_back(d == std::floor(d) && next < 9e15 ? std::round(next) : next);
  }
  return out;
}

std::vector<double> resolved_multiplicities(double d, std::size_t max_degree) {
  std::vector<double> out = multiplicities(d, max_degree);
  while (out.back() > most_resolved) out.pop_back();
  return out;
}

void drop_rounding(std::span<double> coefficients, double mean_square, std::span<const double> m) {
  for (std::size_t k = 0; k < coefficients.size(); ++k)
    if (std::abs(coefficients[k]) <= rounding * std::sqrt(mean_square / m[k])) coefficients[k] = 0;
}

double multiplicity_up_to(double d, double k) {
  // binom(k + n, n) for the smaller of k and d - 1, exactly enough at any size of the other.
  const double few = std::min(k, d - 1), many = std::max(k, d - 1);
  double product = 1;
  for (double i = 1; i <= few && std::isfinite(product); ++i) product *= (many + i) / i;
  return product;
}

void gegenbauer(double d, double t, std::span<double> out) {
  if (!out.empty()) out[0] = 1;
  if (out.size() > 1) out[1] = t;
  for (std::size_t i = 1; i + 1 < out.size(); ++i) {
    const auto k = static_cast<double>(i);
    out[i + 1] = ((2 * k + d - 2) * t * out[i] - k * out[i - 1]) / (k + d - 2);
  }
}

double power_moment(double d, double n, std::size_t degree) {
  const auto k = static_cast<double>(degree);
  if (n < k || std::fmod(n - k, 2) != 0) return 0;
  double moment = 1;
  for (double i = 0; i < k; ++i) moment *= (i + 1) / (d + 2 * i);
  for (double i = k; i < n; i += 2) moment *= (i + 1) * (i + 2) / ((i + k + d) * (i - k + 2));
  return moment;
}

ZonalQuadrature::ZonalQuadrature(double dimension, std::size_t max_degree)
    : dimension_(dimension), multiplicity_(resolved_multiplicities(dimension, max_degree)) {
  const double edge = last_latitude(dimension);
  const std::size_t panels = std::max(fewest_panels, max_degree / 4);
  const double half = edge / static_cast<double>(panels);
  for (std::size_t p = 0; p < panels; ++p) add_panel(-edge + half * (2 * static_cast<double>(p) + 1), half);
  normalise();
}

void ZonalQuadrature::normalise() {
  double sum = 0;
  for (const double w : weight_) sum += w;
  for (double& w : weight_) w /= sum;
}

void ZonalQuadrature::add_panel(double centre, double half) {
  for (std::size_t i = 0; i < Rule::abscissa().size(); ++i)
    for (const double side : {-1.0, 1.0}) {
      const double phi = centre + side * half * Rule::abscissa()[i];
      t_.push_back(std::sin(phi));
      weight_.push_back(Rule::weights()[i] * std::pow(std::max(0.0, std::cos(phi)), dimension_ - 2));
    }
}

std::vector<double> ZonalQuadrature::coefficients(const std::function<double(double)>& g) const {
  std::vector<double> out(multiplicity_.size(), 0.0);
  double square = 0;
  for_nodes([&](double t, double weight, std::span<const double> p) {
    const double value = g(t);
    square += weight * value * value;
    for (std::size_t k = 0; k < p.size(); ++k) out[k] += weight * value * p[k];
  });
  drop_rounding(out, square, multiplicity_);
  return out;
}

void ZonalQuadrature::for_nodes(const std::function<void(double, double, std::span<const double>)>& visit) const {
  std::vector<double> p(multiplicity_.size());
  for (std::size_t i = 0; i < t_.size(); ++i) {
    gegenbauer(dimension_, t_[i], p);
    visit(t_[i], weight_[i], p);
  }
}

double ZonalQuadrature::mean_square(const std::function<double(double)>& g) const {
  double square = 0;
  for (std::size_t i = 0; i < t_.size(); ++i) square += weight_[i] * g(t_[i]) * g(t_[i]);
  return square;
}

}  // namespace edgewise::models::ingredients::learning_curves
