#pragma once
/// \file
/// The theory of streaming SGD on least squares: exact recursion, limiting equations, Volterra form, homogenized SDE.
#include <cstdint>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/least_squares/least_squares.hpp"
#include "models/least_squares/reduced_noise.hpp"
#include "models/least_squares/sgd_flow.hpp"
#include "settings/words.hpp"
#include "solvers/sde.hpp"

namespace edgewise::models::least_squares {

enum class TheoryMethod { recursion, ode, volterra, reduced, sde };
const settings::Words<TheoryMethod>& theory_methods();

/// Of the ode; automatic: contour at a constant learning rate, else sdirk4.
enum class FlowIntegrator { automatic, contour, sdirk4, etd, explicit_ };

/// Section [theory] of a least-squares experiment.
struct LeastSquaresTheory {
  TheoryMethod method = TheoryMethod::recursion;
  FlowLevel level = FlowLevel::log;  ///< of the ode (docs/theory/least-squares-sgd.md, section 1.2)
  FlowIntegrator integrator = FlowIntegrator::automatic;
  NoiseKernel kernel = NoiseKernel::volterra;  ///< of reduced
  std::size_t exponentials = 4;                ///< of the reduced kernel of that name
  bool bands = false;
  bool decomposition = false;  ///< add the bias, multiplicative-noise and label-noise parts of P
  bool exponents = false;      ///< add the local exponent d log P / d log step
  double rtol = 1e-8, atol = 0;
  /// Factors on the coefficients, 1 for the true theory: would a run notice if the theory were wrong by so much?
  double scale_contraction = 1;  ///< on m_a, the decay of a mode per step
  double scale_feedback = 1;     ///< on (eta^2/B) n_a lambda_a
  double scale_label_noise = 1;  ///< on sigma^2
  solvers::SdeScheme scheme = solvers::SdeScheme::weak_two;
  std::uint64_t paths = 256;  ///< of the sde
  double time_step = 1;       ///< of the sde, in optimizer steps
  std::uint64_t seed = 1;     ///< of the sde

  bool scaled() const { return scale_contraction != 1 || scale_feedback != 1 || scale_label_noise != 1; }
};

/// What reads section [theory]: plain SGD, a linear method whose steps are all alike, or one that works in rounds.
enum class TheoryOf { plain_sgd, steps, rounds };
/// The keys of section [theory].
const std::vector<settings::Parameter>& theory_parameters();
/// \throws settings::Error, also for keys that are read for plain SGD alone.
LeastSquaresTheory read_theory(const settings::Table& theory, TheoryOf of);

/// Solves at the recorded steps of the problem. \throws settings::Error-compatible std::invalid_argument when a method
/// does not cover the problem (e.g. bands for real rows).
Trajectory solve_sgd(const LeastSquares& problem, const LeastSquaresTheory& theory);

/// Why the variance of the risk of this problem is not known; empty where it is.
std::string unknown_variance(const LeastSquares& problem);

/// Adds the column excess_mse_exponent, d log P / d log step by second-order differences.
void add_local_exponent(Trajectory& trajectory);

/// `edgewise stability`.
std::vector<Finding> sgd_stability(const LeastSquares& problem);

/// Exponents and constants of the power law lambda_j = j^(-2 alpha), theta*_j = j^(-beta)
/// (docs/theory/least-squares-sgd.md, section 7): F ~ bias_constant t^(-p) and H ||F|| ~ kernel_constant t^(-q), t in
/// steps, and with label noise P = P_inf + these - floor_constant t^(-floor_exponent).
struct PowerLawPrediction {
  double bias_exponent = 0, bias_constant = 0;      ///< p; 0 when there is no power law
  double kernel_exponent = 0, kernel_constant = 0;  ///< q; 0 when beta <= 1/2, or of a plateau (alpha <= 1/4)
  double floor_exponent = 0, floor_constant = 0;    ///< 0 when alpha <= 1/2 or without label noise
  std::string phase;                                ///< which term rules at long times
  /// P(t) predicted by the bias and the kernel term with their 1/(1 - kappa) factors where 2 alpha > 1.
  double excess_mse(double t) const;
  /// Sets `phase` from the terms.
  void judge();
};
/// Of the flow (level homog) from theta_0 = 0, label noise of variance 1; the plateau, which depends on the size, left out.
PowerLawPrediction power_law_prediction(double alpha, double beta, double eta, double batch, double kappa);
/// Of SGD's steps on a problem of that spectrum, from its start and with its label noise.
PowerLawPrediction power_law_prediction(double alpha, double beta, const LeastSquares& problem);
/// What `edgewise stability` adds to sgd_stability() on a power law.
std::vector<Finding> power_law_findings(double alpha, double beta, const LeastSquares& problem);

}  // namespace edgewise::models::least_squares
