// Built at -O1: nothing here takes time.
#include "models/nonlinear/criteria.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "models/nonlinear/laws.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::nonlinear {

namespace {

ResidualCoefficients clipped(const ingredients::Noise& noise, double P, double h) {
  return residual_coefficients(*huber_nonlinearity(h), noise, P);
}

using Function = std::function<double(double)>;

/// Widths of the sharpest feature that a first panel spans.
constexpr double narrowest = 2;

/// An integral over [from, to] and its error. Halved by an absolute tolerance, so that what counts for nothing costs nothing.
struct Panel {
  Panel(Function function, double begin, double end) : f(std::move(function)), from(begin), to(end) {
    value = boost::math::quadrature::gauss_kronrod<double, 31>::integrate(f, from, to, 0, 0.0, &error);
  }
  double refined(double tolerance, int depth) const {
    if (error <= tolerance || depth == 0) return value;
    const double middle = from + (to - from) / 2;
    return Panel(f, from, middle).refined(tolerance, depth - 1) + Panel(f, middle, to).refined(tolerance, depth - 1);
  }
  Function f;
  double from, to, value = 0, error = 0;
};

}  // namespace

double floor_share(const NonlinearProblem& problem, const ingredients::Noise& noise, double P) {
  if (problem.method != Method::adam || !(problem.floor > 0)) return 0;
  if (!(P + noise.variance() > 0)) return 0;  // without gradients no step is made
  double least = infinity;
  for (const double variance : problem.covariance.diagonal_entries())
    if (variance > 0) least = std::min(least, variance);
  return problem.floor / std::sqrt(least * (P + noise.variance()) / problem.batch);
}

OptimalThreshold optimal_threshold(const ingredients::Noise& noise, double P, Method method) {
  const auto cut = [&](double h) {
    return method == Method::reject ? residual_coefficients(*rejection_nonlinearity(h), noise, P)
                                    : clipped(noise, P, h);
  };
  // By log h over the width of w.
  const double center = std::log(P) / 2;
  const auto progress = [&](double x) {
    const ResidualCoefficients r = cut(std::exp(center + x));
    return r.mu > 0 ? r.mu / r.q * r.mu : 0;  // rejection may pull away from the optimum, or leave nothing
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
  // density p, dmu/dh = 2 p(h) and dq/dh = 2 h (1 - mu); of rejection -2 h p'(h) and 2 h^2 p(h).
  const auto rise = [&](double x) {
    const double h = std::exp(center + x);
    const ResidualCoefficients r = cut(h);
    const ingredients::DensitySlope p = residual_density(noise, P, h);
    if (method == Method::reject) return -2 * (r.q / h) * p.slope - r.mu * p.value;
    return 2 * (r.q / h) * p.value - r.mu * (1 - r.mu);
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
  if (rule == "optimal") return optimal_threshold(noise, P, method).threshold;
  const bool of_gradients = method == Method::clip || method == Method::mean_clip;
  return of_gradients ? threshold / std::sqrt(trace) : threshold;
}

double threshold_at_risk(const NonlinearProblem& problem, const ingredients::Noise& noise, double P) {
  return threshold_at_risk(problem.method, problem.threshold_rule, problem.threshold, problem.covariance.trace(), noise,
                           P);
}

double residual_information(const ingredients::Noise& noise, double P) {
  // In units of sqrt P, J P = int p'^2/p dx; the law is symmetric: twice the positive half.
  const double unit = std::sqrt(P);
  std::vector<Panel> panels;
  // Panels from `place` on in direction `sign` to `length`, widening from the width of the sharpest feature on; without an
  // end out to where nothing is left.
  double sum = 0;
  const auto extend = [&](double place, double sign, double length) {
    const Function integrand = [&noise, unit, place, sign](double x) {
      const ingredients::DensitySlope p = noise.blurred_density(unit, place, sign * x * unit);
      return p.value > 0 ? p.slope * unit / p.value * (p.slope * unit) * unit : 0.0;
    };
    double from = 0;
    for (double step = narrowest; from < length; step *= 1.5) {
      panels.emplace_back(integrand, from, std::min(from + step, length));
      sum += panels.back().value;
      from += step;
      const bool negligible = panels.back().value <= 1e-15 * sum && step > (place / unit + from) / 8;
      if (std::isinf(length) && ((step > 10 * narrowest && negligible) || from * unit > 1e152)) break;
    }
  };
  std::vector<double> places{0};
  for (const double size : noise.sizes()) places.push_back(size);
  std::ranges::sort(places);
  for (std::size_t i = 0; i + 1 < places.size(); ++i) {
    const double half = (places[i + 1] - places[i]) / 2 / unit;
    extend(places[i], 1, half);
    extend(places[i + 1], -1, half);
  }
  extend(places.back(), 1, infinity);
  double refined = 0;
  for (const Panel& panel : panels) refined += panel.refined(1e-13 * sum, 8);
  return 2 * refined / P;
}

double oracle_nonlinearity(const ingredients::Noise& noise, double P, double r) {
  const ingredients::DensitySlope p = residual_density(noise, P, r);
  return -P * p.slope / p.value;
}

double noise_compression(const ingredients::Noise& noise, double P) {
  const double phi = sign_phi(noise, P);
  return pi * pi / 4 * phi * phi * (P + noise.variance()) / P;
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
