#include "cli/results/header_lines.hpp"

#include <doctest/doctest.h>

using namespace edgewise;
using cli::HeaderLine;

namespace {

std::vector<HeaderLine> read(const std::string& text) {
  return cli::header_lines(settings::split_delimited(text));
}

}  // namespace

TEST_CASE("lines read back as they were written") {
  const std::vector<HeaderLine> lines = {
      {"kind", "solution"}, {"title", "a, b: c"}, {"empty", ""}, {"bar", "|"}, {"text", "one\n\n  two\n# three"}};
  std::string text;
  for (const HeaderLine& line : lines) cli::append_header_line(text, line.name, line.text);
  const std::vector<HeaderLine> back = read(text + "step,risk\n# late: x\n0,1\n");
  REQUIRE(back.size() == lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(back[i].name == lines[i].name);
    CHECK(back[i].text == lines[i].text);
  }
}

TEST_CASE("a spreadsheet's separators and quotes, and an editor's cut blanks, are forgiven") {
  const std::vector<HeaderLine> back = read(
      "# kind: solution;;\n\"# title: say \"\"x\"\"\";;\n# empty:;;\n# text: |;;\n#   a;;\n#;;\n#   "
      "b;;\nstep;risk;z\n");
  REQUIRE(back.size() == 4);
  CHECK(back[0].text == "solution");
  CHECK(back[1].text == "say \"x\"");
  CHECK(back[2].name == "empty");
  CHECK(back[3].text == "a\n\nb");
}
