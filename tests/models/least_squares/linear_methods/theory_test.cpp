#include "models/least_squares/linear_methods/linear_theory.hpp"

#include <doctest/doctest.h>

#include "models/least_squares/linear_methods/stability.hpp"
#include "models/least_squares/linear_methods/tuning.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise::tests;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

namespace {

double P_after(const LinearProblem& problem, std::uint64_t step) {
  LinearRecursion run(problem);
  run.advance(step);
  return run.excess_mse();
}

/// Half the rate after `at`.
class Halved final : public Schedule {
 public:
  explicit Halved(double at) : at_(at) {}
  double at(double t) const override { return t < at_ ? 1 : 0.5; }

 private:
  double at_;
};

const char* stacked =
    "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = "
    "0.6\nouter_momentum_kind = 'nesterov'\nmomentum = 0.8\nmomentum_kind = 'nesterov'\npersistent = true";

}  // namespace

TEST_CASE("the risk is its signal, multiplicative and label-noise parts") {
  auto data = problem_R();
  const LinearProblem problem = problem_of(
      [&] {
        data->time.at = {0, 8, 9, 64, 192};
        data->time.steps = 192;
        return data;
      }(),
      "sla", stacked);
  LeastSquaresTheory theory;
  theory.decomposition = true;
  theory.exponents = true;
  const Trajectory out = solve_linear(problem, theory);
  CHECK(out.exact);
  REQUIRE(out.steps.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    const double whole = out.find("excess_mse")->value[i];
    const double signal = out.find("excess_mse_signal")->value[i];
    CHECK(signal + out.find("excess_mse_multiplicative")->value[i] + out.find("excess_mse_label_noise")->value[i] ==
          Approx(whole).epsilon(1e-12));
    CHECK(signal > 0);
    CHECK(out.find("risk")->value[i] == Approx((whole + 0.05) / 2).epsilon(1e-14));
  }
  // Between syncs the outer parameters stand still and the workers move.
  CHECK(out.find("excess_mse")->value[2] == out.find("excess_mse")->value[1]);
  CHECK(out.find("worker_excess_mse")->value[2] != out.find("worker_excess_mse")->value[1]);
  CHECK(out.find("excess_mse_exponent") != nullptr);
}

TEST_CASE("long horizons at once are the steps, one after another" * doctest::test_suite("slow")) {
  // Runs of less than 16384 steps are stepped.
  struct Row {
    std::string name, text;
  };
  for (const Row& row :
       {Row{"momentum", "learning_rate = 0.02\nbatch = 2\nmomentum = 0.9"},
        Row{"momentum", "learning_rate = 0.02\nbatch = inf\nmomentum = 0.9\nmomentum_kind = 'nesterov'"},
        Row{"sgd", "learning_rate = 0.1\nbatch = 3\nweight_decay = 0.01"},
        Row{"ema", "learning_rate = 0.1\naverage_decay = 0.99\nbatch = 2"},
        Row{"lookahead", "learning_rate = 0.1\nbatch = 2\ninner_steps = 5\nouter_learning_rate = 0.5"},
        Row{"lookahead", "learning_rate = 0.1\nbatch = inf\ninner_steps = 5\nouter_learning_rate = 0.5"},
        Row{"la-diloco", "learning_rate = 0.1\nbatch = 4\nworkers = 4\ninner_steps = 8\nouter_learning_rate = 0.8"},
        Row{"sla", stacked}}) {
    CAPTURE(row.name);
    CAPTURE(row.text);
    for (const double slowest : {0.1, 1e-4, 1e-9})
      for (const double sigma2 : {0.0, 0.1})
        for (const double unit : {1.0, 1e-20}) {
          edgewise::spectra::Spectrum s;
          s.eigenvalue = {1 * unit, 0.3 * unit, slowest * unit, 0};
          s.multiplicity = {1, 2, 1, 1};
          s.target_power = {1 / unit, 0.5 / unit, 2 / unit, 1 / unit};
          LinearProblem problem = problem_of(data_of(s, sigma2), row.name, row.text);
          problem.hyperparameters.set("learning_rate", problem.hyperparameters("learning_rate") / unit);
          if (problem.hyperparameters.has("weight_decay"))
            problem.hyperparameters.set("weight_decay", problem.hyperparameters("weight_decay") * unit);
          CAPTURE(slowest);
          CAPTURE(sigma2);
          CAPTURE(unit);
          LinearRecursion at_once(problem), stepped(problem);
          std::vector<double> a(linear_observables(problem).size()), b(a.size());
          for (const std::uint64_t target : {20003u, 60000u}) {
            at_once.advance(target);
            while (stepped.step() < target) stepped.advance(std::min(stepped.step() + 10000, target));
            at_once.observe(a);
            stepped.observe(b);
            for (std::size_t i = 0; i < a.size(); ++i)
              CHECK(std::abs(a[i] - b[i]) <= 3e-11 * std::abs(b[i]) + 1e-290);  // steps stick at the last denormal
          }
        }
  }
}

