// Whole scripts of figures against those that are pinned in tests/pinned/figures/. Where a legend stands has no other truth:
// they tell when a figure changes, and which.
//
// After a change that is meant, EDGEWISE_WRITE_PINNED=1 test_cli -tc="*pinned*" writes them anew; look at the figures.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/figures/collapse_figure.hpp"
#include "cli/figures/diagram.hpp"
#include "cli/figures/figures.hpp"
#include "cli/figures/profile_figure.hpp"
#include "cli/figures/schedule_figure.hpp"
#include "tests/cli/program_run.hpp"
#include "tests/validation/sweeps/sample_sweep.hpp"

using namespace edgewise;
using namespace edgewise::cli;
using validation::SweepTable;
using validation::testing::sample_sweep;

namespace {

/// A power law and an exponential; several observables, and what a validation has beside them.
Result curves(ResultKind kind, double from, double decay, bool with_claim = false) {
  Result out;
  out.kind = kind;
  out.provenance = {attribute("kind", name(kind)), attribute("title", "curves")};
  out.observables = {{"excess_mse", "label^2", "P"}, {"sharpness", "", "lambda"}};
  if (with_claim) {
    out.observables.push_back({"plateau", "", "a claim"});
    for (const auto& [key, text] :
         {std::pair{"predictions", "plateau"}, {"prediction_plateau_observable", "sharpness"}})
      out.provenance.push_back(attribute(key, std::string_view(text)));
    for (const auto& [key, value] : {std::pair{"nominal", 2.0}, {"low", 1.9}, {"high", 2.1}, {"runs", 5.0}})
      out.provenance.push_back(attribute(std::string("prediction_plateau_") + key, value));
  }
  out.fields = fields_of(kind);
  for (Field& f : out.fields) f.values.resize(out.observables.size());
  for (const double step : {0., 1., 2., 5., 12., 40., 130., 500.}) {
    out.steps.push_back(step);
    for (Field& f : out.fields)
      for (std::size_t o = 0; o < out.observables.size(); ++o) {
        const double y = o == 0 ? from * std::pow(1 + step, -decay) : 2 + .3 * std::exp(-step / 20);
        const bool band = f.name.ends_with("q05") || f.name.ends_with("q95");
        f.values[o].push_back(f.name.ends_with("std")   ? .2 * y
                              : f.name.ends_with("sem") ? .03 * y
                              : f.name == "z"           ? 1
                              : band                    ? (f.name.ends_with("q05") ? .8 : 1.3) * y
                                                        : y);
      }
  }
  return out;
}

CollapsePanels collapsing(bool with_theory) {
  validation::SampledCurves c;
  for (int k = 1; k <= 10; ++k) c.x.push_back(k / 10.0);
  for (const double size : {10.0, 100.0, 1000.0}) {
    c.size.push_back(size);
    c.horizon.push_back(3 * size);
    c.loss.emplace_back();
    for (const double off : {.98, 1.01}) {
      c.loss.back().emplace_back();
      for (const double x : c.x)
        c.loss.back().back().push_back(.5 + off * std::pow(x, -.5 + .01 * std::log10(size)) * std::pow(size, -.4) +
                                       .001 * off);
    }
  }
  CollapsePanels out{"a schedule", c, validation::spread_of(c, .5), .5, {}, {}, {}};
  if (with_theory)
    for (const double x : c.x) {
      out.theory_delta.push_back(.02 / x);
      out.theory_floor.push_back(.03);
      out.limit.push_back(std::pow(x, -.45));
    }
  return out;
}

/// Words and numbers of a line, spaces and punctuation between them.
bool same_line(const std::string& a, const std::string& b) {
  if (a == b) return true;
  std::istringstream left(a), right(b);
  std::string x, y;
  while (left >> x) {
    if (!(right >> y)) return false;
    char *end_x = nullptr, *end_y = nullptr;
    const double u = std::strtod(x.c_str(), &end_x), v = std::strtod(y.c_str(), &end_y);
    if (x != y && (std::string(end_x) != end_y || end_x == x.c_str() || !(std::abs(u - v) <= 1e-6 * std::abs(u))))
      return false;
  }
  return !(right >> y);
}

void pinned(const std::string& name, const std::string& script) {
  const std::string path = std::string(EDGEWISE_TEST_PINNED) + "/figures/" + name + ".gp";
  if (const char* write = std::getenv("EDGEWISE_WRITE_PINNED"); write && *write) std::ofstream(path) << script;
  CAPTURE(name);
  std::istringstream now(script), then(cli::testing::contents(path));
  std::string a, b;
  int line = 0;
  while (std::getline(now, a)) {
    CAPTURE(++line);
    REQUIRE(std::getline(then, b));
    REQUIRE_MESSAGE(same_line(a, b), a << "\nwas\n" << b);
  }
  CHECK(!std::getline(then, b));
}

}  // namespace

