#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <utility>

#include "models/ingredients/schedules/shape.hpp"
#include "settings/delimited.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"

namespace edgewise::models::ingredients {

namespace {

using settings::integer;
using settings::number;
using settings::numbers;
using settings::text;
using settings::Values;

/// Entry i holds from time i T/N to (i+1) T/N.
Shape piecewise_constant(std::vector<double> entries, double horizon) {
  const auto n = static_cast<double>(entries.size());
  Shape shape;
  for (std::size_t i = 1; i < entries.size(); ++i)
    if (entries[i] != entries[i - 1]) shape.breaks.push_back(static_cast<double>(i) * horizon / n);
  shape.constant = shape.breaks.empty() && entries.front() == 1;
  shape.at = [=, entries = std::move(entries)](double t) { return entries[stage_at(t, n, horizon)]; };
  return shape;
}

/// Straight lines through entry i at time i * spacing; the last entry holds afterwards.
Shape piecewise_linear(std::vector<double> entries, double spacing) {
  const auto last = static_cast<double>(entries.size() - 1);
  Shape shape;
  for (std::size_t i = 1; i < entries.size(); ++i) shape.breaks.push_back(static_cast<double>(i) * spacing);
  shape.at = [=, entries = std::move(entries)](double t) {
    const double place = spacing > 0 ? std::clamp(t / spacing, 0.0, last) : 0.0;
    const auto i = static_cast<std::size_t>(place);
    const double beyond = place - static_cast<double>(i);
    return beyond == 0 ? entries[i] : (1 - beyond) * entries[i] + beyond * entries[i + 1];
  };
  return shape;
}

/// `text` with what stands behind a # taken off every line.
std::string without_comments(const std::string& text) {
  std::string out;
  bool comment = false;
  for (const char c : text) {
    comment = c != '\n' && c != '\r' && (comment || c == '#');
    if (!comment) out += c;
  }
  return out;
}

/// Takes the line of names off, and the row numbers of pandas and R with it; of several columns the one called `rate`, or
/// `column`, is kept. Returns whether there were several. \throws Error where none of them is.
bool take_names_off(settings::DelimitedText& table, const std::string& column) {
  const auto& first = table.lines.front().cells;
  const bool names = std::none_of(first.begin(), first.end(), [&](const auto& cell) { return table.number(cell); });
  if (names || first.front().empty()) {
    settings::drop_row_names(table);
    const std::string remark = table.row_names_remark();
    if (!remark.empty()) throw settings::Error("holds a column more than names" + remark);
    const std::vector<std::string> called = table.lines.front().cells;
    const auto at = std::ranges::find(called, column);
    if (called.size() > 1 && at == called.end())
      throw settings::Error(fmt::format("holds the columns {}; keep the one of the multipliers, or name it by `column`",
                                        settings::shown(settings::join(called))));
    table.lines.erase(table.lines.begin());
    if (called.size() == 1) return false;
    for (settings::DelimitedLine& line : table.lines) {
      const auto cell = static_cast<std::size_t>(at - called.begin());
      if (cell >= line.cells.size()) throw settings::Error(fmt::format("line {}: has no {}", line.number, column));
      line.cells = {line.cells[cell]};
    }
    return true;
  }
  if (table.lines.size() < 2) return false;
  // Two columns as NumPy writes them, 0.000e+00 and on, or with gaps between the steps.
  double before = -1;
  for (const settings::DelimitedLine& line : table.lines) {
    const auto step = line.cells.size() == 2 ? table.number(line.cells.front()) : std::nullopt;
    if (!step || !(*step > before) || *step != std::floor(*step)) return false;
    before = *step;
  }
  throw settings::Error(
      "holds a first column that counts up as steps do; keep the one of the multipliers, or write one multiplier a "
      "line");
}

/// Numbers separated by commas, semicolons, white space or line ends; from # to the end of a line is a comment.
/// \param asked  `column` was given
std::vector<double> read_numbers(const std::string& path, const std::string& column, bool asked) {
  settings::DelimitedText table = settings::split_delimited(without_comments(settings::read_text_file(path)));
  if (!table.lines.empty() && !take_names_off(table, column) && asked)
    throw settings::Error("holds no columns with names, of which `column` could choose; leave it out");
  if (table.looks_like_decimal_commas()) {
    const settings::DelimitedLine& line = table.lines.front();
    throw settings::Error(
        fmt::format("line {0}: '{1},{2}' may be {1}.{2} or the multipliers {1} and {2}; write decimal points, "
                    "or one multiplier a line",
                    line.number, line.cells[0], line.cells[1]));
  }
  std::vector<double> entries;
  double largest = 0;
  for (const settings::DelimitedLine& line : table.lines) {
    const std::size_t before = entries.size();
    for (const std::string& cell : line.cells) {
      std::istringstream words(cell);
      for (std::string word; words >> word;) {
        const auto entry = table.number(word);
        if (!entry || !std::isfinite(*entry))
          throw settings::Error(fmt::format("line {}: '{}' is not a number >= 0", line.number, settings::shown(word)));
        entries.push_back(*entry);
        largest = std::max(largest, *entry);
      }
    }
    if (entries.size() == before)  // behind a row's name
      throw settings::Error(fmt::format("line {}: holds no number", line.number));
  }
  if (entries.empty()) throw settings::Error("holds no numbers");
  for (double& entry : entries) {
    if (entry < -1e-12 * largest || (entry < 0 && largest == 0))
      throw settings::Error(fmt::format("'{}' is not a number >= 0", settings::text_of(entry)));
    entry = std::max(entry, 0.0);  // what a formula's end leaves below 0 is rounding
  }
  return entries;
}

std::vector<double> read_table(const Values& values) {
  const std::string path = values.file("path");
  try {
    return read_numbers(path, values.text("column"), values.given("column"));
  } catch (const settings::Error& error) {
    const std::string said = error.what();
    throw values.error("path", said.find("cannot be read: ") != std::string::npos
                                   ? said
                                   : fmt::format("'{}': {}", settings::shown(path, 300), said));
  }
}

/// The list of whole numbers, at least one and none beyond `most`, which the section calls `called`.
std::vector<double> whole_numbers(const Values& values, const std::string& key, double most,
                                  const std::string& called) {
  const std::vector<double>& entries = values.numbers(key);
  if (entries.empty()) throw values.error(key, "must hold at least one number");
  if (std::ranges::any_of(entries, [most](double b) { return b > most || b != std::floor(b); }))
    throw values.error(key, fmt::format("must be whole numbers up to {} = {}", called, most));
  return entries;
}

Shape table(const Values& values, double horizon) {
  if (values.given("path") == values.given("values"))
    throw values.error("values", "give either `values` or `path`, one of the two");
  if (values.given("column") && values.given("values"))
    throw values.error("column", "is read where `path` names a file; leave it out");
  std::vector<double> entries = values.given("path") ? read_table(values) : values.numbers("values");
  if (entries.empty()) throw values.error("values", "must hold at least one number");
  const auto n = static_cast<double>(entries.size());
  if (horizon > 0 && n > horizon)
    throw values.error(
        values.given("path") ? "path" : "values",
        fmt::format("holds {} entries, more than the {} step{}", entries.size(), horizon, horizon == 1 ? "" : "s"));
  if (values.text("interpolate") == "constant" || entries.size() == 1)
    return piecewise_constant(std::move(entries), horizon);
  const double spacing = n == horizon ? 1.0 : horizon / (n - 1);
  return piecewise_linear(std::move(entries), spacing);
}

}  // namespace

std::vector<ScheduleKind> schedules_by_list() {
  std::vector<ScheduleKind> all;
  all.push_back(schedule_family(
      "table", "multipliers from a list or a file",
      "As many entries as steps: entry k is the multiplier of step k. Fewer, N of them: interpolate =\n"
      "constant gives N equal stages, linear draws straight lines through entry i at x = i/(N - 1).\n"
      "The entries are multipliers as they stand; they may exceed 1.",
      {numbers("values", "the multipliers").at_least(0).computed("read from `path`"),
       text("path",
            "text file of multipliers separated by commas, spaces or line ends, # starts a "
            "comment; relative to the experiment file")
           .computed("`values` is given instead"),
       text("column", "of a file with several, by the names in its first line").otherwise(std::string("rate")),
       text("interpolate", "between the entries").one_of({"constant", "linear"}).otherwise(std::string("constant"))},
      table));
  all.push_back(schedule_family(
      "grid", "equal stages whose values lie on a grid",
      "stage i of N has the value b_i/(bins - 1), or minimum^(1 - b_i/(bins - 1)) where spacing = log",
      {numbers("stages", "b_i, whole numbers 0 .. bins - 1").at_least(0).otherwise(std::vector<double>{8, 6, 4, 2, 1}),
       integer("bins", "values of the grid").at_least(2).at_most(1e6).otherwise(std::int64_t{9}),
       text("spacing", "of the grid").one_of({"linear", "log"}).otherwise(std::string("linear")),
       number("minimum", "lowest value of a log grid").above(0).below(1).otherwise(1e-3).where("spacing", {"log"})},
      [](const Values& v, double T) {
        const double top = static_cast<double>(v.integer("bins") - 1);
        std::vector<double> entries = whole_numbers(v, "stages", top, "bins - 1");
        for (double& b : entries) b = v.text("spacing") == "log" ? std::pow(v.number("minimum"), 1 - b / top) : b / top;
        return piecewise_constant(std::move(entries), T);
      }));
  return all;
}

}  // namespace edgewise::models::ingredients
