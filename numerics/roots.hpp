#pragma once
/// \file
/// Where a function of one variable crosses zero, where a statement about one begins to hold, where a function is least.
#include <functional>

namespace edgewise::numerics {

using Function = std::function<double(double)>;

/// The root of a continuous f in [low, high], at whose ends f differs in sign (an end where f = 0 is the root), to a
/// relative 2^(1 - bits), at most full precision. Alefeld, Potra and Shi's algorithm 748; where that does not get there in
/// a few hundred steps, as in an interval of many orders of magnitude, bisection of the doubles in it.
/// \throws std::domain_error when f has one sign at both ends or is not a number there.
double root(const Function& f, double low, double high, int bits = 52);
/// The same where f(low) and f(high) are known already.
double root(const Function& f, double low, double high, double f_low, double f_high, int bits = 52);

/// Where `beyond` turns from false to true between low, where it is false, and high, where it is true: bisected until
/// high - low <= rtol high, 0 <= low < high; the middle of what is left.
double threshold(const std::function<bool(double)>& beyond, double low, double high, double rtol);

struct Minimum {
  double at = 0, value = 0;
};
/// A local minimum of f in [low, high], to a relative 2^(1 - bits) (no better than 26 bits). Brent's method.
Minimum minimum(const Function& f, double low, double high, int bits = 26);

}  // namespace edgewise::numerics
