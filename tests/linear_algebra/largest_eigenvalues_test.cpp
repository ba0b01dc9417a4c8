#include "linear_algebra/largest_eigenvalues.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>
#include <tuple>

#include "matrices.hpp"

using namespace edgewise::linear_algebra;
using namespace edgewise::linear_algebra::test;

namespace {

SymmetricOperator times(const Matrix& a) {
  return [&a](std::span<const double> x, std::span<double> y) {
    multiply(a.rows(), 1, a.rows(), 1, a.data(), a.rows(), Transposed::no, x.data(), x.size(), Transposed::no, 0,
             y.data(), y.size());
  };
}

SymmetricOperator diagonal(const std::vector<double>& d) {
  return [&d](std::span<const double> x, std::span<double> y) {
    for (std::size_t i = 0; i < d.size(); ++i) y[i] = d[i] * x[i];
  };
}

/// Few large eigenvalues above a bulk, as of a Hessian: 10, 9, .. 1 and n - 10 in [-1, 1/2].
std::vector<double> spikes(std::size_t n) {
  std::vector<double> d;
  for (std::size_t i = 0; i < n; ++i)
    d.push_back(i < 10 ? 10.0 - static_cast<double>(i) : 0.5 - 1.5 * static_cast<double>(i) / static_cast<double>(n));
  return d;
}

}  // namespace

TEST_CASE("the largest eigenvalues are those of the whole decomposition") {
  CHECK(rc::check("values, vectors, residuals", [] {
    const std::size_t n = any_size(60), k = std::min(n, any_size(5));
    const double scale = std::pow(10.0, *rc::gen::inRange(-30, 30));
    Matrix a = symmetric_part(random_matrix(n, n, any_seed()));
    for (double& x : a.entries()) x *= scale;
    const LargestEigen found = largest_eigenvalues(n, k, times(a));
    const std::vector<double> all = symmetric_eigenvalues(a);
    const double size = std::max(std::abs(all.front()), std::abs(all.back()));
    RC_ASSERT(found.values.size() == k);
    for (std::size_t j = 0; j < k; ++j) RC_ASSERT(std::abs(found.values[j] - all[n - 1 - j]) <= 1e-12 * size);
    RC_ASSERT(found.vectors.rows() == n && found.vectors.columns() == k);
    RC_ASSERT(loss_of_orthonormality(found.vectors) <= 1e-12);
    RC_ASSERT(distance(plain_product(a, found.vectors), scaled_columns(found.vectors, found.values)) <= 1e-9 * size);
  }));
}

TEST_CASE("a large operator, known by its products") {
  const std::vector<double> d = spikes(2000);
  const LargestEigen found = largest_eigenvalues(d.size(), 4, diagonal(d));
  for (std::size_t j = 0; j < 4; ++j) {
    CHECK(std::abs(found.values[j] - d[j]) <= 1e-13 * d[j]);
    CHECK(std::abs(std::abs(found.vectors(j, j)) - 1) <= 1e-12);
  }
  CHECK(found.products < 100);
  const LargestEigen again = largest_eigenvalues(d.size(), 4, diagonal(d));
  CHECK(again.values == found.values);
  CHECK(distance(again.vectors, found.vectors) == 0);
}

TEST_CASE("hundreds of restarts take nothing from the orthonormality") {
  // Evenly spaced eigenvalues and three new vectors a restart.
  const std::size_t n = 1500;
  std::vector<double> d;
  for (std::size_t i = 0; i < n; ++i) d.push_back(static_cast<double>(i + 1) / static_cast<double>(n));
  const LargestEigen found = largest_eigenvalues(n, 2, diagonal(d), {}, {.subspace = 8});
  CHECK(found.products > 300);
  CHECK(loss_of_orthonormality(found.vectors) <= 1e-13);
  CHECK(loss_of_orthonormality(found.next_start) <= 1e-13);
  for (std::size_t j = 0; j < 2; ++j) {
    CHECK(std::abs(found.values[j] - d[n - 1 - j]) <= 1e-13);
    CHECK(std::abs(std::abs(found.vectors(n - 1 - j, j)) - 1) <= 1e-12);
  }
}

