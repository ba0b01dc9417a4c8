#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "models/muon/findings.hpp"
#include "models/muon/sign_coefficients.hpp"
#include "models/muon/spectral_coefficients.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

std::vector<double> power_law(double alpha, std::size_t n) {
  std::vector<double> out;
  for (std::size_t j = 1; j <= n; ++j) out.push_back(std::pow(static_cast<double>(j), -2 * alpha));
  return out;
}

double largest_relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] / b[i] - 1));
  return worst;
}

}  // namespace

TEST_CASE("the quadrature of the drift does not depend on its spacing, at any batch, shape and condition") {
  const std::vector<double> ones(60, 1.0);
  for (const double alpha : {0.0, 0.5, 2.5})
    for (const double m : {20.0, 60.0, 1e6})
      for (const double B : {7.0, 60.0, 1e7})
        for (const WeightLaw law : {WeightLaw::bilinear, WeightLaw::vector, WeightLaw::unlimited}) {
          CAPTURE(alpha);
          CAPTURE(m);
          CAPTURE(B);
          const std::vector<double> lambda = power_law(alpha, 60);
          const WeightedEigenvalues e{lambda, ones};
          const auto coarse = signsvd_drift(e, m, B, law, 0.5), fine = signsvd_drift(e, m, B, law, 0.1);
          CHECK(largest_relative_difference(coarse, fine) < 1e-11);
          const std::vector<double> sig{2, 0.5}, count{m / 2, m / 2};
          CHECK(largest_relative_difference(signsvd_drift_matrix(e, {sig, count}, B, law, 0.5),
                                            signsvd_drift_matrix(e, {sig, count}, B, law, 0.2)) < 1e-9);
        }
}

TEST_CASE("weights: less spread gives more drift") {
  const std::vector<double> lambda = power_law(0.5, 40), ones(40, 1.0);
  for (const double B : {10.0, 40.0, 300.0}) {
    const WeightedEigenvalues e{lambda, ones};
    const auto a = signsvd_drift(e, 30, B, WeightLaw::bilinear), b = signsvd_drift(e, 30, B, WeightLaw::vector),
               c = signsvd_drift(e, 30, B, WeightLaw::unlimited);
    for (std::size_t j = 0; j < a.size(); ++j) {
      CHECK(a[j] <= b[j]);
      CHECK(b[j] <= c[j]);
    }
  }
}

TEST_CASE("the anisotropic drift: rows and columns change places with Sigma and K") {
  const std::vector<double> lambda = power_law(0.5, 12), sig = power_law(0.3, 9), n(12, 1.0), m(9, 1.0);
  const auto a = signsvd_drift_matrix({lambda, n}, {sig, m}, 7, WeightLaw::bilinear);
  const auto b = signsvd_drift_matrix({sig, m}, {lambda, n}, 7, WeightLaw::bilinear);
  for (std::size_t k = 0; k < 9; ++k)
    for (std::size_t j = 0; j < 12; ++j) CHECK(a[k * 12 + j] == Approx(b[j * 9 + k]).epsilon(1e-10));
}

TEST_CASE("Phi and its inverse") {
  // E[rho g^2/(1 + rho g^2)] by brute force.
  for (const double rho : {1e-4, 0.009, 0.011, 0.5, 3.0, 400.0}) {
    CAPTURE(rho);
    double sum = 0;
    const double step = 1e-3;
    for (double g = -12; g <= 12; g += step)
      sum += step * rho * g * g / (1 + rho * g * g) * std::exp(-0.5 * g * g) / std::sqrt(2 * std::numbers::pi);
    CHECK(weight_transform(WeightLaw::bilinear, rho) == Approx(sum).epsilon(1e-11));
  }
  for (const WeightLaw law : {WeightLaw::bilinear, WeightLaw::vector, WeightLaw::unlimited})
    for (const double rho : {1e-12, 1e-3, 0.0101, 0.3, 12.0, 1e5}) {
      const double phi = weight_transform(law, rho);
      if (1 - phi < 1e-6) continue;
      CHECK(inverse_weight_transform(law, phi, 1 - phi) == Approx(rho).epsilon(1e-9));
    }
  CHECK(scaled_erfc(6.9999999) == Approx(scaled_erfc(7.0000001)).epsilon(1e-7));
  CHECK(scaled_erfc(0) == 1);
}

