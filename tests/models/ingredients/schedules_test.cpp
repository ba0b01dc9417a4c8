#include "models/ingredients/schedules.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/ingredients/schedules/schedule_text.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::testing;
using edgewise::tests::Approx;

TEST_CASE("a shape on the last fraction is what it starts with, then itself on a shorter horizon") {
  check_values("kind = 'linear'\nlast_fraction = 0.25", 8, {{0, 1}, {6, 1}, {7, 0.5}, {8, 0}});
  check_values("kind = 'polynomial'\npower = 2\nlast_fraction = 0.5", 8, {{4, 1}, {6, 0.25}, {7, 0.0625}});
  // With a warm-up of the whole horizon's fraction, or first, of what it leaves.
  check_values("kind = 'linear'\nlast_fraction = 0.5\nwarmup = 0.25", 8, {{0, 0.5}, {1, 1}, {6, 0.5}});
  check_values("kind = 'linear'\nlast_fraction = 0.5\nwarmup = 0.2\nwarmup_mode = 'first'", 10,
               {{1, 0.5}, {2, 1}, {6, 1}, {8, 0.5}, {10, 0}});
  check_values("kind = 'constant'\nlast_fraction = 0.5", 8, {{0, 1}, {7, 1}});
  CHECK(parse("kind = 'constant'\nlast_fraction = 0.5", 8)->constant());
  CHECK(parse("kind = 'linear'\nlast_fraction = 0.25", 8)->breaks() == std::vector<double>{6});
  // Stages whose borders are whole but for the rounding of (1 - f) T: floor(n (t - (1 - f) T)/(f T)) by hand.
  const std::string stepped = "kind = 'step'\nfactor = 0.5\nstages = 7\nlast_fraction = 0.7";
  check_values(stepped, 10, {{3, 1}, {4, 0.5}, {5, 0.25}, {6, 0.125}, {7, 0.0625}, {8, 0.03125}, {9, 0.015625}});
  check_values(stepped, 2, {{0, 1}, {1, 0.25}, {2, 0.015625}});
  check_values("kind = 'table'\nvalues = [1, 0.7, 0.4, 0.2, 0.1, 0.05, 0.02]\nlast_fraction = 0.7", 10,
               {{3, 1}, {4, 0.7}, {5, 0.4}, {6, 0.2}, {7, 0.1}, {8, 0.05}, {9, 0.02}});
  CHECK_THROWS_AS(parse("kind = 'linear'\nlast_fraction = 0", 8), settings::Error);
}

TEST_CASE("breaks: the end of the warm-up, and those of the shape behind it") {
  using Breaks = std::vector<double>;
  // (t + 1)/2 is 1 at t = 1.
  CHECK(parse("kind = 'constant'\nwarmup = 0.25", 8)->breaks() == Breaks{1});
  CHECK(parse("kind = 'linear'\nlast_fraction = 0.5", 8)->breaks() == Breaks{4});
  // First: six steps are left, whose last half begins at 2 + 3.
  CHECK(parse("kind = 'linear'\nlast_fraction = 0.5\nwarmup = 0.25\nwarmup_mode = 'first'", 8)->breaks() ==
        Breaks{2, 5});
}

TEST_CASE("warm-up multiplies any shape") {
  check_values("kind = 'constant'\nwarmup = 0.1", 100, {{0, 0.1}, {4, 0.5}, {9, 1}, {50, 1}});
  check_values("kind = 'linear'\nwarmup = 0.1", 100, {{4, 0.96 * 0.5}, {9, 0.91}, {50, 0.5}});
  CHECK(parse("kind = 'constant'", 100)->constant());
  CHECK_FALSE(parse("kind = 'constant'\nwarmup = 0.1", 100)->constant());
  CHECK(parse("kind = 'constant'\nwarmup = 0.01", 100)->constant());
  CHECK_FALSE(parse("kind = 'linear'", 100)->constant());
  CHECK(parse("kind = 'constant'\nwarmup = 0.1", 100)->breaks() == std::vector<double>{9});
}

