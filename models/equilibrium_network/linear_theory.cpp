#include "models/equilibrium_network/linear_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr double negligible = 1e-18;
constexpr double most_terms = 3e8;

constexpr const char* too_close =
    "so many iterations so close to the edge take too many terms; ask for a smaller depth, or go further inside";

/// (1 - sqrt(1 - 4t))/(2t), without cancellation.
double catalan_sum(double t) {
  return 2 / (1 + std::sqrt(1 - 4 * t));
}

/// x = 1/gamma = (1 + root)/2, root = sqrt(1 - 4t), and x - g, which vanishes at the edge, without cancellation.
struct Resolvent {
  double root, x, below;
};
Resolvent resolvent_of(double tau, double g) {
  const double root = tau < 0 ? std::hypot(1, 2 * std::sqrt(-tau) * g) : std::sqrt(1 - 4 * tau * g * g);
  const double rest = tau < 0 ? (1 - 4 * g * ((1 + tau) * g)) / (root + 2 * g) : root - 2 * g;
  return {root, (1 + root) / 2, (1 + rest) / 2};
}

void require_phase(const Family& family, double g) {
  if (g < linear_edge(family)) return;
  throw std::domain_error(
      fmt::format("outside the stable phase: at g = {:.10g} and tau = {:.10g} there is no limit; the edge is at g = "
                  "1/(1 + tau) = {:.10g}",
                  g, family.tau, linear_edge(family)));
}

/// Symmetric and antisymmetric matrices are normal: c_ij = +- Cat_(i+j)/2 g^(i+j), one sum.
std::vector<double> normal_lengths(double tau, double g, std::span<const std::uint64_t> depths) {
  const double t = tau * g * g;
  // Running sums of Cat_m t^m and m Cat_m t^m.
  std::vector<double> sum, first;
  double term = 1, total = 0, total_first = 0;
  for (std::uint64_t m = 0; m < depths.back(); ++m) {
    const auto at = static_cast<double>(m);
    total += term;
    total_first += at * term;
    sum.push_back(total);
    first.push_back(total_first);
    if (at > most_terms / 60) throw std::domain_error(too_close);
    term *= t * 2 * (2 * at + 1) / (at + 2);
    if (4 * std::abs(t) < 1 && std::abs(term) * (at + 1) < negligible * std::abs(total)) break;
  }
  std::vector<double> out;
  for (const std::uint64_t k : depths) {
    if (k == 0) {
      out.push_back(0);
      continue;
    }
    const auto upto = [&](const std::vector<double>& sums, std::uint64_t m) {
      return sums[std::min<std::size_t>(m, sums.size() - 1)];
    };
    const std::uint64_t half = (k - 1) / 2;
    const double near = upto(sum, half), far = upto(sum, k - 1) - near;
    if (tau < 0)
      out.push_back(near + (k % 2 == 1 ? far : -far));
    else
      out.push_back(near + 2 * upto(first, half) + (2 * static_cast<double>(k) - 1) * far -
                    2 * (upto(first, k - 1) - upto(first, half)));
  }
  return out;
}

/// L_k = sum_p g^2p (sum_{l <= (k-1-p)/2} [x^2l] G(x)^(p+1))^2, [x^2l] G^m = m/(2l+m) binom(2l+m, l) t^l.
std::vector<double> elliptic_lengths(double tau, double g, std::span<const std::uint64_t> depths) {
  const double t = tau * g * g;
  std::vector<double> out(depths.size(), 0);
  double terms = 0;
  // Bounds the inner sums where the series of G converges.
  const double bound = 4 * std::abs(t) < 1 ? g * catalan_sum(std::abs(t)) : infinity;
  for (std::uint64_t p = 0; p < depths.back(); ++p) {
    const double m = static_cast<double>(p) + 1;
    auto k = static_cast<std::size_t>(std::ranges::upper_bound(depths, p) - depths.begin());
    if (std::pow(bound, 2 * static_cast<double>(p)) < negligible / 4 * (1 - bound * bound) * out[k]) break;
    double term = std::pow(g, m - 1), part = 0;
    for (std::uint64_t l = 0; k < depths.size(); ++l) {
      const auto i = static_cast<double>(l);
      part += term;
      if (++terms > most_terms) throw std::domain_error(too_close);
      for (; k < depths.size() && (depths[k] - 1 - p) / 2 == l; ++k) out[k] += part * part;
      const double ratio = t * (2 * i + m) * (2 * i + m + 1) / ((i + 1) * (i + m + 1));
      term *= ratio;
      if (std::abs(ratio) < 1 && std::abs(term) < negligible * (1 - std::abs(ratio)) * std::abs(part)) {
        for (; k < depths.size(); ++k) out[k] += part * part;
      }
    }
  }
  return out;
}

}  // namespace

