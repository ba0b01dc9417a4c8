// The calculator's bounds against absolute series summed term by term.
#include "models/ingredients/learnability/bound.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/learnability/kernel_norms.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learnability;
using edgewise::models::ingredients::learning_curves::kernel_named;
using edgewise::tests::Approx;

namespace {

Bound of(const std::string& text) {
  return bound(read_formula(text));
}
std::string refusal(const std::string& text) {
  try {
    of(text);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("functions of one variable whose series the calculus meets exactly: f~ is the sum of |a_k|") {
  for (const std::string text : {"3 - 2*x + x^3",
                                 "exp(0.5*x)",
                                 "1/(2 - x)",
                                 "log(3 - x)",
                                 "sqrt(2 - x)",
                                 "(2 - x)^1.5",
                                 "(2 + x)^-2.5",
                                 "sin(x)",
                                 "cos(2*x)",
                                 "sinh(x) + cosh(x)",
                                 "(1.25 - x)^(-1/2)",
                                 "2*x*exp(x)",
                                 "sin(x + 0.7)",
                                 "cosh(x - 1)",
                                 "exp(x - 3)",
                                 "(x - 2)^-3",
                                 "1/(x - 2)",
                                 "1/(2 - x)^3",
                                 "1/(2 - x)^0.5",
                                 "1/sqrt(2 - x)",
                                 "2^x",
                                 "(2 + x)^(1 + 0.5*x)",
                                 "3^(0 - x)",
                                 "1/((2 - x)*(3 - x))",
                                 "1/(1/(2 + x)^2)",
                                 "x/exp(0.5*x)",
                                 "1/(0 - 2 - x)^2"}) {
    CAPTURE(text);
    const Formula f = read_formula(text);
    const std::vector<double> a = taylor_series(f, 1, 400);
    double one = 0, slope = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      one += std::abs(a[k]);
      slope += static_cast<double>(k) * std::abs(a[k]);
    }
    const Bound b = bound(f);
    CHECK(b.origin == Approx(a[0]).epsilon(1e-14));
    CHECK(b.zero == Approx(std::abs(a[0])).epsilon(1e-14));
    CHECK(b.one == Approx(one).epsilon(1e-12));
    CHECK(b.slope == Approx(slope).epsilon(1e-12));
  }
}

TEST_CASE("the calculus is never below the series of the result") {
  for (const std::string text : {"exp(x)*exp(0 - x)", "exp(x) - x - 1", "(x + 1)*(1 - x)", "exp(sin(x) - x^2)",
                                 "1/(3 + x - x^2)", "sqrt(4 - exp(x))", "log(2 + sin(x))", "x/(2 - x) - x/(2 + x)"}) {
    CAPTURE(text);
    const std::vector<double> a = taylor_series(read_formula(text), 1, 300);
    double one = 0, slope = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      one += std::abs(a[k]);
      slope += static_cast<double>(k) * std::abs(a[k]);
    }
    CHECK(of(text).one >= one * (1 - 1e-12));
    CHECK(of(text).slope >= slope * (1 - 1e-12) - 1e-12);
    // And the series is the function's.
    double at = 0;
    for (std::size_t k = a.size(); k-- > 0;) at = at * 0.3 + a[k];
    if (text == "exp(sin(x) - x^2)") CHECK(at == Approx(std::exp(std::sin(0.3) - 0.09)).epsilon(1e-12));
    if (text == "log(2 + sin(x))") CHECK(at == Approx(std::log(2 + std::sin(0.3))).epsilon(1e-12));
  }
}

TEST_CASE("constants fold, like terms cancel, and powers of powers are one power: again f~ exactly") {
  for (const std::string text : {"1/(2 - cos(x))",
                                 "exp(x) - 1 + 1/(3 - exp(x))",
                                 "(1 + x)^2 - 2*x - 1",
                                 "(1 + x)*(1 - x)",
                                 "x - x + exp(x)*exp(-x)",
                                 "sqrt((1.2 - x)^4)",
                                 "((2 - x)^(1/2))^(-3)",
                                 "((2 - x)^3*(3 - x))^(1/3)*(3 - x)^(-1/3)",
                                 "sqrt(2 - x)*sqrt(2 - x)",
                                 "exp(2*log(2 - x))",
                                 "log(exp(-x)*(3 - x)^2)",
                                 "1/(1/(1.5 - x) + 0)",
                                 "(4 - 2*x)^-1*(2 - x)^3",
                                 "sqrt((x - 2)^2)",
                                 "(x^2 + x^3)/(1 + x)",
                                 "1/exp(-x)",
                                 "(exp(x))^-2",
                                 "1/(cosh(1) + 1 - cosh(x))",
                                 "((1.1 - x)^2)^(-3/2)",
                                 "sqrt(1.2^2 - 2.4*x + x^2 + 0.5*(1 - x)^2 - 0.5 + x - 0.5*x^2)"}) {
    CAPTURE(text);
    const Formula f = read_formula(text);
    const std::vector<double> a = taylor_series(f, 1, 900);
    double one = 0, slope = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
      one += std::abs(a[k]);
      slope += static_cast<double>(k) * std::abs(a[k]);
    }
    const Bound b = bound(f);
    if (text.starts_with("sqrt(1.2^2")) {  // of a square that is not written as one a bound is all there is
      CHECK(b.one >= one * (1 - 1e-12));
      continue;
    }
    CHECK(b.zero == Approx(std::abs(a[0])).epsilon(1e-13));
    CHECK(b.one == Approx(one).epsilon(1e-11));
    CHECK(b.slope == Approx(slope).epsilon(1e-11).scale(1e-3));
    CHECK(b.remarks.empty());
  }
  // Functions that are alike are not the same function.
  CHECK(of("linear(1) - linear(1)").slope == 2);
  CHECK(of("sum(2, x) - 2*x").slope == 4);
  CHECK(of("x*y - y*x").one == 0);
  CHECK(of("(x + y)^2 - (x - y)^2").one == 4);
  CHECK(of("(1 + x)^4000/(1 + x)^3999").one == Approx(2));
  CHECK(of("(x + y + z + 1)^300*(2 - x)").one == Approx(3 * std::pow(4.0, 300)));
}

