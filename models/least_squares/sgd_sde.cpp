#include "models/least_squares/sgd_sde.hpp"

#include <cmath>
#include <stdexcept>

#include "numerics/sums.hpp"
#include "solvers/sde_ensemble.hpp"
#include "spectra/coordinates.hpp"

namespace edgewise::models::least_squares {

namespace {

constexpr double largest_dimension = 1e6;

// One coordinate per dimension, with the power of the starting error.
spectra::Coordinates expand(const LeastSquares& problem) {
  spectra::Spectrum s = problem.spectrum;
  if (s.compressed || !s.whole_multiplicities() || s.dimension() > largest_dimension)
    throw std::invalid_argument(
        "theory.method: sde needs every coordinate (whole multiplicities, at most 1e6 of them, no compression); use "
        "ode");
  s.target_power = problem.initial_power;
  return spectra::coordinates_of(s);
}

}  // namespace

Trajectory homogenized_sde(const LeastSquares& problem, const LeastSquaresTheory& theory) {
  if (std::isinf(problem.batch)) throw std::invalid_argument("theory.method: sde needs a finite batch");
  const spectra::Coordinates x = expand(problem);
  const std::size_t d = x.size();
  std::vector<double> start;
  for (const double power : x.power) start.push_back(std::sqrt(power));
  const double sigma2 = problem.noise_variance() * theory.scale_label_noise;
  const auto& lambda = x.eigenvalue;
  const auto scale = [&](double t) { return problem.rate_at(t) / std::sqrt(problem.batch); };
  const auto risk = [&](std::span<const double> v) {
    double P = 0;
    for (std::size_t i = 0; i < d; ++i) P += lambda[i] * v[i] * v[i];
    return P;
  };

  solvers::Sde sde;
  sde.dimension = d;
  sde.noises = d + 1;
  sde.drift = [&](double t, std::span<const double> v, std::span<double> out) {
    const double eta = problem.rate_at(t);
    for (std::size_t i = 0; i < d; ++i) out[i] = -eta * lambda[i] * v[i];
  };
  sde.noise = [&](double t, std::span<const double> v, std::span<const double> z, std::span<double> out) {
    const double c = scale(t), level = std::sqrt(risk(v) + sigma2), along = z[d];
    for (std::size_t i = 0; i < d; ++i) out[i] = c * (level * std::sqrt(lambda[i]) * z[i] + lambda[i] * v[i] * along);
  };
  // Columns c sqrt(Q) sqrt(lambda_i) e_i and c K v: each kind contributes (1/2) c^2 K^2 v.
  sde.correction = [&](double t, std::span<const double> v, std::span<double> out) {
    const double c = scale(t);
    for (std::size_t i = 0; i < d; ++i) out[i] = c * c * lambda[i] * lambda[i] * v[i];
  };

  const std::vector<double> times(problem.time.at.begin(), problem.time.at.end());
  const auto read = [&](double, std::span<const double> v, std::span<double> out) {
    out[0] = risk(v);
    out[1] = numerics::squared_norm_in_order(v);
    return std::isfinite(out[0]);
  };
  const solvers::Ensemble paths =
      solvers::average_paths(sde, start, times, 2, read, {theory.scheme, theory.time_step, theory.paths, theory.seed});
  Trajectory out;
  out.columns = {{least_squares_observables()[1], {}, {}}, {least_squares_observables()[2], {}, {}}};
  for (std::size_t i = 0; i < paths.mean.size(); ++i) {
    out.steps.push_back(times[i]);
    for (std::size_t o = 0; o < 2; ++o) out.columns[o].value.push_back(paths.mean[i][o]);
    out.columns[0].std.push_back(paths.std[i][0]);
  }
  out.diverged_at = paths.diverged_at;
  out.report = {{"sde_paths", static_cast<double>(theory.paths)}, {"sde_time_step", theory.time_step}};
  return out;
}

}  // namespace edgewise::models::least_squares
