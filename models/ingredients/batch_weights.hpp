#pragma once
/// \file
/// The few scalars through which a mini-batch of Gaussian data acts on the parameters
/// (docs/theory/least-squares-sgd.md, section 2), whatever the dimension.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "random/random.hpp"

namespace edgewise::models::ingredients {

/// Label noise eps of one replica: the noise law plus the Gaussian part that no linear function explains.
class LabelNoise {
 public:
  /// `law`, which may be null, plus a Gaussian part; a Gaussian law is drawn with it.
  LabelNoise(const Noise* law, double gaussian_variance, std::uint64_t seed, std::uint64_t replica);
  void seek(std::uint64_t step);     ///< to the start of a step's noise
  void fill(std::span<double> eps);  ///< the next numbers of the step
  /// Calls `work(eps)` with the next `count` numbers of the step in turn. They are drawn by chunks: the memory does not
  /// grow with their count.
  template <class Work>
  void each(double count, const Work& work);

 private:
  const Noise* law_;  // null when it is Gaussian, and part of deviation_
  double deviation_;  // of the Gaussian part
  random::Stream labels_, gaussian_;
  std::vector<double> chunk_;
};

/// Whole blocks of normals keep the sequence the same for any chunk.
inline constexpr double label_chunk = 16 * random::Stream::normal_granularity;

template <class Work>
void LabelNoise::each(double count, const Work& work) {
  for (double left = count; left > 0; left -= label_chunk) {
    chunk_.resize(static_cast<std::size_t>(std::min(left, label_chunk)));
    fill(chunk_);
    for (const double eps : chunk_) work(eps);
  }
}

/// A step in the coordinates u_i = sqrt(lambda_i) v_i is  u <- u - lambda (shrink u + noise z),  z ~ N(0, I).
struct StepScalars {
  double shrink = 0, noise = 0;
};

/// What a batch with weights c_b does, given the n_b ~ N(0,1) of its residuals' parts <x_b, v> = sqrt(P) n_b (2.1):
/// sum_b c_b x_b = K v (along - across y / unit) + norm h, h ~ N(0, K), y = <v, h>.
struct BatchAction {
  double along = 0, across = 0, norm = 0;
  double unit = 1;  ///< keeps a tiny P from overflowing

  /// \param products sum_b c_b n_b;  \param squares sum_b c_b^2;  \param deviation sqrt(P).
  static BatchAction of(double products, double squares, double deviation);
  StepScalars scalars(double step, double y) const { return {step * (along - across * (y / unit)), step * norm}; }
};

/// The batch weights w_b = r_b - eps_b of one replica, r_b = <x_b, v> ~ N(0, P) iid.
class BatchWeights {
 public:
  /// \param noise_variance sigma^2 of `labels`.
  /// \param collapsed the B weights of Gaussian noise in one chi-square (2.1), whatever B; else B residuals and B
  /// noises. \throws std::invalid_argument when these are too many, see check_examples().
  BatchWeights(double batch, double noise_variance, const LabelNoise& labels, bool collapsed, std::uint64_t seed,
               std::uint64_t replica);

  /// Draws the batch of a step, given P = sum u^2.
  void draw(std::uint64_t step, double excess);
  /// The same with the weights c_b = chi(w_b), each drawn.
  template <class Chi>
  void draw_through(const Chi& chi, std::uint64_t step, double excess);
  /// The step's scalars at the learning rate `rate`, given y = <v, h> = sum u_i z_i of the z that the step uses.
  StepScalars scalars(double rate, double y) const { return action_.scalars(rate / batch_, y); }
  /// (1/2B) sum_b w_b^2, the loss of the batch.
  double loss() const { return 0.5 * action_.norm * action_.norm / batch_; }

 private:
  double batch_, sigma_;
  bool collapsed_;
  random::Stream stream_;
  LabelNoise labels_;
  std::vector<double> residual_, eps_;
  BatchAction action_;
};

template <class Chi>
void BatchWeights::draw_through(const Chi& chi, std::uint64_t step, double excess) {
  stream_.seek(step);
  labels_.seek(step);
  // Chunks keep the memory small for a large batch.
  const double scale = std::sqrt(excess);
  double products = 0, squares = 0;
  for (double left = batch_; left > 0; left -= label_chunk) {
    const auto count = static_cast<std::size_t>(std::min(left, label_chunk));
    residual_.resize(count);
    eps_.resize(count);
    stream_.normals(residual_);
    labels_.fill(eps_);
    for (std::size_t b = 0; b < count; ++b) {
      const double weight = chi(scale * residual_[b] - eps_[b]);
      products += weight * residual_[b];
      squares += weight * weight;
    }
  }
  action_ = BatchAction::of(products, squares, scale);
}

}  // namespace edgewise::models::ingredients
