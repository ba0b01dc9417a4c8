#pragma once
/// \file
/// A spectrum seen coordinate by coordinate, as simulations take it.
#include <cstddef>
#include <vector>

#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// Eigenspace after eigenspace, each as often as its multiplicity says.
struct Coordinates {
  std::vector<double> eigenvalue;
  std::vector<double> power;      ///< of the target, spread evenly over its eigenspace
  std::vector<std::size_t> mode;  ///< which eigenspace

  std::size_t size() const { return eigenvalue.size(); }
};

/// \param spectrum  not compressed, of whole multiplicities
Coordinates coordinates_of(const Spectrum& spectrum);

}  // namespace edgewise::spectra
