#include "models/muon/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "models/muon/null_draws.hpp"
#include "models/muon/phases.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/muon/literal.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using testing::column;
using testing::flag;
using testing::number;
using testing::there;
using testing::words;

namespace {

/// Signs with the idealised coefficients of section 7: hhat = sqrt(2B/pi) lambda/sqrt(mean), Q linearised; m = 3, B = 5.
struct Idealised {
  std::vector<double> lambda{2, 0.7, 0.1}, count{1, 2, 1}, power{0.9, 0.5, 0.04}, drift, noise;
  double N = 0, P0 = 0;
  Idealised() {
    const double mean = 3.5 / 4;
    for (std::size_t a = 0; a < 3; ++a) {
      drift.push_back(std::sqrt(2 * 5 / std::numbers::pi) * lambda[a] / std::sqrt(mean));
      noise.push_back(3 * ((1 - 2 / std::numbers::pi) + 2 / std::numbers::pi * lambda[a] / mean));
      N += count[a] * lambda[a] * noise[a] / drift[a];
      P0 += lambda[a] * power[a];
    }
  }
};

std::unique_ptr<Problem> signs(const std::string& protocol, const std::string& more = "") {
  return testing::prepare(
      "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7, 0.1]\nmultiplicities = [1, "
      "2, "
      "1]\ntarget_power = [0.9, 0.5, 0.04]\n[noise]\nvariance = 0.3\n[time]\nsteps = 3\n[data]\noutputs = 3\n"
      "[optimizer]\nkind = 'signsgd'\nbatch = 5\n" +
      protocol + "\n[theory]\ncoefficients = 'idealised'\n" + more);
}

std::unique_ptr<Problem> power_law(double alpha, double beta, std::size_t n, const std::string& optimizer) {
  return testing::prepare(fmt::format(
      "model = 'matrix-least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = {}\nalpha = {}\nbeta = {}\n"
      "compress = 1e-6\n[time]\nsteps = 3\n[data]\noutputs = {}\n[optimizer]\nbatch = {}\n{}\n[theory]\n"
      "coefficients = 'idealised'\nmethod = 'ode'\n",
      n, alpha, beta, 2 * n, n, optimizer));
}

}  // namespace

TEST_CASE("a start without error or noise has no share of signal") {
  const auto problem = testing::prepare(
      "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1, 0.5]\ntarget_power = [0, 0]\n"
      "[time]\nsteps = 3\n[data]\noutputs = 4\n[optimizer]\nbatch = 2\nlearning_rate = 0.1\nkind = 'signsgd'\n");
  CHECK(column(problem->mode_table(), "signal_share") == std::vector<double>{0, 0});
}

TEST_CASE("findings of a constant rate") {
  const Idealised of;
  const auto findings = signs("learning_rate = 0.02")->stability();
  CHECK(number(findings, "rank") == 3);
  CHECK(number(findings, "sign_drift_factor") == Approx(std::sqrt(2 / std::numbers::pi)).epsilon(1e-15));
  const auto share = column(signs("learning_rate = 0.02")->mode_table(), "signal_share");
  for (std::size_t a = 0; a < 3; ++a)
    CHECK(share[a] == Approx(of.lambda[a] * of.power[a] / of.count[a] / (of.P0 + 0.3)).epsilon(1e-13));
  CHECK(words(findings, "protocol") == "constant: raw eta = 0.02");
  CHECK(number(findings, "initial_excess_mse") == Approx(of.P0).epsilon(1e-14));
  CHECK(number(findings, "noise_to_drift") == Approx(of.N).epsilon(1e-13));
  CHECK(number(findings, "total_drift") == Approx(of.drift[0] + 2 * of.drift[1] + of.drift[2]).epsilon(1e-13));
  CHECK(flag(findings, "stable"));
  // The floor P = (eta/2) N sqrt(P + sigma^2), by iteration.
  double floor = 1;
  for (int i = 0; i < 200; ++i) floor = 0.01 * of.N * std::sqrt(floor + 0.3);
  CHECK(number(findings, "steady_excess_mse") == Approx(floor).epsilon(1e-12));
  CHECK(number(findings, "overshoot") == Approx(0.04 * of.drift[0] / std::sqrt(floor + 0.3)).epsilon(1e-12));
  CHECK_FALSE(flag(findings, "step_too_large"));
  // (2 + B/m) lambda_j D_j/V, largest in the first mode.
  CHECK(number(findings, "snr_max") == Approx((2 + 5.0 / 3) * 2 * 0.9 / (of.P0 + 0.3)).epsilon(1e-13));
  CHECK(number(findings, "time_unit") == Approx(0.6).epsilon(1e-15));
  CHECK(number(findings, "resolution_time_signsvd") ==
        Approx(0.6 * (std::sqrt(2) + 2 * std::sqrt(0.7) + std::sqrt(0.1)) / std::sqrt(0.1)).epsilon(1e-13));
  CHECK(number(findings, "resolution_time_signsgd") == Approx(0.6 * 3.5 / 0.1).epsilon(1e-13));
  CHECK_FALSE(there(findings, "gamma"));
  CHECK_FALSE(there(findings, "phase_deep"));
  CHECK(flag(signs("learning_rate = 100.0")->stability(), "step_too_large"));
}

