#include "cli/commands/sweep_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>

#include "cli/results/header_lines.hpp"
#include "cli/results/sweep_netcdf.hpp"
#include "settings/counted.hpp"
#include "settings/delimited.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"
#include "validation/sweeps/sweep_file.hpp"
#include "validation/sweeps/sweep_store.hpp"

namespace edgewise::cli {

using settings::Error;
using validation::CellResult;
using validation::CellState;
using validation::SweepTable;

namespace {

constexpr std::string_view first_line = "# kind: sweep";
/// Enough of a file to tell what it is.
constexpr std::size_t signature_size = 32;

std::string beginning(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string out(signature_size, '\0');
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return out;
}

bool begins_sweep(std::string_view text) {
  text = settings::without_byte_order_mark(text);
  const auto unquoted = [](std::string_view line) { return line.starts_with('"') ? line.substr(1) : line; };
  // Excel's line may stand before it.
  if (const std::string_view told = unquoted(text); told.starts_with("sep=") || told.starts_with("SEP="))
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  text = unquoted(text);
  if (!text.starts_with(first_line)) return false;
  text.remove_prefix(first_line.size());
  return text.empty() || std::string_view("\r\n\t,;\"").find(text.front()) != std::string_view::npos;
}

/// What is said above the table; measures are told apart.
SweepTable read_header(const settings::DelimitedText& text) {
  SweepTable table;
  for (HeaderLine& line : header_lines(text)) {
    const std::size_t unit = line.name.rfind(" [");
    if (line.name.starts_with("measure ") && unit != std::string::npos && unit >= 8 && line.name.ends_with(']'))
      table.measures.push_back({line.name.substr(8, unit - 8), line.name.substr(unit + 2, line.name.size() - unit - 3),
                                std::move(line.text)});
    else if (line.name == "title")
      table.title = std::move(line.text);
    else if (line.name != "kind")
      table.provenance.emplace_back(std::move(line.name), std::move(line.text));
  }
  return table;
}

CellState state_of(const std::string& text, const std::string& where) {
  if (text == "finished") return CellState::finished;
  if (text == "failed") return CellState::failed;
  if (text == "pending") return CellState::pending;
  throw Error(fmt::format("{}: '{}' is not a state; known: pending, finished, failed", where, settings::shown(text)));
}

}  // namespace

SweepTable read_sweep_csv(const std::string& text, const std::string& origin) {
  if (!begins_sweep(text))
    throw Error(fmt::format("{}: is no sweep of edgewise (its first line is not '{}')", origin, first_line));
  settings::DelimitedText rows;
  try {
    rows = settings::split_delimited(text);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", origin, error.what()));
  }
  settings::drop_row_names(rows);
  SweepTable head = read_header(rows);
  std::string definition;
  for (const auto& [name, value] : head.provenance)
    if (name == "sweep") definition = value;
  if (definition.empty()) throw Error(fmt::format("{}: does not say which sweep it is ('# sweep: |')", origin));
  const settings::Table all = validation::read_kept(definition, origin);
  SweepTable table = validation::read_grid(all, all);
  table.title = head.title;
  table.measures = std::move(head.measures);
  table.provenance = std::move(head.provenance);

  std::size_t cells = 1;
  for (const validation::SweepAxis& axis : table.axes) cells *= axis.size();
  if (rows.lines.empty()) throw Error(fmt::format("{}: has no line of column names", origin));
  if (rows.lines.size() - 1 != cells)
    throw Error(
        fmt::format("{}: has {}, {} expected", origin, settings::counted(rows.lines.size() - 1, "cell"), cells));
  const std::size_t first_measure = 1 + table.axes.size(), label = first_measure + table.measures.size(),
                    columns = label + 3;
  const auto check_columns = [&](const settings::DelimitedLine& line) {
    if (line.cells.size() != columns)
      throw Error(
          fmt::format("{}: line {}: has {} columns, {} expected for its axes and measures; cells are separated "
                      "by {} here{}",
                      origin, line.number, line.cells.size(), columns, rows.separator_name(), rows.row_names_remark()));
  };
  check_columns(rows.lines.front());
  table.cells.resize(cells);
  for (std::size_t i = 0; i < cells; ++i) {
    const settings::DelimitedLine& line = rows.lines[i + 1];
    check_columns(line);
    const auto number = [&](std::size_t column) {
      const auto value = rows.number(line.cells[column]);
      if (!value)
        throw Error(fmt::format("{}: line {}: column '{}': '{}' is not a number", origin, line.number,
                                settings::shown(rows.lines.front().cells[column]),
                                settings::shown(line.cells[column])));
      return *value;
    };
    if (number(0) != static_cast<double>(i))
      throw Error(
          fmt::format("{}: line {}: cell {} expected, got {}", origin, line.number, i, settings::shown(line.cells[0])));
    CellResult& cell = table.cells[i];
    cell.label = line.cells[label];
    cell.state = state_of(line.cells[label + 1], fmt::format("{}: line {}", origin, line.number));
    cell.failure = line.cells[label + 2];
    if (cell.state == CellState::pending) continue;
    for (std::size_t m = first_measure; m < label; ++m) cell.measures.push_back(number(m));
  }
  validation::check_table(table, origin);
  return table;
}

bool is_sweep(const std::string& path) {
  const std::string start = beginning(path);
  if (begins_sweep(start)) return true;
  // No other file of this program's is a database: what is wrong with it is told where it is read.
  if (start.starts_with("SQLite format 3")) return true;
  return (start.starts_with("\x89HDF") || start.starts_with("CDF")) && is_sweep_netcdf(path);
}

SweepTable read_sweep(const std::string& path) {
  const std::string start = beginning(path);
  if (start.starts_with("SQLite format 3")) return validation::read_sweep_store(path);
  if (start.starts_with("\x89HDF") || start.starts_with("CDF")) return read_sweep_netcdf(path);
  return read_sweep_csv(settings::read_text_file(path), path);
}

}  // namespace edgewise::cli