TEST_CASE("what diverges on a long horizon is told at the step at which stepping tells it") {
  for (const char* batch : {"1", "inf"}) {
    const auto data = data_of(power_law(3, 0.7, 0.4), 0.1);
    LinearRecursion run(
        problem_of(data, "momentum", std::string("learning_rate = 3.9\nmomentum = 0.9\nbatch = ") + batch));
    run.advance(1'000'000'000);
    CHECK(run.diverged());
    CHECK(run.step() < 100'000);
  }
}

TEST_CASE("schedules act on every hyperparameter, and counts change only between rounds") {
  const auto data = data_of(power_law(20, 0.7, 0.4), 0.05, {0, 64});
  for (const char* name : {"learning_rate", "batch", "workers", "outer_learning_rate", "inner_steps"}) {
    CAPTURE(name);
    LinearProblem whole = problem_of(
        data, "la-diloco", "learning_rate = 0.1\nbatch = 4\nworkers = 4\ninner_steps = 8\nouter_learning_rate = 0.8");
    LinearProblem half = whole;
    half.hyperparameters.set(name, half.hyperparameters(name) / 2);
    // At step 16 a round begins in both.
    LinearProblem changed = whole;
    changed.hyperparameters.schedule(name, std::make_shared<Halved>(16.0));
    CHECK(P_after(changed, 16) == P_after(whole, 16));
    CHECK(P_after(changed, 64) != P_after(whole, 64));
    // From the start on it is the method with half the value.
    LinearProblem from_start = whole;
    from_start.hyperparameters.schedule(name, std::make_shared<Halved>(0.0));
    CHECK(P_after(from_start, 64) == Approx(P_after(half, 64)).epsilon(1e-14));
    // A count that changes inside a round waits for the next one.
    if (std::string(name) == "workers" || std::string(name) == "inner_steps") {
      LinearProblem late = whole;
      late.hyperparameters.schedule(name, std::make_shared<Halved>(11.0));
      CHECK(P_after(late, 64) == Approx(P_after(changed, 64)).epsilon(1e-14));
    }
  }
  LinearProblem persistent = problem_of(data, "diloco", "learning_rate = 0.01");
  persistent.hyperparameters.schedule("workers", std::make_shared<Halved>(16.0));
  CHECK_THROWS_AS(LinearRecursion{persistent}, std::invalid_argument);
}

TEST_CASE("just below the largest learning rate the noiseless risk falls, just above it grows") {
  const auto data = data_of(power_law(100, 0.7, 0.4), 0);
  LinearProblem problem =
      problem_of(data, "lookahead", "learning_rate = 0.1\ninner_steps = 8\nouter_learning_rate = 0.5");
  const double eta_max = stability_threshold(problem, "learning_rate");
  const auto late_ratio = [&](double factor) {
    problem.hyperparameters.set("learning_rate", factor * eta_max);
    return P_after(problem, 8 * 400) / P_after(problem, 8 * 399);
  };
  CHECK(late_ratio(0.98) < 1);
  CHECK(late_ratio(1.02) == Approx(1.0205).epsilon(1e-4));
  // The growth factor of the renewal matrix is that late ratio.
  for (const double factor : {0.98, 1.02}) {
    problem.hyperparameters.set("learning_rate", factor * eta_max);
    const auto growth = edgewise::solvers::Renewal(periodic(problem)).growth();
    CHECK(growth.growth_factor == Approx(P_after(problem, 8 * 3000) / P_after(problem, 8 * 2999)).epsilon(1e-4));
    CHECK(growth.stable == (factor < 1));
    if (factor > 1) CHECK(growth.failed.find("Perron") != std::string::npos);
  }
  problem.hyperparameters.set("learning_rate", 2.2);
  CHECK_FALSE(is_stable(problem));
  const auto findings = linear_stability(problem);
  bool seen = false;
  for (const Finding& f : findings) {
    if (f.name == "steady_excess_mse") CHECK(std::isnan(std::get<double>(f.value)));
    if (f.name == "reason") {
      seen = true;
      CHECK(std::get<std::string>(f.value).find("unstable") == 0);
    }
  }
  CHECK(seen);
  CHECK(linear_warnings(problem).front().find("even number of inner steps") != std::string::npos);
  problem.hyperparameters.set("learning_rate", 0.01);
  CHECK(is_stable(problem));
}

TEST_CASE("lookahead's threshold and steady state tend to SGD's with long rounds") {
  const auto data = data_of(power_law(20, 0.7, 0.4), 0.1);
  struct Row {
    int H;
    double half, beyond;
  };
  for (const Row& row : {Row{8, .640714, .432794}, Row{64, .564842, .511691}, Row{512, .545216, .536722}}) {
    const auto threshold = [&](double xi) {
      LinearProblem p = problem_of(data, "lookahead", "learning_rate = 0.1\nouter_learning_rate = 0.5");
      p.hyperparameters.set("inner_steps", row.H);
      p.hyperparameters.set("outer_learning_rate", xi);
      return stability_threshold(p, "learning_rate");
    };
    CHECK(std::abs(threshold(0.5) - row.half) < 6e-7);
    CHECK(std::abs(threshold(1.5) - row.beyond) < 6e-7);
  }
}

TEST_CASE("the table of modes adds up to the steady state and knows the closed forms of lookahead") {
  const auto data = problem_R();
  const LinearProblem problem =
      problem_of(data, "la-diloco", "learning_rate = 0.15\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.9");
  double P = 0;
  for (const ModeRow& row : mode_table(problem)) {
    P += row.eigenvalue * row.stationary;
    const double g = 1 - std::pow(1 - 0.15 * row.eigenvalue, 8);
    CHECK(row.gain == Approx(g).epsilon(1e-10));
    CHECK(row.contraction == Approx(0.9 * g).epsilon(1e-10));
    CHECK(row.mean_radius == Approx(std::abs(1 - 0.9 * g)).epsilon(1e-10));
    CHECK(row.stationary == Approx((1 - 0.9 * g) * (1 - 0.9 * g) * row.stationary + row.generated_noise));
  }
  CHECK(std::abs(P - .0027505470) < 6e-11);
}

TEST_CASE("weight decay leaves a bias, which the steady state holds") {
  const auto data = data_of(power_law(24, 0.4, 0.3), 0.25);
  for (const char* method : {"sgd", "lookahead"}) {
    const LinearProblem problem = problem_of(data, method, "learning_rate = 0.12\nbatch = 2\nweight_decay = 0.05");
    for (const Finding& f : linear_stability(problem))
      if (f.name == "steady_excess_mse")
        CHECK(std::get<double>(f.value) == Approx(P_after(problem, 40000)).epsilon(1e-10));
  }
}

TEST_CASE("local SGD with more workers makes more noise than one with their batches joined") {
  const auto data = data_of(power_law(120, 0.7, 0.4), 0.05);
  // Largest excess over 40 rounds at eta = .2/f, xi = .5 f.
  const auto excess = [&](double f) {
    const auto problem = [&](double workers, double batch) {
      LinearProblem p = problem_of(data, "la-diloco", "learning_rate = 0.2\ninner_steps = 6");
      p.hyperparameters.set("learning_rate", 0.2 / f);
      p.hyperparameters.set("outer_learning_rate", 0.5 * f);
      p.hyperparameters.set("workers", workers);
      p.hyperparameters.set("batch", batch);
      return p;
    };
    LinearRecursion many(problem(4, 1)), one(problem(1, 4));
    double most = 0;
    for (std::uint64_t round = 1; round <= 40; ++round) {
      many.advance(6 * round);
      one.advance(6 * round);
      CHECK(many.excess_mse() >= one.excess_mse() * (1 - 1e-13));
      most = std::max(most, many.excess_mse() / one.excess_mse() - 1);
    }
    return most;
  };
  CHECK(excess(1) == Approx(1.00e-2).epsilon(0.01));
  CHECK(excess(2) == Approx(2.9e-3).epsilon(0.02));
  CHECK(excess(4) == Approx(8e-4).epsilon(0.1));
  CHECK(excess(16) == Approx(6e-5).epsilon(0.1));
}

TEST_CASE("the search finds SGD's best rate and says when it lies on a bound") {
  auto data = data_of(power_law(60, 1, 0), 1, {0, 256});
  const LinearProblem problem = problem_of(data, "sgd", "learning_rate = 0.1");
  TuneOptions options;
  options.evaluations = 200;
  const Tuned found = tune(problem, {{"learning_rate", 1e-3, 1}}, options);
  CHECK(found.on_bound.empty());
  CHECK(found.evaluations == 200);
  CHECK(found.value == tune(problem, {{"learning_rate", 1e-3, 1}}, options).value);
  // The neighbours are worse.
  const double eta = found.best.front().second;
  for (const double factor : {0.9, 1.1}) {
    LinearProblem near = problem;
    near.hyperparameters.set("learning_rate", factor * eta);
    CHECK(P_after(near, 256) > found.value);
  }
  const Tuned low = tune(problem, {{"learning_rate", 1e-3, 0.5 * eta}}, options);
  CHECK(low.on_bound == std::vector<std::string>{"learning_rate"});
  // Whole numbers too, at a given number of samples, that of the experiment where none is given: fewer a step are better where
  // the rate is best or small; where it is large neither end of a range around it is best.
  CHECK(tune(problem, {{"batch", 2, 8}}, options).on_bound == std::vector<std::string>{"batch"});
  CHECK(tune(problem, {{"batch", 2, 8}}, options).best.front().second == 2);
  TuneOptions budget = options;
  budget.samples = 256;
  LinearProblem slow = problem;
  slow.hyperparameters.set("learning_rate", 0.02 * eta);
  CHECK(tune(slow, {{"batch", 1, 8}}, budget).on_bound == std::vector<std::string>{"batch"});
  CHECK(tune(slow, {{"batch", 1, 8}}, budget).best.front().second == 1);
  LinearProblem fast = problem;
  fast.hyperparameters.set("learning_rate", 4 * eta);
  const Tuned within = tune(fast, {{"batch", 1, 256}}, budget);
  CHECK(within.on_bound.empty());
  CHECK(within.best.front().second > 1);
  CHECK(within.best.front().second < 256);
  options.observable = "exces_mse";
  CHECK_THROWS_WITH_AS(
      tune(problem, {{"learning_rate", 1e-3, 1}}, options),
      doctest::Contains("tune.observable: there is no exces_mse, did you mean 'excess_mse'?; accepted"),
      std::invalid_argument);
  options.observable = "excess_mse";
  CHECK_THROWS_AS(tune(problem, {{"momentum", 0.1, 0.9}}, options), std::invalid_argument);
  CHECK_THROWS_AS(tune(problem, {{"learning_rate", 0.0, 1}}, options), std::invalid_argument);
}

TEST_CASE("without noise the coordinates are moved: a method's late steps are squares, never below 0") {
  // Heavy ball on two modes by hand: v' = v - eta m', m' = beta m + lambda v.
  const auto problem = prepare(R"(
model = "least-squares"
[spectrum]
kind = "list"
eigenvalues = [1.0, 0.25]
[noise]
law = "gaussian"
variance = 0.5
[optimizer]
kind = "momentum"
momentum = 0.6
learning_rate = 0.7
batch = inf
[time]
at = [1, 10, 200, 1000]
)");
  const auto t = problem->solve();
  std::vector<double> lambda{1, 0.25}, v{-1, -1}, m{0, 0};
  std::size_t k = 0;
  for (std::size_t i = 0; i < t.steps.size(); ++i) {
    for (; static_cast<double>(k) < t.steps[i]; ++k)
      for (std::size_t a = 0; a < 2; ++a) {
        m[a] = 0.6 * m[a] + lambda[a] * v[a];
        v[a] -= 0.7 * m[a];
      }
    const double P = v[0] * v[0] + 0.25 * v[1] * v[1];
    CHECK(t.columns[1].value[i] == Approx(P).epsilon(1e-9));
  }
  CHECK(t.columns[1].value.back() < 1e-200);
}

TEST_CASE("a perfect round of lookahead leaves nothing, and nothing negative") {
  // 1 - xi + xi (1 - eta)^H = 0.
  const double xi = 1 / (1 - std::pow(0.8, 5));
  const auto problem = prepare(R"(
model = "least-squares"
[spectrum]
kind = "isotropic"
dimension = 3
[optimizer]
kind = "lookahead"
inner_steps = 5
learning_rate = 0.2
batch = inf
outer_learning_rate = )" + edgewise::settings::text_of(xi) +
                               "\n[time]\nat = [4, 5, 6, 50, 1000]\n");
  const auto t = problem->solve();
  for (const double P : t.columns[1].value) CHECK(P >= 0);
  for (std::size_t i = 2; i < t.steps.size(); ++i) CHECK(t.columns[1].value[i] < 1e-30);
}

TEST_CASE("no mode moves without a rate: not stable, and said so") {
  for (const char* optimizer : {"kind = 'lookahead'\ninner_steps = 5", "kind = 'momentum'\nmomentum = 0.9",
                                "kind = 'sgd'\nweight_decay = 0.1", "kind = 'diloco'\ninner_steps = 3"}) {
    CAPTURE(optimizer);
    const auto problem =
        prepare(std::string("model = 'least-squares'\n[spectrum]\nkind = 'two-point'\nsmall = 0.1\n") +
                "multiplicities = [2, 3]\n[optimizer]\nlearning_rate = 0\n" + optimizer + "\n[time]\nsteps = 10\n");
    for (const auto& finding : problem->stability()) {
      if (finding.name == "stable") CHECK_FALSE(std::get<bool>(finding.value));
      if (finding.name == "reason") CHECK(std::get<std::string>(finding.value) == "frozen: no mode moves");
      if (finding.name == "growth_factor") CHECK(std::get<double>(finding.value) == Approx(1));
    }
  }
}

TEST_CASE("the part of label noise: the whole less what there is without it") {
  const std::string text = R"(
model = "least-squares"
[spectrum]
kind = "list"
eigenvalues = [1.0, 0.25]
multiplicities = [3, 5]
[noise]
law = "gaussian"
variance = VARIANCE
[optimizer]
kind = "momentum"
momentum = 0.6
learning_rate = 0.1
batch = 2
[time]
at = [1, 10, 60]
)";
  const auto with_variance = [&](const std::string& variance) {
    std::string out = text;
    return edgewise::models::read_experiment(
        edgewise::settings::read_text(out.replace(out.find("VARIANCE"), 8, variance), "experiment.toml"));
  };
  const auto noisy = with_variance("0.5"), silent = with_variance("0");
  const std::vector<std::uint64_t> steps{1, 10, 60};
  const auto parts = label_noise_parts(read_linear_problem(noisy), steps);
  const auto whole = edgewise::models::find(noisy).prepare(noisy)->solve(),
             without = edgewise::models::find(silent).prepare(silent)->solve();
  REQUIRE(parts.size() == 3);
  for (std::size_t o = 0; o < 3; ++o)
    for (std::size_t i = 0; i < 3; ++i) {
      double expected = whole.columns[o].value[i + 1] - without.columns[o].value[i + 1];
      if (o == 0) expected -= 0.25;  // sigma^2/2 is not sampled
      CHECK(parts[o][i] == Approx(expected).epsilon(1e-10));
    }
}

