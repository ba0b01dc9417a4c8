#include "cli/results/verdict_json.hpp"

#include <algorithm>
#include <string>

namespace edgewise::cli {

Json verdict_json(const validation::Verdict& verdict, const Result& result) {
  Json out;
  out["experiment"] = result.get("file");
  out["title"] = result.get("title");
  out["model"] = result.get("model");
  out["outcome"] = validation::name(verdict.outcome);
  out["reason"] = verdict.reason;
  out["max_z"] = json_number(verdict.max_z);
  out["critical_z"] = json_number(verdict.critical_z);
  out["p_value"] = json_number(verdict.p_value);
  out["detectable"] = json_number(verdict.detectable);
  out["largest_gap"] = json_number(verdict.largest_gap);
  out["effective_comparisons"] = json_number(verdict.effective_comparisons);
  out["comparisons"] = verdict.rows.size();
  out["predictions"] = Json::array();
  for (const validation::PredictionVerdict& p : verdict.predictions)
    out["predictions"].push_back({{"name", p.prediction.name},
                                  {"statement", p.prediction.statement},
                                  {"source", p.prediction.source},
                                  {"quantity", p.prediction.quantity},
                                  {"centre", models::name(p.prediction.centre)},
                                  {"runs_that", p.prediction.runs},
                                  {"nominal", json_number(p.prediction.nominal)},
                                  {"low", json_number(p.prediction.low)},
                                  {"high", json_number(p.prediction.high)},
                                  {"runs", p.runs},
                                  {"estimate", json_number(p.estimate)},
                                  {"error", json_number(p.error)},
                                  {"z", json_number(p.z)},
                                  {"critical_z", json_number(p.critical_z)},
                                  {"p_value", json_number(p.p_value)},
                                  {"detectable", json_number(p.detectable)},
                                  {"required", p.required},
                                  {"outcome", p.judged ? validation::name(p.outcome) : "not judged"},
                                  {"reason", p.reason}});
  out["replicas"] = verdict.replicas;
  out["heavy_tailed"] = verdict.heavy_tailed;
  out["exact_std"] = verdict.exact_std;
  out["method"] = result.get("method");
  out["sampler"] = result.get("sampler");
  out["seed"] = result.get("seed");
  out["interrupted"] = result.get("interrupted") == "true";
  Json warnings = Json::array();
  const std::string lines(result.get("warnings"));
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    warnings.push_back(lines.substr(at, end - at));
    at = end + 1;
  }
  out["warnings"] = std::move(warnings);
  return out;
}

}  // namespace edgewise::cli
