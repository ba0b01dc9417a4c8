#pragma once
/// \file
/// What an experiment of model network asks for, after reading.
#include <cstdint>
#include <memory>
#include <string>

#include "models/framework/experiment.hpp"
#include "models/ingredients/networks/network_objective.hpp"
#include "models/ingredients/networks/training_data.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedules.hpp"
#include "models/network/updates.hpp"

namespace edgewise::models::network {

enum class Traces { none, exact, hutchinson };

struct NetworkProblem {
  std::shared_ptr<const ingredients::networks::Network> network;
  ingredients::networks::Loss loss;
  ingredients::networks::TrainingData data;
  UpdateRule rule;
  double learning_rate = 0;
  std::size_t batch = 1;  ///< of n examples, without replacement
  std::shared_ptr<const ingredients::Schedule> schedule;
  std::shared_ptr<const ingredients::RateRule> rate;  ///< null: the schedule's
  Time time;
  std::uint64_t seed = 1;
  Traces traces = Traces::none;
  std::size_t probes = 10;
  bool kernel_norms = false;
  /// Of an ascent or penalty along the gradient SAM's residual is known.
  bool paths_known() const { return has_ascent() && !rule.preconditioned; }
  bool every_step = false;    ///< `edge` is found at every step
  double perturbation = 0;    ///< length by which the start is moved
  bool shared_start = false;  ///< every replica has the start of replica 0

  std::size_t examples() const { return data.train->size(); }
  bool full_batch() const { return batch == examples(); }
  double rate_at(double step) const { return learning_rate * schedule->at(step); }
  /// Whether the ascent or penalty adds, to first order, `ratio` A g with the part A of the Hessian below.
  bool has_ascent() const;
  ingredients::CurvaturePart ascent_part() const;
  /// Parameters at the start of a replica.
  std::vector<double> start(std::uint64_t seed, std::uint64_t replica) const;
};

}  // namespace edgewise::models::network
