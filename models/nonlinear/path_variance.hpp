#pragma once
/// \file
/// How far single runs stray from the theory's P (docs/theory/sign-and-clip.md, section 2.7, carried to any
/// covariance).
#include <memory>
#include <span>

#include "linear_algebra/dense.hpp"
#include "models/nonlinear/laws.hpp"
#include "models/nonlinear/mode_system.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// Covariance of the modes M_i of one run, linearised about the theory:
///
///     delta M' = (g + u kappa') delta M + xi,   g_i = 1 - 2 eta a kappa_i + eta^2 c kappa_i^2,   u_i = d(M_i')/dP
///
/// (under a greedy rate also + v w', v_i = d(M_i')/d log eta, w_i = d log eta/dM_i, through Q and T; through P it is in
/// u) with a, b, c, kappa, s of the mode system and xi the step's own chance given the modes. Signs, with N the noise
/// covariance between modes and Z = E z z' (diagonal N for a diagonal covariance), which sums to (2.8) of that page:
///
///     Cov xi_ij = 4 eta^2 [b N_ij Z_ij + (pair - a^2) kappa_i M_i kappa_j M_j] + 2 eta^4 b^2 (1 - 1/B) N_ij^2
///
/// the last for means of signs alone: the squares of one sign are certain, those of its mean over a batch are not; a majority
/// that ties with probability t adds eta^4 t (1 - t) a coordinate. Where coordinates correlate, products of two signs are not
/// certain either, and 2 (1 - 1/B) stands for what makes the sum over modes the variance of u'Ku (spread_of_squares).
/// `pair` is what the signs of two coordinates have in common through the residuals of the batch: 0 at batch 1, beyond
/// (1 - 1/B) a^2 for the mean of signs and for their majority, whose a is its own, and late_coupling for the sign of a
/// mean. Residual nonlinearities, with S = mean_b chi w, T = sum_b chi^2/B^2, beside the part of the gradient across v:
///
///     xi_i = -2 eta kappa_i M_i (S - E S)/P + eta^2 s_i (T - E T)
///
/// In both kappa_i M_i is further (1 - eta a kappa_i) of that, for chance meets what the mean step leaves of v: as large
/// as eta kappa may be where the batch is; not where the squares of a step are certain, as of one sign.
///
/// A conjecture where the covariance is not isotropic. O(modes^2) per step.
class PathVariance {
 public:
  /// All arguments must outlive it. \throws std::invalid_argument for methods with a memory, mean-clip, thresholds that
  /// follow the risk, an infinite E chi^4, or the sign of a mean of more than 1e6 examples.
  PathVariance(const ModeSystem& modes, const ScalarLaws& laws, const NonlinearProblem& problem);
  /// One step at learning rate eta, from the theory's P and M before it.
  void step(double eta, double P, std::span<const double> M);
  /// Standard deviation of P.
  double deviation() const;
  /// What the first step from the optimum may be off by: the part of its variance, relative, that is only estimated.
  double estimated_share() const { return estimated_; }

 private:
  struct Chance {
    double pull2 = 0, cross = 0, noise2 = 0;  ///< of q_i q_j, q_i n_j + n_i q_j, n_i n_j
    double across = 0, alone = 0;             ///< of kappa_i q_i and of kappa_i^2 n_i on the diagonal
    double squares = 0;                       ///< of (eta^2 b N_ij)^2
  };
  Chance sign_chance(double eta, double P, const LawValues& law) const;
  Chance residual_chance(double eta, double P, const LawValues& law) const;
  /// At P = 0, where only the noise acts.
  Chance optimum_chance(double eta, const LawValues& law, const StepAtOptimum& optimum) const;

  const ModeSystem& modes_;
  const ScalarLaws& laws_;
  const NonlinearProblem& problem_;
  // In units of P and of chi, so that no power of either leaves the range of numbers: p_i = kappa_i M_i/unit, q_i = kappa_i
  // p_i, n_i = kappa_i s_i.
  double unit_, chi_;
  double squares_ = 0, estimated_ = 0;     ///< of signs: Chance::squares
  std::unique_ptr<ScalarLaws> moments_;    ///< class I: E chi^3 w and E chi^4, in the places of a and b; class II: pair
  linear_algebra::Matrix covariance_;      ///< of p
  linear_algebra::Matrix noise_, second_;  ///< class II off the diagonal: (kappa_i kappa_j)^(1/2) times N and Z
};

/// Of the steps u of signs at the optimum, E u u' = b N: variance of u'Ku over b^2 tr KNKN, and the share of it that is
/// only estimated.
struct SquareSpread {
  double variance = 0, estimated = 0;
};
/// For Gaussian inputs of covariance K. E u_a u_b u_c u_d is exact where two of the coordinates are one (of majorities that tie,
/// with two others, to second order in N), and in its Gaussian part; the rest is continued from there: sum_a N_ab N_ac N_ad
/// times half of what it is at a = b.
SquareSpread spread_of_squares(linear_algebra::Matrix K, const linear_algebra::Matrix& N, Method method, double batch);

}  // namespace edgewise::models::nonlinear
