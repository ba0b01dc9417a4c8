#include "models/muon/learning_rates.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise::models;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;

namespace {

MatrixLeastSquares two_modes() {
  MatrixLeastSquares problem;
  problem.spectrum.eigenvalue = {1, 0.04};
  problem.spectrum.multiplicity = {2, 6};
  problem.spectrum.target_power = {1, 1};
  problem.outputs = 8;
  problem.batch = 32;
  problem.output_spectrum.eigenvalue = problem.output_spectrum.multiplicity = {1};
  problem.output_spectrum.target_power = {0};
  problem.schedule = ingredients::read_schedule(
      edgewise::settings::read_text("[schedule]\nkind = 'linear'\n", "f.toml"), "schedule", 100);
  return problem;
}

/// With coefficients of a test's own: weights 2 and 0.5, and a mode that P does not see.
MatrixDynamics coefficients_of(const MatrixLeastSquares& problem) {
  MatrixDynamics out(problem, {.source = CoefficientSource::idealised});
  out.weight = {2, 0.5, 0};
  out.drift = {0.3, 0.02, 0.01};
  out.noise = {0.1, 0.7, 5};
  return out;
}

}  // namespace

TEST_CASE("eta of one step after another, by every protocol") {
  MatrixLeastSquares problem = two_modes();
  const MatrixDynamics dynamics = coefficients_of(problem);
  // N = 2 .1/.3 + .5 .7/.02 = 18.1667.
  const double largest = 2 / (0.2 / 0.3 + 0.35 / 0.02);
  CHECK(largest_gamma(dynamics) == Approx(largest).epsilon(1e-14));

  problem.learning_rate = 0.03;
  LearningRate constant(problem, nullptr);
  CHECK(constant.next(3, 4) == Approx(0.0291).epsilon(1e-14));
  CHECK(constant.next(30, 9) == Approx(0.021).epsilon(1e-14));

  problem.protocol = Protocol::adaptive;
  problem.gamma_fraction = 0.7;
  LearningRate adaptive(problem, &dynamics);
  CHECK(adaptive.gamma() == Approx(0.7 * largest).epsilon(1e-14));
  CHECK(adaptive.next(3, 4) == Approx(0.7 * largest * 0.97 * 2).epsilon(1e-14));
  CHECK(adaptive.next(30, 9) == Approx(0.7 * largest * 0.7 * 3).epsilon(1e-14));
  CHECK(follows_coefficients(problem));
  problem.gamma = 0.011;
  CHECK_FALSE(follows_coefficients(problem));
  LearningRate given(problem, nullptr);
  CHECK(given.gamma() == 0.011);
  CHECK(given.next(30, 9) == Approx(0.011 * 0.7 * 3).epsilon(1e-14));

  // gamma at the progress before the step: the guard 1/(2 .3) at the start, then 2 fraction/N(u) where that is less.
  problem.protocol = Protocol::local_equilibrium;
  CHECK(follows_coefficients(problem));
  LearningRate local(problem, &dynamics);
  double u = 0;
  bool guarded = false, followed = false;
  for (int k = 0; k < 12; ++k) {
    const double V = 1 + k, held = 0.2 / 0.3 * (1 - std::exp(-0.6 * u)) + 0.35 / 0.02 * (1 - std::exp(-0.04 * u));
    const double gamma = std::min(1.4 / held, 1 / 0.6);
    (gamma < 1 / 0.6 ? followed : guarded) = true;
    CHECK(local.next(k, V) == Approx(gamma * std::sqrt(V)).epsilon(1e-12));
    u += gamma;
  }
  CHECK((guarded && followed));

  problem.protocol = Protocol::constant_optimal;
  CHECK_THROWS_AS(LearningRate(problem, &dynamics), std::invalid_argument);
}

TEST_CASE("local equilibrium: time is the integral of du/gamma, and progress its inverse") {
  const MatrixLeastSquares problem = two_modes();
  const MatrixDynamics dynamics = coefficients_of(problem);
  const LocalEquilibrium local(dynamics, 0.7);
  double t = 0;
  constexpr int pieces = 40000;
  constexpr double end = 60;
  for (int i = 0; i < pieces; ++i) {
    const double u = (i + 0.5) * end / pieces;
    const double held = 0.2 / 0.3 * (1 - std::exp(-0.6 * u)) + 0.35 / 0.02 * (1 - std::exp(-0.04 * u));
    t += end / pieces * std::max(held / 1.4, 0.6);
    if (i % 8000 == 7999) {
      const double at = (i + 1) * end / pieces;
      CHECK(local.time(at) == Approx(t).epsilon(1e-6));
      CHECK(local.progress(t) == Approx(at).epsilon(1e-6));
    }
  }
  CHECK(local.progress(0) == 0);
}

