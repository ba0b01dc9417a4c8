#include "cli/results/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "numerics/constants.hpp"
#include "settings/settings.hpp"

namespace edgewise::cli {

using settings::text_of;

Attribute attribute(std::string name, std::string_view text) {
  std::string clean(text);
  while (!clean.empty() && clean.back() == '\n') clean.pop_back();
  return {std::move(name), std::move(clean), false};
}

Attribute attribute(std::string name, double value) {
  return {std::move(name), text_of(value), true};
}

std::string_view name(ResultKind kind) {
  switch (kind) {
    case ResultKind::solution:
      return "solution";
    case ResultKind::simulation:
      return "simulation";
    case ResultKind::validation:
      return "validation";
  }
  return "";
}

std::string column_name(const models::Observable& observable, const Field& field) {
  return field.name.empty() ? observable.name : observable.name + "_" + field.name;
}

const Field* Result::find(std::string_view field) const {
  for (const Field& f : fields)
    if (f.name == field) return &f;
  return nullptr;
}

std::string_view Result::get(std::string_view attribute) const {
  for (const Attribute& a : provenance)
    if (a.name == attribute) return a.text;
  return {};
}

std::vector<std::string> prediction_names(const Result& result) {
  const std::string names(result.get("predictions"));
  std::vector<std::string> out;
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(", ", at), names.size());
    out.push_back(names.substr(at, end - at));
    at = end + 2;
  }
  return out;
}

std::vector<Field> fields_of(ResultKind kind) {
  switch (kind) {
    case ResultKind::solution:
      return {{"", "", false, {}}, {"std", "predicted standard deviation of one run", false, {}}};
    case ResultKind::simulation:
      return {{"mean", "mean over replicas", false, {}},
              {"sem", "standard error of the mean", false, {}},
              {"q05", "5% quantile over replicas", false, {}},
              {"q50", "median over replicas", false, {}},
              {"q95", "95% quantile over replicas", false, {}}};
    case ResultKind::validation:
      return {{"theory", "value predicted by the theory", false, {}},
              {"mc_mean", "mean over replicas", false, {}},
              {"mc_sem", "standard error of the mean", false, {}},
              {"z", "discrepancy in standard errors", true, {}},
              {"theory_std", "predicted standard deviation of one run", false, {}},
              {"mc_q05", "5% quantile over replicas", false, {}},
              {"mc_q50", "median over replicas", false, {}},
              {"mc_q95", "95% quantile over replicas", false, {}}};
  }
  return {};
}

int Result::index(std::string_view observable) const {
  for (std::size_t i = 0; i < observables.size(); ++i)
    if (observables[i].name == observable) return static_cast<int>(i);
  return -1;
}