TEST_CASE("infinite where a series does not converge, with the reason") {
  for (const std::string text : {"1/(1 - x)", "1/(1 - 2*x)", "log(1 + x)", "(1 - x^2)^-1.5", "1/(2 - exp(x))"}) {
    CAPTURE(text);
    const Bound b = of(text);
    CHECK(std::isinf(b.zeta()));
    REQUIRE(b.remarks.size() == 1);
    CHECK(b.remarks[0].find("infinite") != std::string::npos);
  }
  CHECK(of("0*(1/(1 - x)) + x").slope == 1);
  CHECK(of("(1/(1 - x))*0 + x").slope == 1);
  // At the end of its convergence a series may still have a value, and a slope: sum |binom(1/2, l)| = 2, sum |binom(3/2, l)|
  // = 3 and sum l |binom(3/2, l)| = 3.
  CHECK(of("sqrt(1 + x)").one == Approx(2));
  CHECK(std::isinf(of("sqrt(1 + x)").slope));
  CHECK(of("sqrt(1 + x)").remarks[0].ends_with("where its series ends"));
  CHECK(of("(1 - x)^1.5").one == Approx(3));
  CHECK(of("(1 - x)^1.5").slope == Approx(3));
  CHECK(of("(1 - x)^1.5").remarks.empty());
}

