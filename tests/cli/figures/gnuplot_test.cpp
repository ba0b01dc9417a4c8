#include "cli/figures/gnuplot.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "settings/settings.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/small_files.hpp"

using namespace edgewise;
using cli::gnuplot_string;
using cli::run_gnuplot;

namespace {
const bool absent = std::system("gnuplot --version >/dev/null 2>&1") != 0;

/// Where programs are looked for while one lives.
class Path {
 public:
  explicit Path(const std::string& folders) {
    const char* before = std::getenv("PATH");
    before_ = before ? before : "";
    ::setenv("PATH", folders.c_str(), 1);
  }
  ~Path() { ::setenv("PATH", before_.c_str(), 1); }
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

 private:
  std::string before_;
};

/// A program in the place of gnuplot.
void stand_in(const edgewise::cli::testing::Folder& folder, const std::string& text) {
  REQUIRE(::chmod(folder.file("gnuplot", text).c_str(), 0755) == 0);
}
}  // namespace

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

TEST_CASE("gnuplot is looked for along the path, is given its script, and told how it is read") {
  const cli::testing::Folder folder;
  const std::string here = folder / "", script = "#!/bin/sh\necho \"$@\"; exec /bin/cat\n";
  const auto missing = "gnuplot is not installed; figures need it (Debian's package gnuplot-nox)";
  for (const std::string& path : {std::string(), std::string(":"), here, "/none:" + here + ":"}) {
    const Path only(path);
    CHECK_THROWS_WITH_AS(run_gnuplot("x"), missing, settings::Error);
  }
  // A file that cannot be run is none.
  folder.file("gnuplot", script);
  {
    const Path only(here);
    CHECK_THROWS_WITH_AS(run_gnuplot("x"), missing, settings::Error);
  }
  stand_in(folder, script);
  const std::string long_script(200000, 'x');
  for (const std::string& path : {here, "/none:" + here, here + ":/none", "/none:" + here + ":/none", ":" + here}) {
    CAPTURE(path);
    const Path only(path);
    CHECK(run_gnuplot(long_script) == "--default-settings\n" + long_script);
  }
}

TEST_CASE("of what gnuplot says when it fails the line that says what is wrong is told") {
  const cli::testing::Folder folder;
  const std::string here = folder / ".";
  const Path only(here);
  const auto told = [&](const std::string& said, const std::string& end = "exit 1") {
    stand_in(folder, "#!/bin/sh\n/bin/cat >&2 <<'END'\n" + said + "END\n" + end + "\n");
    try {
      run_gnuplot("x");
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(told("\nplot f(\n       ^\n\"-\" line 3: undefined function: f\n\n") ==
        "gnuplot failed: \"-\" line 3: undefined function: f");
  CHECK(told("a warning\nline 1: one\nline 2: two\nmore\n") == "gnuplot failed: line 2: two");
  CHECK(told("in line 7\nor so: it is\n") == "gnuplot failed: in line 7");
  CHECK(told(" \t^\nfirst\nsecond\n") == "gnuplot failed: first");
  CHECK(told("") == "gnuplot failed: no message");
  CHECK(told(" ^\n\n") == "gnuplot failed: no message");
  CHECK(told("killed\n", "kill -KILL $$") == "gnuplot failed: killed");
  CHECK(told("a warning\n", "exit 0") == "gnuplot drew nothing");
  folder.file("gnuplot", "\x01no program");
  CHECK(::chmod((folder / "gnuplot").c_str(), 0755) == 0);
  CHECK_THROWS_WITH_AS(run_gnuplot("x"), (here + "/gnuplot: Exec format error").c_str(), settings::Error);
}
