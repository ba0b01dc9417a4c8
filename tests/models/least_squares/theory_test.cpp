#include "models/least_squares/theory.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cmath>

#include "models/framework/model.hpp"
#include "models/least_squares/product_variance.hpp"
#include "models/least_squares/risk_variance.hpp"
#include "models/least_squares/sgd_modes.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;

namespace {

std::unique_ptr<models::Problem> prepare(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  settings::Table table = settings::read_text(toml, "experiment.toml");
  for (const auto& o : overrides) settings::override_value(table, o);
  const models::Experiment experiment = models::read_experiment(table);
  return models::find(experiment).prepare(experiment);
}

const char* const power_law = R"(
model = "least-squares"
[spectrum]
kind = "power-law"
dimension = 200
alpha = 0.6
beta = 0.5
[noise]
law = "gaussian"
variance = 0.04
[optimizer]
learning_rate = 0.4
batch = 4
[time]
at = [1, 10, 100, 1000]
)";

std::vector<double> excess(const std::string& toml, const std::vector<std::string>& overrides) {
  return prepare(toml, overrides)->solve().find("excess_mse")->value;
}

std::string message(const std::vector<std::string>& overrides) {
  try {
    prepare(power_law, overrides)->solve();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

// The recursion as it stands in docs/theory/least-squares-sgd.md (1.1), with any schedule.
std::vector<double> naive(std::size_t steps, const std::function<double(double)>& rate) {
  std::vector<double> lambda, D, P;
  for (int j = 1; j <= 200; ++j) {
    lambda.push_back(std::pow(j, -1.2));
    D.push_back(1.0 / j);
  }
  for (std::size_t k = 0; k <= steps; ++k) {
    double p = 0;
    for (std::size_t i = 0; i < 200; ++i) p += lambda[i] * D[i];
    P.push_back(p);
    const double eta = rate(static_cast<double>(k));
    for (std::size_t i = 0; i < 200; ++i) {
      const double x = eta * lambda[i];
      D[i] = ((1 - x) * (1 - x) + x * x / 4) * D[i] + eta * eta / 4 * lambda[i] * (p + 0.04);
    }
  }
  return P;
}

}  // namespace

TEST_CASE("schedules act step by step in the recursion") {
  const auto P = excess(power_law, {"schedule.kind=cosine", "time.at=[0, 7, 50, 300]"});
  const auto expected = naive(300, [](double k) { return 0.4 * (1 + std::cos(M_PI * k / 300)) / 2; });
  CHECK(P[1] == Approx(expected[7]).epsilon(1e-13));
  CHECK(P[2] == Approx(expected[50]).epsilon(1e-13));
  CHECK(P[3] == Approx(expected[300]).epsilon(1e-13));
}

TEST_CASE("iterating and jumping agree where they meet") {
  // A schedule that is 1 everywhere forbids the jump.
  const auto jumped = excess(power_law, {"time.at=[400, 3000]"});
  const auto iterated = excess(power_law, {"time.at=[400, 3000]", "schedule.kind=table", "schedule.values=[1, 1]"});
  for (std::size_t i = 0; i < jumped.size(); ++i) CHECK(jumped[i] == Approx(iterated[i]).epsilon(1e-11));
}

TEST_CASE("the integrators of the flow agree to the tolerance asked for") {
  for (const char* level : {"homog", "diff", "log"}) {
    const std::string l = std::string("theory.level=") + level;
    const auto reference = excess(power_law, {"theory.method=ode", l, "theory.rtol=1e-12"});
    for (const char* integrator : {"sdirk4", "etd", "explicit"}) {
      const auto P = excess(power_law, {"theory.method=ode", l, std::string("theory.integrator=") + integrator});
      for (std::size_t i = 0; i < P.size(); ++i) CHECK(P[i] == Approx(reference[i]).epsilon(2e-7));
    }
  }
  const auto volterra = excess(power_law, {"theory.method=volterra"});
  const auto homog = excess(power_law, {"theory.method=ode", "theory.level=homog"});
  for (std::size_t i = 0; i < volterra.size(); ++i) CHECK(volterra[i] == Approx(homog[i]).epsilon(1e-7));
}

TEST_CASE("a schedule in continuous time approaches the recursion as the horizon grows") {
  const auto gap = [](const std::string& steps) {
    const std::vector<std::string> common = {"schedule.kind=polynomial", "time.at=[" + steps + "]",
                                             "optimizer.learning_rate=0.05"};
    auto ode = common;
    ode.insert(ode.end(), {"theory.method=ode", "theory.level=log"});
    return std::abs(excess(power_law, ode).back() / excess(power_law, common).back() - 1);
  };
  const double coarse = gap("500"), fine = gap("4000");
  CHECK(fine < 0.3 * coarse);
  CHECK(fine < 2e-3);
}

TEST_CASE("the parts of the risk add up") {
  for (const char* method : {"recursion", "ode"}) {
    const auto t = prepare(power_law, {std::string("theory.method=") + method, "theory.decomposition=true"})->solve();
    for (std::size_t i = 0; i < t.steps.size(); ++i) {
      const double total = t.find("excess_mse_bias")->value[i] + t.find("excess_mse_kernel")->value[i] +
                           t.find("excess_mse_label_noise")->value[i];
      CHECK(total == Approx(t.find("excess_mse")->value[i]).epsilon(1e-11));
    }
    CHECK(t.find("excess_mse_kernel")->value[0] == 0);
  }
}

TEST_CASE("a run that converges to 0 has no exponent there, and no divergence") {
  // Noiseless gradient descent of one eigenvalue: P = .25^t, which is 0 in doubles from about step 540 on.
  for (const char* optimizer : {"kind = 'sgd'\nbatch = inf", "kind = 'momentum'\nmomentum = 0.0\nbatch = inf"}) {
    CAPTURE(optimizer);
    const std::string text = "model = 'least-squares'\n[spectrum]\nkind = 'isotropic'\ndimension = 5\n[optimizer]\n" +
                             std::string(optimizer) +
                             "\nlearning_rate = 0.5\n[time]\nat = [0, 1, 10, 100, 3000, 10000]\n[theory]\n";
    const auto with = prepare(text + "exponents = true\n")->solve(), without = prepare(text)->solve();
    CHECK_FALSE(with.diverged_at);
    CHECK(with.steps == without.steps);
    CHECK(with.steps.size() == 6);
    const auto &P = with.find("excess_mse")->value, &exponent = with.find("excess_mse_exponent")->value;
    CHECK(P == without.find("excess_mse")->value);
    CHECK(P.back() == 0);
    // At step 10 from both neighbours: the slopes (10 - 1) log(1/4)/log 10 and (100 - 10) log(1/4)/log 10, averaged.
    CHECK(exponent[2] == Approx(-(9 + 90) / 2.0 * std::log(4.0) / std::log(10.0)).epsilon(1e-9));
    for (const std::size_t lost : {0u, 3u, 4u, 5u}) CHECK(std::isnan(exponent[lost]));
  }
}

TEST_CASE("local exponents approach the predicted one") {
  const auto t = prepare(power_law, {"spectrum.dimension=1e12", "spectrum.alpha=1", "spectrum.beta=0.75",
                                     "noise.variance=0", "optimizer.learning_rate=0.3", "optimizer.batch=1",
                                     "time.at=[1e9, 3e9, 1e10]", "theory.exponents=true"})
                     ->solve();
  CHECK(t.find("excess_mse_exponent")->value[2] == Approx(-1.25).epsilon(2e-3));
  CHECK(std::isnan(t.find("excess_mse_exponent")->value[0]));
}

TEST_CASE("bands under a schedule and by nodes match the full recursion") {
  const auto std_of = [](const std::vector<std::string>& overrides) {
    auto all = overrides;
    all.push_back("theory.bands=true");
    return prepare(power_law, all)->solve().find("excess_mse")->std;
  };
  const auto constant = std_of({"time.at=[10, 100]"});
  const auto scheduled = std_of({"time.at=[10, 100]", "schedule.kind=table", "schedule.values=[1, 1]"});
  for (std::size_t i = 1; i < constant.size(); ++i) CHECK(scheduled[i] == Approx(constant[i]).epsilon(1e-12));
  // 1e6 steps: nodes and the contour; at the steady state nothing changes any more.
  const auto late = std_of({"time.at=[20000, 1000000]"});
  CHECK(late[2] == Approx(late[1]).epsilon(1e-5));
  CHECK(late[2] == Approx(0.0056333858).epsilon(1e-5));
}

TEST_CASE("divergence is a result: output ends there, and the step is named") {
  for (const char* method : {"recursion", "ode", "volterra"}) {
    // The homog level, and with it the Volterra equation, is stable up to a higher rate.
    const std::string rate = std::string(method) == "volterra" ? "2.2" : "1.5";
    const auto t = prepare(power_law, {"optimizer.learning_rate=" + rate, "time.at=[10, 100, 1e6]",
                                       std::string("theory.method=") + method})
                       ->solve();
    CAPTURE(method);
    REQUIRE(t.diverged_at);
    CHECK(t.steps.back() <= 100);
    CHECK(*t.diverged_at > 100);
    CHECK(*t.diverged_at < 1e6);
    for (const double P : t.find("excess_mse")->value) CHECK(std::isfinite(P));
  }
  // The step itself: iterate the recursion until P exceeds 1e100 of its scale.
  std::size_t k = 0;
  const auto P = naive(3000, [](double) { return 1.5; });
  while (P[k] <= 1e100 * (P[0] + 0.04)) ++k;
  const auto t = prepare(power_law, {"optimizer.learning_rate=1.5", "time.at=[1e6]"})->solve();
  CHECK(*t.diverged_at == static_cast<double>(k));
}

TEST_CASE("theory: properties of the recursion") {
  CHECK(rc::check("P is linear in the start and the noise, and larger noise never helps", [] {
    const double eta = *rc::gen::inRange(1, 40) / 100.0, sigma2 = *rc::gen::inRange(0, 50) / 10.0;
    const auto P = [&](double s2, double scale) {
      return excess(power_law,
                    {"optimizer.learning_rate=" + std::to_string(eta), "noise.variance=" + std::to_string(s2),
                     "initial.scale=" + std::to_string(1 - scale), "time.at=[30]"})
          .back();
    };
    RC_ASSERT(std::abs(P(sigma2, 1) - P(sigma2, 0) - P(0, 1)) <= 1e-10 * P(sigma2, 1));
    RC_ASSERT(std::abs(P(0, 2) - 4 * P(0, 1)) <= 1e-9 * P(0, 2));
    RC_ASSERT(P(sigma2 + 1, 1) > P(sigma2, 1));
  }));
}

TEST_CASE("perturbed coefficients change the answer by about as much") {
  const double P = excess(power_law, {}).back();
  CHECK(excess(power_law, {"theory.scale_label_noise=1.03"}).back() == Approx(1.03 * P).epsilon(3e-3));
  CHECK(excess(power_law, {"theory.scale_feedback=1.03"}).back() > 1.02 * P);
  CHECK(excess(power_law, {"theory.scale_contraction=1.03"}).back() < 0.99 * P);
  CHECK_FALSE(prepare(power_law, {"theory.scale_feedback=1.03"})->solve().exact);
  CHECK(prepare(power_law, {})->solve().exact);
}

TEST_CASE("what a method cannot do is said in one line") {
  CHECK(message({"theory.method=volterra", "schedule.kind=cosine"}).find("volterra needs a constant schedule") !=
        std::string::npos);
  CHECK(message({"theory.method=ode", "theory.integrator=contour", "schedule.kind=cosine"})
            .find("contour needs a constant schedule") != std::string::npos);
  CHECK(message({"theory.bands=true", "theory.method=ode", "noise.law=laplace"})
            .find("Gaussian data and Gaussian labels only") != std::string::npos);
  CHECK(message({"theory.bands=true", "noise.law=student-t", "noise.dof=4"}).find("a finite fourth moment") !=
        std::string::npos);
  CHECK(message({"theory.method=sde", "optimizer.batch=inf"}).find("finite batch") != std::string::npos);
  CHECK(message({"theory.method=sde", "spectrum.dimension=1e9"}).find("sde needs every coordinate") !=
        std::string::npos);
  CHECK(message({"theory.level=homogg"}).find("did you mean 'homog'?") != std::string::npos);
}

TEST_CASE("the SDE has the mean of SGD, and says that it has not its spread") {
  const auto t = prepare(power_law, {"theory.method=sde", "theory.paths=400", "time.at=[10, 50]"})->solve();
  const auto exact = excess(power_law, {"theory.method=ode", "theory.level=homog", "time.at=[10, 50]"});
  for (std::size_t i = 1; i < t.steps.size(); ++i) {
    const double z = (t.find("excess_mse")->value[i] - exact[i]) / t.find("excess_mse_sde_sem")->value[i];
    // The SDE's rank-one noise raises the mean by O(eta lambda_max); the paths are few enough not to see it.
    CHECK(std::abs(z) < 5);
  }
  CHECK(t.warnings.size() >= 2);
  CHECK(t.find("excess_mse")->std.empty());
}

TEST_CASE("compressed power laws give the risk of every mode over the whole horizon") {
  const std::vector<std::string> base = {"spectrum.dimension=20000", "spectrum.alpha=0.8",
                                         "spectrum.beta=0.7",        "optimizer.batch=1",
                                         "noise.variance=0",         "time.at=[1, 30, 1e3, 1e5, 1e7, 1e8]"};
  auto exact = base, nodes = base;
  exact.push_back("spectrum.nodes=exact");
  nodes.insert(nodes.end(), {"spectrum.nodes=compressed", "spectrum.compress=1e-6"});
  const auto a = excess(power_law, exact), b = excess(power_law, nodes);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(b[i] / a[i] - 1));
  CHECK(worst < 3e-6);
  CHECK(worst > 1e-12);  // it is another computation
}

