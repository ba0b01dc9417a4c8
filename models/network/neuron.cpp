#include "models/network/neuron.hpp"

#include <algorithm>
#include <boost/math/differentiation/autodiff.hpp>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/ingredients/networks/activations.hpp"
#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;

/// E phi(u) phi(v) for (u, v) Gaussian of variances q and t and covariance r, area = q t - r^2. Angles are arctangents, which
/// lose no digits where u and v are next to parallel and long.
template <class A, class B, class C>
auto mean_product(NeuronKind kind, double beta, const A& q, const B& r, double t, const C& area) {
  using std::atan;
  using std::sqrt;
  if (kind == NeuronKind::erf) return (2 / pi) * atan(r / sqrt(1 + q + t + area));
  const double b2 = beta * beta;
  const auto along = 1 + b2 * q;
  const auto across = 1 + b2 * t;
  const auto root = sqrt(1 + b2 * (q + t) + b2 * b2 * area);
  const auto both = 0.25 + atan(b2 * r / root) / (2 * pi);
  return r * both + b2 / (2 * pi) * (area + r * r / along + r * r / across) / root;
}

/// E phi(u)^2.
template <class A>
auto mean_square(NeuronKind kind, double beta, const A& q) {
  using std::atan;
  using std::sqrt;
  if (kind == NeuronKind::erf) return (2 / pi) * atan(q / sqrt(1 + 2 * q));
  const auto a = beta * beta * q;
  return q * (0.25 + atan(a / sqrt(1 + 2 * a)) / (2 * pi)) + q * a / (pi * (1 + a) * sqrt(1 + 2 * a));
}

/// E phi'(u)^2.
template <class A>
auto mean_square_slope(NeuronKind kind, double beta, const A& q) {
  using std::atan;
  using std::sqrt;
  if (kind == NeuronKind::erf) return (2 / pi) / sqrt(1 + 2 * q);
  const auto a = beta * beta * q;
  const auto root = sqrt(1 + 2 * a);
  return 0.25 + atan(a / root) / (2 * pi) + a / (pi * (1 + a) * root) + a / (2 * pi * root * root * root);
}

}  // namespace

NeuronLoss::NeuronLoss(NeuronKind kind, std::vector<double> teacher, double beta)
    : kind_(kind), teacher_(std::move(teacher)), beta_(beta), t_(numerics::squared_norm_in_order(teacher_)) {
  if (!(t_ > 0)) throw std::invalid_argument("the teacher must not be 0");
  if (!(beta > 0)) throw std::invalid_argument("beta must be positive");
}

double NeuronLoss::move_to(std::span<const double> w) {
  namespace autodiff = boost::math::differentiation;
  if (w.size() != teacher_.size()) throw std::invalid_argument("neuron and teacher differ in length");
  w_.assign(w.begin(), w.end());
  q_ = numerics::squared_norm_in_order(w_);
  r_ = numerics::dot_in_order(w_, teacher_);
  across_ = teacher_;
  if (q_ > 0)
    for (std::size_t i = 0; i < w_.size(); ++i) across_[i] -= r_ / q_ * w_[i];
  // Along w* nothing is across but rounding.
  if (numerics::squared_norm_in_order(across_) <= 1e-30 * static_cast<double>(w_.size()) * t_)
    std::ranges::fill(across_, 0.0);
  if (is_relu()) return move_relu();
  set_neglected();
  const auto variables = autodiff::make_ftuple<double, 1, 1>(q_, r_);
  const auto& q = std::get<0>(variables);
  const auto& r = std::get<1>(variables);
  const auto cancelling = q * t_ - r * r;
  const auto area = cancelling + (q_ * numerics::squared_norm_in_order(across_) - cancelling.derivative(0, 0));
  const auto own = 0.5 * mean_square(kind_, beta_, q);
  const double of_teacher = 0.5 * mean_square(kind_, beta_, t_);
  const auto loss = own - mean_product(kind_, beta_, q, r, t_, area) + of_teacher;
  size_ = own.derivative(0) + of_teacher;
  lq_ = loss.derivative(1, 0);
  lr_ = loss.derivative(0, 1);
  const auto slope = mean_square_slope(kind_, beta_, autodiff::make_fvar<double, 1>(q_));
  a_ = slope.derivative(0);
  aq_ = slope.derivative(1);
  return std::max(loss.derivative(0, 0), 0.0);
}

