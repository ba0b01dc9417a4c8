#include "models/ingredients/quadratic_objective.hpp"

#include <algorithm>
#include <utility>

#include "numerics/sums.hpp"

namespace edgewise::models::ingredients {

QuadraticObjective::QuadraticObjective(std::vector<double> z0, linear_algebra::Matrix j0, Contraction contract)
    : z0_(std::move(z0)),
      z_(z0_),
      j0_(std::move(j0)),
      j_(j0_),
      w_(j0_.rows(), j0_.columns()),
      contract_(std::move(contract)) {}

QuadraticObjective::QuadraticObjective(const std::shared_ptr<const QuadraticInstance>& instance)
    : QuadraticObjective(instance->z0, instance->j0,
                         [instance, scratch = std::vector<double>()](auto v, linear_algebra::Matrix& w) mutable {
                           instance->curvature.contract(v, w, scratch);
                         }) {}

double QuadraticObjective::move_to(std::span<const double> theta) {
  contract_(theta, w_);
  z_ = z0_;
  for (std::size_t i = 0; i < theta.size(); ++i)
    for (std::size_t a = 0; a < z_.size(); ++a) {
      z_[a] += (j0_(a, i) + 0.5 * w_(a, i)) * theta[i];
      j_(a, i) = j0_(a, i) + w_(a, i);
    }
  return 0.5 * numerics::squared_norm_in_order(z_);
}

void QuadraticObjective::pull_back(std::span<const double> c, std::span<double> out) const {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = numerics::dot_in_order(j_.column(i), c);
}

void QuadraticObjective::weighted_curvature(std::span<const double> c, std::span<const double> v,
                                            std::span<double> out) const {
  contract_(v, w_);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = numerics::dot_in_order(w_.column(i), c);
}

void QuadraticObjective::product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  if (part != CurvaturePart::gauss_newton) weighted_curvature(z_, v, out);
  if (part == CurvaturePart::neglected) return;
  std::vector<double> pushed(z_.size());
  for (std::size_t i = 0; i < v.size(); ++i)
    for (std::size_t a = 0; a < pushed.size(); ++a) pushed[a] += j_(a, i) * v[i];
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += numerics::dot_in_order(j_.column(i), pushed);
}

}  // namespace edgewise::models::ingredients
