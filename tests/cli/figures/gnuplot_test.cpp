#include "cli/figures/gnuplot.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <string>

#include "settings/settings.hpp"
#include "tests/cli/small_files.hpp"

using namespace edgewise;
using cli::gnuplot_string;
using cli::run_gnuplot;

namespace {
const bool absent = std::system("gnuplot --version >/dev/null 2>&1") != 0;
}

TEST_CASE("a quoted text holds nothing that ends it, runs or is replaced") {
  CHECK(gnuplot_string("plain, π and 'quotes'") == "\"plain, π and 'quotes'\"");
  CHECK(gnuplot_string("a\"b\\c`d") == "\"a\\042b\\134c\\140d\"");
  CHECK(gnuplot_string("two\nlines") == "\"two\\nlines\"");
  CHECK(gnuplot_string("\x01\xff\t") == "\"   \"");
  CHECK(rc::check("one string on one line, whatever the bytes", [](const std::string& text) {
    const std::string literal = gnuplot_string(text);
    RC_ASSERT(literal.front() == '"' && literal.back() == '"');
    for (std::size_t at = 1; at + 1 < literal.size(); ++at) {
      RC_ASSERT(literal[at] != '"' && literal[at] != '`' && literal[at] != '\n');
      if (literal[at] == '\\') RC_ASSERT(literal[at + 1] == 'n' || literal[at + 1] == '0' || literal[at + 1] == '1');
    }
  }));
}

TEST_CASE("gnuplot reads a quoted text as its bytes" * doctest::skip(absent)) {
  for (const std::string text : {"'", "''", "'''a'", "a\"b`c`\\\n$x @y", "$(touch x) %d", "η² ≤ 1"}) {
    CAPTURE(text);
    CHECK(run_gnuplot("set print '-'\nprint " + gnuplot_string(text) + "\n") == text + "\n");
  }
}

TEST_CASE("a script that fails, or draws nothing, is an error" * doctest::skip(absent)) {
  CHECK_THROWS_WITH_AS(run_gnuplot("plot nonsense(\n"), doctest::Contains("gnuplot failed: "), settings::Error);
  CHECK_THROWS_WITH_AS(run_gnuplot("x = 1\n"), "gnuplot drew nothing", settings::Error);
}

TEST_CASE("a figure that is cut short by a limit on the size of files is an error" * doctest::skip(absent)) {
  const std::string too_large = "the figure, or what it is drawn from, is larger than files may be here (ulimit -f)";
  const std::string script = "set terminal svg\nplot x\n";
  CHECK(run_gnuplot(script).size() > 2000);
  const cli::testing::SmallFiles limit(2000);
  CHECK_THROWS_WITH_AS(run_gnuplot(script), too_large.c_str(), settings::Error);
  CHECK_THROWS_WITH_AS(run_gnuplot(script + std::string(3000, '#')), too_large.c_str(), settings::Error);
}
