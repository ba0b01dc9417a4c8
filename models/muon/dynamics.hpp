#pragma once
/// \file
/// The closed dynamics of matrix least squares (docs/theory/muon-phases.md, section 2): modes with drift and noise
/// coefficients.
///
///     M_i' = M_i - 2 eta h_i(V) M_i/sqrt(V) + eta^2 q_i(V),     P = sum_i weight_i M_i
///
/// with the drift h (hhat of the page) and the noise q of the map S, and V = P + sigma^2 (sigma^2 for vector labels).
/// Modes are eigenspaces of K, M = D; pairs of eigenspaces of Sigma and K where outputs are anisotropic; of
/// Dg^(-1/4) K Dg^(-1/4) for signs in a basis with unequal diagonal.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/muon/null_draws.hpp"
#include "models/muon/problem.hpp"

namespace edgewise::models::muon {

/// fixed_point: the deterministic equivalents of sections 3 and 4; idealised: large batch, m >= n, of section 7;
/// null: measured from draws of the null law.
enum class CoefficientSource { fixed_point, idealised, null };

struct CoefficientOptions {
  CoefficientSource source = CoefficientSource::fixed_point;
  std::uint64_t draws = 64, seed = 1;  ///< of null
  std::string sign_noise = "auto";     ///< arcsine, linear; auto: arcsine where it is known
};

class MatrixDynamics {
 public:
  /// \throws std::invalid_argument where the theory does not cover the problem.
  MatrixDynamics(const MatrixLeastSquares& problem, const CoefficientOptions& options);

  std::size_t size() const { return weight.size(); }
  std::vector<double> weight;   ///< P = sum weight M
  std::vector<double> count;    ///< coordinates of a mode
  std::vector<double> initial;  ///< M(0), of the whole mode
  std::vector<double> drift;    ///< h per coordinate, at V = 1
  std::vector<double> noise;    ///< q of the whole mode, at V = 1
  /// The modes are the eigenspaces of K in the spectrum's order: M = D.
  bool inputs = true;
  std::string description;  ///< of the coefficients, for outputs
  double ridge = 0;         ///< kappa, SignSVD
  double sign_factor = 0;   ///< phi_B, signs
  /// Of SGD what q has beside its leading order, noise_by_excess P + noise_by_power M, which makes the recursion exact
  /// (docs/theory/muon-phases.md, section 2); empty elsewhere.
  std::vector<double> noise_by_excess, noise_by_power;
  bool exact() const { return !noise_by_power.empty(); }

  /// h and q do not depend on V.
  bool constant() const { return degree_ == 0 && table_.empty(); }
  void at(double V, std::span<double> h, std::span<double> q) const;
  double excess(std::span<const double> M) const;
  /// N = sum_i weight_i q_i/h_i; constant coefficients.
  double noise_to_drift() const;

  /// Whether the dressed correction (5.1) is known here, and why not.
  std::optional<std::string> no_dressing() const;
  /// f_i - 1 = (2 + B/m) phi_i with the signal shares phi_i = weight_i M_i/(count_i V) (SignSVD), or (2 + B/m) psi in
  /// every entry, psi the mean of phi weighted by count_i weight_i (signs).
  void inflation(std::span<const double> M, double V, std::span<double> f) const;
  /// h with the correction for the inflation f - 1 of the modes.
  void dress(std::span<const double> f, std::span<double> h) const;
  /// max_i (2 + B/m) phi_i, the signal to noise guard of docs/theory/muon-phases.md, section 5.
  double signal_to_noise(std::span<const double> M, double V) const;

 private:
  void build_spectral(const CoefficientOptions& options);
  void build_pairs(const CoefficientOptions& options);
  void build_signs(const CoefficientOptions& options);
  void build_measured(const CoefficientOptions& options);
  void build_sgd();
  void by_inputs();
  const MatrixLeastSquares& problem_;
  double degree_ = 0;  // h ~ V^(degree/2), q ~ V^degree
  std::vector<double> log_v_;
  std::vector<MeasuredCoefficients> table_;
  std::vector<double> bare_polar_;  // SignSVD's drift, for the dressing of maps that are measured
};

}  // namespace edgewise::models::muon