namespace {

const char* const descent = R"(
model = "least-squares"
[spectrum]
kind = "isotropic"
dimension = 4
[noise]
law = "gaussian"
variance = 0.04
[optimizer]
learning_rate = 0.2
batch = inf
[time]
at = [1, 100, 239, 241, 1000, 10000, 1000000]
)";

}  // namespace

TEST_CASE("late steps of gradient descent: (1 - eta)^(2k) whatever the label noise, however small") {
  for (const char* method : {"recursion", "ode"}) {
    const auto t = prepare(descent, {"theory.method=" + std::string(method)})->solve();
    REQUIRE(t.steps.size() == 8);
    CHECK_FALSE(t.diverged_at.has_value());
    for (std::size_t i = 0; i < t.steps.size(); ++i) {
      const double exact = std::exp(2 * t.steps[i] * std::log(0.8));
      CHECK(t.columns[1].value[i] == Approx(exact).epsilon(1e-11));
      CHECK(t.columns[0].value[i] == Approx((exact + 0.04) / 2).epsilon(1e-11));
      CHECK(t.columns[2].value[i] == t.columns[1].value[i]);
    }
  }
}

TEST_CASE("a step to the minimum is no divergence, and without a rate nothing moves") {
  // eta lambda = 1 exactly, and but for rounding (0.3 / 0.3 in parts).
  for (const char* rate : {"1.0", "0.9999999999999999"}) {
    const auto t = prepare(descent, {"optimizer.learning_rate=" + std::string(rate)})->solve();
    CHECK_FALSE(t.diverged_at.has_value());
    CHECK(t.columns[1].value[0] == Approx(1));
    for (std::size_t i = 1; i < t.steps.size(); ++i) {
      CHECK(t.columns[1].value[i] >= 0);
      CHECK(t.columns[1].value[i] < 1e-31);
    }
  }
  for (const char* batch : {"inf", "2"}) {
    const auto problem = prepare(descent, {"optimizer.learning_rate=0", "optimizer.batch=" + std::string(batch),
                                           "time.at=[10, 1000000000000000]"});
    const auto t = problem->solve();
    REQUIRE(t.steps.size() == 3);
    for (const double P : t.columns[1].value) CHECK(P == Approx(1).epsilon(1e-14));
    for (const auto& finding : problem->stability()) {
      if (finding.name == "stable") CHECK_FALSE(std::get<bool>(finding.value));
      if (finding.name == "heavy_tailed") CHECK_FALSE(std::get<bool>(finding.value));
      if (finding.name == "steady_excess_mse") CHECK(std::isnan(std::get<double>(finding.value)));
    }
  }
}