namespace {

std::string lines(const std::vector<std::string>& list) {
  return settings::join(list, "\n");
}

/// The lines that every result has.
std::vector<Attribute> source(std::string_view kind, const Provenance& from) {
  std::vector<Attribute> out;
  out.push_back(attribute("kind", kind));
  out.push_back(attribute("version", std::string_view("edgewise " EDGEWISE_VERSION)));
  out.push_back(attribute("title", from.experiment.title));
  out.push_back(attribute("model", from.experiment.model));
  out.push_back(attribute("file", from.file));
  if (!from.overrides.empty()) out.push_back(attribute("overrides", lines(from.overrides)));
  // Seeds above 2^53 have no exact double; text keeps them all.
  out.push_back(attribute("seed", std::string_view(std::to_string(from.experiment.monte_carlo.seed))));
  return out;
}

std::vector<Attribute> common(ResultKind kind, const Provenance& from) {
  std::vector<Attribute> out = source(name(kind), from);
  out.push_back(attribute("wall_time_s", from.seconds));
  return out;
}

void add_theory(std::vector<Attribute>& out, const models::Trajectory& theory, const Provenance& from) {
  out.push_back(attribute("method", theory.method));
  out.push_back(attribute("exact_at_finite_dimension", std::string_view(theory.exact ? "true" : "false")));
  for (const auto& [key, value] : from.tolerances) out.push_back(attribute(key, value));
  if (theory.diverged_at) out.push_back(attribute("diverged_at", *theory.diverged_at));
  if (theory.valid_until) out.push_back(attribute("theory_valid_until", *theory.valid_until));
  std::vector<std::string> later;
  for (const models::Column& c : theory.columns)
    if (c.valid_from > 0) later.push_back(fmt::format("{} {}", c.observable.name, settings::text_of(c.valid_from)));
  if (!later.empty()) out.push_back(attribute("theory_valid_from", settings::join(later)));
  for (const auto& [key, value] : theory.labels) out.push_back(attribute(key, value));
  for (const auto& [key, value] : theory.report) {
    // Attribute names must be legal in NetCDF and hold no colon in CSV.
    std::string name = "solver_" + key;
    for (char& c : name)
      if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    out.push_back(attribute(std::move(name), value));
  }
}

/// Line `predictions` names them; of each the lines prediction_NAME_....
void add_predictions(std::vector<Attribute>& out, const validation::Verdict& verdict) {
  if (verdict.predictions.empty()) return;
  std::vector<std::string> names;
  for (const auto& p : verdict.predictions) names.push_back(p.prediction.name);
  out.push_back(attribute("predictions", settings::join(names)));
  for (const auto& p : verdict.predictions) {
    const std::string of = "prediction_" + p.prediction.name + "_";
    out.push_back(attribute(of + "statement", p.prediction.statement));
    out.push_back(
        attribute(of + "quantity", fmt::format("{} of {}", models::name(p.prediction.centre), p.prediction.quantity)));
    out.push_back(attribute(of + "observable", p.prediction.observable));
    out.push_back(attribute(of + "nominal", p.prediction.nominal));
    out.push_back(attribute(of + "low", p.prediction.low));
    out.push_back(attribute(of + "high", p.prediction.high));
    out.push_back(attribute(of + "runs", static_cast<double>(p.runs)));
    out.push_back(attribute(of + "p_value", p.p_value));
    out.push_back(attribute(of + "detectable", p.detectable));
    out.push_back(attribute(of + "outcome", p.judged ? validation::name(p.outcome) : "not judged"));
    out.push_back(attribute(of + "reason", p.reason));
  }
}

void add_sample(std::vector<Attribute>& out, const validation::Sample& sample, const Provenance& from) {
  out.push_back(attribute("sampler", sample.sampler));
  out.push_back(attribute("replicas", static_cast<double>(sample.replicas)));
  out.push_back(attribute("replicas_asked", static_cast<double>(from.experiment.monte_carlo.replicas)));
  out.push_back(attribute("replicas_diverged", static_cast<double>(sample.diverged)));
  out.push_back(attribute("interrupted", std::string_view(sample.interrupted ? "true" : "false")));
}

void finish(std::vector<Attribute>& out, std::vector<std::string> warnings, const Provenance& from) {
  std::vector<std::string> all = from.warnings;
  for (std::string& w : warnings)
    if (std::find(all.begin(), all.end(), w) == all.end()) all.push_back(std::move(w));
  if (!all.empty()) out.push_back(attribute("warnings", lines(all)));
  out.push_back(attribute("experiment", from.experiment.table.text()));
}

}  // namespace

std::vector<Attribute> mode_provenance(const Provenance& provenance) {
  std::vector<Attribute> out = source("modes", provenance);
  finish(out, {}, provenance);
  return out;
}

Result solution(const models::Trajectory& trajectory, const Provenance& provenance) {
  Result out;
  out.kind = ResultKind::solution;
  out.axis = provenance.experiment.axis;
  out.steps = trajectory.steps;
  out.fields = fields_of(out.kind);
  bool any_std = false;
  for (const models::Column& column : trajectory.columns) {
    out.observables.push_back(column.observable);
    out.fields[0].values.push_back(column.value);
    out.fields[1].values.push_back(column.std);
    any_std = any_std || !column.std.empty();
  }
  if (!any_std) out.fields.pop_back();
  out.provenance = common(out.kind, provenance);
  add_theory(out.provenance, trajectory, provenance);
  finish(out.provenance, trajectory.warnings, provenance);
  return out;
}

Result simulation(const validation::Sample& sample, const Provenance& provenance) {
  Result out;
  out.kind = ResultKind::simulation;
  out.axis = provenance.experiment.axis;
  out.steps.assign(sample.steps.begin(), sample.steps.end());
  out.observables = sample.observables;
  const std::size_t times = sample.steps.size();
  const std::vector<double>* flat[] = {&sample.mean, &sample.sem, &sample.q05, &sample.q50, &sample.q95};
  out.fields = fields_of(out.kind);
  for (std::size_t f = 0; f < out.fields.size(); ++f)
    for (std::size_t o = 0; o < sample.observables.size(); ++o) {
      const auto begin = flat[f]->begin() + static_cast<std::ptrdiff_t>(o * times);
      out.fields[f].values.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(times));
    }
  out.provenance = common(out.kind, provenance);
  add_sample(out.provenance, sample, provenance);
  finish(out.provenance, sample.warnings, provenance);
  return out;
}

