// Kernel norms and critical learning rates against the full second-moment operator; SAM's edge
// (docs/theory/quadratic-regression.md, sections 4 and 5).
#include "models/ingredients/kernel_stability.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <stdexcept>
#include <vector>

#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/models/ingredients/random_kernel.hpp"

using namespace edgewise::models;
using namespace edgewise::models::ingredients;
using edgewise::linear_algebra::Matrix;
using edgewise::linear_algebra::product;
using edgewise::linear_algebra::symmetric_eigen;
using edgewise::linear_algebra::SymmetricEigen;
using edgewise::linear_algebra::Transposed;
using edgewise::models::testing::wishart;
using edgewise::tests::Approx;

namespace {

std::vector<std::vector<double>> all_masks(std::size_t D, std::size_t B) {
  std::vector<std::vector<double>> masks;
  std::vector<double> mask(D, 0);
  std::fill(mask.end() - static_cast<std::ptrdiff_t>(B), mask.end(), 1);
  do masks.push_back(mask);
  while (std::next_permutation(mask.begin(), mask.end()));
  return masks;
}

/// Spectral radius of Z -> Z' on all D x D matrices.
double spectral_radius(const Matrix& kernel, double eta, std::size_t B) {
  const std::size_t D = kernel.rows();
  Matrix full(D * D, D * D);
  for (std::size_t k = 0; k < D * D; ++k) {
    Matrix unit(D, D);
    // Symmetric matrices are an invariant subspace that holds the leading eigenvector; a unit matrix is split in its
    // symmetric part (E[z z'] is symmetric).
    unit(k % D, k / D) += .5;
    unit(k / D, k % D) += .5;
    const Matrix image = second_moment_step(kernel, eta, B, unit);
    std::copy(image.data(), image.data() + D * D, full.column(k).data());
  }
  double radius = 0;
  for (const std::complex<double>& x : edgewise::linear_algebra::eigenvalues(full))
    radius = std::max(radius, std::abs(x));
  return radius;
}

}  // namespace

TEST_CASE("the second moment's step is the average over all masks") {
  const std::size_t D = 5;
  const Matrix kernel = wishart(D, 7, 1), z = wishart(D, 3, 2);
  for (std::size_t B = 1; B <= D; ++B) {
    const auto masks = all_masks(D, B);
    Matrix mean(D, D);
    for (const auto& mask : masks) {
      Matrix map(D, D);
      for (std::size_t a = 0; a < D; ++a)
        for (std::size_t c = 0; c < D; ++c) map(a, c) = (a == c ? 1 : 0) - .7 * kernel(a, c) * mask[c];
      const Matrix image = product(product(map, z), map, Transposed::no, Transposed::yes);
      for (std::size_t i = 0; i < D * D; ++i) mean.data()[i] += image.data()[i] / static_cast<double>(masks.size());
    }
    const Matrix step = second_moment_step(kernel, .7, B, z);
    for (std::size_t i = 0; i < D * D; ++i) CHECK(std::abs(step.data()[i] - mean.data()[i]) < 1e-14);
  }
}

TEST_CASE("the full operator's spectral radius passes 1 at the exact critical learning rate") {
  for (const std::size_t D : {2, 6, 8})
    for (std::size_t B = 1; B <= D; B += D == 8 ? 3 : 1) {
      const Matrix kernel = wishart(D, 2 * D, D);
      const SymmetricEigen eigen = symmetric_eigen(kernel);
      const double critical = exact_critical_rate(eigen, B);
      CAPTURE(D);
      CAPTURE(B);
      CHECK(spectral_radius(kernel, .99 * critical, B) < 1);
      CHECK(spectral_radius(kernel, 1.01 * critical, B) > 1);
      // Closer: the radius is 1 there to the accuracy of the root.
      CHECK(spectral_radius(kernel, critical, B) == Approx(1).epsilon(1e-9));
      if (B < D) CHECK(exact_kernel_norm(eigen, critical, B) == Approx(1).epsilon(1e-9));
    }
}

TEST_CASE("the annealed norm bounds the exact one from below and row sums from above") {
  for (const std::uint64_t seed : {1, 2, 3})
    for (const std::size_t D : {3, 12, 40})
      for (const std::size_t P : {D / 2 + 1, 2 * D})
        for (const std::size_t B : {std::size_t{1}, D / 2, D - 1}) {
          const SymmetricEigen eigen = symmetric_eigen(wishart(D, P, seed));
          double last = 0;
          for (const double share : {.1, .4, .8}) {
            const double eta = share * annealed_critical_rate(eigen.values, B);
            const double annealed = annealed_kernel_norm(eigen.values, eta, B),
                         exact = exact_kernel_norm(eigen, eta, B);
            CHECK(annealed <= exact * (1 + 1e-12));
            CHECK(exact <= row_sum_kernel_norm(eigen, eta, B) * (1 + 1e-12));
            CHECK(exact > last);
            last = exact;
          }
          CHECK(exact_critical_rate(eigen, B) <= annealed_critical_rate(eigen.values, B) * (1 + 1e-12));
        }
}

