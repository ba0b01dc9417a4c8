#pragma once
/// \file
/// Panels of the figures of sweeps; for diagram.cpp.
#include <optional>
#include <string>
#include <vector>

#include "cli/figures/axis.hpp"
#include "validation/sweeps/boundaries.hpp"
#include "validation/sweeps/diagram_plane.hpp"
#include "validation/sweeps/sweep.hpp"

namespace edgewise::cli {

/// What is drawn, of what part of the grid.
struct DiagramPanel {
  /// The axes that run; `vertical` of a map, or the axis whose values are curves in several colours.
  validation::Plane plane;
  std::vector<std::size_t> measures;  ///< positions; of a map one, or none for the labels
  std::string title;
};

/// A colour for the area of the label at this position: light, so that lines and words stand out on it.
std::string label_tint(std::size_t label);

/// A number as it stands in a title or a legend.
std::string shown_value(const validation::SweepAxis& axis, std::size_t index);

/// gnuplot's ticks of an axis: its words, its numbers where the last is infinite, else those of the range drawn.
std::string ticks_of(const validation::SweepAxis& axis, const validation::AxisScale& scale, const Axis& drawn);

/// gnuplot's commands for one panel.
/// \param number  unique in the figure, for the names of data blocks
std::string map_panel(const validation::SweepTable& table, const DiagramPanel& panel, std::size_t number);
std::string curve_panel(const validation::SweepTable& table, const DiagramPanel& panel, std::size_t number);

}  // namespace edgewise::cli
