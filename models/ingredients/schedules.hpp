#pragma once
/// \file
/// Schedules: the multiplier of a hyperparameter as a function of the step.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

/// A shape s(x) with s = 1 at its maximum before warm-up; x = k/T with k = 0..T-1
/// (docs/theory/schedules-and-collapse.md, section 2).
class Schedule {
 public:
  virtual ~Schedule() = default;
  /// Multiplier at time t in steps, 0 <= t <= T; at whole t it is what step t uses. Continuous limits take it at real
  /// t.
  virtual double at(double t) const = 0;
  virtual bool constant() const { return false; }
  /// Times (in steps) at which the shape or its slope jumps, so that an integrator can stop there.
  virtual std::vector<double> breaks() const { return {}; }
};

struct ScheduleKind {
  settings::Description description;
  /// `horizon` is T in steps.
  std::function<std::unique_ptr<Schedule>(const settings::Values&, double horizon)> build;
};

std::span<const ScheduleKind> schedule_kinds();

/// Reads the section `section` ("schedule", or "schedule.NAME" of another hyperparameter); constant when absent.
/// `others` are the hyperparameters whose schedules the model reads from subsections [schedule.NAME] itself.
/// \throws settings::Error for bad input, with file and key.
std::unique_ptr<Schedule> read_schedule(const settings::Table& experiment, const std::string& section, double horizon,
                                        std::span<const std::string> others = {});

}  // namespace edgewise::models::ingredients
