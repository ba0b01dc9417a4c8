#pragma once
/// \file
/// How hard an analytic function is to learn (docs/theory/networks-and-kernels.md, section 4.5).
///
/// A function of unit linear forms has the series f~(y) with absolute coefficients and every form replaced by y. The
/// tildes of sums, products and compositions bound that of the result, so that three numbers, f~(0), f~(1) and f~'(1),
/// are carried through a formula. zeta = (f~'(1) + f~(0))^2; n <= C (zeta + log(1/delta))/eps^2 with C unknown.
///
/// Functions beside those of analysis:
///     linear(s)          <w, x> with |w| = s: s y
///     quadratic(s)       x'Q x with sum |eig Q| = s: s y^2
///     distance2(c)       |x_i - x_j|^2 of two points of c coordinates, all points stacked into x: 2 c y^2
///     inverse_power(D, p, low, high, order)   D^-p for low <= D <= high by a series about the middle, with its remainder
///     force(sources, low, high, order)        sources sqrt(2) y inverse_power(distance2(3), 1.5, low, high, order)
///     sum(count, f)      count functions that f bounds: SELECT SUM over rows
///     indicator(u, gap, range, error)   [u = 0] by (1 - u^2/range^2)^q, within error for gap <= |u| <= range
///     clusters(T, b, error, f)          T functions picked by codes of overlap b: T y^q f~, b^q <= error
///     tree(h, f)         a decision tree: 2^h functions picked by h signs, (1 + sqrt(h) y)^h f~
///     parity(h)          the product of h signs, (sqrt(h) y)^h
#include <string>
#include <vector>

#include "models/ingredients/learnability/formula.hpp"

namespace edgewise::models::ingredients::learnability {

struct Bound {
  double origin = 0;                    ///< f(0), with its sign
  double zero = 0, one = 0, slope = 0;  ///< f~(0), f~(1), f~'(1); infinite where a series does not converge
  std::vector<std::string> remarks;     ///< remainders of truncated series, and why something is infinite
  double sqrt_zeta() const { return slope + zero; }
  double zeta() const { return sqrt_zeta() * sqrt_zeta(); }
};

/// \throws std::invalid_argument for functions that are not analytic at the origin, or arguments out of range.
Bound bound(const Formula& formula);

/// D0^-p sum_{l > order} |binom(-p, l)| delta^l, D0 and delta the middle and the half width over the middle; p >= -1.
double inverse_power_remainder(double p, double low, double high, double order);

/// Shares n_i/n of samples over strata of weights D_i: n_i ~ (D_i sqrt(zeta_i + log(c/delta)))^(2/3), c strata.
std::vector<double> allocation(const std::vector<double>& weights, const std::vector<double>& zeta, double delta);

}  // namespace edgewise::models::ingredients::learnability
