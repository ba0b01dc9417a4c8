#include "settings/expression.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <array>
#include <atomic>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "tests/approx.hpp"

using edgewise::settings::Expression;
using edgewise::settings::is_variable_name;
using edgewise::tests::Approx;

namespace {

struct Case {
  const char* formula;
  double expected;
};

/// With a = 2, b = 3, c = 0.
double value(const std::string& formula) {
  constexpr std::array<double, 3> values{2, 3, 0};
  return Expression(formula, {"a", "b", "c"})(values);
}

std::string message(const std::string& formula) {
  try {
    value(formula);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "accepted";
}

double harmonic(double n, double s) {
  const double values[] = {n, s};
  return Expression("harmonic(n, s)", {"n", "s"})(values);
}

}  // namespace

TEST_CASE("harmonic(n, s) is the sum of j^-s") {
  for (const double s : {-1.0, 0.0, 0.3, 0.999999, 1.0, 1.2, 2.0, 3.9, 8.0})
    for (const int n : {1, 5, 23, 24, 25, 60, 2000}) {
      long double sum = 0;
      for (int j = n; j >= 1; --j) sum += std::pow(static_cast<long double>(j), -static_cast<long double>(s));
      CAPTURE(s);
      CAPTURE(n);
      CHECK(harmonic(n, s) == Approx(static_cast<double>(sum)).epsilon(3e-14));
    }
  CHECK(harmonic(3.9, 1) == Approx(1 + 1.0 / 2 + 1.0 / 3).epsilon(1e-15));
  CHECK(harmonic(0, 1) == 0);
}

TEST_CASE("harmonic of infinity is the zeta function") {
  const double pi = std::numbers::pi;
  CHECK(harmonic(INFINITY, 2) == Approx(pi * pi / 6).epsilon(1e-14));
  CHECK(harmonic(INFINITY, 4) == Approx(std::pow(pi, 4) / 90).epsilon(1e-14));
  CHECK(harmonic(INFINITY, 1) == INFINITY);
  CHECK(std::isnan(harmonic(NAN, 2)));
  // n terms of 1/j: ln n + Euler's constant + 1/(2n).
  CHECK(harmonic(1e9, 1) == Approx(std::log(1e9) + 0.57721566490153286 + 0.5e-9).epsilon(1e-15));
}

TEST_CASE("precedence and association") {
  const Case cases[] = {{"a + b * 2", 8},
                        {"(a + b) * 2", 10},
                        {"a - b - 1", -2},
                        {"8 / 4 / a", 1},
                        {"2 ^ b ^ 2", 512},
                        {"-a ^ 2", -4},
                        {"2 ^ -1", 0.5},
                        {"a * -b", -6},
                        {"+a", 2},
                        {"1e3", 1000},
                        {"1.5e-3 + a", 2.0015},
                        {"a + b > 4", 1},
                        {"a + 1 == b", 1},
                        {"a < b == 1", 1},
                        {"1 || 0 && 0", 1},
                        {"(1 || 0) && 0", 0},
                        {"a > 1 && b > 1 || c", 1},
                        {"a\n + b", 5},
                        {"b > a ? 1 : 2", 1},
                        {"c ? 1 : c ? 2 : 3", 3},
                        {"a ? c ? 1 : 2 : 3", 2},
                        {"(a < b) + (a <= b) + (a > b) + (a >= b)", 2}};
  for (const Case& c : cases) {
    CAPTURE(c.formula);
    CHECK(value(c.formula) == c.expected);
  }
}

TEST_CASE("not, and not equal") {
  for (const Case& c : {Case{"!c", 1.0},
                        {"!a", 0.0},
                        {"!c == 1", 1.0},
                        {"!(a == b)", 1.0},
                        {"a != b", 1.0},
                        {"a!=2", 0.0},
                        {"!a != b", 1.0},
                        {"a != b && !(a > b)", 1.0},
                        {"2 * !c", 2.0},
                        {"!isnan(a)", 1.0}}) {
    CAPTURE(c.formula);
    CHECK(value(c.formula) == c.expected);
  }
}

TEST_CASE("any number but 0 is true, written out or not") {
  for (const char* formula : {"0.5 && 1", "a / 4 && 1", "1 && 0.5", "0.5 || 0", "0.5 ? 1 : 0", "a / 4 ? 1 : 0"}) {
    CAPTURE(formula);
    CHECK(value(formula) == 1);
  }
  for (const char* formula : {"!0.5", "0 && 0.5", "c || 0", "c ? 1 : 0"}) {
    CAPTURE(formula);
    CHECK(value(formula) == 0);
  }
}

TEST_CASE("infinity and not a number") {
  CHECK(value("inf") == INFINITY);
  CHECK(value("-inf") == -INFINITY);
  CHECK(value("1 / c") == INFINITY);
  CHECK(std::isnan(value("nan")));
  CHECK(std::isnan(value("sqrt(-1)")));
  CHECK(value("nan == nan") == 0);
  CHECK(value("nan != nan") == 1);
  CHECK(value("nan < 1 || nan >= 1") == 0);
  CHECK(value("isnan(0 * inf)") == 1);
  CHECK(value("isfinite(inf)") == 0);
  CHECK(value("isfinite(nan)") == 0);
  CHECK(value("isfinite(a)") == 1);
}

TEST_CASE("functions and constants") {
  const double x = 0.3;
  const Case cases[] = {{"abs(-x)", x},
                        {"min(x, 1, -2)", -2},
                        {"max(x, 1, -2)", 1},
                        {"sqrt(x)", std::sqrt(x)},
                        {"exp(x)", std::exp(x)},
                        {"ln(x)", std::log(x)},
                        {"log2(x)", std::log2(x)},
                        {"log10(x)", std::log10(x)},
                        {"sin(x)", std::sin(x)},
                        {"cos(x)", std::cos(x)},
                        {"tan(x)", std::tan(x)},
                        {"asin(x)", std::asin(x)},
                        {"acos(x)", std::acos(x)},
                        {"atan(x)", std::atan(x)},
                        {"sinh(x)", std::sinh(x)},
                        {"cosh(x)", std::cosh(x)},
                        {"tanh(x)", std::tanh(x)},
                        {"sign(-x) + 10 * sign(0) + 100 * sign(x)", 99},
                        {"floor(x) + floor(-x)", -1},
                        {"round(x) + round(1 + x)", 1},
                        {"erf(x)", std::erf(x)},
                        {"erfc(x)", std::erfc(x)},
                        {"pi", std::numbers::pi},
                        {"e", std::numbers::e}};
  for (const Case& c : cases) {
    CAPTURE(c.formula);
    CHECK(Expression(c.formula, {"x"})(std::array{x}) == Approx(c.expected).epsilon(1e-15));
  }
}

TEST_CASE("what cannot be read says why, and unknown names suggest near ones") {
  CHECK(message("") == "the formula is empty");
  CHECK(message(" \n\t") == "the formula is empty");
  CHECK(message("a = 1") == "\"a = 1\" cannot be read: a single = at position 2; write == to compare");
  CHECK(message("= 1") == "\"= 1\" cannot be read: a single = at position 0; write == to compare");
  CHECK(message("a == 1 && b=2") == "\"a == 1 && b=2\" cannot be read: a single = at position 11; write == to compare");
  CHECK(message("1, 2") == "\"1, 2\" cannot be read: it has 2 values, separated by commas");
  CHECK(message("a b").starts_with("\"a b\" cannot be read: "));
  for (const char* formula :
       {"2a", "(a", "a)", "a +", "1.5.2", "abs()", "abs(a, b)", "a ? b", "\"text\"", "a & b", "a % b"}) {
    CAPTURE(formula);
    CHECK(message(formula).find(formula) != std::string::npos);
    // Words of the parser's library.
    for (const char* its : {"Unexpected", "token", "string", "expr", "parens", "\\"})
      CHECK(message(formula).find(its) == std::string::npos);
  }
  CHECK(message("(a") == "\"(a\" cannot be read: a ( is not closed");
  CHECK(message("a +") == "\"a +\" cannot be read: it ends where something must follow");
  CHECK(message("abs(a, b)").find("too many values") != std::string::npos);
  CHECK(message("a + " + std::string(5000, 'x')).size() < 400);
  CHECK(message(std::string(20000, '(')).size() < 200);
  try {
    Expression("rho_mx > 1", {"rho_max", "alpha"});
    FAIL("accepted");
  } catch (const std::invalid_argument& error) {
    const std::string text = error.what();
    CHECK(text.starts_with("'rho_mx' in \"rho_mx > 1\" is not known here; known: rho_max, alpha"));
    CHECK(text.find("did you mean 'rho_max'?") != std::string::npos);
  }
  CHECK(message("_pi + true").starts_with("'_pi' in "));
  const Expression sum("a + b", {"a", "b"});
  CHECK_THROWS_WITH_AS(sum(std::array{1.0}), "the formula takes 2 values, got 1", std::invalid_argument);
}

TEST_CASE("a formula knows itself") {
  Expression formula("b > 1 && beta < 2", {"a", "b", "beta"});
  CHECK(formula.formula() == "b > 1 && beta < 2");
  CHECK(formula.variables() == std::vector<std::string>{"a", "b", "beta"});
  CHECK(formula.used() == std::vector<std::string>{"b", "beta"});
  CHECK(Expression("1", {"a"}).used().empty());
  const Expression moved = std::move(formula);
  CHECK(moved(std::array{0.0, 2.0, 1.0}) == 1);
  CHECK(moved(std::array{0.0, 2.0, 3.0}) == 0);
}

TEST_CASE("names of variables") {
  for (const char* name : {"a", "rho_max", "x1", "_x", "E"}) CHECK(is_variable_name(name));
  for (const char* name : {"", "1x", "a-b", "a.b", "a b", "pi", "e", "inf", "nan"}) CHECK_FALSE(is_variable_name(name));
}

TEST_CASE("arithmetic is that of doubles") {
  const Expression formula("(x + y) * x - y / x", {"x", "y"});
  CHECK(rc::check("the same bits", [&](double x, double y) {
    const double expected = (x + y) * x - y / x, found = formula(std::array{x, y});
    RC_ASSERT(found == expected || (std::isnan(found) && std::isnan(expected)));
  }));
}

TEST_CASE("one formula, many threads" * doctest::test_suite("threads")) {
  const Expression formula("x * x + y", {"x", "y"});
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int k = 0; k < 5000; ++k)
          if (formula(std::array<double, 2>{1.0 * t, 1.0 * k}) != t * t + k) ++wrong;
      });
  }
  CHECK(wrong == 0);
}

