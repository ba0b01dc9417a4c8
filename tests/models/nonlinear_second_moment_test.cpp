// The per-example second-moment family: its recursion by hand, its members, the measured table of theory note
// sign-and-clip 4.2, and where its closure may be trusted.
#include "models/nonlinear/second_moment.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/nonlinear/simulation.hpp"

using namespace edgewise;
using namespace edgewise::models;
using doctest::Approx;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

class Line final : public Schedule {
 public:
  explicit Line(double horizon) : horizon_(horizon) {}
  double at(double t) const override { return 1 - t / horizon_; }

 private:
  double horizon_;
};

/// pl(alpha, beta) of the note, rate linear to 0.
NonlinearProblem problem(double batch, double sigma, std::uint64_t steps, double zeta, double eta, std::size_t d = 200,
                         double alpha = 0.5, double beta = 0.5) {
  NonlinearProblem p;
  p.covariance.d = d;
  for (std::size_t j = 1; j <= d; ++j) {
    p.covariance.eigenvalue.push_back(std::pow(static_cast<double>(j), -2 * alpha));
    p.covariance.target.push_back(std::pow(static_cast<double>(j), -beta));
  }
  p.noise = gaussian_noise(sigma * sigma);
  p.method = "per-example-adam";
  p.learning_rate = eta;
  p.batch = batch;
  p.ema_square = 0.95;
  p.floor = 1e-3;
  p.zeta = zeta;
  p.schedule = std::make_shared<Line>(static_cast<double>(steps));
  p.time.steps = steps;
  p.time.at = {0, steps / 2, steps};
  return p;
}

/// Mean of P at the end over replicas.
double simulated(const NonlinearProblem& p, std::size_t replicas, const std::string& sampler = "auto") {
  const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p), sampler);
  std::vector<double> seen(simulation->observables().size());
  double sum = 0;
  for (std::size_t r = 0; r < replicas; ++r) {
    const auto replica = simulation->replica(11, r);
    replica->advance(p.time.steps);
    replica->observe(seen);
    sum += seen[0] / static_cast<double>(replicas);
  }
  return sum;
}

/// The best of a grid of rates, a factor sqrt(2) apart.
double best_simulated(NonlinearProblem p, double lowest, int rates, std::size_t replicas) {
  double best = infinity;
  for (int i = 0; i < rates; ++i) {
    p.learning_rate = lowest * std::pow(2, 0.5 * i);
    best = std::min(best, simulated(p, replicas));
  }
  return best;
}

}  // namespace

TEST_CASE("two steps of the closure by hand") {
  const double eta = 0.01, sigma2 = 0.09, B = 4, zeta = 0.7, beta = 0.95, floor = 1e-3;
  auto p = problem(B, 0.3, 2, zeta, eta, 3);
  p.time.at = {0, 1, 2};
  SecondMomentRecursion recursion(p);
  std::vector<double> D, n(3, 0.0);
  for (const double t : p.covariance.target) D.push_back(t * t);
  double P = recursion.excess_mse();
  CHECK(P == Approx(p.covariance.signal()).epsilon(1e-14));
  for (int k = 0; k < 2; ++k) {
    double next = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const double lambda = p.covariance.eigenvalue[i], mu2 = lambda * lambda * D[i], s2 = lambda * (P + sigma2) + mu2;
      n[i] = beta * n[i] + (1 - beta) * (mu2 + zeta * s2);
      const double A = 1 / (std::sqrt(n[i] / (1 - std::pow(beta, k + 1))) + floor), rate = p.rate_at(k);
      D[i] += -2 * rate * A * lambda * D[i] + rate * rate * A * A * (mu2 + s2 / B);
      next += lambda * D[i];
    }
    P = next;
    recursion.step();
    CHECK(recursion.excess_mse() == Approx(P).epsilon(1e-13));
  }
}

TEST_CASE("zeta = 1/B is Adam without momentum, path by path") {
  auto p = problem(5, 0.3, 60, 1.0 / 5, 0.02, 30);
  auto adam = p;
  adam.method = "adam";
  adam.ema = 0;
  CHECK(simulated(p, 3, "naive") == Approx(simulated(adam, 3, "naive")).epsilon(1e-10));
  p.zeta = 1;
  CHECK(std::abs(simulated(p, 3, "naive") / simulated(adam, 3, "naive") - 1) > 0.05);
}

