#pragma once
/// \file
/// The commands of the program. Each returns an exit status and throws settings::Error (or another std::exception) for
/// bad input or failure.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.hpp"

namespace edgewise::cli {

/// `group` is one of `groups()`, or empty for all.
Status list(const Context& context, const std::string& group);
Status describe(const Context& context, const std::string& name);
/// Reads files of experiments, sweeps and comparisons as their commands would, and computes nothing.
Status check(const Context& context, const std::vector<std::string>& files);
/// A commented experiment file with every key. \param kind  of optimizer, or of what the model chooses; empty: the usual one
Status new_experiment(const Context& context, const std::string& model, const std::string& kind);
/// A JSON schema of the files of experiments, sweeps and comparisons.
Status schema(const Context& context);
Status solve(const Context& context, const std::string& experiment);
Status simulate(const Context& context, const std::string& experiment);
/// With several experiments --output names a folder, which gets one result each.
Status validate(const Context& context, const std::vector<std::string>& experiments);
Status stability(const Context& context, const std::string& experiment);
/// What every mode contributes in the steady state of a linear method, as CSV.
Status modes(const Context& context, const std::string& experiment);
/// Searches the best hyperparameters, as the section [tune] of the experiment asks.
Status tune(const Context& context, const std::string& experiment);
/// Searches the best learning rate of every step, and how near families of schedules come to it, as the section
/// [schedule_search] of the experiment asks.
Status schedule(const Context& context, const std::string& experiment);

struct CompareOptions {
  std::string observable;  ///< of experiments; empty: excess_mse, or the model's first
  std::string store;       ///< of a comparison of methods; empty: none
  bool restart = false;    ///< forget what the store holds
};
/// Several experiments, each at its optimum; or a file of methods and workloads (validation/comparisons/comparison_file.hpp).
Status compare(const Context& context, const std::vector<std::string>& files, const CompareOptions& options);

/// Runs the closed forms whose name contains `pattern` (or matches it, with * and ?).
Status closed_forms(const Context& context, const std::string& pattern);

struct CollapseArguments {
  std::string floor;      ///< a number, or "fit" (also when empty)
  std::string horizon;    ///< "ends" (also when empty), "envelope", or a formula of size
  std::string reference;  ///< the schedule whose runs give floor and horizon; empty: each its own
  std::string noise;      ///< the schedule of constant rate for the relative noise model; empty: the collapse
};
/// Judges whether loss curves of several sizes collapse.
Status collapse(const Context& context, const std::vector<std::string>& files, const CollapseArguments& arguments);

struct PlotOptions {
  std::vector<std::string> observables;
  std::vector<double> guides;
  std::string title;
  std::vector<std::string> slices;  ///< of a sweep: "AXIS=VALUE"
};
/// Draws results in one figure, or one sweep.
Status plot(const Context& context, const std::vector<std::string>& results, const PlotOptions& options);

struct MeasureOptions {
  std::string dataset;
  std::string folder;  ///< empty: the data set's usual place
  std::string target;  ///< empty: the class number
  std::size_t rows = 0;
};
/// Measures the covariance spectrum and the target powers of a data set, as a CSV file for `kind = "file"`.
Status measure(const Context& context, const MeasureOptions& options);

struct LearnabilityOptions {
  std::vector<double> weights;  ///< of strata, one for each formula; empty: none
  std::optional<double> delta;  ///< confidence 1 - delta, of strata; else 0.05
  std::string kernel;           ///< empty: no norms
  bool bias = false;
  /// Of the sphere, else 3; of gauss and exp, else 1; |w| of the variable, else 1; of deep-ntk, else 2.
  std::optional<double> dimension, s2, length, layers;
  std::vector<double> coefficients;  ///< of taylor
};
/// What bounds the samples that formulas need, up to an unknown constant.
Status learnability(const Context& context, const std::vector<std::string>& formulas,
                    const LearnabilityOptions& options);

/// The worse of two: failed, then disagrees, then inconclusive, then done.
Status worse(Status a, Status b);

}  // namespace edgewise::cli
