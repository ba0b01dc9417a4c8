#include "solvers/contour.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <stdexcept>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/contour.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "numerics/roots.hpp"

HWY_BEFORE_NAMESPACE();
namespace edgewise::solvers {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out = (Re f, Im f, Re g, Im g) with f = sum a_i / (z + decay_i), g = sum b_i / (z + decay_i), z = x + iy.
HWY_NOINLINE void two_sums(const double* decay, const double* a, const double* b, std::size_t padded, double x,
                           double y, double* out) {
  using Tag = hn::CappedTag<double, 8>;
  const Tag d;
  const std::size_t lanes = hn::Lanes(d);
  const auto vx = hn::Set(d, x), vyy = hn::Set(d, y * y);
  HWY_ALIGN double partial[4][8] = {};
  for (std::size_t lane = 0; lane < 8; lane += lanes) {
    auto fr = hn::Zero(d), fi = hn::Zero(d), gr = hn::Zero(d), gi = hn::Zero(d);
    for (std::size_t i = lane; i < padded; i += 8) {
      const auto re = hn::Add(vx, hn::LoadU(d, decay + i));
      const auto inverse = hn::Div(hn::Set(d, 1.0), hn::Add(hn::Mul(re, re), vyy));
      const auto scaled = hn::Mul(re, inverse);
      const auto ai = hn::LoadU(d, a + i), bi = hn::LoadU(d, b + i);
      fr = hn::Add(fr, hn::Mul(ai, scaled));
      fi = hn::Add(fi, hn::Mul(ai, inverse));
      gr = hn::Add(gr, hn::Mul(bi, scaled));
      gi = hn::Add(gi, hn::Mul(bi, inverse));
    }
    hn::Store(fr, d, partial[0] + lane);
    hn::Store(fi, d, partial[1] + lane);
    hn::Store(gr, d, partial[2] + lane);
    hn::Store(gi, d, partial[3] + lane);
  }
  for (int k = 0; k < 4; ++k) {
    const double* p = partial[k];
    out[k] = ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));
  }
  out[1] *= -y;
  out[3] *= -y;
}

}  // namespace HWY_NAMESPACE
}  // namespace edgewise::solvers
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::solvers {

HWY_EXPORT(two_sums);

namespace {

using Complex = std::complex<double>;

// Weideman & Trefethen's optimal hyperbola s = mu (1 + sin(iu - angle)), N nodes in the upper half plane.
constexpr double angle = 1.172104229;
constexpr double step_times_N = 1.081792140;
constexpr double mu_t_over_N = 4.492075287;
constexpr double convergence = 10.13;  // the error falls as this to the power -N

std::vector<double> padded(const std::vector<double>& values, double with) {
  std::vector<double> result = values;
  result.resize((values.size() + 7) / 8 * 8, with);
  return result;
}

std::vector<double> product(std::span<const double> a, std::span<const double> b) {
  std::vector<double> result((a.size() + 7) / 8 * 8, 0.0);
  for (std::size_t i = 0; i < a.size(); ++i) result[i] = a[i] * b[i];
  return result;
}

// expm1 for complex arguments without cancellation near 0.
Complex expm1(Complex s) {
  const double half = std::sin(s.imag() / 2);
  return {std::expm1(s.real()) * std::cos(s.imag()) - 2 * half * half, std::exp(s.real()) * std::sin(s.imag())};
}

}  // namespace

double leading_shift(std::span<const double> decay, std::span<const double> input, std::span<const double> weight) {
  double lowest = std::numeric_limits<double>::infinity(), strength = 0;
  for (std::size_t i = 0; i < decay.size(); ++i)
    if (input[i] * weight[i] > 0) {
      lowest = std::min(lowest, decay[i]);
      strength += input[i] * weight[i];
    }
  if (strength == 0) return 0;
  // In log x the equation is monotone; the root lies between the pull of the slowest mode alone and that of all.
  double slowest = 0;
  for (std::size_t i = 0; i < decay.size(); ++i)
    if (decay[i] == lowest) slowest += input[i] * weight[i];
  const auto excess = [&](double log_x) {
    const double x = std::exp(log_x);
    double total = 0;
    for (std::size_t i = 0; i < decay.size(); ++i)
      if (input[i] * weight[i] > 0) total += input[i] * weight[i] / (x + (decay[i] - lowest));
    return std::log(total);
  };
  const double low = std::log(slowest) - 1e-9, high = std::log(strength) + 1e-9;
  const double at_low = excess(low), at_high = excess(high);
  if (at_low <= 0) return std::exp(low);
  if (at_high >= 0) return std::exp(high);
  return std::exp(numerics::root(excess, low, high, at_low, at_high));
}

ContourNode contour_node(RankOneSystem::Kind kind, std::size_t j, std::size_t nodes, double t, double shift) {
  const double N = static_cast<double>(nodes), h = step_times_N / N, mu = mu_t_over_N * N / t;
  const double u = (static_cast<double>(j) + 0.5) * h;
  const Complex sine = {-std::sin(angle) * std::cosh(u), std::cos(angle) * std::sinh(u)};   // sin(iu - angle)
  const Complex cosine = {std::cos(angle) * std::cosh(u), std::sin(angle) * std::sinh(u)};  // cos(iu - angle)
  const Complex local = mu * (1.0 + sine), slope = Complex(0, mu) * cosine, s = local + shift;
  ContourNode node{s, h / std::numbers::pi * slope * std::exp(local * t)};
  if (kind == RankOneSystem::Kind::map) {
    node.z = expm1(s);
    node.factor *= 1.0 + node.z;  // dz = e^s ds
  }
  return node;
}

std::size_t contour_nodes(double digits) {
  return static_cast<std::size_t>(std::ceil(digits / std::log10(convergence)));
}

Contour::Contour(RankOneSystem system, double rtol) : system_(std::move(system)), size_(system_.decay.size()) {
  if (size_ == 0 || system_.input.size() != size_ || system_.weight.size() != size_ || system_.initial.size() != size_)
    throw std::invalid_argument("contour: decay, input, weight and initial must have one entry per mode");
  for (std::size_t i = 0; i < size_; ++i)
    if (!std::isfinite(system_.decay[i]) || !(system_.input[i] >= 0) || !(system_.weight[i] >= 0) ||
        (system_.kind == RankOneSystem::Kind::map && system_.decay[i] > largest_map_decay))
      throw std::invalid_argument("contour: input and weight must not be negative, nor a map's factor well below 0");
  nodes_ = contour_nodes(3 - std::log10(std::clamp(rtol, 1e-12, 1e-2)));
  padded_decay_ = padded(system_.decay, 1.0);
  initial_products_ = product(system_.weight, system_.initial);
  input_products_ = product(system_.weight, system_.input);
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < size_; ++i)
    if (system_.input[i] * system_.weight[i] > 0 || system_.initial[i] != 0)
      lowest = std::min(lowest, system_.decay[i]);
  double coupled_lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < size_; ++i)
    if (system_.input[i] * system_.weight[i] > 0) coupled_lowest = std::min(coupled_lowest, system_.decay[i]);
  if (!std::isfinite(lowest)) lowest = system_.decay[0];
  double leading = -lowest;
  if (std::isfinite(coupled_lowest))
    leading = std::max(leading, leading_shift(system_.decay, system_.input, system_.weight) - coupled_lowest);
  growth_ = system_.kind == RankOneSystem::Kind::map ? std::log1p(leading) : leading;
}

