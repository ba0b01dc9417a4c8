/// The memory recursion of quadratic regression: time against the horizon. quadratic_memory_numpy.py solves the same
/// problem as one writes it in NumPy.
///
/// Usage: quadratic_memory_bench [steps ...]
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

#include "models/quadratic_regression/memory.hpp"

int main(int argc, char** argv) {
  std::vector<std::size_t> horizons;
  for (int i = 1; i < argc; ++i) horizons.push_back(std::stoul(argv[i]));
  if (horizons.empty()) horizons = {100, 300, 1000, 2000};
  edgewise::models::quadratic_regression::QuadraticMemoryProblem problem;
  problem.ensemble.kappa = 2;
  problem.batch_fraction = 0.2;
  problem.learning_rate = {0.3};
  for (const std::size_t steps : horizons) {
    problem.steps = steps;
    double best = 1e300, loss = 0;
    for (int run = 0; run < (steps <= 1000 ? 5 : 1); ++run) {
      const auto start = std::chrono::steady_clock::now();
      loss = edgewise::models::quadratic_regression::solve_quadratic_memory(problem).loss.back();
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      best = std::min(best, elapsed.count());
    }
    std::printf(
        "edgewise, %5zu steps: %10.1f ms, loss at the end %.12e, %.1f MB\n", steps, 1e3 * best, loss,
        1e-6 * static_cast<double>(edgewise::models::quadratic_regression::quadratic_memory_bytes(steps, false)));
  }
}
