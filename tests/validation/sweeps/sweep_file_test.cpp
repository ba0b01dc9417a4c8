#include "validation/sweeps/sweep_file.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/approx.hpp"
#include "tests/validation/sweeps/sweep_support.hpp"

using namespace edgewise;
using namespace edgewise::validation;
using namespace edgewise::validation::testing;
using edgewise::tests::Approx;

namespace {

SweepPlan plan_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return read_sweep_file(settings::read_text(text, "small.toml"), overrides);
}

void refused(const std::string& text, const std::vector<std::string>& words,
             const std::vector<std::string>& overrides = {}) {
  const std::string message = error_of([&] { Sweep(plan_of(text, overrides)); });
  CAPTURE(message);
  CHECK(!message.empty());
  CHECK(message.find('\n') == std::string::npos);
  for (const std::string& word : words) {
    CAPTURE(word);
    CHECK(holds(message, word));
  }
}

}  // namespace

TEST_CASE("axis values: exact ends, round numbers round") {
  const std::vector<double> log = axis_values(1e-3, 1e6, 10, true);
  for (int i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK(log[static_cast<std::size_t>(i)] == std::stod("1e" + std::to_string(i - 3)));
  }
  const std::vector<double> linear = axis_values(0, 1, 11, false);
  CHECK(linear[1] == 0.1);
  CHECK(linear[3] == 0.3);
  CHECK(linear[7] == 0.7);
  for (const bool scale : {false, true})
    for (std::size_t n : {2U, 3U, 64U, 1000U}) {
      const std::vector<double> x = axis_values(0.1, 2.0, n, scale);
      CHECK(x.front() == 0.1);
      CHECK(x.back() == 2.0);
      for (std::size_t i = 1; i < n; ++i) CHECK(x[i] > x[i - 1]);
    }
  CHECK(axis_values(3, 3, 1, true) == std::vector<double>{3});
}

TEST_CASE("a sweep file as it is read") {
  const SweepPlan plan = plan_of(small_sweep);
  CHECK(plan.title == "Small");
  CHECK(plan.task == SweepTask::solve);
  REQUIRE(plan.axes.size() == 3);
  CHECK(plan.axes[0].numbers == std::vector<double>{-0.5, 0.01, 0.1});
  CHECK(plan.axes[1].name == "eta");
  CHECK(plan.axes[1].log);
  CHECK(plan.axes[1].numbers[2] == 0.01);
  CHECK(plan.axes[2].name == "kind");
  CHECK(plan.axes[2].words == std::vector<std::string>{"constant", "cosine"});
  REQUIRE(plan.variants.size() == 2);
  CHECK(std::get<std::int64_t>(*plan.variants[1].experiment.table("optimizer")->find("batch")) == 4);
  // A text has no number; a derived key is called by its last part.
  CHECK(plan.variables() == std::vector<std::string>{"noise", "eta", "steps", "product"});
  CHECK(plan.labels.size() == 2);
  CHECK(plan.boundaries.at(0).zero == "eta - 0.01");
  SUBCASE("its text reads back to the same sweep") {
    const SweepPlan again = plan_of(plan.text());
    CHECK(again.text() == plan.text());
    CHECK(again.definition.text() == plan.definition.text());
  }
  SUBCASE("panels of the figure are no part of what is computed") {
    const std::string text = replaced(small_sweep, "do = \"solve\"", "do = \"solve\"\npanels = [\"label\", \"a,b\"]");
    const SweepPlan shown = plan_of(text);
    CHECK(read_panels(shown.presentation) == std::vector<std::string>{"label", "a,b"});
    CHECK(shown.definition.text() == plan.definition.text());
    CHECK(plan_of(shown.text()).text() == shown.text());
    CHECK(read_grid(shown.definition, shown.presentation).panels.size() == 2);
    CHECK(read_panels(plan.presentation).empty());
  }
  SUBCASE("without variants there is one that has no name") {
    const SweepPlan one = plan_of(R"([sweep]
[[axis]]
key = "a.b"
values = [1, 10, 100]
[experiment]
model = "x")");
    REQUIRE(one.variants.size() == 1);
    CHECK(one.variants[0].name.empty());
    CHECK(one.axes[0].log);
    CHECK(one.title == "small");
  }
}

