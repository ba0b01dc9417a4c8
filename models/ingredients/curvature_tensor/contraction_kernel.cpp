#include "models/ingredients/curvature_tensor/contraction_kernel.hpp"

// The kernel keeps vectors in arrays, which vectors of unknown length do not allow; NEON serves those machines.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/ingredients/curvature_tensor/contraction_kernel.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace edgewise::models::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Numbers by which a request to memory goes ahead, eight cache lines.
constexpr std::size_t ahead = 64;

/// `count` rows, by vectors of `Tag` from output `a` on, as far as whole ones go; returns where they end.
template <std::size_t count, bool distant, class Tag>
std::size_t some_rows(Tag tag, std::size_t a, std::size_t d, std::size_t width, const double* HWY_RESTRICT x,
                      std::size_t stride, const double* HWY_RESTRICT column, const double* HWY_RESTRICT row,
                      double* HWY_RESTRICT w, double* HWY_RESTRICT across) {
  constexpr std::size_t lanes = hn::MaxLanes(Tag());
  hn::Vec<Tag> own[count];
  for (std::size_t i = 0; i < count; ++i) own[i] = hn::Set(tag, row[i]);
  for (; a + lanes <= d; a += lanes) {
    hn::Vec<Tag> sum[count];
    for (std::size_t i = 0; i < count; ++i) sum[i] = hn::LoadU(tag, w + d * i + a);
    for (std::size_t j = 0; j < width; ++j) {
      const double* from = x + stride * j + a;
      const hn::Vec<Tag> factor = hn::Set(tag, column[j]);
      hn::Vec<Tag> other = hn::LoadU(tag, across + d * j + a);
      for (std::size_t i = 0; i < count; ++i) {
        if constexpr (distant) hwy::Prefetch(from + d * i + ahead);
        const hn::Vec<Tag> q = hn::LoadU(tag, from + d * i);
        sum[i] = hn::Add(sum[i], hn::Mul(q, factor));
        other = hn::Add(other, hn::Mul(q, own[i]));
      }
      hn::StoreU(other, tag, across + d * j + a);
    }
    for (std::size_t i = 0; i < count; ++i) hn::StoreU(sum[i], tag, w + d * i + a);
  }
  return a;
}

/// All rows, `count` at a time; of the outputs the last, fewer than a vector holds, one by one. How many rows are taken
/// together changes no sum's order.
template <std::size_t count, bool distant>
std::size_t all_outputs(std::size_t i, std::size_t d, std::size_t rows, std::size_t width, const double* x,
                        std::size_t stride, const double* column, const double* row, double* w, double* across) {
  for (; i + count <= rows; i += count) {
    const double* from = x + d * i;
    const std::size_t a = some_rows<count, distant>(hn::CappedTag<double, 8>(), 0, d, width, from, stride, column,
                                                    row + i, w + d * i, across);
    some_rows<count, false>(hn::CappedTag<double, 1>(), a, d, width, from, stride, column, row + i, w + d * i, across);
  }
  return i;
}

void twice(std::size_t d, std::size_t rows, std::size_t width, const double* x, std::size_t stride,
           const double* column, const double* row, double* w, double* across, bool distant) {
  std::size_t i = 0;
  // From memory a row at a time, each column in one go, as long as the columns' sums stay in the first cache.
  if (distant && d <= 256)
    i = all_outputs<1, true>(i, d, rows, width, x, stride, column, row, w, across);
  else if (distant)
    i = all_outputs<2, true>(i, d, rows, width, x, stride, column, row, w, across);
  else
    i = all_outputs<2, false>(i, d, rows, width, x, stride, column, row, w, across);
  all_outputs<1, false>(i, d, rows, width, x, stride, column, row, w, across);
}

}  // namespace edgewise::models::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::models::ingredients {

HWY_EXPORT(twice);

void contract_twice(std::size_t d, std::size_t rows, std::size_t width, const double* x, std::size_t stride,
                    const double* column, const double* row, double* w, double* across, bool distant) {
  HWY_DYNAMIC_DISPATCH(twice)(d, rows, width, x, stride, column, row, w, across, distant);
}

}  // namespace edgewise::models::ingredients
#endif
