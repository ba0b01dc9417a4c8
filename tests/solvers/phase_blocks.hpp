#pragma once
/// Blocks of phases written as lists.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "solvers/linear_phases.hpp"

namespace edgewise::solvers::test {

/// A block of r coordinates: entries of T0 and T1 row by row, those of n and e; what a list leaves out is 0.
inline PhaseBlock block_of(std::size_t r, const std::vector<double>& T0, const std::vector<double>& T1,
                           const std::vector<double>& n = {}, const std::vector<double>& e = {}, double omega = 1) {
  PhaseBlock b;
  b.r = r;
  std::ranges::copy(T0, b.T0.begin());
  std::ranges::copy(T1, b.T1.begin());
  std::ranges::copy(n, b.n.begin());
  std::ranges::copy(e, b.e.begin());
  b.omega = omega;
  return b;
}

}  // namespace edgewise::solvers::test
