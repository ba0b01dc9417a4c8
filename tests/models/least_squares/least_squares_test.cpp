#include "models/least_squares/least_squares.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "models/framework/rate_objective.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/rare_noise.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::error_of;
using models::testing::error_with;
using models::testing::prepare;

namespace {

const std::string head = "model = 'least-squares'\n[time]\nsteps = 10\n";
const std::string isotropic = "[spectrum]\nkind = 'isotropic'\ndimension = 10\n";

double value(const models::Problem& problem, const std::string& name) {
  for (const auto& f : problem.stability())
    if (f.name == name) {
      if (const auto* b = std::get_if<bool>(&f.value)) return *b;
      return std::get<double>(f.value);
    }
  FAIL("no such finding: ", name);
  return 0;
}

}  // namespace

TEST_CASE("learning rate by eta or by gamma") {
  const auto by_rate = prepare(head + isotropic + "[optimizer]\nlearning_rate = 0.05\n");
  const auto by_gamma = prepare(head + isotropic + "[optimizer]\ngamma = 0.5\n");
  CHECK(value(*by_rate, "gamma") == Approx(0.5));
  CHECK(value(*by_gamma, "learning_rate") == Approx(0.05));
  CHECK(error_of(head + isotropic).find("x.toml: optimizer.learning_rate: is required") == 0);
  CHECK(error_of(head + isotropic + "[optimizer]\ngamma=1\nlearning_rate=1\n").find("give either") !=
        std::string::npos);
}

TEST_CASE("bad sections are refused by name") {
  const std::string optimizer = "[optimizer]\nlearning_rate = 0.05\n";
  CHECK(
      error_of(head + isotropic + "[optimizer]\nlearning_rate = -1\n").find("optimizer.learning_rate: must be >= 0") !=
      std::string::npos);
  CHECK(error_of(head + isotropic + "[optimizer]\nlearning_rate = 1\nbatch = 0\n")
            .find("optimizer.batch: must be >= 1") != std::string::npos);
  CHECK(error_of(head + isotropic + "[optimizer]\nlerning_rate = 1\n").find("did you mean 'learning_rate'?") !=
        std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[initial]\nerror_power = [1, 2]\n").find("one number per distinct") !=
        std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[data]\nlaw = 'rows'\n").find("rows needs [spectrum] kind") !=
        std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[monte_carlo]\nsampler = 'blok'\n").find("did you mean 'block'?") !=
        std::string::npos);
  CHECK(error_of(head + optimizer).find("spectrum") != std::string::npos);
  CHECK(error_of(head + isotropic + optimizer + "[theory]\nbandz = true\n").find("did you mean 'bands'?") !=
        std::string::npos);
}

TEST_CASE("the start: theta_0 = scale * theta*, or the error's power") {
  const auto P0 = [&](const std::string& initial) {
    return prepare(head + isotropic + "[optimizer]\nlearning_rate = 0.05\n" + initial)
        ->solve()
        .find("excess_mse")
        ->value[0];
  };
  CHECK(P0("") == Approx(1));
  CHECK(P0("[initial]\nscale = 1\n") == Approx(0));
  CHECK(P0("[initial]\nscale = -1\n") == Approx(4));
  CHECK(P0("[initial]\nerror_power = [2.5]\n") == Approx(2.5));
}

TEST_CASE("zero eigenvalues never move and do not disturb the rest") {
  const std::string list =
      "[spectrum]\nkind = 'list'\neigenvalues = [1, 0.5, 0]\nmultiplicities = [2, 3, 4]\n"
      "target_power = [1, 1, 7]\n[optimizer]\nlearning_rate = 0.1\n[theory]\n";
  for (const char* method : {"method = 'recursion'", "method = 'ode'", "method='ode'\nintegrator='sdirk4'"}) {
    const auto t = prepare("model = 'least-squares'\n[time]\nat = [10, 100000]\n" + list + method)->solve();
    CHECK(t.find("parameter_error")->value.back() == Approx(7).epsilon(1e-6));
    CHECK(t.find("excess_mse")->value.back() < 1e-6);
  }
}

