#pragma once
/// \file
/// The least value of a function of one variable that may have many local minima, or of a positive one by its logarithm.
#include <cstddef>
#include <vector>

#include "numerics/roots.hpp"

namespace edgewise::numerics {

struct Scan {
  double low = 0, high = 1;  ///< ends of the grid
  int points = 33;
  double lowest = 0, highest = 1;  ///< how far it is extended: below while it still falls there, above until it is lost
  double dense_from = 1e300, dense = 1;  ///< from there on no interval is wider than `dense`
  double finest = 1e-3;                  ///< no interval is halved below this
  std::vector<double> also = {};         ///< points to be looked at, where needles may stand
  double lost = 0;                       ///< f from here on is as good as infinite
  double rise = 0;                       ///< above its value at the low end: from there on the grid is not extended
  double enough = 0;                     ///< f from here down is as good as any
  int bits = 26;                         ///< of every minimum, as `minimum` takes them
};

struct ScannedMinimum {
  double at = 0, value = 0;  ///< value >= lost: f is lost everywhere
  std::size_t minima = 0;    ///< how many were told apart
  bool at_end = false;       ///< it lies at an end of all that was sampled
};

/// A grid; every interval is halved until its middle lies where a cubic through its neighbours puts it; then every local
/// minimum by Brent's method. At needles f is taken for a logarithm, and the parabola that exp f is there is tried too; of
/// another f that costs evaluations and is kept only where it is lower. Minima closer
/// together than `finest` may be missed, and so may some where f has hundreds.
ScannedMinimum scanned_minimum(const Function& f, const Scan& scan);

}  // namespace edgewise::numerics
