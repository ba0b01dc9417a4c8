#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "cli/commands/commands.hpp"
#include "cli/commands/file_keys.hpp"
#include "cli/results/json.hpp"
#include "models/framework/experiment.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using models::Model;
using settings::Description;
using settings::Parameter;
using settings::Type;

namespace {

const char* json_type(Type type) {
  switch (type) {
    case Type::boolean:
      return "boolean";
    case Type::integer:
      return "integer";
    case Type::number:
      return "number";
    case Type::text:
      return "string";
    case Type::numbers:
    case Type::texts:
    case Type::matrix:
      return "array";
  }
  return "";
}

/// The bounds of a number. One that may be infinite has none: JSON has no word for it.
void add_range(Json& to, const Parameter& p) {
  if (p.infinity_allowed) return;
  if (std::isfinite(p.minimum)) to[p.minimum_excluded ? "exclusiveMinimum" : "minimum"] = p.minimum;
  if (std::isfinite(p.maximum)) to[p.maximum_excluded ? "exclusiveMaximum" : "maximum"] = p.maximum;
}

Json key_schema(const Parameter& p) {
  Json out = {{"type", json_type(p.type)}};
  const std::string facts = facts_text(p);
  out["description"] = p.doc.empty() ? facts : p.doc + " (" + facts + ")";
  if (!p.accepted.empty()) out["enum"] = p.accepted;
  Json numbers = {{"type", "number"}};
  add_range(p.type == Type::numbers ? numbers : out, p);
  if (p.type == Type::numbers) out["items"] = numbers;
  if (p.type == Type::texts) out["items"] = {{"type", "string"}};
  if (p.type == Type::matrix) out["items"] = {{"type", "array"}, {"items", numbers}};
  if (p.fallback)
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
            if (std::isfinite(value)) out["default"] = value;
          } else {
            out["default"] = value;
          }
        },
        *p.fallback);
  return out;
}

Json object(const std::string& about) {
  Json out = {{"type", "object"}};
  if (!about.empty()) out["description"] = about;
  return out;
}

/// An object of these keys and no others. \param required  whether what must be given is asked for
Json keys_schema(const std::vector<Parameter>& keys, bool required) {
  Json out = object("");
  Json needed = Json::array();
  out["properties"] = Json::object();
  for (const Parameter& p : keys) {
    out["properties"][p.name] = key_schema(p);
    if (p.required) needed.push_back(p.name);
  }
  out["additionalProperties"] = false;
  if (required && !needed.empty()) out["required"] = needed;
  return out;
}

/// {"if": the key is this word, or left out where that means the same; "then": what holds}
Json where(const std::string& key, const std::string& word, bool usual, Json then) {
  Json test = {{"properties", {{key, {{"const", word}}}}}};
  if (!usual) test["required"] = {key};
  return {{"if", std::move(test)}, {"then", std::move(then)}};
}

Json section_schema(const FileSection& section, bool required) {
  if (section.kinds.empty()) {
    Json out = keys_schema(section.parameters, required);
    if (!section.about.empty()) out["description"] = section.about;
    return out;
  }
  Json out = object(section.about);
  Parameter choice = section.choice();
  out["properties"] = {{choice.name, key_schema(choice)}};
  if (required && choice.required) out["required"] = {choice.name};
  out["allOf"] = Json::array();
  for (const Description* kind : section.kinds) {
    std::vector<Parameter> keys = section.parameters;
    keys.push_back(choice);
    keys.insert(keys.end(), kind->parameters.begin(), kind->parameters.end());
    Json of_kind = keys_schema(keys, required);
    of_kind["description"] = kind->summary;
    out["allOf"].push_back(where(choice.name, kind->name, kind->name == section.usual, std::move(of_kind)));
  }
  return out;
}

/// Whether it is one of shared_choices(), whole.
bool has_every_kind(const FileSection& section) {
  const auto& all = shared_choices();
  const auto same = std::ranges::find(all, section.name, &FileSection::name);
  return same != all.end() && same->kinds == section.kinds;
}

/// Sections by name, those in others and the repeated ones in their places.
Json sections_schema(const std::vector<FileSection>& sections, bool required,
                     const std::map<std::string, std::string>& shared) {
  Json out = Json::object();
  for (const FileSection& section : sections) {
    const auto known = shared.find(section.name);
    const bool is_shared = known != shared.end() && (is_common(section.name) || has_every_kind(section));
    Json schema = is_shared ? Json{{"$ref", known->second}} : section_schema(section, required);
    if (section.repeated) schema = {{"type", "array"}, {"items", std::move(schema)}};
    const std::size_t dot = section.name.find('.');
    if (dot == std::string::npos) {
      out[section.name] = std::move(schema);
      continue;
    }
    Json& outer = out[section.name.substr(0, dot)];
    outer["properties"][section.name.substr(dot + 1)] = schema;
    for (Json& kind : outer["allOf"]) kind["then"]["properties"][section.name.substr(dot + 1)] = schema;
  }
  return out;
}

