#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/population.hpp"
#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::finite_data {

namespace {

using linear_algebra::Matrix;

/// Draws the batches of one replica, to be called for every step in order.
class BatchDraw {
 public:
  BatchDraw(const FiniteData& data, std::uint64_t seed, std::uint64_t index)
      : sampling_(data.sampling),
        samples_(data.samples()),
        batch_(data.batch),
        stream_(seed, index, 0, random::Purpose::batch),
        order_(samples_) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
  }

  std::span<const std::size_t> operator()(std::uint64_t step) {
    switch (sampling_) {
      case Sampling::without_replacement:
        if (batch_ == samples_) return order_;
        // Any order of the indices is as good a start as another: the last step's is kept.
        order(step, batch_);
        return {order_.data(), batch_};
      case Sampling::with_replacement:
        stream_.seek(step);
        drawn_.clear();
        for (std::size_t k = 0; k < batch_; ++k) drawn_.push_back(stream_.below(samples_));
        return drawn_;
      case Sampling::bernoulli: {
        stream_.seek(step);
        drawn_.clear();
        const double share = static_cast<double>(batch_) / static_cast<double>(samples_);
        for (std::size_t i = 0; i < samples_; ++i)
          if (stream_.uniform() < share) drawn_.push_back(i);
        return drawn_;
      }
      case Sampling::shuffle: {
        const std::uint64_t batches = samples_ / batch_, place = step % batches;
        if (place == 0) order(step, samples_ - 1);
        return {order_.data() + place * batch_, batch_};
      }
    }
    throw std::logic_error("unknown sampling");
  }

 private:
  /// Draws the first indices of the order.
  void order(std::uint64_t step, std::size_t first) {
    stream_.seek(step);
    for (std::size_t k = 0; k < first; ++k) std::swap(order_[k], order_[k + stream_.below(samples_ - k)]);
  }

  Sampling sampling_;
  std::size_t samples_, batch_;
  random::Stream stream_;
  std::vector<std::size_t> order_, drawn_;
};

double loss_of(std::span<const double> residual) {
  const double power = numerics::squared_norm_in_order(residual);
  return power / (2 * static_cast<double>(residual.size()));
}

/// What the replicas share.
struct Shared {
  std::shared_ptr<const FiniteData> data;
  Matrix gram;  ///< X X'; empty when the parameters are followed instead
};

class DataReplica final : public ingredients::ScheduledReplica {
 public:
  DataReplica(std::shared_ptr<const Shared> shared, std::uint64_t seed, std::uint64_t index)
      : ingredients::ScheduledReplica(divergence_limit(loss_of(shared->data->residual)), shared->data->learning_rate,
                                      *shared->data->schedule),
        shared_(std::move(shared)),
        data_(*shared_->data),
        draw_(data_, seed, index),
        residual_(data_.residual),
        moved_(in_parameters() ? data_.parameters() : 0, 0.0),
        pulled_(!in_parameters() && data_.population ? data_.samples() : 0, 0.0) {}

 private:
  double descend_once(std::uint64_t step, double rate) override {
    const auto batch = draw_(step);
    pull_.clear();
    double power = 0;
    // The residuals of a batch are those before its step, however often an index comes.
    for (const std::size_t i : batch) {
      const double z = residual_at(i);
      power += z * z;
      pull_.push_back(rate / static_cast<double>(data_.batch) * z);
    }
    std::vector<double>& state = in_parameters() ? moved_ : residual_;
    for (std::size_t k = 0; k < batch.size(); ++k) {
      const auto column = in_parameters() ? data_.inputs.column(batch[k]) : shared_->gram.column(batch[k]);
      for (std::size_t i = 0; i < state.size(); ++i) state[i] -= pull_[k] * column[i];
      if (!pulled_.empty()) pulled_[batch[k]] += pull_[k];
    }
    return power;
  }

  void measure(std::span<double> out) const override {
    std::vector<double> residual;
    for (std::size_t i = 0; i < data_.samples(); ++i) residual.push_back(residual_at(i));
    out[0] = loss_of(residual);
    if (!data_.population) return;
    const double excess = population_excess(*data_.population, in_parameters() ? moved_ : parameters());
    if (data_.has_risk()) out[1] = 0.5 * (excess + data_.population->noise_variance);
    out.back() = excess;
  }

  bool in_parameters() const { return shared_->gram.size() == 0; }
  double residual_at(std::size_t i) const {
    if (!in_parameters()) return residual_[i];
    const auto x = data_.inputs.column(i);
    return std::inner_product(x.begin(), x.end(), moved_.begin(), data_.residual[i]);
  }
  /// theta = -X' (all that pulled on the residuals).
  std::vector<double> parameters() const {
    std::vector<double> out(data_.parameters(), 0.0);
    for (std::size_t i = 0; i < data_.samples(); ++i) {
      const auto x = data_.inputs.column(i);
      for (std::size_t j = 0; j < out.size(); ++j) out[j] -= pulled_[i] * x[j];
    }
    return out;
  }

  std::shared_ptr<const Shared> shared_;
  const FiniteData& data_;
  BatchDraw draw_;
  std::vector<double> residual_;  // z, in the kernel's space; at the start, in the parameters'
  std::vector<double> moved_;     // theta - theta_0, in the parameters' space
  std::vector<double> pulled_;    // how far every sample has pulled, where the parameters are asked of the kernel's
  std::vector<double> pull_;
};

}  // namespace

std::unique_ptr<Simulation> simulate_finite_data(std::shared_ptr<const FiniteData> data, Sampler sampler) {
  auto shared = std::make_shared<Shared>();
  if (sampler == Sampler::kernel || (sampler == Sampler::automatic && data->samples() < 2 * data->parameters()))
    shared->gram = linear_algebra::product(data->inputs, data->inputs, linear_algebra::Transposed::yes);
  shared->data = std::move(data);
  const bool by_parameters = shared->gram.size() == 0;
  return simulation_of({finite_data_observables(*shared->data), by_parameters ? "parameters" : "kernel",
                        [shared = std::shared_ptr<const Shared>(std::move(shared))](auto seed, auto index) {
                          return std::make_unique<DataReplica>(shared, seed, index);
                        }});
}

}  // namespace edgewise::models::finite_data
