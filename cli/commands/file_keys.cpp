#include "cli/commands/file_keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "models/framework/experiment.hpp"
#include "models/framework/sections.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedule_search/options.hpp"
#include "models/ingredients/schedules.hpp"
#include "spectra/kinds.hpp"
#include "validation/collapse/scaling_experiment.hpp"
#include "validation/comparisons/comparison_file.hpp"
#include "validation/sweeps/measures.hpp"
#include "validation/sweeps/sweep_file.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::cli {

using models::Model;
using settings::Description;
using settings::Parameter;

const Description* FileSection::kind(std::string_view word) const {
  const auto found = std::ranges::find(kinds, word, &Description::name);
  return found == kinds.end() ? nullptr : *found;
}

Parameter FileSection::choice() const {
  std::vector<std::string> words;
  for (const Description* one : kinds) words.push_back(one->name);
  Parameter out = settings::text(chosen_by, "which one").one_of(std::move(words));
  return usual.empty() ? out.must() : out.otherwise(usual);
}

std::string section_summary(const std::string& name) {
  static const std::map<std::string, std::string> all = {{"data", "what the inputs are beside their covariance"},
                                                         {"initial", "where a run starts"},
                                                         {"optimizer", "the algorithm and its hyperparameters"},
                                                         {"theory", "how the equations are solved"},
                                                         {"monte_carlo", "replicas of the simulation"},
                                                         {"tune", "what `edgewise tune` searches, and at what cost"}};
  const auto found = all.find(name);
  return found == all.end() ? "" : found->second;
}

namespace {

template <class Kinds>
std::vector<const Description*> described(const Kinds& kinds) {
  std::vector<const Description*> out;
  for (const auto& kind : kinds) out.push_back(&kind.description);
  return out;
}

}  // namespace

const std::vector<FileSection>& shared_choices() {
  static const std::vector<FileSection> all = {
      {"spectrum",
       "eigenvalues of the data covariance and the target's power",
       {},
       "kind",
       "",
       described(spectra::kinds())},
      {"noise", "the law of the label noise", {}, "law", "gaussian", described(models::ingredients::noise_kinds())},
      {"rate",
       "a rule that sets the learning rate from what the run has seen",
       {},
       "kind",
       "constant",
       described(models::ingredients::rate_rule_kinds())},
      {"schedule",
       "how the learning rate changes with the step",
       {},
       "kind",
       "constant",
       described(models::ingredients::schedule_kinds())}};
  return all;
}

const std::vector<FileSection>& common_sections() {
  static const std::vector<FileSection> all = {
      {"verdict", "how theory and simulation are compared", validation::verdict_parameters()},
      {"schedule_search", "how `edgewise schedule` looks for the best learning rates",
       models::ingredients::schedule_search_parameters()},
      {"collapse", "sizes whose normalised curves `edgewise collapse` compares", validation::collapse_parameters()}};
  return all;
}

bool is_common(std::string_view name) {
  return std::ranges::find(common_sections(), name, &FileSection::name) != common_sections().end();
}

