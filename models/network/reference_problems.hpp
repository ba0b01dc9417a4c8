#pragma once
/// \file
/// Small losses that reference values of docs/theory/curvature-dynamics.md stand for.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/curved_objective.hpp"
#include "models/ingredients/networks/network_objective.hpp"

namespace edgewise::models::network {

/// Quadratic regression from the portable generator of section 3.3: z = z0 + J0 th + Q(th, th)/2, L = |z|^2/2.
class PortableQuadratic final : public ingredients::CurvedObjective {
 public:
  PortableQuadratic(std::uint64_t seed, std::size_t outputs, std::size_t parameters);

  std::size_t parameters() const override { return j0_.columns(); }
  double move_to(std::span<const double> theta) override;
  void gradient(std::span<double> out) const override { pull_back(z_, out); }
  void product(ingredients::CurvaturePart part, std::span<const double> v, std::span<double> out) const override;
  std::vector<double> cotangent() const override { return z_; }
  void pull_back(std::span<const double> c, std::span<double> out) const override;
  void weighted_curvature(std::span<const double> c, std::span<const double> v, std::span<double> out) const override;

  /// Adds the gradient of (1/2) tr GGN, sum_a Q_a J_a, and of (1/2) tr NME, (1/2) J'(tr Q_a)_a, times the factors.
  void add_trace_gradients(double gauss_newton, double neglected, std::span<double> out) const;
  /// E L(theta + e), e ~ N(0, s^2 I), (5.1).
  double noisy_loss(double squared_deviation) const;
  const std::vector<double>& z0() const { return z0_; }
  const linear_algebra::Matrix& j0() const { return j0_; }
  double curvature(std::size_t a, std::size_t i, std::size_t j) const { return q_[a](i, j); }

 private:
  std::vector<double> z0_, z_;
  linear_algebra::Matrix j0_, j_;
  std::vector<linear_algebra::Matrix> q_;
};

/// L = (t^2/2 - 1)^2/2 of section 5.2: minima at +-sqrt 2, its worst point at 0.
class ScalarSaddle final : public ingredients::CurvedObjective {
 public:
  std::size_t parameters() const override { return 1; }
  double move_to(std::span<const double> theta) override;
  void gradient(std::span<double> out) const override { out[0] = t_ * residual(); }
  void product(ingredients::CurvaturePart part, std::span<const double> v, std::span<double> out) const override;

 private:
  double residual() const { return 0.5 * t_ * t_ - 1; }
  double t_ = 0;
};

/// The sharpening toy of section 3.2, kappa = 1, h = .03, y1 = y2 = 1: theta = (x, m1, m2), z = (x (1 + kappa m1) - y1,
/// h (m1 + m2) - y2), L = |z|^2/2. m1 raises the sharpness, m2 does not.
class SharpeningToy final : public ingredients::CurvedObjective {
 public:
  std::size_t parameters() const override { return 3; }
  double move_to(std::span<const double> theta) override;
  void gradient(std::span<double> out) const override;
  void product(ingredients::CurvaturePart part, std::span<const double> v, std::span<double> out) const override;

 private:
  double x_ = 0, m1_ = 0, z1_ = 0, z2_ = 0;
};

/// The two models of section 6 on their six examples, and where they start.
struct FunctionalSamToy {
  explicit FunctionalSamToy(bool deep);
  ingredients::networks::NetworkObjective objective;
  std::vector<double> theta;
};

}  // namespace edgewise::models::network
