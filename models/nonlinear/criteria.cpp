// Built at -O1: nothing here takes time.
#include "models/nonlinear/criteria.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "models/nonlinear/laws.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::nonlinear {

namespace {

ResidualCoefficients clipped(const ingredients::Noise& noise, double P, double h) {
  return residual_coefficients(*huber_nonlinearity(h), noise, P);
}

}  // namespace

double floor_share(const NonlinearProblem& problem, const ingredients::Noise& noise, double P) {
  if (problem.method != Method::adam || !(problem.floor > 0)) return 0;
  double least = infinity;
  for (const double variance : problem.covariance.diagonal_entries())
    if (variance > 0) least = std::min(least, variance);
  return problem.floor / std::sqrt(least * (P + noise.variance()) / problem.batch);
}

OptimalThreshold optimal_threshold(const ingredients::Noise& noise, double P) {
  // By log h over the width of w.
  const double center = std::log(P) / 2;
  const auto progress = [&](double x) {
    const ResidualCoefficients r = clipped(noise, P, std::exp(center + x));
    return r.mu / r.q * r.mu;
  };
  constexpr double step = 0.2;
  double last = 5;
  for (const double size : noise.sizes())
    if (size > 0) last = std::max(last, std::log(size) - center + 5);
  double best = -7, most = 0;
  for (double x = -7; x <= last; x += step)
    if (const double value = progress(x); value > most) {
      most = value;
      best = x;
    }
  // mu^2/q is flat at its top: where it stops rising is known far better than where it is largest. With the residual's
  // density p, dmu/dh = 2 p(h) and dq/dh = 2 h (1 - mu).
  const auto rise = [&](double x) {
    const double h = std::exp(center + x);
    const ResidualCoefficients r = clipped(noise, P, h);
    return 2 * (r.q / h) * residual_density(noise, P, h).value - r.mu * (1 - r.mu);
  };
  const double below = rise(best - step), above = rise(best + step);
  const double top = below > 0 && above < 0 ? numerics::root(rise, best - step, best + step, below, above) : best;
  const double plain = 1 / (P + noise.variance());  // h = inf
  most = progress(top);
  if (plain >= most * (1 - 1e-12)) return {infinity, plain};
  return {std::exp(center + top), most};
}

double clipping_gain(const ingredients::Noise& noise, double P) {
  return optimal_threshold(noise, P).progress * (P + noise.variance());
}

double learning_rate_gain(const ingredients::Noise& noise, double P, double h) {
  const ResidualCoefficients r = clipped(noise, P, h);
  return r.mu * (P + noise.variance()) / r.q;
}

double residual_quantile(const ingredients::Noise& noise, double P, double probability) {
  if (!(probability > 0 && probability < 1)) throw std::invalid_argument("a quantile needs 0 < probability < 1");
  const auto excess = [&](double log_h) { return clipped(noise, P, std::exp(log_h)).mu - probability; };
  double low = std::log(P) / 2, high = low;
  while (excess(low) > 0) low -= 1;
  while (excess(high) < 0) high += 1;
  if (low == high) return std::exp(low);
  return std::exp(numerics::root(excess, low, high, 48));
}

double threshold_at_risk(Method method, const std::string& rule, double threshold, double trace,
                         const ingredients::Noise& noise, double P) {
  if (rule == "sqrt-risk") return threshold * std::sqrt(P);
  if (rule == "quantile") return residual_quantile(noise, P, threshold);
  if (rule == "optimal") return optimal_threshold(noise, P).threshold;
  return method == Method::clip ? threshold / std::sqrt(trace) : threshold;
}

double threshold_at_risk(const NonlinearProblem& problem, const ingredients::Noise& noise, double P) {
  return threshold_at_risk(problem.method, problem.threshold_rule, problem.threshold, problem.covariance.trace(), noise,
                           P);
}

double residual_information(const ingredients::Noise& noise, double P) {
  // In units of sqrt P, as x = r/sqrt P: J P = int p'^2/p dx.
  const double unit = std::sqrt(P);
  const auto integrand = [&](double x) {
    const ResidualDensity p = residual_density(noise, P, x * unit);
    return p.value > 0 ? p.slope * unit / p.value * (p.slope * unit) * unit : 0.0;
  };
  // The law is symmetric: twice the positive half. Panels that widen from the width of the sharpest feature on, away from
  // every place where there may be one, and beyond the last out to where nothing is left.
  constexpr double width = 2;
  std::vector<double> places{0};
  for (const double size : noise.sizes()) places.push_back(size / unit);
  std::ranges::sort(places);
  std::vector<double> edges;
  for (std::size_t i = 0; i + 1 < places.size(); ++i) {
    const double middle = (places[i] + places[i + 1]) / 2;
    edges.insert(edges.end(), {places[i], middle});
    for (double away = width; away < middle - places[i]; away *= 1.5)
      edges.insert(edges.end(), {places[i] + away, places[i + 1] - away});
  }
  edges.push_back(places.back());
  std::ranges::sort(edges);
  using Rule = boost::math::quadrature::gauss_kronrod<double, 31>;
  double sum = 0;
  for (std::size_t i = 0; i + 1 < edges.size(); ++i)
    if (edges[i + 1] > edges[i]) sum += Rule::integrate(integrand, edges[i], edges[i + 1], 8, 1e-12);
  double left = edges.back();
  for (double step = width; left * unit < 1e152; step *= 1.5) {
    const double part = Rule::integrate(integrand, left, left + step, 8, 1e-12);
    sum += part;
    left += step;
    if (step > 10 * width && step > left / 8 && part <= 1e-15 * sum) break;
  }
  return 2 * sum / P;
}

double oracle_nonlinearity(const ingredients::Noise& noise, double P, double r) {
  const ResidualDensity p = residual_density(noise, P, r);
  return -P * p.slope / p.value;
}

double noise_compression(const ingredients::Noise& noise, double P) {
  const double phi = sign_phi(noise, P);
  return pi * pi / 4 * phi * phi * (P + noise.variance()) / P;
}

bool early_sign_wins(const ingredients::Noise& noise, double P, double batch) {
  const double one = late_drift(noise, P, 1), late = late_drift(noise, P, batch);
  return batch * one * one > late * late;
}

double late_snr_squared(double mean, double batch) {
  const double e = std::erf(mean * std::sqrt(batch / 2));
  // 1 - e^2 = (1 - e)(1 + e) without cancellation.
  return e * e / (std::erfc(mean * std::sqrt(batch / 2)) * (1 + e));
}

double early_snr_squared(double mean, double batch) {
  const double e = std::erf(mean / std::sqrt(2.0));
  return batch * e * e / (std::erfc(mean / std::sqrt(2.0)) * (1 + e));
}

}  // namespace edgewise::models::nonlinear
