#include "models/ingredients/networks/network_objective.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "models/framework/absent.hpp"

namespace edgewise::models::ingredients::networks {

using linear_algebra::Matrix;

NetworkObjective::NetworkObjective(std::shared_ptr<const Network> network, Loss loss,
                                   std::shared_ptr<const Examples> examples)
    : network_(std::move(network)), loss_(loss), all_(std::move(examples)), now_(all_.get()) {
  if (all_->size() == 0) throw std::invalid_argument("a loss needs at least one example");
  if (all_->inputs.rows() != network_->architecture().inputs || all_->targets.rows() != network_->outputs() ||
      all_->targets.columns() != all_->size() ||
      (all_->reference.size() > 0 && all_->reference.size() != all_->targets.size()))
    throw std::invalid_argument("the examples do not fit the network");
  if (!(loss_.inverse_temperature > 0)) throw std::invalid_argument("the inverse temperature must be positive");
}

void NetworkObjective::use(std::span<const std::size_t> batch) {
  backward_.reset();
  theta_.clear();
  if (batch.empty()) {
    now_ = all_.get();
    return;
  }
  if (batch_.size() != batch.size())
    batch_ = {Matrix(all_->inputs.rows(), batch.size()), Matrix(all_->targets.rows(), batch.size()),
              all_->reference.size() > 0 ? Matrix(all_->targets.rows(), batch.size()) : Matrix()};
  for (std::size_t k = 0; k < batch.size(); ++k) {
    std::ranges::copy(all_->inputs.column(batch[k]), batch_.inputs.column(k).begin());
    std::ranges::copy(all_->targets.column(batch[k]), batch_.targets.column(k).begin());
    if (all_->reference.size() > 0)
      std::ranges::copy(all_->reference.column(batch[k]), batch_.reference.column(k).begin());
  }
  now_ = &batch_;
}

double NetworkObjective::move_to(std::span<const double> theta) {
  theta_.assign(theta.begin(), theta.end());
  backward_.reset();
  network_->forward(theta_, now_->inputs, pass_);
  if (now_->reference.size() > 0) {
    less_ = pass_.outputs();
    for (std::size_t k = 0; k < less_.size(); ++k) less_.data()[k] -= now_->reference.data()[k];
  }
  return loss_.value(outputs(), now_->targets);
}

const Backward& NetworkObjective::backward() const {
  if (!backward_) backward_ = network_->backward(theta_, pass_, cotangents());
  return *backward_;
}

void NetworkObjective::gradient(std::span<double> out) const {
  network_->contract(pass_, backward(), out);
}

void NetworkObjective::product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  const Tangents tangents = network_->tangents(theta_, pass_, v);
  Matrix r(network_->outputs(), now_->size());
  if (part != CurvaturePart::neglected) r = loss_.curvature(outputs(), now_->targets, tangents.h.back());
  if (part == CurvaturePart::gauss_newton)
    network_->pull_back(theta_, pass_, r, out);
  else
    network_->second_product(theta_, pass_, backward(), tangents, v, r, out);
}

std::vector<double> NetworkObjective::cotangent() const {
  const Matrix c = cotangents();
  return {c.entries().begin(), c.entries().end()};
}

std::vector<double> NetworkObjective::moved_cotangent(std::span<const double> v) const {
  const Matrix c = loss_.curvature(outputs(), now_->targets, network_->push_forward(theta_, pass_, v));
  return {c.entries().begin(), c.entries().end()};
}

void NetworkObjective::pull_back(std::span<const double> c, std::span<double> out) const {
  network_->pull_back(theta_, pass_, Matrix(network_->outputs(), now_->size(), c), out);
}

void NetworkObjective::weighted_curvature(std::span<const double> c, std::span<const double> v,
                                          std::span<double> out) const {
  const Matrix none(network_->outputs(), now_->size()), weights(network_->outputs(), now_->size(), c);
  network_->second_product(theta_, pass_, network_->backward(theta_, pass_, weights),
                           network_->tangents(theta_, pass_, v), v, none, out);
}

std::vector<double> NetworkObjective::root_probe(random::Stream& stream) const {
  if (loss_.kind != LossKind::squared) throw std::logic_error("the outputs' curvature moves with the parameters");
  const double root = 1 / std::sqrt(static_cast<double>(now_->size()));
  std::vector<double> out(network_->outputs() * now_->size());
  for (double& x : out) x = stream.uniform() < 0.5 ? -root : root;
  return out;
}

double NetworkObjective::gauss_newton_trace() const {
  double trace = 0;
  for (std::size_t c = 0; c < network_->outputs(); ++c) {
    const Matrix root = loss_.curvature_root(outputs(), now_->targets, c);
    const std::vector<double> squares = network_->per_example_squares(pass_, network_->backward(theta_, pass_, root));
    trace = std::accumulate(squares.begin(), squares.end(), trace);
  }
  return trace;
}

double NetworkObjective::neglected_trace() const {
  return network_->curvature_trace(theta_, pass_, backward());
}

double NetworkObjective::flat_share() const {
  double flat = 0, all = 0;
  for (std::size_t l = 0; l + 1 < network_->layers(); ++l) {
    const double small = 0.01 * largest_second(network_->architecture().layers[l].activation);
    for (const double second : pass_.second[l].entries()) flat += std::abs(second) <= small;
    all += static_cast<double>(pass_.second[l].size());
  }
  return all > 0 ? flat / all : absent;
}

Matrix NetworkObjective::per_example_gradients() const {
  Matrix out = network_->per_example(pass_, backward());
  for (double& x : out.entries()) x *= static_cast<double>(now_->size());
  return out;
}

}  // namespace edgewise::models::ingredients::networks
