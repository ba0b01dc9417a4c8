// Built at -O1: nothing here takes time.
#include "validation/sweeps/sweep_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <set>
#include <stdexcept>

#include "settings/shown.hpp"
#include "validation/sweeps/sweep_overrides.hpp"

namespace edgewise::validation {

using settings::Error;
using settings::Parameter;
using settings::Table;
using settings::Value;
namespace fs = std::filesystem;

std::string_view name(SweepTask task) {
  switch (task) {
    case SweepTask::solve:
      return "solve";
    case SweepTask::simulate:
      return "simulate";
    case SweepTask::validate:
      return "validate";
    case SweepTask::stability:
      return "stability";
    case SweepTask::schedule:
      return "schedule";
  }
  return "";
}

// ---- what the sections accept ---------------------------------------------------------------------------------

const std::vector<Parameter>& sweep_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("do", "what is computed of every cell")
          .one_of({"solve", "simulate", "validate", "stability", "schedule"})
          .otherwise(std::string("solve")),
      settings::text("base", "experiment file that the cells start from; [experiment] adds to it and overrides it")
          .computed("none: the whole experiment stands in [experiment]"),
      settings::texts("panels",
                      "what the figure shows, one panel each: label, a measure, or of a sweep over a line several "
                      "measures, \"a,b\"")
          .computed("the labels; without any the first measure")};
  return parameters;
}

const std::vector<Parameter>& axis_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("key", "the key of the experiment that varies, section.key").must(),
      settings::text("name", "what formulas, columns and figures call it").computed("the last part of `key`"),
      settings::number("from", "first value").computed("none: `values` lists them"),
      settings::number("to", "last value").computed("none: `values` lists them"),
      settings::integer("count", "how many values").at_least(1).at_most(1e6).computed("none: `values` lists them"),
      settings::text("scale", "equal steps, or equal ratios")
          .one_of({"linear", "log"})
          .computed("linear; of `values`: log when they are positive with equal ratios"),
      settings::boolean("whole", "round the values to whole numbers").otherwise(false),
      settings::numbers("values",
                        "the values, numbers (increasing, the last may be inf) or texts; instead of from, to and "
                        "count")
          .or_infinite()
          .computed("from `from`, `to` and `count`")};
  return parameters;
}

const std::vector<Parameter>& derived_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("value",
                     "formula in the names of axes and earlier derived values; `cell` is the cell's index, from 0")
          .must(),
      settings::text("key", "the key of the experiment that it sets, section.key").computed("none: a name only"),
      settings::text("name", "what formulas call it").computed("the last part of `key`"),
      settings::text("variant", "the only variant whose key it sets").computed("every variant")};
  return parameters;
}

const std::vector<Parameter>& variant_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("name", "what measures call it").must(),
      settings::texts("set", "what it changes in the experiment, \"section.key=value\"")
          .otherwise(std::vector<std::string>{})};
  return parameters;
}

const std::vector<Parameter>& label_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("name", "the label").must(),
      settings::text("when",
                     "formula in axes, derived names and measures; the first label whose formula is true names "
                     "the cell")
          .computed("always, for the last label only"),
      settings::text("predicted", "where the theory puts this label: formula in the axes").computed("not predicted")};
  return parameters;
}

const std::vector<Parameter>& boundary_parameters() {
  static const std::vector<Parameter> parameters{
      settings::text("name", "what the figure calls it").must(),
      settings::text("zero",
                     "formula in axes and measures whose zeros are the predicted curve; with measures the curve is "
                     "known between neighbouring cells only")
          .must(),
      settings::text("when", "formula in axes and measures: the curve exists only where it is true")
          .computed("everywhere")};
  return parameters;
}

// ---- axes -----------------------------------------------------------------------------------------------------

