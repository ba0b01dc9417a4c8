#include "numerics/roots.hpp"

#include <boost/math/tools/minima.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <stdexcept>

namespace edgewise::numerics {

namespace {

/// Tells nothing to a user, who asked for no root (settings/failure.hpp).
struct NoSignChange : std::domain_error {
  NoSignChange() : std::domain_error("no sign change between the ends of the interval") {}
};

}  // namespace

double root(const Function& f, double low, double high, int bits) {
  return root(f, low, high, f(low), f(high), bits);
}

double root(const Function& f, double low, double high, double f_low, double f_high, int bits) {
  if (f_low == 0) return low;
  if (f_high == 0) return high;
  if (!(low <= high) || std::isnan(f_low) || std::isnan(f_high) || std::signbit(f_low) == std::signbit(f_high))
    throw NoSignChange();
  constexpr std::uintmax_t enough = 1000;
  std::uintmax_t iterations = enough;
  const auto [a, b] = boost::math::tools::toms748_solve(f, low, high, f_low, f_high,
                                                        boost::math::tools::eps_tolerance<double>(bits), iterations);
  if (iterations >= enough) throw std::runtime_error("a root was not found to its tolerance");
  return (a + b) / 2;
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