TEST_CASE("task families: clusters, trees, parity, aggregation, forces") {
  CHECK(of("clusters(7, 0, 0.01, x)").slope == Approx(14));           // 7 y y
  CHECK(of("clusters(7, 0.5, 0.01, x)").slope == Approx(7 * 11));     // 6 x .5^10 <= .01: 7 y^10 y
  CHECK(of("clusters(100, 0.5, 0.01, x)").zeta() == Approx(2.25e6));  // 99 x .5^14 <= .01
  CHECK(of("clusters(1, 0.5, 0.01, x)").slope == Approx(2));          // nothing leaks
  CHECK(of("clusters(2, 0.5, 1, x)").slope == Approx(2 * 2));         // all may leak: once all the same
  const double root = std::sqrt(3.0);
  CHECK(of("tree(3, x)").one == Approx(std::pow(1 + root, 3)));
  CHECK(of("tree(3, x)").slope == Approx(std::pow(1 + root, 3) + 3 * root * std::pow(1 + root, 2)));
  CHECK(of("parity(4)").one == Approx(16));
  CHECK(of("parity(4)").slope == Approx(64));
  CHECK(of("sum(10, x*y)").slope == Approx(20));
  // (1 - (gap/range)^2)^q <= error with the least q: here .75^q <= .1, q = 9, and the tilde is (1 + y^2/4)^9.
  CHECK(of("indicator(x, 1, 2, 1)").slope == Approx(0.5));
  CHECK(of("indicator(x, 1, 2, 0.1)").one == Approx(std::pow(1.25, 9)));
  CHECK(of("indicator(x, 1, 2, 0.1)").slope == Approx(9 * std::pow(1.25, 8) * 0.5));
  CHECK(of("force(3, 0.2, 0.6, 2)").slope == Approx(3 * of("force(1, 0.2, 0.6, 2)").slope));
  CHECK(of("force(1, 0.2, 0.6, 2)").slope ==
        Approx(of("sqrt(2)*x*inverse_power(distance2(3), 1.5, 0.2, 0.6, 2)").slope));
  CHECK(of("inverse_power(quadratic(1), 1, 1, 1, 3)").remarks[0].find("off by at most 0 ") != std::string::npos);
  // The truncated series is within its remainder.
  for (const double D : {0.2, 0.33, 0.6}) {
    double sum = 0, binomial = 1;
    for (int l = 0; l <= 4; ++l) {
      sum += binomial * std::pow(D / 0.4 - 1, l);
      binomial *= (-1.5 - l) / (l + 1);
    }
    CHECK(std::abs(std::pow(D, -1.5) - std::pow(0.4, -1.5) * sum) <=
          inverse_power_remainder(1.5, 0.2, 0.6, 4) * (1 + 1e-12));
  }
  // A distance, the root of distance2: sqrt D0 (1 + w/2 - w^2/8) at w~ = 1 + 6 y^2/D0, its constants added with their signs.
  const Bound distance = of("inverse_power(distance2(3), -0.5, 0.2, 0.6, 2)");
  CHECK(distance.one == Approx(std::sqrt(.4) * (.375 + 15. / 2 + 255. / 8)));
  CHECK(distance.slope == Approx(std::sqrt(.4) * (30. / 2 + 2 * 16 * 30. / 8)));
  // All terms but the first are of one sign at the lower end: what is left is the error there.
  CHECK(inverse_power_remainder(-0.5, 0.2, 0.6, 2) ==
        Approx(std::sqrt(.4) * (1 - .5 / 2 - .25 / 8) - std::sqrt(.2)).epsilon(1e-12));
  CHECK(inverse_power_remainder(-0.5, 0, 1, 0) == Approx(std::sqrt(.5)).epsilon(1e-3));
  CHECK(inverse_power_remainder(-1, 0.2, 0.6, 1) == 0);
}

TEST_CASE("remainders of ranges so wide that the series crawls are what the lower end leaves") {
  CHECK(inverse_power_remainder(0.5, 1e-9, 1, 3) == Approx(std::pow(1e-9, -0.5)).epsilon(1e-3));
  CHECK(inverse_power_remainder(0.5, 1e-300, 1e300, 5) == Approx(1e150));
}

