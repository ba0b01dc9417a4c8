#include "spectra/coordinates.hpp"

namespace edgewise::spectra {

Coordinates coordinates_of(const Spectrum& spectrum) {
  Coordinates out;
  for (std::size_t a = 0; a < spectrum.modes(); ++a) {
    const auto copies = static_cast<std::size_t>(spectrum.multiplicity[a]);
    out.eigenvalue.insert(out.eigenvalue.end(), copies, spectrum.eigenvalue[a]);
    out.power.insert(out.power.end(), copies, spectrum.target_power[a] / spectrum.multiplicity[a]);
    out.mode.insert(out.mode.end(), copies, a);
  }
  return out;
}

}  // namespace edgewise::spectra
