#pragma once
/// \file
/// A sweep: a grid of experiments, each cell solved, simulated, validated or judged by its stability; a phase diagram
/// is a sweep with a label per cell. How it is described (a TOML file), computed cell by cell, and what it gives.
///
///     title = "..."
///     [sweep]
///     do = "solve"                 # solve, simulate, validate, stability, schedule
///     base = "experiment.toml"     # or the experiment itself under [experiment], [experiment.spectrum], ...
///     [[axis]]                     # the first axis is drawn horizontally
///     key = "spectrum.alpha"       # of the experiment
///     name = "alpha"               # in formulas; default: the key's last part
///     from = 0.1                   # with to, count, scale = "linear" | "log"; or values = [...] (numbers or texts)
///     to = 2.0
///     count = 64
///     [[derived]]                  # a key that follows from the axes; without a key, a name for formulas
///     key = "time.steps"
///     value = "10^8 * alpha"       # formula in the axes' names, earlier derived ones' `name`s and `cell`, its index
///     variant = "svd"              # optional: sets the key of this variant only
///     [[variant]]                  # every cell runs each variant; without any there is one, named ""
///     name = "svd"
///     set = ["optimizer.kind=signsvd"]
///     [[measure]]                  # what is kept of a cell; see validation/sweeps/measures.hpp for the kinds
///     name = "slope"
///     kind = "slope"
///     [[label]]                    # the first whose rule holds names the cell; the last may have no rule
///     name = "SignSVD"
///     when = "rho_max > 0.05"      # formula in axes, derived names and measures
///     predicted = "alpha > 1"      # optional: where the theory puts it, formula in axes
///     [[boundary]]                 # optional: a predicted curve, the zeros of a formula in axes and measures
///     name = "alpha = 1/2"
///     zero = "alpha - 1/2"
///     when = "beta < 1"            # optional: only there
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"

namespace edgewise::validation {

/// One axis of the grid. Exactly one of `numbers` and `words` is filled.
struct SweepAxis {
  std::string name;  ///< in formulas, columns and NetCDF coordinates
  std::string key;   ///< of the experiment, "section.key"
  bool log = false;
  std::vector<double> numbers;
  std::vector<std::string> words;

  std::size_t size() const { return words.empty() ? numbers.size() : words.size(); }
};

/// Something kept of every cell.
struct MeasureInfo {
  std::string name;
  std::string unit;
  std::string doc;
};

struct LabelRule {
  std::string name;
  std::string when;       ///< formula, or empty: always
  std::string predicted;  ///< formula in the axes, or empty
};

/// A predicted curve of the diagram.
struct PredictedBoundary {
  std::string name;
  std::string zero;  ///< formula in axes and measures whose zeros are the curve
  std::string when;  ///< likewise, or empty: everywhere
};

enum class CellState { pending, finished, failed };

/// What a cell gave.
struct CellResult {
  CellState state = CellState::pending;
  std::vector<double> measures;  ///< in the order of SweepTable::measures, NaN where one is not defined
  std::string label;             ///< "" when no rule holds or there are none
  std::string failure;           ///< one line, of a failed cell
  double seconds = 0;            ///< wall time; not part of what is reproducible
};

/// A sweep with its results, in the order of the grid: the last axis varies fastest.
struct SweepTable {
  std::string title;
  std::vector<SweepAxis> axes;
  std::vector<MeasureInfo> measures;
  std::vector<LabelRule> labels;
  std::vector<PredictedBoundary> boundaries;
  /// What the figure of the whole grid shows, one panel each, as `plot --observable` takes it; empty: the labels, or
  /// the first measure.
  std::vector<std::string> panels;
  std::vector<CellResult> cells;
  /// Name and text of what produced it: the sweep's full text with overrides, version, wall time, ...
  std::vector<std::pair<std::string, std::string>> provenance;

  /// Index of each axis' value at a cell.
  std::vector<std::size_t> place(std::size_t cell) const;
};

/// The names that one of SweepTable::panels lists, "a,b".
std::vector<std::string> shown_in(const std::string& panel);

struct SweepPlan;

/// What is computed of a cell with do = "schedule", whose search stands above this library.
struct ScheduleTask {
  /// Empty when it was stopped.
  std::function<std::vector<models::Finding>(const models::Problem&, const models::Experiment&,
                                             const std::function<bool()>& stopped)>
      findings;
  /// Their names, without a search.
  std::function<std::vector<std::string>(const models::Problem&, const models::Experiment&)> names;
  /// Completes a cell's experiment before it is read; empty: it is complete.
  std::function<void(settings::Table&)> complete = nullptr;
};

/// A sweep that can be computed cell by cell. Const members may be called from several threads at once.
class Sweep {
 public:
  /// \param plan  of read_sweep_file (validation/sweeps/sweep_file.hpp)
  /// \throws settings::Error for measures, labels or formulas that cannot be read.
  explicit Sweep(SweepPlan plan, ScheduleTask schedule = {});
  ~Sweep();
  Sweep(Sweep&&) noexcept;
  Sweep& operator=(Sweep&&) noexcept;

  const SweepPlan& plan() const;
  std::size_t cells() const;
  /// The grid with every cell pending.
  const SweepTable& table() const;

  /// Prepares experiments here and there in the grid, and looks whether the observables are there that measures read;
  /// solves one only where the model does not list such a name. \throws settings::Error, the commonest one met, when a
  /// variant can be prepared at none of these cells: the file is wrong then, not the cell.
  void check() const;
  /// Solves, simulates or validates every variant of the cell and evaluates measures and label. What goes wrong makes
  /// a failed cell. Not-a-number has one bit pattern and zero one sign in the result, so that a store keeps every bit.
  /// \param stop  when it becomes true, the cell may be given up: it stays pending
  CellResult compute(std::size_t cell, const std::atomic<bool>* stop = nullptr) const;
  /// The label that the rules give to a cell with these measures.
  std::string label(std::size_t cell, std::span<const double> measures) const;
  /// The experiment that a variant of a cell is. \throws settings::Error.
  settings::Table experiment(std::size_t cell, std::size_t variant) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace edgewise::validation
