#pragma once
/// \file
/// Spectra that a formula gives, by their parameters.
#include <cstdint>

#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// lambda_j = j^(-2 alpha), theta*_j = j^(-beta), j = 1..dimension, each a mode of its own.
Spectrum power_law(std::int64_t dimension, double alpha, double beta);

/// One mode that stands for all coordinates. \param dimension  any number > 0
Spectrum isotropic(double dimension, double target_power, double eigenvalue = 1);

}  // namespace edgewise::spectra
