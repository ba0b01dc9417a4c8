#include "cli/figures/figure_style.hpp"

#include <doctest/doctest.h>

using namespace edgewise::cli;

TEST_CASE("text of a file ends no string and runs nothing") {
  CHECK(plain("x`touch PWNED`") == "\"x\\140touch PWNED\\140\"");
  CHECK(plain("a\"; system \"b") == "\"a\\042; system \\042b\"");
  CHECK(plain("'It''s'\nhere") == "\"'It''s' here\"");
  CHECK(tick_text("50% of\n`x`") == "\"50%% of \\140x\\140\"");
}

TEST_CASE("text between markup stands as it is") {
  CHECK(unmarked("a_b^{c}@&~\\d\ne") == "a\\_b\\^\\{c\\}\\@\\&\\~\\\\d e");
  CHECK(unmarked("plain η") == "plain η");
}

TEST_CASE("names as figures write them") {
  CHECK(shown_name("excess_mse") == "excess MSE");
  CHECK(shown_name("eta_max") == "η max");
  CHECK(shown_name("rho_c_1") == "ρ_c(1)");
  CHECK(shown_name("rho_c") == "ρ_c");
  CHECK(shown_name("width_2") == "width 2");
  CHECK(with_greek("alpha = 1/2, alphas") == "α = 1/2, alphas");
}
