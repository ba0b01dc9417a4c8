// Every column, finding and mode of small experiments over all models, optimizers, methods and options, against values that
// are pinned in tests/pinned/values/. They prove nothing by themselves (the other tests compare with independent values);
// they tell when a result changes, wherever it is made.
//
// After a change that is meant, EDGEWISE_WRITE_PINNED=1 test_models -tc="*pinned*" writes them anew; read the difference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/framework/prediction.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/framework/scaling_law.hpp"

using namespace edgewise;
using namespace edgewise::models;

namespace {

const std::string folder = EDGEWISE_TEST_PINNED;

struct Case {
  std::string file, name;
  std::vector<std::string> changes;  // "section.key=value", or "section={...}", which replaces the section
};

std::string trimmed(const std::string& text) {
  const auto from = text.find_first_not_of(' '), to = text.find_last_not_of(' ');
  return from == std::string::npos ? "" : text.substr(from, to - from + 1);
}

std::vector<Case> read_cases() {
  std::vector<Case> out;
  std::ifstream file(folder + "/cases.txt");
  REQUIRE(file);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const auto space = line.find(' '), colon = line.find(':');
    Case next{line.substr(0, space), line.substr(space + 1, colon - space - 1), {}};
    std::istringstream rest(line.substr(colon + 1));
    for (std::string change; std::getline(rest, change, ';');)
      if (!trimmed(change).empty()) next.changes.push_back(trimmed(change));
    out.push_back(std::move(next));
  }
  return out;
}

Experiment experiment_of(const Case& c) {
  std::vector<std::string> replaced;
  std::string text;
  for (const std::string& change : c.changes)
    if (change.find("={") != std::string::npos) {
      replaced.push_back(change.substr(0, change.find('=')));
      text += change + "\n";
    }
  std::ifstream file(folder + "/" + c.file + ".toml");
  REQUIRE(file);
  bool kept = true;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] == '[')
      kept = std::ranges::find(replaced, line.substr(1, line.find(']') - 1)) == replaced.end();
    if (kept) text += line + "\n";
  }
  settings::Table table = settings::read_text(text, c.file + ".toml");
  for (const std::string& change : c.changes)
    if (change.find("={") == std::string::npos) settings::override_value(table, change);
  return read_experiment(std::move(table));
}

using Rows = std::vector<std::pair<std::string, std::string>>;  // name, value

void add(Rows& rows, const std::string& name, std::span<const double> values) {
  std::string text;
  for (const double v : values) text += (text.empty() ? "" : " ") + settings::text_of(v);
  rows.emplace_back(name, text);
}

void add_texts(Rows& rows, const std::string& name, const std::vector<std::string>& texts) {
  for (std::size_t k = 0; k < texts.size(); ++k) rows.emplace_back(name + " " + std::to_string(k), texts[k]);
}

void add_trajectory(Rows& rows, const std::string& of, const Trajectory& theory) {
  add(rows, of + " steps", theory.steps);
  rows.emplace_back(of + " method", theory.method + (theory.exact ? ", exact" : ""));
  for (const Column& c : theory.columns) {
    add(rows, of + " " + c.observable.name, c.value);
    if (!c.std.empty()) add(rows, of + " " + c.observable.name + " std", c.std);
    if (!c.unmet.empty()) add(rows, of + " " + c.observable.name + " unmet", c.unmet);
    if (c.valid_from != 0) add(rows, of + " " + c.observable.name + " valid_from", std::vector{c.valid_from});
    if (c.rounding != 0) {
      double largest = 0;
      for (const double v : c.value) largest = std::isfinite(v) ? std::max(largest, std::abs(v)) : largest;
      add(rows, of + " " + c.observable.name + " rounding, in 1e-16 of the largest value",
          std::vector{c.rounding / largest * 1e16});
    }
  }
  if (theory.diverged_at) add(rows, of + " diverged_at", std::vector{*theory.diverged_at});
  if (theory.valid_until) add(rows, of + " valid_until", std::vector{*theory.valid_until});
  for (const auto& [name, value] : theory.report) add(rows, of + " report " + name, std::vector{value});
  for (const auto& [name, value] : theory.labels) rows.emplace_back(of + " label " + name, value);
  add_texts(rows, of + " warning", theory.warnings);
}

void add_findings(Rows& rows, const std::string& of, const std::vector<Finding>& findings) {
  for (const Finding& f : findings) {
    if (const auto* number = std::get_if<double>(&f.value))
      add(rows, of + f.name, std::vector{*number});
    else if (const auto* flag = std::get_if<bool>(&f.value))
      rows.emplace_back(of + f.name, *flag ? "true" : "false");
    else
      rows.emplace_back(of + f.name, std::get<std::string>(f.value));
  }
}

