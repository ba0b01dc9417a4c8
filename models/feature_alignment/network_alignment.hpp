#pragma once
/// \file
/// Alignment in real networks, layer by layer (docs/theory/networks-and-kernels.md, sections 2.1, 2.2 and 2.5).
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "models/feature_alignment/correlation.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/networks/network_objective.hpp"
#include "models/ingredients/networks/training_data.hpp"
#include "models/ingredients/schedules.hpp"

namespace edgewise::models::feature_alignment {

/// gd: on all examples; sgd: on batches drawn with replacement; slo: layer l moves by eta C_l g_l/(eps + |g_l|), g_l the
/// gradient by its weights and biases, on batches or on all examples.
struct AlignmentTraining {
  double learning_rate = 0;
  std::size_t batch = 0;       ///< 0: all examples
  std::vector<double> speeds;  ///< C_l of slo; empty: gd, sgd
  double floor = 1e-12;        ///< eps
  std::shared_ptr<const ingredients::Schedule> schedule;
};

struct NetworkAlignment {
  std::shared_ptr<const ingredients::networks::Network> network;
  ingredients::networks::TrainingData data;
  AlignmentTraining training;
  Correlation correlation = Correlation::pearson;
  bool centred_output = true;  ///< trained is f - f(start), whose first residual is -y
  Time time;
  std::uint64_t seed = 1;

  std::vector<double> start(std::uint64_t seed, std::uint64_t replica) const;
  /// The examples as a run from theta sees them.
  std::shared_ptr<const ingredients::networks::Examples> examples(std::span<const double> theta) const;
};

/// The first layer's to the last one's.
struct LayerCorrelations {
  std::vector<double> centred, uncentred, moved;  ///< moved: |W - W_0|/|W_0|
};
/// At a point, of all examples. Where a layer is where it started the centred correlation is its limit, that of the gradient.
/// \throws std::domain_error where a layer does not move, or is 0.
LayerCorrelations layer_correlations(const ingredients::networks::NetworkObjective& objective,
                                     std::span<const double> start, Correlation kind);
/// The same limit by the exact identity of section 2.2, from a layer's inputs X and the Gram matrix PTK of the derivatives
/// by its pre-activations over (output, example), at most 2000 of them, r the loss's derivatives by the outputs:
///
///     Wdot'Wdot = X'R PTK R X,   Wdot'Kf Wdot = X'R PTK^2 R X/N,   R = diag r
/// \param layer  from 0. \throws std::invalid_argument for more.
double early_correlation(const ingredients::networks::NetworkObjective& objective, std::size_t layer, Correlation kind);

/// loss, rho_c_1 .. , rho_u_1 .. , moved_1 ..
std::vector<Observable> network_alignment_observables(std::size_t layers);
/// What is known before a run: the correlations at the start of replica 0, centred ones by the identity (of more than 2000
/// outputs and examples by the gradient itself), held along the recorded steps as of a lazy network; valid at step 0.
Trajectory solve_network_alignment(const NetworkAlignment& problem);
/// Training from weights drawn anew for every replica, on the same examples.
std::unique_ptr<Simulation> simulate_network_alignment(std::shared_ptr<const NetworkAlignment> problem);

}  // namespace edgewise::models::feature_alignment