/// With u = |w| x, v = w*.x, F = (phi(u) - phi(v)) phi''(u) and s = |across|. phi'' is a normal density of b u times a polynomial:
/// F is averaged over the law that this density makes of (x, v), of variances m and t' and covariance rho, and what has
/// phi'(v) or phi''(v) over that which the density of b v makes of it in turn, m'', t'' and rho''. No part is the difference
/// of larger ones, however sharp phi is.
void NeuronLoss::set_neglected() {
  const double length = std::sqrt(q_), along = q_ > 0 ? r_ / length : 0,
               square = numerics::squared_norm_in_order(across_);
  const double b = kind_ == NeuronKind::erf ? 1 : beta_, b2 = b * b, g = b2 * q_, m = 1 / (1 + g), rho = along * m,
               t = (t_ + g * square) * m;
  const double of_u = 1 / std::sqrt(2 * pi * (1 + g * m)), of_v = 1 / std::sqrt(2 * pi * (1 + b2 * t)),
               weight = std::sqrt(m / (2 * pi));
  const double mu = m / (1 + g * m);  // the variance of x under the density of b u once more
  const double mv = m * (1 + b2 * square) / (1 + b2 * t), tv = t / (1 + b2 * t), rv = rho / (1 + b2 * t);
  if (kind_ == NeuronKind::erf) {  // phi'' = -2 u n(u)
    const double outer = 2 * weight * length, apart = m * length * of_u - rho * of_v;
    rest_ = -2 * outer * apart;
    along_ = -outer * (4 * m * apart + 2 * (m * length * of_u * mu - rho * of_v * mv));
    mixed_ = 2 * outer * of_v * mv;
    folded_ = rest_ - 2 * outer * square * of_v * rv;
  } else {  // phi'' = b (2 - (b u)^2) n(b u)
    const double outer = weight * b, root = std::sqrt(g);
    // E x^k Phi(b u), k = 1, 3, 5; E x^k phi(v), k = 0, 2, 4; E x^k phi'(v), k = 1, 3
    const double e1 = m * root * of_u, e3 = 2 * m * e1 + e1 * mu, e5 = 4 * m * e3 + 3 * e1 * mu * mu;
    const double h1 = b * of_v * (rho + rv), h3 = b * of_v * (2 * m * rho + rho * mv + 3 * mv * rv);
    const double f0 = b * t * of_v, f2 = m * f0 + rho * rho * b * of_v * (2 - b2 * tv), f4 = 3 * m * f2 + rho * h3;
    rest_ = outer * (length * (2 * e1 - g * e3) - (2 * f0 - g * f2));
    along_ = outer * (length * (2 * e3 - g * e5) - (2 * f2 - g * f4));
    mixed_ = -outer * (2 * h1 - g * h3);
    folded_ = rest_ - outer * square * b * of_v * (4 - 2 * g * mv - 2 * b2 * tv + g * b2 * (mv * tv + 2 * rv * rv));
  }
}

double NeuronLoss::move_relu() {
  if (q_ == 0) throw std::domain_error("a ReLU neuron has no gradient at w = 0");
  const double area = std::sqrt(q_ * numerics::squared_norm_in_order(across_));  // |w||w*| sin th
  const double rest = pi - std::atan2(area, r_);
  lq_ = 0.25 - area / (4 * pi * q_);
  lr_ = -rest / (2 * pi);
  size_ = 0.25 * (q_ + t_);
  return std::max(size_ - (area + rest * r_) / (2 * pi), 0.0);
}

void NeuronLoss::relu_product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  const double identity = part == CurvaturePart::neglected ? 0 : 0.5;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = identity * v[i];
  const double square = numerics::squared_norm_in_order(across_);
  if (kind_ == NeuronKind::relu || part == CurvaturePart::gauss_newton || square == 0) return;
  const double strength = std::sqrt(square / q_) / (2 * pi);  // |w*| sin th/(2 pi |w|)
  const double along = numerics::dot_in_order(w_, v) / q_, across = numerics::dot_in_order(across_, v) / square;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] -= strength * (v[i] - along * w_[i] + across * across_[i]);
}

