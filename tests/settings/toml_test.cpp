#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "settings/settings.hpp"

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
}  // namespace

TEST_CASE("TOML is read into tables") {
  const Table t = read_text(
      "title = 'x'\n[a]\nn = 1\nx = 2.5\nf = true\nw = ['p', 'q']\nm = [[1, 2], [3, 4]]\ne = []\n[a.b]\ny = 1\n"
      "[[c]]\nz = 1\n[[c]]\nz = 2\n",
      "f.toml");
  CHECK(std::get<std::string>(*t.find("title")) == "x");
  const Table& a = *t.table("a");
  CHECK(std::get<std::int64_t>(*a.find("n")) == 1);
  CHECK(std::get<double>(*a.find("x")) == 2.5);
  CHECK(std::get<bool>(*a.find("f")));
  CHECK(std::get<std::vector<std::string>>(*a.find("w")) == std::vector<std::string>{"p", "q"});
  CHECK(std::get<Matrix>(*a.find("m")) == Matrix{{1, 2}, {3, 4}});
  CHECK(a.table("b")->path() == "a.b");
  CHECK(t.tables("c").size() == 2);
  CHECK(t.table("c") == nullptr);
}

TEST_CASE("a table written as text parses back to the same text") {
  const std::string source =
      "title = 'quo\"te \\\\ back'\n[a]\nn = 1\nx = 1e300\ni = inf\nw = ['p', 'q']\nm = [[1, 2], [3]]\n[a.'odd key']\n"
      "y = -0.1\n[[c]]\nz = 1\n[[c]]\nz = 2\n";
  const std::string once = read_text(source, "f").text();
  CHECK(read_text(once, "f").text() == once);
  CHECK(once.find("[[c]]") != std::string::npos);
}

TEST_CASE("syntax errors name line and column") {
  const std::string m = message([] { read_text("a = 1\nb = = 2\n", "f.toml"); });
  CHECK(m.find("f.toml: line 2, column 5") == 0);
  CHECK(m.find('\n') == std::string::npos);
  CHECK(message([] { read_file("/nonexistent/x.toml"); }) == "/nonexistent/x.toml: cannot be read: no such file");
  CHECK(message([] { read_text("t = 2020-01-01", "f"); }).find("dates") != std::string::npos);
  CHECK(message([] { read_text("t = [1, 'a']", "f"); }).find("f: t: lists must hold") == 0);
}

TEST_CASE("overrides set values of any type, and words need no quotes") {
  Table t = read_text("[a]\nx = 1\n", "f");
  override_value(t, "a.x=2.5");
  CHECK(std::get<double>(*t.table("a")->find("x")) == 2.5);
  override_value(t, "a.kind=cosine");
  CHECK(std::get<std::string>(*t.table("a")->find("kind")) == "cosine");
  override_value(t, "new.deep.key = [1, 2]");
  CHECK(std::get<std::vector<double>>(*t.table("new")->table("deep")->find("key")) == std::vector<double>{1, 2});
  override_value(t, "title=\"two words\"");
  CHECK(std::get<std::string>(*t.find("title")) == "two words");
  CHECK(message([&] { override_value(t, "nonsense"); }).find("must have the form section.key=value") !=
        std::string::npos);
  CHECK(message([&] { override_value(t, "=3"); }).find("must have the form") != std::string::npos);
  CHECK(message([&] { override_value(t, "a.=3"); }).find("must have the form") != std::string::npos);
  for (const char* empty : {"a.y=", "a.y= "})
    CHECK(message([&] { override_value(t, empty); }) ==
          std::string("--set ") + empty + ": the value is missing; an empty text is written \"\"");
  override_value(t, "a.y=\"\"");
  CHECK(message([&] { override_value(t, "a.y=[1, "); }).find("not valid TOML") != std::string::npos);
  CHECK(message([&] { override_value(t, "a.y=[1, \"b\"]"); }).find("not valid TOML") == std::string::npos);
  CHECK(message([&] { override_value(t, "a.x.y=1"); }).find("is a value, not a section") != std::string::npos);
}

TEST_CASE("a byte order mark is no part of the first key") {
  CHECK(read_text("\xEF\xBB\xBFmodel = 'a'", "f").has("model"));
}

