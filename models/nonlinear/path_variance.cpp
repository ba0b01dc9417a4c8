#include "models/nonlinear/path_variance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/custom_nonlinearity.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// E chi^3 w and E chi^4 at P.
ScalarLaws high_moments(const NonlinearProblem& problem) {
  const std::shared_ptr<const ingredients::Noise> noise = effective_noise(problem);
  const double h =
      threshold_at_risk(problem.method, "constant", problem.threshold, problem.covariance.trace(), *noise, 1);
  std::shared_ptr<const ResidualNonlinearity> chi = problem.nonlinearity;
  if (!chi) chi = method_nonlinearity(problem.method, h);
  const auto square = std::make_shared<const CustomNonlinearity>([chi](double r) { return (*chi)(r) * (*chi)(r); });
  const auto cube = std::make_shared<const CustomNonlinearity>([chi](double r) { return std::pow((*chi)(r), 3); });
  if (!(2 * square->growth() < noise->tail_index()))
    throw std::invalid_argument(fmt::format(
        "theory.bands: E chi(r)^4 is infinite under the tails of {}, and so is the spread of P", noise->name()));
  return ScalarLaws([=](double P) {
    return LawValues{P * residual_coefficients(*cube, *noise, P).mu, residual_coefficients(*square, *noise, P).q, 0};
  });
}

}  // namespace

PathVariance::PathVariance(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem)
    : modes_(modes), laws_(laws), problem_(problem), covariance_(modes.kappa.size(), modes.kappa.size()) {
  const std::string& method = problem.method;
  if (method == "sign-ema" || method == "ema-sign" || problem.averages_squares())
    throw std::invalid_argument("theory.bands: not known for '" + method + "', whose steps remember earlier ones");
  if (method == "mean-clip") throw std::invalid_argument("theory.bands: not known for 'mean-clip'");
  if (problem.threshold_rule != "constant") throw std::invalid_argument("theory.bands: needs a constant threshold");
  if (!problem.norm_spread.empty()) throw std::invalid_argument("theory.bands: not known with norm_spread");
  if (!problem.coordinatewise()) {
    moments_ = std::make_unique<ScalarLaws>(high_moments(problem));
  } else if (modes.coordinates) {
    noise_ = modes.coordinates->mode_noise();
    second_ = linear_algebra::Matrix(noise_.rows(), noise_.columns());
    const std::vector<double>& z = modes.coordinates->start;
    for (std::size_t j = 0; j < z.size(); ++j)
      for (std::size_t i = 0; i < z.size(); ++i) second_(i, j) = z[i] * z[j];
  }
}

PathVariance::Chance PathVariance::sign_chance(double eta, const LawValues& law) const {
  Chance out;
  out.pull2 = 4 * eta * eta * (law.c - law.a * law.a);
  // s_i per coordinate is kappa_i where the covariance is diagonal.
  if (!modes_.coordinates) out.across = 4 * eta * eta * law.b;
  return out;
}

PathVariance::Chance PathVariance::residual_chance(double eta, double P, const LawValues& law) const {
  const LawValues high = (*moments_)(P);
  const double B = problem_.batch, mu = law.a, q = law.b * B, c2 = B * (law.c - (1 - 1 / B) * mu * mu);
  const double var_S = (P * P * c2 + P * q - mu * P * mu * P) / B, cov_ST = (high.a - mu * P * q) / (B * B);
  const double var_T = (high.b - q * q) / (B * B * B);
  Chance out;
  out.pull2 = 4 * eta * eta * (var_S / (P * P) - law.b / P);
  out.cross = -2 * eta * eta * eta * cov_ST / P;
  out.noise2 = std::pow(eta, 4) * var_T;
  out.across = 4 * eta * eta * law.b;
  out.alone = 2 * std::pow(eta, 4) * (var_T + law.b * law.b);
  return out;
}

void PathVariance::step(double eta, double P, std::span<const double> M) {
  const LawValues law = laws_(P), slope = laws_.derivative(P);
  const Chance chance = moments_ ? residual_chance(eta, P, law) : sign_chance(eta, law);
  const std::size_t n = modes_.kappa.size();
  const std::vector<double>&kappa = modes_.kappa, &s = modes_.s;
  std::vector<double> g(n), u(n), p(n), y(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const double k = kappa[i];
    g[i] = 1 - 2 * eta * law.a * k + eta * eta * law.c * k * k;
    u[i] = -2 * eta * slope.a * k * M[i] + eta * eta * (slope.b * s[i] + slope.c * k * k * M[i]);
    p[i] = k * M[i];
  }
  double total = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const std::span<const double> column = covariance_.column(j);
    for (std::size_t i = 0; i < n; ++i) y[i] += column[i] * kappa[j];
  }
  for (std::size_t i = 0; i < n; ++i) total += kappa[i] * y[i];
  for (std::size_t j = 0; j < n; ++j) {
    const std::span<double> column = covariance_.column(j);
    const double per_g = g[j], per_y = u[j], per_u = g[j] * y[j] + total * u[j];
    const double per_p = chance.pull2 * p[j] + chance.cross * s[j], per_s = chance.cross * p[j] + chance.noise2 * s[j];
    for (std::size_t i = 0; i < n; ++i)
      column[i] = g[i] * (per_g * column[i] + per_y * y[i]) + per_u * u[i] + per_p * p[i] + per_s * s[i];
    column[j] += chance.across * p[j] + chance.alone * kappa[j] * s[j];
  }
  if (noise_.size() == 0) return;
  const double per_pair = 4 * eta * eta * law.b;
  for (std::size_t j = 0; j < n; ++j) {
    const std::span<double> column = covariance_.column(j), pair = second_.column(j);
    const std::span<const double> kick = noise_.column(j);
    for (std::size_t i = 0; i < n; ++i) {
      column[i] += per_pair * kick[i] * pair[i];
      pair[i] *= 1 - eta * law.a * (kappa[i] + kappa[j]) + eta * eta * law.c * kappa[i] * kappa[j];
      pair[i] += eta * eta * law.b * kick[i];
    }
  }
}

double PathVariance::variance() const {
  double sum = 0;
  for (std::size_t j = 0; j < modes_.kappa.size(); ++j)
    for (std::size_t i = 0; i < modes_.kappa.size(); ++i) sum += modes_.kappa[i] * modes_.kappa[j] * covariance_(i, j);
  return sum;
}

}  // namespace edgewise::models::nonlinear
