#include "models/ingredients/learning_curves/zonal_projection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/learning_curves/harmonics.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

constexpr std::size_t min_panels = 60;
/// A panel is halved while that changes E g^2 by more than this share; so often at most, and to so many panels.
constexpr double settled_share = 1e-9;
constexpr double narrowest = 1e-13, beside = 4;
constexpr int early_halvings = 8;
constexpr int max_halvings = 400;
constexpr std::size_t max_panels = 10000;
/// Of E g^2, what may be told from how it grew only.
constexpr double unresolved_share = 1e-7;
constexpr int max_poles = 20, max_widenings = 100;
/// Panels beyond the latitude that holds the weight are this much wider one after another, and count where they have more
/// than this share of E g^2.
constexpr double wider = 1.1, counting_share = 1e-18;
constexpr double least_weight = 1e-280;
/// Nearer to +-pi/2 sin phi is no double of its own.
constexpr double nearest_end = 1e-7;
/// A pole is fitted from this distance on and nearer, over so many halvings; t is known to a rounding.
constexpr double farthest_fit = 0x1p-5;
constexpr int fit_halvings = 10, fit_points = 24;
constexpr std::size_t fit_powers = 6;
/// In logarithms of g^2.
constexpr double fit_error = 3e-9;
constexpr double nearest_fit = 1e-9;
/// 1 - q below this is 0.
constexpr double divergent = 1e-6;
using Gauss = boost::math::quadrature::gauss<double, 20>;
using Function = std::function<double(double)>;

struct Node {
  double t, weight, first, square;  ///< of 1, g and g^2
};

template <class Work>
void for_nodes(double centre, double half, const Work& work) {
  for (std::size_t i = 0; i < Gauss::abscissa().size(); ++i)
    for (const double side : {-1.0, 1.0}) work(centre + side * half * Gauss::abscissa()[i], half * Gauss::weights()[i]);
}

/// What further parts come to that fall by one factor each, as the sum of the last third to that of the third before.
double remainder(const std::vector<double>& parts) {
  const std::ptrdiff_t third = static_cast<std::ptrdiff_t>(parts.size()) / 3;
  const double last = std::accumulate(parts.end() - third, parts.end(), 0.0),
               before = std::accumulate(parts.end() - 2 * third, parts.end() - third, 0.0);
  return last < before ? last * last / (before - last) : infinity;
}

/// A stretch of latitudes whose nodes are known otherwise.
struct Piece {
  double low, high;
  std::vector<Node> nodes;
};

/// log(g^2 w) = constant - q log x + sum_i powers_i x^i at the distance x = |t - a| up to `reach`, w the weight in t.
struct Pole {
  double a, side, reach, constant, q;
  std::vector<double> powers;

  double smooth(double x) const {
    double out = 0;
    for (std::size_t i = powers.size(); i-- > 0;) out = (out + powers[i]) * (x / reach);
    return out;
  }
};

class Projector {
 public:
  Projector(double d, std::size_t max_degree, const Function& g)
      : d_(d), g_(g), panels_(std::max(min_panels, max_degree / 4) / 2 * 2) {}

  std::vector<Node> nodes() {
    for (int poles = 0;; ++poles) {
      Pass pass = integrate();
      if (!std::isfinite(pass.square)) throw std::invalid_argument("is so large that its square overflows a double");
      if (pass.unsettled <= unresolved_share * pass.square) {
        for (const Piece& piece : pieces_) pass.nodes.insert(pass.nodes.end(), piece.nodes.begin(), piece.nodes.end());
        return std::move(pass.nodes);
      }
      if (poles == max_poles || (pass.exhausted && pass.width > 0))
        throw std::invalid_argument(
            fmt::format("turns too often for its power to be told to {:g}, first near t = {:.6g}", unresolved_share,
                        std::sin(pass.where)));
      add_pole(pass.where, pass.width);
    }
  }

 private:
  struct Panel {
    double centre, half;
    int halvings;
    double square;
    std::vector<double> others;  ///< E g^2 in the other half, of every halving that led to it
  };
  struct Pass {
    std::vector<Node> nodes;
    double square = 0, unsettled = 0;
    double where = 0, width = 0;  ///< latitude at which most is unsettled
    bool exhausted = false;
  };

  double weight(double phi) const { return std::pow(std::max(0.0, std::cos(phi)), d_ - 2); }
  /// Weight times a power of g, which is a double where the weight is none, too.
  double density(double phi, double value, int power) const {
    const double w = weight(phi), sign = power % 2 == 1 && value < 0 ? -1 : 1;
    if (w > least_weight || value == 0) return power == 1 ? w * value : w * value * value;
    return sign * std::exp(power * std::log(std::abs(value)) + (d_ - 2) * std::log(std::max(0.0, std::cos(phi))));
  }

