#pragma once
/// \file
/// The theory of matrix least squares solved along the steps (docs/theory/muon-phases.md, sections 2, 5, 7): the moment
/// recursion, bare or dressed, and its limiting ODE at any horizon.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/muon/dynamics.hpp"
#include "models/muon/phases.hpp"
#include "models/muon/problem.hpp"
#include "solvers/coupled_modes.hpp"

namespace edgewise::models::muon {

/// Section [theory] of matrix least squares.
struct MatrixTheory {
  std::string method = "recursion";  ///< recursion, ode
  CoefficientOptions coefficients;
  bool dressed = false;  ///< recursion only
  double rtol = 1e-8, atol = 0;
  double scale_drift = 1, scale_noise = 1;  ///< factors on h and q, to see what a run would notice
  double resolutions = 0;                   ///< > 0: the ode's own times, up to this multiple of the resolution time
  std::size_t points = 200;                 ///< of those
  std::vector<std::size_t> powers;          ///< 1-based indices j of columns whose D_j is an observable
  std::optional<PowerLaw> power_law;
};

/// Observables of a problem: risk, excess_mse, and power_J for the asked columns.
std::vector<Observable> matrix_observables(const std::vector<std::size_t>& powers);
/// The eigenspace that holds column j (1-based). \throws std::invalid_argument beyond the last.
std::size_t eigenspace_of(const spectra::Spectrum& spectrum, std::size_t column);

/// The recursion, step by step.
class MatrixRecursion {
 public:
  /// Problem and dynamics must outlive it.
  MatrixRecursion(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory);
  void step(double learning_rate);
  double excess() const { return P_; }
  double residual_variance() const { return problem_.residual_variance(P_); }
  std::span<const double> state() const { return M_; }
  /// 2 eta max(h)/sqrt(V) of the last step: the overshoot guard wants < 1.
  double last_overshoot() const { return overshoot_; }
  std::size_t refreshes() const { return refreshes_; }

 private:
  void coefficients(double V);
  const MatrixLeastSquares& problem_;
  const MatrixDynamics& dynamics_;
  MatrixTheory theory_;
  std::vector<double> M_, h_, q_, f_, used_;
  double P_ = 0, overshoot_ = 0;
  bool fresh_ = false;
  std::size_t refreshes_ = 0;
};

/// How a protocol drives the flow, in its own time:
///
///     dM_i/dt = -2 drift(t) h_i M_i/sqrt(V) + noise(t) q_i,   adaptive:  dM_i/dt = -2 drift(t) h_i M_i + noise(t) q_i V.
struct FlowRates {
  std::function<double(double)> drift, noise;  ///< eta and eta^2; adaptive, eta/sqrt(V) and its square
  bool adaptive = false, autonomous = false;
};

/// The ODE at those rates.
class MatrixFlow final : public solvers::CoupledModes {
 public:
  /// Problem and dynamics must outlive it.
  MatrixFlow(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory,
             FlowRates rates)
      : problem_(problem), dynamics_(dynamics), theory_(theory), rates_(std::move(rates)) {}
  std::size_t size() const override { return dynamics_.size(); }
  std::span<const double> weights(std::size_t) const override { return dynamics_.weight; }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override;
  void sensitivity(double t, std::span<const double> p, std::span<const double> M, std::span<double> u) const override;
  bool affine() const override {
    return rates_.adaptive || (problem_.labels == Labels::vector && dynamics_.constant());
  }
  bool autonomous() const override { return rates_.autonomous; }

 private:
  const MatrixLeastSquares& problem_;
  const MatrixDynamics& dynamics_;
  MatrixTheory theory_;
  FlowRates rates_;
};

/// P_inf of (eta/2) N sqrt(V) = P: where a constant learning rate settles.
double noise_floor(double eta, double N, const MatrixLeastSquares& problem);

/// Solves at the recorded steps. \throws std::invalid_argument where the theory does not cover the problem.
Trajectory solve_matrix(const MatrixLeastSquares& problem, const MatrixDynamics& dynamics, const MatrixTheory& theory);

}  // namespace edgewise::models::muon
