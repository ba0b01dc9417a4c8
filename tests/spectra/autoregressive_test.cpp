#include "spectra/autoregressive.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <vector>

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

TEST_CASE("Autoregressive: every entry, and what is refused") {
  const Autoregressive model{4, 0.5, -0.4, 3};
  const auto k = model.matrix();
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      CHECK(k[static_cast<std::size_t>(4 * j + i)] ==
            Approx(std::pow((i + 1.0) * (j + 1.0), -0.5) * std::pow(-0.4, std::abs(i - j))).epsilon(1e-15));
  for (const double theta : model.target()) CHECK(theta == Approx(std::sqrt(0.75)).epsilon(1e-15));
  const Spectrum s = model.spectrum();
  CHECK(s.modes() == 4);
  CHECK(std::ranges::is_sorted(s.eigenvalue, std::greater<>()));
  CHECK(s.multiplicity == std::vector<double>{1, 1, 1, 1});
  double power = 0;
  for (const double rho : s.target_power) power += rho;
  CHECK(power == Approx(3).epsilon(1e-14));

  const auto refused = [](Autoregressive bad, const char* why) {
    CHECK_THROWS_WITH_AS(checked(bad), why, std::invalid_argument);
  };
  const double inf = std::numeric_limits<double>::infinity();
  refused({0, 0, 0.5, 1}, "dimension: must be from 1 to 20000, got 0");
  refused({20001, 0, 0.5, 1}, "dimension: must be from 1 to 20000, got 20001");
  refused({5, inf, 0.5, 1}, "alpha: must be finite");
  refused({5, 0, 1, 1}, "correlation: must be between -1 and 1, got 1");
  refused({5, 0, -1, 1}, "correlation: must be between -1 and 1, got -1");
  refused({5, 0, std::nan(""), 1}, "correlation: must be between -1 and 1, got nan");
  refused({5, 0, 0.5, -1}, "target_power: must be finite and >= 0, got -1");
  refused({5, 0, 0.5, inf}, "target_power: must be finite and >= 0, got inf");
  CHECK(checked({20000, -1, 0.999, 0}).dimension == 20000);
  CHECK(checked({1, 0, -0.999, 2}).target_power == 2);
  CHECK(!autoregressive_of(settings::read_text("title = 'x'", "test.toml")));
  CHECK(!autoregressive_of(settings::read_text("[spectrum]\ndimension = 3\n", "test.toml")));
  const auto read = autoregressive_of(settings::read_text(
      "[spectrum]\nkind = 'autoregressive'\ndimension = 3\nalpha = 0.25\ncorrelation = 0.5\ntarget_power = 7\n",
      "test.toml"));
  REQUIRE(read.has_value());
  CHECK(read->dimension == 3);
  CHECK(read->alpha == 0.25);
  CHECK(read->correlation == 0.5);
  CHECK(read->target_power == 7);
}
