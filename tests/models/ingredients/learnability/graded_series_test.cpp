// Series of several variables against binomial and multinomial coefficients, and their recursions against each other.
#include "models/ingredients/learnability/graded_series.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learnability;
using edgewise::tests::Approx;

namespace {

Monomials::Series<double> form(const Monomials& in, std::initializer_list<double> weights, double constant) {
  auto out = in.constant(constant);
  std::size_t v = 0;
  for (const double w : weights) out[in.variable(v++)] = w;
  return out;
}
double sum_of_degree(const Monomials& in, const Monomials::Series<double>& a, std::size_t m) {
  double sum = 0;
  for (std::size_t k = 0; k < in.size(); ++k)
    if (in.degree(k) == m) sum += a[k];
  return sum;
}

}  // namespace

TEST_CASE("there are binom(m + v - 1, v - 1) monomials of each degree, and products find theirs") {
  for (const std::size_t v : {1, 2, 3, 5, 8}) {
    const Monomials in(v);
    CHECK(in.last_degree() >= 3);
    for (std::size_t m = 0; m <= in.last_degree(); ++m) {
      double count = 0, expected = 1;
      for (std::size_t k = 0; k < in.size(); ++k) count += in.degree(k) == m ? 1 : 0;
      for (std::size_t i = 1; i < v; ++i) expected *= static_cast<double>(m + i) / static_cast<double>(i);
      CHECK(count == Approx(expected));
    }
  }
  const Monomials in(3);
  const auto f = form(in, {1, -2, 3}, 0);
  // (x - 2y + 3z)^3 at x = y = z, and its largest coefficient, -36 xyz.
  const auto cube = in.power(f, 3);
  CHECK(sum_of_degree(in, cube, 3) == Approx(8));
  double least = 0;
  for (const double c : cube) least = std::min(least, c);
  CHECK(least == Approx(-54));  // 3 (-2) 9 y z^2
}

TEST_CASE("functions of a form have their own series along it") {
  for (const std::size_t v : {1, 2, 4}) {
    const Monomials in(v);
    auto f = in.constant(0.5);
    for (std::size_t i = 0; i < v; ++i) f[in.variable(i)] = 1 / static_cast<double>(v);
    const auto exp = in.exponential(f), log = in.function("log", f), root = in.power(f, 0.5), inverse = in.power(f, -1),
               sin = in.function("sin", f), cosh = in.function("cosh", f);
    double factorial = 1, binomial = 1;
    for (std::size_t m = 0; m <= std::min<std::size_t>(in.last_degree(), 20); ++m) {
      const auto k = static_cast<double>(m);
      if (m > 0) factorial *= k;
      CHECK(sum_of_degree(in, exp, m) == Approx(std::exp(0.5) / factorial));
      CHECK(sum_of_degree(in, cosh, m) == Approx((m % 2 == 0 ? std::cosh(0.5) : std::sinh(0.5)) / factorial));
      const double sign = m % 4 < 2 ? 1 : -1;
      CHECK(sum_of_degree(in, sin, m) == Approx(sign * (m % 2 == 0 ? std::sin(0.5) : std::cos(0.5)) / factorial));
      CHECK(sum_of_degree(in, inverse, m) == Approx((m % 2 == 0 ? 2 : -2) * std::pow(2, k)));
      CHECK(sum_of_degree(in, root, m) == Approx(std::sqrt(0.5) * binomial * std::pow(2, k)));
      if (m > 0) CHECK(sum_of_degree(in, log, m) == Approx((m % 2 == 1 ? 1 : -1) * std::pow(2, k) / k));
      binomial *= (0.5 - k) / (k + 1);
    }
    // (1 + ..)^p by squares and by the recursion.
    const auto seventh = in.power(f, 7);
    auto product = in.power(f, 4);
    product = in.product(product, in.power(f, 3));
    for (std::size_t k = 0; k < in.size(); ++k) CHECK(seventh[k] == Approx(product[k]).scale(1));
  }
}
