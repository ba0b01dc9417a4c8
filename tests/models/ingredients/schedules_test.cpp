#include "models/ingredients/schedules.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/approx.hpp"

using namespace edgewise;
using edgewise::tests::Approx;

namespace {

std::unique_ptr<models::ingredients::Schedule> parse(const std::string& section, double horizon,
                                                     const std::string& origin = "x.toml") {
  return models::ingredients::read_schedule(settings::read_text("[schedule]\n" + section, origin), "schedule", horizon);
}

std::string error_of(const std::string& section, double horizon = 100) {
  try {
    parse(section, horizon);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "no error";
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void check_values(const std::string& section, double horizon, const std::vector<std::pair<double, double>>& expected) {
  const auto schedule = parse(section, horizon);
  for (const auto& entry : expected) {
    const double t = entry.first, value = entry.second;
    CAPTURE(section);
    CAPTURE(t);
    CHECK(schedule->at(t) == Approx(value).epsilon(1e-14));
  }
}

}  // namespace

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

TEST_CASE("each shape has the values of its formula") {
  const double pi = std::acos(-1.0);
  check_values("kind = 'constant'", 10, {{0, 1}, {9, 1}});
  check_values("kind = 'linear'", 4, {{0, 1}, {1, 0.75}, {3, 0.25}, {4, 0}});
  check_values("kind = 'linear'\nfloor = 0.2", 4, {{0, 1}, {2, 0.6}, {4, 0.2}});
  check_values("kind = 'polynomial'\npower = 2", 4, {{1, 0.5625}, {3, 0.0625}});
  check_values("kind = 'polynomial'\npower = 1", 4, {{1, 0.75}});
  check_values("kind = 'polynomial'\npower = 2\nfloor = 0.5", 4, {{2, 0.625}});
  check_values("kind = 'cosine'", 4, {{0, 1}, {1, 0.5 + 0.25 * std::sqrt(2.0)}, {2, 0.5}});
  check_values("kind = 'cosine'\nhalf_waves = 3", 12, {{0, 1}, {4, 0}, {8, 1}, {2, 0.5}, {10, 0.5}});
  check_values("kind = 'square-root'\na = 2", 10, {{0, 1}, {5, 0.75}, {9, 0.19}});
  check_values("kind = 'cosine'\nfloor = 0.1\npower = 2", 4, {{2, 0.1 + 0.9 * 0.25}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5", 8, {{0, 1}, {4, 1}, {6, 0.5}, {7, 0.25}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5\nshape = '1-sqrt'", 8, {{3, 1}, {5, 0.5}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5\nshape = 'cosine'", 8,
               {{5, 0.5 * (1 + std::cos(pi / 4))}});
  check_values("kind = 'warmup-stable-decay'\ncooldown = 0.5\nshape = 'power'\npower = 3", 8, {{6, 0.125}});
  check_values("kind = 'inverse-square-root'\nt0 = 5", 100, {{0, 1}, {15, 0.5}});
  check_values("kind = 'inverse-power'\nt0 = 5\nexponent = 1", 100, {{15, 0.25}});
  check_values("kind = 'exponential'\nrate = 2", 10, {{5, std::exp(-1.0)}});
  check_values("kind = 'rex'\nb = 0.5", 10, {{0, 1}, {5, 0.5 / 0.75}, {10, 0}});
  check_values("kind = 'rex'\nb = 0", 10, {{5, 0.5}});
  check_values("kind = 'step'\nfactor = 0.5\nstages = 3", 300,
               {{0, 1}, {99, 1}, {100, 0.5}, {199, 0.5}, {200, 0.25}, {299, 0.25}, {300, 0.25}});
}

TEST_CASE("step falls exactly at its stages whatever the horizon") {
  for (int horizon = 1; horizon < 200; ++horizon)
    for (int stages = 1; stages < 12; ++stages) {
      const auto schedule =
          parse("kind='step'\nfactor=0.5\nstages=" + std::to_string(stages), static_cast<double>(horizon));
      for (int k = 0; k < horizon; ++k) CHECK(schedule->at(k) == std::pow(0.5, (stages * k) / horizon));
    }
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

TEST_CASE("curves through points") {
  check_values("kind = 'two-point'\ny0 = 0.5\nx1 = 0.2\ny1 = 2\nx2 = 0.6\ny2 = 1\ny3 = 0.2\ninterpolate = 'linear'", 10,
               {{0, 0.25}, {1, 0.625}, {2, 1}, {4, 0.75}, {6, 0.5}, {8, 0.3}});
  check_values("kind = 'grid'\nstages = [4, 2, 0]\nbins = 5", 6, {{0, 1}, {1, 1}, {2, 0.5}, {4, 0}});
  check_values("kind = 'grid'\nstages = [2, 1, 0]\nbins = 3\nspacing = 'log'\nminimum = 0.01", 3,
               {{0, 1}, {1, 0.1}, {2, 0.01}});
  CHECK(holds(error_of("kind = 'two-point'\nx1 = 0.7\nx2 = 0.6"), "x.toml: schedule.x2: the points need"));
  CHECK(holds(error_of("kind = 'two-point'\ny0 = 0\ny1 = 0\ny2 = 0\ny3 = 0"), "0 at every step"));
  CHECK(holds(error_of("kind = 'grid'\nstages = [9]\nbins = 9"), "whole numbers up to bins - 1 = 8"));
  CHECK(holds(error_of("kind = 'grid'\nminimum = 0.01"), "x.toml: schedule.minimum: is read where spacing = log"));
  CHECK(holds(error_of("kind = 'rex'\nb = 0\nbeta = 1"), "give either b or beta"));
  CHECK(holds(error_of("kind = 'stick-breaking'\nminimum = 0.9\nmaximum = 0.5"), "must be at most maximum"));
}

TEST_CASE("curves through points: defaults, whole steps, jumps and limits") {
  const std::string lines = "\ninterpolate = 'linear'\n";
  check_values("kind = 'two-point'" + lines, 10, {{0, 0.6}, {1, 1}, {3.5, 0.65}, {6, 0.3}, {8, 0.16}, {10, 0.02}});
  // Over the largest value on whole steps: of a peak at 2.5 that at 3, and of one beyond the last step that at the last.
  check_values("kind = 'two-point'\ny0 = 0\nx1 = 0.25\ny1 = 2\nx2 = 0.5\ny2 = 1\ny3 = 0" + lines, 10,
               {{2, 1.6 / 1.8}, {2.5, 2 / 1.8}, {3, 1}, {5, 1 / 1.8}});
  const double last = 0.5 + 1.5 * 4 / 4.9;
  check_values("kind = 'two-point'\ny0 = 0.1\nx1 = 0.5\ny1 = 0.5\nx2 = 0.99\ny2 = 2\ny3 = 1" + lines, 10,
               {{0, 0.1 / last}, {5, 0.5 / last}, {9, 1}});
  // Points of stick-breaking are at whole steps: 3, and 6 of 6.5; two at one step are a jump for lines alone.
  check_values("kind = 'stick-breaking'" + lines, 10, {{0, 1}, {3, 0.7}, {5, 0.21 + 0.49 / 3}, {6, 0.21}, {8, 0.105}});
  check_values("kind = 'stick-breaking'", 10, {{0, 1}, {3, 0.7}, {6, 0.21}, {10, 0}});
  check_values("kind = 'stick-breaking'\nminimum = 0.4\nmaximum = 0.9" + lines, 10,
               {{0, 0.9}, {2, 0.8}, {3, 0.7}, {8, 0.4}});
  check_values("kind = 'stick-breaking'\nd2 = 0.0" + lines, 10, {{2, 0.8}, {3, 0.21}, {6.5, 0.105}});
  check_values("kind = 'stick-breaking'\nd2 = 0.0", 10, {{3, 0.7}, {10, 0}});
  check_values("kind = 'smooth'", 100, {{0, 0}, {10, 0.8}, {20, 1}, {73, 0.3}, {100, 0}});
  check_values("kind = 'smooth'\nx_peak = 0.9\nd1 = 0.5\nd2 = 0.2", 100, {{0, 0}, {50, 0.8}, {60, 0.3}, {90, 1}});
  check_values("kind = 'grid'", 10, {{0, 1}, {2, 0.75}, {4, 0.5}, {6, 0.25}, {8, 0.125}});
  check_values("kind = 'grid'\nstages = [1, 0]\nbins = 3\nspacing = 'log'", 2, {{0, std::sqrt(1e-3)}, {1, 1e-3}});
  CHECK(holds(error_of("kind = 'grid'\nstages = []"), "must hold at least one number"));
  CHECK(holds(error_of("kind = 'grid'\nstages = [1.5]"), "whole numbers up to bins - 1 = 8"));
  for (const char* bad : {"x1 = 0.0", "x2 = 1.0", "x1 = 0.6\nx2 = 0.6"})
    CHECK(holds(error_of(std::string("kind = 'two-point'\n") + bad), "the points need 0 < x1 < x2 < 1"));
}

TEST_CASE("defaults of the decays") {
  check_values("kind = 'warmup-stable-decay'", 10, {{0, 1}, {8, 1}, {9, 0.5}});
  check_values("kind = 'warmup-stable-decay'\nshape = 'power'", 10, {{8, 1}, {9, 0.25}});
  check_values("kind = 'inverse-power'\nt0 = 5", 100, {{0, 1}, {15, 0.25}});
  check_values("kind = 'step'", 3, {{0, 1}, {1, 0.1}, {2, 0.01}});
  check_values("kind = 'exponential'", 10, {{0, 1}, {2, std::exp(-1.0)}});
  check_values("kind = 'rex'", 10, {{5, 0.5 / 0.75}});
  check_values("kind = 'polynomial'", 4, {{1, 0.75}});
  check_values("kind = 'square-root'", 10, {{6, 0.8}});
  check_values("kind = 'square-root'\na = 0", 10, {{6, 1}});
  CHECK(parse("kind = 'warmup-stable-decay'\ncooldown = 1", 8)->breaks().empty());
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

TEST_CASE("tables: one entry a step, or fewer spread over the horizon") {
  check_values("kind = 'table'\nvalues = [1, 0.5, 0.25]", 3, {{0, 1}, {1, 0.5}, {2, 0.25}, {3, 0.25}});
  check_values("kind = 'table'\nvalues = [1, 0.5, 0.25]\ninterpolate = 'linear'", 3,
               {{0, 1}, {1, 0.5}, {1.5, 0.375}, {2, 0.25}, {3, 0.25}});
  check_values("kind = 'table'\nvalues = [1, 0.5]", 8, {{0, 1}, {3, 1}, {4, 0.5}, {8, 0.5}});
  check_values("kind = 'table'\nvalues = [1, 0.5, 0]\ninterpolate = 'linear'", 8,
               {{0, 1}, {2, 0.75}, {4, 0.5}, {8, 0}});
  check_values("kind = 'table'\nvalues = [0.5]\ninterpolate = 'linear'", 8, {{0, 0.5}, {8, 0.5}});

  const auto folder = std::filesystem::temp_directory_path() / "edgewise-schedules-test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "table.csv") << "# multipliers\n1, 0.5\n\n0.25  # last\n";
  const auto schedule = parse("kind = 'table'\npath = 'table.csv'", 3, (folder / "x.toml").string());
  CHECK(schedule->at(1) == 0.5);
  CHECK(schedule->at(2) == 0.25);
  std::ofstream(folder / "bad.csv") << "1\nx\n";
  const std::string experiment = (folder / "x.toml").string();
  CHECK_THROWS_WITH_AS(parse("kind = 'table'\npath = 'bad.csv'", 3, experiment),
                       doctest::Contains("line 2: 'x' is not a number >= 0"), settings::Error);
  CHECK_THROWS_WITH_AS(parse("kind = 'table'\npath = 'table.csv'\ncolumn = 'rate'", 3, experiment),
                       doctest::Contains("holds no columns with names"), settings::Error);
  std::ofstream(folder / "empty.csv") << "# nothing\n";
  CHECK_THROWS_WITH_AS(parse("kind = 'table'\npath = 'empty.csv'", 3, experiment), doctest::Contains("no numbers"),
                       settings::Error);
  CHECK_THROWS_WITH_AS(parse("kind = 'table'\npath = 'missing.csv'", 3, experiment), doctest::Contains("no such file"),
                       settings::Error);
  const auto entries = [&](const std::string& text, std::size_t count) {
    std::ofstream(folder / "table.csv", std::ios::binary) << text;
    const auto read = parse("kind = 'table'\npath = 'table.csv'", static_cast<double>(count), experiment);
    std::vector<double> out;
    for (std::size_t k = 0; k < count; ++k) out.push_back(read->at(static_cast<double>(k)));
    return out;
  };
  const std::vector<double> expected{1, 0.5, 0};
  for (const std::string text : {"\xEF\xBB\xBF"
                                 "1\r\n0.5\r\n0\r\n",
                                 "1;0,5;0\r\n", "1\t0.5\t0\n", "1.0e+00\n5.0e-01\n-1.2e-17\n", "1, .5 0\n",
                                 ",0\n0,1.0\n1,0.5\n2,0.0\n", "multiplier\n1\n0.5\n0\n",
                                 "\"\",\"x\"\n\"1\",1\n\"2\",0.5\n\"3\",0\n", "\"x\"\n\"1\" 1\n\"2\" 0.5\n\"3\" 0\n"}) {
    CAPTURE(text);
    CHECK(entries(text, 3) == expected);
  }
  CHECK_THROWS_WITH_AS(entries("step,multiplier\n0,1\n1,0.5\n", 3),
                       doctest::Contains("holds the columns step, multiplier; keep the one of the multipliers"),
                       settings::Error);
  CHECK(entries("# a search's result\nstep,rate,h\n0,1,7\n1,0.5,7\n2,0,7\n", 3) == expected);
  CHECK_THROWS_WITH_AS(entries("step,rate,h\n0,1,7\n1\n", 3), doctest::Contains("line 3: has no rate"),
                       settings::Error);
  CHECK_THROWS_WITH_AS(entries("0,1\n1,0.5\n2,0\n", 3), doctest::Contains("a first column that counts"),
                       settings::Error);
  CHECK_THROWS_WITH_AS(entries("1\n-1e-3\n", 3), doctest::Contains("'-0.001' is not a number >= 0"), settings::Error);
  std::filesystem::remove_all(folder);
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
