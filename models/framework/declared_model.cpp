// Built at -O1: nothing here takes time.
#include "models/framework/declared_model.hpp"

#include <algorithm>
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

namespace {

void put(settings::Table& to, const settings::Table& from) {
  for (const std::string& key : from.keys())
    if (const settings::Value* value = from.find(key))
      to.set(key, *value);
    else if (const settings::Table* section = from.table(key))
      put(to.make_table(key), *section);
    else
      for (const settings::Table& element : from.tables(key)) put(to.append_table(key), element);
}

}  // namespace

settings::Table DeclaredModel::start(const std::string& kind) const {
  const std::string& name = said_.description.name;
  settings::Table out(name, "");
  out.set("model", name);
  put(out, settings::read_text(said_.start, name));
  const auto optimizer = std::ranges::find(optimizers_, kind, &settings::Description::name);
  if (optimizer != optimizers_.end()) out.make_table("optimizer").set("kind", kind);
  for (const auto& [word, more] : said_.start_of)
    if (word == kind) put(out, settings::read_text(more, name));
  return out;
}

std::vector<std::string> DeclaredModel::kinds() const {
  std::vector<std::string> out;
  for (const settings::Description* optimizer : optimizers_) out.push_back(optimizer->name);
  for (const auto& entry : said_.start_of)
    if (std::ranges::find(out, entry.first) == out.end()) out.push_back(entry.first);
  return out;
}

const DeclaredModel* declared(const Model& model) {
  return dynamic_cast<const DeclaredModel*>(&model);
}

}  // namespace edgewise::models