TEST_CASE("findings of the adaptive protocol: gamma_max, and the gamma that decays fastest") {
  const Idealised of;
  const auto findings = signs("protocol = 'adaptive'\ngamma_fraction = 0.3")->stability();
  CHECK(number(findings, "gamma_max") == Approx(2 / of.N).epsilon(1e-13));
  CHECK(number(findings, "gamma") == Approx(0.6 / of.N).epsilon(1e-13));
  CHECK(flag(findings, "stable"));
  CHECK(number(findings, "overshoot") == Approx(1.2 / of.N * of.drift[0]).epsilon(1e-13));
  CHECK(flag(findings, "step_too_large") == (1.2 / of.N * of.drift[0] >= 1));
  CHECK_FALSE(there(findings, "steady_excess_mse"));
  // dM/dt = -2 gamma h M + gamma^2 q sum lambda M: the slowest of the three eigenvalues, by a general solver.
  const auto rate = [&](double gamma) {
    linear_algebra::Matrix a(3, 3);
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j)
        a(i, j) = gamma * gamma * of.count[i] * of.noise[i] * of.lambda[j] - (i == j ? 2 * gamma * of.drift[i] : 0);
    double slowest = -INFINITY;
    for (const auto& z : linear_algebra::eigenvalues(a)) slowest = std::max(slowest, z.real());
    return -slowest;
  };
  const double gamma = number(findings, "gamma_optimal"), best = number(findings, "rate_optimal");
  CHECK(best == Approx(rate(gamma)).epsilon(1e-9));
  for (const double factor : {0.3, 0.9, 0.99, 1.01, 1.1, 2.0}) CHECK(rate(factor * gamma) < best);
  const auto given = signs("protocol = 'adaptive'\ngamma = 0.9")->stability();
  CHECK(number(given, "gamma") == 0.9);
  CHECK(flag(given, "stable") == (0.9 < 2 / of.N));
}

TEST_CASE("the ridge and where modes cross it") {
  // Rank 2 of four inputs: sum lambda/(lambda + kappa) = 2, by bisection.
  double low = 0, high = 10;
  for (int i = 0; i < 100; ++i) {
    const double k = (low + high) / 2;
    (2 / (2 + k) + 1.4 / (0.7 + k) + 0.1 / (0.1 + k) > 2 ? low : high) = k;
  }
  const auto findings =
      testing::prepare(
          "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7, 0.1]\nmultiplicities = "
          "[1, "
          "2, 1]\ntarget_power = [0.9, 0.5, 0.04]\n[time]\nsteps = 3\n[data]\noutputs = 2\n[optimizer]\nbatch = 5\n"
          "learning_rate = 0.1\n")
          ->stability();
  CHECK(number(findings, "ridge") == Approx(low).epsilon(1e-11));
  CHECK(low > 0.1);
  CHECK(low < 0.7);
  CHECK(number(findings, "crossover_index") == 3);
  CHECK_FALSE(there(findings, "crossover_index_limit"));
  const auto law = testing::prepare(
                       "model = 'matrix-least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 300\nalpha = 0.8\n"
                       "beta = 0.4\n[time]\nsteps = 3\n[optimizer]\nbatch = 20\nlearning_rate = 0.1\n")
                       ->stability();
  CHECK(number(law, "crossover_index") == Approx(std::pow(number(law, "ridge"), -1 / 1.6)).epsilon(1e-13));
  CHECK(number(law, "crossover_index_limit") ==
        Approx(20 * std::sin(std::numbers::pi / 1.6) * 1.6 / std::numbers::pi).epsilon(1e-13));
}

