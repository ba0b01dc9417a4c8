#include "models/ingredients/learnability/kernel_norms.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learnability;
using edgewise::models::ingredients::learning_curves::kernel_named;
using edgewise::tests::Approx;

TEST_CASE("norms: H <= B2 <= B1 for any kernel, infinite where the kernel lacks a power or the sums diverge") {
  for (const std::string name : {"ntk", "arc0", "arc1", "ntk1", "gauss", "exp"})
    for (const std::string text : {"1 + x + 0.5*x^2", "exp(x)", "sin(2*x)", "(1.5 - x)^-1"})
      for (const double d : {3.0, 10.0}) {
        CAPTURE(name);
        CAPTURE(text);
        const KernelNorms n = kernel_norms(taylor_series(read_formula(text), 0.7, 600), *kernel_named(name, true), d);
        CHECK(n.exact <= n.second * (1 + 1e-9));
        CHECK(n.second <= n.first * (1 + 1e-9));
        CHECK(n.exact > 0);
        const bool entire = text != "(1.5 - x)^-1";
        CHECK(std::isinf(n.first) == (!entire && (name == "gauss" || name == "exp")));
      }
  const KernelNorms newton =
      kernel_norms(taylor_series(read_formula("(1.25 - x)^(-1/2)"), 1, 1500), *kernel_named("gauss", false), 3);
  CHECK(std::isinf(newton.exact));
  const KernelNorms odd = kernel_norms(taylor_series(read_formula("x^3"), 1, 50), *kernel_named("ntk", false), 4);
  CHECK(std::isinf(odd.exact));
  CHECK(std::isinf(odd.second));
  const KernelNorms linear = kernel_norms(taylor_series(read_formula("2*x"), 1, 50), *kernel_named("ntk", false), 4);
  CHECK(linear.second == Approx(4));  // b_1 = 1
  CHECK(linear.exact == Approx(4.0 / 4 / kernel_named("ntk", false)->eigenvalues(4, 1)[1]));
  CHECK(kernel_norms(taylor_series(read_formula("0*x"), 1, 50), *kernel_named("ntk", false), 4).first == 0);
  CHECK_THROWS_AS(taylor_series(read_formula("x*y"), 1, 9), std::invalid_argument);
  CHECK_THROWS_AS(taylor_series(read_formula("distance2(3)"), 1, 9), std::invalid_argument);
}

TEST_CASE("norms: no coefficient is dropped, and what is infinite has a reason") {
  const auto norms = [](const char* text, const char* kernel) {
    return kernel_norms(taylor_series(read_formula(text), 1, 1500), *kernel_named(kernel, false), 3);
  };
  for (const std::size_t k : {1024, 1500, 2000}) {
    const double b = kernel_named("ntk", false)->taylor(k + 1)[k];
    CHECK(norms(("x^" + std::to_string(k)).c_str(), "ntk").second == Approx(1 / b).epsilon(1e-10));
  }
  CHECK(norms("x + x^2000", "ntk").second == Approx(351689.0369).epsilon(1e-9));
  CHECK(norms("x^200", "exp").infinite_because == "overflows a double");
  CHECK(norms("1e300*x*1e300", "ntk").infinite_because.ends_with("overflows a double"));
  CHECK(norms("x^1499", "ntk").infinite_because == "the kernel lacks the power 1499");
  CHECK(norms("(1.25 - x)^(-1/2)", "gauss").infinite_because.starts_with("the sums diverge"));
  CHECK(norms("exp(x)", "gauss").infinite_because.empty());
  for (const char* text : {"x^5000", "exp(x^1000)", "x^2000*exp(x)", "x + 1e-150*x^2000"})
    CHECK_THROWS_AS(norms(text, "ntk"), std::invalid_argument);
}

TEST_CASE("series of polynomials go to the degree and four terms beyond, of other functions as far as asked") {
  const auto size = [](const char* text, std::size_t asked) {
    return taylor_series(read_formula(text), 1, asked).size();
  };
  for (const auto& [text, degree] : {std::pair{"3", 0},
                                     {"x", 1},
                                     {"x^3/2 - x", 3},
                                     {"(x + x^2)*x", 3},
                                     {"(x^2 - 1)^3", 6},
                                     {"(x^2)^0 + x", 1},
                                     {"exp(2)*x^2", 2}}) {
    const std::string formula = text;
    CAPTURE(formula);
    CHECK(size(text, 1) == static_cast<std::size_t>(degree + 4));
    CHECK(size(text, 50) == 50);
  }
  for (const char* text : {"1/(2 - x)", "exp(x)", "(2 - x)^2.5", "(2 - x)^-1"}) CHECK(size(text, 9) == 9);
  // Its coefficients fall below 1e-140 of the first, and do not end.
  CHECK(size("(1.5 - x)^2.5", 1500) == 1500);
}

TEST_CASE("norms of one power: harmonics by hand") {
  // On the sphere in three dimensions t^2 = 1/3 + (2/3) P_2, of which the powers are 1/9 and (4/9)/5.
  const auto kernel = kernel_named("exp", false, 0.8);
  const std::vector<double> lambda = kernel->eigenvalues(3, 2), b = kernel->taylor(3);
  const KernelNorms n = kernel_norms(taylor_series(read_formula("-3*x^2"), 1, 50), *kernel, 3);
  CHECK(n.exact == Approx(9 * (1.0 / 9 / lambda[0] + 4.0 / 45 / lambda[2])).epsilon(1e-12));
  CHECK(n.second == Approx(9 / b[2]).epsilon(1e-14));
  CHECK(n.first == Approx(n.second).epsilon(1e-14));
  CHECK(!n.bounded_only);
}
