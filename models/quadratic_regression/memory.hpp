#pragma once
/// \file
/// Quadratic regression in the limit of many outputs and parameters (D, P to infinity, delta = D / P fixed): gradient
/// descent and SGD as an exact causal recursion with memory for two-time functions. See
/// docs/theory/quadratic-regression.md, section 3.
///
/// The residuals are a Gaussian random field over the parameters, of covariance
/// c(q) = sz2 + sJ2 q + kappa q^2 / 2, q = theta . theta' / P. Losses are per output, |z|^2 / (2 D).
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"

namespace edgewise::models::quadratic_regression {

/// The ensemble of quadratic regression problems in its limit.
struct QuadraticEnsemble {
  double delta = 0.5;            ///< outputs per parameter, D / P; > 0
  double kappa = 1;              ///< strength of the curvature; >= 0, 0 is the linear model
  double residual_variance = 1;  ///< sz2, of the initial residuals; > 0
  double jacobian_variance = 1;  ///< sJ2, P times that of the initial Jacobian's entries; > 0
};

/// Mean diagonal entry of the kernel J J' at q = |theta|^2 / P: sJ2 + kappa q.
double quadratic_kernel_mean(const QuadraticEnsemble& ensemble, double q);
/// Upper edge of the kernel's bulk at q: (sJ2 + kappa q) (1 + sqrt delta)^2. That it is the largest eigenvalue is a
/// conjecture that simulations bear out (docs/theory/quadratic-regression.md (3.5)).
double quadratic_bulk_edge(const QuadraticEnsemble& ensemble, double q);

/// The loss along the step u = g + momentum u_before as the limit knows it before the step's rate is chosen, per output and exact:
/// L(theta - eta u)/D = loss - slope eta + curvature eta^2/2 + third eta^3 + fourth eta^4.
struct QuadraticDescent {
  double loss = 0;
  double slope = 0;      ///< g.u/D
  double curvature = 0;  ///< u'H u/D
  double third = 0, fourth = 0;
  double q = 0;                 ///< |theta|^2/P
  double along = 0;             ///< u.theta/P
  double squared_gradient = 0;  ///< |g|^2/D
};

/// One run of (stochastic) gradient descent in the limit.
struct QuadraticMemoryProblem {
  QuadraticEnsemble ensemble;
  double batch_fraction = 1;  ///< b = B / D, the share of outputs in a step; 0 < b <= 1
  /// eta: one value for all steps, or one for each step (the recursion remains exact).
  std::vector<double> learning_rate = {0.1};
  /// Not empty: the rate of step t, >= 0, from what the step shows (in place of learning_rate; all outputs a step). It is not
  /// asked once |g|^2 times the rate of the edge is below `smallest_descent` of the loss, as near a floor of it, where ratios are
  /// lost in rounding; the last rate then goes on.
  std::function<double(std::size_t t, const QuadraticDescent& now)> choose_rate = {};
  double momentum = 0;  ///< of the heavy ball, u <- momentum u + g, theta' = theta - eta u; 0 <= momentum < 1
  std::size_t steps = 100;
  bool two_time = false;                                    ///< keep the two-time functions
  std::size_t memory_limit = std::size_t{4} * 1073741824u;  ///< bytes that the recursion may allocate
  double largest_loss = 1e6;                                ///< loss per output beyond which the run counts as diverged
};

/// Two-time functions, (T + 1) x (T + 1), first index the later step t where they are causal. All symmetric but
/// `response` and `residual_response`, which are zero above the diagonal.
struct QuadraticTwoTime {
  linear_algebra::Matrix overlap;            ///< C(t, s) = theta_t . theta_s / P
  linear_algebra::Matrix response;           ///< R(t, s): of theta_t to a kick added to theta_(s+1)
  linear_algebra::Matrix residual_response;  ///< H(t, s) = E dz_t / dxi_s
  linear_algebra::Matrix residual;           ///< S(t, s) = E z_t z_s
  linear_algebra::Matrix masked_residual;    ///< M(t, s) = E m_t z_t m_s z_s
};

/// See QuadraticMemoryProblem::choose_rate.
constexpr double smallest_descent = 1e-7;

/// What became of the run. The vectors hold steps 0, 1, ..., shorter than asked when it diverged.
struct QuadraticMemorySolution {
  std::vector<double> loss;         ///< per output, S(t, t) / 2
  std::vector<double> q;            ///< |theta_t|^2 / P
  std::vector<double> kernel_mean;  ///< tr K / D
  std::vector<double> bulk_edge;    ///< lambda_+, see quadratic_bulk_edge
  std::vector<double> chosen;       ///< the rates of choose_rate, by step, as far as it was asked
  /// First step at which eta lambda_+ > 2 (1 + momentum) at full batch: from here on few modes carry the dynamics, and a finite system
  /// departs from this limit by O(1). Of rates that are chosen, which may jump above and below: the step at which the edge's
  /// modes have grown tenfold since they were least, prod |1 - eta lambda_+| (with momentum, the heavy ball's factor). With mini-batches that line is crossed harmlessly, and this stays empty.
  std::optional<std::size_t> post_eos;
  std::optional<std::size_t> diverged_at;  ///< step whose loss was not finite or beyond `largest_loss`
  std::optional<QuadraticTwoTime> two_time;
};

/// Bytes that `solve_quadratic_memory` allocates: four packed triangles of steps + 1 rows, and eight full
/// matrices when the two-time functions are asked for.
std::size_t quadratic_memory_bytes(std::size_t steps, bool two_time);

/// Solves the recursion. Time O(steps^3) in passes over packed triangles, three times as many where the rate is chosen;
/// memory O(steps^2).
/// \throws std::invalid_argument for parameters out of range and when the memory it needs exceeds the limit, before it is
/// allocated.
QuadraticMemorySolution solve_quadratic_memory(const QuadraticMemoryProblem& problem);

/// Gradient flow dtheta/dtau = -grad L, which is (stochastic) gradient descent at eta b t = tau as eta -> 0.
struct QuadraticFlow {
  std::vector<double> time;
  std::vector<double> loss, q, kernel_mean, bulk_edge;  ///< at `time`
  double loss_error = 0;                                ///< estimated largest error of the loss over all times
  double q_error = 0;                                   ///< the same for q
  std::size_t steps = 0;                                ///< of the finest recursion used
};

struct QuadraticFlowOptions {
  double tolerance = 1e-8;       ///< of loss and q, absolute in units of their scales (initial loss, 1)
  std::size_t most_steps = 600;  ///< of the finest recursion
};

/// Richardson extrapolation in eta, at fixed eta t, of the recursion at full batch, until the estimated error meets the
/// tolerance or the steps run out (the errors then say what was reached).
/// \param time increasing, positive or zero. \throws std::invalid_argument for parameters out of range.
QuadraticFlow solve_quadratic_flow(const QuadraticEnsemble& ensemble, std::span<const double> time,
                                   const QuadraticFlowOptions& options = {});

struct QuadraticDivergence {
  std::size_t steps = 60;     ///< horizon
  double growth = 100;        ///< a loss beyond this multiple of the initial one counts as divergence
  double batch_fraction = 1;  ///< b
  double tolerance = 1e-6;    ///< relative, of the threshold
};

/// eta_c: the learning rate above which the loss grows by `growth` within `steps`, by bisection on the recursion.
/// For kappa > 0 it lies below the linear threshold: divergence at eta lambda_+ < 2 is a nonlinear effect.
/// \throws std::invalid_argument for parameters out of range.
double quadratic_divergence_threshold(const QuadraticEnsemble& ensemble, const QuadraticDivergence& options = {});

/// The linear model (kappa = 0) by integrals over the Marchenko-Pastur law, without the recursion: loss per output at
/// steps 0..steps, exact to rounding (a Gauss rule: the loss at step t averages a polynomial of degree 2 t in the
/// eigenvalue). Source: docs/theory/quadratic-regression.md (3.6). \throws std::invalid_argument when kappa is not 0.
std::vector<double> quadratic_linear_loss(const QuadraticMemoryProblem& problem);

}  // namespace edgewise::models::quadratic_regression
