#include "spectra/kinds.hpp"

#include <exception>
#include <new>
#include <utility>

#include "settings/failure.hpp"
#include "spectra/compression.hpp"

namespace edgewise::spectra {

std::span<const Kind> kinds() {
  static const std::vector<Kind> all = [] {
    std::vector<Kind> list{
        isotropic_kind(),      power_law_kind(),       two_point_kind(), spiked_kind(), marchenko_pastur_kind(),
        autoregressive_kind(), random_features_kind(), list_kind(),      file_kind(),   dataset_kind()};
    for (Kind& kind : list)
      kind.description.parameters.push_back(
          settings::number(
              "compress",
              "replace the eigenvalues by few weighted nodes, with at most this relative error of the "
              "bias, the kernel and the sums, at any time until the slowest mode has fallen by exp(-600), at "
              "a given learning_rate or gamma; theory only, not for simulation")
              .above(0)
              .below(1)
              .computed(kind.description.name == "power-law"
                            ? "every eigenvalue is kept up to d = 200000, 1e-8 above that"
                            : "every eigenvalue is kept"));
    return list;
  }();
  return all;
}

namespace {

/// `work` on the kind and values of the section [spectrum], whose errors it names.
template <class Work>
auto with_kind(const settings::Table& experiment, const Work& work) {
  std::vector<const settings::Description*> descriptions;
  for (const Kind& kind : kinds()) descriptions.push_back(&kind.description);
  const settings::Choice choice = settings::read_choice(experiment, "spectrum", descriptions, "");
  const settings::Values& values = choice.values;
  try {
    return work(kinds()[choice.index], values);
  } catch (const settings::Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw values.error("", settings::said_by(error));
  }
}

}  // namespace

Spectrum build(const settings::Table& experiment) {
  return with_kind(experiment, [](const Kind& kind, const settings::Values& values) {
    Spectrum spectrum = checked(kind.build(values));
    if (values.given("compress") && !spectrum.compressed) return compress(spectrum, values.number("compress")).spectrum;
    return spectrum;
  });
}

std::vector<double> eigenvalues_as_given(const settings::Table& experiment) {
  return with_kind(experiment,
                   [](const Kind& kind, const settings::Values& values) { return kind.build(values).eigenvalue; });
}

}  // namespace edgewise::spectra
