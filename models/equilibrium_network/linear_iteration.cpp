#include "models/equilibrium_network/linear_iteration.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "models/equilibrium_network/linear_theory.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr double negligible_part = 1e-20;
constexpr double deepest_summed = 1e13;
/// Powers of W beyond exp of these change no length, are no double's square.
constexpr double without_effect = -60, overflows = 400, vanishes = -380;

/// log of the growth of W^k per iteration, g (1 + |tau|), without cancellation where it is near 0.
double log_growth(double tau, double g) {
  const double product = g * std::abs(tau), rounded = std::fma(g, std::abs(tau), -product);
  const double excess = (g < 0.5 ? (g - 0.5) + (product - 0.5) : (g - 1) + product) + rounded;
  return excess > -0.5 ? std::log1p(excess) : std::log(g) + std::log1p(std::abs(tau));
}

/// Polynomials P_p of W, of degree p, with (1/n) tr P_p P_q' = delta_pq and W P_p = g P_{p+1} + tau g P_{p-1}, are
/// Chebyshev's of the second kind. In them W^k = sum_l A_l P_{k-2l},
/// A_l = g^k tau^l (k + 1 - 2l)/(k + 1) binom(k + 1, l): those from l = `first` on that are not negligible.
struct PowerOfWeights {
  std::uint64_t first = 0;
  std::vector<double> coefficients;
};

/// log n! less its leading terms, n >= 16.
double stirling_rest(double n) {
  const double s = 1 / (n * n);
  return (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s / 1188)))) / n;
}

PowerOfWeights power_of_weights(double tau, double g, std::uint64_t k) {
  const double N = static_cast<double>(k) + 1, share = std::abs(tau) / (1 + std::abs(tau));
  PowerOfWeights out;
  std::uint64_t start = std::min(static_cast<std::uint64_t>(N * share), k / 2);
  double at_start = 0;
  if (start < 16) {
    start = 0;
    at_start = std::pow(g, N - 1);
  } else {
    // (g (1 + |tau|))^k times a probability of the binomial law of l, next to its mean.
    const double l = static_cast<double>(start), off = l - N * share;
    const double log_probability = stirling_rest(N) - stirling_rest(l) - stirling_rest(N - l) -
                                   l * std::log1p(off / (N * share)) - (N - l) * std::log1p(-off / (N * (1 - share)));
    at_start = (1 + std::abs(tau)) * (N - 2 * l) / N * std::exp((N - 1) * log_growth(tau, g) + log_probability) *
               std::sqrt(N / (2 * pi * l * (N - l)));
  }
  const auto ratio = [&](double l) { return std::abs(tau) * (N - l) * (N - 2 * l - 2) / ((l + 1) * (N - 2 * l)); };
  // Downwards, then upwards; the coefficients have one maximum.
  std::vector<double>& a = out.coefficients;
  double value = at_start, largest = value;
  a.push_back(value);
  out.first = start;
  while (out.first > 0 && value > negligible_part * largest) {
    value /= ratio(static_cast<double>(--out.first));
    largest = std::max(largest, value);
    a.push_back(value);
  }
  std::ranges::reverse(a);
  value = at_start;
  for (std::uint64_t l = start; 2 * (l + 1) <= k && value > negligible_part * largest; ++l) {
    value *= ratio(static_cast<double>(l));
    largest = std::max(largest, value);
    a.push_back(value);
  }
  if (tau < 0)
    for (std::size_t i = 1 - out.first % 2; i < a.size(); i += 2) a[i] = -a[i];
  return out;
}

/// L_k = |sum_{i<k} W^i|^2 = |G - G W^k|^2, G = sum_p gamma alpha^p P_p, alpha = g gamma. G W^k solves
/// (1 - beta S*)(1 - alpha S) e = gamma A, where S moves P_p to P_{p+1} and beta = tau alpha: y = gamma A + beta S* y from
/// high degrees to low, e = y + alpha S e from low to high, both contractions.
double iteration_length(const Family& family, double g, std::uint64_t k) {
  const double growth = static_cast<double>(k) * log_growth(family.tau, g);
  if (growth < without_effect) return linear_moments(family, g).m1;
  if (growth > overflows) return infinity;
  if (static_cast<double>(k) > deepest_summed)
    throw std::domain_error(
        "so many iterations so close to the edge take too many terms; ask for a smaller depth, or go further inside");
  const Resolvent r = resolvent_of(family, g);
  // 1 - alpha and 1 - beta^2: rounded alpha and beta themselves would be off by as much at every one of many steps.
  const double gamma = 1 / r.x, rest = r.below / r.x, beta = family.tau * (g / r.x);
  const double size = std::abs(family.tau), rest_of_square = (1 - size + size * rest) * (1 + std::abs(beta));
  const PowerOfWeights power = power_of_weights(family.tau, g, k);
  std::vector<double> y = power.coefficients;
  double above = 0;
  for (double& x : y) above = x = gamma * x + (above - rest_of_square * above);
  // Of lower degrees than those, G W^k has nothing but at the one next to them.
  std::uint64_t degree = k - 2 * (power.first + y.size() - 1);
  const bool begins = degree == 0;
  if (!begins) --degree;
  const auto lowest = static_cast<double>(degree);
  double sum = -std::expm1(2 * lowest * std::log1p(-rest)) / (r.below * (r.x + g));
  double free = gamma * std::exp(lowest * std::log1p(-rest)), e = 0;
  const auto add = [&](double source) {
    e = source + (e - rest * e);
    sum += (free - e) * (free - e);
    free -= rest * free;
  };
  for (std::size_t i = y.size(); i-- > 0;) {
    if (!begins || i + 1 < y.size()) add(beta * y[i]);
    add(y[i]);
  }
  return sum;
}

}  // namespace

std::vector<double> iteration_lengths(const Family& family, double g, std::span<const std::uint64_t> depths) {
  std::vector<double> out;
  for (const std::uint64_t k : depths) out.push_back(k == 0 ? 0 : g == 0 ? 1 : iteration_length(family, g, k));
  return out;
}

double iteration_residual(const Family& family, double g, std::uint64_t k) {
  const double growth = k == 0 ? 0 : static_cast<double>(k) * log_growth(family.tau, g);
  if (k == 0 || growth < vanishes) return k == 0 ? 1 : 0;
  if (growth > overflows) return infinity;
  return numerics::squared_norm_in_order(power_of_weights(family.tau, g, k).coefficients);
}

double iteration_word(const Family& family, double g, std::uint64_t i, std::uint64_t j) {
  if (i > j) return iteration_word(family, g, j, i);
  if ((j - i) % 2 != 0) return 0;
  if (g == 0 || j == 0) return j == 0 ? 1 : 0;
  const double growth = log_growth(family.tau, g);
  if (static_cast<double>(j) * growth > overflows) return infinity;
  if (static_cast<double>(i + j) * growth < 2 * vanishes) return 0;
  // W^i = sum A_l P_{i-2l}: terms of one degree meet.
  const PowerOfWeights short_power = power_of_weights(family.tau, g, i),
                       long_power = power_of_weights(family.tau, g, j);
  double sum = 0;
  for (std::size_t l = 0; l < short_power.coefficients.size(); ++l) {
    const std::uint64_t other = short_power.first + l + (j - i) / 2;
    if (other < long_power.first || other - long_power.first >= long_power.coefficients.size()) continue;
    sum += short_power.coefficients[l] * long_power.coefficients[static_cast<std::size_t>(other - long_power.first)];
  }
  return sum;
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
