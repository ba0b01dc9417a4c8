#include "settings/settings.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>

using namespace edgewise::settings;

namespace {

std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

std::vector<Parameter> example() {
  return {number("rate", "a rate").above(0).or_infinite().otherwise(0.5),
          integer("count", "how many").at_least(1).must(),
          text("shape", "a word").one_of({"linear", "cosine"}).otherwise(std::string("linear")),
          boolean("fast", "or not").otherwise(false), numbers("weights", "several").at_least(0)};
}

Values parse(const std::string& toml) {
  return read(read_text(toml, "file.toml"), example());
}

}  // namespace

TEST_CASE("values are checked and defaults filled in") {
  const Values v = parse("count = 3\nweights = [1, 2.5]\n");
  CHECK(v.integer("count") == 3);
  CHECK(v.number("rate") == 0.5);
  CHECK_FALSE(v.given("rate"));
  CHECK(v.text("shape") == "linear");
  CHECK(v.numbers("weights") == std::vector<double>{1, 2.5});
  CHECK(parse("count = 2.0").integer("count") == 2);
  CHECK(parse("count = 1\nrate = 7").number("rate") == 7);
  CHECK(std::isinf(parse("count = 1\nrate = inf").number("rate")));
}

TEST_CASE("bad values are refused with the file, the key and what is accepted") {
  CHECK(message([] { parse("rate = 1"); }) == "file.toml: count: is required (a whole number, >= 1)");
  CHECK(message([] { parse("count = 1\nrate = 0"); }) == "file.toml: rate: must be > 0, or inf, got 0");
  CHECK(message([] { parse("count = 1\nrate = nan"); }).find("must be > 0") != std::string::npos);
  CHECK(message([] { parse("count = 1\nrate = -inf"); }).find("must be > 0") != std::string::npos);
  // An infinity that lies in the range says what it lacks.
  CHECK(message([] { parse("count = 1\nweights = [inf]"); }) == "file.toml: weights: must be finite and >= 0, got inf");
  CHECK(message([] { parse("count = 1\nweights = [-inf]"); }) == "file.toml: weights: must be >= 0, got -inf");
  const auto unbounded = [](const char* value) {
    return message([value] {
      const Parameter any = number("any", "a number");
      read(read_text(std::string("any = ") + value, "file.toml"), {&any, 1});
    });
  };
  CHECK(unbounded("-nan") == "file.toml: any: must be a number, got nan");
  CHECK(unbounded("-inf") == "file.toml: any: must be finite, got -inf");
  const auto extended = [](const char* value) {
    return message([value] {
      const Parameter any = number("any", "a number").or_infinite();
      read(read_text(std::string("any = ") + value, "file.toml"), {&any, 1});
    });
  };
  CHECK(extended("nan") == "file.toml: any: must be a number, got nan");
  CHECK(extended("-inf") == "file.toml: any: must be finite, or inf, got -inf");
  CHECK(message([] { parse("count = 1.5"); }) == "file.toml: count: must be a whole number, got 1.5");
  CHECK(message([] { parse("count = 0"); }) == "file.toml: count: must be >= 1, got 0");
  CHECK(message([] { parse("count = true"); }) == "file.toml: count: must be a whole number, got true");
  CHECK(message([] { parse("count = 1\nshape = 'cosin'"); }) ==
        "file.toml: shape: 'cosin' is not one of linear, cosine, did you mean 'cosine'?");
  CHECK(message([] { parse("count = 1\nweights = [1, -2]"); }) == "file.toml: weights: must be >= 0, got -2");
  CHECK(message([] { parse("count = 1\nweights = ['a']"); }).find("must be a list of numbers") != std::string::npos);
  CHECK(message([] { parse("count = 1\n[fast]\nx = 1"); }).find("must be true or false, got a section") !=
        std::string::npos);
}

TEST_CASE("unknown keys are errors, with the nearest known one") {
  CHECK(message([] { parse("count = 1\nrat = 2"); }) == "file.toml: rat: unknown key, did you mean 'rate'?");
  CHECK(message([] { parse("count = 1\nzzzzzz = 2"); }).find("unknown key; known here: rate, count") !=
        std::string::npos);
}

TEST_CASE("whole numbers written as numbers, and keys named with their section") {
  const std::vector<Parameter> parameters = {number("width", "how wide").at_least(0).otherwise(3.0)};
  const auto read_width = [&](const std::string& toml) { return read(read_text(toml, "file.toml"), parameters); };
  CHECK(read_width("width = 1e3").whole("width") == 1000);
  CHECK(read_width("").whole("width") == 3);
  CHECK(message([&] { read_width("width = 2.5").whole("width"); }) == "file.toml: width: must be a whole number");
  CHECK(read_width("width = 9007199254740992.0").whole("width") == 9007199254740992);
  for (const char* large : {"width = 9007199254740994.0", "width = 1e300"})
    CHECK(message([&] { read_width(large).whole("width"); }) ==
          "file.toml: width: must be a whole number of at most 9007199254740992");
  const std::vector<Parameter> all = with_sections({{"network", parameters}, {"input", parameters}});
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "network.width");
  CHECK(all[1].name == "input.width");
  CHECK(all[1].doc == "how wide");
}

