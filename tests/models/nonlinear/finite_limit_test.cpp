#include "models/nonlinear/finite_limit.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "models/nonlinear/laws.hpp"
#include "spectra/autoregressive.hpp"
#include "tests/approx.hpp"
#include "tests/models/nonlinear/dense_covariance.hpp"

using namespace edgewise;
using namespace edgewise::models::nonlinear;
using edgewise::models::testing::dense_covariance;
using edgewise::tests::Approx;

namespace {

const double pi = std::acos(-1.0);

NonlinearProblem problem(Covariance covariance, const std::string& method, double sigma, double eta, double batch) {
  NonlinearProblem p;
  p.covariance = std::move(covariance);
  p.noise = models::ingredients::gaussian_noise(sigma * sigma);
  p.method = method;
  p.learning_rate = eta;
  p.batch = batch;
  return p;
}

Covariance autoregressive(std::size_t d, double rho) {
  std::vector<double> K(d * d);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j)
      K[j * d + i] = std::pow(rho, std::abs(static_cast<double>(i) - static_cast<double>(j)));
  return dense_covariance(std::move(K), std::vector<double>(d, 0.1));
}

/// The fixed point sqrt(P) phi(P) = eta T/2 of Gaussian noise: P/sqrt(P + sigma^2) = f.
double fixed_point(double f, double sigma) {
  return (f * f + std::sqrt(std::pow(f, 4) + 4 * f * f * sigma * sigma)) / 2;
}

double late_gain(double B) {
  return 2 / std::sqrt(pi) * std::exp(std::lgamma((B + 1) / 2) - std::lgamma(B / 2));
}

}  // namespace

TEST_CASE("isotropic late signs: (2.11) by hand") {
  for (const double B : {1.0, 4.0, 9.0}) {
    const double d = 30, sigma = 0.4, eta = 0.01, gain = late_gain(B), P = fixed_point(eta * d / (2 * gain), sigma);
    const double p = P / (P + sigma * sigma);
    Covariance K;
    K.d = 30;
    K.eigenvalue.assign(30, 1.0);
    K.target.assign(30, 0.1);
    const auto found = finite_limit(problem(K, "sign-late", sigma, eta, B), P, gain / std::sqrt(P + sigma * sigma));
    REQUIRE(found);
    // Of variance 2/d; fourth moments of one coordinate, p/d.
    CHECK(*found == Approx(((B - 2) / 2 * p / d + p * (1 - 0.75 * p) / d) / (1 - p / 2)).epsilon(1e-12));
    // Written out as a matrix, with a coordinate that never moves.
    std::vector<double> dense(31 * 31);
    for (std::size_t i = 0; i < 30; ++i) dense[i * 31 + i] = 1;
    const auto same = finite_limit(
        problem(dense_covariance(std::move(dense), std::vector<double>(31, 0.1)), "sign-late", sigma, eta, B), P,
        gain / std::sqrt(P + sigma * sigma));
    REQUIRE(same);
    CHECK(*same == Approx(*found).epsilon(1e-10));
  }
}

TEST_CASE("signs of a correlated batch: simulated limits") {
  // Simulated mean excess MSE of v' = v - eta u, over the fixed point: autoregressive data, 2e5 to 5e5 steps, a relative error
  // of some .003.
  struct Run {
    std::size_t d;
    double rho, B, sigma, eta, excess;
    bool majority;
  };
  for (const Run& run : {Run{20, .5, 4, .3, .015, .0384, false},
                         {10, .5, 4, .3, .03, .0799, false},
                         {20, .8, 4, .3, .015, .0840, false},
                         {20, .5, 16, .3, .015, .0915, false},
                         {20, .5, 1, .3, .015, .0045, false},
                         {12, -.4, 6, .25, .35 / 12, .1035, false},
                         {20, .5, 4, .3, .015, .0260, true},
                         {20, .5, 16, .3, .015, .0527, true},
                         {15, .6, 3, .2, .4 / 15, .0389, true}}) {
    CAPTURE(run.d);
    CAPTURE(run.B);
    const double b = run.majority ? 1 - majority_tie(run.B) : 1;
    const double gain = run.majority ? 2 / pi * majority_gain(run.B) : late_gain(run.B);
    const double P = fixed_point(run.eta * static_cast<double>(run.d) * b / (2 * gain), run.sigma);
    const auto found = finite_limit(problem(autoregressive(run.d, run.rho),
                                            run.majority ? "sign-majority" : "sign-late", run.sigma, run.eta, run.B),
                                    P, gain / std::sqrt(P + run.sigma * run.sigma));
    REQUIRE(found);
    CHECK(std::abs(*found - run.excess) < 0.003 + 0.1 * run.excess);
  }
}

TEST_CASE("where the finite limit is not known") {
  const Covariance K = autoregressive(5, 0.5);
  CHECK_FALSE(finite_limit(problem(K, "sign-early", 0.3, 0.01, 4), 0.1, 1));
  CHECK_FALSE(finite_limit(problem(K, "sign-late", 0.3, 0.01, 4), 0, 1));
  NonlinearProblem heavy = problem(K, "sign-late", 0.3, 0.01, 4);
  heavy.noise = models::ingredients::cauchy_noise(0.3);
  CHECK_FALSE(finite_limit(heavy, 0.1, 1));
  // Where the first order is no longer small: isotropic, ((B - 2)/2 p/d + ...)/(1 - p/2) passes .4.
  Covariance isotropic;
  isotropic.d = 5;
  isotropic.eigenvalue.assign(5, 1.0);
  isotropic.target.assign(5, 0.1);
  for (const double B : {5.0, 7.0}) {
    const double p = 0.1 / (0.1 + 0.09), excess = ((B - 2) / 2 * p / 5 + p * (1 - 0.75 * p) / 5) / (1 - p / 2);
    CAPTURE(excess);
    CHECK(finite_limit(problem(isotropic, "sign-late", 0.3, 1, B), 0.1, 25).has_value() == (excess <= 0.4));
    CHECK((B == 5) == (excess <= 0.4));
  }
  CHECK_FALSE(finite_limit(problem(autoregressive(most_coordinates + 1, 0.1), "sign-late", 0.3, 0.01, 4), 0.1, 1));
}
