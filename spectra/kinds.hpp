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
/// `mass_matters` etc. are for the caller to judge from the result. \throws settings::Error for bad input.
Spectrum build(const settings::Table& experiment);

}  // namespace edgewise::spectra
