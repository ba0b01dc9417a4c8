// Figures of performance profiles: that what is drawn has room. (Their scripts are pinned in pinned_scripts_test.)
#include "cli/figures/profile_figure.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <string>

using namespace edgewise;

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
