#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/commands/commands.hpp"
#include "cli/commands/file_keys.hpp"
#include "models/framework/declared_model.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using models::DeclaredModel;
using models::Model;
using settings::Description;
using settings::Error;
using settings::Parameter;
using settings::Table;

namespace {

/// "KEY = VALUE" under what is said of it; switched off by a # where nothing has to be given.
std::string key_text(const Parameter& p, const Table* given) {
  const settings::Value* value = given ? given->find(p.name) : nullptr;
  const std::string doc = p.doc.empty() || p.doc.ends_with(".") ? p.doc : p.doc + ".";
  std::string out = paragraph(doc + (doc.empty() ? "" : " ") + facts_text(p), "# ");
  if (value) return out + fmt::format("{} = {}\n", p.name, settings::text_of(*value));
  if (p.fallback) return out + fmt::format("#{} = {}\n", p.name, settings::text_of(*p.fallback));
  return out + fmt::format("#{} =\n", p.name);
}

/// The kinds that are not chosen, with the names of their keys.
std::string other_kinds(const FileSection& section, const std::string& chosen, const std::string& model) {
  std::string out, names;
  for (const Description* kind : section.kinds) {
    if (kind->name == chosen) continue;
    names += (names.empty() ? "" : ", ") + kind->name;
    std::string keys;
    for (const Parameter& p : kind->parameters)
      keys += (keys.empty() ? "" : ", ") + p.name + (p.required ? " (required)" : "");
    out += paragraph(kind->name + ": " + (keys.empty() ? "no keys" : keys), "#     ");
  }
  if (names.empty()) return out;
  if (section.name == "optimizer")
    return paragraph(fmt::format("Others: {}. `edgewise new {} KIND` gives their keys.", names, model), "# ");
  return "# Others, of which `edgewise describe NAME` tells more, and their keys:\n" + out;
}

std::string section_text(const FileSection& section, const Table* given, bool on, const std::string& model) {
  std::string out = "\n";
  if (!section.about.empty()) out += paragraph(section.about, "# ");
  out += fmt::format(fmt::runtime(section.repeated ? "{}[[{}]]\n" : "{}[{}]\n"), on ? "" : "#", section.name);
  if (section.kinds.empty()) {
    for (const Parameter& p : section.parameters) out += key_text(p, given);
    return out;
  }
  const settings::Value* word = given ? given->find(section.chosen_by) : nullptr;
  const std::string chosen = word ? std::get<std::string>(*word) : section.usual;
  Table shown = given ? *given : Table();
  if (on) shown.set(section.chosen_by, chosen);
  out += key_text(section.choice(), &shown);
  if (const Description* kind = section.kind(chosen))
    for (const Parameter& p : kind->parameters) out += key_text(p, given);
  return out + other_kinds(section, chosen, model);
}

/// The table at "section" or "section.table"; null where there is none.
const Table* at(const Table& start, const std::string& name) {
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return start.table(name);
  const Table* section = start.table(name.substr(0, dot));
  const auto tables = section ? section->tables(name.substr(dot + 1)) : std::span<const Table>();
  return tables.empty() ? nullptr : &tables.front();
}

std::string experiment_text(const Model& model, const Table& start, const std::string& kind) {
  const std::string& name = model.description().name;
  std::string out = paragraph(name + ": " + model.description().summary, "# ") +
                    "# A key behind # is switched off and shows its default: take the # away, of its section too, to "
                    "set it.\n" +
                    fmt::format("title = \"{}{}\"\nmodel = \"{}\"\n", name, kind.empty() ? "" : ", " + kind, name);
  for (const FileSection& section : sections_of(model)) {
    const Table* given = at(start, section.name);
    if (section.repeated && !given) continue;
    // Of no effect while they are empty.
    const bool harmless = section.name == "theory" || section.name == "monte_carlo" || section.name == "verdict";
    out += section_text(section, given, given || harmless, name);
  }
  return out;
}

const DeclaredModel& model_named(const std::string& name) {
  const Model* model = models::find_model(name);
  const DeclaredModel* found = model ? models::declared(*model) : nullptr;
  if (found) return *found;
  std::vector<std::string> names;
  for (const Model* one : models::all()) names.push_back(one->description().name);
  throw Error(fmt::format("new: '{}' is not one of {}{}", settings::shown(name), settings::join(names),
                          settings::suggestion(name, names)));
}

}  // namespace

Status new_experiment(const Context& context, const std::string& name, const std::string& kind) {
  const DeclaredModel& model = model_named(name);
  const std::vector<std::string> kinds = model.kinds();
  if (!kind.empty() && std::ranges::find(kinds, kind) == kinds.end())
    throw Error(kinds.empty()
                    ? fmt::format("new: {} has no kinds to choose from; leave '{}' out", name, settings::shown(kind))
                    : fmt::format("new: '{}' is not one of {}, the kinds of {}{}", settings::shown(kind),
                                  settings::join(kinds), name, settings::suggestion(kind, kinds)));
  const Targets targets = targets_of(context, {"toml"}, {"toml"}, "toml");
  for (const Target& target : targets)
    if (std::error_code ignored; target.path && std::filesystem::is_regular_file(*target.path, ignored))
      throw Error(fmt::format("{}: is there already and is not overwritten; give --output another name", *target.path));
  const std::string text = experiment_text(model, model.start(kind), kind);
  write_all(context, targets, [&](const Target&) { return text; });
  return done;
}

}  // namespace edgewise::cli
