#pragma once
/// What experiments say where a key is left out.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"
#include "tests/models/framework/experiment_text.hpp"

namespace edgewise::models::testing {

/// Columns and their deviations, findings, modes, and what the first replica shows at the end.
inline std::vector<std::string> all_that_is_said(const std::string& text, const std::vector<std::string>& overrides) {
  const auto problem = prepare(text, overrides);
  std::vector<std::string> out;
  const auto add = [&](const std::string& name, const std::vector<double>& values) {
    for (const double x : values) out.push_back(name + " " + settings::text_of(x));
  };
  const Trajectory theory = problem->solve();
  for (const Column& column : theory.columns) {
    add(column.observable.name, column.value);
    add(column.observable.name + " std", column.std);
  }
  for (const Finding& f : problem->stability()) {
    if (const auto* x = std::get_if<double>(&f.value)) add(f.name, {*x});
    if (const auto* s = std::get_if<std::string>(&f.value)) out.push_back(f.name + " " + *s);
  }
  try {
    for (const ModeColumn& column : problem->mode_table()) add(column.name, column.value);
  } catch (const settings::Error& refusal) {
    out.emplace_back(refusal.what());  // of modes that only some values of a key have
  }
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(1, 0);
  if (!theory.steps.empty()) replica->advance(static_cast<std::uint64_t>(theory.steps.back()));
  std::vector<double> seen(simulation->observables().size());
  replica->observe(seen);
  add("run", seen);
  return out;
}

/// To leave the key out is to give its default, and not to give another value.
inline void check_default(const std::string& text, const std::string& key, const std::string& usual,
                          const std::string& other) {
  CAPTURE(key);
  const std::vector<std::string> left_out = all_that_is_said(text, {});
  CHECK(left_out == all_that_is_said(text, {key + "=" + usual}));
  CHECK(left_out != all_that_is_said(text, {key + "=" + other}));
}

}  // namespace edgewise::models::testing
