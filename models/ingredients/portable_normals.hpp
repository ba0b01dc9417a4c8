#pragma once
/// \file
/// Normals that a few lines in any language draw alike, so that an instance can be compared across programs
/// (docs/theory/curvature-dynamics.md, section 3.3). For statistics take random::Stream.
#include <cstdint>

namespace edgewise::models::ingredients {

/// s <- 6364136223846793005 s + 1442695040888963407 mod 2^64 from the seed, u = (s >> 11) 2^-53; each number is the sum of
/// twelve u, less 6.
class PortableNormals {
 public:
  explicit PortableNormals(std::uint64_t seed) : state_(seed) {}
  double operator()() {
    double sum = 0;
    for (int k = 0; k < 12; ++k) {
      state_ = 6364136223846793005ULL * state_ + 1442695040888963407ULL;
      sum += static_cast<double>(state_ >> 11) * 0x1p-53;
    }
    return sum - 6;
  }

 private:
  std::uint64_t state_;
};

}  // namespace edgewise::models::ingredients
