#include "validation/collapse/loss_curves.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/holds.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using edgewise::expected::holds;

TEST_CASE("files: order, separators, several files, columns by any case, compute alone") {
  const temporary::Folder folder;
  const std::string first = folder / "a.csv", second = folder / "b.csv";
  std::ofstream(first) << "Size;Seed;Step;LR;Loss\n10;a;20;1;2,5\n10;a;10;1;3\n10;b;10;1;3,5\n10;b;20;1;2,25\n";
  std::ofstream(second) << "compute,size,loss,schedule\n600,10,3,wsd\n1200,10,2.5,wsd\n";
  const LossCurves curves = read_loss_curves(std::vector{first, second});
  REQUIRE(curves.groups.size() == 2);
  const LossCurve& a = curves.groups[0].curves[0];
  CHECK(curves.groups[0].curves.size() == 2);
  CHECK(a.seed == "a");
  CHECK(a.step == std::vector<double>{10, 20});
  CHECK(a.loss == std::vector<double>{3, 2.5});
  CHECK(a.compute == std::vector<double>{600, 1200});
  CHECK(curves.groups[1].schedule == "wsd");
  CHECK(curves.groups[1].curves[0].step == std::vector<double>{10, 20});
  REQUIRE(curves.notes.size() == 2);
  CHECK(curves.notes[0].find("not read: LR") != std::string::npos);
  CHECK(curves.notes[1] == "the rows of 1 run were out of order and have been sorted by step");
}

TEST_CASE("bad files are refused with file and line") {
  const temporary::Folder folder;
  const std::string path = folder / "c.csv";
  const auto message = [&](const std::string& text) {
    std::ofstream(path) << text;
    try {
      read_loss_curves(std::vector{path});
    } catch (const settings::Error& e) {
      return std::string(e.what()).substr(path.size());
    }
    return std::string("read");
  };
  CHECK(message("size,step,loss\n1,2,\n") == ": line 2: loss is missing: the cell is empty");
  CHECK(message("size,step,loss\n1,2,nan\n").find(": line 2: loss must be finite and > 0, got nan") == 0);
  CHECK(message("size,step,loss\n1,-2,3\n") == ": line 2: step must be finite and >= 0, got -2");
  CHECK(message("size,step,loss\n1,2,3\n1,2,4\n").find(": line 3: step 2 of the run of size 1 is there twice") == 0);
  CHECK(message("sise,step,loss\n1,2,3\n").find(": line 1: no column is named size ('sise' is not it)") == 0);
  CHECK(message("size,loss\n1,2\n").find(": line 1: no column is named step or compute") == 0);
  CHECK(message("size,step,loss\n1,2,3,4\n1,2,3\n") ==
        ": line 2: 4 cells where 3 are needed; cells are separated by commas here");
  CHECK(
      message("size,step,loss\n1,2,0,4\n2,2,1,3\n") ==
      ": line 2: 4 cells where 3 are needed; cells are separated by commas here; if the first of them holds row names, "
      "as R writes them, leave it out (row.names = FALSE)");
  CHECK(message("sep=;\nsize;step;loss\n1;0;4,5\n1;1;3\n") == "read");
  CHECK(message("size,step,loss\n1,2,3\n").find("a curve needs two") != std::string::npos);
  CHECK(message("").find("holds no loss curve") != std::string::npos);
}

TEST_CASE("every column by its name, singular or plural, in capitals or not; rate and noise where they are") {
  const std::vector<CurveTable> tables = {
      {"a", "sizes,STEPS,Compute,Loss,seeds,schedules,rates,noises\n8,0,0,5,x,lin,0.5,0.25\n8,3,7,4,x,lin,0,0\n"},
      {"b", "size,step,loss,rate\n8,1,5,0.125\n8,2,4,0.25\n"}};
  const LossCurves curves = read_loss_curves(tables);
  REQUIRE(curves.groups.size() == 2);
  const LossCurve &plain = curves.groups[0].curves[0], &all = curves.groups[1].curves[0];
  CHECK(curves.groups[0].schedule.empty());
  CHECK(curves.groups[1].schedule == "lin");
  CHECK(all.size == 8);
  CHECK(all.seed == "x");
  CHECK(all.step == std::vector<double>{0, 3});
  CHECK(all.compute == std::vector<double>{0, 7});
  CHECK(all.loss == std::vector<double>{5, 4});
  CHECK(all.rate == std::vector<double>{0.5, 0});
  CHECK(all.noise == std::vector<double>{0.25, 0});
  CHECK(all.origin == "a: line 2");
  CHECK(plain.rate == std::vector<double>{0.125, 0.25});
  CHECK(plain.noise.empty());
  CHECK(plain.seed.empty());
  // 6 size step.
  CHECK(plain.compute == std::vector<double>{48, 96});
  CHECK(curves.notes.empty());
}