namespace {

/// The decimal number of twelve digits, counted from those of `scale`, that `x` is but for rounding; else `x`.
double rounded(double x, double scale) {
  if (!(scale > 0) || !std::isfinite(scale)) return x;
  const int digits = 11 - static_cast<int>(std::floor(std::log10(scale)));
  if (digits > 300) return x;
  // Through text, for a power of ten below 1 is no double.
  const std::string text =
      digits >= 0 ? fmt::format("{:.{}f}", x, digits) : fmt::format("{:.0f}e{}", x * std::pow(10.0, digits), -digits);
  const double decimal = std::strtod(text.c_str(), nullptr);
  constexpr double few_roundings = 4 * std::numeric_limits<double>::epsilon();
  return std::abs(decimal - x) <= few_roundings * scale ? decimal : x;
}

}  // namespace

std::vector<double> axis_values(double from, double to, std::size_t count, bool log) {
  std::vector<double> out(count);
  for (std::size_t i = 0; i < count; ++i) {
    // Ten and its like come out exactly: the error of the exponent i/(count-1) is far below a double's last place.
    const long double part = count > 1 ? static_cast<long double>(i) / static_cast<long double>(count - 1) : 0.0L;
    const auto a = static_cast<long double>(from), b = static_cast<long double>(to);
    const auto value = static_cast<double>(log ? a * std::pow(b / a, part) : a + (b - a) * part);
    out[i] = rounded(value, log ? std::abs(value) : std::max(std::abs(from), std::abs(to)));
  }
  if (count > 0) out.front() = from;
  if (count > 1) out.back() = to;
  return out;
}

namespace {

bool equal_ratios(std::vector<double> values) {
  while (!values.empty() && std::isinf(values.back())) values.pop_back();
  if (values.size() < 3 || values.front() <= 0) return false;
  const double step = std::log(values.back() / values.front()) / static_cast<double>(values.size() - 1);
  for (std::size_t i = 1; i < values.size(); ++i)
    if (std::abs(std::log(values[i] / values[i - 1]) - step) > 0.01 * step) return false;
  return true;
}

std::string last_part(const std::string& key) {
  return key.substr(key.rfind('.') + 1);
}

void check_key(const Table& table, const std::string& key) {
  const bool broken = key.empty() || key.front() == '.' || key.back() == '.' || key.find("..") != std::string::npos;
  if (broken || (key.find('.') == std::string::npos && key != "model"))
    throw table.error("key", fmt::format("must have the form section.key, got '{}'", settings::shown(key)));
}

/// The values of an axis' `values`, its numbers or its words.
void read_listed(const Table& table, const Value& value, SweepAxis& axis) {
  for (const char* other : {"from", "to", "count"})
    if (table.has(other)) throw table.error(other, "`values` lists the values already; leave one of the two out");
  if (const auto* words = std::get_if<std::vector<std::string>>(&value)) {
    axis.words = *words;
    if (std::set<std::string>(words->begin(), words->end()).size() != words->size())
      throw table.error("values", "the same text stands there twice");
  } else if (const auto* numbers = std::get_if<std::vector<double>>(&value)) {
    axis.numbers = *numbers;
  } else {
    throw table.error("values",
                      "must be a list of numbers or a list of texts, got " + settings::shown(settings::text_of(value)));
  }
  if (axis.size() == 0) throw table.error("values", "must list at least one value");
}

SweepAxis read_axis(const Table& table) {
  const Value* listed = table.find("values");
  const settings::Values values = [&] {
    if (!listed || !std::holds_alternative<std::vector<std::string>>(*listed))
      return settings::read(table, axis_parameters());
    std::vector<Parameter> parameters = axis_parameters();
    parameters.back() = settings::texts("values", "");
    return settings::read(table, parameters);
  }();
  SweepAxis axis;
  axis.key = values.text("key");
  check_key(table, axis.key);
  axis.name = values.has("name") ? values.text("name") : last_part(axis.key);
  if (!settings::is_variable_name(axis.name))
    throw table.error("name", fmt::format("'{}' cannot stand in a formula; give a `name` of letters, digits and _, "
                                          "other than pi, e, inf, nan",
                                          settings::shown(axis.name)));
  if (listed) {
    read_listed(table, *listed, axis);
    axis.log = values.has("scale") ? values.text("scale") == "log" : equal_ratios(axis.numbers);
    if (!axis.words.empty()) {
      if (table.has("whole") || table.has("scale"))
        throw table.error(table.has("whole") ? "whole" : "scale", "has no meaning for texts");
      return axis;
    }
  } else {
    for (const char* needed : {"from", "count"})
      if (!values.has(needed)) throw table.error(needed, "is required, unless `values` lists the values");
    axis.log = values.has("scale") && values.text("scale") == "log";
    const auto count = static_cast<std::size_t>(values.integer("count"));
    const double from = values.number("from");
    if (count > 1 && !values.has("to")) throw table.error("to", "is required, unless `values` lists the values");
    const double to = values.has("to") ? values.number("to") : from;
    if (count > 1 && !(from < to)) throw table.error("to", "must be above `from`");
    if (axis.log && !(from > 0)) throw table.error("from", "must be > 0 on a logarithmic scale");
    axis.numbers = axis_values(from, to, count, axis.log);
  }
  if (axis.log && !(axis.numbers.front() > 0)) throw table.error("values", "must be > 0 on a logarithmic scale");
  if (values.flag("whole"))
    for (double& x : axis.numbers) x = std::round(x);
  for (std::size_t i = 1; i < axis.numbers.size(); ++i)
    if (!(axis.numbers[i] > axis.numbers[i - 1]))
      throw table.error(listed ? "values" : "count",
                        fmt::format("the values must increase, and {} follows {}", settings::text_of(axis.numbers[i]),
                                    settings::text_of(axis.numbers[i - 1])));
  return axis;
}

// ---- names and formulas ---------------------------------------------------------------------------------------

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// Names of axes and derived values differ from each other and from the columns that every store has.
class Names {
 public:
  void add(const Table& table, const std::string& name) {
    if (std::find(reserved_names().begin(), reserved_names().end(), lower(name)) != reserved_names().end())
      throw table.error("name",
                        fmt::format("'{}' is a column of every sweep; give another `name`", settings::shown(name)));
    if (!names_.insert(lower(name)).second)
      throw table.error(
          "name", fmt::format("'{}' stands for something else already; give another `name`", settings::shown(name)));
  }