TEST_CASE("large batches at late steps: the start dies out below the noise that is left") {
  // Isotropic closed form (note 1.4): P_inf + r^k (P_0 - P_inf), here with P_inf = 1e-15 of P_0.
  for (const double batch : {1e3, 1e14}) {
    const auto t = prepare(descent, {"optimizer.batch=" + settings::text_of(batch)})->solve();
    const double eta = 0.2, d = 4, r = (1 - eta) * (1 - eta) + eta * eta * (d + 1) / batch;
    const double steady = eta * d * 0.04 / (2 * batch - eta * (batch + 1 + d));
    for (std::size_t i = 0; i < t.steps.size(); ++i)
      CHECK(t.columns[1].value[i] == Approx(steady + std::pow(r, t.steps[i]) * (1 - steady)).epsilon(1e-10));
  }
}

TEST_CASE("the columns of the SDE: spread over the paths, its standard error, and the mean by its closed form") {
  // Two paths: the standard deviation is sqrt 2 times their distance from the mean, and 1/sqrt 2 of it the error.
  const std::string one = R"(
model = "least-squares"
[spectrum]
kind = "isotropic"
dimension = 1
[optimizer]
learning_rate = 0.5
[time]
at = [1, 2]
[theory]
method = "sde"
paths = 2
time_step = 0.25
)";
  const auto two = prepare(one)->solve();
  const auto& spread = two.find("excess_mse_sde_std")->value;
  for (std::size_t i = 0; i < spread.size(); ++i)
    CHECK(two.find("excess_mse_sde_sem")->value[i] == Approx(spread[i] / std::sqrt(2.0)).epsilon(1e-14));
  // Each path alone, as the mean of one is not to be had: the mean of the first two of three paths is that of two.
  const auto three = prepare(one, {"theory.paths=3"})->solve();
  for (std::size_t i = 1; i < spread.size(); ++i) {
    const double mean2 = two.columns[1].value[i], mean3 = three.columns[1].value[i];
    const double third = 3 * mean3 - 2 * mean2, s3 = three.find("excess_mse_sde_std")->value[i];
    // Sum of squares of three about their mean is that of two plus 2/3 of the third's distance squared.
    CHECK(2 * s3 * s3 == Approx(spread[i] * spread[i] + 2.0 / 3 * (third - mean2) * (third - mean2)).epsilon(1e-8));
  }
  // P' = -(2 x - 2 x^2/B) P for one coordinate: at x = 1/2, B = 1 the mean is e^(-t/2). 20000 paths, fixed seed.
  const auto many = prepare(one, {"theory.paths=20000", "time.at=[1]"})->solve();
  const double sem = many.find("excess_mse_sde_sem")->value[1];
  // P = v^2 of a geometric Brownian motion: E P^2/(E P)^2 = e^2, so that its sem is known; heavy tails, 20000 paths.
  // A guard: the spread of a spread under a log-normal law; the columns are met by hand above.
  CHECK(sem == Approx(std::exp(-0.5) * std::sqrt((std::exp(2.0) - 1) / 20000)).epsilon(0.2));
  CHECK(std::abs(many.columns[1].value[1] - std::exp(-0.5)) < 3 * sem);
  CHECK(many.warnings.size() == 2);  // that its fluctuations are not those of SGD; their ratio
}