TEST_CASE(
    "the best gamma: of one mode half its largest, of two where the smaller root of the secular equation is largest") {
  const MatrixLeastSquares problem = two_modes();
  MatrixDynamics one = coefficients_of(problem);
  one.weight = {0, 0.5, 0};
  // u' = -(2 gamma h - gamma^2 w q) u.
  CHECK(best_gamma(one).gamma == Approx(0.02 / 0.35).epsilon(1e-6));
  CHECK(best_gamma(one).rate == Approx(0.0004 / 0.35).epsilon(1e-10));

  const MatrixDynamics two = coefficients_of(problem);
  // M_i' = -2 gamma h_i M_i + gamma^2 q_i (w_1 M_1 + w_2 M_2): the slower eigenvalue of two by two, scanned.
  const auto slowest = [](double gamma) {
    const double a = 0.6 * gamma - gamma * gamma * 0.2, d = 0.04 * gamma - gamma * gamma * 0.35;
    const double off = gamma * gamma * 0.1 * 0.5 * gamma * gamma * 0.7 * 2;
    return 0.5 * (a + d) - std::sqrt(0.25 * (a - d) * (a - d) + off);
  };
  double best = 0, rate = 0;
  for (int i = 1; i < 100000; ++i) {
    const double gamma = i * 1e-5 * largest_gamma(two);
    if (slowest(gamma) > rate) {
      rate = slowest(gamma);
      best = gamma;
    }
  }
  CHECK(best_gamma(two).gamma == Approx(best).epsilon(1e-4));
  CHECK(best_gamma(two).rate == Approx(rate).epsilon(1e-8));
}

TEST_CASE("the last modes are resolved after (m/B) tr sqrt K/sqrt lambda_n steps, (m/B) tr K/lambda_n by signs") {
  const MatrixLeastSquares problem = two_modes();
  const ResolutionTimes listed = resolution_times(problem, std::nullopt);
  CHECK(listed.signsvd == Approx(0.25 * (2 + 6 * 0.2) / 0.2).epsilon(1e-14));
  CHECK(listed.signsgd == Approx(0.25 * (2 + 6 * 0.04) / 0.04).epsilon(1e-14));
  PowerLaw law;
  law.alpha = 0.75;
  law.n = 16;  // lambda_n = 1/64
  const ResolutionTimes behind = resolution_times(problem, law);
  CHECK(behind.signsvd == Approx(0.25 * (2 + 6 * 0.2) * 8).epsilon(1e-14));
  CHECK(behind.signsgd == Approx(0.25 * (2 + 6 * 0.04) * 64).epsilon(1e-14));
}

TEST_CASE("local equilibrium: the conjectured cost of J resolved modes") {
  // T ~ J^max(1, alpha) for SignSVD and J^(2 alpha) for SignSGD, alpha > 1/2; below it J^(2 alpha) and J^min(1, 4
  // alpha) (docs/theory/muon-phases.md (7.3)). J is resolved at progress u = 1/(2 h_J).
  // Corrections are powers of J/n, (J/n)^(1 - 2 alpha) the slowest: modes up to 1000 one by one, then in bins up to
  // 1e15.
  std::vector<double> index, width;
  for (double from = 0.5; from < 1e15;) {
    const double to = from < 1000 ? from + 1 : 1.02 * from;
    index.push_back(from < 1000 ? from + 0.5 : std::sqrt(from * to));
    width.push_back(to - from);
    from = to;
  }
  const double n = std::accumulate(width.begin(), width.end(), 0.0);
  for (const double alpha : {0.15, 0.4, 0.75, 1.5, 2.0})
    for (const UpdateMap map : {UpdateMap::signsvd, UpdateMap::signsgd}) {
      MatrixLeastSquares problem;
      for (std::size_t j = 0; j < index.size(); ++j) {
        problem.spectrum.eigenvalue.push_back(std::pow(index[j], -2 * alpha));
        problem.spectrum.multiplicity.push_back(width[j]);
        problem.spectrum.target_power.push_back(1);
      }
      problem.outputs = problem.batch = n;
      problem.output_spectrum.eigenvalue = problem.output_spectrum.multiplicity = {1};
      problem.output_spectrum.target_power = {0};
      problem.map = map;
      CoefficientOptions options;
      options.source = CoefficientSource::idealised;
      const MatrixDynamics dynamics(problem, options);
      const LocalEquilibrium local(dynamics, 0.5);
      const auto cost = [&](std::size_t node) { return local.time(1 / (2 * dynamics.drift[node])); };
      const std::size_t a = 1300, b = a + 70;
      const double slope = std::log(cost(b) / cost(a)) / std::log(index[b] / index[a]);
      CAPTURE(alpha);
      CAPTURE(static_cast<int>(map));
      const double svd = alpha < 0.5 ? 2 * alpha : std::max(1.0, alpha);
      const double sign = alpha < 0.5 ? std::min(1.0, 4 * alpha) : 2 * alpha;
      CHECK(slope == Approx(map == UpdateMap::signsvd ? svd : sign).epsilon(0.05));
      for (const double u : {1e-3, 1.0, 1e3}) CHECK(local.progress(local.time(u)) == Approx(u).epsilon(1e-9));
    }
}

