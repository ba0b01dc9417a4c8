#include "models/least_squares/sgd_flow.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "solvers/volterra.hpp"

namespace edgewise::models::least_squares {

void flow_coefficients(const FlowProblem& problem, double eta, std::span<ingredients::ModeCoefficients> out) {
  const SgdModes& modes = problem.modes;
  for (std::size_t a = 0; a < out.size(); ++a) {
    auto& [rate, input] = out[a];
    const double lambda = modes.eigenvalue[a], m = modes.contraction(a, eta);
    input = problem.scale_feedback * lambda * modes.feedback(a, eta);
    switch (problem.level) {
      case FlowLevel::homog:
        rate = 2 * eta * lambda;
        break;
      case FlowLevel::diff:
        rate = m;
        break;
      case FlowLevel::sde:
        rate = eta * lambda * (2 - eta * lambda / modes.batch);
        break;
      case FlowLevel::log:
        if (m >= 1)
          throw std::invalid_argument(
              "theory.level: log needs (1 - eta lambda)^2 + eta^2 lambda^2/B > 0 for every mode; use diff or the "
              "recursion");
        rate = -std::log1p(-m);
        if (m != 0) input *= rate / m;
        break;
    }
    rate *= problem.scale_contraction;
  }
}

ingredients::CoupledLaw flow_law(const FlowProblem& problem) {
  const std::vector<double>& lambda = problem.modes.eigenvalue;
  std::vector<double> start, inverse;
  double scale = problem.noise_variance;
  for (std::size_t a = 0; a < lambda.size(); ++a) {
    start.push_back(lambda[a] * problem.power[a]);
    inverse.push_back(1 / lambda[a]);
    scale += start.back();
  }
  ingredients::CoupledLaw law = ingredients::risk_driven_law(
      std::vector<double>(lambda.size(), 1.0), std::move(start), problem.noise_variance, problem.learning_rate,
      problem.schedule,
      [problem](double eta, std::span<ingredients::ModeCoefficients> out) { flow_coefficients(problem, eta, out); });
  if (law.rank_one) law.rank_one->kind = solvers::RankOneSystem::Kind::flow;
  law.scale = scale;
  const std::vector<Observable>& observables = least_squares_observables();
  law.readings = {{.observable = observables[1]}, {.observable = observables[2], .weights = std::move(inverse)}};
  return law;
}

Trajectory solve_volterra(const FlowProblem& problem, const Time& time, double rtol) {
  if (!problem.schedule->constant())
    throw std::invalid_argument("theory.method: volterra needs a constant schedule; use recursion or ode");
  // Where the solution passes the limit is known without solving; beyond it the equation only overflows.
  const ingredients::CoupledLaw law = flow_law(problem);
  Trajectory out = ingredients::follow(law, time, {.method = ingredients::Following::Method::jump, .rtol = 1e-4});
  const solvers::ExponentialSum F{law.rank_one->decay, law.start}, H{law.rank_one->decay, law.rank_one->input};
  solvers::VolterraOptions options;
  options.rtol = rtol;
  const auto solution =
      solvers::volterra([&](double t) { return F(t); }, H, problem.noise_variance, out.steps, options);
  out.columns.resize(1);
  out.columns[0].value = solution.values;
  // What has decayed out of the range of doubles may be left a rounding below 0.
  for (double& P : out.columns[0].value) P = std::abs(std::max(P, 0.0));
  out.valid_until.reset();
  out.warnings.clear();
  out.method = "volterra";
  out.report = {{"solver_steps", static_cast<double>(solution.statistics.steps)},
                {"solver_rejected", static_cast<double>(solution.statistics.rejected)}};
  return out;
}

}  // namespace edgewise::models::least_squares
