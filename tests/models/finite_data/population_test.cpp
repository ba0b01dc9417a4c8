#include "models/finite_data/population.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::finite_data;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

constexpr std::size_t samples = 4, parameters = 6;

FiniteData data() {
  FiniteData out;
  out.inputs = Matrix(parameters, samples);
  for (std::size_t k = 0; k < out.inputs.size(); ++k)
    out.inputs.data()[k] = std::sin(1.3 * static_cast<double>(k * k) + 0.4);
  // The last sample repeats the first: one null mode.
  for (std::size_t j = 0; j < parameters; ++j) out.inputs(j, samples - 1) = out.inputs(j, 0);
  out.residual = {1, -0.5, 0.3, 1};
  out.population = Population{{1, 0.8, 0.5, 0.3, 0.2, 0.1}, {0.5, -1, 0.25, 2, 0, -0.5}, 0.36};
  return out;
}

/// theta = Phi y with Phi = X'V/N.
std::vector<double> parameters_of(const FiniteData& of, const Kernel& kernel, const std::vector<double>& y) {
  std::vector<double> theta(parameters);
  for (std::size_t j = 0; j < parameters; ++j)
    for (std::size_t a = 0; a < kernel.rank; ++a)
      for (std::size_t i = 0; i < samples; ++i) theta[j] += of.inputs(j, i) * kernel.vectors(i, a) / samples * y[a];
  return theta;
}

}  // namespace

TEST_CASE("the kernel: V diag(mu) V' is X X'/N, and a repeated sample leaves a null mode") {
  const FiniteData of = data();
  const Kernel kernel = kernel_of(of);
  CHECK(kernel.rank == samples - 1);
  CHECK(kernel.eigenvalue.back() == 0);
  for (std::size_t i = 0; i < samples; ++i)
    for (std::size_t k = 0; k < samples; ++k) {
      double theta = 0, unit = 0, expected = 0;
      for (std::size_t a = 0; a < samples; ++a) {
        theta += kernel.vectors(i, a) * kernel.eigenvalue[a] * kernel.vectors(k, a);
        unit += kernel.vectors(a, i) * kernel.vectors(a, k);
      }
      for (std::size_t j = 0; j < parameters; ++j) expected += of.inputs(j, i) * of.inputs(j, k) / samples;
      CHECK(theta == Approx(expected).epsilon(1e-13).scale(1));
      CHECK(unit == Approx(i == k ? 1 : 0).epsilon(1e-13).scale(1));
    }
  for (std::size_t a = 1; a < samples; ++a) CHECK(kernel.eigenvalue[a] <= kernel.eigenvalue[a - 1]);
  const std::vector<double> along = kernel.along(of.residual);
  double expected = 0;
  for (std::size_t i = 0; i < samples; ++i) expected += kernel.vectors(i, 1) * of.residual[i];
  CHECK(along[1] == Approx(expected).epsilon(1e-14));
}

TEST_CASE("the excess risk is that of the parameters, averaged over what y may be") {
  const FiniteData of = data();
  const Kernel kernel = kernel_of(of);
  const PopulationRisk risk(of, kernel);
  const Population& law = *of.population;
  const auto excess = [&](const std::vector<double>& y) {
    const std::vector<double> theta = parameters_of(of, kernel, y);
    double out = 0;
    for (std::size_t j = 0; j < parameters; ++j)
      out += law.eigenvalue[j] * (theta[j] - law.target[j]) * (theta[j] - law.target[j]);
    CHECK(population_excess(law, theta) == Approx(out).epsilon(1e-14));
    return out;
  };
  // Three values of y with probabilities.
  const std::vector<std::vector<double>> y{{3, -2, 5, 0}, {-1, 4, 2, 7}, {0.5, 0.5, -6, 1}};
  const std::vector<double> probability{0.2, 0.5, 0.3};
  std::vector<double> mean(samples), variance(samples);
  Matrix covariance(samples, samples);
  double expected = 0;
  for (std::size_t v = 0; v < y.size(); ++v) {
    expected += probability[v] * excess(y[v]);
    for (std::size_t a = 0; a < samples; ++a) {
      mean[a] += probability[v] * y[v][a];
      for (std::size_t b = 0; b < samples; ++b) covariance(a, b) += probability[v] * y[v][a] * y[v][b];
    }
  }
  for (std::size_t a = 0; a < samples; ++a)
    for (std::size_t b = 0; b < samples; ++b) covariance(a, b) -= mean[a] * mean[b];
  CHECK(risk.excess(mean, covariance) == Approx(expected).epsilon(1e-13));
  // Without covariances: every sign of every deviation alike.
  double independent = 0;
  for (std::size_t a = 0; a < samples; ++a) variance[a] = 1 + static_cast<double>(a);
  for (int signs = 0; signs < 16; ++signs) {
    std::vector<double> at = mean;
    for (std::size_t a = 0; a < samples; ++a) at[a] += ((signs >> a & 1) ? 1 : -1) * std::sqrt(variance[a]);
    independent += excess(at) / 16;
  }
  CHECK(risk.excess(mean, variance) == Approx(independent).epsilon(1e-13));
}
