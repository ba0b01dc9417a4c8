#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <string>

#include "models/framework/model.hpp"
#include "models/muon/phases.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;

namespace {

std::unique_ptr<Problem> problem_of(const std::string& text) {
  const Experiment experiment =
      read_experiment(settings::read_text("model = \"matrix-least-squares\"\n" + text, "test"));
  return find(experiment).prepare(experiment);
}

std::string case_of(double alpha, double B, const std::string& kind, double eta, const std::string& more = "") {
  return fmt::format(
      "[spectrum]\nkind = \"power-law\"\ndimension = 128\nalpha = {}\nbeta = 0.3\n[noise]\nrelative_variance = 0.25\n"
      "[optimizer]\nkind = \"{}\"\nlearning_rate = {}\nbatch = {}\n[time]\nat = [30, 100, 300]\n{}",
      alpha, kind, eta, B, more);
}

// First passage of level by log-log interpolation.
double passage(const Trajectory& t, double level) {
  const auto& P = t.columns[0].value;
  for (std::size_t i = 1; i < P.size(); ++i)
    if (P[i] < level) {
      if (t.steps[i - 1] == 0) return t.steps[i];
      const double f = std::log(level / P[i - 1]) / std::log(P[i] / P[i - 1]);
      return t.steps[i - 1] * std::pow(t.steps[i] / t.steps[i - 1], f);
    }
  return std::nan("");
}

}  // namespace

TEST_CASE("the dressed recursion gives the reference digits") {
  const double root = std::sqrt(128.0);
  struct Row {
    std::string text;
    double at[3];
  };
  const std::string dressed = "[theory]\ndressed = true\n";
  for (const Row& row : {Row{case_of(.4, 128, "signsvd", .02, dressed), {.74819, .39429, .19714}},
                         Row{case_of(.4, 32, "signsvd", .02, dressed), {.88239, .66190, .34593}},
                         Row{case_of(.4, 32, "signsgd", .02 / root, dressed), {.70655, .45875, .36871}},
                         Row{case_of(.75, 128, "signsvd", .01, dressed), {.79315, .42528, .07304}},
                         Row{case_of(.75, 128, "signsgd", .005 / root, dressed), {.50514, .17204, .07306}}}) {
    const Trajectory t = problem_of(row.text)->solve();
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(t.columns[0].value[i + 1] / t.columns[0].value[0] == Approx(row.at[i]).epsilon(5e-3));
  }
}