TEST_CASE("the exact norm is the spectral radius of G as it is written, small and large") {
  for (const std::size_t D : {7, 32, 33, 50}) {
    const std::size_t B = 4;
    const double eta = .5, beta = 3 / static_cast<double>(D - 1);
    for (const std::size_t P : {D - 2, 2 * D}) {
      const SymmetricEigen eigen = symmetric_eigen(wishart(D, P, 5));
      Matrix g(D, D);
      for (std::size_t x = 0; x < D; ++x)
        for (std::size_t y = 0; y < D; ++y) {
          const double lx = std::max(eigen.values[x], 0.0), ly = std::max(eigen.values[y], 0.0);
          const double f = lx * ly == 0 ? 0 : eta * (1 - beta) * lx * ly / (lx + ly - eta * beta * lx * ly);
          for (std::size_t a = 0; a < D; ++a)
            for (std::size_t c = 0; c < D; ++c)
              g(a, c) += eigen.vectors(a, x) * eigen.vectors(a, y) * eigen.vectors(c, x) * eigen.vectors(c, y) * f;
        }
      CHECK(exact_kernel_norm(eigen, eta, B) ==
            Approx(edgewise::linear_algebra::symmetric_eigenvalues(g).back()).epsilon(1e-11));
    }
  }
}

TEST_CASE("where all rows are alike both norms are one") {
  const std::size_t D = 6;
  Matrix kernel(D, D, .3);
  for (std::size_t a = 0; a < D; ++a) kernel(a, a) = 1.1;
  const SymmetricEigen eigen = symmetric_eigen(kernel);
  for (const std::size_t B : {1, 3, 5}) {
    CHECK(exact_kernel_norm(eigen, .4, B) == Approx(annealed_kernel_norm(eigen.values, .4, B)).epsilon(1e-12));
    CHECK(exact_critical_rate(eigen, B) == Approx(annealed_critical_rate(eigen.values, B)).epsilon(1e-10));
  }
  // One row at a time: eta K_aa / 2.
  CHECK(exact_kernel_norm(eigen, .4, 1) == Approx(.2 * 1.1).epsilon(1e-12));
  CHECK(annealed_critical_rate(eigen.values, 1) == Approx(2 / 1.1).epsilon(1e-12));
}

TEST_CASE("full batch, one output, and kernels without full rank") {
  const SymmetricEigen eigen = symmetric_eigen(wishart(6, 12, 3));
  const double edge = 2 / eigen.values.back();
  CHECK(annealed_critical_rate(eigen.values, 6) == Approx(edge).epsilon(1e-14));
  CHECK(exact_critical_rate(eigen, 6) == Approx(edge).epsilon(1e-14));
  CHECK(mean_critical_rate(eigen.values, 6) == Approx(edge).epsilon(1e-14));
  CHECK(mean_critical_rate(eigen.values, 2) == Approx(3 * edge).epsilon(1e-14));
  CHECK(annealed_kernel_norm(eigen.values, .9 * edge, 6) == 0);
  CHECK(exact_kernel_norm(eigen, .9 * edge, 6) == 0);
  CHECK(std::isinf(annealed_kernel_norm(eigen.values, 1.1 * edge, 6)));
  CHECK(std::isinf(exact_kernel_norm(eigen, 1.1 * edge, 6)));
  CHECK(std::isinf(exact_kernel_norm(eigen, 1e3, 3)));

  Matrix one(1, 1, 4);
  CHECK(exact_critical_rate(symmetric_eigen(one), 1) == Approx(.5).epsilon(1e-14));

  // D > P: the null space of K stays where it is, a radius of exactly 1 below the threshold.
  const Matrix deficient = wishart(6, 3, 4);
  const double critical = exact_critical_rate(symmetric_eigen(deficient), 2);
  CHECK(spectral_radius(deficient, .99 * critical, 2) == Approx(1).epsilon(1e-9));
  CHECK(spectral_radius(deficient, 1.01 * critical, 2) > 1.001);
}

