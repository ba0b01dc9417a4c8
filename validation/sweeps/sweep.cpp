// Built at -O1: nothing here takes time.
#include "validation/sweeps/sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <new>
#include <optional>

#include "models/framework/model.hpp"
#include "settings/failure.hpp"
#include "settings/shown.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"
#include "validation/sweeps/measures.hpp"
#include "validation/sweeps/sweep_file.hpp"
#include "validation/sweeps/sweep_overrides.hpp"
#include "validation/verdicts/extrapolation.hpp"
#include "validation/verdicts/predictions.hpp"
#include "validation/verdicts/verdict.hpp"

namespace edgewise::validation {

using settings::Table;
using settings::Value;

std::vector<std::size_t> SweepTable::place(std::size_t cell) const {
  std::vector<std::size_t> out(axes.size());
  for (std::size_t a = axes.size(); a-- > 0;) {
    out[a] = cell % axes[a].size();
    cell /= axes[a].size();
  }
  return out;
}

namespace {

/// Whole values are set as whole numbers, which keys of either kind accept.
Value value_of(double x) {
  constexpr double largest = 9007199254740992.0;
  if (x == std::floor(x) && std::abs(x) <= largest) return static_cast<std::int64_t>(x);
  return x;
}

Value value_of(const std::string& word) {
  if (word == "true" || word == "false") return word == "true";
  return word;
}

std::vector<std::string> split(const std::string& key) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', at)) {
    parts.push_back(key.substr(at, dot - at));
    at = dot + 1;
  }
  parts.push_back(key.substr(at));
  return parts;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// A store keeps neither the sign of zero nor the payload of not-a-number.
double plain(double x) {
  return std::isnan(x) ? std::numeric_limits<double>::quiet_NaN() : x == 0 ? 0.0 : x;
}

/// A formula that a set of cells shares, with the position of its label.
struct Rule {
  std::size_t label;
  std::optional<settings::Expression> when;
};

}  // namespace

struct Sweep::Impl {
  SweepPlan plan;
  ScheduleTask schedule;
  SweepTable table;
  std::vector<std::unique_ptr<Measure>> measures;
  std::vector<std::size_t> widths;  // numbers that each measure gives
  bool findings = false;            // whether a measure needs those of the stability
  std::vector<Rule> rules;
  std::vector<std::vector<std::string>> axis_parts, derived_parts;

  Impl(SweepPlan the_plan, ScheduleTask the_search) : plan(std::move(the_plan)), schedule(std::move(the_search)) {
    if (plan.task == SweepTask::schedule && !schedule.findings)
      throw plan.definition.table_or_empty("sweep").error("do", "schedule is not offered here");
    table = read_grid(plan.definition, plan.presentation);
    std::size_t cells = 1;
    for (const SweepAxis& axis : table.axes) {
      cells *= axis.size();
      axis_parts.push_back(split(axis.key));
    }
    for (const auto& d : plan.derived)
      derived_parts.push_back(d.key.empty() ? std::vector<std::string>{} : split(d.key));
    std::vector<std::string> variants, variables = plan.variables();
    for (const auto& v : plan.variants) variants.push_back(v.name);
    measures = read_measures(plan.definition, variants, variables, std::string(name(plan.task)));
    for (const auto& measure : measures) {
      const std::vector<MeasureInfo> infos = measure->infos();
      widths.push_back(infos.size());
      findings = findings || measure->needs_findings();
      table.measures.insert(table.measures.end(), infos.begin(), infos.end());
    }
    check_names(variables);
    for (const MeasureInfo& info : table.measures) variables.push_back(info.name);
    read_rules(variables);
    check_boundaries();
    check_panels();
    table.cells.resize(cells);
    table.provenance.emplace_back("file", plan.file);
    if (!plan.overrides.empty()) {
      std::string text;
      for (const std::string& o : plan.overrides) text += (text.empty() ? "--set " : "\n--set ") + o;
      table.provenance.emplace_back("overrides", text);
    }
    table.provenance.emplace_back("sweep", plan.text());
  }

