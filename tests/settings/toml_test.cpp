#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <functional>

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
  CHECK(message([] { read_file("/nonexistent/x.toml"); }) == "/nonexistent/x.toml: cannot be read; is the path right?");
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
  CHECK(message([&] { override_value(t, "a.y=[1, "); }).find("not valid TOML") != std::string::npos);
  CHECK(message([&] { override_value(t, "a.y=[1, \"b\"]"); }).find("not valid TOML") == std::string::npos);
  CHECK(message([&] { override_value(t, "a.x.y=1"); }).find("is a value, not a section") != std::string::npos);
}
