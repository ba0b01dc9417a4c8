#include "cli/commands/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/commands/file_keys.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/ingredients/schedules.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::cli {

using settings::Description;
using settings::Parameter;

namespace {

Entry::Detail kinds_of(const std::string& title, const std::vector<Entry>& entries, const std::string& group) {
  Entry::Detail out{title, {}};
  for (const Entry& e : entries)
    if (e.group == group)
      out.items.emplace_back((e.models.empty() ? "" : e.models.front() + "/") + e.description.name,
                             e.description.summary);
  return out;
}

Entry section(const std::string& name, const std::string& summary, std::vector<Parameter> parameters) {
  Entry entry;
  entry.group = "sections";
  entry.description.name = name;
  entry.description.summary = summary;
  entry.description.parameters = std::move(parameters);
  return entry;
}

/// The models that read the section.
std::vector<std::string> readers(const std::string& section) {
  std::vector<std::string> out;
  for (const models::Model* model : models::all())
    if (std::ranges::find(model->sections(), section) != model->sections().end())
      out.push_back(model->description().name);
  return out;
}

Entry entry_of(const FileSection& of) {
  const std::string format = of.repeated ? "[[{}]]: {}" : "[{}]: {}";
  Entry out = section(of.name, fmt::format(fmt::runtime(format), of.name, of.about), of.parameters);
  if (!of.kinds.empty()) out.description.parameters.push_back(of.choice());
  return out;
}

void add_choices(std::vector<Entry>& out) {
  // All that was listed before has a group of its own, which the sections do not change.
  const auto add_kinds = [&out](Entry entry, const std::string& key, const std::string& group) {
    entry.details.push_back(kinds_of(key + " = ... (edgewise describe NAME tells the keys of each)", out, group));
    out.push_back(std::move(entry));
  };
  Entry root = section("experiment", "the keys above all sections of an experiment file", models::root_parameters());
  root.details.push_back(kinds_of("model = ...", out, "models"));
  out.push_back(std::move(root));
  static const std::map<std::string, std::string> groups = {
      {"spectrum", "spectra"}, {"noise", "noise"}, {"rate", "rates"}, {"schedule", "schedules"}};
  for (const FileSection& one : shared_choices()) {
    Entry entry = entry_of(one);
    if (one.name == "schedule") entry.description.summary += "; [schedule.NAME]: another number of the optimizer";
    add_kinds(std::move(entry), one.chosen_by, groups.at(one.name));
  }
  add_kinds(section("optimizer", "[optimizer]: " + section_summary("optimizer"), {}), "kind", "optimizers");
}

void add_sections(std::vector<Entry>& out) {
  add_choices(out);
  for (const models::Axis* axis : models::axes())
    out.push_back(section(axis->section,
                          fmt::format("[{}]: how many {}, and which are recorded", axis->section, axis->unit),
                          models::parameters(*axis)));

  Entry theory = section("theory", "[theory]: " + section_summary("theory"), {});
  Entry monte_carlo =
      section("monte_carlo", "[monte_carlo]: " + section_summary("monte_carlo"), models::monte_carlo_parameters());
  for (const models::Model* model : models::all()) {
    const auto add = [&](Entry& entry, std::span<const Parameter> parameters) {
      if (!parameters.empty())
        entry.more_parameters.emplace_back("of model " + model->description().name,
                                           std::vector<Parameter>(parameters.begin(), parameters.end()));
    };
    add(theory, model->theory_parameters());
    add(monte_carlo, model->monte_carlo_parameters());
  }
  out.push_back(std::move(theory));
  out.push_back(std::move(monte_carlo));
  for (const FileSection& common : common_sections()) out.push_back(entry_of(common));
  // All others, whatever models have.
  for (const models::Model* model : models::all())
    for (const std::string& name : model->sections()) {
      const auto same = [&](const Entry& e) { return e.group == "sections" && e.description.name == name; };
      auto entry = std::find_if(out.begin(), out.end(), same);
      if (entry == out.end()) {
        const std::string summary = section_summary(name);
        const std::string what = summary.empty() ? "read by " + settings::join(readers(name)) : summary;
        out.push_back(section(name, fmt::format("[{}]: {}", name, what), {}));
        entry = out.end() - 1;
      }
      // Models name the keys of their own sections SECTION.KEY.
      std::vector<Parameter> own;
      for (Parameter p : model->description().parameters)
        if (p.name.starts_with(name + ".")) {
          p.name.erase(0, name.size() + 1);
          own.push_back(std::move(p));
        }
      if (!own.empty()) entry->more_parameters.emplace_back("of model " + model->description().name, std::move(own));
    }
}

void add_sweep_sections(std::vector<Entry>& out) {
  const auto add = [&](const FileSection& of, const char* group) {
    out.push_back(entry_of(of));
    out.back().group = group;
    if (of.kinds.empty()) return;
    Entry::Detail kinds{"kind = ... (edgewise describe NAME tells the keys of each)", {}};
    for (const Description* kind : of.kinds) kinds.items.emplace_back(kind->name, kind->summary);
    out.back().details.push_back(std::move(kinds));
    for (const Description* kind : of.kinds) out.push_back({"measures", *kind, {}, {}, {}});
  };
  for (const FileSection& of : sweep_file_sections()) add(of, "sweep-sections");
  for (const FileSection& of : comparison_sections()) add(of, "comparison-sections");
}

void append_parameters(std::string& out, const std::string& title, const std::vector<Parameter>& parameters) {
  if (parameters.empty()) return;
  out += "\n" + title + "\n";
  for (const Parameter& p : parameters) {
    out += fmt::format("  {}  ({})\n", p.name, facts_text(p)) + paragraph(p.doc, "      ");
  }
}

Json parameter_json(const Parameter& p) {
  Json out = {{"name", p.name}, {"type", settings::name(p.type)}, {"required", p.required}};
  if (p.fallback) {
    std::visit(
        [&](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>)
            out["default"] = json_number(value);
          else
            out["default"] = value;
        },
        *p.fallback);
  } else {
    out["default"] = nullptr;
    if (!p.fallback_text.empty()) out["default_computed"] = p.fallback_text;
  }
  out["range"] = p.range_text();
  if (!p.accepted.empty()) out["accepted"] = p.accepted;
  out["unit"] = p.unit;
  if (!p.where_text().empty()) out["where"] = p.where_text();
  out["doc"] = p.doc;
  return out;
}

}  // namespace

