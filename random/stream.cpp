#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "random/box_muller.hpp"
#include "random/fill.hpp"
#include "random/random.hpp"

namespace edgewise::random {

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  auto [c0, c1, c2, c3] = counter;
  auto [k0, k1] = key;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0, p1 = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

Stream::Stream(std::uint64_t seed, std::uint64_t replica, std::uint64_t step, Purpose purpose)
    : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      replica_(static_cast<std::uint32_t>(replica)),
      purpose_(purpose) {
  if (replica >> 32) throw std::out_of_range("random stream: replica must be below 2^32");
  seek(step, purpose);
}

void Stream::seek(std::uint64_t step, Purpose purpose) {
  if (step >> 48) throw std::out_of_range("random stream: step must be below 2^48");
  step_ = step;
  purpose_ = purpose;
  block_ = 0;
  used_ = 4;
  has_spare_ = false;
}

std::array<std::uint32_t, 4> Stream::counter() const {
  return {block_, static_cast<std::uint32_t>(step_),
          static_cast<std::uint32_t>(step_ >> 32) | static_cast<std::uint32_t>(purpose_) << 16, replica_};
}

void Stream::take(std::size_t blocks) {
  if (blocks > std::numeric_limits<std::uint32_t>::max() - block_)
    throw std::length_error("random stream: more than 2^32 blocks drawn for one (seed, replica, step, purpose)");
  block_ += static_cast<std::uint32_t>(blocks);
}

std::uint64_t Stream::bits() {
  if (used_ == 4) {
    words_ = philox(counter(), key_);
    take(1);
    used_ = 0;
  }
  const std::uint64_t value = std::uint64_t{words_[used_]} << 32 | words_[used_ + 1];
  used_ += 2;
  return value;
}

double Stream::uniform() {
  return uniform_of(bits());
}

std::uint64_t Stream::below(std::uint64_t n) {
  if (n == 0) throw std::invalid_argument("random stream: below(0) has no value to give");
  // Lemire 2019: the high half of bits * n, rejecting the few low halves that would be favoured.
  __extension__ using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(bits()) * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t threshold = -n % n;
    while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(bits()) * n;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Stream::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const std::uint64_t radius = bits(), angle = bits();
  const auto [first, second] = box_muller(radius, angle);
  spare_ = second;
  has_spare_ = true;
  return first;
}

double Stream::exponential() {
  return -logarithm(uniform());
}

GammaRejection::GammaRejection(double shape) : d_(shape - 1.0 / 3), scale_(1 / std::sqrt(9 * d_)) {}

bool GammaRejection::accepts_exactly(double x, double u) const {
  const double y = scale_ * x;
  if (y <= -1) return false;
  // log of the ratio of densities: x^2/2 + d (1 - v + log v) with v = (1 + y)^3, rearranged so that nothing cancels
  // for a large shape (there d y^2 = x^2/9).
  const double one_plus_y = 1 + y;
  const double small = one_plus_y > 0.71 && one_plus_y < 1.41 ? log_plus_one_minus(y) : logarithm(one_plus_y) - y;
  return logarithm(u) < 0.5 * x * x + d_ * (3 * small - y * y * (3 + y));
}

double Stream::gamma(double shape) {
  if (!(shape > 0)) throw std::invalid_argument("random stream: the shape of a gamma law must be > 0");
  if (std::isinf(shape)) return shape;
  if (shape < 1) {
    const double larger = gamma(shape + 1);  // drawn first, whatever order a compiler takes
    return larger * std::exp(logarithm(uniform()) / shape);
  }
  const GammaRejection rejection(shape);
  for (;;) {
    const double x = normal(), u = uniform();
    if (rejection.accepts(x, u)) return rejection.value(x);
  }
}

double Stream::chi_square(double degrees) {
  if (!(degrees >= 0)) throw std::invalid_argument("random stream: the degrees of freedom must be >= 0");
  if (degrees == 0) return 0;
  if (degrees == 1) {
    const double z = normal();
    return z * z;
  }
  if (degrees == 2) return 2 * exponential();
  return 2 * gamma(0.5 * degrees);
}

void Stream::normals(std::span<double> out) {
  fill(out, fill_normals);
}

void Stream::uniforms(std::span<double> out) {
  fill(out, fill_uniforms);
}

void Stream::fill(std::span<double> out, Filler filler) {
  used_ = 4;
  has_spare_ = false;
  constexpr std::size_t counters = normal_granularity / 2;
  const std::size_t whole = out.size() / normal_granularity, rest = out.size() % normal_granularity;
  const auto start = counter();
  take(counters * (whole + (rest > 0 ? 1 : 0)));
  filler(start, key_, out.data(), whole);
  if (rest > 0) {
    std::array<double, normal_granularity> last;
    auto next = start;
    next[0] += static_cast<std::uint32_t>(counters * whole);
    filler(next, key_, last.data(), 1);
    std::copy_n(last.begin(), rest, out.begin() + static_cast<std::ptrdiff_t>(out.size() - rest));
  }
}

}  // namespace edgewise::random
