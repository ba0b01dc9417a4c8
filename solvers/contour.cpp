#include "solvers/contour.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "solvers/rank_one_modes.hpp"

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
  std::vector<double> result(a.begin(), a.end());
  for (std::size_t i = 0; i < a.size(); ++i) result[i] *= b[i];
  return padded(result, 0.0);
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

namespace {

/// 1 - delta of the leading eigenvalue of a map, -delta of a flow's: of the modes that move p, or of those that start.
double leading_of(const RankOneSystem& s) {
  double lowest = std::numeric_limits<double>::infinity(), coupled_lowest = lowest;
  for (std::size_t i = 0; i < s.decay.size(); ++i) {
    const bool couples = s.input[i] * s.weight[i] > 0;
    if (couples || s.initial[i] != 0) lowest = std::min(lowest, s.decay[i]);
    if (couples) coupled_lowest = std::min(coupled_lowest, s.decay[i]);
  }
  if (!std::isfinite(lowest)) lowest = s.decay[0];
  double leading = -lowest;
  if (std::isfinite(coupled_lowest))
    leading = std::max(leading, leading_shift(s.decay, s.input, s.weight) - coupled_lowest);
  return leading;
}

bool couples(const RankOneSystem& s) {
  return std::any_of(s.input.begin(), s.input.end(), [](double x) { return x > 0; });
}

// More modes than this are not worth the eigenvalues, whose cost is quadratic.
constexpr std::size_t most_modes = 3000;
// Nor is an error that is not many times the one asked for.
constexpr double worth_eigenvalues = 1e3;

}  // namespace

bool invertible(const RankOneSystem& system) {
  if (system.kind == RankOneSystem::Kind::flow || !couples(system)) return true;
  const double fastest = *std::max_element(system.decay.begin(), system.decay.end());
  return fastest <= largest_map_decay && 1 + leading_of(system) > 2 * std::max(0.0, fastest - 1);
}

Contour::~Contour() = default;
Contour::Contour(Contour&&) noexcept = default;
Contour& Contour::operator=(Contour&&) noexcept = default;

Contour::Contour(RankOneSystem system, double rtol)
    : system_(std::move(system)), size_(system_.decay.size()), rtol_(rtol) {
  if (size_ == 0 || system_.input.size() != size_ || system_.weight.size() != size_ || system_.initial.size() != size_)
    throw std::invalid_argument("contour: decay, input, weight and initial must have one entry per mode");
  for (std::size_t i = 0; i < size_; ++i)
    if (!std::isfinite(system_.decay[i]) || !(system_.input[i] >= 0) || !(system_.weight[i] >= 0))
      throw std::invalid_argument("contour: decays must be finite, input and weight not negative");
  if (!invertible(system_)) throw std::invalid_argument("contour: a map's factors must not be well below 0");
  nodes_ = contour_nodes(3 - std::log10(std::clamp(rtol, 1e-12, 1e-2)));
  coupled_ = couples(system_);
  padded_decay_ = padded(system_.decay, 1.0);
  initial_products_ = product(system_.weight, system_.initial);
  input_products_ = product(system_.weight, system_.input);
  const double leading = leading_of(system_);
  growth_ = system_.kind == RankOneSystem::Kind::map ? std::log1p(leading) : leading;
}

double Contour::earliest() const {
  // Below this the nodes of the hyperbola would leave the strip |Im s| < pi in which e^s is one to one.
  const bool iterated = system_.kind == RankOneSystem::Kind::map && coupled_;
  return iterated ? std::ceil(2.0 * static_cast<double>(nodes_)) + 2 : 0;
}

std::vector<Contour::Part> Contour::parts() const {
  if (system_.source == 0) return {{growth_, 0, true}};
  if (growth_ >= 0) return {{growth_, system_.source, true}};
  return {{growth_, 0, true}, {0, system_.source, false}};
}

const RankOneModes* Contour::modes() const {
  if (!modes_ && size_ <= most_modes) modes_ = std::make_unique<RankOneModes>(system_);
  return modes_.get();
}

double Contour::shared(double t) const {
  double p = 0;
  functionals(t, {}, std::span(&p, 1));
  return p;
}

