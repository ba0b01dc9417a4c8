#pragma once
/// \file
/// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011), keyed by (seed, replica, step).
///
/// A number depends only on its key and its place in the sequence of that key, never on the thread that draws it or on
/// how many were asked for before in other keys. Any replica can be replayed alone; any step can be reached at once.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace edgewise::random {

/// Independent sequences inside one (seed, replica, step); a draw of one purpose never shifts another's.
enum class Purpose : std::uint32_t { gradient = 0, batch = 1, labels = 2, data = 3, initial = 4, other = 5 };

/// One Philox4x32-10 block: counter and key in, four random words out. The reference implementation.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A sequence of random numbers for one (seed, replica, step, purpose).
///
/// Key = seed (64 bits). Counter = (block, step low, step high 16 bits | purpose << 16, replica): steps up to 2^48,
/// replicas up to 2^32, 2^32 blocks of four words in each.
class Stream {
 public:
  Stream(std::uint64_t seed, std::uint64_t replica, std::uint64_t step = 0, Purpose purpose = Purpose::gradient);

  /// Moves to the start of another step's (or purpose's) sequence.
  void seek(std::uint64_t step, Purpose purpose);
  void seek(std::uint64_t step) { seek(step, purpose_); }

  std::uint64_t bits();                  ///< 64 random bits
  double uniform();                      ///< in (0, 1), never 0 or 1
  std::uint64_t below(std::uint64_t n);  ///< uniform in 0..n-1, exact
  double normal();                       ///< N(0,1), one at a time (scalar path; the fast path is `normals`)
  double exponential();                  ///< rate 1
  double gamma(double shape);            ///< Gamma(shape, 1), shape > 0 (Marsaglia & Tsang 2000)
  double chi_square(double degrees);     ///< chi^2 with `degrees` >= 0 degrees of freedom (0 gives 0)

  /// Fills `out` with N(0,1), vectorised; the same bits however the range is cut into calls of a multiple of
  /// `normal_granularity` numbers.
  void normals(std::span<double> out);
  static constexpr std::size_t normal_granularity = 64;
  /// Fills `out` with uniforms in (0,1), vectorised.
  void uniforms(std::span<double> out);

 private:
  using Filler = void (*)(std::array<std::uint32_t, 4>, std::array<std::uint32_t, 2>, double*, std::size_t);
  std::array<std::uint32_t, 4> counter() const;
  void take(std::size_t blocks);  // uses up counters; throws when they run out
  void fill(std::span<double> out, Filler filler);

  std::array<std::uint32_t, 2> key_;
  std::uint32_t replica_;
  std::uint64_t step_ = 0;
  Purpose purpose_;
  std::uint32_t block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  unsigned used_ = 4;  // words of words_ already given out
  double spare_ = 0;
  bool has_spare_ = false;
};

/// Gamma(shape, 1), shape >= 1, from a normal and a uniform (Marsaglia & Tsang 2000), for loops that draw these by
/// vectors: where `accepts(x, u)` holds, `value(x)` is a variate; else try the next pair.
class GammaRejection {
 public:
  explicit GammaRejection(double shape);
  bool accepts(double x, double u) const {
    const double square = x * x;
    // The quick test lets nothing through at 1 + y <= 0: there x^2 >= 6 and its right side is negative.
    return u < 1 - 0.0331 * (square * square) || accepts_exactly(x, u);
  }
  double value(double x) const {
    const double root = 1 + scale_ * x;
    return d_ * (root * root * root);
  }

 private:
  bool accepts_exactly(double x, double u) const;
  double d_, scale_;  // shape - 1/3 and 1 / sqrt(9 d)
};

/// The instruction set that the vectorised generators use on this machine (e.g. "AVX3").
const char* simd_target();

}  // namespace edgewise::random
