#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/kernel_norms.hpp"

namespace edgewise::models {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

/// Beyond this multiple of the first loss the solution has diverged.
constexpr double divergence = 1e100;

/// Records the loss at the asked steps until it diverges.
class Recorder {
 public:
  Recorder(const FiniteData& data, std::string method, bool exact) : data_(data) {
    double start = 0;
    for (const double z : data.residual) start += z * z;
    limit_ = divergence * std::max(start / (2 * static_cast<double>(data.samples())), 1e-200);
    out_.method = std::move(method);
    out_.exact = exact && data.sampling != Sampling::shuffle;
    out_.columns.push_back({finite_data_observables().front(), {}, {}});
    if (data.sampling == Sampling::shuffle)
      out_.warnings.push_back("the theory takes fresh batches; shuffled passes make them depend on each other");
  }
  /// False when there is nothing more to do.
  bool operator()(std::uint64_t step, double power) {
    const double loss = power / (2 * static_cast<double>(data_.samples()));
    if (!(loss <= limit_)) {
      out_.diverged_at = static_cast<double>(step);
      return false;
    }
    if (next_ < data_.time.at.size() && data_.time.at[next_] == step) {
      out_.steps.push_back(static_cast<double>(step));
      out_.columns[0].value.push_back(loss);
      ++next_;
    }
    return next_ < data_.time.at.size();
  }
  Trajectory take() { return std::move(out_); }

 private:
  const FiniteData& data_;
  Trajectory out_;
  std::size_t next_ = 0;
  double limit_ = 0;
};

std::vector<double> rotated_start(const FiniteData& data, const Kernel& kernel) {
  std::vector<double> out(data.samples());
  for (std::size_t a = 0; a < out.size(); ++a) {
    const auto v = kernel.vectors.column(a);
    out[a] = std::inner_product(v.begin(), v.end(), data.residual.begin(), 0.0);
  }
  return out;
}

// (9.1) in Theta's eigenbasis, where Theta's part is a product entry by entry and diag(S) the only matrix product.
Trajectory solve_exact(const FiniteData& data, const Kernel& kernel) {
  const std::size_t N = data.samples();
  const BatchMoments c = batch_moments(data.sampling, N, data.batch);
  const double eta = data.learning_rate;
  const std::vector<double>& mu = kernel.eigenvalue;
  const std::vector<double> start = rotated_start(data, kernel);
  Matrix S(N, N), decay(N, N), scaled(N, N), noise(N, N), turned(N, N);
  for (std::size_t b = 0; b < N; ++b)
    for (std::size_t a = 0; a < N; ++a) {
      S(a, b) = start[a] * start[b];
      decay(a, b) = 1 - eta * (mu[a] + mu[b]) + eta * eta * c.c2 * mu[a] * mu[b];
    }
  Recorder record(data, "exact", true);
  std::vector<double> diagonal(N);
  for (std::uint64_t k = 0;; ++k) {
    double power = 0;
    for (std::size_t a = 0; a < N; ++a) power += S(a, a);
    if (!record(k, power)) break;
    if (c.c1 > 0) {
      linear_algebra::multiply(1, kernel.vectors, Transposed::no, S, Transposed::no, 0, turned);
      std::fill(diagonal.begin(), diagonal.end(), 0.0);
      for (std::size_t a = 0; a < N; ++a)
        for (std::size_t i = 0; i < N; ++i) diagonal[i] += turned(i, a) * kernel.vectors(i, a);
      for (std::size_t a = 0; a < N; ++a)
        for (std::size_t i = 0; i < N; ++i) scaled(i, a) = eta * eta * c.c1 * diagonal[i] * kernel.vectors(i, a);
      linear_algebra::multiply(1, kernel.vectors, Transposed::yes, scaled, Transposed::no, 0, noise);
    }
    // Rounding's antisymmetric part would grow: the upper triangle is copied from the lower.
    for (std::size_t b = 0; b < N; ++b)
      for (std::size_t a = b; a < N; ++a)
        S(b, a) = S(a, b) = decay(a, b) * S(a, b) + (c.c1 > 0 ? mu[a] * mu[b] * noise(a, b) : 0.0);
  }
  return record.take();
}

// p' = (A + Bm) p. Its part on the modes that are not null is similar to a symmetric matrix: powers of its eigenvalues
// reach any step at once. Null modes stay and drive the others.
Trajectory solve_closure(const FiniteData& data, const Kernel& kernel, bool mean_field) {
  const std::size_t N = data.samples(), rank = kernel.rank;
  const BatchMoments c = batch_moments(data.sampling, N, data.batch);
  const double eta = data.learning_rate;
  std::vector<double> p = rotated_start(data, kernel);
  for (double& x : p) x *= x;
  const double null_power = std::accumulate(p.begin() + static_cast<std::ptrdiff_t>(rank), p.end(), 0.0);
  const Matrix C = mean_field ? Matrix(N, N, 1 / static_cast<double>(N)) : overlaps(kernel);
  std::vector<double> weight(rank), drive(rank, 0.0);
  Matrix symmetric(rank, rank);
  for (std::size_t a = 0; a < rank; ++a) weight[a] = eta * std::sqrt(c.c1) * kernel.eigenvalue[a];
  for (std::size_t a = 0; a < rank; ++a) {
    for (std::size_t b = 0; b < rank; ++b) symmetric(a, b) = weight[a] * C(a, b) * weight[b];
    const double x = eta * kernel.eigenvalue[a];
    symmetric(a, a) += 1 - 2 * x + c.c2 * x * x;
    for (std::size_t b = rank; b < N; ++b) drive[a] += weight[a] * C(a, b) * p[b];
  }
  // In q_a = p_a/weight_a; with c1 = 0 the modes are apart and the scale does not matter.
  std::vector<double> scale = weight, from_start(rank), from_drive(rank), to_power(rank);
  if (c.c1 == 0) std::fill(scale.begin(), scale.end(), 1.0);
  const linear_algebra::SymmetricEigen eigen =
      rank > 0 ? linear_algebra::symmetric_eigen(symmetric) : linear_algebra::SymmetricEigen{};
  for (std::size_t k = 0; k < rank; ++k)
    for (std::size_t a = 0; a < rank; ++a) {
      const double v = eigen.vectors(a, k);
      from_start[k] += v * p[a] / scale[a];
      from_drive[k] += v * drive[a];
      to_power[k] += v * scale[a];
    }
  Recorder record(data, mean_field ? "mean-field" : "closure", false);
  for (const std::uint64_t step : data.time.at) {
    double power = null_power;
    for (std::size_t k = 0; k < rank; ++k) {
      const double value = eigen.values[k], t = static_cast<double>(step);
      const double grown = std::pow(value, t);
      const double summed = value == 1 ? t : (1 - grown) / (1 - value);
      power += to_power[k] * (grown * from_start[k] + summed * from_drive[k]);
    }
    if (!record(step, power)) break;
  }
  return record.take();
}

double null_power(const FiniteData& data, const Kernel& kernel) {
  const std::vector<double> start = rotated_start(data, kernel);
  double sum = 0;
  for (std::size_t a = kernel.rank; a < start.size(); ++a) sum += start[a] * start[a];
  return sum;
}

/// E|z|^2 in the steady state of (9.1): the null part of z stays and makes noise in the rest.
double steady_power(const FiniteData& data, const Kernel& kernel) {
  const BatchMoments c = batch_moments(data.sampling, data.samples(), data.batch);
  const double eta = data.learning_rate;
  const std::vector<double> start = rotated_start(data, kernel);
  std::vector<double> still(data.samples(), 0.0);
  for (std::size_t a = kernel.rank; a < start.size(); ++a)
    for (std::size_t i = 0; i < still.size(); ++i) still[i] += start[a] * kernel.vectors(i, a);
  for (double& x : still) x *= x;
  if (c.c1 > 0 && kernel.rank > 0)
    still = NoiseKernel(kernel, [&](double x, double y) {
              return eta * c.c1 * x * y / (x + y - eta * c.c2 * x * y);
            }).renewed(still);
  return std::accumulate(still.begin(), still.end(), 0.0);
}

}  // namespace

