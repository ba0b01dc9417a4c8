#pragma once
/// \file
/// The exact standard deviation of the training loss of one run on a fixed data set.
///
/// The fourth moments T = E z x z x z x z close: z' = (1 - c Theta Pi) z with c = eta N/B and Pi independent of z, so
///     T' = sum over sets U of axes of (-c)^|U| (Theta on the axes U) (E prod_{u in U} Pi_{i_u}) T.
/// They are N^4 numbers, N^5 operations a step: for small N.
#include <array>
#include <optional>
#include <vector>

#include "models/finite_data/finite_data.hpp"

namespace edgewise::models::finite_data {

/// E of a product of m counts of one batch, m = 1..4, by how many pairs of its indices are equal (m = 4: 6 all four
/// equal, 3 three of them, 2 two pairs, 1 one pair, 0 none).
using CountMoments = std::array<std::array<double, 7>, 5>;
CountMoments count_moments(Sampling sampling, std::size_t samples, std::size_t batch);

class FourthMoments {
 public:
  FourthMoments(const FiniteData& data, const Kernel& kernel);
  void step(double learning_rate);
  /// E |z|^4.
  double power_squared() const;
  /// Floating-point operations of `steps` steps.
  static double cost(std::size_t samples, double steps);

 private:
  double at(const std::vector<double>& tensor, std::size_t i, std::size_t j, std::size_t k, std::size_t l) const {
    return tensor[i + n_ * (j + n_ * (k + n_ * l))];
  }

  /// The symmetric matrix on each of the first axes.
  void along_axes(const linear_algebra::Matrix& symmetric, std::size_t axes, std::vector<double>& tensor);

  std::size_t n_;
  double scale_;  // N/B
  CountMoments counts_;
  linear_algebra::Matrix theta_;
  /// Where z is in the range of Theta. Rounding leaves it at the size of the start, where it would stay while the rest decays.
  std::optional<linear_algebra::Matrix> projector_;
  std::vector<double> moments_;               // T
  std::array<std::vector<double>, 5> moved_;  // entry m: Theta on the first m axes of the weighted T
  std::vector<double> work_;
};

}  // namespace edgewise::models::finite_data
