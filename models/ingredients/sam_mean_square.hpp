#pragma once
/// \file
/// SGD with SAM on a frozen kernel K in the mean square: z' = (I - eta K N) z, N = P + rho P K P with P keeping B of
/// the D rows at random (docs/theory/quadratic-regression.md, section 5, for N; its second moment by counting which
/// rows coincide).
#include <cstddef>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::ingredients {

/// Z = E z z' one step later: exact, O(D^3). \throws std::invalid_argument for eta <= 0, rho < 0, a batch outside 1..D,
/// shapes that do not fit.
linear_algebra::Matrix sam_second_moment_step(const linear_algebra::Matrix& kernel, double learning_rate, double rho,
                                              std::size_t batch, const linear_algebra::Matrix& second_moment);

/// The factor by which E |z|^2 grows per step in the end, the largest eigenvalue of
///
///     Z -> E (I - eta K N) Z (I - eta N K),
///
/// which is symmetric in W, Z = R W R' and K = R R'. By Lanczos' method, O(D^3) for each of some fifty products. Directions in
/// which K vanishes stand still and make it at least 1.
double sam_mean_square_growth(const linear_algebra::Matrix& kernel, double learning_rate, double rho,
                              std::size_t batch);

/// The learning rate above which E |z|^2 grows, to 9 digits; at most that of the mean. Without SAM the rate at which
/// the exact kernel norm is 1, or the denominators of it fail.
double sam_mean_square_rate(const linear_algebra::Matrix& kernel, double rho, std::size_t batch);

}  // namespace edgewise::models::ingredients
