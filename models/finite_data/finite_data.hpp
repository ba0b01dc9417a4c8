#pragma once
/// \file
/// SGD on a fixed data set, many passes (docs/theory/least-squares-sgd.md, section 9): the problem and its data.
///
///     z = X theta - y in R^N,   L = |z|^2/(2N),   theta' = theta - (eta/B) sum_{i in I} x_i z_i
///     Theta = X X'/N = V diag(mu) V',             z' = z - (eta N/B) Theta Pi z,   Pi = diag(counts of I)
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedules.hpp"

namespace edgewise::models::finite_data {

/// How the B indices of a step are drawn from 1..N. shuffle: passes over a fresh permutation, B by B; its batches
/// depend on each other within a pass, which the theory leaves out.
enum class Sampling { without_replacement, with_replacement, bernoulli, shuffle };

/// Names as they stand in experiment files, in the order of Sampling.
const std::vector<std::string>& sampling_names();

/// The law that the samples were drawn from, in the coordinates of the inputs: x ~ N(0, diag(eigenvalue)),
/// y = <x, target> + noise.
struct Population {
  std::vector<double> eigenvalue, target;  ///< p numbers each
  double noise_variance = 0;               ///< of y given x; may be infinite
};

struct FiniteData {
  linear_algebra::Matrix inputs;  ///< p x N: a column per sample
  std::vector<double> residual;   ///< z at the start, N numbers
  Sampling sampling = Sampling::without_replacement;
  double learning_rate = 0;                               ///< eta
  std::size_t batch = 1;                                  ///< B; its mean under bernoulli
  std::shared_ptr<const ingredients::Schedule> schedule;  ///< multiplies eta
  std::optional<Population> population;                   ///< where it is known; theta starts at 0 then
  Time time;

  /// Learning rate of step k.
  double rate(std::uint64_t k) const { return learning_rate * schedule->at(static_cast<double>(k)); }
  /// Whether fresh data have a finite risk.
  bool has_risk() const { return population && std::isfinite(population->noise_variance); }
  std::size_t samples() const { return residual.size(); }
  /// Whether batches depend on those before, which no theory here knows; the full batch is the same in any order.
  bool shuffled() const { return sampling == Sampling::shuffle && batch < samples(); }
  std::size_t parameters() const { return inputs.rows(); }
};

/// E[Pi A Pi] (N/B)^2 = c2 A + c1 diag(A) of a fresh batch, for any N x N matrix A. Shuffled passes count as
/// without replacement.
struct BatchMoments {
  double c1 = 0, c2 = 1;
};
BatchMoments batch_moments(const FiniteData& data);

/// Theta's eigenvalues, largest first, and its eigenvectors by column: the squares over N of the singular values of the
/// inputs, of which those below 2e-12 of the largest are rounding: null, 0.
struct Kernel {
  std::vector<double> eigenvalue;  ///< mu_a
  linear_algebra::Matrix vectors;  ///< V
  std::size_t rank = 0;            ///< how many are not null: the first ones

  /// Eigenvalues of the modes that are not null.
  std::span<const double> modes() const { return std::span(eigenvalue).first(rank); }
  /// V'z.
  std::vector<double> along(std::span<const double> z) const;
};
Kernel kernel_of(const FiniteData& data);
/// |z|^2 at the start on null modes, where it stays; 0 where parameters fit the data but for rounding.
double null_power(const FiniteData& data, const Kernel& kernel);

/// Training loss |z|^2/(2N), and the risk and excess risk of fresh data of the population.
const std::vector<Observable>& finite_data_observables();
/// Those of this data set: the loss alone where no population is known, no risk where labels have an infinite variance.
const std::vector<Observable>& finite_data_observables(const FiniteData& data);

/// exact (the N x N second moments of z), closure (their diagonal in Theta's basis), mean-field (the same with
/// delocalised eigenvectors, V_ia^2 = 1/N).
enum class Level { exact, closure, mean_field };

/// How the theory is solved.
struct FiniteDataMethod {
  Level level = Level::exact;
  /// Add the standard deviation of the loss of one run, exact; N^5 a step; of level exact alone.
  bool bands = false;
};

/// Solves the theory. \throws std::invalid_argument for bands that cost too much.
Trajectory solve_finite_data(const FiniteData& data, const Kernel& kernel, const FiniteDataMethod& method);

/// The loss after the last step, the learning rate of each being free. \throws std::invalid_argument where the theory is
/// not mean-field.
std::unique_ptr<RateObjective> finite_data_rate_objective(const FiniteData& data, const Kernel& kernel,
                                                          const FiniteDataMethod& method);

/// Kernel norms, thresholds, growth factor and floor, at the learning rate before its schedule.
std::vector<Finding> finite_data_stability(const FiniteData& data, const Kernel& kernel);

/// In parameters (theta, O(B p) a step), or in the kernel's space (z and Theta, O(B N) a step).
enum class Sampler { automatic, parameters, kernel };

/// Runs the algorithm.
std::unique_ptr<Simulation> simulate_finite_data(std::shared_ptr<const FiniteData> data, Sampler sampler);

/// Closed forms, and the reference instance of docs/theory/least-squares-sgd.md, section 13 (fin).
std::vector<ClosedForm> finite_data_closed_forms();

}  // namespace edgewise::models::finite_data
