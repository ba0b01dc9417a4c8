#pragma once
// A second rendering of the correlation of two matrices, by their sums.
#include <cmath>

#include "linear_algebra/dense.hpp"

namespace edgewise::literal {

inline double correlation(const linear_algebra::Matrix& p, const linear_algebra::Matrix& q, bool pearson) {
  const auto n = static_cast<double>(p.size());
  double sp = 0, sq = 0, pp = 0, qq = 0, pq = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    sp += p.data()[k];
    sq += q.data()[k];
    pp += p.data()[k] * p.data()[k];
    qq += q.data()[k] * q.data()[k];
    pq += p.data()[k] * q.data()[k];
  }
  if (!pearson) sp = sq = 0;
  return (pq - sp * sq / n) / std::sqrt((pp - sp * sp / n) * (qq - sq * sq / n));
}

}  // namespace edgewise::literal
