// Built at -O1: nothing here takes time.
#include "validation/collapse/loss_curves.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "settings/counted.hpp"
#include "settings/delimited.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"

namespace edgewise::validation {

namespace {

using settings::DelimitedLine;
using settings::Error;

enum ColumnOfCurves {
  size_column,
  seed_column,
  step_column,
  compute_column,
  loss_column,
  schedule_column,
  rate_column,
  noise_column
};
const std::vector<std::string> curve_columns = {"size", "seed", "step", "compute", "loss", "schedule", "rate", "noise"};

std::string in_small_letters(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

struct CurveRow {
  double step, compute, loss, rate, noise;
  std::size_t line;
};

/// (schedule, size, seed) of a run.
using RunKey = std::tuple<std::string, double, std::string>;

class CurveReader {
 public:
  LossCurves read(std::span<const CurveTable> tables) {
    for (const CurveTable& table : tables) read_table(table);
    for (auto& [key, rows] : rows_) add_run(key, rows);
    if (unsorted_ > 0)
      out_.notes.push_back(fmt::format("the rows of {} were out of order and have been sorted by step",
                                       settings::counted(unsorted_, "run")));
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::size_t line, const std::string& message) const {
    throw Error(fmt::format("{}: {} {}: {}", path_, tables_.at(path_).row, line, message));
  }

  void read_table(const CurveTable& table) {
    const std::string& path = path_ = table.origin;
    tables_[path] = {table.row, false, false};
    try {
      table_ = settings::split_delimited(table.text);
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", path, error.what()));
    }
    settings::drop_row_names(table_);
    if (table_.lines.empty())
      throw Error(
          fmt::format("{}: holds no loss curve; columns: size, step or compute, loss, and seed, schedule", path));
    name_columns(table_.lines.front());
    if (table_.lines.size() < 2) throw Error(fmt::format("{}: has column names but no row", path));
    for (std::size_t i = 1; i < table_.lines.size(); ++i) row(table_.lines[i]);
  }

  void name_columns(const DelimitedLine& line) {
    place_.assign(curve_columns.size(), std::nullopt);
    std::vector<std::string> others;
    for (std::size_t c = 0; c < line.cells.size(); ++c) {
      const std::string name = in_small_letters(line.cells[c]);
      const auto found = std::find_if(curve_columns.begin(), curve_columns.end(),
                                      [&](const std::string& known) { return name == known || name == known + "s"; });
      if (found == curve_columns.end()) {
        others.push_back(line.cells[c]);
        continue;
      }
      auto& place = place_[static_cast<std::size_t>(found - curve_columns.begin())];
      if (place) fail(line.number, fmt::format("column '{}' is named twice", *found));
      place = c;
    }
    const auto need = [&](bool there, const std::string& name) {
      if (there) return;
      std::string near;
      for (const std::string& other : others)
        if (near.empty() && !settings::suggestion(in_small_letters(other), std::vector{name}).empty())
          near = fmt::format(" ('{}' is not it)", settings::shown(other));
      fail(line.number,
           fmt::format("no column is named {}{}; columns: size, step or compute, loss, and where there are "
                       "several seed and schedule; cells are separated by {} here",
                       name, near, table_.separator_name()));
    };
    need(place_[size_column].has_value(), "size");
    need(place_[loss_column].has_value(), "loss");
    need(place_[step_column] || place_[compute_column], "step or compute");
    tables_[path_].has_rate = place_[rate_column].has_value();
    tables_[path_].has_noise = place_[noise_column].has_value();
    if (!others.empty()) {
      for (std::string& other : others) other = settings::shown(other, 30);
      out_.notes.push_back(fmt::format("{}: columns that are not read: {}", path_, settings::join(others)));
    }
  }

  double number(const DelimitedLine& line, ColumnOfCurves column, bool zero_allowed) const {
    const std::string& cell = line.cells[*place_[column]];
    const std::string& name = curve_columns[column];
    if (cell.empty()) fail(line.number, fmt::format("{} is missing: the cell is empty", name));
    const auto x = table_.number(cell);
    if (!x) fail(line.number, fmt::format("{} '{}' is not a number", name, settings::shown(cell)));
    if (!std::isfinite(*x) || *x < 0 || (*x == 0 && !zero_allowed))
      fail(line.number,
           fmt::format("{} must be finite and {}, got {}{}", name, zero_allowed ? ">= 0" : "> 0", settings::shown(cell),
                       column == loss_column ? "; leave out the rows of a run after it has diverged" : ""));
    return *x;
  }

  std::string word(const DelimitedLine& line, ColumnOfCurves column) const {
    return place_[column] ? line.cells[*place_[column]] : "";
  }

  void row(const DelimitedLine& line) {
    if (line.cells.size() != table_.lines.front().cells.size())
      fail(line.number, fmt::format("{} where {} are needed; cells are separated by {} here{}",
                                    settings::counted(line.cells.size(), "cell"), table_.lines.front().cells.size(),
                                    table_.separator_name(), table_.row_names_remark()));
    const double size = number(line, size_column, false), loss = number(line, loss_column, false);
    CurveRow row{0, 0, loss, 0, 0, line.number};
    if (place_[rate_column]) row.rate = number(line, rate_column, true);
    if (place_[noise_column]) row.noise = number(line, noise_column, true);
    if (place_[step_column]) row.step = number(line, step_column, true);
    // At the start no compute has been spent.
    row.compute = place_[compute_column] ? number(line, compute_column, true) : 6 * size * row.step;
    if (!place_[step_column]) row.step = row.compute / (6 * size);
    if (!std::isfinite(row.compute))
      fail(line.number, "6 size step, the compute, leaves the range of double precision; count in larger units");
    const RunKey key{word(line, schedule_column), size, word(line, seed_column)};
    auto& [file, rows] = rows_[key];
    if (rows.empty()) file = path_;
    if (file != path_) fail(line.number, fmt::format("{} is in {} already", named(key), settings::shown(file)));
    rows.push_back(row);
  }

  static std::string named(const RunKey& key) {
    const auto& [schedule, size, seed] = key;
    return fmt::format("the run of size {}{}{}", settings::text_of(size),
                       seed.empty() ? "" : ", seed " + settings::shown(seed),
                       schedule.empty() ? "" : ", schedule " + settings::shown(schedule));
  }

  void add_run(const RunKey& key, std::pair<std::string, std::vector<CurveRow>>& run) {
    auto& [file, rows] = run;
    path_ = file;
    const auto earlier = [](const CurveRow& a, const CurveRow& b) { return a.step < b.step; };
    if (!std::is_sorted(rows.begin(), rows.end(), earlier)) ++unsorted_;
    std::stable_sort(rows.begin(), rows.end(), earlier);
    const TableRead& table = tables_.at(file);
    LossCurve curve{
        std::get<1>(key), std::get<2>(key), {}, {}, {}, fmt::format("{}: {} {}", file, table.row, rows[0].line)};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i > 0 && rows[i].step == rows[i - 1].step)
        fail(std::max(rows[i].line, rows[i - 1].line),
             fmt::format("step {} of {} is there twice (also in {} {}); a column seed tells runs apart",
                         settings::text_of(rows[i].step), named(key), table.row,
                         std::min(rows[i].line, rows[i - 1].line)));
      if (i > 0 && rows[i].compute < rows[i - 1].compute)
        fail(rows[i].line, fmt::format("compute falls while step grows in {}", named(key)));
      curve.step.push_back(rows[i].step);
      curve.compute.push_back(rows[i].compute);
      curve.loss.push_back(rows[i].loss);
      if (table.has_rate) curve.rate.push_back(rows[i].rate);
      if (table.has_noise) curve.noise.push_back(rows[i].noise);
    }
    if (curve.step.size() < 2 || !(curve.step.back() > 0))
      fail(rows[0].line,
           fmt::format("{} has {}; a curve needs two", named(key), settings::counted(rows.size(), "row")));
    const std::string& schedule = std::get<0>(key);
    if (out_.groups.empty() || out_.groups.back().schedule != schedule) out_.groups.push_back({schedule, {}});
    out_.groups.back().curves.push_back(std::move(curve));
  }

  /// What is kept of a table whose rows have been read.
  struct TableRead {
    std::string row;  ///< what messages call one
    bool has_rate = false, has_noise = false;
  };

  std::string path_;
  std::map<std::string, TableRead> tables_;  ///< by origin
  settings::DelimitedText table_;
  std::vector<std::optional<std::size_t>> place_;
  std::map<RunKey, std::pair<std::string, std::vector<CurveRow>>> rows_;  ///< with the file they come from
  std::size_t unsorted_ = 0;
  LossCurves out_;
};

}  // namespace

LossCurves read_loss_curves(std::span<const CurveTable> tables) {
  return CurveReader().read(tables);
}

LossCurves read_loss_curves(std::span<const std::string> paths) {
  std::vector<CurveTable> tables;
  for (const std::string& path : paths) tables.push_back({path, settings::read_text_file(path)});
  return read_loss_curves(tables);
}

}  // namespace edgewise::validation
