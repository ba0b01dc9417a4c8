#pragma once
/// \file
/// Reads the file that describes a sweep (its format: validation/sweeps/sweep.hpp).
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "settings/expression.hpp"
#include "settings/settings.hpp"
#include "validation/file_digests.hpp"
#include "validation/sweeps/sweep.hpp"

namespace edgewise::validation {

/// What is computed of every variant of a cell.
enum class SweepTask { solve, simulate, validate, stability, schedule };
std::string_view name(SweepTask task);

/// A sweep file that has been read, overridden and checked.
struct SweepPlan {
  struct Derived {
    std::string name;     ///< in later formulas; empty: none
    std::string key;      ///< of the experiment; empty: none
    std::string variant;  ///< the only one whose key it sets; empty: all
    settings::Expression value;
  };
  struct Variant {
    std::string name;
    settings::Table experiment;    ///< the base with what the variant sets
    std::vector<std::string> set;  ///< keys that the variant sets
  };

  std::string title, file;
  SweepTask task = SweepTask::solve;
  std::vector<SweepAxis> axes;
  std::vector<Derived> derived;
  std::vector<Variant> variants;
  std::vector<LabelRule> labels;
  std::vector<PredictedBoundary> boundaries;
  /// All that the measures' values follow from: [sweep] do, [[axis]], [[derived]], [[variant]], [[measure]] and the
  /// whole [experiment], overrides applied.
  settings::Table definition;
  /// The rest: title, [sweep] panels, [[label]], [[boundary]].
  settings::Table presentation;
  /// Files that the experiment names, and a digest of what is in them.
  FileDigests files;
  std::vector<std::string> overrides;

  /// Names that formulas may use of a cell, in order: axes that have numbers, derived names.
  std::vector<std::string> variables() const;
  /// The sweep's full text, which parses back to the same sweep.
  std::string text() const;
};

/// Parameters of the sections, for `edgewise describe`.
const std::vector<settings::Parameter>& sweep_parameters();
const std::vector<settings::Parameter>& axis_parameters();
const std::vector<settings::Parameter>& derived_parameters();
const std::vector<settings::Parameter>& variant_parameters();
const std::vector<settings::Parameter>& label_parameters();
const std::vector<settings::Parameter>& boundary_parameters();

/// \param file       the parsed sweep file; relative paths in it start from the folder of its origin
/// \param overrides  "section.key=value" for the experiment; "title=...", "sweep.key=...", and "axis.NAME.key=..."
///                   (likewise derived, variant, measure, label, boundary) for the sweep itself
/// \param seed       overrides monte_carlo.seed of the experiment, and schedule_search.seed where schedules are searched for
/// \throws settings::Error for anything that can be told without preparing an experiment.
SweepPlan read_sweep_file(const settings::Table& file, const std::vector<std::string>& overrides = {},
                          std::optional<std::uint64_t> seed = {});

/// Columns that every sweep has, so that nothing else may be called so; in small letters.
const std::vector<std::string>& reserved_names();

/// `count` values from `from` to `to`, both exact; on a logarithmic scale neighbours have one ratio. Computed in
/// extended precision, so that what is a round number comes out as one.
std::vector<double> axis_values(double from, double to, std::size_t count, bool log);

/// SweepTable::panels of a presentation as SweepPlan has it.
std::vector<std::string> read_panels(const settings::Table& presentation);
/// Whether a table that came out of a file is a grid: axes with names and values that the program itself could have
/// written, as many cells as these make, and all measures of every cell. \throws settings::Error "ORIGIN: ...".
void check_table(const SweepTable& table, const std::string& origin);
/// Axes, labels, boundaries and panels of a definition and a presentation as SweepPlan has them, with title; no cells.
SweepTable read_grid(const settings::Table& definition, const settings::Table& presentation);
/// The text of a sweep that a store or a result keeps. \throws settings::Error "ORIGIN: is damaged: ...": its lines are
/// none of the file.
settings::Table read_kept(const std::string& text, const std::string& origin);

}  // namespace edgewise::validation
