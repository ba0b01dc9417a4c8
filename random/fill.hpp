#pragma once
/// \file
/// The vectorised generators behind `Stream`, on whole blocks of 64 numbers.
#include <array>
#include <cstddef>
#include <cstdint>

namespace edgewise::random {

/// Fills out[0 .. 64 blocks) from the counters counter[0] + 0 .. 32 blocks - 1. Counter c of a block gives two numbers,
/// at places c and 32 + c, whatever the width of the vectors.
void fill_normals(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key, double* out,
                  std::size_t blocks);
void fill_uniforms(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key, double* out,
                   std::size_t blocks);

}  // namespace edgewise::random
