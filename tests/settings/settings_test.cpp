#include "settings/settings.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

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
  CHECK(message([] { parse("[count]\nx = 1"); }) == "file.toml: count: must be a whole number, got a section");
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
  CHECK(rc::check([](double x) {
    if (!std::isfinite(x)) return;
    const Table table = read_text("x = " + text_of(Value(x)), "f");
    RC_ASSERT(std::get<double>(*table.find("x")) == x);
  }));
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

TEST_CASE("a table as text, to the letter; its sections know where they stand") {
  Table t("f.toml", "");
  t.set("whole", 3.0);
  t.set("count", std::int64_t{-3});
  t.set("flag", true);
  t.set("large", 1e300);
  t.set("nan", std::numeric_limits<double>::quiet_NaN());
  t.set("none", std::vector<double>{});
  t.set("rows", Matrix{{1, 2.5}, {-0.25}});
  t.set("words", std::vector<std::string>{"a\"b", "c\\d", "\x01\x1f \x7f"});
  Table& s = t.make_table("s");
  s.set("x", -std::numeric_limits<double>::infinity());
  s.make_table("odd key").set("y_2-b", std::string("é"));
  s.make_table("").set("z", false);
  t.append_table("c").set("z", std::vector<double>{1, 0.5});
  t.append_table("c").make_table("deep").set("w", 2.0);
  CHECK(t.text() ==
        "count = -3\nflag = true\nlarge = 1e+300\nnan = nan\nnone = []\nrows = [[1.0, 2.5], [-0.25]]\nwhole = 3.0\n"
        "words = [\"a\\\"b\", \"c\\\\d\", \"\\u0001\\u001f \x7f\"]\n\n[[c]]\nz = [1.0, 0.5]\n\n[[c]]\n\n[c.deep]\n"
        "w = 2.0\n\n[s]\nx = -inf\n\n[s.\"\"]\nz = false\n\n[s.\"odd key\"]\ny_2-b = \"é\"\n");
  CHECK(t.keys() ==
        std::vector<std::string>{"count", "flag", "large", "nan", "none", "rows", "whole", "words", "c", "s"});

  CHECK(t.has("whole"));
  CHECK(t.has("s"));
  CHECK_FALSE(t.has("x"));
  CHECK(t.find("s") == nullptr);
  CHECK(t.table("c") == nullptr);
  CHECK(t.table("x") == nullptr);
  CHECK(t.tables("x").empty());
  CHECK(t.tables("s").size() == 1);
  REQUIRE(t.tables("c").size() == 2);
  CHECK(t.tables("c")[1].path() == "c[1]");
  CHECK(t.tables("c")[1].table("deep")->path() == "c[1].deep");
  CHECK(t.table_or_empty("s").has("x"));
  CHECK(t.table_or_empty("new").path() == "new");
  CHECK(s.table_or_empty("new").path() == "s.new");
  CHECK(s.table_or_empty("new").origin() == "f.toml");
  CHECK(&t.make_table("s") == t.table("s"));
  CHECK(std::string(t.error("", "bad").what()) == "f.toml: bad");
  CHECK(std::string(t.error("k", "bad").what()) == "f.toml: k: bad");
  CHECK(std::string(s.error("", "bad").what()) == "f.toml: s: bad");
  CHECK(std::string(t.tables("c")[0].error("k", "bad").what()) == "f.toml: c[0].k: bad");
  CHECK(message([&] { t.make_table("whole"); }) == "f.toml: whole: is a value, not a section");
  CHECK(message([&] { t.table_or_empty("whole"); }) == "f.toml: whole: must be a section, [whole]");
  CHECK(message([&] { (void)t.table_or_empty("c"); }) == "f.toml: c: must be a section, [c]");
  t.set("s", 1.0);
  CHECK(t.table("s") == nullptr);
  CHECK(t.tables("s").empty());
  CHECK(std::get<double>(*t.find("s")) == 1);
}