  Panel panel(double centre, double half, int halvings) const {
    Panel out{centre, half, halvings, 0, {}};
    for_nodes(centre, half, [&](double phi, double part) {
      const double value = g_(std::sin(phi));
      if (std::isnan(value)) throw std::invalid_argument(fmt::format("is no number at t = {:.6g}", std::sin(phi)));
      out.square += part * density(phi, value, 2);
    });
    if (!std::isfinite(out.square) && halvings <= early_halvings)
      throw std::invalid_argument(
          fmt::format("is infinite, or its square overflows a double, near t = {:.6g}", std::sin(centre)));
    return out;
  }

  /// Where the doubles t of a panel are few: a pole is further halved near 0 only.
  static bool narrow(const Panel& p) {
    const double low = std::sin(p.centre - p.half), high = std::sin(p.centre + p.half);
    return high - low <= narrowest * std::max(std::abs(low), std::abs(high));
  }

  /// What of [low, high] no piece covers.
  std::vector<std::pair<double, double>> open_parts(double low, double high) const {
    std::vector<std::pair<double, double>> out{{low, high}};
    for (const Piece& piece : pieces_) {
      std::vector<std::pair<double, double>> left;
      for (const auto& [a, b] : out) {
        if (a < std::min(b, piece.low)) left.emplace_back(a, std::min(b, piece.low));
        if (std::max(a, piece.high) < b) left.emplace_back(std::max(a, piece.high), b);
      }
      out = std::move(left);
    }
    return out;
  }

