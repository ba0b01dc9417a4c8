#pragma once
/// \file
/// Learning curves of kernel ridge regression, from what the kernel sees of the target
/// (docs/theory/networks-and-kernels.md, section 4.3).
#include <cstddef>
#include <vector>

namespace edgewise::models::ingredients::learning_curves {

/// Eigenspaces of a kernel under the law of the inputs, and the target's power E f_i^2 in each.
struct Levels {
  std::vector<double> eigenvalue;    ///< lambda_i >= 0; of 0: never learned
  std::vector<double> multiplicity;  ///< m_i > 0
  std::vector<double> power;         ///< v_i^2, summed over the level
  std::vector<double> degree;        ///< which level it is, for tables and the tail's size; may be empty
  double tail = 0;          ///< trace of all levels that are not listed: acts as a ridge while kappa exceeds theirs
  double power_beyond = 0;  ///< power of the target in those: not learned
  bool endless = false;     ///< whether levels go on below what a double holds, without a trace
  /// E f^2: the power in all levels, those that are not listed too.
  double total_power() const;
  /// Power in listed levels of eigenvalue 0, the error that no number of samples takes away.
  double unlearnable_power() const;
  /// sum of m_i over lambda_i > 0; infinite with a tail, or where levels are endless.
  double rank() const;
};

/// The curve at one number of samples.
struct CurvePoint {
  double kappa = 0;  ///< effective ridge: n = sum m L + (ridge + tail)/kappa, L = lambda/(lambda + kappa)
  /// E0 = n/(n - sum m L^2); infinite where n meets the rank without a ridge, or where kappa is 0 to a double.
  double overfitting = 1;
  double excess = 0;  ///< E0 (sum (1 - L)^2 v^2 + noise) - noise, of the noiseless target
  double train = 0;   ///< mean square of the residuals on the noisy training set
  /// Share of the excess in what is being learned, E0 sum L (1 - L)^2 v^2; the rest is noise, or not learned.
  double learned = 0;
  /// Bound, to first order, on the relative change of the excess by what is learned beyond the listed levels, which the
  /// tail as a ridge leaves out; their eigenvalues are taken to be at most those of the last two degrees.
  double truncation = 0;
};

/// From this bound on a curve is one of the truncation, not of the kernel: the bound is several times the change.
constexpr double most_truncation = 0.3;

class LearningCurve {
 public:
  /// \param ridge  delta >= 0 of (K + delta I)^-1; \param noise  variance of the labels' noise
  /// \throws std::invalid_argument for numbers out of range.
  LearningCurve(Levels levels, double ridge, double noise);

  /// At n >= 0 samples, whole or not. \throws std::invalid_argument for others
  CurvePoint at(double n) const;
  /// (1 - L_i)^2 v_i^2 of every level: what is left of the target.
  std::vector<double> remaining(double kappa) const;
  /// The first n at which the excess has fallen to `excess`; infinite where it does not below e^600. NaN where it does
  /// by the truncation alone, or above as many samples as there are levels that a double holds: whether and where the
  /// kernel's own excess falls there the listed levels do not tell.
  double samples_for(double excess) const;
  const Levels& levels() const { return levels_; }
  double noise() const { return noise_; }

 private:
  double kappa(double n) const;
  CurvePoint at(double n, double kappa) const;
  double samples_at(double kappa) const;
  /// sum (1 - L)^2 v^2: the excess is at least that.
  double left_at(double kappa) const;
  Levels levels_;
  double ridge_, noise_, rank_;
  double tail_largest_ = 0;  ///< at most the eigenvalues of the tail
};

}  // namespace edgewise::models::ingredients::learning_curves
