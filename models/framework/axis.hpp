#pragma once
/// \file
/// What a trajectory runs along: optimizer steps, and for some models samples or depth.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::models {

/// Whole numbers from 0 on, along which observables are recorded. A section of the experiment says up to where, and which
/// of them are recorded.
struct Axis {
  std::string name;      ///< of the column and the dimension in results, e.g. "step"
  std::string section;   ///< of the experiment, e.g. "time"
  std::string last;      ///< the key of that section that gives the last one, e.g. "steps"
  std::string one;       ///< one of its numbers, of which an s makes several, e.g. "step"
  std::string unit;      ///< what is counted, e.g. "optimizer steps"
  std::string doc;       ///< e.g. "optimizer steps taken"
  std::string label;     ///< of figures, e.g. "optimizer step"
  std::string last_doc;  ///< what the last one is
};

/// Steps of an optimizer; section [time], keys steps, points, at.
const Axis& step_axis();
/// The size of the training set, for learning curves; section [samples], keys max, points, at.
const Axis& samples_axis();
/// Layers, or iterations of an equilibrium; section [depth], keys max, points, at.
const Axis& depth_axis();
/// All of them, the steps first.
std::span<const Axis* const> axes();
/// The axis of that name, or null.
const Axis* find_axis(std::string_view name);

/// The keys of the axis' section.
const std::vector<settings::Parameter>& parameters(const Axis& axis);

}  // namespace edgewise::models
