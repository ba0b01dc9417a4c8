#include "validation/verdicts/max_statistic.hpp"

#include <algorithm>
#include <cmath>

#include "linear_algebra/dense.hpp"
#include "random/random.hpp"
#include "validation/monte_carlo/statistics.hpp"

namespace edgewise::validation {

namespace {

/// Correlations are estimated from at most so many replicas when there are even more comparisons; the cost is cubic.
constexpr std::size_t largest_rank = 1000;
/// Draws kept for questions of power, where 1% must be resolved.
constexpr std::size_t kept_draws = 2000;
/// Draws beyond a point that are needed to trust the share of them.
constexpr double least_count = 100;

using linear_algebra::Matrix;
using linear_algebra::Transposed;

double norm(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

double largest(std::span<const double> x) {
  double out = 0;
  for (const double v : x) out = std::max(out, std::abs(v));
  return out;
}

/// Columns of length 0 stay. In units of the largest entry first, whose square may be out of range.
void normalize(std::span<double> x) {
  const double unit = largest(x);
  if (!(unit > 0)) return;
  for (double& v : x) v /= unit;
  const double length = norm(x);
  for (double& v : x) v /= length;
}

/// Columns of unit length whose inner products are the sample's correlations; few rows.
Matrix correlation_root(std::span<const std::span<const double>> cells) {
  const std::size_t all = cells.front().size();
  const std::size_t used = cells.size() > largest_rank ? std::min(all, largest_rank) : all;
  Matrix y(used, cells.size());
  for (std::size_t c = 0; c < cells.size(); ++c) {
    const std::span<double> column = y.column(c);
    std::ranges::copy(cells[c].first(used), column.begin());
    double mean = 0;
    for (const double v : column) mean += v / static_cast<double>(used);
    for (double& v : column) v -= mean;
    normalize(column);
  }
  const bool tall = y.rows() > y.columns();
  const std::size_t size = std::min(y.rows(), y.columns());
  Matrix gram(size, size);
  linear_algebra::rank_update(1, y, tall ? Transposed::yes : Transposed::no, gram);
  const auto [values, vectors] = linear_algebra::symmetric_eigen(gram);
  // Trajectories are smooth: few components carry nearly all of it.
  double total = 0;
  for (const double v : values) total += v;
  std::size_t first = 0;
  for (double dropped = 0; first + 1 < size; ++first) {
    dropped += std::max(0.0, values[first]);
    if (dropped > 1e-4 * total) break;
  }
  const std::size_t rank = size - first;
  Matrix root(rank, cells.size());
  if (tall) {
    for (std::size_t r = 0; r < rank; ++r) {
      const double scale = std::sqrt(std::max(values[first + r], 0.0));
      for (std::size_t c = 0; c < cells.size(); ++c) root(r, c) = scale * vectors(c, first + r);
    }
  } else {
    linear_algebra::multiply(rank, cells.size(), size, 1, vectors.column(first).data(), size, Transposed::yes, y.data(),
                             size, Transposed::no, 0, root.data(), rank);
  }
  for (std::size_t c = 0; c < cells.size(); ++c) normalize(root.column(c));
  return root;
}

}  // namespace

struct MaxStatistic::Impl {
  std::vector<double> group_std;
  std::vector<double> maxima;  // sorted
  Matrix kept;                 // comparisons x kept draws
  double resolved = 0;         // beyond this the tail is extrapolated
  double comparisons = 1;      // independent ones with the same tail there

  double share_beyond(double z) const {
    const auto above = maxima.end() - std::upper_bound(maxima.begin(), maxima.end(), z);
    return static_cast<double>(above) / static_cast<double>(maxima.size());
  }
};

MaxStatistic::~MaxStatistic() = default;
MaxStatistic::MaxStatistic(MaxStatistic&&) noexcept = default;

MaxStatistic::MaxStatistic(std::span<const std::span<const double>> cells,
                           std::span<const std::vector<std::size_t>> groups, std::uint64_t seed, std::size_t draws)
    : impl_(std::make_unique<Impl>()) {
  const Matrix of_cells = correlation_root(cells);
  const std::size_t n = of_cells.columns(), rank = of_cells.rows(), comparisons = n + groups.size();
  Matrix root(rank, comparisons);
  std::ranges::copy(of_cells.entries(), root.data());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::span<double> sum = root.column(n + g);
    for (const std::size_t c : groups[g])
      for (std::size_t r = 0; r < rank; ++r) sum[r] += of_cells(r, c);
    impl_->group_std.push_back(norm(sum));
    normalize(sum);
  }

  constexpr std::size_t block = 256;
  random::Stream stream(seed, 0, 0, random::Purpose::other);
  impl_->kept = Matrix(comparisons, std::min(draws, kept_draws));
  Matrix w(rank, block), z;
  for (std::size_t done = 0; done < draws; done += block) {
    stream.normals(w.entries());
    linear_algebra::multiply(1, root, Transposed::yes, w, Transposed::no, 0, z);
    for (std::size_t b = 0; b < block && done + b < draws; ++b) {
      impl_->maxima.push_back(largest(z.column(b)));
      if (done + b < impl_->kept.columns()) std::ranges::copy(z.column(b), impl_->kept.column(done + b).begin());
    }
  }
  std::sort(impl_->maxima.begin(), impl_->maxima.end());
  const double level = std::min(0.5, std::max(0.01, least_count / static_cast<double>(draws)));
  impl_->resolved = quantile(impl_->maxima, 1 - level);
  impl_->comparisons = std::log1p(-level) / std::log1p(-2 * normal_tail(impl_->resolved));
}

double MaxStatistic::group_std(std::size_t group) const {
  return impl_->group_std[group];
}

double MaxStatistic::effective_comparisons() const {
  return impl_->comparisons;
}

double MaxStatistic::tail(double z) const {
  if (z < impl_->resolved) return impl_->share_beyond(z);
  return -std::expm1(impl_->comparisons * std::log1p(-2 * normal_tail(z)));
}

double MaxStatistic::critical(double probability) const {
  if (probability > tail(impl_->resolved)) return quantile(impl_->maxima, 1 - probability);
  return -normal_quantile(-std::expm1(std::log1p(-probability) / impl_->comparisons) / 2);
}

double MaxStatistic::exceedance(std::span<const double> shift, double z) const {
  const Matrix& kept = impl_->kept;
  std::size_t beyond = 0;
  for (std::size_t b = 0; b < kept.columns(); ++b) {
    const std::span<const double> draw = kept.column(b);
    bool above = false;
    for (std::size_t c = 0; c < draw.size(); ++c) above |= std::abs(draw[c] + shift[c]) > z;
    beyond += above;
  }
  return static_cast<double>(beyond) / static_cast<double>(kept.columns());
}

}  // namespace edgewise::validation
