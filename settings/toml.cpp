#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "settings/delimited.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"

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

namespace {

std::string_view trimmed(std::string_view s) {
  constexpr std::string_view blanks = " \t\r";
  while (!s.empty() && blanks.find(s.front()) != std::string_view::npos) s.remove_prefix(1);
  while (!s.empty() && blanks.find(s.back()) != std::string_view::npos) s.remove_suffix(1);
  return s;
}

std::string_view line_of(std::string_view text, std::size_t number) {
  for (; number > 1; --number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

/// Numbers as people write them, .5, 5. or +.5e3, as TOML wants them, outside of quotes.
std::string with_whole_numbers(const std::string& text) {
  std::string out;
  char quote = 0;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto joined = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '.') {
      const bool before = !out.empty() && digit(out.back());
      const char next = text[i + 1];  // 0 behind the end
      if (!before && digit(next) && (out.empty() || !joined(out.back()))) out += '0';
      out += c;
      if (before && (!joined(next) || next == 'e' || next == 'E')) out += '0';
      continue;
    }
    out += c;
  }
  return out;
}

/// What TOML has against a line, as far as the line itself tells, in words for people who do not know its grammar.
std::string complaint(std::string_view line, std::string_view description) {
  const auto says = [&](std::string_view word) { return description.find(word) != std::string_view::npos; };
  line = trimmed(line);
  if (says("redefine") || says("cannot insert")) return "this key or section is there already";
  if (says("depth")) return "lists or sections are nested too deeply";
  if (says("utf-8") || says("UTF-8") || says("surrogate")) return "a letter that is not UTF-8";
  if (line.starts_with('[')) return "a section is written [name]";
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return "a key and its value are written key = value";
  const std::string_view key = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
  if (key.empty()) return "the key before = is missing";
  const auto bare = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.' || c == ' '; };
  const bool quoted_key = key.front() == '"' || key.front() == '\'';
  if (!quoted_key && !std::all_of(key.begin(), key.end(), bare)) return "a key has letters, digits, _ and -";
  if (value.empty() || value.front() == '#') return fmt::format("the value of {} is missing", shown(key));
  const char first = value.front();
  if (first == '"' || first == '\'') return "the text is not closed by a quote, or something follows it";
  constexpr const char* number = "a number is written 5, 0.5 or 5e-1, with digits on both sides of its point";
  if (first == '[')
    return with_whole_numbers(std::string(value)) != value
               ? number
               : "the list is not closed by ], or its values are not separated by commas";
  if (first == '{') return "the values in { } are written key = value, separated by commas";
  if (value == "True" || value == "False" || value == "yes" || value == "no") return "write true or false";
  if (std::isalpha(static_cast<unsigned char>(first))) return "a text stands in quotes";
  if (value.size() > 15 && value.find_first_not_of("+-0123456789") == std::string_view::npos)
    return "a whole number as large as this is written with an exponent, 1e20";
  if (std::isdigit(static_cast<unsigned char>(first)) || first == '.' || first == '-' || first == '+') return number;
  return "this is no value";
}

}  // namespace

Table read_text(std::string_view text, const std::string& origin) {
  text = without_byte_order_mark(text);
  try {
    const toml::table parsed = toml::parse(text, origin);
    Table table(origin, "");
    fill(table, parsed);
    return table;
  } catch (const toml::parse_error& e) {
    const auto at = e.source().begin;
    const std::string_view line = line_of(text, at.line);
    throw Error(fmt::format("{}: line {}, column {}: {}: {}", origin, at.line, at.column,
                            complaint(line, e.description()), shown(trimmed(line))));
  }
}

Table read_file(const std::string& path) {
  return read_text(read_text_file(path), path);
}

namespace {

/// The value of an assignment on the command line; nothing where it is no TOML.
std::optional<Value> assigned(const std::string& raw, const std::string& origin) {
  // Alone, a number may be written in every way that reads as one.
  std::int64_t ignored = 0;
  const bool beyond =
      std::from_chars(raw.data(), raw.data() + raw.size(), ignored).ec == std::errc::result_out_of_range;
  if (raw.find('.') != std::string::npos || raw.starts_with("+") || raw.starts_with("0") || beyond)
    if (const auto number = number_of(raw); number && std::isfinite(*number)) {
      const bool whole = raw.find_first_of(".eE") == std::string::npos;
      if (whole && std::abs(*number) < 9e15) return static_cast<std::int64_t>(*number);
      return *number;
    }
  Table parsed;
  for (const std::string& text : {raw, with_whole_numbers(raw)}) try {
      parsed = read_text("x = " + text, origin);
      break;
    } catch (const Error& e) {
      const std::string said = e.what(), of_key = origin + ": x: ";
      if (said.starts_with(of_key)) throw Error(origin + ": " + said.substr(of_key.size()));
      if (!said.starts_with(origin + ": line ")) throw;
    }
  const std::vector<std::string> keys = parsed.keys();
  if (keys.empty()) return std::nullopt;
  const Value* value = parsed.find("x");
  if (!value || keys.size() > 1) throw Error(origin + ": the value must be a number, a text, true, false or a list");
  return *value;
}

}  // namespace

void override_value(Table& table, std::string_view assignment) {
  const auto equals = assignment.find('=');
  const std::string origin = fmt::format("--set {}", shown(assignment, 200));
  if (equals == std::string_view::npos || equals == 0) throw Error(origin + ": must have the form section.key=value");
  const std::string path(trimmed(assignment.substr(0, equals))), raw(trimmed(assignment.substr(equals + 1)));
  if (raw.empty()) throw Error(fmt::format("{}: the value is missing; an empty text is written \"\"", origin));
  std::optional<Value> value = assigned(raw, origin);
  if (!value) {
    // A bare word: --set schedule.kind=cosine needs no quotes.
    if (raw.find_first_of("[]{}\"'") != std::string::npos)
      throw Error(fmt::format("{}: the value is not valid TOML: {}", origin, complaint("x = " + raw, "")));
    value = raw;
  }
  Table* at = &table;
  std::string rest = path;
  for (auto dot = rest.find('.'); dot != std::string::npos; dot = rest.find('.')) {
    if (dot == 0) throw Error(origin + ": must have the form section.key=value");
    at = &at->make_table(rest.substr(0, dot));
    rest = rest.substr(dot + 1);
  }
  if (rest.empty()) throw Error(origin + ": must have the form section.key=value");
  at->set(rest, *value);
}

}  // namespace edgewise::settings
