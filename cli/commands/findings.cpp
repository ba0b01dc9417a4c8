#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <variant>

#include "cli/commands/at_work.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using settings::text_of;

namespace {

Status print_findings(const Context& context, const Targets& targets, const Loaded& loaded,
                      const std::vector<models::Finding>& findings) {
  const auto text_of_value = [](const models::Finding& f) {
    return std::visit(
        [](const auto& value) -> std::string {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, double>) return text_of(value);
          if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
          if constexpr (std::is_same_v<T, std::string>) return value;
        },
        f.value);
  };
  const auto as_json = [&] {
    Json out = {{"title", loaded.provenance.experiment.title}, {"model", loaded.provenance.experiment.model}};
    for (const models::Finding& f : findings)
      out[f.name] = std::holds_alternative<double>(f.value)
                        ? json_number(std::get<double>(f.value))
                        : (std::holds_alternative<bool>(f.value) ? Json(std::get<bool>(f.value))
                                                                 : Json(std::get<std::string>(f.value)));
    out["warnings"] = loaded.provenance.warnings;
    return json_text(out);
  };
  const auto as_csv = [&] {
    std::string text = "name,value,meaning\n";
    for (const models::Finding& f : findings)
      text += fmt::format("{},{},{}\n", csv_quoted(f.name), csv_quoted(text_of_value(f)), csv_quoted(f.doc));
    return text;
  };
  const auto as_text = [&] {
    std::size_t names = 0, values = 0;
    for (const models::Finding& f : findings) {
      names = std::max(names, f.name.size());
      values = std::max(values, text_of_value(f).size());
    }
    std::string text = settings::shown(loaded.provenance.experiment.title, 200) + "\n";
    if (findings.empty()) text += "  nothing is known of it at these parameters\n";
    for (const models::Finding& f : findings)
      text += fmt::format("  {:<{}}  {:<{}}  {}\n", f.name, names, text_of_value(f), values, f.doc);
    return text;
  };
  write_all(context, targets, [&](const Target& target) {
    return target.form == "json" ? as_json() : (target.form == "csv" ? as_csv() : as_text());
  });
  context.warn(loaded.provenance.warnings);
  return done;
}

}  // namespace

Status stability(const Context& context, const std::string& path) {
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  const Loaded loaded = load(context, path, targets);
  return print_findings(context, targets, loaded,
                        at_work(context, path, "stability", [&] { return loaded.problem->stability(); }));
}

Status tune(const Context& context, const std::string& path) {
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  const Loaded loaded = load(context, path, targets);
  const models::Experiment& experiment = loaded.provenance.experiment;
  return print_findings(context, targets, loaded,
                        at_work(context, path, "tune", [&] { return models::find(experiment).tune(experiment); }));
}

}  // namespace edgewise::cli