TEST_CASE("warm-up first, then a clock of its own: the values of the table at the end of the page") {
  // T = 100, ten steps of linear warm-up; steps 0, 5, 9, 10, 25, 50, 75, 99.
  const auto check = [](const std::string& section, const std::string& warmup, const std::vector<double>& expected) {
    const auto schedule = parse(section + warmup, 100);
    const int steps[] = {0, 5, 9, 10, 25, 50, 75, 99};
    for (std::size_t i = 0; i < 8; ++i) {
      CAPTURE(section);
      CAPTURE(steps[i]);
      CHECK(std::abs(schedule->at(steps[i]) - expected[i]) <= 0.5001e-10);
    }
  };
  const std::string first = "\nwarmup = 0.1\nwarmup_mode = 'first'\n";
  check("kind = 'cosine'", first, {0, .5, .9, 1, .9330127019, .5868240888, .1786061952, .0003045865});
  check("kind = 'rex'\nbeta = 0.1", first, {0, .5, .9, 1, .9803921569, .9259259259, .7936507937, .101010101});
  check("kind = 'rex'\nb = 0.9", first, {0, .5, .9, 1, .9803921569, .9259259259, .7936507937, .101010101});
  check("kind = 'square-root'", "",
        {1, .9987492178, .9959417654, .9949874371, .9682458366, .8660254038, .6614378278, .1410673598});
  const std::string points = "kind = 'stick-breaking'\ny1 = 0.7\nd1 = 0.3\n";
  check(points + "interpolate = 'linear'\nd2 = 0.5\ndy2 = 0.1", first,
        {0, .5, .9, 1, .8333333333, .4358064516, .0546875, .0021875});
  check(points + "interpolate = 'linear'\nd2 = 1.0\ndy2 = 0.1", first, {0, .5, .9, 1, .8333333333, .57, .32, .08});
  check(points + "d2 = 0.5\ndy2 = 0.5\ny_end = 0.5", first,
        {0, .5, .9, 1, .8339021123, .5412590645, .3000070988, .1776357646});
  check("kind = 'smooth'\ny_start = 0\ny_end = 1\nx_peak = 0.5\ny1 = 0.2\nd1 = 0.1\ny2 = 0.7\nd2 = 0.8", "",
        {0, .1, .18, .2, .5703125, 1, .7367858887, .9740965792});
  // The square root starts from the last value of the warm-up, (w - 1)/w.
  CHECK(parse("kind = 'square-root'" + first, 100)->at(10) == Approx(0.9).epsilon(1e-15));
  CHECK(parse("kind = 'linear'" + first, 100)->breaks() == std::vector<double>{10});
}

TEST_CASE("warm-ups of every shape, in both modes") {
  const double pi = std::acos(-1.0);
  const std::string constant = "kind = 'constant'\nwarmup = 0.1\nwarmup_shape = ";
  const std::string first = "\nwarmup_mode = 'first'";
  check_values(constant + "'cosine'" + first, 100, {{0, 0}, {3, 0.5 * (1 - std::cos(0.3 * pi))}, {10, 1}, {60, 1}});
  check_values(constant + "'exponential'\nwarmup_rate = 3" + first, 100, {{4, 1 - std::exp(-1.2)}, {10, 1}});
  // Times the shape the ramp takes (k + 1)/w, and ends with it: short of 1.
  check_values(constant + "'exponential'\nwarmup_rate = 3", 100, {{8, 1 - std::exp(-2.7)}, {9, 1}, {10, 1}});
  check_values(constant + "'polynomial'\nwarmup_power = 3" + first, 100, {{5, 0.125}, {10, 1}});
  check_values(constant + "'polynomial'", 100, {{4, 0.25}, {9, 1}, {10, 1}});
  CHECK(holds(error_of("kind = 'linear'\nwarmup = 0.1\nwarmup_rate = 2"),
              "x.toml: schedule.warmup_rate: is read where warmup_shape = exponential"));
  for (const char* key :
       {"warmup_mode = 'first'", "warmup_shape = 'cosine'", "warmup_shape = 'exponential'\nwarmup_rate = 2.0",
        "warmup_shape = 'polynomial'\nwarmup_power = 2.0"})
    CHECK(
        holds(error_of(std::string("kind = 'linear'\n") + key), "is read where `warmup` is given, and here it is not"));
  // A sweep over warm-ups may come to 0.
  check_values("kind = 'constant'\nwarmup = 0.0\nwarmup_mode = 'first'\nwarmup_shape = 'cosine'", 10, {{0, 1}, {9, 1}});
  // The square root goes on from the last step of the ramp, of any shape; one step of warm-up is its rate 0 alone.
  const std::string root = "kind = 'square-root'\nwarmup_mode = 'first'\nwarmup = ";
  check_values(root + "0.3\nwarmup_shape = 'cosine'", 10, {{2, 0.75}, {3, 0.75}});
  check_values(root + "0.3\nwarmup_shape = 'polynomial'", 10, {{2, 4.0 / 9}, {3, 4.0 / 9}});
  check_values(root + "0.1", 10, {{0, 0}, {1, 1}});
  CHECK(holds(error_of("kind = 'linear'\nwarmup_mode = 'after'"), "schedule.warmup_mode"));
}

