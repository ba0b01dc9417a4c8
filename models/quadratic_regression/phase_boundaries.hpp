#pragma once
/// \file
/// Predicted boundaries of the (eta, B) phase diagram of second-order regression: where training diverges, and where it
/// meets the edge of stability or its stochastic kin. See docs/theory/quadratic-regression.md, sections 3 and 4.
///
/// The memory recursion gives the mean of the kernel's diagonal, k(t) = tr K / D, at learning rate eta and batch
/// fraction b = B / D. That K is k(t) times a Wishart matrix is the conjecture behind lambda_+; the kernel norms of a
/// few Wishart matrices of the given D and P then hold at eta k(t).
///
/// How far that agrees with the phase diagram measured there (D = 40, P = 80, kappa = 4, three or four runs a
/// cell): predicted eta lambda_1 and exact norm are within 8% of every median of a cell below the edge; every cell
/// whose runs all diverge lies above the divergence line, every cell without divergence below it, and cells where some
/// diverge within 15% of it. Beyond the edge the norm is overestimated, by some 10% before divergence: runs hold it
/// near 1, which the limit does not know of.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/quadratic_regression/memory.hpp"

namespace edgewise::models::quadratic_regression {

struct QuadraticBoundaryOptions {
  double effective_time = 20;    ///< eta sJ2 b t up to which the kernel is followed
  double passes = 60;            ///< b t within which divergence counts
  std::size_t most_steps = 600;  ///< of a recursion; see `kernel_mean` and `divergence`
  std::size_t kernels = 6;       ///< Wishart matrices that the kernel norms are averaged over
  std::uint64_t seed = 1;        ///< of those
  double tolerance = 1e-3;       ///< relative, of the boundaries
};

class QuadraticBoundaries {
 public:
  /// \param ensemble its delta is replaced by outputs / parameters. \throws std::invalid_argument for parameters out of
  /// range.
  QuadraticBoundaries(const QuadraticEnsemble& ensemble, std::size_t outputs, std::size_t parameters,
                      const QuadraticBoundaryOptions& options = {});

  /// Above it training diverges: the loss exceeds 100 times the initial one within `passes`, or `most_steps`.
  double divergence(std::size_t batch) const;
  /// Above it training meets the edge: the exact kernel norm reaches 1 on the way; at full batch, eta lambda_1 reaches
  /// 2. See exact_kernel_norm for the cost.
  double edge(std::size_t batch) const;
  /// The same with the annealed kernel norm, O(D); above `edge`.
  double annealed_edge(std::size_t batch) const;

  /// The largest tr K / D on the way. Recursions longer than `most_steps` are avoided by a larger batch fraction, at
  /// the same effective time: k depends weakly on it where eta k is below the edge.
  double kernel_mean(double learning_rate, std::size_t batch) const;
  /// Predicted exact kernel norm, infinite beyond the pole; 0 at full batch.
  double kernel_norm(double learning_rate, std::size_t batch) const;
  /// Predicted eta lambda_1.
  double eta_lambda(double learning_rate, std::size_t batch) const;

 private:
  /// The learning rate at which eta kernel_mean(eta) reaches a value.
  double reaches(double value, std::size_t batch) const;
  void check_batch(std::size_t batch) const;

  QuadraticEnsemble ensemble_;
  std::size_t outputs_;
  QuadraticBoundaryOptions options_;
  std::vector<linear_algebra::SymmetricEigen> kernels_;  ///< of unit mean
  double largest_ = 0;                                   ///< their mean largest eigenvalue
};

/// The edge of stability at full batch in the limit: the learning rate above which eta lambda_+ exceeds 2 within
/// `effective_time`. Below `QuadraticBoundaries::edge` of a finite kernel, whose lambda_1 is smaller than lambda_+.
double quadratic_eos_threshold(const QuadraticEnsemble& ensemble, const QuadraticBoundaryOptions& options = {});

}  // namespace edgewise::models::quadratic_regression
