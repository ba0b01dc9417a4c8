#include "spectra/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "settings/counted.hpp"
#include "settings/delimited.hpp"
#include "settings/failure.hpp"
#include "settings/shown.hpp"
#include "settings/text_file.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

using settings::DelimitedLine;
using settings::DelimitedText;

const std::vector<std::string> column_names{"eigenvalue", "multiplicity", "target_power"};
constexpr std::size_t not_read = static_cast<std::size_t>(-1);

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Index of a column by its name, whatever its capitals, blanks and number: "Target Power", "eigenvalues".
std::size_t column_named(std::string_view name) {
  std::string plain(name);
  for (char& c : plain) c = c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto plural = [](std::string one) {
    return one.ends_with('y') ? one.replace(one.size() - 1, 1, "ies") : one + "s";
  };
  const auto found = std::find_if(column_names.begin(), column_names.end(),
                                  [&](const std::string& one) { return plain == one || plain == plural(one); });
  return found == column_names.end() ? not_read : static_cast<std::size_t>(found - column_names.begin());
}

/// Whether a comment is nothing but names of columns, which `names` gets.
bool are_names(std::string_view text, std::vector<std::string>& names) {
  if (text.find('"') != std::string_view::npos) return false;
  const DelimitedText inside = settings::split_delimited(text);
  if (inside.lines.size() != 1) return false;
  names = inside.lines.front().cells;
  return std::all_of(names.begin(), names.end(), [](const auto& name) { return column_named(name) != not_read; });
}

