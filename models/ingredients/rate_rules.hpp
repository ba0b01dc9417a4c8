#pragma once
/// \file
/// Rate rules: what sets the learning rate of a step from what the run has seen (docs/theory/schedules-and-collapse.md,
/// section 6). A rule is one object for theory and simulation: a theory feeds it with expected observations, a replica
/// with those of its own mini-batches.
#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

/// What a step shows before it is taken: at theta_k, with the mini-batch's gradient g_k and residuals r_b.
struct StepObservation {
  double squared_gradient = 0;  ///< |g_k|^2
  double loss = 0;              ///< of the batch, (1/2B) sum_b r_b^2
  double squared_distance = 0;  ///< |theta_k - theta_0|^2
  double toward_start = 0;      ///< <g_k, theta_0 - theta_k>
  // Of the direction d_k that a rule with averaging() steps along.
  double weight = 1;             ///< of g_k in d_k: 1 at the first step, then 1 - beta
  double squared_direction = 0;  ///< |d_k|^2
  // Expectations over the batch at theta_k, for oracles. A step of rate eta leads to E P_{k+1} = P - 2 eta slope + eta^2
  // curvature and, where g is the gradient of a quadratic, E |v_{k+1}|^2 = |v|^2 - 2 eta P + eta^2 E |g_k|^2.
  double excess_mse = 0;             ///< P
  double mean_squared_gradient = 0;  ///< E |g_k|^2
  double slope = 0;                  ///< v'K E g_k
  double curvature = 0;              ///< E g_k' K g_k
  // Of the batch's own loss L along the step u that is taken at rate 1.
  double descent = 0;                          ///< -g.u
  double curvature_along = 0;                  ///< u.Hu
  std::function<double(double)> loss_after{};  ///< L(theta + eta u) by eta
  double sharpness = 0;                        ///< largest eigenvalue of its Hessian at theta_k
};

/// Which parts of an observation a rule reads: the others may be left at 0.
struct RateNeeds {
  bool gradient = false;   ///< squared_gradient and loss
  bool distance = false;   ///< squared_distance and toward_start
  bool nearness = false;   ///< excess_mse and mean_squared_gradient
  bool descent = false;    ///< slope and curvature
  bool own_loss = false;   ///< descent, curvature_along and loss_after; of models that show them
  bool sharpness = false;  ///< sharpness, of the same models
};

/// Between which multiples of the greedy rate, the one of least quadratic expansion of the batch's loss along the step
/// (or of its averages), every rate of a rule lies, whatever it meets; 0 and infinity where nothing is known. On plain
/// quadratics a multiple of 2 is the edge (docs/theory/curvature-dynamics.md, section 2.5).
struct GreedyMultiple {
  double low = 0, high = std::numeric_limits<double>::infinity();
  bool averaged = false;  ///< of averages
  bool searched = false;  ///< by trials that shrink, the first of which to pass stands just below `high`
  bool on_edge() const { return low == 2 && high == 2; }
  /// Short of the edge; the greedy rate itself, whose steps go above and below it by turns, is not.
  bool below_edge() const { return high < 2 && (searched ? high >= 1 : low == high && low > 1); }
};

/// One run of a method that moves the whole vector by more than a rate along the gradient. It keeps its own memory, of
/// vectors too.
class VectorRun {
 public:
  virtual ~VectorRun() = default;
  /// theta_k - theta_0 becomes theta_{k+1} - theta_0. \param gradient  g_k, not all 0;  \param loss  f_k of the batch;
  /// \param factor  c s_k
  virtual void step(std::span<const double> gradient, double loss, double factor, std::span<double> from_start) = 0;
  /// What is recorded of its memory.
  virtual void observe(std::span<double> out) const = 0;
};