TEST_CASE("an SDE with too large a step says so") {
  const auto warned = [](const std::vector<std::string>& overrides) {
    std::vector<std::string> all = {"theory.method=sde", "theory.paths=64", "time.at=[20]"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    std::string out;
    for (const auto& warning : prepare(power_law, all)->solve().warnings)
      if (warning.find("theory.time_step") != std::string::npos) out += warning;
    return out;
  };
  CHECK(warned({"theory.time_step=0.5"}).empty());
  const std::string large = warned({"theory.time_step=4", "theory.scheme=euler-maruyama"});
  CAPTURE(large);
  CHECK(large.find("the step 4 is too large: times eta and the largest eigenvalue it is 1.6") != std::string::npos);
  CHECK_FALSE(warned({"theory.time_step=20", "theory.scheme=weak2"}).empty());
}

TEST_CASE("the error's power in the order in which the eigenvalues are written") {
  const std::string list = R"(
model = "least-squares"
[spectrum]
kind = "list"
eigenvalues = [0.1, 1.0, 0.5]
multiplicities = [3, 1, 2]
target_power = [2.0, 1.0, 1.0]
[optimizer]
learning_rate = 0.1
batch = 2
[initial]
error_power = [1.0, 0.0, 0.0]
[time]
at = [1]
)";
  CHECK(excess(list, {})[0] == Approx(0.1));
  CHECK(excess(list, {"initial.error_power=[0, 1, 0]"})[0] == Approx(1));
  CHECK(excess(list, {"initial.error_power=[0, 0, 1]"})[0] == Approx(0.5));
}

