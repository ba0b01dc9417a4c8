#pragma once
/// \file
/// What a finite dimension adds to the steady state of signs (docs/theory/sign-and-clip.md, (2.11)).
#include <optional>

#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// Relative, of the mean excess MSE at the fixed point P of small steps, to first order in 1/d: that the drift saturates
/// (or, at batch 1, does not), that P strays from path to path, and that ties of majorities become fewer. Of late and
/// majority signs under Gaussian noise, any covariance of at most `most_coordinates` coordinates that correlate; else, and
/// above `most_excess`, nothing.
/// \param drift  a(P)
std::optional<double> finite_limit(const NonlinearProblem& problem, double P, double drift);
inline constexpr std::size_t most_coordinates = 400;
/// What the next order adds is no longer small beyond: batches of 1000 at d = 20 have .80 where (2.11) says .66.
inline constexpr double most_excess = 0.4;

}  // namespace edgewise::models::nonlinear
