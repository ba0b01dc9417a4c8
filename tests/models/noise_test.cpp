#include "models/noise.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace edgewise;
using doctest::Approx;

namespace {

std::unique_ptr<models::Noise> parse(const std::string& text) {
  return models::read_noise(settings::read_text(text, "x.toml"));
}

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("defaults: none without the section, gaussian with it") {
  CHECK(parse("")->name() == "none");
  CHECK(parse("")->variance() == 0);
  CHECK(parse("")->gaussian());
  CHECK(parse("[noise]\nvariance = 2\n")->name() == "gaussian");
  CHECK(parse("[noise]\nlaw = 'none'\n")->name() == "none");
  CHECK(parse("[noise]\nlaw = 'laplace'\nvariance = 0\n")->gaussian());
}

TEST_CASE("each law has the moments it states, and draws them") {
  // Moments of 2^18 draws, seed fixed. E eps^2 and E eps^4 to 6 standard errors (two-sided p < 2e-9 each); the 4th
  // moment only where the 8th is finite.
  struct Case {
    std::string text;
    double fourth, eighth;
  };
  const std::vector<Case> cases{
      {"law = 'gaussian'", 3, 105},
      {"law = 'laplace'", 6, 2520},
      {"law = 'uniform'", 1.8, 9},
      {"law = 'rademacher'", 1, 1},
      {"law = 'student-t'\ndof = 20", 3 * 18.0 / 16, 105 * std::pow(18, 3) / (16 * 14 * 12.0)},
      {"law = 'student-t'", 9, INFINITY}};
  const double variance = 0.3;
  for (const auto& one : cases) {
    CAPTURE(one.text);
    const auto noise = parse("[noise]\nvariance = 0.3\n" + one.text);
    CHECK(noise->variance() == variance);
    CHECK(noise->fourth_moment() == Approx(one.fourth * variance * variance).epsilon(1e-14));
    random::Stream stream(11, 0);
    const int n = 1 << 18;
    double s1 = 0, s2 = 0, s4 = 0;
    for (int i = 0; i < n; ++i) {
      const double unit = noise->draw(stream) / std::sqrt(variance);
      s1 += unit;
      s2 += unit * unit;
      s4 += unit * unit * unit * unit;
    }
    CHECK(std::abs(s1 / n) < 6 / std::sqrt(n));
    CHECK(std::abs(s2 / n - 1) <= 6 * std::sqrt((one.fourth - 1) / n) + 1e-12);
    if (std::isfinite(one.eighth))
      CHECK(std::abs(s4 / n - one.fourth) <= 6 * std::sqrt((one.eighth - one.fourth * one.fourth) / n) + 1e-12);
  }
  CHECK(std::isinf(parse("[noise]\nlaw='student-t'\nvariance=1\ndof=3.5\n")->fourth_moment()));
}

TEST_CASE("variance zero draws zero") {
  random::Stream stream(1, 0);
  for (const auto& kind : models::noise_kinds()) {
    const std::string name = kind.description.name;
    const auto noise = parse("[noise]\nlaw = '" + name + "'\n" + (name == "none" ? "" : "variance = 0\n"));
    CHECK(noise->draw(stream) == 0);
    CHECK(noise->fourth_moment() == 0);
  }
}

TEST_CASE("bad input") {
  CHECK(holds(error_of("[noise]\nvariance = -1\n"), "x.toml: noise.variance: must be >= 0, got -1"));
  CHECK(holds(error_of("[noise]\nvariance = inf\n"), "x.toml: noise.variance: must be >= 0"));
  CHECK(holds(error_of("[noise]\nlaw = 'gaussian'\n"), "x.toml: noise.variance: is required"));
  CHECK(holds(error_of("[noise]\nlaw = 'none'\nvariance = 1\n"), "x.toml: noise.variance: law \"none\" has no"));
  CHECK(holds(error_of("[noise]\nlaw = 'gausian'\nvariance = 1\n"), "did you mean 'gaussian'?"));
  CHECK(holds(error_of("[noise]\nlaw = 'student-t'\nvariance = 1\ndof = 2\n"), "x.toml: noise.dof: must be > 2"));
  CHECK(holds(error_of("[noise]\nvarience = 1\n"), "x.toml: noise.varience: unknown key, did you mean 'variance'?"));
  CHECK(holds(error_of("noise = 3\n"), "x.toml: noise: must be a section"));
}
