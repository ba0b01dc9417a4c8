#include "spectra/autoregressive.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "spectra/kinds.hpp"
#include "tests/approx.hpp"

using namespace edgewise::spectra;
using edgewise::tests::Approx;
namespace settings = edgewise::settings;

TEST_CASE("Autoregressive: traces, signal and the eigenvalues of a constant correlation") {
  const Autoregressive model{60, 0.3, 0.6, 2.5};
  const Spectrum s = model.spectrum();
  const auto k = model.matrix(), theta = model.target();
  double trace = 0, square = 0, signal = 0, power = 0;
  for (std::size_t i = 0; i < 60; ++i) {
    trace += k[i * 60 + i];
    power += theta[i] * theta[i];
    for (std::size_t j = 0; j < 60; ++j) {
      square += k[i * 60 + j] * k[i * 60 + j];
      signal += k[i * 60 + j] * theta[i] * theta[j];
    }
  }
  CHECK(s.trace() == Approx(trace).epsilon(1e-13));
  CHECK(s.trace_of_square() == Approx(square).epsilon(1e-13));
  CHECK(s.signal() == Approx(signal).epsilon(1e-13));
  CHECK(power == Approx(2.5).epsilon(1e-14));
  CHECK(k[5 * 60 + 3] == Approx(std::pow(4 * 6, -0.3) * 0.36).epsilon(1e-14));
  // alpha = 0, d = 2: eigenvalues 1 +- correlation, the target along the first.
  const Spectrum two = Autoregressive{2, 0, -0.25, 1}.spectrum();
  CHECK(two.eigenvalue[0] == Approx(1.25).epsilon(1e-14));
  CHECK(two.target_power[0] == Approx(0));
  CHECK(two.target_power[1] == Approx(1).epsilon(1e-14));
}

TEST_CASE("Autoregressive: read from an experiment, or refused") {
  const auto experiment = [](const std::string& keys) {
    return settings::read_text("[spectrum]\nkind = \"autoregressive\"\n" + keys, "test.toml");
  };
  const auto table = experiment("dimension = 7\ncorrelation = 0.5\n");
  CHECK(build(table).modes() == 7);
  CHECK(autoregressive_of(table)->correlation == 0.5);
  CHECK(!autoregressive_of(settings::read_text("[spectrum]\nkind = \"isotropic\"\ndimension = 3\n", "test.toml")));
  CHECK_THROWS_AS(build(experiment("dimension = 7\ncorrelation = 1.0\n")), settings::Error);
  CHECK_THROWS_AS(build(experiment("dimension = 30000\ncorrelation = 0.1\n")), settings::Error);
  CHECK_THROWS_AS(build(experiment("dimension = 7\n")), settings::Error);
  CHECK_THROWS_AS(checked(Autoregressive{0, 0, 0.5, 1}), std::invalid_argument);
  CHECK_THROWS_AS(checked(Autoregressive{5, std::numeric_limits<double>::infinity(), 0.5, 1}), std::invalid_argument);
  CHECK_THROWS_AS(checked(Autoregressive{5, 0, 0.5, -1}), std::invalid_argument);
}
