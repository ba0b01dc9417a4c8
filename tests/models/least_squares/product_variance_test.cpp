// The variance of the risk on independent coordinates of any law, against sums over all that can be drawn.
#include "models/least_squares/product_variance.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "spectra/formulas.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::least_squares;
using edgewise::tests::Approx;

namespace {

/// 0, or with probability p each +-size.
struct ThreePoints {
  double size, p;
  double moment(int k) const { return 2 * p * std::pow(size, k); }
  std::array<std::pair<double, double>, 3> values() const { return {{{0.0, 1 - 2 * p}, {size, p}, {-size, p}}}; }
};

struct Walk {
  double lambda[2], eta;
  int batch;
  ThreePoints z, noise;
  double excess[2] = {0, 0}, error[2] = {0, 0};  // first and second moments at the end

  /// One example after the other, then the step; w = sqrt(lambda) v.
  void run(std::array<double, 2> w, int steps, int example, std::array<double, 2> g, double probability) {
    if (example == batch) {
      for (int i = 0; i < 2; ++i) w[i] -= eta * lambda[i] * g[i] / batch;
      g = {0, 0};
      example = 0;
      --steps;
    }
    if (steps == 0) {
      const double P = w[0] * w[0] + w[1] * w[1], v = w[0] * w[0] / lambda[0] + w[1] * w[1] / lambda[1];
      excess[0] += probability * P;
      excess[1] += probability * P * P;
      error[0] += probability * v;
      error[1] += probability * v * v;
      return;
    }
    for (const auto& [z0, p0] : z.values())
      for (const auto& [z1, p1] : z.values())
        for (const auto& [eps, pe] : noise.values()) {
          const double r = z0 * w[0] + z1 * w[1] - eps;
          run(w, steps, example + 1, {g[0] + z0 * r, g[1] + z1 * r}, probability * p0 * p1 * pe);
        }
  }
};

}  // namespace

TEST_CASE("two modes, two steps: every draw of inputs and noise summed") {
  // Unit variance: 2 p size^2 = 1. Kurtosis 1/(2p) = 6.25, and 1.25.
  for (const double p : {0.08, 0.4})
    for (const int batch : {1, 2}) {
      const ThreePoints z{1 / std::sqrt(2 * p), p}, noise{0.9, 0.15};
      Walk walk{{1.2, 0.4}, 0.3, batch, z, noise};
      walk.run({std::sqrt(1.2) * 0.8, -std::sqrt(0.4) * 0.5}, 2, 0, {0, 0}, 1);
      ProductVariance theory({{{1.2, 0.4}, {1, 1}, {0.64, 0.25}, static_cast<double>(batch), noise.moment(2)},
                              {z.moment(4), z.moment(6), z.moment(8)},
                              noise.moment(4)});
      theory.step(0.3);
      theory.step(0.3);
      CAPTURE(p);
      CAPTURE(batch);
      CHECK(theory.excess_mse() == Approx(walk.excess[0]).epsilon(1e-12));
      CHECK(theory.excess_mse_variance() == Approx(walk.excess[1] - walk.excess[0] * walk.excess[0]).epsilon(1e-10));
      CHECK(theory.parameter_error_variance() == Approx(walk.error[1] - walk.error[0] * walk.error[0]).epsilon(1e-10));
    }
}

TEST_CASE("Gaussian coordinates and labels: the recursion of the modes, blocks and batches of three too") {
  const VarianceProblem modes{{1, 0.3, 0.1}, {3, 4, 1}, {2, 1.2, 0.7}, 3, 0.2};
  VarianceRecursion gaussian(modes);
  ProductVariance product({modes, {}, 3 * 0.2 * 0.2});
  for (int k = 0; k < 60; ++k) {
    gaussian.step(0.2);
    product.step(0.2);
  }
  CHECK(product.excess_mse() == Approx(gaussian.excess_mse()).epsilon(1e-12));
  CHECK(product.excess_mse_variance() == Approx(gaussian.excess_mse_variance()).epsilon(1e-10));
  CHECK(product.parameter_error_variance() == Approx(gaussian.parameter_error_variance()).epsilon(1e-10));
}

TEST_CASE("a block is its coordinates one by one, whatever their law") {
  const ingredients::EvenMoments laplace = ingredients::even_moments(ingredients::InputLaw::laplace);
  ProductVariance block({{{1, 0.3}, {2, 3}, {2, 1.2}, 1, 0.2}, laplace, 0.24});
  ProductVariance apart({{{1, 1, 0.3, 0.3, 0.3}, {1, 1, 1, 1, 1}, {1, 1, 0.4, 0.4, 0.4}, 1, 0.2}, laplace, 0.24});
  for (int k = 0; k < 20; ++k) {
    block.step(0.1);
    apart.step(0.1);
  }
  CHECK(block.excess_mse_variance() == Approx(apart.excess_mse_variance()).epsilon(1e-11));
  CHECK(block.parameter_error_variance() == Approx(apart.parameter_error_variance()).epsilon(1e-11));
}

TEST_CASE("even moments of the input laws, by quadrature") {
  using ingredients::InputLaw;
  const auto integral = [](double to, const auto& density, int k) {
    constexpr int n = 200000;
    double sum = 0;
    for (int i = 0; i < n; ++i) {
      const double z = (i + 0.5) * to / n;
      sum += 2 * std::pow(z, k) * density(z) * to / n;
    }
    return sum;
  };
  const auto agrees = [&](InputLaw law, double to, const auto& density) {
    const ingredients::EvenMoments m = ingredients::even_moments(law);
    CHECK(m.fourth == Approx(integral(to, density, 4)).epsilon(1e-6));
    CHECK(m.sixth == Approx(integral(to, density, 6)).epsilon(1e-6));
    CHECK(m.eighth == Approx(integral(to, density, 8)).epsilon(1e-6));
  };
  agrees(InputLaw::gaussian, 12, [](double z) { return std::exp(-z * z / 2) / std::sqrt(2 * M_PI); });
  agrees(InputLaw::laplace, 40, [](double z) { return std::exp(-std::sqrt(2.0) * z) / std::sqrt(2.0); });
  agrees(InputLaw::uniform, std::sqrt(3.0), [](double) { return 0.5 / std::sqrt(3.0); });
}

TEST_CASE("nodes stand for many modes, whose powers change smoothly") {
  const auto run = [](const edgewise::spectra::Spectrum& s, int steps) {
    // Laplace inputs and labels.
    ProductVariance out({{s.eigenvalue, s.multiplicity, s.target_power, 2, 0.1}, {6, 90, 2520}, 0.06});
    for (int k = 0; k < steps; ++k) out.step(0.05);
    return out;
  };
  edgewise::spectra::Spectrum s = edgewise::spectra::power_law(300, 0.6, 0.4);
  const edgewise::spectra::Spectrum nodes = modes_of_variance(s, false);
  CHECK(nodes.modes() < 100);
  for (const int steps : {1, 10, 60}) {
    const ProductVariance all = run(s, steps), few = run(nodes, steps);
    CHECK(few.excess_mse_variance() == Approx(all.excess_mse_variance()).epsilon(1e-6));
    CHECK(few.parameter_error_variance() == Approx(all.parameter_error_variance()).epsilon(1e-6));
  }
  // Powers of neighbours that differ have larger squares than their average: of Gaussian inputs alone nothing counts them.
  for (std::size_t a = 8; a < s.modes(); ++a) s.target_power[a] *= a % 2 == 0 ? 2 : 0;
  CHECK(modes_of_variance(s, false).modes() == 300);
  CHECK(modes_of_variance(s, true).modes() < 150);
}
