#pragma once
/// \file
/// How near the families of schedules come to the optimum: each tuned over its base rate, its warm-up and its parameters
/// (docs/theory/schedules-and-collapse.md, sections 2 and 3.5).
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedule_search/options.hpp"

namespace edgewise::models::ingredients {

/// One member of a family: its parameters, by their keys in [schedule], with the base rate and what it gives.
struct FamilyMember {
  std::vector<std::pair<std::string, double>> parameters;
  double warmup = 0, base = 0, loss = 0;
};

/// The best member of a family.
struct TunedFamily {
  std::string name;
  std::vector<std::pair<std::string, double>> parameters;  ///< those that were tuned, by their keys in [schedule]
  double warmup = 0, base = 0;
  double loss = 0;                  ///< inf: every member diverges at every base of the grid
  bool base_at_edge = false;        ///< the grid of bases had to be extended
  std::uint64_t shapes = 0;         ///< how many were tried
  std::vector<double> rates;        ///< of every step; empty where it diverges
  std::vector<FamilyMember> tried;  ///< all of them, the best first
  std::vector<double> restarts;     ///< the least loss of every seeded search, where there are several parameters
  /// The member nearest to the optimum in least squares, base = <optimum, s>/<s, s>, and how far it is from it, over
  /// the optimum's own length; where the optimum is not known its parameters are empty and the distance is inf.
  FamilyMember nearest;
  double distance = std::numeric_limits<double>::infinity();
  std::string section;  ///< [schedule] in TOML
};

/// Names of the families, as [schedule_search] families takes them.
std::vector<std::string> schedule_family_names();

/// The members of a family with a grid by name, "polynomial 0.5", each with the value of its parameter; empty of others.
std::vector<std::pair<std::string, double>> grid_members(const std::string& family, double steps);

/// A family tuned over its grid or, where it has several parameters, by the seeded searches of `options`.
/// \param optimum  the best rates, for where to look and for the nearest member; empty: not known
/// \throws std::invalid_argument for an unknown name.
TunedFamily tune_family(const RateObjective& J, const std::string& name, const ScheduleSearch& options,
                        std::span<const double> optimum);

/// Multipliers of every step of a member that was tried, at base 1. \throws std::invalid_argument for an unknown name.
std::vector<double> shape_of(const std::string& family, const FamilyMember& member, const ScheduleSearch& options,
                             std::size_t steps);

/// One parameter of a tuned family moved by itself, the others and the warm-up kept, the base tuned again.
struct OneMoved {
  std::string parameter;
  double value = 0, loss = 0;
};
/// The certificate of a search: four values over half of each parameter's range around where it is.
std::vector<OneMoved> move_one_at_a_time(const RateObjective& J, const TunedFamily& tuned,
                                         const ScheduleSearch& options);

}  // namespace edgewise::models::ingredients