TEST_CASE("what is wrong with a formula, to the letter") {
  const std::pair<const char*, const char*> cases[] = {
      {"a +", "it ends where something must follow"},
      {"(a", "a ( is not closed"},
      {"a)", "')' at position 1 has no counterpart or no place there"},
      {"a b", "'b' at position 2 has no place there; is an operator or a value missing?"},
      {"2a", "'a' at position 1 has no place there; is an operator or a value missing?"},
      {"a sqrt(b)", "'sqrt' at position 2 has no place there; is an operator or a value missing?"},
      {"a * / b", "'/' at position 4 has no place there; is an operator or a value missing?"},
      {"abs(a, b)", "'abs' is given too many values"},
      {"harmonic(a)", "'harmonic' is given too few values"},
      {"a ? b", "a choice is written condition ? value : other value"},
      {"a : b", "a choice is written condition ? value : other value"},
      {"\"text\"", "texts have no place in a formula"},
      {"1, 2, 3", "it has 3 values, separated by commas"},
      {"a = b == 1", "a single = at position 2; write == to compare"},
      {"a =", "a single = at position 2; write == to compare"},
      {"a, =", "a single = at position 3; write == to compare"},
      {"a === b", "'=' at position 4 has no place there; is an operator or a value missing?"},
      {"a => b", "a single = at position 2; write == to compare"},
  };
  for (const auto& [formula, why] : cases) {
    const std::string written = formula, said = why;
    CAPTURE(written);
    CHECK(message(written) == "\"" + written + "\" cannot be read: " + said);
  }
  CHECK(message("1 + q * a") == "'q' in \"1 + q * a\" is not known here; known: a, b, c");
  for (const char* compared : {"a <= b", "a >= b", "a != b", "a == b"}) CHECK(message(compared) == "accepted");
  CHECK(value("a >= 2") == 1);
  CHECK(value("a <= 1") == 0);
}

