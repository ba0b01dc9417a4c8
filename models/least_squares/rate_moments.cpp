#include "models/least_squares/rate_moments.hpp"

namespace edgewise::models::least_squares {

BatchLaw::BatchLaw(const LeastSquares& problem)
    : batch(problem.batch), own_noise(1 + problem.data.excess_kurtosis), noise_variance(problem.noise_variance()) {
  const spectra::Spectrum& s = problem.spectrum;
  for (std::size_t a = 0; a < s.modes(); ++a) {
    const double lambda = s.eigenvalue[a], n = s.multiplicity[a];
    trace += n * lambda;
    trace2 += n * lambda * lambda;
    trace3 += n * lambda * lambda * lambda;
  }
  if (!(noise_variance > 0)) return;
  const double v = problem.label_noise_variance, share = v / noise_variance;
  const double labels = v > 0 && problem.noise && !problem.noise->gaussian() ? problem.noise->kurtosis() : 3;
  label_kurtosis = share * share * labels + 6 * share * (1 - share) + 3 * (1 - share) * (1 - share);
}

double BatchLaw::mean_squared_gradient(double excess, double slope) const {
  return (1 + own_noise / batch) * slope + trace / batch * (excess + noise_variance);
}

double BatchLaw::gradient_curvature(double excess, double curvature) const {
  return (1 + own_noise / batch) * curvature + trace2 / batch * (excess + noise_variance);
}

ingredients::StepObservation BatchLaw::observation(const StepSums& sums) const {
  ingredients::StepObservation out;
  out.excess_mse = sums.excess;
  out.mean_squared_gradient = mean_squared_gradient(sums.excess, sums.slope);
  out.slope = sums.slope;
  out.curvature = gradient_curvature(sums.excess, sums.curvature);
  out.squared_gradient = out.mean_squared_gradient;
  out.loss = 0.5 * (sums.excess + noise_variance);
  out.squared_distance = sums.distance;
  out.toward_start = -sums.product;
  out.weight = sums.direction ? sums.direction->weight : 1;
  out.squared_direction = sums.direction ? sums.direction->square : out.squared_gradient;
  return out;
}

double BatchLaw::direction_curvature(const StepSums& sums) const {
  return sums.direction ? sums.direction->excess : gradient_curvature(sums.excess, sums.curvature);
}

double BatchLaw::excess_response(const StepSums& sums, double eta) const {
  return 2 * (eta * direction_curvature(sums) - descent(sums));
}

}  // namespace edgewise::models::least_squares
