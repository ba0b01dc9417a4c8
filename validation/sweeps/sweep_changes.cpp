// Built at -O1: nothing here takes time.
#include "validation/sweeps/sweep_changes.hpp"

#include <fmt/format.h>

#include <map>
#include <sstream>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::validation {

using settings::Table;
using settings::Value;

namespace {

std::string name_of(const Table& element, const std::string& group, std::size_t index) {
  for (const char* key : {"name", "key"})
    if (const Value* value = element.find(key))
      if (const auto* word = std::get_if<std::string>(value)) return fmt::format("{} '{}'", group, *word);
  return fmt::format("{} {}", group, index + 1);
}

/// Every value with a readable name.
void flatten(const Table& table, const std::string& where, std::map<std::string, std::string>& out) {
  for (const std::string& key : table.keys()) {
    if (const Value* value = table.find(key)) {
      out[where + key] = settings::text_of(*value);
    } else if (const Table* section = table.table(key)) {
      flatten(*section, key == "experiment" && where.empty() ? "" : where + key + ".", out);
    } else {
      const auto elements = table.tables(key);
      for (std::size_t i = 0; i < elements.size(); ++i)
        flatten(elements[i], where + name_of(elements[i], key, i) + ": ", out);
    }
  }
}

std::string summary(const std::vector<std::string>& all) {
  constexpr std::size_t shown = 3;
  if (all.empty()) return "the order of its parts differs";
  std::string out;
  for (std::size_t i = 0; i < std::min(shown, all.size()); ++i) out += (i > 0 ? ", " : "") + all[i];
  if (all.size() > shown) out += fmt::format(", and {} more differences", all.size() - shown);
  return out;
}

std::string shortened(const std::string& text) {
  constexpr std::size_t most = 60;
  return text.size() <= most ? text : text.substr(0, most - 3) + "...";
}

std::vector<std::string> differences(const std::map<std::string, std::string>& before,
                                     const std::map<std::string, std::string>& now) {
  std::vector<std::string> out;
  for (const auto& [key, value] : before) {
    const auto found = now.find(key);
    if (found == now.end())
      out.push_back(fmt::format("{} was {} and is gone", key, shortened(value)));
    else if (found->second != value)
      out.push_back(fmt::format("{} was {} and is {}", key, shortened(value), shortened(found->second)));
  }
  for (const auto& [key, value] : now)
    if (!before.contains(key)) out.push_back(fmt::format("{} is new, {}", key, shortened(value)));
  return out;
}

}  // namespace

std::string changes(const Table& before, const Table& now) {
  std::map<std::string, std::string> old_values, new_values;
  flatten(before, "", old_values);
  flatten(now, "", new_values);
  return summary(differences(old_values, new_values));
}

std::string file_changes(const std::string& before, const std::string& now) {
  const auto parse = [](const std::string& text) {
    std::map<std::string, std::string> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const auto space = line.rfind(' ');
      out[line.substr(0, space)] = line.substr(space + 1);
    }
    return out;
  };
  const auto old_files = parse(before), new_files = parse(now);
  std::vector<std::string> out;
  for (const auto& [path, digest] : old_files) {
    const auto found = new_files.find(path);
    if (found == new_files.end())
      out.push_back(fmt::format("the file {} is not there any more", path));
    else if (found->second != digest)
      out.push_back(fmt::format("the file {} has other contents", path));
  }
  for (const auto& [path, digest] : new_files)
    if (!old_files.contains(path)) out.push_back(fmt::format("the file {} is new", path));
  return summary(out);
}

}  // namespace edgewise::validation
