// The per-example second-moment family: its recursion by hand, its members, the measured table of
// docs/theory/sign-and-clip.md, section 4.2, and where its closure may be trusted.
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
#include "random/random.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

class Line final : public Schedule {
 public:
  explicit Line(double horizon) : horizon_(horizon) {}
  double at(double t) const override { return 1 - t / horizon_; }

 private:
  double horizon_;
};

/// pl(alpha, beta) of docs/theory/sign-and-clip.md, section 0.1, rate linear to 0.
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

/// P at the end of every replica; replicas of one index see the same data whatever the optimizer's parameters.
std::vector<double> final_values(const NonlinearProblem& p, std::size_t replicas, const std::string& sampler = "auto",
                                 std::uint64_t seed = 11) {
  const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p), sampler);
  std::vector<double> seen(simulation->observables().size()), out;
  for (std::size_t r = 0; r < replicas; ++r) {
    const auto replica = simulation->replica(seed, r);
    replica->advance(p.time.steps);
    replica->observe(seen);
    out.push_back(seen[0]);
  }
  return out;
}

struct Mean {
  double value = 0, error = 0;
};
Mean mean_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Mean out;
  for (const double x : values) out.value += x / n;
  for (const double x : values) out.error += (x - out.value) * (x - out.value);
  out.error = std::sqrt(out.error / (n - 1) / n);
  return out;
}

/// Mean of P at the end over replicas.
double simulated(const NonlinearProblem& p, std::size_t replicas, const std::string& sampler = "auto") {
  double sum = 0;
  for (const double x : final_values(p, replicas, sampler)) sum += x / static_cast<double>(replicas);
  return sum;
}

/// P at the end at the best learning rate of one run length.
struct Best {
  double rate = 0;
  std::vector<double> values;  ///< of replicas that had no part in the choice of the rate
};

/// Golden section in ln eta between two rates, to 4% of eta: there P is within 0.4% of its least value.
Best best_of(NonlinearProblem p, double low, double high, std::size_t searching, std::size_t measuring) {
  const auto at = [&](double log_rate) {
    p.learning_rate = std::exp(log_rate);
    return mean_of(final_values(p, searching)).value;
  };
  const double golden = (std::sqrt(5.0) - 1) / 2;
  double a = std::log(low), b = std::log(high);
  double x = b - golden * (b - a), y = a + golden * (b - a), at_x = at(x), at_y = at(y);
  while (b - a > 0.12) {
    if (at_x < at_y) {
      b = y;
      y = x;
      at_y = at_x;
      x = b - golden * (b - a);
      at_x = at(x);
    } else {
      a = x;
      x = y;
      at_x = at_y;
      y = a + golden * (b - a);
      at_y = at(y);
    }
  }
  p.learning_rate = std::exp(at_x < at_y ? x : y);
  return {p.learning_rate, final_values(p, measuring, "auto", 12)};
}

/// Mean of ln(P/Q) over replicas that saw the same data, in standard errors.
double lead(const Best& p, const Best& q) {
  std::vector<double> ratios;
  for (std::size_t r = 0; r < p.values.size(); ++r) ratios.push_back(std::log(q.values[r] / p.values[r]));
  const Mean m = mean_of(ratios);
  return m.value / m.error;
}

