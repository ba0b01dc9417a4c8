#include "models/least_squares/sgd_sde.hpp"

#include <cmath>
#include <stdexcept>

#include "numerics/sums.hpp"
#include "solvers/sde.hpp"

namespace edgewise::models::least_squares {

namespace {

constexpr double largest_dimension = 1e6;

// One coordinate per dimension: eigenvalue and starting error of each.
struct ExpandedModes {
  std::vector<double> eigenvalue, start;
};

ExpandedModes expand(const LeastSquares& problem) {
  const auto& s = problem.spectrum;
  if (s.compressed || !s.whole_multiplicities() || s.dimension() > largest_dimension)
    throw std::invalid_argument(
        "theory.method: sde needs every coordinate (whole multiplicities, at most 1e6 of them, no compression); use "
        "ode");
  ExpandedModes out;
  for (std::size_t a = 0; a < s.modes(); ++a) {
    const auto n = static_cast<std::size_t>(s.multiplicity[a]);
    out.eigenvalue.insert(out.eigenvalue.end(), n, s.eigenvalue[a]);
    out.start.insert(out.start.end(), n, std::sqrt(problem.initial_power[a] / s.multiplicity[a]));
  }
  return out;
}

}  // namespace

SdeResult homogenized_sde(const LeastSquares& problem, const LeastSquaresTheory& theory) {
  if (std::isinf(problem.batch)) throw std::invalid_argument("theory.method: sde needs a finite batch");
  const ExpandedModes x = expand(problem);
  const std::size_t d = x.eigenvalue.size();
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

  std::vector<double> times(problem.time.at.begin(), problem.time.at.end());
  if (times.front() > 0) times.insert(times.begin(), 0.0);
  const std::size_t skipped = times.size() - problem.time.at.size();
  const auto scheme = theory.scheme == "weak2" ? solvers::SdeScheme::weak_two : solvers::SdeScheme::euler_maruyama;
  const std::size_t count = problem.time.at.size();
  std::vector<double> sum(count, 0), square(count, 0), error(count, 0);
  std::size_t reached = count;
  for (std::uint64_t path = 0; path < theory.paths; ++path) {
    random::Stream stream(theory.seed, path, 0, random::Purpose::other);
    std::size_t alive = 0;
    solvers::simulate_path(sde, scheme, x.start, times, theory.time_step, stream,
                           [&](std::size_t index, double, std::span<const double> v) {
                             if (index < skipped) return true;
                             const double P = risk(v);
                             if (!std::isfinite(P)) return false;
                             const std::size_t i = index - skipped;
                             sum[i] += P;
                             square[i] += P * P;
                             error[i] += numerics::squared_norm_in_order(v);
                             alive = i + 1;
                             return true;
                           });
    reached = std::min(reached, alive);
  }
  SdeResult result;
  const double paths = static_cast<double>(theory.paths);
  for (std::size_t i = 0; i < reached; ++i) {
    const double mean = sum[i] / paths;
    result.excess_mse.push_back(mean);
    result.excess_mse_std.push_back(std::sqrt(std::max(0.0, (square[i] - paths * mean * mean) / (paths - 1))));
    result.parameter_error.push_back(error[i] / paths);
  }
  if (reached < count) result.diverged_at = static_cast<double>(problem.time.at[reached]);
  result.report = {{"sde_paths", paths}, {"sde_time_step", theory.time_step}};
  return result;
}

}  // namespace edgewise::models::least_squares
