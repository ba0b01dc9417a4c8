#pragma once
/// \file
/// What is claimed of training runs of a network: which edge of stability they hold, and what their activation implies.
#include <string>
#include <vector>

#include "models/framework/prediction.hpp"
#include "models/network/problem.hpp"

namespace edgewise::models::network {

/// - `edge_plateau`, squared loss, all examples a step, constant rate: runs whose `edge` came to 2 before the last
///   quarter stay there.
/// - `norm_plateau`, one output, squared loss, at most a quarter of the examples a step: runs whose kernel norm
///   came to 1 stay there.
/// - `on_edge`, squared loss, all examples a step, CDAT with sigma = 2: eta lambda ends at 2.
/// - `nme_vanishes`, layers of identity or ReLU, one hidden layer at most: tr NME = 0 along the whole run.
std::vector<Prediction> network_predictions(const NetworkProblem& problem);
/// Why none of the first three is claimed, in words; empty: one is.
std::string edge_unclaimed(const NetworkProblem& problem);
/// Those of the central flow, of runs whose oscillation has grown: eta lambda has passed 2 and come back below it before the
/// last quarter. Until then descent runs beyond the edge with a loss below the flow's, which the burst that follows makes up.
std::vector<Prediction> central_flow_claims(const Trajectory& flow);

}  // namespace edgewise::models::network
