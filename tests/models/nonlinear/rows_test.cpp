// Steps along real rows of a data set (docs/theory/sign-and-clip.md, section 1).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/nonlinear/simulation.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/nonlinear/refusal.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::random::Purpose;
using edgewise::random::Stream;
using edgewise::tests::Approx;

namespace {

constexpr std::uint64_t seed = 5;

double sign(double x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

}  // namespace

TEST_CASE("real rows: a step along the rows that the stream draws, in pixels and in random features" *
          doctest::skip(!std::filesystem::exists(spectra::DatasetOptions{}.folder))) {
  for (const std::size_t features : {0u, 30u}) {
    spectra::DatasetOptions options;
    options.rows = 75;
    options.features = features;
    const auto dataset = spectra::load(options);
    const std::size_t d = dataset->columns;
    NonlinearProblem p;
    p.threshold = 0.4;
    p.learning_rate = 0.01;
    p.batch = 3;
    p.schedule = read_schedule(settings::Table("test", ""), "schedule", 0);
    p.time.steps = 5;
    p.covariance = dataset_covariance(options);
    p.dataset = options;
    p.noise = no_noise();
    for (const std::string method : {"sgd", "huber", "clip", "mean-clip", "sign-late", "sign-early"}) {
      CAPTURE(method);
      CAPTURE(d);
      p.method = method;
      Stream stream(seed, 2, 0, Purpose::batch);
      std::vector<double> g(d, 0.0), v = p.covariance.target;
      for (double& vi : v) vi = -vi;
      for (int b = 0; b < 3; ++b) {
        const auto row = static_cast<std::size_t>(stream.below(dataset->rows));
        const auto x = dataset->row(row);
        // theta_0 = 0
        const double r = -dataset->targets[row];
        double square = 0;
        for (const float xi : x) square += static_cast<double>(xi) * static_cast<double>(xi);
        double weight = r;
        if (method == "huber") weight = std::clamp(r, -0.4, 0.4);
        if (method == "clip") weight *= std::min(1.0, 0.4 / (std::abs(r) * std::sqrt(square)));
        for (std::size_t i = 0; i < d; ++i) {
          const auto xi = static_cast<double>(x[i]);
          g[i] += (method == "sign-early" ? sign(r * xi) : weight * xi) / 3;
        }
      }
      double norm = 0;
      for (const double gi : g) norm += gi * gi;
      for (std::size_t i = 0; i < d; ++i) {
        double direction = g[i];
        if (method == "mean-clip") direction *= std::min(1.0, 0.4 / std::sqrt(norm));
        if (method == "sign-late") direction = sign(direction);
        v[i] -= 0.01 * direction;
      }
      double excess = 0;
      for (std::size_t row = 0; row < dataset->rows; ++row) {
        double product = 0;
        for (std::size_t i = 0; i < d; ++i) product += static_cast<double>(dataset->row(row)[i]) * v[i];
        excess += product * product / static_cast<double>(dataset->rows);
      }
      const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p));
      CHECK(simulation->sampler() == "rows");
      const auto replica = simulation->replica(seed, 2);
      replica->advance(1);
      std::vector<double> seen(2);
      replica->observe(seen);
      CHECK(seen[0] == Approx(excess).epsilon(1e-6));
      CHECK(seen[1] == Approx((seen[0] + p.covariance.unexplained_variance) / 2).epsilon(1e-12));
    }
    CHECK(models::testing::refusal(p, "naive").find("data.law") != std::string::npos);
    p.covariance.diagonal = true;
    p.covariance.eigenvalue.assign(d, 1.0);
    CHECK(models::testing::refusal(p).find("data.basis") != std::string::npos);
  }
}