TEST_CASE("stability says what is undefined instead of printing it") {
  const auto unstable =
      prepare(head + isotropic + "[noise]\nlaw='gaussian'\nvariance=1\n[optimizer]\nlearning_rate = 0.5\n");
  CHECK(value(*unstable, "stable") == 0);
  CHECK(std::isinf(value(*unstable, "steady_excess_mse")));
  CHECK(value(*unstable, "growth_factor") > 1);
  CHECK(value(*unstable, "heavy_tailed") == 1);
  const auto edge = prepare(head + isotropic + "[optimizer]\nlearning_rate = 0.16\n");  // between eta_4 and eta_max
  CHECK(value(*edge, "stable") == 1);
  CHECK(value(*edge, "heavy_tailed") == 1);
  const auto descent = prepare(head + isotropic + "[optimizer]\nlearning_rate = 1.9\nbatch = inf\n");
  CHECK(value(*descent, "eta_max") == Approx(2));
  CHECK(value(*descent, "stable") == 1);
}

TEST_CASE("models are found by name") {
  CHECK(error_of("model = 'least-squars'\n[time]\nsteps = 1\n").find("did you mean 'least-squares'?") !=
        std::string::npos);
}

TEST_CASE("the error's power goes to the modes that its eigenvalues name, in whatever order and however often") {
  const auto powers = [](const std::string& spectrum, const std::string& given) {
    // By the excess of modes apart: 1, 10 and 100 are the eigenvalues.
    return column(prepare(head + "[spectrum]\nkind = 'list'\n" + spectrum +
                          "\n[optimizer]\nlearning_rate = 0.001\nbatch = inf\n[initial]\nerror_power = " + given + "\n")
                      ->solve(),
                  "excess_mse")[0];
  };
  const std::string apart = "eigenvalues = [10, 1, 100]";
  CHECK(powers(apart, "[3, 5, 7]") == Approx(735).epsilon(1e-14));
  // One eigenvalue twice: one number for each, or one for both.
  const std::string twice = "eigenvalues = [10, 1, 10, 100]";
  CHECK(powers(twice, "[3, 5, 4, 7]") == Approx(775).epsilon(1e-14));
  CHECK(powers(twice, "[3, 5, 7]") == Approx(735).epsilon(1e-14));
  CHECK(error_of(head + "[spectrum]\nkind = 'list'\n" + twice +
                 "\n[optimizer]\nlearning_rate = 0.001\n[initial]\nerror_power = [1, 2]\n") ==
        "x.toml: initial.error_power: needs one number per distinct eigenvalue: 3, or one per eigenvalue as [spectrum] "
        "gives them; got 2");
  CHECK(error_of(head + isotropic + "[optimizer]\nlearning_rate = 1\n[initial]\nscale = 0\nerror_power = [1]\n") ==
        "x.toml: initial.error_power: give either scale or error_power, not both");
}

TEST_CASE("a rule whose first distance hangs on the start is told |theta_0|") {
  for (const double scale : {0.0, 0.5, -2.0, 3.0}) {
    const auto solved = prepare(head + isotropic + "[optimizer]\nbatch = 3\n[rate]\nkind = 'dog'\n[initial]\nscale = " +
                                std::to_string(scale) + "\n")
                            ->solve();
    // theta* of length 1.
    CHECK(column(solved, "max_distance")[0] == Approx(1e-6 * (1 + std::abs(scale))).epsilon(1e-12));
  }
}

