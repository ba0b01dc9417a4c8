#pragma once
// What a problem says, by name.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::testing {

/// The value of the finding, which must be there.
template <class T>
T finding(const std::vector<Finding>& findings, std::string_view name) {
  for (const Finding& f : findings)
    if (f.name == name) return std::get<T>(f.value);
  FAIL("no finding " << std::string(name));
  return {};
}
inline double number(const std::vector<Finding>& findings, std::string_view name) {
  return finding<double>(findings, name);
}
inline bool flag(const std::vector<Finding>& findings, std::string_view name) {
  return finding<bool>(findings, name);
}
inline std::string words(const std::vector<Finding>& findings, std::string_view name) {
  return finding<std::string>(findings, name);
}
inline bool there(const std::vector<Finding>& findings, std::string_view name) {
  for (const Finding& f : findings)
    if (f.name == name) return true;
  return false;
}

inline const std::vector<double>& column(const std::vector<ModeColumn>& table, std::string_view name) {
  for (const ModeColumn& c : table)
    if (c.name == name) return c.value;
  FAIL("no column " << std::string(name));
  return table.front().value;
}
inline const std::vector<double>& column(const Trajectory& t, std::string_view name) {
  const Column* c = t.find(name);
  REQUIRE_MESSAGE(c, std::string(name));
  return c->value;
}
inline double report(const Trajectory& t, std::string_view name) {
  for (const auto& entry : t.report)
    if (entry.first == name) return entry.second;
  FAIL("nothing reported as " << std::string(name));
  return 0;
}
inline std::string label(const Trajectory& t, std::string_view name) {
  for (const auto& entry : t.labels)
    if (entry.first == name) return entry.second;
  return {};
}

}  // namespace edgewise::models::testing
