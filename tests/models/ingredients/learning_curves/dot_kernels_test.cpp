// Eigenvalues of dot-product kernels against quadrature, Taylor series and each other.
#include "models/ingredients/learning_curves/dot_kernels.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <numbers>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/ingredients/learning_curves/harmonics.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models::ingredients::learning_curves;
using edgewise::tests::Approx;

namespace {

/// E g(t) P_k by the midpoint rule in the angle: literal, slow.
double literal_coefficient(const DotKernel& kernel, double d, std::size_t k) {
  constexpr int points = 20000;
  double sum = 0, weight = 0;
  std::vector<double> p(k + 1);
  for (int i = 0; i < points; ++i) {
    const double theta = (i + 0.5) * std::numbers::pi / points, w = std::pow(std::sin(theta), d - 2);
    gegenbauer(d, std::cos(theta), p);
    sum += w * kernel(std::cos(theta)) * p[k];
    weight += w;
  }
  return sum / weight;
}

/// Relatively, however small; 0 is like 0 alone.
bool alike(double value, double expected, double tolerance) {
  return std::abs(value - expected) <= tolerance * std::abs(expected);
}

}  // namespace

TEST_CASE("a kernel of another name is none") {
  for (const char* name : {"anything", "gauss", ""}) CHECK_THROWS_AS(relu_kernel(name, false), std::invalid_argument);
  CHECK_THROWS_AS(kernel_named("deep-ntk", false), std::invalid_argument);
}

TEST_CASE("eigenvalues in closed form are the quadrature's") {
  for (const std::string name : {"arc0", "arc1", "ntk", "ntk1", "gauss", "exp"})
    for (const bool bias : {false, true})
      for (const double d : {2.0, 3.0, 8.0}) {
        CAPTURE(name);
        CAPTURE(bias);
        CAPTURE(d);
        const auto kernel = kernel_named(name, bias, 0.4);
        const std::vector<double> lambda = kernel->eigenvalues(d, 9);
        REQUIRE(lambda.size() == 10);
        for (const std::size_t k : {0, 1, 2, 3, 4, 9})
          CHECK(std::abs(lambda[k] - literal_coefficient(*kernel, d, k)) < 1e-9 * (*kernel)(1));
      }
}

TEST_CASE("kernels without a formula come by quadrature, and a deep kernel of one layer is ntk") {
  for (const bool bias : {false, true})
    for (const double d : {2.0, 5.0, 40.0}) {
      CAPTURE(d);
      const auto deep = deep_tangent_kernel(1, bias), ntk = relu_kernel("ntk", bias);
      CHECK((*deep)(0.3) == Approx((*ntk)(0.3)).epsilon(1e-14));
      const std::vector<double> a = deep->eigenvalues(d, 6), b = ntk->eigenvalues(d, 6);
      for (std::size_t k = 0; k <= 6; ++k) CHECK(a[k] == Approx(b[k]).epsilon(1e-7).scale(1e-10));
    }
  const auto three = deep_tangent_kernel(3, false);
  CHECK((*three)(1) == Approx(4));
  for (const std::size_t k : {0, 2, 5})
    CHECK(three->eigenvalues(4, 5)[k] == Approx(literal_coefficient(*three, 4, k)).epsilon(1e-6));
}

TEST_CASE("Taylor series sum to the kernel, with and without bias") {
  std::vector<std::unique_ptr<DotKernel>> kernels;
  for (const bool bias : {false, true}) {
    for (const std::string name : {"arc0", "arc1", "ntk", "ntk1", "gauss", "exp"})
      kernels.push_back(kernel_named(name, bias, 0.4));
    kernels.push_back(deep_tangent_kernel(3, bias));
    kernels.push_back(taylor_kernel({0.5, 0, 2, 0.25}, bias));
  }
  for (const auto& kernel : kernels)
    for (const double rho : {-0.5, 0.0, 0.3, 0.6}) {
      CAPTURE(rho);
      const std::vector<double> b = kernel->taylor(120);
      double sum = 0;
      for (std::size_t k = b.size(); k-- > 0;) sum = sum * rho + b[k];
      CHECK(sum == Approx((*kernel)(rho)).epsilon(1e-11));
    }
}

