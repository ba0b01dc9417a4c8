#include "cli/results/sweep_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/figures/diagram.hpp"
#include "cli/results/csv.hpp"
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

void add_provenance(std::string& out, const std::string& name, const std::string& text) {
  std::string clean = text;
  while (!clean.empty() && clean.back() == '\n') clean.pop_back();
  if (clean != "|" && clean.find('\n') == std::string::npos) {
    out += fmt::format("# {}: {}\n", name, clean);
    return;
  }
  out += fmt::format("# {}: |\n", name);
  for (std::size_t at = 0; at <= clean.size();) {
    const std::size_t end = std::min(clean.find('\n', at), clean.size());
    out += "#   " + clean.substr(at, end - at) + "\n";
    at = end + 1;
  }
}

}  // namespace

std::vector<SweepOutput> sweep_outputs(const Context& context, const std::vector<std::string>& paths) {
  static const std::vector<std::string> forms{"nc", "csv", "svg", "png", "pdf"};
  if (paths.empty()) {
    if (context.format.empty()) return {};
    if (context.format == "csv") return {{"", "csv"}};
    throw Error(fmt::format("--format: a sweep prints csv; for other forms give -o FILE with the ending .{}",
                            settings::join(forms, ", .")));
  }
  std::vector<SweepOutput> out;
  for (const std::string& path : paths) {
    std::string form = ending(path);
    if (!form.empty()) form.erase(0, 1);
    if (std::find(forms.begin(), forms.end(), form) == forms.end())
      throw Error(fmt::format("{}: --output: unknown ending '{}'; accepted: .{}{}", path, ending(path),
                              settings::join(forms, ", ."),
                              form == "db" ? " (the store's place is told by --store)" : ""));
    require_writable(path);
    out.push_back({path, form});
  }
  return out;
}

std::string sweep_csv_text(const SweepTable& table) {
  std::string out = "# kind: sweep\n";
  add_provenance(out, "title", table.title);
  for (const auto& [name, text] : table.provenance) add_provenance(out, name, text);
  for (const validation::MeasureInfo& info : table.measures)
    out += fmt::format("# measure {} [{}]: {}\n", info.name, info.unit, info.doc);
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

void write_sweep(const Context& context, const SweepTable& table, const SweepOutput& output) {
  if (output.form == "nc")
    write_sweep_netcdf(table, output.path);
  else if (output.form != "csv")
    draw_sweep(table, {}, output.path);
  else if (output.path.empty())
    context.print(sweep_csv_text(table));
  else
    write_text(output.path, sweep_csv_text(table));
}

}  // namespace edgewise::cli