double linear_edge(const Family& family) {
  return 1 / (1 + family.tau);
}

LinearMoments linear_moments(const Family& family, double g) {
  require_phase(family, g);
  LinearMoments out;
  const Resolvent r = resolvent_of(family.tau, g);
  out.gamma = 1 / r.x;
  out.m1 = 1 / (r.below * (r.x + g));
  if (family.bi_invariant())
    out.m2 = (1 + (family.kurtosis - 2) * std::pow(g, 4)) * std::pow(out.m1, 4);
  else
    out.m2 = std::pow(out.m1 * r.x, 4) / r.root;
  // m2/m1^2 - 1 in b = g^2 gamma^2 and 1 - b, no term of which is negative.
  const double b = std::pow(g / r.x, 2), rest = r.below / r.x * ((r.x + g) / r.x), tau = family.tau;
  const double excess = family.bi_invariant() ? b * (2 * rest + (family.kurtosis - 1) * b)
                                              : b * (1 + tau + rest * (b + rest * (1 + tau))) / (1 - tau * b);
  out.spread = std::pow(out.m1 / rest, 2) * excess;
  if (!std::isfinite(out.m2) || !std::isfinite(out.spread) || !(out.m1 > 0))
    throw std::domain_error(
        fmt::format("g = {:.17g} is at the edge of the stable phase, g = {:.17g}", g, linear_edge(family)));
  return out;
}

double scale_at_length(const Family& family, double m1) {
  // With x = 1/gamma, (1 + tau) x^2 - x - tau/m1 = 0 and tau g^2 = x (1 - x); tau >= 0 has x <= 1, tau < 0 x >= 1.
  const double tau = family.tau, root = std::sqrt(std::max(0.0, 1 + 4 * tau * (1 + tau) / m1));
  const double least = tau == -1 ? 0 : tau < -0.5 ? -4 * tau * (1 + tau) : 1, most = tau == -1 ? 1 : infinity;
  if (!(m1 >= least * (1 - 1e-12) && m1 <= most))
    throw std::invalid_argument(tau == -1 ? std::string("must be at most 1, that of scale 0")
                                          : fmt::format("must be at least {:g}, the least of any scale", least));
  if (tau == 0) return std::sqrt(std::max(0.0, 1 - 1 / m1));
  double x = -2 * tau / m1 / (1 + root);
  if (tau > -0.5 || x < 1 - 1e-12) x = (1 + root) / (2 * (1 + tau));
  return std::sqrt(std::max(0.0, x * (1 - x) / tau));
}

double smallest_singular_value_squared(const Family& family, double g) {
  require_phase(family, g);
  if (g == 0) return 1;
  if (family.kind == FamilyKind::haar) return (1 - g) * (1 - g);
  if (family.tau == -1) return 1;  // |1 - i lambda| >= 1
  if (family.kind == FamilyKind::bi_invariant)
    throw std::domain_error("the smallest singular value of a bi-invariant family needs more than two moments");
  // E^2 = (D0 - D)(D - D1)(D - g^2)^2/(D (D + t)^2) along the gap, g^2 < D < D0, is the square of the singular value
  // that the Dyson equation sends to D; the edge of the spectrum is where it is largest.
  const Resolvent r = resolvent_of(family.tau, g);
  const double other = std::pow(family.tau * g * g / r.x, 2), way = r.below * (r.x + g);
  const auto minus = [&](double y) {
    const double above = way * y, D = g * g + above, ratio = above / (above + (1 + family.tau) * g * g);
    return -way * (1 - y) * (D - other) * ratio * ratio / D;
  };
  return -numerics::minimum(minus, 0, 1).value;
}

double finite_width_m1(const Family& family, double g, double n) {
  const Resolvent r = resolvent_of(family.tau, g);
  const LinearMoments m = linear_moments(family, g);
  // alpha = g^2 gamma^2 and 1 - alpha = gamma^2/m1.
  const double alpha = std::pow(g / r.x, 2), rest = m.gamma * m.gamma / m.m1, tau = family.tau;
  const double correction =
      std::pow(g * m.m1, 2) / n *
      (tau == 0 ? 2 * (1 + (family.kurtosis - 2) * g * g) / rest : (2 * (1 + tau) / rest - tau) / (1 - tau * alpha));
  return family.orthogonal() || correction < m.m1 / 2 ? m.m1 + correction : m.m1;
}

