// Built at -O1: nothing here takes time.
#include "spectra/compressed.hpp"

#include <fmt/format.h>

namespace edgewise::spectra {

std::string kept_by(const Spectrum& compressed, std::string_view what) {
  const double d = compressed.dimension();
  const bool power_law = compressed.provenance.starts_with("power law");
  // Sums of the weights of nodes round.
  if (power_law && d > largest_exact * (1 + 1e-9))
    return fmt::format(
        "spectrum.dimension: the nodes of a compressed spectrum {}, and a power law of more than {:.0f} coordinates is "
        "always one; give fewer",
        what, largest_exact);
  if (power_law && d > largest_kept_by_default * (1 + 1e-9))
    return fmt::format(
        "spectrum.nodes: the nodes of a compressed spectrum {}, and a power law of more than {:.0f} coordinates is "
        "compressed by default; give nodes = \"exact\" and no compress",
        what, largest_kept_by_default);
  return fmt::format("spectrum.compress: the nodes of a compressed spectrum {}; remove the key compress{}", what,
                     power_law ? ", or nodes = \"compressed\"" : "");
}

}  // namespace edgewise::spectra
