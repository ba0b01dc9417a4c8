// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/saddle.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "linear_algebra/dense.hpp"
#include "models/quadratic_regression/curvature_record.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::quadratic_regression {

namespace {

using ingredients::CurvaturePart;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Entries of a tensor that is drawn, and parameters of a Hessian that is decomposed, for findings.
constexpr double most_entries = 1e7, most_parameters = 500;

/// The eigenvalues of (I + rho A) H, real where I + rho A is positive definite: those of R H R', I + rho A = R'R. Empty
/// where it is not, A is another matrix than H and there is more than one parameter.
std::vector<double> step_curvatures(const Matrix& hessian, const Matrix& part, double rho, bool full) {
  if (full) {
    std::vector<double> out = linear_algebra::symmetric_eigenvalues(hessian);
    for (double& q : out) q *= 1 + rho * q;
    return out;
  }
  if (hessian.rows() == 1) return {(1 + rho * part(0, 0)) * hessian(0, 0)};
  const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(part);
  Matrix root = eigen.vectors;
  for (std::size_t k = 0; k < root.columns(); ++k) {
    const double scale = 1 + rho * eigen.values[k];
    if (!(scale > 0)) return {};
    for (double& x : root.column(k)) x *= std::sqrt(scale);
  }
  return linear_algebra::symmetric_eigenvalues(
      linear_algebra::product(linear_algebra::product(root, hessian, Transposed::yes), root));
}

void add_saddle(const QuadraticProblem& problem, const Matrix& hessian, const Matrix& ggn, std::vector<Finding>& out) {
  const std::vector<double> q = linear_algebra::symmetric_eigenvalues(hessian);
  out.push_back({"sharpness", q.back(), "largest eigenvalue of the Hessian there"});
  out.push_back({"hessian_min", q.front(), "its smallest eigenvalue; below 0: a saddle, should it be critical"});
  const QuadraticRule& rule = problem.rule;
  if (rule.deviation > 0 || rule.normalised || !problem.full_batch() || problem.schedule) return;
  const CurvaturePart part = rule.ascent_part();
  Matrix known = ggn;
  if (part == CurvaturePart::neglected)
    for (std::size_t i = 0; i < known.size(); ++i) known.data()[i] = hessian.data()[i] - ggn.data()[i];
  const std::vector<double> effective = step_curvatures(hessian, known, rule.rho, part == CurvaturePart::hessian);
  if (effective.empty()) {
    out.push_back({"critical_factor", std::string("unknown: I + rho NME is not positive definite"),
                   "of a step near a critical point"});
    return;
  }
  double factor = 0;
  for (const double x : effective) factor = std::max(factor, std::abs(1 - rule.learning_rate * x));
  out.push_back({"critical_factor", factor,
                 "largest |1 - eta x| over eigenvalues x of (I + rho A) H: a critical point with this H attracts below "
                 "1, whether it is a minimum or not"});
  if (!(q.front() < 0)) return;
  const double weakest = *std::prev(std::ranges::lower_bound(q, 0.0));
  if (part == CurvaturePart::hessian)
    out.push_back({"trapping_rho", -1 / weakest, "1/|q| of the weakest q < 0: above it no descent leaves the saddle"});
  else if (part == CurvaturePart::gauss_newton)
    out.push_back({"trapping_rho", infinity, "none traps: (I + rho GGN) H has as many negative eigenvalues as H"});
}

}  // namespace

std::optional<ScalarSaddle> scalar_saddle(const QuadraticProblem& problem) {
  const QuadraticRule& rule = problem.rule;
  if (!problem.given || problem.law.outputs != 1 || problem.law.parameters != 1 || problem.schedule ||
      (rule.kind != StepKind::penalty && rule.kind != StepKind::functional_sam) || rule.normalised)
    return std::nullopt;
  const double bend = problem.given->curvature.at(0, 0, 0), slope = problem.given->j0(0, 0);
  if (bend == 0) return std::nullopt;
  const double c = problem.given->z0[0] - slope * slope / (2 * bend), q = c * bend;
  if (!(q < 0)) return std::nullopt;
  ScalarSaddle out;
  out.centre = -slope / bend;
  out.curvature = q;
  out.scale = std::sqrt(-2 * c / bend);
  // A = g Q^2 v^2 + n Q z; where 1 + rho A = 0 descent along g (1 + rho A) turns back.
  const CurvaturePart part = rule.ascent_part();
  const double g_part = part != CurvaturePart::neglected, n_part = part != CurvaturePart::gauss_newton;
  if (n_part > 0 && rule.rho * -q > 1)
    out.basin = std::sqrt((-q - 1 / rule.rho) / (g_part + 0.5 * n_part)) / std::abs(bend);
  const double start = -out.centre;
  out.trapped = out.basin && std::abs(start) < *out.basin;
  // The end is sure where steps are monotone: v - eta drift(v) rises all the way between the minima and the start.
  const double eta = rule.learning_rate;
  const auto drift = [&](double v) {
    const double z = c + 0.5 * bend * v * v;
    return bend * v * z * (1 + rule.rho * (g_part * bend * bend * v * v + n_part * bend * z));
  };
  const double reach = std::max(std::abs(start), out.scale);
  if (start == 0) return out;
  for (int k = -200; k <= 200; ++k) {
    const double v = reach * k / 200, h = reach / 200;
    if (eta * (drift(v + h) - drift(v)) >= h) return out;
  }
  out.end = out.trapped ? out.centre : out.centre + std::copysign(out.scale, start);
  return out;
}

void add_curvature_at_start(const QuadraticProblem& problem, std::vector<Finding>& out) {
  const auto d = static_cast<double>(problem.law.outputs), p = static_cast<double>(problem.law.parameters);
  if (!problem.traces || p > most_parameters || (!problem.given && d * p * p > most_entries)) return;
  const std::shared_ptr<const QuadraticInstance> instance = first_instance(problem);
  const QuadraticState state(*instance);
  const std::vector<Observable> names = curvature_observables(problem.rule);
  std::vector<double> values(names.size()), xi(problem.law.parameters);
  CurvatureRecord(problem.rule).write(state, xi, values);
  for (std::size_t k = 0; k < names.size(); ++k)
    if (names[k].name != "loss_at_noise") out.push_back({names[k].name, values[k], names[k].doc + ", at the start"});
  Matrix neglected;
  std::vector<double> scratch;
  instance->curvature.weigh(instance->z0, neglected, scratch);
  const Matrix ggn = linear_algebra::product(instance->j0, instance->j0, Transposed::yes);
  Matrix hessian = ggn;
  for (std::size_t i = 0; i < hessian.size(); ++i) hessian.data()[i] += neglected.data()[i];
  add_saddle(problem, hessian, ggn, out);
  if (const std::optional<ScalarSaddle> saddle = scalar_saddle(problem)) {
    out.push_back({"saddle", saddle->centre, "theta of the critical point between the minima"});
    if (saddle->basin) {
      out.push_back({"trap_low", saddle->centre - *saddle->basin,
                     "from here to trap_high, where 1 + rho H = 0, descent leads to the saddle"});
      out.push_back({"trap_high", saddle->centre + *saddle->basin, "theta = 0 is where descent starts"});
    }
  }
}

}  // namespace edgewise::models::quadratic_regression
