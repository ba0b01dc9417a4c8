#include "models/least_squares/additive_noise.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "numerics/roots.hpp"

namespace edgewise::models::least_squares {

namespace {

// Panels of equal width in log s from where K is K(0) to where the slowest mode is gone.
constexpr double from_fastest = 1e-8, beyond_slowest = 400, panel_width = 0.5;
constexpr unsigned gauss_points = 10;
using GaussRule = boost::math::quadrature::gauss<double, gauss_points>;

/// Nodes on [-1, 1] and weights, in order.
const std::vector<std::pair<double, double>>& rule() {
  static const std::vector<std::pair<double, double>> all = [] {
    std::vector<std::pair<double, double>> out;
    for (std::size_t i = 0; i < GaussRule::abscissa().size(); ++i) {
      out.emplace_back(GaussRule::abscissa()[i], GaussRule::weights()[i]);
      out.emplace_back(-GaussRule::abscissa()[i], GaussRule::weights()[i]);
    }
    std::ranges::sort(out);
    return out;
  }();
  return all;
}

}  // namespace

AdditiveNoise::AdditiveNoise(std::vector<double> eigenvalue, std::vector<double> multiplicity,
                             std::vector<double> power, double noise)
    : eigenvalue_(std::move(eigenvalue)),
      multiplicity_(std::move(multiplicity)),
      power_(std::move(power)),
      noise_(noise) {
  const auto [slowest, fastest] = std::ranges::minmax_element(eigenvalue_);
  first_ = std::log(from_fastest / *fastest);
  const double count = std::ceil((std::log(beyond_slowest / *slowest) - first_) / panel_width);
  for (double panel = 0; panel < count; ++panel)
    for (const auto& node : rule())
      node_K_.push_back(K(std::exp(first_ + (panel + 0.5 * (1 + node.first)) * panel_width)));
}

double AdditiveNoise::K(double s) const {
  double sum = 0;
  for (std::size_t i = 0; i < eigenvalue_.size(); ++i)
    sum += multiplicity_[i] * eigenvalue_[i] * eigenvalue_[i] * std::exp(-2 * eigenvalue_[i] * s);
  return sum;
}

double AdditiveNoise::F(double tau) const {
  double sum = 0;
  for (std::size_t i = 0; i < eigenvalue_.size(); ++i)
    sum += eigenvalue_[i] * power_[i] * std::exp(-2 * eigenvalue_[i] * tau);
  return sum;
}

double AdditiveNoise::slope_of_F(double tau) const {
  double sum = 0;
  for (std::size_t i = 0; i < eigenvalue_.size(); ++i)
    sum -= 2 * eigenvalue_[i] * eigenvalue_[i] * power_[i] * std::exp(-2 * eigenvalue_[i] * tau);
  return sum;
}

AdditiveNoise::Function AdditiveNoise::integral(Weight weight, double first) const {
  std::vector<double> at_ends{first};
  for (std::size_t panel = 0; panel * gauss_points < node_K_.size(); ++panel) {
    double sum = 0;
    for (std::size_t i = 0; i < gauss_points; ++i) {
      const double s = std::exp(first_ + (static_cast<double>(panel) + 0.5 * (1 + rule()[i].first)) * panel_width);
      sum += rule()[i].second * s * weight(s, node_K_[panel * gauss_points + i]);
    }
    at_ends.push_back(at_ends.back() + 0.5 * panel_width * sum);
  }
  return [this, weight = std::move(weight), at_ends = std::move(at_ends)](double s) {
    const double y = std::log(s), place = (y - first_) / panel_width;
    if (place <= 0) return at_ends.front() * s / std::exp(first_);
    const std::size_t panel = std::min(static_cast<std::size_t>(place), at_ends.size() - 2);
    const double start = first_ + static_cast<double>(panel) * panel_width, width = y - start;
    double sum = 0;
    for (const auto& node : rule()) {
      const double at = std::exp(start + 0.5 * (1 + node.first) * width);
      sum += node.second * at * weight(at, K(at));
    }
    return at_ends[panel] + 0.5 * width * sum;
  };
}

AdditiveNoise::Function AdditiveNoise::integral_of_root() const {
  return integral([](double, double k) { return std::sqrt(k); }, std::sqrt(K(0)) * std::exp(first_));
}

double AdditiveNoise::crossing(const Function& slope) const {
  double before = first_;
  const double last = first_ + panel_width * static_cast<double>(node_K_.size() / gauss_points);
  for (double y = first_ + panel_width; y <= last; before = y, y += panel_width)
    if (slope(std::exp(y)) > 0) {
      if (!(slope(std::exp(before)) < 0)) break;
      return std::exp(numerics::root([&](double x) { return slope(std::exp(x)); }, before, y));
    }
  throw std::domain_error("no length of the run is best under additive noise");
}

AdditiveNoise::Optimum AdditiveNoise::optimum(double T) const {
  const Function I = integral_of_root();
  Optimum out;
  out.tau = crossing([&](double tau) { return slope_of_F(tau) + 2 * noise_ / T * std::sqrt(K(tau)) * I(tau); });
  out.integral = I(out.tau);
  out.loss = F(out.tau) + noise_ / T * out.integral * out.integral;
  out.first = out.integral / T / std::sqrt(K(out.tau));
  out.last = out.integral / T / std::sqrt(K(0));
  out.exponent = noise_ / T * out.integral * out.integral / out.loss;
  return out;
}

AdditiveNoise::Optimum AdditiveNoise::optimum(double T, double cap) const {
  const Optimum free = optimum(T);
  if (!(free.first > cap)) return free;
  // The cap holds while more than c of the intrinsic time is left: cap = sqrt(nu/K(c)), and T is I(c)/(cap sqrt K(c)) at the
  // end and (tau - c)/cap before. Stationary where F'(tau) + noise cap (K(tau) + K(c)) = 0, nu being dP/dT over -noise.
  const double s0 = std::exp(first_);
  const Function I = integral_of_root(), of_K = integral([](double, double k) { return k; }, K(0) * s0);
  const auto tau_of = [&](double c) { return c + cap * T - I(c) / std::sqrt(K(c)); };
  const auto slope = [&](double c) { return slope_of_F(tau_of(c)) + noise_ * cap * (K(tau_of(c)) + K(c)); };
  // Up to the c at which no time is left for the cap.
  const double end =
      std::exp(numerics::root([&](double y) { return tau_of(std::exp(y)) - std::exp(y); }, first_, std::log(free.tau)));
  double c = 0;
  if (slope(s0) > 0)
    c = slope(end) < 0 ? std::exp(numerics::root([&](double y) { return slope(std::exp(y)); }, first_, std::log(end)))
                       : end;
  Optimum out;
  out.tau = c > 0 ? tau_of(c) : cap * T;
  out.integral = c > 0 ? I(c) : 0;
  const double nu = cap * cap * K(c), after = c > 0 ? of_K(c) : 0;
  out.loss = F(out.tau) + noise_ * (std::sqrt(nu) * out.integral + cap * (of_K(out.tau) - after));
  out.first = cap;
  out.last = std::sqrt(nu / K(0));
  out.capped = (out.tau - c) / (cap * T);
  // With all of the time at the cap more of it is more of that: dP/dT = cap (F'(tau) + noise cap K(tau)).
  out.exponent = T / out.loss * (c > 0 ? noise_ * nu : -cap * (slope_of_F(out.tau) + noise_ * cap * K(out.tau)));
  return out;
}

double AdditiveNoise::rate(const Optimum& optimum, double T, double t) const {
  const Function I = integral_of_root();
  const double wanted = (T - t) / T * optimum.integral;
  double s = 0;
  if (wanted > 0) {
    const double low = std::log(std::min(wanted / std::sqrt(K(0)), optimum.tau)) - 1, high = std::log(optimum.tau);
    s = wanted >= optimum.integral
            ? optimum.tau
            : std::exp(numerics::root([&](double y) { return I(std::exp(y)) - wanted; }, low, high));
  }
  return optimum.integral / T / std::sqrt(K(s));
}

double AdditiveNoise::polynomial(double T, double p) const {
  // eta(s) = (p+1) tau/T (s/tau)^a, a = p/(p+1): the noise is (p+1) tau^(1-a)/T int_0^tau s^a K ds.
  const double a = p / (p + 1), s0 = std::exp(first_);
  const Function I =
      integral([a](double s, double k) { return std::pow(s, a) * k; }, K(0) * std::pow(s0, 1 + a) / (1 + a));
  const double tau = crossing(
      [&](double at) { return slope_of_F(at) + noise_ / T * (std::pow(at, -a) * I(at) + (p + 1) * at * K(at)); });
  return F(tau) + noise_ * (p + 1) * std::pow(tau, 1 - a) / T * I(tau);
}

}  // namespace edgewise::models::least_squares
