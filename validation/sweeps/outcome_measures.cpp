// Built at -O1: nothing here takes time.
/// Measures that read what a cell came to: divergence, verdict, findings, reports, words, formulas.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "validation/sweeps/measure_kinds.hpp"

#include "numerics/constants.hpp"
#include "settings/shown.hpp"

namespace edgewise::validation {

using settings::Parameter;

namespace {

/// Numbers of one variant that need no formula.
class Reading : public Measure {
 public:
  using Reader = std::function<void(const VariantRun&, std::span<double>)>;
  Reading(const MeasureTable& table, std::vector<MeasureInfo> infos, Reader reader)
      : infos_(std::move(infos)), reader_(std::move(reader)), variant_(table.variant) {}
  /// One that looks up the name at `key`.
  Reading(const MeasureTable& table, std::vector<MeasureInfo> infos, Reader reader, Lookup::In in,
          const std::string& key)
      : Reading(table, std::move(infos), std::move(reader)) {
    lookup_ = Lookup{in, table.values.text(key), table.variant, table.values, key};
  }

  std::vector<MeasureInfo> infos() const override { return infos_; }
  bool needs_findings() const override { return lookup_ && lookup_->in == Lookup::In::findings; }
  std::optional<Lookup> lookup() const override { return lookup_; }
  void evaluate(std::span<const VariantRun> runs, std::span<const double>, std::span<double> out) const override {
    std::fill(out.begin(), out.end(), nan);
    reader_(runs[variant_], out);
  }

 private:
  std::vector<MeasureInfo> infos_;
  Reader reader_;
  std::size_t variant_;
  std::optional<Lookup> lookup_;
};

std::unique_ptr<Measure> diverged(const MeasureTable& table) {
  table.require({"solve", "validate"}, "kind");
  return std::make_unique<Reading>(table,
                                   std::vector<MeasureInfo>{{table.name, "", "step at which the theory diverged"}},
                                   [](const VariantRun& run, std::span<double> out) {
                                     if (run.theory && run.theory->diverged_at) out[0] = *run.theory->diverged_at;
                                   });
}

std::unique_ptr<Measure> diverged_fraction(const MeasureTable& table) {
  table.require({"simulate", "validate"}, "kind");
  return std::make_unique<Reading>(
      table, std::vector<MeasureInfo>{{table.name, "", "share of the replicas that became infinite"}},
      [](const VariantRun& run, std::span<double> out) {
        if (run.sample && run.sample->replicas > 0)
          out[0] = static_cast<double>(run.sample->diverged) / static_cast<double>(run.sample->replicas);
      });
}

std::unique_ptr<Measure> verdict(const MeasureTable& table) {
  table.require({"validate"}, "kind");
  const std::string& n = table.name;
  return std::make_unique<Reading>(
      table,
      std::vector<MeasureInfo>{{n, "", "verdict: 0 agree, 1 disagree, 2 inconclusive"},
                               {n + "_max_z", "", "largest |z| over steps and observables"},
                               {n + "_p", "", "p-value of the comparison"},
                               {n + "_gap", "", "largest |mean - theory| / theory"}},
      [](const VariantRun& run, std::span<double> out) {
        if (!run.verdict) return;
        out[0] = static_cast<double>(run.verdict->outcome);
        out[1] = run.verdict->max_z;
        out[2] = run.verdict->p_value;
        out[3] = run.verdict->largest_gap;
      });
}

std::unique_ptr<Measure> prediction(const MeasureTable& table) {
  table.require({"validate"}, "kind");
  const std::string& n = table.name;
  const std::string wanted = table.values.text("prediction");
  return std::make_unique<Reading>(
      table,
      std::vector<MeasureInfo>{{n, "", fmt::format("{}: what the runs of its kind give", wanted)},
                               {n + "_error", "", "its standard error"},
                               {n + "_runs", "", "runs of the kind that the prediction is about"},
                               {n + "_outcome", "", "0 agree, 1 disagree, 2 inconclusive, nan where it is not judged"}},
      [wanted](const VariantRun& run, std::span<double> out) {
        if (!run.verdict) return;
        for (const PredictionVerdict& p : run.verdict->predictions) {
          if (p.prediction.name != wanted) continue;
          out[0] = p.estimate;
          out[1] = p.error;
          out[2] = static_cast<double>(p.runs);
          if (p.judged) out[3] = static_cast<double>(p.outcome);
        }
      },
      Lookup::In::predictions, "prediction");
}

std::unique_ptr<Measure> finding(const MeasureTable& table) {
  const std::string name = table.values.text("finding");
  const std::string word = table.values.has("equals") ? table.values.text("equals") : "";
  const bool by_word = table.values.has("equals");
  return std::make_unique<Reading>(
      table,
      std::vector<MeasureInfo>{
          {table.name, "",
           by_word ? fmt::format("1 where {} is {}, else 0", name, word) : fmt::format("{} of the stability", name)}},
      [name, word, by_word, measure = table.name](const VariantRun& run, std::span<double> out) {
        for (const models::Finding& f : run.findings) {
          if (f.name != name) continue;
          if (const auto* text = std::get_if<std::string>(&f.value)) {
            if (!by_word)
              throw settings::Error(fmt::format("measure {}: {} is a word ('{}'): say which in `equals`",
                                                settings::shown(measure), settings::shown(name),
                                                settings::shown(*text)));
            out[0] = *text == word ? 1 : 0;
          } else if (by_word) {
            throw settings::Error(fmt::format("measure {}: {} is no word, drop `equals`", settings::shown(measure),
                                              settings::shown(name)));
          } else if (const auto* flag = std::get_if<bool>(&f.value)) {
            out[0] = *flag ? 1 : 0;
          } else {
            out[0] = std::get<double>(f.value);
          }
        }
      },
      Lookup::In::findings, "finding");
}

std::unique_ptr<Measure> report(const MeasureTable& table) {
  table.require({"solve", "validate"}, "kind");
  const std::string name = table.values.text("report");
  return std::make_unique<Reading>(
      table, std::vector<MeasureInfo>{{table.name, "", fmt::format("{} as the theory reports it", name)}},
      [name](const VariantRun& run, std::span<double> out) {
        if (!run.theory) return;
        for (const auto& [key, value] : run.theory->report)
          if (key == name) out[0] = value;
      },
      Lookup::In::reports, "report");
}

std::unique_ptr<Measure> word(const MeasureTable& table) {
  table.require({"solve", "validate"}, "kind");
  const std::string name = table.values.text("word"), equals = table.values.text("equals");
  return std::make_unique<Reading>(
      table,
      std::vector<MeasureInfo>{{table.name, "", fmt::format("1 where the theory's {} is {}, else 0", name, equals)}},
      [name, equals](const VariantRun& run, std::span<double> out) {
        if (!run.theory) return;
        for (const auto& [key, value] : run.theory->labels)
          if (key == name) out[0] = value == equals ? 1 : 0;
      },
      Lookup::In::words, "word");
}

/// A formula in axes, derived values and earlier measures.
class FindingValue : public Measure {
 public:
  explicit FindingValue(const MeasureTable& table) : name_(table.name), value_(formula(table, "value")) {}
  std::vector<MeasureInfo> infos() const override { return {{name_, "", value_.formula()}}; }
  void evaluate(std::span<const VariantRun>, std::span<const double> variables, std::span<double> out) const override {
    out[0] = value_(variables);
  }