TEST_CASE("predicted exponents and their windows under every protocol") {
  struct Row {
    const char *kind, *protocol;
    double alpha, beta, exponent;
    const char* limited_by;
  };
  // docs/theory/muon-phases.md, sections 7.A to 7.C; g = 2 alpha + 2 beta - 1.
  for (const Row& row : {Row{"signsvd", "adaptive", 1.25, 0.2, 1.5 / 1.25, "noise memory"},
                         Row{"signsvd", "adaptive", 1.75, 1, 2.5 / 1.75, "noise memory"},
                         Row{"signsvd", "adaptive", 0.75, -0.1, 0.3 / 0.75, "signal"},
                         Row{"signsgd", "adaptive", 0.75, 0.5, 1.5 / 1.5, "signal"},
                         Row{"signsgd", "adaptive", 1.25, 2, 4 / 2.5, "noise memory"},
                         Row{"signsvd", "constant-optimal", 0.75, 0.25, 1, "signal"},
                         Row{"signsvd", "constant-optimal", 0.75, 1.5, 1.5, "noise floor"},
                         Row{"signsvd", "constant-optimal", 1.25, 0.25, 2 / 1.25, "signal"},
                         Row{"signsgd", "constant-optimal", 0.75, 0.25, 1 / 1.5, "signal"},
                         Row{"signsgd", "constant-optimal", 0.75, 1.5, 2, "noise floor"},
                         Row{"signsvd", "local-equilibrium", 0.75, 0.25, 1, "signal"},
                         Row{"signsvd", "local-equilibrium", 1.5, 0.25, 2.5 / 1.5, "signal"},
                         Row{"signsgd", "local-equilibrium", 1.5, 0.25, 2.5 / 3, "signal"},
                         Row{"signsvd", "local-equilibrium", 0.4, 0.6, 1 / 0.8, "signal"},
                         Row{"signsgd", "local-equilibrium", 0.4, 0.6, 1, "signal"},
                         Row{"signsgd", "local-equilibrium", 0.2, 0.6, 0.6 / 0.8, "signal"}}) {
    CAPTURE(row.kind);
    CAPTURE(row.protocol);
    CAPTURE(row.alpha);
    CAPTURE(row.beta);
    constexpr double n = 4096;
    const auto problem =
        power_law(row.alpha, row.beta, 4096, fmt::format("kind = '{}'\nprotocol = '{}'", row.kind, row.protocol));
    const auto findings = problem->stability();
    CHECK(number(findings, "predicted_exponent") == Approx(row.exponent).epsilon(1e-12));
    CHECK(words(findings, "limited_by") == row.limited_by);
    const bool local = std::string(row.protocol) == "local-equilibrium", svd = std::string(row.kind) == "signsvd";
    CHECK(there(findings, "conjecture") == local);
    if (local) CHECK(flag(findings, "conjecture"));
    double from = 0, to = 0;
    if (std::string(row.protocol) == "adaptive") {
      double root = 0;
      for (int j = 1; j <= 4096; ++j) root += std::pow(j, -row.alpha);
      from = svd ? 30 * root : 100;
      to = svd ? std::pow(n, row.alpha) * root / 30 : std::min(1e4, std::pow(n, 2 * row.alpha) / 30);
    } else if (local) {
      const double g = 2 * row.alpha + 2 * row.beta - 1;
      to = (row.alpha > 0.5 ? std::pow(n, g / row.exponent) : n) / 30;
      from = std::min(100.0, to);
    } else {
      from = std::pow(10, 3.5);
      to = 1e5;
    }
    // In units of m/B = 2.
    CHECK(number(findings, "predicted_from") == Approx(2 * from).epsilon(1e-5));
    CHECK(number(findings, "predicted_to") == Approx(2 * to).epsilon(1e-5));
    const Trajectory t = problem->solve();
    for (const char* name : {"predicted_exponent", "predicted_from", "predicted_to", "time_unit",
                             "resolution_time_signsvd", "resolution_time_signsgd"})
      CHECK(testing::report(t, name) == number(findings, name));
  }
  // None is known at a given rate, under a schedule, for other maps, at alpha <= 1/2 or where P_0 grows with n.
  for (const char* optimizer : {"kind = 'signsvd'\nlearning_rate = 0.1",
                                "kind = 'signsvd'\nprotocol = 'adaptive'\n[schedule]\nkind = 'linear'"})
    CHECK_FALSE(there(power_law(0.75, 0.5, 64, optimizer)->stability(), "predicted_exponent"));
  for (const char* protocol : {"adaptive", "constant-optimal"})
    CHECK_FALSE(there(power_law(0.5, 0.5, 64, fmt::format("kind = 'signsvd'\nprotocol = '{}'", protocol))->stability(),
                      "predicted_exponent"));
  CHECK_FALSE(
      there(power_law(0.6, -0.1, 64, "kind = 'signsvd'\nprotocol = 'adaptive'")->stability(), "predicted_exponent"));
}

