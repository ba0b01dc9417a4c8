#include "solvers/sde_ensemble.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

/// dx = -x dt + dW from x = 2.
Sde ornstein_uhlenbeck() {
  Sde sde;
  sde.dimension = sde.noises = 1;
  sde.drift = [](double, std::span<const double> x, std::span<double> out) { out[0] = -x[0]; };
  sde.noise = [](double, std::span<const double>, std::span<const double> z, std::span<double> out) { out[0] = z[0]; };
  return sde;
}

bool first_and_square(double, std::span<const double> x, std::span<double> out) {
  out[0] = x[0];
  out[1] = x[0] * x[0];
  return true;
}

}  // namespace

TEST_CASE("averages over paths are those of single paths") {
  const std::array<double, 1> start{2};
  const std::array<double, 2> times{0.5, 1};
  const Sde sde = ornstein_uhlenbeck();
  const Ensemble all = average_paths(sde, start, times, 2, first_and_square, {SdeScheme::weak_two, 0.1, 3, 9});
  REQUIRE(all.mean.size() == 2);
  CHECK(!all.diverged_at);
  for (std::size_t i = 0; i < 2; ++i) {
    std::array<double, 3> x{};
    for (std::uint64_t path = 0; path < 3; ++path) {
      edgewise::random::Stream stream(9, path, 0, edgewise::random::Purpose::other);
      simulate_path(sde, SdeScheme::weak_two, start, std::vector<double>{0, 0.5, 1}, 0.1, stream,
                    [&](std::size_t index, double, std::span<const double> state) {
                      if (index == i + 1) x[path] = state[0];
                      return true;
                    });
    }
    const double mean = (x[0] + x[1] + x[2]) / 3;
    double variance = 0;
    for (const double v : x) variance += (v - mean) * (v - mean) / 2;
    CHECK(all.mean[i][0] == Approx(mean).epsilon(1e-13));
    CHECK(all.mean[i][1] == Approx((x[0] * x[0] + x[1] * x[1] + x[2] * x[2]) / 3).epsilon(1e-13));
    CHECK(all.std[i][0] == Approx(std::sqrt(variance)).epsilon(1e-10));
    CHECK(all.standard_errors(0, 3)[i] == Approx(std::sqrt(variance / 3)).epsilon(1e-10));
  }
}

TEST_CASE("averages over paths: Ornstein and Uhlenbeck's mean and variance") {
  // False alarm: 4 standard errors twice, 1e-4.
  const std::array<double, 1> start{2}, times{0.7};
  constexpr std::uint64_t paths = 20000;
  const Ensemble all =
      average_paths(ornstein_uhlenbeck(), start, times, 2, first_and_square, {SdeScheme::weak_two, 0.05, paths, 1});
  const double mean = 2 * std::exp(-0.7), variance = (1 - std::exp(-1.4)) / 2;
  CHECK(std::abs(all.mean[0][0] - mean) < 4 * std::sqrt(variance / paths));
  CHECK(std::abs(all.std[0][0] * all.std[0][0] - variance) < 4 * variance * std::sqrt(2.0 / paths));
}

TEST_CASE("averages over paths end where the first of them diverges") {
  Sde sde = ornstein_uhlenbeck();
  const std::array<double, 1> start{2};
  const std::array<double, 3> times{0, 1, 2};
  const auto until = [](double t, std::span<const double> x, std::span<double> out) {
    out[0] = x[0];
    return t < 2;
  };
  const Ensemble all = average_paths(sde, start, times, 1, until, {SdeScheme::euler_maruyama, 0.5, 2, 1});
  CHECK(all.mean.size() == 2);
  CHECK(all.mean[0][0] == 2);
  CHECK(all.std[0][0] == 0);
  CHECK(all.diverged_at == 2);
  CHECK_THROWS_AS(average_paths(sde, start, times, 1, until, {SdeScheme::euler_maruyama, 0.5, 1, 1}),
                  std::invalid_argument);
}
