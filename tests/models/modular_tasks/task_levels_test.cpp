#include "models/modular_tasks/task_levels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using edgewise::tests::Approx;
using modular_tasks::TaskFamily;

TEST_CASE("levels are the eigenvalues of the kernel between all tasks and points of a circle") {
  TaskFamily clusters;
  clusters.tasks = 3;
  clusters.overlap = 0.4;
  TaskFamily tree;
  tree.codes = TaskFamily::Codes::tree;
  tree.depth = 2;
  tree.tasks = 4;
  tree.bias = 0.5;
  for (TaskFamily family : {clusters, tree}) {
    family.power = {1};
    const auto kernel = ingredients::learning_curves::exponential_kernel(0.7, true, false);
    const auto levels = modular_tasks::monolithic_levels(family, *kernel, 12);
    std::vector<double> expected;
    for (std::size_t i = 0; i < levels.eigenvalue.size(); ++i)
      for (double c = 0; c < levels.multiplicity[i]; ++c) expected.push_back(levels.eigenvalue[i]);
    std::ranges::sort(expected, std::greater<>());
    const auto T = static_cast<std::size_t>(family.tasks);
    const std::size_t M = 30;
    linear_algebra::Matrix gram(T * M, T * M);
    for (std::size_t i = 0; i < T * M; ++i)
      for (std::size_t j = 0; j < T * M; ++j) {
        const double angle = 2 * std::numbers::pi * (static_cast<double>(i % M) - static_cast<double>(j % M)) / M;
        gram(i, j) =
            kernel->at((family.bias + family.code_overlap(i / M, j / M) + std::cos(angle)) / (2 + family.bias)) /
            static_cast<double>(T * M);
      }
    std::vector<double> values = linear_algebra::symmetric_eigenvalues(gram);
    std::ranges::sort(values, std::greater<>());
    for (std::size_t i = 0; i < 40; ++i) CHECK(values[i] == Approx(expected[i]).epsilon(1e-9).scale(1e-12));
  }
}

TEST_CASE("levels of many signs and of close codes keep their digits: products of an exponential kernel's factors") {
  // exp((u - 1) z) at u = (bias + mean sign + t)/(2 + bias) is a product over signs and t.
  TaskFamily family;
  family.dimension = 6;
  family.power = {1};
  const auto factor = [](double z, double bias, std::size_t k) {
    const auto nu = static_cast<double>(k) + 2;
    return std::exp((bias / (2 + bias) - 1) * z) * 2 * std::pow(2 * (2 + bias) / z, 2) *
           std::cyl_bessel_i(nu, z / (2 + bias));  // Gamma(d/2) (2/y)^(d/2 - 1) I, y = z/(2 + bias)
  };
  family.codes = TaskFamily::Codes::tree;
  for (const double z : {1.0, 8.0})
    for (const double bias : {0.0, 1.0})
      for (const std::size_t h : {1, 5, 16}) {
        CAPTURE(z);
        CAPTURE(bias);
        CAPTURE(h);
        family.bias = bias;
        family.depth = h;
        const auto kernel = ingredients::learning_curves::exponential_kernel(1 / z, true, false);
        const auto levels = modular_tasks::monolithic_levels(family, *kernel, 5);
        const double y = z / (2 + bias) / static_cast<double>(h);
        for (std::size_t q = 0; q <= h; ++q)
          for (std::size_t k = 0; k <= 5; ++k) {
            const double expected = factor(z, bias, k) * std::pow(std::cosh(y), static_cast<double>(h - q)) *
                                    std::pow(std::sinh(y), static_cast<double>(q));
            CHECK(levels.eigenvalue[6 * q + k] / expected == Approx(1).epsilon(1e-6));
          }
      }
  family.codes = TaskFamily::Codes::cluster;
  family.tasks = 3;
  for (const double overlap : {0.0, 0.9, 1 - 1e-6}) {
    family.overlap = overlap;
    const auto kernel = ingredients::learning_curves::exponential_kernel(1, true, false);
    const auto levels = modular_tasks::monolithic_levels(family, *kernel, 5);
    const double y = 1 / (2 + family.bias);
    for (std::size_t k = 0; k <= 5; ++k) {
      const double common = factor(1, family.bias, k) * std::exp(overlap * y), rest = std::expm1((1 - overlap) * y) / 3;
      CHECK(levels.eigenvalue[k] / (common * (1 + rest)) == Approx(1).epsilon(1e-10));
      CHECK(levels.eigenvalue[6 + k] / (common * rest) == Approx(1).epsilon(1e-8));
    }
  }
}

