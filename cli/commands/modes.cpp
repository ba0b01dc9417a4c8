#include "cli/commands/commands.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "cli/commands/at_work.hpp"
#include "cli/results/header_lines.hpp"
#include "cli/results/json.hpp"
#include "cli/results/results.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

namespace {

std::string json_of(const std::vector<Attribute>& provenance, const std::vector<models::ModeColumn>& columns) {
  Json out = Json::object();
  for (const Attribute& a : provenance)
    out[a.name] = a.number ? json_number(std::strtod(a.text.c_str(), nullptr)) : Json(a.text);
  Json values = Json::object(), units = Json::object();
  for (const models::ModeColumn& column : columns) {
    Json list = Json::array();
    for (const double x : column.value) list.push_back(json_number(x));
    values[column.name] = std::move(list);
    units[column.name] = column.unit;
  }
  out["units"] = std::move(units);
  out["columns"] = std::move(values);
  return json_text(out);
}

}  // namespace

Status modes(const Context& context, const std::string& path) {
  const Targets targets = targets_of(context, {"csv", "json", "txt"}, {"csv", "json"}, "csv");
  const Loaded loaded = load(context, path, targets);
  const std::vector<models::ModeColumn> columns =
      at_work(context, path, "modes", [&] { return loaded.problem->mode_table(); });
  if (columns.empty())
    throw settings::Error(
        fmt::format("{}: modes: model {} has no table of modes", path, loaded.provenance.experiment.model));
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "json") return json_of(mode_provenance(loaded.provenance), columns);
    std::string text;
    for (const Attribute& a : mode_provenance(loaded.provenance)) append_header_line(text, a.name, a.text);
    for (const models::ModeColumn& column : columns)
      append_header_line(text, fmt::format("column {} [{}]", column.name, column.unit), column.doc);
    for (const models::ModeColumn& column : columns) text += (&column == &columns.front() ? "" : ",") + column.name;
    text += '\n';
    for (std::size_t row = 0; row < columns.front().value.size(); ++row)
      for (std::size_t c = 0; c < columns.size(); ++c)
        text += settings::text_of(columns[c].value[row]) + (c + 1 < columns.size() ? ',' : '\n');
    return text;
  });
  context.warn(loaded.provenance.warnings);
  return done;
}

}  // namespace edgewise::cli