TEST_CASE("eigenvalues are those of the Taylor series at any dimension") {
  for (const double d : {12.0, 1e3, 1e6})
    for (const bool bias : {false, true})
      for (const std::string name : {"ntk", "gauss", "arc0"}) {
        CAPTURE(d);
        CAPTURE(name);
        const auto kernel = kernel_named(name, bias, 0.7);
        const std::vector<double> b = kernel->taylor(900), lambda = kernel->eigenvalues(d, 6);
        for (std::size_t k = 0; k <= 6; ++k) {
          double sum = 0;
          for (std::size_t n = k; n < b.size(); ++n) sum += b[n] * power_moment(d, static_cast<double>(n), k);
          CHECK(alike(lambda[k], sum, 1e-9));
        }
      }
  const auto polynomial = taylor_kernel({0.5, 0, 2, 0.25}, true);
  const std::vector<double> lambda = polynomial->eigenvalues(5, 5);
  for (std::size_t k = 0; k <= 3; ++k) CHECK(alike(lambda[k], literal_coefficient(*polynomial, 5, k), 1e-7));
  CHECK(lambda[5] == 0);
}

TEST_CASE("levels and tail hold the whole trace, also where nodes stand for many degrees") {
  for (const double d : {2.0, 3.0, 5.0, 8.0, 30.0, 1e3, 1e6})
    for (const bool bias : {false, true})
      for (const std::string name : {"arc0", "arc1", "ntk", "ntk1", "gauss"}) {
        CAPTURE(d);
        CAPTURE(bias);
        CAPTURE(name);
        const auto kernel = kernel_named(name, bias, 0.01);
        const SphereSpectrum s = sphere_spectrum(*kernel, d, {});
        double trace = s.tail;
        for (std::size_t i = 0; i < s.degree.size(); ++i) trace += s.multiplicity[i] * s.eigenvalue[i];
        CHECK(trace == Approx((*kernel)(1)).epsilon(1e-5));
        CHECK(!s.finite_rank);
        // Beyond the exact degrees the formula goes on where the list ends.
        const auto far = kernel->far_eigenvalue(d, 100);
        if (far && d < 20) CHECK(alike(*far, kernel->eigenvalues(d, 100)[100], 1e-9));
        const auto odd = kernel->far_eigenvalue(d, 101);
        if (odd && d < 20) CHECK(alike(*odd, kernel->eigenvalues(d, 101)[101], 1e-9));
      }
}

TEST_CASE("harmonics: multiplicities add up by parity and quadrature is exact on polynomials") {
  for (const double d : {2.0, 3.0, 8.0, 1e3}) {
    const std::vector<double> m = multiplicities(d, 12);
    double even = 0;
    for (std::size_t k = 0; k <= 12; k += 2) even += m[k];
    CHECK(even == Approx(multiplicity_up_to(d, 12)).epsilon(1e-13));
    const ZonalQuadrature rule(d, 12);
    const std::vector<double> c = rule.coefficients([](double t) { return t * t * t; });
    CHECK(c[1] == Approx(power_moment(d, 3, 1)).epsilon(1e-12));
    CHECK(c[3] == Approx(power_moment(d, 3, 3)).epsilon(1e-7));
    CHECK(c[0] == 0);
    CHECK(c[5] == 0);
    CHECK(rule.mean_square([](double t) { return t; }) == Approx(1 / d).epsilon(1e-12));
  }
  CHECK(multiplicities(2, 3) == std::vector<double>{1, 2, 2, 2});
  CHECK(multiplicities(8, 6) == std::vector<double>{1, 8, 35, 112, 294, 672, 1386});
}
