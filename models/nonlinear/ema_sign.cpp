#include "models/nonlinear/ema_sign.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <iterator>
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

/// Above it sums over the past are taken by Euler and Maclaurin's formula: a few terms in place of 40/(1 - beta).
constexpr double long_memory = 0.97;

/// -Li_2(-y) = int_0^y log(1 + x)/x dx, y >= 0: Landen's form, in powers of log(1 + y), and the inversion beyond 1.
double negative_dilogarithm(double y) {
  if (y > 1) {
    const double log = std::log(y);
    return pi * pi / 6 + log * log / 2 - negative_dilogarithm(1 / y);
  }
  // Bernoulli numbers B_2k over (2k + 1)!.
  constexpr double terms[] = {
      1. / 36, -1. / 3600, 1. / 211680, -1. / 10886400, 1. / 526901760, -691. / 16999766784000, 1. / 1120863744000};
  const double z = std::log1p(y), z2 = z * z;
  double sum = 0;
  for (std::size_t k = std::size(terms); k-- > 0;) sum = z2 * (terms[k] + sum);
  return z * (1 + z / 4 + sum);
}

/// sum_k log(1 + y_k) and sum_k e^(-rate k)/(1 + y_k), y_k = y e^(-2 rate k), k >= 0: Euler and Maclaurin, error of
/// order rate^5. With s = y/(1 + y), d/dk s = -2 rate s (1 - s).
struct PastSums {
  double logarithm, weighted;
  PastSums(double y, double rate) {
    const double s = y / (1 + y), r = 1 / (1 + y), p = s * r, root = std::sqrt(y), d = rate, d3 = d * d * d;
    const double atan = root > 0 ? std::atan(root) / root : 1;
    logarithm = negative_dilogarithm(y) / (2 * d) + std::log1p(y) / 2 + d * s / 6 - d3 * p * (r - s) / 90 +
                d3 * d * d * p * (r - s) * (1 - 12 * p) / 945;
    const double third = r * (1 + s * (-26 + s * (72 - 48 * s)));
    weighted = atan / d + r / 2 + d * r * (r - s) / 12 - d3 * third / 720;
  }
};

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
  const bool slow = beta > long_memory;
  const double first = std::sqrt((1 - beta) * (1 + beta) / batch), rate = -std::log(beta);
  const std::vector<double> w = slow ? std::vector<double>() : weights(beta, batch);
  constexpr double step = 0.125;
  double sum = 0;
  for (double x = -40; x < 40; x += step) {
    const double t = 2 * std::exp(2 * x);
    double exponent = x, mean = 0;
    if (slow) {
      const PastSums past(t * first * first, rate);
      exponent -= 0.5 * batch * past.logarithm;
      mean = first * past.weighted;
    }
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
  constexpr double known[] = {0.84, 0.9, 0.94, long_memory};
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
  return 1 + 4 / pi * arcsine_sum(1, beta);
}

double arcsine_sum(double c, double beta) {
  expect(beta, 1);
  const double rate = -std::log(beta), size = std::min(std::abs(c), 1.0);
  double sum = 0, power = size;
  if (beta <= long_memory) {
    while ((power *= beta) > 1e-17 * size) sum += std::asin(power);
    return std::copysign(sum, c);
  }
  // Near c = 1 the terms leave pi/2 like a square root: the first ones as they are, the rest by Euler and Maclaurin.
  constexpr int plain = 16;
  for (int l = 1; l < plain; ++l) sum += std::asin(size * std::exp(-rate * l));
  power = size * std::exp(-rate * plain);
  if (!(power > 0)) return std::copysign(sum, c);
  // f = arcsin(u), u' = -rate u: int f dl = (1/rate) int_0^(arcsin u) x cot x dx, and with v = u^2/(1 - u^2),
  // d/dl sqrt(v) p(v) = -rate sqrt(v) (1 + v) (p + 2 v p').
  const double angle = std::asin(power);
  const double integral =
      boost::math::quadrature::gauss<double, 15>::integrate([](double x) { return x / std::tan(x); }, 0.0, angle);
  const double one = -std::expm1(2 * (std::log(size) - rate * plain)), v = power * power / one, d2 = rate * rate;
  const double third = 1 + v * (4 + 3 * v), fifth = (1 + v) * (1 + v * (39 + v * (135 + v * 105)));
  const double slopes = 1. / 12 - d2 * (third / 720 - d2 * fifth / 30240);
  sum += integral / rate + angle / 2 + rate * power / std::sqrt(one) * slopes;
  return std::copysign(sum, c);
}

}  // namespace edgewise::models::nonlinear
