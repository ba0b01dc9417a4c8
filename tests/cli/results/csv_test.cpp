#include "cli/results/csv.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <limits>

#include "settings/settings.hpp"
#include "tests/cli/results/sample_results.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using testing::same;
using testing::sample_result;

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
  const auto message = [](const std::string& text) -> std::string {
    try {
      read_csv(text, "x.csv");
    } catch (const settings::Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message("").starts_with("x.csv: is no result"));
  CHECK(message("step,risk\n0,1\n").starts_with("x.csv: is no result"));
  CHECK(message("# kind: solution\n").find("no line of column names") != std::string::npos);
  const std::string good = "# kind: solution\n# observable risk []: r\nstep,risk\n";
  CHECK(message(good + "0,1\n").empty());
  CHECK(message(good + "0,1,2\n").find("line 4: 3 cells where 2 are needed") != std::string::npos);
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
