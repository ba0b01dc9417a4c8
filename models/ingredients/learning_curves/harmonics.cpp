#include "models/ingredients/learning_curves/harmonics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "numerics/constants.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

constexpr double largest_multiplicity = 1e280;
/// What quadrature cannot tell from 0, of sqrt(E g^2/m_k).
constexpr double rounding = 1e-14;
constexpr double most_resolved = 1e18;
constexpr std::size_t fewest_panels = 60;
/// A panel is halved while that changes E g^2 by more than this share; so often at most, and to so many panels.
constexpr double settled_share = 1e-9;
/// Of E g^2, what may be told from how it grew only, and is then known to a third or so.
constexpr double unresolved_share = 3e-3;
constexpr double narrowest = 1e-13;
constexpr int early_halvings = 8;
constexpr int most_halvings = 400;
constexpr std::size_t most_panels = 10000;
using Rule = boost::math::quadrature::gauss<double, 20>;

std::invalid_argument not_integrable(double latitude) {
  return std::invalid_argument(
      fmt::format("is not finite, or not square integrable, on [-1, 1], or too steep for a double near t = {:.6g}",
                  std::sin(latitude)));
}

/// What further parts come to that fall by one factor each, as the sum of the last third to that of the third before.
double remainder(const std::vector<double>& parts) {
  const std::ptrdiff_t third = static_cast<std::ptrdiff_t>(parts.size()) / 3;
  const double last = std::accumulate(parts.end() - third, parts.end(), 0.0),
               before = std::accumulate(parts.end() - 2 * third, parts.end() - third, 0.0);
  return last < before ? last * last / (before - last) : infinity;
}

/// Panels beyond the latitude that holds the weight are this much wider one after another, and count where they have more than this
/// share of E g^2.
constexpr double wider = 1.1, counting_share = 1e-18;
/// Nearer to +-pi/2 sin phi is no double of its own.
constexpr double nearest_end = 1e-7;

/// In the latitude phi, t = sin phi, the weight is cos^(d-2) phi; beyond this it is below e^-100.
double last_latitude(double d) {
  return d > 2 ? std::acos(std::exp(-100 / (d - 2))) : pi / 2;
}

}  // namespace

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
    : dimension_(dimension), multiplicity_(multiplicities(dimension, max_degree)) {
  // Noise of rounding times so many harmonics would be seen.
  while (multiplicity_.back() > most_resolved) multiplicity_.pop_back();
  const double edge = last_latitude(dimension);
  const std::size_t panels = std::max(fewest_panels, max_degree / 4);
  const double half = edge / static_cast<double>(panels);
  for (std::size_t p = 0; p < panels; ++p) add_panel(-edge + half * (2 * static_cast<double>(p) + 1), half, 1);
  normalise();
}

