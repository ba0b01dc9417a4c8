#pragma once
/// \file
/// The rows of a data set as SGD on least squares meets them.
#include <array>
#include <memory>
#include <span>
#include <vector>

#include "models/least_squares/least_squares.hpp"
#include "spectra/dataset.hpp"

namespace edgewise::models::least_squares {

/// What the replicas on real rows share.
struct Rows {
  std::shared_ptr<const spectra::Dataset> dataset;
  std::shared_ptr<const spectra::Measured> measured;
  std::vector<double> start;  ///< theta_0
  double excess = 0;

  explicit Rows(const LeastSquares& problem);
  /// Excess risk and |v|^2, by rotation into the eigenbasis.
  std::array<double, 2> errors(std::span<const double> theta) const;

 private:
  std::span<const double> eigenvector(std::size_t a) const;
};

}  // namespace edgewise::models::least_squares
