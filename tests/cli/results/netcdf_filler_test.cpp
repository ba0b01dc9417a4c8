#include "cli/results/netcdf_filler.hpp"

#include <doctest/doctest.h>

#include <string>

#include "cli/results/output_file.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/cli/results/netcdf_text.hpp"

using namespace edgewise::cli;
using testing::Folder;

TEST_CASE("variables are defined in order and get their values, units and meanings at the end") {
  const Folder folder;
  NetcdfFile file("f.nc");
  file.create();
  NetcdfFiller filler(file);
  const int two = filler.dimension("two", 2), three = filler.dimension("three", 3);
  filler.numbers("loss", {two, three}, "of the runs", {1, 2, 3, 4, 5, 6.5}, "steps");
  // No unit is "1", and what says nothing is called by its name.
  filler.numbers("bare", {three}, "", {7, 8, 9});
  CHECK(filler.integers("code", {two}, "of the cell", {-1, 4}) == 2);
  CHECK(filler.texts("word", {three}, "of the code", {"a", "", "c d"}) == 3);
  CHECK(filler.integers("none", {two}, "without values", {}) == 4);
  filler.fill();
  write_file(folder / "f.nc", file.finish());
  CHECK(testing::netcdf_text(folder / "f.nc") == R"(two = 2
three = 3
double loss(two, three): 1 2 3 4 5 6.5
  units: 'steps'
  long_name: 'of the runs'
double bare(three): 7 8 9
  units: '1'
  long_name: 'bare'
int code(two): -1 4
  long_name: 'of the cell'
string word(three): 'a' '' 'c d'
  long_name: 'of the code'
int none(two): -2147483647 -2147483647
  long_name: 'without values'
)");
}
