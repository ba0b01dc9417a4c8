#include "settings/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "settings/shown.hpp"

namespace edgewise::settings {

// ---- tables ---------------------------------------------------------------------------------------------------

bool Table::has(std::string_view key) const {
  return values_.contains(key) || tables_.contains(key);
}

const Value* Table::find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

const Table* Table::table(std::string_view key) const {
  const auto it = tables_.find(key);
  return it == tables_.end() || is_array_.find(key)->second ? nullptr : &it->second.front();
}

std::span<const Table> Table::tables(std::string_view key) const {
  const auto it = tables_.find(key);
  if (it == tables_.end()) return {};
  return it->second;
}

namespace {
std::string dotted(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}
}  // namespace

Table Table::table_or_empty(std::string_view key) const {
  const Table* found = table(key);
  if (found) return *found;
  if (has(key)) throw error(key, "must be a section, [" + dotted(path_, key) + "]");
  return Table(origin_, dotted(path_, key));
}

std::vector<std::string> Table::keys() const {
  std::vector<std::string> all;
  for (const auto& [key, value] : values_) all.push_back(key);
  for (const auto& [key, value] : tables_) all.push_back(key);
  return all;
}

void Table::set(const std::string& key, Value value) {
  tables_.erase(key);
  is_array_.erase(key);
  values_[key] = std::move(value);
}

Table& Table::make_table(const std::string& key) {
  if (values_.contains(key)) throw error(key, "is a value, not a section");
  auto [it, inserted] = tables_.try_emplace(key);
  if (inserted) {
    it->second.emplace_back(origin_, dotted(path_, key));
    is_array_[key] = false;
  }
  return it->second.front();
}

Table& Table::append_table(const std::string& key) {
  is_array_[key] = true;
  auto& list = tables_[key];
  return list.emplace_back(origin_, fmt::format("{}[{}]", dotted(path_, key), list.size()));
}

Error Table::error(std::string_view key, std::string_view message) const {
  const std::string where = shown(key.empty() ? path_ : dotted(path_, key), 120);
  if (where.empty()) return Error(fmt::format("{}: {}", origin_, message));
  return Error(fmt::format("{}: {}: {}", origin_, where, message));
}

namespace {
bool bare(const std::string& key) {
  return !key.empty() &&
         std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}
std::string key_text(const std::string& key) {
  return bare(key) ? key : text_of(Value(key));
}

void write(const Table& table, const std::string& prefix, std::string& out) {
  for (const auto& key : table.keys())
    if (const Value* value = table.find(key)) out += key_text(key) + " = " + text_of(*value) + "\n";
  for (const auto& key : table.keys()) {
    if (table.find(key)) continue;
    const std::string path = prefix.empty() ? key_text(key) : prefix + "." + key_text(key);
    const bool array = table.table(key) == nullptr;
    for (const Table& sub : table.tables(key)) {
      if (!out.empty()) out += "\n";
      out += array ? "[[" + path + "]]\n" : "[" + path + "]\n";
      write(sub, path, out);
    }
  }
}
}  // namespace

std::string Table::text() const {
  std::string out;
  write(*this, "", out);
  return out;
}

// ---- parameters -----------------------------------------------------------------------------------------------

std::string_view name(Type type) {
  switch (type) {
    case Type::boolean:
      return "true or false";
    case Type::integer:
      return "a whole number";
    case Type::number:
      return "a number";
    case Type::text:
      return "text";
    case Type::numbers:
      return "a list of numbers";
    case Type::texts:
      return "a list of texts";
    case Type::matrix:
      return "a list of rows of numbers";
  }
  return "";
}

Parameter& Parameter::in(std::string the_unit) {
  unit = std::move(the_unit);
  return *this;
}
Parameter& Parameter::otherwise(Value value) {
  if (type == Type::number && std::holds_alternative<std::int64_t>(value))
    value = static_cast<double>(std::get<std::int64_t>(value));
  fallback = std::move(value);
  return *this;
}
Parameter& Parameter::computed(std::string how) {
  fallback_text = std::move(how);
  fallback.reset();
  return *this;
}
Parameter& Parameter::must() {
  required = true;
  return *this;
}
Parameter& Parameter::above(double bound) {
  minimum = bound;
  minimum_excluded = true;
  return *this;
}
Parameter& Parameter::at_least(double bound) {
  minimum = bound;
  return *this;
}
Parameter& Parameter::below(double bound) {
  maximum = bound;
  maximum_excluded = true;
  return *this;
}
Parameter& Parameter::at_most(double bound) {
  maximum = bound;
  return *this;
}
Parameter& Parameter::or_infinite() {
  infinity_allowed = true;
  return *this;
}
Parameter& Parameter::one_of(std::vector<std::string> words) {
  accepted = std::move(words);
  return *this;
}

Parameter& Parameter::where(std::string key, std::vector<std::string> words) {
  read_by = std::move(key);
  read_at = std::move(words);
  return *this;
}
std::string Parameter::where_text() const {
  return read_by.empty() ? "" : fmt::format("{} = {}", read_by, join(read_at, " or "));
}
std::string Parameter::range_text() const {
  if (!accepted.empty()) return "one of " + join(accepted);
  std::vector<std::string> bounds;
  if (std::isfinite(minimum)) bounds.push_back(fmt::format("{} {}", minimum_excluded ? ">" : ">=", text_of(minimum)));
  if (std::isfinite(maximum)) bounds.push_back(fmt::format("{} {}", maximum_excluded ? "<" : "<=", text_of(maximum)));
  std::string range = join(bounds, " and ");
  if (infinity_allowed) range += range.empty() ? "inf accepted" : ", or inf";
  return range;
}

namespace {
Parameter make(Type type, std::string name, std::string doc) {
  Parameter p;
  p.type = type;
  p.name = std::move(name);
  p.doc = std::move(doc);
  return p;
}
}  // namespace

Parameter boolean(std::string name, std::string doc) {
  return make(Type::boolean, std::move(name), std::move(doc));
}
Parameter integer(std::string name, std::string doc) {
  return make(Type::integer, std::move(name), std::move(doc));
}
Parameter number(std::string name, std::string doc) {
  return make(Type::number, std::move(name), std::move(doc));
}
Parameter text(std::string name, std::string doc) {
  return make(Type::text, std::move(name), std::move(doc));
}
Parameter numbers(std::string name, std::string doc) {
  return make(Type::numbers, std::move(name), std::move(doc));
}
Parameter texts(std::string name, std::string doc) {
  return make(Type::texts, std::move(name), std::move(doc));
}
Parameter matrix(std::string name, std::string doc) {
  return make(Type::matrix, std::move(name), std::move(doc));
}

// ---- values ---------------------------------------------------------------------------------------------------

bool Values::has(std::string_view key) const {
  return values_.contains(key);
}
bool Values::given(std::string_view key) const {
  return given_.contains(key);
}

const Value& Values::get(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) throw error(key, "is needed here");
  return it->second;
}
bool Values::flag(std::string_view key) const {
  return std::get<bool>(get(key));
}
std::int64_t Values::integer(std::string_view key) const {
  return std::get<std::int64_t>(get(key));
}
double Values::number(std::string_view key) const {
  return std::get<double>(get(key));
}
std::size_t Values::whole(std::string_view key) const {
  const double x = number(key);
  if (!std::isfinite(x) || x != std::floor(x)) throw error(key, "must be a whole number");
  constexpr double largest = 9007199254740992;  // beyond, doubles leave whole numbers out
  if (std::abs(x) > largest) throw error(key, "must be a whole number of at most 9007199254740992");
  return static_cast<std::size_t>(x);
}
const std::string& Values::text(std::string_view key) const {
  return std::get<std::string>(get(key));
}
const std::vector<double>& Values::numbers(std::string_view key) const {
  return std::get<std::vector<double>>(get(key));
}
const std::vector<std::string>& Values::texts(std::string_view key) const {
  return std::get<std::vector<std::string>>(get(key));
}
const Matrix& Values::matrix(std::string_view key) const {
  return std::get<Matrix>(get(key));
}
Error Values::error(std::string_view key, std::string_view message) const {
  return where_.error(key, message);
}