 private:
  std::set<std::string> names_;
};

settings::Expression formula(const Table& table, const std::string& key, const std::string& text,
                             const std::vector<std::string>& variables) {
  return settings::naming(table, key, [&] { return settings::Expression(text, variables); });
}

std::vector<std::string> number_axes(const std::vector<SweepAxis>& axes) {
  std::vector<std::string> names;
  for (const SweepAxis& axis : axes)
    if (axis.words.empty()) names.push_back(axis.name);
  return names;
}

std::vector<SweepAxis> read_axes(const Table& definition) {
  std::vector<SweepAxis> axes;
  for (const Table& table : definition.tables("axis")) {
    axes.push_back(read_axis(table));
    for (std::size_t i = 0; i + 1 < axes.size(); ++i)
      if (axes[i].key == axes.back().key)
        throw table.error("key", fmt::format("'{}' is an axis already", settings::shown(axes.back().key)));
  }
  if (axes.empty()) throw definition.error("axis", "is required: at least one [[axis]]");
  double cells = 1;
  for (const SweepAxis& axis : axes) cells *= static_cast<double>(axis.size());
  constexpr double most = 1e8;
  if (cells > most)
    throw definition.error("axis", fmt::format("{:.3g} cells are more than the {:.3g} allowed", cells, most));
  return axes;
}

std::vector<LabelRule> read_labels(const Table& presentation, const std::vector<SweepAxis>& axes) {
  std::vector<LabelRule> out;
  const auto tables = presentation.tables("label");
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const settings::Values values = settings::read(tables[i], label_parameters());
    LabelRule rule{values.text("name"), values.has("when") ? values.text("when") : "",
                   values.has("predicted") ? values.text("predicted") : ""};
    if (rule.name.empty()) throw tables[i].error("name", "must not be empty");
    if (rule.when.empty() && i + 1 < tables.size())
      throw tables[i].error("when", "is required, but for the last label: those behind it would never be given");
    if (!rule.predicted.empty()) formula(tables[i], "predicted", rule.predicted, number_axes(axes));
    out.push_back(std::move(rule));
  }
  return out;
}