TEST_CASE("allocation makes the bound least at a number of samples") {
  const std::vector<double> weights{0.2, 0.5, 0.3}, zeta{1, 4, 100};
  const std::vector<double> share = allocation(weights, zeta, 0.05);
  const auto error = [&](const std::vector<double>& s) {
    double sum = 0;
    for (std::size_t i = 0; i < 3; ++i) sum += weights[i] * std::sqrt((zeta[i] + std::log(3 / 0.05)) / s[i]);
    return sum;
  };
  CHECK(share[0] + share[1] + share[2] == Approx(1));
  for (const std::size_t i : {0, 1, 2})
    for (const double step : {-0.01, 0.01}) {
      std::vector<double> other = share;
      other[i] += step;
      other[(i + 1) % 3] -= step;
      CHECK(error(other) > error(share));
    }
}

TEST_CASE("a bound that overflows says so") {
  CHECK(bound(read_formula("1e300*x*1e300")).remarks == std::vector<std::string>{"infinite: overflows a double"});
}

TEST_CASE("norms of functions that end at a pole or a branch point of the sphere" * doctest::test_suite("slow")) {
  const auto norms = [](const char* text) {
    return kernel_norms(taylor_series(read_formula(text), 1, 1500), *kernel_named("ntk", true), 5);
  };
  // v_k^2/lambda_k falls as k^(-4a) here: by quadrature over 200 degrees 27.7893987366 and 3.2256888.
  CHECK(norms("(1 - x)^2.5").exact == Approx(27.7893987366).epsilon(1e-8));
  CHECK(norms("(1 - x)^1.25").exact == Approx(3.2256888).epsilon(1e-6));
  // Where few degrees are seen the bound stands for a norm that is finite: by quadrature 2.11 in three dimensions.
  const KernelNorms few =
      kernel_norms(taylor_series(read_formula("sqrt(1 + x)"), 1, 1500), *kernel_named("ntk", true), 3);
  CHECK(few.bounded_only);
  CHECK(few.exact == few.second);
  CHECK(few.second == Approx(2.482070063));
  CHECK_FALSE(norms("(1 - x)^2.5").bounded_only);
  // However many terms there are, they never end: no sum of those at hand is the norm.
  for (const char* text : {"(1 - x)^0.25", "(1 - x)^(-0.25)", "1/(1 - x)^2", "log(1 - x)", "1/(1.0001 - x)"}) {
    CAPTURE(text);
    CHECK(std::isinf(norms(text).exact));
    CHECK(norms(text).infinite_because.starts_with("the sums diverge, or do not end"));
  }
}

TEST_CASE("formulas that cannot be read, or have no series, are refused with the place") {
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "ends where"},
           {"x +", "ends where"},
           {"x y", "at letter 3"},
           {"(x", "closing parenthesis"},
           {"expp(x)", "did you mean 'exp'"},
           {"x^y", "not above 0"},
           {"x^linear(2)", "exponent"},
           {"linear(linear(2))", "argument 1 must be"},
           {"sum(1 + linear(3), x)", "argument 1 must be"},
           {"1/x", "0 at the origin"},
           {"log(x)", "not above 0"},
           {"sqrt(x^2)", "0 at the origin"},
           {"1/sin(x)", "0 at the origin"},
           {"x/(x - x)", "0 at the origin"},
           {"sqrt(x - 1)", "negative at the origin"},
           {"exp(x, y)", "exp is written exp(f)"},
           {"force(1, 0.2)", "force is written"},
           {"force(1, 0.6, 0.2, 3)", "argument 3 must be at least low"},
           {"clusters(2.5, 0, 0.1, x)", "argument 1 must be a whole number"},
           {"tree(x, x)", "argument 1 must be"},
           {"1e999", "number"},
           {std::string(300, '(') + "x", "inside each other"},
           {std::string(300, '-') + "x", "inside each other"},
           {std::string(20000, 'x'), "longer than"}}) {
    const std::string said = refusal(text);
    CAPTURE(said);
    CHECK(said.find(part) != std::string::npos);
  }
}