const char* suffix(bool required) {
  return required ? "" : "-part";
}

/// References to the sections that models share, defined under these names.
std::map<std::string, std::string> shared_references(bool required) {
  std::map<std::string, std::string> out;
  for (const auto* sections : {&shared_choices(), &common_sections()})
    for (const FileSection& section : *sections)
      out[section.name] = fmt::format("#/definitions/{}{}", section.name, suffix(required));
  return out;
}

/// [schedule], which may hold tables that move other numbers of the optimizer.
void add_inner_schedules(Json& schedule, bool required) {
  const Json inner = {{"$ref", fmt::format("#/definitions/schedule-of-number{}", suffix(required))}};
  for (Json& kind : schedule["allOf"]) kind["then"]["additionalProperties"] = inner;
}

void add_experiment(Json& definitions, bool required) {
  for (const FileSection& section : shared_choices()) {
    Json schema = section_schema(section, required);
    if (section.name == "schedule") {
      definitions[fmt::format("schedule-of-number{}", suffix(required))] = schema;
      add_inner_schedules(schema, required);
    }
    definitions[section.name + suffix(required)] = std::move(schema);
  }
  for (const FileSection& section : common_sections())
    definitions[section.name + suffix(required)] = section_schema(section, required);
  // Exponents of any key: [verdict.scaling] SECTION.KEY = number.
  definitions[fmt::format("verdict{}", suffix(required))]["properties"]["scaling"] = {
      {"type", "object"},
      {"additionalProperties", {{"type", "object"}, {"additionalProperties", {{"type", "number"}}}}}};
  std::vector<std::string> names;
  Json of_models = Json::array();
  for (const Model* model : models::all()) {
    const std::string& name = model->description().name;
    names.push_back(name);
    Json of_model = object(model->description().summary);
    Json properties = Json::object();
    for (const Parameter& p : models::root_parameters()) properties[p.name] = key_schema(p);
    properties.update(sections_schema(sections_of(*model), required, shared_references(required)));
    of_model["properties"] = std::move(properties);
    of_model["additionalProperties"] = false;
    of_models.push_back(where("model", name, false, std::move(of_model)));
  }
  Json experiment = object("an experiment");
  experiment["properties"] = {{"model", {{"type", "string"}, {"enum", names}}}};
  if (required) experiment["required"] = {"model"};
  experiment["allOf"] = std::move(of_models);
  definitions[fmt::format("experiment{}", suffix(required))] = std::move(experiment);
}

Json file_schema(const std::string& about, const std::vector<FileSection>& sections) {
  Json out = object(about);
  out["properties"] = {{"title", key_schema(models::root_parameters().front())},
                       {"experiment", {{"$ref", "#/definitions/experiment-part"}}}};
  out["properties"].update(sections_schema(sections, true, {}));
  out["additionalProperties"] = false;
  return out;
}

Json has_key(const std::string& key) {
  return {{"required", {key}}};
}

Json schema_of_files() {
  Json definitions = Json::object();
  for (const bool required : {true, false}) add_experiment(definitions, required);
  definitions["sweep"] = file_schema("a grid of experiments", sweep_file_sections());
  // Of words as well as of numbers.
  definitions["sweep"]["properties"]["axis"]["items"]["properties"]["values"]["items"] = {
      {"type", {"number", "string"}}};
  // A number is a formula too.
  for (Json& kind : definitions["sweep"]["properties"]["measure"]["items"]["allOf"])
    for (auto& [name, key] : kind["then"]["properties"].items())
      if (key["type"] == "string" && !key.contains("enum")) key["type"] = {"string", "number"};
  definitions["comparison"] = file_schema("methods on workloads", comparison_sections());
  Json out = {{"$schema", "http://json-schema.org/draft-07/schema#"},
              {"title", "edgewise: files of experiments, sweeps and comparisons"},
              {"type", "object"}};
  const Json compared = {{"anyOf", {has_key("compare"), has_key("method"), has_key("workload")}}};
  out["if"] = has_key("sweep");
  out["then"] = {{"$ref", "#/definitions/sweep"}};
  out["else"] = {{"if", compared},
                 {"then", {{"$ref", "#/definitions/comparison"}}},
                 {"else", {{"$ref", "#/definitions/experiment"}}}};
  out["definitions"] = std::move(definitions);
  return out;
}

}  // namespace

Status schema(const Context& context) {
  const Targets targets = targets_of(context, {"json"}, {"json"}, "json");
  write_all(context, targets, [](const Target&) { return schema_of_files().dump(1) + "\n"; });
  return done;
}

}  // namespace edgewise::cli
