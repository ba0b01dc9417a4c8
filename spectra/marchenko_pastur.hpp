#pragma once
/// \file
/// The Marchenko-Pastur law: eigenvalues of a sample covariance of white noise.
#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgewise::spectra {

/// Share of the eigenvalues that lies above lambda(phi) = 1 + c + 2 sqrt(c) cos(phi), phi in [0, pi], c = d / n the
/// aspect ratio: the integral of 2 sin^2 / (pi lambda). It reaches min(1, 1/c) at phi = pi; the rest is at zero.
/// Source: Marchenko and Pastur 1967; closed form of the integral derived.
double marchenko_pastur_above(double ratio, double phi);

/// `count` quantiles of the law's positive part, at probabilities (i - 1/2) / count, largest first. Unit variance.
std::vector<double> marchenko_pastur_quantiles(double ratio, std::size_t count);

/// The min(d, n) positive eigenvalues of X'X / n, X with n x d standard normal entries, largest first.
std::vector<double> wishart_eigenvalues(std::size_t n, std::size_t d, std::uint64_t seed);

}  // namespace edgewise::spectra
