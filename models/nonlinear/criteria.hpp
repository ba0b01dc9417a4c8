#pragma once
/// \file
/// When a nonlinearity helps (docs/theory/sign-and-clip.md, sections 1, 2.3, 3, 5.3): optimal thresholds, criteria,
/// ceilings.
#include <string>

#include "models/ingredients/noise.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// A threshold h on |r| and what it achieves.
struct OptimalThreshold {
  double threshold = 0;  ///< h*, infinite where nothing is best cut
  double progress = 0;   ///< mu^2/q there: the best rate of decrease is this times Q^2 / tr K^2
};
/// h* = argmax mu^2/q at excess mse P, of clip(r, -h, h) or of rejection (reject): a grid in log h, then a root.
OptimalThreshold optimal_threshold(const ingredients::Noise& noise, double P, Method method = Method::huber);

/// mu^2/nu at h*: > 1 if and only if optimally tuned clipping beats optimally tuned SGD in instantaneous decrease;
/// infinite when the noise has no variance.
double clipping_gain(const ingredients::Noise& noise, double P);
/// mu/nu at threshold h: the gain in the largest learning rate for which the risk still falls.
double learning_rate_gain(const ingredients::Noise& noise, double P, double h);
/// h with Pr(|r| < h) = probability.
double residual_quantile(const ingredients::Noise& noise, double P, double probability);
/// The threshold h on |r| at excess mse P under a rule: constant (clip: threshold/sqrt(tr K), others: threshold),
/// sqrt-risk (threshold * sqrt P), quantile (of |r|, at probability threshold), optimal (h*).
double threshold_at_risk(Method method, const std::string& rule, double threshold, double trace,
                         const ingredients::Noise& noise, double P);
/// The same by the problem's own method and rule.
double threshold_at_risk(const NonlinearProblem& problem, const ingredients::Noise& noise, double P);

/// J(P) = int p_r'^2/p_r dr, Fisher information of the residual's location: no chi has a larger mu^2/q.
double residual_information(const ingredients::Noise& noise, double P);
/// The nonlinearity that attains it, chi(r) = E[w | r] = -P p_r'(r)/p_r(r).
double oracle_nonlinearity(const ingredients::Noise& noise, double P, double r);

/// optimizer.floor over sqrt(n) = sqrt(K_ii (P + sigma^2)/B) of the coordinate that varies least: what the theory of adam,
/// which takes the floor as 0, is off by there. 0 for other methods, and where that has no second moment.
double floor_share(const NonlinearProblem& problem, const ingredients::Noise& noise, double P);

/// kappa_nc(P) = (pi^2/4) phi^2 (P + sigma^2)/P: 1 for Gaussian noise, > 1 where the sign compresses the noise.
double noise_compression(const ingredients::Noise& noise, double P);
/// Squared signal-to-noise ratio of a sign where single examples are N(mean, 1): of the mean, or averaged over signs.
double late_snr_squared(double mean, double batch);
double early_snr_squared(double mean, double batch);

}  // namespace edgewise::models::nonlinear
