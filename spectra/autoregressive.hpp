#pragma once
/// \file
/// Neighbouring coordinates that are alike (docs/theory/sign-and-clip.md, section 0.1).
#include <cstddef>
#include <optional>
#include <vector>

#include "settings/settings.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// K_ij = (i j)^(-alpha) correlation^|i-j|, i, j = 1..d, with theta*_j = sqrt(target_power / d).
struct Autoregressive {
  std::size_t dimension = 1;
  double alpha = 0, correlation = 0, target_power = 1;

  std::vector<double> matrix() const;  ///< K, d x d
  std::vector<double> target() const;  ///< theta*
  /// Eigenvalues of K and the target's power along each eigenvector, by one eigendecomposition.
  Spectrum spectrum() const;
};

/// \throws std::invalid_argument unless 1 <= dimension <= 20000, alpha is finite, |correlation| < 1, target_power >= 0.
Autoregressive checked(Autoregressive model);

/// The one that an experiment's section [spectrum] names, if it is of kind "autoregressive".
std::optional<Autoregressive> autoregressive_of(const settings::Table& experiment);

}  // namespace edgewise::spectra