TEST_CASE("runs are told apart by schedule, size and seed, and come in that order") {
  const std::vector<CurveTable> tables = {{"a",
                                           "schedule,size,seed,step,loss\nb,2,1,1,9\nb,2,1,2,8\na,4,1,1,7\na,4,1,2,6\n"
                                           "a,2,2,1,5\na,2,2,2,4\na,2,1,2,2\na,2,1,1,3\nb,1,1,3,1\nb,1,1,2,2\n"}};
  const LossCurves curves = read_loss_curves(tables);
  REQUIRE(curves.groups.size() == 2);
  REQUIRE(curves.groups[0].curves.size() == 3);
  REQUIRE(curves.groups[1].curves.size() == 2);
  const auto check = [&](std::size_t g, std::size_t c, double size, const char* seed, double first) {
    CHECK(curves.groups[g].curves[c].size == size);
    CHECK(curves.groups[g].curves[c].seed == seed);
    CHECK(curves.groups[g].curves[c].loss.front() == first);
  };
  check(0, 0, 2, "1", 3);
  check(0, 1, 2, "2", 5);
  check(0, 2, 4, "1", 7);
  check(1, 0, 1, "1", 2);
  check(1, 1, 2, "1", 9);
  REQUIRE(curves.notes.size() == 1);
  CHECK(curves.notes[0] == "the rows of 2 runs were out of order and have been sorted by step");
}

TEST_CASE("what is wrong with a row is told with its number, by the word of its table") {
  const auto said = [](const std::string& text, const std::string& row = "row") {
    try {
      read_loss_curves(std::vector<CurveTable>{{"f", text, row}});
    } catch (const settings::Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(said("size,step,loss\n1,2,3\n1,3,x\n") == "f: row 3: loss 'x' is not a number");
  CHECK(said("size,step,loss\n1,2,3\n1,3,x\n", "line") == "f: line 3: loss 'x' is not a number");
  CHECK(said("size,step,loss\n0,2,3\n") == "f: row 2: size must be finite and > 0, got 0");
  CHECK(said("size,step,loss\n1,2,0\n") ==
        "f: row 2: loss must be finite and > 0, got 0; leave out the rows of a run after it has diverged");
  CHECK(said("size,step,loss,rate\n1,2,3,-1\n") == "f: row 2: rate must be finite and >= 0, got -1");
  CHECK(said("size,step,loss,noise\n1,2,3,inf\n") == "f: row 2: noise must be finite and >= 0, got inf");
  CHECK(said("size,step,loss,steps\n1,2,3,4\n") == "f: row 1: column 'step' is named twice");
  CHECK(said("size,step,loss\n") == "f: has column names but no row");
  CHECK(said("size,step,compute,loss\n1,1,5,3\n1,2,4,3\n") ==
        "f: row 3: compute falls while step grows in the run of size 1");
  CHECK(said("size,seed,schedule,step,loss\n1,a,b,1,3\n1,a,b,1,4\n") ==
        "f: row 3: step 1 of the run of size 1, seed a, schedule b is there twice (also in row 2); a column seed tells "
        "runs apart");
  CHECK(said("size,step,loss\n1,2,3\n") == "f: row 2: the run of size 1 has 1 row; a curve needs two");
  CHECK(said("size,step,loss\n1e300,1e300,3\n") ==
        "f: row 2: 6 size step, the compute, leaves the range of double precision; count in larger units");
  CHECK(holds(said("size,step,lss\n1,2,3\n"), "f: row 1: no column is named loss ('lss' is not it)"));
  CHECK(holds(said("a;b\n1;2\n"), "cells are separated by semicolons here"));
  const std::vector<CurveTable> twice = {{"f", "size,step,loss\n1,2,3\n1,3,3\n"}, {"g", "size,step,loss\n1,4,3\n"}};
  CHECK_THROWS_WITH_AS(read_loss_curves(twice), "g: line 2: the run of size 1 is in f already", settings::Error);
}