TEST_CASE("where rare labels carry a part of the risk, what the replicas will not meet of it is said") {
  const std::string rare =
      head +
      "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\nmultiplicities = [3, 8]\ntarget_power = [1, 1]\n"
      "[monte_carlo]\nreplicas = 4\n[noise]\nlaw = 'three-point'\nscale = 10.0\nprobability = 0.001\n";
  const auto noise = models::ingredients::three_point_noise(10, 0.001);
  for (const std::string optimizer : {"batch = 2", "batch = 2\nkind = 'momentum'\nmomentum = 0.5",
                                      "batch = 2\nkind = 'la-diloco'\ninner_steps = 5\nworkers = 3"}) {
    CAPTURE(optimizer);
    const bool rounds = optimizer.find("inner") != std::string::npos;
    const std::string text = rare + "[optimizer]\nlearning_rate = 0.02\n" + optimizer + "\n";
    const auto said = prepare(text)->reference();
    // P is affine in the noise: the part that labels of this variance make, at every step up to the last.
    std::string all = "time.at=[";
    for (int k = 1; k <= 10; ++k) all += std::to_string(k) + (k < 10 ? "," : "]");
    const auto with = prepare(text, {all})->solve(), without = prepare(text, {all, "noise.scale=0"})->solve();
    const std::uint64_t period = rounds ? 5 : 1;
    const std::vector<std::uint64_t> steps =
        models::ingredients::steps_to_resolve(std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, period);
    const std::size_t last = said.steps.size() - 1;
    for (const std::string name : {"excess_mse", "parameter_error"}) {
      std::vector<double> part;
      for (const std::uint64_t step : steps) part.push_back(column(with, name)[step] - column(without, name)[step]);
      const double draws = 4 * 2 * (rounds ? 3 : 1);
      const std::vector<double> unmet = models::ingredients::unmet_part(*noise, steps, part, period, draws);
      REQUIRE(said.find(name)->unmet.size() == said.steps.size());
      CHECK(said.find(name)->unmet[last] == Approx(unmet.back()).epsilon(1e-6));
      CHECK(said.find(name)->unmet[last] > 0.05 * part.back());
      CHECK(said.find(name)->unmet[0] == 0);
    }
  }
  const auto none = [&](const std::vector<std::string>& overrides) {
    return prepare(rare + "[optimizer]\nlearning_rate = 0.02\n", overrides)
        ->reference()
        .find("excess_mse")
        ->unmet.empty();
  };
  CHECK_FALSE(none({}));
  CHECK(none({"optimizer.batch=inf"}));
  CHECK(none({"noise.probability=0.2"}));
}

TEST_CASE("the reference has bands where they are known and cheap, or asked for") {
  const auto banded = [](const std::vector<std::string>& overrides) {
    return !prepare(head + isotropic + "[noise]\nlaw = 'gaussian'\nvariance = 0.2\n[optimizer]\nlearning_rate = 0.02\n",
                    overrides)
                ->reference()
                .find("excess_mse")
                ->std.empty();
  };
  CHECK(banded({}));
  CHECK(banded({"noise.law=laplace"}));
  CHECK(banded({"optimizer.kind=momentum"}));
  CHECK_FALSE(banded({"theory.method=ode"}));
  CHECK_FALSE(banded({"optimizer.kind=momentum", "theory.method=ode"}));
  CHECK(banded({"optimizer.kind=momentum", "noise.law=laplace"}));
  // Of three degrees of freedom labels have no fourth moment.
  CHECK_FALSE(banded({"optimizer.kind=momentum", "noise.law=student-t", "noise.dof=3"}));
  // Many steps are cheap where they are jumped over.
  CHECK(banded({"time.steps=10000000000", "time.points=20"}));
  CHECK_FALSE(banded({"time.steps=10000000000", "time.points=20", "noise.law=laplace"}));
}

TEST_CASE("what goes with no optimizer, rule or noise is refused in one line") {
  const std::string plain = head + isotropic + "[optimizer]\nlearning_rate = 0.05\n";
  CHECK(error_with(plain, {"noise.law=cauchy", "noise.scale=1.0"}) ==
        "x.toml: noise.variance: must be finite for least squares");
  CHECK(error_with(plain, {"noise.law=student-t", "noise.scale=1.0", "noise.dof=2.0"}) ==
        "x.toml: noise.variance: must be finite for least squares");
  CHECK(error_with(plain, {"theory.method=reduced", "time.steps=10000001"}) ==
        "x.toml: theory.method: reduced goes step by step, up to 1e7 of them");
  CHECK(error_with(plain, {"optimizer.batch=inf", "schedule.batch.kind=linear"}) ==
        "x.toml: schedule.batch: optimizer.batch is inf, and no part of that is finite; leave it out");
  const std::string custom = head + isotropic +
                             "[optimizer]\nkind = 'custom'\nstart = [1]\nreadout = [1]\n[[optimizer.phase]]\nT0 = "
                             "[[1]]\nT1 = [[-0.1]]\nn = [-0.1]\ne = [1]\n";
  CHECK(error_of(custom, true) == "no error");
  CHECK(error_with(custom, {"schedule.kind=linear"}) ==
        "x.toml: schedule.kind: this optimizer has no learning_rate to schedule");
  CHECK(error_with(custom, {"schedule.kind=constant"}) == "no error");
  const auto experiment = models::read_experiment(
      settings::read_text(head + isotropic + "[rate]\nkind = 'polyak'\n[tune]\nlearning_rate = [0.1, 1]\n", "x.toml"));
  CHECK_THROWS_WITH_AS(models::find(experiment).tune(experiment),
                       "x.toml: rate: there is nothing to tune under a rule; leave [rate] or `tune` out",
                       settings::Error);
  const auto ruled = prepare(head + isotropic + "[rate]\nkind = 'polyak'\n");
  CHECK_THROWS_WITH_AS(ruled->rate_objective(""), doctest::Contains("a rule sets the learning rates; leave [rate] out"),
                       settings::Error);
}