TEST_CASE("coefficients refuse what they cannot do") {
  const std::vector<double> one{1}, bad{-1}, count{10}, none;
  CHECK_THROWS_WITH(signsvd_drift({one, count}, 1, 10, WeightLaw::bilinear),
                    "the theory of spectral maps needs min(m, n, B) >= 2");
  // Outputs, inputs and batch each limit the rank.
  const std::vector<double> two{2};
  for (const auto& [inputs, outputs, batch] : {std::array{10., 1.5, 10.}, {10., 10., 1.5}, {1., 10., 10.}}) {
    const std::vector<double> n{inputs}, m{outputs};
    CHECK_THROWS_WITH(signsvd_drift({one, n}, outputs, batch, WeightLaw::bilinear),
                      "the theory of spectral maps needs min(m, n, B) >= 2");
    CHECK_THROWS_WITH(signsvd_drift_matrix({one, n}, {one, m}, batch, WeightLaw::bilinear),
                      "the theory of spectral maps needs min(m, n, B) >= 2");
  }
  CHECK(signsvd_drift({one, two}, 2, 2, WeightLaw::bilinear).size() == 1);
  CHECK(signsvd_drift_matrix({one, two}, {one, two}, 2, WeightLaw::bilinear).size() == 1);
  CHECK_THROWS_WITH(signsvd_drift_matrix({one, count}, {bad, count}, 10, WeightLaw::bilinear),
                    "spectral coefficients need eigenvalues >= 0");
  CHECK_THROWS_WITH(signsvd_drift_matrix({one, count}, {one, none}, 10, WeightLaw::bilinear),
                    "spectral coefficients need one count per eigenvalue");
  CHECK_THROWS_WITH(signsvd_drift({bad, count}, 10, 10, WeightLaw::bilinear),
                    "spectral coefficients need eigenvalues >= 0");
  CHECK_THROWS_AS(signsvd_drift({none, none}, 10, 10, WeightLaw::bilinear), std::invalid_argument);
  CHECK_THROWS_AS(sign_drift_factor(0.5), std::invalid_argument);
  std::vector<double> three(3);
  CHECK_THROWS_WITH(walsh_hadamard(three), "a Walsh-Hadamard transform needs a power of two");
}

TEST_CASE("vector labels: sqrt(2/pi) E chi_B/sqrt(B)") {
  CHECK(sign_drift_factor_vector(1) == Approx(2 / std::numbers::pi).epsilon(1e-13));
  CHECK(sign_drift_factor_vector(2) == Approx(std::sqrt(0.5)).epsilon(1e-12));
  // 1 - 1/(4 B) to 1/(32 B^2); its logarithms of Gamma functions would keep no digit of the last.
  for (const double batch : {2e7, 1e15})
    CHECK(sign_drift_factor_vector(batch) ==
          Approx(std::sqrt(2 / std::numbers::pi) * (1 - 0.25 / batch)).epsilon(1e-15));
}

TEST_CASE("signs in the Hadamard basis: the fast noise is u'Au") {
  const std::size_t n = 16;
  const std::vector<double> lambda = power_law(0.75, n);
  Matrix h(n, n);
  for (std::size_t j = 0; j < n; ++j) {
    std::vector<double> e(n);
    e[j] = 1;
    walsh_hadamard(e);
    for (std::size_t i = 0; i < n; ++i) h(i, j) = e[i] / 4;
  }
  const std::vector<double> fast = hadamard_sign_noise(lambda);
  const SignModes modes = sign_modes(lambda, h);
  // Dg = (tr K/n) 1: kappa = lambda/sqrt(lbar) and the noise has a factor sqrt(lbar).
  const double mean = std::accumulate(lambda.begin(), lambda.end(), 0.0) / static_cast<double>(n);
  for (std::size_t j = 0; j < n; ++j) {
    CHECK(modes.kappa[n - 1 - j] == Approx(lambda[j] / std::sqrt(mean)).epsilon(1e-11));
    CHECK(modes.noise[n - 1 - j] == Approx(fast[j] * std::sqrt(mean)).epsilon(1e-9));
  }
  CHECK(std::accumulate(fast.begin(), fast.end(), 0.0) == Approx(static_cast<double>(n)).epsilon(1e-13));
  Matrix rows(3, n);
  for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = std::sin(static_cast<double>(i));
  Matrix twice = rows;
  walsh_hadamard(twice.entries(), 3, 0.25);
  walsh_hadamard(twice.entries(), 3, 0.25);
  for (std::size_t i = 0; i < rows.size(); ++i)
    CHECK(twice.data()[i] == Approx(rows.data()[i]).epsilon(1e-14).scale(1));
  Matrix column(2, 1, std::vector<double>{3, -2});  // of one column the transform is itself
  walsh_hadamard(column.entries(), 2, 0.25);
  CHECK(column(0, 0) == 0.75);
  CHECK(column(1, 0) == -0.5);
}

TEST_CASE("linearised sign noise sums to n") {
  const std::vector<double> lambda = power_law(0.4, 64);
  const double mean = std::accumulate(lambda.begin(), lambda.end(), 0.0) / 64;
  double sum = 0;
  for (const double l : lambda) sum += linear_sign_noise(l, mean);
  CHECK(sum == Approx(64).epsilon(1e-13));
}

TEST_CASE("local slopes") {
  const std::vector<double> x{1, 2, 4, 8}, y{1, 8, 64, 512};
  for (const double slope : local_slopes(x, y)) CHECK(slope == Approx(3));
}
