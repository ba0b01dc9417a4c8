#pragma once
/// \file
/// The figure of a search for the best schedule: rates, gaps and losses.
#include <string>
#include <vector>

#include "models/ingredients/schedule_search/report.hpp"

namespace edgewise::cli {

/// A family's shapes as they were scored by simulation.
struct ShapeScores {
  std::string family;
  std::vector<double> scores;            ///< of all of its shapes, ascending; inf: diverged
  std::vector<double> factors, medians;  ///< of the best one: base rates over the theory's best, and losses there
};

/// Three panels: the optimum over the best members of the nearest families, the gaps as bars, the losses along the run.
/// \param losses  of the families that are drawn, in the order of the report: as RatePath::loss; empty: not drawn
/// \param scores  with them two panels more: a heat map of losses over base rates, a row a family, and the share of a
/// family's shapes whose score is below each value
/// \throws settings::Error for an ending other than .svg, .png and .pdf.
std::string schedule_script(const models::ingredients::ScheduleReport& report,
                            const std::vector<std::vector<double>>& losses, const std::vector<ShapeScores>& scores,
                            const std::string& title, const std::string& ending);
/// The same, drawn. \throws settings::Error also when gnuplot fails.
std::string schedule_figure(const models::ingredients::ScheduleReport& report,
                            const std::vector<std::vector<double>>& losses, const std::vector<ShapeScores>& scores,
                            const std::string& title, const std::string& ending);

}  // namespace edgewise::cli
