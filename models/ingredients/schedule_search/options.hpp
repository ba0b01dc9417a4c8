#pragma once
/// \file
/// Section [schedule_search]: how the best schedule is looked for, and which families it is compared with.
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::models::ingredients {

struct ScheduleSearch {
  std::string observable;                                     ///< empty: the model's own choice
  std::string method = "auto";                                ///< auto, sweep or lbfgs
  double max_rate = std::numeric_limits<double>::infinity();  ///< no rate of the optimum or of a family is above
  std::uint64_t starts = 3;
  std::vector<std::string> families;                  ///< empty: all
  std::vector<double> warmups = {0, 0.05, 0.1, 0.2};  ///< fractions that every family is tried with
  std::string warmup_mode = "multiply";
  std::string search = "evolution";  ///< of the families with many parameters: evolution, random, none
  std::uint64_t shapes = 64;         ///< random shapes of each search
  std::uint64_t restarts = 4;        ///< searches of each family, from other random shapes
  std::uint64_t replicas = 0;        ///< of the simulation at the optimum and at the best of every family; 0: none
  /// By simulation too: the best shapes of every family at so many base rates around the theory's, `replicas` runs each.
  bool simulated_score = false;
  std::uint64_t scored_shapes = 5, scored_bases = 7;
  std::uint64_t seed = 1;
};

const std::vector<settings::Parameter>& schedule_search_parameters();
/// \throws settings::Error for bad values, with file and key.
ScheduleSearch read_schedule_search(const settings::Table& experiment);

}  // namespace edgewise::models::ingredients
