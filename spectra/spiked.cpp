#include <fmt/format.h>

#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

Spectrum build_spiked(const settings::Values& values) {
  Spectrum s;
  s.eigenvalue = values.numbers("spikes");
  const std::size_t k = s.eigenvalue.size();
  const std::int64_t d = values.integer("dimension");
  if (static_cast<std::int64_t>(k) >= d)
    throw values.error("spikes", fmt::format("{} spikes leave no bulk at dimension {}", k, d));
  s.multiplicity.assign(k, 1.0);
  if (values.given("spike_power")) {
    s.target_power = values.numbers("spike_power");
    if (s.target_power.size() != k)
      throw values.error("spike_power", fmt::format("has {} numbers but spikes has {}", s.target_power.size(), k));
  } else {
    s.target_power.assign(k, k == 0 ? 0.0 : 1.0 / static_cast<double>(k));
  }
  s.eigenvalue.push_back(values.number("bulk"));
  s.multiplicity.push_back(static_cast<double>(d - static_cast<std::int64_t>(k)));
  s.target_power.push_back(values.number("bulk_power"));
  s.provenance = fmt::format("spiked, d = {}, bulk eigenvalue {}, spikes {}", d, values.number("bulk"),
                             settings::text_of(settings::Value(values.numbers("spikes"))));
  return s;
}

}  // namespace

Kind spiked_kind() {
  settings::Description d;
  d.name = "spiked";
  d.summary = "An isotropic bulk with a few outlying eigenvalues.";
  d.equations = "K = bulk I_d + sum_k (s_k - bulk) u_k u_k'  (spikes s_k, one coordinate each)";
  d.source = "spiked covariance model, Johnstone, Ann. Statist. 29 (2001) 295";
  d.parameters = {
      settings::integer("dimension", "number of coordinates d, spikes included").must().at_least(1).at_most(1e15),
      settings::numbers("spikes", "the outlying eigenvalues").must().above(0),
      settings::number("bulk", "eigenvalue of the bulk").otherwise(1.0).at_least(0),
      settings::numbers("spike_power", "target power in each spike")
          .at_least(0)
          .computed("1 / (number of spikes) each"),
      settings::number("bulk_power", "target power in the bulk").otherwise(0.0).at_least(0),
  };
  return {d, build_spiked};
}

}  // namespace edgewise::spectra