TEST_CASE("numbers on the command line may lack a digit beside their point") {
  Table t;
  const auto value = [&](const std::string& raw) {
    override_value(t, "a.x=" + raw);
    return *t.table("a")->find("x");
  };
  CHECK(value(".05") == Value(0.05));
  CHECK(value("-.5") == Value(-0.5));
  CHECK(value("+.5e3") == Value(500.0));
  CHECK(value("5.") == Value(5.0));
  CHECK(value("+7") == Value(std::int64_t{7}));
  CHECK(value("007") == Value(std::int64_t{7}));
  CHECK(value("5") == Value(std::int64_t{5}));
  CHECK(value("inf") == Value(std::numeric_limits<double>::infinity()));
  // Too large for a number; no infinity that was not asked for.
  CHECK(value("1.0e400") == Value(std::string("1.0e400")));
  CHECK(value("[.05, 1., -.5e1]") == Value(std::vector<double>{0.05, 1, -5}));
  CHECK(value("[[.5, 1], [2., 3]]") == Value(Matrix{{0.5, 1}, {2, 3}}));
  CHECK(value("['.5', 'a.b']") == Value(std::vector<std::string>{".5", "a.b"}));
  CHECK(value("\".5\"") == Value(std::string(".5")));
  CHECK(value("v1.5x") == Value(std::string("v1.5x")));
  CHECK(value("../a.csv") == Value(std::string("../a.csv")));
  CHECK(value("true") == Value(true));
  // More than a whole number holds.
  CHECK(value("9223372036854775808") == Value(9223372036854775808.0));
  CHECK(value("-99999999999999999999") == Value(-1e20));
  CHECK(message([&] { override_value(t, "a.x=1979-05-27"); }) ==
        "--set a.x=1979-05-27: dates and times have no meaning here");
  // No second key by the back door.
  CHECK(message([&] { override_value(t, "a.x=1\ny = 2"); }).find("the value must be") != std::string::npos);
}

TEST_CASE("syntax errors are told in our own words, with the line") {
  const auto complaint = [](const std::string& text) { return message([&] { read_text(text, "f"); }); };
  const std::pair<const char*, const char*> cases[] = {
      {"a = .5", "a number is written"},
      {"a = 5.", "a number is written"},
      {"a = power-law", "a text stands in quotes"},
      {"a = \"x", "not closed by a quote"},
      {"a = [1, 2", "the list is not closed"},
      {"a = [1 2]", "not separated by commas"},
      {"a =", "the value of a is missing"},
      {"a = # none", "the value of a is missing"},
      {"= 3", "the key before = is missing"},
      {"just words", "written key = value"},
      {"[section", "a section is written [name]"},
      {"a = 1\na = 2", "there already"},
      {"[a]\nx = 1\n[a]\ny = 2", "there already"},
      {"a = True", "write true or false"},
      {"a = 99999999999999999999", "written with an exponent"},
      {"a\xff = 1", "f: line 1"},
  };
  for (const auto& [written, said] : cases) {
    const std::string text = written;
    CAPTURE(text);
    CHECK(complaint(text).find(said) != std::string::npos);
    CHECK(complaint(text).find("Error while") == std::string::npos);
    CHECK(complaint(text).find('\n') == std::string::npos);
  }
  CHECK(complaint("x = 1\n  b = = 2\n").ends_with(": b = = 2"));
  CHECK(complaint("b = " + std::string(100000, 'x')).size() < 300);
}

TEST_CASE("values in messages are cut") {
  std::string list = "0.5";
  for (int i = 0; i < 50000; ++i) list += ", 1.5";
  Table t = read_text("a = [" + list + "]\nlong = '" + std::string(100000, 'w') + "'", "f");
  const Parameter number = edgewise::settings::number("a", "");
  const Parameter word = text("long", "").one_of({"x"});
  const std::vector<std::string> others{"a", "long"};
  CHECK(message([&] { read(t, std::span(&number, 1), others); }).size() < 200);
  CHECK(message([&] { read(t, std::span(&word, 1), others); }).size() < 200);
  CHECK(message([&] { override_value(t, "x." + std::string(100000, 'k')); }).size() < 400);
  Table keys;
  keys.set(std::string(100000, 'k'), 1.0);
  CHECK(message([&] { read(keys, std::span(&number, 1)); }).size() < 300);
}