TEST_CASE("bounds: what they accept, and how they are said") {
  struct Case {
    Parameter parameter;
    std::string said;
    std::vector<double> good, bad;
  };
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<Case> cases = {
      {number("x", ""), "", {0, -1e300, 1e300}, {inf, -inf}},
      {number("x", "").or_infinite(), "inf accepted", {0, inf}, {-inf}},
      {number("x", "").above(2), "> 2", {2.0000001, 1e300}, {2, 1.9999999, inf}},
      {number("x", "").at_least(2), ">= 2", {2, 1e300}, {1.9999999, inf}},
      {number("x", "").below(2), "< 2", {1.9999999, -1e300}, {2, 2.0000001, -inf}},
      {number("x", "").at_most(2), "<= 2", {2, -1e300}, {2.0000001, inf, -inf}},
      {number("x", "").above(-0.5).at_most(1e-3), "> -0.5 and <= 0.001", {0, 1e-3}, {-0.5, 2e-3}},
      {number("x", "").at_least(-0.5).below(1e-3), ">= -0.5 and < 0.001", {0, -0.5}, {-0.6, 1e-3}},
      {number("x", "").at_least(1).or_infinite(), ">= 1, or inf", {1, inf}, {0.5, -inf}},
      {number("x", "").at_least(1).at_most(9).or_infinite(), ">= 1 and <= 9, or inf", {1, 9, inf}, {0.5, 9.5, -inf}},
      {integer("x", "").at_least(1).below(4), ">= 1 and < 4", {1, 3}, {0, 4}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.said);
    CHECK(c.parameter.range_text() == c.said);
    const auto said = [&](double x) {
      Table t("f", "");
      t.set("x", x);
      return message([&] { read(t, {&c.parameter, 1}); });
    };
    for (const double x : c.good) CHECK(said(x) == "");
    for (const double x : c.bad) CHECK(said(x).starts_with("f: x: must be "));
  }
  CHECK(text("x", "").one_of({"a", "b"}).range_text() == "one of a, b");
  CHECK(number("x", "").in("step").unit == "step");
  CHECK(number("x", "").otherwise(std::int64_t{3}).fallback == Value(3.0));
  CHECK(integer("x", "").otherwise(std::int64_t{3}).fallback == Value(std::int64_t{3}));
  const Parameter computed = number("x", "").otherwise(1.0).computed("from y");
  CHECK(computed.fallback_text == "from y");
  CHECK_FALSE(computed.fallback.has_value());
}

TEST_CASE("every type says what it takes, and takes what can be meant") {
  const std::vector<Parameter> of = {boolean("x", ""), integer("x", ""), number("x", ""), text("x", ""),
                                     numbers("x", ""), texts("x", ""),   matrix("x", "")};
  const std::vector<Value> given = {true,
                                    std::int64_t{2},
                                    2.5,
                                    std::string("w"),
                                    std::vector<double>{1, 2},
                                    std::vector<std::string>{"a"},
                                    Matrix{{1}, {2, 3}}};
  const char* const words[] = {"true or false",   "a whole number",           "a number", "text", "a list of numbers",
                               "a list of texts", "a list of rows of numbers"};
  const auto taken = [](const Parameter& p, const Value& value) {
    Table t("f", "");
    t.set("x", value);
    return read(t, {&p, 1});
  };
  for (std::size_t i = 0; i < of.size(); ++i)
    for (std::size_t j = 0; j < given.size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      const std::string said = message([&] { taken(of[i], given[j]); });
      if (i == j || (i == 2 && j == 1))
        CHECK(said == "");
      else
        CHECK(said == std::string("f: x: must be ") + words[i] + ", got " + text_of(given[j]));
    }
  CHECK(taken(of[0], given[0]).flag("x"));
  CHECK(taken(of[1], 2e3).integer("x") == 2000);
  CHECK(taken(of[1], -2e3).integer("x") == -2000);
  CHECK(taken(of[2], given[1]).number("x") == 2);
  CHECK(taken(of[3], given[3]).text("x") == "w");
  CHECK(taken(of[4], given[4]).numbers("x") == std::vector<double>{1, 2});
  CHECK(taken(of[5], given[5]).texts("x") == std::vector<std::string>{"a"});
  CHECK(taken(of[5], std::vector<double>{}).texts("x").empty());
  CHECK(taken(of[6], given[6]).matrix("x") == Matrix{{1}, {2, 3}});
  const Values none = read(Table("f", "s"), {});
  CHECK_FALSE(none.has("x"));
  CHECK(message([&] { none.number("x"); }) == "f: s.x: is needed here");
  CHECK(message([] { read(Table("f", "s"), std::vector{text("x", "").must()}); }) == "f: s.x: is required (text)");
}