TEST_CASE("thousands of restarts take nothing from the eigenvalues") {
  // Two new vectors a restart: images that are the operator's but for rounding would be 5e-13 off in the end.
  std::vector<double> d;
  for (int i = 0; i < 60; ++i) d.push_back(1 - 0.7 * std::pow(i / 60.0, 2));
  const LargestEigen found = largest_eigenvalues(60, 2, diagonal(d), {}, {.subspace = 4, .max_restarts = 10'000});
  CHECK(found.products > 5000);
  CHECK(std::abs(found.values[0] - 1) <= 5e-14);
  CHECK(std::abs(found.values[1] - d[1]) <= 1.5e-13);
}

TEST_CASE("a warm start saves products") {
  const std::size_t n = 300;
  Matrix a(n, n);
  rank_update(1, random_matrix(n, 400, 5), Transposed::no, a);
  fill_upper(a);
  const LargestEigen before = largest_eigenvalues(n, 1, times(a));
  const Matrix change = symmetric_part(random_matrix(n, n, 6));
  for (std::size_t i = 0; i < a.size(); ++i) a.entries()[i] += 1e-3 * change.entries()[i];
  const LargestOptions loose{.tolerance = 1e-7};
  const LargestEigen cold = largest_eigenvalues(n, 1, times(a), {}, loose);
  const LargestEigen warm = largest_eigenvalues(n, 1, times(a), before.next_start, loose);
  const double exact = symmetric_eigenvalues(a).back();
  CHECK(std::abs(cold.values[0] / exact - 1) <= 1e-12);
  CHECK(std::abs(warm.values[0] / exact - 1) <= 1e-12);
  CHECK(2 * warm.products <= cold.products);
}

TEST_CASE("the first product is that of the start's first column and a thousandth of noise, the next of the others") {
  const std::vector<double> d = spikes(500);
  const Matrix start(500, 2, [] {
    std::vector<double> entries(1000, 0.0);
    entries[3] = 1e-9;   // along the fourth direction
    entries[507] = 7e9;  // and the eighth
    return entries;
  }());
  std::vector<std::vector<double>> seen;
  const auto watched = [&](std::span<const double> x, std::span<double> y) {
    seen.emplace_back(x.begin(), x.end());
    diagonal(d)(x, y);
  };
  largest_eigenvalues(500, 1, watched, start);
  const auto aside = [&](std::size_t product, std::size_t direction) {
    double square = 0;
    for (std::size_t i = 0; i < 500; ++i)
      if (i != direction) square += seen[product][i] * seen[product][i];
    return std::sqrt(square);
  };
  CHECK(std::abs(seen[0][3] - 1) <= 1e-3);
  CHECK(std::abs(aside(0, 3) / 1e-3 - 1) <= 0.02);  // but for the noise along the direction itself
  CHECK(std::abs(seen[1][7] - 1) <= 1e-6);
}

TEST_CASE("operators no larger than the subspace, or of which a quarter is asked for, are written out") {
  for (const auto& entry : {std::tuple<std::size_t, std::size_t, std::size_t, bool>{20, 5, 0, true},
                            {21, 5, 0, false},  // max(2k + 1, 20), and 4k
                            {25, 12, 0, true},  // 4k
                            {44, 11, 0, true},
                            {45, 11, 0, false},
                            {30, 1, 30, true},
                            {31, 1, 30, false},
                            {12, 3, 1, true},
                            {13, 3, 1, false}}) {
    const auto [n, k, subspace, whole] = entry;
    const std::vector<double> d = spikes(n);
    std::vector<double> first;
    const auto watched = [&](std::span<const double> x, std::span<double> y) {
      if (first.empty()) first.assign(x.begin(), x.end());
      diagonal(d)(x, y);
    };
    LargestOptions options;
    options.subspace = subspace;
    const LargestEigen found = largest_eigenvalues(n, k, watched, {}, options);
    CHECK((first[0] == 1) == whole);
    if (whole) CHECK(found.products == n);
    CHECK(found.next_start.columns() == (whole ? k : k + 1));
    for (std::size_t j = 0; j < k; ++j) CHECK(std::abs(found.values[j] - d[j]) <= 1e-12);
  }
}

TEST_CASE("residuals fall below the tolerance times their eigenvalue, and not much further") {
  // Also far above a bulk, and far smaller than it.
  for (const double bulk : {1.0, 1000.0}) {
    CAPTURE(bulk);
    std::vector<double> d = spikes(2000);
    for (std::size_t i = 10; i < d.size(); ++i) d[i] = bulk * (d[i] - 1);
    std::size_t products = 0;
    for (const double tolerance : {1e-2, 1e-4, 1e-6, 1e-8}) {
      CAPTURE(tolerance);
      const LargestEigen found = largest_eigenvalues(d.size(), 3, diagonal(d), {}, {.tolerance = tolerance});
      double worst = 0;
      for (std::size_t j = 0; j < 3; ++j) {
        double square = 0;
        for (std::size_t i = 0; i < d.size(); ++i)
          square += std::pow((d[i] - found.values[j]) * found.vectors(i, j) / found.values[j], 2);
        worst = std::max(worst, std::sqrt(square));
      }
      CHECK(worst <= tolerance);
      CHECK(worst > 1e-2 * tolerance);
      CHECK(found.products > products);
      products = found.products;
    }
  }
}

TEST_CASE("an eigenvector that has been overtaken does no harm") {
  const std::vector<double> d = spikes(500);
  for (const std::size_t other : {1, 2, 499}) {
    Matrix start(d.size(), 1);
    start(other, 0) = 1;
    const LargestEigen found = largest_eigenvalues(d.size(), 1, diagonal(d), start);
    CHECK(std::abs(found.values[0] - 10) <= 1e-12);
  }
  // Overtaken by a hair, and almost without a part along the new leader.
  std::vector<double> close = d;
  close[1] = 10 - 1e-4;
  Matrix start = random_matrix(d.size(), 1, 9);
  for (double& x : start.entries()) x *= 1e-11;
  start(1, 0) = 1;
  CHECK(std::abs(largest_eigenvalues(d.size(), 1, diagonal(close), start).values[0] - 10) <= 1e-12);
}

TEST_CASE("repeated eigenvalues, as often as they are repeated") {
  CHECK(rc::check("low rank, few distinct values, any scale", [] {
    const std::size_t n = any_size(70), k = std::min(n, any_size(6));
    // Up to four distinct values, each any number of times; what is left is 0.
    std::vector<double> values(n, 0.0);
    const std::size_t distinct = any_size(4);
    std::size_t filled = 0;
    for (std::size_t v = 0; v < distinct && filled < n; ++v) {
      const double value = *rc::gen::element(1.0, 2.0, 1.0 + 1e-6, 0.25, -1.0, -3.0, 1e-9);
      const std::size_t copies = *rc::gen::inRange<std::size_t>(1, n + 1 - filled);
      for (std::size_t c = 0; c < copies; ++c) values[filled++] = value;
    }
    const double scale = std::pow(10.0, *rc::gen::inRange(-300, 300));
    const Matrix basis = orthonormal_columns(random_matrix(n, n, any_seed()));
    const auto apply = [&](std::span<const double> x, std::span<double> y) {
      std::fill(y.begin(), y.end(), 0.0);
      for (std::size_t j = 0; j < n; ++j) {
        double along = 0;
        for (std::size_t i = 0; i < n; ++i) along += basis(i, j) * x[i];
        for (std::size_t i = 0; i < n; ++i) y[i] += values[j] * scale * along * basis(i, j);
      }
    };
    const LargestEigen found = largest_eigenvalues(n, k, apply);
    std::vector<double> sorted = values;
    std::ranges::sort(sorted, std::greater<>());
    const double size = std::max(std::abs(sorted.front()), std::abs(sorted.back()));
    RC_ASSERT(found.values.size() == k);
    for (std::size_t j = 0; j < k; ++j) RC_ASSERT(std::abs(found.values[j] / scale - sorted[j]) <= 1e-13 * size);
    RC_ASSERT(loss_of_orthonormality(found.vectors) <= 1e-13);
    std::vector<double> image(n);
    for (std::size_t j = 0; j < k; ++j) {
      apply(found.vectors.column(j), image);
      for (std::size_t i = 0; i < n; ++i)
        RC_ASSERT(std::abs(image[i] / scale - found.values[j] / scale * found.vectors(i, j)) <= 1.1e-10 * size);
    }
  }));
}

TEST_CASE("operators whose Krylov spaces end early") {
  const std::size_t n = 100;
  const auto ones = std::vector<double>(n, 1.0);
  for (const std::size_t k : {1, 2, 7}) {
    CAPTURE(k);
    // The identity: one product each, and one more for the copy that could be hidden.
    const LargestEigen identity = largest_eigenvalues(n, k, diagonal(ones));
    for (const double value : identity.values) CHECK(std::abs(value - 1) <= 1e-14);
    CHECK(identity.products == (k == 1 ? 1 : k + 1));
    // Rank one: 4 e e'/n, and zeros.
    const auto rank_one = [&](std::span<const double> x, std::span<double> y) {
      double sum = 0;
      for (const double v : x) sum += v;
      std::fill(y.begin(), y.end(), 4 * sum / static_cast<double>(n));
    };
    const LargestEigen one = largest_eigenvalues(n, k, rank_one);
    CHECK(std::abs(one.values[0] - 4) <= 1e-13);
    for (std::size_t j = 1; j < k; ++j) CHECK(std::abs(one.values[j]) <= 1e-13);
    CHECK(std::abs(std::abs(one.vectors(17, 0)) - 0.1) <= 1e-14);
    // From the eigenvector itself, and from one that is taken to 0.
    Matrix start(n, 2, 1.0);
    start(3, 1) = -99;
    CHECK(std::abs(largest_eigenvalues(n, k, rank_one, start).values[0] - 4) <= 1e-13);
    // -1 but for one -1/2.
    std::vector<double> negative(n, -1.0);
    negative[40] = -0.5;
    const LargestEigen below = largest_eigenvalues(n, k, diagonal(negative));
    CHECK(std::abs(below.values[0] + 0.5) <= 1e-14);
    for (std::size_t j = 1; j < k; ++j) CHECK(std::abs(below.values[j] + 1) <= 1e-14);
  }
  // A pair at the top of a spread spectrum, which no single Krylov space holds twice.
  std::vector<double> pair = spikes(500);
  pair[1] = pair[0];
  pair[4] = pair[3];
  const LargestEigen both = largest_eigenvalues(500, 5, diagonal(pair));
  const std::vector<double> expected = {10, 10, 8, 7, 7};
  for (std::size_t j = 0; j < 5; ++j) CHECK(std::abs(both.values[j] - expected[j]) <= 1e-12);
}

TEST_CASE("a repeated eigenvalue, the zero operator, negative definite ones") {
  std::vector<double> d(100, 1.0);
  d[3] = d[50] = 2;
  const LargestEigen twice = largest_eigenvalues(d.size(), 2, diagonal(d));
  CHECK(std::abs(twice.values[0] - 2) <= 1e-12);
  CHECK(std::abs(twice.values[1] - 2) <= 1e-12);
  const LargestEigen zero = largest_eigenvalues(40, 2, diagonal(std::vector<double>(40, 0.0)));
  CHECK(zero.values == std::vector<double>{0, 0});
  CHECK(loss_of_orthonormality(zero.vectors) <= 1e-14);
  std::vector<double> negative;
  for (int i = 0; i < 100; ++i) negative.push_back(-1.0 - i);
  CHECK(std::abs(largest_eigenvalues(100, 1, diagonal(negative)).values[0] + 1) <= 1e-9);
}

TEST_CASE("a scaled operator has the same eigenvectors") {
  const std::vector<double> d = spikes(300);
  const LargestEigen plain = largest_eigenvalues(300, 3, diagonal(d));
  for (const int power : {-900, -500, 3, 990}) {
    std::vector<double> scaled = d;
    for (double& x : scaled) x = std::ldexp(x, power);
    const LargestEigen found = largest_eigenvalues(300, 3, diagonal(scaled));
    CHECK(distance(found.vectors, plain.vectors) == 0);
    for (std::size_t j = 0; j < 3; ++j) CHECK(found.values[j] == std::ldexp(plain.values[j], power));
  }
}

TEST_CASE("what cannot be done is refused") {
  const std::vector<double> d = spikes(200);
  const Matrix wrong(3, 1, 1.0), zeros(200, 1);
  std::vector<double> broken(200, 1.0);
  broken[7] = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(largest_eigenvalues(200, 0, diagonal(d)), "largest eigenvalues: asked for 0 of 200",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(largest_eigenvalues(200, 201, diagonal(d)), "largest eigenvalues: asked for 201 of 200",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(largest_eigenvalues(200, 1, diagonal(d), wrong),
                       "largest eigenvalues: the start has 3 numbers, the operator 200 rows", std::invalid_argument);
  for (const Matrix& start : {zeros, Matrix(200, 1, broken)})
    CHECK_THROWS_WITH_AS(largest_eigenvalues(200, 1, diagonal(d), start),
                         "largest eigenvalues: the start must be finite and not 0", std::invalid_argument);
  CHECK_THROWS_WITH_AS(largest_eigenvalues(200, 1, diagonal(broken)),
                       "largest eigenvalues: the operator returned a number that is not finite", std::runtime_error);
  CHECK_THROWS_WITH_AS(largest_eigenvalues(3, 1, diagonal({1, broken[7], 2})),
                       "largest eigenvalues: the operator returned a number that is not finite", std::runtime_error);
  // Crowded eigenvalues and too few restarts.
  std::vector<double> crowded;
  for (int i = 0; i < 2000; ++i) crowded.push_back(1 + 1e-6 * i);
  try {
    largest_eigenvalues(2000, 3, diagonal(crowded), {}, {.tolerance = 1e-12, .subspace = 6, .max_restarts = 3});
    FAIL("accepted");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()).starts_with("largest eigenvalues: the 3 largest of 2000 did not converge within"));
  }
}

TEST_CASE("spaces that are exhausted in the midst of a chain, and eigenvalues beyond the numbers") {
  // Four distinct eigenvalues, of which a Krylov space finds one copy each.
  std::vector<double> d;
  for (std::size_t i = 0; i < 100; ++i) d.push_back(i < 2 ? 3 : i < 50 ? 2 : i < 80 ? -1 : 0.5);
  const LargestEigen found = largest_eigenvalues(d.size(), 4, diagonal(d), {}, {.subspace = 40});
  const std::vector<double> expected{3, 3, 2, 2};
  for (std::size_t j = 0; j < 4; ++j) CHECK(std::abs(found.values[j] - expected[j]) <= 1e-13);
  CHECK(loss_of_orthonormality(found.vectors) <= 1e-13);
  // All entries 1e307: the largest is 64 of them.
  const auto huge = [](std::span<const double> x, std::span<double> y) {
    double sum = 0;
    for (const double v : x) sum += v;
    for (double& v : y) v = 1e307 * sum;
  };
  CHECK_THROWS_WITH_AS(largest_eigenvalues(64, 1, huge), "largest eigenvalues: one of them is too large for a number",
                       std::runtime_error);
  const auto large = [&](std::span<const double> x, std::span<double> y) {
    huge(x, y);
    for (double& v : y) v /= 4;
  };
  CHECK(std::abs(largest_eigenvalues(64, 1, large).values[0] / 1.6e308 - 1) <= 1e-13);
}

TEST_CASE("every column of a start must have a direction, of small operators and of large ones") {
  for (const std::size_t n : {5U, 200U}) {
    const std::vector<double> d = spikes(n);
    for (const std::size_t bad : {0U, 1U, 2U})
      for (const double value : {0.0, std::numeric_limits<double>::infinity()}) {
        CAPTURE(n);
        CAPTURE(bad);
        Matrix start = random_matrix(n, 3, 4);
        for (double& x : start.column(bad)) x = value;
        CHECK_THROWS_WITH_AS(largest_eigenvalues(n, 1, diagonal(d), start),
                             "largest eigenvalues: the start must be finite and not 0", std::invalid_argument);
      }
  }
}