std::string Values::resolve(const std::string& path) const {
  return (std::filesystem::path(where_.origin()).parent_path() / path).string();
}
std::string Values::file(std::string_view key) const {
  if (text(key).empty()) throw error(key, "is empty; it must be the path of a file");
  return resolve(text(key));
}

namespace {

std::optional<Value> converted(const Value& value, Type type) {
  switch (type) {
    case Type::boolean:
      if (std::holds_alternative<bool>(value)) return value;
      break;
    case Type::integer:
      if (std::holds_alternative<std::int64_t>(value)) return value;
      if (const double* x = std::get_if<double>(&value); x && *x >= -0x1p63 && *x < 0x1p63 && *x == std::floor(*x))
        return static_cast<std::int64_t>(*x);
      break;
    case Type::number:
      if (std::holds_alternative<double>(value)) return value;
      if (const auto* i = std::get_if<std::int64_t>(&value)) return static_cast<double>(*i);
      break;
    case Type::text:
      if (std::holds_alternative<std::string>(value)) return value;
      break;
    case Type::numbers:
      if (std::holds_alternative<std::vector<double>>(value)) return value;
      break;
    case Type::texts:
      if (std::holds_alternative<std::vector<std::string>>(value)) return value;
      if (const auto* empty = std::get_if<std::vector<double>>(&value); empty && empty->empty())
        return std::vector<std::string>{};
      break;
    case Type::matrix:
      if (std::holds_alternative<Matrix>(value)) return value;
      break;
  }
  return std::nullopt;
}

void check_range(const Table& table, const Parameter& p, double x) {
  const bool low = p.minimum_excluded ? !(x > p.minimum) : !(x >= p.minimum);
  const bool high = p.maximum_excluded ? !(x < p.maximum) : !(x <= p.maximum);
  if (std::isinf(x) && x > 0 && p.infinity_allowed) return;
  if (low || high || !std::isfinite(x)) {
    const std::string range = std::isfinite(p.minimum) || std::isfinite(p.maximum) ? p.range_text() : "";
    // An infinity may well lie in the range.
    const std::string wanted = range.empty() ? (std::isnan(x)        ? "a number"
                                                : p.infinity_allowed ? "finite, or inf"
                                                                     : "finite")
                               : low || high ? range
                                             : "finite and " + range;
    throw table.error(p.name, fmt::format("must be {}, got {}", wanted, text_of(x)));
  }
}

/// Of a whole number too large for an integer its size is what is wrong.
void check_size(const Table& table, const Parameter& p, const Value& value) {
  const double* x = std::get_if<double>(&value);
  if (!x || !std::isfinite(*x) || *x != std::floor(*x)) return;
  check_range(table, p, *x);
  using Limits = std::numeric_limits<std::int64_t>;
  const std::int64_t least = std::isfinite(p.minimum) ? static_cast<std::int64_t>(p.minimum) : Limits::min();
  throw table.error(p.name,
                    fmt::format("must be a whole number from {} to {}, got {}", least, Limits::max(), text_of(*x)));
}

void check(const Table& table, const Parameter& p, const Value& value) {
  if (const auto* x = std::get_if<double>(&value)) check_range(table, p, *x);
  if (const auto* i = std::get_if<std::int64_t>(&value)) check_range(table, p, static_cast<double>(*i));
  if (const auto* xs = std::get_if<std::vector<double>>(&value))
    for (double x : *xs) check_range(table, p, x);
  if (const auto* word = std::get_if<std::string>(&value); word && !p.accepted.empty())
    if (std::find(p.accepted.begin(), p.accepted.end(), *word) == p.accepted.end())
      throw table.error(p.name, fmt::format("'{}' is not one of {}{}", shown(*word), join(p.accepted),
                                            suggestion(*word, p.accepted)));
}

/// The parameter that is not read at the values of others: `p`, or one that decides whether `p` is; else null.
const Parameter* unread(const Parameter& p, std::span<const Parameter> parameters, const Values& values) {
  if (p.read_by.empty() || !values.has(p.read_by)) return nullptr;
  if (std::ranges::find(p.read_at, values.text(p.read_by)) == p.read_at.end()) return &p;
  const auto above = std::ranges::find(parameters, p.read_by, &Parameter::name);
  return above == parameters.end() ? nullptr : unread(*above, parameters, values);
}

}  // namespace

