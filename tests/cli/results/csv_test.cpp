#include "cli/results/csv.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/cli/results/sample_results.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using testing::same;
using testing::sample_result;

namespace {

/// What the file x.csv of this text is refused with, or "".
std::string message(const std::string& text) {
  try {
    read_csv(text, "x.csv");
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every kind of result reads back to the same doubles and the same provenance") {
  for (const ResultKind kind : {ResultKind::solution, ResultKind::simulation, ResultKind::validation}) {
    const Result result = sample_result(kind);
    CAPTURE(name(kind));
    const Result back = read_csv(csv_text(result), "memory");
    CHECK(same(result, back));
    CHECK(back.provenance == result.provenance);
    CHECK(csv_text(back) == csv_text(result));
  }
}

TEST_CASE("every axis reads back, and no other first column") {
  for (const ResultKind kind : {ResultKind::solution, ResultKind::validation})
    for (const models::Axis* axis : models::axes()) {
      CAPTURE(axis->name);
      Result result = sample_result(kind);
      result.axis = axis;
      const Result back = read_csv(csv_text(result), "memory");
      CHECK(back.axis == axis);
      CHECK(same(result, back));
    }
  std::string text = csv_text(sample_result(ResultKind::solution));
  text.replace(text.find("\nstep,") + 1, 4, "epoch");
  CHECK_THROWS_WITH_AS(read_csv(text, "memory"), doctest::Contains("must be 'step'"), settings::Error);
}

TEST_CASE("any double survives the round trip") {
  CHECK(rc::check("bits", [] {
    Result result = sample_result(ResultKind::solution);
    const double value = std::bit_cast<double>(*rc::gen::arbitrary<std::uint64_t>());
    result.fields[0].values[0][1] = value;
    const double back = read_csv(csv_text(result), "memory").fields[0].values[0][1];
    if (std::isnan(value))
      RC_ASSERT(std::isnan(back));
    else
      RC_ASSERT(std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(value));
  }));
}

TEST_CASE("columns are named as documented") {
  const auto head = [](ResultKind kind) {
    const std::string text = csv_text(sample_result(kind));
    const std::size_t at = text.find("\nstep") + 1;
    return text.substr(at, text.find('\n', at) - at);
  };
  CHECK(head(ResultKind::solution) == "step,risk,risk_std,excess_mse");
  CHECK(head(ResultKind::simulation) ==
        "step,risk_mean,risk_sem,risk_q05,risk_q50,risk_q95,excess_mse_mean,excess_mse_sem,excess_mse_q05,"
        "excess_mse_q50,excess_mse_q95");
  CHECK(head(ResultKind::validation).starts_with("step,observable,theory,mc_mean,mc_sem,z,"));
}

TEST_CASE("whole steps are written without an exponent") {
  Result result = sample_result(ResultKind::solution);
  result.steps.back() = 1e10;
  CHECK(csv_text(result).find("\n10000000000,") != std::string::npos);
}

TEST_CASE("bad files are named with the line") {
  CHECK(message("").starts_with("x.csv: is no result"));
  CHECK(message("step,risk\n0,1\n").starts_with("x.csv: is no result"));
  CHECK(message("# kind: solution\n").find("no line of column names") != std::string::npos);
  const std::string good = "# kind: solution\n# observable risk []: r\nstep,risk\n";
  CHECK(message(good + "0,1\n").empty());
  CHECK(message(good + "0,1,2\n1,2\n") ==
        "x.csv: line 4: 3 cells where 2 are needed; cells are separated by commas here");
  CHECK(message(good + "1,0,1\n2,1,2\n") ==
        "x.csv: line 4: 3 cells where 2 are needed; cells are separated by commas here; if the first of them holds row "
        "names, as R writes them, leave it out (row.names = FALSE)");
  CHECK(message(good + "0,one\n").find("line 4: column 'risk': 'one' is not a number") != std::string::npos);
  CHECK(message("# kind: solution\n# observable risk []: r\nstep,loss\n").find("unknown column 'loss'") !=
        std::string::npos);
  CHECK(message(good + "0;1\n").find("line 4: 1 cell where 2 are needed; cells are separated by commas here") !=
        std::string::npos);
  CHECK(message("# kind: solution\n# observable risk []: r\nstep|risk\n").find("the first column must be 'step'") !=
        std::string::npos);
  CHECK(message("# kind: solution\n# observable risk []: r\nstep,risk,risk\n0,1,2\n").find("is there twice") !=
        std::string::npos);
  CHECK(message(good + "0,\"1\n").find("x.csv: line 4: a quote is not closed") != std::string::npos);
  CHECK(message(good + "0," + std::string(100000, 'x')).size() < 300);
  CHECK(message("# kind: validation\n# observable risk []: r\nstep,observable,z\n1,loss,0\n")
            .find("unknown observable 'loss'") != std::string::npos);
}

TEST_CASE("the files of a solution and of a validation, cell by cell") {
  Result r;
  r.kind = ResultKind::solution;
  r.provenance = {attribute("kind", "solution"), attribute("title", "two\nlines")};
  r.steps = {-3, 0.5, 9007199254740991, 9007199254740992, 1e22, INFINITY};
  r.observables = {{"risk", "MSE", "half of it"}, {"a,b", "", "odd"}};
  r.fields = fields_of(r.kind);
  r.fields[0].values = {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}};
  r.fields[1].values = {{0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, {}};
  CHECK(csv_text(r) == R"(# kind: solution
# title: |
#   two
#   lines
# observable risk [MSE]: half of it
# observable a,b []: odd
step,risk,risk_std,"a,b"
-3,1,0.1,7
0.5,2,0.2,8
9007199254740991,3,0.3,9
9007199254740992,4,0.4,10
1e+22,5,0.5,11
inf,6,0.6,12
)");
  r.kind = ResultKind::validation;
  r.provenance = {attribute("kind", "validation")};
  r.axis = models::axes().back();
  r.steps = {10, 20};
  r.fields = fields_of(r.kind);
  double next = 1;
  for (Field& f : r.fields) {
    f.values = {{next, std::nan("")}, {next + 1, next + 2}};
    next += 3;
  }
  // A step at which nothing of an observable is known has no row.
  CHECK(csv_text(r) == R"(# kind: validation
# observable risk [MSE]: half of it
# observable a,b []: odd
depth,observable,theory,mc_mean,mc_sem,z,theory_std,mc_q05,mc_q50,mc_q95
10,risk,1,4,7,10,13,16,19,22
10,"a,b",2,5,8,11,14,17,20,23
20,"a,b",3,6,9,12,15,18,21,24
)");
  // Rows may come in any order, columns too.
  const Result back = read_csv(
      "# kind: validation\n# observable risk []: r\n# observable width []: w\nstep,observable,z,theory\n30,width,1,2\n"
      "10,risk,3,4\n20,width,5,6\n",
      "x.csv");
  CHECK(back.steps == std::vector<double>{10, 20, 30});
  CHECK(back.fields[0].values[0][0] == 4);
  CHECK(back.fields[3].values[0][0] == 3);
  CHECK(back.fields[0].values[1][1] == 6);
  CHECK(back.fields[3].values[1][2] == 1);
  CHECK(std::isnan(back.fields[0].values[1][0]));
  CHECK(std::isnan(back.fields[1].values[1][1]));
}

TEST_CASE("what a file cannot be is told with its line and column") {
  const std::string wide = "# kind: solution\n# observable risk []: r\n# observable width []: w\n",
                    tall = "# kind: validation\n# observable risk []: r\n";
  CHECK(message(wide + "step,risk,width,risk\n0,1,2,3\n") == "x.csv: line 4: column 'risk' is there twice");
  CHECK(message(wide + "step,risk,width,width\n0,1,2,3\n") == "x.csv: line 4: column 'width' is there twice");
  CHECK(message(wide + "step,width,risk\n0,1,2\n").empty());
  CHECK(message(wide + "step,width,riks\n0,1,2\n") == "x.csv: line 4: unknown column 'riks'");
  CHECK(message(wide + "step,width,risk\n0,1,2\n1,2,x\n") == "x.csv: line 6: column 'risk': 'x' is not a number");
  CHECK(message(wide + "step,width,risk\n0,1,2\ny,2,1\n") == "x.csv: line 6: column 'step': 'y' is not a number");
  for (const char* head : {"step,observable", "step,risk,z", "epoch,observable,z"})
    CHECK(message(tall + head + "\n") ==
          "x.csv: line 3: the first columns must be 'step' and 'observable'; cells are separated by commas here");
  CHECK(message(tall + "step,observable,y\n1,risk,2\n") == "x.csv: line 3: unknown column 'y'");
  CHECK(message(tall + "step,observable,z\n1,risk,2\nnan,risk,2\n") == "x.csv: line 5: the step is not a number");
  CHECK(
      message(tall + "step,observable,z\n1,risk,2\n2,risk\n").starts_with("x.csv: line 5: 2 cells where 3 are needed"));
  CHECK(message(tall + "step,observable,z\n1,risk,2\n1,riks,2\n") == "x.csv: line 5: unknown observable 'riks'");
  CHECK(message(tall + "step,observable,theory,z\n1,risk,2,3\n").empty());
  // Lines that are no observables are provenance: without a unit, without a name, without an end.
  const Result odd = read_csv(
      "# kind: solution\n# observable risk: r\n# observable [x]: r\n# observable  []: empty\n# observable a [b: c\n# "
      "observable risk [MSE]: r\nstep,risk\n",
      "x.csv");
  REQUIRE(odd.observables.size() == 2);
  CHECK(odd.observables[0].name.empty());
  CHECK(odd.observables[1].name == "risk");
  CHECK(odd.observables[1].unit == "MSE");
  CHECK(odd.observables[1].doc == "r");
  CHECK(odd.provenance.size() == 4);
  // Every observable at every step would be too much to keep.
  std::string many = tall;
  for (int o = 0; o < 6000; ++o) many += "# observable o" + std::to_string(o) + " []: \n";
  many += "step,observable,z\n";
  for (int t = 0; t < 6000; ++t) many += std::to_string(t) + ",risk,0\n";
  CHECK(message(many) == "x.csv: 6000 steps of 6001 observables are too many");
}

TEST_CASE("quotes") {
  CHECK(csv_quoted("plain") == "plain");
  CHECK(csv_quoted("a,b") == "\"a,b\"");
  CHECK(csv_quoted("say \"a\"") == "\"say \"\"a\"\"\"");
}

TEST_CASE("a result that went through a spreadsheet reads back") {
  const std::string header = "# kind: solution\n# title: a\n# observable risk []: the risk\n";
  const Result plain = read_csv(header + "step,risk\n0,1.5\n10,0.25\n", "x.csv");
  const std::string others[] = {
      "\xEF\xBB\xBF" + header + "step,risk\r\n0,1.5\r\n10,0.25\r\n",
      "# kind: solution;\n# title: a;\n# observable risk []: the risk;\nstep;risk\n0;1,5\n10;0,25\n",
      "# kind: solution\t\n# title: a\t\n# observable risk []: the risk\t\nstep\trisk\n0\t1.5\n10\t0.25\n",
      header + "\"step\",\"risk\"\n\"0\",\"1.5\"\n10,0.25\n",
      header + ",step,risk\n0,0,1.5\n1,10,0.25\n",
      header + "\"step\" \"risk\"\n\"1\" 0 1.5\n\"2\" 10 0.25\n"};
  for (const std::string& text : others) {
    CAPTURE(text);
    const Result back = read_csv(text, "x.csv");
    CHECK(same(plain, back));
    CHECK(back.provenance == plain.provenance);
  }
}
