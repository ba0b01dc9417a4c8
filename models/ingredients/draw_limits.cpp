// Built at -O1: nothing here takes time.
#include "models/ingredients/draw_limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <thread>

namespace edgewise::models::ingredients {

namespace {

/// Of random::Stream: numbers of 64 bits of a step, two to a block, of which the last is never given out; and replicas.
constexpr double words_a_step = 2 * 4294967295.0, streams = 4294967296.0;
/// What a label may take of its stream.
constexpr double words_a_label = 8;

}  // namespace

double most_examples(double words) {
  return std::floor(words_a_step / std::max(words, words_a_label));
}

void check_examples(double batch, double words) {
  const double most = most_examples(words);
  if (!(batch <= most))
    throw std::invalid_argument(fmt::format(
        "optimizer.batch: {} examples a step are more than can be drawn one by one (at most {} here)", batch, most));
}

void check_workers(double workers, std::uint64_t replicas, double bytes, std::optional<double> available) {
  const auto of_all = static_cast<double>(std::max<std::uint64_t>(replicas, 1));
  if (!(workers * of_all <= streams))
    throw std::invalid_argument(
        fmt::format("optimizer.workers: {} workers in each of {} replicas are more than have random numbers of their "
                    "own (at most {} of all replicas)",
                    workers, of_all, streams));
  const double at_a_time = std::min(of_all, static_cast<double>(std::max(1u, std::thread::hardware_concurrency())));
  const double limit = share_of_available_memory * available.value_or(std::numeric_limits<double>::infinity());
  // One worker takes what a method without workers does.
  if (workers > 1 && workers * bytes * at_a_time > limit)
    throw std::invalid_argument(fmt::format(
        "optimizer.workers: {} workers need {} in each replica that runs at a time, of which there are {}: more than "
        "{}, 80% of the memory available; ask for fewer workers or replicas, or a smaller spectrum.dimension",
        workers, memory_text(workers * bytes), at_a_time, memory_text(limit)));
}

}  // namespace edgewise::models::ingredients
