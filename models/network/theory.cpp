#include "models/network/theory.hpp"

#include <cmath>
#include <stdexcept>
#include <tuple>

#include "linear_algebra/dense.hpp"
#include "models/framework/divergence.hpp"
#include "models/framework/recorder.hpp"
#include "models/ingredients/central_flow.hpp"
#include "models/network/edge.hpp"
#include "models/network/simulation.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::network {

namespace {

using linear_algebra::Matrix;

/// Of residuals whose kernel is decomposed.
constexpr std::size_t largest_kernel = 2000;

}  // namespace

Trajectory solve_linearised(const NetworkProblem& problem) {
  const std::size_t n = problem.examples(), size = n * problem.network->outputs();
  if (problem.loss.kind != ingredients::networks::LossKind::squared || problem.rule.kind != UpdateKind::plain ||
      !problem.rule.base.plain() || !problem.full_batch() || problem.rate)
    throw std::invalid_argument(
        "theory.method: linearised is of gradient descent with the squared loss on all examples, without momentum and "
        "[rate]; what is judged of other runs are predictions (edgewise validate)");
  if (size > largest_kernel)
    throw std::invalid_argument(
        "data.examples: the linearised theory decomposes a kernel of examples times outputs, at most 2000");
  ingredients::networks::NetworkObjective objective(problem.network, problem.loss, problem.data.train);
  objective.move_to(problem.start(problem.seed, 0));
  const linear_algebra::SymmetricEigen kernel =
      linear_algebra::symmetric_eigen(problem.network->tangent_kernel(objective.theta(), objective.pass()));
  Matrix z(size, 1, objective.cotangent());  // z/n, in the kernel's order: outputs run fastest
  const Matrix along = linear_algebra::product(kernel.vectors, z, linear_algebra::Transposed::yes);
  const auto count = static_cast<double>(n);
  std::vector<double> mode(along.entries().begin(), along.entries().end());
  Recorder recorder(0.5 * count * numerics::squared_norm_in_order(mode));
  const Recorder::Handle loss = recorder.add({"loss", "1", "of the network linearised at its start"});
  std::uint64_t step = 0;
  for (const std::uint64_t target : problem.time.at) {
    if (problem.schedule->constant()) {
      const double eta = problem.rate_at(0);
      for (std::size_t k = 0; k < size; ++k)
        mode[k] = along(k, 0) * std::pow(1 - eta * kernel.values[k] / count, static_cast<double>(target));
    } else {
      for (; step < target; ++step)
        for (std::size_t k = 0; k < size; ++k)
          mode[k] *= 1 - problem.rate_at(static_cast<double>(step)) * kernel.values[k] / count;
    }
    const double now = 0.5 * count * numerics::squared_norm_in_order(mode);
    if (!recorder.alive(static_cast<double>(target), now)) break;
    recorder.row(static_cast<double>(target));
    recorder.set(loss, now);
  }
  Trajectory out = recorder.take();
  out.method = "linearised at the start of replica 0";
  out.report.emplace_back("eta_kernel_max", problem.rate_at(0) * kernel.values.back() / count);
  out.warnings.push_back("a network leaves its linearisation: early times and large widths only, shown and not judged");
  return out;
}

Trajectory solve_central_flow(const NetworkProblem& problem) {
  if (problem.rule.kind != UpdateKind::plain || !problem.rule.base.plain() || !problem.full_batch() || problem.rate ||
      !problem.schedule->constant())
    throw std::invalid_argument(
        "theory.method: central-flow is of gradient descent on all examples at a constant rate, without momentum, "
        "[schedule] and [rate]");
  ingredients::networks::NetworkObjective objective(problem.network, problem.loss, problem.data.train);
  Trajectory out = ingredients::follow_central_flow(
      objective, problem.start(problem.seed, 0), problem.rate_at(0), problem.time,
      {{{"loss", "1", "on all training examples"}, [&](auto theta) { return objective.move_to(theta); }}});
  out.method += ", from the start of replica 0";
  return out;
}

std::vector<Finding> network_stability(const NetworkProblem& problem) {
  ingredients::networks::NetworkObjective objective(problem.network, problem.loss, problem.data.train);
  const double loss = objective.move_to(problem.start(problem.seed, 0));
  CurvatureReader read;
  const CurvatureRecord now = read(problem, objective);
  const double eta = problem.rate ? 0 : problem.rate_at(0), momentum = problem.rule.base.momentum;
  const double ratio = problem.rule.ratio(now.gradient_norm);
  std::vector<Finding> out{{"parameters", static_cast<double>(objective.parameters()), "of the network"},
                           {"loss", loss, "at the start of replica 0, as all below"},
                           {"gradient_norm", now.gradient_norm, "|g|"},
                           {"sharpness", now.sharpness, "lambda, the largest eigenvalue of H"},
                           {"ggn_sharpness", now.ggn_sharpness, "the largest eigenvalue of its Gauss-Newton part"},
                           {"ggn_trace", objective.gauss_newton_trace(), "tr GGN"},
                           {"nme_trace", objective.neglected_trace(), "tr NME = tr H - tr GGN"}};
  for (const auto& [name, value, doc] :
       {std::tuple{"logit_share", now.logit_share, "g'GGN g/|g|^2"},
        {"functional_share", now.functional_share, "g'NME g/|g|^2"},
        {"delta_func", now.delta_func, "(Hg).(NME g)/|Hg|^2, the functional share of the gradient of |g|^2/2"}})
    out.push_back({name, value, doc});
  if (problem.paths_known()) {
    const SamResidual rest = sam_residual(objective, problem.start(problem.seed, 0), problem.rule);
    out.push_back({"sam_residual", rest.size, "|g_sam - g_func - g_logit + g|, SAM less its two paths"});
    out.push_back({"sam_residual_leading", rest.leading, "what it is to second order in rho"});
  }
  if (problem.rule.base.adaptive) {
    const double sharpness = read.preconditioned(objective, first_preconditioner(objective, problem.rule.base.epsilon));
    out.push_back({"preconditioned_sharpness", sharpness, "largest eigenvalue of P^-1 H, P of the first step"});
    if (!problem.rate)
      out.push_back(
          {"edge_sharpness", 2 * problem.rule.base.edge_factor() / eta, "2 (1 + beta1)/((1 - beta1) eta), of it"});
    return out;
  }
  if (problem.rate) return out;
  const double edge = edge_ratio(eta, now.sharpness, ratio, now.ascent_along, momentum);
  out.push_back(
      {"edge_sharpness", 2 * (1 + momentum) / eta, "2 (1 + momentum)/eta: where gradient descent holds lambda"});
  if (problem.has_ascent() && problem.ascent_part() == ingredients::CurvaturePart::hessian)
    out.push_back({"ascent_edge_sharpness", edge_sharpness(eta, ratio, momentum),
                   "lambda + r lambda^2 = 2/eta, with r = rho, or rho/|g| as it is now"});
  out.push_back({"edge", edge, "eta lambda (1 + r u'A u)/(1 + momentum), 2 at the edge"});
  out.push_back({"stable", edge < 2, "linearised, along the leading eigenvector"});
  return out;
}

}  // namespace edgewise::models::network
