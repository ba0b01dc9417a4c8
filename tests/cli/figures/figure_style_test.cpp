#include "cli/figures/figure_style.hpp"

#include <doctest/doctest.h>

#include "settings/settings.hpp"

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
  CHECK(shown_name("_step__size_") == "step size");
  CHECK(shown_name("ntk_sgd_svd_mse") == "NTK SGD SVD MSE");
  // One letter behind a Greek one is its index, one behind a word is a word, and so is a number behind anything else.
  CHECK(shown_name("step_c_1") == "step c 1");
  CHECK(shown_name("rho_1") == "ρ 1");
  CHECK(shown_name("rho_cc") == "ρ cc");
  CHECK(shown_name("rho_c_12") == "ρ_c(12)");
  CHECK(shown_name("rho_c_1a") == "ρ_c 1a");
  CHECK(shown_name("rho_c_d") == "ρ_c d");
  CHECK(shown_name("rho_c_eta_d") == "ρ_c η_d");
  CHECK(with_greek("alpha = 1/2, alphas") == "α = 1/2, alphas");
  CHECK(with_greek("alpha beta gamma delta epsilon zeta eta theta kappa lambda mu rho sigma tau phi omega") ==
        "α β γ δ ε ζ η θ κ λ μ ρ σ τ φ ω");
  CHECK(with_greek("mu_0-mu") == "mu_0-μ");
}

TEST_CASE("letters are counted, not bytes") {
  CHECK(letters("") == 0);
  CHECK(letters("a b") == 3);
  CHECK(letters("η² ≤ 1") == 6);
}

TEST_CASE("the terminal of every format, in units of an SVG's pixels") {
  CHECK(terminal(".svg", 600, 420) ==
        "set terminal svg enhanced size 600,420 font 'Helvetica,Arial,sans-serif,14' background 'white'");
  CHECK(
      terminal(".png", 600, 420) ==
      "set terminal pngcairo enhanced size 1500,1050 font 'Helvetica,10.5' fontscale 2.5 linewidth 2.5 pointscale 2.5 "
      "background 'white'");
  CHECK(terminal(".pdf", 600, 420) ==
        "set terminal pdfcairo enhanced size 4.70in,3.29in font 'Helvetica,8.2' fontscale 1 linewidth 1.6 pointscale "
        "0.8");
  CHECK_THROWS_WITH_AS(terminal(".gif", 600, 420), "a figure's file must end in .svg, .png or .pdf, not '.gif'",
                       edgewise::settings::Error);
}