TEST_CASE("what cancels inside a series is not in the bound: absolute coefficients of the sum, not of its terms") {
  const double e = std::exp(1.0);
  const auto near = [](double x) { return Approx(x).epsilon(1e-12); };
  CHECK(of("exp(x) - x").one == near(e - 1));
  CHECK(of("exp(x) - x").slope == near(e - 1));
  CHECK(of("exp(x) - 1 - x - x^2/2").one == near(e - 2.5));
  CHECK(of("exp(x) - 1 - x - x^2/2").slope == near(e - 2));
  CHECK(of("exp(x)*(1 - x)").one == near(1 + 1));  // 1 - sum (k - 1) x^k/k!
  CHECK(of("exp(x)*(1 - x)").slope == near(e));    // sum k (k - 1)/k!
  CHECK(of("sin(x)^2 + cos(x)^2").zeta() == near(1));
  CHECK(of("cosh(x + y) - cosh(x)*cosh(y)").one == near(std::pow(std::sinh(1.0), 2)));
  CHECK(of("sin(x + y) - sin(x)*cos(y) - cos(x)*sin(y) + y").slope == near(1));
  CHECK(of("exp(x*y) - x*y").one == near(e - 1));
  CHECK(of("exp(x*y) - x*y").slope == near(2 * (e - 1)));
  CHECK(of("log(2 + x) - x/2").one == near(std::log(2.0) + (std::log(2.0) - 0.5)));
  CHECK(of("(2 - x)^(-1/2) - exp(x) + exp(x)").one == near(1.0));
  // Inside another function, too: 1/(3 - exp(x) + x) = 1/(2 - sum x^k/k! from k = 2 on).
  CHECK(of("1/(3 - exp(x) + x)").one == near(1 / (4 - e)));
  CHECK(of("1/(3 - exp(x) + x)").slope == near((e - 1) / std::pow(4 - e, 2)));
  CHECK(of("exp(exp(x) - x)").one == near(std::exp(e - 1)));
  // Beyond the degrees that are followed terms are bounded each by itself; at a circle of convergence all of them.
  CHECK(of("1.2*(1.21 - x)^-1 - 1.2*(1.2 - x)^-1").one >= (1 - 1e-12) * (1.2 / 0.2 - 1.2 / 0.21));
  CHECK(of("1.2*(1.21 - x)^-1 - 1.2*(1.2 - x)^-1").one <= (1 + 1e-9) * (1.2 / 0.2 - 1.2 / 0.21));
  const Bound slow = of("(1.001 - x)^-1 - (1.002 - x)^-1");
  CHECK(slow.one >= 500);
  CHECK(slow.one <= 1500);
  const Bound ends = of("sqrt(1 + x) - x/2");  // 1 + .5 - .5 + .5
  CHECK(ends.one >= 1.5);
  CHECK(ends.one <= 2.5 * (1 + 1e-12));
  // By the recursion of the reciprocal, 400 terms; of absolute values inside it is 1/(2 - sinh 1) = 1.21.
  CHECK(of("1/(2 + sin(x))").one == near(0.9309166909444921));
  // As often as x has a value of its own, by terms: a part that is known by its bound alone is not looked into.
  CHECK(of("exp(linear(1)) - linear(1)").one == near(e + 1));
  CHECK(of("a*b*c*d*exp(f*g*h*i*j) - a*b*c*d").one == near(e + 1));
}

TEST_CASE("allocation: weights of any size, and any confidence") {
  for (const double w : {1e308, 5e-324}) {
    const std::vector<double> share = allocation({w, w}, {1, 1}, 1e-308);
    CHECK(share[0] == 0.5);
    CHECK(share[1] == 0.5);
  }
}
