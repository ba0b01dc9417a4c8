#include "models/finite_data/kernel_norms.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/ingredients/noise_kernel.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::finite_data {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

constexpr int root_bits = 48;

}  // namespace

Matrix overlaps(const Kernel& kernel) {
  Matrix squares = kernel.vectors;
  for (std::size_t k = 0; k < squares.size(); ++k) squares.data()[k] *= squares.data()[k];
  return linear_algebra::product(squares, squares, Transposed::yes);
}

double kernel_norm(const FiniteData& data, const Kernel& kernel, NormLevel level, double eta) {
  const BatchMoments c = batch_moments(data);
  const auto N = static_cast<double>(data.samples());
  if (kernel.rank == 0) return 0;
  const double top = kernel.eigenvalue.front();
  if (level == NormLevel::trace)
    return eta * std::accumulate(kernel.eigenvalue.begin(), kernel.eigenvalue.end(), 0.0) /
           (2 * static_cast<double>(data.batch));
  if (!(eta * c.c2 * top < 2)) return infinity;
  if (c.c1 == 0) return 0;
  if (c.c2 == 0 && eta != 1) return eta * kernel_norm(data, kernel, level, 1);  // linear
  if (level == NormLevel::mean_field) return ingredients::mean_field_kernel_norm(kernel.modes(), N, eta, c.c1, c.c2);
  if (level == NormLevel::exact) return ingredients::exact_kernel_norm(kernel.vectors, kernel.modes(), eta, c.c1, c.c2);
  const auto gain = [&](std::size_t a) {
    return eta * c.c1 * kernel.eigenvalue[a] / (2 - eta * c.c2 * kernel.eigenvalue[a]);
  };
  const Matrix C = overlaps(kernel);
  Matrix symmetric(kernel.rank, kernel.rank);
  for (std::size_t b = 0; b < kernel.rank; ++b)
    for (std::size_t a = 0; a < kernel.rank; ++a) symmetric(a, b) = std::sqrt(gain(a)) * std::sqrt(gain(b)) * C(a, b);
  return linear_algebra::symmetric_eigenvalues(symmetric).back();
}

double threshold(const FiniteData& data, const Kernel& kernel, NormLevel level) {
  if (kernel.rank == 0) return infinity;
  const BatchMoments c = batch_moments(data);
  const double single = 2 / kernel.eigenvalue.front();
  if (level == NormLevel::trace) return 1 / kernel_norm(data, kernel, level, 1);
  if (c.c1 == 0) return single;
  if (c.c2 == 0) return 1 / kernel_norm(data, kernel, level, 1);
  // The norm grows from 0 to infinity below `most`; in eta/(1 - eta/most) it is nearly a straight line.
  const double most = single / c.c2;
  const auto excess = [&](double share) { return 1 - 1 / kernel_norm(data, kernel, level, share * most); };
  double high = 0.5;  // a guess
  while (1 - high > 1e-14 && excess(high) < 0) high = 0.5 * (1 + high);
  if (excess(high) < 0) return high * most;
  double low = 0.5 * high;
  while (low > 1e-14 && excess(low) > 0) low *= 0.5;
  return numerics::root(excess, low, high, root_bits) * most;
}

double growth_factor(const FiniteData& data, const Kernel& kernel) {
  if (kernel.rank == 0) return 1;
  const BatchMoments c = batch_moments(data);
  const double eta = data.learning_rate;
  const auto square = [&](double x, double y) { return (eta * x) * (eta * y); };
  const auto decay = [&](double x, double y) { return 1 - eta * x - eta * y + c.c2 * square(x, y); };
  // The decay is linear in each of its arguments: it is largest at a corner.
  const double top = kernel.eigenvalue.front(), bottom = kernel.eigenvalue[kernel.rank - 1];
  if (!std::isfinite((1 + c.c1 + c.c2) * square(top, top))) return infinity;
  const double floor = std::max({decay(top, top), decay(top, bottom), decay(bottom, bottom)});
  if (c.c1 == 0) return std::max(decay(top, top), decay(bottom, bottom));
  const auto excess = [&](double distance) {
    const auto weight = [&](double x, double y) { return c.c1 * square(x, y) / (distance + (floor - decay(x, y))); };
    return 1 / ingredients::NoiseKernel(kernel.vectors, kernel.modes(), weight).perron() - 1;
  };
  // 1/norm grows with the distance from the largest decay, from 0. No norm exceeds the largest weight.
  const double least = 1e-12 * std::max(1.0, std::abs(floor)), most = 2 * c.c1 * square(top, top);
  if (most <= least || excess(least) > 0) return floor;
  const auto excess_at_log = [&](double s) { return excess(std::exp(s)); };
  return floor + std::exp(numerics::root(excess_at_log, std::log(least), std::log(most), root_bits));
}

}  // namespace edgewise::models::finite_data
