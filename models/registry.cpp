#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

const Model& least_squares_model();
const Model& residual_sgd_model();
const Model& sign_sgd_model();
const Model& matrix_least_squares_model();
const Model& quadratic_map_model();
const Model& finite_data_model();
const Model& quadratic_regression_model();

std::span<const Model* const> all() {
  static const std::vector<const Model*> models = {
      &least_squares_model(),        &residual_sgd_model(), &sign_sgd_model(),
      &matrix_least_squares_model(), &finite_data_model(),  &quadratic_map_model(),
      &quadratic_regression_model()};
  return models;
}

const Model& find(const Experiment& experiment) {
  std::vector<std::string> names;
  for (const Model* model : all()) {
    if (model->description().name == experiment.model) return *model;
    names.push_back(model->description().name);
  }
  throw experiment.table.error("model", "'" + experiment.model + "' is not one of " + settings::join(names) +
                                            settings::suggestion(experiment.model, names));
}

const Column* Trajectory::find(std::string_view name) const {
  for (const Column& column : columns)
    if (column.observable.name == name) return &column;
  return nullptr;
}

}  // namespace edgewise::models
