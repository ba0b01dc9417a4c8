// Built at -O1: nothing here takes time.
#include "validation/sweeps/measures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <set>
#include <stdexcept>

#include "settings/shown.hpp"
#include "validation/sweeps/measure_kinds.hpp"

namespace edgewise::validation {

using settings::Description;
using settings::Parameter;
using settings::Table;

namespace {

std::vector<const MeasureKind*> all_kinds() {
  std::vector<const MeasureKind*> out;
  for (const MeasureKind& kind : curve_measure_kinds()) out.push_back(&kind);
  for (const MeasureKind& kind : outcome_measure_kinds()) out.push_back(&kind);
  return out;
}

/// Columns that every sweep has.
bool is_reserved(const std::string& name) {
  static const std::set<std::string> names = {"label", "label_name", "state", "failure", "seconds"};
  return names.contains(name) || std::ranges::find(curve_names(), name) != curve_names().end();
}

/// A variant's name as a part of a variable's.
std::string as_variable(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

/// Keys of every measure.
std::vector<Parameter> common_parameters(const std::vector<std::string>& kinds) {
  std::vector<Parameter> out = measure_parameters();
  out.push_back(settings::text("kind", "which number of the cell").otherwise(std::string("final")).one_of(kinds));
  return out;
}

void check_name(const Table& table, const std::string& name, const std::set<std::string>& taken) {
  if (!settings::is_variable_name(name))
    throw table.error(
        "name",
        fmt::format("'{}' must be a word of letters, digits and _, and none of pi, e, inf, nan, to stand in formulas",
                    name));
  if (is_reserved(name)) throw table.error("name", fmt::format("'{}' is taken; choose another", settings::shown(name)));
  if (taken.contains(name))
    throw table.error("name", fmt::format("'{}' is the name of an axis, a derived value or an earlier measure",
                                          settings::shown(name)));
}

/// Numbers where a formula is expected are formulas too.
Table with_formulas(Table table, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const settings::Value* value = table.find(key);
    if (!value) continue;
    if (const auto* x = std::get_if<double>(value))
      table.set(key, settings::text_of(*x));
    else if (const auto* i = std::get_if<std::int64_t>(value))
      table.set(key, fmt::format("{}", *i));
  }
  return table;
}

}  // namespace

const std::vector<std::string>& curve_names() {
  static const std::vector<std::string> names = {"initial", "first", "last"};
  return names;
}

settings::Expression formula(const MeasureTable& table, const std::string& key, const std::vector<std::string>& more) {
  std::vector<std::string> names = table.variables;
  names.insert(names.end(), more.begin(), more.end());
  return settings::naming(table.values, key,
                          [&] { return settings::Expression(table.values.text(key), std::move(names)); });
}

FormulaWindow::FormulaWindow(const MeasureTable& table)
    : name_(table.name),
      values_(table.values),
      from_(formula(table, "from", curve_names())),
      to_(formula(table, "to", curve_names())) {
  // Of plain numbers it is known before any cell is computed.
  ends(std::vector<double>(from_.variables().size(), std::numeric_limits<double>::quiet_NaN()));
  require_step(table, "from", from_);
  require_step(table, "to", to_);
}

void require_step(const MeasureTable& table, const std::string& key, const settings::Expression& step) {
  const double value = step(std::vector<double>(step.variables().size(), std::numeric_limits<double>::quiet_NaN()));
  if (value < 0) throw table.values.error(key, fmt::format("must be a step, >= 0, got {}", settings::text_of(value)));
}

std::pair<double, double> FormulaWindow::ends(std::span<const double> names) const {
  const double from = from_(names), to = to_(names);
  if (from > to)
    throw values_.error("to",
                        fmt::format("the window of {} is reversed: from {} = {} to {} = {}", name_, from_.formula(),
                                    settings::text_of(from), to_.formula(), settings::text_of(to)));
  return {from, to};
}

std::size_t MeasureTable::variant_named(const std::string& key) const {
  const std::string& wanted = values.text(key);
  const auto found = std::find(variants.begin(), variants.end(), wanted);
  if (found == variants.end())
    throw values.error(key, variants.size() == 1 && variants.front().empty()
                                ? "this sweep has no variants"
                                : fmt::format("there is no variant '{}'{}; known: {}", settings::shown(wanted),
                                              settings::suggestion(wanted, variants), settings::join(variants)));
  return static_cast<std::size_t>(found - variants.begin());
}

void MeasureTable::require(const std::vector<std::string>& accepted, const std::string& key) const {
  if (std::find(accepted.begin(), accepted.end(), what) != accepted.end()) return;
  throw values.error(
      key, fmt::format("needs a sweep that does {}; this one does '{}'", settings::join(accepted, " or "), what));
}

const std::vector<Parameter>& measure_parameters() {
  static const std::vector<Parameter> keys = {
      settings::text("name", "the name of what it gives, for formulas, columns and figures").must(),
      settings::text("variant", "the variant it is taken of").computed("each, as NAME_VARIANT")};
  return keys;
}

std::span<const Description* const> measure_kinds() {
  static const std::vector<const Description*> out = [] {
    std::vector<const Description*> list;
    for (const MeasureKind* kind : all_kinds()) list.push_back(&kind->description);
    return list;
  }();
  return out;
}

std::vector<std::unique_ptr<Measure>> read_measures(const Table& sweep, const std::vector<std::string>& variants,
                                                    const std::vector<std::string>& variables,
                                                    const std::string& what) {
  const std::vector<const MeasureKind*> kinds = all_kinds();
  std::vector<std::string> kind_names;
  for (const MeasureKind* kind : kinds) kind_names.push_back(kind->description.name);
  const std::vector<Parameter> common = common_parameters(kind_names);

  std::vector<std::unique_ptr<Measure>> out;
  MeasureTable measure{{}, "", 0, variants, variables, what};
  std::set<std::string> taken(variables.begin(), variables.end());
  for (const std::string& name : variables)
    if (is_reserved(name))
      throw sweep.error("", fmt::format("'{}' is taken: no axis or value can be named so", settings::shown(name)));
  for (const Table& given : sweep.tables("measure")) {
    const std::vector<std::string> keys = given.keys();
    const settings::Values head = settings::read(given, common, keys);
    const auto index = std::find(kind_names.begin(), kind_names.end(), head.text("kind")) - kind_names.begin();
    const MeasureKind& kind = *kinds[static_cast<std::size_t>(index)];
    std::vector<Parameter> parameters = common;
    if (!kind.one_variant) std::erase_if(parameters, [](const Parameter& p) { return p.name == "variant"; });
    const auto& own = kind.description.parameters;
    parameters.insert(parameters.end(), own.begin(), own.end());
    measure.values = settings::read(with_formulas(given, kind.formulas), parameters);

    std::vector<std::size_t> of = {0};
    const bool each = kind.one_variant && !measure.values.given("variant") && variants.size() > 1;
    if (each) {
      for (std::size_t v = 1; v < variants.size(); ++v) of.push_back(v);
    } else if (kind.one_variant && measure.values.given("variant")) {
      of = {measure.variant_named("variant")};
    }
    for (const std::size_t v : of) {
      measure.name = head.text("name") + (each ? "_" + as_variable(variants[v]) : "");
      measure.variant = v;
      out.push_back(kind.make(measure));
      for (const MeasureInfo& info : out.back()->infos()) {
        check_name(given, info.name, taken);
        taken.insert(info.name);
        measure.variables.push_back(info.name);
      }
    }
  }
  return out;
}

}  // namespace edgewise::validation
