// `edgewise plot` of results.
#include <doctest/doctest.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/cli/program_run.hpp"
#include "tests/cli/refused.hpp"

using namespace edgewise;
using cli::testing::check_refused;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;

TEST_CASE("plot reads both formats and refuses what is no result") {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  check_refused({"plot", file}, {"small.toml: is no result of edgewise"});
  check_refused({"plot", folder / "none.csv"}, {"no such file"});
  run({"validate", file, "-o", folder / "v.nc", "--quiet"});
  check_refused({"plot", folder / "v.nc", "-o", folder / "v.gif"}, {".svg, .png, .pdf"});
  check_refused({"plot", folder / "v.nc", "--observable", "rsk"}, {"did you mean 'risk'"});
  check_refused({"plot", folder / "v.nc", "--guide", "steep"}, {"--guide: must be a number"});
  const auto drawn = run({"plot", folder / "v.nc"});
  CHECK(drawn.status == 0);
  CHECK(contents(folder / "v.svg").starts_with("<?xml"));
}

TEST_CASE("what cannot be drawn is told of the result, not of the figure") {
  const Folder folder;
  std::ostringstream rows;
  std::istringstream lines(run({"solve", folder.file("small.toml", small_experiment)}).out);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with('#') || line.starts_with("step"))
      rows << line << '\n';
    else
      rows << line.substr(0, line.find(',')) << [&] {
        std::string out;
        for (const char c : line) out += c == ',' ? ",nan" : "";
        return out;
      }() << '\n';
  const std::string result = folder.file("r.csv", rows.str()), figure = folder / "o.svg";
  CHECK(run({"plot", result, "-o", figure}).err ==
        "edgewise: " + result + ": has no finite value of 'risk' to draw (for " + figure + ")\n");
  CHECK(
      run({"plot", result, result, "-o", figure, "--observable", "rsk"})
          .err.starts_with("edgewise: " + result + ": --observable: it has no observable 'rsk', did you mean 'risk'"));
}

TEST_CASE("results are called by their titles where these differ, else by their files" *
          doctest::skip(std::system("gnuplot --version >/dev/null 2>&1") != 0)) {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment);
  const auto solved = [&](const std::string& name, const std::string& title) {
    const std::string to = folder / (name + ".csv");
    REQUIRE(run({"solve", file, "-o", to, "--quiet", "--set", "title=" + title}).status == 0);
    return to;
  };
  const std::string first = solved("stemone", "'Title one'"), second = solved("stemtwo", "'Title two'"),
                    same = solved("stemthree", "'Title one'"), svg = folder / "f.svg";
  const auto named = [&](const std::string& other, const std::string& label) {
    const auto r = run({"plot", first, other, "-o", svg});
    CHECK(r.status == 0);
    CHECK(r.err == "figure written to " + svg + "\n");
    return contents(svg).find(label) != std::string::npos;
  };
  CHECK(named(second, "Title one"));
  CHECK(named(second, "Title two"));
  CHECK_FALSE(named(second, "stem"));
  CHECK(named(same, "stemone"));
  CHECK(named(same, "stemthree"));
  // Beside what it draws, a figure takes the ending of its format; it replaces nothing that it draws.
  CHECK(
      run({"plot", first, "-o", first}).says(first + ": --output: unknown ending '.csv'; accepted: .svg, .png, .pdf"));
  CHECK(run({"plot", first, second, "--slice", "a=1"}).says("--slice: these results are no sweep"));
}

TEST_CASE("--format chooses among figures too" * doctest::skip(std::system("gnuplot --version >/dev/null 2>&1") != 0)) {
  const Folder folder;
  const std::string file = folder.file("small.toml", small_experiment), result = folder / "r.csv";
  REQUIRE(run({"solve", file, "-o", result, "--quiet"}).status == 0);
  CHECK(run({"plot", result, "-o", folder / "figure", "--format", "pdf"}).status == 0);
  CHECK(contents(folder / "figure").starts_with("%PDF"));
  CHECK(run({"plot", result, "--format", "png"}).status == 0);
  CHECK(contents(folder / "r.png").starts_with("\x89PNG"));
  check_refused({"plot", result, "--format", "csv"}, {"--format: must be one of svg, png, pdf, got 'csv'"});
  check_refused({"solve", file, "--format", "svg"}, {"--format: must be one of csv, nc, json, got 'svg'"});
}
