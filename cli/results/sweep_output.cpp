#include "cli/results/sweep_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/figures/diagram.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/header_lines.hpp"
#include "cli/results/output_file.hpp"
#include "cli/results/sweep_netcdf.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::text_of;
using validation::CellResult;
using validation::CellState;
using validation::SweepTable;

namespace {

std::string_view state_name(CellState state) {
  switch (state) {
    case CellState::pending:
      return "pending";
    case CellState::finished:
      return "finished";
    case CellState::failed:
      return "failed";
  }
  return "";
}

void add_provenance(std::string& out, const std::string& name, std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  append_header_line(out, name, text);
}

}  // namespace

Targets sweep_targets(const Context& context) {
  for (const std::string& path : context.outputs)
    if (ending(path) == ".db")
      throw Error(
          fmt::format("{}: --output: unknown ending '.db', for the store's place is told by --store; accepted: .nc, "
                      ".csv, .svg, .png, .pdf",
                      path));
  if (context.outputs.empty() && context.format.empty()) return {};
  return targets_of(context, {"nc", "csv", "svg", "png", "pdf"}, {"csv"}, "csv");
}

std::string sweep_csv_text(const SweepTable& table) {
  std::string out = "# kind: sweep\n";
  add_provenance(out, "title", table.title);
  for (const auto& [name, text] : table.provenance) add_provenance(out, name, text);
  for (const validation::MeasureInfo& info : table.measures)
    append_header_line(out, fmt::format("measure {} [{}]", info.name, info.unit), info.doc);
  out += "cell";
  for (const validation::SweepAxis& axis : table.axes) out += "," + csv_quoted(axis.name);
  for (const validation::MeasureInfo& info : table.measures) out += "," + csv_quoted(info.name);
  out += ",label,state,reason\n";
  for (std::size_t i = 0; i < table.cells.size(); ++i) {
    const CellResult& cell = table.cells[i];
    out += fmt::format("{}", i);
    const std::vector<std::size_t> place = table.place(i);
    for (std::size_t a = 0; a < place.size(); ++a) {
      const validation::SweepAxis& axis = table.axes[a];
      out += "," + (axis.words.empty() ? text_of(axis.numbers[place[a]]) : csv_quoted(axis.words[place[a]]));
    }
    for (std::size_t m = 0; m < table.measures.size(); ++m)
      out += "," + text_of(m < cell.measures.size() ? cell.measures[m] : std::numeric_limits<double>::quiet_NaN());
    out += fmt::format(",{},{},{}\n", csv_quoted(cell.label), state_name(cell.state), csv_quoted(cell.failure));
  }
  return out;
}

void write_sweep(const Context& context, const std::string& path, const SweepTable& table, const Targets& targets) {
  write_all(context, targets, [&](const Target& target) {
    if (target.form == "nc") return sweep_netcdf_bytes(table, *target.path);
    if (target.form == "csv") return sweep_csv_text(table);
    try {
      return drawn_sweep(table, {}, "." + target.form);
    } catch (const settings::Error& error) {
      throw settings::Error(path + ": " + error.what());
    }
  });
}

}  // namespace edgewise::cli
