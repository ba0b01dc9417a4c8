#include "models/feature_alignment/network_alignment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/framework/divergence.hpp"
#include "models/framework/simulation_of.hpp"
#include "models/ingredients/stepping_replica.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::feature_alignment {

namespace {

using ingredients::networks::Examples;
using ingredients::networks::Network;
using ingredients::networks::NetworkObjective;
using linear_algebra::Matrix;
using linear_algebra::product;
using linear_algebra::Transposed;

/// Derivatives, over outputs and examples, whose Gram matrix is formed.
constexpr std::size_t largest_gram = 2000;

/// Derivatives of the outputs by the pre-activations, [output][layer], width x n each.
std::vector<std::vector<Matrix>> output_gradients(const NetworkObjective& objective) {
  const Network& network = objective.network();
  const std::size_t n = objective.pass().inputs->columns();
  std::vector<std::vector<Matrix>> out;
  for (std::size_t c = 0; c < network.outputs(); ++c) {
    Matrix one(network.outputs(), n);
    for (std::size_t i = 0; i < n; ++i) one(c, i) = 1;
    out.push_back(network.backward(objective.theta(), objective.pass(), one).delta);
  }
  return out;
}

Matrix layer_of(const Network& network, std::span<const double> theta, std::size_t l) {
  return {network.width(l), network.fan_in(l),
          theta.subspan(network.weights_at(l), network.width(l) * network.fan_in(l))};
}

double norm(std::span<const double> x) {
  double size = 0, sum = 0;
  for (const double value : x) size = std::max(size, std::abs(value));
  if (!(size > 0)) return 0;
  for (const double value : x) sum += value / size * (value / size);
  return size * std::sqrt(sum);
}

class AlignmentReplica final : public ingredients::ScheduledReplica {
 public:
  AlignmentReplica(std::shared_ptr<const NetworkAlignment> problem, std::uint64_t seed, std::uint64_t index)
      : AlignmentReplica(problem, problem->start(seed, index), seed, index) {}

 private:
  AlignmentReplica(std::shared_ptr<const NetworkAlignment> problem, std::vector<double> start, std::uint64_t seed,
                   std::uint64_t index)
      : ScheduledReplica(divergence_limit(1), problem->training.learning_rate, *problem->training.schedule),
        problem_(std::move(problem)),
        theta_(std::move(start)),
        start_(theta_),
        gradient_(theta_.size()),
        training_(problem_->network, {}, problem_->examples(theta_)),
        batches_(seed, index, 0, random::Purpose::batch) {}

  double descend_once(std::uint64_t step, double rate) override {
    const AlignmentTraining& how = problem_->training;
    if (how.batch > 0) {
      batches_.seek(step);
      std::vector<std::size_t> batch(how.batch);
      for (std::size_t& i : batch) i = batches_.below(problem_->data.train->size());
      training_.use(batch);
    }
    const double loss = training_.move_to(theta_);
    training_.gradient(gradient_);
    const Network& network = *problem_->network;
    for (std::size_t l = 0; l < network.layers(); ++l) {
      const std::size_t first = network.weights_at(l),
                        end = l + 1 < network.layers() ? network.weights_at(l + 1) : network.parameters();
      const std::span<const double> part(gradient_.data() + first, end - first);
      const double length = how.speeds.empty() ? 0 : norm(part);
      double factor = rate;
      if (!how.speeds.empty()) factor = length > 0 ? rate * how.speeds[l] / (how.floor + length) : 0;
      for (std::size_t k = first; k < end; ++k) theta_[k] -= factor * gradient_[k];
    }
    return loss;
  }

  void measure(std::span<double> out) const override {
    training_.use({});
    out[0] = training_.move_to(theta_);
    // The step that overflows is judged by the loss before it.
    if (!(out[0] <= divergence_limit(1))) {
      std::ranges::fill(out, std::numeric_limits<double>::infinity());
      return;
    }
    const LayerCorrelations now = layer_correlations(training_, start_, problem_->correlation);
    auto at = out.begin() + 1;
    for (const auto* part : {&now.centred, &now.uncentred, &now.moved}) at = std::ranges::copy(*part, at).out;
  }

  std::shared_ptr<const NetworkAlignment> problem_;
  std::vector<double> theta_, start_, gradient_;
  mutable NetworkObjective training_;
  random::Stream batches_;
};

}  // namespace

std::vector<double> NetworkAlignment::start(std::uint64_t of_seed, std::uint64_t replica) const {
  random::Stream stream(of_seed, replica, 0, random::Purpose::initial);
  return network->draw(stream);
}

std::shared_ptr<const Examples> NetworkAlignment::examples(std::span<const double> theta) const {
  if (!centred_output) return data.train;
  auto out = std::make_shared<Examples>(*data.train);
  ingredients::networks::Pass pass;
  network->forward(theta, out->inputs, pass);
  out->reference = pass.outputs();
  return out;
}