TEST_CASE("coordinates that are alike are one") {
  auto p = problem(8, 0.3, 50, 1, 0.01, 64, 0, 0);
  SecondMomentRecursion recursion(p);
  CHECK(recursion.localisation() == Approx(std::sqrt(8.0 / (64 + 0.09))));
  for (int k = 0; k < 50; ++k) recursion.step();
  CHECK(recursion.excess_mse() < 64);
  CHECK(simulated(p, 8) == Approx(recursion.excess_mse()).epsilon(0.05));
}

TEST_CASE("the closure follows the algorithm where zeta >= 1/B, as closely as measured") {
  // Note 4.2: 5 to 17% off. 16 replicas, each known to some 10%.
  struct Case {
    double batch, sigma;
    std::uint64_t steps;
    double zeta, eta;
  };
  for (const Case& c : {Case{32, 0.3, 400, 1, 0.06}, Case{32, 0.3, 400, 1.0 / 32, 0.012},
                        Case{32, 0.3, 400, infinity, 0.06}, Case{128, 0.05, 100, 1, 0.3}}) {
    CAPTURE(c.batch);
    CAPTURE(c.zeta);
    const auto p = problem(c.batch, c.sigma, c.steps, c.zeta, c.eta);
    const Trajectory t = solve_second_moment(p, {});
    CHECK(t.warnings.empty());
    CHECK(t.find("excess_mse")->value.back() == Approx(simulated(p, 16)).epsilon(0.2));
  }
}

TEST_CASE("it says where it is unreliable") {
  const auto p = problem(32, 0.3, 400, 0, 0.01);
  const Trajectory t = solve_second_moment(p, {});
  REQUIRE(t.warnings.size() == 1);
  CHECK(t.warnings[0].find("closure unreliable") != std::string::npos);
  // And there it is: off by far more than the 17% elsewhere.
  const double ratio = t.find("excess_mse")->value.back() / simulated(p, 8);
  CHECK(std::abs(std::log(ratio)) > 0.3);
  NonlinearTheory effects;
  effects.effects = true;
  CHECK(solve_second_moment(p, effects).find("localisation")->value.size() == 3);
}

TEST_CASE("best final P of the family at B = 32: the variance wins, against the ordering found on deep networks") {
  // Note 4.2, T = 400, sigma = 0.3, best over a grid of rates, 4 replicas with standard errors of 5 to 8% on both
  // sides and coarse grids: within 25%.
  const auto best = [](double zeta, double lowest, int rates) {
    return best_simulated(problem(32, 0.3, 400, zeta, 1), lowest, rates, 8);
  };
  const double variance = best(infinity, 0.03, 4), each = best(1, 0.03, 4), adam = best(1.0 / 32, 0.005, 4),
               mean = best(0, 0.001, 5);
  CHECK(variance == Approx(2.38e-3).epsilon(0.25));
  CHECK(each == Approx(2.38e-3).epsilon(0.25));
  CHECK(adam == Approx(2.68e-3).epsilon(0.25));
  CHECK(mean == Approx(1.34e-2).epsilon(0.25));
  CHECK(variance < adam);
  CHECK(adam < mean);
}

TEST_CASE("what the closure does not cover is refused, and simulated") {
  const auto message = [](const NonlinearProblem& p, const NonlinearTheory& theory = {}) -> std::string {
    try {
      solve_second_moment(p, theory);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "nothing thrown";
  };
  const auto holds = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  auto dense = problem(4, 0.3, 20, 1, 0.01, 20);
  dense.covariance = autoregressive_covariance({20, 0.3, 0.6});
  CHECK(holds(message(dense), "known for a diagonal covariance only"));
  CHECK(simulated(dense, 2) < dense.covariance.signal());
  auto heavy = problem(4, 0.3, 20, 1, 0.01, 20);
  heavy.noise = cauchy_noise(0.3);
  CHECK(holds(message(heavy), "needs a finite variance"));
  CHECK(std::isfinite(simulated(heavy, 2)));
  CHECK(holds(message(problem(1, 0.3, 20, 1, 0.01)), "needs at least 2"));
  NonlinearTheory ode;
  ode.method = "ode";
  CHECK(holds(message(problem(4, 0.3, 20, 1, 0.01), ode), "theory.method"));
  const auto refusal = [](NonlinearProblem p) -> std::string {
    try {
      simulate_nonlinear(std::make_shared<NonlinearProblem>(p));
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "nothing thrown";
  };
  CHECK(holds(refusal(problem(1, 0.3, 20, 1, 0.01)), "optimizer.batch"));
  CHECK(holds(refusal(problem(4, 0.3, 20, -1, 0.01)), "optimizer.zeta"));
  auto bare = problem(4, 0.3, 20, 0, 0.01);
  bare.floor = 0;
  CHECK(holds(refusal(bare), "optimizer.floor"));
}
