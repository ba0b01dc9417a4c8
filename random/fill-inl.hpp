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

/// Four random words of each counter, every one in the low half of a 64-bit lane (the high half is rubbish).
struct Words {
  WordVector w0, w1, w2, w3;
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

/// Philox4x32-10 on the counters (first lane by lane, rest).
HWY_INLINE Words philox(WordVector first, const std::array<std::uint32_t, 4>& counter,
                        const std::array<std::uint32_t, 2>& key) {
  const Word d;
  const WordVector m0 = hn::Set(d, 0xD2511F53u), m1 = hn::Set(d, 0xCD9E8D57u);
  Words w{first, hn::Set(d, counter[1]), hn::Set(d, counter[2]), hn::Set(d, counter[3])};
  std::uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const WordVector p0 = wide_product(w.w0, m0), p1 = wide_product(w.w2, m1);
    w.w0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), w.w1), hn::Set(d, k0));
    w.w2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), w.w3), hn::Set(d, k1));
    w.w1 = p1;
    w.w3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return w;
}

/// high * 2^32 + low as 64-bit words.
HWY_INLINE WordVector joined(WordVector high, WordVector low) {
  return hn::Or(hn::ShiftLeft<32>(high), hn::And(low, hn::Set(Word(), 0xFFFFFFFFu)));
}

HWY_INLINE RealVector horner(RealVector p, RealVector z, double coefficient) {
  return hn::Add(hn::Mul(p, z), hn::Set(Real(), coefficient));
}

/// As random::box_muller.
HWY_INLINE void box_muller(const Words& w, RealVector& first, RealVector& second) {
  using Constant = BoxMuller;
  const Real d;
  const Word dw;
  const WordVector low_half = hn::Set(dw, 0xFFFFFFFFu);
  // U = x / 2^64 by planting the words in the mantissas of 2^84 and 2^52.
  const RealVector high = hn::Sub(hn::BitCast(d, hn::Or(hn::And(w.w0, low_half), hn::Set(dw, Constant::two_84_bits))),
                                  hn::Set(d, Constant::two_84_plus_two_52));
  const RealVector low = hn::BitCast(d, hn::Or(hn::And(w.w1, low_half), hn::Set(dw, Constant::two_52_bits)));
  const RealVector x = hn::Add(hn::Add(high, low), hn::Set(d, 0.5));

  const WordVector shifted = hn::Add(hn::BitCast(dw, x), hn::Set(dw, Constant::one_bits - Constant::sqrt_half_bits));
  const RealVector exponent =
      hn::Sub(hn::BitCast(d, hn::Or(hn::ShiftRight<52>(shifted), hn::Set(dw, Constant::two_52_bits))),
              hn::Set(d, 0x1p52 + 1023 + 64));
  const RealVector m = hn::BitCast(
      d, hn::Add(hn::And(shifted, hn::Set(dw, Constant::mantissa_mask)), hn::Set(dw, Constant::sqrt_half_bits)));
  const RealVector one = hn::Set(d, 1.0);
  const RealVector s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const RealVector s2 = hn::Mul(s, s);
  RealVector p = hn::Set(d, Constant::logarithm[5]);
  p = horner(p, s2, Constant::logarithm[4]);
  p = horner(p, s2, Constant::logarithm[3]);
  p = horner(p, s2, Constant::logarithm[2]);
  p = horner(p, s2, Constant::logarithm[1]);
  p = horner(p, s2, Constant::logarithm[0]);
  const RealVector square = hn::Sub(hn::Mul(s, hn::Sub(hn::Mul(s2, p), hn::Set(d, 4.0))),
                                    hn::Mul(exponent, hn::Set(d, Constant::two_log_two)));
  const RealVector r = hn::Sqrt(square);

  const WordVector angle = joined(w.w2, w.w3);
  const RealVector u = hn::Sub(
      hn::BitCast(d, hn::Or(hn::And(angle, hn::Set(dw, Constant::mantissa_mask)), hn::Set(dw, Constant::one_bits))),
      hn::Set(d, 1.5));
  const RealVector z = hn::Mul(u, u);
  RealVector sine = hn::Set(d, Constant::sine[6]), cosine = hn::Set(d, Constant::cosine[6]);
  sine = horner(sine, z, Constant::sine[5]);
  cosine = horner(cosine, z, Constant::cosine[5]);
  sine = horner(sine, z, Constant::sine[4]);
  cosine = horner(cosine, z, Constant::cosine[4]);
  sine = horner(sine, z, Constant::sine[3]);
  cosine = horner(cosine, z, Constant::cosine[3]);
  sine = horner(sine, z, Constant::sine[2]);
  cosine = horner(cosine, z, Constant::cosine[2]);
  sine = horner(sine, z, Constant::sine[1]);
  cosine = horner(cosine, z, Constant::cosine[1]);
  sine = hn::Mul(horner(sine, z, Constant::sine[0]), u);
  cosine = horner(cosine, z, Constant::cosine[0]);
  const WordVector sign = hn::And(angle, hn::Set(dw, std::uint64_t{1} << 63));
  cosine = hn::BitCast(d, hn::Xor(hn::BitCast(dw, cosine), sign));
  const auto exchange = hn::RebindMask(d, hn::TestBit(angle, hn::Set(dw, std::uint64_t{1} << 62)));
  first = hn::Mul(r, hn::IfThenElse(exchange, sine, cosine));
  second = hn::Mul(r, hn::IfThenElse(exchange, cosine, sine));
}

/// As random::uniform_of.
HWY_INLINE RealVector uniform_of(WordVector high, WordVector low) {
  const Real d;
  const Word dw;
  const WordVector bits = hn::ShiftRight<12>(joined(high, low));
  return hn::Sub(hn::BitCast(d, hn::Or(bits, hn::Set(dw, BoxMuller::one_bits))), hn::Set(d, 1 - 0x1p-53));
}

inline void fill_normals(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key,
                         double* HWY_RESTRICT out, std::size_t blocks) {
  const Real d;
  const Word dw;
  const std::size_t lanes = hn::Lanes(d);
  WordVector first = hn::Iota(dw, counter[0]);
  for (std::size_t block = 0; block < blocks; ++block, out += 64) {
    for (std::size_t i = 0; i < 32; i += lanes) {
      RealVector a, b;
      box_muller(philox(first, counter, key), a, b);
      hn::StoreU(a, d, out + i);
      hn::StoreU(b, d, out + 32 + i);
      first = hn::Add(first, hn::Set(dw, lanes));
    }
  }
}

inline void fill_uniforms(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key,
                          double* HWY_RESTRICT out, std::size_t blocks) {
  const Real d;
  const Word dw;
  const std::size_t lanes = hn::Lanes(d);
  WordVector first = hn::Iota(dw, counter[0]);
  for (std::size_t block = 0; block < blocks; ++block, out += 64) {
    for (std::size_t i = 0; i < 32; i += lanes) {
      const Words w = philox(first, counter, key);
      hn::StoreU(uniform_of(w.w0, w.w1), d, out + i);
      hn::StoreU(uniform_of(w.w2, w.w3), d, out + 32 + i);
      first = hn::Add(first, hn::Set(dw, lanes));
    }
  }
}

}  // namespace edgewise::random::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // EDGEWISE_RANDOM_FILL_INL