TEST_CASE("the inner-flow ode of lookahead and la-diloco is the recursion's limit at small rates") {
  for (const std::string method : {"kind = 'lookahead'\nouter_learning_rate = 0.6\n",
                                   "kind = 'la-diloco'\nworkers = 2\nouter_learning_rate = 0.6\n"}) {
    CAPTURE(method);
    const auto solved = [&](double rate, const std::string& theory) {
      const int H = static_cast<int>(std::lround(0.5 / rate));
      return prepare(
                 "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\ntarget_power = "
                 "[1.0, 2.0]\n[noise]\nvariance = 0.1\n[optimizer]\n" +
                 method + "batch = 2\nlearning_rate = " + std::to_string(rate) +
                 "\ninner_steps = " + std::to_string(H) + "\n[time]\nat = [" + std::to_string(H) + ", " +
                 std::to_string(6 * H) + "]\n[theory]\nmethod = '" + theory + "'\n")
          ->solve();
    };
    // The difference is of the first order in the rate.
    double before = 0;
    for (const double rate : {.02, .005}) {
      const auto flow = solved(rate, "ode"), steps = solved(rate, "recursion");
      const std::vector<double>&a = flow.find("excess_mse")->value, &b = steps.find("excess_mse")->value;
      REQUIRE(a.size() == b.size());
      const double off = std::abs(a.back() / b.back() - 1);
      CHECK(off < rate);
      if (before > 0) CHECK(off < .4 * before);
      before = off;
      CHECK(flow.find("risk")->value.back() == Approx((a.back() + .1) / 2).epsilon(1e-13));
    }
  }
}

