// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/tensor_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <thread>

namespace edgewise::models::quadratic_regression {

namespace {

constexpr double share_of_available = 0.8;

std::string size_text(double bytes) {
  constexpr double kib = 1024;
  if (bytes < kib * kib) return fmt::format("{:.3g} KiB", bytes / kib);
  if (bytes < kib * kib * kib) return fmt::format("{:.3g} MiB", bytes / (kib * kib));
  return fmt::format("{:.3g} GiB", bytes / (kib * kib * kib));
}

std::string count_text(unsigned tensors) {
  return tensors == 1 ? "in all" : fmt::format("for each of {} replicas at a time", tensors);
}

}  // namespace

std::string TensorPlan::text() const {
  return fmt::format("tensor {}: {} {}", storage == CurvatureTensor::Storage::stored ? "stored" : "streamed",
                     size_text(bytes), count_text(at_a_time));
}

std::optional<double> available_memory() {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  double value = 0;
  while (in >> key >> value) {
    if (key == "MemAvailable:") return 1024 * value;
    std::getline(in, unit);
  }
  return std::nullopt;
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
  plan.limit = problem.memory_limit > 0
                   ? problem.memory_limit
                   : share_of_available * available.value_or(std::numeric_limits<double>::infinity());
  // A perturbed run beside each draws its own, the same.
  const double tensors = problem.perturbation > 0 && !problem.given ? 2 : 1;
  const double stored = tensors * CurvatureTensor::bytes(problem.law.outputs, problem.law.parameters, Storage::stored);
  const bool fits = stored * plan.at_a_time <= plan.limit;
  if ((problem.tensor == TensorStorage::stored || problem.law.portable) && !fits && !problem.given)
    throw std::invalid_argument(
        fmt::format("monte_carlo.tensor: the curvature tensor needs {} {}, more than the {} allowed ({}); use tensor = "
                    "\"streamed\" (slower, no "
                    "memory), fewer threads, shared_instance = true, or a smaller problem",
                    size_text(stored), count_text(plan.at_a_time), size_text(plan.limit),
                    problem.memory_limit > 0 ? "memory_limit" : "80% of what is available"));
  plan.storage = !problem.given && !problem.law.portable && (problem.tensor == TensorStorage::streamed || !fits)
                     ? Storage::streamed
                     : Storage::stored;
  plan.bytes = tensors * CurvatureTensor::bytes(problem.law.outputs, problem.law.parameters, plan.storage);
  return plan;
}

}  // namespace edgewise::models::quadratic_regression
