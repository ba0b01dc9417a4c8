/// \file
/// Philox4x32-10 and Box-Muller on vectors; included once per instruction set by Highway. Must be compiled with
/// -ffp-contract=off: every operation is rounded on its own, so that all instruction sets give the same bits.
#if defined(EDGEWISE_RANDOM_FILL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef EDGEWISE_RANDOM_FILL_INL
#undef EDGEWISE_RANDOM_FILL_INL
#else
#define EDGEWISE_RANDOM_FILL_INL
#endif

#include <hwy/highway.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "random/box_muller.hpp"

HWY_BEFORE_NAMESPACE();
namespace edgewise::random::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Real = hn::CappedTag<double, 8>;
using Word = hn::RebindToUnsigned<Real>;
using RealVector = hn::Vec<Real>;
using WordVector = hn::Vec<Word>;

/// Vectors worked on side by side, so that one's latency hides behind the other's work.
constexpr int ways = 4;
using Reals = std::array<RealVector, ways>;
using WordVectors = std::array<WordVector, ways>;

/// Four random words of each counter, every one in the low half of a 64-bit lane (the high half is rubbish).
struct Words {
  WordVectors w0, w1, w2, w3;
};

/// Product of the low halves of the lanes.
HWY_INLINE WordVector wide_product(WordVector a, WordVector b) {
#if HWY_TARGET == HWY_SCALAR
  const WordVector low = hn::Set(Word(), 0xFFFFFFFFu);
  return hn::Mul(hn::And(a, low), hn::And(b, low));
#else
  const hn::Repartition<std::uint32_t, Word> half;
  return hn::MulEven(hn::BitCast(half, a), hn::BitCast(half, b));
#endif
}

/// Philox4x32-10 on the counters (first lane by lane, rest). The words that are the same in every lane during the first
/// two rounds are kept as scalars.
HWY_INLINE void philox(const WordVectors& first, const std::array<std::uint32_t, 4>& counter,
                       const std::array<std::uint32_t, 2>& key, Words& w) {
  constexpr std::uint64_t multiplier_0 = 0xD2511F53u, multiplier_1 = 0xCD9E8D57u;
  constexpr std::uint32_t step_0 = 0x9E3779B9u, step_1 = 0xBB67AE85u;
  const Word d;
  const WordVector m0 = hn::Set(d, multiplier_0), m1 = hn::Set(d, multiplier_1);
  // Round 1 leaves words 0 and 1 uniform (scalars s0, s1), round 2 word 3 (low half of q0).
  const std::uint64_t q1 = multiplier_1 * counter[2];
  const std::uint32_t s0 = static_cast<std::uint32_t>(q1 >> 32) ^ counter[1] ^ key[0];
  const std::uint32_t s1 = static_cast<std::uint32_t>(q1);
  const std::uint64_t q0 = multiplier_0 * s0;
  for (int i = 0; i < ways; ++i) {
    const WordVector p0 = wide_product(first[i], m0);
    const WordVector p1 = wide_product(hn::Xor(hn::ShiftRight<32>(p0), hn::Set(d, counter[3] ^ key[1])), m1);
    w.w0[i] = hn::Xor(hn::ShiftRight<32>(p1), hn::Set(d, s1 ^ (key[0] + step_0)));
    w.w1[i] = p1;
    w.w2[i] = hn::Xor(p0, hn::Set(d, static_cast<std::uint32_t>(q0 >> 32) ^ (key[1] + step_1)));
    w.w3[i] = hn::Set(d, static_cast<std::uint32_t>(q0));
  }
  std::uint32_t k0 = key[0] + 2 * step_0, k1 = key[1] + 2 * step_1;
  for (int round = 2; round < 10; ++round) {
    for (int i = 0; i < ways; ++i) {
      const WordVector p0 = wide_product(w.w0[i], m0), p1 = wide_product(w.w2[i], m1);
      w.w0[i] = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), w.w1[i]), hn::Set(d, k0));
      w.w2[i] = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), w.w3[i]), hn::Set(d, k1));
      w.w1[i] = p1;
      w.w3[i] = p0;
    }
    k0 += step_0;
    k1 += step_1;
  }
}

/// high * 2^32 + low as 64-bit words.
HWY_INLINE WordVector joined(WordVector high, WordVector low) {
  return hn::Or(hn::ShiftLeft<32>(high), hn::And(low, hn::Set(Word(), 0xFFFFFFFFu)));
}

/// p z + coefficient.
HWY_INLINE void horner(Reals& p, const Reals& z, double coefficient) {
  for (int i = 0; i < ways; ++i) p[i] = hn::Add(hn::Mul(p[i], z[i]), hn::Set(Real(), coefficient));
}

