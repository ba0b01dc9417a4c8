// When signs and clipping help: ceilings, criteria, and schedules of one number (docs/theory/sign-and-clip.md, sections
// 3, 5.3).
#include "models/nonlinear/criteria.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "models/nonlinear/laws.hpp"
#include "numerics/constants.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

using SharedNoise = std::shared_ptr<const Noise>;

std::vector<SharedNoise> helped() {
  return {laplace_noise(1), student_noise(3, 0.57735), contaminated_noise(0.2, 5, 0.1), three_point_noise(2, 0.25),
          cauchy_noise(1)};
}

double progress(const Noise& noise, double P, double h) {
  const ResidualCoefficients r = residual_coefficients(*huber_nonlinearity(h), noise, P);
  return r.mu * r.mu / r.q;
}

// Over P in [1e-3, 10], the worst share of the best mu^2/q that a rule attains.
double worst(const Noise& noise, const std::function<double(double)>& threshold) {
  double least = 1;
  for (int i = 0; i <= 16; ++i) {
    const double P = std::pow(10, -3 + i * 0.25);
    least = std::min(least, progress(noise, P, threshold(P)) / optimal_threshold(noise, P).progress);
  }
  return least;
}

}  // namespace

TEST_CASE("the best threshold is the same in all units, and to more digits than where its progress is largest") {
  const double unit = 3e-30;
  const auto here = optimal_threshold(*laplace_noise(0.5), 0.3),
             there = optimal_threshold(*laplace_noise(0.5 * unit * unit), 0.3 * unit * unit);
  CHECK(there.threshold == Approx(here.threshold * unit).epsilon(1e-9));
  CHECK(there.progress * unit * unit == Approx(here.progress).epsilon(1e-12));
}

TEST_CASE("the best threshold of rejection is its own, not that of clipping") {
  // Of r ~ N(0, s^2): mu = erf(z/sqrt 2) - 2 z phi(z), z = h/s, and q = s^2 mu. Half the residuals have s = 0.3, half 5.
  const auto noise = contaminated_noise(0.2, 5, 0.5);
  constexpr double P = 0.05;
  const double s[] = {std::sqrt(P + 0.04), std::sqrt(P + 25)};
  const auto by_hand = [&](double h) {
    double mu = 0, q = 0;
    for (const double width : s) {
      const double z = h / width,
                   one = std::erf(z / std::sqrt(2)) - 2 * z * std::exp(-z * z / 2) / std::sqrt(2 * edgewise::pi);
      mu += one / 2;
      q += width * width * one / 2;
    }
    return mu * mu / q;
  };
  const OptimalThreshold best = optimal_threshold(*noise, P, Method::reject);
  CHECK(best.progress == Approx(by_hand(best.threshold)).epsilon(1e-12));
  for (const double h : {0.1, 0.5, 0.8, 0.97, 0.999, 1.001, 1.03, 1.3, 2.0, 10.0, 100.0})
    CHECK(by_hand(h * best.threshold) < best.progress);
  CHECK(best.progress > 1.1 * by_hand(optimal_threshold(*noise, P).threshold));
  CHECK(threshold_at_risk(Method::reject, "optimal", 0, 1, *noise, P) == best.threshold);
  // Under Gaussian noise nothing is best rejected; of two values +-3 neither is kept within 1 of 0.
  CHECK(std::isinf(optimal_threshold(*gaussian_noise(0.3), P, Method::reject).threshold));
  CHECK(optimal_threshold(*rademacher_noise(9), 1e-4, Method::reject).threshold > 1);
}

TEST_CASE("no threshold beats the information of the residual") {
  std::vector<SharedNoise> laws = helped();
  laws.push_back(gaussian_noise(0.3));
  laws.push_back(uniform_noise(0.3));
  laws.push_back(rademacher_noise(0.3));
  for (const SharedNoise& noise : laws)
    for (const double P : {1e-3, 0.1, 3.0}) {
      const double J = residual_information(*noise, P);
      for (const double h : {1e-3, 0.05, 0.4, 2.0, 30.0}) {
        CAPTURE(noise->name());
        CAPTURE(P);
        CAPTURE(h);
        CHECK(progress(*noise, P, h) <= J * (1 + 1e-9));
      }
    }
}

