#pragma once
/// \file
/// The kinds of spectrum that an experiment can name.
#include <functional>
#include <span>
#include <vector>

#include "settings/settings.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

struct Kind {
  settings::Description description;
  std::function<Spectrum(const settings::Values&)> build;
};

/// Every kind, in the order `edgewise list spectra` prints them.
std::span<const Kind> kinds();

/// Builds the spectrum of an experiment's section `[spectrum]`, compressed when `compress = TOLERANCE` is given there.
/// Nodes of a compressed spectrum are not fit for simulation: see `Spectrum::compressed`.
/// \throws settings::Error for bad input.
Spectrum build(const settings::Table& experiment);

/// Sets eigenvalues below 0 that are rounding to 0: those above -1e-12 of the largest, or above -4 n eps of it where
/// the list of n is long. That is what a numerical eigendecomposition makes of null directions.
void clear_rounding(std::vector<double>& eigenvalues);

/// The same spectrum's eigenvalues in the order in which the section gives them, before any is sorted or joined; of a
/// formula largest first. \throws settings::Error for bad input.
std::vector<double> eigenvalues_as_given(const settings::Table& experiment);

// One kind each, defined in the file of its name. A new kind is one such file and one line in kinds.cpp.
Kind isotropic_kind();
Kind power_law_kind();
Kind two_point_kind();
Kind spiked_kind();
Kind marchenko_pastur_kind();
Kind list_kind();
Kind file_kind();  ///< csv.cpp
Kind dataset_kind();
Kind autoregressive_kind();
Kind random_features_kind();

}  // namespace edgewise::spectra
