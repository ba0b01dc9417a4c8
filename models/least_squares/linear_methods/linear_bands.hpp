#pragma once
/// \file
/// The spread of single runs of a linear method, from its matrices (docs/theory/two-phase.md, section 2b).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "models/framework/scaling_law.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "solvers/gram_covariance.hpp"
#include "solvers/product_covariance.hpp"

namespace edgewise::models::least_squares {

/// Multiplications that bands may cost: where nobody asked for them (a second or so), and at most.
inline constexpr double cheap_bands = 1e9, most_bands = 1e11;

/// The exact means and covariances of a method's second moments over runs, step after step.
class LinearVariance {
 public:
  /// Over eigenvalues that stand for many, where `nodes` are given: an approximation of the whole spectrum.
  /// \throws std::invalid_argument where unknown() says why.
  explicit LinearVariance(const LinearProblem& problem, const spectra::Spectrum* nodes = nullptr);

  /// Why the variance of this problem is not known; empty where it is.
  static std::string unknown(const LinearProblem& problem);
  /// Multiplications of `steps` steps (1 to 2 ns each), and numbers kept, at so many modes.
  static double work(const LinearProblem& problem, double steps, double modes);
  static double size(const LinearProblem& problem, double modes);

  /// Runs to `step`, which never falls.
  void advance(std::uint64_t step);
  /// Standard deviations in the order of linear_observables(), and the mean of excess_mse.
  std::vector<double> std() const;
  double excess_mse() const;
  /// Of excess_mse with all second moments of the modes; as what follows, of Gaussian data.
  std::vector<double> covariances() const { return gram().covariances(forms_.front()); }
  /// The derivatives of excess_mse by the second moments at this step; and of a mean, from those at the step `from`, its
  /// derivatives by the second moments at the earlier step `to`.
  std::vector<double> sensitivity() const { return gram().sensitivity(forms_.front()); }
  void trace_back(std::uint64_t from, std::uint64_t to, std::vector<double>& sensitivity);

 private:
  const solvers::GramCovariance& gram() const { return std::get<solvers::GramCovariance>(state_); }
  double deviation(std::size_t form) const;
  void apply(const solvers::GramPhase& phase);
  /// The phases of a step of the period that begins at `begin`; a second one is its sync.
  std::vector<solvers::GramPhase> phases(std::uint64_t step, std::uint64_t begin);

  LinearVariance(BalancedProblem problem, const spectra::Spectrum* nodes);

  LinearProblem problem_;  // balanced, by unit_
  double unit_ = 1;
  Layout layout_;
  std::size_t workers_ = 1;
  double scale_ = 1;  // of squared errors, so that their squares stay representable
  std::variant<solvers::GramCovariance, solvers::ProductCovariance> state_;  // by whether the data are Gaussian
  std::vector<solvers::GramForm> forms_;  // of the readouts, and of the parameter error
  std::vector<double> before_sync_;       // deviations of the readouts taken there
  std::uint64_t step_ = 0, end_ = 0;
  std::vector<std::uint64_t> begins_;  // of the periods; end_ is where the last of them ends
};

/// Adds the standard deviations to the columns of a solution, if they cost at most so many multiplications; where the
/// modes are too many, over fewer nodes whose own mean must then agree with the solution's.
/// \returns why there are none, or nothing.
std::optional<std::string> add_linear_bands(Trajectory& out, const LinearProblem& problem, double most_work);

/// Of the loss at those steps; nothing where they are not known or cost too much.
std::optional<ScalingLaw::Fluctuations> linear_fluctuations(const LinearProblem& problem,
                                                            std::span<const std::uint64_t> steps);

}  // namespace edgewise::models::least_squares
