#include "models/muon/theory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "models/muon/spectral_coefficients.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/framework/sensitivity.hpp"
#include "tests/models/muon/literal.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using testing::column;
using testing::report;

namespace {

// m = 3, B = 5 and K of eigenvalues 2, .7, .7, .1.
const std::vector<double> lambda{2, 0.7, 0.1}, many{1, 2, 1}, power{0.9, 0.5, 0.04};
constexpr double m = 3, B = 5, mean = 3.5 / 4, sigma2 = 0.3;

std::unique_ptr<Problem> problem(const std::string& optimizer, const std::string& theory,
                                 const std::string& more = "[time]\nat = [1, 2, 5, 9]\n") {
  return testing::prepare(
      "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7, 0.1]\nmultiplicities = [1, "
      "2, "
      "1]\ntarget_power = [0.9, 0.5, 0.04]\n[noise]\nvariance = 0.3\n[data]\noutputs = 3\n[optimizer]\nbatch = 5\n" +
      optimizer + "\n[theory]\n" + theory + "\n" + more);
}
const std::string signs = "kind = 'signsgd'\n", idealised = "coefficients = 'idealised'\n";

struct State {
  std::vector<double> M = power;
  double P() const {
    double out = 0;
    for (std::size_t a = 0; a < 3; ++a) out += lambda[a] * M[a];
    return out;
  }
  double V() const { return P() + sigma2; }
};

/// hhat = sqrt(2B/pi) lambda/sqrt(mean) and Q = m (1 - 2/pi + (2/pi) lambda/mean) of a whole eigenspace.
double drift(std::size_t a) {
  return std::sqrt(2 * B / std::numbers::pi) * lambda[a] / std::sqrt(mean);
}
double noise(std::size_t a) {
  return many[a] * m * ((1 - 2 / std::numbers::pi) + 2 / std::numbers::pi * lambda[a] / mean);
}
double N() {
  double out = 0;
  for (std::size_t a = 0; a < 3; ++a) out += lambda[a] * noise(a) / drift(a);
  return out;
}

/// Local equilibrium (7.C): gamma = fraction 2/N(u) of what is resolved at u, at most where 2 gamma hhat = 1.
double local_gamma(double u, double fraction) {
  double resolved = 0;
  for (std::size_t a = 0; a < 3; ++a) resolved += lambda[a] * noise(a) * (1 - std::exp(-2 * drift(a) * u)) / drift(a);
  return std::min(2 * fraction / resolved, 1 / (2 * drift(0)));
}

struct Recursion {
  std::string optimizer, theory;
  std::function<double(double step, double V)> eta;
  double drift_factor = 1, noise_factor = 1;
  bool dressed = false;
};

void check(const Recursion& of) {
  CAPTURE(of.optimizer);
  CAPTURE(of.theory);
  const Trajectory t = problem(of.optimizer, of.theory + "powers = [1, 3]\n")->solve();
  REQUIRE(t.steps == std::vector<double>{0, 1, 2, 5, 9});
  State s;
  std::size_t k = 0;
  double overshoot = 0, signal = 0;
  for (double step = 0; step <= 9; ++step) {
    const double P = s.P(), V = s.V(), eta = of.eta(step, V);
    if (k < t.steps.size() && t.steps[k] == step) {
      CAPTURE(step);
      CHECK(column(t, "excess_mse")[k] == Approx(P).epsilon(1e-12));
      CHECK(column(t, "risk")[k] == Approx(V / 2).epsilon(1e-12));
      CHECK(column(t, "power_1")[k] == Approx(s.M[0]).epsilon(1e-12));
      CHECK(column(t, "power_3")[k] == Approx(s.M[1] / 2).epsilon(1e-12));
      CHECK(column(t, "learning_rate")[k] == Approx(eta).epsilon(1e-12));
      ++k;
    }
    if (step == 9) break;
    double psi = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      const double phi = lambda[a] * s.M[a] / many[a] / V;
      psi += many[a] * lambda[a] * phi / 3.5;
      signal = std::max(signal, (2 + B / m) * phi);
    }
    for (std::size_t a = 0; a < 3; ++a) {
      const double h = of.drift_factor * drift(a) / (of.dressed ? std::sqrt(1 + (2 + B / m) * psi) : 1);
      overshoot = std::max(overshoot, 2 * eta * h / std::sqrt(V));
      s.M[a] += -2 * eta * h * s.M[a] / std::sqrt(V) + eta * eta * of.noise_factor * noise(a);
    }
  }
  CHECK(report(t, "overshoot") == Approx(overshoot).epsilon(1e-12));
  CHECK(report(t, "snr_max") == Approx(signal).epsilon(1e-12));
  CHECK(testing::label(t, "drift") == (of.dressed ? "dressed" : "bare"));
  CHECK(testing::label(t, "window") == "steps 0 to 9, m/B = 0.6");
  if (of.dressed) CHECK(report(t, "drift_refreshes") == 9);
}

