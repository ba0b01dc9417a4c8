#pragma once
/// Wall times of pieces of work that are compared with each other.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <vector>

namespace edgewise::bench {

inline double seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Processor time of this thread, which others that share the machine's cores do not add to (its caches and memory they
/// still share).
inline double processor_seconds(const std::function<void()>& work) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const double start = now();
  work();
  return now() - start;
}

/// Least time of each piece of work, in turns, so that a disturbance of the machine meets all of them.
inline std::vector<double> best(const std::vector<std::function<void()>>& work, int rounds,
                                double (*time)(const std::function<void()>&) = &seconds) {
  std::vector<double> out(work.size(), 1e300);
  for (int round = 0; round < rounds; ++round)
    for (std::size_t w = 0; w < work.size(); ++w) out[w] = std::min(out[w], time(work[w]));
  return out;
}

}  // namespace edgewise::bench
