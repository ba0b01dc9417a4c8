#pragma once
/// \file
/// Exact steps of gradient descent, SGD with row masks and SAM on second-order regression, in the space of residual and
/// Jacobian (docs/theory/quadratic-regression.md, section 0).
#include <cstddef>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/quadratic_regression/instance.hpp"

namespace edgewise::models::quadratic_regression {

/// theta' = theta - eta grad, with the gradient at theta (rho = 0) or at theta + rho grad (SAM; rho/|grad| when
/// normalised). The loss is a sum over outputs, |z|^2/2, or over the batch's rows of it; no 1/B.
struct QuadraticRule {
  double learning_rate = 0;
  double rho = 0;
  bool normalised = false;
};

/// A run on one instance.
class QuadraticState {
 public:
  /// \param instance  kept by reference
  /// \param sign      -1: the run on -Q, which is the run on Q from -z0 and -J0; residual and Jacobian then are those
  ///                  of -Q negated
  explicit QuadraticState(const QuadraticInstance& instance, double sign = 1);

  /// One step with the rows of `batch` (0-based, distinct), the same in both passes of SAM; all rows when it is empty.
  /// JointSteps takes those of many runs faster.
  void step(const QuadraticRule& rule, std::span<const std::size_t> batch = {});

  const std::vector<double>& residual() const { return z_; }
  const linear_algebra::Matrix& jacobian() const { return j_; }
  const std::vector<double>& theta() const { return theta_; }
  /// |z|^2 / 2.
  double loss() const;

 private:
  friend class JointSteps;
  void gradient(const linear_algebra::Matrix& j, std::span<const double> z, std::span<const std::size_t> batch);
  /// The step in parts; between them w_ must become the contraction of the tensor with g_.
  void begin(std::span<const std::size_t> batch) { gradient(j_, z_, batch); }
  void ascend(const QuadraticRule& rule, std::span<const std::size_t> batch);
  void descend(const QuadraticRule& rule);

  const QuadraticInstance& instance_;
  std::vector<double> z_, theta_;
  linear_algebra::Matrix j_;
  // Working space: masked residual, gradient, Q g and D-vectors.
  std::vector<double> masked_, g_, jg_, wg_, ascent_z_;
  linear_algebra::Matrix w_, ascent_j_;
};

/// Steps of several runs on one instance, to the same bits as each alone; the tensor is read once for all of them.
class JointSteps {
 public:
  /// Adds a run to the step that is being prepared; rows as in QuadraticState::step. `state` and `batch` must live
  /// until it is taken.
  void add(QuadraticState& state, std::span<const std::size_t> batch);
  /// Takes the step with the runs added since the last one. \throws std::invalid_argument when they are not all on one
  /// instance.
  void take(const QuadraticRule& rule);

 private:
  void contract();

  std::vector<QuadraticState*> states_;
  std::vector<std::span<const std::size_t>> batches_;
  std::vector<const double*> from_;
  std::vector<double*> to_;
  std::vector<double> scratch_;
};

}  // namespace edgewise::models::quadratic_regression
