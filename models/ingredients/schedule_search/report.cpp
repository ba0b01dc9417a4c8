#include "models/ingredients/schedule_search/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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
  out.observable = J.observable();
  out.optimum = best_rates(
      J, options, [&] { return !progress(0); }, also);
  out.warnings = out.optimum.warnings;
  if (const std::string caution = J.caution(); !caution.empty()) out.warnings.push_back(caution);
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

}  // namespace edgewise::models::ingredients
