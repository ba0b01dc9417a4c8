#include "models/finite_data/kernel_norms.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "linear_algebra/largest_eigenvalues.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::finite_data {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

constexpr int root_bits = 48;

BatchMoments moments_of(const FiniteData& data) {
  return batch_moments(data.sampling, data.samples(), data.batch);
}

}  // namespace

NoiseKernel::NoiseKernel(const Kernel& kernel, const std::function<double(double, double)>& weight)
    : vectors_(kernel.vectors.rows(), kernel.rank), weights_(kernel.rank, kernel.rank) {
  std::copy_n(kernel.vectors.data(), vectors_.size(), vectors_.data());
  for (std::size_t b = 0; b < kernel.rank; ++b)
    for (std::size_t a = 0; a < kernel.rank; ++a) weights_(a, b) = weight(kernel.eigenvalue[a], kernel.eigenvalue[b]);
}

std::vector<double> NoiseKernel::operator()(std::span<const double> d) const {
  const std::size_t N = vectors_.rows(), rank = vectors_.columns();
  Matrix scaled(N, rank);
  for (std::size_t a = 0; a < rank; ++a)
    for (std::size_t i = 0; i < N; ++i) scaled(i, a) = d[i] * vectors_(i, a);
  Matrix inner = linear_algebra::product(vectors_, scaled, Transposed::yes);
  for (std::size_t k = 0; k < inner.size(); ++k) inner.data()[k] *= weights_.data()[k];
  const Matrix outer = linear_algebra::product(vectors_, inner);
  std::vector<double> out(N, 0.0);
  for (std::size_t a = 0; a < rank; ++a)
    for (std::size_t i = 0; i < N; ++i) out[i] += outer(i, a) * vectors_(i, a);
  return out;
}

double NoiseKernel::perron() const {
  const std::size_t N = vectors_.rows();
  const auto apply = [this](std::span<const double> d, std::span<double> out) {
    std::ranges::copy((*this)(d), out.begin());
  };
  // Entries are positive: so is the leading eigenvector. The error of the value is the square of the vector's.
  const Matrix start(N, 1, 1.0);
  return linear_algebra::largest_eigenvalues(N, 1, apply, start, {.tolerance = 1e-8}).values[0];
}

std::vector<double> NoiseKernel::renewed(std::span<const double> d) const {
  std::vector<double> x(d.size(), 0.0), rest(d.begin(), d.end());
  // In units of its largest entry: squares of squares of residuals leave the range of doubles.
  double unit = 0;
  for (const double entry : rest) unit = std::max(unit, std::abs(entry));
  if (unit == 0) return x;
  for (double& entry : rest) entry /= unit;
  std::vector<double> direction = rest;
  double power = numerics::dot_in_order(rest, rest);
  const double enough = 1e-30 * power;
  for (int k = 0; k < 1000 && power > enough; ++k) {
    std::vector<double> moved = (*this)(direction);
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] = direction[i] - moved[i];
    const double length = power / numerics::dot_in_order(direction, moved);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] += length * direction[i];
      rest[i] -= length * moved[i];
    }
    const double next = numerics::dot_in_order(rest, rest);
    for (std::size_t i = 0; i < x.size(); ++i) direction[i] = rest[i] + next / power * direction[i];
    power = next;
  }
  for (double& entry : x) entry *= unit;
  return x;
}

Matrix overlaps(const Kernel& kernel) {
  Matrix squares = kernel.vectors;
  for (std::size_t k = 0; k < squares.size(); ++k) squares.data()[k] *= squares.data()[k];
  return linear_algebra::product(squares, squares, Transposed::yes);
}

