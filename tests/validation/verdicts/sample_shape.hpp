#pragma once
/// \file
/// The shape of a sample, literally.
#include <cmath>
#include <vector>

namespace edgewise::tests {

struct Shape {
  double mean = 0, std = 0, skewness = 0;
};

/// The mean, the standard deviation with n - 1, and the skewness m3/m2^1.5 of the moments about the mean with n.
inline Shape shape(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  Shape out;
  double m2 = 0, m3 = 0;
  for (const double v : x) out.mean += v / n;
  for (const double v : x) {
    m2 += std::pow(v - out.mean, 2) / n;
    m3 += std::pow(v - out.mean, 3) / n;
  }
  out.std = std::sqrt(m2 * n / (n - 1));
  out.skewness = m3 / std::pow(m2, 1.5);
  return out;
}

}  // namespace edgewise::tests
