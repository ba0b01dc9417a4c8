#include "models/nonlinear/finite_limit.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/nonlinear/laws.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::nonlinear {

namespace {

using linear_algebra::Matrix;

/// Of y = K_ii^(1/4) v_i/sqrt(P) in the steady state, cov its covariance and H = Dg^(-1/4) K Dg^(-1/4): free of units.
struct SteadySpread {
  std::vector<double> root;    ///< sqrt(K_ii), of coordinates that move
  std::vector<double> share;   ///< (H cov)_ii, which sum to 1
  std::vector<double> signal;  ///< (H cov H)_ii/sqrt(K_ii) = E (K v)_i^2/(K_ii P)
  std::vector<double> count;   ///< copies
  double variance = 0;         ///< 2 tr (H cov)^2: of P over its mean, v being Gaussian
};

SteadySpread uncorrelated(const Covariance& K, double step) {
  SteadySpread out;
  const std::vector<double> entries = K.diagonal_entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!(entries[i] > 0)) continue;
    const double root = std::sqrt(entries[i]), share = step / 2 * root;
    out.root.push_back(root);
    out.share.push_back(share);
    out.signal.push_back(share);
    out.count.push_back(K.copies(i));
    out.variance += 2 * K.copies(i) * share * share;
  }
  return out;
}

SteadySpread correlated(const Covariance& K, double step, const NoiseKernel& kernel) {
  SteadySpread out;
  const ModeSystem modes = class_two_modes(K, kernel);
  const std::vector<double>& kappa = modes.kappa;
  const Matrix& rotation = modes.coordinates->rotation;
  // cov H + H cov = step N, of which the modes take their own part.
  Matrix share = modes.coordinates->mode_noise();  // H cov
  const double null = 1e-14 * modes.largest();
  for (std::size_t j = 0; j < kappa.size(); ++j)
    for (std::size_t i = 0; i < kappa.size(); ++i) {
      const double both = kappa[i] + kappa[j];
      share(i, j) *= both > null ? step * kappa[i] / both : 0;
    }
  const Matrix along = linear_algebra::product(rotation, share);
  out.root = modes.coordinates->scale;
  out.count.assign(out.root.size(), 1);
  for (std::size_t i = 0; i < out.root.size(); ++i) {
    double own = 0, signal = 0;
    for (std::size_t j = 0; j < kappa.size(); ++j) {
      own += along(i, j) * rotation(i, j);
      signal += along(i, j) * kappa[j] * rotation(i, j);
    }
    out.share.push_back(own / out.root[i]);
    out.signal.push_back(signal / (out.root[i] * out.root[i]));
  }
  for (std::size_t j = 0; j < kappa.size(); ++j)
    for (std::size_t i = 0; i < kappa.size(); ++i) out.variance += 2 * share(i, j) * share(j, i);
  return out;
}

}  // namespace

std::optional<double> finite_limit(const NonlinearProblem& p, double P, double drift) {
  const bool majority = p.method == Method::sign_majority, late = p.method == Method::sign_late;
  if (!(majority || late) || !p.noise || !p.noise->gaussian() || !(P > 0) || p.covariance.unexplained_variance > 0 ||
      (!p.covariance.diagonal && p.covariance.d > most_coordinates))
    return {};
  const double B = p.batch, tie = majority ? majority_tie(B) : 0, slope2 = std::pow(2 / pi, 2);
  const double step = p.learning_rate * (1 - tie) / drift / P;
  const SteadySpread at =
      p.covariance.diagonal ? uncorrelated(p.covariance, step) : correlated(p.covariance, step, noise_kernel(p));
  const double part = P / (P + p.noise->variance());
  // E u_i = a k_i (1 + cubic k_i^2/(P + sigma^2)), E u_i^2 = (1 - tie)(1 + square k_i^2/(P + sigma^2)).
  const double cubic = majority ? 1.0 / 6 - std::floor((B - 1) / 2) / 3 * slope2 : (2 - B) / 6;
  const double square = tie * B / 2 * slope2 / (1 - tie);
  double power = 0, saturation = 0, roots = 0, ties = 0;
  for (std::size_t i = 0; i < at.root.size(); ++i) {
    power += at.count[i] * at.share[i];
    saturation += at.count[i] * 3 * cubic * at.signal[i] * part * at.share[i];
    roots += at.count[i] * at.root[i];
    ties += at.count[i] * square * at.signal[i] * part * at.root[i];
  }
  const double stray = at.variance / (2 * power * power) * part * (1 - 0.75 * part);
  const double excess = (ties / roots - saturation / power + stray) / (1 - part / 2);
  return std::abs(excess) <= most_excess ? std::optional(excess) : std::nullopt;
}

}  // namespace edgewise::models::nonlinear
