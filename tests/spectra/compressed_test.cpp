// Which key is named for a compressed spectrum: the one that made it, by a file's section [spectrum].
#include "spectra/compressed.hpp"

#include <doctest/doctest.h>

#include <string>

#include "settings/settings.hpp"
#include "spectra/kinds.hpp"

using namespace edgewise;

namespace {

std::string said(const std::string& keys) {
  const spectra::Spectrum s = spectra::build(settings::read_text("[spectrum]\n" + keys, "x.toml"));
  CHECK(s.compressed);
  return spectra::kept_by(s, "cannot be simulated");
}

}  // namespace

TEST_CASE("the key that compressed a spectrum") {
  const std::string power = "kind = 'power-law'\nalpha = 1.0\nbeta = 0.3\n",
                    nodes = "the nodes of a compressed spectrum ";
  const std::string by_default =
      "spectrum.nodes: " + nodes +
      "cannot be simulated, and a power law of more than 200000 coordinates is compressed by default; give nodes = "
      "\"exact\" and no compress";
  CHECK(said(power + "dimension = 1000000") == by_default);
  CHECK(said(power + "dimension = 200001") == by_default);
  CHECK(said(power + "dimension = 1000000\nsignal = 2.0\ntail = 'noise'") == by_default);
  CHECK(said(power + "dimension = 100000000\ncompress = 1e-5") == by_default);
  CHECK(said(power + "dimension = 100000001") ==
        "spectrum.dimension: " + nodes +
            "cannot be simulated, and a power law of more than 100000000 coordinates is always one; give fewer");
  const std::string asked = "spectrum.compress: " + nodes + "cannot be simulated; remove the key compress";
  CHECK(said(power + "dimension = 200000\ncompress = 1e-5") == asked + ", or nodes = \"compressed\"");
  CHECK(said(power + "dimension = 200000\nnodes = 'compressed'") == asked + ", or nodes = \"compressed\"");
  CHECK(said("kind = 'marchenko-pastur'\ndimension = 400\nratio = 0.5\ncompress = 1e-4") == asked);
}