TEST_CASE("Krawtchouk polynomials: values and orthogonality") {
  using modular_tasks::krawtchouk;
  CHECK(krawtchouk(5, 0, 3) == 1);
  CHECK(krawtchouk(5, 1, 3) == -1);  // h - 2 s
  CHECK(krawtchouk(4, 4, 3) == -1);
  const double binomial[] = {1, 4, 6, 4, 1};
  for (std::size_t p = 0; p <= 4; ++p)
    for (std::size_t q = 0; q <= 4; ++q) {
      double sum = 0;
      for (std::size_t s = 0; s <= 4; ++s) sum += binomial[s] * krawtchouk(4, p, s) * krawtchouk(4, q, s);
      CHECK(sum == (p == q ? 16 * binomial[p] : 0));
    }
}

TEST_CASE("levels of ReLU kernels by averages over the sphere, what is beyond them, and the power of every level") {
  TaskFamily family;
  family.dimension = 3;
  family.tasks = 5;
  family.overlap = 0.3;
  family.power = {0.1, 0.2, 0.3, 0.4, 0.05};
  // On S^2 t is uniform: the midpoint rule in it, kinks of arc0 and arc1 at |u| = 1 alone.
  const auto average = [](const auto& kernel, double bias, double overlap, unsigned k) {
    constexpr int points = 10000;
    double sum = 0;
    for (int i = 0; i < points; ++i) {
      const double angle = std::numbers::pi * (i + 0.5) / points, t = std::cos(angle);
      sum += std::sin(angle) * std::numbers::pi / points / 2 * kernel.at((bias + overlap + t) / (2 + bias)) *
             std::legendre(k, t);
    }
    return sum;
  };
  for (const char* name : {"arc1", "ntk"})
    for (const double bias : {0.0, 0.7}) {
      CAPTURE(name);
      CAPTURE(bias);
      family.bias = bias;
      const auto kernel = ingredients::learning_curves::relu_kernel(name, false);
      const auto all = modular_tasks::monolithic_levels(family, *kernel, 3),
                 one = modular_tasks::single_task_levels(family, *kernel, 3);
      REQUIRE(all.eigenvalue.size() == 8);
      REQUIRE(one.eigenvalue.size() == 4);
      double trace = 0, trace_of_one = 0;
      for (unsigned k = 0; k <= 3; ++k) {
        CAPTURE(k);
        const double same = average(*kernel, bias, 1, k), other = average(*kernel, bias, 0.3, k);
        CHECK(one.eigenvalue[k] == Approx(same).epsilon(1e-5));
        CHECK(all.eigenvalue[k] == Approx((same + 4 * other) / 5).epsilon(1e-5));
        CHECK(all.eigenvalue[4 + k] == Approx((same - other) / 5).epsilon(1e-5));
        CHECK(one.multiplicity[k] == 2 * k + 1);
        CHECK(all.multiplicity[k] == 2 * k + 1);
        CHECK(all.multiplicity[4 + k] == 4 * (2 * k + 1));
        CHECK(all.degree[4 + k] == k);
        // The constant is common to all tasks; of the rest a fifth is, of independent functions.
        CHECK(one.power[k] == Approx(family.power[k]));
        CHECK(all.power[k] == Approx(family.power[k] * (k == 0 ? 1 : 0.2)));
        CHECK(all.power[4 + k] == Approx(family.power[k] * (k == 0 ? 0 : 0.8)));
        trace_of_one += (2 * k + 1) * same;
        trace += (2 * k + 1) * (same + 4 * other + 4 * (same - other)) / 5;
      }
      CHECK(one.power_beyond == Approx(0.05));
      CHECK(all.power_beyond == Approx(0.05));
      CHECK(one.tail == Approx(kernel->at(1) - trace_of_one).epsilon(1e-4));
      CHECK(all.tail == Approx(kernel->at(1) - trace).epsilon(1e-4));
      CHECK(one.endless);
    }
}

TEST_CASE(
    "codes of clusters overlap alike, those of a tree by their differing signs; a parity knows one level of them") {
  TaskFamily family;
  family.overlap = 0.3;
  CHECK(family.code_overlap(2, 2) == 1);
  CHECK(family.code_overlap(2, 5) == 0.3);
  family.codes = TaskFamily::Codes::tree;
  family.depth = 3;
  family.tasks = 8;
  family.power = {0.25, 0.75};
  CHECK(family.code_overlap(5, 5) == 1);
  CHECK(family.code_overlap(5, 4) == Approx(1.0 / 3));
  CHECK(family.code_overlap(5, 2) == -1);
  const auto kernel = ingredients::learning_curves::exponential_kernel(1, true, false);
  for (const bool parity : {false, true}) {
    family.parity = parity;
    const auto levels = modular_tasks::monolithic_levels(family, *kernel, 1);
    const double binomial[] = {1, 3, 3, 1};
    for (std::size_t q = 0; q <= 3; ++q)
      for (std::size_t k = 0; k < 2; ++k) {
        CAPTURE(q);
        CAPTURE(k);
        const double share = parity ? (q == 3 ? 1 : 0) : k == 0 ? (q == 0 ? 1 : 0) : binomial[q] / 8;
        CHECK(levels.power[2 * q + k] == Approx(share * family.power[k]));
      }
  }
}
