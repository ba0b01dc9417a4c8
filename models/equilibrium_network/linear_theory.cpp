#include "models/equilibrium_network/linear_theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::equilibrium_network {

double linear_edge(const Family& family) {
  return 1 / (1 + family.tau);
}

Resolvent resolvent_of(const Family& family, double g) {
  const double tau = family.tau;
  if (!(g < linear_edge(family)))
    throw std::domain_error(
        fmt::format("outside the stable phase: at g = {:.10g} and tau = {:.10g} there is no limit; the edge is at g = "
                    "1/(1 + tau) = {:.10g}",
                    g, tau, linear_edge(family)));
  const double root = tau < 0 ? std::hypot(1, 2 * std::sqrt(-tau) * g) : std::sqrt(std::fma(-4 * tau * g, g, 1));
  const double room = tau < -0.5 ? std::fma(-(1 + tau), g, 1) : std::fma(-tau, g, 1 - g);
  const double below = 2 * g < 1 ? (1 - 2 * g + root) / 2 : 2 * g * room / (root + (2 * g - 1));
  return {root, (1 + root) / 2, below};
}

LinearMoments linear_moments(const Family& family, double g) {
  LinearMoments out;
  const Resolvent r = resolvent_of(family, g);
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
  const Resolvent r = resolvent_of(family, g);
  if (g == 0) return 1;
  if (family.kind == FamilyKind::haar) return (1 - g) * (1 - g);
  if (family.tau == -1) return 1;  // |1 - i lambda| >= 1
  if (family.kind == FamilyKind::bi_invariant)
    throw std::domain_error("the smallest singular value of a bi-invariant family needs more than two moments");
  // E^2 = (D0 - D)(D - D1)(D - g^2)^2/(D (D + t)^2) along the gap, g^2 < D < D0, is the square of the singular value
  // that the Dyson equation sends to D; the edge of the spectrum is where it is largest.
  const double other = std::pow(family.tau * g * g / r.x, 2), way = r.below * (r.x + g);
  // At small g it lies next to y = 0, of order g.
  const auto minus = [&](double root_of_root) {
    const double y = std::pow(root_of_root, 4);
    const double above = way * y, D = g * g + above, ratio = above / (above + (1 + family.tau) * g * g);
    return -way * (1 - y) * (D - other) * ratio * ratio / D;
  };
  return -numerics::minimum(minus, 0, 1).value;
}

double finite_width_m1(const Family& family, double g, double n) {
  const Resolvent r = resolvent_of(family, g);
  const LinearMoments m = linear_moments(family, g);
  // alpha = g^2 gamma^2 and 1 - alpha = gamma^2/m1.
  const double alpha = std::pow(g / r.x, 2), rest = m.gamma * m.gamma / m.m1, tau = family.tau;
  const double correction =
      std::pow(g * m.m1, 2) / n *
      (tau == 0 ? 2 * (1 + (family.kurtosis - 2) * g * g) / rest : (2 * (1 + tau) / rest - tau) / (1 - tau * alpha));
  return family.orthogonal() || correction < m.m1 / 2 ? m.m1 + correction : m.m1;
}

}  // namespace edgewise::models::equilibrium_network
