#pragma once
/// \file
/// The figure of a search for the best schedule: rates, gaps and losses.
#include <string>

#include "models/ingredients/schedule_search/report.hpp"

namespace edgewise::cli {

/// Three panels: the optimum over the best members of the nearest families, the gaps as bars, the losses along the run.
/// \param losses  of the families that are drawn, in the order of the report: as RatePath::loss; empty: not drawn
/// \throws settings::Error for an ending other than .svg, .png and .pdf, or when gnuplot fails.
std::string schedule_figure(const models::ingredients::ScheduleReport& report,
                            const std::vector<std::vector<double>>& losses, const std::string& title,
                            const std::string& ending);

}  // namespace edgewise::cli