TEST_CASE("what TOML has against a line, to the letter") {
  const auto complaint = [](const std::string& text) {
    const std::string said = message([&] { read_text(text, "f"); });
    const auto at = said.find(", column ");
    return at == std::string::npos ? said : said.substr(said.find(": ", at) + 2);
  };
  const std::string number = "a number is written 5, 0.5 or 5e-1, with digits on both sides of its point";
  const std::string quote = "the text is not closed by a quote, or something follows it";
  const std::string list = "the list is not closed by ], or its values are not separated by commas";
  const std::string there = "this key or section is there already", word = "write true or false";
  const std::string whole = "a whole number as large as this is written with an exponent, 1e20";
  const std::pair<std::string, std::string> cases[] = {
      {"a = .5", number},
      {"a = -.5", number},
      {"a = +x", number},
      {"a = 01", number},
      {"\"a!\" = .5", number},
      {"'a b' = 5.", number},
      {"\"a!\".b = 5.", number},
      {"  a.b-c_1 = 5.  ", number},
      {"a = 1234567890123456789012x", number},
      {"a = 1234567890123456789012", whole},
      {"a = -9223372036854775809", whole},
      {"a = 012345678901234", number},
      {"a = [1, .5, .2]", number},
      {"a = [1, 5., 2]", number},
      {"a = [1 2.5]", list},
      {"a = power-law", "a text stands in quotes"},
      {"a = \"x", quote},
      {"a = 'x' y", quote},
      {"a = [1 2]", list},
      {"a = {x 1}", "the values in { } are written key = value, separated by commas"},
      {"a =", "the value of a is missing"},
      {"key = # none", "the value of key is missing"},
      {"= 3", "the key before = is missing"},
      {"just words", "a key and its value are written key = value"},
      {"a! = 1", "a key has letters, digits, _ and -"},
      {"[section", "a section is written [name]"},
      {"a = 1\na = 2", there},
      {"[a]\nx = 1\n[a]", there},
      {"a = True", word},
      {"a = False", word},
      {"a = yes", word},
      {"a = no", word},
      {"a = nope", "a text stands in quotes"},
      {"a = ?", "this is no value"},
  };
  for (const auto& [text, said] : cases) {
    const std::string written = text;
    CAPTURE(written);
    const std::string last = text.substr(text.find('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
    const auto first = last.find_first_not_of(' '), end = last.find_last_not_of(' ');
    CHECK(complaint(text) == said + ": " + last.substr(first, end - first + 1));
  }
  CHECK(complaint("a = " + std::string(300, '[')).starts_with("lists or sections are nested too deeply: "));
  CHECK(complaint("a = \"\xff\"").starts_with("a letter that is not UTF-8: "));
  CHECK(message([] { read_text("x = 1\n\n  b = = 2 \n", "f"); }).starts_with("f: line 3, column 7: "));
  for (const char* mixed : {"[1, 'a']", "[1, true]", "[[1], ['a']]", "[[1], [true]]", "[[1], 2]"}) {
    const std::string written = mixed;
    CAPTURE(written);
    CHECK(message([&] { read_text("[s]\nt = " + written, "f"); }) ==
          "f: s.t: lists must hold numbers only, or texts only");
  }
  CHECK(message([] { read_text("[s]\nt = 07:32:00", "f"); }) == "f: s.t: dates and times have no meaning here");
  CHECK(read_text("a = [1, 2.5]\nb = [[], [3]]\nc = [{ x = 1 }, { x = 2 }]", "f").text() ==
        "a = [1.0, 2.5]\nb = [[], [3.0]]\n\n[[c]]\nx = 1\n\n[[c]]\nx = 2\n");
}

TEST_CASE("assignments on the command line, to the letter") {
  Table t = read_text("[a]\nx = 1\n[[list]]\ny = 1\n", "f");
  const auto said = [&](const std::string& assignment) { return message([&] { override_value(t, assignment); }); };
  const std::string form = ": must have the form section.key=value";
  for (const std::string bad : {"nonsense", "=3", "a.=3", ".a=3", "a..b=3"}) CHECK(said(bad) == "--set " + bad + form);
  CHECK(said("a.x.y=1") == "f: a.x: is a value, not a section");
  CHECK(said("a.y=[1, ") ==
        "--set a.y=[1, : the value is not valid TOML: the list is not closed by ], or its values are not separated by "
        "commas");
  CHECK(said("a.y=\"x") ==
        "--set a.y=\"x: the value is not valid TOML: the text is not closed by a quote, or something follows it");
  CHECK(said("a.y={ b = 1 }") == "--set a.y={ b = 1 }: the value must be a number, a text, true, false or a list");
  CHECK(said("a.y=1\nz = 2") == "--set a.y=1\\x0az = 2: the value must be a number, a text, true, false or a list");
  CHECK(said("a.y=[1, \"b\"]") == "--set a.y=[1, \"b\"]: lists must hold numbers only, or texts only");
  const auto value = [&](const std::string& raw) {
    override_value(t, " a.y = " + raw);
    return *t.table("a")->find("y");
  };
  CHECK(value("+8999999999999999") == Value(std::int64_t{8999999999999999}));
  CHECK(value("+9000000000000001") == Value(9000000000000001.0));
  CHECK(value("007e1") == Value(70.0));
  CHECK(value("0x10") == Value(std::int64_t{16}));
  CHECK(value("+inf") == Value(std::numeric_limits<double>::infinity()));
  CHECK(value("0.5.1") == Value(std::string("0.5.1")));
  CHECK(value("[1.e2, .5E1, 5.E1, -5.]") == Value(std::vector<double>{100, 5, 50, -5}));
  CHECK(value("[\".5'\", '5.\"', \"1.\"]") == Value(std::vector<std::string>{".5'", "5.\"", "1."}));
  CHECK(said("a.y=[1_.5]").find("not valid TOML") != std::string::npos);
  CHECK(said("a.y=[1..5]").find("not valid TOML") != std::string::npos);
  CHECK(said("a.y=[.5x]").find("not valid TOML") != std::string::npos);
}
