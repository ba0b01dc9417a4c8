#pragma once
/// \file
/// What a step of a curvature-aware optimizer moves along (docs/theory/curvature-dynamics.md, sections 5 and 6), for any
/// loss that knows the two parts of its Hessian.
#include <cstdint>
#include <span>
#include <vector>

#include "models/ingredients/base_update.hpp"
#include "models/ingredients/curved_objective.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "random/random.hpp"

namespace edgewise::models::network {

/// g = grad L(theta), e = rho u/|u| (rho u when not normalised), u = g or M^-1 g, A a part of the Hessian:
///
///     plain                g                              sam     J(theta+e)'c(theta+e)
///     functional_sam       J(theta+e)'c(theta)            logit_sam   J(theta)'c(theta+e)
///     penalty              g + rho A g, or g + rho A g/|g|
///     weight_noise         grad L(theta + s xi), xi ~ N(0, I); antithetic: the mean of that at xi and -xi
///     gauss_newton_trace   g + (s^2/2) grad tr GGN,  hessian_trace  g + (s^2/2) grad tr H: one probe of signs a step
enum class UpdateKind {
  plain,
  sam,
  functional_sam,
  logit_sam,
  penalty,
  weight_noise,
  gauss_newton_trace,
  hessian_trace
};

struct UpdateRule {
  UpdateKind kind = UpdateKind::plain;
  double rho = 0;
  bool normalised = true;
  /// The ascent (of SAM and its kin), or the penalty, is there at every so manieth step only, so many times as strong.
  std::uint64_t every = 1;
  /// u = M^-1 g, M = sqrt(v/(1 - .9^(k+1))) + 1e-3, v a moving average of g^2; |u| Euclidean or |u|_M = sqrt(u'M u).
  bool preconditioned = false, norm_of_preconditioner = false;
  ingredients::CurvaturePart part = ingredients::CurvaturePart::hessian;  ///< of penalty
  double deviation = 0;                                                   ///< s
  bool antithetic = false;
  ingredients::BaseUpdate base;  ///< turns what is above; adaptive: of plain

  /// Whether e moves what the gradient is made of: SAM and its two paths.
  bool ascends() const {
    return kind == UpdateKind::sam || kind == UpdateKind::functional_sam || kind == UpdateKind::logit_sam;
  }
  /// rho, or rho/|g| where it is divided by the gradient's norm: what multiplies H g to first order.
  double ratio(double gradient_norm) const;
};

/// A rule and its memory along one run.
class Updates {
 public:
  /// \param parameters  their number; noise and probes are of (seed, replica, step)
  Updates(const UpdateRule& rule, std::size_t parameters, std::uint64_t seed, std::uint64_t replica);

  /// What step `step` moves along, theta' = theta - eta that, at the objective's point `theta`; momentum is in it. To be
  /// called once a step. The objective is left elsewhere.
  const std::vector<double>& direction(ingredients::CurvedObjective& objective, std::span<const double> theta,
                                       std::uint64_t step);
  /// P of the last step of an adaptive base, by parameter; empty before the first and of others.
  std::span<const double> preconditioner() const { return base_.preconditioner(); }

 private:
  void along_gradients(ingredients::CurvedObjective& objective, std::span<const double> theta, std::uint64_t step);
  void ascend(ingredients::CurvedObjective& objective, std::span<const double> theta, double rho);
  void add_trace_gradient(ingredients::CurvedObjective& objective, std::span<const double> theta);
  void precondition();

  UpdateRule rule_;
  random::Stream stream_;
  std::vector<double> gradient_, direction_, ascent_, moved_, probe_, squares_;
  double square_weight_ = 1;  ///< .9^k
  ingredients::BaseRun base_;
};

/// How far SAM is from the sum of its two paths along e = rho g/|g| (rho g when not normalised),
///
///     g_sam - g_func - g_logit + g = (J(theta+e) - J)'(c(theta+e) - c) = sum_a ((d2loss/df2) J e)_a grad^2 f_a e + O(|e|^3)
struct SamResidual {
  double size = 0;     ///< of the left
  double leading = 0;  ///< of the term of second order
};
/// At theta, where the objective is left.
SamResidual sam_residual(ingredients::CurvedObjective& objective, std::span<const double> theta,
                         const UpdateRule& rule);

/// P of the first step of an adaptive base, from the gradient g that the step sees: |g| + epsilon, whatever beta2 is.
std::vector<double> first_preconditioner(const ingredients::CurvedObjective& objective, double epsilon);

/// What a rate rule that asks for `needs` may see of the step along -`along` from theta, where the objective, of loss
/// `loss` there, is left; distances and averages are the caller's. All must outlive the observation, whose `loss_after`
/// moves the objective.
/// \param P  a preconditioner, by parameter, whose P^-1 H the sharpness is of; empty: of H
ingredients::StepObservation observe_step(ingredients::CurvedObjective& objective, std::span<const double> theta,
                                          double loss, std::span<const double> along, ingredients::RateNeeds needs,
                                          std::span<const double> P = {});

/// theta' = theta - rate direction.
void move(std::span<const double> direction, double rate, std::span<double> theta);

}  // namespace edgewise::models::network
