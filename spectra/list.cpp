#include <fmt/format.h>

#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

std::vector<double> one_for_each(const settings::Values& values, const std::string& key, std::size_t count) {
  if (!values.given(key)) return std::vector<double>(count, 1.0);
  const std::vector<double>& list = values.numbers(key);
  if (list.size() != count)
    throw values.error(key, fmt::format("has {} numbers but eigenvalues has {}", list.size(), count));
  return list;
}

}  // namespace

Kind list_kind() {
  settings::Description d;
  d.name = "list";
  d.summary = "Eigenvalues written out in the experiment file.";
  d.equations = "K = diag(lambda_a x n_a),  rho_a = |theta*|^2 in eigenspace a";
  d.source = "the experiment file";
  d.parameters = {
      settings::numbers("eigenvalues", "the eigenvalues, >= 0, in any order; those below 0 by rounding count as 0")
          .must(),
      settings::numbers("multiplicities", "coordinates with each eigenvalue").above(0).computed("1 each"),
      settings::numbers("target_power", "the target's power in each eigenspace (not per coordinate)")
          .at_least(0)
          .computed("1 each"),
      settings::number("unexplained_variance", "variance of the label that no linear function of the data explains")
          .otherwise(0.0)
          .at_least(0),
  };
  return {d, [](const settings::Values& values) {
            Spectrum s;
            s.eigenvalue = values.numbers("eigenvalues");
            clear_rounding(s.eigenvalue);
            for (const double lambda : s.eigenvalue)
              if (lambda < 0)
                throw values.error("eigenvalues", fmt::format("must be >= 0, got {}", settings::text_of(lambda)));
            s.multiplicity = one_for_each(values, "multiplicities", s.modes());
            s.target_power = one_for_each(values, "target_power", s.modes());
            s.unexplained_variance = values.number("unexplained_variance");
            s.provenance = fmt::format("list of {} eigenvalues", s.modes());
            return s;
          }};
}

}  // namespace edgewise::spectra
