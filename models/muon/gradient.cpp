#include "models/muon/gradient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

#include "models/muon/sign_coefficients.hpp"
#include "numerics/sums.hpp"

namespace edgewise::models::muon {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

// Samples are drawn this many at a time; part of what a seed means.
constexpr std::size_t chunk = 256;
constexpr double largest_size = 1e8;  // of m n
constexpr double most_examples = 1e8;

std::vector<double> roots(const std::vector<double>& values) {
  std::vector<double> out;
  for (const double v : values) out.push_back(std::sqrt(v));
  return out;
}

void scale_rows(Matrix& a, const std::vector<double>& factor) {
  for (std::size_t i = 0; i < a.columns(); ++i) {
    double* const column = a.column(i).data();
    for (std::size_t j = 0; j < a.rows(); ++j) column[j] *= factor[j];
  }
}

}  // namespace

MatrixCoordinates::MatrixCoordinates(const MatrixLeastSquares& problem) {
  if (problem.spectrum.compressed || !problem.spectrum.whole_multiplicities())
    throw std::invalid_argument(
        "spectrum: compressed, its nodes do not stand for single directions; only the theory "
        "takes it");
  if (problem.outputs * problem.inputs() > largest_size)
    throw std::invalid_argument(fmt::format("data.outputs: {} x {} is too large to be simulated (at most {} entries)",
                                            problem.outputs, problem.inputs(), largest_size));
  column = spectra::coordinates_of(problem.spectrum);
  row = spectra::coordinates_of(problem.output_spectrum);
}

double MatrixCoordinates::excess(const Matrix& delta) const {
  double P = 0;
  for (std::size_t j = 0; j < column.size(); ++j) {
    double square = 0;
    const auto error = delta.column(j);
    for (std::size_t k = 0; k < row.size(); ++k) square += row.eigenvalue[k] * error[k] * error[k];
    P += column.eigenvalue[j] * square;
  }
  return P;
}

Matrix initial_error(const MatrixCoordinates& coordinates, std::uint64_t seed, std::uint64_t replica) {
  random::Stream stream(seed, replica, 0, random::Purpose::initial);
  Matrix delta(coordinates.row.size(), coordinates.column.size());
  stream.normals(delta.entries());
  for (std::size_t j = 0; j < coordinates.column.size(); ++j) {
    const double square = numerics::squared_norm_in_order(delta.column(j));
    const double factor = std::sqrt(coordinates.column.power[j] / square);
    for (double& x : delta.column(j)) x *= factor;
  }
  return delta;
}

void check_drawn_batch(const MatrixLeastSquares& problem) {
  if (problem.batch > most_examples)
    throw std::invalid_argument(
        fmt::format("optimizer.batch: a gradient with a signal takes every example, at most {:g} of them, got {:g}",
                    most_examples, problem.batch));
}

GradientSampler::GradientSampler(const MatrixLeastSquares& problem, const MatrixCoordinates& coordinates,
                                 std::uint64_t seed, std::uint64_t replica)
    : problem_(problem),
      coordinates_(coordinates),
      columns_(seed, replica, 0, random::Purpose::gradient),
      rows_(seed, replica, 0, random::Purpose::data),
      labels_(seed, replica, 0, random::Purpose::labels),
      root_column_(roots(coordinates.column.eigenvalue)),
      root_row_(roots(coordinates.row.eigenvalue)),
      weights_(problem.labels == Labels::vector ? WeightNodes{{1}, {1}} : chi_square_nodes(weight_nodes)) {}

void GradientSampler::draw(std::uint64_t step, const Matrix* delta, MaybeFactored& out) {
  const std::size_t m = coordinates_.row.size(), n = coordinates_.column.size();
  const auto batch = static_cast<std::size_t>(problem_.batch);
  const bool vector = problem_.labels == Labels::vector;
  const double deviation = std::sqrt(problem_.noise_variance);
  const double weight = delta ? 1 / problem_.batch : 1;
  columns_.seek(step);
  rows_.seek(step);
  labels_.seek(step);
  if (!delta && is_large_batch(problem_.batch, m, n)) {
    out.factored = false;
    draw_large_batch(problem_.batch, weights_, root_row_, root_column_, rows_, columns_, labels_, out.matrix);
    return;
  }
  // Thin factors pay where the core is clearly smaller than the matrix.
  out.factored = 3 * batch <= 2 * std::min(m, n) && batch <= chunk;
  if (!out.factored && (out.matrix.rows() != m || out.matrix.columns() != n)) out.matrix = Matrix(m, n);
  for (std::size_t done = 0; done < batch; done += chunk) {
    const std::size_t count = std::min(chunk, batch - done);
    if (inputs_.columns() != count || inputs_.rows() != n) {
      inputs_ = Matrix(n, count);
      outputs_ = Matrix(m, count);
    }
    columns_.normals(inputs_.entries());
    scale_rows(inputs_, root_column_);
    rows_.normals(outputs_.entries());
    if (vector) {
      // The residuals themselves: Delta c - e, or e under the null law.
      const double scale = delta ? -weight * deviation : 1;
      for (double& e : outputs_.entries()) e *= scale;
      if (delta) linear_algebra::multiply(weight, *delta, Transposed::no, inputs_, Transposed::no, 1, outputs_);
    } else {
      scale_rows(outputs_, root_row_);
      residual_.resize(count);
      labels_.normals(residual_);
      if (delta) linear_algebra::multiply(1, *delta, Transposed::yes, outputs_, Transposed::no, 0, image_);
      for (std::size_t i = 0; i < count; ++i) {
        double r = residual_[i];
        if (delta) r = weight * (numerics::dot_in_order(image_.column(i), inputs_.column(i)) - deviation * r);
        for (double& a : outputs_.column(i)) a *= r;
      }
    }
    if (out.factored) {
      std::swap(out.left, outputs_);
      std::swap(out.right, inputs_);
    } else {
      linear_algebra::multiply(1, outputs_, Transposed::no, inputs_, Transposed::yes, done == 0 ? 0 : 1, out.matrix);
    }
  }
}

