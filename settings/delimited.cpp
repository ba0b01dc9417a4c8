#include "settings/delimited.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "settings/settings.hpp"
#include "settings/text_file.hpp"

namespace edgewise::settings {

namespace {

bool blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// The separator of the first line that has one.
char separator_of(std::string_view text) {
  constexpr std::string_view ranked = ";\t,";
  std::size_t best = ranked.size();
  bool quoted = false, begun = false, gap = false, blanks = false, comment = false;
  for (const char c : text) {
    if (c == '\n' && !quoted) {
      if (best < ranked.size() || blanks) break;
      begun = gap = comment = false;
      continue;
    }
    if (!begun && c == '#') comment = true;
    if (comment) continue;
    if (c == '"') quoted = !quoted;
    if (!quoted) best = std::min(best, ranked.find(c));
    if (!quoted && blank(c)) {
      gap = true;
    } else {
      blanks = blanks || (begun && gap);
      begun = true;
      gap = false;
    }
  }
  if (best < ranked.size()) return ranked[best];
  return blanks ? ' ' : ',';
}

/// The separator that Excel takes from a first line "sep=;"; 0 where the line is none of that kind.
char told_separator(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with('"') && line.ends_with('"')) line = line.substr(1, line.size() - 2);
  if (line.size() != 5 || !(line.starts_with("sep=") || line.starts_with("SEP="))) return 0;
  if (std::string_view(";\t,").find(line.back()) == std::string_view::npos)
    throw Error(fmt::format("line 1: '{}' names a separator that is not read; write semicolons, tabs or commas", line));
  return line.back();
}

/// Reads lines of cells, one character after the other.
class Splitter {
 public:
  Splitter(std::string_view text, DelimitedText& out) : text_(text), out_(out) {}

  void run() {
    bool known = false;
    while (at_ < text_.size()) {
      const std::size_t end = std::min(text_.find('\n', at_), text_.size());
      const std::string_view line = trimmed(text_.substr(at_, end - at_));
      const char told = number_ == 1 ? told_separator(text_.substr(at_, end - at_)) : '\0';
      if (told != 0) {
        out_.separator = told;
        known = true;
        next_line(end);
      } else if (line.empty()) {
        next_line(end);
      } else if (line.starts_with('#') || line.starts_with("\"#")) {
        out_.comments.push_back({number_, comment(text_.substr(at_, end - at_))});
        next_line(end);
      } else {
        if (!std::exchange(known, true)) out_.separator = separator_of(text_.substr(at_));
        row();
      }
    }
  }

 private:
  void next_line(std::size_t end) {
    at_ = end + 1;
    ++number_;
  }

  /// A comment; a spreadsheet may have put it into quotes.
  static std::string comment(std::string_view line) {
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with('"')) return std::string(line);
    std::string out;
    for (std::size_t i = 1; i < line.size(); ++i) {
      if (line[i] == '"' && !line.substr(i + 1).starts_with('"')) break;
      if (line[i] == '"') ++i;
      out += line[i];
    }
    return out;
  }

  void row() {
    DelimitedLine line{number_, false, {}};
    const bool runs = out_.separator == ' ';
    for (;;) {
      while (at_ < text_.size() && blank(text_[at_]) && (runs || text_[at_] != out_.separator)) ++at_;
      if (runs && ends_line()) break;  // blanks at the end of the line
      if (line.cells.empty()) line.first_quoted = opens_quote();
      line.cells.push_back(cell());
      if (ends_line()) break;
      ++at_;  // the separator
    }
    if (at_ < text_.size()) next_line(at_);
    // A line of nothing but separators is how spreadsheets write an empty one.
    if (std::any_of(line.cells.begin(), line.cells.end(), [](const std::string& c) { return !c.empty(); }))
      out_.lines.push_back(std::move(line));
  }

  bool opens_quote() const { return text_.substr(at_).starts_with('"'); }
  bool ends_line() const { return at_ == text_.size() || text_[at_] == '\n'; }
  bool ends_cell() const {
    return ends_line() || text_[at_] == out_.separator || (out_.separator == ' ' && blank(text_[at_]));
  }

  std::string cell() {
    if (opens_quote()) return quoted_cell();
    const std::size_t start = at_;
    while (!ends_cell()) ++at_;
    return std::string(trimmed(text_.substr(start, at_ - start)));
  }

