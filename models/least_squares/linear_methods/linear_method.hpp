#pragma once
/// \file
/// Optimizers whose second moments evolve linearly: each is one row of `linear_methods()`.
///
/// A method is a period of optimizer steps. Every step is a noisy phase of solvers/linear_phases, and may be followed
/// by a noiseless one (a sync). Coordinates of a mode start at  from_error * v_0 + from_target * theta*  (v = theta -
/// theta*); a method that needs theta* itself (weight decay) carries it as a coordinate that no phase moves. Theory
/// docs/theory/two-phase.md, section 2, and docs/theory/least-squares-sgd.md, sections 5 and 6.
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/schedules.hpp"
#include "settings/settings.hpp"
#include "solvers/linear_phases.hpp"

namespace edgewise::models::least_squares {

/// The hyperparameters of a method, each with its schedule, at a step.
class Hyperparameters {
 public:
  Hyperparameters() = default;
  /// Numbers of `values` that `description` declares and that are read beside the other values (no `momentum` without a
  /// kind of it). `section` holds what is not a number (custom phases).
  Hyperparameters(const settings::Description& description, settings::Values values, settings::Table section = {});

  void schedule(const std::string& name, std::shared_ptr<const ingredients::Schedule> schedule);
  /// Sets the value at schedule 1.
  void set(std::string_view name, double value);
  /// Moves to a step: the schedules are taken there. Counts (batch, workers, inner_steps) are rounded, at least 1; the
  /// workers and inner steps of a period stay what they are at its first step.
  /// \throws std::invalid_argument when a schedule takes a number above its range.
  void seek(double step, bool period_begins = true);
  bool has(std::string_view name) const;
  /// Value at the present step. \throws std::invalid_argument when the method has no such number.
  double operator()(std::string_view name) const;
  double value_or(std::string_view name, double fallback) const { return has(name) ? (*this)(name) : fallback; }
  /// Value at schedule 1.
  double base(std::string_view name) const;
  bool scheduled(std::string_view name) const;
  /// True when no schedule moves anything.
  bool constant() const;
  const settings::Values& values() const { return values_; }
  const settings::Table& section() const { return section_; }
  /// What a method has made of `values` and `section`, kept by the copies too. Written by the first layout() only.
  std::shared_ptr<const void>& compiled() const { return compiled_; }
  bool flag_or(std::string_view name, bool fallback) const;

