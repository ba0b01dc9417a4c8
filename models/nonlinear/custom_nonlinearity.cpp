// Built at -O1: nothing here takes time.
#include "models/nonlinear/custom_nonlinearity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "numerics/chebyshev.hpp"
#include "settings/expression.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// Of a piece's polynomial, relative to the largest |chi| on the piece.
constexpr double smoothness = 1e-12;
/// Pieces are dyadic at first, from 2^nearest to 2^farthest, beyond which no noise law has weight.
constexpr int nearest = -60, farthest = 100;
constexpr int deepest = 12;  ///< bisections before a kink is searched for
constexpr std::size_t most_pieces = 4000;
/// Places in an octave of r, on either side, where chi is looked at: a band narrower than a two hundredth of its place is
/// not seen.
constexpr int looks = 256;
/// How well a piece's polynomial must meet chi there, relative to the largest |chi| on the piece.
constexpr double followed = 1e-9;
constexpr double steepest_growth = 20;

}  // namespace

CustomNonlinearity::CustomNonlinearity(std::function<double(double)> chi, std::string name)
    : chi_(std::move(chi)), name_(std::move(name)) {
  if (!std::isfinite(chi_(0)))
    throw std::invalid_argument(fmt::format("optimizer.chi: is {} at r = 0; it must be finite everywhere", chi_(0)));
  for (const double side : {-1.0, 1.0}) {
    const double near = std::abs(chi_(side * std::exp2(40))), far = std::abs(chi_(side * std::exp2(41)));
    if (near == 0 && far == 0) continue;
    const double power = std::log2(far / near);
    if (!(power < steepest_growth) || !std::isfinite(far))
      throw std::invalid_argument(
          "optimizer.chi: grows faster than any power of r (or is no number for large r); its averages are not "
          "computed");
    growth_ = std::max(growth_, power);
  }
  double largest = 0;
  odd_ = true;
  for (int k = nearest; k < 20; ++k)
    for (int look = 0; look < looks; ++look) {
      const double r = std::exp2(k) * (1 + static_cast<double>(look) / looks);
      const double right = value(r), left = value(-r);
      largest = std::max({largest, std::abs(right), std::abs(left)});
      if (std::abs(right + left) > 1e-12 * (std::abs(right) + std::abs(left))) odd_ = false;
    }
  if (!(largest > 0)) throw std::invalid_argument("optimizer.chi: vanishes everywhere");
  // Logarithms and the like.
  if (growth_ < 0.05) growth_ = 0;

  int k = nearest;
  // The outer halves of these are the octaves that have not been looked at.
  const auto whole = [&](int e) { return smooth(-std::exp2(e), std::exp2(e), 4 * looks); };
  const auto halves = [&](int e) { return smooth(-std::exp2(e), 0, 2 * looks) && smooth(0, std::exp2(e), 2 * looks); };
  // Outwards, so that nothing small is stepped over.
  while (k < 10 && (whole(k + 1) || halves(k + 1))) ++k;
  std::vector<double> base;
  for (int e = farthest; e >= k; --e) base.push_back(-std::exp2(e));
  if (!whole(k)) {
    base.push_back(0);
    kinks_.push_back(0);
  }
  for (int e = k; e <= farthest; ++e) base.push_back(std::exp2(e));
  edges_ = {base.front()};
  for (std::size_t i = 0; i + 1 < base.size(); ++i) cut(base[i], base[i + 1], 0);
  coarsen();
}

double CustomNonlinearity::value(double r) const {
  const double chi = chi_(r);
  if (!std::isfinite(chi))
    throw std::invalid_argument(
        fmt::format("optimizer.chi: is {} at r = {:.6g}; it must be finite everywhere", chi, r));
  return chi;
}

// Whether the Chebyshev series on [a, b] has ended before its last terms, and is chi at so many further places of [from, to].
bool CustomNonlinearity::smooth(double a, double b, int further, double from, double to) const {
  constexpr std::size_t n = 18;
  std::array<double, n> sample{};
  double largest = 0;
  for (std::size_t j = 0; j < n; ++j) {
    sample[j] = value((a + b) / 2 + (b - a) / 2 * numerics::chebyshev_nodes<n>()[j]);
    largest = std::max(largest, std::abs(sample[j]));
  }
  const auto coefficient = numerics::chebyshev_series(sample);
  for (std::size_t m = n - 4; m < n; ++m)
    if (std::abs(coefficient[m]) > smoothness * largest) return false;
  double size = 0, worst = 0;  // of chi there, and of what the series misses
  for (int i = 0; i < further; ++i) {
    const double r = from + (to - from) * (i + 0.5) / further, chi = value(r);
    const double x = std::clamp((2 * r - a - b) / (b - a), -1.0, 1.0);
    size = std::max(size, std::abs(chi));
    worst = std::max(worst, std::abs(numerics::chebyshev_sum(coefficient, x).first - chi));
  }
  return worst <= followed * size;
}

