#pragma once
/// \file
/// How far single runs stray from the theory's P (docs/theory/sign-and-clip.md, section 2.7, carried to any
/// covariance).
#include <memory>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/mode_system.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// Covariance of the modes M_i of one run, linearised about the theory:
///
///     delta M' = (g + u kappa') delta M + xi,   g_i = 1 - 2 eta a kappa_i + eta^2 c kappa_i^2,   u_i = d(M_i')/dP
///
/// with a, b, c, kappa, s of the mode system and xi the step's own chance given the modes. Signs, with N the noise
/// covariance between modes and Z = E z z' (diagonal N for a diagonal covariance), which sums to (2.8) of that page:
///
///     Cov xi_ij = 4 eta^2 [b N_ij Z_ij + (c - a^2) kappa_i M_i kappa_j M_j]
///
/// Residual nonlinearities, with S = mean_b chi w, T = sum_b chi^2/B^2, beside the part of the gradient across v:
///
///     xi_i = -2 eta kappa_i M_i (S - E S)/P + eta^2 s_i (T - E T)
///
/// A conjecture where the covariance is not isotropic. O(modes^2) per step.
class PathVariance {
 public:
  /// All arguments must outlive it. \throws std::invalid_argument for methods with a memory, mean-clip, thresholds that
  /// follow the risk, or an infinite E chi^4.
  PathVariance(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem);
  /// One step at learning rate eta, from the theory's P and M before it.
  void step(double eta, double P, std::span<const double> M);
  /// Of P.
  double variance() const;

 private:
  struct Chance {
    double pull2 = 0, cross = 0, noise2 = 0;  ///< of p_i p_j, p_i s_j + s_i p_j, s_i s_j with p_i = kappa_i M_i
    double across = 0, alone = 0;             ///< of p_i and of kappa_i s_i on the diagonal
  };
  Chance sign_chance(double eta, const LawValues& law) const;
  Chance residual_chance(double eta, double P, const LawValues& law) const;

  const ModeSystem& modes_;
  const ScalarLaws& laws_;
  const NonlinearProblem& problem_;
  std::unique_ptr<ScalarLaws> moments_;    ///< class I: E chi^3 w and E chi^4, in the places of a and b
  linear_algebra::Matrix covariance_;      ///< of M
  linear_algebra::Matrix noise_, second_;  ///< class II off the diagonal: N and Z
};

}  // namespace edgewise::models::nonlinear
