#pragma once
/// \file
/// The transformation of random words into normals and uniforms, in plain C++: the reference that every vectorised path
/// must reproduce bit for bit, and the scalar path of `Stream`.
///
/// Only correctly rounded operations are used (+, -, *, /, sqrt, conversions of whole numbers), never a fused
/// multiply-add, so that every instruction set gives the same bits. Compile with -ffp-contract=off.
#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

namespace edgewise::random {

/// Constants of the polynomials: near-minimax (Chebyshev interpolation, computed with 60 digits and rounded).
struct BoxMuller {
  /// sin(pi u / 2) = u S(u^2) and cos(pi u / 2) = C(u^2) for |u| <= 1/2; relative errors 4e-17 and 1.5e-16.
  static constexpr double sine[7] = {0x1.921fb54442d18p+0,  -0x1.4abbce625be41p-1, 0x1.466bc677587f8p-4,
                                     -0x1.32d2cce2e5b19p-8, 0x1.50782fda12d96p-13, -0x1.e30071afc3e59p-19,
                                     0x1.e3f38399551bfp-25};
  static constexpr double cosine[7] = {1.0,
                                       -0x1.3bd3cc9be458bp+0,
                                       0x1.03c1f081b0780p-2,
                                       -0x1.55d3c7dbfd139p-6,
                                       0x1.e1f4fb60281f6p-11,
                                       -0x1.a6c9c1be9eb49p-16,
                                       0x1.f3dbcea61b1a4p-22};
  /// -2 log m = -4 s + s^3 L(s^2), s = (m - 1)/(m + 1), for m in [sqrt(1/2), sqrt 2); relative error 2e-17.
  static constexpr double logarithm[6] = {-0x1.55555555553b8p+0, -0x1.9999999b8677ap-1, -0x1.2492462af84abp-1,
                                          -0x1.c71fccd953895p-2, -0x1.7382dbfa1ce75p-2, -0x1.546a3155bacbfp-2};
  static constexpr double two_log_two = 0x1.62e42fefa39efp+0;

  static constexpr std::uint64_t sqrt_half_bits = 0x3FE6A09E667F3BCDu;
  static constexpr std::uint64_t one_bits = 0x3FF0000000000000u;
  static constexpr std::uint64_t mantissa_mask = 0x000FFFFFFFFFFFFFu;
  /// Bits of 2^52 and 2^84, whose mantissas count in units of 1 and 2^32.
  static constexpr std::uint64_t two_52_bits = 0x4330000000000000u;
  static constexpr std::uint64_t two_84_bits = 0x4530000000000000u;
  static constexpr double two_84_plus_two_52 = 0x1.00000001p84;
};

/// log(1 + y) - y for 1 + y in [sqrt(1/2), sqrt 2], with full relative accuracy however small y is.
inline double log_plus_one_minus(double y) {
  // log(1 + y) = 2 s + s^3 R(s^2) with s = y / (2 + y), and 2 s - y = -y s.
  const double s = y / (2 + y);
  const double z = s * s;
  double p = BoxMuller::logarithm[5];
  for (int k = 4; k >= 0; --k) p = p * z + BoxMuller::logarithm[k];
  return -s * (y + z * (0.5 * p));
}

/// -2 log(x 2^scale) for a positive normal double x; within 2 units in the last place, 0 where x 2^scale = 1.
inline double minus_two_log(double x, int scale = 0) {
  const std::uint64_t shifted = std::bit_cast<std::uint64_t>(x) + (BoxMuller::one_bits - BoxMuller::sqrt_half_bits);
  const double exponent = static_cast<double>(static_cast<std::int64_t>(shifted >> 52) - 1023 + scale);
  const double m = std::bit_cast<double>((shifted & BoxMuller::mantissa_mask) + BoxMuller::sqrt_half_bits);
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = BoxMuller::logarithm[5];
  for (int k = 4; k >= 0; --k) p = p * z + BoxMuller::logarithm[k];
  return s * (z * p - 4) - exponent * BoxMuller::two_log_two;
}

/// Natural logarithm of a positive normal double, the same bits on every machine.
inline double logarithm(double x) {
  return -0.5 * minus_two_log(x);
}

/// Two independent N(0,1) from 128 random bits: the polar form r (cos, sin) of Box and Muller (1958).
/// r^2 = -2 log U with 64 bits of U, so that the tail is right to 9.4 standard deviations; the angle has 52 bits.
inline std::pair<double, double> box_muller(std::uint64_t radius_bits, std::uint64_t angle_bits) {
  // Rounded as the vector code rounds: high and low words exactly, then one addition.
  const double high = static_cast<double>(radius_bits >> 32) * 0x1p32;
  const double low = static_cast<double>(radius_bits & 0xFFFFFFFFu);
  const double x = (high + low) + 0.5;  // U = x / 2^64, in (0, 1]
  const double r = std::sqrt(minus_two_log(x, -64));
  // Angle pi u / 2 in a quarter turn about 0; two more bits mirror and exchange.
  const double u = std::bit_cast<double>((angle_bits & BoxMuller::mantissa_mask) | BoxMuller::one_bits) - 1.5;
  const double z = u * u;
  double sine = BoxMuller::sine[6], cosine = BoxMuller::cosine[6];
  for (int k = 5; k >= 0; --k) {
    sine = sine * z + BoxMuller::sine[k];
    cosine = cosine * z + BoxMuller::cosine[k];
  }
  sine = sine * u;
  if (angle_bits >> 63) cosine = -cosine;
  if ((angle_bits >> 62) & 1) std::swap(sine, cosine);
  return {r * cosine, r * sine};
}

/// A uniform in (0, 1): (k + 1/2) / 2^52 from the 52 high bits.
inline double uniform_of(std::uint64_t bits) {
  return std::bit_cast<double>((bits >> 12) | BoxMuller::one_bits) - (1 - 0x1p-53);
}

}  // namespace edgewise::random