  Pass integrate() const {
    Pass out;
    const auto unsettled = [&](double inside, double where, double width) {
      if (inside > largest_of(out)) {
        out.where = where;
        out.width = width;
        largest_ = inside;
      }
      out.unsettled += inside;
    };
    largest_ = 0;
    std::vector<Panel> open;
    double& square = out.square;
    for (const Piece& piece : pieces_)
      for (const Node& node : piece.nodes) square += node.square;
    const auto start = [&](double low, double high, int halvings) {
      double sum = 0;
      for (const auto& [a, b] : open_parts(low, high)) {
        Panel p = panel(a + (b - a) / 2, (b - a) / 2, halvings);
        if (!std::isfinite(p.square)) return infinity;
        sum += p.square;
        if (halvings > 0 && p.square <= counting_share * square) continue;
        square += p.square;
        open.push_back(std::move(p));
      }
      return sum;
    };
    // The centres are such that 0 and its panels' halves are exact.
    const double edge = last_latitude(d_), half = edge / static_cast<double>(panels_);
    for (std::size_t p = 0; p < panels_; ++p) {
      const double centre = half * (2 * static_cast<double>(p) + 1 - static_cast<double>(panels_));
      start(centre - half, centre + half, 0);
    }
    // Where g is steep most of E g^2 may lie where the weight is next to nothing, up to the end, near which panels halve.
    for (const double side : {-1.0, 1.0}) {
      double at = edge, width = 2 * half;
      std::vector<double> parts;
      while (pi / 2 - at > nearest_end) {
        width = std::min(wider * width, (pi / 2 - at) / 2);
        const double part =
            side > 0 ? start(at, at + width, early_halvings + 1) : start(-at - width, -at, early_halvings + 1);
        if (!std::isfinite(part)) break;
        parts.push_back(part);
        at += width;
      }
      const bool covered = open_parts(side > 0 ? at : -pi / 2, side > 0 ? pi / 2 : -at).empty();
      if (covered || parts.empty() || parts.back() <= counting_share * square) continue;
      const std::size_t last = std::min<std::size_t>(9, parts.size());
      unsettled(remainder({parts.end() - static_cast<std::ptrdiff_t>(last), parts.end()}), side * pi / 2, 0);
    }
    std::size_t panels = open.size();
    while (!open.empty()) {
      const Panel whole = open.back();
      open.pop_back();
      const double quarter = whole.half / 2;
      Panel low = panel(whole.centre - quarter, quarter, whole.halvings + 1),
            high = panel(whole.centre + quarter, quarter, whole.halvings + 1);
      const double both = low.square + high.square;
      const bool settled = std::isfinite(both) && std::abs(both - whole.square) <= settled_share * square;
      const bool exhausted = panels >= max_panels;
      if (settled || !std::isfinite(both) || whole.halvings >= max_halvings || exhausted || narrow(whole)) {
        // Beside the panel that holds the pole no more is missing.
        const bool neighbour = narrow(whole) && !whole.others.empty() && whole.others.back() > whole.square;
        if (!settled && !neighbour) {
          out.exhausted = out.exhausted || exhausted;
          unsettled(whole.others.size() < 3 && std::isfinite(both) ? whole.square : remainder(whole.others),
                    whole.centre, whole.half);
        }
        for_nodes(whole.centre, whole.half, [&](double phi, double part) {
          const double t = std::sin(phi), value = g_(t);
          out.nodes.push_back({t, part * weight(phi), part * density(phi, value, 1), part * density(phi, value, 2)});
        });
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
    return out;
  }

  double largest_of(const Pass&) const { return largest_; }

  /// The double near which |g| is largest, of those of a narrow panel and its neighbours.
  double pole_within(double phi, double half) const {
    double low = std::sin(phi - beside * half), high = std::sin(phi + beside * half);
    if (low <= 0 && high >= 0) return 0;
    // Uphill, then nearer and nearer.
    for (int widenings = 0;;) {
      low = std::max(low, -1.0);
      high = std::min(high, 1.0);
      const double step = (high - low) / 64, ulp = std::nextafter(std::abs(low), 2.0) - std::abs(low);
      double best = low, largest = -1;
      for (double t = low; t <= high; t = step > ulp ? t + step : std::nextafter(t, 2.0))
        if (const double size = std::abs(g_(t)); size > largest) {
          largest = size;
          best = t;
        }
      const bool inside = (best - low > 1.5 * step || best == -1) && (high - best > 1.5 * step || best == 1);
      if (!inside && widenings++ < max_widenings) {
        const double width = high - low;
        low = best - width;
        high = best + width;
        continue;
      }
      if (!(step > ulp)) return best;
      low = best - 1.5 * step;
      high = best + 1.5 * step;
    }
  }

  double log_density(double x, double t, double value, bool at_end) const {
    const double other = at_end ? 2 - x : (1 - t) * (1 + t);
    return 2 * std::log(std::abs(value)) + (d_ - 3) / 2 * (std::log(other) + (at_end ? std::log(x) : 0));
  }

  /// Empty where g is not of that form.
  std::optional<Pole> fitted(double a, double side) const {
    std::optional<Pole> out;
    double least = fit_error;
    const bool at_end = std::abs(a) == 1;
    double reach = at_end ? farthest_fit : std::min(farthest_fit, 0x1p-2 * (1 - std::abs(a)));
    for (; std::ldexp(reach, -fit_halvings) > std::max(nearest_fit * std::abs(a), 1e-290); reach /= 4) {
      linear_algebra::Matrix basis(fit_points, 2 + fit_powers);
      std::vector<double> values;
      for (int j = 0; j < fit_points; ++j) {
        const double t = a + side * reach * std::exp2(-fit_halvings * static_cast<double>(j) / (fit_points - 1)),
                     x = std::abs(t - a);
        const auto row = static_cast<std::size_t>(j);
        basis(row, 0) = 1;
        basis(row, 1) = -std::log(x / reach);
        for (std::size_t i = 0; i < fit_powers; ++i)
          basis(row, 2 + i) = std::pow(x / reach, static_cast<double>(i + 1));
        values.push_back(log_density(x, t, g_(t), at_end));
      }
      if (!std::ranges::all_of(values, [](double y) { return std::isfinite(y); })) continue;
      const std::vector<double> fit = linear_algebra::least_squares(basis, values);
      double off = 0;
      for (std::size_t row = 0; row < values.size(); ++row) {
        double y = 0;
        for (std::size_t i = 0; i < fit.size(); ++i) y += basis(row, i) * fit[i];
        off = std::max(off, std::abs(y - values[row]));
      }
      if (off <= least) {
        least = off;
        out = Pole{a, side, reach, fit[0] + fit[1] * std::log(reach), fit[1], {fit.begin() + 2, fit.end()}};
      }
    }
    return out && least <= unresolved_share * (1 - out->q) ? out
                                                           : (out && out->q >= 1 - divergent ? out : std::nullopt);
  }

  void add_pole(double phi, double half) {
    double a = half == 0 ? std::copysign(1.0, phi) : pole_within(phi, half);
    if (1 - std::abs(a) < beside * narrowest) a = std::copysign(1.0, a);
    const bool at_end = std::abs(a) == 1;
    bool any = false;
    for (const double side : {-1.0, 1.0}) {
      if (side * a == 1) continue;
      const std::optional<Pole> pole = fitted(a, side);
      if (!pole) {
        // What does not grow is no matter.
        const double near = std::abs(g_(a + side * 1e-12)), far = std::abs(g_(a + side * 1e-9));
        if (near <= 1.1 * far) continue;
        throw std::invalid_argument(fmt::format(
            "is too irregular near its pole at t = {:.6g} for its power to be told to {:g}", a, unresolved_share));
      }
      if (!(1 - pole->q > divergent))
        throw std::invalid_argument(fmt::format("is not square integrable: it grows as |t - a|^-{:.4g} near t = {:.6g}",
                                                (pole->q + (at_end ? (d_ - 3) / 2 : 0)) / 2, a));
      pieces_.push_back(piece_of(*pole));
      any = true;
    }
    if (!any && !std::isfinite(g_(a - std::copysign(0x1p-10 * farthest_fit, a))))
      throw std::invalid_argument(fmt::format("is so large that it overflows a double near t = {:.6g}", a));
    if (!any)
      throw std::invalid_argument(
          fmt::format("is too irregular near t = {:.6g} for its power to be told to {:g}", a, unresolved_share));
  }

  /// g^2 w by its fit: panels that halve towards the pole, and what is left with x^-q in the weight.
  Piece piece_of(const Pole& pole) const {
    Piece out;
    const double outer = pole.a + pole.side * pole.reach;
    out.low = std::asin(std::min(pole.a, outer));
    out.high = std::asin(std::max(pole.a, outer));
    const bool at_end = std::abs(pole.a) == 1;
    const double sign = g_(outer) < 0 ? -1 : 1;
    const auto add = [&](double x, double square) {
      const double t = pole.a + pole.side * x;
      const double log_weight = log_density(x, t, 1, at_end),
                   log_g = (pole.constant - pole.q * std::log(x) + pole.smooth(x) - log_weight) / 2;
      out.nodes.push_back({t, square * std::exp(-2 * log_g), sign * square * std::exp(-log_g), square});
    };
    double reach = pole.reach;
    for (int k = 0; k < fit_halvings; ++k, reach /= 2)
      for_nodes(0.75 * reach, 0.25 * reach, [&](double x, double part) {
        add(x, part * std::exp(pole.constant - pole.q * std::log(x) + pole.smooth(x)));
      });
    // x = reach v^(1/(1 - q)): x^-q dx = reach^(1-q)/(1 - q) dv.
    const double rest = 1 - pole.q, scale = std::exp(pole.constant + rest * std::log(reach)) / rest;
    for_nodes(0.5, 0.5, [&](double v, double part) {
      const double x = reach * std::pow(v, 1 / rest);
      if (x > 0)
        add(x, part * scale * std::exp(pole.smooth(x)));
      else
        out.nodes.push_back({pole.a, 0, 0, part * scale});
    });
    return out;
  }

  double d_;
  const Function& g_;
  std::size_t panels_;
  std::vector<Piece> pieces_;
  mutable double largest_ = 0;
};

}  // namespace

double ZonalProjection::rare_share(double of_probability) const {
  double out = 0, left = of_probability;
  for (std::size_t i = 0; i < share.size() && left > 0; ++i) {
    out += share[i] * std::min(1.0, left / probability[i]);
    left -= probability[i];
  }
  return out;
}

ZonalProjection zonal_projection(double dimension, std::size_t max_degree, const Function& g) {
  std::vector<Node> nodes = Projector(dimension, max_degree, g).nodes();
  double total = 0;
  ZonalProjection out;
  for (const Node& node : nodes) total += node.weight;
  for (Node& node : nodes) {
    for (double* x : {&node.weight, &node.first, &node.square}) *x /= total;
    out.mean_square += node.square;
  }
  const std::vector<double> m = resolved_multiplicities(dimension, max_degree);
  std::vector<double> p(m.size());
  out.coefficient.assign(m.size(), 0.0);
  for (const Node& node : nodes) {
    gegenbauer(dimension, node.t, p);
    for (std::size_t k = 0; k < p.size(); ++k) out.coefficient[k] += node.first * p[k];
  }
  drop_rounding(out.coefficient, out.mean_square, m);
  std::ranges::sort(nodes, [](const Node& a, const Node& b) { return a.square * b.weight > b.square * a.weight; });
  for (const Node& node : nodes) {
    if (!(node.weight > 0)) continue;
    out.probability.push_back(node.weight);
    out.share.push_back(out.mean_square > 0 ? node.square / out.mean_square : 0);
  }
  return out;
}

}  // namespace edgewise::models::ingredients::learning_curves
