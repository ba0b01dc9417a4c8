// Built at -O1: nothing here takes time.
#include "cli/results/comparison_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cli/results/csv.hpp"
#include "cli/results/json.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {

using settings::text_of;
using validation::ComparedMethod;
using validation::ComparedRun;
using validation::MethodComparison;

namespace {

/// Rows of cells, every column as wide as its widest; the first to the left, the others to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width;
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c == width.size()) width.push_back(0);
      width[c] = std::max(width[c], row[c].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line = " ";
    for (std::size_t c = 0; c < row.size(); ++c)
      line += c == 0 ? fmt::format(" {:<{}}", row[c], width[c]) : fmt::format("  {:>{}}", row[c], width[c]);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string ratio_text(double ratio) {
  return std::isfinite(ratio) ? fmt::format("{:.3g}", ratio) : "diverged";
}

/// Where the theory does not claim to hold, or does not exist, the numbers carry a mark.
std::string mark(const ComparedMethod& method, const ComparedRun& run) {
  return method.simulated ? "^" : run.trusted ? "" : "*";
}

std::vector<std::string> ratio_row(const MethodComparison& c, std::size_t m, std::size_t s) {
  std::vector<std::string> row{c.plan.methods[m].name};
  for (std::size_t w = 0; w < c.plan.workloads.size(); ++w)
    row.push_back(ratio_text(c.ratio(m, s, w)) + mark(c.plan.methods[m], c.runs[m][s][w]));
  return row;
}

}  // namespace

std::string setting_text(const validation::ComparedSetting& setting) {
  const bool none = setting.schedule.empty() || setting.schedule == "constant";
  return none ? setting.name : setting.name + ", " + setting.schedule;
}

std::string comparison_text(const MethodComparison& c) {
  std::string out = settings::shown(c.plan.title, 200) + "\n\n";
  std::vector<std::vector<std::string>> rows{{"workload", "baseline", "schedule", "its rate"}};
  for (std::size_t w = 0; w < c.plan.workloads.size(); ++w) {
    const std::size_t b = c.best_baseline(w);
    const ComparedRun& run = c.baselines[b][w];
    rows.push_back({c.plan.workloads[w], fmt::format("{:.7g}", run.value), c.plan.baselines[b].name,
                    fmt::format("{:.4g}{}", run.rate, run.on_edge ? " (edge)" : "")});
  }
  out += fmt::format("Best tuned schedule of each workload, {} at the last step\n", c.plan.observable) + aligned(rows);

  rows = {{"method", "default", "calibrated", "oracle", "calibrated setting"}};
  for (std::size_t m = 0; m < c.plan.methods.size(); ++m) {
    const ComparedMethod& method = c.plan.methods[m];
    const std::size_t best = c.calibrated(m);
    rows.push_back({method.name, method.has_default ? fmt::format("{:.4f}", c.score(c.ratios(m, 0))) : "-",
                    fmt::format("{:.4f}", c.score(c.ratios(m, best))), fmt::format("{:.4f}", c.score(c.oracle(m))),
                    setting_text(method.settings[best])});
  }
  out += fmt::format("\nScores: 1 where every workload ends as its baseline, 0 where none within a factor {}\n",
                     text_of(c.plan.limit)) +
         aligned(rows);

  bool marks = false, simulated = false;
  const auto matrix = [&](const std::string& title, const auto& setting_of) {
    rows = {{"method"}};
    for (const std::string& workload : c.plan.workloads) rows.front().push_back(workload);
    for (std::size_t m = 0; m < c.plan.methods.size(); ++m) {
      const std::size_t s = setting_of(m);
      if (s == c.runs[m].size()) continue;
      rows.push_back(ratio_row(c, m, s));
      marks |= !c.trusted(m, s);
      simulated |= c.plan.methods[m].simulated;
    }
    if (rows.size() > 1) out += "\n" + title + "\n" + aligned(rows);
  };
  matrix("Ratio to the baseline, defaults",
         [&](std::size_t m) { return c.plan.methods[m].has_default ? 0 : c.runs[m].size(); });
  matrix("Ratio to the baseline, calibrated", [&](std::size_t m) { return c.calibrated(m); });
  if (marks) out += "  * not self-averaging: the theory's number, single runs differ; simulate\n";
  if (simulated) out += "  ^ simulated, the mean over replicas\n";
  return out;
}