  /// Panels show measures, or the labels.
  void check_panels() const {
    std::vector<std::string> known;
    if (!table.labels.empty()) known.push_back("label");
    for (const MeasureInfo& info : table.measures) known.push_back(info.name);
    for (const std::string& panel : table.panels)
      for (const std::string& shown : shown_in(panel))
        if (std::find(known.begin(), known.end(), shown) == known.end())
          throw plan.presentation.table_or_empty("sweep").error(
              "panels", fmt::format("there is no measure '{}'{}; known: {}", settings::shown(shown),
                                    settings::suggestion(shown, known), settings::join(known)));
  }

  /// Measures become columns beside axes and derived names.
  void check_names(const std::vector<std::string>& variables) const {
    std::vector<std::string> seen = variables;
    for (const SweepAxis& axis : table.axes)
      if (!axis.words.empty()) seen.push_back(axis.name);
    const auto lower = [](std::string s) {
      std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return s;
    };
    seen.insert(seen.end(), reserved_names().begin(), reserved_names().end());
    for (const MeasureInfo& info : table.measures) {
      for (const std::string& other : seen)
        if (lower(other) == lower(info.name))
          throw plan.definition.error(
              "measure", "'" + settings::shown(info.name) + "' stands for something else already; rename it");
      seen.push_back(info.name);
    }
  }

  void read_rules(const std::vector<std::string>& variables) {
    const auto tables = plan.presentation.tables("label");
    for (std::size_t i = 0; i < table.labels.size(); ++i) {
      Rule rule{i, {}};
      if (!table.labels[i].when.empty())
        settings::naming(tables[i], "when", [&] { rule.when.emplace(table.labels[i].when, variables); });
      rules.push_back(std::move(rule));
    }
  }

  void check_boundaries() const {
    std::vector<std::string> names;
    for (const SweepAxis& axis : table.axes)
      if (axis.words.empty()) names.push_back(axis.name);
    for (const MeasureInfo& info : table.measures) names.push_back(info.name);
    const auto tables = plan.presentation.tables("boundary");
    for (std::size_t i = 0; i < table.boundaries.size(); ++i) {
      const auto check = [&](const char* key, const std::string& formula) {
        settings::naming(tables[i], key, [&] { return settings::Expression(formula, names); });
      };
      check("zero", table.boundaries[i].zero);
      if (!table.boundaries[i].when.empty()) check("when", table.boundaries[i].when);
    }
  }

  /// Values of `cell`, axes that have numbers, derived names; `all_derived` gets every derived value.
  std::vector<double> variables(std::size_t cell, std::vector<double>* all_derived = nullptr) const {
    std::vector<double> values{static_cast<double>(cell)};
    const std::vector<std::size_t> place = table.place(cell);
    for (std::size_t a = 0; a < place.size(); ++a)
      if (table.axes[a].words.empty()) values.push_back(table.axes[a].numbers[place[a]]);
    for (const auto& d : plan.derived) {
      const double x = d.value(std::span(values).first(d.value.variables().size()));
      if (!d.name.empty()) values.push_back(x);
      if (all_derived) all_derived->push_back(x);
    }
    return values;
  }

  Table experiment(std::size_t cell, const SweepPlan::Variant& variant, const std::vector<double>& derived) const {
    Table out = variant.experiment;
    const std::vector<std::size_t> place = table.place(cell);
    for (std::size_t a = 0; a < place.size(); ++a) {
      const SweepAxis& axis = table.axes[a];
      set_path(out, axis_parts[a],
               axis.words.empty() ? value_of(axis.numbers[place[a]]) : value_of(axis.words[place[a]]));
    }
    for (std::size_t i = 0; i < derived.size(); ++i) {
      const auto& d = plan.derived[i];
      if (d.key.empty() || (!d.variant.empty() && d.variant != variant.name)) continue;
      const bool fixed = std::find(variant.set.begin(), variant.set.end(), d.key) != variant.set.end();
      if (fixed && d.variant.empty()) continue;
      if (!std::isfinite(derived[i]))
        throw out.error(d.key, "the formula \"" + settings::shown(d.value.formula(), 120) + "\" gives " +
                                   settings::text_of(derived[i]));
      set_path(out, derived_parts[i], value_of(derived[i]));
    }
    if (plan.task == SweepTask::schedule && schedule.complete) schedule.complete(out);
    return out;
  }