TEST_CASE("the table of modes of plain SGD, by hand") {
  // D' = a D + b (P + sigma^2), a = (1 - x)^2 + x^2/B: alone, and in the steady state of all.
  const auto table = prepare(head +
                             "[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.4]\nmultiplicities = [2, 3]\n"
                             "target_power = [1.0, 0.5]\n[noise]\nlaw = 'gaussian'\nvariance = 0.2\n[optimizer]\n"
                             "learning_rate = 0.15\nbatch = 2\n")
                         ->mode_table();
  const double lambda[] = {1, 0.4}, n[] = {2, 3};
  double a[2], b[2], kappa = 0;
  for (int i = 0; i < 2; ++i) {
    const double x = 0.15 * lambda[i];
    a[i] = (1 - x) * (1 - x) + x * x / 2;
    b[i] = 0.15 * x / 2 * n[i];
    kappa += lambda[i] * b[i] / (1 - a[i]);
  }
  const double drive = 0.2 / (1 - kappa);
  for (std::size_t i = 0; i < 2; ++i) {
    const double x = 0.15 * lambda[i], D = b[i] * drive / (1 - a[i]);
    CHECK(column(table, "eigenvalue")[i] == lambda[i]);
    CHECK(column(table, "multiplicity")[i] == n[i]);
    CHECK(column(table, "gain")[i] == Approx(x).epsilon(1e-13));
    CHECK(column(table, "contraction")[i] == Approx(x).epsilon(1e-13));
    CHECK(column(table, "mean_radius")[i] == Approx(1 - x).epsilon(1e-13));
    CHECK(column(table, "radius")[i] == Approx(a[i]).epsilon(1e-13));
    // What the mean map takes away of it, its own multiplicative noise included.
    CHECK(column(table, "generated_noise")[i] == Approx((1 - (1 - x) * (1 - x)) * D).epsilon(1e-12));
    CHECK(column(table, "stationary_power")[i] == Approx(D).epsilon(1e-12));
    CHECK(column(table, "stationary_excess_mse")[i] == Approx(lambda[i] * D).epsilon(1e-12));
  }
}

