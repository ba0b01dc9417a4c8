// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/phase_boundaries.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/ingredients/kernel_stability.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "random/random.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::annealed_critical_rate;
using ingredients::exact_critical_rate;
using ingredients::exact_kernel_norm;

namespace {

using linear_algebra::Matrix;
using linear_algebra::SymmetricEigen;
using linear_algebra::Transposed;

/// J J' with entries of J of variance 1 / P.
SymmetricEigen wishart(std::size_t outputs, std::size_t parameters, std::uint64_t seed, std::uint64_t index) {
  Matrix j(outputs, parameters);
  random::Stream stream(seed, index);
  stream.normals({j.data(), j.size()});
  Matrix kernel;
  linear_algebra::multiply(1 / static_cast<double>(parameters), j, Transposed::no, j, Transposed::yes, 0, kernel);
  return linear_algebra::symmetric_eigen(kernel);
}

/// Largest tr K / D up to the effective time; infinite when the run diverges.
double largest_kernel_mean(const QuadraticEnsemble& ensemble, double learning_rate, double batch_fraction,
                           const QuadraticBoundaryOptions& options) {
  QuadraticMemoryProblem problem;
  problem.ensemble = ensemble;
  problem.learning_rate = {learning_rate};
  const double time = options.effective_time / (learning_rate * ensemble.jacobian_variance);
  problem.batch_fraction = std::clamp(time / static_cast<double>(options.most_steps), batch_fraction, 1.0);
  problem.steps = static_cast<std::size_t>(
      std::min(std::ceil(time / problem.batch_fraction), static_cast<double>(options.most_steps)));
  problem.largest_loss = 50 * ensemble.residual_variance;
  const QuadraticMemorySolution solution = solve_quadratic_memory(problem);
  if (solution.diverged_at) return infinity;
  return *std::max_element(solution.kernel_mean.begin(), solution.kernel_mean.end());
}

/// The learning rate above which eta kernel_mean(eta) exceeds `value`.
template <class KernelMean>
double solve_reaches(double value, double initial_mean, double tolerance, KernelMean kernel_mean) {
  // The kernel starts at initial_mean.
  return numerics::threshold([&](double eta) { return eta * kernel_mean(eta) > value; }, 0, value / initial_mean,
                             tolerance);
}

void check(const QuadraticBoundaryOptions& o) {
  if (!(o.effective_time > 0) || !(o.passes > 0) || !(o.tolerance > 0) || o.most_steps == 0 || o.kernels == 0)
    throw std::invalid_argument("times, steps, kernels and tolerance of phase boundaries must be positive");
}

}  // namespace

QuadraticBoundaries::QuadraticBoundaries(const QuadraticEnsemble& ensemble, std::size_t outputs, std::size_t parameters,
                                         const QuadraticBoundaryOptions& options)
    : ensemble_(ensemble), outputs_(outputs), options_(options) {
  check(options);
  if (outputs == 0 || parameters == 0) throw std::invalid_argument("phase boundaries need outputs and parameters");
  ensemble_.delta = static_cast<double>(outputs) / static_cast<double>(parameters);
  for (std::size_t k = 0; k < options.kernels; ++k) {
    kernels_.push_back(wishart(outputs, parameters, options.seed, k));
    largest_ += kernels_.back().values.back() / static_cast<double>(options.kernels);
  }
}

void QuadraticBoundaries::check_batch(std::size_t batch) const {
  if (batch < 1 || batch > outputs_)
    throw std::invalid_argument(fmt::format("optimizer.batch: must lie in 1..{}, not {}", outputs_, batch));
}

double QuadraticBoundaries::kernel_mean(double learning_rate, std::size_t batch) const {
  check_batch(batch);
  if (!(learning_rate > 0) || !std::isfinite(learning_rate))
    throw std::invalid_argument(
        fmt::format("optimizer.learning_rate: must be positive and finite, not {}", learning_rate));
  return largest_kernel_mean(ensemble_, learning_rate, static_cast<double>(batch) / static_cast<double>(outputs_),
                             options_);
}

double QuadraticBoundaries::reaches(double value, std::size_t batch) const {
  return solve_reaches(value, ensemble_.jacobian_variance, options_.tolerance,
                       [&](double eta) { return kernel_mean(eta, batch); });
}

double QuadraticBoundaries::divergence(std::size_t batch) const {
  check_batch(batch);
  QuadraticDivergence divergence;
  divergence.batch_fraction = static_cast<double>(batch) / static_cast<double>(outputs_);
  divergence.steps = static_cast<std::size_t>(
      std::min(std::ceil(options_.passes / divergence.batch_fraction), static_cast<double>(options_.most_steps)));
  divergence.tolerance = options_.tolerance;
  return quadratic_divergence_threshold(ensemble_, divergence);
}

double QuadraticBoundaries::edge(std::size_t batch) const {
  check_batch(batch);
  double critical = 0;
  for (const SymmetricEigen& kernel : kernels_)
    critical += exact_critical_rate(kernel, batch) / static_cast<double>(kernels_.size());
  return reaches(critical, batch);
}

double QuadraticBoundaries::annealed_edge(std::size_t batch) const {
  check_batch(batch);
  double critical = 0;
  for (const SymmetricEigen& kernel : kernels_)
    critical += annealed_critical_rate(kernel.values, batch) / static_cast<double>(kernels_.size());
  return reaches(critical, batch);
}

double QuadraticBoundaries::kernel_norm(double learning_rate, std::size_t batch) const {
  const double scaled = learning_rate * kernel_mean(learning_rate, batch);
  if (std::isinf(scaled)) return infinity;
  double norm = 0;
  for (const SymmetricEigen& kernel : kernels_)
    norm += exact_kernel_norm(kernel, scaled, batch) / static_cast<double>(kernels_.size());
  return norm;
}

double QuadraticBoundaries::eta_lambda(double learning_rate, std::size_t batch) const {
  return learning_rate * kernel_mean(learning_rate, batch) * largest_;
}

double quadratic_eos_threshold(const QuadraticEnsemble& ensemble, const QuadraticBoundaryOptions& options) {
  check(options);
  const double value = 2 * ensemble.jacobian_variance / quadratic_bulk_edge(ensemble, 0);
  return solve_reaches(value, ensemble.jacobian_variance, options.tolerance,
                       [&](double eta) { return largest_kernel_mean(ensemble, eta, 1, options); });
}

}  // namespace edgewise::models::quadratic_regression