std::vector<Parameter> with_sections(const std::vector<std::pair<std::string, std::vector<Parameter>>>& sections) {
  std::vector<Parameter> out;
  for (const auto& entry : sections)
    for (const Parameter& key : entry.second) {
      out.push_back(key);
      out.back().name = entry.first + "." + key.name;
    }
  return out;
}

Values read(const Table& table, std::span<const Parameter> parameters, std::span<const std::string> also) {
  std::vector<std::string> known;
  for (const auto& p : parameters) known.push_back(p.name);
  known.insert(known.end(), also.begin(), also.end());
  for (const auto& key : table.keys())
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      const std::string near = suggestion(key, known);
      throw table.error(key, known.empty()  ? std::string("unknown key; nothing is read here")
                             : near.empty() ? fmt::format("unknown key; known here: {}", join(known))
                                            : fmt::format("unknown key{}", near));
    }
  Values values;
  values.where_ = Table(table.origin(), table.path());
  for (const auto& p : parameters) {
    if (!table.has(p.name)) {
      if (p.required)
        throw table.error(p.name, fmt::format("is required ({}{})", name(p.type),
                                              p.range_text().empty() ? "" : ", " + p.range_text()));
      if (p.fallback) values.values_[p.name] = *p.fallback;
      continue;
    }
    const Value* value = table.find(p.name);
    const auto typed = value ? converted(*value, p.type) : std::nullopt;
    if (value && !typed && p.type == Type::integer) check_size(table, p, *value);
    if (!typed)
      throw table.error(p.name,
                        fmt::format("must be {}, got {}", name(p.type), value ? shown(text_of(*value)) : "a section"));
    check(table, p, *typed);
    values.values_[p.name] = *typed;
    values.given_[p.name] = true;
  }
  for (const auto& p : parameters)
    if (const Parameter* of = values.given(p.name) ? unread(p, parameters, values) : nullptr)
      throw table.error(p.name, fmt::format("is read where {}, and here it is {}; leave it out", of->where_text(),
                                            values.text(of->read_by)));
  return values;
}

