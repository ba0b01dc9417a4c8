#pragma once
/// \file
/// The one loop that the memory recursion spends its time in, vectorised.
#include <cstddef>
#include <vector>

namespace edgewise::models::quadratic_regression {

/// A lower triangle that grows row by row, packed: row r holds r + 1 entries.
class PackedTriangle {
 public:
  /// Allocates `rows` rows, all zero.
  explicit PackedTriangle(std::size_t rows) : data_(rows * (rows + 1) / 2) {}
  double* row(std::size_t r) { return data_.data() + r * (r + 1) / 2; }
  const double* row(std::size_t r) const { return data_.data() + r * (r + 1) / 2; }

 private:
  std::vector<double> data_;
};

/// One pass over the first n rows of a triangle A that does the work of two products:
/// down[s] = sum_r a[r] A(r, s), across[r] = sum_s A(r, s) x[s], s <= r < n.
/// The result is the same on every instruction set.
void triangle_products(const PackedTriangle& matrix, std::size_t n, const double* a, const double* x, double* down,
                       double* across);

/// y = A v, n x n, for the symmetric A whose lower triangle is given. `work` is overwritten; both hold n.
void symmetric_product(const PackedTriangle& matrix, std::size_t n, const double* v, double* y, double* work);

}  // namespace edgewise::models::quadratic_regression