const std::vector<std::string>& groups() {
  static const std::vector<std::string> all = {"models", "optimizers", "rates",       "spectra",
                                               "noise",  "schedules",  "closed-forms"};
  return all;
}

std::vector<Entry> catalog(bool closed_forms) {
  std::vector<Entry> out;
  const auto add = [&](const std::string& group, const Description& description) {
    out.push_back({group, description, {}, {}, {}});
  };
  for (const models::Model* model : models::all()) {
    add("models", model->description());
    Entry& entry = out.back();
    Entry::Detail observables{"Observables", {}}, optimizers{"Optimizers", {}}, sections{"Sections that it reads", {}};
    for (const models::Observable& o : model->observables())
      observables.items.emplace_back(o.name, o.unit.empty() ? o.doc : fmt::format("{} [{}]", o.doc, o.unit));
    for (const Description* o : model->optimizers()) optimizers.items.emplace_back(o->name, o->summary);
    for (const std::string& s : model->sections()) sections.items.emplace_back("[" + s + "]", "");
    for (Entry::Detail* d : {&observables, &optimizers, &sections})
      if (!d->items.empty()) entry.details.push_back(std::move(*d));
    const auto more = [&](const std::string& title, std::span<const Parameter> parameters) {
      if (!parameters.empty())
        entry.more_parameters.emplace_back(title, std::vector<Parameter>(parameters.begin(), parameters.end()));
    };
    more("of section [theory]", model->theory_parameters());
    more("of section [monte_carlo]", model->monte_carlo_parameters());
  }
  for (const models::Model* model : models::all())
    for (const Description* optimizer : model->optimizers()) {
      add("optimizers", *optimizer);
      out.back().models.push_back(model->description().name);
    }
  for (const models::ingredients::RateRuleKind& kind : models::ingredients::rate_rule_kinds()) {
    add("rates", kind.description);
    if (!kind.build) continue;
    Entry::Detail observables{"Observables", {{"learning_rate", "rate of the last step taken"}}};
    for (const models::Observable& o : kind.memory) observables.items.emplace_back(o.name, o.doc);
    out.back().details.push_back(std::move(observables));
  }
  for (const spectra::Kind& kind : spectra::kinds()) add("spectra", kind.description);
  for (const models::ingredients::NoiseKind& kind : models::ingredients::noise_kinds()) add("noise", kind.description);
  for (const models::ingredients::ScheduleKind& kind : models::ingredients::schedule_kinds())
    add("schedules", kind.description);
  for (const models::Model* model : closed_forms ? models::all() : std::span<const models::Model* const>())
    for (const models::ClosedForm& form : model->closed_forms())
      add("closed-forms", {form.name, form.formula, "", form.source, {}});
  add_sections(out);
  add_sweep_sections(out);
  return out;
}

namespace {

/// Of the overview, whose lines of models are as long.
constexpr std::size_t overview_width = 112;

/// "title  a, b, c", wrapped behind a column of titles.
std::string name_lines(const std::string& title, std::size_t width, const std::vector<std::string>& names) {
  std::string out, line = fmt::format("{:<{}}", title, width);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string word = names[i] + (i + 1 < names.size() ? "," : "");
    if (line.size() + 1 + word.size() > overview_width) {
      out += line + "\n";
      line = std::string(width, ' ');
    }
    line += " " + word;
  }
  return out + line + "\n";
}

/// The models that an entry belongs to, as a title.
std::string owners(const Entry& e) {
  return settings::join(e.models);
}

std::string name_and_summary(const Entry& e, std::size_t width, const std::string& indent) {
  const std::string line = fmt::format("{}{:<{}}  {}", indent, e.description.name, width, e.description.summary);
  return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::size_t name_width(const std::vector<Entry>& entries, const std::string& group) {
  std::size_t width = 0;
  for (const Entry& e : entries)
    if (e.group == group) width = std::max(width, e.description.name.size());
  return width;
}

}  // namespace