double kernel_norm(const FiniteData& data, const Kernel& kernel, NormLevel level, double eta) {
  const BatchMoments c = moments_of(data);
  const auto N = static_cast<double>(data.samples());
  if (kernel.rank == 0) return 0;
  const double top = kernel.eigenvalue.front();
  if (level == NormLevel::trace)
    return eta * std::accumulate(kernel.eigenvalue.begin(), kernel.eigenvalue.end(), 0.0) /
           (2 * static_cast<double>(data.batch));
  if (!(eta * c.c2 * top < 2)) return infinity;
  if (c.c1 == 0) return 0;
  if (c.c2 == 0 && eta != 1) return eta * kernel_norm(data, kernel, level, 1);  // linear
  const auto gain = [&](std::size_t a) {
    return eta * c.c1 * kernel.eigenvalue[a] / (2 - eta * c.c2 * kernel.eigenvalue[a]);
  };
  switch (level) {
    case NormLevel::mean_field: {
      double sum = 0;
      for (std::size_t a = 0; a < kernel.rank; ++a) sum += gain(a);
      return sum / N;
    }
    case NormLevel::closure: {
      const Matrix C = overlaps(kernel);
      Matrix symmetric(kernel.rank, kernel.rank);
      for (std::size_t b = 0; b < kernel.rank; ++b)
        for (std::size_t a = 0; a < kernel.rank; ++a)
          symmetric(a, b) = std::sqrt(gain(a)) * std::sqrt(gain(b)) * C(a, b);
      return linear_algebra::symmetric_eigenvalues(symmetric).back();
    }
    default:
      return NoiseKernel(kernel,
                         [&](double x, double y) { return c.c1 * (eta * x) * y / (x + y - c.c2 * (eta * x) * y); })
          .perron();
  }
}

double threshold(const FiniteData& data, const Kernel& kernel, NormLevel level) {
  if (kernel.rank == 0) return infinity;
  const BatchMoments c = moments_of(data);
  const double single = 2 / kernel.eigenvalue.front();
  if (level == NormLevel::trace) return 1 / kernel_norm(data, kernel, level, 1);
  if (c.c1 == 0) return single;
  if (c.c2 == 0) return 1 / kernel_norm(data, kernel, level, 1);
  // The norm grows from 0 to infinity below `most`; in eta/(1 - eta/most) it is nearly a straight line.
  const double most = single / c.c2;
  const auto excess = [&](double share) { return 1 - 1 / kernel_norm(data, kernel, level, share * most); };
  double high = 0.5;
  while (1 - high > 1e-14 && excess(high) < 0) high = 0.5 * (1 + high);
  if (excess(high) < 0) return high * most;
  double low = 0.5 * high;
  while (low > 1e-14 && excess(low) > 0) low *= 0.5;
  return numerics::root(excess, low, high, root_bits) * most;
}

double growth_factor(const FiniteData& data, const Kernel& kernel) {
  if (kernel.rank == 0) return 1;
  const BatchMoments c = moments_of(data);
  const double eta = data.learning_rate;
  const auto square = [&](double x, double y) { return (eta * x) * (eta * y); };
  const auto decay = [&](double x, double y) { return 1 - eta * x - eta * y + c.c2 * square(x, y); };
  // The decay is linear in each of its arguments: it is largest at a corner.
  const double top = kernel.eigenvalue.front(), bottom = kernel.eigenvalue[kernel.rank - 1];
  if (!std::isfinite((1 + c.c1 + c.c2) * square(top, top))) return infinity;
  const double floor = std::max({decay(top, top), decay(top, bottom), decay(bottom, bottom)});
  if (c.c1 == 0) return std::max(decay(top, top), decay(bottom, bottom));
  const auto excess = [&](double distance) {
    return 1 / NoiseKernel(kernel,
                           [&](double x, double y) { return c.c1 * square(x, y) / (distance + (floor - decay(x, y))); })
                   .perron() -
           1;
  };
  // 1/norm grows with the distance from the largest decay, from 0. No norm exceeds the largest weight.
  const double least = 1e-12 * std::max(1.0, std::abs(floor)), most = 2 * c.c1 * square(top, top);
  if (most <= least || excess(least) > 0) return floor;
  const auto excess_at_log = [&](double s) { return excess(std::exp(s)); };
  return floor + std::exp(numerics::root(excess_at_log, std::log(least), std::log(most), root_bits));
}

}  // namespace edgewise::models::finite_data