/// A rule. Its memory is a few scalars, kept by whoever runs it.
class RateRule {
 public:
  virtual ~RateRule() = default;
  virtual RateNeeds needs() const = 0;
  /// beta: the step goes along the average d_k = beta d_{k-1} + (1 - beta) g_k, d_0 = g_0, instead of g_k.
  virtual double averaging() const { return 0; }
  /// Not null where the method moves the whole vector: then there is no rate, and no closure of means.
  virtual std::unique_ptr<VectorRun> vector_run() const { return nullptr; }
  /// Why such a method has none, e.g. "its scale is a running largest value".
  virtual std::string_view without_closure() const { return {}; }
  virtual GreedyMultiple greedy_multiple() const { return {}; }
  /// Whether the rate jumps where what it sees crosses a threshold: then runs part there, however large their models are,
  /// and no limit of them is of one rate.
  virtual bool jumps() const { return false; }
  /// What each scalar of the memory is; recorded with every run.
  const std::vector<Observable>& memory() const { return columns; }
  /// The memory before the first step.
  virtual void start(std::span<double> /*memory*/) const {}
  /// The rate of the step that shows `now`, before it is held() within its limits. 0 where there is nothing to step along.
  virtual double rate(std::span<const double> /*memory*/, const StepObservation& /*now*/) const { return 0; }
  /// What is remembered of it. \param step the whole rate that the step takes, factors and schedule included
  virtual void update(std::span<double> /*memory*/, const StepObservation& /*now*/, double /*step*/) const {}
  /// Whether the rate is a function of the loss and |g|^2 of the step's own batch alone: then a theory can take its mean
  /// over their law.
  virtual bool by_batch_alone() const { return false; }

  double multiplier = 1;            ///< on every rate
  std::vector<Observable> columns;  ///< of its kind, and what it adds to them
  std::optional<double> largest;    ///< of kinds with a key eta_max, whose rates are held between 0 and it
  double held(double rate) const { return largest ? std::clamp(rate, 0.0, *largest) : rate; }
};

/// A rule and its memory along one run.
class RateRun {
 public:
  explicit RateRun(const RateRule& rule);
  /// The whole rate of the step that shows `now`. \param factor of a schedule
  double step(const StepObservation& now, double factor);
  /// A step of a rate that is given, the whole.
  void take(const StepObservation& now, double rate);
  /// Whether the rule moves the whole vector.
  bool whole_vector() const { return vector_ != nullptr; }
  /// Then this is its step; see VectorRun.
  void step(std::span<const double> gradient, double loss, double factor, std::span<double> from_start);
  std::span<const double> memory() const { return memory_; }
  /// Writes the values of rate_observables().
  void observe(std::span<double> out) const;

 private:
  const RateRule& rule_;
  std::unique_ptr<VectorRun> vector_;
  std::vector<double> memory_, before_;
  double last_ = 0;
};

/// learning_rate (of the last step taken; 0 before the first; |theta_{k+1} - theta_k|/|g_k| of whole vectors) and the
/// rule's memory.
std::vector<Observable> rate_observables(const RateRule& rule);

/// The rule of a method that moves the whole vector. \param why  it has no closure, see RateRule::without_closure
std::unique_ptr<RateRule> vector_rule(std::string_view why, std::function<std::unique_ptr<VectorRun>()> start);

struct RateRuleKind {
  settings::Description description;
  std::vector<Observable> memory;
  /// \param start_norm |theta_0| where it is known. Empty function: the optimizer's own rate.
  std::function<std::unique_ptr<RateRule>(const settings::Values&, std::optional<double> start_norm)> build;
};

/// Every kind of rule; the first is "constant".
std::span<const RateRuleKind> rate_rule_kinds();

/// The rule "line-search" by itself: the greedy rate.
const RateRule& line_search_rule();

/// What the section [rate] says: an index into rate_rule_kinds() and the values of its keys. \throws settings::Error.
settings::Choice read_rate_choice(const settings::Table& experiment);

/// Reads the section [rate]; null for kind "constant" and when absent. \throws settings::Error.
std::shared_ptr<const RateRule> read_rate_rule(const settings::Table& experiment, std::optional<double> start_norm);

/// The key `kind` of a model that takes these alone: declared as rate.kind, the framework refuses all others.
settings::Parameter rate_kind(std::vector<std::string> words);
/// Kinds without RateNeeds::own_loss, for models that do not show it.
std::vector<std::string> rates_without_own_loss();

}  // namespace edgewise::models::ingredients
