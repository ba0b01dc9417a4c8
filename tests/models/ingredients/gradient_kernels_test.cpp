#include "models/ingredients/gradient_kernels.hpp"

#include <doctest/doctest.h>
#include <hwy/targets.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "random/random.hpp"

using namespace edgewise::models;
using namespace edgewise::models::ingredients;

namespace {

std::vector<double> normals(std::size_t n, std::uint64_t replica) {
  std::vector<double> out(n);
  edgewise::random::Stream(3, replica).normals(out);
  return out;
}

/// The definition: element i into partial sum i mod 32, halves joined until one is left.
struct PartialSums {
  double partial[32] = {};
  void add(std::size_t i, double term) { partial[i % 32] += term; }
  double total() {
    for (int half = 16; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) partial[i] += partial[i + half];
    return partial[0];
  }
};

template <class Body>
void on_every_target(Body body) {
  const auto supported = hwy::SupportedTargets();
  for (int bit = 0; bit < 62; ++bit)
    if (const auto target = std::int64_t{1} << bit; supported & target) {
      hwy::SetSupportedTargetsForTest(target);
      CAPTURE(hwy::TargetName(target));
      body();
    }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace

TEST_CASE("kernels give the bits of their definition on every instruction set and any length") {
  for (const std::size_t n : {0u, 1u, 31u, 32u, 64u, 784u, 1000u, 1024u, 1027u}) {
    CAPTURE(n);
    const auto a = normals(n, 0), b = normals(n, 1), curvature = normals(n, 2);
    const std::vector<float> narrow(a.begin(), a.end());
    on_every_target([&] {
      PartialSums products, narrow_products, squares;
      auto sum = b, narrow_sum = b, u = b;
      add_scaled(0.7, std::span<const double>(a), sum);
      add_scaled(0.7, std::span<const float>(narrow), narrow_sum);
      const double excess = descend(curvature, 0.3, -0.2, a, u);
      for (std::size_t i = 0; i < n; ++i) {
        const auto x = static_cast<double>(narrow[i]);
        products.add(i, a[i] * b[i]);
        narrow_products.add(i, x * b[i]);
        CHECK(sum[i] == b[i] + 0.7 * a[i]);
        CHECK(narrow_sum[i] == b[i] + 0.7 * x);
        CHECK(u[i] == b[i] - curvature[i] * (0.3 * b[i] + -0.2 * a[i]));
        squares.add(i, u[i] * u[i]);
      }
      CHECK(dot(std::span<const double>(a), b) == products.total());
      CHECK(dot(std::span<const float>(narrow), b) == narrow_products.total());
      CHECK(excess == squares.total());
    });
  }
}

TEST_CASE("sign kernels give the bits of their definition on every instruction set and any length") {
  const auto sign = [](double x) { return static_cast<double>((x > 0) - (x < 0)); };
  for (const std::size_t n : {0u, 1u, 31u, 32u, 64u, 784u, 1027u}) {
    CAPTURE(n);
    auto a = normals(n, 0), b = normals(n, 1);
    const auto step = normals(n, 2);
    for (std::size_t i = 0; i < n; i += 5) a[i] = i % 2 == 0 ? 0.0 : -0.0;
    for (std::size_t i = 0; i < n; i += 10) b[i] = 0;  // there the force is 0
    const std::vector<float> narrow(a.begin(), a.end());
    on_every_target([&] {
      PartialSums squares;
      auto sum = b, narrow_sum = b, u = b;
      add_signs(0.7, std::span<const double>(a), sum);
      add_signs(0.7, std::span<const float>(narrow), narrow_sum);
      const double excess = descend_by_sign(step, 0.3, -0.2, a, u);
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(sum[i] == b[i] + 0.7 * sign(a[i]));
        CHECK(narrow_sum[i] == b[i] + 0.7 * sign(static_cast<double>(narrow[i])));
        CHECK(u[i] == b[i] - step[i] * sign(0.3 * b[i] + -0.2 * a[i]));
        squares.add(i, u[i] * u[i]);
      }
      CHECK(excess == squares.total());
    });
  }
}
