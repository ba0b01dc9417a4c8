#include <fmt/format.h>

#include "spectra/formulas.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::spectra {

Spectrum isotropic(double dimension, double target_power, double eigenvalue) {
  Spectrum s;
  s.eigenvalue = {eigenvalue};
  s.multiplicity = {dimension};
  s.target_power = {target_power};
  s.provenance = fmt::format("isotropic, d = {}, eigenvalue {}, target power {}", dimension, eigenvalue, target_power);
  return s;
}

Kind isotropic_kind() {
  settings::Description d;
  d.name = "isotropic";
  d.summary = "All eigenvalues equal: one mode that stands for d coordinates.";
  d.equations = "K = lambda I_d,  |theta*|^2 = target_power";
  d.source = "docs/theory/least-squares-sgd.md, section 1.4";
  d.parameters = {
      settings::integer("dimension", "number of coordinates d").must().at_least(1).at_most(1e15),
      settings::number("eigenvalue", "the eigenvalue lambda").otherwise(1.0).above(0),
      settings::number("target_power", "squared norm of the target, |theta*|^2").otherwise(1.0).at_least(0),
  };
  return {d, [](const settings::Values& values) {
            return isotropic(static_cast<double>(values.integer("dimension")), values.number("target_power"),
                             values.number("eigenvalue"));
          }};
}

}  // namespace edgewise::spectra
