#include "models/muon/spectral_coefficients.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "numerics/constants.hpp"
#include "solvers/self_consistency.hpp"

namespace edgewise::models::muon {

namespace {

// To the left of left_end / lambda_1 every integrand is a pure exponential, whose sum is known.
constexpr double left_end = 1e-9;
/// Where nothing is left of an integrand, to the right: tau = inverse_smallest/lambda_n, or the logit of tau kappa.
struct RightEnd {
  double inverse_smallest, logit;
};
constexpr RightEnd end_of_drift{1e10, 30};   // falls like e^(-3x/2)
constexpr RightEnd end_of_matrix{1e30, 70};  // like e^(-x/2)
constexpr double small_rho = 0.01;           // below this the divergent series of Phi is accurate to rounding

/// How many coordinates have a positive eigenvalue: the others are null, no gradient reaches them.
double total(const WeightedEigenvalues& e) {
  double sum = 0;
  for (std::size_t j = 0; j < e.count.size(); ++j) sum += e.value[j] > 0 ? e.count[j] : 0;
  return sum;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = 0;
};
/// Of the positive eigenvalues.
Range range_of(const WeightedEigenvalues& e) {
  Range out;
  for (const double lambda : e.value)
    if (lambda > 0) out = {std::min(out.low, lambda), std::max(out.high, lambda)};
  return out;
}

/// A function between 0 and 1 of the logarithm of its argument, with its complement and its slope.
struct Transform {
  double value = 0, complement = 0, slope = 0;
};

Transform bilinear(double rho) {
  Transform out;
  if (rho < small_rho) {
    // Phi = sum_k (-1)^(k+1) (2k-1)!! rho^k
    double term = rho;
    for (int k = 1; k < 40 && std::abs(term) > 1e-18 * rho; ++k) {
      out.value += term;
      out.slope += k * term;
      term *= -(2 * k + 1) * rho;
    }
    out.complement = 1 - out.value;
    return out;
  }
  const double y = 1 / std::sqrt(2 * rho);
  out.complement = std::sqrt(pi) * y * scaled_erfc(y);
  out.value = 1 - out.complement;
  out.slope = 0.5 * (out.complement - out.value / rho);
  return out;
}

/// Newton's method for f = value in the logarithm of the argument, on log f or log(1 - f), whichever is smaller.
template <class F>
double inverse(const F& f, double value, double complement, double guess) {
  const bool upper = complement < value;
  double x = std::log(guess);
  for (int iteration = 0; iteration < 100; ++iteration) {
    const Transform at = f(std::exp(x));
    const double step = upper ? std::log(at.complement / complement) * at.complement / -at.slope
                              : std::log(at.value / value) * at.value / at.slope;
    x -= std::clamp(step, -4.0, 4.0);
    if (std::abs(step) < 1e-14 * std::max(1.0, std::abs(x))) break;
  }
  return std::exp(x);
}

/// The rank of a gradient: that of `inputs`, or what else limits it.
double checked_rank(const WeightedEigenvalues& inputs, double limit) {
  if (inputs.value.empty() || inputs.value.size() != inputs.count.size())
    throw std::invalid_argument("spectral coefficients need one count per eigenvalue");
  for (const double lambda : inputs.value)
    if (!(lambda >= 0)) throw std::invalid_argument("spectral coefficients need eigenvalues >= 0");
  const double rank = std::min(limit, total(inputs));
  if (!(rank >= 2)) throw std::invalid_argument("the theory of spectral maps needs min(m, n, B) >= 2");
  return rank;
}

/// One point of the quadrature over tau.
struct Point {
  double tau = 0, weight = 0;  ///< of dtau
  double F = 0, slope = 0;     ///< slope = dF/dlog tau
  double rest = 0;             ///< r - F, without cancellation
};

/// The points, in order of tau, and the common rank r. \param visit takes every point.
template <class Visit>
void integrate(const WeightedEigenvalues& inputs, double rank, double spacing, RightEnd right, const Visit& visit) {
  const double n = total(inputs);
  const auto [low, high] = range_of(inputs);
  double trace = 0;
  for (std::size_t j = 0; j < inputs.value.size(); ++j) trace += inputs.count[j] * inputs.value[j];
  const double first = left_end * std::min(1 / high, rank / trace);
  const bool full = rank >= n;
  const double kappa = effective_ridge(inputs, rank);
  // full: tau = e^x; else tau = 1/(kappa (1 + e^-x)).
  const double begin = full ? std::log(first) : std::log(first * kappa) - std::log1p(-first * kappa);
  const double end = full ? std::log(right.inverse_smallest / low) : right.logit;
  std::vector<double> part(full ? 0 : inputs.value.size());
  for (std::size_t j = 0; j < part.size(); ++j)
    part[j] = inputs.count[j] * inputs.value[j] * kappa / (inputs.value[j] + kappa);
  const auto count = static_cast<std::size_t>(std::ceil((end - begin) / spacing));
  for (std::size_t k = 0; k <= count; ++k) {
    const double x = begin + static_cast<double>(k) * spacing;
    Point p;
    p.tau = full ? std::exp(x) : 1 / (kappa * (1 + std::exp(-x)));
    p.weight = spacing * (full ? p.tau : p.tau / (1 + std::exp(x)));
    if (k == 0) p.weight /= -std::expm1(-spacing / 2);  // the geometric sum of all points further left
    for (std::size_t j = 0; j < inputs.value.size(); ++j) {
      const double q = 1 / (1 + p.tau * inputs.value[j]), share = inputs.count[j] * q;
      p.F += share * (p.tau * inputs.value[j]);
      p.slope += share * q * (p.tau * inputs.value[j]);
      if (full && inputs.value[j] > 0) p.rest += share;
    }
    if (!full) {
      for (std::size_t j = 0; j < part.size(); ++j) p.rest += part[j] / (inputs.value[j] + 1 / p.tau);
      p.rest *= std::exp(-x);
    }
    visit(p);
  }
}

}  // namespace

double scaled_erfc(double y) {
  if (y < 7) return std::exp(y * y) * std::erfc(y);
  // Asymptotic series, whose smallest term is far below rounding from here on.
  const double z = 1 / (2 * y * y);
  double term = 1, sum = 0;
  for (int k = 1; k < 30 && std::abs(term) > 1e-17; ++k) {
    sum += term;
    term *= -(2 * k - 1) * z;
  }
  return sum / (y * std::sqrt(pi));
}

double weight_transform(WeightLaw law, double rho) {
  if (law == WeightLaw::bilinear) return bilinear(rho).value;
  return law == WeightLaw::vector ? rho / (1 + rho) : rho;
}

double inverse_weight_transform(WeightLaw law, double phi, double complement, double guess) {
  if (law != WeightLaw::bilinear) return law == WeightLaw::vector ? phi / complement : phi;
  if (!(guess > 0)) guess = complement < 0.5 ? pi / (2 * complement * complement) : phi * (1 + 3 * phi);
  return inverse(bilinear, phi, complement, guess);
}

double effective_ridge(const WeightedEigenvalues& inputs, double rank) {
  const double n = total(inputs);
  if (rank >= n) return 0;
  const auto [low, high] = range_of(inputs);
  const auto excess = [&](double log_kappa) {
    const double kappa = std::exp(log_kappa);
    double sum = 0;
    for (std::size_t j = 0; j < inputs.value.size(); ++j)
      sum += inputs.count[j] * inputs.value[j] / (inputs.value[j] + kappa);
    return sum - rank;
  };
  // All eigenvalues equal to the smallest, or to the largest one.
  const double odds = std::log(n / rank - 1);
  const double from = std::log(low) + odds - 1e-6, to = std::log(high) + odds + 1e-6;
  const solvers::FixedPoint found = solvers::bracketed(excess, from, to);
  if (!found.converged()) throw std::domain_error("no effective ridge: the spectrum is out of range");
  return std::exp(found.x[0]);
}

std::vector<double> signsvd_drift(const WeightedEigenvalues& inputs, double outputs, double batch, WeightLaw law,
                                  double spacing) {
  const double rank = checked_rank(inputs, std::min(outputs, batch));
  std::vector<double> drift(inputs.value.size());
  double rho = 0;
  integrate(inputs, rank, spacing, end_of_drift, [&](const Point& p) {
    const double nu = p.F / ((outputs - rank) + p.rest);
    rho = inverse_weight_transform(law, p.F / batch, ((batch - rank) + p.rest) / batch, rho);
    const double weight = p.weight * p.F / std::sqrt(rho * nu * p.tau);
    for (std::size_t j = 0; j < drift.size(); ++j) {
      const double q = 1 / (1 + p.tau * inputs.value[j]);
      drift[j] += weight * q * q;
    }
  });
  for (std::size_t j = 0; j < drift.size(); ++j) drift[j] *= 2 / (pi * outputs) * inputs.value[j];
  return drift;
}

std::vector<double> signsvd_drift_matrix(const WeightedEigenvalues& inputs, const WeightedEigenvalues& outputs,
                                         double batch, WeightLaw law, double spacing) {
  const double m = total(outputs), rank = checked_rank(inputs, checked_rank(outputs, batch));
  const std::size_t columns = inputs.value.size(), rows = outputs.value.size();
  std::vector<double> drift(rows * columns), p_k(rows), p_j(columns);
  const auto output_sum = [&](double nu) {
    Transform out;
    for (std::size_t k = 0; k < rows; ++k) {
      const double q = 1 / (1 + nu * outputs.value[k]), share = outputs.count[k] * q / m;
      out.value += share * (nu * outputs.value[k]);
      out.complement += share;
      out.slope += share * q * (nu * outputs.value[k]);
    }
    return out;
  };
  double rho = 0, nu = 0;
  integrate(inputs, rank, spacing, end_of_matrix, [&](const Point& p) {
    const double phi = p.F / batch, value = p.F / m, complement = ((m - rank) + p.rest) / m;
    if (nu == 0) nu = value / complement;
    nu = inverse(output_sum, value, complement, nu);
    rho = inverse_weight_transform(law, phi, ((batch - rank) + p.rest) / batch, rho);
    // -dlog s/dlog tau, from the logarithmic slopes of F, rho and nu.
    const double weight_slope = law == WeightLaw::bilinear ? bilinear(rho).slope
                                : law == WeightLaw::vector ? phi * (1 - phi)
                                                           : phi;
    const double fall = 1 + p.slope * (1 / (batch * weight_slope) + 1 / (m * output_sum(nu).slope) - 2 / p.F);
    const double weight = p.weight / p.tau * fall / std::sqrt(rho * nu * p.tau);  // sqrt(s)/F = 1/sqrt(rho nu tau)
    for (std::size_t k = 0; k < rows; ++k) p_k[k] = nu * outputs.value[k] / (1 + nu * outputs.value[k]);
    for (std::size_t j = 0; j < columns; ++j) p_j[j] = p.tau * inputs.value[j] / (1 + p.tau * inputs.value[j]);
    for (std::size_t k = 0; k < rows; ++k)
      for (std::size_t j = 0; j < columns; ++j) drift[k * columns + j] += weight * p_k[k] * p_j[j] / pi;
  });
  return drift;
}

std::vector<double> signsvd_noise(const WeightedEigenvalues& inputs, double rank) {
  const double kappa = effective_ridge(inputs, rank);
  std::vector<double> noise;
  for (const double lambda : inputs.value) noise.push_back(lambda > 0 ? lambda / (lambda + kappa) : 0);
  return noise;
}

}  // namespace edgewise::models::muon
