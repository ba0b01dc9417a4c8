// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/edges.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/ingredients/row_moments.hpp"
#include "models/ingredients/sam_mean_square.hpp"
#include "models/quadratic_regression/early_time.hpp"
#include "models/quadratic_regression/memory.hpp"
#include "models/quadratic_regression/phase_boundaries.hpp"
#include "models/quadratic_regression/predictions.hpp"
#include "models/quadratic_regression/saddle.hpp"
#include "models/quadratic_regression/tensor_memory.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::annealed_critical_rate;
using ingredients::annealed_kernel_norm;
using ingredients::exact_critical_rate;
using ingredients::exact_kernel_norm;
using ingredients::mean_critical_rate;
using ingredients::RowMoments;
using ingredients::sam_edge;
using ingredients::sam_mean_rate;
using ingredients::sam_mean_square_rate;

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Of the exact kernel norm, which costs D^4.
constexpr std::size_t largest_exact = 200;
/// Of the mean-square edge of SAM on mini-batches, whose operator has D^2 dimensions.
constexpr std::size_t largest_sam = 100;

Matrix initial_kernel(const QuadraticProblem& problem) {
  const Matrix j0 = quadratic_start(problem, problem.seed, 0).j0;
  return linear_algebra::product(j0, j0, Transposed::no, Transposed::yes);
}

QuadraticEnsemble ensemble_of(const QuadraticLaw& law) {
  return {static_cast<double>(law.outputs) / static_cast<double>(law.parameters), law.curvature, law.residual_variance,
          law.jacobian_variance};
}

void add_limit(const QuadraticProblem& problem, std::vector<Finding>& out) {
  const QuadraticEnsemble ensemble = ensemble_of(problem.law);
  QuadraticBoundaryOptions options;
  options.most_steps = 300;
  options.kernels = 2;
  const QuadraticBoundaries boundaries(ensemble, problem.law.outputs, problem.law.parameters, options);
  out.push_back({"bulk_edge", quadratic_bulk_edge(ensemble, 0), "lambda_+ of K at the start, D and P to infinity"});
  if (problem.law.outputs <= largest_exact)
    out.push_back({"eta_edge", boundaries.edge(problem.batch),
                   "above it training meets the edge: kernel norm 1, or eta lambda_1 = 2 at full batch"});
  out.push_back({"eta_eos", quadratic_eos_threshold(ensemble, options), "the same at full batch, D and P to infinity"});
  out.push_back({"eta_divergence", boundaries.divergence(problem.batch),
                 "above it the limit's loss grows a hundredfold within 60 passes"});
}

}  // namespace