/// dM/dt = rate(t, V) M + source(t, V) by Runge and Kutta's method, in 1500 steps.
std::vector<double> flow(double until, const std::function<double(double, double, std::size_t)>& rate,
                         const std::function<double(double, double, std::size_t)>& source) {
  State s;
  const auto slope = [&](double t, const State& at) {
    std::vector<double> out;
    for (std::size_t a = 0; a < 3; ++a) out.push_back(rate(t, at.V(), a) * at.M[a] + source(t, at.V(), a));
    return out;
  };
  const auto moved = [](const State& at, const std::vector<double>& by, double factor) {
    State out = at;
    for (std::size_t a = 0; a < 3; ++a) out.M[a] += factor * by[a];
    return out;
  };
  constexpr int steps = 1500;
  const double dt = until / steps;
  for (int i = 0; i < steps; ++i) {
    const double t = i * dt;
    const auto k1 = slope(t, s), k2 = slope(t + dt / 2, moved(s, k1, dt / 2)),
               k3 = slope(t + dt / 2, moved(s, k2, dt / 2)), k4 = slope(t + dt, moved(s, k3, dt));
    for (std::size_t a = 0; a < 3; ++a) s.M[a] += dt / 6 * (k1[a] + 2 * k2[a] + 2 * k3[a] + k4[a]);
  }
  return s.M;
}

double excess(const std::vector<double>& M) {
  return lambda[0] * M[0] + lambda[1] * M[1] + lambda[2] * M[2];
}

}  // namespace

TEST_CASE("the recursion by hand: constant and scheduled rates, factors, dressing, every protocol") {
  const auto constant = [](double, double) { return 0.03; };
  check({signs + "learning_rate = 0.03", idealised, constant});
  check({signs + "learning_rate = 0.03", idealised + "scale_drift = 1.3\nscale_noise = 0.6\n", constant, 1.3, 0.6});
  check({signs + "learning_rate = 0.03", idealised + "dressed = true\n", constant, 1, 1, true});
  check({signs + "learning_rate = 0.03\n[schedule]\nkind = 'linear'", idealised,
         [](double step, double) { return 0.03 * (1 - step / 9); }});
  check(
      {signs + "protocol = 'adaptive'\ngamma = 0.05", idealised, [](double, double V) { return 0.05 * std::sqrt(V); }});
  check({signs + "protocol = 'adaptive'\ngamma_fraction = 0.3\n[schedule]\nkind = 'linear'", idealised,
         [](double step, double V) { return (1 - step / 9) * 0.3 * 2 / N() * std::sqrt(V); }});
  double u = 0;
  check({signs + "protocol = 'local-equilibrium'\ngamma_fraction = 0.3", idealised, [&](double, double V) {
           const double gamma = local_gamma(u, 0.3);
           u += gamma;
           return gamma * std::sqrt(V);
         }});
}

