#include "spectra/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

const std::vector<std::string> column_names{"eigenvalue", "multiplicity", "target_power"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::vector<std::string_view> cells(std::string_view line) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto comma = line.find(',');
    out.push_back(trimmed(line.substr(0, comma)));
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}

std::optional<double> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  Spectrum read() {
    std::ifstream file(path_);
    if (!file || std::filesystem::is_directory(path_))
      throw std::runtime_error(fmt::format("cannot read '{}': no such file, or not readable", path_));
    for (std::string line; std::getline(file, line);) {
      ++line_;
      const std::string_view text = trimmed(line);
      if (text.empty()) continue;
      if (text.starts_with('#'))
        comment(trimmed(text.substr(1)));
      else if (columns_.empty() && header(cells(text)))
        continue;
      else
        row(cells(text));
    }
    if (spectrum_.eigenvalue.empty()) throw std::runtime_error(fmt::format("'{}' holds no eigenvalue", path_));
    spectrum_.provenance = fmt::format("file {}", std::filesystem::path(path_).filename().string());
    if (!title_.empty()) spectrum_.provenance += ": " + title_;
    return spectrum_;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw std::runtime_error(fmt::format("{}:{}: {}", path_, line_, message));
  }

  void comment(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos || trimmed(text.substr(0, equals)) != "unexplained_variance") {
      if (title_.empty()) title_ = text;
      return;
    }
    const std::string_view value = trimmed(text.substr(equals + 1));
    const auto x = number(value);
    if (!x || !(*x >= 0) || std::isinf(*x))
      fail(fmt::format("unexplained_variance must be a number >= 0, got '{}'", value));
    spectrum_.unexplained_variance = *x;
  }

  /// True when the line names the columns; otherwise the columns are the usual ones in their order.
  bool header(const std::vector<std::string_view>& names) {
    if (number(names[0])) {
      if (names.size() > column_names.size()) fail(fmt::format("has {} columns, at most 3 are known", names.size()));
      for (std::size_t k = 0; k < names.size(); ++k) columns_.push_back(k);
      return false;
    }
    for (const std::string_view name : names) {
      const auto known = std::find(column_names.begin(), column_names.end(), name);
      if (known == column_names.end())
        fail(fmt::format("'{}' is neither a number nor one of the columns {}{}", name, settings::join(column_names),
                         settings::suggestion(name, column_names)));
      const auto column = static_cast<std::size_t>(known - column_names.begin());
      if (std::find(columns_.begin(), columns_.end(), column) != columns_.end())
        fail(fmt::format("column '{}' is named twice", name));
      columns_.push_back(column);
    }
    if (std::find(columns_.begin(), columns_.end(), 0U) == columns_.end()) fail("no column is named eigenvalue");
    return true;
  }

  void row(const std::vector<std::string_view>& texts) {
    if (texts.size() != columns_.size())
      fail(fmt::format("has {} columns, expected {}", texts.size(), columns_.size()));
    double values[3] = {0, 1, 1};
    for (std::size_t k = 0; k < texts.size(); ++k) {
      const auto x = number(texts[k]);
      const std::string& name = column_names[columns_[k]];
      if (!x) fail(fmt::format("{} '{}' is not a number", name, texts[k]));
      const bool positive = columns_[k] == 1;
      if (!std::isfinite(*x) || !(positive ? *x > 0 : *x >= 0))
        fail(fmt::format("{} must be finite and {}, got {}", name, positive ? "> 0" : ">= 0", texts[k]));
      values[columns_[k]] = *x;
    }
    spectrum_.eigenvalue.push_back(values[0]);
    spectrum_.multiplicity.push_back(values[1]);
    spectrum_.target_power.push_back(values[2]);
  }

  std::string path_, title_;
  std::size_t line_ = 0;
  std::vector<std::size_t> columns_;
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

namespace {

Spectrum build_from_file(const settings::Values& values) {
  const std::string& given = values.text("path");
  std::string path = values.resolve(given);
  if (!std::filesystem::exists(path) && !std::filesystem::path(given).is_absolute())
    for (const std::string folder : {EDGEWISE_SOURCE_DATA_DIR, EDGEWISE_INSTALL_DATA_DIR})
      if (const auto shipped = std::filesystem::path(folder) / given; std::filesystem::exists(shipped)) {
        path = shipped.string();
        break;
      }
  try {
    return checked(read_csv(path));
  } catch (const std::exception& error) {
    throw values.error("path", error.what());
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