/// Whether a value of the table of docs/theory/sign-and-clip.md, section 4.2 is what is measured: its standard error is
/// up to 8% (4 replicas), joined with ours at 3.5 of both; and it is the best of a coarse grid, which adds up to 15%
/// where the grid's step is a factor 2.
void agrees(const Best& best, double of_note) {
  const Mean m = mean_of(best.values);
  // Where runs scatter more than that, as at zeta = 0, its 4 replicas scattered likewise.
  const double of_four = m.error / m.value * std::sqrt(static_cast<double>(best.values.size()) / 4);
  const double joint = std::hypot(std::max(0.08, of_four), m.error / m.value);
  CAPTURE(best.rate);
  CAPTURE(m.value);
  CAPTURE(m.error);
  CHECK(m.value < of_note * (1 + 3.5 * joint));
  CHECK(m.value > of_note * (1 - 3.5 * joint) / 1.15);
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
  // docs/theory/sign-and-clip.md, section 4.2: 5 to 17% off. 16 replicas, each known to some 10%.
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
    // A guard: the closure is an approximation, as good as this where zeta >= 1/B; two steps of it are met by hand.
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

TEST_CASE("best final P of the family at B = 32: the variance wins, against the ordering found on deep networks" *
          doctest::test_suite("slow")) {
  // docs/theory/sign-and-clip.md, section 4.2, T = 400, sigma = 0.3.
  const auto best = [](double zeta, double low, double high, std::size_t searching = 4) {
    return best_of(problem(32, 0.3, 400, zeta, 1), low, high, searching, 24);
  };
  const Best variance = best(infinity, 0.02, 0.1), each = best(1, 0.02, 0.1), adam = best(1.0 / 32, 0.005, 0.03),
             mean = best(0, 0.004, 0.009, 24);
  agrees(variance, 2.38e-3);
  agrees(each, 2.38e-3);
  agrees(adam, 2.68e-3);
  agrees(mean, 1.34e-2);
  CHECK(lead(variance, adam) > 5);
  CHECK(lead(each, adam) > 5);
  CHECK(lead(adam, mean) > 5);
}

TEST_CASE("best final P of the family at B = 512: the same order, at a high ratio of signal to noise" *
          doctest::test_suite("slow")) {
  // docs/theory/sign-and-clip.md, section 4.2, T = 100, sigma = 0.05.
  const auto best = [](double zeta, double low, double high) {
    return best_of(problem(512, 0.05, 100, zeta, 1), low, high, 2, 12);
  };
  const Best variance = best(infinity, 0.15, 0.5), each = best(1, 0.15, 0.5), adam = best(1.0 / 512, 0.03, 0.1),
             less = best(0.3 / 512, 0.03, 0.1), mean = best(0, 0.03, 0.1);
  agrees(variance, 2.6e-5);
  agrees(each, 2.6e-5);
  agrees(less, 3.4e-5);
  agrees(mean, 3.5e-5);
  // The grid's 5.8e-5 for Adam is not its best rate's: it is what a rate 3 times as large leaves. At their best rates
  // Adam is ahead of smaller zeta here, too.
  CHECK(mean_of(adam.values).value < 0.6 * 5.8e-5);
  const Mean large = mean_of(final_values(problem(512, 0.05, 100, 1.0 / 512, 0.145), 16));
  CHECK(large.value == Approx(5.8e-5).epsilon(3.5 * std::hypot(0.08, large.error / large.value)));
  CHECK(lead(variance, adam) > 5);
  CHECK(lead(adam, less) > 5);
  CHECK(lead(less, mean) > 5);
}

TEST_CASE("one example a step, zeta = 1: no variance over examples is asked for, and it is Adam without momentum") {
  auto one = problem(1, 0.3, 60, 1, 0.01, 20), adam = one;
  adam.method = "adam";
  adam.ema = 0;
  const auto found = final_values(one, 4, "naive"), expected = final_values(adam, 4, "naive");
  for (std::size_t r = 0; r < found.size(); ++r) CHECK(found[r] == Approx(expected[r]).epsilon(1e-12));
  const Mean runs = mean_of(final_values(one, 200));
  CHECK(solve_second_moment(one, {}).columns[0].value.back() == Approx(runs.value).epsilon(0.1));
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
  CHECK(holds(message(problem(1, 0.3, 20, 0.5, 0.01)), "needs at least 2"));
  NonlinearTheory ode;
  ode.method = "ode";
  CHECK(holds(message(problem(4, 0.3, 20, 1, 0.01), ode), "theory.method"));
}

TEST_CASE("from the optimum the mean is claimed once n has seen many examples") {
  const auto from = [](double batch, double zeta, double start) {
    NonlinearProblem p = problem(batch, 0.5, 20, zeta, 1e-3, 5);
    for (double& target : p.covariance.target) target *= start;
    p.ema_square = 0.9;
    p.floor = 1e-3;
    return solve_second_moment(p, NonlinearTheory{}).find("excess_mse")->valid_from;
  };
  CHECK(from(4, infinity, 0) == 269);  // 100 (1 + 2.2/3 ln 10)
  CHECK(from(8, 2, 0) == std::ceil(100 * (0.2 + 2.2 / 7 * std::log(10.0))));
  CHECK(from(4, 1, 0) == 0);
  CHECK(from(4, infinity, 1) == 0);
  // One coordinate at the optimum, as the algorithm has it: 20000 chains of 40 steps, standard error of the sum some .1.
  random::Stream draw(11, 0);
  double lag = 0, last = 0;
  constexpr int chains = 20000, steps = 40;
  for (int chain = 0; chain < chains; ++chain) {
    double n = 0, left = 1;
    for (int k = 0; k < steps; ++k) {
      double mean = 0, square = 0;
      for (int b = 0; b < 4; ++b) {
        const double residual = draw.normal(), g = residual * draw.normal();
        mean += g / 4;
        square += g * g / 4;
      }
      n = 0.9 * n + 0.1 * (square - mean * mean) * 4 / 3;
      left *= 0.9;
      const double ratio = 4 * mean * mean * (1 - left) / n / chains;
      lag += ratio;
      if (k >= steps / 2) last += ratio / (steps / 2);
    }
  }
  CHECK(lag - steps * last > 1.3);
  CHECK(lag - steps * last < 2.69);
}
