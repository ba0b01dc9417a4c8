#pragma once
/// What a JSON schema says of a value, for the part of draft 7 that edgewise writes; a keyword that it does not know is an
/// error.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <variant>

#include "settings/settings.hpp"

namespace edgewise::cli::testing {

using Schema = nlohmann::ordered_json;

/// A table of TOML as JSON; infinities stay what they are.
inline Schema json_of(const settings::Table& table) {
  Schema out = Schema::object();
  for (const std::string& key : table.keys())
    if (const settings::Value* value = table.find(key))
      std::visit([&](const auto& x) { out[key] = x; }, *value);
    else if (const settings::Table* section = table.table(key))
      out[key] = json_of(*section);
    else
      for (const settings::Table& element : table.tables(key)) out[key].push_back(json_of(element));
  return out;
}

/// Empty where `value` is as `schema` says; else the first place where it is not, and why.
class SchemaCheck {
 public:
  explicit SchemaCheck(const Schema& root) : root_(root) {}
  std::string operator()(const Schema& value) const { return of(value, root_, ""); }

 private:
  static bool is(const Schema& value, const std::string& type) {
    if (type == "integer")
      return value.is_number_integer() ||
             (value.is_number_float() && std::floor(value.get<double>()) == value.get<double>());
    return type == "number"    ? value.is_number()
           : type == "string"  ? value.is_string()
           : type == "boolean" ? value.is_boolean()
           : type == "array"   ? value.is_array()
                               : type == "object" && value.is_object();
  }

  std::string of(const Schema& value, const Schema& schema, const std::string& at) const {
    static const std::set<std::string> ignored = {"description", "default", "title", "$schema",
                                                  "definitions", "then",    "else"};
    for (const auto& [word, said] : schema.items()) {
      if (ignored.contains(word)) continue;
      if (std::string wrong = by_word(value, schema, word, said, at); !wrong.empty()) return wrong;
    }
    return "";
  }

  std::string by_word(const Schema& value, const Schema& schema, const std::string& word, const Schema& said,
                      const std::string& at) const {
    const bool number = value.is_number(), object = value.is_object();
    const auto need = [&](bool holds) { return holds ? "" : at + ": " + word + " " + said.dump(); };
    if (word == "$ref")
      return of(value, root_.at("definitions").at(said.get<std::string>().substr(std::string("#/definitions/").size())),
                at);
    if (word == "type" && said.is_array())
      return need(std::ranges::any_of(said, [&](const Schema& type) { return is(value, type.get<std::string>()); }));
    if (word == "type") return need(is(value, said.get<std::string>()));
    if (word == "const") return need(value == said);
    if (word == "enum") return need(std::ranges::find(said, value) != said.end());
    if (word == "minimum") return need(!number || value.get<double>() >= said.get<double>());
    if (word == "maximum") return need(!number || value.get<double>() <= said.get<double>());
    if (word == "exclusiveMinimum") return need(!number || value.get<double>() > said.get<double>());
    if (word == "exclusiveMaximum") return need(!number || value.get<double>() < said.get<double>());
    if (word == "required")
      return need(!object ||
                  std::ranges::all_of(said, [&](const Schema& key) { return value.contains(key.get<std::string>()); }));
    if (word == "anyOf")
      return need(std::ranges::any_of(said, [&](const Schema& one) { return of(value, one, at).empty(); }));
    if (word == "allOf") {
      for (const Schema& one : said)
        if (std::string wrong = of(value, one, at); !wrong.empty()) return wrong;
      return "";
    }
    if (word == "if") {
      const char* next = of(value, said, at).empty() ? "then" : "else";
      return schema.contains(next) ? of(value, schema.at(next), at) : "";
    }
    if (word == "items") {
      for (std::size_t i = 0; value.is_array() && i < value.size(); ++i)
        if (std::string wrong = of(value[i], said, at + "[" + std::to_string(i) + "]"); !wrong.empty()) return wrong;
      return "";
    }
    if (word == "properties" || word == "additionalProperties") return keys(value, schema, word, said, at);
    throw std::logic_error("a keyword that the check does not know: " + word);
  }

  std::string keys(const Schema& value, const Schema& schema, const std::string& word, const Schema& said,
                   const std::string& at) const {
    if (!value.is_object()) return "";
    for (const auto& [key, of_key] : value.items()) {
      const bool known = schema.contains("properties") && schema.at("properties").contains(key);
      if (known != (word == "properties")) continue;
      const Schema& rule = known ? said.at(key) : said;
      if (rule.is_boolean()) return rule.get<bool>() ? "" : at + "." + key + ": unknown";
      if (std::string wrong = of(of_key, rule, at + "." + key); !wrong.empty()) return wrong;
    }
    return "";
  }

  const Schema& root_;
};

}  // namespace edgewise::cli::testing
