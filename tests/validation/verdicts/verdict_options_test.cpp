// The section [verdict].
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "validation/verdicts/verdict.hpp"

using namespace edgewise;
using namespace edgewise::validation;

namespace {

VerdictOptions read(const std::string& text) {
  return read_verdict_options(settings::read_text(text, "e.toml"));
}
std::string refusal(const std::string& keys) {
  try {
    read("[verdict]\n" + keys);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("what is not said in [verdict], and what is") {
  for (const char* nothing : {"", "[verdict]\n", "[verdict.scaling]\ntime.steps = 1\n"}) {
    const VerdictOptions usual = read(nothing);
    CHECK(usual.false_alarm == 0.01);
    CHECK(usual.resolution == 0.1);
    CHECK(usual.power == 0.99);
    CHECK(usual.allowed == 0);
    CHECK(usual.predictions.empty());
    CHECK(usual.dimensions.empty());
    CHECK_FALSE(usual.gap_exponent);
  }
  const VerdictOptions given = read(
      "[verdict]\nfalse_alarm = 0.02\nresolution = 0.3\npower = 0.9\nallowed = 0.04\npredictions = ['a', 'b']\n"
      "dimensions = [8, 16, 32]\ngap_exponent = 0.5\n");
  CHECK(given.false_alarm == 0.02);
  CHECK(given.resolution == 0.3);
  CHECK(given.power == 0.9);
  CHECK(given.allowed == 0.04);
  CHECK(given.predictions == std::vector<std::string>{"a", "b"});
  CHECK(given.dimensions == std::vector<double>{8, 16, 32});
  CHECK(*given.gap_exponent == 0.5);
}

TEST_CASE("every key of [verdict] has its range, both ends of which are in it or are not") {
  for (const char* good : {"false_alarm = 1e-9", "false_alarm = 0.5", "resolution = 1", "resolution = 1e-9",
                           "power = 0.5", "power = 0.999", "allowed = 0", "allowed = 0.999", "dimensions = [1]",
                           "gap_exponent = 0.1", "gap_exponent = 4"}) {
    CAPTURE(good);
    CHECK(refusal(good).empty());
  }
  for (const char* bad : {"false_alarm = 0.9e-9", "false_alarm = 0.51", "resolution = 1.01", "resolution = 0",
                          "power = 0.49", "power = 0.9991", "allowed = -0.01", "allowed = 1", "dimensions = [0.9]",
                          "gap_exponent = 0.09", "gap_exponent = 4.1"}) {
    CAPTURE(bad);
    const std::string key = std::string(bad).substr(0, std::string(bad).find(' '));
    CHECK(refusal(bad).starts_with("e.toml: verdict." + key + ": must be "));
  }
  CHECK(refusal("resolutoin = 1") == "e.toml: verdict.resolutoin: unknown key, did you mean 'resolution'?");
}

TEST_CASE("outcomes by name") {
  CHECK(name(Outcome::agree) == "agree");
  CHECK(name(Outcome::disagree) == "disagree");
  CHECK(name(Outcome::inconclusive) == "inconclusive");
}