TEST_CASE("whole numbers as large as a double or a machine's word") {
  const auto said = [](const std::string& value, const Parameter& p) {
    return message([&] { read(read_text("x = " + value, "f"), {&p, 1}); });
  };
  const auto read_as = [](const std::string& value) {
    const Parameter p = integer("x", "");
    return read(read_text("x = " + value, "f"), {&p, 1}).integer("x");
  };
  CHECK(read_as("1e17") == 100'000'000'000'000'000);
  CHECK(read_as("-1e17") == -100'000'000'000'000'000);
  CHECK(read_as("9223372036854774784.0") == 9223372036854774784);  // the last double below 2^63
  CHECK(read_as("-9223372036854775808.0") == std::numeric_limits<std::int64_t>::min());
  // What is a whole number is never said to be none: its range is what is wrong.
  const Parameter steps = integer("x", "").at_least(0).at_most(9007199254740992.0);
  for (const char* large : {"1e17", "1e19", "1e300"})
    CHECK(said(large, steps) ==
          std::string("f: x: must be >= 0 and <= 9007199254740992, got ") + text_of(std::stod(large)));
  CHECK(said("-1e300", steps) == "f: x: must be >= 0 and <= 9007199254740992, got -1e+300");
  for (const char* large : {"9223372036854775808.0", "1e300", "-1e19"})
    CHECK(said(large, integer("x", "")) ==
          "f: x: must be a whole number from -9223372036854775808 to 9223372036854775807, got " +
              text_of(std::stod(large)));
  CHECK(said("1e300", integer("x", "").at_least(3)) ==
        "f: x: must be a whole number from 3 to 9223372036854775807, got 1e+300");
  CHECK(said("inf", steps) == "f: x: must be a whole number, got inf");
  CHECK(said("2.5", steps) == "f: x: must be a whole number, got 2.5");
}

TEST_CASE("a section's kind by another key, and keys that somebody else reads") {
  const Description ball{"ball", "", "", "", {number("radius", "").must()}}, box{"box", "", "", "", {}};
  const std::array<const Description*, 2> things = {&ball, &box};
  const std::vector<std::string> also = {"colour"};
  const Table table = read_text("[shape]\nform = 'ball'\nradius = 2\ncolour = 3\n", "f");
  CHECK(read_choice(table, "shape", things, "", also, "form").index == 0);
  CHECK(message([&] { read_choice(table, "shape", things, "", {}, "form"); }) ==
        "f: shape.colour: unknown key; known here: radius, form");
  CHECK(message([&] { read_choice(table, "shape", things, "", also); }) ==
        "f: shape.kind: is required (text, one of ball, box)");
  CHECK(message([&] { read_choice(read_text("[shape]\nform = 'cube'", "f"), "shape", things, "", also, "form"); }) ==
        "f: shape.form: 'cube' is not one of ball, box");
}

TEST_CASE("paths are relative to the folder of the experiment file") {
  const auto resolved = [](const std::string& origin, const std::string& path) {
    const Parameter p = text("path", "");
    return read(read_text("path = '" + path + "'", origin), {&p, 1}).file("path");
  };
  CHECK(resolved("a/b/e.toml", "s.csv") == "a/b/s.csv");
  CHECK(resolved("e.toml", "c/s.csv") == "c/s.csv");
  CHECK(resolved("a/b/e.toml", "/s.csv") == "/s.csv");
  CHECK(message([&] { resolved("a/b/e.toml", ""); }) == "a/b/e.toml: path: is empty; it must be the path of a file");
}

TEST_CASE("suggestions: the nearest word, by a plain rendering of the rule") {
  struct Naive {
    /// Insertions, deletions and substitutions from a to b.
    static std::size_t distance(std::string_view a, std::string_view b) {
      if (a.empty() || b.empty()) return a.size() + b.size();
      return std::min({distance(a.substr(1), b) + 1, distance(a, b.substr(1)) + 1,
                       distance(a.substr(1), b.substr(1)) + (a[0] == b[0] ? 0 : 1)});
    }
  };
  CHECK(rc::check([] {
    const auto any = [](int longest) {
      std::string out;
      for (int n = *rc::gen::inRange(0, longest + 1); n > 0; --n)
        out += static_cast<char>('a' + *rc::gen::inRange(0, 3));
      return out;
    };
    const std::string word = any(6);
    const std::vector<std::string> words = {any(6), any(6), any(6)};
    std::string expected;
    std::size_t nearest = 3;  // two slips in a short word
    for (const std::string& candidate : words) {
      std::size_t distance = Naive::distance(word, candidate);
      if (distance >= std::max(word.size(), candidate.size()) && !(word.size() >= 3 && candidate.starts_with(word)))
        continue;
      if (word.size() >= 3 && candidate.starts_with(word)) distance = std::min<std::size_t>(distance, 1);
      if (distance >= nearest) continue;
      nearest = distance;
      expected = ", did you mean '" + candidate + "'?";
    }
    RC_ASSERT(suggestion(word, words) == expected);
  }));
  // A slip more for every three letters beyond six.
  const auto near = [](const std::string& word, const std::string& other) {
    return !suggestion(word, std::vector{other}).empty();
  };
  CHECK(near("abcdefgh", "abcdef"));
  CHECK_FALSE(near("abcdefgh", "abcde"));
  CHECK(near("abcdefghi", "abcdef"));
  CHECK_FALSE(near("abcdefghi", "abcde"));
  // Words cut short, from three letters on.
  CHECK(near("mul", "multiplicity"));
  CHECK_FALSE(near("mu", "multiplicity"));
  CHECK(near(std::string(200, 'a'), std::string(199, 'a')));
  CHECK_FALSE(near(std::string(201, 'a'), std::string(200, 'a')));
  CHECK(join(std::vector<std::string>{"a", "b", "c"}, " or ") == "a or b or c");
}
