#include "cli/commands/sweep_input.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <sstream>
#include <string_view>
#include <vector>

#include "cli/results/sweep_netcdf.hpp"
#include "settings/settings.hpp"
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
constexpr std::size_t signature = 16;

std::string beginning(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string out(signature, '\0');
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return out;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    if (!out.back().empty() && out.back().back() == '\r') out.back().remove_suffix(1);
    at = end + 1;
  }
  return out;
}

/// Fields of a line, quotes taken off.
std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      out.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

/// "# NAME: TEXT" and "# NAME: |" with the lines that follow, up to the column names. \return where these are.
std::size_t read_header(const std::vector<std::string_view>& lines, SweepTable& table) {
  std::size_t at = 0;
  for (; at < lines.size() && lines[at].starts_with("# "); ++at) {
    const std::string_view line = lines[at].substr(2);
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    const std::string name(line.substr(0, colon));
    std::string text(line.substr(colon + 2));
    if (name.starts_with("measure ")) {
      const std::size_t unit = name.find(" [");
      const std::size_t end = name.rfind(']');
      if (unit == std::string::npos || end == std::string::npos || end < unit) continue;
      table.measures.push_back({name.substr(8, unit - 8), name.substr(unit + 2, end - unit - 2), text});
      continue;
    }
    if (text == "|") {
      text.clear();
      while (at + 1 < lines.size() && lines[at + 1].starts_with("#   "))
        text += (text.empty() ? "" : "\n") + std::string(lines[++at].substr(4));
    }
    if (name != "kind" && name != "title") table.provenance.emplace_back(name, text);
    if (name == "title") table.title = text;
  }
  return at;
}

double number_of(const std::string& text, const std::string& where) {
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error(fmt::format("{}: '{}' is not a number", where, text));
  return value;
}

CellState state_of(const std::string& text, const std::string& where) {
  if (text == "finished") return CellState::finished;
  if (text == "failed") return CellState::failed;
  if (text == "pending") return CellState::pending;
  throw Error(fmt::format("{}: '{}' is not a state; known: pending, finished, failed", where, text));
}

}  // namespace

SweepTable read_sweep_csv(const std::string& text, const std::string& origin) {
  const std::vector<std::string_view> lines = lines_of(text);
  if (lines.empty() || lines.front() != first_line)
    throw Error(fmt::format("{}: is no sweep of edgewise (its first line is not '{}')", origin, first_line));
  SweepTable head;
  const std::size_t at = read_header(lines, head);
  std::string definition;
  for (const auto& [name, value] : head.provenance)
    if (name == "sweep") definition = value;
  if (definition.empty()) throw Error(fmt::format("{}: does not say which sweep it is ('# sweep: |')", origin));
  const settings::Table all = settings::read_text(definition, origin);
  SweepTable table = validation::read_grid(all, all);
  table.title = head.title;
  table.measures = std::move(head.measures);
  table.provenance = std::move(head.provenance);

  std::size_t cells = 1;
  for (const validation::SweepAxis& axis : table.axes) cells *= axis.size();
  table.cells.resize(cells);
  if (at >= lines.size()) throw Error(fmt::format("{}: has no line of column names", origin));
  const std::size_t first_measure = 1 + table.axes.size(), label = first_measure + table.measures.size(),
                    columns = label + 3;
  if (fields_of(lines[at]).size() != columns)
    throw Error(fmt::format("{}: line {}: {} columns expected for its axes and measures", origin, at + 1, columns));
  for (std::size_t i = at + 1; i < lines.size(); ++i) {
    const std::string where = fmt::format("{}: line {}", origin, i + 1);
    const std::vector<std::string> fields = fields_of(lines[i]);
    if (fields.size() != columns)
      throw Error(fmt::format("{}: has {} fields, {} expected", where, fields.size(), columns));
    const double number = number_of(fields[0], where);
    if (!(number >= 0) || number >= static_cast<double>(cells) || number != static_cast<double>(i - at - 1))
      throw Error(fmt::format("{}: cell {} expected, got {}", where, i - at - 1, fields[0]));
    CellResult& cell = table.cells[i - at - 1];
    cell.label = fields[label];
    cell.state = state_of(fields[label + 1], where);
    cell.failure = fields[label + 2];
    if (cell.state == CellState::pending) continue;
    for (std::size_t m = first_measure; m < label; ++m) cell.measures.push_back(number_of(fields[m], where));
  }
  if (lines.size() - at - 1 != cells)
    throw Error(fmt::format("{}: has {} cells, {} expected", origin, lines.size() - at - 1, cells));
  return table;
}

bool is_sweep(const std::string& path) {
  const std::string start = beginning(path);
  if (start.starts_with(first_line)) return true;
  if (start.starts_with("SQLite format 3")) return validation::is_sweep_store(path);
  return (start.starts_with("\x89HDF") || start.starts_with("CDF")) && is_sweep_netcdf(path);
}

SweepTable read_sweep(const std::string& path) {
  const std::string start = beginning(path);
  if (start.starts_with("SQLite format 3")) return validation::read_sweep_store(path);
  if (start.starts_with("\x89HDF") || start.starts_with("CDF")) return read_sweep_netcdf(path);
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) throw Error(fmt::format("{}: cannot be read", path));
  return read_sweep_csv(text.str(), path);
}

}  // namespace edgewise::cli