TEST_CASE("the experiment of a cell") {
  const Sweep sweep = sweep_of(small_sweep);
  CHECK(sweep.cells() == 30);
  // Cell 17 is place (1, 3, 1): the last axis varies fastest.
  CHECK(sweep.table().place(17) == std::vector<std::size_t>{1, 3, 1});
  const settings::Table e = sweep.experiment(17, 1);
  CHECK(std::get<double>(*e.table("noise")->find("variance")) == 0.01);
  CHECK(std::get<double>(*e.table("optimizer")->find("learning_rate")) == sweep.table().axes[1].numbers[3]);
  CHECK(std::get<std::string>(*e.table("schedule")->find("kind")) == "cosine");
  // Whole numbers are set as such.
  CHECK(std::get<std::int64_t>(*e.table("time")->find("steps")) == 21);
  CHECK(std::get<std::int64_t>(*e.table("optimizer")->find("batch")) == 4);
  CHECK(!sweep.experiment(17, 0).table("optimizer")->has("batch"));
  SUBCASE("a derived value of one variant, by the cell's index; a variant has the last word") {
    const std::string text =
        replaced(small_sweep, "[[variant]]\nname = \"one\"",
                 "[[derived]]\nkey = \"monte_carlo.seed\"\nvalue = \"100 + cell\"\nvariant = "
                 "\"one\"\n[[derived]]\nkey = \"optimizer.batch\"\nvalue = \"2\"\n[[variant]]\nname = \"one\"");
    const Sweep seeded = sweep_of(text);
    CHECK(std::get<std::int64_t>(*seeded.experiment(17, 0).table("monte_carlo")->find("seed")) == 117);
    CHECK(!seeded.experiment(17, 1).table("monte_carlo"));
    CHECK(std::get<std::int64_t>(*seeded.experiment(17, 0).table("optimizer")->find("batch")) == 2);
    CHECK(std::get<std::int64_t>(*seeded.experiment(17, 1).table("optimizer")->find("batch")) == 4);
  }
}

TEST_CASE("a base experiment by its path, with something added here") {
  const Folder folder;
  folder.file("spectrum.csv", "eigenvalue\n");
  folder.file("base.toml", "model = \"x\"\n[spectrum]\npath = \"spectrum.csv\"\nalpha = 1.0\n[[phase]]\na = 1\n");
  const std::string text =
      "[sweep]\nbase = \"base.toml\"\n[[axis]]\nkey = \"a.b\"\nvalues = [1]\n[experiment.spectrum]\nalpha = "
      "2.0\n[[experiment.phase]]\na = 2\n[[experiment.phase]]\na = 3\n";
  const SweepPlan plan = read_sweep_file(settings::read_text(text, folder / "sweep.toml"));
  const settings::Table& e = plan.variants[0].experiment;
  CHECK(std::get<double>(*e.table("spectrum")->find("alpha")) == 2.0);
  CHECK(e.tables("phase").size() == 2);
  CHECK(e.origin() == folder / "base.toml");
  // What a file holds is part of what the results follow from.
  REQUIRE(plan.files.size() == 1);
  CHECK(plan.files[0].first == "spectrum.csv");
  folder.file("spectrum.csv", "eigenvalue\n1\n");
  CHECK(read_sweep_file(settings::read_text(text, folder / "sweep.toml")).files[0].second != plan.files[0].second);
  const std::string message = error_of(
      [&] { read_sweep_file(settings::read_text(replaced(text, "base.toml", "bse.toml"), folder / "sweep.toml")); });
  CHECK(holds(message, "sweep.base: no such file"));
}

