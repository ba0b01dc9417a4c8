#pragma once
/// \file
/// The largest eigenvalue of the loss' Hessian along a run, and how the rates of its steps stand to it.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/absent.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/base_update.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace edgewise::models::quadratic_regression {

/// lambda of H = J'J + sum_a z_a Q_a, where it is algebraically largest: one reading of the tensor for the sum, then
/// Lanczos' method from the eigenvector that it had last.
class LargestHessianEigenvalue {
 public:
  /// At the state's point, of the outputs `batch` (all where empty); of P^-1 H where P > 0 is given, by parameter.
  /// \throws std::runtime_error where it is no number
  double operator()(const QuadraticState& state, std::span<const std::size_t> batch = {},
                    std::span<const double> P = {});

 private:
  linear_algebra::Matrix sum_, start_;
  std::vector<double> scratch_, weights_, pushed_, scaled_;
};

/// eta_k lambda_k/edge_factor of every step of a run, lambda_k of P_k^-1 H at the point that the step leaves.
class EdgeRecord {
 public:
  /// \param burn_in  steps that the median and the share leave out;  \param edge_factor  of the base update
  explicit EdgeRecord(std::uint64_t burn_in, double edge_factor = 1) : burn_in_(burn_in), edge_factor_(edge_factor) {}
  /// To be called where step `step` leaves, and after it with its rate. \param P  as LargestHessianEigenvalue
  void leaves(const QuadraticState& state, std::span<const double> P = {}) { sharpness_ = largest_(state, {}, P); }
  void took(std::uint64_t step, double rate);
  /// Writes what edge_observables() names. \param state  the point that the last step has come to
  void write(const QuadraticState& state, std::span<double> out) const;

 private:
  std::uint64_t burn_in_;
  double edge_factor_;
  LargestHessianEigenvalue largest_;
  mutable LargestHessianEigenvalue recorded_;
  double sharpness_ = 0, last_ = absent;
  std::vector<double> products_;
};

/// sharpness, eta_lambda, median_eta_lambda, share_below_edge. \param base  what lambda and the edge are of
std::vector<Observable> edge_observables(const ingredients::BaseUpdate& base);

}  // namespace edgewise::models::quadratic_regression
