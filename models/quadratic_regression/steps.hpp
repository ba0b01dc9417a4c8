#pragma once
/// \file
/// Exact steps of gradient descent, SGD with row masks, SAM and sharpness penalties on second-order regression, in the
/// space of residual and Jacobian (docs/theory/quadratic-regression.md, section 0; curvature-dynamics.md, sections 5, 6).
#include <cstddef>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/ingredients/curvature_tensor/instance.hpp"
#include "models/ingredients/curved_objective.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::CurvatureTensor;
using ingredients::QuadraticInstance;
using ingredients::QuadraticLaw;
using ingredients::QuadraticStart;

/// What a step moves along in place of the gradient g, e = rho g, W = Q e, and P the batch's rows:
///
///     sam              grad L(theta + e)                     functional_sam  J(theta+e)'P z = g + W'P z
///     penalty          g + rho A g, A a part of the Hessian  logit_sam       J'P z(theta+e)
///     weight_noise     grad L(theta + s xi), xi ~ N(0, I)
///     trace            the gradient of L + (s^2/2) tr A, A = GGN: sum_a Q_a J_a; NME: J'P (tr Q_a)_a / 2; or H
enum class StepKind { sam, functional_sam, logit_sam, penalty, weight_noise, trace };

/// theta' = theta - eta times that. The loss is a sum over outputs, |z|^2/2, or over the batch's rows of it; no 1/B.
struct QuadraticRule {
  double learning_rate = 0;
  double rho = 0;           ///< of the first four kinds; 0 leaves the gradient as it is
  bool normalised = false;  ///< rho/|g| in its place
  StepKind kind = StepKind::sam;
  ingredients::CurvaturePart part = ingredients::CurvaturePart::hessian;  ///< of penalty and trace
  double deviation = 0;                                                   ///< s; 0 leaves the gradient as it is

  /// Whether a step is along something else than the gradient.
  bool turns() const { return rho > 0 || deviation > 0; }
  /// The part A of the Hessian that counts in g + rho A g + O(rho^2).
  ingredients::CurvaturePart ascent_part() const;
  /// Where Q = 0 the Gauss-Newton part is all of H, and one rho does for all: that of SAM, 0 of what knows NME alone.
  double linear_rho() const { return ascent_part() == ingredients::CurvaturePart::neglected ? 0 : rho; }
};

class QuadraticState;

/// What a run makes of its steps itself, in place of one along the batch's gradient at the rate of all.
class StepRule {
 public:
  virtual ~StepRule() = default;
  /// Before the contraction: `along` holds the batch's gradient, and what it is changed into is moved along.
  virtual void direct(const QuadraticState& state, std::span<double> along) = 0;
  /// After it, with what the state knows of the step: its rate.
  virtual double rate(const QuadraticState& state) = 0;
};

/// A run on one instance.
class QuadraticState {
 public:
  /// \param instance  kept by reference
  /// \param sign      -1: the run on -Q, which is the run on Q from -z0 and -J0; residual and Jacobian then are those
  ///                  of -Q negated
  explicit QuadraticState(const QuadraticInstance& instance, double sign = 1);

  /// Moves theta by P numbers.
  void displace(std::span<const double> by);
  /// One step with the rows of `batch` (0-based, distinct), the same in both passes of SAM; all rows when it is empty.
  /// JointSteps takes those of many runs faster.
  /// \param noise  xi of weight_noise, P numbers
  void step(const QuadraticRule& rule, std::span<const std::size_t> batch = {}, std::span<const double> noise = {});

  const std::vector<double>& residual() const { return z_; }
  const linear_algebra::Matrix& jacobian() const { return j_; }
  const std::vector<double>& theta() const { return theta_; }
  const QuadraticInstance& instance() const { return instance_; }
  /// |z|^2 / 2.
  double loss() const;
  // Of the step that is being taken, from theta - eta u: the rows of its batch (empty: all), P z, u, J u and Q(u, u).
  std::span<const std::size_t> batch() const { return batch_; }
  const std::vector<double>& masked_residual() const { return masked_; }
  const std::vector<double>& along() const { return g_; }
  const std::vector<double>& pushed() const { return jg_; }
  const std::vector<double>& bent() const { return wg_; }

 private:
  friend class JointSteps;
  static void mask(std::span<const double> z, std::span<const std::size_t> batch, std::vector<double>& out);
  void gradient(const linear_algebra::Matrix& j, std::span<const double> z, std::span<const std::size_t> batch);
  /// The step in parts; between them w_ must become the contraction of the tensor with g_.
  void begin(std::span<const std::size_t> batch, StepRule* own);
  /// From g_ (of weight_noise xi) and its contraction to what is moved along.
  void ascend(const QuadraticRule& rule, std::span<const std::size_t> batch);
  void add_trace_gradient(const QuadraticRule& rule);
  void add_pull_back(const linear_algebra::Matrix& j, std::span<const double> z, double factor);
  void descend(double learning_rate, StepRule* own);

  const QuadraticInstance& instance_;
  std::span<const std::size_t> batch_;
  std::vector<double> z_, theta_;
  linear_algebra::Matrix j_;
  // Working space: masked residual, gradient, Q g and D-vectors.
  std::vector<double> masked_, g_, jg_, wg_, ascent_z_, scratch_;
  std::span<const double> noise_;
  std::vector<double> traces_;  // tr Q_a, once they are asked for
  linear_algebra::Matrix w_, ascent_j_;
};

/// Steps of several runs on one instance, to the same bits as each alone; the tensor is read once for all of them.
class JointSteps {
 public:
  /// Adds a run to the step that is being prepared; rows as in QuadraticState::step. All must live until it is taken.
  /// \param own  not null: what sets direction and rate of this run's step (not where the rule turns it)
  /// \param noise  as QuadraticState::step
  void add(QuadraticState& state, std::span<const std::size_t> batch, StepRule* own = nullptr,
           std::span<const double> noise = {});
  /// Takes the step with the runs added since the last one. \throws std::invalid_argument when they are not all on one
  /// instance.
  void take(const QuadraticRule& rule);

 private:
  void contract();

  std::vector<QuadraticState*> states_;
  std::vector<std::span<const std::size_t>> batches_;
  std::vector<StepRule*> rules_;
  std::vector<const double*> from_;
  std::vector<double*> to_;
  std::vector<double> scratch_;
};

}  // namespace edgewise::models::quadratic_regression