std::vector<PredictedBoundary> read_boundaries(const Table& presentation) {
  std::vector<PredictedBoundary> out;
  for (const Table& table : presentation.tables("boundary")) {
    const settings::Values values = settings::read(table, boundary_parameters());
    out.push_back({values.text("name"), values.text("zero"), values.has("when") ? values.text("when") : ""});
  }
  return out;
}

std::vector<SweepPlan::Variant> read_variants(const Table& definition, const Table& experiment,
                                              const std::vector<SweepAxis>& axes) {
  std::vector<SweepPlan::Variant> out;
  for (const Table& table : definition.tables("variant")) {
    const settings::Values values = settings::read(table, variant_parameters());
    SweepPlan::Variant variant{values.text("name"), experiment, {}};
    if (variant.name.empty()) throw table.error("name", "must not be empty");
    for (const auto& other : out)
      if (other.name == variant.name)
        throw table.error("name", fmt::format("'{}' is a variant already", settings::shown(other.name)));
    for (const std::string& assignment : values.texts("set")) {
      const Assignment parsed = read_assignment(assignment, table.error("set", "").what());
      for (const SweepAxis& axis : axes)
        if (axis.key == parsed.path())
          throw table.error("set", fmt::format("{} is an axis; a variant cannot fix it", settings::shown(axis.key)));
      set_path(variant.experiment, parsed.parts, parsed.value);
      variant.set.push_back(parsed.path());
    }
    out.push_back(std::move(variant));
  }
  if (out.empty()) out.push_back({"", experiment, {}});
  return out;
}

std::vector<SweepPlan::Derived> read_derived(const Table& definition, const std::vector<SweepAxis>& axes,
                                             const std::vector<SweepPlan::Variant>& variants, Names& names) {
  std::vector<SweepPlan::Derived> out;
  std::vector<std::string> known{"cell"};
  for (const std::string& name : number_axes(axes)) known.push_back(name);
  for (const Table& table : definition.tables("derived")) {
    const settings::Values values = settings::read(table, derived_parameters());
    const auto given = [&](const char* key) { return values.has(key) ? values.text(key) : std::string(); };
    SweepPlan::Derived d{given("name"), given("key"), given("variant"),
                         formula(table, "value", values.text("value"), known)};
    if (d.key.empty() && d.name.empty()) throw table.error("", "needs a `key` of the experiment or a `name`");
    if (!d.key.empty()) check_key(table, d.key);
    for (const SweepAxis& axis : axes)
      if (axis.key == d.key) throw table.error("key", fmt::format("'{}' is an axis already", settings::shown(d.key)));
    if (!d.variant.empty()) {
      std::vector<std::string> all;
      for (const auto& v : variants) all.push_back(v.name);
      if (std::find(all.begin(), all.end(), d.variant) == all.end())
        throw table.error("variant", fmt::format("there is no variant '{}'{}; variants: {}", settings::shown(d.variant),
                                                 settings::suggestion(d.variant, all), settings::join(all)));
    }
    const bool named = !d.name.empty();
    if (!named && settings::is_variable_name(last_part(d.key)) &&
        std::find(known.begin(), known.end(), last_part(d.key)) == known.end())
      d.name = last_part(d.key);
    if (named && !settings::is_variable_name(d.name))
      throw table.error(
          "name", fmt::format("'{}' cannot stand in a formula; use letters, digits and _", settings::shown(d.name)));
    if (!d.name.empty()) {
      names.add(table, d.name);
      known.push_back(d.name);
    }
    out.push_back(std::move(d));
  }
  return out;
}

// ---- the base experiment --------------------------------------------------------------------------------------