/// A number a step is many: its ends, its middle, and a sum that sees each.
void add_steps(Rows& rows, const std::string& name, const std::vector<double>& values) {
  const std::size_t n = values.size();
  if (n < 6) return add(rows, name, values);
  double sum = 0;
  for (std::size_t k = 0; k < n; ++k) sum += values[k] * (1 + std::sin(static_cast<double>(k)));
  add(rows, name, std::vector{values[0], values[1], values[n / 2], values[n - 2], values[n - 1], sum});
}

/// Of rates that rise and fall about a third of the natural one.
void add_objective(Rows& rows, const RateObjective& J) {
  const RateFacts& facts = J.facts();
  rows.emplace_back("rates observable", facts.observable.name + (facts.caution.empty() ? "" : ": " + facts.caution));
  add(rows, "rates steps and natural_rate", std::vector{static_cast<double>(J.steps()), J.natural_rate()});
  rows.emplace_back("rates uniqueness", std::to_string(static_cast<int>(facts.uniqueness.first)));
  if (facts.least) add(rows, "rates least", std::vector{*facts.least});
  if (!facts.optimum.empty()) add_steps(rows, "rates optimum", facts.optimum);
  add_findings(rows, "rates finding ", J.predictions(0.7 * J.natural_rate()));
  std::vector<double> rates(J.steps()), slope(J.steps());
  for (std::size_t k = 0; k < rates.size(); ++k)
    rates[k] = J.natural_rate() * (1 + 0.4 * std::sin(static_cast<double>(k))) / 3;
  add(rows, "rates value", std::vector{J.value(rates), J.gradient(rates, slope)});
  add_steps(rows, "rates gradient", slope);
  if (const auto estimate = J.estimate(std::vector<RateStretch>(1, {J.steps(), rates[0]})))
    add(rows, "rates estimate", std::vector{*estimate});
  const RatePath path = J.path(rates);
  add_steps(rows, "rates path", path.loss);
  if (!path.injected.empty()) add_steps(rows, "rates injected", path.injected);
  if (const auto shares = J.shares(0.9)) {
    const std::vector<double> u = shares->of(rates);
    add_steps(rows, "rates shares", u);
    add_steps(rows, "rates of shares", shares->rates(u));
    add(rows, "rates value of shares", std::vector{shares->gradient(u, slope)});
    add_steps(rows, "rates gradient of shares", slope);
  }
  for (const bool greedy : {false, true}) {
    std::vector<double> best(rates);
    if (const auto value = greedy ? J.greedy(best, J.natural_rate()) : J.sweep(best, J.natural_rate())) {
      add(rows, greedy ? "rates value of greedy" : "rates value of sweep", std::vector{*value});
      add_steps(rows, greedy ? "rates greedy" : "rates sweep", best);
    }
  }
}

void add_scaling(Rows& rows, const ScalingLaw& law, const std::vector<std::uint64_t>& steps) {
  add(rows, "scaling floor, horizon, limits", std::vector{law.floor(), law.horizon(), law.limit(0.4), law.limit(0.9)});
  rows.emplace_back("scaling caution", (law.simulated() ? "" : "not simulated; ") + law.caution());
  if (const auto found = law.fluctuations(steps)) {
    add(rows, "scaling std", found->std);
    add(rows, "scaling correlation", found->correlation);
  }
}

/// What `work` adds, or the error it ends in.
template <class Work>
void section(Rows& rows, const std::string& name, const Work& work) {
  try {
    work();
  } catch (const std::exception& e) {
    rows.emplace_back(name + " error", e.what());
  }
}

