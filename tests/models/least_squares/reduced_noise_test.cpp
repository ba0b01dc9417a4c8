#include "models/least_squares/reduced_noise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"
#include "models/least_squares/least_squares.hpp"
#include "numerics/constants.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::least_squares;
using edgewise::tests::Approx;

namespace {

SgdModes modes_of(std::size_t d, double alpha, double batch, double unit = 1) {
  LeastSquares problem;
  for (std::size_t j = 1; j <= d; ++j) {
    problem.spectrum.eigenvalue.push_back(unit * std::pow(static_cast<double>(j), -2 * alpha));
    problem.spectrum.multiplicity.push_back(1 + static_cast<double>(j % 3));
    problem.initial_power.push_back(1 / static_cast<double>(j));
  }
  problem.spectrum.target_power = problem.initial_power;
  problem.batch = batch;
  return SgdModes(problem);
}

std::vector<double> linear_rates(std::size_t steps, double base) {
  std::vector<double> out;
  for (std::size_t k = 0; k < steps; ++k)
    out.push_back(base * (1 - static_cast<double>(k) / static_cast<double>(steps)));
  return out;
}

}  // namespace

TEST_CASE("the reduced models as (5.1) writes them, term by term") {
  const SgdModes m = modes_of(7, 0.7, 3);
  const std::vector<double> eta = linear_rates(40, 0.2);
  const double sigma2 = 0.3;
  const auto F = [&](double tau) {
    double sum = 0;
    for (std::size_t a = 0; a < 7; ++a) sum += m.eigenvalue[a] * m.power[a] * std::exp(-2 * m.eigenvalue[a] * tau);
    return sum;
  };
  const auto K = [&](double s) {
    double sum = 0;
    for (std::size_t a = 0; a < 7; ++a)
      sum += m.multiplicity[a] * m.eigenvalue[a] * m.eigenvalue[a] * std::exp(-2 * m.eigenvalue[a] * s);
    return sum;
  };
  std::vector<double> tau = {0};
  for (const double e : eta) tau.push_back(tau.back() + e);
  const auto A = reduced_excess(m, m.power, sigma2, eta, {NoiseKernel::volterra, 4, 1});
  REQUIRE(A.size() == 41);
  for (std::size_t k = 0; k <= 40; ++k) {
    double P = F(tau[k]);
    for (std::size_t l = 0; l < k; ++l) P += eta[l] * eta[l] * (A[l] + sigma2) * K(tau[k] - tau[l + 1]) / 3;
    CHECK(A[k] == Approx(P).epsilon(1e-12));
  }
  double trace = 0;
  for (std::size_t a = 0; a < 7; ++a) trace += m.multiplicity[a] * m.eigenvalue[a];
  const auto B = reduced_excess(m, m.power, sigma2, eta, {NoiseKernel::oneexp, 4, 1});
  const auto C = reduced_excess(m, m.power, sigma2, eta, {NoiseKernel::adiabatic, 4, 1});
  const auto D = reduced_excess(m, m.power, sigma2, eta, {NoiseKernel::gflow, 4, 1});
  double N = 0;
  const double kap = 2 * K(0) / trace;
  for (std::size_t k = 0; k <= 40; ++k) {
    CHECK(B[k] == Approx(F(tau[k]) + N).epsilon(1e-12));
    CHECK(D[k] == Approx(F(tau[k])).epsilon(1e-12));
    const double rho = eta[std::min<std::size_t>(k, 39)] * trace / 6;
    CHECK(C[k] == Approx((F(tau[k]) + rho * sigma2) / (1 - rho)).epsilon(1e-12));
    if (k < 40)
      N = N * std::exp(-kap * eta[k]) + K(0) / 3 * eta[k] * (B[k] + sigma2) * (1 - std::exp(-kap * eta[k])) / kap;
  }
}

