#include "models/finite_data/loss_variance.hpp"

#include <algorithm>
#include <cmath>

namespace edgewise::models::finite_data {

using linear_algebra::Transposed;

namespace {

/// x (x - 1) ... (x - r + 1).
double falling(double x, std::size_t r) {
  double out = 1;
  for (std::size_t k = 0; k < r; ++k) out *= x - static_cast<double>(k);
  return out;
}

/// E prod_r n_r^{a_r} for distinct indices with the given powers.
double joint_moment(Sampling sampling, double N, double B, const std::vector<std::size_t>& powers) {
  const std::size_t r = powers.size();
  if (sampling == Sampling::bernoulli) return std::pow(B / N, static_cast<double>(r));
  if (sampling != Sampling::with_replacement) return static_cast<double>(r) <= N ? falling(B, r) / falling(N, r) : 0.0;
  // Multinomial counts: n^a = sum_k S(a, k) (n)_k, and E prod (n_r)_{k_r} = (B)_K/N^K with K = sum k_r.
  constexpr double stirling[5][5] = {{1}, {0, 1}, {0, 1, 1}, {0, 1, 3, 1}, {0, 1, 7, 6, 1}};
  std::array<double, 5> ways{1};  // of reaching K
  for (const std::size_t a : powers) {
    std::array<double, 5> next{};
    for (std::size_t K = 0; K < 5; ++K)
      for (std::size_t k = 1; k <= a && K + k < 5; ++k) next[K + k] += ways[K] * stirling[a][k];
    ways = next;
  }
  double sum = 0;
  for (std::size_t K = 0; K < 5; ++K) sum += ways[K] * falling(B, K) / std::pow(N, static_cast<double>(K));
  return sum;
}

}  // namespace

CountMoments count_moments(Sampling sampling, std::size_t samples, std::size_t batch) {
  CountMoments out{};
  const auto N = static_cast<double>(samples), B = static_cast<double>(batch);
  const auto set = [&](std::size_t m, std::size_t pairs, const std::vector<std::size_t>& powers) {
    out[m][pairs] = joint_moment(sampling, N, B, powers);
  };
  set(0, 0, {});
  set(1, 0, {1});
  set(2, 1, {2});
  set(2, 0, {1, 1});
  set(3, 3, {3});
  set(3, 1, {2, 1});
  set(3, 0, {1, 1, 1});
  set(4, 6, {4});
  set(4, 3, {3, 1});
  set(4, 2, {2, 2});
  set(4, 1, {2, 1, 1});
  set(4, 0, {1, 1, 1, 1});
  return out;
}

FourthMoments::FourthMoments(const FiniteData& data, const Kernel& kernel)
    : n_(data.samples()),
      scale_(static_cast<double>(n_) / static_cast<double>(data.batch)),
      counts_(count_moments(data.sampling, n_, data.batch)) {
  linear_algebra::Matrix scaled = kernel.vectors;
  for (std::size_t a = 0; a < n_; ++a)
    for (double& v : scaled.column(a)) v *= kernel.eigenvalue[a];
  theta_ = linear_algebra::product(scaled, kernel.vectors, Transposed::no, Transposed::yes);
  if (kernel.rank < n_ && null_power(data, kernel) == 0) {
    const std::span<const double> seen(kernel.vectors.data(), n_ * kernel.rank);
    projector_.emplace(n_, n_);
    linear_algebra::multiply(n_, n_, kernel.rank, 1, seen.data(), n_, Transposed::no, seen.data(), n_, Transposed::yes,
                             0, projector_->data(), n_);
  }
  const std::vector<double>& z = data.residual;
  moments_.reserve(n_ * n_ * n_ * n_);
  for (std::size_t l = 0; l < n_; ++l)
    for (std::size_t k = 0; k < n_; ++k)
      for (std::size_t j = 0; j < n_; ++j)
        for (std::size_t i = 0; i < n_; ++i) moments_.push_back(z[i] * z[j] * z[k] * z[l]);
}

double FourthMoments::cost(std::size_t samples, double steps) {
  return 20 * std::pow(static_cast<double>(samples), 5) * steps;
}

double FourthMoments::power_squared() const {
  double sum = 0;
  for (std::size_t k = 0; k < n_; ++k)
    for (std::size_t i = 0; i < n_; ++i) sum += at(moments_, i, i, k, k);
  return sum;
}

void FourthMoments::along_axes(const linear_algebra::Matrix& symmetric, std::size_t axes, std::vector<double>& tensor) {
  const std::size_t n = n_;
  work_.resize(tensor.size());
  const double* matrix = symmetric.data();
  linear_algebra::multiply(n, n * n * n, n, 1, matrix, n, Transposed::no, tensor.data(), n, Transposed::no, 0,
                           work_.data(), n);
  tensor.swap(work_);
  // Of the others, each slab of the axes before and of this one is a matrix.
  for (std::size_t axis = 1, rows = n; axis < axes; ++axis, rows *= n) {
    for (std::size_t at = 0; at < tensor.size(); at += rows * n)
      linear_algebra::multiply(rows, n, n, 1, tensor.data() + at, rows, Transposed::no, matrix, n, Transposed::no, 0,
                               work_.data() + at, rows);
    tensor.swap(work_);
  }
}

void FourthMoments::step(double learning_rate) {
  const std::size_t n = n_;
  for (std::size_t m = 1; m <= 4; ++m) {
    std::vector<double>& out = moved_[m];
    out = moments_;
    std::size_t place = 0;
    for (std::size_t l = 0; l < n; ++l)
      for (std::size_t k = 0; k < n; ++k)
        for (std::size_t j = 0; j < n; ++j)
          for (std::size_t i = 0; i < n; ++i, ++place) {
            const std::size_t index[4] = {i, j, k, l};
            std::size_t pairs = 0;
            for (std::size_t a = 0; a < m; ++a)
              for (std::size_t b = 0; b < a; ++b) pairs += index[a] == index[b];
            out[place] *= counts_[m][pairs];
          }
    along_axes(theta_, m, out);
  }
  const double c = -learning_rate * scale_;
  const auto& one = moved_[1];
  const auto& two = moved_[2];
  const auto& three = moved_[3];
  for (std::size_t l = 0; l < n; ++l)
    for (std::size_t k = 0; k <= l; ++k)
      for (std::size_t j = 0; j <= k; ++j)
        for (std::size_t i = 0; i <= j; ++i) {
          const double ones = at(one, i, j, k, l) + at(one, j, i, k, l) + at(one, k, i, j, l) + at(one, l, i, j, k);
          const double twos = at(two, i, j, k, l) + at(two, i, k, j, l) + at(two, i, l, j, k) + at(two, j, k, i, l) +
                              at(two, j, l, i, k) + at(two, k, l, i, j);
          const double threes =
              at(three, i, j, k, l) + at(three, i, j, l, k) + at(three, i, k, l, j) + at(three, j, k, l, i);
          const double value =
              at(moments_, i, j, k, l) + c * (ones + c * (twos + c * (threes + c * at(moved_[4], i, j, k, l))));
          std::array<std::size_t, 4> index{i, j, k, l};
          do {
            moments_[index[0] + n * (index[1] + n * (index[2] + n * index[3]))] = value;
          } while (std::next_permutation(index.begin(), index.end()));
        }
  if (projector_) along_axes(*projector_, 4, moments_);
}

}  // namespace edgewise::models::finite_data