/// As random::box_muller.
HWY_INLINE void box_muller(const Words& w, Reals& first, Reals& second) {
  using Constant = BoxMuller;
  const Real d;
  const Word dw;
  const WordVector low_half = hn::Set(dw, 0xFFFFFFFFu);
  const RealVector one = hn::Set(d, 1.0);
  Reals exponent, s, s2, u, u2, p, sine, cosine;
  WordVectors angle;
  for (int i = 0; i < ways; ++i) {
    // U = x / 2^64 by planting the words in the mantissas of 2^84 and 2^52.
    const RealVector high =
        hn::Sub(hn::BitCast(d, hn::Or(hn::And(w.w0[i], low_half), hn::Set(dw, Constant::two_84_bits))),
                hn::Set(d, Constant::two_84_plus_two_52));
    const RealVector low = hn::BitCast(d, hn::Or(hn::And(w.w1[i], low_half), hn::Set(dw, Constant::two_52_bits)));
    const RealVector x = hn::Add(hn::Add(high, low), hn::Set(d, 0.5));
    const WordVector shifted = hn::Add(hn::BitCast(dw, x), hn::Set(dw, Constant::one_bits - Constant::sqrt_half_bits));
    exponent[i] = hn::Sub(hn::BitCast(d, hn::Or(hn::ShiftRight<52>(shifted), hn::Set(dw, Constant::two_52_bits))),
                          hn::Set(d, 0x1p52 + 1023 + 64));
    const RealVector m = hn::BitCast(
        d, hn::Add(hn::And(shifted, hn::Set(dw, Constant::mantissa_mask)), hn::Set(dw, Constant::sqrt_half_bits)));
    s[i] = hn::Div(hn::Sub(m, one), hn::Add(m, one));
    angle[i] = joined(w.w2[i], w.w3[i]);
    u[i] = hn::Sub(hn::BitCast(d, hn::Or(hn::And(angle[i], hn::Set(dw, Constant::mantissa_mask)),
                                         hn::Set(dw, Constant::one_bits))),
                   hn::Set(d, 1.5));
    u2[i] = hn::Mul(u[i], u[i]);
    sine[i] = hn::Set(d, Constant::sine[6]);
    cosine[i] = hn::Set(d, Constant::cosine[6]);
    s2[i] = hn::Mul(s[i], s[i]);
    p[i] = hn::Set(d, Constant::logarithm[5]);
  }
  for (int k = 5; k >= 0; --k) {
    horner(sine, u2, Constant::sine[k]);
    horner(cosine, u2, Constant::cosine[k]);
    if (k < 5) horner(p, s2, Constant::logarithm[k]);
  }
  for (int i = 0; i < ways; ++i) {
    const RealVector square = hn::Sub(hn::Mul(s[i], hn::Sub(hn::Mul(s2[i], p[i]), hn::Set(d, 4.0))),
                                      hn::Mul(exponent[i], hn::Set(d, Constant::two_log_two)));
    const RealVector r = hn::Sqrt(square);
    const RealVector a = hn::Mul(sine[i], u[i]);
    const WordVector sign = hn::And(angle[i], hn::Set(dw, std::uint64_t{1} << 63));
    const RealVector b = hn::BitCast(d, hn::Xor(hn::BitCast(dw, cosine[i]), sign));
    const auto exchange = hn::RebindMask(d, hn::TestBit(angle[i], hn::Set(dw, std::uint64_t{1} << 62)));
    first[i] = hn::Mul(r, hn::IfThenElse(exchange, a, b));
    second[i] = hn::Mul(r, hn::IfThenElse(exchange, b, a));
  }
}

/// As random::uniform_of.
HWY_INLINE RealVector uniform_of(WordVector high, WordVector low) {
  const Real d;
  const Word dw;
  const WordVector bits = hn::ShiftRight<12>(joined(high, low));
  return hn::Sub(hn::BitCast(d, hn::Or(bits, hn::Set(dw, BoxMuller::one_bits))), hn::Set(d, 1 - 0x1p-53));
}

/// Calls body(words, place) for every group of counters of the blocks.
template <class Body>
HWY_INLINE void for_each_group(const std::array<std::uint32_t, 4>& counter, const std::array<std::uint32_t, 2>& key,
                               std::size_t blocks, Body body) {
  const Word d;
  const std::size_t lanes = hn::Lanes(d);
  WordVectors first;
  for (int i = 0; i < ways; ++i) first[i] = hn::Iota(d, counter[0] + i * lanes);
  for (std::size_t block = 0; block < blocks; ++block) {
    for (std::size_t place = 64 * block; place < 64 * block + 32; place += ways * lanes) {
      Words w;
      philox(first, counter, key, w);
      body(w, place);
      for (int i = 0; i < ways; ++i) first[i] = hn::Add(first[i], hn::Set(d, ways * lanes));
    }
  }
}

inline void fill_normals(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key,
                         double* HWY_RESTRICT out, std::size_t blocks) {
  for_each_group(counter, key, blocks, [out](const Words& w, std::size_t place) HWY_ATTR {
    const Real d;
    Reals a, b;
    box_muller(w, a, b);
    for (int i = 0; i < ways; ++i) {
      hn::StoreU(a[i], d, out + place + i * hn::Lanes(d));
      hn::StoreU(b[i], d, out + place + 32 + i * hn::Lanes(d));
    }
  });
}

inline void fill_uniforms(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key,
                          double* HWY_RESTRICT out, std::size_t blocks) {
  for_each_group(counter, key, blocks, [out](const Words& w, std::size_t place) HWY_ATTR {
    const Real d;
    for (int i = 0; i < ways; ++i) {
      hn::StoreU(uniform_of(w.w0[i], w.w1[i]), d, out + place + i * hn::Lanes(d));
      hn::StoreU(uniform_of(w.w2[i], w.w3[i]), d, out + place + 32 + i * hn::Lanes(d));
    }
  });
}

}  // namespace edgewise::random::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // EDGEWISE_RANDOM_FILL_INL
