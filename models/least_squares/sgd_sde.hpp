#pragma once
/// \file
/// Homogenized SGD (docs/theory/least-squares-sgd.md, section 3):
///
///     dv = -eta K v dt + (eta/sqrt B) ( sqrt(P + sigma^2) K^(1/2) dW + K v dw )
///
/// It has the mean of the risk of SGD; its fluctuations are NOT those of SGD at finite dimension (section 4b).
#include "models/least_squares/theory.hpp"

namespace edgewise::models::least_squares {

/// Simulates `theory.paths` paths of the SDE with the chosen scheme and step: the means of excess_mse and parameter_error,
/// with the standard deviation of the former over the paths.
Trajectory homogenized_sde(const LeastSquares& problem, const LeastSquaresTheory& theory);

}  // namespace edgewise::models::least_squares
