#include "spectra/autoregressive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::spectra {

namespace {

/// Beyond this the matrix fills gigabytes.
constexpr std::size_t most_coordinates = 20'000;

Autoregressive autoregressive_of(const settings::Values& values) {
  return settings::naming(values, "", [&] {
    return checked(Autoregressive{static_cast<std::size_t>(values.integer("dimension")), values.number("alpha"),
                                  values.number("correlation"), values.number("target_power")});
  });
}

}  // namespace

Autoregressive checked(Autoregressive model) {
  if (model.dimension < 1 || model.dimension > most_coordinates)
    throw std::invalid_argument(
        fmt::format("dimension: must be from 1 to {}, got {}", most_coordinates, model.dimension));
  if (!std::isfinite(model.alpha)) throw std::invalid_argument("alpha: must be finite");
  if (!(std::abs(model.correlation) < 1))
    throw std::invalid_argument(fmt::format("correlation: must be between -1 and 1, got {}", model.correlation));
  if (!(model.target_power >= 0) || !std::isfinite(model.target_power))
    throw std::invalid_argument(fmt::format("target_power: must be finite and >= 0, got {}", model.target_power));
  return model;
}

std::vector<double> Autoregressive::matrix() const {
  const std::size_t d = dimension;
  std::vector<double> out(d * d), power(d), scale(d);
  for (std::size_t i = 0; i < d; ++i) {
    power[i] = i == 0 ? 1 : power[i - 1] * correlation;
    scale[i] = std::pow(static_cast<double>(i + 1), -alpha);
  }
  for (std::size_t j = 0; j < d; ++j)
    for (std::size_t i = 0; i < d; ++i) out[j * d + i] = scale[i] * scale[j] * power[i > j ? i - j : j - i];
  return out;
}

std::vector<double> Autoregressive::target() const {
  return std::vector<double>(dimension, std::sqrt(target_power / static_cast<double>(dimension)));
}

Spectrum Autoregressive::spectrum() const {
  using linear_algebra::Matrix;
  const std::vector<double> entries = matrix(), theta = target();
  const auto [lambda, vectors] = linear_algebra::symmetric_eigen(Matrix(dimension, dimension, entries));
  const Matrix along = linear_algebra::product(vectors, Matrix(dimension, 1, theta), linear_algebra::Transposed::yes);
  Spectrum s;
  for (std::size_t a = dimension; a-- > 0;) {
    s.eigenvalue.push_back(std::max(lambda[a], 0.0));
    s.multiplicity.push_back(1);
    s.target_power.push_back(along(a, 0) * along(a, 0));
  }
  s.provenance = fmt::format("autoregressive, d = {}, alpha = {}, correlation = {}", dimension, alpha, correlation);
  return checked(std::move(s));
}

Kind autoregressive_kind() {
  settings::Description d;
  d.name = "autoregressive";
  d.summary =
      "Neighbouring coordinates are correlated; the target is spread "
      "over all of them.";
  d.equations =
      "K_ij = (i j)^(-alpha) correlation^|i-j|,  theta*_j = "
      "sqrt(target_power / d)";
  d.source = "docs/theory/sign-and-clip.md, section 0.1";
  d.parameters = {
      settings::integer("dimension", "number of coordinates d").must().at_least(1).at_most(most_coordinates),
      settings::number("alpha", "exponent of the coordinates' standard deviations").otherwise(0.0),
      settings::number("correlation", "of neighbours").must().above(-1).below(1),
      settings::number("target_power", "squared norm of the target, |theta*|^2").otherwise(1.0).at_least(0),
  };
  return {d, [](const settings::Values& values) { return autoregressive_of(values).spectrum(); }};
}

std::optional<Autoregressive> autoregressive_of(const settings::Table& experiment) {
  const settings::Table* section = experiment.table("spectrum");
  if (!section) return std::nullopt;
  const settings::Value* kind = section->find("kind");
  if (!kind || *kind != settings::Value(std::string("autoregressive"))) return std::nullopt;
  const std::vector<std::string> every_key = section->keys();
  return autoregressive_of(settings::read(*section, autoregressive_kind().description.parameters, every_key));
}

}  // namespace edgewise::spectra