 private:
  struct Entry {
    std::string name;
    double base = 0, now = 0;
    std::shared_ptr<const ingredients::Schedule> schedule;
    double maximum = std::numeric_limits<double>::infinity();
    bool maximum_excluded = false;
  };
  const Entry* find(std::string_view name) const;
  Entry* find(std::string_view name);
  std::vector<Entry> entries_;
  settings::Values values_;
  settings::Table section_;
  mutable std::shared_ptr<const void> compiled_;
};

/// What counts something: it is rounded where a schedule moves it; of a round, it stays what it is at its first step.
bool is_count(std::string_view name);
/// The numbers of a method that can be searched: all but gamma, which is learning_rate in other words.
std::vector<settings::Parameter> numbers_of(const settings::Description& method);

/// Numbers of the optimizer in a section that schedules or tunes them. \throws settings::Error for one that nobody reads
/// beside the optimizer's other keys.
void refuse_unread(const settings::Table& section, const settings::Description& optimizer, const Hyperparameters& h);

/// A coordinate of a block and where it starts.
struct Coordinate {
  std::string name;
  double from_error = 0, from_target = 0;
  bool constant = false;  ///< no phase moves it
};

/// A combination of the coordinates whose risk is observed: sum over blocks of E[(selector . z)^2].
struct Readout {
  std::string name;  ///< of the observable `NAME_excess_mse`; the first readout is `excess_mse` itself
  std::string doc;
  std::vector<std::vector<double>> selector;  ///< per block
  bool before_sync = false;                   ///< read after the step's noisy phase, before its sync
};

struct Layout {
  std::vector<std::vector<Coordinate>> blocks;
  std::vector<Readout> readouts;
  /// Of several workers: places in the first block, which is their mean, of the coordinates that each has of its own, in
  /// the order of the second, which is the deviation from the mean.
  std::vector<std::size_t> of_worker;
  std::vector<std::size_t> sizes() const;
};

/// The numbers of an algorithm of the family, at a step: what the simulation runs and what `phases` are made of.
///
///     ghat + (coupled decay) w theta = G;  u <- bi u + G;  theta <- theta - eta (q0 G + q1 u) - (eta w' + w'') theta
///     a <- (1 - average) a + average theta
///     sync: Delta = mean_w theta_w - Theta;  m <- bo m + Delta;  Theta <- Theta + xi (p0 Delta + p1 m)
struct Rule {
  double learning_rate = 0, batch = 1;
  double q0 = 1, q1 = 0, bi = 0;                                         ///< inner momentum
  double coupled_decay = 0, decoupled_decay = 0, independent_decay = 0;  ///< w, w', w''
  double average = 0;                                                    ///< weight of the newest iterate
  double xi = 1, p0 = 1, p1 = 0, bo = 0;                                 ///< outer rate and momentum
  std::uint64_t inner_steps = 1;
  double workers = 1;
  bool persistent = false;
  // Which coordinates exist; the same at every step.
  bool has_momentum = false, has_decay = false, has_average = false, has_outer = false, has_outer_momentum = false;
  bool has_workers = false;  ///< more than one worker, at least at times
};

/// The rate at which slow modes move: their error falls as exp(-rate lambda) a step (docs/theory/least-squares-sgd.md,
/// section 5; docs/theory/two-phase.md, section 4). Weight decay aside.
double effective_learning_rate(const Rule& rule);

/// A step's noisy phase, and the noiseless one after it where there is one.
struct StepPhases {
  solvers::Phase noisy, sync;
  bool has_sync = false;
};

/// A linear method.
struct LinearMethod {
  settings::Description description;
  /// The algorithm's numbers at the step `step` (h is there already); empty for a method given by its matrices.
  std::function<Rule(const Hyperparameters& h, std::uint64_t step)> rule;
  std::function<Layout(const Hyperparameters& h)> layout;
  /// Steps of the period that begins at the present step.
  std::function<std::uint64_t(const Hyperparameters& h)> period;
  /// How many steps from `position` on share that one's noisy phase, with a sync after the last of them at most, while
  /// the hyperparameters stay as they are.
  std::function<std::uint64_t(const Hyperparameters& h, std::uint64_t position)> repeats;
  /// The phases of the step `step`, which is number `position` of its period.
  std::function<void(const Hyperparameters& h, std::uint64_t step, std::uint64_t position, StepPhases& out)> phases;
  /// Plain gradients move the parameters, with no momentum and no average: SGD, or rounds of it.
  bool plain = false;
  /// False when a step's number matters even without schedules (tail averaging): there is no steady state.
  bool time_invariant = true;
};

/// A method from its algorithm: layout, phases and sync follow from the rule.
LinearMethod method_of_rule(settings::Description description,
                            std::function<Rule(const Hyperparameters&, std::uint64_t)> rule,
                            bool time_invariant = true);
/// The method given by its matrices in the experiment file.
LinearMethod custom_method();
/// Keys of a table [[optimizer.phase]] of it.
const std::vector<settings::Parameter>& phase_parameters();

/// Every linear method; the first is `sgd`.
std::span<const LinearMethod> linear_methods();
/// Their descriptions, in the same order.
std::vector<const settings::Description*> linear_method_descriptions();
/// \throws std::invalid_argument for an unknown name.
const LinearMethod& linear_method(std::string_view name);

}  // namespace edgewise::models::least_squares
