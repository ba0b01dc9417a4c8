// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/tensor_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <thread>

namespace edgewise::models::quadratic_regression {

namespace {

std::string count_text(unsigned tensors) {
  return tensors == 1 ? "in all" : fmt::format("for each of {} replicas at a time", tensors);
}

}  // namespace

std::string TensorPlan::text() const {
  return fmt::format("tensor {}: {} {}", storage == CurvatureTensor::Storage::stored ? "stored" : "streamed",
                     ingredients::memory_text(bytes), count_text(at_a_time));
}

unsigned run_threads(const QuadraticProblem& problem) {
  return problem.threads > 0 ? problem.threads : std::max(1u, std::thread::hardware_concurrency());
}

TensorPlan plan_tensors(const QuadraticProblem& problem, std::optional<double> available) {
  using Storage = CurvatureTensor::Storage;
  TensorPlan plan;
  const unsigned threads = run_threads(problem);
  plan.at_a_time = problem.shared_instance || problem.given
                       ? 1
                       : static_cast<unsigned>(std::min<std::uint64_t>(threads, problem.replicas));
  plan.limit = problem.memory_limit > 0 ? problem.memory_limit
                                        : ingredients::share_of_available_memory *
                                              available.value_or(std::numeric_limits<double>::infinity());
  // A perturbed run beside each draws its own, the same.
  const double tensors = problem.perturbation > 0 && !problem.given ? 2 : 1;
  const double stored = tensors * CurvatureTensor::bytes(problem.law.outputs, problem.law.parameters, Storage::stored);
  const bool fits = stored * plan.at_a_time <= plan.limit;
  if ((problem.tensor == TensorStorage::stored || problem.law.portable) && !fits && !problem.given)
    throw std::invalid_argument(
        fmt::format("monte_carlo.tensor: the curvature tensor needs {} {}, more than the {} allowed ({}); use tensor = "
                    "\"streamed\" (slower, no "
                    "memory), fewer threads, shared_instance = true, or a smaller problem",
                    ingredients::memory_text(stored), count_text(plan.at_a_time), ingredients::memory_text(plan.limit),
                    problem.memory_limit > 0 ? "memory_limit" : "80% of what is available"));
  plan.storage = !problem.given && !problem.law.portable && (problem.tensor == TensorStorage::streamed || !fits)
                     ? Storage::streamed
                     : Storage::stored;
  plan.bytes = tensors * CurvatureTensor::bytes(problem.law.outputs, problem.law.parameters, plan.storage);
  return plan;
}

}  // namespace edgewise::models::quadratic_regression
