// Built at -O1: nothing here takes time.
#include "models/ingredients/schedule_search/options.hpp"

#include <algorithm>

#include "models/ingredients/schedule_search/families.hpp"
#include "settings/section.hpp"

namespace edgewise::models::ingredients {

namespace {

const settings::Section<ScheduleSearch>& section() {
  using Search = ScheduleSearch;
  static const settings::Section<Search> keys([](settings::Section<Search>& s) {
    s.key("observable", &Search::observable, "what is to be small at the end")
        .computed("the model's own choice, e.g. excess_mse");
    s.key("method", &Search::method,
          "sweep: rate after rate, each exactly; lbfgs: all together; auto: sweep where the loss is quadratic in every "
          "rate")
        .one_of({"auto", "sweep", "lbfgs"});
    s.key("max_rate", &Search::max_rate, "cap on the learning rates of the optimum and of every family")
        .above(0)
        .or_infinite()
        .computed("none");
    s.key("starts", &Search::starts,
          "searches from different schedules, which tell whether the minimum is one; of several, up to five times as "
          "many "
          "until two end in the best")
        .at_least(1)
        .at_most(1000);
    s.key("families", &Search::families,
          "which families the optimum is compared with: " + settings::join(schedule_family_names()))
        .computed("all");
    s.key("warmups", &Search::warmups, "fractions of the horizon that every family is tried with").at_least(0).below(1);
    s.key("warmup_mode", &Search::warmup_mode, "as in [schedule]").one_of({"multiply", "first"});
    s.key("search", &Search::search,
          "of families with several parameters: the best of random shapes, their evolution, or none")
        .one_of({"evolution", "random", "none"});
    s.key("shapes", &Search::shapes, "random shapes that a search begins with")
        .where("search", {"evolution", "random"})
        .at_least(1)
        .at_most(1e6);
    s.key("restarts", &Search::restarts,
          "searches of each such family, from different random shapes; the best is taken, and how far apart they end "
          "is told")
        .where("search", {"evolution", "random"})
        .at_least(1)
        .at_most(1000);
    s.key("replicas", &Search::replicas,
          "runs of the simulation at the optimum and at the best of every family; 0 is none")
        .at_least(0)
        .at_most(1e6);
    s.words("score", &Search::simulated_score,
            "what shapes are ranked by: theory; simulated: the median over `replicas` seeds of the loss at the end, at "
            "the best of `scored_bases` base rates, for the `scored_shapes` best of every family",
            {{"theory", false}, {"simulated", true}});
    s.key("scored_shapes", &Search::scored_shapes, "of every family, the best by theory")
        .where("score", {"simulated"})
        .at_least(1)
        .at_most(1e4);
    s.key("scored_bases", &Search::scored_bases,
          "base rates from a third of the theory's best to three times it; odd has it among them")
        .where("score", {"simulated"})
        .at_least(1)
        .at_most(101);
    s.key("seed", &Search::seed, "of the random shapes and starts").at_least(0);
  });
  return keys;
}

}  // namespace

const std::vector<settings::Parameter>& schedule_search_parameters() {
  return section().parameters();
}

ScheduleSearch read_schedule_search(const settings::Table& experiment) {
  const settings::Table table = experiment.table_or_empty("schedule_search");
  ScheduleSearch out = section().read(table);
  const std::vector<std::string> known = schedule_family_names();
  for (const std::string& family : out.families)
    if (std::ranges::find(known, family) == known.end())
      throw table.error(
          "families", "'" + family + "' is not one of " + settings::join(known) + settings::suggestion(family, known));
  if (out.simulated_score && out.replicas == 0)
    throw table.error("replicas", "must be 1 or more for score = \"simulated\"");
  if (table.has("families") && out.families.empty())
    throw table.error("families", "must name at least one; leave it out for all");
  if (table.has("warmup_mode") && table.has("warmups") &&
      std::ranges::count(out.warmups, 0.0) == std::ssize(out.warmups))
    throw table.error("warmup_mode", "is read where some warmup is above 0; leave it out");
  if (out.warmups.empty()) throw table.error("warmups", "must hold at least one fraction; 0 is none");
  return out;
}

}  // namespace edgewise::models::ingredients
