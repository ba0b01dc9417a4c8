// Built at -O1: nothing here takes time.
#include "validation/sweeps/sweep_overrides.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "settings/shown.hpp"

namespace edgewise::validation {

using settings::Error;
using settings::Table;
using settings::Value;

namespace {

const std::vector<std::string>& array_names() {
  static const std::vector<std::string> names{"axis", "derived", "variant", "measure", "label", "boundary"};
  return names;
}

bool is_array_name(const std::string& word) {
  return std::find(array_names().begin(), array_names().end(), word) != array_names().end();
}

bool of_sweep(const Assignment& a) {
  return a.path() == "title" || a.parts.front() == "sweep" || is_array_name(a.parts.front());
}

std::string text_at(const Table& table, const std::string& key) {
  const Value* value = table.find(key);
  const auto* word = value ? std::get_if<std::string>(value) : nullptr;
  return word ? *word : "";
}

/// What a command line may call an element: its name, its key or the key's last part.
std::vector<std::string> names_of(const Table& element) {
  const std::string key = text_at(element, "key");
  std::vector<std::string> out;
  for (const std::string& word : {text_at(element, "name"), key, key.substr(key.rfind('.') + 1)})
    if (!word.empty()) out.push_back(word);
  return out;
}

void override_element(std::vector<Table>& elements, const Assignment& a, const std::string& origin) {
  const std::string& group = a.parts.front();
  if (a.parts.size() < 3) throw Error(fmt::format("{}: must have the form {}.NAME.key=value", origin, group));
  const std::string wanted = settings::join(std::vector<std::string>(a.parts.begin() + 1, a.parts.end() - 1), ".");
  std::vector<std::string> all;
  for (Table& element : elements) {
    const std::vector<std::string> names = names_of(element);
    if (!names.empty()) all.push_back(names.front());
    if (std::find(names.begin(), names.end(), wanted) == names.end()) continue;
    const std::string& key = a.parts.back();
    // The two ways to give an axis its values exclude each other: the newer one stands.
    if (group == "axis" && key == "values") element = without(element, {"from", "to", "count", "scale", "whole"});
    if (group == "axis" && (key == "from" || key == "to" || key == "count")) element = without(element, {"values"});
    element.set(key, a.value);
    return;
  }
  throw Error(fmt::format("{}: there is no {} '{}'{}{}{}", origin, group, settings::shown(wanted),
                          settings::suggestion(wanted, all), all.empty() ? "" : "; there are: ", settings::join(all)));
}

}  // namespace

std::string Assignment::path() const {
  return settings::join(parts, ".");
}

Assignment read_assignment(const std::string& assignment, const std::string& origin) {
  Table scratch;
  try {
    settings::override_value(scratch, assignment);
  } catch (const Error& e) {
    // The message starts with "--set ASSIGNMENT: ".
    const std::string said = e.what(), prefix = fmt::format("--set {}: ", settings::shown(assignment, 200));
    throw Error(fmt::format("{}: {}", origin, said.starts_with(prefix) ? said.substr(prefix.size()) : said));
  }
  Assignment out;
  const Table* at = &scratch;
  for (;;) {
    const std::string key = at->keys().front();
    out.parts.push_back(key);
    if (const Value* value = at->find(key)) {
      out.value = *value;
      return out;
    }
    at = at->table(key);
  }
}

void set_path(Table& table, const std::vector<std::string>& parts, Value value) {
  Table* at = &table;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) at = &at->make_table(parts[i]);
  at->set(parts.back(), std::move(value));
}

Table without(const Table& table, const std::vector<std::string>& keys) {
  Table out(table.origin(), table.path());
  for (const std::string& key : table.keys()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    if (const Value* value = table.find(key)) {
      out.set(key, *value);
    } else if (const Table* section = table.table(key)) {
      out.make_table(key) = *section;
    } else {
      for (const Table& element : table.tables(key)) out.append_table(key) = element;
    }
  }
  return out;
}

SweepParts split_sweep(const Table& file) {
  std::vector<std::string> known = array_names();
  known.insert(known.begin(), {"title", "sweep", "experiment"});
  for (const std::string& key : file.keys())
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string near = settings::suggestion(key, known);
      throw file.error(key,
                       fmt::format("unknown key{}", near.empty() ? "; a sweep has: " + settings::join(known) : near));
    }
  SweepParts parts;
  parts.root = Table(file.origin(), "");
  if (const Value* title = file.find("title")) parts.root.set("title", *title);
  parts.section = file.table_or_empty("sweep");
  for (const std::string& group : array_names()) {
    auto& elements = parts.arrays[group];
    if (file.find(group) || file.table(group))
      throw file.error(group, fmt::format("must be written [[{}]], with two brackets", group));
    for (const Table& element : file.tables(group)) elements.push_back(element);
  }
  return parts;
}

void override_sweep(SweepParts& parts, const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) {
    const std::string origin = "--set " + settings::shown(assignment, 200);
    const Assignment a = read_assignment(assignment, origin);
    if (!of_sweep(a)) continue;
    if (a.parts.front() == "title") {
      parts.root.set("title", a.value);
    } else if (a.parts.front() == "sweep") {
      if (a.parts.size() != 2) throw Error(origin + ": must have the form sweep.key=value");
      parts.section.set(a.parts.back(), a.value);
    } else {
      override_element(parts.arrays.at(a.parts.front()), a, origin);
    }
  }
}

void override_experiment(Table& experiment, const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) {
    const std::string origin = "--set " + settings::shown(assignment, 200);
    Assignment a = read_assignment(assignment, origin);
    if (of_sweep(a)) continue;
    if (a.parts.front() == "experiment" && a.parts.size() > 1) a.parts.erase(a.parts.begin());
    if (a.parts.size() == 1 && a.parts.front() != "model")
      throw Error(fmt::format("{}: must have the form section.key=value", origin));
    set_path(experiment, a.parts, std::move(a.value));
  }
}

}  // namespace edgewise::validation