TEST_CASE(
    "local equilibrium: the excess is that of the unresolved signal until noise that is remembered limits SignSVD") {
  // P ~ J^(-g), g = 2 alpha + 2 beta - 1, as conjectured, where T ~ J^(2 alpha) for SignSGD. SignSVD keeps its noise in
  // all unresolved modes alike, sum_{j > J} lambda_j ~ J^(1 - 2 alpha): P ~ J^(-min(g, 2 alpha - 1)), T ~ J^alpha.
  for (const double alpha : {1.5, 2.0})
    for (const double beta : {-0.2, 0.0, 0.25, 0.75})
      for (const bool svd : {true, false}) {
        CAPTURE(alpha);
        CAPTURE(beta);
        CAPTURE(svd);
        const auto problem = testing::prepare(
            "model = 'matrix-least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 100000\ncompress = "
            "1e-4\nalpha = " +
            std::to_string(alpha) + "\nbeta = " + std::to_string(beta) + "\n[optimizer]\nkind = '" +
            (svd ? "signsvd" : "signsgd") +
            "'\nprotocol = 'local-equilibrium'\n[time]\nsteps = 1\npoints = 100\n[theory]\nmethod = 'ode'\n"
            "coefficients = 'idealised'\nresolutions = 3\n");
        const Trajectory out = problem->solve();
        const std::vector<double>& excess = out.find("excess_mse")->value;
        const auto at = [&](double power) {
          const double step = std::pow(out.steps.back(), power);
          return static_cast<std::size_t>(std::lower_bound(out.steps.begin(), out.steps.end(), step) -
                                          out.steps.begin());
        };
        const std::size_t a = at(0.45), b = at(0.6);
        const double slope = std::log(excess[b] / excess[a]) / std::log(out.steps[b] / out.steps[a]);
        const double g = 2 * alpha + 2 * beta - 1;
        CHECK(-slope == Approx(svd ? std::min(g, 2 * alpha - 1) / alpha : g / (2 * alpha)).epsilon(0.06));
      }
}

TEST_CASE("the best constant rate of every horizon is one that was followed, and none nearby is better") {
  const auto text = [](const std::string& protocol, const std::string& kind) {
    return "model = 'matrix-least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 16\nalpha = 0.3\nbeta = 1.0\n"
           "[data]\noutputs = 16\n[optimizer]\nkind = '" +
           kind + "'\nbatch = 64\n" + protocol + "\n[time]\nat = [3, 300, 2000]\n[theory]\nmethod = 'ode'\n";
  };
  for (const std::string kind : {"signsvd", "signsgd"}) {
    CAPTURE(kind);
    const Trajectory best = testing::prepare(text("protocol = 'constant-optimal'", kind))->solve();
    const std::vector<double>& excess = best.find("excess_mse")->value;
    const std::vector<double>& rate = best.find("best_learning_rate")->value;
    CHECK(rate[0] == 0);
    // A kink, where the floor meets what has not converged; a fine scan finds 1.270e-6 at 3.856e-4.
    if (kind == "signsvd") {
      CHECK(excess[3] == Approx(1.270e-6).epsilon(1e-3));
      CHECK(rate[3] == Approx(3.856e-4).epsilon(1e-3));
    }
    for (std::size_t t = 1; t < 4; ++t) {
      CAPTURE(t);
      const auto with = [&](double eta) {
        return testing::prepare(text("learning_rate = " + edgewise::settings::text_of(eta), kind))
            ->solve()
            .find("excess_mse")
            ->value[t];
      };
      CHECK(with(rate[t]) == Approx(excess[t]).epsilon(1e-5));
      for (const double factor : {0.5, 0.8, 0.95, 0.99, 0.999, 1.001, 1.01, 1.05, 1.2, 2.0})
        CHECK(with(factor * rate[t]) > excess[t] * (1 - 1e-5));
    }
  }
}
