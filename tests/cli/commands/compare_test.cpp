// `edgewise compare`, end to end.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/validation/comparisons/two_workloads.hpp"

using namespace edgewise;
using cli::testing::contents;
using cli::testing::Folder;
using cli::testing::run;
using cli::testing::small_experiment;
using edgewise::tests::Approx;
using nlohmann::json;

namespace {

const std::string comparison = R"(title = "Two methods"
[compare]
baseline = ["constant", "cosine"]
)" + validation::testing::two_workloads +
                               R"([[method]]
name = "DoG"
set = ["rate.kind=dog"]
key = "rate.r_eps"
values = [0.01, 0.1]
[[method]]
name = "oracle"
set = ["rate.kind=polyak"]
)";

}  // namespace

TEST_CASE("describe knows the sections of a comparison file") {
  for (const char* name : {"compare", "workload", "method"}) {
    CAPTURE(name);
    CHECK(run({"describe", name}).out.starts_with(std::string(name) + " (section of a comparison file)"));
  }
}

TEST_CASE("compare: methods on workloads, as text, JSON, CSV, figure, and from a store") {
  const Folder folder;
  folder.file("c.toml", comparison);
  const auto text = run({"compare", folder / "c.toml", "--threads", "1"});
  CHECK(text.status == 0);
  for (const char* word : {"Two methods", "large", "oracle", "calibrated", "r_eps = 0.1"})
    CHECK(text.out.find(word) != std::string::npos);

  const auto j = json::parse(run({"compare", folder / "c.toml", "--format", "json", "--threads", "1"}).out);
  CHECK(j.at("workloads").size() == 2);
  CHECK(j.at("workloads")[0].at("baseline").get<double>() > 0);
  CHECK(j.at("methods")[1].at("default").at("score").get<double>() > 0.9);
  CHECK(j.at("methods")[0].at("calibrated").at("ratios").size() == 2);
  CHECK(j.at("methods")[0].at("oracle").at("score") >= j.at("methods")[0].at("calibrated").at("score"));

  CHECK(run({"compare", folder / "c.toml", "-o", folder / "c.csv", "-o", folder / "c.svg", "--store", folder / "c.db",
             "--threads", "1"})
            .status == 0);
  const std::string csv = contents(folder / "c.csv");
  CHECK(csv.starts_with("method,setting,schedule,workload,value,sem,rate,ratio,by,calibrated\n"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 1 + 4 + 2 * (5 + 2));
  CHECK(contents(folder / "c.svg").find("<svg") != std::string::npos);
  const auto again = run({"compare", folder / "c.toml", "--store", folder / "c.db", "--threads", "1"});
  CHECK(again.out == text.out);
}

TEST_CASE("compare: experiments, each at its optimum") {
  const Folder folder;
  folder.file("sgd.toml", small_experiment);
  std::string dog = small_experiment;
  dog.replace(dog.find("learning_rate = 0.01"), 20, "batch = 4");
  dog.replace(dog.find("title = \"Two eigenvalues\""), 25, "title = \"DoG\"");
  folder.file("dog.toml", dog + "[rate]\nkind = \"dog\"\n");
  const auto j = json::parse(run({"compare", folder / "sgd.toml", folder / "dog.toml", "--format", "json"}).out);
  REQUIRE(j.size() == 2);
  const double rate = j[0].at("tuned").at("learning_rate").get<double>(), value = j[0].at("value").get<double>();
  CHECK(j[1].at("untuned") == "a rule sets its rate");
  // At the rate that was found `solve` gives this value, beside it more.
  const auto end = [&](double at) {
    const auto r = run(
        {"solve", folder / "sgd.toml", "--format", "json", "--set", "optimizer.learning_rate=" + std::to_string(at)});
    return json::parse(r.out).at("columns").at("excess_mse").back().get<double>();
  };
  CHECK(end(rate) == Approx(value).epsilon(1e-6));
  CHECK(end(1.1 * rate) > value);
  CHECK(end(0.9 * rate) > value);
  // Other problems are said to be that; other points in time are none.
  std::string other = small_experiment;
  folder.file("other.toml", other + "[initial]\nscale = 0.5\n");
  CHECK(run({"compare", folder / "sgd.toml", folder / "other.toml"})
            .err.find("differ in [initial]: these are different") != std::string::npos);
  CHECK(run({"compare", folder / "sgd.toml", folder / "dog.toml"}).err.find("differ in") == std::string::npos);
  CHECK(run({"compare", folder / "sgd.toml", folder / "dog.toml", "-o", folder / "c.svg", "-o", folder / "c.csv"})
            .status == 0);
  CHECK(contents(folder / "c.svg").find("<svg") != std::string::npos);
  CHECK(contents(folder / "c.csv").starts_with("experiment,title,observable,value,ratio,tuned\n"));
}

TEST_CASE("compare: what it cannot do is one line") {
  const Folder folder;
  folder.file("c.toml", comparison);
  folder.file("sgd.toml", small_experiment);
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& words) {
    const auto r = run(arguments);
    CAPTURE(r.err);
    CHECK(r.status == 2);
    CHECK(r.one_line());
    CHECK(r.out.empty());
    CHECK(r.says(words));
  };
  refused({"compare"}, "file is required");
  refused({"compare", folder / "no.toml"}, "no.toml: no such file");
  refused({"compare", folder / "c.toml", folder / "sgd.toml"},
          "c.toml: has methods and workloads of its own; compare it alone");
  refused({"compare", folder / "sgd.toml", "--store", folder / "x.db"}, "--store: belongs to a comparison of methods");
  refused({"compare", folder / "sgd.toml", "--restart"}, "--restart: belongs to a comparison of methods");
  refused({"compare", folder / "c.toml", "--restart"}, "--restart: there is no store to discard");
  refused({"compare", folder / "c.toml", "--observable", "risk"}, "--observable: belongs to experiments");
  refused({"compare", folder / "sgd.toml", "--observable", "riks"}, "did you mean 'risk'?");
  refused({"compare", folder / "c.toml", "-o", folder / "c.toml"}, "c.toml");
  refused({"compare", folder / "c.toml", "--store", folder / "sgd.toml"}, "sgd.toml: ");
  refused({"compare", folder / "c.toml", "-o", folder / "c.nc"}, "unknown ending");
  refused({"compare", folder / "sgd.toml", "-o", folder / "sgd.csv", "--format", "nc"}, "--format: must be one of");
  CHECK(contents(folder / "sgd.toml") == small_experiment);
}

