#pragma once
/// What small comparisons have in common: 20 equal modes, learned for 40 steps from batches of 2 and of 16.
#include <string>

namespace edgewise::validation::testing {

inline const std::string two_workloads = R"([experiment]
model = "least-squares"
[experiment.spectrum]
kind = "isotropic"
dimension = 20
[experiment.noise]
law = "gaussian"
variance = 0.5
[experiment.time]
steps = 40
points = 2
[experiment.monte_carlo]
replicas = 4
[[workload]]
name = "one"
set = ["optimizer.batch=2"]
[[workload]]
name = "large"
set = ["optimizer.batch=16"]
)";

}  // namespace edgewise::validation::testing