TEST_CASE("Gaussian, two-valued and uniform noise are never helped, heavy tails are") {
  for (const double P : {1e-3, 0.05, 1.0, 10.0}) {
    CAPTURE(P);
    for (const SharedNoise& noise : {SharedNoise(gaussian_noise(0.5)), SharedNoise(rademacher_noise(0.5)),
                                     SharedNoise(uniform_noise(0.5)), SharedNoise(no_noise())}) {
      CAPTURE(noise->name());
      CHECK(std::isinf(optimal_threshold(*noise, P).threshold));
      CHECK(clipping_gain(*noise, P) == Approx(1).epsilon(1e-12));
    }
    // Gaussian noise: the admissible rate still grows, nu <= mu.
    for (const double h : {0.01, 0.3, 2.0}) CHECK(learning_rate_gain(*gaussian_noise(0.5), P, h) >= 1);
  }
  for (const SharedNoise& noise : helped()) {
    CAPTURE(noise->name());
    CHECK(std::isfinite(optimal_threshold(*noise, 0.05).threshold));
    CHECK(clipping_gain(*noise, 0.05) > 1.2);
  }
}

TEST_CASE("thresholds of one number come as close to the best as was found") {
  // docs/theory/sign-and-clip.md, section 5.3: ratios to three digits, on a grid of its own.
  const std::vector<SharedNoise> laws = helped();
  const std::vector<std::pair<double, double>> by_risk = {
      {2.07, 0.991}, {4.6, 0.907}, {2.37, 0.885}, {1.22, 0.928}, {1.82, 0.944}};
  const std::vector<std::pair<double, double>> by_quantile = {
      {0.51, 0.844}, {0.79, 0.948}, {0.79, 0.981}, {0.63, 0.886}, {0.43, 0.945}};
  for (std::size_t i = 0; i < laws.size(); ++i) {
    const Noise& noise = *laws[i];
    CAPTURE(noise.name());
    const auto rule = [&](const char* name, double number) {
      return worst(noise, [&, number](double P) { return threshold_at_risk("huber", name, number, 1, noise, P); });
    };
    CHECK(rule("sqrt-risk", by_risk[i].first) == Approx(by_risk[i].second).epsilon(0.006));
    CHECK(rule("quantile", by_quantile[i].first) == Approx(by_quantile[i].second).epsilon(0.006));
    CHECK(rule("optimal", 0) == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE("threshold rules") {
  const auto noise = laplace_noise(0.4);
  CHECK(threshold_at_risk("clip", "constant", 3, 25, *noise, 0.2) == Approx(0.6));
  CHECK(threshold_at_risk("huber", "constant", 3, 25, *noise, 0.2) == 3);
  CHECK(threshold_at_risk("huber", "sqrt-risk", 3, 25, *noise, 0.04) == Approx(0.6));
  const double h = threshold_at_risk("huber", "quantile", 0.7, 25, *noise, 0.2);
  CHECK(residual_coefficients(*huber_nonlinearity(h), *noise, 0.2).mu == Approx(0.7).epsilon(1e-12));
  CHECK_THROWS_AS(residual_quantile(*noise, 0.2, 1), std::invalid_argument);
}

TEST_CASE("Adam's floor as a share of sqrt n of the coordinate that varies least") {
  NonlinearProblem p;
  edgewise::spectra::Spectrum s;
  s.eigenvalue = {1.3, 0.25, 0};
  s.multiplicity = {1, 2, 1};
  s.target_power = {1, 1, 0};
  p.covariance = diagonal_covariance(s);
  p.method = Method::adam;
  p.batch = 2;
  p.floor = 0.02;
  // sqrt(.25 (.5 + .3)/2), by the least variance that is not 0.
  CHECK(floor_share(p, *gaussian_noise(0.3), 0.5) == Approx(0.02 / std::sqrt(0.1)).epsilon(1e-14));
  p.method = Method::sign_late;
  CHECK(floor_share(p, *gaussian_noise(0.3), 0.5) == 0);
}

TEST_CASE("where to put the sign") {
  // docs/theory/sign-and-clip.md, section 3: cauchy(0.5), P = 0.3, B = 8.
  const auto cauchy = cauchy_noise(0.5);
  CHECK(8 * std::pow(late_drift(*cauchy, 0.3, 1), 2) == Approx(3.246).epsilon(2e-4));
  CHECK(std::pow(late_drift(*cauchy, 0.3, 8), 2) == Approx(1.657).epsilon(2e-4));
  // Many examples: early wins exactly where kappa_nc > pi/2.
  for (const double P : {0.01, 0.1, 1.0, 30.0}) {
    const auto noise = contaminated_noise(0.2, 5, 0.1);
    const double one = late_drift(*noise, P, 1), late = late_drift(*noise, P, 20000);
    CHECK((20000 * one * one > late * late) == (noise_compression(*noise, P) > std::acos(-1.0) / 2));
  }
  // Single examples N(m, 1): equal for small m, late far better for large.
  CHECK(late_snr_squared(1e-4, 8) == Approx(early_snr_squared(1e-4, 8)).epsilon(1e-6));
  CHECK(late_snr_squared(1, 8) > 5 * early_snr_squared(1, 8));
}
