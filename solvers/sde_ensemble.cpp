#include "solvers/sde_ensemble.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace edgewise::solvers {

std::vector<double> Ensemble::standard_errors(std::size_t reading, std::uint64_t paths) const {
  std::vector<double> out;
  for (const auto& row : std) out.push_back(row[reading] / std::sqrt(static_cast<double>(paths)));
  return out;
}

Ensemble average_paths(const Sde& sde, std::span<const double> x0, std::span<const double> times, std::size_t readings,
                       const PathReading& read, const EnsembleOptions& options) {
  if (options.paths < 2) throw std::invalid_argument("an average over paths needs at least two of them");
  std::vector<double> at(times.begin(), times.end());
  const bool later = !at.empty() && at.front() > 0;
  if (later) at.insert(at.begin(), 0.0);
  const std::size_t skipped = later ? 1 : 0, count = times.size();
  std::vector<std::vector<double>> sum(count, std::vector<double>(readings, 0)), square = sum;
  std::vector<double> value(readings);
  std::size_t reached = count;
  for (std::uint64_t path = 0; path < options.paths; ++path) {
    random::Stream stream(options.seed, path, 0, random::Purpose::other);
    std::size_t alive = 0;
    simulate_path(sde, options.scheme, x0, at, options.time_step, stream,
                  [&](std::size_t index, double t, std::span<const double> x) {
                    if (index < skipped) return true;
                    if (!read(t, x, value)) return false;
                    const std::size_t i = index - skipped;
                    for (std::size_t l = 0; l < readings; ++l) {
                      sum[i][l] += value[l];
                      square[i][l] += value[l] * value[l];
                    }
                    alive = i + 1;
                    return true;
                  });
    reached = std::min(reached, alive);
  }
  Ensemble out;
  const double n = static_cast<double>(options.paths);
  for (std::size_t i = 0; i < reached; ++i) {
    auto& mean = out.mean.emplace_back();
    auto& std = out.std.emplace_back();
    for (std::size_t l = 0; l < readings; ++l) {
      mean.push_back(sum[i][l] / n);
      std.push_back(std::sqrt(std::max(0.0, (square[i][l] - n * mean[l] * mean[l]) / (n - 1))));
    }
  }
  if (reached < count) out.diverged_at = times[reached];
  return out;
}

}  // namespace edgewise::solvers
