// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/saddle.hpp"

#include <algorithm>
#include <cmath>
#include <complex>

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

/// The eigenvalues of a b of symmetric matrices, real where a = L L' is positive definite: those of L'b L. Empty where it
/// is not.
std::vector<double> definite_product_eigenvalues(const Matrix& a, const Matrix& b) {
  const Matrix root = linear_algebra::cholesky(a);
  if (root.rows() == 0) return {};
  return linear_algebra::symmetric_eigenvalues(
      linear_algebra::product(linear_algebra::product(root, b, Transposed::yes), root));
}

/// The eigenvalues of (I + rho A) H: complex only where neither is definite and A is another matrix than H.
std::vector<std::complex<double>> step_curvatures(const Matrix& hessian, const Matrix& part, double rho, bool full) {
  std::vector<double> real;
  if (full) {
    real = linear_algebra::symmetric_eigenvalues(hessian);
    for (double& q : real) q *= 1 + rho * q;
  } else {
    Matrix ahead = part;
    for (double& x : ahead.entries()) x *= rho;
    for (std::size_t i = 0; i < ahead.rows(); ++i) ahead(i, i) += 1;
    real = definite_product_eigenvalues(ahead, hessian);
    if (real.empty()) real = definite_product_eigenvalues(hessian, ahead);
    if (real.empty()) return linear_algebra::eigenvalues(linear_algebra::product(ahead, hessian));
  }
  return {real.begin(), real.end()};
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
  std::complex<double> factor = 0;
  for (const auto& x : step_curvatures(hessian, known, rule.rho, part == CurvaturePart::hessian)) {
    const std::complex<double> of_one = 1.0 - rule.learning_rate * x;
    if (std::abs(of_one) > std::abs(factor)) factor = of_one;
  }
  out.push_back({"critical_factor", std::abs(factor),
                 "largest |1 - eta x| over eigenvalues x of (I + rho A) H: a critical point with this H attracts below "
                 "1, whether it is a minimum or not"});
  if (part == CurvaturePart::neglected)
    out.push_back({"critical_angle", std::abs(std::arg(factor)),
                   "by which that 1 - eta x turns a displacement: 0 keeps its side, pi changes it, and between them, "
                   "where neither H nor I + rho NME is definite, it spirals"});
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
