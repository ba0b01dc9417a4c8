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