std::vector<Finding> quadratic_stability(const QuadraticProblem& problem) {
  const Matrix kernel = initial_kernel(problem);
  const linear_algebra::SymmetricEigen eigen = linear_algebra::symmetric_eigen(kernel);
  const double eta = problem.rule.learning_rate, rho = problem.rule.linear_rho(), lambda = eigen.values.back();
  const std::size_t batch = problem.batch;
  std::vector<Finding> out;
  out.push_back({"ntk_max", lambda, "largest eigenvalue of the initial kernel (of replica 0)"});
  if (problem.rate) {
    const double floor = eigen.values[kernel.rows() - std::min(kernel.rows(), problem.law.parameters)];
    out.push_back({"ntk_min", floor, "its smallest eigenvalue, of those that its rank leaves"});
    if (const auto multiple = problem.rate->greedy_multiple();
        problem.base.plain() && undershoots(multiple) && problem.full_batch())
      out.push_back({"late_eta_lambda", late_product(multiple.low, floor / lambda),
                     "where CDAT holds eta lambda_1 late, on harmonic average, should the kernel keep its shape"});
    return out;
  }
  if (!problem.base.plain())
    out.push_back({"edge", 2 * problem.base.edge_factor(),
                   problem.base.adaptive ? "of eta lambda_max(P^-1 H), 2 (1 + beta1)/(1 - beta1)"
                                         : "of eta lambda at full batch, 2 (1 + momentum)"});
  if (problem.base.adaptive) return out;
  out.push_back({"eta_lambda_max", eta * lambda,
                 problem.base.plain() ? "the full-batch edge of stability is at 2" : "the full-batch edge is `edge`"});
  if (!problem.base.plain()) {
    if (problem.full_batch())
      out.push_back({"stable", eta * lambda < 2 * problem.base.edge_factor(), "linearised, on the initial kernel"});
    return out;
  }
  if (rho > 0 && problem.rule.normalised) {
    out.push_back({"sam", std::string("no edge: rho/|g| grows as the gradient g vanishes"),
                   problem.rule.kind == StepKind::penalty ? "normalised penalty" : "normalised SAM"});
  } else if (rho > 0) {
    const double per_rate = sam_mean_rate(kernel, 1, rho, batch), mean = eta * per_rate;
    const bool squares = batch == problem.law.outputs || problem.law.outputs <= largest_sam;
    const double rate = squares ? sam_mean_square_rate(kernel, rho, batch) : 2 / per_rate;
    out.push_back({"stable", eta < rate,
                   squares ? "in the mean square, linearised, on the frozen initial kernel"
                           : "in the mean, linearised, on the frozen initial kernel"});
    if (squares) out.push_back({"eta_max", rate, "mean-square edge of the frozen initial kernel, at this rho"});
    out.push_back({"lambda_sam", sam_edge(eta, rho),
                   "eta lambda (1 + rho lambda) = 2: where SAM on all outputs holds the largest eigenvalue"});
    out.push_back({"sam_mean_rate", mean,
                   "eta b times the largest eigenvalue of K (I + rho (beta K + (1 - beta) diag K)); its edge is at 2"});
    out.push_back(
        {"eta_mean", 2 / per_rate, "learning rate above which the mean grows on the initial kernel, at this rho"});
  } else {
    const bool exact = problem.law.outputs <= largest_exact;
    const double beta = RowMoments(problem.law.outputs, batch).beta;
    const double annealed = annealed_kernel_norm(eigen.values, eta, batch);
    const double norm = exact ? exact_kernel_norm(eigen, eta, batch) : annealed;
    out.push_back({"stable", eta * beta * lambda < 2 && norm < 1, "in the mean square, on the frozen initial kernel"});
    out.push_back({"kernel_norm", annealed, "annealed kernel norm of the initial kernel"});
    if (exact) out.push_back({"kernel_norm_exact", norm, "exact kernel norm; the stochastic edge is at 1"});
    out.push_back({"eta_max", exact ? exact_critical_rate(eigen, batch) : annealed_critical_rate(eigen.values, batch),
                   "mean-square edge of the frozen initial kernel"});
    out.push_back({"eta_annealed", annealed_critical_rate(eigen.values, batch), "where the annealed norm is 1"});
    out.push_back(
        {"eta_mean", mean_critical_rate(eigen.values, batch), "above it the mean grows on the initial kernel"});
    if (problem.has_sam_edge()) out.push_back({"lambda_sam", sam_edge(eta, rho), "2/eta: rho is 0"});
    if (!problem.given && problem.given_j0.size() == 0 && !problem.rule.turns()) add_limit(problem, out);
  }
  add_curvature_at_start(problem, out);
  if (!problem.given)
    out.push_back(
        {"tensor_bytes",
         CurvatureTensor::bytes(problem.law.outputs, problem.law.parameters, CurvatureTensor::Storage::stored),
         "of one replica's curvature tensor when stored"});
  return out;
}

std::vector<ModeColumn> quadratic_modes(const QuadraticProblem& problem) {
  if (problem.given)
    throw std::invalid_argument("data.Q: modes are of the early-time expansion, of a random curvature");
  if (problem.law.portable)
    throw std::invalid_argument("data.ensemble: modes are of the early-time expansion, of goe alone");
  if (problem.turned())
    throw std::invalid_argument(
        "optimizer: modes are of the early-time expansion, of gradients at a learning rate that is given");
  if (problem.rule.turns())
    throw std::invalid_argument(
        std::string("optimizer.kind: modes are of the early-time expansion, of GD and SGD, not of ") +
        (problem.rule.kind == StepKind::sam ? "SAM" : "its variants and penalties"));
  const auto p = static_cast<double>(problem.law.parameters);
  const double curvature = problem.law.curvature / (p * p);
  const Matrix kernel = initial_kernel(problem);
  const double eta = problem.rule.learning_rate;
  const ModeDifferences modes = problem.fixed_residual()
                                    ? sgd_mode_differences({quadratic_start(problem, problem.seed, 0).z0, kernel,
                                                            problem.law.parameters, curvature},
                                                           eta, problem.batch)
                                    : averaged_mode_differences(kernel, problem.law.parameters, curvature,
                                                                problem.law.residual_variance, eta, problem.batch);
  std::vector<double> time;
  double trace = 0;
  for (const double lambda : modes.eigenvalue) trace += lambda;
  for (const double lambda : modes.eigenvalue)
    time.push_back(sharpening_time(lambda, trace, problem.law.parameters, curvature, problem.law.residual_variance));
  const std::vector<double> first(modes.eigenvalue.size(), modes.first);
  return {{"eigenvalue", "1", "of the initial kernel (of replica 0)", modes.eigenvalue},
          {"first_difference", "1", "D1: diffusion of the parameters by the noise of the batches and the pull", first},
          {"second_difference_order2", "1", "D2, term of order eta^2: progressive sharpening", modes.order2},
          {"second_difference_order3", "1", "D2, term of order eta^3: what takes from it", modes.order3},
          {"ratio", "1", "share of the noiseless acceleration that remains: conservative sharpening", modes.ratio},
          {"sharpening_time", "1/eigenvalue", "effective time eta b t in which the eigenvalue moves by its own size",
           time}};
}

}  // namespace edgewise::models::quadratic_regression