/// The names that pandas and R give to columns without one: 0, 1, 2 or V1, V2, V3.
bool numbered(const std::vector<std::string>& names) {
  for (const int from : {0, 1})
    for (const char* letter : {"", "V"}) {
      bool all = true;
      for (std::size_t k = 0; k < names.size(); ++k)
        all = all && names[k] == fmt::format("{}{}", letter, k + static_cast<std::size_t>(from));
      if (all) return true;
    }
  return false;
}

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  Spectrum read() {
    try {
      table_ = settings::split_delimited(settings::read_text_file(path_));
    } catch (const settings::Error& error) {
      const std::string said = error.what();
      throw std::runtime_error(said.starts_with("line ") ? fmt::format("{}: {}", path_, said) : said);
    }
    for (const DelimitedText::Comment& c : table_.comments) comment(c);
    if (table_.lines.empty()) throw std::runtime_error(fmt::format("'{}' holds no eigenvalue", path_));
    named_ = name_columns();
    for (std::size_t i = named_ ? 1 : 0; i < table_.lines.size(); ++i) row(table_.lines[i]);
    check_signs(named_ ? 1 : 0);
    if (spectrum_.eigenvalue.empty()) throw std::runtime_error(fmt::format("'{}' holds no eigenvalue", path_));
    spectrum_.provenance = fmt::format("file {}", std::filesystem::path(path_).filename().string());
    if (!title_.empty()) spectrum_.provenance += ": " + title_;
    return spectrum_;
  }

 private:
  [[noreturn]] void fail(std::size_t line, const std::string& message) const {
    throw std::runtime_error(fmt::format("{}:{}: {}", path_, line, message));
  }

  void comment(const DelimitedText::Comment& c) {
    const std::string_view text = trimmed(std::string_view(c.text).substr(c.text.find('#') + 1));
    const auto equals = text.find('=');
    if (equals != std::string_view::npos && trimmed(text.substr(0, equals)) == "unexplained_variance") {
      const std::string_view value = trimmed(text.substr(equals + 1));
      const auto x = settings::number_of(value);
      if (!x || !(*x >= 0) || std::isinf(*x))
        fail(c.number, fmt::format("unexplained_variance must be a number >= 0, got '{}'", settings::shown(value)));
      spectrum_.unexplained_variance = *x;
      return;
    }
    // numpy.savetxt writes the names of the columns behind a #.
    const bool before = table_.lines.empty() || c.number < table_.lines.front().number;
    if (std::vector<std::string> names; before && are_names(text, names)) {
      commented_names_ = DelimitedLine{c.number, false, std::move(names)};
      return;
    }
    if (title_.empty()) title_ = text;
  }

  /// Decides what the columns are. \return whether the first line names them.
  bool name_columns() {
    if (!commented_names_.cells.empty()) {
      use_names(commented_names_);
      return false;
    }
    const DelimitedLine first = table_.lines.front();
    const bool named = std::none_of(first.cells.begin(), first.cells.end(),
                                    [&](const std::string& cell) { return !cell.empty() && table_.number(cell); }) ||
                       first.cells.front().empty();
    if (named) {
      settings::drop_row_names(table_);
      use_names(table_.lines.front());
      return true;
    }
    if (first.cells.size() > column_names.size())
      fail(first.number, fmt::format("has {} columns, at most 3 are known{}", first.cells.size(),
                                     table_.lines.size() > 1 && (counted(0) || counted(1))
                                         ? "; the first counts the rows: leave it out"
                                         : ""));
    // Row numbers that are read as eigenvalues, and names that are read as numbers, would make a wrong spectrum.
    if (first.cells.size() > 1 && table_.lines.size() > 1 && (counted(0) || (first.first_quoted && counted(1))))
      fail(first.number, fmt::format("the first column counts {}, {}, ... as row numbers do; leave it out, or name the "
                                     "columns in a first line: eigenvalue,multiplicity,target_power",
                                     first.cells[0], table_.lines[1].cells[0]));
    if (names_of_pandas())
      fail(first.number, fmt::format("'{}' may be an eigenvalue or the name that pandas gives to a column without one; "
                                     "name the column eigenvalue, or write {}.0",
                                     first.cells.front(), first.cells.front()));
    if (table_.looks_like_decimal_commas())
      fail(first.number,
           fmt::format("'{0},{1}' may be {0}.{1} or the eigenvalue {0} with multiplicity {1}; name the columns "
                       "in a first line, or write decimal points",
                       first.cells[0], first.cells[1]));
    for (std::size_t k = 0; k < first.cells.size(); ++k) columns_.push_back(k);
    positional_ = true;
    return false;
  }

  /// True when the first column is from, from + 1, ...
  bool counted(std::size_t from) const {
    for (std::size_t i = 0; i < table_.lines.size(); ++i)
      if (table_.lines[i].cells.front() != fmt::format("{}", i + from)) return false;
    return true;
  }

  /// True when the first line reads 0,1,..., and numbers with a point or an exponent follow.
  bool names_of_pandas() const {
    const auto& first = table_.lines.front().cells;
    if (table_.lines.size() < 2 || first.front() != "0" || !numbered(first)) return false;
    return std::all_of(table_.lines.begin() + 1, table_.lines.end(), [](const DelimitedLine& line) {
      return line.cells.front().find_first_of(".,eE") != std::string::npos;
    });
  }

  void use_names(const DelimitedLine& line) {
    const std::vector<std::string>& names = line.cells;
    const bool alone = names.size() == 1 && column_named(names[0]) == not_read && separation(names[0]).empty() &&
                       settings::suggestion(names[0], column_names).empty();
    // A number that is not understood would be lost as the name of its column.
    if (alone && !numbered(names) &&
        ((!names[0].empty() && std::string_view("0123456789+-.").find(names[0].front()) != std::string_view::npos) ||
         names[0] == "NA"))
      fail(line.number, fmt::format("'{}' is not a number, and not the name of a column either; name it eigenvalue",
                                    settings::shown(names[0])));
    if (alone || numbered(names)) {
      // Whatever a single column is called, it holds the eigenvalues.
      if (names.size() > column_names.size())
        fail(line.number, fmt::format("has {} columns, at most 3 are known", names.size()));
      for (std::size_t k = 0; k < names.size(); ++k) columns_.push_back(k);
      return;
    }
    for (const std::string& name : names) {
      const std::size_t column = column_named(name);
      if (column == not_read)
        fail(line.number,
             fmt::format("'{}' is neither a number nor one of the columns {}{}{}", settings::shown(name),
                         settings::join(column_names), settings::suggestion(name, column_names), separation(name)));
      if (std::find(columns_.begin(), columns_.end(), column) != columns_.end())
        fail(line.number, fmt::format("column '{}' is named twice", column_names[column]));
      columns_.push_back(column);
    }
    if (std::find(columns_.begin(), columns_.end(), 0U) == columns_.end())
      fail(line.number, "no column is named eigenvalue");
  }

  /// Where a name holds several of the names, the separator is the trouble.
  std::string separation(const std::string& name) const {
    for (const std::string& known : column_names)
      if (name.size() > known.size() + 1 && name.find(known) != std::string::npos)
        return fmt::format("; cells are separated by {} here", table_.separator_name());
    return "";
  }

  void row(const DelimitedLine& line) {
    if (line.cells.size() != columns_.size())
      fail(line.number, fmt::format("has {}, expected {}; cells are separated by {} here{}",
                                    settings::counted(line.cells.size(), "column"), columns_.size(),
                                    table_.separator_name(), named_ ? table_.row_names_remark() : ""));
    double values[3] = {0, 1, 1};
    for (std::size_t k = 0; k < columns_.size(); ++k) {
      const std::string& cell = line.cells[k];
      const std::string& name = column_names[columns_[k]];
      const auto x = table_.number(cell);
      if (cell.empty()) fail(line.number, fmt::format("{} is missing: the cell is empty", name));
      if (!x) fail(line.number, fmt::format("{} '{}' is not a number{}", name, settings::shown(cell), trouble(cell)));
      // Eigenvalues below 0 wait until it is known how large the others are.
      const bool good = std::isfinite(*x) && (columns_[k] == 0 || (columns_[k] == 1 ? *x > 0 : *x >= 0));
      if (!good)
        fail(line.number, fmt::format("{} must be finite and {}, got {}", name, columns_[k] == 1 ? "> 0" : ">= 0",
                                      settings::shown(cell)));
      // Powers of the target, or eigenvalues that stand side by side.
      if (positional_ && columns_[k] == 1 && *x != std::floor(*x))
        fail(line.number,
             fmt::format("the second number, {}, would be a multiplicity, and is not whole; name the columns "
                         "in a first line ({}), or write one eigenvalue a line",
                         settings::shown(cell), settings::join(column_names)));
      values[columns_[k]] = *x;
    }
    spectrum_.eigenvalue.push_back(values[0]);
    spectrum_.multiplicity.push_back(values[1]);
    spectrum_.target_power.push_back(values[2]);
  }

  void check_signs(std::size_t first) {
    const std::vector<double> before = spectrum_.eigenvalue;
    clear_rounding(spectrum_.eigenvalue);
    for (std::size_t i = 0; i < before.size(); ++i)
      if (spectrum_.eigenvalue[i] < 0)
        fail(table_.lines[first + i].number,
             fmt::format("eigenvalue must be finite and >= 0, got {}", settings::text_of(before[i])));
  }

  static std::string trouble(const std::string& cell) {
    if (cell.find(',') != std::string::npos) return "; numbers are written with a decimal point, without separators";
    if (cell.find_first_of(" ;\t") != std::string::npos) return "; is the separator the same in every line?";
    return "";
  }

  std::string path_, title_;
  DelimitedText table_;
  DelimitedLine commented_names_;
  std::vector<std::size_t> columns_;
  bool named_ = false;       // by the first line
  bool positional_ = false;  // by no line
  Spectrum spectrum_;
};

}  // namespace

