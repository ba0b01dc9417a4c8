// Built at -O1: nothing here takes time.
#include "validation/comparisons/comparison_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <variant>

#include "settings/shown.hpp"
#include "validation/sweeps/sweep_overrides.hpp"

namespace edgewise::validation {

using settings::Error;
using settings::Parameter;
using settings::Table;
using settings::Value;
using settings::Values;

namespace {

void assign(Table& experiment, const std::vector<std::string>& assignments, const std::string& origin) {
  for (const std::string& text : assignments) {
    Assignment a = read_assignment(text, origin);
    if (a.parts.size() < 2 && a.path() != "model")
      throw Error(fmt::format("{}: must have the form section.key=value, or model=NAME, got '{}'", origin,
                              settings::shown(text)));
    set_path(experiment, a.parts, std::move(a.value));
  }
}

/// Names of [[workload]] or [[method]], each given once.
std::vector<Values> elements(const Table& file, const std::string& group, std::vector<Parameter> parameters) {
  if (file.find(group) || file.table(group))
    throw file.error(group, fmt::format("must be written [[{}]], with two brackets", group));
  std::vector<Values> out;
  std::set<std::string> names;
  for (const Table& element : file.tables(group)) {
    for (Parameter& p : parameters)  // numbers or texts
      if (p.name == "values") {
        const Value* listed = element.find("values");
        const bool words = listed && std::holds_alternative<std::vector<std::string>>(*listed);
        p = words ? settings::texts("values", p.doc) : settings::numbers("values", p.doc);
      }
    out.push_back(settings::read(element, parameters));
    if (!names.insert(out.back().text("name")).second)
      throw out.back().error("name", fmt::format("'{}' is there twice", settings::shown(out.back().text("name"))));
  }
  if (out.empty()) throw file.error(group, fmt::format("a comparison needs at least one [[{}]]", group));
  return out;
}

std::vector<Value> values_of(const Table& method) {
  std::vector<Value> out;
  const Value* value = method.find("values");
  if (!value) return out;
  if (const auto* numbers = std::get_if<std::vector<double>>(value))
    for (const double x : *numbers) out.emplace_back(x);
  if (const auto* words = std::get_if<std::vector<std::string>>(value))
    for (const std::string& word : *words) out.emplace_back(word);
  return out;
}

std::vector<std::string> parts_of(const std::string& key) {
  std::vector<std::string> out{""};
  for (const char c : key)
    if (c == '.')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

/// "section.key", with or without more between.
bool is_path(const std::string& key) {
  const std::vector<std::string> parts = parts_of(key);
  return parts.size() >= 2 && std::ranges::none_of(parts, [](const std::string& part) { return part.empty(); });
}

}  // namespace

const std::vector<Parameter>& compare_parameters() {
  static const std::vector<Parameter> parameters = {
      settings::text("observable", "what is compared, at the last step; small is good")
          .otherwise(std::string("excess_mse")),
      settings::texts("baseline",
                      "schedules of plain SGD, each at its best learning rate: ratios are to the least of them")
          .otherwise(std::vector<std::string>{"constant", "linear", "cosine"}),
      settings::numbers("rates", "[from, to]: the range that is searched for the best learning rate")
          .otherwise(std::vector<double>{1e-4, 10}),
      settings::number("limit", "the ratio at which a score has become 0").above(1).otherwise(4.0)};
  return parameters;
}

const std::vector<Parameter>& workload_parameters() {
  static const std::vector<Parameter> parameters = {
      settings::text("name", "in tables").must(),
      settings::texts("set", "what it sets of the experiment, \"section.key=value\"").must()};
  return parameters;
}

const std::vector<Parameter>& method_parameters() {
  static const std::vector<Parameter> parameters = {
      settings::text("name", "in tables and figures").must(),
      settings::texts("set", "what it sets of the experiment, \"section.key=value\"").must(),
      settings::text("key", "of the experiment, of which `values` are tried"),
      settings::numbers("values", "of the key: the settings that calibration chooses from"),
      settings::texts("on_top", "kinds of schedules that every setting is tried with; the default has the first")
          .otherwise(std::vector<std::string>{"constant", "cosine"}),
      settings::boolean("default", "whether the method has one, which is `set` alone").otherwise(true),
      settings::text("by", "simulation: the mean over [monte_carlo] replicas")
          .one_of({"theory", "simulation"})
          .otherwise(std::string("theory"))};
  return parameters;
}

bool is_comparison(const Table& file) {
  return file.table("compare") || !file.tables("method").empty() || !file.tables("workload").empty();
}

ComparisonPlan read_comparison(const Table& file, const std::vector<std::string>& overrides,
                               std::optional<std::uint64_t> seed) {
  static const std::vector<std::string> known{"title", "compare", "experiment", "workload", "method"};
  for (const std::string& key : file.keys())
    if (std::ranges::find(known, key) == known.end())
      throw file.error(key, fmt::format("unknown key{}; a comparison has: {}", settings::suggestion(key, known),
                                        settings::join(known)));
  Table root(file.origin(), ""), section = file.table_or_empty("compare");
  if (const Value* title = file.find("title")) root.set("title", *title);
  std::vector<std::string> of_experiment;
  for (const std::string& text : overrides) {
    Assignment a = read_assignment(text, "--set " + settings::shown(text, 200));
    if (a.path() == "title")
      root.set("title", a.value);
    else if (a.parts.front() == "compare" && a.parts.size() == 2)
      section.set(a.parts.back(), a.value);
    else
      of_experiment.push_back(text);
  }
  if (seed) of_experiment.push_back(fmt::format("monte_carlo.seed={}", *seed));

  ComparisonPlan plan;
  plan.file = file.origin();
  plan.title =
      settings::read(root, std::vector<Parameter>{settings::text("title", "").otherwise(file.origin())}).text("title");
  const Values compare = settings::read(section, compare_parameters());
  plan.observable = compare.text("observable");
  plan.limit = compare.number("limit");
  const std::vector<double>& rates = compare.numbers("rates");
  if (rates.size() != 2 || !(rates[0] > 0) || !(rates[1] > rates[0]))
    throw compare.error("rates", "must be [from, to] with 0 < from < to");
  plan.from = rates[0];
  plan.to = rates[1];
  if (compare.texts("baseline").empty()) throw compare.error("baseline", "needs at least one schedule");

  const Table* given = file.table("experiment");

  if (!given) throw file.error("experiment", "is required: what all workloads and methods have in common");
  const auto experiment = [&](const std::vector<std::string>& workload, const std::vector<std::string>& method) {
    Table out = *given;
    assign(out, workload, file.origin() + ": workload.set");
    assign(out, method, file.origin() + ": method.set");
    assign(out, of_experiment, "--set");
    return out;
  };

  const std::vector<Values> workloads = elements(file, "workload", workload_parameters());
  const std::vector<Values> methods = elements(file, "method", method_parameters());
  for (const Values& w : workloads) plan.workloads.push_back(w.text("name"));
  for (const std::string& schedule : compare.texts("baseline")) {
    BaselineSchedule& baseline = plan.baselines.emplace_back(BaselineSchedule{schedule, {}});
    for (const Values& w : workloads)
      baseline.experiments.push_back(experiment(w.texts("set"), {"schedule.kind=" + schedule}));
  }
  const std::span<const Table> tables = file.tables("method");
  for (std::size_t m = 0; m < methods.size(); ++m) {
    const Values& values = methods[m];
    ComparedMethod& method = plan.methods.emplace_back();
    method.name = values.text("name");
    method.has_default = values.flag("default");
    method.simulated = values.text("by") == "simulation";
    const std::vector<Value> grid = values_of(tables[m]);
    if (values.given("key") != !grid.empty())
      throw values.error(grid.empty() ? "values" : "key", "key and values go together: what is tried, and where");
    if (values.given("key") && !is_path(values.text("key")))
      throw values.error("key",
                         fmt::format("must have the form section.key, got '{}'", settings::shown(values.text("key"))));
    std::vector<std::string> schedules = values.texts("on_top");
    const auto sets_schedule = [](const std::string& text) { return text.starts_with("schedule."); };
    if (std::ranges::any_of(values.texts("set"), sets_schedule)) {
      if (values.given("on_top")) throw values.error("on_top", "contradicts the schedule in `set`");
      schedules = {""};
    }
    if (schedules.empty()) throw values.error("on_top", "needs at least one schedule; \"constant\" is none");
    if (!method.has_default && grid.empty())
      throw values.error("default", "without a default, key and values are needed");
    const auto add = [&](const std::string& name, const std::string& schedule, const Value* value) {
      ComparedSetting& setting = method.settings.emplace_back(ComparedSetting{name, schedule, {}});
      for (const Values& w : workloads) {
        std::vector<std::string> set = values.texts("set");
        if (!schedule.empty()) set.push_back("schedule.kind=" + schedule);
        Table table = experiment(w.texts("set"), set);
        if (value) set_path(table, parts_of(values.text("key")), *value);
        setting.experiments.push_back(std::move(table));
      }
    };
    if (method.has_default) add("default", schedules.front(), nullptr);
    if (grid.empty())
      for (std::size_t s = 1; s < schedules.size(); ++s) add("default", schedules[s], nullptr);
    for (const Value& value : grid)
      for (const std::string& schedule : schedules) {
        const std::string& key = values.text("key");
        add(fmt::format("{} = {}", key.substr(key.rfind('.') + 1), settings::text_of(value)), schedule, &value);
      }
  }
  return plan;
}

}  // namespace edgewise::validation
