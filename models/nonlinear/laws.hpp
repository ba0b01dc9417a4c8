#pragma once
/// \file
/// The scalar laws a(P), b(P), c(P) of nonlinear-gradient methods (docs/theory/sign-and-clip.md, sections 1, 2, 3, 5).
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "models/nonlinear/nonlinearities.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// Averages over w ~ N(0, P) and the noise. Throws std::invalid_argument for P <= 0.
ResidualCoefficients residual_coefficients(const ResidualNonlinearity& chi, const ingredients::Noise& noise, double P);
/// Density of the residual r = w - eps at r, and its derivative.
ingredients::DensitySlope residual_density(const ingredients::Noise& noise, double P, double r);

/// phi(P) = (2/pi) E exp(-eps^2/(2P)): the drift of a sign is phi/sqrt(P) (docs/theory/sign-and-clip.md, section 2.1).
double sign_phi(const ingredients::Noise& noise, double P);
/// The sign of a mean gradient of `batch` examples ("late"), to first order in what a coordinate has in common with the
/// residual: E sign(g_i) = a(P) k_i, with k_i = (K v)_i/sqrt(K_ii). With g(t) = E exp(-t r^2), the integral (3.1)
/// of docs/theory/sign-and-clip.md by parts is
///
///     a = (sqrt 2/pi) (B - 1) int_0^inf t^(-1/2) g^B dt,   B > 1.
double late_drift(const ingredients::Noise& noise, double P, double batch);
/// What the residuals, which all coordinates share, add to the second moment of two of these signs: E sign(g_i) sign(g_j)
/// = (2/pi) arcsin(C_ij) + late_coupling k_i k_j for i != j and small C_ij. Given the residuals the mean gradient is
/// Gaussian; with h = sum_b r_b w_b/|r| the second order in k_i is (2/pi) (E h^2/P - 1)/P k_i k_j, and
///
///     late_coupling = (2/pi) (B - 1)(B - 2) int_0^inf g^B dt,   B > 2;   4 p_r(0)^2 at B = 2;   0 at B = 1,
///
/// (2/pi) (B - 1)/(P + sigma^2) under Gaussian noise.
double late_coupling(const ingredients::Noise& noise, double P, double batch);
/// E|sum of B signs|: what a majority of B gains in drift; and the probability of a tie.
double majority_gain(double batch);
double majority_tie(double batch);
/// That two majorities tie at once, of B pairs of signs that correlate by tau.
double majority_ties(double batch, double tau);
/// E[f f'] of the majorities f, f' of B pairs of signs that correlate by tau is sum_k weight_k tau^k (weights of the
/// Fourier levels of f). B <= 50.
std::vector<double> majority_weights(double batch);
/// Descent and variance reduction of a mini-batch mean clipped at norm c, Gaussian residual of variance tau2
/// (docs/theory/sign-and-clip.md, section 5.2).
struct MeanClipFactors {
  double mu = 0, nu = 0;
};
MeanClipFactors mean_clip_factors(double tau2, double batch, double c, double trace);

/// a, b, c of the mode system, dM_i/dt = -2 eta a kappa_i M_i + eta^2 [b s_i + c kappa_i^2 M_i].
struct LawValues {
  double a = 0, b = 0, c = 0;
};

/// Of a batch's mean: a = mu, b = q/B, c = c2/B + (1 - 1/B) mu^2.
LawValues law_of_batch(const ResidualCoefficients& example, double batch);

/// The laws of one method, tabulated on demand: Chebyshev interpolation in log P, a panel for every `width` of it, halved
/// where the series does not end. One object serves one thread.
class ScalarLaws {
 public:
  using Function = std::function<LawValues(double)>;
  /// \param error to which `exact` is known, relative; panels are not halved for less.
  /// \param key laws of the same one, which says everything about them, share their table for the life of the process; an
  /// empty one is shared with none.
  explicit ScalarLaws(Function exact, double width = 1, double error = 1e-9, const std::string& key = {});
  /// At P >= 0, taken as 1e-300 below that.
  LawValues operator()(double P) const;
  /// The laws, and d(a, b, c)/d log P, which is as large as they are.
  std::pair<LawValues, LawValues> with_derivative(double P) const;
  LawValues derivative(double P) const { return with_derivative(P).second; }
  LawValues exact(double P) const { return exact_(P); }

  struct Table;  ///< panels that may be shared

 private:
  static constexpr std::size_t order = 18;
  struct Curve {
    bool logarithmic = false;
    std::array<double, order> coefficient{};  ///< Chebyshev
  };
  struct Panel {
    std::array<Curve, 3> curve;
    bool halved = false;  ///< see those of the next level
  };
  using Place = std::pair<int, int>;  ///< level and number: from number width/2^level on
  /// The panel at log P, with the place x in it, -1..1, and its width.
  const Panel& panel(double log_P, double& x, double& width) const;
  Panel made(int level, double first, double width) const;
  Function exact_;
  double width_, error_;
  std::shared_ptr<Table> table_;
  mutable std::map<Place, std::shared_ptr<const Panel>> panels_;  ///< those that this object has met
};

/// chi of a method of class I other than custom and mean-clip, at a threshold h (or tau) on |r|.
std::unique_ptr<ResidualNonlinearity> method_nonlinearity(Method method, double threshold);

/// The label noise of a problem with what no linear function of the data explains, taken as Gaussian.
std::shared_ptr<const ingredients::Noise> effective_noise(const NonlinearProblem& problem);

/// How the noise of two coordinates of a sign-like method correlates where their data do (class_two_modes). Of sign-ema
/// the sum over lags l of (2/pi) arcsin(c beta^l); adam: adam_noise_kernel; both conjectured where the covariance is
/// not diagonal. \throws std::invalid_argument where it is not known.
NoiseKernel noise_kernel(const NonlinearProblem& problem);

/// The step at P = 0, where every residual is the noise itself. Where steps jump at an atom of it, as signs do at 0, residuals
/// are on both sides as P falls to 0, but not at it.
struct StepAtOptimum {
  double share = 1;    ///< b there over what the laws read at P = 0
  double spread = 0;   ///< relative variance, over steps, of the size b that all modes share; 0 where no step jumps
  double squares = 0;  ///< of a majority's ties: variance of a coordinate's squared step at that size, over b^2
  double lag = 0;      ///< steps that single runs wait at the optimum, on average
  double missed = 0;   ///< by how many steps a flow is off, which starts at what b tends to
};
StepAtOptimum step_at_optimum(const NonlinearProblem& problem);
/// Steps by which the mean of P is behind the theory where it grows from the noise of steps that remember earlier ones, which
/// the theory has at once: of ema-sign sum_j 1 - (1 - beta^j)^2; of sign-ema and adam (there ahead) a bound on what sums of the
/// steps' own process, simulated at P = 0, came to.
double memory_lag(const NonlinearProblem& problem);
/// Whether a or c grows without end as P falls to 0, like P^(-1/2) of a step that jumps at an atom of the noise.
bool endless_drift_at_optimum(const ScalarLaws& laws);

/// The laws of the problem's method, with its threshold rule. \throws std::invalid_argument where there are none:
/// infinite variance without a bounded nonlinearity, the sign of an exponential average with non-Gaussian noise, ...
ScalarLaws scalar_laws(const NonlinearProblem& problem);

}  // namespace edgewise::models::nonlinear
