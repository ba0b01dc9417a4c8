#include "validation/sweeps/sweep_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

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
  CHECK(holds(
      error_of([&] { read_sweep_file(settings::read_text(replaced(text, "base.toml", ""), folder / "sweep.toml")); }),
      "sweep.base: is empty; it must be the path of a file"));
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

TEST_CASE("a table that is no sweep is refused with what is wrong with it") {
  SweepTable good;
  good.axes = {{"a", "k.a", true, {1, 2, INFINITY}, {}}, {"kind", "k.k", false, {}, {"u", "v"}}};
  good.measures = {{"m", "", ""}, {"n", "", ""}};
  good.cells.assign(6, {CellState::finished, {1, 2}, "", "", 0});
  good.cells[3] = {};  // not computed yet
  CHECK_NOTHROW(check_table(good, "x.db"));
  const auto said = [&](const std::function<void(SweepTable&)>& change) {
    SweepTable table = good;
    change(table);
    const std::string message = error_of([&] { check_table(table, "x.db"); }),
                      begin = "x.db: is damaged, or no sweep of edgewise: ";
    CHECK(message.starts_with(begin));
    return message.substr(std::min(begin.size(), message.size()));
  };
  CHECK(said([](SweepTable& t) { t.axes.clear(); }) == "it has no axis");
  CHECK(said([](SweepTable& t) { t.axes[0].name = "a b"; }) == "'a b' cannot name an axis");
  CHECK(said([](SweepTable& t) { t.axes[1].name = "A"; }) == "two axes are named 'A'");
  CHECK(said([](SweepTable& t) { t.axes[0].numbers.clear(); }) == "axis a has no values");
  CHECK(said([](SweepTable& t) { t.axes[0].words = {"w"}; }) == "axis a has no values");
  CHECK(said([](SweepTable& t) { t.axes[1].words = {"u", "u"}; }) == "axis kind has a value twice");
  const std::string order = "the values of axis a do not increase, or cannot stand on its scale";
  CHECK(said([](SweepTable& t) { t.axes[0].numbers = {1, 1, 2}; }) == order);
  CHECK(said([](SweepTable& t) { t.axes[0].numbers = {NAN, 1, 2}; }) == order);
  CHECK(said([](SweepTable& t) { t.axes[0].numbers = {1, 2, NAN}; }) == order);
  CHECK(said([](SweepTable& t) { t.axes[0].numbers = {0, 1, 2}; }) == order);
  CHECK_NOTHROW([&] {
    SweepTable straight = good;
    straight.axes[0].log = false;
    straight.axes[0].numbers = {-1, 0, 2};
    check_table(straight, "x.db");
  }());
  CHECK(said([](SweepTable& t) { t.measures[1].name = "M"; }) == "two of its columns are named 'M'");
  CHECK(said([](SweepTable& t) { t.measures[1].name = "KIND"; }) == "two of its columns are named 'KIND'");
  CHECK(said([](SweepTable& t) { t.measures[1].name = ""; }) == "two of its columns are named ''");
  CHECK(said([](SweepTable& t) { t.cells.pop_back(); }) == "its cells are not those of its axes");
  CHECK(said([](SweepTable& t) { t.cells[2].measures.pop_back(); }) == "a cell has not all of its measures");
  CHECK(said([](SweepTable& t) {
          t.cells[2] = {CellState::failed, {}, "", "why", 0};
        }) == "a cell has not all of its measures");
}