TEST_CASE("overrides reach the experiment and the sweep") {
  const SweepPlan plan =
      plan_of(small_sweep, {"axis.eta.count=3", "axis.noise.values=[0.5]", "noise.law=laplace", "title=Other",
                            "measure.risk.observable=excess_mse", "axis.schedule.kind.values=[\"constant\"]",
                            "label.helps.when=gain > 2", "experiment.theory.rtol=1e-5"});
  CHECK(plan.title == "Other");
  CHECK(plan.axes[0].numbers == std::vector<double>{0.5});
  CHECK(plan.axes[1].size() == 3);
  CHECK(plan.axes[2].words.size() == 1);
  CHECK(std::get<std::string>(*plan.variants[0].experiment.table("noise")->find("law")) == "laplace");
  CHECK(std::get<double>(*plan.variants[0].experiment.table("theory")->find("rtol")) == 1e-5);
  CHECK(plan.labels[0].when == "gain > 2");
  CHECK(plan_of(small_sweep, {"axis.noise.from=0.1", "axis.noise.to=0.2", "axis.noise.count=2"}).axes[0].numbers ==
        std::vector<double>{0.1, 0.2});
  const SweepPlan seeded = read_sweep_file(settings::read_text(small_sweep, "small.toml"), {}, 7);
  CHECK(std::get<std::int64_t>(*seeded.variants[0].experiment.table("monte_carlo")->find("seed")) == 7);
  CHECK_FALSE(seeded.variants[0].experiment.table("schedule_search"));
  const SweepPlan searches = read_sweep_file(
      settings::read_text(replaced(small_sweep, "do = \"solve\"", "do = \"schedule\""), "small.toml"), {}, 7);
  for (const char* section : {"monte_carlo", "schedule_search"})
    CHECK(std::get<std::int64_t>(*searches.variants[0].experiment.table(section)->find("seed")) == 7);

  refused(small_sweep, {"--set axis.ete.count=3", "there is no axis 'ete'", "did you mean 'eta'", "noise"},
          {"axis.ete.count=3"});
  refused(small_sweep, {"must have the form axis.NAME.key=value"}, {"axis.count=3"});
  refused(small_sweep, {"--set noise.variance=1", "is an axis", "--set axis.noise.values=[...]"}, {"noise.variance=1"});
  refused(small_sweep, {"axis[1].cuont", "did you mean 'count'"}, {"axis.eta.cuont=3"});
  refused(small_sweep, {"--set wide", "must have the form section.key=value"}, {"wide"});
  refused(small_sweep, {"--set wide=1", "must have the form section.key=value"}, {"wide=1"});
}

TEST_CASE("every slip in a sweep file is one line that names the key") {
  const auto changed = [](const std::string& from, const std::string& to) { return replaced(small_sweep, from, to); };
  refused("[sweep]\ndo = \"solve\"\n[experiment]\nmodel = \"x\"", {"small.toml: axis: is required"});
  refused(changed("[sweep]", "[swep]"), {"small.toml: swep: unknown key", "did you mean 'sweep'"});
  refused(changed("do = \"solve\"", "do = \"solv\""), {"sweep.do", "did you mean 'solve'"});
  refused(changed("do = \"solve\"", "doo = \"solve\""), {"sweep.doo", "unknown key"});
  refused(changed("do = \"solve\"", "do = \"solve\"\npanels = [\"risk_one,gainn\"]"),
          {"sweep.panels", "'gainn'", "did you mean 'gain'"});
  refused(changed("do = \"solve\"", "do = \"solve\"\npanels = \"gain\""), {"sweep.panels", "a list of texts"});
  refused("[sweep]\n[[axis]]\nkey = \"a.b\"\nvalues = [1]", {"sweep.base: is required", "[experiment]"});
  refused("[sweep]\n[axis]\nkey = \"a.b\"\nvalues = [1]\n[experiment]", {"axis: must be written [[axis]]"});
  refused(changed("key = \"noise.variance\"", "key = \"variance\""), {"axis[0].key", "section.key"});
  refused(changed("key = \"noise.variance\"", "key = \"optimizer.learning_rate\""),
          {"axis[1].key", "is an axis already"});
  refused(changed("name = \"noise\"", "name = \"a-b\""), {"axis[0].name", "cannot stand in a formula"});
  refused(changed("name = \"noise\"", "name = \"Label\""), {"axis[0].name", "column of every sweep"});
  refused(changed("name = \"noise\"", "name = \"ETA\""), {"axis[1].name", "something else already"});
  refused(changed("values = [-0.5, 0.01, 0.1]", "values = [0.1, 0.1]"), {"axis[0].values", "must increase"});
  refused(changed("values = [-0.5, 0.01, 0.1]", "values = []"), {"axis[0].values", "at least one"});
  refused(changed("values = [-0.5, 0.01, 0.1]", "values = 3"), {"axis[0].values", "a list of numbers"});
  refused(changed("values = [-0.5, 0.01, 0.1]", "values = [1]\ncount = 3"), {"axis[0].count", "leave one of the two"});
  refused(changed("values = [\"constant\", \"cosine\"]", "values = [\"a\", \"a\"]"), {"axis[2].values", "twice"});
  refused(changed("values = [\"constant\", \"cosine\"]", "values = [\"a\"]\nscale = \"log\""), {"axis[2].scale"});
  refused(changed("from = 0.001", "from = 0.0"), {"axis[1].from", "logarithmic"});
  refused(changed("from = 0.001", "from = 0.2"), {"axis[1].to", "above"});
  refused(changed("from = 0.001\n", ""), {"axis[1].from", "is required"});
  refused(changed("count = 5", "count = 0"), {"axis[1].count", ">= 1"});
  refused(changed("count = 5", "count = 5\nwhole = true"), {"axis[1].count", "must increase"});
  refused(changed("steps * eta", "stps * eta"), {"derived[1].value", "'stps'", "did you mean 'steps'"});
  refused(changed("steps * eta", "steps * kind"), {"derived[1].value", "'kind'"});
  refused(changed("name = \"product\"\n", ""), {"derived[1]", "needs a `key`"});
  refused(changed("name = \"four\"", "name = \"one\""), {"variant[1].name", "a variant already"});
  refused(changed("optimizer.batch=4", "noise.variance=4"), {"variant[1].set", "is an axis"});
  refused(changed("optimizer.batch=4", "optimizer.batch"), {"variant[1].set", "section.key=value"});
  refused(changed("gain > 1.05", "gian > 1.05"), {"label[0].when", "'gian'", "did you mean 'gain'"});
  refused(changed("when = \"gain > 1.05\"\n", ""), {"label[0].when", "is required"});
  refused(changed("predicted = \"eta > 0.01\"", "predicted = \"gain > 1\""), {"label[0].predicted", "'gain'"});
  refused(changed("zero = \"eta - 0.01\"", "zero = \"eta -\""), {"boundary[0].zero", "cannot be read"});
  refused(changed("zero = \"eta - 0.01\"", "zero = \"gian - 1\""),
          {"boundary[0].zero", "'gian'", "did you mean 'gain'"});
  refused(changed("zero = \"eta - 0.01\"", "zero = \"gain - 1\"\nwhen = \"risk_fuor > 0\""),
          {"boundary[0].when", "'risk_fuor'", "did you mean 'risk_four'"});
  refused(changed("kind = \"value\"", "kind = \"vlaue\""), {"measure[1].kind", "did you mean 'value'"});
  refused(changed("count = 5", "count = 1000000") +
              "\n[[axis]]\nkey = \"a.b\"\nname = \"b\"\nfrom = 0\nto = 1\ncount = 1000",
          {"axis", "cells are more than"});
}

