#include "numerics/roots.hpp"

#include <bit>
#include <boost/math/tools/minima.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>

namespace edgewise::numerics {

namespace {

/// Tells nothing to a user, who asked for no root (settings/failure.hpp).
struct NoSignChange : std::domain_error {
  NoSignChange() : std::domain_error("no sign change between the ends of the interval") {}
};

/// The place of a number among all doubles, in their order: 0 of 0, n of the nth above it, -n of the nth below.
std::int64_t place(double x) {
  const auto bits = std::bit_cast<std::int64_t>(std::abs(x));
  return std::signbit(x) ? -bits : bits;
}
double at_place(std::int64_t place) {
  const double magnitude = std::bit_cast<double>(place < 0 ? -place : place);
  return place < 0 ? -magnitude : magnitude;
}

/// Halves the number of doubles between the ends, 64 times at most, until they are as close as asked or neighbours.
double by_halves(const Function& f, double low, double high, double f_low, int bits) {
  boost::math::tools::eps_tolerance<double> close(bits);
  while (!close(low, high)) {
    const std::int64_t a = place(low), b = place(high), between = std::midpoint(a, b);
    if (between == a || between == b) break;
    const double middle = at_place(between), value = f(middle);
    if (std::isnan(value)) throw NoSignChange();
    if (value == 0) return middle;
    (std::signbit(value) == std::signbit(f_low) ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

}  // namespace

double root(const Function& f, double low, double high, int bits) {
  return root(f, low, high, f(low), f(high), bits);
}

double root(const Function& f, double low, double high, double f_low, double f_high, int bits) {
  if (f_low == 0) return low;
  if (f_high == 0) return high;
  if (!(low <= high) || std::isnan(f_low) || std::isnan(f_high) || std::signbit(f_low) == std::signbit(f_high))
    throw NoSignChange();
  // The algorithm halves the interval, which takes many hundred steps where it spans many orders of magnitude.
  constexpr std::uintmax_t enough = 200;
  std::uintmax_t iterations = enough;
  const auto [a, b] = boost::math::tools::toms748_solve(f, low, high, f_low, f_high,
                                                        boost::math::tools::eps_tolerance<double>(bits), iterations);
  // Values near the ends of the range of doubles leave its interpolation no number.
  const bool found = iterations < enough && std::isfinite(a) && std::isfinite(b);
  return found ? a + (b - a) / 2 : by_halves(f, low, high, f_low, bits);
}

double threshold(const std::function<bool(double)>& beyond, double low, double high, double rtol) {
  while (high - low > rtol * high) {
    const double middle = (low + high) / 2;
    if (!(middle > low && middle < high)) break;  // neighbours
    (beyond(middle) ? high : low) = middle;
  }
  return (low + high) / 2;
}

Minimum minimum(const Function& f, double low, double high, int bits) {
  const auto [at, value] = boost::math::tools::brent_find_minima(f, low, high, bits);
  return {at, value};
}

}  // namespace edgewise::numerics
