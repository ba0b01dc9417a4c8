#pragma once
/// \file
/// What a model is: a learning problem with an optimizer, which has a theory, a simulation and named observables.
///
/// To add a model: a folder beside this one that declares a `DeclaredModel` and implements `Problem`, and one line in
/// `models/registry.cpp`.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "models/framework/axis.hpp"
#include "models/framework/experiment.hpp"
#include "models/framework/prediction.hpp"
#include "settings/settings.hpp"

namespace edgewise::models {

class RateObjective;  // rate_objective.hpp
class ScalingLaw;     // scaling_law.hpp

/// A named scalar function of the state.
struct Observable {
  std::string name;
  std::string unit;
  std::string doc;
};

/// One observable along a trajectory.
struct Column {
  Observable observable;
  std::vector<double> value;
  std::vector<double> std;  ///< predicted standard deviation of one replica, inf where it diverged, NaN where it is not
                            ///< known; empty when not computed
  /// Part of the value that is carried by label noise so large and so rare that the experiment's replicas are not
  /// expected to meet it; empty: none.
  std::vector<double> unmet = {};
  double valid_from = 0;  ///< first step at which it is claimed; what is before is shown, not judged
  /// Absolute size of its own rounding, of a value whose terms cancel: where nothing fluctuates, no smaller difference is one.
  double rounding = 0;
};

/// A solved trajectory: what `edgewise solve` writes.
struct Trajectory {
  std::vector<double> steps;  ///< recorded values of the axis; shorter than asked when the solution diverged
  std::vector<Column> columns;
  std::string method;                 ///< e.g. "recursion", "ode, level log, sdirk4"
  bool exact = false;                 ///< exact at finite dimension: only statistical error against a simulation
  std::optional<double> diverged_at;  ///< step at which divergence was detected
  /// Last step up to which the theory claims to hold; the curve beyond is shown, not judged. Empty: all of them.
  std::optional<double> valid_until;
  std::vector<std::pair<std::string, double>> report;       ///< solver statistics, achieved errors
  std::vector<std::pair<std::string, std::string>> labels;  ///< what was found, in words, e.g. outcome: converged
  std::vector<std::string> warnings;

