#include "cli/commands/schedule_scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "cli/commands/schedule_runs.hpp"
#include "numerics/constants.hpp"

namespace edgewise::cli {

using models::ingredients::FamilyGap;
using models::ingredients::FamilyMember;

namespace {

/// Base rates go from 1/reach to reach times the theory's best.
constexpr double reach = 3;

std::vector<double> bases_around(double base, double highest, std::uint64_t count) {
  std::vector<double> out;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double at = count == 1 ? 0 : 2 * static_cast<double>(i) / static_cast<double>(count - 1) - 1;
    const double one = base * std::pow(reach, at);
    if (one <= highest) out.push_back(one);
  }
  if (out.empty()) out.push_back(highest);
  return out;
}

}  // namespace

std::vector<ScoredShape> score_shapes(const Context& context, const std::string& path,
                                      const models::Experiment& experiment,
                                      const models::ingredients::ScheduleReport& report,
                                      const models::ingredients::ScheduleSearch& options) {
  std::vector<ScoredShape> out;
  const std::size_t steps = report.optimum.rates.size();
  for (const FamilyGap& one : report.families) {
    std::set<std::vector<double>> seen;  // a search tries some shapes twice
    for (const FamilyMember& member : one.family.tried) {
      if (seen.size() == options.scored_shapes) break;
      if (!std::isfinite(member.loss)) continue;
      const std::vector<double> shape = shape_of(one.family.name, member, options, steps);
      if (!seen.insert(shape).second) continue;
      ScoredShape scored{one.family.name, member, {}, {}, infinity, member.base};
      scored.bases =
          bases_around(member.base, options.max_rate / *std::ranges::max_element(shape), options.scored_bases);
      for (const double base : scored.bases) {
        std::vector<double> rates = shape;
        for (double& rate : rates) rate *= base;
        const double median = run_at_rates(context, path, experiment, rates, report.observable.name, options.replicas,
                                           fmt::format(", {}, shape {}", one.family.name, seen.size()))
                                  .median;
        scored.medians.push_back(median);
        if (median < scored.score) {
          scored.score = median;
          scored.base = base;
        }
      }
      out.push_back(std::move(scored));
    }
  }
  std::ranges::stable_sort(out, {}, &ScoredShape::score);
  return out;
}

std::string scores_text(const std::vector<ScoredShape>& scores, std::uint64_t seeds) {
  std::string out = fmt::format(
      "  scores: median of {} seeds at the best base rate, of every family's best shape\n  {:<24} {:>12} {:>9} {:>10} "
      "{:>12} {:>10}\n",
      seeds, "family", "score", "", "base", "theory", "its base");
  std::set<std::string> seen;
  for (const ScoredShape& one : scores) {
    if (!seen.insert(one.family).second) continue;
    const double least = scores.front().score;
    out +=
        fmt::format("  {:<24} {:>12.6g} {:>9} {:>10.4g} {:>12.6g} {:>10.4g}{}\n", one.family, one.score,
                    std::isfinite(one.score) && least > 0 ? fmt::format("+{:.3g}%", 100 * (one.score / least - 1)) : "",
                    one.base, one.member.loss, one.member.base,
                    one.bases.size() > 1 && (one.base == one.bases.front() || one.base == one.bases.back())
                        ? "  (at the end of the base rates tried)"
                        : "");
  }
  return out;
}

Json scores_json(const std::vector<ScoredShape>& scores) {
  Json out = Json::array();
  for (const ScoredShape& one : scores) {
    Json row = {{"family", one.family},
                {"score", json_number(one.score)},
                {"base", json_number(one.base)},
                {"warmup", json_number(one.member.warmup)},
                {"theory", json_number(one.member.loss)},
                {"theory_base", json_number(one.member.base)}};
    for (const auto& [key, value] : one.member.parameters) row["parameters"][key] = json_number(value);
    for (std::size_t i = 0; i < one.bases.size(); ++i)
      row["bases"].push_back({{"base", json_number(one.bases[i])}, {"median", json_number(one.medians[i])}});
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<ShapeScores> drawn_scores(const std::vector<ScoredShape>& scores) {
  std::vector<ShapeScores> out;
  for (const ScoredShape& one : scores) {
    auto family = std::ranges::find(out, one.family, &ShapeScores::family);
    if (family == out.end()) {
      family = out.insert(out.end(), {one.family, {}, {}, one.medians});
      for (const double base : one.bases) family->factors.push_back(base / one.member.base);
    }
    family->scores.push_back(one.score);
  }
  return out;
}

}  // namespace edgewise::cli
