#pragma once
/// \file
/// The loop that a stored tensor's contraction spends its time in, vectorised: each number is read once and used twice.
#include <cstddef>

namespace edgewise::models::ingredients {

/// Of `rows` rows i of the tensor above a block of `width` columns j (see CurvatureTensor), x_aij = Q_aij:
///
///     w_ai += sum_j x_aij column[j],    W_aj += sum_i x_aij row[i]        (a < d)
///
/// \param x        entry (a, i, j) stands at a + d i + stride j
/// \param w        w_ai at a + d i;  \param across  W_aj at a + d j; they must not overlap
/// \param distant  whether the numbers come from memory, not from a cache: they are then asked for ahead
/// Every sum runs in the order of i or j, on every instruction set and wherever the numbers come from.
void contract_twice(std::size_t d, std::size_t rows, std::size_t width, const double* x, std::size_t stride,
                    const double* column, const double* row, double* w, double* across, bool distant);

}  // namespace edgewise::models::ingredients
