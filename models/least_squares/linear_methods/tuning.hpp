#pragma once
/// \file
/// Search for the best hyperparameters of a linear method at a fixed budget of samples.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "models/least_squares/linear_methods/linear_theory.hpp"

namespace edgewise::models::least_squares {

/// A hyperparameter and the range it may take. Momenta and averaging memories are searched on the scale of 1/(1 - b),
/// all others on a logarithmic scale; counts are rounded.
struct TuneRange {
  std::string name;
  double from = 0, to = 0;
};

struct TuneOptions {
  std::uint64_t evaluations = 600;  ///< solves spent, the same for every method that is compared
  std::uint64_t seed = 1;
  /// Samples n = steps * M * B that one run may use; 0: as many steps as the experiment has. A budget that is not a
  /// whole number of rounds is rounded down.
  double samples = 0;
  std::string observable = "excess_mse";
};

struct Tuned {
  std::vector<std::pair<std::string, double>> best;
  double value = 0;  ///< the observable there
  std::uint64_t steps = 0;
  std::vector<std::string>
      on_bound;  ///< hyperparameters whose best value lies within 1% (on the search scale) of an end
  std::uint64_t evaluations = 0, diverged = 0;
};

/// Seeded search: the first half of the solves is spread over the ranges, the second narrows around the best one.
/// \throws std::invalid_argument for an unknown or empty range, when every run diverges, and when the budget is too small
/// for a single period.
Tuned tune(const LinearProblem& problem, const std::vector<TuneRange>& ranges, const TuneOptions& options);

/// Keys of the section [tune]: what a search is told, then a range for each number that an optimizer may have.
/// \param has  only of the numbers that these hyperparameters have
std::vector<settings::Parameter> tune_parameters(const Hyperparameters* has = nullptr);

/// `edgewise tune`: the search that the section [tune] of an experiment asks for. Keys evaluations, samples,
/// observable, and NAME = [from, to] for every hyperparameter to tune. \throws settings::Error.
std::vector<Finding> tune_experiment(const Experiment& experiment);

/// The observable at the end of the budget; infinite when the run diverges.
double value_at_budget(const LinearProblem& problem, const TuneOptions& options, std::uint64_t* steps = nullptr);

}  // namespace edgewise::models::least_squares