TEST_CASE("lines of the phase diagram, of both windows") {
  struct Point {
    double alpha, beta;
    char deep, scaling;
  };
  // Section 7.1, points close to every line on both sides.
  for (const Point& p : {Point{0.2, 0.29, '-', '-'}, Point{0.2, 0.31, 'S', 'S'}, Point{0.49, 0.5, 'S', 'S'},
                         Point{0.6, 0.015, 'T', 'T'}, Point{0.6, 0.025, 'T', 'S'}, Point{0.9, 0.31, 'T', 'T'},
                         Point{0.9, 0.33, 'T', 'S'}, Point{1.2, 0.69, 'V', 'V'}, Point{1.2, 0.71, 'T', 'S'},
                         Point{1.49, 1.1, 'T', 'S'}, Point{1.51, 1.1, 'T', 'T'}, Point{1.51, 1.0, 'V', 'V'}}) {
    CAPTURE(p.alpha);
    CAPTURE(p.beta);
    CHECK(predicted_phase(p.alpha, p.beta, true) == p.deep);
    CHECK(predicted_phase(p.alpha, p.beta, false) == p.scaling);
    const auto findings = power_law(p.alpha, p.beta, 64, "learning_rate = 0.1")->stability();
    CHECK(words(findings, "phase_deep") == std::string(1, p.deep));
    CHECK(words(findings, "phase_scaling") == std::string(1, p.scaling));
  }
}

TEST_CASE("the table of modes") {
  const Idealised of;
  const auto table =
      signs("learning_rate = 0.02", "null_draws = 3\nregression_draws = 4\n[monte_carlo]\nseed = 6\n")->mode_table();
  MatrixLeastSquares problem = literal::four_inputs(3, 5);
  problem.map = UpdateMap::signsgd;
  const MeasuredCoefficients null = null_coefficients(problem, 3, 6, of.P0 + 0.3),
                             regressed = regressed_coefficients(problem, 4, 6);
  for (std::size_t a = 0; a < 3; ++a) {
    CAPTURE(a);
    CHECK(column(table, "eigenvalue")[a] == of.lambda[a]);
    CHECK(column(table, "multiplicity")[a] == of.count[a]);
    CHECK(column(table, "power")[a] == of.power[a]);
    CHECK(column(table, "drift")[a] == Approx(of.drift[a]).epsilon(1e-14));
    CHECK(column(table, "slope")[a] == Approx(1).epsilon(1e-13));
    CHECK(column(table, "noise")[a] == Approx(of.noise[a]).epsilon(1e-14));
    CHECK(column(table, "floor")[a] == Approx(of.count[a] * of.noise[a] / (2 * of.drift[a])).epsilon(1e-14));
    CHECK(column(table, "drift_null")[a] == null.drift[a]);
    CHECK(column(table, "drift_null_se")[a] == null.drift_error[a]);
    CHECK(column(table, "noise_null")[a] == null.noise[a]);
    CHECK(column(table, "noise_null_se")[a] == null.noise_error[a]);
    CHECK(column(table, "drift_regressed")[a] == regressed.drift[a]);
    CHECK(column(table, "drift_regressed_se")[a] == regressed.drift_error[a]);
    CHECK(column(table, "noise_regressed")[a] == regressed.noise[a]);
    CHECK(column(table, "noise_regressed_se")[a] == regressed.noise_error[a]);
  }
}