Result validation_result(const models::Trajectory& theory, const validation::Sample& sample,
                         const validation::Verdict& verdict, const validation::VerdictOptions& options,
                         const Provenance& provenance) {
  Result out;
  out.kind = ResultKind::validation;
  out.axis = provenance.experiment.axis;
  std::map<double, std::size_t> place;
  const auto each_row = [&](const auto& use) {
    for (const auto* rows : {&verdict.rows, &verdict.shown})
      for (const validation::Comparison& row : *rows) use(row);
  };
  each_row([&](const validation::Comparison& row) { place[static_cast<double>(row.step)] = 0; });
  for (const validation::PredictionVerdict& p : verdict.predictions) place[p.step] = 0;
  for (auto& [step, index] : place) {
    index = out.steps.size();
    out.steps.push_back(step);
  }
  for (const models::Observable& o : sample.observables) {
    bool compared = false;
    each_row([&](const validation::Comparison& row) { compared = compared || row.observable == o.name; });
    if (compared) out.observables.push_back(o);
  }
  const std::size_t of_sample_alone = out.observables.size();
  for (const validation::PredictionVerdict& p : verdict.predictions)
    out.observables.push_back({p.prediction.name, "", p.prediction.statement});

  out.fields = fields_of(out.kind);
  for (Field& f : out.fields) f.values.assign(out.observables.size(), std::vector<double>(out.steps.size(), nan));

  const auto put = [&](double step, const std::string& observable, double theory_value, double mean, double sem,
                       double z) {
    const int index = out.index(observable);
    if (index < 0) return;
    const auto o = static_cast<std::size_t>(index);
    const std::size_t t = place[step];
    out.fields[0].values[o][t] = theory_value;
    out.fields[1].values[o][t] = mean;
    out.fields[2].values[o][t] = sem;
    out.fields[3].values[o][t] = z;
  };
  each_row([&](const validation::Comparison& row) {
    put(static_cast<double>(row.step), row.observable, row.theory, row.mc_mean, row.mc_sem, row.z);
  });
  for (const validation::PredictionVerdict& p : verdict.predictions)
    put(p.step, p.prediction.name, p.prediction.nominal, p.estimate, p.error, p.judged ? p.z : nan);
  const std::size_t times = sample.steps.size();
  for (std::size_t o = 0; o < of_sample_alone; ++o) {
    std::size_t of_sample = 0;
    while (sample.observables[of_sample].name != out.observables[o].name) ++of_sample;
    for (std::size_t t = 0; t < times; ++t) {
      const auto found = place.find(static_cast<double>(sample.steps[t]));
      if (found == place.end() || std::isnan(out.fields[1].values[o][found->second])) continue;
      const std::size_t from = of_sample * times + t;
      out.fields[5].values[o][found->second] = sample.q05[from];
      out.fields[6].values[o][found->second] = sample.q50[from];
      out.fields[7].values[o][found->second] = sample.q95[from];
    }
    const models::Column* column = theory.find(out.observables[o].name);
    if (!column || column->std.empty()) continue;
    for (std::size_t t = 0; t < theory.steps.size() && t < column->std.size(); ++t) {
      const auto found = place.find(theory.steps[t]);
      if (found != place.end()) out.fields[4].values[o][found->second] = column->std[t];
    }
  }

  auto& lines = out.provenance;
  lines = common(out.kind, provenance);
  lines.push_back(attribute("outcome", validation::name(verdict.outcome)));
  lines.push_back(attribute("reason", verdict.reason));
  lines.push_back(attribute("max_z", verdict.max_z));
  lines.push_back(attribute("critical_z", verdict.critical_z));
  lines.push_back(attribute("p_value", verdict.p_value));
  lines.push_back(attribute("false_alarm", options.false_alarm));
  lines.push_back(attribute("detectable", verdict.detectable));
  lines.push_back(attribute("resolution", options.resolution));
  lines.push_back(attribute("largest_gap", verdict.largest_gap));
  lines.push_back(attribute("effective_comparisons", verdict.effective_comparisons));
  lines.push_back(attribute("heavy_tailed", std::string_view(verdict.heavy_tailed ? "true" : "false")));
  lines.push_back(attribute("exact_std", std::string_view(verdict.exact_std ? "true" : "false")));
  add_predictions(lines, verdict);
  add_theory(lines, theory, provenance);
  add_sample(lines, sample, provenance);
  std::vector<std::string> warnings = theory.warnings;
  warnings.insert(warnings.end(), sample.warnings.begin(), sample.warnings.end());
  warnings.insert(warnings.end(), verdict.warnings.begin(), verdict.warnings.end());
  finish(lines, std::move(warnings), provenance);
  return out;
}

}  // namespace edgewise::cli