TEST_CASE("least squares: what is left out is what the description says") {
  const std::string rows =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\ntarget_power = [0.7, 2.0]\n"
      "[noise]\nvariance = 0.2\n[time]\nat = [1, 12]\n";
  const auto check = [&](const std::string& keys, const char* key, const char* usual, const char* other) {
    models::testing::check_default(rows + keys, key, usual, other);
  };
  const std::string sgd = "[optimizer]\nlearning_rate = 0.2\n";
  check(sgd, "noise.law", "'gaussian'", "'laplace'");
  check(sgd, "data.law", "'gaussian'", "'uniform'");
  check(sgd, "initial.scale", "0", "0.05");
  check(sgd, "optimizer.kind", "'sgd'", "'ema'");
  check(sgd, "optimizer.batch", "1", "2");
  check(sgd, "optimizer.weight_decay", "0", "0.05");
  check(sgd + "weight_decay = 0.1\n", "optimizer.decoupled", "false", "true");
  check(sgd + "weight_decay = 0.1\n", "optimizer.independent", "false", "true");
  check(sgd, "monte_carlo.sampler", "'auto'", "'naive'");
  const std::string momentum = sgd + "kind = 'momentum'\n", weights = momentum + "momentum_kind = 'custom'\n",
                    diloco = sgd + "kind = 'diloco'\n", outer = diloco + "outer_momentum_kind = 'custom'\n";
  check(momentum, "optimizer.momentum_kind", "'heavy-ball'", "'nesterov'");
  check(momentum, "optimizer.momentum", "0.9", "0.91");
  check(weights, "optimizer.gradient_weight", "1", "1.05");
  check(weights, "optimizer.buffer_weight", "0", "0.05");
  check(sgd + "kind = 'ema'\n", "optimizer.average_decay", "0.99", "0.98");
  check(sgd + "kind = 'tail-average'\n", "optimizer.average_from", "0", "1");
  // A sync must come before the end of the run.
  const std::string rounds = diloco + "inner_steps = 4\n";
  check(rounds, "optimizer.outer_learning_rate", "0.7", "0.71");
  check(rounds, "optimizer.workers", "4", "5");
  check(rounds, "optimizer.outer_momentum_kind", "'nesterov'", "'heavy-ball'");
  check(rounds, "optimizer.outer_momentum", "0.9", "0.91");
  check(rounds, "optimizer.persistent", "true", "false");
  check(outer + "inner_steps = 4\n", "optimizer.outer_gradient_weight", "1", "1.05");
  check(outer + "inner_steps = 4\n", "optimizer.outer_buffer_weight", "0", "0.05");
  models::testing::check_default(rows + "steps = 40\n" + diloco, "optimizer.inner_steps", "16", "17");
  const std::string theory = sgd + "[theory]\n", ode = theory + "method = 'ode'\n",
                    reduced = theory + "method = 'reduced'\n", sde = theory + "method = 'sde'\npaths = 8\n";
  check(sgd, "theory.method", "'recursion'", "'ode'");
  check(sgd, "theory.bands", "false", "true");
  check(sgd, "theory.decomposition", "false", "true");
  check(sgd, "theory.exponents", "false", "true");
  check(ode, "theory.level", "'log'", "'diff'");
  check(ode, "theory.integrator", "'auto'", "'explicit'");
  check(ode + "integrator = 'explicit'\n", "theory.rtol", "1e-8", "1e-4");
  check(ode + "integrator = 'explicit'\n", "theory.atol", "0", "1e-3");
  check(reduced, "theory.kernel", "'volterra'", "'oneexp'");
  check(reduced + "kernel = 'exponentials'\n", "theory.exponentials", "4", "1");
  check(theory, "theory.scale_contraction", "1", "1.05");
  check(theory, "theory.scale_feedback", "1", "1.05");
  check(theory, "theory.scale_label_noise", "1", "1.05");
  check(sde, "theory.scheme", "'weak2'", "'euler-maruyama'");
  check(sde, "theory.time_step", "1", "0.5");
  check(theory + "method = 'sde'\n", "theory.paths", "256", "255");
}

