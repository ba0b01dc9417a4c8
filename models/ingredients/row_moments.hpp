#pragma once
/// \file
/// Moments of the row masks of SGD on second-order regression: B of D rows, without replacement.
#include <cstddef>

namespace edgewise::models::ingredients {

/// b = B/D, that a row is in the batch, and beta = (B-1)/(D-1), that another is, given it (1 where D = 1). The batch
/// must lie in 1..D.
struct RowMoments {
  RowMoments(std::size_t outputs, std::size_t batch)
      : b(static_cast<double>(batch) / static_cast<double>(outputs)),
        beta(outputs == 1 ? 1 : static_cast<double>(batch - 1) / static_cast<double>(outputs - 1)) {}
  /// E[P A P] at row a and column c is together(a == c) A_ac.
  double together(bool same) const { return same ? b : b * beta; }
  double b, beta;
};

}  // namespace edgewise::models::ingredients
