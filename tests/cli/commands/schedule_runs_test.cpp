#include "cli/commands/schedule_runs.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/cli/program_run.hpp"

using namespace edgewise;
using edgewise::cli::testing::small_experiment;
using edgewise::tests::Approx;
using settings::Value;

namespace {

models::Experiment experiment(const std::string& text) {
  return models::read_experiment(settings::read_text(text, "e.toml"));
}

}  // namespace

TEST_CASE("given rates take the place of the schedule and the learning rate, and of nothing else") {
  const models::Experiment at = cli::at_rates(
      experiment(
          "model = 'least-squares'\ntitle = 'T'\n[spectrum]\nkind = 'isotropic'\ndimension = 4\n[optimizer]\nkind "
          "= 'sgd'\nlearning_rate = 0.5\nbatch = 8\n[schedule]\nkind = 'linear'\nwarmup = "
          "0.1\n[schedule.batch]\nkind = 'cosine'\n[time]\nsteps = 2\n"),
      {0.25, 0.125});
  const settings::Table& table = at.table;
  CHECK(*table.find("title") == Value(std::string("T")));
  CHECK(*table.table("spectrum")->find("dimension") == Value(std::int64_t{4}));
  const settings::Table& optimizer = *table.table("optimizer");
  CHECK(*optimizer.find("learning_rate") == Value(1.0));
  CHECK(*optimizer.find("batch") == Value(std::int64_t{8}));
  CHECK(optimizer.keys().size() == 3);
  const settings::Table& schedule = *table.table("schedule");
  CHECK(*schedule.find("kind") == Value(std::string("table")));
  CHECK(*schedule.find("values") == Value(std::vector<double>{0.25, 0.125}));
  CHECK(schedule.find("warmup") == nullptr);
  CHECK(*schedule.table("batch")->find("kind") == Value(std::string("cosine")));
  CHECK(at.time.steps == 2);
  const models::Experiment phased = cli::at_rates(
      experiment(
          "model = 'least-squares'\n[optimizer]\nkind = 'custom'\n[[optimizer.phase]]\nn = 3\n[[optimizer.phase]]\nn "
          "= 5\n[time]\nsteps = 1\n"),
      {0.5});
  REQUIRE(phased.table.table("optimizer")->tables("phase").size() == 2);
  CHECK(*phased.table.table("optimizer")->tables("phase")[1].find("n") == Value(std::int64_t{5}));
  const models::Experiment scaled =
      cli::at_rates(experiment("model = 'least-squares'\n[optimizer]\ngamma = 0.5\n[time]\nsteps = 1\n"), {0.5});
  CHECK(scaled.table.table("optimizer")->find("gamma") == nullptr);
}

TEST_CASE("the end of the runs: its mean, error and median over the replicas") {
  // In one direction, from x = 1 without noise, full batches: x' = (1 - e) x, half its square is the risk.
  std::ostringstream out, err;
  const cli::Context context{out, err};
  const auto end_of = [&](const std::string& batch, std::uint64_t replicas, const std::string& observable) {
    return cli::run_at_rates(
        context, "e.toml",
        experiment("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0]\ntarget_power = "
                   "[1.0]\n[optimizer]\nlearning_rate = 0.5\nbatch = " +
                   batch + "\n[time]\nsteps = 2\n[monte_carlo]\nseed = 3\n"),
        {0.5, 0.25}, observable, replicas, "");
  };
  const cli::EndOfRuns exact = end_of("inf", 5, "excess_mse");
  CHECK(exact.mean == Approx(std::pow(0.5 * 0.75, 2)).epsilon(1e-12));
  CHECK(exact.median == Approx(exact.mean).epsilon(1e-12));
  CHECK(exact.sem < 1e-15);
  CHECK(exact.replicas == 5);
  CHECK(exact.diverged == 0);
  CHECK(end_of("inf", 2, "risk").mean == Approx(exact.mean / 2).epsilon(1e-12));
  // One example a step, z normal: E (1 - e z^2)^2 = 1 - 2 e + 3 e^2.
  const double mean = (1 - 1 + 3 * 0.25) * (1 - 0.5 + 3 * 0.0625);
  const cli::EndOfRuns one = end_of("1", 20000, "excess_mse");
  CHECK(std::abs(one.mean - mean) < 4.5 * one.sem);  // false alarm below 1e-5
  CHECK(one.sem > 0);
  CHECK(one.median < one.mean);
  // Runs that diverge have no end.
  const cli::EndOfRuns lost = cli::run_at_rates(
      context, "e.toml",
      experiment("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0]\ntarget_power = "
                 "[1.0]\n[optimizer]\nlearning_rate = 0.5\n[time]\nsteps = 3\n[monte_carlo]\nseed = 3\n"),
      {1e60, 1e60, 1e60}, "risk", 4, "");
  CHECK(lost.mean == std::numeric_limits<double>::infinity());
  CHECK(lost.median == std::numeric_limits<double>::infinity());
  CHECK(lost.diverged == 4);
  CHECK_THROWS_WITH_AS(end_of("1", 2, "nothing"),
                       "e.toml: schedule_search.replicas: the simulation does not observe nothing", settings::Error);
}
