#include "cli/results/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "settings/settings.hpp"

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

std::string column_name(const models::Observable& observable, const Field& field) {
  return field.name.empty() ? observable.name : observable.name + "_" + field.name;
}

void write_header(std::string& out, const Result& result) {
  for (const Attribute& a : result.provenance) {
    if (a.text != "|" && a.text.find('\n') == std::string::npos) {
      out += fmt::format("# {}: {}\n", a.name, a.text);
      continue;
    }
    out += fmt::format("# {}: |\n", a.name);
    for (std::size_t at = 0; at <= a.text.size();) {
      const std::size_t end = std::min(a.text.find('\n', at), a.text.size());
      out += "#   " + a.text.substr(at, end - at) + "\n";
      at = end + 1;
    }
  }
  for (const models::Observable& o : result.observables)
    out += fmt::format("# observable {} [{}]: {}\n", o.name, o.unit, o.doc);
}

void write_wide(std::string& out, const Result& result) {
  out += "step";
  for (std::size_t o = 0; o < result.observables.size(); ++o)
    for (const Field& field : result.fields)
      if (!field.values[o].empty() || result.steps.empty()) out += "," + column_name(result.observables[o], field);
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
  out += "step,observable";
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

struct Line {
  std::string text;
  std::size_t number = 0;
};

std::vector<Line> split_lines(const std::string& text) {
  std::vector<Line> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    out.push_back({std::move(line), out.size() + 1});
    at = end + 1;
  }
  return out;
}

Error bad(const std::string& origin, std::size_t line, std::string_view what) {
  return Error(fmt::format("{}: line {}: {}", origin, line, what));
}

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c != '"') {
        out.back() += c;
      } else if (i + 1 < line.size() && line[i + 1] == '"') {
        out.back() += line[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end || error != std::errc()) return std::nullopt;
  return value;
}

double number_in(const std::string& text, const std::string& origin, std::size_t line) {
  const auto value = number_of(text);
  if (!value) throw bad(origin, line, fmt::format("'{}' is not a number", text));
  return *value;
}

/// "# observable NAME [UNIT]: MEANING"
std::optional<models::Observable> observable_of(const std::string& line) {
  const std::string_view start = "# observable ";
  if (!line.starts_with(start)) return std::nullopt;
  const std::size_t open = line.find(" ["), close = line.find("]: ", open);
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  return models::Observable{line.substr(start.size(), open - start.size()), line.substr(open + 2, close - open - 2),
                            line.substr(close + 3)};
}

/// Reads the `#` lines; returns how many lines they were.
std::size_t read_header(const std::vector<Line>& lines, Result& result) {
  std::size_t at = 0;
  while (at < lines.size() && lines[at].text.starts_with("#")) {
    const std::string& line = lines[at++].text;
    if (auto observable = observable_of(line)) {
      result.observables.push_back(std::move(*observable));
      continue;
    }
    const std::size_t colon = line.find(": ");
    if (!line.starts_with("# ") || colon == std::string::npos) {
      if (line.starts_with("# ") && line.ends_with(":"))
        result.provenance.push_back({line.substr(2, line.size() - 3), "", false});
      continue;
    }
    Attribute a{line.substr(2, colon - 2), line.substr(colon + 2), false};
    if (a.text == "|") {
      a.text.clear();
      bool first = true;
      while (at < lines.size() && lines[at].text.starts_with("#   ")) {
        if (!first) a.text += "\n";
        a.text += lines[at++].text.substr(4);
        first = false;
      }
    }
    result.provenance.push_back(std::move(a));
  }
  return at;
}

