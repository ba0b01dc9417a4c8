#include "cli/figures/figure_style.hpp"

#include <doctest/doctest.h>

using namespace edgewise::cli;

TEST_CASE("a name from a file holds nothing that gnuplot runs or reads as the end of a string") {
  CHECK(shown_name("x`touch PWNED`") == "x touch PWNED ");
  CHECK(shown_name("a\"; system \"b") == "a ; system  b");
  CHECK(shown_name("a\\nb\n") == "a nb ");
  CHECK(shown_name("excess_mse") == "excess MSE");
}

TEST_CASE("a path that begins with a bar is a file") {
  CHECK(output_command("|touch PWNED;.svg") == "set output './|touch PWNED;.svg'\n");
  CHECK(output_command("out/it's.svg") == "set output 'out/it''s.svg'\n");
}
