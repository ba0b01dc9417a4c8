#pragma once
/// \file
/// A model that is what it declares: all but how its problem is built is data.
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models {

/// What a model says of itself; see Model for each.
struct ModelDeclaration {
  settings::Description description;
  std::vector<std::string> sections;
  const Axis* axis = &step_axis();
  DimensionKey dimension = {};
  std::vector<settings::Description> optimizers = {};
  std::vector<Observable> observables = {};
  std::function<std::vector<ClosedForm>()> closed_forms = [] { return std::vector<ClosedForm>(); };
  std::vector<settings::Parameter> theory = {}, monte_carlo = {};
  /// Model::build; `optimizers` are those above, for settings::read_choice.
  std::function<std::unique_ptr<Problem>(const Experiment& experiment,
                                         std::span<const settings::Description* const> optimizers)>
      build;
  /// Model::tune; empty: not offered.
  std::function<std::vector<Finding>(const Experiment& experiment)> tune = {};
  /// A small experiment that runs, in TOML: values of keys that have no default.
  std::string start = {};
  /// What a kind (of an optimizer, or of what the model's own sections choose) needs beside `start` or instead.
  std::vector<std::pair<std::string, std::string>> start_of = {};
};

class DeclaredModel final : public Model {
 public:
  explicit DeclaredModel(ModelDeclaration declaration);

  const settings::Description& description() const override { return said_.description; }
  std::span<const std::string> sections() const override { return said_.sections; }
  std::span<const settings::Description* const> optimizers() const override { return optimizers_; }
  const Axis& axis() const override { return *said_.axis; }
  DimensionKey dimension() const override { return said_.dimension; }
  std::span<const Observable> observables() const override { return said_.observables; }
  std::vector<ClosedForm> closed_forms() const override { return said_.closed_forms(); }
  std::span<const settings::Parameter> theory_parameters() const override { return said_.theory; }
  std::span<const settings::Parameter> monte_carlo_parameters() const override { return said_.monte_carlo; }
  std::vector<Finding> tune(const Experiment& experiment) const override;

  /// A small experiment that runs, with `model` and what has no default. \param kind  a word of `kinds()`, or empty
  settings::Table start(const std::string& kind) const;
  /// What a start may be of: the optimizers, then further kinds that `start_of` names.
  std::vector<std::string> kinds() const;

 private:
  std::unique_ptr<Problem> build(const Experiment& experiment) const override;

  ModelDeclaration said_;
  std::vector<const settings::Description*> optimizers_;
};

/// The model as it was declared; null for one that is no DeclaredModel.
const DeclaredModel* declared(const Model& model);

}  // namespace edgewise::models
