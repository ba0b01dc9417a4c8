#include "spectra/coordinates.hpp"

#include <doctest/doctest.h>

#include "spectra/formulas.hpp"

using namespace edgewise::spectra;

TEST_CASE("coordinates stand for their eigenspaces, and share their power") {
  Spectrum spectrum;
  spectrum.eigenvalue = {3, 1};
  spectrum.multiplicity = {2, 3};
  spectrum.target_power = {5, 6};
  const Coordinates of = coordinates_of(spectrum);
  CHECK(of.size() == 5);
  CHECK(of.eigenvalue == std::vector<double>{3, 3, 1, 1, 1});
  CHECK(of.power == std::vector<double>{2.5, 2.5, 2, 2, 2});
  CHECK(of.mode == std::vector<std::size_t>{0, 0, 1, 1, 1});
  CHECK(coordinates_of(power_law(4, 0.5, 1)).eigenvalue == std::vector<double>{1, 1.0 / 2, 1.0 / 3, 1.0 / 4});
  CHECK(coordinates_of(isotropic(2, 6, 0.5)).power == std::vector<double>{3, 3});
}
