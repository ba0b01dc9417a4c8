#pragma once
/// Experiments from text to problems, and what is said of bad ones.
#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "models/framework/model.hpp"

namespace edgewise::models::testing {

/// The problem of an experiment called x.toml.
inline std::unique_ptr<Problem> prepare(const std::string& text) {
  const Experiment experiment = read_experiment(settings::read_text(text, "x.toml"));
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

/// Whether `part` stands in `text`, which is shown where it does not.
inline bool holds(const std::string& text, const std::string& part) {
  if (text.find(part) == std::string::npos) MESSAGE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace edgewise::models::testing