TEST_CASE("the real algorithm stays within 6% of the dressed theory") {
  const auto problem = problem_of(case_of(.4, 32, "signsvd", .02));
  const Trajectory theory = problem->reference();
  const auto simulation = problem->simulate();
  double mean[3] = {};
  for (std::uint64_t r = 0; r < 4; ++r) {
    const auto replica = simulation->replica(3, r);
    double out[2];
    for (std::size_t i = 0; i < 3; ++i) {
      replica->advance(i == 0 ? 30 : i == 1 ? 100 : 300);
      replica->observe(out);
      mean[i] += out[0] / 4;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(mean[i] == Approx(theory.columns[0].value[i + 1]).epsilon(0.06));
}

TEST_CASE("four points of the phase diagram: which optimizer is ahead, to the end of convergence") {
  struct Point {
    double alpha, beta, least, largest;
    char label;
  };
  for (const Point& p : {Point{.3, 1, -.358, .007, 'S'}, Point{.75, 1, -.411, .317, 'T'},
                         Point{1.5, .5, -.020, 1.314, 'V'}, Point{1.5, 2, -.293, 1.171, 'T'}}) {
    Trajectory t[2];
    double resolution = 0;
    for (int i = 0; i < 2; ++i) {
      t[i] =
          problem_of(fmt::format("[spectrum]\nkind = \"power-law\"\ndimension = 100000\nalpha = {}\nbeta = {}\n"
                                 "compress = 1e-6\n[optimizer]\nkind = \"{}\"\nprotocol = \"adaptive\"\n[time]\nsteps "
                                 "= 1\npoints = 600\n[theory]\nmethod = \"ode\"\ncoefficients = "
                                 "\"idealised\"\nresolutions = 30\n",
                                 p.alpha, p.beta, i == 0 ? "signsvd" : "signsgd"))
              ->solve();
    }
    for (const auto& [name, value] : t[0].report)
      if (name == "resolution_time_signsvd") resolution = value;
    double deepest = 0;
    for (std::size_t i = 0; i < t[0].steps.size(); ++i)
      if (t[0].steps[i] <= 5 * resolution) deepest = t[0].columns[0].value[i];
    const double P0 = t[0].columns[0].value[0], from = P0 / 4, to = std::min(P0 / 8, deepest);
    double least = 1e9, largest = -1e9;
    for (int i = 0; i < 40; ++i) {
      const double level = from * std::pow(to / from, i / 39.0);
      const double rho = std::log(passage(t[1], level) / passage(t[0], level)) / std::log(1e5);
      least = std::min(least, rho);
      largest = std::max(largest, rho);
    }
    CAPTURE(p.alpha);
    CAPTURE(p.beta);
    CHECK(least == Approx(p.least).epsilon(0.02).scale(1));
    CHECK(largest == Approx(p.largest).epsilon(0.02).scale(1));
    const char label = largest > .05 ? (least < -.05 ? 'T' : 'V') : (least < -.05 ? 'S' : '-');
    CHECK(label == p.label);
    CHECK(label == predicted_phase(p.alpha, p.beta, true));
  }
}

TEST_CASE("what matrix least squares refuses, and why") {
  const auto fails = [](const std::string& text, const std::string& part) {
    try {
      problem_of(text)->solve();
      FAIL_CHECK("accepted");
    } catch (const settings::Error& e) {
      const std::string said = e.what();
      CHECK_MESSAGE(said.find(part) != std::string::npos, said);
    }
  };
  fails(case_of(.4, 8, "signsvd", .02) + "[data]\noutput_alpha = 1e9\n",
        "data.output_alpha: the deterministic equivalent needs gradients of rank 2");
  fails(case_of(.4, 1, "signsvd", .02), "optimizer.kind: the theory of spectral maps needs gradients of rank 2");
  fails(case_of(.4, 32, "newton-schulz", .02, "[theory]\ncoefficients = \"fixed-point\"\n"), "null draws only");
  fails(case_of(.4, 32, "signsvd", .02, "[theory]\nmethod = \"ode\"\ndressed = true\n"),
        "needs method = \"recursion\"");
  fails(case_of(.4, 32, "signsvd", .02, "[theory]\npowers = [129]\n"), "there is no column 129 of 128");
  for (const std::string key : {"null_draws", "regression_draws"})
    fails(case_of(.4, 32, "signsvd", .02, "[theory]\n" + key + " = 1\n"), "theory." + key + ": at least 2 draws");
  const auto with = [](const std::string& data, const std::string& optimizer, const std::string& more = "") {
    return "[spectrum]\nkind = 'isotropic'\ndimension = 16\n[data]\n" + data + "[optimizer]\nbatch = 8\n" + optimizer +
           "[time]\nat = [3]\n" + more;
  };
  const std::string rate = "kind = 'signsvd'\nlearning_rate = 0.01\n",
                    tuned = "kind = 'signsvd'\nprotocol = ", outputs = "outputs = 16\n";
  fails(with(outputs + "output_alpha = 0.5\noutput_eigenvalues = [1, 2]\n", rate),
        "data.output_eigenvalues: give either");
  fails(with(outputs + "output_eigenvalues = [1, 2, 3]\n", rate), "data.output_eigenvalues: 3 values do not divide 16");
  fails(with(outputs + "output_eigenvalues = [1e200, 1]\n", rate),
        "data.output_eigenvalues: the sums of the spectrum overflow");
  fails(with(outputs + "output_alpha = 0.5\nlabels = 'vector'\n", rate),
        "data.output_alpha: vector labels have no Sigma");
  fails(with(outputs, "kind = 'signsvd'\n"), "optimizer.learning_rate: is required");
  fails(with(outputs, tuned + "'adaptive'\ngamma = 0.1\ngamma_fraction = 0.1\n"), "optimizer.gamma: give either");
  fails(with(outputs, rate, "[noise]\nvariance = 1\nrelative_variance = 1\n"), "noise.variance: give either");
  fails(with(outputs, rate, "[noise]\nlaw = 'none'\nvariance = 1\n"), "noise.law: none has no variance");
  fails(with(outputs, tuned + "'local-equilibrium'\n", "[schedule]\nkind = 'linear'\n"),
        "schedule.kind: this protocol sets the learning rate itself");
  fails(with(outputs, rate, "[theory]\nresolutions = 3\n"), "theory.resolutions: is read where method = ode");
  fails(with(outputs, tuned + "'constant-optimal'\n"), "optimizer.protocol: constant-optimal needs [theory] method");
  fails(with(outputs, tuned + "'constant-optimal'\n", "[theory]\nmethod = 'ode'\npowers = [1]\n"),
        "theory.powers: not along the envelope");
  // Vector labels, of which the theory takes the gradient as noise: P = 16 x 1 here against a tenth of m sigma^2.
  const auto warned = [&](double variance) {
    for (const std::string& warning :
         problem_of(with(outputs + "labels = 'vector'\n", rate, fmt::format("[noise]\nvariance = {}\n", variance)))
             ->warnings())
      if (warning.starts_with("vector labels: P/m")) return true;
    return false;
  };
  const double P = problem_of(with(outputs, rate))->solve().columns[0].value[0];
  CHECK(warned(0.99 * P / 1.6));
  CHECK(!warned(1.01 * P / 1.6));
}

TEST_CASE("the ODE is the recursion's limit: the difference halves with the learning rate") {
  double gap[2];
  for (int i = 0; i < 2; ++i) {
    const double eta = i == 0 ? .004 : .002;
    const auto text = [&](const char* method) {
      return fmt::format(
          "[spectrum]\nkind = \"power-law\"\ndimension = 128\nalpha = 0.4\nbeta = 0.3\n[noise]\n"
          "relative_variance = 0.25\n[optimizer]\nkind = \"signsvd\"\nlearning_rate = {}\n[time]\nat = [{}]\n"
          "[theory]\nmethod = \"{}\"\ndressed = false\n",
          eta, i == 0 ? 400 : 800, method);
    };
    const double ode = problem_of(text("ode"))->solve().columns[0].value.back();
    gap[i] = std::abs(problem_of(text("recursion"))->solve().columns[0].value.back() / ode - 1);
  }
  CHECK(gap[0] < 0.05);
  CHECK(gap[0] / gap[1] == Approx(2).epsilon(0.1));
}

TEST_CASE("what only a simulation covers") {
  std::string momentum = case_of(.4, 32, "signsvd", .02);
  momentum.replace(momentum.find("batch = "), 8, "momentum = 0.9\nbatch = ");
  const std::string noiseless =
      "[spectrum]\nkind = \"power-law\"\ndimension = 16\nalpha = 0.4\nbeta = 0.3\n[data]\nlabels = \"vector\"\n"
      "[optimizer]\nkind = \"signsvd\"\nlearning_rate = 0.02\n[time]\nsteps = 4\n";
  for (const std::string& text : {momentum, noiseless}) {
    const auto problem = problem_of(text);
    CHECK_THROWS_AS(problem->solve(), settings::Error);
    const auto simulation = problem->simulate();
    const auto replica = simulation->replica(1, 0);
    replica->advance(4);
    double out[2];
    replica->observe(out);
    CHECK(std::isfinite(out[0]));
  }
}

TEST_CASE("a recursion that leaves its range by too large a step ends there, and does not diverge") {
  const auto problem = problem_of(
      "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5]\n[optimizer]\nkind = "
      "'signsvd'\nbatch = 1e6\nlearning_rate = 0.1\n[time]\nat = [1, 2, 5]\n");
  const Trajectory t = problem->solve();
  CHECK(t.steps == std::vector<double>{0});
  CHECK_FALSE(t.diverged_at);
  CHECK(t.valid_until == 0);
  CHECK(std::ranges::count(t.labels, std::pair<std::string, std::string>("guard", "step_too_large")) == 1);
  const auto said = [&](const std::string& start) {
    return std::ranges::count_if(t.warnings, [&](const std::string& w) { return w.find(start) == 0; });
  };
  CHECK(said("the recursion left its range at step 1,") == 1);
  CHECK(said("step_too_large") == 1);
}

TEST_CASE("guards are reported: an adaptive rate beyond gamma_max is unstable, a far larger one overshoots") {
  const auto flag = [](const std::string& text, const std::string& name) {
    return testing::flag(problem_of(text)->stability(), name);
  };
  for (const double fraction : {0.9, 1.1, 1e6}) {
    std::string text = case_of(.4, 128, "signsvd", .02);
    text.replace(text.find("learning_rate = 0.02"), 20,
                 fmt::format("protocol = \"adaptive\"\ngamma_fraction = {}", fraction));
    CHECK(flag(text, "stable") == (fraction < 1));
    if (fraction > 2) CHECK(flag(text, "step_too_large"));
  }
  CHECK_FALSE(flag(case_of(.4, 128, "signsvd", .001), "step_too_large"));
  for (const double eta : {0.001, 1000.0}) CHECK(flag(case_of(.4, 128, "signsvd", eta), "stable"));
}

TEST_CASE("the flow is warned of where the recursion is, under every protocol") {
  struct Said {
    double overshoot, signal;
    bool too_large, signal_large;
  };
  const auto said = [](const std::string& protocol, const std::string& theory) {
    const Trajectory out = problem_of(
                               "[spectrum]\nkind = \"power-law\"\ndimension = "
                               "16\nalpha = 0.75\nbeta = 0.5\n"
                               "[data]\noutputs = 16\n[optimizer]\nkind = \"signsvd\"\nbatch = 64\n" +
                               protocol + "\n[time]\nat = [1, 2, 5, 10, 20, 40]\n[theory]\n" + theory)
                               ->solve();
    Said s{};
    for (const auto& [name, value] : out.report) {
      if (name == "overshoot") s.overshoot = value;
      if (name == "snr_max") s.signal = value;
    }
    for (const std::string& w : out.warnings) {
      s.too_large = s.too_large || w.find("step_too_large") == 0;
      s.signal_large = s.signal_large || w.find("signal share") != std::string::npos;
    }
    CHECK(std::ranges::count(out.labels, std::pair<std::string, std::string>("guard", "step_too_large")) ==
          (s.too_large ? 1 : 0));
    return s;
  };
  for (const std::string protocol : {"learning_rate = 0.001", "learning_rate = 1.0", "protocol = \"adaptive\"",
                                     "protocol = \"adaptive\"\ngamma_fraction = 40", "protocol = \"local-equilibrium\"",
                                     "protocol = \"adaptive\"\n[schedule]\nkind = \"linear\""}) {
    CAPTURE(protocol);
    const Said recursion = said(protocol, "method = \"recursion\"\n"), flow = said(protocol, "method = \"ode\"\n");
    CHECK(flow.too_large == recursion.too_large);
    CHECK(flow.signal_large == recursion.signal_large);
    // The shares are largest at the start, or grow little from there.
    // A guard: flow and recursion differ by a step; each has its own numbers in theory_test.cpp.
    CHECK(flow.signal == Approx(recursion.signal).epsilon(0.3));
    CHECK(flow.signal > 0.1);
    if (!recursion.too_large) CHECK(flow.overshoot == Approx(recursion.overshoot).epsilon(0.3));
  }
  CHECK(said("learning_rate = 1.0", "method = \"ode\"\n").too_large);
  CHECK_FALSE(said("learning_rate = 0.001", "method = \"ode\"\n").too_large);
  CHECK(said("protocol = \"constant-optimal\"", "method = \"ode\"\n").signal_large);
}

TEST_CASE("keys of signs and of a protocol are refused where nobody reads them") {
  const auto refusal = [](const std::string& kind, const std::string& optimizer, const std::string& more) {
    try {
      problem_of("[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5, 0.3, 0.1]\n[noise]\nvariance = 0.2\n" +
                 ("[optimizer]\nkind = '" + kind + "'\nbatch = 3\n") + optimizer + "\n[time]\nat = [0, 3]\n" + more);
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const auto holds = [](const std::string& text, const std::string& words) {
    return text.find(words) != std::string::npos;
  };
  const std::string rate = "learning_rate = 0.02";
  for (const char* kind : {"signsvd", "newton-schulz", "sgd"}) {
    CAPTURE(kind);
    CHECK(holds(refusal(kind, rate, "[data]\nrotation = 'none'"), "data.rotation: is the basis of signsgd"));
    CHECK(holds(refusal(kind, rate, "[theory]\nsign_noise = 'linear'"), "theory.sign_noise: belongs to signsgd"));
  }
  CHECK(holds(refusal("signsgd", rate, "[data]\nrotation_seed = 4"), "data.rotation_seed"));
  CHECK(refusal("signsgd", rate, "[data]\nrotation = 'haar'\nrotation_seed = 4").empty());
  CHECK(holds(refusal("signsgd", rate, "[data]\nrotation = 'none'\n[theory]\nsign_noise = 'linear'"),
              "theory.sign_noise: belongs to signsgd with rotation = hadamard"));
  CHECK(holds(refusal("signsgd", rate, "[data]\nrotation = 'none'\n[theory]\ncoefficients = 'idealised'"),
              "theory.coefficients: idealised signs are those of a flat basis"));
  CHECK(refusal("signsgd", rate, "[theory]\nsign_noise = 'linear'").empty());
  // Drawn or idealised coefficients have no such noise.
  for (const char* source : {"null", "idealised"})
    CHECK(
        holds(refusal("signsgd", rate, std::string("[theory]\nsign_noise = 'linear'\ncoefficients = '") + source + "'"),
              "theory.sign_noise: is read where coefficients = fixed-point"));
  CHECK(holds(refusal("signsvd", rate + "\ngamma_fraction = 0.3", ""), "optimizer.gamma_fraction"));
  for (const char* protocol : {"adaptive", "local-equilibrium"})
    CHECK(refusal("signsvd", std::string("protocol = '") + protocol + "'\ngamma_fraction = 0.3", "").empty());
}

TEST_CASE("a map that is no number at a singular value is named with it, by theory and simulation") {
  const auto said = [](const std::string& map, bool simulated) {
    try {
      const auto problem = problem_of(
          "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5, 0.3, 0.1]\n[noise]\nvariance = 0.2\n[optimizer]\nkind = "
          "'general'\nbatch = 5\nlearning_rate = 0.02\nmap = '" +
          map + "'\n[time]\nsteps = 3\n");
      if (!simulated) return static_cast<void>(problem->solve()), std::string();
      const auto simulation = problem->simulate();
      simulation->replica(1, 0)->advance(3);
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  for (const bool simulated : {false, true}) {
    const std::string message = said("sqrt(sigma - 1000)", simulated);
    CHECK(message.find("optimizer.map: 'sqrt(sigma - 1000)' is nan at sigma = ") != std::string::npos);
    CHECK(message.find("finite at every singular value") != std::string::npos);
    CHECK(said("1/(sigma - sigma)", simulated).find("is infinite at sigma") != std::string::npos);
    CHECK(said("sigma/(1 + sigma)", simulated).empty());
  }
}

TEST_CASE("no gradient, no step: at P = 0 without noise theory and algorithm stay, whatever the map and the protocol") {
  for (const std::string map : {"signsvd", "signsgd", "newton-schulz", "sgd", "general"})
    for (const std::string rate : {"learning_rate = 0.02", "protocol = 'adaptive'", "protocol = 'constant-optimal'"})
      for (const std::string method : {"recursion", "ode"}) {
        if (map == "sgd" && rate.front() == 'p') continue;
        if (map == "general" && rate.front() == 'p') continue;
        if (rate.find("optimal") != std::string::npos && method == "recursion") continue;
        CAPTURE(map);
        CAPTURE(rate);
        CAPTURE(method);
        const auto problem = problem_of(
            "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5, 0.3, 0.0]\ntarget_power = [0.0, 0.0, 0.0, 2.0]\n"
            "[optimizer]\nkind = '" +
            map + "'\nbatch = 5\n" + rate + (map == "general" ? "\nmap = 'tanh(sigma)'" : "") +
            "\n[time]\nat = [1, 2, 10]\n[theory]\nmethod = '" + method + "'\n");
        const Trajectory theory = problem->solve();
        REQUIRE(theory.steps.size() == 4);
        CHECK_FALSE(theory.diverged_at);
        for (const double P : theory.columns[0].value) CHECK(P == 0);
        for (const std::string& warning : theory.warnings) CHECK(warning.find("step_too_large") == std::string::npos);
        for (const Finding& f : problem->stability()) {
          if (const auto* value = std::get_if<double>(&f.value)) CHECK_FALSE(std::isnan(*value));
          if (f.name == "steady_excess_mse") CHECK(std::get<double>(f.value) == 0);
        }
        if (rate.find("optimal") != std::string::npos) continue;
        const auto simulation = problem->simulate();
        const auto replica = simulation->replica(1, 0);
        replica->advance(10);
        std::vector<double> out(simulation->observables().size());
        replica->observe(out);
        CHECK(out[0] == 0);
      }
}

TEST_CASE("null modes in theory and simulation: their power stays, and the rest is as without them") {
  for (const std::string map : {"signsvd", "signsgd"}) {
    const std::string rest = "[noise]\nvariance = 0.3\n[data]\noutputs = 6\n" +
                             std::string(map == "signsgd" ? "rotation = 'none'\n" : "") + "[optimizer]\nkind = '" +
                             map +
                             "'\nbatch = 8\nlearning_rate = 0.03\n[time]\nat = [5, 20]\n[theory]\npowers = [1, 5]\n";
    const auto with = problem_of(
        "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.6, 0.4, 0.2, 0.0]\ntarget_power = [1.0, 0.6, 0.4, 0.2, "
        "0.5]\n" +
        rest);
    std::string fewer = rest;
    fewer.replace(fewer.find(", 5]\n"), 5, "]\n");
    const auto without = problem_of(
        "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.6, 0.4, 0.2]\ntarget_power = [1.0, 0.6, 0.4, 0.2]\n" + fewer);
    const Trajectory a = with->reference(), b = without->reference();
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(a.columns[0].value[k] == Approx(b.columns[0].value[k]).epsilon(1e-9));
      CHECK(a.find("power_5")->value[k] == 0.5);
    }
    const auto simulation = with->simulate();
    const auto replica = simulation->replica(1, 0);
    replica->advance(20);
    double out[4];
    replica->observe(out);
    CHECK(out[3] == Approx(0.5).epsilon(1e-14));
    for (const ModeColumn& column : with->mode_table())
      for (std::size_t i = 0; i < 4; ++i) CHECK(std::isfinite(column.value[i]));
    for (const Finding& f : with->stability())
      if (const auto* value = std::get_if<double>(&f.value)) CHECK(std::isfinite(*value));
  }
}

TEST_CASE("inputs without a Hadamard basis: the theory says which basis it is of") {
  const auto problem = problem_of(
      "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5, 0.3]\n[noise]\nvariance = 0.2\n[optimizer]\nkind = "
      "'signsgd'\nbatch = 5\nlearning_rate = 0.02\n[time]\nsteps = 3\n");
  const auto warnings = problem->warnings();
  REQUIRE(warnings.size() == 2);  // and of its size
  CHECK(warnings[1].find("there is no Hadamard basis of 3 inputs") == 0);
  CHECK_THROWS_WITH_AS(problem->simulate(),
                       doctest::Contains("hadamard needs a power of two inputs, the spectrum has 3"), settings::Error);
}

TEST_CASE("small ranks are warned of, and what they do to coefficients on steep spectra") {
  const auto warned = [](const std::string& of, const std::string& spectrum, int batch,
                         const std::string& kind = "signsvd", const std::string& theory = "") {
    for (const std::string& warning :
         problem_of(
             fmt::format("[spectrum]\nkind = 'power-law'\n{}\n[noise]\nrelative_variance = 20.0\n[optimizer]\nkind = "
                         "'{}'\nbatch = {}\nlearning_rate = 0.01\n[time]\nsteps = 3\n{}",
                         spectrum, kind, batch, theory))
             ->warnings())
      if (warning.find(of) != std::string::npos) return true;
    return false;
  };
  const std::string steep = "dimension = 16\nalpha = 1.2\nbeta = 0.5", flat = "dimension = 16\nalpha = 0.2\nbeta = 0.5";
  const std::string coefficients = "off by some 10%", large = "rank min(m, n, B) = 2: the theory is of large matrices";
  CHECK(warned(coefficients, steep, 2));
  CHECK_FALSE(warned(coefficients, steep, 8));
  CHECK_FALSE(warned(coefficients, flat, 2));
  CHECK_FALSE(warned(coefficients, steep, 2, "signsvd", "[theory]\ncoefficients = 'null'\n"));
  CHECK(warned(large, flat, 2));
  CHECK(warned(large, steep, 2, "signsvd", "[theory]\ncoefficients = 'null'\n"));
  CHECK(warned(large, steep, 2, "newton-schulz"));
  CHECK_FALSE(warned("large matrices", steep, 8, "newton-schulz"));
  CHECK_FALSE(warned("large matrices", flat, 2, "signsgd"));
  CHECK_FALSE(warned("large matrices", flat, 2, "sgd"));
  CHECK(
      warned("min(m, n) = 4: the theory is of large matrices", "dimension = 4\nalpha = 0.2\nbeta = 0.5", 2, "signsgd"));
}

TEST_CASE("options: the noise of signs by the linear law, and outputs of a power law") {
  const auto with = [](const std::string& data, const std::string& theory) {
    return problem_of(
        "[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.7, 0.1]\nmultiplicities = [1, 2, 1]\ntarget_power = [0.9, "
        "0.5, "
        "0.04]\n[noise]\nvariance = 0.3\n[time]\nat = [1, 20]\n[optimizer]\nkind = 'signsgd'\nlearning_rate = 0.01\n"
        "batch = 5\n[data]\noutputs = 3\n" +
        data + "\n[theory]\n" + theory + "\n");
  };
  // Of a flat basis: (1 - 2/pi) + (2/pi) lambda/mean, for each of three outputs; the mean of the eigenvalues is 3.5/4.
  const double pi = std::acos(-1.0);
  const auto linear = with("", "sign_noise = 'linear'")->mode_table();
  for (std::size_t a = 0; a < 3; ++a)
    CHECK(models::testing::column(linear, "noise")[a] ==
          Approx(3 * (1 - 2 / pi + 2 / pi * models::testing::column(linear, "eigenvalue")[a] / 0.875)).epsilon(1e-9));
  const auto arcsine = with("", "sign_noise = 'arcsine'")->mode_table();
  CHECK(std::abs(models::testing::column(arcsine, "noise")[0] / models::testing::column(linear, "noise")[0] - 1) >
        0.02);
  // k^(-2 alpha), k = 1, 2, 3.
  const Trajectory law = with("output_alpha = 0.4", "coefficients = 'null'")->solve();
  const Trajectory list =
      with(fmt::format("output_eigenvalues = [1.0, {:.17g}, {:.17g}]", std::pow(2, -0.8), std::pow(3, -0.8)),
           "coefficients = 'null'")
          ->solve();
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(models::testing::column(law, "excess_mse")[k] ==
          Approx(models::testing::column(list, "excess_mse")[k]).epsilon(1e-13));
}

TEST_CASE("matrix least squares: what is left out is what the description says") {
  const std::string rows =
      "model = 'matrix-least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 8\nalpha = 0.5\nbeta = 0.3\n"
      "[time]\nat = [1, 6]\n";
  const auto check = [&](const std::string& keys, const char* key, const char* usual, const char* other) {
    models::testing::check_default(rows + keys, key, usual, other);
  };
  const std::string noise = "[noise]\nrelative_variance = 0.25\n", svd = noise + "[optimizer]\nlearning_rate = 0.02\n",
                    sign = svd + "kind = 'signsgd'\n";
  check(svd, "optimizer.kind", "'signsvd'", "'signsgd'");
  check(svd, "optimizer.batch", "8", "9");
  check(noise + "[optimizer]\nprotocol = 'adaptive'\n", "optimizer.gamma_fraction", "0.5", "0.51");
  check(svd + "[theory]\nmethod = 'ode'\n", "theory.resolutions", "0", "0.5");
  check("[optimizer]\nlearning_rate = 0.02\n", "noise.variance", "0", "0.05");
  check(svd, "data.outputs", "8", "16");
  check(sign, "data.rotation", "'hadamard'", "'haar'");
  check(sign + "[data]\nrotation = 'haar'\n", "data.rotation_seed", "1", "2");
  check(svd, "data.output_alpha", "0", "0.05");
  check(svd, "theory.method", "'recursion'", "'ode'");
  check(sign, "theory.sign_noise", "'auto'", "'linear'");
  check(svd, "theory.regression_draws", "0", "10");
  check(svd + "[theory]\nmethod = 'ode'\n", "theory.rtol", "1e-8", "1e-2");
  check(svd + "[theory]\nmethod = 'ode'\n", "theory.atol", "0", "1e-2");
  check(svd, "theory.scale_drift", "1", "1.05");
  check(svd, "theory.scale_noise", "1", "1.05");
}
