#include "models/muon/polar.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/sums.hpp"

namespace edgewise::models::muon {

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;

constexpr auto plain = Transposed::no;
constexpr auto transposed = Transposed::yes;

double squared_norm(const Matrix& a) {
  double partial[4] = {};
  std::size_t i = 0;
  for (; i + 4 <= a.size(); i += 4)
    for (std::size_t k = 0; k < 4; ++k) partial[k] += a.data()[i + k] * a.data()[i + k];
  for (; i < a.size(); ++i) partial[0] += a.data()[i] * a.data()[i];
  return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

void keep_columns(Matrix& a, const std::vector<std::size_t>& kept) {
  Matrix out(a.rows(), kept.size());
  for (std::size_t j = 0; j < kept.size(); ++j) std::copy_n(a.column(kept[j]).data(), a.rows(), out.column(j).data());
  a = std::move(out);
}

/// g (or g', if it is wide) = image vectors', image with nearly orthogonal columns of lengths `length`.
struct Turned {
  bool wide = false;
  Matrix image, vectors;
  std::vector<double> length;
};

Turned turned(const Matrix& g) {
  Turned out;
  out.wide = g.rows() < g.columns();
  const Matrix gram =
      out.wide ? linear_algebra::product(g, g, plain, transposed) : linear_algebra::product(g, g, transposed, plain);
  out.vectors = linear_algebra::symmetric_eigen(gram).vectors;
  out.image = linear_algebra::product(g, out.vectors, out.wide ? transposed : plain, plain);
  double longest = 0;
  for (std::size_t j = 0; j < out.image.columns(); ++j) {
    out.length.push_back(std::sqrt(numerics::squared_norm_in_order(out.image.column(j))));
    longest = std::max(longest, out.length.back());
  }
  std::vector<std::size_t> kept;
  for (std::size_t j = 0; j < out.length.size(); ++j)
    if (out.length[j] > rank_tolerance * longest) kept.push_back(j);
  if (kept.size() < out.length.size()) {
    keep_columns(out.image, kept);
    keep_columns(out.vectors, kept);
    for (std::size_t j = 0; j < kept.size(); ++j) out.length[j] = out.length[kept[j]];
    out.length.resize(kept.size());
  }
  return out;
}

Matrix normalised(const Turned& t) {
  Matrix w = t.image;
  for (std::size_t j = 0; j < w.columns(); ++j)
    for (double& x : w.column(j)) x /= t.length[j];
  return w;
}

/// One Newton step towards the polar factor of image = W D (1 + small): W <- W (1 - F/2 + X) with F = W'W - 1 and X
/// antisymmetric so that W' image becomes symmetric. Returns the size of the correction.
double newton_step(const Turned& t, bool first, Matrix& w) {
  const std::size_t r = w.columns();
  const Matrix overlap = linear_algebra::product(w, w, transposed, plain);
  // At first W = image D^(-1), and W' image is known from the overlap.
  const Matrix h = first ? Matrix() : linear_algebra::product(w, t.image, transposed, plain);
  Matrix correction(r, r);
  double size = 0;
  const auto entry = [&](std::size_t i, std::size_t j) {  // of (1 - F/2) W' image, off the diagonal
    const double scaled = overlap(i, j) * t.length[j];
    return (first ? scaled : h(i, j)) - 0.5 * scaled;
  };
  for (std::size_t j = 0; j < r; ++j) {
    correction(j, j) = 1 - 0.5 * (overlap(j, j) - 1);
    size = std::max(size, std::abs(overlap(j, j) - 1));
    for (std::size_t i = 0; i < j; ++i) {
      const double turn = (entry(i, j) - entry(j, i)) / (t.length[i] + t.length[j]);
      correction(i, j) = -0.5 * overlap(i, j) + turn;
      correction(j, i) = -0.5 * overlap(i, j) - turn;
      size = std::max({size, std::abs(overlap(i, j)), std::abs(turn)});
    }
  }
  w = linear_algebra::product(w, correction);
  return size;
}

void assemble(const Turned& t, const Matrix& w, Matrix& s) {
  if (t.wide)
    linear_algebra::multiply(1, t.vectors, plain, w, transposed, 0, s);
  else
    linear_algebra::multiply(1, w, plain, t.vectors, transposed, 0, s);
}

void polar_by_svd(const Matrix& g, Matrix& s) {
  linear_algebra::Svd svd = linear_algebra::thin_svd(g);
  std::vector<std::size_t> kept;
  for (std::size_t j = 0; j < svd.values.size(); ++j)
    if (svd.values[j] > rank_tolerance * svd.values[0]) kept.push_back(j);
  keep_columns(svd.u, kept);
  keep_columns(svd.v, kept);
  linear_algebra::multiply(1, svd.u, plain, svd.v, transposed, 0, s);
}

}  // namespace

void MaybeFactored::multiply_out() {
  if (factored) linear_algebra::multiply(1, left, plain, right, transposed, 0, matrix);
  factored = false;
}

SingularTriples singular_triples(const Matrix& g) {
  Turned t = turned(g);
  Matrix w = normalised(t);
  if (t.wide) return {std::move(t.vectors), std::move(w), std::move(t.length)};
  return {std::move(w), std::move(t.vectors), std::move(t.length)};
}

void polar_factor(const Matrix& g, Matrix& s) {
  const Turned t = turned(g);
  Matrix w = normalised(t);
  // A step squares the error; entries below the first limit leave it at rounding, above the last Newton may fail.
  constexpr double small = 1e-8, too_large = 0.05;
  double size = 1;
  for (int step = 0; step < 5 && size > small; ++step) {
    const double last = size;
    size = newton_step(t, step == 0, w);
    if (!(size < too_large) || size > last) break;
  }
  if (!(size <= small))
    polar_by_svd(g, s);
  else
    assemble(t, w, s);
}

void newton_schulz5(const Matrix& g, Matrix& s) {
  const double norm = std::sqrt(squared_norm(g));
  s = g;
  if (norm == 0) return;
  for (double& x : s.entries()) x /= norm;
  const bool tall = g.rows() > g.columns();
  Matrix a, square, next;
  for (int iteration = 0; iteration < 5; ++iteration) {
    if (tall)
      linear_algebra::multiply(1, s, transposed, s, plain, 0, a);
    else
      linear_algebra::multiply(1, s, plain, s, transposed, 0, a);
    square = a;
    linear_algebra::multiply(2.0315, a, plain, a, plain, -4.7750, square);
    next = s;
    if (tall)
      linear_algebra::multiply(1, s, plain, square, plain, 3.4445, next);
    else
      linear_algebra::multiply(1, square, plain, s, plain, 3.4445, next);
    std::swap(s, next);
  }
}

double newton_schulz5_map(double sigma) {
  for (int iteration = 0; iteration < 5; ++iteration) {
    const double a = sigma * sigma;
    sigma *= 3.4445 + a * (-4.7750 + 2.0315 * a);
  }
  return sigma;
}

void spectral_map(const Matrix& g, const std::function<double(double)>& map, Matrix& s) {
  const Turned t = turned(g);
  Matrix w = t.image;
  for (std::size_t j = 0; j < w.columns(); ++j) {
    const double factor = map(t.length[j]) / t.length[j];
    for (double& x : w.column(j)) x *= factor;
  }
  assemble(t, w, s);
}

void through_core(const MaybeFactored& g, const std::function<void(const Matrix&, Matrix&)>& map, Matrix& s) {
  if (!g.factored) {
    map(g.matrix, s);
    return;
  }
  const Matrix q1 = linear_algebra::orthonormal_columns(g.left), q2 = linear_algebra::orthonormal_columns(g.right);
  const Matrix r1 = linear_algebra::product(q1, g.left, transposed, plain);
  const Matrix r2 = linear_algebra::product(q2, g.right, transposed, plain);
  Matrix core;
  map(linear_algebra::product(r1, r2, plain, transposed), core);
  linear_algebra::multiply(1, linear_algebra::product(q1, core), plain, q2, transposed, 0, s);
}

}  // namespace edgewise::models::muon