TEST_CASE("modes of signs in a random basis are in the units that they state") {
  // K -> c K, start -> start/c: P stays, and what has the unit x goes by sqrt(c).
  constexpr double c = 16;
  const auto of = [](double scale) {
    return testing::prepare(
               fmt::format(
                   "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [{}, {}, "
                   "{}]\ntarget_power = [{}, {}, {}]\n[noise]\nvariance = 0.3\n[time]\nsteps = 3\n[data]\noutputs "
                   "= 3\nrotation = 'haar'\n[optimizer]\nkind = 'signsgd'\nbatch = 5\nlearning_rate = {}\n",
                   2 * scale, 0.7 * scale, 0.1 * scale, 0.9 / scale, 0.5 / scale, 0.04 / scale,
                   0.01 / std::sqrt(scale)))
        ->mode_table();
  };
  const std::vector<ModeColumn> one = of(1), other = of(c);
  REQUIRE(one.size() == 9);
  for (std::size_t k = 0; k < one.size(); ++k) {
    if (one[k].name == "slope") continue;  // has none
    CAPTURE(one[k].name);
    const std::string& unit = one[k].unit;
    const double factor = unit == "1" ? 1 : unit == "x" ? std::sqrt(c) : unit == "parameter^2 x" ? 1 / std::sqrt(c) : 0;
    for (std::size_t i = 0; i < 3; ++i) CHECK(other[k].value[i] == Approx(one[k].value[i] * factor).epsilon(1e-12));
  }
}

TEST_CASE("the power that every mode keeps is where its recursion settles") {
  const Idealised of;
  // As in MatrixDynamics: |Delta u_j|^2 of a single coordinate; m = 3, B = 5, sigma^2 = 0.3.
  const double variance = 0.3;
  const auto settled = [&](double eta, double gamma) {
    std::vector<double> D = of.power;
    for (int k = 0; k < 200000; ++k) {
      double V = variance;
      for (std::size_t a = 0; a < 3; ++a) V += of.lambda[a] * D[a];
      const double rate = eta > 0 ? eta : gamma * std::sqrt(V);
      for (std::size_t a = 0; a < 3; ++a)
        D[a] += -2 * rate * of.drift[a] / std::sqrt(V) * D[a] + rate * rate * of.count[a] * of.noise[a];
    }
    return D;
  };
  const auto constant = signs("learning_rate = 0.02")->mode_table();
  const auto at_constant = settled(0.02, 0);
  const auto adaptive = signs("protocol = 'adaptive'\ngamma = 0.05")->mode_table();
  const auto at_adaptive = settled(0, 0.05);
  double P = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    CHECK(column(constant, "steady_power")[a] == Approx(at_constant[a]).epsilon(1e-9));
    CHECK(column(adaptive, "steady_power")[a] == Approx(at_adaptive[a]).epsilon(1e-9));
    P += of.lambda[a] * column(constant, "steady_power")[a];
  }
  CHECK(P == Approx(number(signs("learning_rate = 0.02")->stability(), "steady_excess_mse")).epsilon(1e-12));
  // From gamma_max = 2/N on nothing settles; other protocols have no rate that it would be of.
  const auto beyond = signs(fmt::format("protocol = 'adaptive'\ngamma = {}", 2.01 / of.N))->mode_table();
  CHECK(std::isinf(column(beyond, "steady_power")[0]));
  const auto other = signs("protocol = 'local-equilibrium'", "method = 'ode'")->mode_table();
  CHECK(std::ranges::none_of(other, [](const ModeColumn& c) { return c.name == "steady_power"; }));
}

