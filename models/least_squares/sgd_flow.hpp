#pragma once
/// \file
/// SGD on least squares in continuous time (docs/theory/least-squares-sgd.md, sections 1.2, 1.3): q_a = lambda_a D_a,
///
///     dq_a/dt = -A_a q_a + b_a (P + sigma^2),      P = sum_a q_a
///
/// with b_a = (eta^2/B) n_a lambda_a^2, at three levels: homog A = 2 eta lambda; diff A = m, the recursion's decay per
/// step (sgd_modes.hpp); log A = -log(1 - m), with b times A/m to keep the fixed point. At a fourth,
/// sde A = 2 eta lambda - (eta lambda)^2/B, it is the mean of homogenized SGD (section 3).
#include <memory>
#include <span>
#include <vector>

#include "models/ingredients/coupled_law.hpp"
#include "models/ingredients/schedules.hpp"
#include "models/least_squares/sgd_modes.hpp"

namespace edgewise::models::least_squares {

enum class FlowLevel { homog, diff, log, sde };

struct FlowProblem {
  const SgdModes& modes;
  std::vector<double> power;  ///< rho_a(0)
  double noise_variance = 0;
  FlowLevel level = FlowLevel::log;
  double scale_contraction = 1, scale_feedback = 1;
  double learning_rate = 0;
  std::shared_ptr<const ingredients::Schedule> schedule;
};

/// A_a and b_a at learning rate eta. \throws std::invalid_argument for level log where a mode is thrown past its optimum.
void flow_coefficients(const FlowProblem& problem, double eta, std::span<ingredients::ModeCoefficients> out);

/// The flow, of which P and |v|^2 (without what lambda = 0 holds) are read. It must not outlive `problem.modes`.
ingredients::CoupledLaw flow_law(const FlowProblem& problem);

/// The homog flow as its Volterra equation P = F + H * (P + sigma^2) (constant schedule only), of which P alone is known.
Trajectory solve_volterra(const FlowProblem& problem, const Time& time, double rtol);

}  // namespace edgewise::models::least_squares
