// The figure of a validation at one step: every observable beside the others, relative to the theory.
#include "cli/figures/step_figure.hpp"

#include <doctest/doctest.h>

#include <string>

#include "cli/figures/figures.hpp"
#include "settings/settings.hpp"
#include "tests/holds.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using edgewise::expected::holds;

namespace {

/// a: 12.5% high, +- 2 1/2^6; b: exact, +- 2/2^7; c: a prediction; d: a theory of 0.
Result one_step() {
  Result out;
  out.kind = ResultKind::validation;
  out.provenance = {attribute("title", "One step"), attribute("predictions", "c")};
  out.steps = {2};
  out.observables = {{"a_1", "", ""}, {"b", "", ""}, {"c", "", ""}, {"d", "", ""}};
  out.fields = fields_of(ResultKind::validation);
  const double theory[] = {-4, 3, 1, 0}, mean[] = {-4.5, 3, 2, 1}, sem[] = {0.0625, 0.0234375, 0.1, 0.1};
  for (Field& field : out.fields)
    for (std::size_t o = 0; o < 4; ++o)
      field.values.push_back({field.name == "theory"    ? theory[o]
                              : field.name == "mc_mean" ? mean[o]
                              : field.name == "mc_sem"  ? sem[o]
                                                        : 0});
  return out;
}

}  // namespace

TEST_CASE("every observable has its bar, predictions and a theory of 0 have none") {
  const Result result = one_step();
  CHECK(is_one_step(result));
  CHECK(step_panel(result) == R"($bars << EOD
0 0.125 0.03125
1 0 0.015625
EOD
set xrange [-0.7:1.7]
set yrange [-0.03625:0.176875]
set xtics ("a 1" 0, "b" 1) noenhanced rotate by 45 right
set ytics ("0" -0 0, "0.05" 0.05 0, "0.1" 0.1 0, "0.15" 0.15000000000000002 0)
set ylabel 'simulation / theory - 1, step 2'
set key outside center top horizontal Left reverse samplen 2.2 spacing 1.15
plot 0 with lines lw 2 lc rgb '#0072B2' title 'theory', \
     $bars using 1:($2-$3):(0):(2*$3) with vectors nohead lw 1.4 lc rgb '#D55E00' notitle, \
     $bars using 1:2 with points pt 7 ps 0.6 lc rgb '#D55E00' title 'simulation, mean ± 2 s.e.m.'
)");
  CHECK(figure_script({result}, {"r"}, {}, ".svg") ==
        "set encoding utf8\nset terminal svg enhanced size 600,420 font 'Helvetica,Arial,sans-serif,14' background "
        "'white'\nset border 3 lw 1 lc rgb '#222222'\nset tics out nomirror scale 0.7,0.35\nset title \"One step\" "
        "noenhanced offset 0,-0.3\n" +
            step_panel(result));
  CHECK_FALSE(holds(figure_script({result, result}, {"r", "s"}, {}, ".svg"), "theory - 1"));
  // Asked for by name it is drawn over the steps.
  CHECK_FALSE(holds(figure_script({result}, {"r"}, {{"b"}, {}, ""}, ".svg"), "theory - 1"));
}

TEST_CASE("several steps, one observable or no comparison are drawn over the steps") {
  Result result = one_step();
  result.kind = ResultKind::solution;
  CHECK_FALSE(is_one_step(result));
  result = one_step();
  result.steps.push_back(3);
  CHECK_FALSE(is_one_step(result));
  result = one_step();
  result.observables.resize(1);
  CHECK_FALSE(is_one_step(result));
  result = one_step();
  for (Field& field : result.fields)
    if (field.name == "theory")
      for (auto& values : field.values) values = {0};
  CHECK_THROWS_WITH_AS(step_panel(result), doctest::Contains("no observable"), settings::Error);
}
