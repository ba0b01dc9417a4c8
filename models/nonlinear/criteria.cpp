#include "models/nonlinear/criteria.hpp"

#include <algorithm>
#include <boost/math/constants/constants.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/tools/minima.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "models/nonlinear/laws.hpp"

namespace edgewise::models::nonlinear {

namespace {

constexpr double pi = boost::math::constants::pi<double>();
constexpr double infinity = std::numeric_limits<double>::infinity();

// A width that holds half of the noise.
double noise_scale(std::span<const ingredients::MixtureNode> nodes) {
  std::vector<std::pair<double, double>> size;
  for (const ingredients::MixtureNode& node : nodes)
    size.emplace_back(std::sqrt(node.variance + node.mean * node.mean), node.probability);
  std::sort(size.begin(), size.end());
  double total = 0;
  for (const auto& [scale, probability] : size)
    if ((total += probability) >= 0.5) return scale;
  return size.back().first;
}

ResidualCoefficients clipped(std::span<const ingredients::MixtureNode> nodes, double P, double h) {
  const auto chi = huber_nonlinearity(h);
  ResidualCoefficients out;
  for (const ingredients::MixtureNode& node : nodes) {
    const ResidualCoefficients one = chi->gaussian(-node.mean, P + node.variance);
    out.mu += node.probability * one.mu;
    out.q += node.probability * one.q;
  }
  return out;
}

}  // namespace

OptimalThreshold optimal_threshold(const ingredients::Noise& noise, double P) {
  const std::vector<ingredients::MixtureNode> nodes = noise.nodes(std::sqrt(P));
  const auto progress = [&](double log_h) {
    const ResidualCoefficients r = clipped(nodes, P, std::exp(log_h));
    return r.mu * r.mu / r.q;
  };
  const double center = std::log(P) / 2;
  const double last = std::max(center, std::log(std::max(noise_scale(nodes), 1e-150))) + 5;
  double best = center - 7, most = 0;
  for (double x = center - 7; x <= last; x += 0.1)
    if (const double value = progress(x); value > most) {
      most = value;
      best = x;
    }
  const double plain = 1 / (P + noise.variance());  // h = inf
  const auto found =
      boost::math::tools::brent_find_minima([&](double x) { return -progress(x); }, best - 0.1, best + 0.1, 50);
  if (plain >= -found.second * (1 - 1e-12)) return {infinity, plain};
  return {std::exp(found.first), -found.second};
}

double clipping_gain(const ingredients::Noise& noise, double P) {
  return optimal_threshold(noise, P).progress * (P + noise.variance());
}

double learning_rate_gain(const ingredients::Noise& noise, double P, double h) {
  const ResidualCoefficients r = clipped(noise.nodes(std::sqrt(P)), P, h);
  return r.mu * (P + noise.variance()) / r.q;
}

double residual_quantile(const ingredients::Noise& noise, double P, double probability) {
  if (!(probability > 0 && probability < 1)) throw std::invalid_argument("a quantile needs 0 < probability < 1");
  const std::vector<ingredients::MixtureNode> nodes = noise.nodes(std::sqrt(P));
  const auto excess = [&](double log_h) { return clipped(nodes, P, std::exp(log_h)).mu - probability; };
  double low = std::log(P) / 2, high = low;
  while (excess(low) > 0) low -= 1;
  while (excess(high) < 0) high += 1;
  if (low == high) return std::exp(low);
  std::uintmax_t iterations = 100;
  const auto bracket =
      boost::math::tools::toms748_solve(excess, low, high, boost::math::tools::eps_tolerance<double>(48), iterations);
  return std::exp((bracket.first + bracket.second) / 2);
}

double threshold_at_risk(const std::string& method, const std::string& rule, double threshold, double trace,
                         const ingredients::Noise& noise, double P) {
  if (rule == "sqrt-risk") return threshold * std::sqrt(P);
  if (rule == "quantile") return residual_quantile(noise, P, threshold);
  if (rule == "optimal") return optimal_threshold(noise, P).threshold;
  return method == "clip" ? threshold / std::sqrt(trace) : threshold;
}

double residual_information(const ingredients::Noise& noise, double P) {
  const std::vector<ingredients::MixtureNode> nodes = noise.nodes(std::sqrt(P));
  const auto integrand = [&](double r) {
    const ResidualDensity p = residual_density(nodes, P, r);
    return p.value > 0 ? p.slope / p.value * p.slope : 0.0;
  };
  // The law is symmetric: twice the positive half. Panels of the width of the sharpest feature around every mean,
  // then doubling panels out to where nothing is left.
  double reach = 0;
  for (const ingredients::MixtureNode& node : nodes) reach = std::max(reach, std::abs(node.mean));
  const double width = 2 * std::sqrt(P);
  using Rule = boost::math::quadrature::gauss_kronrod<double, 31>;
  double sum = 0, left = 0, step = width;
  while (true) {
    if (left > reach + 20 * width) step *= 1.5;
    double near = left + step;
    if (left < reach && nodes.size() < 4) {
      // Between far atoms nothing happens: jump to the next one.
      const double gap = reach - 20 * width - left;
      if (left > 20 * width && gap > 0) near = left + gap;
    }
    const double part = Rule::integrate(integrand, left, near, 8, 1e-12);
    sum += part;
    left = near;
    if (left > reach + 20 * width && part < 1e-15 * sum) break;
    if (left > 1e150) break;
  }
  return 2 * sum;
}

double oracle_nonlinearity(const ingredients::Noise& noise, double P, double r) {
  const ResidualDensity p = residual_density(noise.nodes(std::sqrt(P)), P, r);
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

double exact_sign_drift(double batch, double rho) {
  const boost::math::students_t law(batch);
  return 2 * boost::math::cdf(law, std::sqrt(batch) * rho / std::sqrt(1 - rho * rho)) - 1;
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