  /// Whether its findings are what a cell gives.
  bool task_has_findings() const { return plan.task == SweepTask::stability || plan.task == SweepTask::schedule; }

  /// False when it was given up.
  bool run(const models::Experiment& experiment, const std::atomic<bool>* stop, VariantRun& out) const {
    RunOptions options;
    options.threads = 1;
    options.stop = stop;
    const auto sample = [&](const models::Problem& problem, const models::Experiment& e) {
      return validation::run(*problem.simulate(), e, options);
    };
    const auto problem = models::find(experiment).prepare(experiment);
    out.asked = experiment.time.at;
    if (findings && !task_has_findings()) out.findings = problem->stability();
    switch (plan.task) {
      case SweepTask::solve:
        out.theory = problem->solve();
        return true;
      case SweepTask::stability:
        out.findings = problem->stability();
        return true;
      case SweepTask::schedule:
        out.findings =
            schedule.findings(*problem, experiment, [stop] { return stop && stop->load(std::memory_order_relaxed); });
        return !out.findings.empty();
      case SweepTask::simulate:
        out.sample = sample(*problem, experiment);
        return !out.sample->interrupted;
      case SweepTask::validate:
        break;
    }
    const VerdictOptions verdict = read_verdict_options(experiment.table);
    const auto asked = read_extrapolation(experiment.table);
    if (!asked) {
      const std::vector<models::Prediction> predictions = problem->predictions();
      check_predictions(experiment.table, predictions, verdict);
      out.theory = problem->reference();
      out.sample = sample(*problem, experiment);
      if (out.sample->interrupted) return false;
      out.verdict = judge(*out.theory, *out.sample, predictions, verdict, experiment.monte_carlo.seed);
      return true;
    }
    std::vector<Level> levels;
    for (std::size_t l = 0; const models::Experiment& e : at_dimensions(experiment, *asked)) {
      out.asked = e.time.at;
      const auto at_level = models::find(e).prepare(e);
      levels.push_back({asked->dimensions[l++], at_level->reference(), sample(*at_level, e)});
      if (levels.back().sample.interrupted) return false;
    }
    Extrapolation result = extrapolate(levels, verdict, asked->exponents, experiment.monte_carlo.seed);
    out.theory = std::move(result.theory);
    out.sample = std::move(result.sample);
    out.verdict = std::move(result.verdict);
    return true;
  }

  /// \throws settings::Error where a measure reads an observable of this variant that the model does not list.
  void check_listed(std::size_t variant, const models::Model& model, const models::Problem& problem) const {
    if (task_has_findings()) return;
    KnownObservables known;
    for (const models::Observable& o : model.observables()) known.theory.push_back(o.name);
    if (std::ranges::any_of(measures, [](const auto& measure) { return measure->reads_simulation(); })) {
      const auto simulation = problem.simulate();
      for (const models::Observable& o : simulation->observables()) known.simulation.push_back(o.name);
    }
    for (const auto& measure : measures) measure->check(variant, known);
  }

  /// The same by what the theory of a cell has, whatever the model lists, e.g. a decomposition.
  void check_solved(std::size_t variant, const models::Experiment& experiment) const {
    KnownObservables known;
    try {
      const auto problem = models::find(experiment).prepare(experiment);
      if (plan.task == SweepTask::validate) {
        const auto simulation = problem->simulate();
        for (const models::Observable& o : simulation->observables()) known.simulation.push_back(o.name);
      }
      for (const models::Column& column : problem->solve().columns) known.theory.push_back(column.observable.name);
    } catch (const std::exception&) {
      return;  // this cell will fail for another reason
    }
    for (const auto& measure : measures) measure->check(variant, known);
  }

