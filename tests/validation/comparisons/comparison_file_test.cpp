#include "validation/comparisons/comparison_file.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/validation/comparisons/two_workloads.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using settings::Value;

namespace {

ComparisonPlan plan(const std::string& text, const std::vector<std::string>& overrides = {},
                    std::optional<std::uint64_t> seed = {}) {
  return read_comparison(settings::read_text(text, "dir/c.toml"), overrides, seed);
}
std::string refusal(const std::string& text) {
  try {
    plan(text);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

const std::string method = "[[method]]\nname = 'm'\nset = ['rate.kind=dog']\n";

/// What an experiment holds at a key of a section; its text.
std::string at(const settings::Table& experiment, const char* section, const char* key) {
  const settings::Table table = experiment.table_or_empty(section);
  const Value* value = table.find(key);
  return value ? settings::text_of(*value) : "";
}

}  // namespace

TEST_CASE("what is not said: title, observable, baselines, range and limit") {
  const ComparisonPlan p = plan(testing::two_workloads + method);
  CHECK(p.title == "dir/c.toml");
  CHECK(p.file == "dir/c.toml");
  CHECK(p.observable == "excess_mse");
  CHECK(p.from == 1e-4);
  CHECK(p.to == 10);
  CHECK(p.limit == 4);
  REQUIRE(p.baselines.size() == 3);
  const char* schedules[] = {"constant", "linear", "cosine"};
  const char* batches[] = {"2", "16"};
  for (std::size_t b = 0; b < 3; ++b) {
    CHECK(p.baselines[b].name == schedules[b]);
    REQUIRE(p.baselines[b].experiments.size() == 2);
    for (std::size_t w = 0; w < 2; ++w) {
      const settings::Table& table = p.baselines[b].experiments[w];
      CHECK(at(table, "schedule", "kind") == '"' + std::string(schedules[b]) + '"');
      CHECK(at(table, "optimizer", "batch") == batches[w]);
      CHECK(at(table, "rate", "kind").empty());
    }
  }
  REQUIRE(p.methods.size() == 1);
  CHECK(p.methods[0].has_default);
  CHECK_FALSE(p.methods[0].simulated);
}

TEST_CASE("what is said in [compare], in the file and on the command line, and the seed") {
  const std::string text =
      "title = 'T'\n[compare]\nobservable = 'risk'\nbaseline = ['cosine']\nrates = [0.01, 2]\nlimit "
      "= 3\n" +
      testing::two_workloads + method;
  const ComparisonPlan p = plan(text);
  CHECK(p.title == "T");
  CHECK(p.observable == "risk");
  CHECK(p.baselines.size() == 1);
  CHECK(p.from == 0.01);
  CHECK(p.to == 2);
  CHECK(p.limit == 3);
  const ComparisonPlan q = plan(text, {"compare.rates=[0.5, 1]", "optimizer.batch=3", "rate.kind=polyak"}, 7);
  CHECK(q.from == 0.5);
  CHECK(q.to == 1);
  // Above what workloads and methods set.
  for (const settings::Table& table : q.methods[0].settings[0].experiments) {
    CHECK(at(table, "optimizer", "batch") == "3");
    CHECK(at(table, "rate", "kind") == "\"polyak\"");
    CHECK(at(table, "monte_carlo", "seed") == "7");
  }
  CHECK(at(q.baselines[0].experiments[1], "monte_carlo", "seed") == "7");
  CHECK(at(p.baselines[0].experiments[1], "monte_carlo", "seed").empty());
}

TEST_CASE("the settings of a method: its default, then every value under every schedule") {
  const auto settings_of = [](const std::string& more) {
    const ComparisonPlan p = plan(testing::two_workloads + method + more);
    std::string out;
    for (const ComparedSetting& one : p.methods[0].settings) {
      REQUIRE(one.experiments.size() == 2);
      const settings::Table& table = one.experiments[1];
      CHECK(at(table, "rate", "kind") == "\"dog\"");
      CHECK(at(table, "optimizer", "batch") == "16");
      out += one.name + "/" + one.schedule + "/" + at(table, "rate", "r_eps") + at(table, "schedule", "kind") + "; ";
    }
    return out;
  };
  CHECK(settings_of("") == "default/constant/\"constant\"; default/cosine/\"cosine\"; ");
  CHECK(settings_of("on_top = ['linear']\n") == "default/linear/\"linear\"; ");
  CHECK(
      settings_of("key = 'rate.r_eps'\nvalues = [0.5, 2]\n") ==
      "default/constant/\"constant\"; r_eps = 0.5/constant/0.5\"constant\"; r_eps = 0.5/cosine/0.5\"cosine\"; r_eps = "
      "2.0/constant/2.0\"constant\"; r_eps = 2.0/cosine/2.0\"cosine\"; ");
  CHECK(settings_of("key = 'rate.r_eps'\nvalues = ['a']\ndefault = false\non_top = ['linear']\n") ==
        "r_eps = \"a\"/linear/\"a\"\"linear\"; ");
}

TEST_CASE("which files are comparisons") {
  const auto is = [](const std::string& text) { return is_comparison(settings::read_text(text, "c.toml")); };
  CHECK(is("[compare]\n"));
  CHECK(is("[[method]]\nname = 'm'\n"));
  CHECK(is("[[workload]]\nname = 'w'\n"));
  CHECK_FALSE(is("model = 'least-squares'\n[optimizer]\nkind = 'sgd'\n"));
}

TEST_CASE("slips are told with their key") {
  const auto with = [](const std::string& more) { return refusal(testing::two_workloads + method + more); };
  CHECK(with("").empty());
  CHECK(with("default = false\n") == "dir/c.toml: method[0].default: without a default, key and values are needed");
  CHECK(with("on_top = []\n") == "dir/c.toml: method[0].on_top: needs at least one schedule; \"constant\" is none");
  CHECK(with("values = [1]\n") == "dir/c.toml: method[0].key: key and values go together: what is tried, and where");
  CHECK(with("by = 'hand'\n").starts_with("dir/c.toml: method[0].by: "));
  CHECK(refusal("[experiment]\n[method]\nname = 'm'\n" + testing::two_workloads.substr(13))
            .find("must be written [[method]], with two brackets") != std::string::npos);
  CHECK(refusal(testing::two_workloads).find("method: a comparison needs at least one [[method]]") !=
        std::string::npos);
  for (const char* rates : {"[1]", "[0, 1]", "[2, 2]", "[1, 2, 3]"}) {
    CAPTURE(rates);
    CHECK(refusal("[compare]\nrates = " + std::string(rates) + "\n" + testing::two_workloads + method) ==
          "dir/c.toml: compare.rates: must be [from, to] with 0 < from < to");
  }
  std::string slip = method;
  slip.replace(slip.find("rate.kind=dog"), 13, "rate=dog");
  CHECK(refusal(testing::two_workloads + slip) ==
        "dir/c.toml: method.set: must have the form section.key=value, or model=NAME, got 'rate=dog'");
}