TEST_CASE("every linear method is the same in any units of the inputs") {
  const auto observed = [](const std::string& method, const std::string& more, double unit) {
    edgewise::spectra::Spectrum s = power_law(5, 0.6, 0.4);
    for (double& lambda : s.eigenvalue) lambda *= unit;
    for (double& power : s.target_power) power /= unit;
    LinearProblem problem = problem_of(data_of(std::move(s), 0.2, {0, 30}), method, more);
    problem.hyperparameters.set("learning_rate", 0.05 / unit);
    if (problem.hyperparameters.has("weight_decay")) problem.hyperparameters.set("weight_decay", 0.1 * unit);
    LinearRecursion run(problem);
    run.advance(30);
    std::vector<double> out(linear_observables(problem).size());
    run.observe(out);
    out[2] *= unit;  // |v|^2
    return out;
  };
  for (const auto& [method, more] : std::vector<std::pair<std::string, std::string>>{
           {"sgd", "batch = 2"},
           {"sgd", "batch = 2\ndecoupled = true"},
           {"momentum", "momentum = 0.8\nmomentum_kind = 'nesterov'\nbatch = 4"},
           {"momentum", "momentum = 0.8\nbatch = inf"},
           {"ema", "batch = 2"},
           {"diloco", "inner_steps = 4\nworkers = 2"}}) {
    const std::string name = method + ", " + more;
    CAPTURE(name);
    const std::vector<double> plain = observed(method, more, 1);
    for (const double unit : {1e-250, 1e-103, 1e-60, 1e60, 1e103, 1e250}) {
      CAPTURE(unit);
      const std::vector<double> scaled = observed(method, more, unit);
      for (std::size_t i = 0; i < plain.size(); ++i) CHECK(scaled[i] == Approx(plain[i]).epsilon(1e-11));
    }
  }
}