Matrix haar_basis(std::size_t n, std::uint64_t seed) {
  random::Stream stream(seed, 0, 0, random::Purpose::other);
  Matrix a(n, n);
  stream.normals(a.entries());
  return linear_algebra::orthonormal_columns(a);
}

double spectral_value(const MatrixLeastSquares& problem, double sigma, double norm) {
  if (problem.map == UpdateMap::newton_schulz) return newton_schulz5_map(sigma / norm);
  if (problem.map == UpdateMap::signsvd) return 1;
  if (problem.map == UpdateMap::sgd) return sigma;
  const double at[] = {problem.normalise ? sigma / norm : sigma};
  const double value = (*problem.spectral_map)(at);
  if (!std::isfinite(value)) {
    const std::string argument = settings::text_of(at[0]), what = std::isnan(value) ? "nan" : "infinite";
    throw std::invalid_argument("optimizer.map: '" + problem.spectral_map->formula() + "' is " + what +
                                " at sigma = " + argument + "; it must be finite at every singular value that is met");
  }
  return value;
}

MatrixUpdate::MatrixUpdate(const MatrixLeastSquares& problem, const MatrixCoordinates& coordinates)
    : problem_(problem), scale_(1 / std::sqrt(static_cast<double>(coordinates.column.size()))) {
  if (problem.map != UpdateMap::signsgd) return;
  if (problem.rotation == Rotation::haar) basis_ = haar_basis(coordinates.column.size(), problem.rotation_seed);
  if (problem.rotation == Rotation::hadamard && !std::has_single_bit(coordinates.column.size()))
    throw std::invalid_argument(
        fmt::format("data.rotation: hadamard needs a power of two inputs, the spectrum has {}; "
                    "use haar or none",
                    coordinates.column.size()));
}

void MatrixUpdate::signs(Matrix& g, Matrix& s) const {
  const auto sign = [](Matrix& a) {
    for (double& x : a.entries()) x = static_cast<double>(x > 0) - static_cast<double>(x < 0);
  };
  switch (problem_.rotation) {
    case Rotation::hadamard:
      std::swap(g, s);
      walsh_hadamard(s.entries(), s.rows());
      sign(s);
      walsh_hadamard(s.entries(), s.rows(), scale_);
      break;
    case Rotation::haar: {
      Matrix turned = linear_algebra::product(g, basis_, Transposed::no, Transposed::yes);
      sign(turned);
      linear_algebra::multiply(1, turned, Transposed::no, basis_, Transposed::no, 0, s);
      break;
    }
    case Rotation::none:
      std::swap(g, s);
      sign(s);
      break;
  }
}

void MatrixUpdate::apply(MaybeFactored& g, Matrix& s) const {
  switch (problem_.map) {
    case UpdateMap::signsvd:
      through_core(g, polar_factor, s);
      break;
    case UpdateMap::newton_schulz:
      through_core(g, newton_schulz5, s);
      break;
    case UpdateMap::signsgd:
      g.multiply_out();
      signs(g.matrix, s);
      break;
    case UpdateMap::general:
      through_core(
          g,
          [&](const Matrix& a, Matrix& out) {
            const double norm = std::sqrt(numerics::squared_norm_in_order(a.entries()));
            spectral_map(
                a, [&](double sigma) { return spectral_value(problem_, sigma, norm); }, out);
          },
          s);
      break;
    case UpdateMap::sgd:
      g.multiply_out();
      std::swap(g.matrix, s);
      break;
  }
}

}  // namespace edgewise::models::muon
