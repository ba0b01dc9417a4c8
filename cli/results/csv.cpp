#include "cli/results/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "cli/results/header_lines.hpp"
#include "settings/counted.hpp"
#include "settings/delimited.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using settings::Error;
using settings::text_of;

namespace {

/// Whole steps without an exponent, so that people can read them.
std::string step_text(double step) {
  if (std::isfinite(step) && step == std::floor(step) && std::abs(step) < 9007199254740992.0)
    return fmt::format("{:.0f}", step);
  return text_of(step);
}

void write_header(std::string& out, const Result& result) {
  for (const Attribute& a : result.provenance) append_header_line(out, a.name, a.text);
  for (const models::Observable& o : result.observables)
    append_header_line(out, fmt::format("observable {} [{}]", o.name, o.unit), o.doc);
}

void write_wide(std::string& out, const Result& result) {
  out += result.axis->name;
  for (std::size_t o = 0; o < result.observables.size(); ++o)
    for (const Field& field : result.fields)
      if (!field.values[o].empty() || result.steps.empty())
        out += "," + csv_quoted(column_name(result.observables[o], field));
  out += "\n";
  for (std::size_t t = 0; t < result.steps.size(); ++t) {
    out += step_text(result.steps[t]);
    for (std::size_t o = 0; o < result.observables.size(); ++o)
      for (const Field& field : result.fields)
        if (!field.values[o].empty()) out += "," + text_of(field.values[o][t]);
    out += "\n";
  }
}

void write_long(std::string& out, const Result& result) {
  out += result.axis->name + ",observable";
  for (const Field& field : result.fields) out += "," + field.name;
  out += "\n";
  for (std::size_t o = 0; o < result.observables.size(); ++o)
    for (std::size_t t = 0; t < result.steps.size(); ++t) {
      const bool compared = std::any_of(result.fields.begin(), result.fields.end(),
                                        [&](const Field& f) { return !std::isnan(f.values[o][t]); });
      if (!compared) continue;
      out += step_text(result.steps[t]) + "," + csv_quoted(result.observables[o].name);
      for (const Field& field : result.fields) out += "," + text_of(field.values[o][t]);
      out += "\n";
    }
}

/// The table of a result, and what is said of its lines.
class ResultReader {
 public:
  ResultReader(const std::string& text, std::string origin) : origin_(std::move(origin)) {
    try {
      table_ = settings::split_delimited(text);
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", origin_, error.what()));
    }
    settings::drop_row_names(table_);
  }

  Result read() {
    read_header();
    if (table_.lines.empty()) throw Error(fmt::format("{}: has no line of column names", origin_));
    if (result_.kind == ResultKind::validation)
      read_long();
    else
      read_wide();
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const settings::DelimitedLine& line, std::string_view what) const {
    throw Error(fmt::format("{}: line {}: {}", origin_, line.number, what));
  }

  double number(const settings::DelimitedLine& line, std::size_t column) const {
    const std::string& cell = line.cells[column];
    const auto value = table_.number(cell);
    if (!value)
      fail(line,
           fmt::format("column '{}': '{}' is not a number", settings::shown(names()[column]), settings::shown(cell)));
    return *value;
  }

  const std::vector<std::string>& names() const { return table_.lines.front().cells; }

  void read_header() {
    bool known = false;
    for (HeaderLine& line : header_lines(table_)) {
      if (auto observable = observable_of(line)) {
        result_.observables.push_back(std::move(*observable));
        continue;
      }
      for (const ResultKind kind : {ResultKind::solution, ResultKind::simulation, ResultKind::validation})
        if (line.name == "kind" && line.text == name(kind)) {
          result_.kind = kind;
          known = true;
        }
      result_.provenance.push_back({std::move(line.name), std::move(line.text), false});
    }
    if (!known)
      throw Error(
          fmt::format("{}: is no result of edgewise (it has no line '# kind: solution', 'simulation' or "
                      "'validation')",
                      origin_));
    result_.fields = fields_of(result_.kind);
  }

  /// "observable NAME [UNIT]" and its meaning.
  static std::optional<models::Observable> observable_of(const HeaderLine& line) {
    const std::string_view start = "observable ";
    const std::size_t open = line.name.find(" [");
    if (!line.name.starts_with(start) || open == std::string::npos || open < start.size() || !line.name.ends_with(']'))
      return std::nullopt;
    return models::Observable{line.name.substr(start.size(), open - start.size()),
                              line.name.substr(open + 2, line.name.size() - open - 3), line.text};
  }

  void require_columns(const settings::DelimitedLine& line) const {
    if (line.cells.size() != names().size())
      fail(line, fmt::format("{} where {} are needed; cells are separated by {} here{}",
                             settings::counted(line.cells.size(), "cell"), names().size(), table_.separator_name(),
                             table_.row_names_remark()));
  }

