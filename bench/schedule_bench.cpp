/// The gradient of the final loss by the learning rate of every step, against the loss itself, for every shipped experiment
/// of `edgewise schedule`. A gradient is asked to cost at most four solves.
///
///     schedule_bench EXPERIMENT.toml...
///
/// Prints the least processor time of each in milliseconds, taken in turns, and their ratio.
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
  std::printf("%-52s %8s %10s %10s %7s\n", "experiment", "steps", "loss, ms", "slope, ms", "ratio");
  for (int i = 1; i < argc; ++i) {
    const models::Experiment experiment = models::read_experiment(settings::read_file(argv[i]));
    const auto problem = models::find(experiment).prepare(experiment);
    const std::unique_ptr<models::RateObjective> J = problem->rate_objective("");
    if (!J) continue;
    const std::vector<double> rates(J->steps(), 0.2 * J->natural_rate());
    std::vector<double> slope(rates.size());
    // Each piece of work long enough for the clock.
    const auto many = [](const auto& work) {
      return [work] {
        for (int k = 0; k < 20; ++k) work();
      };
    };
    double kept = 0;
    const std::vector<double> times =
        bench::best({many([&] { kept += J->value(rates); }), many([&] { kept += J->gradient(rates, slope); })}, 50,
                    &bench::processor_seconds);
    const std::string path = argv[i];
    std::printf("%-52s %8zu %10.3f %10.3f %7.2f%s\n", path.substr(path.rfind('/') + 1).c_str(), rates.size(),
                times[0] / 20 * 1e3, times[1] / 20 * 1e3, times[1] / times[0], kept == 0 ? " (no loss)" : "");
  }
}