TEST_CASE("axis values: what is round in decimals comes out so, at any scale") {
  const std::vector<double> tenths = axis_values(0.1, 0.7, 7, false);
  for (std::size_t i = 0; i < 7; ++i) CHECK(tenths[i] == std::stod("0." + std::to_string(i + 1)));
  const std::vector<double> centred = axis_values(-0.3, 0.3, 7, false);
  CHECK(centred[3] == 0);
  CHECK(centred[4] == 0.1);
  const std::vector<double> small = axis_values(1e-30, 1.3e-29, 13, false);
  CHECK(small[2] == 3e-30);
  CHECK(small[6] == 7e-30);
  const std::vector<double> large = axis_values(1e20, 7e20, 7, false);
  CHECK(large[2] == 3e20);
  const std::vector<double> doubling = axis_values(0.1, 0.8, 4, true);
  CHECK(doubling == std::vector<double>{0.1, 0.2, 0.4, 0.8});
  // What is not round stays what it is.
  const std::vector<double> thirds = axis_values(0, 1, 4, false);
  CHECK(thirds[1] == 1.0 / 3);
  CHECK(axis_values(1, 2, 3, true)[1] == Approx(std::sqrt(2.0)).epsilon(1e-15));
}

TEST_CASE("the last value of an axis may be infinite") {
  const std::string text = replaced(small_sweep, "values = [-0.5, 0.01, 0.1]", "values = [1, 4, 16, inf]");
  const SweepPlan plan =
      plan_of(replaced(replaced(text, "noise.variance", "optimizer.batch"), "optimizer.batch=4", "noise.variance=4"));
  CHECK(plan.axes[0].numbers.back() == INFINITY);
  CHECK(plan.axes[0].log);
  refused(replaced(small_sweep, "values = [-0.5, 0.01, 0.1]", "values = [inf, 1]"), {"axis[0].values", "increase"});
  refused(replaced(small_sweep, "values = [-0.5, 0.01, 0.1]", "values = [-inf, 1]"), {"axis[0].values"});
}
