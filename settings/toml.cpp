#include <fmt/format.h>
#include <toml++/toml.h>

#include <fstream>
#include <sstream>

#include "settings/settings.hpp"

namespace edgewise::settings {
namespace {

std::vector<double> numbers_of(const toml::array& array, const Table& where, const std::string& key) {
  std::vector<double> out;
  for (const auto& element : array) {
    const auto x = element.value<double>();
    if (!x || element.is_boolean()) throw where.error(key, "lists must hold numbers only, or texts only");
    out.push_back(*x);
  }
  return out;
}

void fill(Table& table, const toml::table& source);

void fill_array(Table& table, const std::string& key, const toml::array& array) {
  if (array.empty()) {
    table.set(key, std::vector<double>{});
  } else if (array.is_homogeneous(toml::node_type::table)) {
    for (const auto& element : array) fill(table.append_table(key), *element.as_table());
  } else if (array.is_homogeneous(toml::node_type::string)) {
    std::vector<std::string> words;
    for (const auto& element : array) words.push_back(*element.value<std::string>());
    table.set(key, std::move(words));
  } else if (array.is_homogeneous(toml::node_type::array)) {
    Matrix rows;
    for (const auto& row : array) rows.push_back(numbers_of(*row.as_array(), table, key));
    table.set(key, std::move(rows));
  } else {
    table.set(key, numbers_of(array, table, key));
  }
}

void fill(Table& table, const toml::table& source) {
  for (const auto& [raw_key, node] : source) {
    const std::string key(raw_key.str());
    if (const auto* sub = node.as_table()) {
      fill(table.make_table(key), *sub);
    } else if (const auto* array = node.as_array()) {
      fill_array(table, key, *array);
    } else if (node.is_boolean()) {
      table.set(key, *node.value<bool>());
    } else if (node.is_integer()) {
      table.set(key, *node.value<std::int64_t>());
    } else if (node.is_floating_point()) {
      table.set(key, *node.value<double>());
    } else if (node.is_string()) {
      table.set(key, *node.value<std::string>());
    } else {
      throw table.error(key, "dates and times have no meaning here");
    }
  }
}

}  // namespace

Table read_text(std::string_view text, const std::string& origin) {
  try {
    const toml::table parsed = toml::parse(text, origin);
    Table table(origin, "");
    fill(table, parsed);
    return table;
  } catch (const toml::parse_error& e) {
    throw Error(fmt::format("{}: line {}, column {}: {}", origin, e.source().begin.line, e.source().begin.column,
                            e.description()));
  }
}

Table read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream buffer;
  if (in) buffer << in.rdbuf();
  if (!in || in.bad()) throw Error(fmt::format("{}: cannot be read; is the path right?", path));
  return read_text(buffer.str(), path);
}

void override_value(Table& table, std::string_view assignment) {
  const auto equals = assignment.find('=');
  const std::string origin = fmt::format("--set {}", assignment);
  if (equals == std::string_view::npos || equals == 0) throw Error(origin + ": must have the form section.key=value");
  auto trim = [](std::string_view s) {
    while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
    while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
    return std::string(s);
  };
  const std::string path = trim(assignment.substr(0, equals)), raw = trim(assignment.substr(equals + 1));
  Table parsed;
  try {
    parsed = read_text("x = " + raw, origin);
  } catch (const Error& e) {
    // A bare word: --set schedule.kind=cosine needs no quotes.
    if (raw.empty() || raw.find_first_of("[]{}\"'") != std::string::npos)
      throw Error(std::string_view(e.what()).starts_with(origin + ": line ") ? origin + ": the value is not valid TOML"
                                                                             : e.what());
    parsed.set("x", raw);
  }
  Table* at = &table;
  std::string rest = path;
  for (auto dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
    if (dot == 0) throw Error(origin + ": must have the form section.key=value");
    at = &at->make_table(rest.substr(0, dot));
    rest = rest.substr(dot + 1);
  }
  if (rest.empty()) throw Error(origin + ": must have the form section.key=value");
  const Value* value = parsed.find("x");
  if (!value) throw Error(origin + ": the value must be a number, a text, true, false or a list");
  at->set(rest, *value);
}

}  // namespace edgewise::settings
