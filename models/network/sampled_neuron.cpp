#include "models/network/sampled_neuron.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "numerics/constants.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::network {

using ingredients::CurvaturePart;
using ingredients::networks::ActivationKind;
using ingredients::networks::ActivationValues;
using numerics::dot_in_order;
using numerics::squared_norm_in_order;

namespace {

ActivationKind activation_of(NeuronKind kind) {
  if (kind == NeuronKind::erf) return ActivationKind::erf;
  return kind == NeuronKind::beta_gelu ? ActivationKind::beta_gelu : ActivationKind::relu;
}

void add(std::span<double> out, double factor, std::span<const double> x) {
  for (std::size_t k = 0; k < out.size(); ++k) out[k] += factor * x[k];
}

}  // namespace

SampledNeuron::SampledNeuron(NeuronKind kind, std::vector<double> teacher, double beta)
    : kind_(kind), phi_{activation_of(kind), beta}, teacher_(std::move(teacher)) {}

void SampledNeuron::draw(random::Stream& stream, std::size_t examples) {
  if (x_.columns() != examples) x_ = linear_algebra::Matrix(teacher_.size(), examples);
  stream.normals(std::span(x_.data(), x_.size()));
}

double SampledNeuron::move_to(std::span<const double> w) {
  w_.assign(w.begin(), w.end());
  const std::size_t n = x_.columns();
  residual_.resize(n);
  first_.resize(n);
  second_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const ActivationValues at = evaluate(phi_, dot_in_order(x_.column(i), w_));
    residual_[i] = at.value - evaluate(phi_, dot_in_order(x_.column(i), teacher_)).value;
    first_[i] = at.first;
    second_[i] = at.second;
  }
  return 0.5 * squared_norm_in_order(residual_) / static_cast<double>(n);
}

void SampledNeuron::gradient(std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  const auto n = static_cast<double>(x_.columns());
  for (std::size_t i = 0; i < x_.columns(); ++i) add(out, residual_[i] * first_[i] / n, x_.column(i));
}

double SampledNeuron::neglected(std::span<const double> x, std::size_t i, std::vector<double>& at) const {
  at.assign(x.begin(), x.end());
  if (kind_ != NeuronKind::relu_true) return residual_[i] * second_[i];
  const double square = squared_norm_in_order(w_);
  add(at, -dot_in_order(at, w_) / square, w_);
  return -evaluate(phi_, dot_in_order(at, teacher_)).value / std::sqrt(2 * pi * square);
}

void SampledNeuron::product(CurvaturePart part, std::span<const double> v, std::span<double> out) const {
  std::ranges::fill(out, 0.0);
  const auto n = static_cast<double>(x_.columns());
  std::vector<double> at;
  for (std::size_t i = 0; i < x_.columns(); ++i) {
    const auto x = x_.column(i);
    if (part != CurvaturePart::neglected) add(out, first_[i] * first_[i] * dot_in_order(x, v) / n, x);
    if (part == CurvaturePart::gauss_newton) continue;
    const double weight = neglected(x, i, at);
    add(out, weight * dot_in_order(at, v) / n, at);
  }
}

SampledNeuron::Traces SampledNeuron::traces() const {
  Traces out;
  double squares = 0;
  std::vector<double> at;
  const auto n = static_cast<double>(x_.columns());
  for (std::size_t i = 0; i < x_.columns(); ++i) {
    const auto x = x_.column(i);
    out.gauss_newton += first_[i] * first_[i] * squared_norm_in_order(x) / n;
    const double weight = neglected(x, i, at), one = weight * squared_norm_in_order(at);
    out.neglected += one / n;
    squares += one * one / n;
  }
  out.spread = std::sqrt(std::max(squares - out.neglected * out.neglected, 0.0));
  return out;
}

}  // namespace edgewise::models::network
