#include "models/ingredients/learning_rate.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "settings/settings.hpp"

using namespace edgewise;

namespace {

double rate_of(const std::string& text, double trace) {
  const std::vector<settings::Parameter> parameters = {settings::number("learning_rate", "eta").above(0),
                                                       settings::number("gamma", "eta tr K").above(0)};
  return models::ingredients::read_learning_rate(settings::read(settings::read_text(text, "x.toml"), parameters),
                                                 trace);
}

}  // namespace

TEST_CASE("a learning rate, as it is or by the trace") {
  CHECK(rate_of("learning_rate = 0.3", 4) == 0.3);
  CHECK(rate_of("gamma = 0.5", 4) == 0.125);
  CHECK_THROWS_WITH_AS(rate_of("", 4),
                       "x.toml: learning_rate: is required (a number), unless gamma (= learning_rate * tr K) is given",
                       settings::Error);
  CHECK_THROWS_WITH_AS(rate_of("learning_rate = 1\ngamma = 1", 4),
                       "x.toml: learning_rate: give either learning_rate or gamma (= learning_rate * tr K)",
                       settings::Error);
}

TEST_CASE("a rate whose step overflows is refused in the units of its key") {
  CHECK(rate_of("learning_rate = 1e139", 10) == 1e139);
  CHECK(rate_of("learning_rate = 1e200", 1e-60) == 1e200);
  CHECK_THROWS_WITH_AS(
      rate_of("learning_rate = 1e300", 100),
      "x.toml: learning_rate: must be at most 1e+138, where learning_rate * tr K is 1e+140, got 1e+300",
      settings::Error);
  CHECK_THROWS_WITH_AS(rate_of("gamma = 1e300", 100),
                       "x.toml: gamma: must be at most 1e+140, where learning_rate * tr K is 1e+140, got 1e+300",
                       settings::Error);
}
