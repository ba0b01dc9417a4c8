#include "settings/section.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace edgewise::settings;

namespace {

enum class Shape { linear, cosine };

struct Example {
  double rate = 0.5;
  std::uint64_t count = 3;
  bool fast = false;
  std::string name = "x";
  Shape shape = Shape::cosine;
  std::vector<double> weights = {1, 2};
  std::vector<std::string> families;
  double cap = 7;                  // by words, whose default is computed
  std::optional<double> exponent;  // none unless it is given
};

const Section<Example>& example() {
  static const Section<Example> section([](Section<Example>& s) {
    s.key("rate", &Example::rate, "a rate").in("step").above(0);
    s.key("count", &Example::count, "how many").at_least(1);
    s.key("fast", &Example::fast, "or not");
    s.key("name", &Example::name, "a word");
    s.words("shape", &Example::shape, "of the decay", {{"linear", Shape::linear}, {"cosine", Shape::cosine}});
    s.key("weights", &Example::weights, "several").at_least(0);
    s.key("families", &Example::families, "words").computed("all");
    s.key("cap", &Example::cap, "a bound").computed("seven");
    s.key("exponent", &Example::exponent, "of the fit").where("shape", {"linear"});
  });
  return section;
}

Example parse(const std::string& toml) {
  return example().read(read_text(toml, "f.toml"));
}

std::string said(const std::string& toml) {
  try {
    parse(toml);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a section's defaults are those of its struct") {
  const Example e = parse("");
  CHECK(e.rate == 0.5);
  CHECK(e.count == 3);
  CHECK_FALSE(e.fast);
  CHECK(e.name == "x");
  CHECK(e.shape == Shape::cosine);
  CHECK(e.weights == std::vector<double>{1, 2});
  CHECK(e.families.empty());
  CHECK(e.cap == 7);
  CHECK_FALSE(e.exponent.has_value());
}

TEST_CASE("every key sets its own field") {
  const Example e = parse(
      "rate = 2\ncount = 9\nfast = true\nname = 'y'\nshape = 'linear'\nweights = [4]\nfamilies = ['a', 'b']\n"
      "cap = 0.25\nexponent = 1.5\n");
  CHECK(e.rate == 2);
  CHECK(e.count == 9);
  CHECK(e.fast);
  CHECK(e.name == "y");
  CHECK(e.shape == Shape::linear);
  CHECK(e.weights == std::vector<double>{4});
  CHECK(e.families == std::vector<std::string>{"a", "b"});
  CHECK(e.cap == 0.25);
  CHECK(e.exponent == 1.5);
}

TEST_CASE("what is declared is checked, and described") {
  CHECK(said("rate = 0") == "f.toml: rate: must be > 0, got 0");
  CHECK(said("count = 1.5") == "f.toml: count: must be a whole number, got 1.5");
  CHECK(said("shape = 'linaer'") == "f.toml: shape: 'linaer' is not one of linear, cosine, did you mean 'linear'?");
  CHECK(said("exponent = 2") == "f.toml: exponent: is read where shape = linear, and here it is cosine; leave it out");
  CHECK(said("rat = 1") == "f.toml: rat: unknown key, did you mean 'rate'?");
  const std::vector<Parameter>& all = example().parameters();
  REQUIRE(all.size() == 9);
  CHECK(all[0].unit == "step");
  CHECK(std::get<double>(*all[0].fallback) == 0.5);
  CHECK(std::get<std::int64_t>(*all[1].fallback) == 3);
  CHECK(std::get<std::string>(*all[4].fallback) == "cosine");
  CHECK(all[4].accepted == std::vector<std::string>{"linear", "cosine"});
  CHECK(all[7].fallback_text == "seven");
  CHECK_FALSE(all[8].fallback.has_value());
}

TEST_CASE("keys of others pass, and a section may be read among others") {
  const std::string others[] = {"paths"};
  CHECK(example().read(read_text("paths = 3\nrate = 2", "f.toml"), others).rate == 2);
  CHECK_THROWS_AS(example().read(read_text("paths = 3", "f.toml")), Error);
  std::vector<Parameter> both = example().parameters();
  both.push_back(integer("paths", "how many").otherwise(std::int64_t{64}));
  CHECK(example().from(read(read_text("rate = 2\npaths = 3", "f.toml"), both)).rate == 2);
}
