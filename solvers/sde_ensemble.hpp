#pragma once
/// \file
/// Averages over the paths of an Ito equation.
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "solvers/sde.hpp"

namespace edgewise::solvers {

struct EnsembleOptions {
  SdeScheme scheme = SdeScheme::euler_maruyama;
  double time_step = 1;
  std::uint64_t paths = 64;
  std::uint64_t seed = 1;
};

struct Ensemble {
  std::vector<std::vector<double>> mean;  ///< [time][reading], up to the last time that every path reached
  std::vector<std::vector<double>> std;   ///< of one path, with paths - 1 in its denominator
  std::optional<double> diverged_at;      ///< the first time that a path did not reach

  /// Standard errors of the means of one reading.
  std::vector<double> standard_errors(std::size_t reading, std::uint64_t paths) const;
};

/// Writes what is read of a state; false when the path has diverged there.
using PathReading = std::function<bool(double t, std::span<const double> x, std::span<double> out)>;

/// Path `k` draws from the stream (seed, k). `times` increase; x(0) = x0, so 0 may be the first of them.
/// \param readings how many numbers `read` writes
/// \throws std::invalid_argument for fewer than two paths, or as simulate_path.
Ensemble average_paths(const Sde& sde, std::span<const double> x0, std::span<const double> times, std::size_t readings,
                       const PathReading& read, const EnsembleOptions& options);

}  // namespace edgewise::solvers