TEST_CASE("harmonic: near and beyond the terms that are added one by one, to rounding") {
  CHECK(harmonic(INFINITY, 3) == Approx(1.2020569031595942854).epsilon(1e-15));
  CHECK(harmonic(INFINITY, 1.5) == Approx(2.6123753486854883433).epsilon(1e-15));
  CHECK(harmonic(INFINITY, 2) == Approx(std::numbers::pi * std::numbers::pi / 6).epsilon(1e-15));
  for (const double s : {-1.9, -1.5, -0.5, 0.1, 0.5, 1.0, 1.1, 2.0, 3.0, 5.0})
    for (const int n : {39, 40, 41, 45, 80}) {
      long double sum = 0;
      for (int j = n; j >= 1; --j) sum += std::pow(static_cast<long double>(j), -static_cast<long double>(s));
      CAPTURE(s);
      CAPTURE(n);
      CHECK(harmonic(n, s) == Approx(static_cast<double>(sum)).epsilon(2e-15));
    }
  CHECK(harmonic(0.99, 1) == 0);
  CHECK(harmonic(-INFINITY, 2) == 0);
  CHECK(harmonic(INFINITY, 0.5) == INFINITY);
  for (const double n : {0.0, 5.0, 100.0, static_cast<double>(INFINITY)}) CHECK(std::isnan(harmonic(n, NAN)));
}

TEST_CASE("functions at their breaks") {
  const std::pair<const char*, double> cases[] = {
      {"sign(0)", 0},    {"sign(-0.001)", -1},  {"sign(0.001)", 1},  {"floor(-1.5)", -2},
      {"floor(2)", 2},   {"round(2.5)", 3},     {"round(-2.5)", -3}, {"isnan(1)", 0},
      {"isnan(inf)", 0}, {"isfinite(-inf)", 0}, {"!(0 - 3)", 0},     {"!inf", 0},
      {"erf(0)", 0},     {"erfc(inf)", 0},      {"erf(-inf)", -1},   {"min(3, 1) + max(3, 1)", 4},
  };
  for (const auto& [formula, expected] : cases) {
    const std::string written = formula;
    CAPTURE(written);
    CHECK(value(written) == expected);
  }
  CHECK(std::isnan(value("sign(nan)")));
}
