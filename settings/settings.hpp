#pragma once
/// \file
/// What a named thing can be told, and how it is read from an experiment file.
///
/// Every spectrum, noise law, optimizer, schedule and model declares its parameters once, as a list of `Parameter`.
/// The same list checks an experiment (types, ranges, unknown keys, near misses) and prints `edgewise describe`.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace edgewise::settings {

/// Bad input. `what()` is one readable line that names the file, the key and the accepted values.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using Matrix = std::vector<std::vector<double>>;
using Value =
    std::variant<bool, std::int64_t, double, std::string, std::vector<double>, std::vector<std::string>, Matrix>;

/// A tree of keys: an experiment file, or one of its sections.
class Table {
 public:
  Table() = default;
  Table(std::string origin, std::string path) : origin_(std::move(origin)), path_(std::move(path)) {}

  /// Where the table came from (a file name), for messages.
  const std::string& origin() const { return origin_; }
  /// Dotted path of this table inside its file; empty for the root.
  const std::string& path() const { return path_; }

  bool has(std::string_view key) const;
  /// The value at `key`, or null when absent or a table.
  const Value* find(std::string_view key) const;
  /// The subtable at `key`, or null.
  const Table* table(std::string_view key) const;
  /// The tables of an array of tables `[[key]]`; empty when absent.
  std::span<const Table> tables(std::string_view key) const;
  /// Subtable at `key`; an empty one with the right path when absent.
  Table table_or_empty(std::string_view key) const;
  std::vector<std::string> keys() const;

  void set(const std::string& key, Value value);
  Table& make_table(const std::string& key);
  Table& append_table(const std::string& key);

  /// "FILE: SECTION.KEY: MESSAGE", ready to throw.
  Error error(std::string_view key, std::string_view message) const;
  /// The table as TOML text that parses back to the same values.
  std::string text() const;

 private:
  std::string origin_, path_;
  std::map<std::string, Value, std::less<>> values_;
  std::map<std::string, std::vector<Table>, std::less<>> tables_;
  std::map<std::string, bool, std::less<>> is_array_;
};

/// Reads a TOML file. \throws Error when it cannot be read or parsed (with line and column).
Table read_file(const std::string& path);
/// Parses TOML text; `origin` is used in messages.
Table read_text(std::string_view text, const std::string& origin);
/// Applies "section.key=value" (value in TOML syntax; a bare word is taken as text). \throws Error.
void override_value(Table& table, std::string_view assignment);

/// Runs `work`; a std::invalid_argument, which functions below throw that know no file, becomes an Error of `where` (a
/// Table or Values) at `key`.
template <class Where, class Work>
auto naming(const Where& where, std::string_view key, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::invalid_argument& e) {
    throw where.error(key, e.what());
  }
}

enum class Type { boolean, integer, number, text, numbers, texts, matrix };
std::string_view name(Type type);

/// One thing that can be set: its type, default, range, unit and meaning.
struct Parameter {
  std::string name;
  Type type = Type::number;
  std::string doc;
  std::string unit;
  std::optional<Value> fallback;
  std::string fallback_text;  ///< describes a default that is computed
  bool required = false;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
  bool minimum_excluded = false, maximum_excluded = false;
  bool infinity_allowed = false;
  std::vector<std::string> accepted;  ///< of a text
  std::string read_by;                ///< another text of the section; empty: it is always read
  std::vector<std::string> read_at;   ///< at which words of that it is read

  Parameter& in(std::string the_unit);
  Parameter& otherwise(Value value);     ///< default
  Parameter& computed(std::string how);  ///< optional; the default is computed as described
  Parameter& must();                     ///< required
  Parameter& above(double bound);        ///< > bound
  Parameter& at_least(double bound);     ///< >= bound
  Parameter& below(double bound);        ///< < bound
  Parameter& at_most(double bound);      ///< <= bound
  Parameter& or_infinite();              ///< inf is accepted
  Parameter& one_of(std::vector<std::string> words);
  /// Refused where the section's text `key` is none of `words`, for nobody would read it there.
  Parameter& where(std::string key, std::vector<std::string> words);
  /// The range or the accepted words, as a reader would say them ("> 0", "one of a, b").
  std::string range_text() const;
  /// Where it is read ("method = ode"); empty: everywhere.
  std::string where_text() const;
};

Parameter boolean(std::string name, std::string doc);
Parameter integer(std::string name, std::string doc);
Parameter number(std::string name, std::string doc);
Parameter text(std::string name, std::string doc);
Parameter numbers(std::string name, std::string doc);
Parameter texts(std::string name, std::string doc);
Parameter matrix(std::string name, std::string doc);

/// A named thing that the user can choose and `edgewise describe` can explain.
struct Description {
  std::string name;
  std::string summary;    ///< one line
  std::string equations;  ///< plain text, several lines
  std::string source;     ///< papers; the page of docs/theory and its section
  std::vector<Parameter> parameters;
};

/// Values of a section after checking, defaults filled in.
class Values {
 public:
  Values() = default;
  /// True when the user gave it or it has a default.
  bool has(std::string_view key) const;
  /// True when the user gave it.
  bool given(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  /// A number >= 0 that must be whole, e.g. written as 1e3. \throws Error.
  std::size_t whole(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  const std::vector<double>& numbers(std::string_view key) const;
  const std::vector<std::string>& texts(std::string_view key) const;
  const Matrix& matrix(std::string_view key) const;
  /// An Error that names the file and the key.
  Error error(std::string_view key, std::string_view message) const;
  /// `path`, taken from the folder of the experiment file where it is relative.
  std::string resolve(const std::string& path) const;
  /// The same of the path at `key`. \throws Error when it is empty.
  std::string file(std::string_view key) const;

 private:
  friend Values read(const Table&, std::span<const Parameter>, std::span<const std::string>);
  const Value& get(std::string_view key) const;
  Table where_;
  std::map<std::string, Value, std::less<>> values_;
  std::map<std::string, bool, std::less<>> given_;
};

/// The keys of sections as SECTION.KEY, section after section: how the description of a model names its own.
std::vector<Parameter> with_sections(const std::vector<std::pair<std::string, std::vector<Parameter>>>& sections);

/// Checks `table` against `parameters` and fills in defaults.
/// `also` lists keys (or subtables) that are legal here but read by somebody else.
/// \throws Error for an unknown key (with the nearest known one), a wrong type, a value out of range, a missing key, a key
/// that is not read at the values of others.
Values read(const Table& table, std::span<const Parameter> parameters, std::span<const std::string> also = {});

/// A section `[name]` that picks one of several described things by its key `kind` (or another).
struct Choice {
  std::size_t index = 0;  ///< into the descriptions
  Values values;
};
Choice read_choice(const Table& experiment, const std::string& section, std::span<const Description* const> things,
                   std::string_view default_kind, std::span<const std::string> also = {},
                   const std::string& key = "kind");

/// ", did you mean 'x'?" for the nearest of `words`, or "" when none is near.
std::string suggestion(std::string_view word, std::span<const std::string> words);
/// "a, b, c"
std::string join(std::span<const std::string> words, std::string_view separator = ", ");
/// Shortest text that reads back to the same double ("inf", "nan" as such).
std::string text_of(double value);
/// A value in TOML syntax.
std::string text_of(const Value& value);

}  // namespace edgewise::settings
