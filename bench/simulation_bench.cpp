/// Cost of a simulated SGD step on least squares: every sampler, several batches; naive NumPy is in naive_sgd_numpy.py.
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "models/least_squares/least_squares.hpp"
#include "random/random.hpp"

namespace {

namespace models = edgewise::models;

class Flat final : public models::ingredients::Schedule {
 public:
  double at(double) const override { return 1; }
  bool constant() const override { return true; }
};

/// A power law of `modes` eigenvalues, every one `multiplicity` times.
std::shared_ptr<const models::least_squares::LeastSquares> power_law(std::size_t modes, double multiplicity,
                                                                     double batch) {
  auto problem = std::make_shared<models::least_squares::LeastSquares>();
  double trace = 0;
  for (std::size_t j = 1; j <= modes; ++j) {
    const double lambda = std::pow(static_cast<double>(j), -1.2);
    problem->spectrum.eigenvalue.push_back(lambda);
    problem->spectrum.multiplicity.push_back(multiplicity);
    problem->initial_power.push_back(1 / static_cast<double>(j));
    trace += multiplicity * lambda;
  }
  problem->spectrum.target_power = problem->initial_power;
  problem->batch = batch;
  problem->learning_rate = 0.5 / trace;
  problem->label_noise_variance = 0.04;
  problem->schedule = std::make_shared<Flat>();
  return problem;
}

/// Steps of one replica; `per_mode` is the time of one mode in one step.
void steps(benchmark::State& state, models::least_squares::Sampler sampler, double multiplicity) {
  const auto modes = static_cast<std::size_t>(state.range(0));
  const auto simulation =
      models::least_squares::simulate_sgd(power_law(modes, multiplicity, static_cast<double>(state.range(1))), sampler);
  const auto replica = simulation->replica(1, 0);
  std::uint64_t step = 0;
  for (auto _ : state) replica->advance(++step);
  state.counters["per_mode"] = benchmark::Counter(
      static_cast<double>(modes), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// What a mode-step is measured against: as many normals as modes.
void normals(benchmark::State& state) {
  std::vector<double> buffer(static_cast<std::size_t>(state.range(0)));
  edgewise::random::Stream stream(1, 0);
  std::uint64_t step = 0;
  for (auto _ : state) {
    stream.seek(step++);
    stream.normals(buffer);
    benchmark::DoNotOptimize(buffer.data());
    benchmark::ClobberMemory();
  }
  state.counters["per_mode"] = benchmark::Counter(
      static_cast<double>(buffer.size()), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

BENCHMARK(normals)->Arg(1000)->Arg(10'000);
BENCHMARK_CAPTURE(steps, exact, models::least_squares::Sampler::exact, 1.0)
    ->ArgsProduct({{1000, 10'000}, {1, 16, 256, 65'536}});
BENCHMARK_CAPTURE(steps, batch, models::least_squares::Sampler::batch, 1.0)->ArgsProduct({{1000}, {1, 16, 256}});
BENCHMARK_CAPTURE(steps, naive, models::least_squares::Sampler::naive, 1.0)->ArgsProduct({{1000}, {1, 16, 256}});
BENCHMARK_CAPTURE(steps, block, models::least_squares::Sampler::block, 1e6)->ArgsProduct({{2, 1000}, {1, 256}});

}  // namespace

BENCHMARK_MAIN();
