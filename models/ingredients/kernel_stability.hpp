#pragma once
/// \file
/// Stability of SGD on a frozen kernel K, in the mean and in the mean square, and the edge of SAM. See
/// docs/theory/quadratic-regression.md, sections 4 and 5.
///
/// z' = (I - eta K P) z, P keeping B of the D rows at random; b = B / D, beta = (B - 1) / (D - 1) (1 when D = 1).
/// Gradients are sums over the rows kept. The mean is stable iff eta b lambda_1 < 2; the mean square iff
/// eta beta lambda_1 < 2 and the exact kernel norm is below 1. At small batch that is set by tr K: the stochastic edge
/// of stability.
#include <cstddef>
#include <span>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::ingredients {

/// Learning rate above which the mean of z grows, 2 / (b lambda_1). \throws std::invalid_argument for a batch outside 1..D,
/// as everything below.
double mean_critical_rate(std::span<const double> eigenvalues, std::size_t batch);

/// Kernel norm with the eigenvectors averaged out: (1/D) sum eta (1 - beta) lambda / (2 - eta beta lambda), a lower
/// bound of the exact one; infinite when a denominator is not positive. O(D).
double annealed_kernel_norm(std::span<const double> eigenvalues, double learning_rate, std::size_t batch);
/// Learning rate at which that is 1 (2 / lambda_1 at full batch); an upper bound of the exact one.
double annealed_critical_rate(std::span<const double> eigenvalues, std::size_t batch);

/// The exact kernel norm, the spectral radius of a D x D matrix; V holds the eigenvectors of K in its columns:
///
///     G_ac = sum_xy V_ax V_ay V_cx V_cy g_xy
///     g_xy = eta (1 - beta) lambda_x lambda_y/(lambda_x + lambda_y - eta beta lambda_x lambda_y)
///
/// which acts by products of D x D matrices in Lanczos' method (noise_kernel.hpp): O(D^3), 0.04 s at D = 200. Eigenvalues
/// that rounding made negative count as 0.
double exact_kernel_norm(const linear_algebra::SymmetricEigen& kernel, double learning_rate, std::size_t batch);
/// Learning rate at which that is 1 (2 / lambda_1 at full batch), between the bound by row sums and the annealed one.
double exact_critical_rate(const linear_algebra::SymmetricEigen& kernel, std::size_t batch);

/// The largest row sum of G, an upper bound of the exact kernel norm that costs O(D^2).
double row_sum_kernel_norm(const linear_algebra::SymmetricEigen& kernel, double learning_rate, std::size_t batch);

/// Z = E z z' one step later.
linear_algebra::Matrix second_moment_step(const linear_algebra::Matrix& kernel, double learning_rate, std::size_t batch,
                                          const linear_algebra::Matrix& second_moment);

/// The eigenvalue lambda_SAM of K at which SAM's leading residual dynamics z' = (I - eta K (I + rho K)) z lose
/// stability, eta lambda (1 + rho lambda) = 2. It is 2 / eta - 4 rho / eta^2 + O(rho^2) for rho << eta and
/// sqrt(2 / (eta rho)) for rho >> eta. \throws std::invalid_argument for eta <= 0 or rho < 0.
double sam_edge(double learning_rate, double rho);

/// \throws std::invalid_argument unless it is positive and finite.
void check_learning_rate(double learning_rate);

/// E[P + rho P K P] = b [I + rho (beta K + (1 - beta) diag K)]. \throws std::invalid_argument for rho < 0 and a batch outside
/// 1..D.
linear_algebra::Matrix sam_mean_ascent(const linear_algebra::Matrix& kernel, double rho, std::size_t batch);
/// K times that: one step of SGD with SAM on a frozen kernel takes this times eta off the
/// mean of z. \throws std::invalid_argument for rho < 0.
linear_algebra::Matrix sam_mean_descent(const linear_algebra::Matrix& kernel, double rho, std::size_t batch);

/// Largest eigenvalue of the mean map of SGD with SAM, eta b K [I + rho (beta K + (1 - beta) diag K)]: the mean of z is
/// stable iff it is below 2. At small batch SAM regularises by the trace.
double sam_mean_rate(const linear_algebra::Matrix& kernel, double learning_rate, double rho, std::size_t batch);

}  // namespace edgewise::models::ingredients
