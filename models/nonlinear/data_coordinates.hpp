#pragma once
/// \file
/// In which coordinates a nonlinear gradient is simulated: the data, the start, and real rows.
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/nonlinear/mode_system.hpp"
#include "models/nonlinear/problem.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::nonlinear {

/// Coordinates of the data, x = root .* z or x = factor z with z ~ N(0, I), and the start.
class DataCoordinates {
 public:
  /// \param rows  examples come in their own coordinates; else a method of class I, which commutes with rotations, is
  /// put into the eigenbasis, where it has the same law and a step costs O(d).
  /// \throws std::invalid_argument when K has a negative eigenvalue.
  DataCoordinates(const NonlinearProblem& problem, bool rows);

  std::size_t size() const { return start_.size(); }
  bool diagonal() const { return diagonal_; }
  std::span<const double> root() const { return root_; }              ///< diagonal: sqrt(K_ii)
  std::span<const double> eigenvalue() const { return eigenvalue_; }  ///< diagonal: K_ii
  const std::vector<double>& start() const { return start_; }         ///< v_0
  double excess() const { return excess_; }                           ///< P at the start

  /// u = K^(1/2)'v, so that <x, v> = <z, u>; returns P = |u|^2.
  double whiten(std::span<const double> v, std::span<double> u) const;
  /// Q = v'K D K v and T = |K^(1/2)'D K v|^2 of u = K^(1/2)'v, where the problem is greedy: D = I in class I,
  /// (K_ii)^(-1/2) in class II.
  DriftPowers drift_powers(std::span<const double> u) const;
  /// S of the modes, where the problem is greedy.
  double noise_trace() const { return noise_trace_; }
  /// x = K^(1/2) z.
  void color(std::span<const double> z, std::span<double> x) const;

 private:
  bool diagonal_ = true;
  std::vector<double> root_, eigenvalue_;
  linear_algebra::Matrix factor_;  ///< not diagonal: K = factor factor'
  std::vector<double> start_;
  double excess_ = 0;
  std::vector<double> preconditioner_;  ///< D; like the trace where the problem is greedy
  double noise_trace_ = 0;
};

/// Rows of the data set with what the optimum leaves of their labels.
struct DataRows {
  std::shared_ptr<const spectra::Dataset> dataset;
  std::vector<double> misfit;  ///< y - <x, theta*>

  explicit DataRows(const NonlinearProblem& problem);
};

}  // namespace edgewise::models::nonlinear
