#include "models/least_squares/rate_average.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "numerics/constants.hpp"

namespace edgewise::models::least_squares {

namespace {

/// A gamma law of mean 1 on nodes: the trapezoidal rule in the logarithm, where its density falls off doubly fast.
struct GammaNodes {
  std::vector<double> at, weight;
  /// \param shape 1/variance
  void set(double shape, double spacing) {
    constexpr double least = -25;  // of the logarithm of the density, from its largest value
    at.clear();
    weight.clear();
    const double step = spacing / std::sqrt(shape);
    double total = 0, mean = 0;
    for (const int side : {-1, 1})
      for (int j = side > 0 ? 1 : 0;; ++j) {
        const double y = side * j * step, height = shape * (y - std::expm1(y));
        if (height < least) break;
        at.push_back(std::exp(y));
        weight.push_back(std::exp(height));
        total += weight.back();
        mean += weight.back() * at.back();
      }
    for (std::size_t i = 0; i < at.size(); ++i) {
      at[i] *= total / mean;
      weight[i] /= total;
    }
  }
};

/// Means of x over w, of mean 1, for a part of it that is in proportion to w but for an excess in its covariance.
struct Shared {
  double share = 0, excess = 0;  // E x w, and E x w (w - a)/E w (w - a)^2 where E w (w - a) = 0
};

/// The part of sum_b r_b <x_b, v> that goes with s^2 = u is u (slope + bend u), of its mean and covariance with u; for Gaussian
/// residuals u itself. `rest` gives its mean square with what does not.
struct AlongResiduals {
  double slope = 0, bend = 0, rest = 0;
  /// \param scatter  variance of r^2 over Q^2
  AlongResiduals(double B, double scatter, double own_noise)
      : slope(2 - 2 / scatter), bend((2 / scatter - 1) / (B + scatter)) {
    const double square = B * (B + scatter), cube = square * (B + 2 * scatter), fourth = cube * (B + 3 * scatter);
    rest = B + own_noise - (slope * slope * square + 2 * slope * bend * cube + bend * bend * fourth) / B;
  }
  double at(double u) const { return u * (slope + bend * u); }
};

/// The law of W at one u.
struct NormLaw {
  double mean = 0;
  bool varies = false;  ///< of one dimension without noise nothing is left of W but rounding
  double relative = 0;  ///< variance over mean^2
  /// A gamma law of so much shape, 1 - stretch of the way to its mean, has W's skewness where that leaves it above 0.
  double shape = 0, stretch = 0;

  NormLaw(const BatchLaw& law, double s2, double s3, double both, double mean_part, double u) {
    const double s4 = s2 > 0 ? s3 / s2 * s3 : 0;  // least v'K^4 v that goes with the other powers
    const double own = 1 + law.own_noise;
    mean = law.trace + s2 * std::max(both / u, -1.0);
    const double central = own * law.trace2 - 4 * s3 + 2 * s2 * s2, of_mean = 4 * mean_part * (s3 - s2 * s2);
    varies = central + of_mean > 1e-12 * (own * law.trace2 + 4 * s3 * (1 + mean_part));
    const double variance = varies ? central + of_mean : 0;
    relative = std::max(variance / (mean * mean), 1e-12);
    // Third cumulant over 8.
    const double skew =
        law.trace3 - 3 * s4 + 3 * s3 * s2 - s2 * s2 * s2 + 3 * mean_part * (s4 - 2 * s3 * s2 + s2 * s2 * s2);
    const double skew_shape =
        varies && skew > 0 ? std::max(variance / skew * variance / skew * variance / 16, 0.5) : infinity;
    shape = std::min(skew_shape, 1 / relative);
    stretch = std::sqrt(relative * shape);
  }
};

/// What a rule's rate makes of the law of W.
struct RateOverNorms {
  Shared first_power, second_power;  ///< of eta and eta^2
  double mean = 0, square = 0;       ///< E eta, E eta^2

