#pragma once
/// \file
/// SGD on least squares in continuous time (docs/theory/least-squares-sgd.md, sections 1.2, 1.3): q_a = lambda_a D_a,
///
///     dq_a/dt = -A_a q_a + b_a (P + sigma^2),      P = sum_a q_a
///
/// with b_a = (eta^2/B) n_a lambda_a^2, at three levels: homog A = 2 eta lambda; diff A = m, the recursion's decay per
/// step (sgd_modes.hpp); log A = -log(1 - m), with b times A/m to keep the fixed point. At a fourth,
/// sde A = 2 eta lambda - (eta lambda)^2/B, it is the mean of homogenized SGD (section 3).
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/schedules.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "solvers/coupled_modes.hpp"

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

struct FlowResult {
  std::vector<double> excess_mse, parameter_error;  ///< at the times that were reached
  std::optional<double> diverged_at;
  std::optional<double> valid_until;  ///< last of the times before P is lost in rounding; empty: all
  double error_estimate = 0;          ///< relative, of a contour; 0 when the integrator has none
  std::vector<std::pair<std::string, double>> report;
};

/// The flow as a coupled-mode system with one shared scalar, P.
class SgdFlow final : public solvers::CoupledModes {
 public:
  explicit SgdFlow(const FlowProblem& problem);
  std::size_t size() const override { return ones_.size(); }
  std::span<const double> weights(std::size_t) const override { return ones_; }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override;
  void sensitivity(double t, std::span<const double> p, std::span<const double> M, std::span<double> u) const override;
  bool affine() const override { return true; }
  bool autonomous() const override { return problem_.schedule->constant(); }
  std::vector<double> initial() const;
  /// A_a and b_a at learning rate eta.
  void rates(double eta, std::span<double> A, std::span<double> b) const;

 private:
  const FlowProblem& problem_;
  std::vector<double> ones_;
  mutable double cached_eta_ = -1;
  mutable std::vector<double> A_, b_;
  void refresh(double t) const;
};

/// A relative accuracy of P with which nothing can be judged any more.
inline constexpr double lost_accuracy = 1e-4;

/// Integrates with "contour" (constant schedule only), "sdirk4", "etd" or "explicit" to the given times (increasing).
FlowResult integrate_flow(const FlowProblem& problem, std::span<const double> times, const std::string& integrator,
                          double rtol, double atol, double limit);

/// The homog flow as its Volterra equation P = F + H * (P + sigma^2) (constant schedule only). Knows P alone:
/// parameter_error stays empty.
FlowResult integrate_volterra(const FlowProblem& problem, std::span<const double> times, double rtol, double limit);

}  // namespace edgewise::models::least_squares