std::string comparison_csv(const MethodComparison& c) {
  std::string out = "method,setting,schedule,workload,value,sem,rate,ratio,by,calibrated\n";
  const auto row = [&](const std::string& method, const std::string& setting, const std::string& schedule,
                       std::size_t w, const ComparedRun& run, double rate, double ratio, const std::string& by,
                       bool calibrated) {
    out += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", csv_quoted(method), csv_quoted(setting), csv_quoted(schedule),
                       csv_quoted(c.plan.workloads[w]), text_of(run.value), text_of(run.error),
                       rate > 0 ? text_of(rate) : "", text_of(ratio), csv_quoted(by), calibrated ? 1 : 0);
  };
  for (std::size_t b = 0; b < c.baselines.size(); ++b)
    for (std::size_t w = 0; w < c.plan.workloads.size(); ++w) {
      const ComparedRun& run = c.baselines[b][w];
      row("baseline", "tuned", c.plan.baselines[b].name, w, run, run.rate, run.value / c.baseline(w),
          run.on_edge ? "theory, best rate on the edge" : "theory", b == c.best_baseline(w));
    }
  for (std::size_t m = 0; m < c.plan.methods.size(); ++m)
    for (std::size_t s = 0; s < c.runs[m].size(); ++s)
      for (std::size_t w = 0; w < c.plan.workloads.size(); ++w) {
        const ComparedMethod& method = c.plan.methods[m];
        const ComparedRun& run = c.runs[m][s][w];
        row(method.name, method.settings[s].name, method.settings[s].schedule, w, run, 0, c.ratio(m, s, w),
            method.simulated ? "simulation"
            : run.trusted    ? "theory"
                             : "theory that is not self-averaging",
            s == c.calibrated(m));
      }
  return out;
}

std::string comparison_json(const MethodComparison& c) {
  const auto list = [](const std::vector<double>& values) {
    Json out = Json::array();
    for (const double x : values) out.push_back(json_number(x));
    return out;
  };
  Json out = {{"title", c.plan.title}, {"observable", c.plan.observable}, {"limit", json_number(c.plan.limit)}};
  out["workloads"] = Json::array();
  for (std::size_t w = 0; w < c.plan.workloads.size(); ++w) {
    const std::size_t b = c.best_baseline(w);
    const ComparedRun& run = c.baselines[b][w];
    out["workloads"].push_back({{"name", c.plan.workloads[w]},
                                {"baseline", json_number(run.value)},
                                {"schedule", c.plan.baselines[b].name},
                                {"learning_rate", json_number(run.rate)},
                                {"on_edge", run.on_edge}});
  }
  out["methods"] = Json::array();
  for (std::size_t m = 0; m < c.plan.methods.size(); ++m) {
    const ComparedMethod& method = c.plan.methods[m];
    const std::size_t best = c.calibrated(m);
    const auto column = [&](std::size_t s) {
      return Json{{"setting", setting_text(method.settings[s])},
                  {"score", json_number(c.score(c.ratios(m, s)))},
                  {"ratios", list(c.ratios(m, s))},
                  {"self_averaging", c.trusted(m, s)}};
    };
    Json entry = {{"name", method.name}, {"by", method.simulated ? "simulation" : "theory"}};
    if (method.has_default) entry["default"] = column(0);
    entry["calibrated"] = column(best);
    entry["oracle"] = {{"score", json_number(c.score(c.oracle(m)))}, {"ratios", list(c.oracle(m))}};
    out["methods"].push_back(std::move(entry));
  }
  return json_text(out);
}

}  // namespace edgewise::cli
