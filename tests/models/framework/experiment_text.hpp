#pragma once
/// Experiments from text to problems, and what is said of bad ones.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"

namespace edgewise::models::testing {

/// The problem of an experiment called x.toml. \param overrides  as `--set` takes them
inline std::unique_ptr<Problem> prepare(const std::string& text, const std::vector<std::string>& overrides = {}) {
  settings::Table table = settings::read_text(text, "x.toml");
  for (const std::string& assignment : overrides) settings::override_value(table, assignment);
  const Experiment experiment = read_experiment(std::move(table));
  return find(experiment).prepare(experiment);
}

/// The message of the error that preparing, and if asked solving and simulating, ends with; "no error" when it does
/// not.
inline std::string error_of(const std::string& text, bool solve = false, bool simulate = false) {
  try {
    const auto problem = prepare(text);
    if (solve) problem->solve();
    if (simulate) problem->simulate();
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no error";
}

/// The same with overrides: that of preparing and solving, or simulating in its place.
inline std::string error_with(const std::string& text, const std::vector<std::string>& overrides,
                              bool simulate = false) {
  try {
    const auto problem = prepare(text, overrides);
    if (simulate)
      problem->simulate();
    else
      problem->solve();
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no error";
}

/// Whether `part` stands in `text`, which is shown where it does not.
inline bool holds(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) MESSAGE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace edgewise::models::testing
