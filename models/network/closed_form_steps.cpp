#include "models/network/closed_form_steps.hpp"

#include <cmath>

#include "numerics/sums.hpp"

namespace edgewise::models::network {

using ingredients::CurvaturePart;
using ingredients::CurvedObjective;

double length(std::span<const double> x) {
  return std::sqrt(numerics::squared_norm_in_order(x));
}

UpdateRule ascent(UpdateKind kind, double rho, bool preconditioned) {
  UpdateRule rule;
  rule.kind = kind;
  rule.rho = rho;
  rule.preconditioned = preconditioned;
  return rule;
}

UpdateRule penalty(CurvaturePart part, double rho) {
  UpdateRule rule;
  rule.kind = UpdateKind::penalty;
  rule.rho = rho;
  rule.normalised = false;
  rule.part = part;
  return rule;
}

double follow(CurvedObjective& objective, std::vector<double>& theta, const UpdateRule& rule, double rate,
              std::uint64_t steps) {
  Updates updates(rule, theta.size(), 1, 0);
  for (std::uint64_t k = 0; k < steps; ++k) {
    objective.move_to(theta);
    move(updates.direction(objective, theta, k), rate, theta);
  }
  return objective.move_to(theta);
}

double gradient_length(const CurvedObjective& objective) {
  std::vector<double> g(objective.parameters());
  objective.gradient(g);
  return length(g);
}

double share(const CurvedObjective& objective, CurvaturePart part) {
  std::vector<double> g(objective.parameters());
  objective.gradient(g);
  return curvature_along(objective, part, g) / numerics::squared_norm_in_order(g);
}

}  // namespace edgewise::models::network
