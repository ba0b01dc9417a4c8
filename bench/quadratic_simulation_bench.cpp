/// Simulation of second-order regression: the contraction of the curvature tensor, which is nearly all of a step,
/// against Eigen's own matrix product, measured in turns in one run. quadratic_simulation_numpy.py takes the same steps
/// in NumPy.
///
/// Rates count 2 D P^2 operations for a contraction, as a product with the whole D P x P matrix would take them; the
/// contraction reads half of that matrix.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "bench/timing.hpp"
#include "linear_algebra/dense.hpp"
#include "models/quadratic/instance.hpp"
#include "models/quadratic/steps.hpp"

namespace {

using namespace edgewise;
using bench::best;
using linear_algebra::Matrix;
using models::CurvatureTensor;

models::QuadraticLaw law_of(std::size_t outputs, std::size_t parameters) {
  models::QuadraticLaw law;
  law.outputs = outputs;
  law.parameters = parameters;
  law.curvature = 4;
  return law;
}

/// Runs `work` in that many threads at once, each with its own index.
void in_threads(unsigned threads, const std::function<void(unsigned)>& work) {
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t) running.emplace_back(work, t);
  for (std::thread& thread : running) thread.join();
}

void compare(std::size_t d, std::size_t p, unsigned threads) {
  constexpr std::size_t n = 384;
  std::vector<Matrix> a(threads, Matrix(n, n, 0.5)), c(threads, Matrix(n, n));
  std::vector<models::QuadraticInstance> instances;
  for (unsigned t = 0; t < threads; ++t)
    instances.push_back(models::draw_instance(law_of(d, p), 1, t, CurvatureTensor::Storage::stored));
  std::vector<Matrix> w(threads, Matrix(d, p));
  std::vector<std::vector<double>> v(threads, std::vector<double>(p, 0.1)), scratch(threads);
  const double one = 2 * static_cast<double>(d * p * p), product = 2 * static_cast<double>(n * n * n);
  const int repeats = std::max(20, static_cast<int>(2e7 / one));  // a run meets its tensor where the last step left it
  const int products = 2;
  const std::vector<double> time = best({[&] {
                                           in_threads(threads, [&](unsigned t) {
                                             for (int k = 0; k < products; ++k)
                                               linear_algebra::multiply(1, a[t], linear_algebra::Transposed::no, a[t],
                                                                        linear_algebra::Transposed::no, 0, c[t]);
                                           });
                                         },
                                         [&] {
                                           in_threads(threads, [&](unsigned t) {
                                             for (int k = 0; k < repeats; ++k)
                                               instances[t].curvature.contract(v[t], w[t], scratch[t]);
                                           });
                                         },
                                         [&] {
                                           in_threads(threads, [&](unsigned t) {
                                             models::QuadraticState state(instances[t]);
                                             for (int k = 0; k < repeats; ++k) state.step({0.05});
                                           });
                                         }},
                                        25);
  const double gemm = products * product / time[0] * 1e-9, contraction = repeats * one / time[1] * 1e-9;
  std::printf(
      "D %4zu P %4zu threads %u: Eigen's product %6.2f GF/s, contraction %6.2f GF/s = %3.0f%%, %9.1f us/step (%.1f "
      "MiB)\n",
      d, p, threads, gemm, contraction, 100 * contraction / gemm, 1e6 * time[2] / repeats,
      CurvatureTensor::bytes(d, p, CurvatureTensor::Storage::stored) / 1048576);
}

void streamed(std::size_t d, std::size_t p) {
  const models::QuadraticInstance x = models::draw_instance(law_of(d, p), 1, 0, CurvatureTensor::Storage::streamed);
  models::QuadraticState state(x);
  const std::vector<double> time = best({[&] { state.step({0.05}); }}, 15);
  const double normals = 0.5 * static_cast<double>(d * p * p);
  std::printf("D %4zu P %4zu streamed: %9.1f us/step, %.2f ns per entry drawn\n", d, p, 1e6 * time[0],
              1e9 * time[0] / normals);
}

}  // namespace

int main() {
  for (const unsigned threads : {1u, 2u})
    for (const auto& [d, p] :
         {std::pair<std::size_t, std::size_t>{20, 40}, {40, 80}, {60, 120}, {100, 200}, {200, 400}})
      compare(d, p, threads);
  streamed(40, 80);
  streamed(100, 200);
}