TEST_CASE("P that falls far faster than 1/t: by its eigenvalues, and of too many modes shown but not judged") {
  const auto solved = [](int dimension, const char* batch) {
    return prepare("model = 'least-squares'\n[spectrum]\nkind = 'power-law'\nalpha = 2\nbeta = 4\ndimension = " +
                   std::to_string(dimension) + "\n[optimizer]\nlearning_rate = 0.3\nbatch = " + batch +
                   "\n[time]\nat = [1000, 10000000000]\n")
        ->solve();
  };
  // Gradient descent: sum_j j^-12 (1 - 0.3 j^-4)^(2k). A batch of 1e30 changes no digit of it, only the way there.
  double exact = 0;
  for (int j = 500; j > 0; --j) exact += std::pow(j, -12.0) * std::exp(2e10 * std::log1p(-0.3 * std::pow(j, -4.0)));
  CHECK(solved(500, "inf").columns[1].value.back() == Approx(exact).epsilon(1e-9));
  const auto few = solved(500, "1e30");
  CHECK(few.columns[1].value.back() == Approx(exact).epsilon(1e-6));
  CHECK_FALSE(few.valid_until.has_value());
  const auto many = solved(4000, "1e30");
  REQUIRE(many.valid_until.has_value());
  CHECK(*many.valid_until == 1000);
  CHECK(many.columns[1].value.back() >= 0);
  bool warned = false;
  for (const auto& warning : many.warnings) warned = warned || warning.find("shown, not judged") != std::string::npos;
  CHECK(warned);
}

