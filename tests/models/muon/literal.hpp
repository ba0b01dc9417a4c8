#pragma once
// Matrix least squares as docs/theory/muon-phases.md, section 1, defines it: plain loops over entries, which share nothing
// with the code under test but the random numbers.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/muon/problem.hpp"
#include "random/random.hpp"

namespace edgewise::models::muon::literal {

using linear_algebra::Matrix;

/// The samples of a step and their label noise; e of vector labels in `outputs`.
struct Samples {
  std::vector<std::vector<double>> inputs, outputs;
  std::vector<double> noise;
};

inline std::vector<double> normals(std::uint64_t seed, std::uint64_t replica, std::uint64_t step,
                                   random::Purpose purpose, std::size_t count) {
  random::Stream stream(seed, replica, step, purpose);
  std::vector<double> out(count);
  stream.normals(out);
  return out;
}

/// c_i ~ N(0, diag lambda), a_i ~ N(0, diag sig) (vector labels: N(0, 1)), eps_i ~ N(0, 1).
inline Samples samples(const std::vector<double>& lambda, const std::vector<double>& sig, std::size_t batch,
                       std::uint64_t seed, std::uint64_t replica, std::uint64_t step) {
  const std::size_t n = lambda.size(), m = sig.size();
  const auto c = normals(seed, replica, step, random::Purpose::gradient, n * batch);
  const auto a = normals(seed, replica, step, random::Purpose::data, m * batch);
  Samples out{{}, {}, normals(seed, replica, step, random::Purpose::labels, batch)};
  for (std::size_t i = 0; i < batch; ++i) {
    out.inputs.emplace_back();
    out.outputs.emplace_back();
    for (std::size_t j = 0; j < n; ++j) out.inputs[i].push_back(std::sqrt(lambda[j]) * c[i * n + j]);
    for (std::size_t k = 0; k < m; ++k) out.outputs[i].push_back(std::sqrt(sig[k]) * a[i * m + k]);
  }
  return out;
}

/// (1.1): G = (1/B) sum_i r_i a_i c_i' with r_i = a_i' Delta c_i - sigma eps_i, or (1/B) sum_i (Delta c_i - sigma e_i) c_i'.
inline Matrix gradient(const Samples& s, const Matrix& delta, double sigma, bool vector) {
  const std::size_t m = delta.rows(), n = delta.columns(), batch = s.inputs.size();
  Matrix g(m, n);
  for (std::size_t i = 0; i < batch; ++i) {
    std::vector<double> image(m);  // Delta c
    for (std::size_t k = 0; k < m; ++k)
      for (std::size_t j = 0; j < n; ++j) image[k] += delta(k, j) * s.inputs[i][j];
    double r = -sigma * s.noise[i];
    for (std::size_t k = 0; k < m; ++k) r += s.outputs[i][k] * image[k];
    for (std::size_t k = 0; k < m; ++k)
      for (std::size_t j = 0; j < n; ++j)
        g(k, j) += (vector ? image[k] - sigma * s.outputs[i][k] : r * s.outputs[i][k]) * s.inputs[i][j] /
                   static_cast<double>(batch);
  }
  return g;
}

/// Ghat = sum_i g_i a_i c_i' (vector: sum_i e_i c_i').
inline Matrix null_gradient(const Samples& s, bool vector) {
  Matrix g(s.outputs[0].size(), s.inputs[0].size());
  for (std::size_t i = 0; i < s.inputs.size(); ++i)
    for (std::size_t k = 0; k < g.rows(); ++k)
      for (std::size_t j = 0; j < g.columns(); ++j)
        g(k, j) += (vector ? 1 : s.noise[i]) * s.outputs[i][k] * s.inputs[i][j];
  return g;
}

/// a b, a' b or a b', one sum an entry.
inline Matrix times(const Matrix& a, const Matrix& b) {
  Matrix out(a.rows(), b.columns());
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < b.columns(); ++j)
      for (std::size_t k = 0; k < a.columns(); ++k) out(i, j) += a(i, k) * b(k, j);
  return out;
}

inline Matrix transposed(const Matrix& a) {
  Matrix out(a.columns(), a.rows());
  for (std::size_t i = 0; i < a.rows(); ++i)
    for (std::size_t j = 0; j < a.columns(); ++j) out(j, i) = a(i, j);
  return out;
}

inline Matrix scaled(Matrix a, double factor) {
  for (double& x : a.entries()) x *= factor;
  return a;
}

inline double frobenius(const Matrix& a) {
  double square = 0;
  for (const double x : a.entries()) square += x * x;
  return std::sqrt(square);
}

