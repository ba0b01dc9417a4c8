#pragma once
/// \file
/// What an experiment of model softmax-temperature asks for, after reading.
#include <cstdint>
#include <memory>

#include "models/framework/experiment.hpp"
#include "models/ingredients/networks/network.hpp"
#include "models/softmax_temperature/kernel_dynamics.hpp"

namespace edgewise::models::softmax_temperature {

/// population: independent points of starts u_0 ~ N(0, s^2). kernel: N points coupled by K. network: those of a two-layer
/// network, whose kernel is the wide one's.
enum class TaskKind { population, kernel, network };

struct TemperatureProblem {
  TaskKind kind = TaskKind::population;
  double inverse_temperature = 1;  ///< beta
  double learning_rate = 0;        ///< eta, of the loss summed over points, rescaled already where that is asked
  double classes = 1;              ///< C; 1: one logit
  double start_deviation = 0;      ///< of z_0
  Time time;
  bool flow = false;
  bool linear = false;                     ///< instead of either: the stage of small logits
  std::vector<double> accuracies = {0.9};  ///< of a population, for which `stability` tells the time
  double rtol = 1e-9;

  double eigenvalue = 1;       ///< k of a population's points
  std::uint64_t draws = 1000;  ///< points of a replica of the population
  std::uint64_t replicas = 1;  ///< of the experiment
  LogitProblem logits;         ///< of kernel and network
  std::shared_ptr<const ingredients::networks::Network> network;
  linear_algebra::Matrix inputs;  ///< of the network, times sqrt d

  /// s = beta std(z_0) and g = eta beta^2 k.
  double start_spread() const { return inverse_temperature * start_deviation; }
  double time_per_step() const { return learning_rate * inverse_temperature * inverse_temperature * eigenvalue; }
};

}  // namespace edgewise::models::softmax_temperature
