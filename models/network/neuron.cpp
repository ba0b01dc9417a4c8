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

/// E phi(u) phi(v) for (u, v) Gaussian of variances q and t and covariance r.
template <class A, class B, class C>
auto mean_product(NeuronKind kind, double beta, const A& q, const B& r, const C& t) {
  using std::asin;
  using std::sqrt;
  if (kind == NeuronKind::erf) return (2 / pi) * asin(r / sqrt((1 + q) * (1 + t)));
  const double b2 = beta * beta;
  const auto along = 1 + b2 * q;
  const auto across = 1 + b2 * t;
  const auto both = 0.25 + asin(b2 * r / sqrt(along * across)) / (2 * pi);
  const auto root = sqrt(along * across - b2 * b2 * r * r);
  return r * both + b2 / (2 * pi) * (q * t - r * r + r * r / along + r * r / across) / root;
}

/// E phi(u)^2.
template <class A>
auto mean_square(NeuronKind kind, double beta, const A& q) {
  using std::asin;
  using std::sqrt;
  if (kind == NeuronKind::erf) return (2 / pi) * asin(q / (1 + q));
  const auto a = beta * beta * q;
  return q * (0.25 + asin(a / (1 + a)) / (2 * pi)) + q * a / (pi * (1 + a) * sqrt(1 + 2 * a));
}

/// E phi'(u)^2.
template <class A>
auto mean_square_slope(NeuronKind kind, double beta, const A& q) {
  using std::asin;
  using std::sqrt;
  if (kind == NeuronKind::erf) return (2 / pi) / sqrt(1 + 2 * q);
  const auto a = beta * beta * q;
  const auto root = sqrt(1 + 2 * a);
  return 0.25 + asin(a / (1 + a)) / (2 * pi) + a / (pi * (1 + a) * root) + a / (2 * pi * root * root * root);
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
  if (is_relu()) return move_relu();
  const auto variables = autodiff::make_ftuple<double, 2, 2>(q_, r_);
  const auto& q = std::get<0>(variables);
  const auto& r = std::get<1>(variables);
  const auto loss =
      0.5 * mean_square(kind_, beta_, q) - mean_product(kind_, beta_, q, r, t_) + 0.5 * mean_square(kind_, beta_, t_);
  lq_ = loss.derivative(1, 0);
  lr_ = loss.derivative(0, 1);
  lqq_ = loss.derivative(2, 0);
  lqr_ = loss.derivative(1, 1);
  lrr_ = loss.derivative(0, 2);
  const auto slope = mean_square_slope(kind_, beta_, autodiff::make_fvar<double, 1>(q_));
  a_ = slope.derivative(0);
  aq_ = slope.derivative(1);
  return loss.derivative(0, 0);
}

double NeuronLoss::move_relu() {
  if (q_ == 0) throw std::domain_error("a ReLU neuron has no gradient at w = 0");
  across_ = teacher_;
  for (std::size_t i = 0; i < w_.size(); ++i) across_[i] -= r_ / q_ * w_[i];
  // Along w* nothing is across but rounding.
  if (numerics::squared_norm_in_order(across_) <= 1e-30 * static_cast<double>(w_.size()) * t_)
    std::ranges::fill(across_, 0.0);
  const double area = std::sqrt(q_ * numerics::squared_norm_in_order(across_));  // |w||w*| sin th
  const double rest = pi - std::atan2(area, r_);
  lq_ = 0.25 - area / (4 * pi * q_);
  lr_ = -rest / (2 * pi);
  return 0.25 * (q_ + t_) - (area + rest * r_) / (2 * pi);
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
  const double along = numerics::dot_in_order(w_, v), across = numerics::dot_in_order(teacher_, v);
  // All three are c0 I + c1 ww' + c2 (w w*' + w* w') + c3 w* w*'.
  double c0 = a_, c1 = 2 * aq_, c2 = 0, c3 = 0;
  if (part != CurvaturePart::gauss_newton) {
    c0 = 2 * lq_;
    c1 = 4 * lqq_;
    c2 = 2 * lqr_;
    c3 = lrr_;
  }
  if (part == CurvaturePart::neglected) {
    c0 -= a_;
    c1 -= 2 * aq_;
  }
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = c0 * v[i] + (c1 * along + c2 * across) * w_[i] + (c2 * along + c3 * across) * teacher_[i];
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
  // exp(-b^2 q v^2).
  const double b = kind == NeuronKind::erf ? 1 : beta, scale = 1 / std::sqrt(1 + 2 * b * b * q), h = 0.1;
  const bool line = w.size() == 1;
  double mean = 0, square = 0;
  for (int i = -90; i <= 90; ++i) {
    const double v = scale * h * i;
    const auto at = evaluate(phi, std::sqrt(q) * v);
    for (int j = line ? 0 : -90; j <= (line ? 0 : 90); ++j) {
      const double u = h * j, weight = scale * h * std::exp(-0.5 * (v * v + u * u)) / std::sqrt(2 * pi) *
                                       (line ? 1 : h / std::sqrt(2 * pi));
      const double one = (at.value - evaluate(phi, along * v + across * u).value) * at.second;
      const double plane = v * v + u * u, rest = line ? 0 : d - 2;
      mean += weight * one * (plane + rest);
      square += weight * one * one * ((plane + rest) * (plane + rest) + 2 * rest);
    }
  }
  return std::sqrt(std::max(square - mean * mean, 0.0));
}

}  // namespace edgewise::models::network