/// Sets all that `from` says in `into`.
void merge(Table& into, const Table& from) {
  for (const std::string& key : from.keys()) {
    if (const Value* value = from.find(key)) {
      into.set(key, *value);
    } else if (const Table* section = from.table(key)) {
      merge(into.make_table(key), *section);
    } else {
      into = without(into, {key});
      for (const Table& element : from.tables(key)) into.append_table(key) = element;
    }
  }
}

Table read_base(const Table& file, const Table& section) {
  const settings::Values values = settings::read(section, sweep_parameters());
  const Table* inline_experiment = file.table("experiment");
  if (!inline_experiment && file.has("experiment")) throw file.error("experiment", "must be a section, [experiment]");
  if (!values.has("base")) {
    if (!inline_experiment)
      throw section.error("base", "is required (the path of an experiment file), unless [experiment] gives it here");
    return *inline_experiment;
  }
  // Not through values.resolve: the origin that messages show is the path as people would type it.
  const fs::path path(values.text("base"));
  if (path.empty()) throw section.error("base", "is empty; it must be the path of a file");
  const std::string found =
      path.is_absolute() ? path.string() : (fs::path(file.origin()).parent_path() / path).lexically_normal().string();
  std::error_code ignored;
  if (!fs::is_regular_file(found, ignored))
    throw section.error("base", fmt::format("no such file: {}", settings::shown(found, 200)));
  Table base = settings::read_file(found);
  if (inline_experiment) merge(base, *inline_experiment);
  return base;
}

}  // namespace

const std::vector<std::string>& reserved_names() {
  static const std::vector<std::string> names{"cell",   "state",   "label",   "label_name",
                                              "reason", "failure", "seconds", "version"};
  return names;
}

std::vector<std::string> SweepPlan::variables() const {
  std::vector<std::string> names = number_axes(axes);
  for (const Derived& d : derived)
    if (!d.name.empty()) names.push_back(d.name);
  return names;
}

std::string SweepPlan::text() const {
  Table all = presentation;
  merge(all, definition);
  return all.text();
}

std::vector<std::string> read_panels(const Table& presentation) {
  const Table* section = presentation.table("sweep");
  const Value* panels = section ? section->find("panels") : nullptr;
  if (!panels) return {};
  if (const auto* texts = std::get_if<std::vector<std::string>>(panels)) return *texts;
  throw section->error("panels", "must be a list of texts, got " + settings::shown(settings::text_of(*panels)));
}

void check_table(const SweepTable& table, const std::string& origin) {
  const auto refuse = [&](const std::string& what) {
    throw Error(fmt::format("{}: is damaged, or no sweep of edgewise: {}", origin, what));
  };
  if (table.axes.empty()) refuse("it has no axis");
  std::set<std::string> names;
  double cells = 1;
  for (const SweepAxis& axis : table.axes) {
    const std::string name = settings::shown(axis.name);
    if (!settings::is_variable_name(axis.name)) refuse(fmt::format("'{}' cannot name an axis", name));
    if (!names.insert(lower(axis.name)).second) refuse(fmt::format("two axes are named '{}'", name));
    if (axis.numbers.empty() == axis.words.empty()) refuse(fmt::format("axis {} has no values", name));
    if (std::set<std::string>(axis.words.begin(), axis.words.end()).size() != axis.words.size())
      refuse(fmt::format("axis {} has a value twice", name));
    for (std::size_t i = 0; i < axis.numbers.size(); ++i)
      if (std::isnan(axis.numbers[i]) || (i > 0 && !(axis.numbers[i] > axis.numbers[i - 1])) ||
          (axis.log && !(axis.numbers[i] > 0)))
        refuse(fmt::format("the values of axis {} do not increase, or cannot stand on its scale", name));
    cells *= static_cast<double>(axis.size());
  }
  for (const MeasureInfo& measure : table.measures)
    if (measure.name.empty() || !names.insert(lower(measure.name)).second)
      refuse(fmt::format("two of its columns are named '{}'", settings::shown(measure.name)));
  if (cells != static_cast<double>(table.cells.size())) refuse("its cells are not those of its axes");
  for (const CellResult& cell : table.cells)
    if (cell.state != CellState::pending && cell.measures.size() != table.measures.size())
      refuse("a cell has not all of its measures");
}

