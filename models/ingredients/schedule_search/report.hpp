#pragma once
/// \file
/// A whole search: the optimum, and every family beside it.
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/ingredients/schedule_search/best_rates.hpp"
#include "models/ingredients/schedule_search/families.hpp"

namespace edgewise::models::ingredients {

struct FamilyGap {
  TunedFamily family;
  /// loss over the optimum's, less 1; inf where the family diverges, or the optimum is 0 and the family's loss is not.
  double gap = 0;
  std::vector<OneMoved> certificate;  ///< of a family that was searched
};

struct ScheduleReport {
  Observable observable;
  Optimum optimum;
  RatePath path;                                             ///< of the optimum
  std::vector<FamilyGap> families;                           ///< smallest gap first; those that diverge last
  double greedy = std::numeric_limits<double>::quiet_NaN();  ///< J of the greedy rates; NaN where there are none
  std::vector<Finding> predictions;                          ///< what is known without a search
  bool stopped = false;                                      ///< some families are missing
  std::vector<std::string> warnings;
};

/// \param progress  told what share is done; false: stop, and report what there is.
/// \throws std::invalid_argument as best_rates does.
ScheduleReport search_schedules(const RateObjective& J, const ScheduleSearch& options,
                                const std::function<bool(double)>& progress);

/// Share of the optimum's steps at the cap.
double share_at(const Optimum& best, double max_rate);

/// A search as findings: the loss of the optimum, of the greedy rates and, by their names, of every family and of every member
/// of a grid ("polynomial 0.5"); how far apart its starts ended; its peak, first and last rate and its share at max_rate, NaN
/// where no schedule is identifiable; and the predictions.
std::vector<Finding> schedule_findings(const ScheduleReport& report, double max_rate);
/// Those of the search that an experiment asks for; empty when it was stopped. \throws settings::Error for models without.
std::vector<Finding> searched_findings(const Problem& problem, const Experiment& experiment,
                                       const std::function<bool()>& stopped);
/// Their names, without a search.
std::vector<std::string> searched_finding_names(const Problem& problem, const Experiment& experiment);

}  // namespace edgewise::models::ingredients