LayerCorrelations layer_correlations(const NetworkObjective& objective, std::span<const double> start,
                                     Correlation kind) {
  const Network& network = objective.network();
  const std::vector<double>& theta = objective.theta();
  std::vector<double> change(theta.size());
  objective.gradient(change);
  const std::vector<std::vector<Matrix>> gradients = output_gradients(objective);
  LayerCorrelations out;
  for (std::size_t l = 0; l < network.layers(); ++l) {
    std::vector<Matrix> of_layer;
    for (const std::vector<Matrix>& g : gradients) of_layer.push_back(g[l]);
    const Matrix weights = layer_of(network, theta, l), before = layer_of(network, start, l);
    Matrix moved = layer_of(network, change, l);
    const bool at_start = std::ranges::equal(weights.entries(), before.entries());
    for (std::size_t k = 0; k < moved.size() && !at_start; ++k) moved.data()[k] = weights.data()[k] - before.data()[k];
    out.centred.push_back(correlation_of(kind, feature_matrices(moved, of_layer), l + 1, true));
    out.uncentred.push_back(correlation_of(kind, feature_matrices(weights, of_layer), l + 1, false));
    out.moved.push_back(at_start ? 0 : norm(moved.entries()) / norm(before.entries()));
  }
  return out;
}

double early_correlation(const NetworkObjective& objective, std::size_t layer, Correlation kind) {
  const std::size_t outputs = objective.network().outputs(), n = objective.pass().inputs->columns();
  if (outputs * n > largest_gram)
    throw std::invalid_argument("the identity takes a Gram matrix of examples times outputs, at most 2000");
  const std::vector<double> residual = objective.cotangent();
  const std::vector<std::vector<Matrix>> gradients = output_gradients(objective);
  const Matrix& inputs = objective.pass().before(layer);
  Matrix g(gradients[0][layer].rows(), outputs * n), x(inputs.rows(), outputs * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t c = 0; c < outputs; ++c) {
      std::ranges::copy(gradients[c][layer].column(i), g.column(c + outputs * i).begin());
      for (std::size_t k = 0; k < x.rows(); ++k) x(k, c + outputs * i) = inputs(k, i) * residual[c + outputs * i];
    }
  // Products of four of them leave the range of numbers before they do.
  g = to_unit_size(std::move(g));
  x = to_unit_size(std::move(x));
  const Matrix gram = product(g, g, Transposed::yes);
  const auto between = [&](const Matrix& middle) {
    return product(product(x, middle), x, Transposed::no, Transposed::yes);
  };
  return correlation_of(kind, {between(gram), between(product(gram, gram))}, layer + 1, true);
}

std::vector<Observable> network_alignment_observables(std::size_t layers) {
  std::vector<Observable> out{{"loss", "1", "on all training examples, as all below"}};
  const std::pair<const char*, const char*> kinds[] = {
      {"rho_c", "centred correlation, of (W - W_0)'(W - W_0) and (W - W_0)'Kf(W - W_0); at step 0 its limit"},
      {"rho_u", "uncentred correlation, of W'W and W'Kf W, the average gradient outer product"},
      {"moved", "|W - W_0|/|W_0|"}};
  for (const auto& [name, doc] : kinds)
    for (std::size_t l = 1; l <= layers; ++l)
      out.push_back({fmt::format("{}_{}", name, l), "1", fmt::format("layer {}: {}", l, doc)});
  return out;
}

Trajectory solve_network_alignment(const NetworkAlignment& problem) {
  const std::vector<double> start = problem.start(problem.seed, 0);
  NetworkObjective objective(problem.network, {}, problem.examples(start));
  objective.move_to(start);
  const LayerCorrelations now = layer_correlations(objective, start, problem.correlation);
  const std::size_t layers = problem.network->layers();
  const bool by_identity = problem.network->outputs() * problem.data.train->size() <= largest_gram;
  const std::vector<Observable> observables = network_alignment_observables(layers);
  Trajectory out;
  out.steps.assign(problem.time.at.begin(), problem.time.at.end());
  const auto held = [&](std::size_t o, double value) {
    out.columns.push_back({observables[o], std::vector<double>(out.steps.size(), value), {}});
  };
  for (std::size_t l = 0; l < layers; ++l)
    held(1 + l, by_identity ? early_correlation(objective, l, problem.correlation) : now.centred[l]);
  for (std::size_t l = 0; l < layers; ++l) held(1 + layers + l, now.uncentred[l]);
  out.method = by_identity ? "early-time identity at the start of replica 0" : "gradient at the start of replica 0";
  out.valid_until = 0;
  out.warnings.push_back(
      "of a real network the start alone is known: a lazy one would stay there, which is shown and not judged");
  return out;
}

std::unique_ptr<Simulation> simulate_network_alignment(std::shared_ptr<const NetworkAlignment> problem) {
  return simulation_of(
      {network_alignment_observables(problem->network->layers()), "training of the network itself",
       [problem](auto seed, auto index) { return std::make_unique<AlignmentReplica>(problem, seed, index); }});
}

}  // namespace edgewise::models::feature_alignment