TEST_CASE("SGD's recursion is exact: one step by hand, and the algorithm's mean at any size") {
  for (const bool bilinear : {true, false}) {
    CAPTURE(bilinear);
    const auto problem = testing::prepare(
        std::string(
            "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7]\ntarget_power = "
            "[0.9, 0.5]\n[noise]\nvariance = 0.3\n[time]\nat = [1, 4]\n[data]\noutputs = 2\nlabels = '") +
        (bilinear ? "bilinear" : "vector") + "'\n[optimizer]\nkind = 'sgd'\nbatch = 20\nlearning_rate = 0.3\n");
    const Trajectory t = problem->solve();
    CHECK(t.exact);
    CHECK(t.warnings.empty());
    const double eta = 0.3, batch = 20, outputs = 2, values[] = {2, 0.7}, D[] = {0.9, 0.5}, P = 1.8 + 0.35;
    double next = 0;
    for (int j = 0; j < 2; ++j) {
      const double l = values[j], square = l * l * D[j];
      // E|G u_j|^2 by Isserlis.
      const double one = bilinear ? outputs * l * (P + 0.3) + 2 * l * P + 2 * (outputs + 2) * square
                                  : outputs * l * 0.3 + l * P + 2 * square;
      next += l * (D[j] - 2 * eta * l * D[j] + eta * eta * (one / batch + (1 - 1 / batch) * square));
    }
    CHECK(column(t, "excess_mse").at(1) == Approx(next).epsilon(1e-13));
    const auto simulation = problem->simulate();
    constexpr int replicas = 4000;
    double sum = 0, squares = 0;
    std::vector<double> seen(simulation->observables().size());
    for (int r = 0; r < replicas; ++r) {
      const auto replica = simulation->replica(11, static_cast<std::uint64_t>(r));
      replica->advance(4);
      replica->observe(seen);
      sum += seen[0];
      squares += seen[0] * seen[0];
    }
    const double average = sum / replicas, error = std::sqrt((squares / replicas - average * average) / replicas);
    // Seed fixed; 4.5 standard errors.
    CHECK(std::abs(column(t, "excess_mse").at(2) - average) < 4.5 * error);
  }
}

TEST_CASE("vector labels: V is the noise of an output, the risk counts all outputs") {
  const Trajectory t =
      testing::prepare(
          "model = 'matrix-least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7, 0.1]\n"
          "multiplicities = [1, 2, 1]\ntarget_power = [0.9, 0.5, 0.04]\n[noise]\nvariance = 0.3\n[data]\n"
          "outputs = 3\nlabels = 'vector'\nrotation = 'none'\n[optimizer]\nkind = 'signsgd'\nbatch = 5\n"
          "learning_rate = 0.03\n[time]\nat = [1, 4]\n")
          ->solve();
  // hhat = sqrt(2/pi) E chi_5 sqrt(lambda), E chi_5 = 8 sqrt 2/(3 sqrt pi); Q = m.
  State s;
  for (int step = 1; step <= 4; ++step)
    for (std::size_t a = 0; a < 3; ++a) {
      const double h = std::sqrt(2 * lambda[a] / std::numbers::pi) * 8 * std::sqrt(2 / std::numbers::pi) / 3;
      s.M[a] += -2 * 0.03 * h * s.M[a] / std::sqrt(sigma2) + 0.03 * 0.03 * m * many[a];
    }
  CHECK(column(t, "excess_mse").back() == Approx(s.P()).epsilon(1e-12));
  CHECK(column(t, "risk").back() == Approx((s.P() + 3 * 0.3) / 2).epsilon(1e-12));
}

TEST_CASE("SignSVD's dressing: hhat of the inflated spectrum over f, anew when some f has moved by 2%") {
  const Trajectory t =
      problem("kind = 'signsvd'\nlearning_rate = 0.01", "dressed = true", "[time]\nat = [1, 40]\n")->solve();
  const std::vector<double> q = signsvd_noise({lambda, many}, 3);
  State s;
  std::vector<double> used, h;
  int refreshes = 0;
  for (int step = 0; step < 40; ++step) {
    std::vector<double> f, inflated;
    double moved = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      f.push_back(1 + (2 + B / m) * lambda[a] * s.M[a] / many[a] / s.V());
      inflated.push_back(lambda[a] * f[a]);
      if (!used.empty()) moved = std::max(moved, std::abs(f[a] / used[a] - 1));
    }
    if (used.empty() || moved > 0.02) {
      h = signsvd_drift({inflated, many}, m, B, WeightLaw::bilinear);
      for (std::size_t a = 0; a < 3; ++a) h[a] /= f[a];
      used = f;
      ++refreshes;
    }
    const double V = s.V();
    for (std::size_t a = 0; a < 3; ++a) s.M[a] += -2 * 0.01 * h[a] * s.M[a] / std::sqrt(V) + 1e-4 * many[a] * q[a];
  }
  CHECK(refreshes > 2);
  CHECK(refreshes < 40);
  CHECK(report(t, "drift_refreshes") == refreshes);
  CHECK(column(t, "excess_mse").back() == Approx(s.P()).epsilon(1e-9));
}

