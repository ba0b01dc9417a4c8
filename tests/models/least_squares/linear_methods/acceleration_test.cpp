// What momentum and lookahead do to the mean dynamics and to power laws (docs/theory/two-phase.md, sections 4, 5 and
// 8).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "models/least_squares/linear_methods/stability.hpp"
#include "tests/approx.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using edgewise::tests::Approx;

namespace {

/// Modes from 1/condition to 1 on a logarithmic grid, dense enough to find the slowest.
std::shared_ptr<LeastSquares> grid(double condition, int points) {
  spectra::Spectrum s;
  for (int i = 0; i < points; ++i) {
    s.eigenvalue.push_back(std::pow(condition, -static_cast<double>(i) / (points - 1)));
    s.multiplicity.push_back(1);
    s.target_power.push_back(1);
  }
  return data_of(spectra::checked(std::move(s)), 0);
}

/// -log(largest mean radius) / H * sqrt(condition).
double scaled_rate(const LinearProblem& problem, double condition, double H) {
  const auto radius = edgewise::solvers::mean_radius(periodic(problem));
  return -std::log(*std::ranges::max_element(radius)) / H * std::sqrt(condition);
}

}  // namespace

TEST_CASE("persistent Nesterov momentum inside lookahead accelerates beyond Nesterov, heavy ball does not") {
  constexpr double condition = 1e5;
  const auto data = grid(condition, 4000);
  const auto rate = [&](const char* kind, double H, double eta, double xi, double b) {
    LinearProblem p =
        problem_of(data, "sla", std::string("learning_rate = 1\npersistent = true\nmomentum_kind = '") + kind + "'");
    p.hyperparameters.set("learning_rate", eta);
    p.hyperparameters.set("inner_steps", H);
    p.hyperparameters.set("outer_learning_rate", xi);
    p.hyperparameters.set("momentum", b);
    return scaled_rate(p, condition, H);
  };
  CHECK(rate("nesterov", 2, 1.33, 1.47, .99125) == Approx(1.3922).epsilon(2e-4));
  CHECK(rate("nesterov", 4, 1.33, 1.37, .9915) == Approx(1.3514).epsilon(2e-4));
  CHECK(rate("nesterov", 8, 1.33, 1.21, .992) == Approx(1.2710).epsilon(2e-4));
  const double root = std::sqrt(condition);
  const double eta = 4 / ((1 + 1 / root) * (1 + 1 / root)), b = std::pow((root - 1) / (root + 1), 2);
  CHECK(rate("heavy-ball", 1, eta, 1, b) == Approx(2.0).epsilon(1e-3));
  CHECK(rate("heavy-ball", 2, eta, .98, b) == Approx(.24).epsilon(0.03));
  CHECK(rate("heavy-ball", 2, eta, 1.02, b) < 0);
}

TEST_CASE("tuned outer momentum reaches the classical rates on the spectrum of gains") {
  // One inner step with eta = 1: g = lambda.
  const auto data = grid(1e4, 2000);
  const double kap = 1e4, root = std::sqrt(kap);
  const auto radius = [&](const char* kind, double xi, double b) {
    LinearProblem p = problem_of(
        data, "sla", std::string("learning_rate = 1\ninner_steps = 1\nouter_momentum_kind = '") + kind + "'");
    p.hyperparameters.set("outer_learning_rate", xi);
    p.hyperparameters.set("outer_momentum", b);
    const auto all = edgewise::solvers::mean_radius(periodic(p));
    return *std::ranges::max_element(all);
  };
  CHECK(radius("none", 2 / (1 + 1 / kap), 0) == Approx((kap - 1) / (kap + 1)).epsilon(1e-12));
  const double hb = (root - 1) / (root + 1);
  CHECK(radius("heavy-ball", 4 / std::pow(1 + 1 / root, 2), hb * hb) == Approx(hb).epsilon(1e-6));
  const double n = std::sqrt(3 * kap + 1);
  CHECK(radius("nesterov", 4 / (3 + 1 / kap), (n - 2) / (n + 2)) == Approx(1 - 2 / n).epsilon(1e-6));
}

