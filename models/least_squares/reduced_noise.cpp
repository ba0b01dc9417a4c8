#include "models/least_squares/reduced_noise.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::least_squares {

double ExponentialKernel::at(double s) const {
  double sum = 0;
  for (std::size_t j = 0; j < rate.size(); ++j) sum += weight[j] * std::exp(-rate[j] * s);
  return sum;
}

ExponentialKernel fitted_kernel(const SgdModes& modes, double horizon, std::size_t count) {
  if (count < 1 || count > 8) throw std::invalid_argument("theory.exponentials: 1 to 8");
  const auto kernel = [&](double s) {
    double sum = 0;
    for (std::size_t a = 0; a < modes.eigenvalue.size(); ++a)
      sum += modes.multiplicity[a] * modes.eigenvalue[a] * modes.eigenvalue[a] * std::exp(-2 * modes.eigenvalue[a] * s);
    return sum;
  };
  const double fast = 2 * largest_eigenvalue(modes);
  double slow = 2 * std::ranges::min(modes.eigenvalue);
  // What relaxes in more than the horizon cannot be told from what does not relax.
  if (horizon > 0) slow = std::max(slow, 1 / horizon);
  slow = std::min(slow, fast);
  ExponentialKernel out;
  if (slow == fast) count = 1;
  for (std::size_t j = 0; j < count; ++j)
    out.rate.push_back(count == 1
                           ? 2 * kernel(0) / modes.trace()
                           : fast * std::pow(slow / fast, static_cast<double>(j) / static_cast<double>(count - 1)));
  // Relative residuals at s = 0 and on a logarithmic grid down to where the slowest rate has died out.
  std::vector<double> grid = {0};
  constexpr int points = 80;
  const double first = 0.05 / fast, last = std::max(first * 2, std::min(horizon > 0 ? horizon : infinity, 3 / slow));
  for (int i = 0; i < points; ++i)
    grid.push_back(first * std::pow(last / first, static_cast<double>(i) / (points - 1)));
  std::erase_if(grid, [&](double s) { return !(kernel(s) > 1e-12 * kernel(0)); });
  // Of few rates every subset is tried: the best with weights >= 0 is the constrained optimum.
  double best = infinity;
  for (unsigned chosen = 1; chosen < 1u << count; ++chosen) {
    std::vector<std::size_t> columns;
    for (std::size_t j = 0; j < count; ++j)
      if (chosen >> j & 1) columns.push_back(j);
    linear_algebra::Matrix a(grid.size(), columns.size());
    for (std::size_t i = 0; i < grid.size(); ++i)
      for (std::size_t j = 0; j < columns.size(); ++j)
        a(i, j) = std::exp(-out.rate[columns[j]] * grid[i]) * kernel(0) / kernel(grid[i]);
    const std::vector<double> weight = linear_algebra::least_squares(a, std::vector<double>(grid.size(), 1.0));
    if (std::ranges::any_of(weight, [](double w) { return !(w >= 0); })) continue;
    double squares = 0;
    for (std::size_t i = 0; i < grid.size(); ++i) {
      double fit = 0;
      for (std::size_t j = 0; j < columns.size(); ++j) fit += a(i, j) * weight[j];
      squares += (fit - 1) * (fit - 1);
    }
    if (squares >= best) continue;
    best = squares;
    out.weight.assign(count, 0);
    for (std::size_t j = 0; j < columns.size(); ++j) out.weight[columns[j]] = weight[j] * kernel(0);
  }
  return out;
}

std::vector<double> reduced_excess(const SgdModes& modes, std::span<const double> power, double noise_variance,
                                   std::span<const double> rates, const ReducedNoise& how) {
  const std::size_t n = modes.eigenvalue.size();
  const double feedback = how.feedback / modes.batch;
  const double trace = modes.trace(), tau_end = std::accumulate(rates.begin(), rates.end(), 0.0);
  // The noise's memory: every mode, or few exponentials.
  ExponentialKernel memory;
  for (std::size_t a = 0; a < n; ++a) {
    memory.rate.push_back(2 * modes.eigenvalue[a]);
    memory.weight.push_back(modes.multiplicity[a] * modes.eigenvalue[a] * modes.eigenvalue[a]);
  }
  const bool whole = how.kernel == NoiseKernel::volterra;
  const double square = memory.at(0);
  if (!whole) memory = {};
  if (how.kernel == NoiseKernel::oneexp) memory = {{square}, {2 * square / trace}};
  if (how.kernel == NoiseKernel::exponentials) memory = fitted_kernel(modes, tau_end, how.exponentials);
  const bool adiabatic = how.kernel == NoiseKernel::adiabatic;
  std::vector<double> noise(memory.rate.size(), 0.0), bias(power.begin(), power.end()), out;
  for (std::size_t a = 0; a < n; ++a) bias[a] *= modes.eigenvalue[a];
  for (std::size_t k = 0; k <= rates.size(); ++k) {
    double P = std::accumulate(bias.begin(), bias.end(), 0.0);
    if (adiabatic) {
      const double eta = rates.empty() ? 0 : rates[std::min(k, rates.size() - 1)], rho = feedback * eta * trace / 2;
      P = rho < 1 ? (P + rho * noise_variance) / (1 - rho) : infinity;
    }
    P = std::accumulate(noise.begin(), noise.end(), P);
    out.push_back(P);
    if (k == rates.size()) break;
    const double eta = rates[k], fed = feedback * eta * (P + noise_variance);
    for (std::size_t j = 0; j < noise.size(); ++j) {
      const double decay = std::exp(-memory.rate[j] * eta);
      // A puts a step's noise in at its end; B lets it relax within the step.
      const double within = whole ? eta : -std::expm1(-memory.rate[j] * eta) / memory.rate[j];
      noise[j] = noise[j] * decay + memory.weight[j] * fed * within;
    }
    for (std::size_t a = 0; a < n; ++a) bias[a] *= std::exp(-2 * modes.eigenvalue[a] * eta);
  }
  return out;
}

}  // namespace edgewise::models::least_squares
