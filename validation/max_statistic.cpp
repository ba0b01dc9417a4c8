#include "validation/max_statistic.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "random/random.hpp"
#include "validation/statistics.hpp"

namespace edgewise::validation {

namespace {

/// Correlations are estimated from at most so many replicas when there are even more comparisons; the cost is cubic.
constexpr std::size_t largest_rank = 1000;
/// Draws kept for questions of power, where 1% must be resolved.
constexpr std::size_t kept_draws = 2000;
/// Draws beyond a point that are needed to trust the share of them.
constexpr double least_count = 100;

/// Columns of unit length whose inner products are the sample's correlations; few rows.
Eigen::MatrixXd correlation_root(std::span<const std::span<const double>> cells) {
  const std::size_t all = cells.front().size();
  const std::size_t used = cells.size() > largest_rank ? std::min(all, largest_rank) : all;
  Eigen::MatrixXd y(static_cast<Eigen::Index>(used), static_cast<Eigen::Index>(cells.size()));
  for (Eigen::Index c = 0; c < y.cols(); ++c) {
    const auto values = cells[static_cast<std::size_t>(c)].first(used);
    y.col(c) = Eigen::Map<const Eigen::VectorXd>(values.data(), y.rows());
    y.col(c).array() -= y.col(c).mean();
    y.col(c).normalize();
  }
  const bool tall = y.rows() > y.cols();
  const Eigen::MatrixXd gram = tall ? Eigen::MatrixXd(y.transpose() * y) : Eigen::MatrixXd(y * y.transpose());
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(gram);
  // Trajectories are smooth: few components carry nearly all of it.
  const double total = eigen.eigenvalues().sum();
  Eigen::Index first = 0;
  for (double dropped = 0; first + 1 < gram.rows(); ++first) {
    dropped += std::max(0.0, eigen.eigenvalues()[first]);
    if (dropped > 1e-4 * total) break;
  }
  const Eigen::Index rank = gram.rows() - first;
  const auto vectors = eigen.eigenvectors().rightCols(rank);
  Eigen::MatrixXd root;
  if (tall)
    root = eigen.eigenvalues().tail(rank).cwiseMax(0.0).cwiseSqrt().asDiagonal() * vectors.transpose();
  else
    root = vectors.transpose() * y;
  root.colwise().normalize();
  return root;
}

}  // namespace

struct MaxStatistic::Impl {
  std::vector<double> group_std;
  std::vector<double> maxima;  // sorted
  Eigen::MatrixXd kept;        // comparisons x kept draws
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
  const Eigen::MatrixXd of_cells = correlation_root(cells);
  const auto n = of_cells.cols();
  Eigen::MatrixXd root(of_cells.rows(), n + static_cast<Eigen::Index>(groups.size()));
  root.leftCols(n) = of_cells;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(root.rows());
    for (const std::size_t c : groups[g]) sum += of_cells.col(static_cast<Eigen::Index>(c));
    impl_->group_std.push_back(sum.norm());
    root.col(n + static_cast<Eigen::Index>(g)) = sum.normalized();
  }

  constexpr std::size_t block = 256;
  random::Stream stream(seed, 0, 0, random::Purpose::other);
  std::vector<double> normals(static_cast<std::size_t>(root.rows()) * block);
  impl_->kept.resize(root.cols(), static_cast<Eigen::Index>(std::min(draws, kept_draws)));
  Eigen::MatrixXd z;
  for (std::size_t done = 0; done < draws; done += block) {
    stream.normals(normals);
    const Eigen::Map<const Eigen::MatrixXd> w(normals.data(), root.rows(), static_cast<Eigen::Index>(block));
    z.noalias() = root.transpose() * w;
    for (Eigen::Index b = 0; b < z.cols() && done + static_cast<std::size_t>(b) < draws; ++b) {
      impl_->maxima.push_back(z.col(b).cwiseAbs().maxCoeff());
      const auto index = static_cast<Eigen::Index>(done) + b;
      if (index < impl_->kept.cols()) impl_->kept.col(index) = z.col(b);
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
  const Eigen::Map<const Eigen::VectorXd> mu(shift.data(), static_cast<Eigen::Index>(shift.size()));
  Eigen::Index beyond = 0;
  for (Eigen::Index b = 0; b < impl_->kept.cols(); ++b)
    if ((impl_->kept.col(b) + mu).cwiseAbs().maxCoeff() > z) ++beyond;
  return static_cast<double>(beyond) / static_cast<double>(impl_->kept.cols());
}

}  // namespace edgewise::validation
