#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "models/framework/scaling_law.hpp"
#include "tests/approx.hpp"
#include "validation/monte_carlo/monte_carlo.hpp"

using namespace edgewise;
using namespace edgewise::models;
using edgewise::tests::Approx;

namespace {

struct Sized {
  Experiment experiment;
  std::unique_ptr<Problem> problem;
};

Sized sized(int dimension, const std::string& schedule, std::uint64_t steps) {
  Sized out{
      read_experiment(settings::read_text(
          fmt::format("model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = {}\nalpha = 1\nbeta = "
                      "0.5\ntail = 'noise'\n[optimizer]\nlearning_rate = 0.2\n[schedule]\nkind = '{}'\n[time]\n"
                      "steps = {}\n[monte_carlo]\nreplicas = 20000\n",
                      dimension, schedule, steps),
          "e.toml")),
      nullptr};
  out.problem = find(out.experiment).prepare(out.experiment);
  return out;
}

}  // namespace

TEST_CASE("fluctuations and their memory are those of 20000 simulated runs" * doctest::test_suite("slow")) {
  // 2 x 8 numbers within 5 standard errors of 20 blocks (Student, 19 degrees): false alarm 1.3e-3.
  for (const std::string schedule : {"constant", "linear"}) {
    const auto one = sized(4, schedule, 60);
    const std::vector<std::uint64_t> steps = {6, 20, 40, 60};
    const auto known = one.problem->scaling_law()->fluctuations(steps);
    REQUIRE(known);
    CHECK(known->correlation.back() == Approx(1).epsilon(1e-9));
    const auto simulation = one.problem->simulate();
    const validation::Sample sample = validation::run(*simulation, one.experiment, {});
    const std::size_t n = sample.replicas, blocks = 20, each = n / blocks;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::size_t t = 0;
      while (sample.steps[t] < steps[i]) ++t;
      REQUIRE(sample.steps[t] == steps[i]);
      const std::vector<double>&x = sample.values[t], &y = sample.values[sample.steps.size() - 1];
      std::vector<double> spread, correlation;
      for (std::size_t b = 0; b < blocks; ++b) {
        double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
        for (std::size_t w = b * each; w < (b + 1) * each; ++w) {
          mx += x[w] / static_cast<double>(each);
          my += y[w] / static_cast<double>(each);
        }
        for (std::size_t w = b * each; w < (b + 1) * each; ++w) {
          xx += (x[w] - mx) * (x[w] - mx);
          yy += (y[w] - my) * (y[w] - my);
          xy += (x[w] - mx) * (y[w] - my);
        }
        spread.push_back(xx / static_cast<double>(each - 1));
        correlation.push_back(xy / std::sqrt(xx * yy));
      }
      const auto check = [&](const std::vector<double>& values, double expected) {
        double mean = 0, squares = 0;
        for (const double value : values) mean += value / static_cast<double>(blocks);
        for (const double value : values) squares += (value - mean) * (value - mean);
        const double error = std::sqrt(squares / static_cast<double>(blocks * (blocks - 1)));
        CAPTURE(schedule);
        CAPTURE(steps[i]);
        CAPTURE(mean);
        CAPTURE(expected);
        CHECK(std::abs(mean - expected) <= 5 * error + 1e-9);
      };
      check(spread, known->std[i] * known->std[i]);
      check(correlation, known->correlation[i]);
    }
  }
}
