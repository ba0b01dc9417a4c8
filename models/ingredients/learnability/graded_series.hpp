#pragma once
/// \file
/// Power series of several variables by total degree, with the recursions of one variable: (sum x_i d/dx_i) multiplies what
/// is of degree m by m.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace edgewise::models::ingredients::learnability {

/// Monomials of up to eight variables and of all degrees up to the last, in order of their degree.
class Monomials {
 public:
  static constexpr std::size_t most_variables = 8;
  /// \param variables  1 to 8; the last degree follows from how many monomials there would be
  explicit Monomials(std::size_t variables);

  std::size_t size() const { return degree_.size(); }
  std::size_t degree(std::size_t i) const { return degree_[i]; }
  std::size_t last_degree() const { return first_.size() - 2; }
  /// Of the variable, by its number.
  std::size_t variable(std::size_t i) const { return 1 + i; }

  template <class Value>
  using Series = std::vector<Value>;  ///< coefficients of the monomials

  Series<double> constant(double value) const;
  Series<double> product(const Series<double>& a, const Series<double>& b) const;
  Series<double> exponential(const Series<double>& a) const { return exponential_of(a); }
  /// log (of a constant > 0), sin, cos, sinh or cosh.
  Series<double> function(const std::string& name, const Series<double>& a) const;
  /// a^p: p whole and >= 0, or a constant that has this power.
  Series<double> power(const Series<double>& a, double p) const;

 private:
  /// Calls visit(i, j, at) for the products i j = at of degree m with i of degree >= 1.
  template <class Visit>
  void for_products(std::size_t m, const Visit& visit) const;
  template <class Value>
  Series<Value> exponential_of(const Series<Value>& a) const;
  Series<double> logarithm(const Series<double>& a) const;

  std::vector<std::size_t> degree_, first_;        ///< first_[m]: the first monomial of degree m
  std::vector<std::vector<std::uint32_t>> times_;  ///< times_[i][j], up to the last degree
};

}  // namespace edgewise::models::ingredients::learnability
