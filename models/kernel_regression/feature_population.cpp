#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "models/kernel_regression/population.hpp"
#include "spectra/kinds.hpp"

namespace edgewise::models::kernel_regression {

namespace {

using namespace ingredients::learning_curves;
using linear_algebra::Matrix;
using linear_algebra::Transposed;

constexpr double most_coordinates = 2e8;

/// Gaussian features with the eigenvalues of [spectrum] and the kernel <x, x'>: linear ridge regression.
class FeaturePopulation final : public Population {
 public:
  explicit FeaturePopulation(spectra::Spectrum spectrum) : spectrum_(std::move(spectrum)) {}

  Levels levels() const override {
    Levels out{spectrum_.eigenvalue, spectrum_.multiplicity, {}, {}, 0, 0};
    for (std::size_t a = 0; a < spectrum_.modes(); ++a) {
      out.power.push_back(spectrum_.eigenvalue[a] * spectrum_.target_power[a]);
      out.degree.push_back(static_cast<double>(a));
    }
    return out;
  }
  double noise() const override { return spectrum_.unexplained_variance; }

  RidgeData draw(std::uint64_t seed, std::uint64_t replica, std::size_t samples, std::size_t tests) const override {
    // A mode's power lies along its first coordinate.
    const auto d = static_cast<std::size_t>(spectrum_.dimension());
    Matrix theta(d, 1), x(d, samples), z(d, tests);
    random::Stream stream(seed, replica, 0, random::Purpose::data);
    for (Matrix* points : {&x, &z})
      for (std::size_t j = 0; j < points->columns(); ++j) {
        std::size_t i = 0;
        for (std::size_t a = 0; a < spectrum_.modes(); ++a) {
          theta(i, 0) = std::sqrt(spectrum_.target_power[a]);
          for (double c = 0; c < spectrum_.multiplicity[a]; ++c)
            (*points)(i++, j) = std::sqrt(spectrum_.eigenvalue[a]) * stream.normal();
        }
      }
    RidgeData out{
        linear_algebra::product(x, x, Transposed::yes), linear_algebra::product(x, z, Transposed::yes), {}, {}};
    const Matrix y = linear_algebra::product(x, theta, Transposed::yes),
                 truth = linear_algebra::product(z, theta, Transposed::yes);
    out.labels.assign(y.entries().begin(), y.entries().end());
    out.truth.assign(truth.entries().begin(), truth.entries().end());
    return out;
  }

  std::string obstacle(std::size_t samples, std::size_t tests) const override {
    if (spectrum_.compressed || !spectrum_.whole_multiplicities())
      return "a compressed spectrum is for theory only: its nodes stand for many coordinates";
    if (spectrum_.dimension() * static_cast<double>(samples + tests) > most_coordinates)
      return fmt::format("the spectrum's dimension times samples must be at most {:g} for a simulation",
                         most_coordinates);
    return {};
  }

 private:
  spectra::Spectrum spectrum_;
};

}  // namespace

std::unique_ptr<Population> feature_population(const settings::Table& experiment) {
  return std::make_unique<FeaturePopulation>(spectra::build(experiment));
}

}  // namespace edgewise::models::kernel_regression
