#pragma once
/// \file
/// The best learning rates of gradient descent on a quadratic, in closed form.
#include <cstdint>
#include <span>
#include <vector>

namespace edgewise::models::ingredients {

/// The rates that make sum_i weight_i prod_k (1 - eta_k lambda_i)^2 least: the product is the residual polynomial of the
/// conjugate gradients after so many steps, orthogonal to all lower ones under the measure weight_i lambda_i, and the rates
/// are its inverse roots, which lie within the spectrum. The smallest first, so that the stiff modes are gone before the rates
/// that would throw them away; once nothing is left the same again, against what rounding has brought back. Of many steps over wide spectra a rate would have to be known to more
/// digits than a double has, and others do better: then they are a start for a search. Empty where there is nothing to do, or too much: beyond 2e9 operations.
/// \param lambda  >= 0. \param weight  >= 0, of each lambda
std::vector<double> best_full_batch_rates(std::span<const double> lambda, std::span<const double> weight,
                                          std::uint64_t steps);

/// The least of sum_i weight_i p(lambda_i)^2 over all polynomials of degree `steps` with p(0) = 1, which is what the conjugate
/// gradients leave: no method that moves by combinations of its full gradients gets below, whatever its rates. NaN where
/// it would take more than 2e9 operations.
double least_full_batch_loss(std::span<const double> lambda, std::span<const double> weight, std::uint64_t steps);

}  // namespace edgewise::models::ingredients