  std::string quoted_cell() {
    const std::size_t opened = number_;
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        // A quote that is no double one closes; what follows belongs to the cell.
        if (!opens_quote()) return out + cell();
      }
      if (text_[at_] == '\n') ++number_;
      out += text_[at_];
    }
    throw Error(fmt::format("line {}: a quote is not closed", opened));
  }

  std::string_view text_;
  DelimitedText& out_;
  std::size_t at_ = 0, number_ = 1;
};

/// Fortran writes 1.5D-3.
std::optional<double> cell_number(std::string text) {
  const std::size_t at = text.find_first_of("dD");
  if (at != std::string::npos && number_of(std::string_view(text).substr(0, at))) text[at] = 'e';
  return number_of(text);
}

std::string with_points(std::string_view cell) {
  std::string out(cell);
  std::replace(out.begin(), out.end(), ',', '.');
  return out;
}

/// True when some numbers have a decimal comma and none a decimal point.
bool written_with_commas(const DelimitedText& table) {
  bool commas = false, points = false;
  for (const DelimitedLine& line : table.lines)
    for (const std::string& cell : line.cells) {
      if (cell.find(',') != std::string::npos)
        commas = commas || cell_number(with_points(cell)).has_value();
      else if (cell.find('.') != std::string::npos)
        points = points || cell_number(cell).has_value();
    }
  return commas && !points;
}

}  // namespace

std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc{}) return value;
  // Too large or too small for a double: infinite, or 0, as it rounds.
  if (error != std::errc::result_out_of_range) return std::nullopt;
  return std::strtod(std::string(text).c_str(), nullptr);
}

std::optional<double> DelimitedText::number(std::string_view cell) const {
  return cell_number(decimal_comma ? with_points(cell) : std::string(cell));
}

bool DelimitedText::looks_like_decimal_commas() const {
  const auto digits = [](const std::string& cell) {
    return !cell.empty() && cell.find_first_not_of("0123456789") == std::string::npos;
  };
  const auto two = [&](const DelimitedLine& l) {
    return l.cells.size() == 2 && digits(l.cells[0]) && digits(l.cells[1]);
  };
  const auto odd = [](const DelimitedLine& l) {
    return l.cells[0] == "0" || (l.cells[1].size() > 1 && l.cells[1][0] == '0');
  };
  return separator == ',' && std::ranges::all_of(lines, two) && std::ranges::any_of(lines, odd);
}

std::string DelimitedText::row_names_remark() const {
  if (lines.size() < 2) return "";
  const std::size_t names = lines.front().cells.size();
  bool longer = true, counting = true;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    longer = longer && lines[i].cells.size() == names + 1;
    counting = counting && longer && lines[i].cells.front() == std::to_string(i);  // longer ones hold some
  }
  // Below a single name there may be two numbers a line, unless several lines are counted.
  if (!longer || (names == 1 && !(counting && lines.size() > 2))) return "";
  return "; if the first of them holds row names, as R writes them, leave it out (row.names = FALSE)";
}

std::string_view DelimitedText::separator_name() const {
  switch (separator) {
    case ';':
      return "semicolons";
    case '\t':
      return "tabs";
    case ' ':
      return "blanks";
    default:
      return "commas";
  }
}

DelimitedText split_delimited(std::string_view text) {
  DelimitedText out;
  std::string lines;
  // Line ends of old Macs, which some spreadsheets still offer.
  if (text.find('\n') == std::string_view::npos) {
    lines = text;
    std::replace(lines.begin(), lines.end(), '\r', '\n');
    text = lines;
  }
  Splitter(without_byte_order_mark(text), out).run();
  out.decimal_comma = out.separator != ',' && written_with_commas(out);
  // Separators at the end of every line make last columns of nothing.
  const auto closed = [](const DelimitedLine& line) { return line.cells.size() > 1 && line.cells.back().empty(); };
  while (!out.lines.empty() && std::all_of(out.lines.begin(), out.lines.end(), closed))
    for (DelimitedLine& line : out.lines) line.cells.pop_back();
  return out;
}

void drop_row_names(DelimitedText& table) {
  if (table.lines.empty()) return;
  std::vector<std::string>& names = table.lines.front().cells;
  const bool nameless = names.size() > 1 && (names.front().empty() || names.front() == "Unnamed: 0");
  const bool passed_over =
      table.lines.size() > 1 && std::all_of(table.lines.begin() + 1, table.lines.end(), [&](const DelimitedLine& line) {
        return line.first_quoted && line.cells.size() == names.size() + 1;
      });
  if (!nameless && !passed_over) return;
  for (std::size_t i = nameless ? 0 : 1; i < table.lines.size(); ++i)
    table.lines[i].cells.erase(table.lines[i].cells.begin());
}

}  // namespace edgewise::settings
