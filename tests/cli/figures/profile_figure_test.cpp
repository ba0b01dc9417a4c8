// Figures of performance profiles, command by command, and that what is drawn has room.
#include "cli/figures/profile_figure.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <string>

using namespace edgewise;

// Ratios of "even" by its default 1 and 3, by its other setting 1.5 and 1.5; of "only tuned" 2 and beyond the limit.
TEST_CASE("profiles rise where a workload's ratio is reached, up to the limit") {
  validation::MethodComparison m;
  m.plan.title = "methods";
  m.plan.workloads = {"one", "two"};
  m.plan.limit = 4;
  m.baselines = {{{.value = 1}, {.value = 2}}};
  m.plan.methods.resize(2);
  m.plan.methods[0] = {"even", true, false, {{"default", "", {}}, {"other", "", {}}}};
  m.plan.methods[1] = {"only tuned", false, false, {{"set", "", {}}}};
  m.runs = {{{{.value = 1}, {.value = 6}}, {{.value = 1.5}, {.value = 3}}}, {{{.value = 2}, {.value = 9}}}};
  CHECK(cli::profile_script(m, ".svg") == R"(set encoding utf8
set terminal svg enhanced size 1100,420 font 'Helvetica,Arial,sans-serif,14' background 'white'
set border 3 lw 1 lc rgb '#222222'
set tics out nomirror scale 0.7,0.35
set xlabel "factor u of the best tuned schedule" noenhanced
set ylabel "fraction of workloads within u" noenhanced
set key outside right top Left reverse noenhanced
set multiplot layout 1,2 title "methods" noenhanced
$profile0_0 << EOD
1 0.5
3 1
4 1
EOD
set title "defaults" noenhanced offset 0,-0.3
set xrange [1:4]
set yrange [0:1.02]
plot $profile0_0 using 1:2 with steps lw 2 dt 1 lc rgb '#0072B2' title "even" noenhanced
$profile1_0 << EOD
1 0
1.5 1
1.5 1
4 1
EOD
$profile1_1 << EOD
1 0
2 0.5
4 0.5
EOD
set title "one setting for all workloads" noenhanced offset 0,-0.3
set xrange [1:4]
set yrange [0:1.02]
plot $profile1_0 using 1:2 with steps lw 2 dt 1 lc rgb '#0072B2' title "even" noenhanced, \
     $profile1_1 using 1:2 with steps lw 2 dt 1 lc rgb '#D55E00' title "only tuned" noenhanced
unset multiplot
)");
  // Without a default there is one panel; the height has room for every name, colours come again with other dashes.
  m.plan.methods[0].has_default = false;
  m.runs.resize(1);
  m.plan.methods.resize(1);
  m.baselines[0].resize(1);
  m.plan.workloads.resize(1);
  for (auto& run : m.runs[0]) run.resize(1);
  m.plan.methods.resize(15, m.plan.methods[0]);
  m.runs.resize(15, m.runs[0]);
  m.plan.methods[14].name = "the longest η";
  const std::string script = cli::profile_script(m, ".svg");
  CHECK(script.find(" size 571,515 ") != std::string::npos);
  CHECK(script.find("multiplot") == std::string::npos);
  for (const char* style : {"$profile1_0 using 1:2 with steps lw 2 dt 1 lc rgb '#0072B2'",
                            "$profile1_6 using 1:2 with steps lw 2 dt 1 lc rgb '#000000'",
                            "$profile1_7 using 1:2 with steps lw 2 dt 2 lc rgb '#0072B2'",
                            "$profile1_14 using 1:2 with steps lw 2 dt 3 lc rgb '#0072B2'"})
    CHECK(script.find(style) != std::string::npos);
}

TEST_CASE("the legend of any number of methods leaves room for the profiles") {
  for (const std::size_t methods : {2u, 17u, 30u}) {
    CAPTURE(methods);
    validation::MethodComparison m;
    m.plan.workloads = {"one", "two"};
    m.plan.limit = 4;
    m.baselines = {{{.value = 1}, {.value = 2}}};
    for (std::size_t k = 0; k < methods; ++k) {
      m.plan.methods.emplace_back();
      m.plan.methods.back().name = fmt::format("a method with a name {}", k);
      m.plan.methods.back().has_default = true;
      m.runs.push_back({{{.value = 1.5}, {.value = 3}}});
    }
    const std::string svg = cli::drawn_profiles(m, ".svg");
    // A panel without width has no marks on its axis.
    std::size_t marks = 0;
    for (std::size_t at = svg.find("> 3.5<"); at != std::string::npos; at = svg.find("> 3.5<", at + 1)) ++marks;
    CHECK(marks == 2);
  }
}