  /// \throws settings::Error where none of some cells over the grid has a name that a measure looks up.
  void check_lookups(std::size_t variant) const {
    std::map<Lookup::In, std::vector<Lookup>> wanted;
    for (const auto& measure : measures)
      if (const auto lookup = measure->lookup(); lookup && lookup->variant == variant)
        wanted[lookup->in].push_back(*lookup);
    for (const auto& [in, lookups] : wanted) {
      const bool solved = in == Lookup::In::reports || in == Lookup::In::words;
      const std::size_t tried = solved ? 3 : 8, step = std::max<std::size_t>(1, table.cells.size() / tried);
      std::vector<std::string> known;
      const auto there = [&](const Lookup& l) { return std::ranges::find(known, l.name) != known.end(); };
      for (std::size_t cell = 0; cell < table.cells.size() && !std::ranges::all_of(lookups, there); cell += step) {
        try {
          const auto e = models::read_experiment(experiment(cell, plan.variants[variant], derived_at(cell)));
          const auto problem = models::find(e).prepare(e);
          if (in == Lookup::In::findings && plan.task == SweepTask::schedule)
            known = schedule.names(*problem, e);
          else
            add_names(in, *problem, known);
        } catch (const std::exception&) {
          // This cell will fail, and tell why.
        }
      }
      for (const Lookup& l : lookups) {
        const std::string near = settings::suggestion(l.name, known);
        // What the solver reports and finds depends on the cell: there only a near miss is a slip.
        if (known.empty() || there(l) || (solved && near.empty())) continue;
        throw l.table.error(l.key, fmt::format("'{}' is not among what the cells give{}; known: {}",
                                               settings::shown(l.name), near, settings::join(known)));
      }
    }
  }

  static void add_names(Lookup::In in, const models::Problem& problem, std::vector<std::string>& known) {
    const auto add = [&](const std::string& name) {
      if (std::ranges::find(known, name) == known.end()) known.push_back(name);
    };
    if (in == Lookup::In::findings) {
      for (const models::Finding& f : problem.stability()) add(f.name);
    } else if (in == Lookup::In::predictions) {
      for (const models::Prediction& p : problem.predictions()) add(p.name);
    } else {
      const models::Trajectory theory = problem.solve();
      if (in == Lookup::In::reports)
        for (const auto& [name, value] : theory.report) add(name);
      else
        for (const auto& [name, value] : theory.labels) add(name);
    }
  }

  std::vector<double> derived_at(std::size_t cell) const {
    std::vector<double> derived;
    variables(cell, &derived);
    return derived;
  }

  std::string label(std::span<const double> variables_and_measures) const {
    const auto holds = [](double x) { return x != 0 && !std::isnan(x); };
    for (const Rule& rule : rules)
      if (!rule.when || holds((*rule.when)(variables_and_measures))) return table.labels[rule.label].name;
    return "";
  }

  CellResult compute(std::size_t cell, const std::atomic<bool>* stop) const {
    CellResult out;
    out.measures.assign(table.measures.size(), std::numeric_limits<double>::quiet_NaN());
    std::vector<double> derived, values = variables(cell, &derived);
    std::vector<VariantRun> runs(plan.variants.size());
    for (std::size_t v = 0; v < runs.size(); ++v) {
      if (stop && stop->load(std::memory_order_relaxed)) return {};
      try {
        if (!run(models::read_experiment(experiment(cell, plan.variants[v], derived)), stop, runs[v])) return {};
      } catch (const std::bad_alloc&) {
        throw;
      } catch (const std::exception& e) {
        if (plan.variants[v].name.empty()) throw;
        throw settings::Error("variant " + plan.variants[v].name + ": " + settings::said_by(e));
      }
    }
    std::size_t at = 0;
    for (std::size_t m = 0; m < measures.size(); ++m) {
      const std::span<double> numbers_of(out.measures.data() + at, widths[m]);
      measures[m]->evaluate(runs, std::span(values).subspan(1), numbers_of);
      for (double& x : numbers_of) x = plain(x);
      values.insert(values.end(), numbers_of.begin(), numbers_of.end());
      at += widths[m];
    }
    out.label = label(std::span(values).subspan(1));
    out.state = CellState::finished;
    return out;
  }
};

