#pragma once
/// \file
/// Homogenized SGD (docs/theory/least-squares-sgd.md, section 3):
///
///     dv = -eta K v dt + (eta/sqrt B) ( sqrt(P + sigma^2) K^(1/2) dW + K v dw )
///
/// It has the mean of the risk of SGD; its fluctuations are NOT those of SGD at finite dimension (section 4b).
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/least_squares/theory.hpp"

namespace edgewise::models::least_squares {

struct SdeResult {
  std::vector<double> excess_mse, excess_mse_std, parameter_error;  ///< mean and spread over the paths
  std::optional<double> diverged_at;
  std::vector<std::pair<std::string, double>> report;
};

/// Simulates `theory.paths` paths of the SDE with the chosen scheme and step, and averages.
SdeResult homogenized_sde(const LeastSquares& problem, const LeastSquaresTheory& theory);

}  // namespace edgewise::models::least_squares
