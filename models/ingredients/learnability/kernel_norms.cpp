#include "models/ingredients/learnability/kernel_norms.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "models/ingredients/learning_curves/harmonics.hpp"
#include "numerics/constants.hpp"
#include "numerics/power_series.hpp"
#include "numerics/whole.hpp"

namespace edgewise::models::ingredients::learnability {

namespace {

using Kind = Formula::Kind;
using numerics::power;
using numerics::product;
using numerics::rotated;
using Series = numerics::PowerSeries;

/// A coefficient below this share of the sum of its absolute terms is rounding.
constexpr double lost = 1e-14;
constexpr double negligible = 1e-140;
/// Of polynomials.
constexpr double most_degree = 4000;
constexpr std::size_t spare_terms = 4;
/// Of a coefficient: what may lie beyond the terms of the series.
constexpr double beyond_share = 0.01;
/// That tell how the sum over degrees goes on.
constexpr std::size_t fewest_degrees = 16;
/// How much further a series is looked at that seems to end.
constexpr std::size_t most_spread = 3;

Series expanded(const Formula& f, double scale, std::size_t size) {
  const auto argument = [&](std::size_t i) { return expanded(f.arguments[i], scale, size); };
  Series out(size, 0.0);
  switch (f.kind) {
    case Kind::number:
      out[0] = f.value;
      return out;
    case Kind::variable:
      if (size > 1) out[1] = scale;
      return out;
    case Kind::add:
    case Kind::subtract: {
      out = argument(0);
      const Series b = argument(1);
      for (std::size_t k = 0; k < size; ++k) out[k] += f.kind == Kind::add ? b[k] : -b[k];
      return out;
    }
    case Kind::multiply:
      return product(argument(0), argument(1));
    case Kind::divide:
      return product(argument(0), power(argument(1), -1));
    case Kind::power:
      return power(argument(0), argument(1)[0]);
    case Kind::function:
      break;
  }
  static const char* const analytic[] = {"exp", "log", "sqrt", "sin", "cos", "sinh", "cosh"};
  if (std::ranges::find(analytic, f.name) != std::end(analytic) && f.arguments.size() == 1) {
    const Series a = argument(0);
    const double c = a[0];
    if (f.name == "exp") return rotated(a, std::exp(c), std::exp(c), 1).first;
    if (f.name == "log") return numerics::logarithm(a);
    if (f.name == "sqrt") return power(a, 0.5);
    const bool circular = f.name == "sin" || f.name == "cos";
    auto both = circular ? rotated(a, std::sin(c), std::cos(c), -1) : rotated(a, std::sinh(c), std::cosh(c), 1);
    return f.name == "sin" || f.name == "sinh" ? std::move(both.first) : std::move(both.second);
  }
  throw std::invalid_argument(
      fmt::format("{} has no series in one variable; norms in a kernel's space are of functions of "
                  "one direction",
                  f.name));
}

/// The degree of a polynomial; infinite of other functions.
double polynomial_degree(const Formula& f) {
  const auto degree = [&](std::size_t i) { return polynomial_degree(f.arguments[i]); };
  switch (f.kind) {
    case Kind::number:
      return 0;
    case Kind::variable:
      return 1;
    case Kind::add:
    case Kind::subtract:
      return std::max(degree(0), degree(1));
    case Kind::multiply:
      return degree(0) + degree(1);
    case Kind::divide:
      return f.arguments[1].variables().empty() ? degree(0) : infinity;
    case Kind::power: {
      const double base = degree(0);
      if (base == 0) return 0;
      const double p = f.arguments[1].variables().empty() ? expanded(f.arguments[1], 1, 1)[0] : nan;
      if (!(p >= 0) || !numerics::is_whole(p)) return infinity;
      return p == 0 ? 0 : base * p;
    }
    case Kind::function:
      break;
  }
  return f.variables().empty() ? 0 : infinity;
}

/// How many coefficients there are up to the last that counts.
std::size_t size_up_to_last(const Series& a) {
  double largest = 0;
  for (const double x : a) largest = std::max(largest, std::abs(x));
  std::size_t size = a.size();
  while (size > 0 && std::abs(a[size - 1]) <= negligible * largest) --size;
  return size;
}

/// The sum of terms >= 0, with what is beyond the last as a power law; infinite where that does not end.
double summed(const Series& terms) {
  double sum = 0;
  for (const double x : terms) {
    sum += x;
    if (!std::isfinite(sum)) return infinity;
  }
  // Terms of either parity may be 0.
  const std::size_t n = terms.size();
  const auto around = [&](std::size_t k) { return std::max(terms[k - 1], terms[k - 2]); };
  if (n < 8 || !(around(n) > 0)) return sum;
  const double decay = std::log2(around(n / 2) / around(n));
  if (!(decay > 1.02)) return infinity;
  return sum + around(n) * static_cast<double>(n) / (decay - 1);
}

}  // namespace

std::vector<double> taylor_series(const Formula& formula, double scale, std::size_t size) {
  const std::vector<std::string> names = formula.variables();
  if (names.size() > 1)
    throw std::invalid_argument(fmt::format(
        "norms in a kernel's space are of functions of one direction; here are {} and {}", names[0], names[1]));
  try {
    const double degree = polynomial_degree(formula);
    if (std::isfinite(degree)) {
      if (degree > most_degree)
        throw std::invalid_argument(
            fmt::format("a polynomial of degree {:g}; norms in a kernel's space are followed up to degree {:g}", degree,
                        most_degree));
      // Zeros behind the last coefficient tell that the series ends.
      Series out = expanded(formula, scale, std::max(size, static_cast<std::size_t>(degree) + spare_terms));
      const bool finite = std::ranges::all_of(out, [](double x) { return std::isfinite(x); });
      for (std::size_t k = size_up_to_last(out); finite && k < out.size(); ++k)
        if (out[k] != 0) throw std::invalid_argument("its coefficients differ by more than a factor 1e140");
      return out;
    }
    Series out = expanded(formula, scale, size);
    const bool finite = std::ranges::all_of(out, [](double x) { return std::isfinite(x); });
    // Where the series seems to end it may only have a gap, as that of exp(x^1000).
    if (finite && size_up_to_last(out) + 2 < size) {
      const Series more = expanded(formula, scale, most_spread * size);
      if (size_up_to_last(more) > size_up_to_last(out))
        throw std::invalid_argument(
            fmt::format("its series has gaps and terms beyond degree {}, which are not followed", size));
    }
    return out;
  } catch (const std::domain_error& e) {
    throw std::invalid_argument(e.what());
  }
}

KernelNorms kernel_norms(const std::vector<double>& a, const learning_curves::DotKernel& kernel, double dimension) {
  // An entire function's coefficients end where a kernel's would be below what a double holds.
  for (const double x : a)
    if (!std::isfinite(x))
      return {infinity, infinity, infinity, false, "a coefficient of the series overflows a double"};
  std::size_t size = size_up_to_last(a);
  if (size == 0) return {};
  const bool ends = size < a.size() - 2;
  if (!ends) size = a.size();
  const std::vector<double> b = kernel.taylor(size);
  Series second(size, 0.0), first(size, 0.0), exact;
  for (std::size_t k = 0; k < size; ++k) {
    if (a[k] == 0) continue;
    // In logarithms: both may be too small for their squares.
    const double log_ratio = b[k] > 0 ? 2 * std::log(std::abs(a[k])) - std::log(b[k]) : infinity;
    second[k] = std::exp(log_ratio);
    first[k] = std::exp(log_ratio / 2);
  }
  const std::vector<double> lambda = kernel.eigenvalues(dimension, size - 1),
                            m = learning_curves::multiplicities(dimension, size - 1);
  double start = 1;  // E t^k P_k
  bool cut = false;  // where what is beyond the terms counts
  for (std::size_t k = 0; k < lambda.size(); ++k) {
    const auto degree = static_cast<double>(k);
    double moment = start, coefficient = 0, absolute = 0, half = 0, before = 0, last = 0;
    for (std::size_t n = k; n < size; n += 2) {
      const auto i = static_cast<double>(n);
      before = std::exchange(last, a[n] * moment);
      coefficient += last;
      absolute += std::abs(last);
      if (n <= size / 2) half = std::abs(last);
      moment *= (i + 1) * (i + 2) / ((i + degree + dimension) * (i - degree + 2));
    }
    start *= (degree + 1) / (dimension + 2 * degree);
    // Beyond, half the last of alternating terms, or as a power law, which is seen while the degree is below the root of
    // their number.
    if (!ends && last != 0) {
      const double decay = std::log2(half / std::abs(last)),
                   one_signed = decay > 1 ? static_cast<double>(size) / 2 / (decay - 1) : infinity,
                   beyond = last * (std::signbit(before) == std::signbit(last) ? one_signed : -0.5);
      cut = !(std::abs(beyond) <= beyond_share * std::abs(coefficient));
      if (cut) break;
      coefficient += beyond;
    }
    if (std::abs(coefficient) <= lost * absolute) coefficient = 0;
    // An eigenvalue that is lost in rounding is none of 0: the sum is known to here.
    cut = coefficient != 0 && lambda[k] == 0 && !kernel.exact_zeros();
    if (cut) break;
    exact.push_back(coefficient == 0 ? 0 : lambda[k] > 0 ? m[k] * coefficient * (coefficient / lambda[k]) : infinity);
  }
  // Where the eigenvalues end before the function does, how the sum goes on tells whether it ends.
  const auto total = [&](const Series& terms) {
    return ends && terms.size() == size ? std::accumulate(terms.begin(), terms.end(), 0.0) : summed(terms);
  };
  KernelNorms out;
  out.exact = cut && exact.size() < fewest_degrees ? infinity : total(exact);
  out.second = total(second);
  out.first = std::pow(total(first), 2);
  out.bounded_only = cut && std::isfinite(out.second) && !(out.exact <= out.second);
  if (out.bounded_only) out.exact = out.second;
  if (std::isfinite(out.exact) && std::isfinite(out.second) && std::isfinite(out.first)) return out;
  for (std::size_t k = 0; k < size && kernel.exact_zeros() && out.infinite_because.empty(); ++k)
    if (a[k] != 0 && b[k] == 0) out.infinite_because = fmt::format("the kernel lacks the power {}", k);
  if (out.infinite_because.empty())
    out.infinite_because =
        ends && std::all_of(a.begin() + static_cast<std::ptrdiff_t>(size), a.end(), [](double x) { return x == 0; })
            ? "overflows a double"
            : "the sums diverge, or do not end within the terms";
  return out;
}

}  // namespace edgewise::models::ingredients::learnability