TEST_CASE("an axis as its keys say: one value, whole numbers, ratios that are nearly equal, scales that are given") {
  const auto axis = [](const std::string& keys) {
    return plan_of("[sweep]\n[[axis]]\nkey = \"a.b\"\n" + keys + "\n[experiment]\nmodel = \"x\"").axes[0];
  };
  const auto said = [](const std::string& keys) {
    return error_of([&] { plan_of("[sweep]\n[[axis]]\nkey = \"a.b\"\n" + keys + "\n[experiment]\nmodel = \"x\""); });
  };
  CHECK(axis("from = 3\ncount = 1").numbers == std::vector<double>{3});
  CHECK(axis("from = 3\nto = 3\ncount = 1").numbers == std::vector<double>{3});
  CHECK(axis("from = -1\nto = 2\ncount = 2").numbers == std::vector<double>{-1, 2});
  CHECK_FALSE(axis("from = 1\nto = 100\ncount = 3").log);
  CHECK(axis("from = 1\nto = 100\ncount = 3\nscale = \"log\"").numbers == std::vector<double>{1, 10, 100});
  CHECK(axis("from = 1\nto = 9\ncount = 4\nwhole = true").numbers == std::vector<double>{1, 4, 6, 9});
  CHECK(axis("values = [0.6, 2.4]\nwhole = true").numbers == std::vector<double>{1, 2});
  CHECK(axis("values = [1, 10, 100]\nscale = \"linear\"").log == false);
  CHECK(axis("values = [1, 2, 9]\nscale = \"log\"").log);
  CHECK(axis("values = [2, 4]").log == false);
  CHECK(axis("values = [2, 4, inf]").log == false);
  CHECK(axis("values = [2, 4, 8, inf]").log);
  CHECK(axis("values = [-1, 1, 2]").log == false);
  CHECK(axis("values = [0, 1, 2]").log == false);
  // The middle off by less than a hundredth of the step of the logarithm, or more, to either side.
  for (const double off : {-1.0, 1.0})
    for (const double by : {0.97, 1.03}) {
      const double middle = std::pow(10, 1 + off * by * 0.01);
      CHECK(axis("values = [1, " + settings::text_of(middle) + ", 100]").log == (by < 1));
    }
  CHECK(holds(said("from = 1\ncount = 2"), "axis[0].to: is required, unless `values` lists the values"));
  CHECK(holds(said("from = 1\nto = 2"), "axis[0].count: is required, unless `values` lists the values"));
  CHECK(holds(said("from = 1\nto = 1\ncount = 2"), "axis[0].to: must be above `from`"));
  CHECK(holds(said("values = [0, 1]\nscale = \"log\""), "axis[0].values: must be > 0 on a logarithmic scale"));
  CHECK(
      holds(said("from = 0\nto = 1\ncount = 2\nscale = \"log\""), "axis[0].from: must be > 0 on a logarithmic scale"));
  CHECK(holds(said("values = [\"a\"]\nwhole = true"), "axis[0].whole: has no meaning for texts"));
  CHECK(holds(said("values = [\"a\"]\nto = 1"),
              "axis[0].to: `values` lists the values already; leave one of the two out"));
  CHECK(holds(said("values = [1]\nfrom = 1"), "axis[0].from: `values` lists the values already"));
  CHECK(holds(said("values = [true]"), "axis[0].values: "));
  for (const std::string key : {"", ".b", "a.", "a..b", "b"})
    CHECK(holds(error_of([&] {
                  plan_of("[sweep]\n[[axis]]\nkey = \"" + key +
                          "\"\nname = \"c\"\nvalues = [1]\n[experiment]\nmodel = \"x\"");
                }),
                "axis[0].key: must have the form section.key, got '" + key + "'"));
  CHECK(plan_of("[sweep]\n[[axis]]\nkey = \"model\"\nvalues = [\"x\", \"y\"]\n[experiment]\n").axes[0].name == "model");
}

TEST_CASE("derived values: which are named, by what, and what they cannot be") {
  const auto with = [](const std::string& derived) {
    return "[sweep]\n[[axis]]\nkey = \"a.x\"\nvalues = [1, 2]\n[[variant]]\nname = \"u\"\n[[variant]]\nname = \"v\"\n" +
           derived + "[experiment]\nmodel = \"x\"\n";
  };
  const auto variables = [&](const std::string& derived) { return plan_of(with(derived)).variables(); };
  using Names = std::vector<std::string>;
  CHECK(variables("[[derived]]\nkey = \"b.y\"\nvalue = \"x + cell\"\n") == Names{"x", "y"});
  CHECK(variables("[[derived]]\nkey = \"b.y\"\nname = \"z\"\nvalue = \"x\"\n") == Names{"x", "z"});
  CHECK(variables("[[derived]]\nname = \"z\"\nvalue = \"x\"\n") == Names{"x", "z"});
  // A last part that is known already, or that no formula can read, is no name.
  CHECK(variables("[[derived]]\nkey = \"b.x\"\nvalue = \"x\"\n") == Names{"x"});
  CHECK(variables("[[derived]]\nkey = \"b.pi\"\nvalue = \"x\"\n") == Names{"x"});
  CHECK(variables("[[derived]]\nkey = \"b.y\"\nvalue = \"x\"\nvariant = \"u\"\n[[derived]]\nkey = \"b.y\"\nvalue = "
                  "\"y\"\nvariant = \"v\"\n") == Names{"x", "y"});
  const auto said = [&](const std::string& derived) { return error_of([&] { plan_of(with(derived)); }); };
  CHECK(holds(said("[[derived]]\nkey = \"b.y\"\nname = \"a-b\"\nvalue = \"x\"\n"),
              "derived[0].name: 'a-b' cannot stand in a formula; use letters, digits and _"));
  CHECK(holds(said("[[derived]]\nkey = \"a.x\"\nvalue = \"x\"\n"), "derived[0].key: 'a.x' is an axis already"));
  CHECK(holds(said("[[derived]]\nkey = \"y\"\nvalue = \"x\"\n"), "derived[0].key: must have the form section.key"));
  CHECK(holds(said("[[derived]]\nkey = \"b.y\"\nvalue = \"x\"\nvariant = \"w\"\n"),
              "derived[0].variant: there is no variant 'w'"));
  CHECK(holds(said("[[derived]]\nname = \"X\"\nvalue = \"x\"\n"),
              "derived[0].name: 'X' stands for something else already"));
  CHECK(holds(said("[[derived]]\nname = \"Cell\"\nvalue = \"x\"\n"),
              "derived[0].name: 'Cell' is a column of every sweep"));
}

