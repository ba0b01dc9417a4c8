#pragma once
/// \file
/// Linear regression with a nonlinear gradient, as it is run (docs/theory/sign-and-clip.md, sections 1, 2, 3, 5).
#include <memory>
#include <string>

#include "models/framework/model.hpp"
#include "models/nonlinear/problem.hpp"

namespace edgewise::models::nonlinear {

/// The algorithm of `problem`, sampled exactly in law. Observables: excess_mse = P = v'Kv; risk = (P + sigma^2)/2 where
/// sigma^2 is finite (with what no linear function explains).
///
/// \param sampler  how a step is sampled. "batch": the mini-batch gradient in one N(0, I_d) and B weights, O(B + d),
/// for every method but clip, sign-early and sign-majority, which need each example; "naive": B x d explicit samples,
/// any method; "rows": rows of `problem->dataset`, drawn with replacement; "auto": rows where the problem names a data
/// set, else the cheaper of the other two. With a dense covariance a step of a coordinate-wise method costs O(d^2) (O(B
/// d^2) for "naive"); methods of class I are simulated in the eigenbasis, where their law is the same. \throws
/// std::invalid_argument for a method, sampler or value that cannot be simulated.
std::unique_ptr<Simulation> simulate_nonlinear(std::shared_ptr<const NonlinearProblem> problem,
                                               const std::string& sampler = "auto");

}  // namespace edgewise::models::nonlinear
