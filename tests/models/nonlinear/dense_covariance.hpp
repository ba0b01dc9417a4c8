#pragma once
/// Covariances given entry by entry.
#include <utility>
#include <vector>

#include "models/nonlinear/covariance.hpp"

namespace edgewise::models::testing {

inline nonlinear::Covariance dense_covariance(std::vector<double> matrix, std::vector<double> target) {
  nonlinear::Covariance out;
  out.d = target.size();
  out.diagonal = false;
  out.matrix = std::move(matrix);
  out.target = std::move(target);
  return out;
}

}  // namespace edgewise::models::testing