TEST_CASE("one parameter: the norm in closed form, at any size of the kernel") {
  // K = lambda v v': G_ac = v_a^2 v_c^2 f, f = eta (1 - beta) lambda/(2 - eta beta lambda).
  for (const std::size_t D : {1, 2, 30, 40})
    for (const double size : {1e-60, 1.0, 1e60}) {
      CAPTURE(D);
      CAPTURE(size);
      Matrix kernel(D, D);
      double lambda = 0, fourth = 0;
      for (std::size_t a = 0; a < D; ++a)
        for (std::size_t c = 0; c < D; ++c) {
          const double one = std::sin(1.0 + static_cast<double>(a)), other = std::sin(1.0 + static_cast<double>(c));
          kernel(a, c) = size * one * other;
          if (a == c) {
            lambda += size * one * one;
            fourth += size * size * one * one * one * one;
          }
        }
      const SymmetricEigen eigen = symmetric_eigen(kernel);
      const double localised = fourth / (lambda * lambda), eta = .5 / lambda;
      for (const std::size_t B : {std::size_t{1}, (D + 1) / 2}) {
        const double beta = D == 1 ? 1 : static_cast<double>(B - 1) / static_cast<double>(D - 1);
        CHECK(exact_kernel_norm(eigen, eta, B) == Approx(localised * .5 * (1 - beta) / (2 - .5 * beta)).epsilon(1e-12));
        // ... is 1, unless the mean's edge comes first.
        const double critical = B == D ? 2 / lambda : 2 / (lambda * (beta + (1 - beta) * localised));
        CHECK(exact_critical_rate(eigen, B) == Approx(critical).epsilon(1e-11));
      }
    }
  // Equal and independent rows: K = lambda 1, every row alone.
  const SymmetricEigen identity = symmetric_eigen(Matrix::identity(40, 40));
  CHECK(exact_kernel_norm(identity, .5, 1) == Approx(.25).epsilon(1e-12));
  const SymmetricEigen zero = symmetric_eigen(Matrix(40, 40));
  for (const std::size_t B : {1, 7, 40}) {
    CHECK(exact_kernel_norm(zero, .5, B) == 0);
    CHECK(std::isinf(exact_critical_rate(zero, B)));
    CHECK(std::isinf(annealed_critical_rate(zero.values, B)));
    CHECK(std::isinf(mean_critical_rate(zero.values, B)));
  }
}

TEST_CASE("SAM's edge solves its equation at any rho") {
  for (const double eta : {.01, .3, 5.0})
    for (const double r : {0.0, 1e-14, 1e-8, 1e-6, 1e-3, .1, 1.0, 100.0, 1e9}) {
      const double rho = r * eta, edge = sam_edge(eta, rho);
      CHECK(eta * edge * (1 + rho * edge) == Approx(2).epsilon(1e-14));
      if (r <= 1e-6) CHECK(std::abs(edge - (2 / eta - 4 * rho / (eta * eta))) <= 17 * r * r / eta + 1e-15 * edge);
    }
}

TEST_CASE("SAM with mini-batches: the mean map is the average over masks") {
  const std::size_t D = 5;
  const double eta = .2, rho = .6;
  const Matrix kernel = wishart(D, 4, 8);
  for (std::size_t B = 1; B <= D; ++B) {
    const auto masks = all_masks(D, B);
    Matrix mean(D, D);
    for (const auto& mask : masks)
      for (std::size_t a = 0; a < D; ++a)
        for (std::size_t c = 0; c < D; ++c)
          mean(a, c) += mask[a] * ((a == c ? 1 : 0) + rho * kernel(a, c) * mask[c]) / static_cast<double>(masks.size());
    double largest = 0;
    for (const std::complex<double>& x : edgewise::linear_algebra::eigenvalues(product(kernel, mean)))
      largest = std::max(largest, x.real());
    CHECK(sam_mean_rate(kernel, eta, rho, B) == Approx(eta * largest).epsilon(1e-11));
    const Matrix descent = sam_mean_descent(kernel, rho, B), expected = product(kernel, mean);
    for (std::size_t i = 0; i < descent.size(); ++i)
      CHECK(descent.data()[i] == Approx(expected.data()[i]).epsilon(1e-12));
  }
  // At full batch it is 2 where lambda_1 is SAM's edge.
  const double top = symmetric_eigen(kernel).values.back();
  Matrix scaled = kernel;
  for (std::size_t i = 0; i < scaled.size(); ++i) scaled.data()[i] *= sam_edge(eta, rho) / top;
  CHECK(sam_mean_rate(scaled, eta, rho, D) == Approx(2).epsilon(1e-12));
}

TEST_CASE("bad input of kernel norms is named") {
  const SymmetricEigen eigen = symmetric_eigen(wishart(3, 6, 1));
  CHECK_THROWS_WITH_AS(exact_kernel_norm(eigen, .1, 0), "optimizer.batch: must lie in 1..3, not 0",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(annealed_kernel_norm(eigen.values, -1, 1),
                       "optimizer.learning_rate: must be positive and finite, not -1", std::invalid_argument);
  CHECK_THROWS_WITH_AS(sam_edge(.1, -1), "optimizer.rho: must be finite and not negative, not -1",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(sam_mean_descent(wishart(3, 6, 1), -1, 1),
                       "optimizer.rho: must be finite and not negative, not -1", std::invalid_argument);
  CHECK_THROWS_AS(annealed_critical_rate({}, 1), std::invalid_argument);
  CHECK_THROWS_AS(second_moment_step(wishart(3, 6, 1), .1, 1, Matrix(2, 2)), std::invalid_argument);
}
