/// Simulation of second-order regression: the contraction of the curvature tensor, which is nearly all of a step,
/// against Eigen's own matrix product, measured in turns in one run. quadratic_simulation_numpy.py takes the same steps
/// in NumPy.
///
/// Rates count 2 D P^2 operations for a contraction, as a product with the whole D P x P matrix would take them; the
/// contraction reads half of that matrix, and once for all replicas of a group.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "bench/timing.hpp"
#include "linear_algebra/dense.hpp"
#include "models/quadratic_regression/instance.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace {

using namespace edgewise;
using bench::best;
using linear_algebra::Matrix;
using linear_algebra::Transposed;
using models::quadratic_regression::CurvatureTensor;

models::quadratic_regression::QuadraticLaw law_of(std::size_t outputs, std::size_t parameters) {
  models::quadratic_regression::QuadraticLaw law;
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

constexpr std::size_t group = 8;  // replicas that share an instance and step together

/// Tensor steps of replicas with an instance each, and of a group that shares one, against two peers: Eigen's product
/// of two square matrices, and its product of the whole D P x P tensor with one vector, which is what a step without
/// the symmetry would be.
void compare(std::size_t d, std::size_t p, unsigned threads) {
  constexpr std::size_t n = 384;
  constexpr int products = 2;
  const double one = 2 * static_cast<double>(d * p * p), product = 2 * static_cast<double>(n * n * n);
  const int repeats = std::max(4, static_cast<int>(1e7 / one));  // a run meets its tensor where the last step left it
  std::vector<Matrix> a(threads, Matrix(n, n, 0.5)), c(threads, Matrix(n, n));
  std::vector<Matrix> whole(threads, Matrix(d * p, p, 0.5));
  std::vector<models::quadratic_regression::QuadraticInstance> instances;
  for (unsigned t = 0; t < threads; ++t)
    instances.push_back(
        models::quadratic_regression::draw_instance(law_of(d, p), 1, t, CurvatureTensor::Storage::stored));
  std::vector<std::vector<Matrix>> w(threads, std::vector<Matrix>(group, Matrix(d, p)));
  std::vector<std::vector<double>> v(threads, std::vector<double>(p, 0.1)), scratch(threads);
  const auto contract_group = [&](unsigned t) {
    std::vector<const double*> from(group, v[t].data());
    std::vector<double*> to;
    for (Matrix& m : w[t]) to.push_back(m.data());
    for (int k = 0; k < repeats; ++k) instances[0].curvature.contract(from, to, scratch[t]);
  };
  const auto steps_of_group = [&](unsigned t) {
    std::vector<models::quadratic_regression::QuadraticState> states(
        group, models::quadratic_regression::QuadraticState(instances[0]));
    models::quadratic_regression::JointSteps steps;
    for (int k = 0; k < repeats; ++k) {
      for (models::quadratic_regression::QuadraticState& state : states) steps.add(state, {});
      steps.take({0.05});
    }
    (void)t;
  };
  const std::vector<double> time =
      best({[&] {
              in_threads(threads, [&](unsigned t) {
                for (int k = 0; k < products; ++k)
                  linear_algebra::multiply(1, a[t], Transposed::no, a[t], Transposed::no, 0, c[t]);
              });
            },
            [&] {
              in_threads(threads, [&](unsigned t) {
                for (int k = 0; k < repeats; ++k)
                  linear_algebra::multiply(d * p, 1, p, 1, whole[t].data(), d * p, Transposed::no, v[t].data(), p,
                                           Transposed::no, 0, w[t][0].data(), d * p);
              });
            },
            [&] {
              in_threads(threads, [&](unsigned t) {
                for (int k = 0; k < repeats; ++k) instances[t].curvature.contract(v[t], w[t][0], scratch[t]);
              });
            },
            [&] { in_threads(threads, contract_group); },
            [&] {
              in_threads(threads, [&](unsigned t) {
                models::quadratic_regression::QuadraticState state(instances[t]);
                for (int k = 0; k < repeats; ++k) state.step({0.05});
              });
            },
            [&] { in_threads(threads, steps_of_group); }},
           15);
  const double gemm = products * product / time[0] * 1e-9;
  const auto rate = [&](double seconds, double runs) { return repeats * runs * one / seconds * 1e-9; };
  const double alone = rate(time[2], 1), together = rate(time[3], group);
  std::printf(
      "D %4zu P %4zu threads %u (tensor %.1f MiB): Eigen's square product %6.2f GF/s, its product with one vector "
      "%5.2f; "
      "contraction alone %6.2f = %3.0f%%, in groups of %zu %6.2f = %3.0f%%; step %.1f us alone, %.1f in a group\n",
      d, p, threads, CurvatureTensor::bytes(d, p, CurvatureTensor::Storage::stored) / 1048576, gemm, rate(time[1], 1),
      alone, 100 * alone / gemm, group, together, 100 * together / gemm, 1e6 * time[4] / repeats,
      1e6 * time[5] / repeats / group);
}

void streamed(std::size_t d, std::size_t p) {
  const models::quadratic_regression::QuadraticInstance x =
      models::quadratic_regression::draw_instance(law_of(d, p), 1, 0, CurvatureTensor::Storage::streamed);
  models::quadratic_regression::QuadraticState state(x);
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
