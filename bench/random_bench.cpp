/// Normals and uniforms per nanosecond, against Boost and the standard library; NumPy's are in normals_numpy.py.
#include <benchmark/benchmark.h>

#include <boost/random/mersenne_twister.hpp>
#include <boost/random/normal_distribution.hpp>
#include <random>
#include <vector>

#include "random/random.hpp"

namespace {

/// Reports the time of one number beside that of the whole buffer.
void report(benchmark::State& state, std::size_t numbers) {
  state.counters["per_number"] = benchmark::Counter(
      static_cast<double>(numbers), benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void edgewise_normals(benchmark::State& state) {
  std::vector<double> buffer(static_cast<std::size_t>(state.range(0)));
  edgewise::random::Stream stream(1, 0);
  std::uint64_t step = 0;
  for (auto _ : state) {
    stream.seek(step++);
    stream.normals(buffer);
    benchmark::DoNotOptimize(buffer.data());
    benchmark::ClobberMemory();
  }
  report(state, buffer.size());
  state.SetLabel(edgewise::random::simd_target());
}

void edgewise_uniforms(benchmark::State& state) {
  std::vector<double> buffer(static_cast<std::size_t>(state.range(0)));
  edgewise::random::Stream stream(1, 0);
  std::uint64_t step = 0;
  for (auto _ : state) {
    stream.seek(step++);
    stream.uniforms(buffer);
    benchmark::DoNotOptimize(buffer.data());
    benchmark::ClobberMemory();
  }
  report(state, buffer.size());
}

template <class Engine, class Distribution>
void peer_normals(benchmark::State& state) {
  std::vector<double> buffer(static_cast<std::size_t>(state.range(0)));
  Engine engine(1);
  Distribution normal;
  for (auto _ : state) {
    for (double& x : buffer) x = normal(engine);
    benchmark::DoNotOptimize(buffer.data());
    benchmark::ClobberMemory();
  }
  report(state, buffer.size());
}

void edgewise_chi_square(benchmark::State& state) {
  edgewise::random::Stream stream(1, 0);
  for (auto _ : state) benchmark::DoNotOptimize(stream.chi_square(static_cast<double>(state.range(0))));
  report(state, 1);
}

BENCHMARK(edgewise_normals)->Arg(1000)->Arg(100'000);
BENCHMARK(peer_normals<boost::random::mt19937_64, boost::random::normal_distribution<>>)
    ->Name("boost_normals")
    ->Arg(100'000);
BENCHMARK(peer_normals<std::mt19937_64, std::normal_distribution<>>)->Name("std_normals")->Arg(100'000);
BENCHMARK(edgewise_uniforms)->Arg(100'000);
BENCHMARK(edgewise_chi_square)->Arg(1)->Arg(16)->Arg(1'000'000'000);

}  // namespace

BENCHMARK_MAIN();