  /// \param norms  room for the nodes. \param rate  eta at W over its mean
  template <class Rate>
  RateOverNorms(const NormLaw& law, GammaNodes& norms, double spacing, Rate rate) {
    norms.set(law.shape, spacing);
    double second = 0, third = 0;
    for (std::size_t j = 0; j < norms.at.size(); ++j) {
      norms.at[j] += (1 - law.stretch) * (1 - norms.at[j]);
      second += norms.weight[j] * norms.at[j] * norms.at[j];
    }
    for (std::size_t j = 0; j < norms.at.size(); ++j) {
      const double w = norms.at[j], share = norms.weight[j] * w, excess = share * (w - second), eta = rate(w);
      third += excess * (w - second);
      first_power.share += share * eta;
      first_power.excess += excess * eta;
      second_power.share += share * eta * eta;
      second_power.excess += excess * eta * eta;
      mean += norms.weight[j] * eta;
      square += norms.weight[j] * eta * eta;
    }
    first_power.excess /= third;
    second_power.excess /= third;
  }
};

}  // namespace

MeanMove move_at(double eta, const BatchLaw& law) {
  return {.rate = eta, .scatter = eta * eta * law.own_noise / law.batch, .feedback = eta * eta / law.batch};
}

RateAverage rate_average(const ingredients::RateRule& rule, const BatchLaw& law, const StepSums& sums,
                         std::span<const double> memory, double factor, double spacing) {
  RateAverage out;
  const double B = law.batch, Q = sums.excess + law.noise_variance, p = sums.excess / Q;
  if (!(Q > 0)) return out;
  // Of r^2, over Q^2; 2 of Gaussian residuals.
  const double scatter = 2 + (std::isfinite(law.label_kurtosis) ? law.label_kurtosis - 3 : 0) * (1 - p) * (1 - p);
  if (!(scatter > 0)) return out;
  const AlongResiduals residual(B, scatter, law.own_noise);
  const double s2 = sums.slope / Q, s3 = sums.curvature / Q, own = 1 + law.own_noise;
  ingredients::StepObservation now = law.observation(sums);
  GammaNodes residuals, norms;
  // Weighted with s^2, by which every move is: a gamma law of one more in its shape.
  const double shape = B / scatter;
  residuals.set(shape + 1, spacing);
  double total = 0, square = 0, mean_square = 0, within = 0, whole = 0, whole_slope = 0;
  for (std::size_t i = 0; i < residuals.at.size(); ++i) {
    const double u = B * (1 + 1 / shape) * residuals.at[i], weight = residuals.weight[i] * B / u;
    total += weight;
    const double along = residual.at(u), both = along * (along + residual.rest), mean_part = along * along / u;
    const NormLaw norm(law, s2, s3, both, mean_part, u);
    const double M = norm.mean;
    if (!(M > 0)) continue;
    now.loss = 0.5 * Q * (u / B);
    const RateOverNorms over(norm, norms, spacing, [&](double w) {
      now.squared_gradient = now.squared_direction = Q * (u / B) * (M * w / B);
      return factor * rule.multiplier * rule.held(rule.rate(memory, now));
    });
    out.rate += weight * over.mean;
    square += weight * over.square;
    const Shared &first_power = over.first_power, &second_power = over.second_power;
    // A mode's part of W has the mean n lambda + a both/u, a = lambda^2 D/Q, and the covariance with W
    // own n lambda^2 + a (2 s2 - 4 lambda + 4 mean_part (lambda - s2)); that of <x, v> in it 2 (lambda - s2).
    const double bias = norm.varies ? norm.relative : 0, p1 = first_power.excess / M, q1 = second_power.excess / M;
    const double p0 = first_power.share - bias * first_power.excess;
    const double q0 = second_power.share - bias * second_power.excess;
    const double here = weight * along / B, of_noise = weight * u / (B * B);
    out.move.rate += here * (p0 - 2 * s2 * p1);
    out.move.rate_slope += here * 2 * p1;
    out.move.feedback += of_noise * q0;
    out.move.feedback_slope += of_noise * own * q1;
    whole += weight / (B * B) * (both * q0 + (2 * u - 4 * along * along) * s2 * q1);
    whole_slope += weight / (B * B) * 4 * (along * along - u) * q1;
    within += weight * u * M * (second_power.share - first_power.share * first_power.share);
    mean_square += weight * u * M * first_power.share * first_power.share;
  }
  out.rate /= total;
  square /= total;
  MeanMove& m = out.move;
  m.scatter = whole - m.rate * m.rate;
  m.scatter_slope = whole_slope - 2 * m.rate * m.rate_slope;
  m.scatter_square = -m.rate_slope * m.rate_slope;
  if (out.rate > 0) out.variance = std::max(square / (out.rate * out.rate) - 1, 0.0);
  if (mean_square > 0) out.norm_variance = within / mean_square;
  return out;
}

}  // namespace edgewise::models::least_squares