// Whether pieces that meet at an edge, smooth to this distance from it, are two functions: no neighbourhood of it is smooth.
bool CustomNonlinearity::breaks(double edge, double near) const {
  for (const double share : {1.0, 0.1, 0.01})
    if (smooth(edge - share * near, edge + share * near)) return false;
  return true;
}

void CustomNonlinearity::cut(double a, double b, int depth) {
  if (edges_.size() > most_pieces)
    throw std::invalid_argument("optimizer.chi: has too many kinks or turns to be integrated");
  if (!smooth(a, b, looks)) {
    if (depth < deepest) {
      const double middle = (a + b) / 2;
      cut(a, middle, depth + 1);
      cut(middle, b, depth + 1);
      return;
    }
    const double kink = locate(a, b), aside = (b - a) * 1e-6;
    const auto inside = [&](double r) { return r - a > aside && b - r > aside; };
    // A pole that is reached from one side is no polynomial before it, but it is met exactly from the other.
    for (const double pole : {kink, locate(a, b, true)}) {
      if (!inside(pole)) continue;
      const double near = std::max(std::abs(value(pole - aside)), std::abs(value(pole + aside)));
      if (near > 1e3 * std::max(std::abs(value(a)), std::abs(value(b))) && near > 1e3)
        throw std::invalid_argument(fmt::format("optimizer.chi: is unbounded near r = {:.6g}", pole));
    }
    if (inside(kink)) edges_.push_back(kink);
    kinks_.push_back(kink);
  }
  edges_.push_back(b);
}

double CustomNonlinearity::locate(double a, double b, bool from_right) const {
  while (true) {
    const double middle = (a + b) / 2, width = b - a;
    if (!(middle > a && middle < b) || width < 1e-15 * std::max(std::abs(a), std::abs(b))) return middle;
    if (!smooth(a, middle) && !(from_right && !smooth(middle, b))) {
      b = middle;
    } else if (!smooth(middle, b)) {
      a = middle;
    } else {
      // At the middle, or nearer to it than the nodes of either half.
      a = middle - width / 100;
      b = middle + width / 100;
      if (smooth(a, b)) return middle;
    }
  }
}

// Joins neighbours that are one polynomial, never across a kink. Kinks that fell on an edge of the cutting are found here.
void CustomNonlinearity::coarsen() {
  std::vector<double> kept{edges_.front()};
  for (std::size_t i = 1; i + 1 < edges_.size(); ++i) {
    const double edge = edges_[i], before = edge - edges_[i - 1], after = edges_[i + 1] - edge;
    const double near = std::min(before, after);
    const bool known = std::ranges::any_of(kinks_, [&](double at) { return std::abs(at - edge) < 1e-5 * near; });
    if (!known && breaks(edge, near)) {
      kinks_.push_back(locate(edge - near, edge + near));
      kept.push_back(kinks_.back());
      continue;
    }
    // A far wider piece would hide its neighbour between sampled points: the polynomial must be chi on the narrower one.
    const bool left = edge - kept.back() < after;
    if (known || !smooth(kept.back(), edges_[i + 1], looks, left ? kept.back() : edge, left ? edge : edges_[i + 1]))
      kept.push_back(edge);
  }
  kept.push_back(edges_.back());
  edges_ = std::move(kept);
}

double CustomNonlinearity::quadrature_error(const ingredients::Noise& noise, double P) const {
  ResidualCoefficients coarse, fine;
  double size = 0;  // of c2, which may vanish
  for (const ingredients::MixtureNode& node : noise.nodes({std::sqrt(P), kinks_, edges_, 2 * growth_})) {
    const double variance = P + node.variance;
    const ResidualCoefficients a = average<20>(-node.mean, variance), b = average<30>(-node.mean, variance);
    coarse.mu += node.probability * a.mu;
    coarse.q += node.probability * a.q;
    coarse.c2 += node.probability * a.c2;
    fine.mu += node.probability * b.mu;
    fine.q += node.probability * b.q;
    fine.c2 += node.probability * b.c2;
    size += node.probability * b.q / variance;
  }
  return std::max({std::abs(coarse.mu - fine.mu) / std::sqrt(size), std::abs(coarse.q / fine.q - 1),
                   std::abs(coarse.c2 - fine.c2) / size});
}

void CustomNonlinearity::require_finite(const ingredients::Noise& noise) const {
  if (2 * growth_ < noise.tail_index()) return;
  throw std::invalid_argument(
      fmt::format("optimizer.chi: grows like |r|^{:.3g} while the tails of {} fall like |eps|^(-{:.3g}): E chi(r)^2 is "
                  "infinite, and there is no theory; it can be simulated",
                  growth_, noise.name(), noise.tail_index()));
}

std::shared_ptr<const CustomNonlinearity> custom_nonlinearity(const std::string& formula) {
  std::shared_ptr<const settings::Expression> expression;
  try {
    expression = std::make_shared<const settings::Expression>(formula, std::vector<std::string>{"r"});
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(std::string("optimizer.chi: ") + e.what());
  }
  return std::make_shared<const CustomNonlinearity>(
      [expression](double r) { return (*expression)(std::span<const double>(&r, 1)); }, formula);
}

}  // namespace edgewise::models::nonlinear