 private:
  std::string name_;
  settings::Expression value_;
};

std::unique_ptr<Measure> value(const MeasureTable& table) {
  return std::make_unique<FindingValue>(table);
}

MeasureKind kind(const std::string& name, const std::string& summary, const std::string& equations,
                 std::vector<Parameter> parameters, std::unique_ptr<Measure> (*maker)(const MeasureTable&)) {
  return {{name, summary, equations, "", std::move(parameters)}, true, {}, maker};
}

std::vector<MeasureKind> outcome_kinds() {
  std::vector<MeasureKind> out;
  out.push_back(kind("diverged", "the step at which the theory diverged, nan where it did not", "", {}, diverged));
  out.push_back(kind("diverged-fraction", "the share of a simulation's replicas that became infinite", "", {},
                     diverged_fraction));
  out.push_back(kind("verdict", "whether theory and simulation agree",
                     "NAME (0 agree, 1 disagree, 2 inconclusive), NAME_max_z, NAME_p, NAME_gap.", {}, verdict));
  out.push_back(kind("prediction", "what became of a prediction about whole runs, e.g. where a plateau lies",
                     "NAME (the estimate), NAME_error, NAME_runs, NAME_outcome (0 agree, 1 disagree, 2 inconclusive); "
                     "nan where nothing of that name is predicted.",
                     {settings::text("prediction", "its name").must()}, prediction));
  out.push_back(kind(
      "finding",
      "a finding of `edgewise stability`, or of the search with do = schedule: a number, 1 or 0 of a yes or no",
      "nan where the model has no such finding.",
      {settings::text("finding", "its name").must(),
       settings::text("equals", "of a finding that is a word: 1 where it is this one, else 0").computed("not a word")},
      finding));
  out.push_back(kind("report", "a number that the solver reports, e.g. of its statistics", "nan where it does not.",
                     {settings::text("report", "its name").must()}, report));
  out.push_back(kind("word", "1 where the theory found this word, else 0", "nan where it found none.",
                     {settings::text("word", "what was found, e.g. outcome").must(),
                      settings::text("equals", "the word, e.g. converged").must()},
                     word));
  MeasureKind of_formula = kind("value", "a formula of axes, derived values and earlier measures", "",
                                {settings::text("value", "the formula (or a number)").must()}, value);
  of_formula.one_variant = false;
  of_formula.formulas = {"value"};
  out.push_back(std::move(of_formula));
  return out;
}

}  // namespace

std::span<const MeasureKind> outcome_measure_kinds() {
  static const std::vector<MeasureKind> kinds = outcome_kinds();
  return kinds;
}

}  // namespace edgewise::validation
