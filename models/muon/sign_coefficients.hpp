#pragma once
/// \file
/// Drift and noise of stochastic SignSGD on matrices (docs/theory/muon-phases.md, section 4).
#include <cstddef>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::muon {

/// phi_B = E|sum_{i <= B} g_i a_i c_i|/sqrt(B), all N(0,1) and independent; B whole, >= 1, or infinite. Exact to some
/// 12 digits at any B.
double sign_drift_factor(double batch);
/// The same for vector labels, E|sum e_i c_i|/sqrt(B) = sqrt(2/pi) E chi_B/sqrt(B).
double sign_drift_factor_vector(double batch);

/// Walsh-Hadamard transform in Sylvester's order, out_i = scale sum_j (-1)^(bits of i & j) in_j, of 2^k numbers, or along
/// the `rows` rows of a matrix with 2^k columns, stored column by column.
void walsh_hadamard(std::span<double> values, std::size_t rows = 1, double scale = 1);

/// u_j' A u_j, A = (2/pi) arcsin(correlations of K), in the Hadamard basis of the n = 2^k eigenvalues: K and A then
/// depend on i xor j only and share their eigenvectors, so this is two fast transforms, exact.
std::vector<double> hadamard_sign_noise(std::span<const double> eigenvalues);
/// (1 - 2/pi) + (2/pi) lambda_j/mean(lambda): correlations of a generic flat basis, linearised.
double linear_sign_noise(double eigenvalue, double mean);

/// Modes of SignSGD on a covariance of any diagonal Dg: eigenvalues kappa and eigenvectors U of Dg^(-1/4) K Dg^(-1/4).
/// The drift of E[S] = (sqrt(B) phi/sqrt V) Delta K Dg^(-1/2) is diagonal in Delta Dg^(1/4) U, with
/// P = sum kappa_j |that|_j^2.
struct SignModes {
  std::vector<double> kappa;
  std::vector<double> noise;    ///< u_j' Dg^(1/4) A Dg^(1/4) u_j
  linear_algebra::Matrix from;  ///< n x n: |Dg^(1/4) U|_j^2 = sum_i from_ij D_i over columns D_i in K's eigenbasis
};
/// \param basis  n x n orthogonal, column i the eigenvector of eigenvalue i in coordinates. O(n^3).
SignModes sign_modes(std::span<const double> eigenvalues, const linear_algebra::Matrix& basis);

}  // namespace edgewise::models::muon
