#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/progress.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "validation/closed_forms.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::text_of;

namespace {

/// A formula that is derived, or a number that was pinned.
const char* kind_of(const validation::ClosedFormResult& row) {
  return row.reference ? "reference value" : "closed form";
}

std::string closed_forms_text(const std::vector<validation::ClosedFormResult>& rows) {
  std::size_t names = 4;
  for (const auto& row : rows) names = std::max(names, row.name.size());
  std::string text = fmt::format("{:<{}}  {:>22}  {:>22}  {:>8}  {:>8}  {:<4}  {}\n", "name", names, "value",
                                 "computed", "error", "allowed", "", "formula");
  std::size_t passed = 0, references = 0;
  for (const auto& row : rows) {
    if (row.pass) ++passed;
    if (row.reference) ++references;
    text += fmt::format("{:<{}}  {:>22.15g}  {:>22.15g}  {:>8.1e}  {:>8.1e}  {:<4}  {}\n", row.name, names, row.value,
                        row.computed, row.error, row.tolerance, row.pass ? "ok" : "FAIL",
                        row.reference ? row.formula + " (reference value)" : row.formula);
    if (!row.failure.empty()) text += "  " + row.failure + "\n";
  }
  return text + fmt::format("{} of {} closed forms come out right ({} of them reference values: pinned numbers)\n",
                            passed, rows.size(), references);
}

std::string closed_forms_csv(const std::vector<validation::ClosedFormResult>& rows) {
  std::string text = "name,formula,source,value,computed,error,tolerance,pass,kind\n";
  for (const auto& row : rows)
    text += fmt::format("{},{},{},{},{},{},{},{},{}\n", csv_quoted(row.name), csv_quoted(row.formula),
                        csv_quoted(row.source), text_of(row.value), text_of(row.computed), text_of(row.error),
                        text_of(row.tolerance), row.pass ? "true" : "false", kind_of(row));
  return text;
}

std::string closed_forms_json(const std::vector<validation::ClosedFormResult>& rows) {
  Json out = Json::array();
  for (const auto& row : rows) {
    out.push_back({{"name", row.name},
                   {"formula", row.formula},
                   {"source", row.source},
                   {"value", json_number(row.value)},
                   {"computed", json_number(row.computed)},
                   {"error", json_number(row.error)},
                   {"tolerance", json_number(row.tolerance)},
                   {"pass", row.pass},
                   {"kind", kind_of(row)}});
    if (!row.failure.empty()) out.back()["failure"] = row.failure;
  }
  return json_text(out);
}

}  // namespace

Status closed_forms(const Context& context, const std::string& pattern) {
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json", "txt"}, "txt");
  std::vector<std::string> names;
  for (const models::Model* model : models::all())
    for (const models::ClosedForm& form : model->closed_forms()) names.push_back(form.name);
  if (std::none_of(names.begin(), names.end(), [&](const std::string& n) { return validation::fits(n, pattern); }))
    throw Error(fmt::format("closed-forms: no name fits '{}'{}; `edgewise list closed-forms` shows them all",
                            settings::shown(pattern), settings::suggestion(pattern, names)));
  std::vector<validation::ClosedFormResult> rows;
  {
    Progress progress(context.err, "closed forms", !context.quiet && is_terminal(context.err));
    rows = validation::closed_forms(pattern, [&](double fraction) { progress.update(fraction); });
  }
  write_all(context, targets, [&](const Target& target) {
    return target.form == "json" ? closed_forms_json(rows)
                                 : (target.form == "csv" ? closed_forms_csv(rows) : closed_forms_text(rows));
  });
  return std::all_of(rows.begin(), rows.end(), [](const auto& row) { return row.pass; }) ? done : disagrees;
}

}  // namespace edgewise::cli