TEST_CASE("a scaled contraction acts on every mode, step by step") {
  // D_a' = (1 - s m_a) D_a + (eta^2/B) n_a lambda_a (P + sigma^2), m_a = eta lambda_a (2 - eta lambda_a (1 + 1/B)).
  const auto problem = edgewise::models::testing::prepare(
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.4, 0.2]\nmultiplicities = [2, 3, 5]\n"
      "target_power = [1.0, 0.5, 2.0]\n[noise]\nlaw = 'gaussian'\nvariance = 0.2\n[time]\nat = [1, 2, 7]\n[optimizer]\n"
      "learning_rate = 0.15\nbatch = 2\n[theory]\nmethod = 'recursion'\nscale_contraction = 1.1\n");
  const edgewise::models::Trajectory found = problem->solve();
  const double lambda[] = {1, 0.4, 0.2}, n[] = {2, 3, 5};
  double D[] = {1, 0.5, 2};
  std::size_t next = 0;
  for (int k = 0; k <= 7; ++k) {
    double P = 0;
    for (int a = 0; a < 3; ++a) P += lambda[a] * D[a];
    if (found.steps[next] == k) {
      CHECK(found.find("excess_mse")->value[next] == Approx(P).epsilon(1e-13));
      ++next;
    }
    for (int a = 0; a < 3; ++a) {
      const double x = 0.15 * lambda[a];
      D[a] += -1.1 * x * (2 - x * 1.5) * D[a] + 0.15 * 0.15 / 2 * n[a] * lambda[a] * (P + 0.2);
    }
  }
  CHECK(next == 4);
}

namespace {

/// Two eigenspaces in awkward units: eigenvalues of some 30, errors of some 1e-3.
const char* const two_modes = R"(
model = "least-squares"
[spectrum]
kind = "list"
eigenvalues = [30.0, 12.0]
multiplicities = [2, 5]
target_power = [0.001, 0.002]
[noise]
law = "gaussian"
variance = 0.01
[optimizer]
learning_rate = 0.004
batch = 2
[time]
at = [1, 5, 40]
)";
const models::least_squares::VarianceProblem its_variance{{30, 12}, {2, 5}, {0.001, 0.002}, 2, 0.01};

