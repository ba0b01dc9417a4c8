// SGD with SAM in the mean square: against averages over all batches, and against SGD's kernel norm.
#include "models/ingredients/sam_mean_square.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "models/ingredients/kernel_stability.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/models/ingredients/random_kernel.hpp"

using namespace edgewise::models;
using namespace edgewise::models::ingredients;
using edgewise::linear_algebra::Matrix;
using edgewise::linear_algebra::product;
using edgewise::linear_algebra::symmetric_eigen;
using edgewise::linear_algebra::Transposed;
using edgewise::models::testing::wishart;
using edgewise::tests::Approx;

namespace {

/// I - eta K (P + rho P K P) of every batch.
std::vector<Matrix> steps(const Matrix& k, double eta, double rho, std::size_t batch) {
  const std::size_t d = k.rows();
  std::vector<double> mask(d, 0);
  std::fill(mask.end() - static_cast<std::ptrdiff_t>(batch), mask.end(), 1);
  std::vector<Matrix> out;
  do {
    Matrix n(d, d);
    for (std::size_t c = 0; c < d; ++c)
      for (std::size_t a = 0; a < d; ++a) n(a, c) = mask[a] * ((a == c ? 1 : 0) + rho * k(a, c) * mask[c]);
    Matrix m = product(k, n);
    for (std::size_t c = 0; c < d; ++c)
      for (std::size_t a = 0; a < d; ++a) m(a, c) = (a == c ? 1 : 0) - eta * m(a, c);
    out.push_back(m);
  } while (std::next_permutation(mask.begin(), mask.end()));
  return out;
}

Matrix averaged(const std::vector<Matrix>& steps, const Matrix& z) {
  Matrix out(z.rows(), z.columns());
  for (const Matrix& m : steps) {
    const Matrix next = product(product(m, z), m, Transposed::no, Transposed::yes);
    for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] += next.data()[i] / static_cast<double>(steps.size());
  }
  return out;
}

}  // namespace

TEST_CASE("second moments, and how they grow, are averages over all batches") {
  const std::size_t d = 5;
  const double eta = .7, rho = .6;
  const Matrix k = wishart(d, 7, 3), z = wishart(d, 4, 5);
  for (std::size_t batch = 1; batch <= d; ++batch) {
    CAPTURE(batch);
    const std::vector<Matrix> all = steps(k, eta, rho, batch);
    const Matrix expected = averaged(all, z), next = sam_second_moment_step(k, eta, rho, batch, z);
    for (std::size_t i = 0; i < next.size(); ++i) CHECK(next.data()[i] == Approx(expected.data()[i]).epsilon(1e-11));
    // Power iteration on the averages.
    Matrix long_run = Matrix::identity(d, d);
    double growth = 0;
    for (int t = 0; t < 3000; ++t) {
      long_run = averaged(all, long_run);
      growth = 0;
      for (std::size_t a = 0; a < d; ++a) growth += long_run(a, a);
      for (double& x : long_run.entries()) x /= growth;
    }
    CHECK(sam_mean_square_growth(k, eta, rho, batch) == Approx(growth).epsilon(1e-9));
  }
  const Matrix without = sam_second_moment_step(k, eta, 0, 2, z), sgd = second_moment_step(k, eta, 2, z);
  for (std::size_t i = 0; i < sgd.size(); ++i) CHECK(without.data()[i] == Approx(sgd.data()[i]).epsilon(1e-12));
}

TEST_CASE("SAM with one parameter: growth and critical rate in closed form, at any size of the kernel") {
  // K = size v v', lambda = size |v|^2: along v the step is 1 - eta (s + rho s^2), s = size sum of v^2 over the batch.
  // Every other direction stands still.
  for (const double size : {1e-60, 1.0, 1e60}) {
    const std::vector<double> v{1, -.5, 2, .25, 1.5, -1};
    Matrix k(6, 6);
    for (std::size_t a = 0; a < 6; ++a)
      for (std::size_t c = 0; c < 6; ++c) k(a, c) = size * v[a] * v[c];
    const double rho = .1 / size;
    std::vector<double> pulls;  // of all 15 batches of two
    for (std::size_t a = 0; a < 6; ++a)
      for (std::size_t c = 0; c < a; ++c) {
        const double s = size * (v[a] * v[a] + v[c] * v[c]);
        pulls.push_back(s + rho * s * s);
      }
    double first = 0, second = 0;
    for (const double pull : pulls) {
      first += pull / size / 15;
      second += pull / size * (pull / size) / 15;
    }
    CHECK(sam_mean_square_rate(k, rho, 2) == Approx(2 * first / second / size).epsilon(1e-8));
    for (const double eta : {.05, 1.0, 3.0})
      CHECK(sam_mean_square_growth(k, eta / size, rho, 2) ==
            Approx(std::max(1.0, 1 - 2 * eta * first + eta * eta * second)).epsilon(1e-9));
  }
}

TEST_CASE("the critical rate: SGD's without SAM, SAM's edge at full batch, below the mean's, where growth begins") {
  const std::size_t d = 6;
  const Matrix k = wishart(d, 9, 4);
  const auto eigen = symmetric_eigen(k);
  for (const std::size_t batch : {1u, 2u, 5u})
    CHECK(sam_mean_square_rate(k, 0, batch) == Approx(exact_critical_rate(eigen, batch)).epsilon(1e-7));
  const double rho = .4, top = eigen.values.back();
  CHECK(sam_mean_square_rate(k, rho, d) == Approx(2 / (top * (1 + rho * top))).epsilon(1e-7));
  for (const std::size_t batch : {1u, 3u}) {
    const double rate = sam_mean_square_rate(k, rho, batch);
    CHECK(rate < 2 / sam_mean_rate(k, 1, rho, batch));
    CHECK(rate < sam_mean_square_rate(k, 0, batch));
    CHECK(sam_mean_square_growth(k, .999 * rate, rho, batch) < 1);
    CHECK(sam_mean_square_growth(k, 1.001 * rate, rho, batch) > 1);
  }
  // Directions in which K vanishes stand still and do not matter.
  const Matrix singular = wishart(6, 3, 4);
  const double rate = sam_mean_square_rate(singular, rho, 2);
  CHECK(sam_mean_square_growth(singular, .99 * rate, rho, 2) == Approx(1).epsilon(1e-9));
  CHECK(sam_mean_square_growth(singular, 1.01 * rate, rho, 2) > 1 + 1e-4);
}

TEST_CASE("bad input of SAM's second moments is named") {
  const Matrix k = wishart(3, 6, 1);
  CHECK_THROWS_WITH_AS(sam_second_moment_step(k, 0, .1, 1, k),
                       "optimizer.learning_rate: must be positive and finite, not 0", std::invalid_argument);
  CHECK_THROWS_WITH_AS(sam_second_moment_step(k, .1, .1, 4, k), "optimizer.batch: must lie in 1..3, not 4",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(sam_second_moment_step(k, .1, .1, 1, wishart(2, 6, 1)),
                       "the kernel and the second moment must be square and of one size", std::invalid_argument);
  CHECK_THROWS_WITH_AS(sam_mean_square_growth(k, .1, -1, 1), "optimizer.rho: must be finite and not negative, not -1",
                       std::invalid_argument);
  CHECK_THROWS_AS(sam_mean_square_rate(k, -1, 1), std::invalid_argument);
  CHECK_THROWS_AS(sam_mean_square_rate(k, .1, 0), std::invalid_argument);
}