/// Sylvester's Hadamard matrix over sqrt n.
inline Matrix hadamard(std::size_t n) {
  Matrix out(n, n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      out(i, j) = (std::popcount(i & j) % 2 ? -1 : 1) / std::sqrt(static_cast<double>(n));
  return out;
}

/// sign(G H') H, sign(0) = 0.
inline Matrix signs(const Matrix& g, const Matrix& basis) {
  Matrix turned = times(g, transposed(basis));
  for (double& x : turned.entries()) x = x > 0 ? 1 : x < 0 ? -1 : 0;
  return times(turned, basis);
}

/// X = G/|G|_F, five times A = X X', X <- 3.4445 X + (-4.7750 A + 2.0315 A^2) X; on the transpose where m > n.
inline Matrix newton_schulz(const Matrix& g) {
  const bool tall = g.rows() > g.columns();
  Matrix x = scaled(tall ? transposed(g) : g, 1 / frobenius(g));
  for (int iteration = 0; iteration < 5; ++iteration) {
    const Matrix a = times(x, transposed(x)), square = times(a, a);
    Matrix polynomial(a.rows(), a.rows());
    for (std::size_t i = 0; i < a.size(); ++i)
      polynomial.entries()[i] = -4.7750 * a.entries()[i] + 2.0315 * square.entries()[i];
    const Matrix turned = times(polynomial, x);
    for (std::size_t i = 0; i < x.size(); ++i) x.entries()[i] = 3.4445 * x.entries()[i] + turned.entries()[i];
  }
  return tall ? transposed(x) : x;
}

/// (G G')^(-1/2) G of a matrix of two rows; the root of a 2 x 2 matrix A is (A + d 1)/sqrt(tr A + 2 d), d = sqrt(det A).
inline Matrix polar_of_two_rows(const Matrix& g) {
  REQUIRE(g.rows() == 2);
  const Matrix a = times(g, transposed(g));
  const double d = std::sqrt(a(0, 0) * a(1, 1) - a(0, 1) * a(1, 0)), t = std::sqrt(a(0, 0) + a(1, 1) + 2 * d);
  const double p = (a(0, 0) + d) / t, q = a(0, 1) / t, r = (a(1, 1) + d) / t, det = p * r - q * q;
  Matrix inverse(2, 2);
  inverse(0, 0) = r / det;
  inverse(1, 1) = p / det;
  inverse(0, 1) = inverse(1, 0) = -q / det;
  return times(inverse, g);
}

/// U diag(sigma - sigma^3/6) V' = G - G G' G/6.
inline Matrix cubic(const Matrix& g) {
  const Matrix third = times(times(g, transposed(g)), g);
  Matrix out = g;
  for (std::size_t i = 0; i < g.size(); ++i) out.entries()[i] -= third.entries()[i] / 6;
  return out;
}

/// tr(Sigma Delta K Delta').
inline double excess(const Matrix& delta, const std::vector<double>& lambda, const std::vector<double>& sig) {
  double out = 0;
  for (std::size_t k = 0; k < delta.rows(); ++k)
    for (std::size_t j = 0; j < delta.columns(); ++j) out += sig[k] * lambda[j] * delta(k, j) * delta(k, j);
  return out;
}

/// Columns of random direction and length sqrt(power_j), as replica `replica` starts.
inline Matrix start(const std::vector<double>& power, std::size_t rows, std::uint64_t seed, std::uint64_t replica) {
  const std::vector<double> z = normals(seed, replica, 0, random::Purpose::initial, rows * power.size());
  Matrix out(rows, power.size(), z);
  for (std::size_t j = 0; j < power.size(); ++j) {
    double square = 0;
    for (std::size_t k = 0; k < rows; ++k) square += out(k, j) * out(k, j);
    for (std::size_t k = 0; k < rows; ++k) out(k, j) *= std::sqrt(power[j] / square);
  }
  return out;
}

/// max |a_ij - b_ij|; infinite for different shapes.
inline double distance(const Matrix& a, const Matrix& b) {
  if (a.rows() != b.rows() || a.columns() != b.columns()) return INFINITY;
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(a.entries()[i] - b.entries()[i]));
  return out;
}

/// K of eigenvalues 2, .7, .7, .1 and D(0) = .9, .25, .25, .04 a column.
inline MatrixLeastSquares four_inputs(std::size_t outputs, std::size_t batch) {
  MatrixLeastSquares out;
  out.spectrum.eigenvalue = {2, 0.7, 0.1};
  out.spectrum.multiplicity = {1, 2, 1};
  out.spectrum.target_power = {0.9, 0.5, 0.04};
  out.outputs = static_cast<double>(outputs);
  out.output_spectrum.eigenvalue = {1};
  out.output_spectrum.multiplicity = {out.outputs};
  out.output_spectrum.target_power = {0};
  out.batch = static_cast<double>(batch);
  out.noise_variance = 0.3;
  return out;
}
inline const std::vector<double> four_values{2, 0.7, 0.7, 0.1}, four_powers{0.9, 0.25, 0.25, 0.04};

}  // namespace edgewise::models::muon::literal
