// Built at -O1: nothing here takes time.
#include <array>
#include <string>
#include <vector>

#include "models/framework/model.hpp"

// Every model, one line each: its folder and the function there that gives it.
#define EDGEWISE_MODELS(model)                                                                                        \
  model(least_squares, least_squares_model) model(nonlinear, residual_sgd_model) model(                               \
      nonlinear, sign_sgd_model) model(muon, matrix_least_squares_model) model(finite_data, finite_data_model)        \
      model(quadratic_map, quadratic_map_model) model(quadratic_regression, quadratic_regression_model) model(        \
          network, network_model) model(network, single_neuron_model) model(sum_of_powers, sum_of_powers_model)       \
          model(equilibrium_network, equilibrium_network_model) model(self_stabilization, self_stabilization_model)   \
              model(mini_batch_cdat, mini_batch_cdat_model) model(feature_alignment, feature_alignment_model)         \
                  model(kernel_regression, kernel_regression_model)                                                   \
                      model(softmax_temperature, softmax_temperature_model) model(modular_tasks, modular_tasks_model) \
                          model(equilibrium_network, equilibrium_training_model)

namespace edgewise::models {

#define DECLARE(folder, function) \
  namespace folder {              \
  const Model& function();        \
  }
EDGEWISE_MODELS(DECLARE)
#undef DECLARE

std::span<const Model* const> all() {
#define ADDRESS(folder, function) &folder::function(),
  static const std::vector<const Model*> models = {EDGEWISE_MODELS(ADDRESS)};
#undef ADDRESS
  return models;
}

}  // namespace edgewise::models