std::string overview_text(const std::vector<Entry>& entries) {
  std::string out;
  const std::size_t models_width = name_width(entries, "models");
  for (const std::string& group : groups()) {
    std::vector<std::string> names;  // once each, whichever models have them
    for (const Entry& e : entries) {
      if (e.group != group) continue;
      if (std::ranges::find(names, e.description.name) == names.end()) names.push_back(e.description.name);
      if (group == "models") out += (names.size() == 1 ? "models\n" : "") + name_and_summary(e, models_width, "  ");
    }
    if (group == "models") continue;
    out += group == "closed-forms" ? fmt::format("closed-forms  {} of them\n", names.size())
                                   : name_lines(group, 13, names);
  }
  return out + "`edgewise list GROUP` tells what each is, `edgewise describe NAME` (or MODEL/NAME) all about it.\n";
}

std::string list_text(const std::vector<Entry>& entries) {
  std::string out, owner;
  const std::size_t width = entries.empty() ? 0 : name_width(entries, entries.front().group);
  for (const Entry& e : entries) {
    if (!e.models.empty() && owners(e) != owner) out += (owner.empty() ? "" : "\n") + owners(e) + "\n";
    owner = owners(e);
    out += name_and_summary(e, width, e.models.empty() ? "" : "  ");
  }
  return out;
}

std::string list_csv(const std::vector<Entry>& entries) {
  std::string out = "group,name,summary\n";
  for (const Entry& e : entries)
    out += csv_quoted(e.group) + "," + csv_quoted(e.description.name) + "," + csv_quoted(e.description.summary) + "\n";
  return out;
}

Json list_json(const std::vector<Entry>& entries) {
  Json out = Json::object();
  for (const Entry& e : entries) {
    out[e.group].push_back({{"name", e.description.name}, {"summary", e.description.summary}});
    if (!e.models.empty()) out[e.group].back()["models"] = e.models;
  }
  return out;
}

std::string describe_text(const Entry& entry) {
  static const std::map<std::string, std::string> singular = {{"models", "model"},
                                                              {"optimizers", "optimizer"},
                                                              {"rates", "rate rule"},
                                                              {"spectra", "spectrum"},
                                                              {"noise", "noise law"},
                                                              {"schedules", "schedule"},
                                                              {"closed-forms", "closed form"},
                                                              {"sections", "section of the experiment file"},
                                                              {"sweep-sections", "section of a sweep file"},
                                                              {"comparison-sections", "section of a comparison file"},
                                                              {"measures", "measure of a sweep"}};
  const Description& d = entry.description;
  std::string out = fmt::format("{} ({}{})\n", d.name, singular.at(entry.group),
                                entry.models.empty() ? "" : " of " + settings::join(entry.models));
  out += paragraph(d.summary, "  ");
  if (!d.equations.empty()) out += "\nEquations\n" + paragraph(d.equations, "  ");
  append_parameters(out, "Parameters", d.parameters);
  for (const auto& [title, parameters] : entry.more_parameters)
    append_parameters(out, "Parameters " + title, parameters);
  for (const Entry::Detail& detail : entry.details) {
    out += "\n" + detail.title + "\n";
    std::size_t width = 0;
    for (const auto& item : detail.items) width = std::max(width, item.first.size());
    for (const auto& [name, text] : detail.items) {
      const std::string line = fmt::format("  {:<{}}  {}", name, width, text);
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
  }
  if (!d.source.empty()) out += "\nSource\n" + paragraph(d.source, "  ");
  return out;
}

std::string describe_csv(const Entry& entry) {
  std::string out = "section,name,type,default,range,unit,meaning\n";
  const auto add = [&](const std::string& title, const std::vector<Parameter>& parameters) {
    for (const Parameter& p : parameters)
      out += fmt::format("{},{},{},{},{},{},{}\n", csv_quoted(title), csv_quoted(p.name), settings::name(p.type),
                         csv_quoted(default_text(p)), csv_quoted(p.range_text()), csv_quoted(p.unit),
                         csv_quoted(p.doc + (p.where_text().empty() ? "" : "; read where " + p.where_text())));
  };
  add(entry.description.name, entry.description.parameters);
  for (const auto& [title, parameters] : entry.more_parameters) add(title, parameters);
  return out;
}

Json describe_json(const Entry& entry) {
  const Description& d = entry.description;
  Json out = {{"name", d.name},           {"group", entry.group}, {"summary", d.summary},
              {"equations", d.equations}, {"source", d.source},   {"parameters", Json::array()}};
  if (!entry.models.empty()) out["models"] = entry.models;
  for (const Parameter& p : d.parameters) out["parameters"].push_back(parameter_json(p));
  for (const auto& [title, parameters] : entry.more_parameters)
    for (const Parameter& p : parameters) out["parameters " + title].push_back(parameter_json(p));
  for (const Entry::Detail& detail : entry.details)
    for (const auto& [name, text] : detail.items) out[detail.title].push_back({{"name", name}, {"doc", text}});
  return out;
}

}  // namespace edgewise::cli