std::vector<std::string> shown_in(const std::string& panel) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= panel.size();) {
    const std::size_t end = std::min(panel.find(',', at), panel.size());
    out.push_back(panel.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

Sweep::Sweep(SweepPlan plan, ScheduleTask schedule)
    : impl_(std::make_unique<Impl>(std::move(plan), std::move(schedule))) {}
Sweep::~Sweep() = default;
Sweep::Sweep(Sweep&&) noexcept = default;
Sweep& Sweep::operator=(Sweep&&) noexcept = default;

const SweepPlan& Sweep::plan() const {
  return impl_->plan;
}
std::size_t Sweep::cells() const {
  return impl_->table.cells.size();
}
const SweepTable& Sweep::table() const {
  return impl_->table;
}

settings::Table Sweep::experiment(std::size_t cell, std::size_t variant) const {
  return impl_->experiment(cell, impl_->plan.variants.at(variant), impl_->derived_at(cell));
}

void Sweep::check() const {
  constexpr std::size_t tried = 32;
  const std::size_t step = std::max<std::size_t>(1, cells() / tried);
  for (std::size_t v = 0; v < impl_->plan.variants.size(); ++v) {
    std::map<std::string, std::size_t> reasons;
    std::optional<models::Experiment> unlisted;  // the first that can be prepared, but does not list an observable
    bool fine = false;
    for (std::size_t cell = 0; !fine && cell < cells(); cell += step) {
      try {
        models::Experiment experiment = models::read_experiment(this->experiment(cell, v));
        const models::Model& model = models::find(experiment);
        const auto problem = model.prepare(experiment);
        if (!unlisted) unlisted = std::move(experiment);
        impl_->check_listed(v, model, *problem);
        fine = true;
      } catch (const settings::Error& e) {
        ++reasons[e.what()];
      } catch (const std::exception&) {
        // Not a matter of the file: the cell will tell.
        fine = true;
      }
    }
    if (fine) {
      impl_->check_lookups(v);
      continue;
    }
    const auto commonest = std::max_element(reasons.begin(), reasons.end(),
                                            [](const auto& a, const auto& b) { return a.second < b.second; });
    std::string reason = commonest->first;
    const bool solved = impl_->plan.task == SweepTask::solve || impl_->plan.task == SweepTask::validate;
    if (unlisted && solved) {
      try {
        impl_->check_solved(v, *unlisted);
        impl_->check_lookups(v);
        continue;
      } catch (const settings::Error& e) {
        reason = e.what();
      }
    }
    const std::string& variant = impl_->plan.variants[v].name;
    throw settings::Error((variant.empty() ? "" : "variant " + variant + ": ") + reason);
  }
}

std::string Sweep::label(std::size_t cell, std::span<const double> measures) const {
  std::vector<double> values = impl_->variables(cell);
  values.insert(values.end(), measures.begin(), measures.end());
  return impl_->label(std::span(values).subspan(1));
}

CellResult Sweep::compute(std::size_t cell, const std::atomic<bool>* stop) const {
  const auto start = std::chrono::steady_clock::now();
  CellResult out;
  try {
    out = impl_->compute(cell, stop);
  } catch (const std::exception& e) {
    out.measures.assign(impl_->table.measures.size(), std::numeric_limits<double>::quiet_NaN());
    out.state = CellState::failed;
    constexpr std::size_t longest = 1500;
    out.failure = dynamic_cast<const std::bad_alloc*>(&e) ? "out of memory"
                                                          : settings::shown(one_line(settings::said_by(e)), longest);
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

}  // namespace edgewise::validation