std::vector<double> iteration_lengths(const Family& family, double g, std::span<const std::uint64_t> depths) {
  if (depths.empty() || depths.back() == 0 || g == 0) {
    std::vector<double> out;
    for (const std::uint64_t k : depths) out.push_back(k > 0 ? 1 : 0);
    return out;
  }
  if (std::abs(family.tau) == 1) return normal_lengths(family.tau, g, depths);
  if (family.tau != 0) return elliptic_lengths(family.tau, g, depths);
  std::vector<double> out;
  for (const std::uint64_t k : depths) {
    const auto steps = static_cast<double>(k);
    out.push_back(g == 1 ? steps : std::expm1(2 * steps * std::log(g)) / (g * g - 1));
  }
  return out;
}

double iteration_residual(const Family& family, double g, std::uint64_t k) {
  const auto steps = static_cast<double>(k);
  if (k == 0) return 1;
  if (family.tau == 0 || g == 0) return std::pow(g, 2 * steps);
  // An upper bound; where it vanishes, logarithms of factorials would cancel to nothing.
  if (std::pow(g * (1 + std::abs(family.tau)), 2 * steps) == 0) return 0;
  // sum_l (g^(k-2l) (k-2l+1)/(k+1) binom(k+1, l) t^l)^2, from the largest term outwards.
  const double log_g = std::log(g), log_t = std::log(std::abs(family.tau)) + 2 * log_g;
  const auto log_term = [&](double l) {
    return 2 * ((steps - 2 * l) * log_g + l * log_t + std::log((steps - 2 * l + 1) / (steps + 1)) +
                std::lgamma(steps + 2) - std::lgamma(l + 1) - std::lgamma(steps - l + 2));
  };
  // Ratios of neighbours, which fall with l, are exact where differences of logarithms of large numbers are not.
  const auto ratio = [&](double l) {
    const double r = (steps - 2 * l - 1) / (steps - 2 * l + 1) * (steps + 1 - l) / (l + 1) * std::abs(family.tau);
    return r * r;
  };
  double low = 0, high = std::floor(steps / 2);
  while (low < high) {
    const double middle = std::floor((low + high) / 2);
    if (ratio(middle) > 1)
      low = middle + 1;
    else
      high = middle;
  }
  const double largest = log_term(low);
  double sum = 1, term = 1;
  for (double l = low; l < std::floor(steps / 2) && term > negligible * sum; ++l) sum += term *= ratio(l);
  term = 1;
  for (double l = low; l > 0 && term > negligible * sum; --l) sum += term /= ratio(l - 1);
  return sum * std::exp(largest);
}

double iteration_kernel(const Family& family, double g, std::uint64_t k) {
  const std::size_t size = static_cast<std::size_t>(k);
  // c_ij = sum_p a_ip a_jp, a_ip = g^p [x^(i-p)] G(x)^(p+1); then their sums over a < i, b < j.
  linear_algebra::Matrix a(size, size), c(size, size), sums(size + 1, size + 1);
  for (std::size_t p = 0; p < size; ++p) {
    const double m = static_cast<double>(p) + 1;
    double term = std::pow(g, m - 1);
    for (std::size_t i = p; i < size; i += 2) {
      a(i, p) = term;
      const auto l = static_cast<double>((i - p) / 2);
      term *= family.tau * g * g * (2 * l + m) * (2 * l + m + 1) / ((l + 1) * (l + m + 1));
    }
  }
  linear_algebra::multiply(1, a, linear_algebra::Transposed::no, a, linear_algebra::Transposed::yes, 0, c);
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j < size; ++j) {
      if (i > 0 && j > 0) sum += c(size - 1 - i, size - 1 - j) * sums(i, j);
      sums(i + 1, j + 1) = c(i, j) + sums(i, j + 1) + sums(i + 1, j) - sums(i, j);
    }
  return g * g * sum;
}

double worst_transient(const Family& family, double g, std::uint64_t k) {
  const auto steps = static_cast<double>(k);
  if (family.kind == FamilyKind::haar) return std::pow(g, 2 * steps);
  if (std::abs(family.tau) == 1) return std::pow(2 * g, 2 * steps);
  if (family.tau != 0 || family.kind == FamilyKind::bi_invariant)
    throw std::domain_error("the worst transient is known of iid, haar, goe and anti");
  // g^2k (k+1)^(k+1)/k^k.
  return k == 0 ? 1 : std::exp(2 * steps * std::log(g) + std::log(steps + 1) + steps * std::log1p(1 / steps));
}

}  // namespace edgewise::models::equilibrium_network
