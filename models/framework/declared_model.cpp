// Built at -O1: nothing here takes time.
#include "models/framework/declared_model.hpp"

#include <utility>

namespace edgewise::models {

DeclaredModel::DeclaredModel(ModelDeclaration declaration) : said_(std::move(declaration)) {
  for (const settings::Description& optimizer : said_.optimizers) optimizers_.push_back(&optimizer);
}

std::vector<Finding> DeclaredModel::tune(const Experiment& experiment) const {
  return said_.tune ? said_.tune(experiment) : Model::tune(experiment);
}

std::unique_ptr<Problem> DeclaredModel::build(const Experiment& experiment) const {
  return said_.build(experiment, optimizers_);
}

}  // namespace edgewise::models