TEST_CASE("compare: says what it compared, and on which workloads the search for a baseline ended at its edge") {
  const Folder folder;
  folder.file("c.toml", comparison);
  const auto usual = run({"compare", folder / "c.toml", "--threads", "1"});
  CHECK(usual.says("Two methods: 2 methods on 2 workloads, "));
  CHECK_FALSE(usual.says("edge"));
  const auto narrow = run({"compare", folder / "c.toml", "--threads", "1", "--set", "compare.rates=[1e-9, 2e-9]"});
  CHECK(narrow.status == 0);
  CHECK(
      narrow.says("\n  warning: the baseline's best rate lies on the edge of what was searched, compare.rates: "
                  "workload one; large\n"));
  CHECK(run({"compare", folder / "c.toml", "--threads", "1", "--quiet", "-o", folder / "c.txt"}).err.empty());
  CHECK(contents(folder / "c.txt") == usual.out);
  const auto kept = run({"compare", folder / "c.toml", "--store", folder / "c.db", "-o", folder / "c.csv"});
  CHECK(kept.says(", written to " + (folder / "c.csv")));
  CHECK(run({"compare", folder / "c.toml", "--store", folder / "c.db", "-o", folder / "c.db", "--format", "csv"})
            .says("c.db: --store and --output name the same file"));
  CHECK(run({"compare", folder / "c.toml", "--store", folder / "c.toml"})
            .says("c.toml: --store: is read by this comparison"));
}
