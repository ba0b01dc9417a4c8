#pragma once
/// \file
/// Formulas that users write: labels and boundaries of a phase diagram, a nonlinearity of their own.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace edgewise::settings {

/// A formula over named numbers, e.g. "rho_max > 0.05 && alpha < 1/2" (true is 1, false is 0).
///
/// Grammar: + - * / ^, comparisons, && || !, c ? a : b, parentheses; abs, min, max, sqrt, exp, ln, log2, log10, sin,
/// cos, tan, asin, acos, atan, sinh, cosh, tanh, sign, floor, round, erf, erfc, isfinite(x), isnan(x); harmonic(n, s),
/// the sum of j^-s over j = 1..n; constants pi, e, inf and nan. Evaluation is safe from several threads at once.
class Expression {
 public:
  /// \throws std::invalid_argument when the formula cannot be read or names something that is not in `variables`; the
  /// message says what and where.
  Expression(std::string formula, std::vector<std::string> variables);
  ~Expression();
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;

  /// The value where the variables, in the order given, have these values.
  double operator()(std::span<const double> values) const;
  const std::string& formula() const;
  const std::vector<std::string>& variables() const;
  /// Those of the variables that the formula uses.
  std::vector<std::string> used() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether `name` can stand for a variable in a formula.
bool is_variable_name(std::string_view name);

}  // namespace edgewise::settings
