#pragma once
/// \file
/// Training runs of a small network: every replica a start of its own, batches and noise of its own, on the same data.
#include <memory>
#include <vector>

#include "models/framework/absent.hpp"
#include "models/framework/model.hpp"
#include "models/network/problem.hpp"

namespace edgewise::models::network {

/// A run counts as diverged when its loss exceeds this multiple of the initial one.
constexpr double network_divergence = 1e6;

/// What is known at a point, of all examples.
struct CurvatureRecord {
  double sharpness = 0;         ///< largest eigenvalue of H
  double ggn_sharpness = 0;     ///< of GGN
  double ascent_along = 0;      ///< u'A u of the sharpness' eigenvector u and the ascent's part A; 0 without an ascent
  double gradient_norm = 0;     ///< |g|
  double logit_share = absent;  ///< g'GGN g/|g|^2; absent where g = 0, as below
  double functional_share = absent;  ///< g'NME g/|g|^2
  double delta_func = absent;        ///< (Hg).(NME g)/|Hg|^2: the functional share of the penalty's gradient Hg
};

/// Remembers where the last eigenvectors lay.
class CurvatureReader {
 public:
  CurvatureRecord operator()(const NetworkProblem& problem, const ingredients::CurvedObjective& objective);
  /// The largest eigenvalue of P^-1 H, P > 0 by parameter; of H where P is empty.
  double preconditioned(const ingredients::CurvedObjective& objective, std::span<const double> P);

 private:
  linear_algebra::Matrix hessian_start_, ggn_start_, scaled_start_;
};

std::vector<Observable> network_observables(const NetworkProblem& problem);
std::unique_ptr<Simulation> simulate_network(std::shared_ptr<const NetworkProblem> problem);

}  // namespace edgewise::models::network