TEST_CASE("breaks are where the shape or its slope jumps") {
  CHECK(parse("kind = 'cosine'", 100)->breaks().empty());
  CHECK(parse("kind = 'step'\nstages = 4", 100)->breaks() == std::vector<double>{25, 50, 75});
  CHECK(parse("kind = 'warmup-stable-decay'\ncooldown = 0.25\nwarmup = 0.1", 100)->breaks() ==
        std::vector<double>{9, 75});
  CHECK(parse("kind = 'table'\nvalues = [1, 1, 0.5, 0.5]", 8)->breaks() == std::vector<double>{4});
  CHECK(parse("kind = 'table'\nvalues = [1, 0.5, 0.25]\ninterpolate = 'linear'", 8)->breaks().front() == 4);
  CHECK(parse("kind = 'table'\nvalues = [1, 1, 1]", 6)->constant());
  CHECK_FALSE(parse("kind = 'table'\nvalues = [0.5, 0.5]", 6)->constant());
  CHECK_FALSE(parse("kind = 'table'\nvalues = [1, 0.5]", 6)->constant());
}

TEST_CASE("another hyperparameter's schedule") {
  const auto table = settings::read_text("[schedule]\nkind='linear'\n[schedule.momentum]\nkind='cosine'\n", "x.toml");
  const std::vector<std::string> others{"momentum"};
  CHECK(models::ingredients::read_schedule(table, "schedule", 4, others)->at(1) == 0.75);
  CHECK(models::ingredients::read_schedule(table, "schedule.momentum", 4)->at(2) == Approx(0.5));
  CHECK(models::ingredients::read_schedule(table, "schedule.batch", 4)->constant());
  CHECK_THROWS_WITH_AS(models::ingredients::read_schedule(table, "schedule", 4),
                       doctest::Contains("schedule.momentum: unknown key"), settings::Error);
  CHECK(models::ingredients::read_schedule(settings::read_text("", "x.toml"), "schedule", 4)->constant());
}

TEST_CASE("bad input") {
  CHECK(holds(error_of("kind = 'cosin'"), "x.toml: schedule.kind: 'cosin' is not one of"));
  CHECK(holds(error_of("kind = 'cosin'"), "did you mean 'cosine'?"));
  CHECK(holds(error_of("kind = 'cosine'\nfloor = 1.5"), "x.toml: schedule.floor: must be >= 0 and <= 1"));
  CHECK(holds(error_of("kind = 'linear'\nwarmup = 1"), "x.toml: schedule.warmup: must be >= 0 and < 1"));
  CHECK(holds(error_of("kind = 'linear'\nwarmpu = 0.1"), "did you mean 'warmup'?"));
  CHECK(holds(error_of("kind = 'inverse-square-root'"), "x.toml: schedule.t0: is required"));
  CHECK(holds(error_of("kind = 'rex'\nb = 1"), "x.toml: schedule.b: must be < 1"));
  CHECK(holds(error_of("kind = 'step'\nstages = 0"), "x.toml: schedule.stages: must be >= 1"));
  CHECK(holds(error_of("kind = 'table'"), "x.toml: schedule.values: give either"));
  CHECK(holds(error_of("kind = 'table'\nvalues = []"), "must hold at least one"));
  CHECK(
      holds(error_of("kind = 'table'\nvalues = [1]\ncolumn = 'rate'"), "schedule.column: is read where `path` names"));
  CHECK(holds(error_of("kind = 'table'\nvalues = [1, -1]"), "x.toml: schedule.values: must be >= 0"));
  CHECK(holds(error_of("kind = 'table'\nvalues = [1, 1, 1]", 2), "more than the 2 steps"));
  CHECK(holds(error_of("kind = 'warmup-stable-decay'\npower = 2"),
              "x.toml: schedule.power: is read where shape = power"));
}

TEST_CASE("a horizon of zero has step 0 only") {
  for (const auto& kind : models::ingredients::schedule_kinds()) {
    std::string section = "kind = '" + kind.description.name + "'";
    if (kind.description.name.starts_with("inverse")) section += "\nt0 = 1";
    if (kind.description.name == "table") section += "\nvalues = [1, 2]";
    CAPTURE(section);
    const double first = parse(section, 0)->at(0);
    CHECK(std::isfinite(first));
  }
}
