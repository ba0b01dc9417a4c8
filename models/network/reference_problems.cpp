#include "models/network/reference_problems.hpp"

#include <cmath>
#include <utility>

namespace edgewise::models::network {

namespace {

using ingredients::networks::Architecture;
using ingredients::networks::Examples;
using ingredients::networks::Loss;
using ingredients::networks::LossKind;
using ingredients::networks::Network;
using ingredients::networks::NetworkObjective;
using linear_algebra::Matrix;

QuadraticInstance given(std::vector<double> z0, Matrix j0, const Matrix& q) {
  ingredients::CurvatureTensor tensor(z0.size(), q.columns(), q);
  return std::make_shared<const ingredients::QuadraticInstance>(
      ingredients::QuadraticInstance{std::move(z0), std::move(j0), std::move(tensor)});
}

NetworkObjective toy(bool deep) {
  auto examples = std::make_shared<Examples>(Examples{Matrix(3, 6), Matrix(3, 6)});
  for (std::size_t i = 0; i < 6; ++i) {
    for (std::size_t j = 0; j < 3; ++j)
      examples->inputs(j, i) = std::cos(1 + 0.7 * static_cast<double>(i) + 1.3 * static_cast<double>(j));
    examples->targets(i % 3, i) = 1;
  }
  Architecture a{3, {}};
  if (deep) a.layers.push_back({2, {}, false});
  a.layers.push_back({3, {}, false});
  return {std::make_shared<const Network>(a), Loss{LossKind::cross_entropy}, examples};
}

}  // namespace

QuadraticInstance portable_quadratic() {
  ingredients::QuadraticLaw law{.outputs = 8, .parameters = 16, .portable = true};
  return std::make_shared<const ingredients::QuadraticInstance>(
      ingredients::draw_instance(law, 2, 0, ingredients::CurvatureTensor::Storage::stored));
}

QuadraticInstance scalar_saddle() {
  Matrix q(1, 1);
  q(0, 0) = 1;
  return given({-1}, Matrix(1, 1), q);
}

QuadraticInstance sharpening_toy() {
  Matrix j0(2, 3), q(6, 3);
  j0(0, 0) = 1;
  j0(1, 1) = j0(1, 2) = 0.03;
  q(0, 1) = q(1, 0) = 1;
  return given({-1, -1}, std::move(j0), q);
}

FunctionalSamToy::FunctionalSamToy(bool deep) : objective(toy(deep)) {
  // Column by column, as the flat parameters stand.
  const auto at = [](std::size_t k) { return static_cast<double>(k); };
  if (!deep)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t c = 0; c < 3; ++c) theta.push_back(0.4 * std::sin(1 + at(c) + 1.5 * at(j)));
  if (!deep) return;
  for (std::size_t j = 0; j < 3; ++j)
    for (std::size_t h = 0; h < 2; ++h) theta.push_back(0.8 * std::cos(at(h) + 2 * at(j) + 0.5));
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t c = 0; c < 3; ++c) theta.push_back(0.9 * std::sin(1 + at(c) + 1.5 * at(h)));
}

}  // namespace edgewise::models::network
