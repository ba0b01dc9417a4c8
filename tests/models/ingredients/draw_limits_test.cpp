// Bounds of what is drawn, from the size of a random stream: 2^32 - 1 blocks of two numbers for a step, 2^32 replicas.
#include "models/ingredients/draw_limits.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/ingredients/batch_weights.hpp"
#include "models/ingredients/data_draw.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients;

namespace {

template <class Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "accepted";
}

std::string of_batch(double batch, double words = 0) {
  return refusal([&] { check_examples(batch, words); });
}

constexpr double gib = 1073741824.0;

std::string of_workers(double workers, std::uint64_t replicas, double bytes = 0, double available = 1e300) {
  return refusal([&] { check_workers(workers, replicas, bytes, available); });
}

}  // namespace

TEST_CASE("examples drawn one by one: as many as a stream has numbers for") {
  // (2^33 - 2)/8, and with 100 of the stream of the data (2^33 - 2)/100.
  CHECK(of_batch(1073741823) == "accepted");
  CHECK(of_batch(1073741824) ==
        "optimizer.batch: 1073741824 examples a step are more than can be drawn one by one (at most 1073741823 here)");
  CHECK(of_batch(85899345, 100) == "accepted");
  CHECK(of_batch(85899346, 100) ==
        "optimizer.batch: 85899346 examples a step are more than can be drawn one by one (at most 85899345 here)");
  // Every size that no 64 bit integer holds.
  for (const double batch :
       {1.9e19, 1e20, 1e150, 1e308, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    CHECK(of_batch(batch).starts_with("optimizer.batch: "));
}

TEST_CASE("a batch at the bound is within its stream, by the numbers that a draw takes") {
  for (const InputLaw law : {InputLaw::gaussian, InputLaw::rademacher, InputLaw::uniform, InputLaw::laplace}) {
    constexpr std::size_t size = 128;
    DataDraw draw(law, size);
    std::vector<double> z(size);
    random::Stream drawn(3, 1), counted(3, 1);
    draw(drawn, z);
    // The next number of the stream is that after words_of() * size.
    for (double left = words_of(law) * size; left > 0; --left) counted.bits();
    CHECK(drawn.bits() == counted.bits());
  }
}

TEST_CASE("workers: random numbers of their own for each, and memory") {
  CHECK(of_workers(2147483648.0, 2) == "accepted");
  CHECK(
      of_workers(2147483649.0, 2) ==
      "optimizer.workers: 2147483649 workers in each of 2 replicas are more than have random numbers of their own (at "
      "most 4294967296 of all replicas)");
  for (const double workers : {1.9e19, 1e20, 1e150, 1e300, std::numeric_limits<double>::infinity()})
    for (const std::uint64_t replicas : {0u, 1u, 2u})
      CHECK(of_workers(workers, replicas).starts_with("optimizer.workers: "));
  // 80% of 20 GiB, for the one replica that there is.
  CHECK(of_workers(16, 1, gib, 20 * gib) == "accepted");
  CHECK(of_workers(17, 1, gib, 20 * gib) ==
        "optimizer.workers: 17 workers need 17 GiB in each replica that runs at a time, of which there are 1: more "
        "than 16 "
        "GiB, 80% of the memory available; ask for fewer workers or replicas, or a smaller spectrum.dimension");
  CHECK(of_workers(1, 1, 30 * gib, 20 * gib) == "accepted");  // as a method without workers
  CHECK(refusal([] { check_workers(1e6, 1, gib, std::nullopt); }) == "accepted");
}

TEST_CASE("label noise in turn is that of all at once, however many") {
  const auto student = student_noise(3.5, 0.7);
  for (const std::size_t count : {1u, 64u, 1024u, 1025u, 3000u}) {
    LabelNoise at_once(student.get(), 0.3, 5, 2), in_turn = at_once;
    for (const std::uint64_t step : {4u, 9u}) {
      at_once.seek(step);
      in_turn.seek(step);
      std::vector<double> expected(count), seen;
      at_once.fill(expected);
      in_turn.each(static_cast<double>(count), [&](double eps) { seen.push_back(eps); });
      CHECK(seen == expected);
    }
  }
}
