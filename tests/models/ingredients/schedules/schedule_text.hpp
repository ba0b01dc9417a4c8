#pragma once
/// Schedules from the keys of a section, and their values.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/schedules.hpp"
#include "tests/approx.hpp"

namespace edgewise::models::ingredients::testing {

inline std::unique_ptr<Schedule> parse(const std::string& section, double horizon,
                                       const std::string& origin = "x.toml") {
  return read_schedule(settings::read_text("[schedule]\n" + section, origin), "schedule", horizon);
}

inline std::string error_of(const std::string& section, double horizon = 100) {
  try {
    parse(section, horizon);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no error";
}

inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline void check_values(const std::string& section, double horizon,
                         const std::vector<std::pair<double, double>>& expected) {
  const auto schedule = parse(section, horizon);
  for (const auto& entry : expected) {
    const double t = entry.first, value = entry.second;
    CAPTURE(section);
    CAPTURE(t);
    CHECK(schedule->at(t) == edgewise::tests::Approx(value).epsilon(1e-14));
  }
}

}  // namespace edgewise::models::ingredients::testing
