#pragma once
/// \file
/// A schedule before its warm-up, and how a family of them is declared: its parameters and its formula, nothing else.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/schedules.hpp"

namespace edgewise::models::ingredients {

/// Its value at time t (in steps) and the times where it or its slope jumps.
struct Shape {
  std::function<double(double)> at;
  std::vector<double> breaks = {};
  bool constant = false;
  bool from_last_warmup = false;  ///< after a warm-up of w > 1 steps that comes first it goes on from the last of them
};

/// Of the checked values and the horizon in steps.
using ShapeBuilder = std::function<Shape(const settings::Values&, double horizon)>;

/// x = t/T in [0, 1]; a horizon of 0 has step 0 only.
inline double fraction(double t, double horizon) {
  return horizon > 0 ? std::clamp(t / horizon, 0.0, 1.0) : 0.0;
}

/// Which of n equal stages of the horizon holds time t, from 0 on; their borders are known to rounding only where the
/// horizon is not whole.
inline std::size_t stage_at(double t, double n, double horizon) {
  if (!(horizon > 0)) return 0;
  constexpr double rounding = 1e-12;
  return static_cast<std::size_t>(std::clamp(std::floor(n * t / horizon + rounding * n), 0.0, n - 1));
}

/// s(x), smooth but for where its slope jumps, at x > 0.
inline Shape smooth(double horizon, std::function<double(double)> of_x, const std::vector<double>& jumps = {}) {
  Shape shape{[horizon, of_x = std::move(of_x)](double t) { return of_x(fraction(t, horizon)); }};
  for (const double x : jumps)
    if (x > 0) shape.breaks.push_back(x * horizon);
  return shape;
}

/// A family, with the keys of the warm-up that all have.
ScheduleKind schedule_family(std::string name, std::string summary, std::string equations,
                             std::vector<settings::Parameter> parameters, ShapeBuilder shape);

// The families, by where they are declared.
std::vector<ScheduleKind> decays();             // decays.cpp
std::vector<ScheduleKind> curves_by_knots();    // knots.cpp
std::vector<ScheduleKind> schedules_by_list();  // tables.cpp

}  // namespace edgewise::models::ingredients