Choice read_choice(const Table& experiment, const std::string& section, std::span<const Description* const> things,
                   std::string_view default_kind, std::span<const std::string> also, const std::string& key) {
  const Table table = experiment.table_or_empty(section);
  std::vector<std::string> kinds;
  for (const auto* thing : things) kinds.push_back(thing->name);
  Parameter kind = settings::text(key, "which one").one_of(kinds);
  if (default_kind.empty())
    kind.must();
  else
    kind.otherwise(std::string(default_kind));
  const std::vector<std::string> all_keys = table.keys();
  const std::string word = read(table, std::span(&kind, 1), all_keys).text(key);
  Choice choice;
  choice.index = static_cast<std::size_t>(std::find(kinds.begin(), kinds.end(), word) - kinds.begin());
  std::vector<std::string> allowed(also.begin(), also.end());
  allowed.push_back(key);
  choice.values = read(table, things[choice.index]->parameters, allowed);
  return choice;
}

// ---- words ----------------------------------------------------------------------------------------------------

namespace {
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}
}  // namespace

std::string suggestion(std::string_view word, std::span<const std::string> words) {
  constexpr std::size_t longest = 200;
  if (word.size() > longest) return "";
  std::size_t best = std::max<std::size_t>(2, word.size() / 3) + 1;
  const std::string* nearest = nullptr;
  for (const auto& candidate : words) {
    std::size_t distance = edit_distance(word, candidate);
    if (word.size() >= 3 && candidate.starts_with(word)) distance = std::min<std::size_t>(distance, 1);
    if (distance < best && distance < std::max(word.size(), candidate.size())) {
      best = distance;
      nearest = &candidate;
    }
  }
  return nearest ? fmt::format(", did you mean '{}'?", *nearest) : "";
}

std::string join(std::span<const std::string> words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

std::string text_of(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{}", value);
}

namespace {
std::string toml_number(double value) {
  std::string text = text_of(value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}
std::string quoted(const std::string& raw) {
  std::string out = "\"";
  for (const char c : raw) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}
}  // namespace

std::string text_of(const Value& value) {
  struct Writer {
    std::string operator()(bool b) const { return b ? "true" : "false"; }
    std::string operator()(std::int64_t i) const { return fmt::format("{}", i); }
    std::string operator()(double x) const { return toml_number(x); }
    std::string operator()(const std::string& s) const { return quoted(s); }
    std::string operator()(const std::vector<double>& xs) const {
      std::vector<std::string> parts;
      for (double x : xs) parts.push_back(toml_number(x));
      return "[" + join(parts) + "]";
    }
    std::string operator()(const std::vector<std::string>& words) const {
      std::vector<std::string> parts;
      for (const auto& word : words) parts.push_back(quoted(word));
      return "[" + join(parts) + "]";
    }
    std::string operator()(const Matrix& rows) const {
      std::vector<std::string> parts;
      for (const auto& row : rows) parts.push_back((*this)(row));
      return "[" + join(parts) + "]";
    }
  };
  return std::visit(Writer{}, value);
}

}  // namespace edgewise::settings
