#pragma once
/// \file
/// What an experiment of model quadratic-regression asks for, after reading.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/ingredients/base_update.hpp"
#include "models/ingredients/curvature_tensor/instance.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedules.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace edgewise::models::quadratic_regression {

enum class KernelNorms { none, annealed, exact };
/// Of curvature tensors; automatic: stored when they fit in memory.
enum class TensorStorage { automatic, stored, streamed };

struct QuadraticProblem {
  QuadraticLaw law;                                ///< of a given instance: its D and P
  std::shared_ptr<const QuadraticInstance> given;  ///< the file's own instance, or null: drawn from the law
  std::vector<double> given_z0;                    ///< the file's own residual at theta = 0, or empty: drawn
  linear_algebra::Matrix given_j0;                 ///< the file's own Jacobian there, or empty: drawn
  bool shared_instance = false;                    ///< all replicas run on the instance of replica 0
  bool shared_initial = false;                     ///< all replicas start from z0 and J0 of replica 0, Q is their own
  QuadraticRule rule;
  bool sam = false;                                       ///< the optimizer takes a rho, which may be 0
  std::shared_ptr<const ingredients::Schedule> schedule;  ///< of the learning rate; null: constant
  std::shared_ptr<const ingredients::RateRule> rate;  ///< sets the rate, times the schedule; null: the optimizer's own
  std::string rate_kind;                              ///< of that rule
  ingredients::BaseUpdate base;                       ///< what the rate multiplies, of gd and sgd
  std::size_t batch = 1;                              ///< B of D rows per step
  Time time;
  std::uint64_t replicas = 1;
  std::uint64_t seed = 1;

  TensorStorage tensor = TensorStorage::automatic;
  double memory_limit = 0;  ///< bytes for the tensors of replicas that run at a time; 0: 80% of what is available
  unsigned threads = 0;     ///< that run replicas at a time; 0: all cores
  KernelNorms kernel_norms = KernelNorms::none;
  bool traces = false;               ///< both parts of the Hessian are observed
  bool every_step = false;           ///< the Hessian's largest eigenvalue is found at every step
  std::uint64_t burn_in = 0;         ///< steps that what is said of those leaves out
  std::size_t eigenvalues = 1;       ///< of K, observed from the largest down
  bool antithetic = false;           ///< a replica is the mean of the runs on Q and on -Q, with the same batches
  double perturbation = 0;           ///< length by which theta is moved at the start
  std::size_t sharpening_modes = 0;  ///< eigenvectors along which the first differences of K are observed

  /// Whether all replicas have one J0, one z0, one Q.
  bool fixed_jacobian() const { return shared_instance || shared_initial || given || given_j0.size() > 0; }
  bool fixed_residual() const { return shared_instance || shared_initial || given || !given_z0.empty(); }
  bool fixed_curvature() const { return shared_instance || given; }
  /// SAM's, and that of every ascent or penalty that knows the Gauss-Newton part, 2/eta at rho = 0. Normalised, it grows
  /// as the gradient vanishes, and leaves no edge.
  bool has_sam_edge() const {
    if (rule.ascent_part() == ingredients::CurvaturePart::neglected) return false;
    return rule.rho > 0 ? !rule.normalised : sam;
  }
  /// Whether a step is more than the optimizer's rate along the batch's gradient.
  bool turned() const { return rate || !base.plain(); }
  bool full_batch() const { return batch == law.outputs; }
  double batch_fraction() const { return static_cast<double>(batch) / static_cast<double>(law.outputs); }
  /// Of a rule the factor on its rate.
  double learning_rate(double step) const { return rule.learning_rate * (schedule ? schedule->at(step) : 1.0); }
};

/// Residual and Jacobian at theta = 0 of a replica.
QuadraticStart quadratic_start(const QuadraticProblem& problem, std::uint64_t seed, std::uint64_t replica);

/// The instance of replica 0 with its curvature tensor stored: the one given, or the one drawn.
std::shared_ptr<const QuadraticInstance> first_instance(const QuadraticProblem& problem);

}  // namespace edgewise::models::quadratic_regression