Spectrum read_csv(const std::string& path) {
  return Reader(path).read();
}

std::string csv_text(const Spectrum& s, std::string_view command) {
  std::string out = fmt::format("# {}\n", s.provenance);
  if (!command.empty()) out += fmt::format("# made by: {}\n", command);
  out += fmt::format("# unexplained_variance = {}\n{}\n", settings::text_of(s.unexplained_variance),
                     settings::join(column_names, ","));
  for (std::size_t a = 0; a < s.modes(); ++a)
    out += fmt::format("{},{},{}\n", settings::text_of(s.eigenvalue[a]), settings::text_of(s.multiplicity[a]),
                       settings::text_of(s.target_power[a]));
  return out;
}

void write_csv(const Spectrum& spectrum, const std::string& path, std::string_view command) {
  std::ofstream file(path);
  file << csv_text(spectrum, command);
  file.close();
  if (!file) throw std::runtime_error(fmt::format("cannot write '{}'", path));
}

std::string found_file(const std::string& beside, const std::string& given) {
  std::error_code ignored;
  if (!std::filesystem::exists(beside, ignored))
    for (const std::string folder : {EDGEWISE_SOURCE_DATA_DIR, EDGEWISE_INSTALL_DATA_DIR})
      if (const auto shipped = std::filesystem::path(folder) / given; std::filesystem::exists(shipped, ignored))
        return shipped.string();
  return beside;
}

namespace {

Spectrum build_from_file(const settings::Values& values) {
  const std::string path = found_file(values.file("path"), values.text("path"));
  try {
    Spectrum spectrum = read_csv(path);
    checked(spectrum);  // here, so that errors name the path; the order stays that of the file
    return spectrum;
  } catch (const std::exception& error) {
    throw values.error("path", settings::said_by(error));
  }
}

}  // namespace

Kind file_kind() {
  settings::Description d;
  d.name = "file";
  d.summary = "Eigenvalues from a CSV file.";
  d.equations =
      "columns eigenvalue, multiplicity (default 1), target_power (default 1; of the whole eigenspace), in this order\n"
      "or as named by a first line; '#' starts a comment; '# unexplained_variance = X' is read";
  d.source = "the file";
  d.parameters = {
      settings::text("path",
                     "the CSV file, relative to the experiment file, or the name of one shipped with edgewise "
                     "(fashion-mnist.csv)")
          .must(),
  };
  return {d, build_from_file};
}

}  // namespace edgewise::spectra
