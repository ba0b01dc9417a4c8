#include "validation/sweeps/measures.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/validation/sweeps/measures_support.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using namespace edgewise::validation::testing;
using edgewise::tests::Approx;

TEST_CASE("a measure of every variant") {
  const std::string text =
      "[[measure]]\nname = \"end\"\n[[measure]]\nname = \"r\"\nkind = \"value\"\nvalue = "
      "\"end_sgd/end_sign_sgd\"";
  const auto v = evaluated(text, {theory(power_law(2, 1)), theory(power_law(1, 1))}, "solve", {"sgd", "sign-sgd"});
  CHECK(v.at("end_sgd") == Approx(2e-6));
  CHECK(v.at("r") == Approx(2));
}

TEST_CASE("nothing there: not a number everywhere, no crash") {
  const std::string text = R"toml(
[[measure]]
name = "a"
[[measure]]
name = "b"
kind = "slope"
[[measure]]
name = "c"
kind = "median"
[[measure]]
name = "d"
kind = "passage"
level = 1
[[measure]]
name = "g"
kind = "diverged"
[[measure]]
name = "f"
kind = "report"
report = "x"
)toml";
  models::Trajectory empty = power_law(1, 1);
  empty.steps.clear();
  for (auto& c : empty.columns) c.value.clear();
  models::Trajectory infinite = power_law(1, 1);
  for (double& y : infinite.columns[0].value) y = NAN;
  for (const VariantRun& run : {VariantRun{}, theory(empty), theory(infinite)})
    for (const auto& number : evaluated(text, {run})) {
      CAPTURE(number.first);
      CHECK(std::isnan(number.second));
    }
}

TEST_CASE("bad measures: one clear line") {
  const std::string m = "[[measure]]\n";
  refuses(m + "kind = \"final\"", "sweep.toml: measure[0].name: is required");
  refuses(m + "name = \"a b\"", "measure[0].name: 'a b' must be a word of letters");
  refuses(m + "name = \"e\"", "none of pi, e, inf, nan");
  refuses(m + "name = \"label\"", "measure[0].name: 'label' is taken");
  refuses(m + "name = \"last\"", "'last' is taken");
  refuses(m + "name = \"alpha\"", "is the name of an axis, a derived value or an earlier measure");
  refuses(m + "name = \"a\"\n" + m + "name = \"a\"", "measure[1].name: 'a' is the name of");
  refuses(m + "name = \"a\"\nkind = \"slop\"", "measure[0].kind: 'slop' is not one of");
  refuses(m + "name = \"a\"\nkind = \"slop\"", "did you mean 'slope'?");
  refuses(m + "name = \"a\"\nkind = \"slope\"\nform = 1", "measure[0].form: unknown key, did you mean 'from'?");
  refuses(m + "name = \"a\"\nkind = \"slope\"\nfrom = \"alhpa\"", "measure[0].from: 'alhpa'");
  refuses(m + "name = \"a\"\nkind = \"slope\"\nfrom = \"1 +\"", "measure[0].from: \"1 +\" cannot be read");
  refuses(m + "name = \"a\"\nkind = \"at\"", "measure[0].step: is required");
  refuses(m + "name = \"a\"\nkind = \"value\"\nvalue = \"b\"\n" + m + "name = \"b\"", "'b' in \"b\" is not known here");
  refuses(m + "name = \"a\"\nvariant = \"svd\"", "this sweep has no variants");
  refuses(m + "name = \"a\"\nvariant = \"svg\"", "there is no variant 'svg', did you mean 'svd'?; known: svd, sgd",
          "solve", {"svd", "sgd"});
  refuses(m + "name = \"a\"\nkind = \"passage-ratio\"\nvariants = [\"a\"]\nfrom = 1\nto = 1",
          "must be the names of two variants", "solve", {"a", "b"});
  refuses(m + "name = \"a\"\nkind = \"passage-ratio\"\nvariants = [\"a\", \"c\"]\nfrom = 1\nto = 1",
          "there is no variant 'c'", "solve", {"a", "b"});
  refuses(m + "name = \"a\"\nkind = \"verdict\"", "needs a sweep that does validate; this one does 'solve'");
  refuses(m + "name = \"a\"", "needs a sweep that does solve or simulate or validate", "stability");
  refuses(m + "name = \"a\"\nsource = \"simulation\"", "needs a sweep that does validate or simulate");
  refuses(m + "name = \"a\"\nstatistic = \"q95\"", "a theory has mean and std, not 'q95'");
  CHECK_THROWS_WITH_AS(read_measures(parsed(m + "name = \"a\""), {""}, {"last"}, "solve"),
                       doctest::Contains("'last' is taken"), settings::Error);
  CHECK_THROWS_WITH_AS(evaluated(m + "name = \"a\"\nobservable = \"risky\"", {theory(power_law(1, 1))}),
                       "measure a: the theory has no observable 'risky', did you mean 'risk'?; it has excess_mse, risk",
                       settings::Error);
}

TEST_CASE("every kind describes itself") {
  CHECK(measure_kinds().size() == 17);
  for (const settings::Description* kind : measure_kinds()) {
    CHECK_FALSE(kind->summary.empty());
    for (const settings::Parameter& p : kind->parameters) CHECK_FALSE(p.doc.empty());
  }
}

TEST_CASE("reversed windows are errors: at once where they are numbers, else of the cell") {
  const std::string m = "[[measure]]\nname = \"s\"\n";
  for (const char* kind : {"slope", "minimum", "maximum", "mean", "median"}) {
    const std::string window = std::string("kind = \"") + kind + "\"\nfrom = 100\nto = ";
    refuses(m + window + "10", "sweep.toml: measure[0].to: the window of s is reversed: from 100 = 100 to 10 = 10");
    CHECK_THROWS_WITH_AS(evaluated(m + window + "\"first\"", {theory(power_law(1, 1))}),
                         doctest::Contains("the window of s is reversed: from 100 = 100 to first = 1"),
                         settings::Error);
    CHECK_NOTHROW(evaluated(m + window + "\"last\"", {theory(power_law(1, 1))}));
  }
}

TEST_CASE("no step is below 0") {
  const std::string m = "[[measure]]\nname = \"s\"\n";
  refuses(m + "kind = \"at\"\nstep = -1", "sweep.toml: measure[0].step: must be a step, >= 0, got -1");
  refuses(m + "kind = \"at\"\nstep = \"1 - 3\"", "measure[0].step: must be a step, >= 0, got -2");
  CHECK_NOTHROW(evaluated(m + "kind = \"at\"\nstep = \"last - 1\"", {theory(power_law(1, 1))}));
  for (const char* kind : {"slope", "mean"}) {
    const std::string window = m + "kind = \"" + kind + "\"\nfrom = ";
    refuses(window + "-20\nto = 10", "measure[0].from: must be a step, >= 0, got -20");
    refuses(window + "\"first\"\nto = -5", "measure[0].to: must be a step, >= 0, got -5");
  }
}
