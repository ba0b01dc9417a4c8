#include "models/ingredients/networks/losses.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>

namespace edgewise::models::ingredients::networks {

namespace {

using linear_algebra::Matrix;

void check_shapes(const Matrix& outputs, const Matrix& targets) {
  if (outputs.rows() != targets.rows() || outputs.columns() != targets.columns())
    throw std::invalid_argument("outputs and targets differ in shape");
}

/// log(1 + e^s) without overflow.
double softplus(double s) {
  return std::max(s, 0.0) + std::log1p(std::exp(-std::abs(s)));
}

/// 1/(1 + e^-s).
double logistic(double s) {
  const double e = std::exp(-std::abs(s));
  return s >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/// softmax(beta f) in `p`.
void softmax(std::span<const double> f, double beta, std::span<double> p) {
  const double largest = *std::ranges::max_element(f);
  double sum = 0;
  for (std::size_t c = 0; c < f.size(); ++c) sum += p[c] = std::exp(beta * (f[c] - largest));
  for (double& x : p) x /= sum;
}

/// -log softmax(beta f)_c; as small as it is where c is the largest output.
double surprise(std::span<const double> f, double beta, std::size_t c) {
  const double largest = *std::ranges::max_element(f);
  double others = 0;
  for (std::size_t k = 0; k < f.size(); ++k)
    if (k != c) others += std::exp(beta * (f[k] - largest));
  if (f[c] == largest) return std::log1p(others);
  return beta * (largest - f[c]) + std::log(others + std::exp(beta * (f[c] - largest)));
}

/// 1 - p_c as the sum of the others: where an output is sure of itself the difference would be rounding.
double rest(std::span<const double> p, std::size_t c) {
  double sum = 0;
  for (std::size_t k = 0; k < p.size(); ++k)
    if (k != c) sum += p[k];
  return sum;
}

/// softmax(beta f) of every example.
Matrix probabilities(const Matrix& outputs, double beta) {
  Matrix p(outputs.rows(), outputs.columns());
  for (std::size_t i = 0; i < p.columns(); ++i) softmax(outputs.column(i), beta, p.column(i));
  return p;
}

}  // namespace

double Loss::value(const Matrix& f, const Matrix& y) const {
  check_shapes(f, y);
  const auto n = static_cast<double>(f.columns());
  double sum = 0;
  if (kind == LossKind::squared) {
    for (std::size_t k = 0; k < f.size(); ++k) {
      const double z = f.data()[k] - y.data()[k];
      sum += 0.5 * z * z;
    }
  } else if (f.rows() == 1) {
    for (std::size_t i = 0; i < f.columns(); ++i) sum += softplus(-inverse_temperature * y(0, i) * f(0, i));
  } else {
    for (std::size_t i = 0; i < f.columns(); ++i)
      for (std::size_t c = 0; c < f.rows(); ++c)
        if (y(c, i) != 0) sum += y(c, i) * surprise(f.column(i), inverse_temperature, c);
  }
  return sum / n;
}

Matrix Loss::cotangent(const Matrix& f, const Matrix& y) const {
  check_shapes(f, y);
  const auto n = static_cast<double>(f.columns());
  const double beta = inverse_temperature;
  Matrix out(f.rows(), f.columns());
  if (kind == LossKind::squared) {
    for (std::size_t k = 0; k < f.size(); ++k) out.data()[k] = (f.data()[k] - y.data()[k]) / n;
  } else if (f.rows() == 1) {
    for (std::size_t i = 0; i < f.columns(); ++i) out(0, i) = -beta * y(0, i) * logistic(-beta * y(0, i) * f(0, i)) / n;
  } else {
    const Matrix p = probabilities(f, beta);
    for (std::size_t i = 0; i < f.columns(); ++i)
      for (std::size_t c = 0; c < f.rows(); ++c)
        out(c, i) = beta * (y(c, i) == 1 ? -rest(p.column(i), c) : p(c, i) - y(c, i)) / n;
  }
  return out;
}

Matrix Loss::curvature(const Matrix& f, const Matrix& y, const Matrix& v) const {
  check_shapes(f, y);
  check_shapes(f, v);
  const auto n = static_cast<double>(f.columns());
  const double beta = inverse_temperature;
  Matrix out = v;
  if (kind == LossKind::squared) {
    for (double& x : out.entries()) x /= n;
  } else if (f.rows() == 1) {
    for (std::size_t i = 0; i < f.columns(); ++i) {
      const double s = beta * f(0, i);
      out(0, i) *= beta * beta * logistic(s) * logistic(-s) / n;
    }
  } else {
    const Matrix p = probabilities(f, beta);
    for (std::size_t i = 0; i < f.columns(); ++i) {
      // v_c - sum_k p_k v_k, whose own terms cancel where p_c is next to 1.
      for (std::size_t c = 0; c < f.rows(); ++c) {
        double away = 0;
        for (std::size_t k = 0; k < f.rows(); ++k) away += p(k, i) * (v(c, i) - v(k, i));
        out(c, i) = beta * beta * p(c, i) * away / n;
      }
    }
  }
  return out;
}

Matrix Loss::curvature_root(const Matrix& f, const Matrix& y, std::size_t c) const {
  check_shapes(f, y);
  const double root = 1 / std::sqrt(static_cast<double>(f.columns())), beta = inverse_temperature;
  Matrix out(f.rows(), f.columns());
  if (kind == LossKind::squared) {
    for (std::size_t i = 0; i < f.columns(); ++i) out(c, i) = root;
  } else if (f.rows() == 1) {
    for (std::size_t i = 0; i < f.columns(); ++i) {
      const double s = beta * f(0, i);
      out(0, i) = beta * root * std::sqrt(logistic(s) * logistic(-s));
    }
  } else {
    // diag p - p p' = sum_c p_c (e_c - p)(e_c - p)'.
    const Matrix p = probabilities(f, beta);
    for (std::size_t i = 0; i < f.columns(); ++i)
      for (std::size_t k = 0; k < f.rows(); ++k)
        out(k, i) = beta * root * std::sqrt(p(c, i)) * (k == c ? rest(p.column(i), c) : -p(k, i));
  }
  return out;
}

double Loss::accuracy(const Matrix& f, const Matrix& y) {
  check_shapes(f, y);
  std::size_t right = 0;
  for (std::size_t i = 0; i < f.columns(); ++i) {
    const auto out = f.column(i), target = y.column(i);
    if (f.rows() == 1)
      right += out[0] * target[0] > 0 ? 1 : 0;
    else
      right += std::ranges::max_element(out) - out.begin() == std::ranges::max_element(target) - target.begin() ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(f.columns());
}

}  // namespace edgewise::models::ingredients::networks
