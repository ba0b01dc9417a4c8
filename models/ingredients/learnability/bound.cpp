// Built at -O1: nothing here takes time.
#include "models/ingredients/learnability/bound.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/ingredients/learnability/normal_form.hpp"
#include "numerics/constants.hpp"
#include "numerics/whole.hpp"

namespace edgewise::models::ingredients::learnability {

namespace {

using Kind = Formula::Kind;

constexpr double most_terms = 1e6;

class BoundReader {
 public:
  Sum of(const Formula& f) {
    switch (f.kind) {
      case Kind::number:
        return Algebra::number(f.value);
      case Kind::variable:
        return algebra_.variable(f.name);
      case Kind::add:
      case Kind::subtract:
        return algebra_.sum(of(f.arguments[0]), of(f.arguments[1]), f.kind == Kind::add ? 1 : -1);
      case Kind::multiply:
        return algebra_.product(of(f.arguments[0]), of(f.arguments[1]));
      case Kind::divide:
        return algebra_.product(of(f.arguments[0]), algebra_.power(of(f.arguments[1]), -1));
      case Kind::power: {
        const Sum exponent = of(f.arguments[1]);
        if (!Algebra::constant(exponent))
          throw std::invalid_argument("an exponent must be a number or a known function");
        return algebra_.power(of(f.arguments[0]), algebra_.origin(exponent));
      }
      case Kind::function:
        return function(f);
    }
    return {};
  }
  Jet jet(const Formula& f) { return algebra_.jet(of(f)); }
  std::vector<std::string> all_remarks() const {
    std::vector<std::string> out = algebra_.remarks();
    out.insert(out.end(), remarks_.begin(), remarks_.end());
    return out;
  }

 private:
  /// c y^n, n > 0
  Sum monomial(double c, double n) { return algebra_.opaque({0, c, c * n}); }

  /// The number that the argument is. \param what  it must be
  double number(const Formula& f, std::size_t i, double low, double high, bool is_whole, const char* what) {
    const Sum argument = of(f.arguments[i]);
    const double value = Algebra::constant(argument) ? algebra_.origin(argument) : nan;
    if (!(value >= low) || !(value <= high) || (is_whole && !numerics::is_whole(value)))
      throw std::invalid_argument(fmt::format("{}: argument {} must be {}", f.name, i + 1, what));
    return value;
  }

  Jet inverse_power(const Jet& d, double p, double low, double high, double order) {
    const double middle = 0.5 * (low + high), scale = std::pow(middle, -p);
    const Jet w{d.origin / middle - 1, d.rise / middle, d.slope / middle};
    Jet out;
    double binomial = 1;
    for (double l = 0; l <= order; ++l) {
      const Jet term = scaled(binomial * scale, whole_power(w, l));
      out = {out.origin + term.origin, out.rise + term.rise, out.slope + term.slope};
      binomial *= (-p - l) / (l + 1);
    }
    remarks_.push_back(
        fmt::format("inverse_power to order {:g}: off by at most {:.6g} where its argument is from {:g} to {:g}", order,
                    inverse_power_remainder(p, low, high, order), low, high));
    return out;
  }

  Sum function(const Formula& f) {
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
        return algebra_.opaque(inverse_power(jet(f.arguments[0]),
                                             number(f, 1, -1, 100, false, "a number from -1 (-1/2: the root) to 100"),
                                             low, high, order));
      const double root = std::sqrt(2.0);
      const Jet each = product({0, root, root}, inverse_power({0, 6, 12}, 1.5, low, high, order));
      return algebra_.opaque(scaled(number(f, 0, 1e-300, 1e300, false, positive), each));
    }
    if (name == "sum") {
      needs(2, "sum(count, f)");
      return algebra_.opaque(scaled(number(f, 0, 1e-300, 1e300, false, positive), jet(f.arguments[1])));
    }
    if (name == "indicator") {
      needs(4, "indicator(u, gap, range, error)");
      const double gap = number(f, 1, 1e-300, 1e300, false, positive),
                   range = number(f, 2, gap, 1e300, false, "at least the gap"),
                   error = number(f, 3, 1e-300, 1, false, "a number > 0, at most 1");
      const double ratio = gap / range;
      const double q = gap == range ? 1 : std::max(1.0, std::ceil(std::log(error) / std::log1p(-ratio * ratio)));
      remarks_.push_back(
          fmt::format("indicator: a polynomial of degree {:g} in its argument, within {:g}", 2 * q, error));
      const Jet square = whole_power(scaled(1 / range, jet(f.arguments[0])), 2);
      return algebra_.opaque(whole_power({1 - square.origin, square.rise, square.slope}, q));
    }
    if (name == "clusters") {
      needs(4, "clusters(T, b, error, f)");
      const double T = number(f, 0, 1, 1e300, true, "a whole number >= 1"),
                   b = number(f, 1, 0, 1 - 1e-12, false, "from 0 to below 1"),
                   error = number(f, 2, 1e-300, 1, false, "a number > 0, at most 1");
      // T - 1 others leak b^q each.
      const double q =
          b == 0 || T == 1 ? 1 : std::max(1.0, std::ceil((std::log(error) - std::log(T - 1)) / std::log(b)));
      remarks_.push_back(
          fmt::format("clusters: a task is picked by <c_j, c>^{:g}, the others leak by {:.3g} of it at most in all", q,
                      (T - 1) * std::pow(b, q)));
      return algebra_.opaque(scaled(T, product({0, 1, q}, jet(f.arguments[3]))));
    }
    if (name == "tree") {
      needs(2, "tree(h, f)");
      const double h = number(f, 0, 1, most_terms, true, counted), root = std::sqrt(h);
      return algebra_.opaque(product(whole_power({1, root, root}, h), jet(f.arguments[1])));
    }
    needs(1, (name + "(f)").c_str());
    return algebra_.function(name, of(f.arguments[0]));
  }

  Algebra algebra_;
  std::vector<std::string> remarks_;
};

}  // namespace

Bound bound(const Formula& formula) {
  BoundReader reader;
  const Jet jet = reader.jet(formula);
  Bound out{jet.origin, std::abs(jet.origin), jet.one(), jet.slope, reader.all_remarks()};
  for (double* x : {&out.zero, &out.one, &out.slope})
    if (std::isnan(*x)) *x = infinity;
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
    term *= std::abs(p + l) / (l + 1) * delta;
  }
  // Too slow: the whole series is (1 - delta)^-p, of roots 2 less that.
  return p > 0 ? std::pow(low, -p) - std::pow(middle, -p) * head
               : std::pow(middle, -p) * (2 - head) - std::pow(low, -p);
}

std::vector<double> allocation(const std::vector<double>& weights, const std::vector<double>& zeta, double delta) {
  const auto strata = static_cast<double>(weights.size());
  const double largest = *std::ranges::max_element(weights), confidence = std::log(strata) - std::log(delta);
  std::vector<double> share;
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    share.push_back(std::pow(weights[i] / largest * std::sqrt(zeta[i] + confidence), 2.0 / 3));
    sum += share.back();
  }
  for (double& x : share) x /= sum;
  return share;
}

}  // namespace edgewise::models::ingredients::learnability
