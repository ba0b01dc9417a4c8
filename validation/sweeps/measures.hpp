#pragma once
/// \file
/// What is kept of a cell of a sweep: numbers drawn from its theory, its simulation, its verdict or its findings.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/sweeps/sweep.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

/// What one variant of a cell gave; what was not asked for is empty.
struct VariantRun {
  std::optional<models::Trajectory> theory;
  std::optional<Sample> sample;
  std::optional<Verdict> verdict;
  std::vector<models::Finding> findings;
  std::vector<std::uint64_t> asked = {};  ///< the recorded steps asked for, not all reached by a run that ended early
};

/// Observables that a variant of a cell will have; where it has no theory, or no simulation, none are asked for.
struct KnownObservables {
  std::vector<std::string> theory, simulation;
};

/// A name that a measure looks up in what a cell came to; where it is not there the measure is NaN.
struct Lookup {
  enum class In { findings, predictions, reports, words };
  In in = In::findings;
  std::string name;
  std::size_t variant = 0;
  settings::Values table;  ///< the measure's
  std::string key;         ///< that gives the name there
};

/// One [[measure]] of a sweep; it may give several numbers (a slope comes with its error and its curvature).
/// Evaluation is safe from several threads at once.
class Measure {
 public:
  virtual ~Measure() = default;
  /// The numbers, in the order of `evaluate`.
  virtual std::vector<MeasureInfo> infos() const = 0;
  /// Whether it reads VariantRun::findings, which then are computed whatever the sweep does.
  virtual bool needs_findings() const { return false; }
  /// Whether it reads an observable of the simulation, whose names then are asked for.
  virtual bool reads_simulation() const { return false; }
  /// \throws settings::Error, which names the key, when it reads an observable of variant `variant` that is not known.
  virtual void check(std::size_t /*variant*/, const KnownObservables& /*known*/) const {}
  /// What it looks up by name, for a slip to be noticed.
  virtual std::optional<Lookup> lookup() const { return std::nullopt; }
  /// \param runs       one per variant, in the sweep's order
  /// \param variables  values of the names that formulas may use: those given to read_measures, then the numbers of
  ///                   the measures before this one
  /// \param out        NaN where a number is not defined
  /// \throws settings::Error when it names an observable that the model does not have, or its window is reversed.
  virtual void evaluate(std::span<const VariantRun> runs, std::span<const double> variables,
                        std::span<double> out) const = 0;
};

/// The keys of every measure beside its kind.
const std::vector<settings::Parameter>& measure_parameters();
/// Kinds of measures, for `edgewise describe`.
std::span<const settings::Description* const> measure_kinds();

/// The [[measure]] tables of a sweep, in order. Where there are several variants, a measure of one variant that does
/// not say of which is taken of each, as NAME_VARIANT.
///
/// Formulas may use the names in `variables`, the numbers of earlier measures and, where they are about a curve,
/// `initial` (its first recorded value), `first` (the first recorded step after 0) and `last` (the last one).
/// \param variants   names of the variants
/// \param variables  names of the axes and derived values
/// \param what       "solve", "simulate", "validate" or "stability": a measure that needs what the sweep does not
///                   compute is an error
/// \throws settings::Error.
std::vector<std::unique_ptr<Measure>> read_measures(const settings::Table& sweep,
                                                    const std::vector<std::string>& variants,
                                                    const std::vector<std::string>& variables, const std::string& what);

}  // namespace edgewise::validation
