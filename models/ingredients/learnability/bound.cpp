// Built at -O1: nothing here takes time.
#include "models/ingredients/learnability/bound.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/whole.hpp"

namespace edgewise::models::ingredients::learnability {

namespace {

using Kind = Formula::Kind;

constexpr double most_terms = 1e6;

/// 0 times infinity is 0: what is not there bounds nothing.
double times(double a, double b) {
  return a == 0 || b == 0 ? 0 : a * b;
}

/// A power series with absolute coefficients about the inner function's origin: values and slope.
struct Outer {
  double origin, at_zero, at_one, slope;
};

class BoundReader {
 public:
  Bound of(const Formula& f) {
    switch (f.kind) {
      case Kind::number:
        return {f.value, std::abs(f.value), std::abs(f.value), 0, {}};
      case Kind::variable:
        return monomial(1, 1);
      case Kind::add:
      case Kind::subtract: {
        const Bound a = of(f.arguments[0]), b = of(f.arguments[1]);
        return {f.kind == Kind::add ? a.origin + b.origin : a.origin - b.origin,
                a.zero + b.zero,
                a.one + b.one,
                a.slope + b.slope,
                {}};
      }
      case Kind::multiply:
        return product(of(f.arguments[0]), of(f.arguments[1]));
      case Kind::divide:
        return product(of(f.arguments[0]), reciprocal(f.arguments[1]));
      case Kind::power: {
        if (!f.arguments[1].variables().empty()) throw std::invalid_argument("an exponent must be a number");
        const double p = of(f.arguments[1]).origin;
        return p < 0 && numerics::is_whole(p) ? power(reciprocal(f.arguments[0]), -p) : power(of(f.arguments[0]), p);
      }
      case Kind::function:
        return function(f);
    }
    return {};
  }
  std::vector<std::string> remarks;

 private:
  /// 1/f, factor by factor: the series of 1/(a - x)^2 reaches as far as that of 1/(a - x), while (a - x)~^2 as a whole is
  /// soon larger than what 1/v can take.
  Bound reciprocal(const Formula& f) {
    switch (f.kind) {
      case Kind::multiply:
        return product(reciprocal(f.arguments[0]), reciprocal(f.arguments[1]));
      case Kind::divide:
        return product(reciprocal(f.arguments[0]), of(f.arguments[1]));
      case Kind::power:
        if (f.arguments[1].variables().empty()) {
          const double p = of(f.arguments[1]).origin;
          return p >= 0 && numerics::is_whole(p) ? power(reciprocal(f.arguments[0]), p) : power(of(f.arguments[0]), -p);
        }
        break;
      case Kind::function:
        if (f.arguments.size() == 1 && f.name == "exp") return elementary("exp", scaled(-1, of(f.arguments[0])));
        if (f.arguments.size() == 1 && f.name == "sqrt") return power(of(f.arguments[0]), -0.5);
        break;
      default:
        break;
    }
    return power(of(f), -1);
  }

  /// c y^n
  static Bound monomial(double c, double n) { return {n == 0 ? c : 0, n == 0 ? c : 0, c, c * n, {}}; }

  static Bound product(const Bound& a, const Bound& b) {
    return {a.origin * b.origin,
            times(a.zero, b.zero),
            times(a.one, b.one),
            times(a.slope, b.one) + times(a.one, b.slope),
            {}};
  }

  /// h(f) by the series of h about f(0), whose absolute values are H: H(f~ - |f(0)|).
  template <class Value, class Slope>
  Bound composed(const Bound& f, double origin, double radius, const char* name, const Value& value,
                 const Slope& slope) {
    const double u = f.one - std::abs(f.origin), start = std::max(0.0, f.zero - std::abs(f.origin));
    if (u > radius || std::isnan(u)) {
      remarks.push_back(
          fmt::format("infinite: {} is taken up to {:.6g}, its series converges below {:.6g}", name, u, radius));
      return {origin, start < radius ? value(start) : infinity, infinity, infinity, {}};
    }
    if (u == radius && std::isfinite(u) && !std::isfinite(value(u) + slope(u)))
      remarks.push_back(fmt::format("infinite: {} is taken up to {:.6g}, where its series ends", name, u));
    return {origin, value(start), value(u), times(slope(u), f.slope), {}};
  }