ZonalQuadrature::ZonalQuadrature(double dimension, std::size_t max_degree, const std::function<double(double)>& g)
    : ZonalQuadrature(dimension, max_degree) {
  t_.clear();
  weight_.clear();
  struct Panel {
    double centre, half;
    int halvings;
    double square;
    std::vector<double> others;  ///< E g^2 in the other half, of every halving that led to it
  };
  const auto panel = [&](double centre, double half, int halvings) {
    Panel out{centre, half, halvings, 0, {}};
    for (std::size_t i = 0; i < Rule::abscissa().size(); ++i)
      for (const double side : {-1.0, 1.0}) {
        const double phi = centre + side * half * Rule::abscissa()[i], value = g(std::sin(phi));
        const double weight = half * Rule::weights()[i] * std::pow(std::max(0.0, std::cos(phi)), dimension_ - 2);
        out.square += weight * value * value;
      }
    if (!std::isfinite(out.square) && halvings <= early_halvings) throw not_integrable(centre);
    return out;
  };
  // Where the doubles t of a panel are few: a pole is further halved near 0 only.
  const auto narrow = [](const Panel& p) {
    const double low = std::sin(p.centre - p.half), high = std::sin(p.centre + p.half);
    return high - low <= narrowest * std::max(std::abs(low), std::abs(high));
  };
  // The centres are such that 0 and its panels' halves are exact.
  const std::size_t count = std::max(fewest_panels, max_degree / 4) / 2 * 2;
  const double half = last_latitude(dimension_) / static_cast<double>(count);
  std::vector<Panel> open;
  double square = 0, unsettled = 0, largest = 0, where = 0;
  for (std::size_t p = 0; p < count; ++p) {
    open.push_back(panel(half * (2 * static_cast<double>(p) + 1 - static_cast<double>(count)), half, 0));
    square += open.back().square;
  }
  // Where g is steep most of E g^2 may lie where the weight is next to nothing, up to the end, near which panels halve.
  for (const double side : {-1.0, 1.0}) {
    double at = last_latitude(dimension_), width = 2 * half;
    std::vector<double> parts;
    while (pi / 2 - at > nearest_end) {
      width = std::min(wider * width, (pi / 2 - at) / 2);
      Panel outer = panel(side * (at + width / 2), width / 2, early_halvings + 1);
      if (!std::isfinite(outer.square)) break;
      parts.push_back(outer.square);
      if (outer.square > counting_share * square) {
        square += outer.square;
        open.push_back(std::move(outer));
      }
      at += width;
    }
    if (parts.empty() || parts.back() <= counting_share * square) continue;
    const std::size_t last = std::min<std::size_t>(9, parts.size());
    const double beyond = remainder({parts.end() - static_cast<std::ptrdiff_t>(last), parts.end()});
    unresolved_ += beyond;
    unsettled += beyond;
    if (beyond > largest) {
      largest = beyond;
      where = side * at;
    }
  }
  std::size_t panels = open.size();
  while (!open.empty()) {
    const Panel whole = open.back();
    open.pop_back();
    const double quarter = whole.half / 2;
    Panel low = panel(whole.centre - quarter, quarter, whole.halvings + 1),
          high = panel(whole.centre + quarter, quarter, whole.halvings + 1);
    const double both = low.square + high.square;
    const double change = std::abs(both - whole.square);
    const bool settled = std::isfinite(both) && change <= settled_share * square;
    if (settled || !std::isfinite(both) || whole.halvings >= most_halvings || panels >= most_panels || narrow(whole)) {
      // Beside the panel that holds the pole no more is missing.
      const bool beside = narrow(whole) && !whole.others.empty() && whole.others.back() > whole.square;
      if (!settled && !beside) {
        // A panel that doubles t cannot halve even once is what it seems to a third or so.
        const double inside = whole.others.size() < 3 && std::isfinite(both) ? whole.square : remainder(whole.others);
        unresolved_ += inside - whole.square;
        unsettled += inside;
        if (inside > largest) {
          largest = inside;
          where = whole.centre;
        }
      }
      add_panel(whole.centre, whole.half, whole.half);
      continue;
    }
    square += both - whole.square;
    for (Panel* part : {&low, &high}) {
      part->others = whole.others;
      part->others.push_back((part == &low ? high : low).square);
    }
    open.push_back(low);
    open.push_back(high);
    ++panels;
  }
  if (!(unsettled <= unresolved_share * square)) throw not_integrable(where);
  normalise();
}

void ZonalQuadrature::normalise() {
  double sum = 0;
  for (const double w : weight_) sum += w;
  for (double& w : weight_) w /= sum;
  unresolved_ /= sum;
}

void ZonalQuadrature::add_panel(double centre, double half, double scale) {
  for (std::size_t i = 0; i < Rule::abscissa().size(); ++i)
    for (const double side : {-1.0, 1.0}) {
      const double phi = centre + side * half * Rule::abscissa()[i];
      t_.push_back(std::sin(phi));
      weight_.push_back(scale * Rule::weights()[i] * std::pow(std::max(0.0, std::cos(phi)), dimension_ - 2));
    }
}

std::vector<double> ZonalQuadrature::coefficients(const std::function<double(double)>& g) const {
  std::vector<double> out(multiplicity_.size(), 0.0), p(multiplicity_.size());
  double square = 0;
  for (std::size_t i = 0; i < t_.size(); ++i) {
    const double value = g(t_[i]);
    square += weight_[i] * value * value;
    gegenbauer(dimension_, t_[i], p);
    for (std::size_t k = 0; k < p.size(); ++k) out[k] += weight_[i] * value * p[k];
  }
  for (std::size_t k = 0; k < out.size(); ++k)
    if (std::abs(out[k]) <= rounding * std::sqrt(square / multiplicity_[k])) out[k] = 0;
  return out;
}

double ZonalQuadrature::mean_square(const std::function<double(double)>& g) const {
  double square = unresolved_;
  for (std::size_t i = 0; i < t_.size(); ++i) square += weight_[i] * g(t_[i]) * g(t_[i]);
  return square;
}

}  // namespace edgewise::models::ingredients::learning_curves