double Contour::earliest() const {
  // Below this the nodes of the hyperbola would leave the strip |Im s| < pi in which e^s is one to one.
  return system_.kind == RankOneSystem::Kind::flow ? 0 : std::ceil(2.0 * static_cast<double>(nodes_)) + 2;
}

double Contour::shift() const {
  return system_.source != 0 ? std::max(0.0, growth_) : growth_;
}

double Contour::shared(double t) const {
  double p = 0;
  functionals(t, {}, std::span(&p, 1));
  return p;
}

void Contour::functionals(double t, std::span<const std::vector<double>> rows, std::span<double> out) const {
  const double at = shift();
  std::fill(out.begin(), out.end(), 0.0);
  std::vector<std::vector<double>> row_initial, row_input;
  for (const auto& row : rows) {
    row_initial.push_back(product(row, system_.initial));
    row_input.push_back(product(row, system_.input));
  }
  const auto sums = HWY_DYNAMIC_DISPATCH(two_sums);
  double magnitude = 0;
  for (std::size_t j = 0; j < nodes_; ++j) {
    const ContourNode node = contour_node(system_.kind, j, nodes_, t, at);
    double s[4];
    sums(padded_decay_.data(), initial_products_.data(), input_products_.data(), padded_decay_.size(), node.z.real(),
         node.z.imag(), s);
    ++evaluations_;
    const Complex f(s[0], s[1]), g(s[2], s[3]), constant = 1.0 / node.z;  // transform of the constant 1
    const Complex p = (f + g * system_.source * constant) / (1.0 - g);
    out[0] += (node.factor * p).imag();
    magnitude += std::abs(node.factor * p);
    const Complex drive = p + system_.source * constant;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      sums(padded_decay_.data(), row_initial[r].data(), row_input[r].data(), padded_decay_.size(), node.z.real(),
           node.z.imag(), s);
      out[r + 1] += (node.factor * (Complex(s[0], s[1]) + Complex(s[2], s[3]) * drive)).imag();
    }
  }
  const double per_term =
      std::max(std::pow(convergence, -static_cast<double>(nodes_)), std::numeric_limits<double>::epsilon());
  if (out[0] != 0) error_estimate_ = std::max(error_estimate_, per_term * magnitude / std::abs(out[0]));
  for (double& value : out) value *= std::exp(at * t);
}

void Contour::state(double t, std::span<double> s) const {
  const double at = shift();
  std::fill(s.begin(), s.end(), 0.0);
  for (std::size_t j = 0; j < nodes_; ++j) {
    const ContourNode node = contour_node(system_.kind, j, nodes_, t, at);
    double sums[4];
    HWY_DYNAMIC_DISPATCH(two_sums)
    (padded_decay_.data(), initial_products_.data(), input_products_.data(), padded_decay_.size(), node.z.real(),
     node.z.imag(), sums);
    ++evaluations_;
    const Complex f(sums[0], sums[1]), g(sums[2], sums[3]), constant = 1.0 / node.z;
    const Complex drive = (f + g * system_.source * constant) / (1.0 - g) + system_.source * constant;
    const Complex scaled = node.factor * drive;
    const double y = node.z.imag();
    for (std::size_t i = 0; i < size_; ++i) {
      const double re = node.z.real() + system_.decay[i], inverse = 1 / (re * re + y * y);
      const double numerator_re = node.factor.real() * system_.initial[i] + scaled.real() * system_.input[i];
      const double numerator_im = node.factor.imag() * system_.initial[i] + scaled.imag() * system_.input[i];
      s[i] += (numerator_im * re - numerator_re * y) * inverse;
    }
  }
  const double growth = std::exp(at * t);
  for (double& value : s) value *= growth;
}

}  // namespace edgewise::solvers
#endif