TEST_CASE("axis values of one and of two, below 1 and far above, to their last digits") {
  CHECK(axis_values(2, 8, 1, false) == std::vector<double>{2});
  CHECK(axis_values(2, 8, 0, false).empty());
  CHECK(axis_values(2, 8, 2, true) == std::vector<double>{2, 8});
  CHECK(axis_values(2, 8, 3, true) == std::vector<double>{2, 4, 8});
  CHECK(axis_values(2, 8, 3, false) == std::vector<double>{2, 5, 8});
  CHECK(axis_values(-8, -2, 3, false) == std::vector<double>{-8, -5, -2});
  CHECK(axis_values(-4, 2, 3, false) == std::vector<double>{-4, -1, 2});
  CHECK(axis_values(1e-320, 3e-320, 3, false)[1] == 2e-320);
  CHECK(axis_values(1e-9, 1, 10, true)[4] == 1e-5);
  // The ends are as they are written, whatever rounding would make of them beside the other end or by itself.
  const double near_tenth = std::nextafter(0.1, 1.0);
  for (const std::size_t n : {2U, 3U, 12U}) {
    CHECK(axis_values(1e-17, 1, n, false).front() == 1e-17);
    CHECK(axis_values(1, 1e-17, n, false).back() == 1e-17);
    for (const bool scale : {false, true}) {
      CHECK(axis_values(near_tenth, 2, n, scale).front() == near_tenth);
      CHECK(axis_values(2, near_tenth, n, scale).back() == near_tenth);
    }
  }
  CHECK(axis_values(1e9, 1e18, 10, true)[4] == 1e13);
  // A value is that of twelve digits where it is but four roundings away: 12345678901.2 and no more.
  CHECK(axis_values(0, 0.0246913578024, 3, false)[1] == 0.0123456789012);
  CHECK(axis_values(0, 2 / 3.0, 3, false)[1] == 1 / 3.0);
  // Rounding is that of the larger end: tenths from -300.1 on, whose last digits 0 does not have.
  CHECK(axis_values(-300.1, 0.1, 3003, false)[3001] == 0);
  CHECK(axis_values(-0.1, 300.1, 3003, false)[1] == 0);
}

TEST_CASE("every key of labels, boundaries, derived values and variants is what was written") {
  const SweepPlan plan =
      plan_of(replaced(small_sweep, "zero = \"eta - 0.01\"", "zero = \"eta - 0.01\"\nwhen = \"noise > 0.02\""));
  REQUIRE(plan.boundaries.size() == 1);
  CHECK(plan.boundaries[0].name == "eta = 0.01");
  CHECK(plan.boundaries[0].zero == "eta - 0.01");
  CHECK(plan.boundaries[0].when == "noise > 0.02");
  REQUIRE(plan.labels.size() == 2);
  CHECK(plan.labels[0].name == "helps");
  CHECK(plan.labels[0].when == "gain > 1.05");
  CHECK(plan.labels[0].predicted == "eta > 0.01");
  CHECK(plan.labels[1].name == "same");
  CHECK(plan.variants[0].name == "one");
  CHECK(plan.variants[1].name == "four");
  CHECK(plan.variants[1].set == std::vector<std::string>{"optimizer.batch"});
  CHECK(plan.axes[0].key == "noise.variance");
  CHECK(plan.axes[1].numbers.front() == 0.001);
  CHECK(plan.axes[1].numbers.back() == 0.1);
  CHECK(plan.axes[1].numbers.size() == 5);
}
