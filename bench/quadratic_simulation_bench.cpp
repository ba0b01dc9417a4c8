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
#include <string_view>
#include <thread>
#include <vector>

#include "bench/timing.hpp"
#include "linear_algebra/dense.hpp"
#include "models/ingredients/curvature_tensor/instance.hpp"
#include "models/quadratic_regression/steps.hpp"

namespace {

using namespace edgewise;
using bench::best;
using linear_algebra::Matrix;
using linear_algebra::Transposed;
using models::ingredients::CurvatureTensor;

models::ingredients::QuadraticLaw law_of(std::size_t outputs, std::size_t parameters) {
  models::ingredients::QuadraticLaw law;
  law.outputs = outputs;
  law.parameters = parameters;
  law.curvature = 4;
  return law;
}

/// Runs `work` in that many threads at once, each with its own index.
void in_threads(unsigned threads, const std::function<void(unsigned)>& work) {
  if (threads == 1) {
    work(0);
    return;
  }
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
  std::vector<models::ingredients::QuadraticInstance> instances;
  for (unsigned t = 0; t < threads; ++t)
    instances.push_back(models::ingredients::draw_instance(law_of(d, p), 1, t, CurvatureTensor::Storage::stored));
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
           15, threads == 1 ? &bench::processor_seconds : &bench::seconds);
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

/// The sum of the numbers, read as `streams` equal parts side by side: nothing but their way from memory.
double read_all(const std::vector<double>& x, std::size_t streams) {
  const std::size_t part = x.size() / streams / 8 * 8;
  double sum[8] = {};
  for (std::size_t i = 0; i < part; i += 8)
    for (std::size_t s = 0; s < streams; ++s) {
      const double* from = x.data() + s * part + i;
      if (streams > 1) __builtin_prefetch(from + 64);
      for (std::size_t k = 0; k < 8; ++k) sum[k] += from[k];
    }
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

/// A single replica of D = P against its two bounds: Eigen's square product, and reading as many bytes as its tensor has,
/// in one stream and, as the contraction does, in eight. All in turns in one run, by processor time.
void single(std::size_t d, int rounds) {
  constexpr std::size_t n = 384;
  constexpr int products = 8;  // what the tensor has driven from the caches counts little
  const Matrix a(n, n, 0.5);
  Matrix c(n, n), w;
  const models::ingredients::QuadraticInstance x =
      models::ingredients::draw_instance(law_of(d, d), 1, 0, CurvatureTensor::Storage::stored);
  const double bytes = CurvatureTensor::bytes(d, d, CurvatureTensor::Storage::stored);
  const std::vector<double> plain(static_cast<std::size_t>(bytes / 8), 0.5);
  const std::vector<double> v(d, 0.1);
  std::vector<double> scratch;
  models::quadratic_regression::QuadraticState state(x);
  double kept = 0;
  const std::vector<double> time = best({[&] {
                                           for (int k = 0; k < products; ++k)
                                             linear_algebra::multiply(1, a, Transposed::no, a, Transposed::no, 0, c);
                                         },
                                         [&] { kept += read_all(plain, 1); }, [&] { kept += read_all(plain, 8); },
                                         [&] { x.curvature.contract(v, w, scratch); }, [&] { state.step({0.05}); }},
                                        rounds, &bench::processor_seconds);
  const double gemm = 2.0 * products * n * n * n / time[0] * 1e-9, one = 2.0 * static_cast<double>(d * d * d) * 1e-9;
  const double moved =
      1.25 * bytes;  // a block of eight columns reads and writes the rows above it: 2/8 of its own numbers
  std::printf(
      "D = P = %zu, one replica (tensor %.0f MiB): Eigen's square product %.1f GF/s; contraction %.2f ms, %.1f GF/s = "
      "%.0f%%; step %.2f ms, %.1f GF/s = %.0f%%; reading as many bytes %.2f ms in one stream, %.2f in eight (%.1f "
      "GB/s): the "
      "step takes %.2f of the shorter; with its results, read and written once a block, it moves %.0f MiB at %.1f "
      "GB/s%s\n",
      d, bytes / 1048576, gemm, 1e3 * time[3], one / time[3], 100 * one / time[3] / gemm, 1e3 * time[4], one / time[4],
      100 * one / time[4] / gemm, 1e3 * time[1], 1e3 * time[2], bytes / std::min(time[1], time[2]) * 1e-9,
      time[4] / std::min(time[1], time[2]), moved / 1048576, moved / time[4] * 1e-9, kept == 0 ? "" : ".");
}

void streamed(std::size_t d, std::size_t p) {
  const models::ingredients::QuadraticInstance x =
      models::ingredients::draw_instance(law_of(d, p), 1, 0, CurvatureTensor::Storage::streamed);
  models::quadratic_regression::QuadraticState state(x);
  const std::vector<double> time = best({[&] { state.step({0.05}); }}, 15);
  const double normals = 0.5 * static_cast<double>(d * p * p);
  std::printf("D %4zu P %4zu streamed: %9.1f us/step, %.2f ns per entry drawn\n", d, p, 1e6 * time[0],
              1e9 * time[0] / normals);
}

}  // namespace

/// `single` as the only argument: the first two lines alone.
int main(int argc, char** argv) {
  single(200, 40);
  single(400, 15);
  if (argc > 1 && std::string_view(argv[1]) == "single") return 0;
  for (const unsigned threads : {1u, 2u})
    for (const auto& [d, p] :
         {std::pair<std::size_t, std::size_t>{20, 40}, {40, 80}, {60, 120}, {100, 200}, {200, 400}})
      compare(d, p, threads);
  streamed(40, 80);
  streamed(100, 200);
}
