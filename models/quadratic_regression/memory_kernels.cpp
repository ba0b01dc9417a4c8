#include "models/quadratic_regression/memory_kernels.hpp"

// The kernel keeps vectors in arrays, which vectors of unknown length do not allow; NEON serves those machines.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/quadratic_regression/memory_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace edgewise::models::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Real = hn::CappedTag<double, 8>;
using RealVector = hn::Vec<Real>;

/// Rows taken together, so that `down` is read and written once for all of them.
constexpr std::size_t block = 4;
/// Partial sums of a row, whatever the width of the vectors, so that results do not depend on it.
constexpr std::size_t partial_sums = 8;

/// Four rows over columns [0, width), width a multiple of `partial_sums`.
void four_rows(const double* const* row, std::size_t width, const double* a, const double* HWY_RESTRICT x,
               double* HWY_RESTRICT down, double* across) {
  const Real d;
  constexpr std::size_t lanes = hn::MaxLanes(Real()), ways = partial_sums / lanes;
  const double *row0 = row[0], *row1 = row[1], *row2 = row[2], *row3 = row[3];
  const RealVector a0 = hn::Set(d, a[0]), a1 = hn::Set(d, a[1]), a2 = hn::Set(d, a[2]), a3 = hn::Set(d, a[3]);
  RealVector sum[block][ways];
  for (auto& sums : sum)
    for (RealVector& s : sums) s = hn::Zero(d);
  for (std::size_t first = 0; first < width; first += partial_sums)
    for (std::size_t way = 0; way < ways; ++way) {
      const std::size_t i = first + way * lanes;
      const RealVector v0 = hn::LoadU(d, row0 + i), v1 = hn::LoadU(d, row1 + i), v2 = hn::LoadU(d, row2 + i),
                       v3 = hn::LoadU(d, row3 + i), xi = hn::LoadU(d, x + i);
      const RealVector pair0 = hn::Add(hn::Mul(a0, v0), hn::Mul(a1, v1));
      const RealVector pair1 = hn::Add(hn::Mul(a2, v2), hn::Mul(a3, v3));
      hn::StoreU(hn::Add(hn::LoadU(d, down + i), hn::Add(pair0, pair1)), d, down + i);
      sum[0][way] = hn::Add(sum[0][way], hn::Mul(v0, xi));
      sum[1][way] = hn::Add(sum[1][way], hn::Mul(v1, xi));
      sum[2][way] = hn::Add(sum[2][way], hn::Mul(v2, xi));
      sum[3][way] = hn::Add(sum[3][way], hn::Mul(v3, xi));
    }
  for (std::size_t k = 0; k < block; ++k) {
    HWY_ALIGN double partial[partial_sums];
    for (std::size_t way = 0; way < ways; ++way) hn::StoreU(sum[k][way], d, partial + way * lanes);
    for (std::size_t half = partial_sums / 2; half > 0; half /= 2)
      for (std::size_t i = 0; i < half; ++i) partial[i] += partial[i + half];
    across[k] = partial[0];
  }
}

void products(const double* data, std::size_t n, const double* a, const double* HWY_RESTRICT x,
              double* HWY_RESTRICT down, double* HWY_RESTRICT across) {
  for (std::size_t s = 0; s < n; ++s) down[s] = 0;
  for (std::size_t r0 = 0; r0 < n; r0 += block) {
    const std::size_t rows = n - r0 < block ? n - r0 : block;
    std::size_t width = 0;
    if (rows == block) {
      const double* row[block];
      for (std::size_t k = 0; k < block; ++k) row[k] = data + (r0 + k) * (r0 + k + 1) / 2;
      width = r0 - r0 % partial_sums;
      four_rows(row, width, a + r0, x, down, across + r0);
    } else {
      for (std::size_t k = 0; k < rows; ++k) across[r0 + k] = 0;
    }
    for (std::size_t r = r0; r < r0 + rows; ++r) {
      const double* row = data + r * (r + 1) / 2;
      for (std::size_t s = width; s <= r; ++s) {
        down[s] += a[r] * row[s];
        across[r] += row[s] * x[s];
      }
    }
  }
}

}  // namespace edgewise::models::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::models::quadratic_regression {

HWY_EXPORT(products);

void triangle_products(const PackedTriangle& matrix, std::size_t n, const double* a, const double* x, double* down,
                       double* across) {
  HWY_DYNAMIC_DISPATCH(products)(matrix.row(0), n, a, x, down, across);
}

void symmetric_product(const PackedTriangle& matrix, std::size_t n, const double* v, double* y, double* work) {
  triangle_products(matrix, n, v, v, y, work);
  for (std::size_t s = 0; s < n; ++s) y[s] += work[s] - matrix.row(s)[s] * v[s];
}

}  // namespace edgewise::models::quadratic_regression
#endif
