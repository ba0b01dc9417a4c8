#pragma once
/// \file
/// The excess risk on fresh data of what SGD has learned from a fixed data set.
///
/// The parameters move in the span of the samples: theta = Phi y, Phi = X'V/N, and y' = y - eta V' Pi N/B z, so that
/// V'(z - z_0) = diag(mu) y. The excess risk P = (theta - theta*)' K (theta - theta*) is a quadratic function of y; its
/// mean follows from E y and the covariance of y, which stay well conditioned for the smallest eigenvalues.
#include <span>

#include "models/finite_data/finite_data.hpp"

namespace edgewise::models::finite_data {

class PopulationRisk {
 public:
  /// `data` must have a population.
  PopulationRisk(const FiniteData& data, const Kernel& kernel);

  /// E P from E y and the covariance of y.
  double excess(std::span<const double> mean, const linear_algebra::Matrix& covariance) const;
  /// E P from E y and the variances of the y_a, their covariances left out.
  double excess(std::span<const double> mean, std::span<const double> variance) const;

 private:
  /// P of the parameters Phi mean.
  double excess_of(std::span<const double> mean) const;

  const Population& population_;
  linear_algebra::Matrix features_;   // Phi, p x N
  linear_algebra::Matrix curvature_;  // Phi' K Phi
};

/// P of the parameters theta. The same sum in the simulation.
double population_excess(const Population& population, std::span<const double> theta);

}  // namespace edgewise::models::finite_data
