#include "models/feature_alignment/correlation.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace edgewise::models::feature_alignment {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

double largest(std::span<const double> entries) {
  double out = 0;
  for (const double x : entries) out = std::max(out, std::abs(x));
  return out;
}

}  // namespace

Matrix to_unit_size(Matrix m) {
  const double size = largest(m.entries());
  if (size > 0)
    for (double& x : m.entries()) x /= size;
  return m;
}

std::optional<double> correlation(Correlation kind, const Matrix& p, const Matrix& q) {
  if (p.rows() != q.rows() || p.columns() != q.columns())
    throw std::invalid_argument("a correlation is of two matrices of one shape");
  const double sizes[2] = {largest(p.entries()), largest(q.entries())};
  if (!(sizes[0] > 0 && sizes[1] > 0)) return std::nullopt;
  const auto count = static_cast<double>(p.size());
  double mean[2] = {0, 0};
  if (kind == Correlation::pearson)
    for (std::size_t k = 0; k < p.size(); ++k) {
      mean[0] += p.data()[k] / sizes[0] / count;
      mean[1] += q.data()[k] / sizes[1] / count;
    }
  double pp = 0, qq = 0, pq = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    const double a = p.data()[k] / sizes[0] - mean[0], b = q.data()[k] / sizes[1] - mean[1];
    pp += a * a;
    qq += b * b;
    pq += a * b;
  }
  // Matrices that are constant but for rounding have none either.
  constexpr double rounding = 1e-28;
  if (!(pp > rounding * count * mean[0] * mean[0] && qq > rounding * count * mean[1] * mean[1])) return std::nullopt;
  return pq / (std::sqrt(pp) * std::sqrt(qq));
}

FeatureMatrices feature_matrices(const Matrix& a, std::span<const Matrix> gradients) {
  const Matrix scaled = to_unit_size(a);
  FeatureMatrices out{Matrix(a.columns(), a.columns()), Matrix(a.columns(), a.columns())};
  linear_algebra::rank_update(1, scaled, Transposed::yes, out.features);
  double size = 0;
  for (const Matrix& g : gradients) size = std::max(size, largest(g.entries()));
  for (const Matrix& g : gradients) {
    if (!(size > 0)) break;
    Matrix unit = g;
    for (double& x : unit.entries()) x /= size;
    linear_algebra::rank_update(1, linear_algebra::product(scaled, unit, Transposed::yes), Transposed::no,
                                out.gradient_products);
  }
  linear_algebra::fill_upper(out.features);
  linear_algebra::fill_upper(out.gradient_products);
  return out;
}

double correlation_of(Correlation kind, const FeatureMatrices& matrices, std::size_t layer, bool centred) {
  const auto out = correlation(kind, matrices.features, matrices.gradient_products);
  if (out) return *out;
  const auto finite = [](const Matrix& m) {
    return std::ranges::all_of(m.entries(), [](double x) { return std::isfinite(x); });
  };
  const std::string name = (centred ? "rho_c of layer " : "rho_u of layer ") + std::to_string(layer);
  if (!finite(matrices.features) || !finite(matrices.gradient_products))
    throw std::domain_error(
        name +
        " has no value: weights or gradients overflow; what sets their size (the rate, initial weights, "
        "data.target_scale) is out of range");
  throw std::domain_error(
      name + " is not defined: " +
      (centred ? "the layer has not moved, its gradient is 0" : "its weights or its gradients are 0") +
      (kind == Correlation::pearson ? ", or the matrices are constant" : "") +
      "; a gradient may be 0 as that of saturated units is: take a smaller optimizer.learning_rate or smaller weights");
}

}  // namespace edgewise::models::feature_alignment
