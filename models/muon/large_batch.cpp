#include "models/muon/large_batch.hpp"

#include <algorithm>
#include <cmath>

namespace edgewise::models::muon {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

constexpr double most_drawn = 16384;
constexpr double few = 16;  ///< uniform numbers that are counted one by one

/// A with A A' in law that of scale^2 sum_i a_i a_i' over `examples` standard normal a_i.
Matrix wishart_factor(double examples, double scale, std::size_t rows, random::Stream& normals, random::Stream& chi) {
  const bool thin = examples <= static_cast<double>(rows);
  Matrix a(rows, thin ? static_cast<std::size_t>(examples) : rows);
  normals.normals(a.entries());
  for (std::size_t j = 0; j < a.columns() && !thin; ++j) {  // Bartlett: lower triangular
    for (std::size_t i = 0; i < j; ++i) a(i, j) = 0;
    a(j, j) = std::sqrt(chi.chi_square(examples - static_cast<double>(j)));
  }
  for (double& x : a.entries()) x *= scale;
  return a;
}

void scale_rows(Matrix& a, std::span<const double> factor) {
  for (std::size_t j = 0; j < a.columns(); ++j)
    for (std::size_t i = 0; i < a.rows(); ++i) a(i, j) *= factor[i];
}

}  // namespace

WeightNodes chi_square_nodes(std::size_t count) {
  // g^2/2 is of the weight of Laguerre's polynomials of order -1/2, whose recursion this is.
  std::vector<double> diagonal, beside;
  for (std::size_t k = 0; k < count; ++k) {
    const auto degree = static_cast<double>(k);
    diagonal.push_back(2 * degree + 0.5);
    if (k > 0) beside.push_back(std::sqrt(degree * (degree - 0.5)));
  }
  const linear_algebra::SymmetricEigen of = linear_algebra::tridiagonal_eigen(diagonal, beside);
  WeightNodes out;
  for (std::size_t k = 0; k < count; ++k) {
    out.value.push_back(2 * of.values[k]);
    out.share.push_back(of.vectors(0, k) * of.vectors(0, k));
  }
  return out;
}

bool is_large_batch(double batch, std::size_t rows, std::size_t columns) {
  return batch > std::max(most_drawn, examples_per_row * static_cast<double>(std::min(rows, columns)));
}

double binomial(random::Stream& stream, double count, double share) {
  double found = 0;
  // The middle one of `count` uniform numbers halves them.
  while (count > few && share > 0 && share < 1) {
    const double below = std::floor((count + 1) / 2);
    const double left = stream.gamma(below), right = stream.gamma(count + 1 - below), middle = left / (left + right);
    if (middle <= share) {
      found += below;
      count -= below;
      share = (share - middle) / (1 - middle);
    } else {
      count = below - 1;
      share /= middle;
    }
  }
  if (share >= 1) return found + count;
  for (double i = 0; i < count && share > 0; ++i) found += stream.uniform() < share ? 1 : 0;
  return found;
}

void draw_large_batch(double batch, const WeightNodes& weights, std::span<const double> root_row,
                      std::span<const double> root_column, random::Stream& factor, random::Stream& normals,
                      random::Stream& counts, Matrix& out) {
  // The smaller side is summed over the examples.
  const bool wide = root_row.size() <= root_column.size();
  const std::span<const double> small = wide ? root_row : root_column, large = wide ? root_column : root_row;
  if (out.rows() != root_row.size() || out.columns() != root_column.size())
    out = Matrix(root_row.size(), root_column.size());
  double left = batch, rest = 1;
  bool first = true;
  for (std::size_t k = 0; k < weights.value.size() && left > 0; ++k) {
    const bool last = k + 1 == weights.value.size();
    const double examples = last ? left : binomial(counts, left, std::min(1.0, weights.share[k] / rest));
    left -= examples;
    rest -= weights.share[k];
    if (examples == 0) continue;
    Matrix a = wishart_factor(examples, std::sqrt(weights.value[k]), small.size(), factor, counts);
    scale_rows(a, small);
    Matrix b(large.size(), a.columns());
    normals.normals(b.entries());
    scale_rows(b, large);
    linear_algebra::multiply(1, wide ? a : b, Transposed::no, wide ? b : a, Transposed::yes, first ? 0 : 1, out);
    first = false;
  }
}

}  // namespace edgewise::models::muon