SweepTable read_grid(const Table& definition, const Table& presentation) {
  SweepTable table;
  if (const Value* title = presentation.find("title")) {
    const auto* text = std::get_if<std::string>(title);
    if (!text) throw presentation.error("title", "must be text, got " + settings::shown(settings::text_of(*title)));
    table.title = *text;
  }
  table.axes = read_axes(definition);
  table.labels = read_labels(presentation, table.axes);
  table.boundaries = read_boundaries(presentation);
  table.panels = read_panels(presentation);
  return table;
}

Table read_kept(const std::string& text, const std::string& origin) {
  try {
    return settings::read_text(text, origin);
  } catch (const Error&) {
    throw Error(origin + ": is damaged: the experiment that it keeps cannot be read");
  }
}

SweepPlan read_sweep_file(const Table& file, const std::vector<std::string>& overrides,
                          std::optional<std::uint64_t> seed) {
  SweepParts parts = split_sweep(file);
  override_sweep(parts, overrides);
  const std::vector<Parameter> title{settings::text("title", "").otherwise(std::string())};
  SweepPlan plan;
  plan.file = file.origin();
  plan.overrides = overrides;
  plan.title = settings::read(parts.root, title).text("title");
  if (plan.title.empty()) plan.title = fs::path(file.origin()).stem().string();
  Table experiment = read_base(file, parts.section);
  override_experiment(experiment, overrides);
  const settings::Values section = settings::read(parts.section, sweep_parameters());
  const std::string task = section.text("do");
  for (const SweepTask t :
       {SweepTask::solve, SweepTask::simulate, SweepTask::validate, SweepTask::stability, SweepTask::schedule})
    if (name(t) == task) plan.task = t;
  if (seed) {
    const auto whole = static_cast<std::int64_t>(*seed);
    experiment.make_table("monte_carlo").set("seed", whole);
    if (plan.task == SweepTask::schedule) experiment.make_table("schedule_search").set("seed", whole);
  }

  plan.definition = Table(file.origin(), "");
  plan.definition.make_table("sweep").set("do", task);
  plan.presentation = Table(file.origin(), "");
  plan.presentation.set("title", plan.title);
  if (section.given("panels")) plan.presentation.make_table("sweep").set("panels", section.texts("panels"));
  for (const auto& [group, tables] : parts.arrays)
    for (const Table& table : tables)
      (group == "label" || group == "boundary" ? plan.presentation : plan.definition).append_table(group) = table;
  plan.definition.make_table("experiment") = experiment;

  SweepTable grid = read_grid(plan.definition, plan.presentation);
  plan.axes = std::move(grid.axes);
  plan.labels = std::move(grid.labels);
  plan.boundaries = std::move(grid.boundaries);
  Names names;
  for (std::size_t i = 0; i < plan.axes.size(); ++i) names.add(parts.arrays.at("axis")[i], plan.axes[i].name);
  for (const std::string& assignment : overrides) {
    const Assignment parsed = read_assignment(assignment, "--set " + settings::shown(assignment, 200));
    for (const SweepAxis& axis : plan.axes)
      if (axis.key == parsed.path())
        throw Error(fmt::format("--set {}: {} is an axis of the sweep; to fix it give --set axis.{}.values=[...]",
                                settings::shown(assignment, 200), axis.key, axis.name));
  }
  plan.variants = read_variants(plan.definition, experiment, plan.axes);
  plan.derived = read_derived(plan.definition, plan.axes, plan.variants, names);
  add_digests(experiment, plan.files);
  for (const auto& variant : plan.variants) add_digests(variant.experiment, plan.files);
  for (const SweepAxis& axis : plan.axes)
    for (const std::string& word : axis.words) add_digest(experiment.origin(), word, plan.files);
  return plan;
}

}  // namespace edgewise::validation