  Bound power(const Bound& f, double p) {
    if (p >= 0 && numerics::is_whole(p)) {
      if (p == 0) return {1, 1, 1, 0, {}};
      return {std::pow(f.origin, p),
              std::pow(f.zero, p),
              std::pow(f.one, p),
              times(p * std::pow(f.one, p - 1), f.slope),
              {}};
    }
    if (f.origin == 0)
      throw std::invalid_argument(
          fmt::format("the power {:g} of a function that is 0 at the origin has no series there", p));
    if (f.origin < 0 && !numerics::is_whole(p))
      throw std::invalid_argument(fmt::format("the power {:g} of a function that is negative at the origin", p));
    const double c = std::abs(f.origin), scale = std::pow(c, p);
    // sum |binom(p, l)| v^l: from l = ceil(p) on the terms of (1 - v)^p have one sign.
    const auto sum = [p](double v, bool slope) {
      double head = 0, rest = slope ? -p * std::pow(1 - v, p - 1) : std::pow(1 - v, p), binomial = 1;
      for (double l = 0; l < p; ++l) {
        const double term = slope ? (l == 0 ? 0 : l * std::pow(v, l - 1)) : std::pow(v, l);
        head += std::abs(binomial) * term;
        rest -= (std::fmod(l, 2) == 0 ? 1 : -1) * binomial * term;
        binomial *= (p - l) / (l + 1);
      }
      return head + std::abs(rest);
    };
    return composed(
        f, std::pow(f.origin, p), c, "a power", [&](double u) { return scale * sum(u / c, false); },
        [&](double u) { return scale / c * sum(u / c, true); });
  }

  Bound elementary(const std::string& name, const Bound& f) {
    const double c = f.origin;
    if (name == "exp")
      return composed(
          f, std::exp(c), infinity, "exp", [c](double u) { return std::exp(c + u); },
          [c](double u) { return std::exp(c + u); });
    if (name == "log") {
      if (!(c > 0)) throw std::invalid_argument("the logarithm of a function that is not above 0 at the origin");
      return composed(
          f, std::log(c), c, "log", [c](double u) { return std::abs(std::log(c)) - std::log1p(-u / c); },
          [c](double u) { return 1 / (c - u); });
    }
    // The others and their derivatives: even and odd part at c.
    const bool circular = name == "sin" || name == "cos", sine = name == "sin" || name == "sinh";
    const double s = circular ? std::sin(c) : std::sinh(c), k = circular ? std::cos(c) : std::cosh(c);
    const double even = std::abs(sine ? s : k), odd = std::abs(sine ? k : s);
    return composed(
        f, sine ? s : k, infinity, name.c_str(),
        [=](double u) { return times(even, std::cosh(u)) + odd * std::sinh(u); },
        [=](double u) { return even * std::sinh(u) + times(odd, std::cosh(u)); });
  }

  /// The number that the argument is. \param what  it must be
  double number(const Formula& f, std::size_t i, double low, double high, bool is_whole, const char* what) {
    const Formula& argument = f.arguments[i];
    const double value = argument.variables().empty() ? of(argument).origin : nan;
    if (!(value >= low) || !(value <= high) || (is_whole && !numerics::is_whole(value)))
      throw std::invalid_argument(fmt::format("{}: argument {} must be {}", f.name, i + 1, what));
    return value;
  }

  static Bound scaled(double c, const Bound& f) {
    const double size = std::abs(c);
    return {c * f.origin, times(size, f.zero), times(size, f.one), times(size, f.slope), {}};
  }

  Bound inverse_power(const Bound& d, double p, double low, double high, double order) {
    const double middle = 0.5 * (low + high), scale = std::pow(middle, -p);
    // w~ = D~/D0 + 1 bounds D/D0 - 1.
    const Bound w{d.origin / middle - 1, d.zero / middle + 1, d.one / middle + 1, d.slope / middle, {}};
    Bound out{0, 0, 0, 0, {}};
    double binomial = 1;
    for (double l = 0; l <= order; ++l) {
      const Bound term = scaled(std::abs(binomial) * scale, power(w, l));
      out = {out.origin + (binomial < 0 ? -term.origin : term.origin),
             out.zero + term.zero,
             out.one + term.one,
             out.slope + term.slope,
             {}};
      binomial *= (-p - l) / (l + 1);
    }
    remarks.push_back(
        fmt::format("inverse_power to order {:g}: off by at most {:.6g} where its argument is from {:g} to {:g}", order,
                    inverse_power_remainder(p, low, high, order), low, high));
    return out;
  }

