#include "models/ingredients/schedule_search/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace edgewise::models::ingredients {

namespace {

/// Of losses that are the same but for rounding.
constexpr double same = 1e-9;
/// Searches that begin at a family which is better than the optimum found before.
constexpr std::size_t max_restarts = 3;

ScheduleReport search_once(const RateObjective& J, const ScheduleSearch& options,
                           const std::function<bool(double)>& progress, const NamedRates& also) {
  ScheduleReport out;
  out.observable = J.facts().observable;
  out.optimum = best_rates(
      J, options, [&] { return !progress(0); }, also);
  out.warnings = out.optimum.warnings;
  if (const std::string& caution = J.facts().caution; !caution.empty()) out.warnings.push_back(caution);
  out.predictions = J.predictions(options.max_rate);
  out.path = J.path(out.optimum.rates);
  std::vector<double> greedy(J.steps());
  if (const std::optional<double> loss = J.greedy(greedy, options.max_rate)) out.greedy = *loss;
  const std::vector<std::string> names = options.families.empty() ? schedule_family_names() : options.families;
  const double least = out.optimum.loss;
  const std::span<const double> target =
      out.optimum.identifiable ? std::span<const double>(out.optimum.rates) : std::span<const double>();
  std::vector<std::string> at_edge;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!progress(static_cast<double>(i) / static_cast<double>(names.size()))) {
      out.stopped = true;
      break;
    }
    FamilyGap one{tune_family(J, names[i], options, target), 0, {}};
    if (one.family.shapes == 0) continue;  // not asked for
    const double loss = one.family.loss;
    one.gap = loss == least ? 0 : loss / least - 1;
    if (std::isfinite(loss)) one.certificate = move_one_at_a_time(J, one.family, options);
    if (one.family.base_at_edge && std::isfinite(loss)) at_edge.push_back(names[i]);
    if (loss < least * (1 - same))
      out.warnings.push_back(
          fmt::format("{} is better than what the search for the optimum ended with, by {:.3g}%: there "
                      "are local minima; ask for more schedule_search.starts",
                      names[i], 100 * (1 - loss / least)));
    out.families.push_back(std::move(one));
  }
  if (!at_edge.empty())
    out.warnings.push_back("the grid of base rates, 1e-4 to 10 over the largest eigenvalue, was extended for " +
                           settings::join(at_edge));
  std::ranges::stable_sort(out.families, {}, [](const FamilyGap& f) { return f.family.loss; });
  return out;
}

}  // namespace

ScheduleReport search_schedules(const RateObjective& J, const ScheduleSearch& options,
                                const std::function<bool(double)>& progress) {
  NamedRates also;
  while (true) {
    ScheduleReport out = search_once(J, options, progress, also);
    const bool beaten = !out.families.empty() && out.families.front().family.loss < out.optimum.loss * (1 - same);
    if (!beaten || out.stopped || also.size() == max_restarts) return out;
    const TunedFamily& best = out.families.front().family;
    also.emplace_back("best of " + best.name, best.rates);
  }
}

double share_at(const Optimum& best, double max_rate) {
  const auto at_cap = std::ranges::count_if(best.rates, [&](double rate) { return rate >= max_rate * (1 - 1e-12); });
  return static_cast<double>(at_cap) / static_cast<double>(best.rates.size());
}

std::vector<Finding> schedule_findings(const ScheduleReport& report, double max_rate) {
  const Optimum& best = report.optimum;
  const auto shape = [&](double value) { return best.identifiable ? value : std::numeric_limits<double>::quiet_NaN(); };
  const auto peak = std::ranges::max_element(best.rates);
  std::vector<Finding> out = {
      {"optimum", best.loss, "loss of the best rates"},
      {"starts_apart", best.spread, "largest loss of a search for them over the least, less 1"},
      {"identifiable", best.identifiable, "whether one schedule attains it"},
      {"peak", shape(*peak), "largest rate"},
      {"peak_step", shape(static_cast<double>(peak - best.rates.begin())), "its step"},
      {"first", shape(best.rates.front()), "first rate"},
      {"last", shape(best.rates.back()), "last rate"},
      {"at_max_rate", shape(share_at(best, max_rate)), "share of the steps at schedule_search.max_rate"},
      {"greedy", report.greedy, "loss of the greedy rates"}};
  for (const FamilyGap& one : report.families) {
    out.push_back({one.family.name, one.family.loss, "loss of the best of the family"});
    for (const auto& [member, value] : grid_members(one.family.name, static_cast<double>(best.rates.size()))) {
      double least = std::numeric_limits<double>::infinity();
      for (const FamilyMember& tried : one.family.tried)
        if (tried.parameters.front().second == value) least = std::min(least, tried.loss);
      out.push_back({member, least, "loss of this member of the family"});
    }
  }
  out.insert(out.end(), report.predictions.begin(), report.predictions.end());
  return out;
}

namespace {

/// \throws settings::Error for models without.
std::unique_ptr<RateObjective> objective_of(const Problem& problem, const Experiment& experiment,
                                            const ScheduleSearch& search) {
  auto out = problem.rate_objective(search.observable);
  if (!out) throw experiment.table.error("model", experiment.model + " offers no gradient by its learning rates");
  return out;
}

}  // namespace

std::vector<Finding> searched_findings(const Problem& problem, const Experiment& experiment,
                                       const std::function<bool()>& stopped) {
  const ScheduleSearch search = read_schedule_search(experiment.table);
  const auto J = objective_of(problem, experiment, search);
  try {
    const ScheduleReport report = search_schedules(*J, search, [&](double) { return !stopped(); });
    if (!stopped()) return schedule_findings(report, search.max_rate);
  } catch (const std::exception&) {
    if (!stopped()) throw;
  }
  return {};
}

std::vector<std::string> searched_finding_names(const Problem& problem, const Experiment& experiment) {
  const ScheduleSearch search = read_schedule_search(experiment.table);
  ScheduleReport empty;
  empty.optimum.rates = {0};
  empty.predictions = objective_of(problem, experiment, search)->predictions(search.max_rate);
  for (const std::string& name : search.families.empty() ? schedule_family_names() : search.families)
    empty.families.emplace_back().family.name = name;
  std::vector<std::string> out;
  for (const Finding& finding : schedule_findings(empty, search.max_rate)) out.push_back(finding.name);
  return out;
}

}  // namespace edgewise::models::ingredients
