#pragma once
/// \file
/// Linear regression with a nonlinear gradient (docs/theory/sign-and-clip.md, sections 0 and 1): what theory and
/// simulation share.
///
///     class I:   v' = v - (eta/B) sum_b chi(r_b) x_b             (sgd, clip, huber, lad, quantile, reject, ...)
///     class II:  v_i' = v_i - eta sign(...)_i                     (sign-late, sign-early, sign-majority, ...)
///
/// with x ~ N(0, K), r = <x, v> - eps, v = theta - theta*.
#include <memory>
#include <optional>
#include <string>

#include "models/framework/experiment.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedules.hpp"
#include "models/nonlinear/covariance.hpp"
#include "models/nonlinear/method.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::nonlinear {

class CustomNonlinearity;

/// One experiment with a residual nonlinearity or a coordinate-wise sign. theta_0 = 0.
struct NonlinearProblem {
  Covariance covariance;
  std::shared_ptr<const ingredients::Noise> noise;
  Method method = Method::sgd;
  double threshold = 0;  ///< of the method: c, h or tau, see Method; infinite for no clipping
  /// How the threshold h on |r| of clip, huber, reject follows the risk: constant; sqrt-risk, h = threshold * sqrt P;
  /// quantile, Pr(|r| < h) = threshold; optimal, the best h at P (clip then cuts at h sqrt(tr K)).
  std::string threshold_rule = "constant";
  /// h at a step, under a rule other than constant: the theory's own trajectory, for the simulation to replay.
  std::shared_ptr<const ingredients::Schedule> threshold_schedule;
  double learning_rate = 0;  ///< eta, the raw rate per step at schedule value 1; of a greedy rate its multiple
  /// The rate is learning_rate times that of ingredients::line_search_rule() at slope a(P) Q and curvature b(P) S + c(P) T:
  /// the fastest decrease of P in every step.
  bool greedy = false;
  double batch = 1;       ///< B, whole, >= 1
  double ema = 0;         ///< beta of the exponential average of sign-ema and ema-sign, beta1 of adam
  double ema_square = 0;  ///< beta2 of adam and per-example-adam
  double floor = 0;       ///< of adam and per-example-adam
  double zeta = 1;        ///< of per-example-adam; infinite for the variance alone
  std::shared_ptr<const CustomNonlinearity> nonlinearity;  ///< of custom
  /// Values of |x|^2/tr K, equally likely, for theories that see how norms spread (docs/theory/sign-and-clip.md,
  /// section 5.5); empty: all 1.
  std::vector<double> norm_spread;
  std::shared_ptr<const ingredients::Schedule> schedule;
  std::optional<spectra::DatasetOptions> dataset;  ///< when the examples are rows of it
  Time time;

  double rate_at(double step) const { return learning_rate * schedule->at(step); }
  /// Whether per-example-adam needs the variance over the batch's examples and has but one: its n is gbar^2 at zeta = 1/B.
  bool lacks_examples() const { return batch < 2 && zeta != 1 / batch; }
  bool coordinatewise() const { return method.coordinatewise(); }
  /// Whether the threshold is one on |r|.
  bool cuts_residuals() const { return method == Method::clip || method == Method::huber || method == Method::reject; }
};

}  // namespace edgewise::models::nonlinear
