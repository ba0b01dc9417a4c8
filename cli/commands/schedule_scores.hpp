#pragma once
/// \file
/// Scores of schedule shapes by simulation, as the authors take them: the median over seeds of the loss at the end, at the
/// best base rate (docs/theory/schedules-and-collapse.md, "What the papers themselves do").
#include <string>
#include <vector>

#include "cli/context.hpp"
#include "cli/figures/schedule_figure.hpp"
#include "cli/results/json.hpp"
#include "models/ingredients/schedule_search/report.hpp"

namespace edgewise::cli {

/// One shape at several base rates.
struct ScoredShape {
  std::string family;
  models::ingredients::FamilyMember member;  ///< with the theory's best base and loss
  std::vector<double> bases, medians;        ///< inf where half of the runs or more diverge
  double score = 0, base = 0;                ///< the least median, and where it is
};

/// The best shapes of every family that does not diverge, the best score first. All share the experiment's seeds.
/// \throws settings::Error for an interruption, or where the simulation has no such observable.
std::vector<ScoredShape> score_shapes(const Context& context, const std::string& path,
                                      const models::Experiment& experiment,
                                      const models::ingredients::ScheduleReport& report,
                                      const models::ingredients::ScheduleSearch& options);

/// The best shapes of every family, with what theory says of them.
std::string scores_text(const std::vector<ScoredShape>& scores, std::uint64_t seeds);
Json scores_json(const std::vector<ScoredShape>& scores);
/// What is drawn of them: families in the order of their best.
std::vector<ShapeScores> drawn_scores(const std::vector<ScoredShape>& scores);

}  // namespace edgewise::cli
