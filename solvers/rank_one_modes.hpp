#pragma once
/// \file
/// A rank-one coupled system without its source as a sum over its eigenvalues: what a contour loses by cancelling, where
/// a solution falls by many decades, these sums keep.
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "solvers/contour.hpp"

namespace edgewise::solvers {

/// p(t) = sum_j c_j e^(-delta_j t), of a map sum_j c_j (1 - delta_j)^t, from the initial state alone.
///
/// The eigenvalues are the roots of 1 = sum_i input_i weight_i / (decay_i - delta), one between any two neighbouring
/// decays and one below all of them. Each is kept as its distance from the nearer decay, so that residues are accurate
/// relative to themselves (as in Gu and Eisenstat 1994, SIAM J. Matrix Anal. 15). O(n^2) once and for every new
/// row of functionals, O(n) for either at a time, O(n^2) for states.
class RankOneModes {
 public:
  explicit RankOneModes(const RankOneSystem& system);

  /// sum_i w_i s_i(t) for each row w; out[0] is always p. Returns the estimated relative error of p, infinite where the
  /// sum fails (a mode driven at its own decay).
  double functionals(double t, std::span<const std::vector<double>> rows, std::span<double> out) const;
  /// All s_i(t).
  void state(double t, std::span<double> s) const;

 private:
  /// A pole of p: at decay[origin] + offset, with the residue of p and the rounding error of that.
  struct Pole {
    std::size_t origin = 0;
    double offset = 0, residue = 0, error = 0;
  };
  double decay_of(const Pole& pole) const { return decay_[pole.origin] + pole.offset; }
  /// decay_i - delta of the pole.
  double distance(std::size_t i, const Pole& pole) const { return (decay_[i] - decay_[pole.origin]) - pole.offset; }
  void add_eigenvalues(const RankOneSystem& system, std::span<const std::size_t> coupled);
  void finish(const RankOneSystem& system, Pole pole);
  /// sum_i row_i input_i / (decay_i - delta) of every pole.
  const std::vector<double>& responses(const std::vector<double>& row) const;

  RankOneSystem::Kind kind_;
  std::vector<double> decay_, input_, strength_;  // strength = input * weight
  std::vector<Pole> poles_;
  std::vector<double> own_;  // residue of s_i at its own decay
  mutable std::vector<std::pair<std::vector<double>, std::vector<double>>> responses_;  // rows already met
};

/// e^(-decay t), of a map (1 - decay)^t at whole t; accurate relative to itself.
double power_of(RankOneSystem::Kind kind, double decay, double t);

}  // namespace edgewise::solvers
