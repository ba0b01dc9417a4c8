#include "random/fill.hpp"

#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "random/box_muller.hpp"
#include "random/random.hpp"

namespace ew = edgewise::random;

namespace {

/// Runs body() with every instruction set that this machine has, the plain C++ one included.
template <class Body>
int on_every_target(Body body) {
  const auto supported = hwy::SupportedTargets();
  int targets = 0;
  for (int bit = 0; bit < 62; ++bit) {
    const auto target = std::int64_t{1} << bit;
    if (!(supported & target)) continue;
    hwy::SetSupportedTargetsForTest(target);
    body();
    ++targets;
  }
  hwy::SetSupportedTargetsForTest(0);
  return targets;
}

std::uint64_t word_pair(const std::array<std::uint32_t, 4>& words, int i) {
  return std::uint64_t{words[static_cast<std::size_t>(i)]} << 32 | words[static_cast<std::size_t>(i) + 1];
}

}  // namespace

TEST_CASE("every instruction set gives the bits of the plain C++ reference") {
  constexpr std::size_t blocks = 500;
  const std::array<std::uint32_t, 4> counter{4294960000u, 0x85a308d3u, 0x13198a2eu, 0x03707344u};
  const std::array<std::uint32_t, 2> key{0xa4093822u, 0x299f31d0u};
  std::vector<double> normals(64 * blocks), uniforms(64 * blocks);
  // 500 blocks from 4294960000 pass 2^32: the counter's carry is dropped, as in the reference.
  for (std::size_t block = 0; block < blocks; ++block)
    for (std::size_t c = 0; c < 32; ++c) {
      auto at = counter;
      at[0] += static_cast<std::uint32_t>(32 * block + c);
      const auto words = ew::philox(at, key);
      const auto [first, second] = ew::box_muller(word_pair(words, 0), word_pair(words, 2));
      normals[64 * block + c] = first;
      normals[64 * block + 32 + c] = second;
      uniforms[64 * block + c] = ew::uniform_of(word_pair(words, 0));
      uniforms[64 * block + 32 + c] = ew::uniform_of(word_pair(words, 2));
    }
  const int targets = on_every_target([&] {
    CAPTURE(std::string(ew::simd_target()));
    std::vector<double> out(64 * blocks);
    ew::fill_normals(counter, key, out.data(), blocks);
    CHECK(std::memcmp(out.data(), normals.data(), out.size() * sizeof(double)) == 0);
    ew::fill_uniforms(counter, key, out.data(), blocks);
    CHECK(std::memcmp(out.data(), uniforms.data(), out.size() * sizeof(double)) == 0);
  });
  CHECK(targets >= 1);
}
