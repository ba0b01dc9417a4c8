#pragma once
/// \file
/// Label noise whose variance is carried by values too rare to be met: an exact mean that no sample shows.
#include <cstdint>
#include <span>
#include <vector>

#include "models/ingredients/noise.hpp"

namespace edgewise::models::ingredients {

/// Whether rare large values may carry much of the variance: a kurtosis beyond 9 (Laplace 6; Student's t below 5
/// degrees; outliers of a small share).
bool has_rare_values(const Noise& noise);

/// E eps^2 over the largest |eps|, of total probability `probability`: what rare values carry of the variance. For laws
/// with rare values and a finite variance.
double rare_variance(const Noise& noise, double probability);

/// The recorded steps and 1, 2, 4, ... periods: what `unmet_part` needs to see how fast noise accumulates.
std::vector<std::uint64_t> steps_to_resolve(std::span<const std::uint64_t> recorded, std::uint64_t period);

/// Of an observable's part in proportion to the variance of the label noise, what values carry that are expected less
/// than once among the draws behind it.
///
/// Behind the part at step k are n draws of every step that it remembers. It remembers at least as many steps as the
/// part contains of the largest increase in a step, which is counted by whole periods.
/// \param steps   as of steps_to_resolve, `part` along with them
/// \param draws   of label noise per step, over all replicas
std::vector<double> unmet_part(const Noise& noise, std::span<const std::uint64_t> steps, std::span<const double> part,
                               std::uint64_t period, double draws);

}  // namespace edgewise::models::ingredients