TEST_CASE("rate rules: what is left out is what the description says") {
  const std::string rows =
      "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\ntarget_power = [0.7, 2.0]\n"
      "[noise]\nvariance = 0.2\n[time]\nat = [1, 12]\n[rate]\n";
  struct Row {
    const char *rule, *key, *usual, *other;
  };
  for (const Row& row : {Row{"'adagrad-norm'", "eta0", "1", "1.05"},
                         Row{"'adagrad-norm'", "b0", "1e-4", "0.1"},
                         Row{"'adagrad-norm'", "multiplier", "1", "1.05"},
                         Row{"'stochastic-polyak'", "c", "0.5", "0.55"},
                         Row{"'stochastic-polyak'", "eta_max", "inf", "0.1"},
                         Row{"'stochastic-polyak'", "f_min", "0", "0.05"},
                         Row{"'dog'", "epsilon", "1e-8", "0.1"},
                         Row{"'dowg'", "r_eps", "0.01", "0.011"},
                         Row{"'dowg'", "form", "'sum'", "'root'"},
                         Row{"'dowg'", "epsilon", "1e-8", "0.1"},
                         Row{"'dowg'\nform = 'root'", "epsilon", "1e-4", "0.1"},
                         Row{"'d-adaptation'", "d0", "1e-6", "1e-5"},
                         Row{"'d-adaptation'", "prior", "0", "0.5"},
                         Row{"'prodigy'", "d0", "1e-6", "1e-5"},
                         Row{"'prodigy'", "prior", "0", "0.5"},
                         Row{"'momo'", "beta", "0.9", "0.91"},
                         Row{"'momo'", "eta_max", "1", "0.1"},
                         Row{"'momo'", "f_min", "0", "0.05"},
                         Row{"'mechanic'", "s0", "1e-6", "1e-5"},
                         Row{"'mechanic'", "lambda", "0.01", "0.2"},
                         Row{"'mechanic'", "displacement", "'kept'", "'recomputed'"},
                         Row{"'cocob'", "alpha", "100", "10"},
                         Row{"'cocob'", "epsilon", "1e-8", "1"},
                         Row{"'prodigy-adam'", "d0", "1e-6", "1e-5"},
                         Row{"'prodigy-adam'", "beta1", "0.9", "0.91"},
                         Row{"'prodigy-adam'", "beta2", "0.999", "0.99"},
                         Row{"'prodigy-adam'", "epsilon", "1e-8", "1e-3"},
                         Row{"'d-adaptation-adam'", "d0", "1e-6", "1e-5"},
                         Row{"'momo-adam'", "eta_max", "0.01", "0.001"},
                         Row{"'momo-adam'\neta_max = 10", "f_min", "0", "0.2"},
                         Row{"'nadamw'", "learning_rate", "1e-3", "1.1e-3"},
                         Row{"'nadamw'", "weight_decay", "1e-4", "0.1"},
                         Row{"'nadamw'", "beta1", "0.9", "0.91"},
                         Row{"'nadamw'", "beta2", "0.999", "0.99"},
                         Row{"'nadamw'", "epsilon", "1e-8", "1e-3"},
                         Row{"'nadamw'", "multiplier", "1", "1.05"}}) {
    const std::string key = row.key, rule = row.rule;
    CAPTURE(rule);
    CAPTURE(key);
    // Of some the theory is not known.
    const auto end = [&](const std::string& more) {
      const auto simulation = prepare(rows + "kind = " + rule + "\n" + more)->simulate();
      const auto replica = simulation->replica(1, 0);
      replica->advance(12);
      std::vector<double> out(simulation->observables().size());
      replica->observe(out);
      return out;
    };
    CHECK(end("") == end(key + " = " + row.usual + "\n"));
    CHECK(end("") != end(key + " = " + row.other + "\n"));
  }
}

TEST_CASE("spectra: what is left out is what the description says") {
  const auto check = [](const std::string& spectrum, const char* key, const char* usual, const char* other) {
    CAPTURE(spectrum);
    models::testing::check_default(
        "model = 'least-squares'\n[spectrum]\n" + spectrum +
            "\n[noise]\nvariance = 0.2\n[optimizer]\nlearning_rate = 0.1\n[time]\nat = [5]\n",
        std::string("spectrum.") + key, usual, other);
  };
  const std::string equal = "kind = 'isotropic'\ndimension = 6",
                    power = "kind = 'power-law'\ndimension = 9\nalpha = 0.7\nbeta = 0.4",
                    two = "kind = 'two-point'\nsmall = 0.1\ndimension = 8",
                    spiked = "kind = 'spiked'\nspikes = [3, 2]\ndimension = 8",
                    sampled = "kind = 'marchenko-pastur'\ndimension = 6\nratio = 0.5",
                    list = "kind = 'list'\neigenvalues = [1, 0.3]";
  check(equal, "eigenvalue", "1", "1.05");
  check(equal, "target_power", "1", "1.05");
  check(power, "tail", "'none'", "'noise'");
  check(two, "large", "1", "1.05");
  check(two, "fraction", "0.5", "0.25");
  check(spiked, "bulk", "1", "1.05");
  check(spiked, "spike_power", "[0.5, 0.5]", "[0.5, 0.55]");
  check(spiked, "bulk_power", "0", "0.05");
  check(sampled, "method", "'quantiles'", "'sample'");
  check(sampled + "\nmethod = 'sample'", "seed", "0", "1");
  check(sampled, "variance", "1", "1.05");
  check(sampled, "target_power", "1", "1.05");
  check(list, "multiplicities", "[1, 1]", "[1, 2]");
  check(list, "target_power", "[1, 1]", "[1, 1.05]");
  check(list, "unexplained_variance", "0", "0.05");
}