TEST_CASE("flows of every protocol by Runge and Kutta") {
  const std::string ode = idealised + "method = 'ode'\nscale_drift = 1.3\nscale_noise = 0.6\n";
  const auto last = [&](const std::string& optimizer) {
    return column(problem(signs + optimizer, ode, "[time]\nat = [3, 20]\n")->solve(), "excess_mse").back();
  };
  const auto pull = [](double eta, double V, std::size_t a) { return -2 * eta * 1.3 * drift(a) / std::sqrt(V); };
  const auto push = [](double eta, std::size_t a) { return eta * eta * 0.6 * noise(a); };
  const auto fading = [](double t) { return 1 - t / 20; };
  CHECK(last("learning_rate = 0.03") ==
        Approx(excess(flow(
                   20, [&](double, double V, std::size_t a) { return pull(0.03, V, a); },
                   [&](double, double, std::size_t a) { return push(0.03, a); })))
            .epsilon(1e-6));
  CHECK(last("learning_rate = 0.03\n[schedule]\nkind = 'linear'") ==
        Approx(excess(flow(
                   20, [&](double t, double V, std::size_t a) { return pull(0.03 * fading(t), V, a); },
                   [&](double t, double, std::size_t a) { return push(0.03 * fading(t), a); })))
            .epsilon(1e-6));
  const auto adaptive = [&](const std::function<double(double)>& gamma) {
    return Approx(excess(flow(
                      20, [&](double t, double, std::size_t a) { return -2 * gamma(t) * 1.3 * drift(a); },
                      [&](double t, double V, std::size_t a) { return push(gamma(t) * std::sqrt(V), a); })))
        .epsilon(1e-6);
  };
  CHECK(last("protocol = 'adaptive'\ngamma = 0.05") == adaptive([](double) { return 0.05; }));
  CHECK(last("protocol = 'adaptive'\ngamma = 0.05\n[schedule]\nkind = 'linear'") ==
        adaptive([&](double t) { return 0.05 * fading(t); }));
  // In local equilibrium gamma depends on its own integral u: dt = du/gamma(u).
  double until = 0;
  for (double t = 0, du = 1e-5; t < 20; until += du) t += du / local_gamma(until + du / 2, 0.3);
  const auto in_u = flow(
      until, [](double, double, std::size_t a) { return -2 * 1.3 * drift(a); },
      [](double u, double V, std::size_t a) { return local_gamma(u, 0.3) * 0.6 * noise(a) * V; });
  CHECK(last("protocol = 'local-equilibrium'\ngamma_fraction = 0.3") == Approx(excess(in_u)).epsilon(1e-4));
}

TEST_CASE("gamma is told beside gamma_max, and that it is unstable") {
  const auto solved = [](double fraction) {
    return problem(fmt::format("{}protocol = 'adaptive'\ngamma_fraction = {}", signs, fraction), idealised)->solve();
  };
  const Trajectory below = solved(0.99), above = solved(1.01);
  CHECK(report(below, "gamma") == Approx(0.99 * 2 / N()).epsilon(1e-13));
  CHECK(report(below, "gamma_max") == Approx(2 / N()).epsilon(1e-13));
  CHECK(testing::label(below, "stability").empty());
  CHECK(testing::label(above, "stability") == "unstable");
}

