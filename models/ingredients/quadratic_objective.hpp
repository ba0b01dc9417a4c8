#pragma once
/// \file
/// The loss |z|^2/2 of outputs of second order, z = z0 + J0 theta + Q(theta, theta)/2, J = J0 + Q theta.
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/curvature_tensor/instance.hpp"
#include "models/ingredients/curved_objective.hpp"

namespace edgewise::models::ingredients {

class QuadraticObjective final : public CurvedObjective {
 public:
  /// w_ai = sum_j Q_aij v_j, into a D x P matrix.
  using Contraction = std::function<void(std::span<const double> v, linear_algebra::Matrix& w)>;

  QuadraticObjective(std::vector<double> z0, linear_algebra::Matrix j0, Contraction contract);
  /// Of an instance with its tensor.
  explicit QuadraticObjective(const std::shared_ptr<const QuadraticInstance>& instance);

  std::size_t parameters() const override { return j0_.columns(); }
  double move_to(std::span<const double> theta) override;
  void gradient(std::span<double> out) const override { pull_back(z_, out); }
  void product(CurvaturePart part, std::span<const double> v, std::span<double> out) const override;
  std::vector<double> cotangent() const override { return z_; }
  void pull_back(std::span<const double> c, std::span<double> out) const override;
  void weighted_curvature(std::span<const double> c, std::span<const double> v, std::span<double> out) const override;
  const linear_algebra::Matrix& jacobian() const { return j_; }

 private:
  std::vector<double> z0_, z_;
  linear_algebra::Matrix j0_, j_;
  mutable linear_algebra::Matrix w_;
  Contraction contract_;
};

}  // namespace edgewise::models::ingredients
