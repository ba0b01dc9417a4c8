// Built at -O1: nothing here takes time.
#include "models/ingredients/schedule_search/options.hpp"

#include <algorithm>

#include "models/ingredients/schedule_search/families.hpp"

namespace edgewise::models::ingredients {

const std::vector<settings::Parameter>& schedule_search_parameters() {
  static const std::vector<settings::Parameter> parameters = {
      settings::text("observable", "what is to be small at the end")
          .computed("the model's own choice, e.g. excess_mse"),
      settings::text(
          "method",
          "sweep: rate after rate, each exactly; lbfgs: all together; auto: sweep where the loss is quadratic "
          "in every rate")
          .one_of({"auto", "sweep", "lbfgs"})
          .otherwise(std::string("auto")),
      settings::number("max_rate", "cap on the learning rates of the optimum and of every family")
          .above(0)
          .or_infinite()
          .computed("none"),
      settings::integer("starts", "searches from different schedules; they tell whether the minimum is one")
          .at_least(1)
          .at_most(1000)
          .otherwise(std::int64_t{3}),
      settings::texts("families",
                      "which families the optimum is compared with: " + settings::join(schedule_family_names()))
          .computed("all"),
      settings::numbers("warmups", "fractions of the horizon that every family is tried with")
          .at_least(0)
          .below(1)
          .otherwise(std::vector<double>{0, 0.05, 0.1, 0.2}),
      settings::text("warmup_mode", "as in [schedule]")
          .one_of({"multiply", "first"})
          .otherwise(std::string("multiply")),
      settings::text("search",
                     "of families with several parameters: the best of random shapes, their evolution, or none")
          .one_of({"evolution", "random", "none"})
          .otherwise(std::string("evolution")),
      settings::integer("shapes", "random shapes that a search begins with")
          .at_least(1)
          .at_most(1e6)
          .otherwise(std::int64_t{200}),
      settings::integer("replicas", "runs of the simulation at the optimum and at the best of every family; 0 is none")
          .at_least(0)
          .at_most(1e6)
          .otherwise(std::int64_t{0}),
      settings::text(
          "score",
          "what shapes are ranked by: theory; simulated: the median over `replicas` seeds of the loss at the "
          "end, at the best of `scored_bases` base rates, for the `scored_shapes` best of every family")
          .one_of({"theory", "simulated"})
          .otherwise(std::string("theory")),
      settings::integer("scored_shapes", "of every family, the best by theory")
          .at_least(1)
          .at_most(1e4)
          .otherwise(std::int64_t{5}),
      settings::integer("scored_bases",
                        "base rates from a third of the theory's best to three times it; odd has it among them")
          .at_least(1)
          .at_most(101)
          .otherwise(std::int64_t{7}),
      settings::integer("seed", "of the random shapes and starts").at_least(0).otherwise(std::int64_t{1})};
  return parameters;
}

ScheduleSearch read_schedule_search(const settings::Table& experiment) {
  const settings::Values values =
      settings::read(experiment.table_or_empty("schedule_search"), schedule_search_parameters());
  ScheduleSearch out;
  if (values.given("observable")) out.observable = values.text("observable");
  out.method = values.text("method");
  if (values.given("max_rate")) out.max_rate = values.number("max_rate");
  out.starts = static_cast<std::uint64_t>(values.integer("starts"));
  if (values.given("families")) out.families = values.texts("families");
  const std::vector<std::string> known = schedule_family_names();
  for (const std::string& family : out.families)
    if (std::ranges::find(known, family) == known.end())
      throw values.error(
          "families", "'" + family + "' is not one of " + settings::join(known) + settings::suggestion(family, known));
  out.warmups = values.numbers("warmups");
  if (out.warmups.empty()) throw values.error("warmups", "must hold at least one fraction; 0 is none");
  out.warmup_mode = values.text("warmup_mode");
  out.search = values.text("search");
  out.shapes = static_cast<std::uint64_t>(values.integer("shapes"));
  out.replicas = static_cast<std::uint64_t>(values.integer("replicas"));
  out.simulated_score = values.text("score") == "simulated";
  if (out.simulated_score && out.replicas == 0)
    throw values.error("replicas", "must be 1 or more for score = \"simulated\"");
  for (const char* key : {"scored_shapes", "scored_bases"})
    if (values.given(key) && !out.simulated_score) throw values.error(key, "belongs to score = \"simulated\"");
  out.scored_shapes = static_cast<std::uint64_t>(values.integer("scored_shapes"));
  out.scored_bases = static_cast<std::uint64_t>(values.integer("scored_bases"));
  out.seed = static_cast<std::uint64_t>(values.integer("seed"));
  return out;
}

}  // namespace edgewise::models::ingredients