TEST_CASE("a section without keys says so") {
  CHECK(message([] { read(read_text("a = 1", "file.toml"), {}); }) ==
        "file.toml: a: unknown key; nothing is read here");
}

TEST_CASE("a key that the chosen word does not read is refused") {
  const std::vector<Parameter> parameters = {
      text("method", "how").one_of({"steps", "flow", "paths"}).otherwise(std::string("steps")),
      number("rtol", "tolerance").where("method", {"flow", "paths"}).otherwise(1e-8),
      integer("paths", "how many").where("method", {"paths"}).otherwise(std::int64_t{64})};
  const auto said = [&](const std::string& toml) {
    return message([&] { read(read_text(toml, "file.toml"), parameters); });
  };
  CHECK(said("rtol = 1e-3") ==
        "file.toml: rtol: is read where method = flow or paths, and here it is steps; leave it out");
  CHECK(said("method = 'flow'\npaths = 3") ==
        "file.toml: paths: is read where method = paths, and here it is flow; leave it out");
  CHECK(said("method = 'paths'\npaths = 3\nrtol = 1e-3").empty());
  CHECK(said("method = 'flow'\nrtol = 1e-3").empty());
  CHECK(said("method = 'flow'").empty());
  // Its default stands all the same.
  CHECK(read(read_text("", "file.toml"), parameters).integer("paths") == 64);
  CHECK(parameters[1].where_text() == "method = flow or paths");
  CHECK(parameters[0].where_text().empty());
}

TEST_CASE("a key whose reader is not read itself is refused, for what that hangs on") {
  const std::vector<Parameter> parameters = {
      text("kind", "of data").one_of({"drawn", "images"}).otherwise(std::string("drawn")),
      text("targets", "of drawn data")
          .one_of({"linear", "classes"})
          .where("kind", {"drawn"})
          .otherwise(std::string("linear")),
      number("noise", "of linear targets").where("targets", {"linear"}).otherwise(0.0)};
  const auto said = [&](const std::string& toml) { return message([&] { read(read_text(toml, "f"), parameters); }); };
  CHECK(said("noise = 1").empty());
  CHECK(said("kind = 'images'").empty());
  CHECK(said("targets = 'classes'\nnoise = 1") ==
        "f: noise: is read where targets = linear, and here it is classes; leave it out");
  CHECK(said("kind = 'images'\nnoise = 1") ==
        "f: noise: is read where kind = drawn, and here it is images; leave it out");
}

TEST_CASE("a key whose reader is chosen by itself is read") {
  const std::vector<Parameter> parameters = {text("method", "how").computed("by size"),
                                             boolean("bands", "more").where("method", {"exact"})};
  CHECK(read(read_text("bands = true", "file.toml"), parameters).flag("bands"));
  CHECK_THROWS_AS(read(read_text("bands = true\nmethod = 'mean'", "file.toml"), parameters), Error);
}

TEST_CASE("a section chooses one of several things") {
  const Description ball{"ball", "", "", "", {number("radius", "").must()}}, box{"box", "", "", "", {}};
  const std::array<const Description*, 2> things = {&ball, &box};
  const Table table = read_text("[shape]\nkind = 'ball'\nradius = 2\n", "f");
  const Choice choice = read_choice(table, "shape", things, "box");
  CHECK(choice.index == 0);
  CHECK(choice.values.number("radius") == 2);
  CHECK(read_choice(read_text("", "f"), "shape", things, "box").index == 1);
  CHECK(message([&] { read_choice(read_text("", "f"), "shape", things, ""); }).find("f: shape.kind: is required") == 0);
  CHECK(message([&] {
          read_choice(read_text("[shape]\nkind='bal'", "f"), "shape", things, "box");
        }).find("did you mean 'ball'?") != std::string::npos);
  CHECK(message([&] {
          read_choice(read_text("[shape]\nkind='box'\nradius=1", "f"), "shape", things, "box");
        }).find("f: shape.radius: unknown key") == 0);
  CHECK(message([&] { read_choice(read_text("shape = 3", "f"), "shape", things, "box"); }).find("must be a section") !=
        std::string::npos);
}

TEST_CASE("numbers are written so that they read back to the same double") {
  rc::check([](double x) {
    if (!std::isfinite(x)) return;
    const Table table = read_text("x = " + text_of(Value(x)), "f");
    RC_ASSERT(std::get<double>(*table.find("x")) == x);
  });
  CHECK(text_of(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(text_of(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(text_of(std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("suggestions are near, or none") {
  const std::vector<std::string> words = {"spectrum", "schedule", "noise"};
  CHECK(suggestion("spectrm", words) == ", did you mean 'spectrum'?");
  CHECK(suggestion("sched", words) == ", did you mean 'schedule'?");
  CHECK(suggestion("q", words).empty());
  CHECK(suggestion("entirely-else", words).empty());
}
