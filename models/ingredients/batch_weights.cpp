#include "models/ingredients/batch_weights.hpp"

#include <algorithm>
#include <cmath>

#include "models/ingredients/draw_limits.hpp"
#include "models/ingredients/gradient_kernels.hpp"

namespace edgewise::models::ingredients {

LabelNoise::LabelNoise(const Noise* law, double gaussian_variance, std::uint64_t seed, std::uint64_t replica)
    : law_(law && !law->gaussian() ? law : nullptr),
      deviation_(std::sqrt((law && law->gaussian() ? law->variance() : 0.0) + gaussian_variance)),
      labels_(seed, replica, 0, random::Purpose::labels),
      gaussian_(seed, replica, 0, random::Purpose::other) {}

void LabelNoise::seek(std::uint64_t step) {
  labels_.seek(step);
  gaussian_.seek(step);
}

void LabelNoise::fill(std::span<double> eps) {
  if (deviation_ > 0) {
    gaussian_.normals(eps);
    for (double& e : eps) e *= deviation_;
  } else {
    std::ranges::fill(eps, 0.0);
  }
  if (law_)
    for (double& e : eps) e += law_->draw(labels_);
}

BatchAction BatchAction::of(double products, double squares, double deviation) {
  BatchAction action;
  action.norm = std::sqrt(squares);
  // P = 0: v is in the kernel of K, no x_b has a component along it.
  action.unit = deviation > 0 ? deviation : 1;
  action.along = deviation > 0 ? products / deviation : 0;
  action.across = deviation > 0 ? action.norm / deviation : 0;
  return action;
}

BatchWeights::BatchWeights(double batch, double noise_variance, const LabelNoise& labels, bool collapsed,
                           std::uint64_t seed, std::uint64_t replica)
    : batch_(batch),
      sigma_(std::sqrt(noise_variance)),
      collapsed_(collapsed),
      stream_(seed, replica, 0, random::Purpose::batch),
      labels_(labels) {
  if (!collapsed) check_examples(batch);
}

void BatchWeights::draw(std::uint64_t step, double excess) {
  if (!collapsed_) {
    draw_through([](double weight) { return weight; }, step, excess);
    return;
  }
  stream_.seek(step);
  const double total = std::sqrt(excess + sigma_ * sigma_);
  const double chi_square = stream_.chi_square(batch_);
  const double root = std::sqrt(chi_square);
  action_.along = chi_square;
  // P = sigma = 0: every residual is 0 and so is the gradient.
  action_.across = total > 0 ? root / (total + sigma_) : 0;
  action_.norm = root * total;
}

}  // namespace edgewise::models::ingredients