TEST_CASE("few exponentials with weights >= 0 carry a power law's kernel, in every unit") {
  const std::vector<double> eta = linear_rates(1000, 0.1);
  for (const double unit : {1e-60, 1.0, 1e60}) {
    const SgdModes m = modes_of(100, 1, 1, unit);
    std::vector<double> rates = eta;
    for (double& rate : rates) rate /= unit;
    double last = infinity;
    for (const std::size_t count : {1, 3, 5}) {
      const ExponentialKernel kernel = fitted_kernel(m, 50 / unit, count);
      CHECK(kernel.rate.size() == count);
      CHECK(std::all_of(kernel.weight.begin(), kernel.weight.end(), [](double w) { return w >= 0; }));
      double worst = 0;
      for (double s = 0; s < 50 / unit; s += 1 / unit) {
        double whole = 0;
        for (std::size_t a = 0; a < 100; ++a)
          whole += m.multiplicity[a] * m.eigenvalue[a] * m.eigenvalue[a] * std::exp(-2 * m.eigenvalue[a] * s);
        worst = std::max(worst, std::abs(kernel.at(s) / whole - 1));
      }
      CHECK(worst < last);
      last = worst;
    }
    CHECK(last < 0.05);
    const double sigma2 = 0.25 * unit;
    const auto whole = reduced_excess(m, m.power, sigma2, rates, {NoiseKernel::volterra, 4, 1});
    const auto five = reduced_excess(m, m.power, sigma2, rates, {NoiseKernel::exponentials, 5, 1});
    const auto one = reduced_excess(m, m.power, sigma2, rates, {NoiseKernel::oneexp, 4, 1});
    CHECK(std::abs(five.back() / whole.back() - 1) < 0.02);
    CHECK(std::abs(five.back() / whole.back() - 1) < 0.3 * std::abs(one.back() / whole.back() - 1));
  }
  // More rates than the kernel has digits for, where weights of either sign would fit better.
  for (const double alpha : {0.6, 1.0, 2.0})
    for (const std::size_t count : {2, 4, 6, 8}) {
      CAPTURE(alpha);
      CAPTURE(count);
      const ExponentialKernel kernel = fitted_kernel(modes_of(100, alpha, 1), 20, count);
      for (const double w : kernel.weight) CHECK(w >= 0);
    }
  // One eigenvalue is one exponential.
  const SgdModes single = modes_of(1, 1, 1);
  const ExponentialKernel kernel = fitted_kernel(single, 10, 4);
  CHECK(kernel.at(0.7) == Approx(single.multiplicity[0] * std::exp(-1.4)).epsilon(1e-9));
}

TEST_CASE("theory.method reduced, by the experiment's keys") {
  const auto solve = [](const std::string& keys) {
    const auto e = models::read_experiment(settings::read_text(
        "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 30\nalpha = 1\nbeta = 0.5\n[optimizer]\n"
        "learning_rate = 0.1\n[time]\nsteps = 200\n[theory]\nmethod = 'reduced'\n" +
            keys,
        "e.toml"));
    return models::find(e).prepare(e)->solve();
  };
  const auto whole = solve("");
  CHECK(whole.method == "reduced, volterra");
  CHECK_FALSE(whole.exact);
  CHECK(whole.find("parameter_error") == nullptr);
  CHECK(solve("kernel = 'exponentials'\nexponentials = 6\n").find("excess_mse")->value.back() ==
        Approx(whole.find("excess_mse")->value.back()).epsilon(0.01));
  CHECK(solve("kernel = 'gflow'\n").find("excess_mse")->value.back() < whole.find("excess_mse")->value.back());
  CHECK_THROWS_AS(solve("kernel = 'other'\n"), settings::Error);
}

TEST_CASE("the fit of few exponentials: evenly spaced rates, and least relative squares on a logarithmic grid") {
  const SgdModes m = modes_of(30, 1, 1);
  const auto K = [&](double s) {
    double sum = 0;
    for (std::size_t a = 0; a < 30; ++a)
      sum += m.multiplicity[a] * m.eigenvalue[a] * m.eigenvalue[a] * std::exp(-2 * m.eigenvalue[a] * s);
    return sum;
  };
  // The slowest rate, 2/900, is told apart within 1e4, not within 40.
  for (const auto& fit : {std::pair(40.0, std::size_t{3}), {40.0, 2}, {1e4, 4}}) {
    const double horizon = fit.first;
    const std::size_t count = fit.second;
    CAPTURE(horizon);
    const double fast = 2, slow = std::max(2.0 / 900, 1 / horizon);
    const ExponentialKernel kernel = fitted_kernel(m, horizon, count);
    REQUIRE(kernel.rate.size() == count);
    for (std::size_t j = 0; j < count; ++j)
      CHECK(
          kernel.rate[j] ==
          Approx(fast * std::pow(slow / fast, static_cast<double>(j) / static_cast<double>(count - 1))).epsilon(1e-12));
    // 0, and 80 points from 1/20 of the fastest time to the horizon or three of the slowest times.
    std::vector<double> grid{0};
    const double first = 0.05 / fast, last = std::min(horizon, 3 / slow);
    for (int i = 0; i < 80; ++i) grid.push_back(first * std::pow(last / first, i / 79.0));
    for (std::size_t j = 0; j < count; ++j) {
      double slope = 0, size = 0;
      for (const double s : grid) {
        const double part = std::exp(-kernel.rate[j] * s) / K(s), off = kernel.at(s) / K(s) - 1;
        slope += off * part;
        size += part;
      }
      // A weight of 0 would fit better below 0.
      CHECK((kernel.weight[j] > 0 ? std::abs(slope) : -slope) < 1e-9 * size);
    }
  }
  double trace = 0;
  for (std::size_t a = 0; a < 30; ++a) trace += m.multiplicity[a] * m.eigenvalue[a];
  CHECK(fitted_kernel(m, 40, 1).rate[0] == Approx(2 * K(0) / trace).epsilon(1e-12));
}
