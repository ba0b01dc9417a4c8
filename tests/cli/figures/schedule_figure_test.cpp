// The figure of `edgewise schedule`: where its legends lie.
#include "cli/figures/schedule_figure.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace edgewise;

namespace {

/// Of the panel of rates, whose rates these are.
std::string legend_of(std::vector<double> rates) {
  models::ingredients::ScheduleReport report;
  report.observable.name = "excess_mse";
  report.path.loss.assign(rates.size() + 1, 1.0);
  report.optimum.rates = std::move(rates);
  const std::string script = cli::schedule_script(report, {}, {}, "t", ".svg");
  const std::size_t at = script.find("set key ") + 8;
  return script.substr(at, script.find(" Left", at) - at);
}

}  // namespace

TEST_CASE("the legend of the rates lies where they are not") {
  std::vector<double> falling, late, rising, flat(100, 1.0);
  for (int k = 0; k < 100; ++k) {
    falling.push_back(1 - k / 100.0);
    late.push_back(k < 90 ? 1 : 0.02);
    rising.push_back(k / 100.0);
  }
  CHECK(legend_of(falling) == "top right");
  CHECK(legend_of(late) == "bottom left");
  CHECK(legend_of(rising) == "top left");
  CHECK(legend_of(flat) == "bottom right");
}