Trajectory solve_finite_data(const FiniteData& data, const Kernel& kernel, const std::string& method) {
  if (method == "exact") return solve_exact(data, kernel);
  if (method == "closure") return solve_closure(data, kernel, false);
  if (method == "mean-field") return solve_closure(data, kernel, true);
  throw std::invalid_argument("theory.method: '" + method + "' is not one of exact, closure, mean-field");
}

std::vector<Finding> finite_data_stability(const FiniteData& data, const Kernel& kernel) {
  const double eta = data.learning_rate, top = kernel.eigenvalue.front();
  const double exact = kernel_norm(data, kernel, NormLevel::exact, eta);
  const bool stable = exact < 1 && eta * top < 2;
  std::vector<Finding> out = {
      {"stable", stable, "in mean square: kernel_norm < 1 and eta mu_max < 2"},
      {"kernel_norm", exact, "exact; 1 is the stochastic edge of stability"},
      {"kernel_norm_closure", kernel_norm(data, kernel, NormLevel::closure, eta),
       "second moments diagonal in the kernel's eigenbasis"},
      {"kernel_norm_mean_field", kernel_norm(data, kernel, NormLevel::mean_field, eta), "delocalised eigenvectors"},
      {"kernel_norm_trace", kernel_norm(data, kernel, NormLevel::trace, eta),
       "eta tr Theta/(2B): small batches and rates"},
      {"eta_max", std::min(threshold(data, kernel, NormLevel::exact), 2 / top), "where kernel_norm reaches 1"},
      {"eta_max_closure", threshold(data, kernel, NormLevel::closure), "of the closure; too large by O(1/N)"},
      {"eta_max_mean_field", threshold(data, kernel, NormLevel::mean_field), "of the mean field; too large by O(1/N)"},
      {"eta_max_mean", 2 / top, "where the mean of z diverges: full batch"},
      {"normalized_sharpness", eta * top, "eta mu_max; 2 is the edge of the mean"},
      {"growth_factor", growth_factor(data, kernel), "of the second moments of what can be learned, per step"}};
  const auto twice = 2 * static_cast<double>(data.samples());
  if (kernel.rank < data.samples()) {
    out.push_back({"loss_floor", null_power(data, kernel) / twice, "what no parameters fit"});
    if (stable)
      out.push_back(
          {"steady_loss", steady_power(data, kernel) / twice, "where the loss settles: the floor and its noise"});
  }
  return out;
}

}  // namespace edgewise::models