std::string said(const std::string& toml, const std::vector<std::string>& overrides) {
  try {
    prepare(toml, overrides)->solve();
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("bands are the variance of its own recursion: of normal labels and others, under a schedule, as a flow") {
  using namespace models::least_squares;
  const auto check = [](const models::Trajectory& found, auto recursion, const std::function<double(double)>& rate) {
    double k = 0;
    for (std::size_t i = 0; i < found.steps.size(); ++i) {
      for (; k < found.steps[i]; ++k) recursion.step(rate(k));
      const double std = std::sqrt(recursion.excess_mse_variance());
      CHECK(found.columns[0].std[i] == Approx(std / 2).epsilon(1e-11));
      CHECK(found.columns[1].std[i] == Approx(std).epsilon(1e-11));
      CHECK(found.columns[2].std[i] == Approx(std::sqrt(recursion.parameter_error_variance())).epsilon(1e-11));
    }
  };
  const auto constant = [](double) { return 0.004; };
  check(prepare(two_modes, {"theory.bands=true"})->solve(), VarianceRecursion(its_variance), constant);
  check(prepare(two_modes, {"theory.bands=true", "schedule.kind=linear"})->solve(), VarianceRecursion(its_variance),
        [](double k) { return 0.004 * (1 - k / 40); });
  namespace ingredients = models::ingredients;
  const ingredients::EvenMoments normal{}, laplace = ingredients::even_moments(ingredients::InputLaw::laplace);
  check(prepare(two_modes, {"theory.bands=true", "noise.law=laplace"})->solve(),
        ProductVariance({its_variance, normal, 6e-4}), constant);
  VarianceProblem more = its_variance;
  more.noise_variance = 0.02;
  check(prepare(two_modes, {"theory.bands=true", "data.law=laplace", "theory.scale_label_noise=2"})->solve(),
        ProductVariance({more, laplace, 3 * 4e-4}), constant);

  const models::Trajectory flow = prepare(two_modes, {"theory.bands=true", "theory.method=ode"})->solve();
  const double times[] = {0, 1, 5, 40};
  const std::vector<double> known = linear_noise_variance(its_variance, 0.004, times);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(flow.columns[1].std[i] == Approx(std::sqrt(known[i])).epsilon(1e-9).scale(1e-12));
  CHECK(flow.columns[2].std.empty());
  const models::Trajectory exact = prepare(two_modes, {"theory.bands=true", "optimizer.batch=inf"})->solve();
  for (const models::Column& column : exact.columns) CHECK(column.std == std::vector<double>(4, 0.0));
}

TEST_CASE("bands that cost too much, or are not known, are refused") {
  const std::string start = "experiment.toml: theory.bands: ";
  CHECK(said(two_modes, {"theory.bands=true", "theory.method=ode", "schedule.kind=linear"}) ==
        start + "in continuous time they need a constant schedule; use method = \"recursion\"");
  CHECK(said(two_modes, {"theory.bands=true", "noise.law=laplace", "time.at=[30000000000]"}) ==
        start + "so many steps cost too much where data or labels are not Gaussian; ask for fewer steps or modes");
  // Beyond the rate at which the variance diverges, and below that of the mean.
  const auto findings = prepare(two_modes)->stability();
  const double between =
      std::sqrt(models::testing::number(findings, "eta_variance") * models::testing::number(findings, "eta_max"));
  CHECK(said(two_modes,
             {"theory.bands=true", "optimizer.learning_rate=" + settings::text_of(between), "time.at=[30000000000]"}) ==
        start +
            "the variance diverges at this learning rate, and so many steps of its recursion cost too much; ask for "
            "fewer steps");
  CHECK(said(two_modes, {"theory.bands=true", "optimizer.learning_rate=0.004", "time.at=[30000000000]"}) == "no error");
}

TEST_CASE("warnings begin where they should: a rate too large for homog, steps too large for the paths") {
  const auto warned = [](const std::vector<std::string>& overrides, const std::string& part) {
    for (const auto& warning : prepare(two_modes, overrides)->solve().warnings)
      if (warning.find(part) != std::string::npos) return true;
    return false;
  };
  for (const char* level : {"homog", "log"})
    for (const double share : {0.29, 0.31})
      CHECK(warned({"theory.method=ode", std::string("theory.level=") + level,
                    "optimizer.learning_rate=" + std::to_string(share / 30)},
                   "level homog assumes") == (share > 0.3 && std::string(level) == "homog"));
  for (const auto& allowed : {std::pair("euler-maruyama", 0.5), {"weak2", 1.0}})
    for (const double part : {0.97, 1.03}) {
      const char* scheme = allowed.first;
      const double most = allowed.second;
      // eta lambda_max = .12 a step.
      CAPTURE(scheme);
      CHECK(warned({"theory.method=sde", "theory.paths=2", std::string("theory.scheme=") + scheme,
                    "theory.time_step=" + std::to_string(part * most / 0.12)},
                   "is too large: times eta") == (part > 1));
    }
  CHECK(warned({"theory.method=sde", "theory.paths=2"}, "SDE over SGD"));
  // 1 - 7.2 a step grows without end where the equation falls; 1 - 1.9 falls by far less than e^-1.9.
  const std::string euler = "theory.scheme=euler-maruyama";
  CHECK(warned({"theory.method=sde", "theory.paths=2", euler, "theory.time_step=60", "time.at=[12000]"},
               "the paths diverge by step"));
  CHECK(warned({"theory.method=sde", "theory.paths=64", euler, "theory.time_step=16", "noise.variance=0",
                "optimizer.batch=1000", "time.at=[160]"},
               "times that of the equation at step"));
  CHECK_FALSE(warned({"theory.method=sde", "theory.paths=64", euler, "theory.time_step=1", "time.at=[160]"},
                     "times that of the equation at step"));
  CHECK_FALSE(warned({"theory.method=sde", "theory.paths=2", "noise.law=laplace"}, "SDE over SGD"));
}

TEST_CASE("beside the spread of the paths stands that of SGD, exactly") {
  using models::least_squares::VarianceRecursion;
  const auto found = prepare(two_modes, {"theory.method=sde", "theory.paths=2"})->solve();
  VarianceRecursion recursion(its_variance);
  double k = 0;
  for (std::size_t i = 0; i < found.steps.size(); ++i) {
    for (; k < found.steps[i]; ++k) recursion.step(0.004);
    CHECK(found.find("excess_mse_sgd_std")->value[i] ==
          Approx(std::sqrt(recursion.excess_mse_variance())).epsilon(1e-10).scale(1e-12));
  }
}

TEST_CASE(
    "local exponents at uneven steps: the slope of the parabola through three points, or of the line through two") {
  const auto found = prepare(two_modes, {"time.at=[1, 3, 20, 25]", "theory.exponents=true"})->solve();
  const std::vector<double>&t = found.steps, &P = found.find("excess_mse")->value;
  const std::vector<double>& exponent = found.find("excess_mse_exponent")->value;
  const auto x = [&](std::size_t i) { return std::log(t[i]); };
  const auto y = [&](std::size_t i) { return std::log(P[i]); };
  CHECK(std::isnan(exponent[0]));
  CHECK(exponent[1] == Approx((y(2) - y(1)) / (x(2) - x(1))).epsilon(1e-12));
  for (const std::size_t i : {2u, 3u}) {
    // Lagrange's polynomial, differentiated in the middle.
    const double a = x(i - 1), b = x(i), c = x(i + 1);
    const double slope = y(i - 1) * (b - c) / ((a - b) * (a - c)) + y(i) * (2 * b - a - c) / ((b - a) * (b - c)) +
                         y(i + 1) * (b - a) / ((c - a) * (c - b));
    CHECK(exponent[i] == Approx(slope).epsilon(1e-11));
  }
  CHECK(exponent[4] == Approx((y(4) - y(3)) / (x(4) - x(3))).epsilon(1e-12));
  CHECK(std::isinf(found.find("excess_mse_exponent")->valid_from));
}

TEST_CASE("the growth rate that is reported is that of P at late times") {
  // 12 equal modes: homog dP/dt = (-2 x + 12 x^2/B) P, x = eta lambda; a step of the recursion multiplies by
  // (1 - x)^2 + 13 x^2/B.
  const std::string flat =
      "model = 'least-squares'\n[spectrum]\nkind = 'isotropic'\ndimension = 12\neigenvalue = 0.5\n[optimizer]\n"
      "learning_rate = 0.1\nbatch = 2\n[time]\nat = [1000, 3000]\n";
  const double x = 0.05;
  for (const char* level : {"homog", "diff", "log"}) {
    CAPTURE(level);
    const models::Trajectory t =
        prepare(flat, {"theory.method=ode", "theory.integrator=contour", std::string("theory.level=") + level})
            ->solve();
    const std::vector<double>& P = t.find("excess_mse")->value;
    const double rate = models::testing::report(t, "growth_rate");
    CHECK(rate == Approx(std::log(P[2] / P[1]) / 2000).epsilon(1e-9));
    if (std::string(level) == "homog") CHECK(rate == Approx(-2 * x + 6 * x * x).epsilon(1e-10));
  }
  const models::Trajectory steps = prepare(flat)->solve();
  CHECK(models::testing::report(steps, "growth_rate") ==
        Approx(std::log((1 - x) * (1 - x) + 6.5 * x * x)).epsilon(1e-10));
}

TEST_CASE("the paths of the SDE are as many and its steps as long as asked: Euler's steps of one mode by hand") {
  const auto solved = [](const std::string& paths, const std::string& step) {
    return prepare(
               "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [0.5]\ntarget_power = [2.0]\n"
               "[noise]\nvariance = 0.3\n[optimizer]\nlearning_rate = 0.4\nbatch = 1e20\n[time]\nat = [1, 10]\n",
               {"theory.method=sde", "theory.scheme=euler-maruyama", "theory.paths=" + paths,
                "theory.time_step=" + step})
        ->solve();
  };
  for (const double step : {0.25, 0.5}) {
    const models::Trajectory t = solved("7", step == 0.25 ? "0.25" : "0.5");
    CHECK(models::testing::report(t, "sde_paths") == 7);
    CHECK(models::testing::report(t, "sde_time_step") == step);
    // No noise at such a batch: v falls by 1 - h eta lambda in a step of h.
    const std::vector<double>& p = models::testing::column(t, "excess_mse");
    REQUIRE(p.size() == 3);
    for (const auto& [k, time] : {std::pair{1, 1.0}, {2, 10.0}})
      CHECK(p[k] == Approx(0.5 * 2 * std::pow(1 - step * 0.4 * 0.5, 2 * time / step)).epsilon(1e-7));
  }
  // With noise the error of the mean is the spread over the root of how many there are.
  const models::Trajectory noisy =
      prepare(power_law, {"theory.method=sde", "theory.paths=9", "time.at=[20]", "spectrum.dimension=4"})->solve();
  CHECK(models::testing::column(noisy, "excess_mse_sde_std").back() ==
        Approx(3 * models::testing::column(noisy, "excess_mse_sde_sem").back()).epsilon(1e-12));
}
