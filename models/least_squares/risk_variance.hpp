#pragma once
/// \file
/// The exact variance of the risk of streaming SGD (docs/theory/least-squares-sgd.md, sections 4 and 4b): error bands
/// without simulation. Gaussian data and Gaussian labels.
#include <memory>
#include <span>
#include <vector>

namespace edgewise::models::least_squares {

/// The modes and constants that the variance needs. Arrays: one entry per mode.
struct VarianceProblem {
  std::vector<double> eigenvalue, multiplicity, initial_power;  ///< lambda_a, n_a, rho_a(0)
  double batch = 1;
  double noise_variance = 0;  ///< sigma^2
};

/// Covariances C_ab = E[rho_a rho_b] - D_a D_b and D_a = E[rho_a], moved exactly by recursion (4.1) with the products of
/// means taken out of its coefficients, so that a small spread keeps its digits. O(n^2) per step.
class VarianceRecursion {
 public:
  explicit VarianceRecursion(const VarianceProblem& problem);
  ~VarianceRecursion();
  VarianceRecursion(VarianceRecursion&&) noexcept;
  /// One SGD step with learning rate eta.
  void step(double eta);
  double excess_mse() const;                ///< P = E v'Kv
  double excess_mse_variance() const;       ///< Var v'Kv, clipped at 0
  double parameter_error_variance() const;  ///< Var |v|^2

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The same at a constant learning rate, at any step: the recursion's z-transform is known up to one dense n x n solve,
/// and is inverted on a contour. O(n^3) per requested step, independent of the step.
class VarianceContour {
 public:
  VarianceContour(const VarianceProblem& problem, double eta, double rtol = 1e-10);
  ~VarianceContour();
  /// False when the variance diverges: then only the recursion is meaningful.
  bool converges() const;
  /// Earliest step it may be asked for.
  double earliest() const;
  /// (Var P, Var |v|^2) at step k; NaN where rounding hides it (a spread of some 1e-6 of the mean).
  struct Variances {
    double excess_mse = 0, parameter_error = 0;
  };
  Variances at(double k) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Learning rate at which the variance of the risk diverges: the fourth-moment operator's leading eigenvalue reaches 1.
/// At most `eta_max`. O(n^3) per trial rate; compress the spectrum first when n is large.
double variance_threshold(const VarianceProblem& problem, double eta_max);

/// Large-dimension form (4b) for a constant learning rate, in continuous time: Var P(t) from the linear-noise equation.
/// O(n) per quadrature node, any t. \returns variances at `times`.
std::vector<double> linear_noise_variance(const VarianceProblem& problem, double eta, std::span<const double> times);

}  // namespace edgewise::models::least_squares
