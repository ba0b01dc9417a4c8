#pragma once
/// \file
/// Quadratic regression at early time: how the kernel K = J J' accelerates when the curvature is drawn afresh, at
/// finite D and P. See docs/theory/quadratic-regression.md, section 2.
///
/// Throughout, expectations are over the curvature Q (independent GOE matrices, entries of variance sQ2 = kappa / P^2
/// off the diagonal and twice that on it) and, for SGD, over masks of B of the D rows, given the residual z and the
/// Jacobian J, of which only K matters. Eigenvalues are ascending, eigenvectors those of the initial K.
#include <cstddef>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::quadratic_regression {

/// Where the motion starts.
struct EarlyTimeState {
  std::vector<double> residual;      ///< z, D entries
  linear_algebra::Matrix kernel;     ///< K = J J', D x D
  std::size_t parameters = 1;        ///< P
  double curvature_variance = 0.01;  ///< sQ2
};

/// E[d2K/dt2] under gradient flow at t = 0, where E[dK/dt] = 0. \throws std::invalid_argument for shapes that do not fit.
linear_algebra::Matrix kernel_acceleration(const EarlyTimeState& state);
/// E[d2 tr K/dt2] under gradient flow.
double trace_acceleration(const EarlyTimeState& state);
/// E[v' (d2K/dt2) v] under gradient flow for every eigenvector v of K.
std::vector<double> projected_acceleration(const EarlyTimeState& state);
/// E[d2 lambda/dt2] under gradient flow for every eigenvalue: the projected acceleration and the repulsion of levels
/// that dK/dt causes; infinite where eigenvalues coincide.
std::vector<double> eigenvalue_acceleration(const EarlyTimeState& state);

/// The first and second difference of the kernel under SGD, E[K_1 - K_0] and E[K_2 - 2 K_1 + K_0]. They answer
/// different questions: the first is diffusion of the parameters by the noise, the second the change of pace, in which
/// the noise acts against sharpening, most in the top modes.
struct KernelDifferences {
  double first = 0;               ///< E[K_1 - K_0] is this multiple of the identity (exact)
  linear_algebra::Matrix order2;  ///< term of order eta^2 of the second difference (exact coefficient)
  linear_algebra::Matrix order3;  ///< term of order eta^3 (exact coefficient); the next is O(eta^4)
};
/// \throws std::invalid_argument for eta <= 0 or a batch outside 1..D.
KernelDifferences sgd_kernel_differences(const EarlyTimeState& state, double learning_rate, std::size_t batch);

/// The same along every eigenvector.
struct ModeDifferences {
  std::vector<double> eigenvalue;
  double first = 0;
  std::vector<double> order2, order3;
  /// 1 + order3 / order2: the share of the noiseless (order eta^2) acceleration that remains.
  std::vector<double> ratio;
};
ModeDifferences sgd_mode_differences(const EarlyTimeState& state, double learning_rate, std::size_t batch);

/// What the mixing of eigenvectors, linear in Q at every step, adds to the second difference of each eigenvalue itself,
/// lambda(2) - 2 lambda(1) + lambda(0), beyond that along its initial eigenvector: second-order perturbation theory,
/// its terms of order eta^2 and eta^3 (exact coefficients; the next is O(eta^4)). Infinite where eigenvalues coincide.
///
/// To first order in Q, with h = J' y, y = P_1 z at t = 1 and y = P_1 z + P_2 (I - eta K P_1) z at t = 2, for two
/// eigenvectors v, w:
///
///     K_t - K_0 = -eta (Q(h) J' + its transpose)
///     E (v' Q(h) J' w + w' Q(h) J' v)^2 = sQ2 y' M y
///     M = (lambda_v + lambda_w) K + lambda_v^2 v v' + lambda_w^2 w w'
struct LevelRepulsion {
  std::vector<double> order2, order3;
};
LevelRepulsion sgd_level_repulsion(const EarlyTimeState& state, double learning_rate, std::size_t batch);

/// sgd_mode_differences averaged over residuals z ~ N(0, residual_variance I): conservative sharpening, eigenvalue by
/// eigenvalue. At fixed effective time tau = eta B / D the loss of acceleration grows like D / B and like the
/// eigenvalue squared.
ModeDifferences averaged_mode_differences(const linear_algebra::Matrix& kernel, std::size_t parameters,
                                          double curvature_variance, double residual_variance, double learning_rate,
                                          std::size_t batch);

/// E[d2K/dt2] averaged over residuals and Jacobians too (entries of variance `jacobian_variance`): this multiple of the
/// identity. `jacobian_variance` is the variance of an entry times P.
double averaged_kernel_acceleration(std::size_t outputs, std::size_t parameters, double curvature_variance,
                                    double residual_variance, double jacobian_variance);

/// Time in which an eigenvalue of K moves appreciably under gradient flow, (lambda'' / lambda)^(-1/2), averaged over
/// residuals.
double sharpening_time(double eigenvalue, double trace, std::size_t parameters, double curvature_variance,
                       double residual_variance);

}  // namespace edgewise::models::quadratic_regression