TEST_CASE("pinned scripts of results") {
  const Result theory = curves(ResultKind::solution, 1, .5), runs = curves(ResultKind::simulation, 1, .5),
               both = curves(ResultKind::validation, 1, .5), claimed = curves(ResultKind::validation, 2, .1, true);
  pinned("solution", figure_script({theory}, {"a"}, {{}, {-.5}, ""}, ".svg"));
  pinned("simulation", figure_script({runs}, {"a"}, {{"excess_mse", "sharpness"}, {}, "two"}, ".png"));
  pinned("validation", figure_script({both}, {"a"}, {{"excess_mse", "sharpness"}, {-.5, -1}, ""}, ".svg"));
  pinned("claim", figure_script({claimed}, {"a"}, {}, ".pdf"));
  pinned("several", figure_script({both, curves(ResultKind::validation, 3, .2), theory}, {"one", "two", "three"},
                                  {{"excess_mse"}, {}, ""}, ".svg"));
  Result diverged = theory;
  diverged.provenance.push_back(attribute("diverged_at", 700.0));
  diverged.provenance.push_back(attribute("theory_valid_until", 100.0));
  diverged.fields[0].values[0].back() = INFINITY;
  pinned("diverged", figure_script({diverged}, {"a"}, {}, ".svg"));
}

TEST_CASE("pinned scripts of collapses") {
  pinned("collapse", collapse_script({collapsing(false)}, "Scaling collapse", ".svg"));
  pinned("collapse-theory", collapse_script({collapsing(true), collapsing(false)}, "two rows", ".png"));
}

TEST_CASE("pinned scripts of sweeps") {
  const auto script = [](const SweepTable& table, const DiagramOptions& options = {}) {
    return diagram_script(table, options, ".svg");
  };
  SweepTable sweep = sample_sweep(7, .1);
  pinned("labels", script(sweep));
  pinned("measure", script(sweep, {{"slope"}, {}, ""}));
  pinned("logarithmic", script(sweep, {{"time"}, {}, ""}));
  pinned("slice", script(sweep, {{"slope,time", "time"}, {"a=1"}, ""}));
  sweep.cells[0] = {validation::CellState::failed, {NAN, NAN}, "", "why", 0};
  sweep.cells[1] = {};
  sweep.cells[2].label.clear();
  sweep.axes[1].log = true;
  pinned("holes", script(sweep));
  SweepTable three = sample_sweep(4);
  three.axes.push_back({"third", "optimizer.kind", false, {}, {"sgd", "sign"}});
  std::vector<validation::CellResult> cells;
  for (const auto& cell : three.cells) cells.insert(cells.end(), 2, cell);
  three.cells = cells;
  pinned("three-axes", script(three));
  pinned("three-axes-curves", script(three, {{"slope"}, {"b=0.7"}, ""}));
}

TEST_CASE("pinned scripts of searches for schedules") {
  models::ingredients::ScheduleReport report;
  report.observable = {"excess_mse", "label^2", "P"};
  std::vector<std::vector<double>> losses;
  for (int k = 0; k < 30; ++k) {
    report.optimum.rates.push_back(.5 - .015 * k);
    report.path.loss.push_back(std::exp(-.2 * k) + .01);
  }
  for (const auto& [family, gap] : {std::pair{"linear", .01}, {"cosine", .2}, {"constant", 3.}}) {
    models::ingredients::FamilyGap one;
    one.family.name = family;
    one.gap = gap;
    losses.emplace_back();
    for (int k = 0; k < 30; ++k) {
      one.family.rates.push_back(.4 - .01 * k * gap);
      losses.back().push_back((1 + gap) * report.path.loss[static_cast<std::size_t>(k)]);
    }
    report.families.push_back(one);
  }
  const std::vector<ShapeScores> scores = {{"linear", {.01, .02, .04}, {.5, 1, 2}, {.03, .01, .2}},
                                           {"constant", {.05, .3, INFINITY}, {.5, 1, 2}, {.3, .05, INFINITY}}};
  pinned("schedule", schedule_script(report, losses, {}, "search", ".svg"));
  pinned("schedule-scores", schedule_script(report, losses, scores, "search", ".png"));
  report.families.clear();
  pinned("schedule-alone", schedule_script(report, {}, {}, "search", ".svg"));
}

TEST_CASE("pinned scripts of comparisons") {
  validation::MethodComparison m;
  m.plan.title = "methods";
  m.plan.observable = "excess_mse";
  m.plan.workloads = {"one", "two", "three"};
  m.plan.methods.resize(2);
  m.plan.methods[0].name = "fixed";
  m.plan.methods[1].name = "polyak";
  m.baselines = {{{.value = 2}, {.value = 1}, {.value = 1}}, {{.value = 1}, {.value = 3}, {.value = 2}}};
  m.runs = {{{{.value = 1}, {.value = 4}, {.value = 2}}, {{.value = 2.5}, {.value = 1.75}, {.value = INFINITY}}},
            {{{.value = .9}, {.value = 1.2}, {.value = 1.1}}}};
  pinned("profiles", profile_script(m, ".svg"));
}
