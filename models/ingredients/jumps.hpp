#pragma once
/// \file
/// A rank-one coupled system read at one time after another by jumping there (solvers/contour.hpp), and what a trajectory
/// must say of it.
#include <optional>
#include <span>
#include <vector>

#include "models/framework/model.hpp"
#include "solvers/contour.hpp"

namespace edgewise::models::ingredients {

class Jumps {
 public:
  /// \param rtol  asked of p; what is not reached is said. \throws std::invalid_argument where the system cannot be jumped
  /// through (solvers::invertible).
  Jumps(solvers::RankOneSystem system, double rtol);

  /// Time of the first jump: a map is iterated up to there.
  double earliest() const { return contour_.earliest(); }
  /// The same where iterating is not the dearer way.
  double worthwhile() const;
  /// p at time t and the sums of `rows` over the modes: out[0] = p, out[r + 1] of row r. What rounding has made negative
  /// is 0. Times never fall.
  void read(double t, std::span<const std::vector<double>> rows, std::span<double> out);
  /// All modes at time t, the same.
  void state(double t, std::span<double> s) const;
  /// First time in (good, bad] at which p is not below the limit: a whole step of a map, of a flow to a relative 1e-6.
  double crossing(double good, double bad, double limit) const;

  /// Adds what was done and reached, and up to when P is known.
  void report(Trajectory& out) const;

 private:
  solvers::RankOneSystem::Kind kind_;
  std::vector<double> weight_, start_;
  double rtol_, last_ = 0;
  std::optional<double> valid_until_;
  solvers::Contour contour_;
};

}  // namespace edgewise::models::ingredients