TEST_CASE("local slopes of unequal spacing: the derivative of a parabola in the logarithms") {
  std::vector<double> x, y;
  for (const double u : {0.0, 0.3, 1.0, 2.5}) {
    x.push_back(std::exp(u));
    y.push_back(std::exp(0.7 * u * u - u));
  }
  const std::vector<double> slopes = local_slopes(x, y);
  CHECK(slopes[1] == Approx(1.4 * 0.3 - 1).epsilon(1e-12));
  CHECK(slopes[2] == Approx(1.4 * 1.0 - 1).epsilon(1e-12));
  CHECK(slopes[0] == Approx(0.7 * 0.3 - 1).epsilon(1e-12));
  CHECK(slopes[3] == Approx(0.7 * 3.5 - 1).epsilon(1e-12));
  CHECK(std::isnan(local_slopes(std::vector{2.0}, std::vector{1.0})[0]));
}

TEST_CASE("findings and labels say where coefficients come from and how the rate is set; the rate's column does it") {
  const auto of = [](const std::string& theory, const std::string& protocol) {
    return testing::prepare(
        "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7, 0.1]\nmultiplicities = "
        "[1, "
        "2, 1]\ntarget_power = [0.9, 0.5, 0.04]\n[noise]\nvariance = 0.3\n[time]\nat = [1, 4]\n[data]\noutputs = 3\n"
        "[schedule]\nkind = 'linear'\n[optimizer]\nkind = 'signsgd'\nbatch = 5\n" +
        protocol + "\n[theory]\npowers = [1, 4]\n" + theory);
  };
  for (const auto& [theory, description] :
       {std::pair<std::string, std::string>{"sign_noise = 'linear'", "signs in a flat basis, linearised noise"},
        {"sign_noise = 'arcsine'", "signs in the Hadamard basis, exact arcsine noise"}}) {
    const auto problem = of(theory, "learning_rate = 0.02");
    const auto findings = problem->stability();
    const Trajectory t = problem->solve();
    CHECK(words(findings, "coefficients") == description);
    CHECK(testing::label(t, "coefficients") == description);
    CHECK(testing::label(t, "protocol") == words(findings, "protocol"));
    // eta of the step that follows.
    for (std::size_t k = 0; k < 3; ++k)
      CHECK(column(t, "learning_rate")[k] == Approx(0.02 * (1 - t.steps[k] / 4)).scale(1).epsilon(1e-14));
    CHECK(column(t, "power_1")[0] == Approx(0.9).epsilon(1e-14));
    CHECK(column(t, "power_4")[0] == Approx(0.04).epsilon(1e-14));
  }
  const Trajectory t = of("", "protocol = 'adaptive'\ngamma = 0.05")->solve();
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(column(t, "learning_rate")[k] ==
          Approx(0.05 * (1 - t.steps[k] / 4) * std::sqrt(column(t, "excess_mse")[k] + 0.3)).scale(1).epsilon(1e-12));
}

TEST_CASE("one eigenvalue without noise grows by one factor a step, and diverges where it has passed 1e100") {
  const auto at = [](const std::string& steps) {
    return testing::prepare(
               "model = 'matrix-least-squares'\n[spectrum]\nkind = 'isotropic'\ndimension = 4\n[noise]\nlaw = 'none'\n"
               "[data]\noutputs = 3\n[optimizer]\nkind = 'sgd'\nbatch = 5\nlearning_rate = 4\n[time]\nat = [" +
               steps + "]\n")
        ->solve();
  };
  const std::vector<double> P = column(at("1, 2"), "excess_mse");
  CHECK(P[2] / P[1] == Approx(P[1] / P[0]).epsilon(1e-12));
  const Trajectory t = at("1, 500");
  REQUIRE(t.diverged_at);
  CHECK(*t.diverged_at == std::floor(100 / std::log10(P[1] / P[0])) + 1);
}
