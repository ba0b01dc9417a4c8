#include "models/ingredients/rare_noise.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

double rare_share(const Noise& noise, double probability) {
  return rare_variance(noise, probability) / noise.variance();
}

}  // namespace

TEST_CASE("rare values of Student's t: at 4 degrees tail and second moment are algebraic") {
  // With s = t/sqrt(4 + t^2): P(|T| > t) = 1 - 3/2 s + s^3/2, and of E T^2 = 2 the share beyond t is 1 - s^3.
  const auto noise = student_noise(4, 0.3);
  for (const double s : {0.1, 0.9, 0.999, 0.9999999}) {
    const double u = 1 - s, probability = u * u * (1.5 - 0.5 * u), share = u * (3 - 3 * u + u * u);
    CHECK(rare_share(*noise, probability) == Approx(share).epsilon(1e-6));
  }
  CHECK(rare_share(*noise, 1) == 1);
  // Of 2.1 degrees, by the tail's power law, 55% of the variance is beyond what 1e6 draws meet.
  CHECK(rare_share(*student_noise(2.1, 1), 1e-6) == Approx(0.55204).epsilon(1e-4));
}

TEST_CASE("rare values of outliers, of two sizes and of three points") {
  // 1e-6 outliers of scale 1000 beside N(0, 1): half of the variance. The largest 1% of them lie beyond 2.5758 scales.
  const auto noise = contaminated_noise(1, 1000, 1e-6);
  CHECK(rare_share(*noise, 5e-6) == Approx(0.5).epsilon(1e-3));
  const double z = 2.575829303548901, density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
  CHECK(rare_variance(*noise, 1e-8) == Approx(0.01 + 2 * z * density).epsilon(1e-6));
  CHECK(rare_variance(*three_point_noise(10, 1e-3), 1e-2) == Approx(0.1));
  CHECK(rare_variance(*three_point_noise(10, 1e-3), 1e-4) == Approx(0.01));
  // Blurred by N(0, 0.01): +-10 with a width, E eps^2 = 100.01 there; nothing else reaches so far.
  const auto blurred = blurred_noise(std::shared_ptr<const Noise>(three_point_noise(10, 1e-3)), 0.01);
  CHECK(rare_variance(*blurred, 1e-3) == Approx(0.1 + 1e-5).epsilon(1e-6));
  // The farther half of either side: E (10 + z/10)^2 over z > 0.
  CHECK(rare_variance(*blurred, 5e-4) == Approx(1e-3 * (50 + 2 / std::sqrt(2 * M_PI) + 0.005)).epsilon(1e-6));
  // One normal law of each sign, wide enough to reach across: E eps^2 over |eps| > x of N(+-1, 1), x = 1.5, by hand.
  const auto wide = blurred_noise(std::shared_ptr<const Noise>(rademacher_noise(1)), 1);
  const auto above = [](double x) { return 0.5 * std::erfc(x / std::sqrt(2.0)); };
  const auto phi = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); };
  CHECK(rare_variance(*wide, above(0.5) + above(2.5)) ==
        Approx(2 * (above(0.5) + above(2.5)) + (2 + 0.5) * phi(0.5) + (-2 + 2.5) * phi(2.5)).epsilon(1e-9));
}

TEST_CASE("which laws have rare values") {
  for (const auto& noise :
       {student_noise(4.9, 1), student_noise(2.1, 1), contaminated_noise(1, 10, 0.01), three_point_noise(1, 0.05)})
    CHECK(has_rare_values(*noise));
  for (const auto& noise : {gaussian_noise(1), laplace_noise(1), uniform_noise(1), rademacher_noise(1), no_noise(),
                            student_noise(6, 1), student_noise(2, 1), contaminated_noise(1, 2, 0.5)})
    CHECK_FALSE(has_rare_values(*noise));
}

TEST_CASE("the unmet part: draws that are remembered count, others do not") {
  const auto noise = three_point_noise(1, 1e-3);
  const std::vector<std::uint64_t> steps = steps_to_resolve(std::vector<std::uint64_t>{0, 3, 100}, 1);
  CHECK(steps == std::vector<std::uint64_t>{0, 1, 2, 3, 4, 8, 16, 32, 64, 100});
  CHECK(steps_to_resolve(std::vector<std::uint64_t>{20}, 8) == std::vector<std::uint64_t>{0, 8, 16, 20});
  // Every step adds the same and nothing is forgotten: k steps are remembered.
  std::vector<double> part;
  for (const std::uint64_t k : steps) part.push_back(2.0 * static_cast<double>(k));
  auto unmet = unmet_part(*noise, steps, part, 1, 20);
  CHECK(unmet[0] == 0);
  CHECK(unmet[3] == Approx(6));              // one in 60 draws is more probable than a large value: all of it
  CHECK(unmet.back() == Approx(200 * 0.5));  // 2000 draws: values of probability 1/2000, half of them
  // Forgotten at once: what is there is of one step, 20 draws.
  part.assign(steps.size(), 2.0);
  part[0] = 0;
  unmet = unmet_part(*noise, steps, part, 1, 20000);
  CHECK(unmet[1] == Approx(2.0 / 20));
  CHECK(unmet.back() == Approx(2.0 / 20));
  // By periods: what a sync lets in at once came in over its steps.
  const std::vector<std::uint64_t> rounds = steps_to_resolve(std::vector<std::uint64_t>{15, 32}, 8);
  CHECK(rounds == std::vector<std::uint64_t>{0, 8, 15, 16, 32});
  unmet = unmet_part(*noise, rounds, std::vector<double>{0, 16, 16, 32, 64}, 8, 20000.0 / 32);
  CHECK(unmet.back() == Approx(64.0 / 20));
}

TEST_CASE("the unmet part: what came in late came in at its own pace, not at that since the start") {
  const auto noise = three_point_noise(1, 1e-3);
  // 16 come in over two steps and stay: two steps are remembered, 2000 draws, half of the large values.
  const std::vector<std::uint64_t> steps{0, 8, 10, 20};
  CHECK(unmet_part(*noise, steps, std::vector<double>{0, 0, 16, 16}, 1, 1000).back() == Approx(16 * 0.5));
  // The fastest increase counts, wherever it is: 1 a step at first, a quarter later, of which 5 remain: 5 steps.
  CHECK(unmet_part(*noise, steps, std::vector<double>{0, 8, 8.5, 5}, 1, 400).back() == Approx(5 * 0.5));
  // Never more steps than there were, never fewer than one.
  CHECK(unmet_part(*noise, std::vector<std::uint64_t>{0, 2}, std::vector<double>{0, 1e-3}, 1, 1000).back() ==
        Approx(1e-3 * 0.5));
  CHECK(unmet_part(*noise, steps, std::vector<double>{0, 8, 8, 1e-9}, 1, 2000).back() == Approx(1e-9 * 0.5));
}
