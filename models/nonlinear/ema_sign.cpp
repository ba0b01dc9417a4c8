#include "models/nonlinear/ema_sign.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

void expect(double beta, double batch) {
  if (!(beta >= 0 && beta < 1)) throw std::invalid_argument("the average's beta must be >= 0 and < 1");
  if (!(batch >= 1)) throw std::invalid_argument("the batch must be >= 1");
}

/// The weights w_k, scaled so that B sum w_k^2 = 1, until they fall below 1e-18 of the first.
std::vector<double> weights(double beta, double batch) {
  std::vector<double> out;
  for (double w = std::sqrt((1 - beta * beta) / batch), first = w; w > 1e-18 * first; w *= beta) out.push_back(w);
  return out;
}

/// Logarithms of the characteristic function of sum_k w_k y_k, y_k the sum of B products of two standard Gaussians, at
/// many squared frequencies, term by term.
class LogCharacteristic {
 public:
  LogCharacteristic(const std::vector<double>& square, double batch)
      : square_(square), value_(square.size(), 0.0), batch_(batch) {}
  void add(double weight) {
    for (std::size_t i = 0; i < value_.size(); ++i)
      value_[i] -= 0.5 * batch_ * std::log1p(square_[i] * weight * weight);
  }
  double operator[](std::size_t i) const { return value_[i]; }

 private:
  const std::vector<double>& square_;
  std::vector<double> value_;
  double batch_;
};

/// The integral over v, v = tanh y with y = exp(u - exp(-u)), and s, s = exp(x), by trapezoidal sums: analytic in both,
/// they converge exponentially. Steps and ranges leave an error of 1e-10.
struct Nodes {
  std::vector<double> weight;            // one per y
  std::vector<double> square, v_square;  // s^2 and (v s)^2, [y][x]
  static constexpr double step = 0.25;
  std::size_t per_y = 0;

  Nodes() {
    constexpr double u_step = 0.1, x_low = -11, x_high = 25;
    per_y = static_cast<std::size_t>((x_high - x_low) / step);
    for (int n = -34; n < 34; ++n) {
      const double u = u_step * n, y = std::exp(u - std::exp(-u)), w = u_step * y * (1 + std::exp(-u));
      if (y > 20 || w < 1e-17) continue;
      weight.push_back(w * step);
      const double v = std::tanh(y);
      for (std::size_t k = 0; k < per_y; ++k) {
        const double s = std::exp(x_low + step * static_cast<double>(k));
        square.push_back(s * s);
        v_square.push_back(v * s * v * s);
      }
    }
  }
};

double summed_noise(double beta, double batch) {
  static const Nodes nodes;
  const std::vector<double> w = weights(beta, batch);
  LogCharacteristic all(nodes.square, batch), all_v(nodes.v_square, batch);
  for (const double weight : w) {
    all.add(weight);
    all_v.add(weight);
  }
  LogCharacteristic head(nodes.square, batch), head_v(nodes.v_square, batch);
  // From where beta^l is small the correlations fall like it; the error is of order beta^(2l).
  constexpr double small = 1e-3;
  double sum = 0, power = 1;
  for (std::size_t l = 1; l <= w.size(); ++l) {
    head.add(w[l - 1]);
    head_v.add(w[l - 1]);
    double integral = 0;
    for (std::size_t j = 0, i = 0; j < nodes.weight.size(); ++j) {
      double inner = 0;
      for (std::size_t k = 0; k < nodes.per_y; ++k) {
        const double one = all_v[i + k] - head_v[i + k] + head[i + k], other = all[i + k] - head[i + k] + head_v[i + k];
        if (std::max(one, other) < -40) break;
        inner += std::exp(one) - std::exp(other);
      }
      i += nodes.per_y;
      integral += nodes.weight[j] * inner;
    }
    const double correlation = 0.5 + 4 / (pi * pi) * integral;
    sum += correlation;
    power *= beta;
    if (power < small) {
      sum += correlation * beta / (1 - beta);
      break;
    }
  }
  return 1 + 2 * sum;
}

}  // namespace

double ema_sign_gain(double beta, double batch) {
  expect(beta, batch);
  // E[N D^(-1/2)] = pi^(-1/2) int_0^inf t^(-1/2) E[N exp(-t D)] dt, t = exp(2 x), by a trapezoidal sum.
  const std::vector<double> w = weights(beta, batch);
  constexpr double step = 0.125;
  double sum = 0;
  for (double x = -40; x < 40; x += step) {
    const double t = 2 * std::exp(2 * x);
    double exponent = x, mean = 0;
    for (const double weight : w) {
      const double term = t * weight * weight;
      exponent -= 0.5 * batch * std::log1p(term);
      mean += weight / (1 + term);
    }
    sum += std::exp(exponent) * mean;
  }
  // The scale of the weights cancels.
  return std::sqrt(2 / pi) * batch * sum * step * 2 / std::sqrt(pi);
}

double ema_sign_gain(double beta) {
  expect(beta, 1);
  return std::sqrt(2 / pi * (1 + beta) / (1 - beta));
}

double ema_sign_noise(double beta, double batch) {
  expect(beta, batch);
  if (beta == 0) return 1;
  // The sum takes some 7/(1 - beta) terms. Beyond the last of these the excess over the limit, which goes to zero like
  // 1 - beta times a function of sqrt(1 - beta), is continued by a cubic through it: 4e-7 at 0.99 and 0.995.
  constexpr double known[] = {0.84, 0.9, 0.94, 0.97};
  if (beta <= known[3]) return summed_noise(beta, batch);
  double excess = 0;
  for (const double b : known) {
    double weight = 1;
    for (const double other : known)
      if (other != b)
        weight *= (std::sqrt(1 - beta) - std::sqrt(1 - other)) / (std::sqrt(1 - b) - std::sqrt(1 - other));
    excess += weight * (summed_noise(b, batch) / ema_sign_noise(b) - 1) / (1 - b);
  }
  return ema_sign_noise(beta) * (1 + (1 - beta) * excess);
}

double ema_sign_noise(double beta) {
  double sum = 0;
  for (double power = beta; power > 1e-17; power *= beta) sum += std::asin(power);
  return 1 + 4 / pi * sum;
}

}  // namespace edgewise::models::nonlinear