  void read_wide() {
    if (!models::find_axis(names()[0]))
      fail(table_.lines.front(),
           fmt::format("the first column must be 'step' (or another axis, 'samples' or 'depth'), not '{}'; cells are "
                       "separated by {} here",
                       settings::shown(names()[0]), table_.separator_name()));
    result_.axis = models::find_axis(names()[0]);
    for (Field& field : result_.fields) field.values.resize(result_.observables.size());
    std::vector<std::vector<double>*> targets(names().size(), nullptr);
    for (std::size_t c = 1; c < names().size(); ++c) {
      for (std::size_t o = 0; o < result_.observables.size(); ++o)
        for (Field& field : result_.fields)
          if (names()[c] == column_name(result_.observables[o], field)) targets[c] = &field.values[o];
      if (!targets[c]) fail(table_.lines.front(), fmt::format("unknown column '{}'", settings::shown(names()[c])));
      if (std::find(targets.begin() + 1, targets.begin() + static_cast<std::ptrdiff_t>(c), targets[c]) !=
          targets.begin() + static_cast<std::ptrdiff_t>(c))
        fail(table_.lines.front(), fmt::format("column '{}' is there twice", settings::shown(names()[c])));
    }
    for (std::size_t i = 1; i < table_.lines.size(); ++i) {
      const settings::DelimitedLine& line = table_.lines[i];
      require_columns(line);
      result_.steps.push_back(number(line, 0));
      for (std::size_t c = 1; c < names().size(); ++c) targets[c]->push_back(number(line, c));
    }
    std::erase_if(result_.fields, [](const Field& f) {
      return f.name == "std" && std::all_of(f.values.begin(), f.values.end(), [](const auto& v) { return v.empty(); });
    });
  }

  void read_long() {
    if (names().size() < 3 || !models::find_axis(names()[0]) || names()[1] != "observable")
      fail(table_.lines.front(),
           fmt::format("the first columns must be 'step' and 'observable'; cells are separated by "
                       "{} here",
                       table_.separator_name()));
    result_.axis = models::find_axis(names()[0]);
    std::vector<std::size_t> field_of(names().size(), 0);
    for (std::size_t c = 2; c < names().size(); ++c) {
      const auto found = std::find_if(result_.fields.begin(), result_.fields.end(),
                                      [&](const Field& f) { return f.name == names()[c]; });
      if (found == result_.fields.end())
        fail(table_.lines.front(), fmt::format("unknown column '{}'", settings::shown(names()[c])));
      field_of[c] = static_cast<std::size_t>(found - result_.fields.begin());
    }
    std::map<double, std::size_t> place;
    for (std::size_t i = 1; i < table_.lines.size(); ++i) {
      require_columns(table_.lines[i]);
      const double step = number(table_.lines[i], 0);
      if (std::isnan(step)) fail(table_.lines[i], "the step is not a number");
      place[step] = 0;
    }
    for (auto& [step, index] : place) {
      index = result_.steps.size();
      result_.steps.push_back(step);
    }
    // Every observable at every step: no more than the program itself would keep.
    constexpr double most_values = 2.7e8;
    if (static_cast<double>(result_.steps.size()) * static_cast<double>(result_.observables.size()) *
            static_cast<double>(result_.fields.size()) >
        most_values)
      throw Error(fmt::format("{}: {} steps of {} observables are too many", origin_, result_.steps.size(),
                              result_.observables.size()));
    const double absent = std::numeric_limits<double>::quiet_NaN();
    for (Field& field : result_.fields)
      field.values.assign(result_.observables.size(), std::vector<double>(result_.steps.size(), absent));
    for (std::size_t i = 1; i < table_.lines.size(); ++i) {
      const settings::DelimitedLine& line = table_.lines[i];
      const int observable = result_.index(line.cells[1]);
      if (observable < 0) fail(line, fmt::format("unknown observable '{}'", settings::shown(line.cells[1])));
      const std::size_t t = place.at(number(line, 0));
      for (std::size_t c = 2; c < names().size(); ++c)
        result_.fields[field_of[c]].values[static_cast<std::size_t>(observable)][t] = number(line, c);
    }
  }

  std::string origin_;
  settings::DelimitedText table_;
  Result result_;
};

}  // namespace

std::string csv_quoted(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string csv_text(const Result& result) {
  std::string out;
  write_header(out, result);
  if (result.kind == ResultKind::validation)
    write_long(out, result);
  else
    write_wide(out, result);
  return out;
}

Result read_csv(const std::string& text, const std::string& origin) {
  return ResultReader(text, origin).read();
}

}  // namespace edgewise::cli
