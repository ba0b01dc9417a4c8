#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/models/ingredients/schedules/schedule_text.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients::testing;

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
  for (const char* missing : {",x\n0,1\n1\n2,0.5\n", ",x\n0,1\n1,\n2,0.5\n", "\"x\"\n\"1\",1\n\"2\",\n"})
    CHECK_THROWS_WITH_AS(entries(missing, 3), doctest::Contains(": holds no number"), settings::Error);
  CHECK_THROWS_WITH_AS(entries("step,multiplier\n0,1\n1,0.5\n", 3),
                       doctest::Contains("holds the columns step, multiplier; keep the one of the multipliers"),
                       settings::Error);
  CHECK(entries("# a search's result\nstep,rate,h\n0,1,7\n1,0.5,7\n2,0,7\n", 3) == expected);
  CHECK_THROWS_WITH_AS(entries("step,rate,h\n0,1,7\n1\n", 3), doctest::Contains("line 3: has no rate"),
                       settings::Error);
  for (const char* steps : {"0,1\n1,0.5\n2,0\n", "0.0e+00 1.0e+00\n1.0e+00 5.0e-01\n", "0\t1\n10\t.5\n50\t.1\n"})
    CHECK_THROWS_WITH_AS(entries(steps, 3), doctest::Contains("a first column that counts up as steps do"),
                         settings::Error);
  // Multipliers that stand two a line.
  CHECK(entries("1 0.5\n0.5 0\n", 4) == std::vector<double>{1, 0.5, 0.5, 0});
  for (const std::string text : {"0,9\n0,5\n0,1\n", "rate\n1,0\n0,5\n", "1,05\n1,0\n", "0,5\n"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(entries(text, 6), doctest::Contains("write decimal points"), settings::Error);
  }
  // Row names of R, which stand unquoted in a column that the line of names passes over.
  for (const std::string text : {"rate\n1,0.5\n2,0.25\n", "step rate\n1 0 0.5\n2 1 0.25\n", "rate,h\na,1,0.5\n"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(entries(text, 6),
                         doctest::Contains("holds a column more than names; if the first of them holds row names, as R "
                                           "writes them, leave it out"),
                         settings::Error);
  }
  CHECK(entries("rate\n1 0.5\n", 2) == std::vector<double>{1, 0.5});
  CHECK(entries("sep=;\nrate;h\n1;0\n0,5;0\n", 2) == std::vector<double>{1, 0.5});
  CHECK_THROWS_WITH_AS(entries("1\n1\n1\n", 1), doctest::Contains("holds 3 entries, more than the 1 step"),
                       settings::Error);
  CHECK_THROWS_WITH_AS(parse("kind = 'table'\npath = ''", 3, experiment),
                       doctest::Contains("path: is empty; it must be the path of a file"), settings::Error);
  CHECK(entries("1,0\n", 2) == std::vector<double>{1, 0});
  CHECK(entries("0,5,1\n", 3) == std::vector<double>{0, 5, 1});
  CHECK_THROWS_WITH_AS(entries("1\n-1e-3\n", 3), doctest::Contains("'-0.001' is not a number >= 0"), settings::Error);
  std::filesystem::remove_all(folder);
}