TEST_CASE("the spectral gain of a reset inner loop never exceeds H^2 (Markov), and is what was found before") {
  const auto gain = [](const char* kind, double H, double b) {
    LinearProblem p =
        problem_of(grid(10, 2), "sla",
                   std::string("learning_rate = 1\nouter_learning_rate = 1.0\nmomentum_kind = '") + kind + "'");
    p.hyperparameters.set("inner_steps", H);
    p.hyperparameters.set("momentum", b);
    double most = 0;
    for (int i = 1; i <= 400; ++i) most = std::max(most, mode_gain(p, i / 400.0));
    constexpr double small = 1e-7;
    return mode_gain(p, small) / small / most;
  };
  for (const double H : {2.0, 5.0, 16.0, 40.0})
    for (const char* kind : {"none", "heavy-ball", "nesterov"})
      for (const double b : {0.0, 0.5, 0.9, 0.99}) CHECK(gain(kind, H, b) <= H * H * (1 + 1e-5));
  CHECK(gain("none", 16, 0) / 256 == Approx(.0625).epsilon(1e-3));
  double best_hb = 0, best_nesterov = 0;
  for (double b = 0.5; b < 0.9999; b = 1 - (1 - b) * 0.93) {
    best_hb = std::max(best_hb, gain("heavy-ball", 16, b));
    best_nesterov = std::max(best_nesterov, gain("nesterov", 16, b));
  }
  CHECK(best_hb / 256 == Approx(.249).epsilon(0.01));
  CHECK(best_nesterov / 256 == Approx(.333).epsilon(0.01));
}

TEST_CASE("on a power law the noise multiplies the signal by Lambda, whatever the method") {
  struct Row {
    const char* method;
    const char* optimizer;
    std::size_t d;
    std::uint64_t steps;
    double lambda;
  };
  for (const Row& row :
       {Row{"lookahead", "learning_rate = 0.2\ninner_steps = 8\nouter_learning_rate = 0.6", 2000, 9600, 1.1128},
        Row{"la-diloco", "learning_rate = 0.2\ninner_steps = 8\nouter_learning_rate = 1.2\nworkers = 4", 2000, 9600,
            1.0731},
        Row{"sgd", "learning_rate = 0.2", 2000, 4096, 1.2363},
        Row{"sla",
            "learning_rate = 0.1\nbatch = 2\ninner_steps = 8\nouter_learning_rate = 0.3\nouter_momentum = "
            "0.7\nouter_momentum_kind = 'nesterov'",
            800, 9600, 1.0348},
        Row{"sla",
            "learning_rate = 0.03\nbatch = 2\ninner_steps = 8\nouter_learning_rate = 0.3\nmomentum = "
            "0.8\nmomentum_kind = 'nesterov'\npersistent = true",
            800, 9600, 1.0155}}) {
    CAPTURE(row.optimizer);
    const auto data = data_of(power_law(row.d, 1, 0), 0);
    const LinearProblem p = problem_of(data, row.method, row.optimizer);
    edgewise::solvers::Renewal renewal(periodic(p));
    // Printed with four decimals, two of them cut off rather than rounded.
    CHECK(std::abs(renewal.steady(1).amplification - row.lambda) < 1e-4);
    LinearRecursion run(p), signal(p, {true, false, false});
    run.advance(row.steps);
    signal.advance(row.steps);
    CHECK(run.excess_mse() / signal.excess_mse() == Approx(row.lambda).epsilon(5e-4));
  }
}

TEST_CASE("small inner steps turn local SGD into SGD with the whole round as its batch") {
  const auto data = problem_R();
  const double E = 0.4, H = 8, M = 2;
  double previous = 0;
  for (const double eta : {1e-2, 1e-3, 1e-4}) {
    LinearProblem local = problem_of(data, "la-diloco", "learning_rate = 0.1\nworkers = 2");
    local.hyperparameters.set("learning_rate", eta);
    local.hyperparameters.set("outer_learning_rate", E / (eta * H));
    LinearProblem sgd = problem_of(data, "sgd", "learning_rate = 0.4");
    sgd.hyperparameters.set("batch", M * H);
    LinearRecursion a(local), b(sgd);
    double gap = 0;
    for (std::uint64_t k = 1; k <= 20; ++k) {
      a.advance(8 * k);
      b.advance(k);
      gap = std::max(gap, std::abs(a.excess_mse() / b.excess_mse() - 1));
    }
    if (previous > 0) CHECK(previous / gap == Approx(10).epsilon(0.05));
    previous = gap;
  }
}