void read_wide(const std::vector<Line>& lines, std::size_t at, const std::string& origin, Result& result) {
  const Line& head = lines[at];
  const std::vector<std::string> names = cells(head.text);
  if (names.empty() || names[0] != "step") throw bad(origin, head.number, "the first column must be 'step'");
  result.fields = fields_of(result.kind);
  for (Field& field : result.fields) field.values.resize(result.observables.size());

  std::vector<std::vector<double>*> targets(names.size(), nullptr);
  for (std::size_t c = 1; c < names.size(); ++c)
    for (std::size_t o = 0; o < result.observables.size(); ++o)
      for (Field& field : result.fields)
        if (names[c] == column_name(result.observables[o], field)) targets[c] = &field.values[o];
  for (std::size_t c = 1; c < names.size(); ++c)
    if (!targets[c]) throw bad(origin, head.number, fmt::format("unknown column '{}'", names[c]));

  for (std::size_t i = at + 1; i < lines.size(); ++i) {
    if (lines[i].text.empty()) continue;
    const std::vector<std::string> row = cells(lines[i].text);
    if (row.size() != names.size())
      throw bad(origin, lines[i].number, fmt::format("{} cells where {} are needed", row.size(), names.size()));
    result.steps.push_back(number_in(row[0], origin, lines[i].number));
    for (std::size_t c = 1; c < row.size(); ++c) targets[c]->push_back(number_in(row[c], origin, lines[i].number));
  }
  std::erase_if(result.fields, [](const Field& f) {
    return f.name == "std" && std::all_of(f.values.begin(), f.values.end(), [](const auto& v) { return v.empty(); });
  });
}

void read_long(const std::vector<Line>& lines, std::size_t at, const std::string& origin, Result& result) {
  const Line& head = lines[at];
  const std::vector<std::string> names = cells(head.text);
  if (names.size() < 3 || names[0] != "step" || names[1] != "observable")
    throw bad(origin, head.number, "the first columns must be 'step,observable'");
  result.fields = fields_of(result.kind);
  std::vector<std::size_t> field_of(names.size(), 0);
  for (std::size_t c = 2; c < names.size(); ++c) {
    const auto found =
        std::find_if(result.fields.begin(), result.fields.end(), [&](const Field& f) { return f.name == names[c]; });
    if (found == result.fields.end()) throw bad(origin, head.number, fmt::format("unknown column '{}'", names[c]));
    field_of[c] = static_cast<std::size_t>(found - result.fields.begin());
  }

  struct Row {
    double step;
    std::size_t observable;
    std::vector<double> cells;
  };
  std::vector<Row> rows;
  std::set<double> steps;
  for (std::size_t i = at + 1; i < lines.size(); ++i) {
    if (lines[i].text.empty()) continue;
    const std::vector<std::string> row = cells(lines[i].text);
    if (row.size() != names.size())
      throw bad(origin, lines[i].number, fmt::format("{} cells where {} are needed", row.size(), names.size()));
    int observable = result.index(row[1]);
    if (observable < 0) throw bad(origin, lines[i].number, fmt::format("unknown observable '{}'", row[1]));
    Row r{number_in(row[0], origin, lines[i].number), static_cast<std::size_t>(observable), {}};
    for (std::size_t c = 2; c < row.size(); ++c) r.cells.push_back(number_in(row[c], origin, lines[i].number));
    steps.insert(r.step);
    rows.push_back(std::move(r));
  }
  result.steps.assign(steps.begin(), steps.end());
  const double absent = std::numeric_limits<double>::quiet_NaN();
  for (Field& field : result.fields)
    field.values.assign(result.observables.size(), std::vector<double>(result.steps.size(), absent));
  for (const Row& r : rows) {
    const auto t = static_cast<std::size_t>(std::distance(steps.begin(), steps.find(r.step)));
    for (std::size_t c = 2; c < names.size(); ++c) result.fields[field_of[c]].values[r.observable][t] = r.cells[c - 2];
  }
}

}  // namespace

std::string csv_quoted(std::string_view text) {
  if (text.find_first_of(",\"\n") == std::string_view::npos) return std::string(text);
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
  const std::vector<Line> lines = split_lines(text);
  Result result;
  const std::size_t at = read_header(lines, result);
  const std::string_view kind = result.get("kind");
  if (kind == "solution")
    result.kind = ResultKind::solution;
  else if (kind == "simulation")
    result.kind = ResultKind::simulation;
  else if (kind == "validation")
    result.kind = ResultKind::validation;
  else
    throw Error(
        fmt::format("{}: is no result of edgewise (it has no line '# kind: solution', 'simulation' or "
                    "'validation')",
                    origin));
  if (at >= lines.size()) throw Error(fmt::format("{}: has no line of column names", origin));
  if (result.kind == ResultKind::validation)
    read_long(lines, at, origin, result);
  else
    read_wide(lines, at, origin, result);
  return result;
}

}  // namespace edgewise::cli
