#pragma once
/// \file
/// What the first two steps of a run do to its kernel K = J J', eigenvector by eigenvector
/// (docs/theory/quadratic-regression.md, section 2): k_alpha(t) = v_alpha' K_t v_alpha with the eigenvectors v_alpha of
/// K_0, eigenvalues descending.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "models/framework/absent.hpp"
#include "models/framework/model.hpp"

namespace edgewise::models::quadratic_regression {

/// First differences X(1) - X(0) and second differences X(2) - 2 X(1) + X(0), apart from each other: noise makes the
/// first positive and the second small, so that their sum says little.
class SharpeningRecord {
 public:
  /// \param initial  J at step 0, D x P
  /// \param modes    eigenvectors that are followed, 1..D
  SharpeningRecord(const linear_algebra::Matrix& initial, std::size_t modes);
  /// The steps after which `note` is to be called.
  static constexpr std::uint64_t last_step = 2;
  /// \param step  1 or 2, in this order
  void note(std::uint64_t step, const linear_algebra::Matrix& jacobian);
  /// Writes what sharpening_observables(modes) names; absent before step 2.
  void write(std::span<double> out) const;

 private:
  std::vector<double> measured(const linear_algebra::Matrix& jacobian) const;

  linear_algebra::Matrix vectors_;            // D x modes
  std::array<std::vector<double>, 3> steps_;  // k_1 ... k_m, tr K/D, lambda_1
};

/// For `modes` eigenvectors: sharpening_first_1 ..., sharpening_second_1 ..., the differences of k_alpha;
/// sharpening_first_ntk_mean and sharpening_second_ntk_mean, of tr K/D; sharpening_second_ntk_max, of lambda_1, which
/// contains the repulsion of levels.
std::vector<Observable> sharpening_observables(std::size_t modes);

}  // namespace edgewise::models::quadratic_regression