namespace {

/// The keys that the model declares as `section`.KEY, without the section.
std::vector<Parameter> own_keys(const Model& model, const std::string& section) {
  std::vector<Parameter> out;
  for (Parameter p : model.description().parameters)
    if (p.name.starts_with(section + ".") && p.name.find('.', section.size() + 1) == std::string::npos) {
      p.name.erase(0, section.size() + 1);
      out.push_back(std::move(p));
    }
  return out;
}

/// Tables within a section, by the keys that the model declares as `section`.TABLE.KEY.
std::vector<FileSection> inner_tables(const Model& model, const std::string& section) {
  std::vector<FileSection> out;
  for (const Parameter& p : model.description().parameters) {
    const std::size_t dot = p.name.rfind('.');
    const std::string table = p.name.substr(0, dot);
    const bool known = std::ranges::find(out, table, &FileSection::name) != out.end();
    if (!known && table.starts_with(section + ".")) out.push_back({table, "", own_keys(model, table)});
  }
  for (FileSection& table : out) table.repeated = true;
  return out;
}

/// The section where it takes these kinds alone.
FileSection with_kinds(FileSection section, const std::vector<std::string>& words) {
  std::erase_if(section.kinds, [&](const Description* kind) { return !std::ranges::count(words, kind->name); });
  if (!section.kind(section.usual)) section.usual.clear();
  return section;
}

FileSection section_of(const Model& model, const std::string& name) {
  const std::vector<Parameter> own = own_keys(model, name);
  if (name == "optimizer" && !model.optimizers().empty()) {
    const auto all = model.optimizers();
    return {name, section_summary(name), {}, "kind", all.front()->name, {all.begin(), all.end()}};
  }
  for (const FileSection& shared : shared_choices())
    if (shared.name == name && own.empty()) return shared;
    // A model that takes some of the kinds alone declares the key that chooses, and no other.
    else if (shared.name == name && own.size() == 1 && own.front().name == shared.chosen_by)
      return with_kinds(shared, own.front().accepted);
  return {name, section_summary(name), own};
}

void append(std::vector<Parameter>& to, std::span<const Parameter> more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

std::vector<FileSection> sections_of(const Model& model) {
  std::vector<FileSection> out;
  const auto elsewhere = [&](const std::string& name) {
    return name == "theory" || name == "monte_carlo" || name == "tune" || is_common(name);
  };
  for (const std::string& name : model.sections()) {
    if (elsewhere(name)) continue;
    out.push_back(section_of(model, name));
    for (FileSection& table : inner_tables(model, name)) out.push_back(std::move(table));
  }
  const models::Axis& axis = model.axis();
  out.push_back(
      {axis.section, fmt::format("how many {}, and which are recorded", axis.unit), models::parameters(axis)});
  FileSection theory{"theory", section_summary("theory"), {}};
  append(theory.parameters, model.theory_parameters());
  if (!theory.parameters.empty()) out.push_back(std::move(theory));
  if (models::reads_section(model, "monte_carlo")) {
    out.push_back({"monte_carlo", section_summary("monte_carlo"), models::monte_carlo_parameters()});
    append(out.back().parameters, model.monte_carlo_parameters());
  }
  if (std::ranges::find(model.sections(), "tune") != model.sections().end()) out.push_back(section_of(model, "tune"));
  for (const FileSection& common : common_sections())
    if (models::reads_section(model, common.name)) out.push_back(common);
  return out;
}

void check_command_sections(const settings::Table& experiment) {
  const settings::Value* named = experiment.find("model");
  const auto* word = named ? std::get_if<std::string>(named) : nullptr;
  const Model* model = word ? models::find_model(*word) : nullptr;
  static const std::vector<std::string> tables = {"scaling"};
  std::vector<FileSection> sections = common_sections();
  if (model && std::ranges::find(model->sections(), "tune") != model->sections().end())
    sections.push_back(section_of(*model, "tune"));
  for (const FileSection& section : sections)
    if (experiment.has(section.name))
      settings::read(experiment.table_or_empty(section.name), section.parameters,
                     section.name == "verdict" ? tables : std::vector<std::string>());
}

const std::vector<FileSection>& sweep_file_sections() {
  static const std::vector<FileSection> all = [] {
    std::vector<FileSection> out = {
        {"sweep", "what is computed of every cell, and of which experiment", validation::sweep_parameters()},
        {"axis", "one axis of the grid; the first is drawn horizontally", validation::axis_parameters()},
        {"derived", "a key of the experiment that follows from the axes, or a name for formulas",
         validation::derived_parameters()},
        {"variant", "every cell runs each variant; measures compare them", validation::variant_parameters()},
        {"measure",
         "a number that is kept of every cell",
         validation::measure_parameters(),
         "kind",
         "final",
         {validation::measure_kinds().begin(), validation::measure_kinds().end()}},
        {"label", "a name for cells; the first whose rule holds", validation::label_parameters()},
        {"boundary", "a predicted curve of the diagram", validation::boundary_parameters()}};
    for (FileSection& section : out) section.repeated = section.name != "sweep";
    return out;
  }();
  return all;
}

const std::vector<FileSection>& comparison_sections() {
  static const std::vector<FileSection> all = [] {
    std::vector<FileSection> out = {
        {"compare", "of a comparison of methods on workloads", validation::compare_parameters()},
        {"workload", "a problem that every method of a comparison is run on", validation::workload_parameters()},
        {"method", "a method of a comparison, and the settings it is tried with", validation::method_parameters()}};
    for (FileSection& section : out) section.repeated = section.name != "compare";
    return out;
  }();
  return all;
}

std::string default_text(const Parameter& p) {
  if (p.required) return "required";
  if (p.fallback) return settings::text_of(*p.fallback);
  if (!p.fallback_text.empty()) return p.fallback_text;
  return "none";
}

std::string facts_text(const Parameter& p) {
  std::string facts =
      fmt::format("{}, {}", settings::name(p.type), p.required ? "required" : "default " + default_text(p));
  if (!p.range_text().empty()) facts += ", " + p.range_text();
  if (!p.unit.empty()) facts += fmt::format(", in {}", p.unit);
  if (!p.where_text().empty()) facts += ", read where " + p.where_text();
  return facts;
}

std::string paragraph(const std::string& text, const std::string& indent, std::size_t width) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    while (line.size() > width && line.front() != ' ') {
      std::size_t cut = line.rfind(' ', width);
      if (cut == std::string::npos || cut == 0) break;
      out += indent + line.substr(0, cut) + "\n";
      line.erase(0, cut + 1);
    }
    out += line.empty() ? "\n" : indent + line + "\n";
  }
  return out;
}

}  // namespace edgewise::cli
