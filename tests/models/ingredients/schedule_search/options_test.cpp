// The keys of [schedule_search]: every one in its place, defaults, and what does not go together.
#include "models/ingredients/schedule_search/options.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "settings/settings.hpp"

using namespace edgewise;
using models::ingredients::read_schedule_search;
using models::ingredients::ScheduleSearch;

namespace {

ScheduleSearch read(const std::string& keys) {
  return read_schedule_search(settings::read_text("[schedule_search]\n" + keys, "x.toml"));
}

std::string refused(const std::string& keys) {
  try {
    read(keys);
  } catch (const settings::Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("schedule search: without the section, the defaults") {
  const ScheduleSearch out = read_schedule_search(settings::read_text("", "x.toml"));
  CHECK(out.observable.empty());
  CHECK(out.method == "auto");
  CHECK(std::isinf(out.max_rate));
  CHECK(out.starts == 3);
  CHECK(out.families.empty());
  CHECK(out.warmups == std::vector<double>{0, 0.05, 0.1, 0.2});
  CHECK(out.warmup_mode == "multiply");
  CHECK(out.search == "evolution");
  CHECK(out.shapes == 64);
  CHECK(out.restarts == 4);
  CHECK(out.replicas == 0);
  CHECK_FALSE(out.simulated_score);
  CHECK(out.scored_shapes == 5);
  CHECK(out.scored_bases == 7);
  CHECK(out.seed == 1);
}

TEST_CASE("schedule search: every key in its place") {
  const ScheduleSearch out = read(
      "observable = 'excess_mse'\nmethod = 'lbfgs'\nmax_rate = 0.25\nstarts = 7\nfamilies = ['cosine', 'linear']\n"
      "warmups = [0.0, 0.3]\nwarmup_mode = 'first'\nsearch = 'random'\nshapes = 11\nrestarts = 2\nreplicas = 13\n"
      "score = 'simulated'\nscored_shapes = 4\nscored_bases = 9\nseed = 21\n");
  CHECK(out.observable == "excess_mse");
  CHECK(out.method == "lbfgs");
  CHECK(out.max_rate == 0.25);
  CHECK(out.starts == 7);
  CHECK(out.families == std::vector<std::string>{"cosine", "linear"});
  CHECK(out.warmups == std::vector<double>{0, 0.3});
  CHECK(out.warmup_mode == "first");
  CHECK(out.search == "random");
  CHECK(out.shapes == 11);
  CHECK(out.restarts == 2);
  CHECK(out.replicas == 13);
  CHECK(out.simulated_score);
  CHECK(out.scored_shapes == 4);
  CHECK(out.scored_bases == 9);
  CHECK(out.seed == 21);
}

TEST_CASE("schedule search: what does not go together") {
  const auto says = [](const std::string& keys, const std::string& part) {
    const std::string message = refused(keys);
    CAPTURE(message);
    CHECK(message.starts_with("x.toml: schedule_search." + part));
  };
  says("families = ['cosin']\n", "families: 'cosin' is not one of");
  says("families = []\n", "families: must name at least one");
  says("score = 'simulated'\n", "replicas: must be 1 or more");
  CHECK(refused("score = 'simulated'\nreplicas = 1\n") == "accepted");
  says("warmups = []\n", "warmups: must hold at least one fraction");
  says("warmups = [1.0]\n", "warmups: must be");
  // A mode of warm-up is read where one of them is above 0.
  says("warmups = [0.0, 0.0]\nwarmup_mode = 'first'\n", "warmup_mode: is read where");
  CHECK(refused("warmups = [0.0, 0.1]\nwarmup_mode = 'first'\n") == "accepted");
  CHECK(refused("warmup_mode = 'first'\n") == "accepted");
  says("search = 'none'\nshapes = 3\n", "shapes: is read where search = evolution or random");
  says("search = 'none'\nrestarts = 3\n", "restarts: is read where search = evolution or random");
  says("scored_shapes = 3\n", "scored_shapes: is read where score = simulated");
  says("scored_bases = 3\n", "scored_bases: is read where score = simulated");
  says("max_rate = 0\n", "max_rate: must be > 0");
  CHECK(refused("max_rate = inf\n") == "accepted");
  says("starts = 0\n", "starts: must be >= 1");
}
