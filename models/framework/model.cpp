#include "models/framework/model.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "models/framework/checked_problem.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/framework/scaling_law.hpp"
#include "models/framework/sections.hpp"
#include "settings/failure.hpp"
#include "settings/shown.hpp"

namespace edgewise::models {

namespace {

/// A name with -isation for -ization: both spellings are taken.
std::string one_spelling(std::string_view name) {
  std::string out(name);
  if (const std::size_t at = out.find("ization"); at != std::string::npos) out[at + 1] = 's';
  return out;
}

/// Replicas that have nothing in common.
class Separate final : public ReplicaGroup {
 public:
  Separate(const Simulation& simulation, std::uint64_t seed, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t r = 0; r < count; ++r) replicas_.push_back(simulation.replica(seed, first + r));
  }
  void advance(std::uint64_t step) override {
    for (const auto& replica : replicas_) replica->advance(step);
  }
  void observe(std::size_t index, std::span<double> out) const override { replicas_[index]->observe(out); }

 private:
  std::vector<std::unique_ptr<Replica>> replicas_;
};

bool among(std::span<const std::string> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// Why the model has no use for the section.
std::string unread(const Model& model, const std::string& section) {
  const std::string name = "model " + model.description().name;
  for (const Axis* other : axes())
    if (other->section == section)
      return name + " runs along its " + model.axis().name + " axis: give the section [" + model.axis().section +
             "] instead";
  if (section == "monte_carlo" || section == "verdict")
    return name + " is not simulated: there is no replica, seed or verdict; leave it out";
  return name + " does not read this section; leave it out";
}

/// Of the rate rules, which belong to no model, one may take some alone: the words of its key rate.kind.
void check_rate(const Model& model, const settings::Table& experiment) {
  const std::vector<settings::Parameter>& keys = model.description().parameters;
  const auto declared = std::ranges::find(keys, "rate.kind", &settings::Parameter::name);
  if (declared == keys.end()) return;
  settings::Parameter kind = *declared;
  kind.name = "kind";
  const settings::Table rate = experiment.table_or_empty("rate");
  settings::read(rate, std::span(&kind, 1), rate.keys());
}

}  // namespace

bool reads_section(const Model& model, std::string_view section) {
  if (section == "verdict") return reads_section(model, "monte_carlo");
  // The sizes of `edgewise collapse` are compared along their steps.
  if (section == "collapse") return &model.axis() == &step_axis();
  return section == model.axis().section || among(common_keys(), section) || among(model.sections(), section);
}

std::unique_ptr<ReplicaGroup> Simulation::group(std::uint64_t seed, std::uint64_t first, std::uint64_t count) const {
  return std::make_unique<Separate>(*this, seed, first, count);
}

std::unique_ptr<RateObjective> Problem::rate_objective(const std::string& /*observable*/) const {
  return nullptr;
}

std::unique_ptr<ScalingLaw> Problem::scaling_law() const {
  return nullptr;
}

std::unique_ptr<Problem> Model::prepare(const Experiment& experiment) const {
  for (const std::string& section : experiment.table.keys())
    if (!reads_section(*this, section)) throw experiment.table.error(section, unread(*this, section));
  read_monte_carlo(experiment.table, monte_carlo_parameters());
  const settings::Values theory = settings::read(experiment.table.table_or_empty("theory"), theory_parameters());
  check_rate(*this, experiment.table);
  const bool scaled = std::ranges::any_of(theory_parameters(), [&](const settings::Parameter& p) {
    return p.name.starts_with("scale_") && theory.given(p.name) && theory.number(p.name) != 1;
  });
  try {
    return checked(build(experiment), experiment.table, scaled);
  } catch (const settings::Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw experiment.table.error("", out_of_memory(experiment.table));
  } catch (const std::exception& error) {
    throw experiment.table.error("", settings::said_by(error));
  }
}

std::vector<Finding> Model::tune(const Experiment& experiment) const {
  throw experiment.table.error("tune", "tuning is not offered for model " + description().name);
}

const Column* Trajectory::find(std::string_view name) const {
  for (const Column& column : columns)
    if (column.observable.name == name) return &column;
  return nullptr;
}

void Trajectory::claim_from(double step) {
  for (Column& column : columns) column.valid_from = std::max(column.valid_from, step);
}

void Trajectory::claim_from(double step, std::span<const std::string_view> names) {
  for (Column& column : columns)
    if (std::ranges::find(names, column.observable.name) != names.end())
      column.valid_from = std::max(column.valid_from, step);
}

const Model* find_model(std::string_view name) {
  for (const Model* model : all())
    if (one_spelling(model->description().name) == one_spelling(name)) return model;
  return nullptr;
}

const Model& find(const Experiment& experiment) {
  if (const Model* model = find_model(experiment.model)) return *model;
  std::vector<std::string> names;
  for (const Model* model : all()) names.push_back(model->description().name);
  throw experiment.table.error("model", "'" + settings::shown(experiment.model) + "' is not one of " +
                                            settings::join(names) + settings::suggestion(experiment.model, names));
}

}  // namespace edgewise::models
