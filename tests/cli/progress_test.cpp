#include "cli/progress.hpp"

#include <doctest/doctest.h>

#include <sstream>
#include <string>

using namespace edgewise::cli;

TEST_CASE("the line tells the share done and the time left") {
  CHECK(progress_line("64 replicas", 0, 1) == "  64 replicas [..............................]   0%");
  CHECK(progress_line("r", 0.5, 65) == "  r [###############...............]  50%, 1:05 left");
  CHECK(progress_line("r", 0.01, 100).ends_with("1%, 2:45:00 left"));
  CHECK(progress_line("r", 1, 9) == "  r [##############################] 100%");
}

TEST_CASE("the sign of life tells for how long") {
  CHECK(working_line("stability", 5.9) == "  stability: working, 0:05");
  CHECK(working_line("tune", 7265) == "  tune: working, 2:01:05");
}

TEST_CASE("silent when not on a terminal, erased at the end") {
  std::ostringstream quiet, loud;
  CHECK_FALSE(is_terminal(quiet));
  {
    Progress off(quiet, "r", false), on(loud, "r", true);
    off.update(0.5);
    on.update(0.5);
  }
  { const SignOfLife off(quiet, "solve", false), short_work(quiet, "solve", true); }
  CHECK(quiet.str().empty());
  // Less than a minute since the start.
  CHECK(loud.str().starts_with("\r\x1b[K  r [###############...............]  50%, 0:"));
  CHECK(loud.str().ends_with(" left\r\x1b[K"));
}

TEST_CASE("the bar fills by whole signs, the time left is rounded, hours have their minutes") {
  CHECK(progress_line("r", 0.0999, 10) == "  r [##............................]   9%, 1:30 left");
  CHECK(progress_line("r", 0.999, 7200) == "  r [#############################.]  99%, 0:07 left");
  CHECK(progress_line("r", 0.25, 1200) == "  r [#######.......................]  25%, 1:00:00 left");
  CHECK(progress_line("r", 0.25, 1199.5) == "  r [#######.......................]  25%, 59:59 left");
  CHECK(working_line("x", 3599.9) == "  x: working, 59:59");
  CHECK(working_line("x", 3600) == "  x: working, 1:00:00");
  CHECK(working_line("x", 3661) == "  x: working, 1:01:01");
}

TEST_CASE("what comes soon after is not drawn, and never less than before") {
  std::ostringstream out;
  {
    Progress on(out, "r", true);
    on.update(0.5, "first");
    on.update(0.6, "second");
  }
  CHECK(out.str().find("first") != std::string::npos);
  CHECK(out.str().find("second") == std::string::npos);
}

TEST_CASE("the share is kept within 0 and 1, and a note stands behind it") {
  const auto first = [](double fraction, const std::string& note) {
    std::ostringstream out;
    {
      Progress on(out, "r", true);
      on.update(fraction, note);
    }
    return out.str();
  };
  const std::string erased = "\r\x1b[K";
  CHECK(first(2, "3 cells/s") == erased + progress_line("r", 1, 0) + ", 3 cells/s" + erased);
  CHECK(first(-1, "") == erased + progress_line("r", 0, 0) + erased);
}
