#pragma once
/// \file
/// Learning-rate protocols of matrix least squares (docs/theory/muon-phases.md, sections 6, 7) and the time scales they
/// go with.
#include <memory>
#include <optional>
#include <string>

#include "models/muon/dynamics.hpp"
#include "models/muon/phases.hpp"
#include "models/muon/problem.hpp"

namespace edgewise::models::muon {

/// gamma_max = 2/N, N = sum weight q/h: beyond it the adaptive protocol, eta = gamma sqrt V, diverges.
double largest_gamma(const MatrixDynamics& dynamics);
/// gamma of the adaptive protocol at full schedule: given, or gamma_fraction gamma_max.
double adaptive_gamma(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics);
/// The gamma at which the slowest part of the adaptive protocol's flow decays fastest, and that rate per step (of P).
struct BestGamma {
  double gamma = 0, rate = 0;
};
BestGamma best_gamma(const MatrixDynamics& dynamics);

/// Protocol C (conjectured): gamma = fraction 2/N(u), N(u) = sum weight q (1 - exp(-2 h u))/h the noise that what is
/// resolved so far would hold, u = int gamma dt; never beyond the overshoot guard 2 gamma h = 1. t(u) is known in
/// closed form.
class LocalEquilibrium {
 public:
  LocalEquilibrium(const MatrixDynamics& dynamics, double fraction);
  double gamma(double u) const;
  double time(double u) const;
  /// The inverse of `time`.
  double progress(double t) const;

 private:
  double resolved(double u) const;  ///< N(u)
  double uncapped_time(double u) const;
  const MatrixDynamics& dynamics_;
  double fraction_, cap_, capped_until_ = 0;  ///< u up to which the guard holds
};

/// eta of one step after another.
class LearningRate {
 public:
  /// `dynamics` may be null where nothing follows the coefficients (the constant protocol, or a given gamma).
  LearningRate(const MatrixLeastSquares& problem, const MatrixDynamics* dynamics);
  /// eta of step `step` at residual variance V; called once per step in order.
  double next(double step, double V);
  double gamma() const { return gamma_; }

 private:
  const MatrixLeastSquares& problem_;
  double gamma_ = 0, progress_ = 0;
  std::shared_ptr<const LocalEquilibrium> local_;
};

/// Whether the protocol's rates need the theory's coefficients.
bool follows_coefficients(const MatrixLeastSquares& problem);
/// The protocol in words, with its numbers: every output carries it.
std::string protocol_text(const MatrixLeastSquares& problem, double gamma);

/// Steps after which the last modes are resolved by the adaptive protocol: (m/B) tr sqrt(K)/sqrt(lambda_n) (SignSVD),
/// (m/B) tr K/lambda_n (SignSGD). \param law  behind the spectrum; it has lambda_n, which the nodes of a compressed one
/// may not hold
struct ResolutionTimes {
  double signsvd = 0, signsgd = 0;
};
ResolutionTimes resolution_times(const MatrixLeastSquares& problem, const std::optional<PowerLaw>& law);

}  // namespace edgewise::models::muon