Rows values_of(const Case& c) {
  Rows rows;
  section(rows, "experiment", [&] {
    const Experiment experiment = experiment_of(c);
    const Model& model = find(experiment);
    if (c.name == "plain")
      for (const Observable& o : model.observables()) rows.emplace_back("observable " + o.name, "[" + o.unit + "]");
    const auto problem = model.prepare(experiment);
    section(rows, "solve", [&] { add_trajectory(rows, "solve", problem->solve()); });
    section(rows, "reference", [&] { add_trajectory(rows, "reference", problem->reference()); });
    section(rows, "stability", [&] { add_findings(rows, "finding ", problem->stability()); });
    add_texts(rows, "warning", problem->warnings());
    const std::vector<Prediction> claims = [&] {
      std::vector<Prediction> found;
      section(rows, "claims", [&] { found = problem->predictions(); });
      return found;
    }();
    for (const Prediction& p : claims) add(rows, "claim " + p.name, std::vector{p.nominal, p.low, p.high});
    section(rows, "modes", [&] {
      for (const ModeColumn& column : problem->mode_table()) add(rows, "modes " + column.name, column.value);
    });
    section(rows, "simulate", [&] {
      const auto simulation = problem->simulate();
      rows.emplace_back("simulate sampler", simulation->sampler());
      for (std::uint64_t r = 0; r < 2; ++r) {
        const auto replica = simulation->replica(7, r);
        std::vector<double> now(simulation->observables().size());
        std::vector<std::vector<double>> along(now.size());
        for (const std::uint64_t step : experiment.time.at) {
          replica->advance(step);
          replica->observe(now);
          for (std::size_t o = 0; o < now.size(); ++o) along[o].push_back(now[o]);
        }
        std::vector<std::string> names;
        for (std::size_t o = 0; o < now.size(); ++o) {
          names.push_back(simulation->observables()[o].name);
          add(rows, "replica " + std::to_string(r) + " " + names[o], along[o]);
        }
        const bool diverged = !std::isfinite(along[0].back());
        const RecordedReplica recorded{{experiment.time.at.begin(), experiment.time.at.end()}, names, along, diverged};
        for (const Prediction& p : claims)
          if (const auto value = p.statistic(recorded))
            add(rows, "replica " + std::to_string(r) + " claim " + p.name, std::vector{*value});
      }
      add_texts(rows, "simulate warning", simulation->warnings());
    });
    section(rows, "rates", [&] {
      if (const auto objective = problem->rate_objective("")) add_objective(rows, *objective);
    });
    section(rows, "scaling", [&] {
      if (const auto law = problem->scaling_law()) add_scaling(rows, *law, experiment.time.at);
    });
  });
  return rows;
}

/// Errors and drifts are rounding; counts of a solver's work may differ between machines by a step.
double allowed_of(const std::string& name, double expected) {
  if (name.find(" report ") == std::string::npos) return 1e-6;
  if (name.find("error") != std::string::npos || name.find("drift") != std::string::npos) return 10;
  return expected == std::round(expected) ? 0.1 : 1e-6;
}

/// Equal words; numbers to 1e-6, relative, or where both are roundings of 0.
bool same(const std::string& name, const std::string& a, const std::string& b) {
  if (a == b) return true;
  std::istringstream left(a), right(b);
  std::string x, y;
  double largest = 0;
  for (std::istringstream all(b); all >> y;) {
    char* end = nullptr;
    const double v = std::strtod(y.c_str(), &end);
    if (end && *end == 0 && std::isfinite(v)) largest = std::max(largest, std::abs(v));
  }
  while (left >> x) {
    if (!(right >> y)) return false;
    if (x == y) continue;
    char *end_x = nullptr, *end_y = nullptr;
    const double u = std::strtod(x.c_str(), &end_x), v = std::strtod(y.c_str(), &end_y);
    if (*end_x != 0 || *end_y != 0) return false;
    if (!(std::abs(u - v) <=
          allowed_of(name, v) * std::max(std::abs(u), std::abs(v)) + 1e-11 * std::max(largest, 1e-3)))
      return false;
  }
  return !(right >> y);
}

}  // namespace

TEST_CASE("pinned values of every model, optimizer, method and option") {
  const std::vector<Case> cases = read_cases();
  std::map<std::string, std::string> written;  // by file
  std::map<std::string, std::map<std::string, std::string>> pinned;
  for (const Case& c : cases) {
    if (pinned.contains(c.file)) continue;
    std::ifstream file(folder + "/values/" + c.file + ".txt");
    std::string of;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("== "))
        of = line.substr(3);
      else if (const auto at = line.find(" = "); at != std::string::npos)
        pinned[c.file][of + ": " + line.substr(0, at)] = line.substr(at + 3);
    }
    pinned[c.file];
  }
  for (const Case& c : cases) {
    CAPTURE(c.file);
    CAPTURE(c.name);
    std::string& text = written[c.file];
    text += "== " + c.name + "\n";
    std::size_t missing = 0;
    std::set<std::string> names;
    const Rows rows = values_of(c);
    for (const auto& row : rows) {
      const std::string &name = row.first, &value = row.second;
      CAPTURE(name);
      names.insert(name);
      text += name + " = " + value + "\n";
      const auto found = pinned[c.file].find(c.name + ": " + name);
      if (found == pinned[c.file].end()) {
        ++missing;
        continue;
      }
      const std::string &expected = found->second, &got = value;
      CAPTURE(expected);
      CAPTURE(got);
      CHECK(same(name, got, expected));
    }
    if (!std::getenv("EDGEWISE_WRITE_PINNED")) {
      CHECK(missing == 0);
      // Nor has anything gone.
      CHECK(names.size() == static_cast<std::size_t>(std::ranges::count_if(pinned[c.file], [&](const auto& row) {
              return row.first.starts_with(c.name + ": ");
            })));
    }
    CHECK(rows.size() > 5);
  }
  if (!std::getenv("EDGEWISE_WRITE_PINNED")) return;
  for (const auto& [file, text] : written) std::ofstream(folder + "/values/" + file + ".txt") << text;
}