TEST_CASE("the ode's own times: from a twentieth of m/B to the asked multiple of the resolution time") {
  for (const bool svd : {true, false}) {
    const Trajectory t = problem(std::string(svd ? "kind = 'signsvd'" : "kind = 'signsgd'") + "\nlearning_rate = 0.001",
                                 idealised + "method = 'ode'\nresolutions = 2\n", "[time]\nsteps = 3\npoints = 12\n")
                             ->solve();
    REQUIRE(t.steps.size() == 12);
    CHECK(t.steps[0] == 0);
    CHECK(t.steps[1] == Approx(0.05 * 0.6).epsilon(1e-13));
    const double by_svd = 0.6 * (std::sqrt(2) + 2 * std::sqrt(0.7) + std::sqrt(0.1)) / std::sqrt(0.1);
    CHECK(t.steps[11] == Approx(2 * (svd ? by_svd : std::max(by_svd, 0.6 * 3.5 / 0.1))).epsilon(1e-12));
    for (std::size_t k = 2; k < 11; ++k)
      CHECK(t.steps[k] * t.steps[k] == Approx(t.steps[k - 1] * t.steps[k + 1]).epsilon(1e-11));
  }
}

TEST_CASE("beyond 20000 steps the adaptive recursion is read off its transform, powers of columns too") {
  const auto at = [](const std::string& times) {
    return problem(signs + "protocol = 'adaptive'\ngamma_fraction = 0.004\n", idealised + "powers = [1, 3, 4]\n",
                   "[time]\nat = " + times + "\n")
        ->solve();
  };
  const auto one_by_one = at("[10, 3000, 12000, 20000]"), read_off = at("[10, 3000, 12000, 20000, 20001]");
  CHECK(one_by_one.method.find("inverted transform") == std::string::npos);
  CHECK(read_off.method.find("inverted transform") != std::string::npos);
  CHECK(report(read_off, "solver_error") < 1e-6);
  REQUIRE(one_by_one.columns.size() == read_off.columns.size());
  for (std::size_t c = 0; c < read_off.columns.size(); ++c) {
    CAPTURE(read_off.columns[c].observable.name);
    for (std::size_t k = 0; k < one_by_one.steps.size(); ++k)
      CHECK(read_off.columns[c].value[k] == Approx(one_by_one.columns[c].value[k]).epsilon(1e-7));
  }
}

TEST_CASE("eigenspaces by their columns") {
  spectra::Spectrum s;
  s.eigenvalue = lambda;
  s.multiplicity = many;
  CHECK(eigenspace_of(s, 1) == 0);
  CHECK(eigenspace_of(s, 2) == 1);
  CHECK(eigenspace_of(s, 3) == 1);
  CHECK(eigenspace_of(s, 4) == 2);
  CHECK_THROWS_WITH(eigenspace_of(s, 5), "theory.powers: there is no column 5 of 4");
}

TEST_CASE("flows know their derivative by the risk") {
  MatrixLeastSquares matrix = literal::four_inputs(3, 4);
  MatrixTheory options;
  options.scale_drift = 1.3;
  options.scale_noise = 0.6;
  const std::vector<double> M{0.8, 0.3, 0.02}, p{1.7};
  const auto check = [&](const CoefficientOptions& coefficients) {
    const MatrixDynamics dynamics(matrix, coefficients);
    for (const bool adaptive : {false, true}) {
      const FlowRates rates{[](double t) { return 0.1 / (1 + t); }, [](double t) { return 0.01 / (2 + t); }, adaptive,
                            false};
      if (!adaptive || dynamics.constant())
        testing::check_sensitivity(MatrixFlow(matrix, dynamics, options, rates), 2, p, M, 1e-6);
    }
  };
  check({});
  CoefficientOptions null;
  null.source = CoefficientSource::null;
  null.draws = 3;
  matrix.map = UpdateMap::general;
  matrix.spectral_map =
      std::make_shared<const settings::Expression>("sigma/(1 + sigma)", std::vector<std::string>{"sigma"});
  check(null);
  matrix.map = UpdateMap::signsgd;
  matrix.labels = Labels::vector;
  check({});
}
