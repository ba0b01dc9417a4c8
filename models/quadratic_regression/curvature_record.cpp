#include "models/quadratic_regression/curvature_record.hpp"

#include <cmath>

#include "linear_algebra/dense.hpp"
#include "models/framework/absent.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;
using numerics::dot_in_order;
using numerics::squared_norm_in_order;

std::vector<double> times(const Matrix& m, Transposed op, std::span<const double> v) {
  std::vector<double> out(op == Transposed::yes ? m.columns() : m.rows());
  linear_algebra::multiply(out.size(), 1, v.size(), 1, m.data(), m.rows(), op, v.data(), v.size(), Transposed::no, 0,
                           out.data(), out.size());
  return out;
}

bool has_residual(const QuadraticRule& rule) {
  return rule.rho > 0 && rule.kind != StepKind::penalty;
}

}  // namespace

void CurvatureRecord::write(const QuadraticState& state, std::span<const double> noise, std::span<double> out) const {
  const Matrix& j = state.jacobian();
  const std::vector<double>& z = state.residual();
  const CurvatureTensor& curvature = state.instance().curvature;
  const auto d = static_cast<double>(z.size());
  if (!invariants_) invariants_ = curvature.invariants(scratch_);
  Matrix w;
  const std::vector<double> g = times(j, Transposed::yes, z), jg = times(j, Transposed::no, g);
  curvature.contract(g, w, scratch_);
  const std::vector<double> ggn_g = times(j, Transposed::yes, jg), nme_g = times(w, Transposed::yes, z);
  const double square = squared_norm_in_order(g), ggn = squared_norm_in_order(j.entries()),
               nme = dot_in_order(z, invariants_->traces);
  double whole = 0, functional = 0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double h = ggn_g[i] + nme_g[i];
    whole += h * h;
    functional += h * nme_g[i];
  }
  std::size_t o = 0;
  out[o++] = std::sqrt(square);
  out[o++] = ggn + nme;
  out[o++] = ggn;
  out[o++] = nme;
  out[o++] = square > 0 ? dot_in_order(g, ggn_g) / square : absent;
  out[o++] = square > 0 ? dot_in_order(g, nme_g) / square : absent;
  out[o++] = whole > 0 ? functional / whole : absent;
  if (has_residual(rule_)) {
    // (J(theta+e) - J)'(z(theta+e) - z), e = rho g.
    const double rho = !rule_.normalised ? rule_.rho : square > 0 ? rule_.rho / std::sqrt(square) : 0;
    std::vector<double> moved = times(w, Transposed::no, g);
    for (std::size_t a = 0; a < moved.size(); ++a) moved[a] = rho * (jg[a] + 0.5 * rho * moved[a]);
    out[o++] = rho * std::sqrt(squared_norm_in_order(times(w, Transposed::yes, moved)));
  }
  if (rule_.deviation == 0) return;
  const double s = rule_.deviation, s2 = s * s;
  out[o++] = (0.5 * squared_norm_in_order(z) + 0.5 * s2 * (ggn + nme) +
              s2 * s2 / 8 * (squared_norm_in_order(invariants_->traces) + 2 * invariants_->squares)) /
             d;
  curvature.contract(noise, w, scratch_);
  const std::vector<double> first = times(j, Transposed::no, noise), second = times(w, Transposed::no, noise);
  double there = 0;
  for (std::size_t a = 0; a < z.size(); ++a) {
    const double r = z[a] + s * first[a] + 0.5 * s2 * second[a];
    there += 0.5 * r * r;
  }
  out[o++] = there / d;
}

std::vector<Observable> curvature_observables(const QuadraticRule& rule) {
  std::vector<Observable> out{
      {"gradient_norm", "1", "|g| of |z|^2/2 on all outputs, as all of H below"},
      {"hessian_trace", "1", "tr H"},
      {"ggn_trace", "1", "tr GGN, GGN = J'J"},
      {"nme_trace", "1", "tr NME, NME = H - GGN = sum_a z_a Q_a"},
      {"logit_share", "1", "g'GGN g/|g|^2"},
      {"functional_share", "1", "g'NME g/|g|^2"},
      {"delta_func", "1", "(Hg).(NME g)/|Hg|^2, the functional share of the gradient of |g|^2/2"}};
  if (has_residual(rule))
    out.push_back(
        {"sam_residual", "1",
         "|g_sam - g_func - g_logit + g| = |(J(theta+e) - J)'(z(theta+e) - z)|, of second order in e = rho g"});
  if (rule.deviation > 0) {
    out.push_back({"noisy_loss", "label^2", "E L(theta + s xi)/D over xi ~ N(0, I), exactly"});
    out.push_back({"loss_at_noise", "label^2", "L(theta + s xi)/D at one xi, drawn for every recorded step"});
  }
  return out;
}

}  // namespace edgewise::models::quadratic_regression
