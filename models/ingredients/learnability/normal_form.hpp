#pragma once
/// \file
/// The algebra of the learnability calculator: sums of products of powers, in which constants fold, like terms cancel and
/// powers of powers are one power (docs/theory/networks-and-kernels.md, section 4.5).
///
/// A factor is a unit linear form, an exponential of a product, another function, or a sum that has been raised to a
/// power, scaled to be 1 at the origin. Whatever is not zero at the origin is a product of those in one way, so that the
/// series of 1/(a - x)^2, or of sqrt((a - x)^4), reaches as far as that of 1/(a - x) or (a - x)^2.
///
/// Terms of a sum may have powers of the variables in common, as exp(x) - x, where absolute values of each term are more
/// than those of the sum. Where the sum's own coefficients a_k show that, f~(1) is sum_{k <= D} |a_k| and a rest: terms that
/// are M(y) in absolute values leave at most M(r) r^-(D + 1) beyond degree D, for any r > 1.
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "models/ingredients/learnability/graded_series.hpp"

namespace edgewise::models::ingredients::learnability {

/// f(0), and f~(1) and f~'(1) of f - f(0), where f~ is the series of absolute coefficients; infinite where it diverges.
struct Jet {
  double origin = 0, rise = 0, slope = 0;
  double one() const;  ///< f~(1)
};
Jet scaled(double c, const Jet& f);
Jet product(const Jet& f, const Jet& g);
/// \param p  whole and >= 0
Jet whole_power(const Jet& f, double p);

/// Factors with their exponents; empty: 1.
using Product = std::map<std::size_t, double>;
/// Coefficients of products, none of them 0.
using Sum = std::map<Product, double>;

/// What the factors of its sums are. All functions throw std::invalid_argument for what has no series at the origin.
class Algebra {
 public:
  static Sum number(double value);
  Sum variable(const std::string& name);
  /// A function of which the jet is all that is known, another one at every call.
  Sum opaque(const Jet& jet);

  /// a + scale b
  Sum sum(const Sum& a, const Sum& b, double scale);
  Sum product(const Sum& a, const Sum& b);
  Sum power(const Sum& a, double p);
  /// exp, log, sqrt, sin, cos, sinh or cosh.
  Sum function(const std::string& name, const Sum& a);

  /// Whether it is a number, its value at the origin, and its jet, with sums multiplied out where that is short.
  static bool constant(const Sum& a);
  double origin(const Sum& a) const;
  Jet jet(const Sum& a);

  const std::vector<std::string>& remarks() const { return remarks_; }  ///< why something is infinite

 private:
  struct Factor {
    enum class Kind { variable, opaque, exponential, function, sum } kind;
    std::string name;
    Sum argument;  ///< of an exponential one product
    Jet known;     ///< of opaque ones
    double origin;
  };
  struct Term {
    double coefficient;
    Product product;
  };

  std::size_t place(Factor factor);
  Sum factor(Factor factor) { return {{{{place(std::move(factor)), 1.0}}, 1.0}}; }
  /// As one product, of a sum as a factor of its own.
  Term one_term(const Sum& a);
  Term as_factor(const Sum& a);
  Sum exponential(const Sum& a);
  Sum logarithm(const Sum& a);
  Sum multiplied_out(const Sum& a) const;
  bool multiply_out(const Product& p, double coefficient, Sum& out) const;

  double origin(const Product& p) const;
  Jet jet(const Product& p);
  Jet jet_of_sum(const Sum& a);
  /// Of every term by itself, at the forms' present size.
  Jet jet_of_terms(const Sum& a);
  /// With what cancels between terms taken off.
  Jet without_cancelled(const Sum& a, const Jet& terms);
  /// Adds the variables of a sum.
  void collect(const Sum& a, std::set<std::size_t>& variables) const;
  /// Of the sum, or of a factor's power; empty where a function is in it of which a jet is all that is known.
  using Series = Monomials::Series<double>;
  Series series(const Sum& a);
  const Series& series(std::size_t factor, double p);
  Jet factor_power(const Factor& f, double p);
  template <class Rise, class Slope>
  Jet composed(const Jet& f, double origin, double radius, const std::string& name, const Rise& rise,
               const Slope& slope);

  std::vector<Factor> factors_;
  std::map<std::string, std::size_t> places_;
  double form_size_ = 1;                                         ///< at which jets are taken: y of f~(y)
  std::map<std::tuple<std::size_t, double, double>, Jet> jets_;  ///< of powers of factors, at that size
  std::optional<Monomials> monomials_;                       ///< of the formula, where its variables are not too many
  std::map<std::size_t, std::size_t> variables_;             ///< numbers of factors that are variables there
  std::map<std::pair<std::size_t, double>, Series> series_;  ///< of powers of factors
  std::vector<std::string> remarks_;
};

}  // namespace edgewise::models::ingredients::learnability
