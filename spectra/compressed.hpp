#pragma once
/// \file
/// What is said of a compressed spectrum where every coordinate is asked for.
#include <string>
#include <string_view>

#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// Power laws of more coordinates are compressed unless spectrum.nodes = "exact".
inline constexpr double largest_kept_by_default = 200'000;
/// Coordinates of an exact power law at most.
inline constexpr double largest_exact = 100'000'000;

/// The key that made the spectrum a compressed one and how to keep every coordinate, as the words of an error.
/// \param what  is not possible of its nodes: "cannot be simulated"
std::string kept_by(const Spectrum& compressed, std::string_view what);

}  // namespace edgewise::spectra