double Contour::functionals(double t, std::span<const std::vector<double>> rows, std::span<double> out) const {
  std::fill(out.begin(), out.end(), 0.0);
  if (!coupled_) {
    for (std::size_t i = 0; i < size_; ++i) {
      const double s = system_.initial[i] == 0 ? 0 : system_.initial[i] * power_of(system_.kind, system_.decay[i], t);
      out[0] += system_.weight[i] * s;
      for (std::size_t r = 0; r < rows.size(); ++r) out[r + 1] += rows[r][i] * s;
    }
    return 0;
  }
  double error = 0;
  std::vector<double> part_of(out.size());
  for (const Part& part : parts()) {
    std::fill(part_of.begin(), part_of.end(), 0.0);
    double part_error = add(part, t, rows, part_of);
    if (part.source == 0 && part_error > worth_eigenvalues * rtol_ * std::abs(part_of[0]) && modes()) {
      std::vector<double> by_modes(out.size());
      const double relative = modes()->functionals(t, rows, by_modes);
      if (relative * std::abs(by_modes[0]) < part_error) {
        part_of = by_modes;
        part_error = relative * std::abs(by_modes[0]);
      }
    }
    error += part_error;
    for (std::size_t r = 0; r < out.size(); ++r) out[r] += part_of[r];
  }
  const double relative = error == 0 ? 0 : error / std::abs(out[0]);
  if (out[0] != 0) error_estimate_ = std::max(error_estimate_, relative);
  return relative;
}

double Contour::add(const Part& part, double t, std::span<const std::vector<double>> rows,
                    std::span<double> out) const {
  std::vector<std::vector<double>> row_initial, row_input;
  for (const auto& row : rows) {
    row_initial.push_back(product(row, system_.initial));
    row_input.push_back(product(row, system_.input));
  }
  const auto sums = HWY_DYNAMIC_DISPATCH(two_sums);
  const double start = part.initial ? 1 : 0;
  double magnitude = 0;
  for (std::size_t j = 0; j < nodes_; ++j) {
    const ContourNode node = contour_node(system_.kind, j, nodes_, t, part.shift);
    double s[4];
    sums(padded_decay_.data(), initial_products_.data(), input_products_.data(), padded_decay_.size(), node.z.real(),
         node.z.imag(), s);
    ++evaluations_;
    const Complex f = start * Complex(s[0], s[1]), g(s[2], s[3]), forced = part.source / node.z;
    const Complex p = (f + g * forced) / (1.0 - g);
    out[0] += (node.factor * p).imag();
    magnitude += std::abs(node.factor * p);
    const Complex drive = p + forced;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      sums(padded_decay_.data(), row_initial[r].data(), row_input[r].data(), padded_decay_.size(), node.z.real(),
           node.z.imag(), s);
      out[r + 1] += (node.factor * (start * Complex(s[0], s[1]) + Complex(s[2], s[3]) * drive)).imag();
    }
  }
  const double per_term =
      std::max(std::pow(convergence, -static_cast<double>(nodes_)), std::numeric_limits<double>::epsilon());
  const double growth = std::exp(part.shift * t);
  for (double& value : out) value *= growth;
  return per_term * magnitude * growth;
}

void Contour::state(double t, std::span<double> s) const {
  std::fill(s.begin(), s.end(), 0.0);
  if (!coupled_) {
    for (std::size_t i = 0; i < size_; ++i)
      if (system_.initial[i] != 0) s[i] = system_.initial[i] * power_of(system_.kind, system_.decay[i], t);
    return;
  }
  for (const Part& part : parts()) add_state(part, t, s);
}

void Contour::add_state(const Part& part, double t, std::span<double> s) const {
  std::vector<double> own(size_, 0.0);
  const double start = part.initial ? 1 : 0;
  double p = 0, magnitude = 0;
  for (std::size_t j = 0; j < nodes_; ++j) {
    const ContourNode node = contour_node(system_.kind, j, nodes_, t, part.shift);
    double sums[4];
    HWY_DYNAMIC_DISPATCH(two_sums)
    (padded_decay_.data(), initial_products_.data(), input_products_.data(), padded_decay_.size(), node.z.real(),
     node.z.imag(), sums);
    ++evaluations_;
    const Complex forced = part.source / node.z, g(sums[2], sums[3]);
    const Complex shared = (start * Complex(sums[0], sums[1]) + g * forced) / (1.0 - g);
    p += (node.factor * shared).imag();
    magnitude += std::abs(node.factor * shared);
    const Complex scaled = node.factor * (shared + forced);
    const double y = node.z.imag();
    for (std::size_t i = 0; i < size_; ++i) {
      const double re = node.z.real() + system_.decay[i], inverse = 1 / (re * re + y * y);
      const double numerator_re = start * node.factor.real() * system_.initial[i] + scaled.real() * system_.input[i];
      const double numerator_im = start * node.factor.imag() * system_.initial[i] + scaled.imag() * system_.input[i];
      own[i] += (numerator_im * re - numerator_re * y) * inverse;
    }
  }
  if (part.source == 0 &&
      std::numeric_limits<double>::epsilon() * magnitude > worth_eigenvalues * rtol_ * std::abs(p) && modes()) {
    std::vector<double> by_modes(size_);
    modes()->state(t, by_modes);
    for (std::size_t i = 0; i < size_; ++i) s[i] += by_modes[i];
    return;
  }
  const double growth = std::exp(part.shift * t);
  for (std::size_t i = 0; i < size_; ++i) s[i] += growth * own[i];
}

}  // namespace edgewise::solvers
#endif
