/// The gradient of the final loss by the learning rate of every step, against the loss itself and against a solve of the
/// experiment. A gradient is asked to cost at most four solves.
///
///     schedule_bench EXPERIMENT.toml...
///
/// Prints the least processor time of each in milliseconds, taken in turns, and the gradient's in losses and in solves.
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "bench/timing.hpp"
#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/framework/rate_objective.hpp"
#include "settings/settings.hpp"

int main(int argc, char** argv) {
  using namespace edgewise;
  std::printf("%-40s %6s %9s %9s %9s %7s %7s\n", "experiment", "steps", "loss, ms", "solve, ms", "slope, ms", "losses",
              "solves");
  for (int i = 1; i < argc; ++i) {
    const models::Experiment experiment = models::read_experiment(settings::read_file(argv[i]));
    const auto problem = models::find(experiment).prepare(experiment);
    const std::unique_ptr<models::RateObjective> J = problem->rate_objective("");
    if (!J) continue;
    std::vector<double> rates(J->steps(), 0.2 * J->natural_rate());
    while (!std::isfinite(J->value(rates)))
      for (double& rate : rates) rate /= 2;
    std::vector<double> slope(rates.size());
    double kept = 0;
    // Each piece of work long enough for the clock.
    const double once = bench::seconds([&] { kept += J->gradient(rates, slope); });
    const int repeats = once < 1e-3 ? 20 : 1;
    const auto many = [&](const auto& work) {
      return [work, repeats] {
        for (int k = 0; k < repeats; ++k) work();
      };
    };
    std::vector<double> times =
        bench::best({many([&] { kept += J->value(rates); }), many([&] { kept += problem->solve().steps.empty(); }),
                     many([&] { kept += J->gradient(rates, slope); })},
                    once < 1e-3 ? 25 : 5, &bench::processor_seconds);
    for (double& t : times) t *= 1e3 / repeats;
    const std::string path = argv[i];
    std::printf("%-40s %6zu %9.3f %9.3f %9.3f %7.2f %7.2f%s\n", path.substr(path.rfind('/') + 1).c_str(), rates.size(),
                times[0], times[1], times[2], times[2] / times[0], times[2] / times[1], kept == 0 ? " (no loss)" : "");
    std::fflush(stdout);
  }
}
