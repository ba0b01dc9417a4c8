#pragma once
/// \file
/// The loss of a network on a set of examples, or on a batch of them.
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "models/ingredients/curved_objective.hpp"
#include "models/ingredients/networks/losses.hpp"
#include "models/ingredients/networks/network.hpp"

namespace edgewise::models::ingredients::networks {

/// Inputs and targets, a column per example.
struct Examples {
  linear_algebra::Matrix inputs, targets;
  linear_algebra::Matrix reference =
      {};  ///< outputs that are taken off the network's, as those at its start; empty: none
  std::size_t size() const { return inputs.columns(); }
};

class NetworkObjective final : public CurvedObjective {
 public:
  /// All three are kept alive or copied. \throws std::invalid_argument for no examples and for shapes that do not fit.
  NetworkObjective(std::shared_ptr<const Network> network, Loss loss, std::shared_ptr<const Examples> examples);
  NetworkObjective(const NetworkObjective&) = delete;
  NetworkObjective& operator=(const NetworkObjective&) = delete;

  /// The loss is from then on that of the examples with these numbers (which may repeat); all of them for an empty batch.
  /// `move_to` must follow.
  void use(std::span<const std::size_t> batch);

  std::size_t parameters() const override { return network_->parameters(); }
  double move_to(std::span<const double> theta) override;
  void gradient(std::span<double> out) const override;
  void product(CurvaturePart part, std::span<const double> v, std::span<double> out) const override;
  std::vector<double> cotangent() const override;
  std::vector<double> moved_cotangent(std::span<const double> v) const override;
  void pull_back(std::span<const double> c, std::span<double> out) const override;
  void weighted_curvature(std::span<const double> c, std::span<const double> v, std::span<double> out) const override;
  /// Signs over sqrt n. \throws std::logic_error but for squared losses.
  std::vector<double> root_probe(random::Stream& stream) const override;

  double accuracy() const { return Loss::accuracy(outputs(), now_->targets); }
  /// tr GGN and tr NME, exactly.
  double gauss_newton_trace() const;
  double neglected_trace() const;
  /// Of hidden units times examples, the share at which |phi''| is at most 1% of its largest; absent without any.
  double flat_share() const;
  /// Gradients of the single examples' losses by column, parameters x n: their mean is the gradient.
  linear_algebra::Matrix per_example_gradients() const;

  const Network& network() const { return *network_; }
  const Loss& loss() const { return loss_; }
  const Pass& pass() const { return pass_; }
  const std::vector<double>& theta() const { return theta_; }

 private:
  const linear_algebra::Matrix& outputs() const { return now_->reference.size() > 0 ? less_ : pass_.outputs(); }
  linear_algebra::Matrix cotangents() const { return loss_.cotangent(outputs(), now_->targets); }
  const Backward& backward() const;

  std::shared_ptr<const Network> network_;
  Loss loss_;
  std::shared_ptr<const Examples> all_;
  Examples batch_;
  const Examples* now_;
  std::vector<double> theta_;
  Pass pass_;
  linear_algebra::Matrix less_;  ///< outputs less the reference, where there is one
  mutable std::optional<Backward> backward_;
};

}  // namespace edgewise::models::ingredients::networks