  Bound function(const Formula& f) {
    const std::string& name = f.name;
    const auto needs = [&](std::size_t count, const char* usage) {
      if (f.arguments.size() != count) throw std::invalid_argument(fmt::format("{} is written {}", name, usage));
    };
    const char* positive = "a number > 0";
    const char* counted = "a whole number from 1 to 1e6";
    if (name == "linear" || name == "quadratic" || name == "distance2" || name == "parity") {
      needs(1, (name + "(number)").c_str());
      if (name == "linear") return monomial(number(f, 0, 0, 1e300, false, "a number >= 0"), 1);
      if (name == "quadratic") return monomial(number(f, 0, 0, 1e300, false, "a number >= 0"), 2);
      if (name == "distance2") return monomial(2 * number(f, 0, 1, most_terms, true, counted), 2);
      const double h = number(f, 0, 1, most_terms, true, counted);
      return monomial(std::pow(h, h / 2), h);
    }
    if (name == "inverse_power" || name == "force") {
      const bool direct = name == "inverse_power";
      needs(direct ? 5 : 4, direct ? "inverse_power(D, p, low, high, order)" : "force(sources, low, high, order)");
      const std::size_t i = direct ? 2 : 1;
      const double low = number(f, i, 1e-300, 1e300, false, positive),
                   high = number(f, i + 1, low, 1e300, false, "at least low"),
                   order = number(f, i + 2, 0, 1e4, true, "a whole number from 0 to 10000");
      if (direct)
        return inverse_power(of(f.arguments[0]), number(f, 1, 1e-300, 100, false, "a number > 0, at most 100"), low,
                             high, order);
      const Bound each = product(monomial(std::sqrt(2.0), 1), inverse_power(monomial(6, 2), 1.5, low, high, order));
      return scaled(number(f, 0, 1e-300, 1e300, false, positive), each);
    }
    if (name == "sum") {
      needs(2, "sum(count, f)");
      return scaled(number(f, 0, 1e-300, 1e300, false, positive), of(f.arguments[1]));
    }
    if (name == "indicator") {
      needs(4, "indicator(u, gap, range, error)");
      const double gap = number(f, 1, 1e-300, 1e300, false, positive),
                   range = number(f, 2, gap, 1e300, false, "at least the gap"),
                   error = number(f, 3, 1e-300, 1, false, "a number > 0, at most 1");
      const double ratio = gap / range;
      const double q = gap == range ? 1 : std::max(1.0, std::ceil(std::log(error) / std::log1p(-ratio * ratio)));
      remarks.push_back(
          fmt::format("indicator: a polynomial of degree {:g} in its argument, within {:g}", 2 * q, error));
      const Bound square = power(scaled(1 / range, of(f.arguments[0])), 2);
      return power({1 - square.origin, 1 + square.zero, 1 + square.one, square.slope, {}}, q);
    }
    if (name == "clusters") {
      needs(4, "clusters(T, b, error, f)");
      const double T = number(f, 0, 1, 1e300, true, "a whole number >= 1"),
                   b = number(f, 1, 0, 1 - 1e-12, false, "from 0 to below 1"),
                   error = number(f, 2, 1e-300, 1, false, "a number > 0, at most 1");
      const double q = b == 0 ? 1 : std::max(1.0, std::ceil(std::log(error) / std::log(b)));
      remarks.push_back(
          fmt::format("clusters: a task is picked by <c_j, c>^{:g}, others leak by {:.3g} at most", q, std::pow(b, q)));
      return scaled(T, product(monomial(1, q), of(f.arguments[3])));
    }
    if (name == "tree") {
      needs(2, "tree(h, f)");
      const double h = number(f, 0, 1, most_terms, true, counted), root = std::sqrt(h);
      return product(power({1, 1, 1 + root, root, {}}, h), of(f.arguments[1]));
    }
    needs(1, (name + "(f)").c_str());
    return name == "sqrt" ? power(of(f.arguments[0]), 0.5) : elementary(name, of(f.arguments[0]));
  }
};

}  // namespace

Bound bound(const Formula& formula) {
  BoundReader reader;
  Bound out = reader.of(formula);
  for (double* x : {&out.zero, &out.one, &out.slope})
    if (std::isnan(*x)) *x = infinity;
  out.remarks = std::move(reader.remarks);
  const bool told =
      std::ranges::any_of(out.remarks, [](const std::string& remark) { return remark.starts_with("infinite: "); });
  if (!told && !std::isfinite(out.zeta() + out.one)) out.remarks.push_back("infinite: overflows a double");
  return out;
}

double inverse_power_remainder(double p, double low, double high, double order) {
  const double middle = 0.5 * (low + high), delta = (high - low) / (high + low);
  double term = 1, head = 0, rest = 0;
  for (double l = 0; l < order + most_terms; ++l) {
    (l > order ? rest : head) += term;
    if (l > order && term <= 1e-17 * rest) return std::pow(middle, -p) * rest;
    term *= (p + l) / (l + 1) * delta;
  }
  // Too slow: the whole series is (1 - delta)^-p.
  return std::pow(low, -p) - std::pow(middle, -p) * head;
}

std::vector<double> allocation(const std::vector<double>& weights, const std::vector<double>& zeta, double delta) {
  const auto strata = static_cast<double>(weights.size());
  std::vector<double> share;
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    share.push_back(std::pow(weights[i] * std::sqrt(zeta[i] + std::log(strata / delta)), 2.0 / 3));
    sum += share.back();
  }
  for (double& x : share) x /= sum;
  return share;
}

}  // namespace edgewise::models::ingredients::learnability