  const Column* find(std::string_view name) const;
  /// Claims every column, or those of these names, no earlier than from `step` on: what is before is shown, not judged; from
  /// infinity on nothing is.
  void claim_from(double step);
  void claim_from(double step, std::span<const std::string_view> names);
};

/// A named finding of `edgewise stability`.
struct Finding {
  std::string name;
  std::variant<double, bool, std::string> value;
  std::string doc;
};

/// One quantity of every mode, for `edgewise modes`.
struct ModeColumn {
  std::string name;
  std::string unit;
  std::string doc;
  std::vector<double> value;
};

/// One independent run of the real algorithm.
class Replica {
 public:
  virtual ~Replica() = default;
  /// Runs the algorithm up to `step`, a value of the model's axis (which never decreases between calls).
  virtual void advance(std::uint64_t step) = 0;
  /// Writes the observables, in the order of Simulation::observables().
  virtual void observe(std::span<double> out) const = 0;
};

/// Consecutive replicas that run together, e.g. because one matrix product serves them all.
class ReplicaGroup {
 public:
  virtual ~ReplicaGroup() = default;
  /// Runs all of them up to `step` (which never decreases between calls).
  virtual void advance(std::uint64_t step) = 0;
  /// Writes the observables of the group's replica `index` (from 0).
  virtual void observe(std::size_t index, std::span<double> out) const = 0;
};

/// The algorithm as it is run, sampled exactly in law.
class Simulation {
 public:
  virtual ~Simulation() = default;
  virtual const std::vector<Observable>& observables() const = 0;
  /// Replica `index` of `seed`: the same bits whenever and wherever it is run. It must not outlive the simulation.
  virtual std::unique_ptr<Replica> replica(std::uint64_t seed, std::uint64_t index) const = 0;
  /// How many replicas had best run together.
  virtual std::uint64_t group_size() const { return 1; }
  /// Replicas `first` to `first + count - 1` of `seed`, count <= group_size(). It must not outlive the simulation.
  virtual std::unique_ptr<ReplicaGroup> group(std::uint64_t seed, std::uint64_t first, std::uint64_t count) const;
  virtual std::string sampler() const = 0;
  /// What is said before it starts, e.g. the memory it will take; may be empty.
  virtual std::string announcement() const { return {}; }
  virtual std::vector<std::string> warnings() const { return {}; }
};

/// A model with all its parameters: one experiment.
class Problem {
 public:
  virtual ~Problem() = default;
  /// Solves the theory at the experiment's recorded steps. \throws settings::Error when the method cannot do it.
  virtual Trajectory solve() const = 0;
  /// What a simulation is compared with: as `solve`, with the standard deviations of one replica wherever they are
  /// known at an acceptable cost, asked for or not. Without columns where nothing but `predictions` can be judged.
  virtual Trajectory reference() const { return solve(); }
  /// What is claimed of whole runs; empty when nothing is.
  virtual std::vector<Prediction> predictions() const { return {}; }
  virtual std::unique_ptr<Simulation> simulate() const = 0;
  virtual std::vector<Finding> stability() const = 0;
  /// What `edgewise modes` prints, one row per mode; empty when the model has no such table.
  /// \throws settings::Error when it is not defined at these parameters.
  virtual std::vector<ModeColumn> mode_table() const { return {}; }
  /// The loss at the end as a function of the learning rate of every step, for `edgewise schedule`; null where the
  /// model offers none. \param observable  what the loss is; empty: the model's own choice
  /// \throws settings::Error where this problem has none, with the reason.
  virtual std::unique_ptr<RateObjective> rate_objective(const std::string& observable) const;
  /// How the loss scales with size, for `edgewise collapse`; null where the model says nothing of it. It must not
  /// outlive the problem.
  virtual std::unique_ptr<ScalingLaw> scaling_law() const;
  /// Things the user should know before trusting the result (e.g. outside the theory's limits of validity).
  virtual std::vector<std::string> warnings() const { return {}; }
};

/// A formula known exactly, that a computation must reproduce.
struct ClosedForm {
  std::string name;      ///< "least-squares/isotropic-risk"
  std::string formula;   ///< plain text
  std::string source;    ///< the page of docs/theory and its section
  double tolerance = 0;  ///< relative when the value is not 0, else absolute
  /// (formula's value, computed value)
  std::function<std::pair<double, double>()> evaluate;
  bool reference = false;  ///< a reference value: the number was pinned, not derived
};

/// The key that is the dimension of a model's experiments, and the keys that go in proportion to it where they are given.
struct DimensionKey {
  std::string section = "spectrum", key = "dimension";
  std::vector<std::string> in_proportion = {};  ///< SECTION.KEY
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const settings::Description& description() const = 0;
  /// Sections that it reads beside those every experiment has, e.g. "spectrum", "optimizer".
  virtual std::span<const std::string> sections() const = 0;
  /// Optimizers that it offers, for `edgewise list optimizers` and `describe`.
  virtual std::span<const settings::Description* const> optimizers() const { return {}; }
  virtual std::span<const Observable> observables() const = 0;
  /// What its trajectories run along.
  virtual const Axis& axis() const { return step_axis(); }
  /// What `validate` changes, as [verdict] dimensions says, to judge a theory that holds as the dimension grows.
  virtual DimensionKey dimension() const { return {}; }
  virtual std::vector<ClosedForm> closed_forms() const { return {}; }
  /// Parameters of the section [theory] that only this model reads.
  virtual std::span<const settings::Parameter> theory_parameters() const { return {}; }
  /// Parameters of the section [monte_carlo] that only this model reads.
  virtual std::span<const settings::Parameter> monte_carlo_parameters() const { return {}; }
  /// The experiment's problem. \throws settings::Error for bad values, and for sections that this model does not read.
  std::unique_ptr<Problem> prepare(const Experiment& experiment) const;
  /// What `edgewise tune` does with the section [tune]. \throws settings::Error; by default because it is not offered.
  virtual std::vector<Finding> tune(const Experiment& experiment) const;

 protected:
  /// Reads the model's own sections; the framework has refused all others.
  virtual std::unique_ptr<Problem> build(const Experiment& experiment) const = 0;
};

/// Every model, in the order `edgewise list models` prints them (models/registry.cpp).
std::span<const Model* const> all();
/// The model of that name, or null.
const Model* find_model(std::string_view name);
/// The same of the experiment. \throws settings::Error with a suggestion.
const Model& find(const Experiment& experiment);

}  // namespace edgewise::models