void NeuronLoss::gradient(std::span<double> out) const {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = 2 * lq_ * w_[i] + lr_ * teacher_[i];
}

void NeuronLoss::product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  if (is_relu()) {
    relu_product(part, v, out);
    return;
  }
  double isotropic = 0, along = 0, across = 0;  // of out, by w and across_
  if (part != CurvaturePart::neglected) {
    isotropic += a_;
    along += 2 * aq_ * numerics::dot_in_order(w_, v);
  }
  if (part != CurvaturePart::gauss_newton) {
    isotropic += rest_;
    const double square = numerics::squared_norm_in_order(across_), length = std::sqrt(q_);
    const double of_w = q_ > 0 ? numerics::dot_in_order(w_, v) / length : 0,
                 of_across = numerics::dot_in_order(across_, v);
    if (q_ > 0) along += ((along_ - rest_) * of_w + mixed_ * of_across) / length;
    across += mixed_ * of_w;
    if (square > 0) across += (folded_ - rest_) / square * of_across;
  }
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = isotropic * v[i] + along * w_[i] + across * across_[i];
}

double neglected_spread(NeuronKind kind, double beta, std::span<const double> w, std::span<const double> teacher) {
  if (kind == NeuronKind::relu) return 0;
  if (kind == NeuronKind::relu_true) throw std::invalid_argument("no example sees the distributional part");
  using ingredients::networks::ActivationKind;
  const ingredients::networks::Activation phi{kind == NeuronKind::erf ? ActivationKind::erf : ActivationKind::beta_gelu,
                                              beta};
  const double q = numerics::squared_norm_in_order(w), t = numerics::squared_norm_in_order(teacher),
               r = numerics::dot_in_order(w, teacher);
  const double along = q > 0 ? r / std::sqrt(q) : std::sqrt(t), across = std::sqrt(std::max(t - along * along, 0.0));
  const auto d = static_cast<double>(w.size());
  // w.x = sqrt q v, w*.x = along v + across u; |x|^2 = v^2 + u^2 + R, R chi-squared of d - 2. phi''^2 falls as
  // exp(-b^2 q v^2), and the teacher bends where w*.x is some 1/b: points are dense about that, v = narrow sinh(tau).
  const double b = kind == NeuronKind::erf ? 1 : beta, scale = 1 / std::sqrt(1 + 2 * b * b * q), far = 9;
  constexpr double h = 0.1, h_u = 0.05;  // a bend that is far leaves u = 0 few points
  const bool line = w.size() == 1;
  const double by_teacher = along == 0 ? scale : std::max(1 / b, across) / std::abs(along);
  const double narrow = std::min(scale, by_teacher), narrow_u = across > 0 ? std::min(1.0, 1 / (b * across)) : 1;
  const auto last = static_cast<int>(std::ceil(std::asinh(far * scale / narrow) / h));
  double mean = 0, square = 0;
  for (int i = -last; i <= last; ++i) {
    const double v = narrow * std::sinh(h * i), measure = h * std::hypot(narrow, v);
    const auto at = evaluate(phi, std::sqrt(q) * v);
    const double bend = across > 0 ? std::clamp(-along * v / across, -far, far) : 0;
    const int first_u = line ? 0 : static_cast<int>(std::floor(std::asinh((-far - bend) / narrow_u) / h_u));
    const int last_u = line ? 0 : static_cast<int>(std::ceil(std::asinh((far - bend) / narrow_u) / h_u));
    for (int j = first_u; j <= last_u; ++j) {
      const double off = narrow_u * std::sinh(h_u * j), u = line ? 0 : bend + off;
      const double weight = measure * std::exp(-0.5 * (v * v + u * u)) / std::sqrt(2 * pi) *
                            (line ? 1 : h_u * std::hypot(narrow_u, off) / std::sqrt(2 * pi));
      const double one = (at.value - evaluate(phi, along * v + across * u).value) * at.second;
      const double plane = v * v + u * u, rest = line ? 0 : d - 2;
      mean += weight * one * (plane + rest);
      square += weight * one * one * ((plane + rest) * (plane + rest) + 2 * rest);
    }
  }
  return std::sqrt(std::max(square - mean * mean, 0.0));
}

}  // namespace edgewise::models::network
