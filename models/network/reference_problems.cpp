#include "models/network/reference_problems.hpp"

#include <algorithm>
#include <cmath>

#include "models/ingredients/portable_normals.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;
using ingredients::networks::Architecture;
using ingredients::networks::Examples;
using ingredients::networks::Loss;
using ingredients::networks::LossKind;
using ingredients::networks::Network;
using ingredients::networks::NetworkObjective;
using linear_algebra::Matrix;

void symmetric_product(const Matrix& a, std::span<const double> v, double factor, std::span<double> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += factor * numerics::dot_in_order(a.column(i), v);
}

NetworkObjective toy(bool deep) {
  auto examples = std::make_shared<Examples>(Examples{Matrix(3, 6), Matrix(3, 6)});
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 0; j < 3; ++j)
      examples->inputs(j, i) = std::cos(1 + 0.7 * static_cast<double>(i) + 1.3 * static_cast<double>(j));
    examples->targets(i % 3, i) = 1;
  }
  Architecture a{3, {}};
  if (deep) a.layers.push_back({2, {}, false});
  a.layers.push_back({3, {}, false});
  return {std::make_shared<const Network>(a), Loss{LossKind::cross_entropy}, examples};
}

}  // namespace

PortableQuadratic::PortableQuadratic(std::uint64_t seed, std::size_t outputs, std::size_t parameters)
    : z0_(outputs), j0_(outputs, parameters), q_(outputs, Matrix(parameters, parameters)) {
  ingredients::PortableNormals draw(seed);
  const auto p = static_cast<double>(parameters);
  for (double& z : z0_) z = draw();
  for (std::size_t a = 0; a < outputs; ++a)
    for (std::size_t i = 0; i < parameters; ++i) j0_(a, i) = draw() / std::sqrt(p);
  for (Matrix& q : q_)
    for (std::size_t i = 0; i < parameters; ++i)
      for (std::size_t j = i; j < parameters; ++j) q(i, j) = q(j, i) = draw() / p;
}

double PortableQuadratic::move_to(std::span<const double> theta) {
  z_ = z0_;
  j_ = j0_;
  std::vector<double> moved(theta.size());
  for (std::size_t a = 0; a < z_.size(); ++a) {
    std::ranges::fill(moved, 0.0);
    symmetric_product(q_[a], theta, 1, moved);
    for (std::size_t i = 0; i < theta.size(); ++i) {
      z_[a] += (j0_(a, i) + 0.5 * moved[i]) * theta[i];
      j_(a, i) += moved[i];
    }
  }
  return 0.5 * numerics::squared_norm_in_order(z_);
}

void PortableQuadratic::pull_back(std::span<const double> c, std::span<double> out) const {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = numerics::dot_in_order(j_.column(i), c);
}

void PortableQuadratic::weighted_curvature(std::span<const double> c, std::span<const double> v,
                                           std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  for (std::size_t a = 0; a < z_.size(); ++a) symmetric_product(q_[a], v, c[a], out);
}

void PortableQuadratic::product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  std::vector<double> rest(v.size()), pushed(z_.size());
  weighted_curvature(z_, v, rest);
  for (std::size_t a = 0; a < z_.size(); ++a)
    for (std::size_t i = 0; i < v.size(); ++i) pushed[a] += j_(a, i) * v[i];
  pull_back(pushed, out);
  if (part == CurvaturePart::neglected) std::ranges::fill(out, 0.0);
  if (part == CurvaturePart::gauss_newton) return;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += rest[i];
}

void PortableQuadratic::add_trace_gradients(double gauss_newton, double neglected, std::span<double> out) const {
  std::vector<double> trace(z_.size()), row(out.size()), pulled(out.size());
  for (std::size_t a = 0; a < z_.size(); ++a) {
    trace[a] = linear_algebra::trace(q_[a]);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = j_(a, i);
    symmetric_product(q_[a], row, gauss_newton, out);
  }
  pull_back(trace, pulled);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += 0.5 * neglected * pulled[i];
}

double PortableQuadratic::noisy_loss(double s2) const {
  double first = numerics::squared_norm_in_order(j_.entries()), second = 0;
  for (std::size_t a = 0; a < z_.size(); ++a) {
    const double trace = linear_algebra::trace(q_[a]);
    first += z_[a] * trace;
    second += trace * trace + 2 * numerics::squared_norm_in_order(q_[a].entries());
  }
  return 0.5 * numerics::squared_norm_in_order(z_) + 0.5 * s2 * first + s2 * s2 / 8 * second;
}

double ScalarSaddle::move_to(std::span<const double> theta) {
  t_ = theta[0];
  return 0.5 * residual() * residual();
}

void ScalarSaddle::product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  out[0] = 0;
  if (part != CurvaturePart::neglected) out[0] += t_ * t_ * v[0];
  if (part != CurvaturePart::gauss_newton) out[0] += residual() * v[0];
}

namespace {

constexpr double toy_h = 0.03;

}  // namespace

double SharpeningToy::move_to(std::span<const double> theta) {
  x_ = theta[0];
  m1_ = theta[1];
  z1_ = x_ * (1 + m1_) - 1;
  z2_ = toy_h * (m1_ + theta[2]) - 1;
  return 0.5 * (z1_ * z1_ + z2_ * z2_);
}

void SharpeningToy::gradient(std::span<double> out) const {
  out[0] = (1 + m1_) * z1_;
  out[1] = x_ * z1_ + toy_h * z2_;
  out[2] = toy_h * z2_;
}

void SharpeningToy::product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  if (part != CurvaturePart::neglected) {
    const double first = (1 + m1_) * v[0] + x_ * v[1], second = toy_h * (v[1] + v[2]);
    out[0] = (1 + m1_) * first;
    out[1] = x_ * first + toy_h * second;
    out[2] = toy_h * second;
  }
  if (part == CurvaturePart::gauss_newton) return;
  out[0] += z1_ * v[1];
  out[1] += z1_ * v[0];
}

FunctionalSamToy::FunctionalSamToy(bool deep) : objective(toy(deep)) {
  // Column by column, as the flat parameters stand.
  const auto at = [](std::size_t k) { return static_cast<double>(k); };
  if (!deep)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t c = 0; c < 3; ++c) theta.push_back(0.4 * std::sin(1 + at(c) + 1.5 * at(j)));
  if (!deep) return;
  for (std::size_t j = 0; j < 3; ++j)
    for (std::size_t h = 0; h < 2; ++h) theta.push_back(0.8 * std::cos(at(h) + 2 * at(j) + 0.5));
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t c = 0; c < 3; ++c) theta.push_back(0.9 * std::sin(1 + at(c) + 1.5 * at(h)));
}

}  // namespace edgewise::models::network
