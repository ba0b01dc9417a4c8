// The noise kernel against the matrix as it is written.
#include "models/ingredients/noise_kernel.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "tests/approx.hpp"
#include "tests/models/ingredients/random_kernel.hpp"

using namespace edgewise::models::ingredients;
using edgewise::linear_algebra::Matrix;
using edgewise::linear_algebra::symmetric_eigen;
using edgewise::models::testing::wishart;
using edgewise::tests::Approx;

namespace {

/// M_ij = sum_ab V_ia V_ib V_ja V_jb w(mu_a, mu_b) over the modes that are not null.
template <class Weight>
Matrix written_out(const Matrix& v, const std::vector<double>& mu, Weight weight) {
  Matrix out(v.rows(), v.rows());
  for (std::size_t a = 0; a < mu.size(); ++a)
    for (std::size_t b = 0; b < mu.size(); ++b)
      for (std::size_t i = 0; i < v.rows() && mu[a] > 0 && mu[b] > 0; ++i)
        for (std::size_t j = 0; j < v.rows(); ++j)
          out(i, j) += v(i, a) * v(i, b) * v(j, a) * v(j, b) * weight(mu[a], mu[b]);
  return out;
}

}  // namespace

TEST_CASE("the noise kernel acts, grows and is summed up like the matrix that is written out") {
  for (const std::size_t N : {1, 2, 9}) {
    CAPTURE(N);
    const auto eigen = symmetric_eigen(wishart(N, 2 * N, 3));
    std::vector<double> mu = eigen.values, d(N);
    if (N > 2) mu[1] = 0;  // a null mode among the others
    for (std::size_t i = 0; i < N; ++i) d[i] = 1 + std::sin(static_cast<double>(i));
    for (const double c2 : {0.0, 0.8, 1.0}) {
      const double c1 = 0.3, eta = 0.4 / mu.back();
      const Matrix M = written_out(eigen.vectors, mu,
                                   [&](double x, double y) { return eta * c1 * x * y / (x + y - eta * c2 * x * y); });
      const NoiseKernel kernel = noise_kernel_at(eigen.vectors, mu, eta, c1, c2);
      const std::vector<double> moved = kernel(d), renewed = kernel.renewed(d), back = kernel(renewed);
      for (std::size_t i = 0; i < N; ++i) {
        double sum = 0;
        for (std::size_t j = 0; j < N; ++j) sum += M(i, j) * d[j];
        CHECK(moved[i] == Approx(sum).epsilon(1e-13));
        CHECK(renewed[i] - back[i] == Approx(d[i]).epsilon(1e-12));
      }
      const double norm = edgewise::linear_algebra::symmetric_eigenvalues(M).back();
      CHECK(kernel.perron() == Approx(norm).epsilon(1e-12));
      CHECK(exact_kernel_norm(eigen.vectors, mu, eta, c1, c2) == Approx(norm).epsilon(1e-12));
      double trace = 0;
      for (const double x : mu) trace += x == 0 ? 0 : eta * c1 * x * x / (x + x - eta * c2 * x * x);
      CHECK(mean_field_kernel_norm(mu, static_cast<double>(N), eta, c1, c2) ==
            Approx(trace / static_cast<double>(N)).epsilon(1e-13));
      CHECK(mean_field_kernel_norm(mu, static_cast<double>(N), eta, c1, c2) <= norm * (1 + 1e-12));
    }
    CHECK(std::isinf(exact_kernel_norm(eigen.vectors, mu, 2 / mu.back(), 0.1, 1)));
    CHECK(std::isinf(mean_field_kernel_norm(mu, 1, 2 / mu.back(), 0.1, 1)));
  }
}
