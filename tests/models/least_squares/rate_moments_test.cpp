// What a rate rule observes in expectation: traces, moments of labels, and the batch's gradient against samples of it.
#include "models/least_squares/rate_moments.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "tests/approx.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise;
using namespace edgewise::models::least_squares;
using edgewise::tests::Approx;

namespace {

std::shared_ptr<LeastSquares> problem(double sigma2) {
  spectra::Spectrum s;
  s.eigenvalue = {2, 0.5};
  s.multiplicity = {1, 3};
  s.target_power = {1, 1};
  auto out = edgewise::tests::data_of(spectra::checked(std::move(s)), sigma2);
  out->batch = 4;
  return out;
}

}  // namespace

TEST_CASE("batch law: traces with multiplicities, and the kurtosis of the data") {
  auto data = problem(0.3);
  data->data.excess_kurtosis = 1.5;
  const BatchLaw law(*data);
  CHECK(law.batch == 4);
  CHECK(law.own_noise == 2.5);
  CHECK(law.noise_variance == 0.3);
  CHECK(law.trace == Approx(3.5).epsilon(1e-15));
  CHECK(law.trace2 == Approx(4.75).epsilon(1e-15));
  CHECK(law.trace3 == Approx(8.375).epsilon(1e-15));
  // (1 + own/B) S + (tr/B)(P + sigma^2).
  CHECK(law.mean_squared_gradient(0.7, 1.2) == Approx(1.625 * 1.2 + 3.5 / 4).epsilon(1e-15));
  CHECK(law.gradient_curvature(0.7, 1.2) == Approx(1.625 * 1.2 + 4.75 / 4).epsilon(1e-15));
}

TEST_CASE("batch law: the kurtosis of labels, of the noise and of what the inputs do not explain") {
  auto data = problem(0.3);
  CHECK(BatchLaw(*data).label_kurtosis == Approx(3).epsilon(1e-15));
  data->noise = models::ingredients::laplace_noise(0.3);
  CHECK(BatchLaw(*data).label_kurtosis == Approx(6).epsilon(1e-14));
  data->noise = models::ingredients::student_noise(4, 1);
  data->label_noise_variance = data->noise->variance();
  CHECK(std::isinf(BatchLaw(*data).label_kurtosis));
  // Of two independent parts, v of kurtosis 6 and w normal: (6 v^2 + 6 v w + 3 w^2)/(v + w)^2.
  data->noise = models::ingredients::laplace_noise(0.3);
  data->label_noise_variance = 0.3;
  data->spectrum.unexplained_variance = 0.5;
  const BatchLaw both(*data);
  CHECK(both.noise_variance == Approx(0.8).epsilon(1e-15));
  CHECK(both.label_kurtosis == Approx((6 * 0.09 + 6 * 0.15 + 3 * 0.25) / 0.64).epsilon(1e-14));
  // A variance without a law is that of normal labels; without either there is no noise.
  data->noise = nullptr;
  CHECK(BatchLaw(*data).label_kurtosis == Approx(3).epsilon(1e-14));
  data->noise = models::ingredients::laplace_noise(0.3);
  data->label_noise_variance = 0;
  CHECK(BatchLaw(*data).label_kurtosis == Approx(3).epsilon(1e-14));
}

TEST_CASE("batch law: the closure's observation, with a direction and without") {
  const BatchLaw law(*problem(0.3));
  StepSums sums;
  sums.excess = 0.7;
  sums.slope = 1.2;
  sums.curvature = 2;
  sums.distance = 0.4;
  sums.product = -0.1;
  const double square = 1.25 * 1.2 + 3.5 / 4, curvature = 1.25 * 2 + 4.75 / 4;
  for (const bool along : {false, true}) {
    CAPTURE(along);
    if (along) sums.direction = StepSums::Direction{.weight = 0.3, .square = 0.9, .descent = 0.8, .excess = 1.1};
    const auto seen = law.observation(sums);
    CHECK(seen.excess_mse == 0.7);
    CHECK(seen.mean_squared_gradient == Approx(square).epsilon(1e-15));
    CHECK(seen.squared_gradient == Approx(square).epsilon(1e-15));
    CHECK(seen.slope == 1.2);
    CHECK(seen.curvature == Approx(curvature).epsilon(1e-15));
    CHECK(seen.loss == Approx(0.5).epsilon(1e-15));
    CHECK(seen.squared_distance == 0.4);
    CHECK(seen.toward_start == 0.1);
    CHECK(seen.weight == (along ? 0.3 : 1));
    CHECK(seen.squared_direction == Approx(along ? 0.9 : square).epsilon(1e-15));
    // P' = P - 2 eta <K v, d> + eta^2 d'K d.
    CHECK(law.excess_response(sums, 0.2) ==
          Approx(along ? 2 * (0.2 * 1.1 - 0.8) : 2 * (0.2 * curvature - 1.2)).epsilon(1e-14));
  }
}
