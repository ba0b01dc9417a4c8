// The spread of single runs: against the moments of the algorithm written out, against simulation, against plain SGD.
#include "models/least_squares/linear_methods/linear_bands.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "models/least_squares/linear_methods/simulation.hpp"
#include "models/least_squares/risk_variance.hpp"
#include "numerics/constants.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/least_squares/linear_methods/literal_moments.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using edgewise::tests::Approx;

namespace {

/// The theory's standard deviations after every step against those of the literal run.
void compare(const LinearProblem& problem, const LiteralRun& run, std::size_t steps) {
  std::vector<double> v0;
  for (std::size_t i = 0; i < run.dim(); ++i) v0.push_back(-run.target[i]);
  FourthMoments moments(run, run.start(v0));
  LinearVariance theory(problem);
  LinearRecursion mean(problem);
  const std::vector<double> ones(run.dim(), 1.0);
  std::vector<double> means(linear_observables(problem).size());
  for (std::size_t k = 0; k < steps; ++k) {
    CAPTURE(k);
    moments.step(k);
    theory.advance(k + 1);
    mean.advance(k + 1);
    mean.observe(means);
    const std::vector<double> std = theory.std();
    CHECK(theory.excess_mse() == Approx(means[1]).epsilon(1e-12));
    const bool moved = !run.rounds || k + 1 >= run.inner_steps;
    if (moved) {
      CHECK(std[1] == Approx(moments.std({run.outer()}, run.lambda, 1)).epsilon(1e-8));
      CHECK(std[2] == Approx(moments.std({run.outer()}, ones, 1)).epsilon(1e-8));
    } else {
      CHECK(std[1] == 0);  // the outer parameters before the first sync
      CHECK(std[2] == 0);
    }
    CHECK(std[0] == Approx(std[1] / 2).epsilon(1e-14));
    if (!run.rounds && std.size() > 3) CHECK(std[3] == Approx(moments.std({2}, run.lambda, 1)).epsilon(1e-8));
    if (run.rounds && (k + 1) % run.inner_steps != 0) {
      std::vector<std::size_t> at;
      for (std::size_t w = 0; w < run.workers; ++w) at.push_back(2 * w);
      CHECK(std[3] == Approx(moments.std(at, run.lambda, 1.0 / static_cast<double>(run.workers))).epsilon(1e-8));
    }
  }
}

std::shared_ptr<LeastSquares> two_modes(std::uint64_t steps = 8) {
  spectra::Spectrum s;
  s.eigenvalue = {0.9, 0.35};
  s.target_power = {1.2, 0.7};
  s.multiplicity = {1, 1};
  return data_of(s, 0.3, {0, steps});
}

std::shared_ptr<LeastSquares> one_mode(std::uint64_t steps = 8) {
  spectra::Spectrum s;
  s.eigenvalue = {0.8};
  s.target_power = {1.3};
  s.multiplicity = {1};
  return data_of(s, 0.25, {0, steps});
}

LiteralRun literal(const LeastSquares& data) {
  LiteralRun run;
  run.lambda = data.spectrum.eigenvalue;
  for (const double p : data.spectrum.target_power) run.target.push_back(std::sqrt(p));
  run.sigma = std::sqrt(data.noise_variance());
  return run;
}

struct Case {
  const char* method;
  const char* optimizer;
};

const std::vector<Case> banded{
    {"sgd", "learning_rate = 0.1\nweight_decay = 0.05"},
    {"momentum", "learning_rate = 0.02\nmomentum = 0.8\nweight_decay = 0.03\nbatch = 2"},
    {"momentum", "learning_rate = 0.02\nmomentum = 0.8\nmomentum_kind = 'nesterov'"},
    {"ema", "learning_rate = 0.1\naverage_decay = 0.9\nmomentum_kind = 'nesterov'\nmomentum = 0.5"},
    {"tail-average", "learning_rate = 0.1\naverage_from = 5"},
    {"lookahead", "learning_rate = 0.12\ninner_steps = 4\nouter_learning_rate = 0.6\nweight_decay = 0.05"},
    {"la-diloco", "learning_rate = 0.12\ninner_steps = 4\nouter_learning_rate = 0.9\nworkers = 3"},
    {"sla",
     "learning_rate = 0.04\ninner_steps = 4\nouter_learning_rate = 0.4\nworkers = 2\nmomentum = 0.7\nmomentum_kind = "
     "'nesterov'\nouter_momentum = 0.5\nouter_momentum_kind = 'heavy-ball'"},
    {"diloco", "learning_rate = 0.02\ninner_steps = 3\nworkers = 2\nmomentum = 0.7\nouter_momentum = 0.6\nbatch = 2"},
};

}  // namespace

TEST_CASE("bands of one worker are the literal algorithm's, by its fourth moments") {
  const auto data = two_modes();
  LiteralRun run = literal(*data);
  SUBCASE("sgd with weight decay") {
    run.coupled = 0.2;
    compare(problem_of(data, "sgd", "learning_rate = 0.1\nweight_decay = 0.2"), run, 5);
  }
  SUBCASE("nesterov, decoupled decay") {
    run.eta = 0.3, run.q1 = run.bi = 0.7, run.decoupled = 0.1;
    compare(problem_of(data, "momentum",
                       "learning_rate = 0.3\nmomentum = 0.7\nmomentum_kind = 'nesterov'\nweight_decay = 0.1\n"
                       "decoupled = true"),
            run, 5);
  }
  SUBCASE("heavy ball, coupled decay") {
    run.eta = 0.2, run.q0 = 0, run.q1 = 1, run.bi = 0.8, run.coupled = 0.1;
    compare(problem_of(data, "momentum", "learning_rate = 0.2\nmomentum = 0.8\nweight_decay = 0.1"), run, 5);
  }
  SUBCASE("an exponential average of heavy ball") {
    run.q0 = 0, run.q1 = 1, run.bi = 0.8, run.average = [](std::size_t) { return 0.3; };
    compare(problem_of(data, "ema",
                       "learning_rate = 0.1\nmomentum = 0.8\nmomentum_kind = 'heavy-ball'\naverage_decay = 0.7"),
            run, 5);
  }
  SUBCASE("a tail average") {
    run.average = [](std::size_t k) { return k < 2 ? 1.0 : 1 / (static_cast<double>(k) - 2 + 2); };
    compare(problem_of(data, "tail-average", "learning_rate = 0.1\naverage_from = 2"), run, 6);
  }
  SUBCASE("lookahead") {
    run.rounds = true, run.inner_steps = 2, run.xi = 0.6;
    compare(problem_of(data, "lookahead", "learning_rate = 0.1\ninner_steps = 2\nouter_learning_rate = 0.6"), run, 6);
  }
}

TEST_CASE("bands of a batch, of schedules and of several workers are the literal algorithm's") {
  const auto data = one_mode();
  LiteralRun run = literal(*data);
  SUBCASE("batch") {
    run.batch = 2, run.eta = 0.3, run.q1 = run.bi = 0.7;
    compare(problem_of(data, "momentum", "learning_rate = 0.3\nmomentum = 0.7\nmomentum_kind = 'nesterov'\nbatch = 2"),
            run, 5);
  }
  SUBCASE("schedule") {
    run.q0 = 0, run.q1 = 1, run.bi = 0.5, run.rate = [](std::size_t k) { return 1 - static_cast<double>(k) / 8; };
    LinearProblem problem = problem_of(data, "momentum", "learning_rate = 0.1\nmomentum = 0.5");
    settings::Table table = settings::read_text("[schedule]\nkind = 'linear'\n", "test");
    problem.hyperparameters.schedule("learning_rate", read_schedule(table, "schedule", 8));
    compare(problem, run, 8);
  }
  SUBCASE("a schedule within rounds") {
    run.rounds = true, run.inner_steps = 3, run.xi = 0.6,
    run.rate = [](std::size_t k) { return 1 - static_cast<double>(k) / 8; };
    LinearProblem problem =
        problem_of(data, "lookahead", "learning_rate = 0.1\ninner_steps = 3\nouter_learning_rate = 0.6");
    settings::Table table = settings::read_text("[schedule]\nkind = 'linear'\n", "test");
    problem.hyperparameters.schedule("learning_rate", read_schedule(table, "schedule", 8));
    compare(problem, run, 8);
  }
  SUBCASE("workers that are reset") {
    run.rounds = true, run.workers = 2, run.inner_steps = 2, run.xi = 0.6, run.eta = 0.3;
    compare(
        problem_of(data, "la-diloco", "learning_rate = 0.3\ninner_steps = 2\nouter_learning_rate = 0.6\nworkers = 2"),
        run, 6);
  }
  SUBCASE("workers whose momentum persists") {
    run.rounds = run.persistent = true, run.workers = 2, run.inner_steps = 2, run.xi = 0.6, run.eta = 0.2;
    run.q1 = run.bi = 0.5, run.p1 = run.bo = 0.4;
    compare(problem_of(data, "diloco",
                       "learning_rate = 0.2\ninner_steps = 2\nouter_learning_rate = 0.6\nworkers = 2\nmomentum = 0.5\n"
                       "outer_momentum = 0.4"),
            run, 4);
  }
}

TEST_CASE("bands under label noise of three points are the literal algorithm's") {
  // Five nodes of the draws make a law of three points: heavier or lighter than a Gaussian.
  const double heavy = 7.0 / 15, light = (7 - 2 * std::sqrt(10.0)) / 30;
  for (const double probability : {heavy, light}) {
    CAPTURE(probability);
    const auto with = [&](const std::shared_ptr<LeastSquares>& data) {
      LiteralRun run = literal(*data);
      run.label = [probability, least = probability > 0.1 ? 0.5 : 2](double draw) {
        return std::abs(draw) < least ? 0 : std::copysign(1 / std::sqrt(probability), draw);
      };
      data->noise = three_point_noise(run.sigma / std::sqrt(probability), probability);
      return run;
    };
    auto data = two_modes();
    LiteralRun momentum = with(data);
    momentum.eta = 0.2, momentum.q0 = 0, momentum.q1 = 1, momentum.bi = 0.8;
    compare(problem_of(data, "momentum", "learning_rate = 0.2\nmomentum = 0.8"), momentum, 4);
    data = one_mode();
    LiteralRun workers = with(data);
    workers.rounds = true, workers.workers = 2, workers.inner_steps = 2, workers.xi = 0.6, workers.eta = 0.3;
    compare(
        problem_of(data, "la-diloco", "learning_rate = 0.3\ninner_steps = 2\nouter_learning_rate = 0.6\nworkers = 2"),
        workers, 4);
    data = one_mode();
    LiteralRun batch = with(data);
    batch.batch = 2, batch.eta = 0.3, batch.average = [](std::size_t) { return 0.3; };
    compare(problem_of(data, "ema", "learning_rate = 0.3\naverage_decay = 0.7\nbatch = 2"), batch, 4);
  }
}

TEST_CASE("bands on inputs that are not Gaussian: what is SGD by another name has its variance") {
  const auto solved = [](const std::string& law, int batch, const std::string& optimizer) {
    return models::testing::prepare(
               "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1000.0, 300.0]\nmultiplicities = "
               "[1, 3]\n[noise]\nlaw = 'laplace'\nvariance = 0.4\n[data]\nlaw = '" +
               law + "'\n[optimizer]\nlearning_rate = 1e-4\nbatch = " + std::to_string(batch) + "\n" + optimizer +
               "\n[time]\nat = [1, 2, 20]\n[theory]\nbands = true\n")
        ->solve();
  };
  // A batch of 5 has every product of up to four examples.
  for (const std::string law : {"rademacher", "uniform", "laplace"})
    for (const int batch : {2, 5}) {
      const models::Trajectory sgd = solved(law, batch, "kind = 'sgd'");
      for (const std::string optimizer : {"kind = 'momentum'\nmomentum = 0", "kind = 'ema'\naverage_decay = 0.5",
                                          "kind = 'lookahead'\ninner_steps = 1\n"
                                          "outer_learning_rate = 1"}) {
        CAPTURE(law);
        CAPTURE(batch);
        CAPTURE(optimizer);
        const models::Trajectory other = solved(law, batch, optimizer);
        for (std::size_t c = 0; c < 3; ++c)
          for (std::size_t i = 1; i < 4; ++i)
            CHECK(other.columns[c].std[i] == Approx(sgd.columns[c].std[i]).epsilon(1e-9));
      }
    }
  for (const std::string law : {"rademacher", "uniform", "laplace"}) {
    // Two workers that are averaged after every step share a batch of twice the size.
    const models::Trajectory twice = solved(law, 4, "kind = 'sgd'");
    for (const std::string optimizer :
         {"kind = 'la-diloco'\n", "kind = 'diloco'\nmomentum = 0\nouter_momentum = 0\n"}) {
      CAPTURE(law);
      CAPTURE(optimizer);
      const models::Trajectory other =
          solved(law, 2, optimizer + "inner_steps = 1\nouter_learning_rate = 1\nworkers = 2");
      for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t i = 1; i < 4; ++i)
          CHECK(other.columns[c].std[i] == Approx(twice.columns[c].std[i]).epsilon(1e-9));
    }
  }
}

TEST_CASE("bands: plain SGD as a row of the family has the variance of its own recursion") {
  for (const double batch : {1.0, 4.0, 1e6, 1e12})
    for (const double sigma2 : {0.0, 0.3}) {
      CAPTURE(batch);
      spectra::Spectrum s = power_law(12, 0.6, 0.4);
      s.multiplicity[3] = 5;
      s.multiplicity[11] = 1e3;
      const auto data = data_of(s, sigma2, {0, 60});
      LinearProblem problem = problem_of(data, "sgd", "learning_rate = 0.002");
      problem.hyperparameters.set("batch", batch);
      LinearVariance general(problem);
      VarianceRecursion own({s.eigenvalue, s.multiplicity, s.target_power, batch, sigma2});
      std::uint64_t done = 0;
      for (const std::uint64_t k : {1u, 2u, 10u, 60u}) {
        for (; done < k; ++done) own.step(0.002);
        general.advance(k);
        const auto std = general.std();
        CHECK(std[1] == Approx(std::sqrt(own.excess_mse_variance())).epsilon(1e-12));
        CHECK(std[2] == Approx(std::sqrt(own.parameter_error_variance())).epsilon(1e-12));
      }
    }
}

TEST_CASE("bands: methods that are the same have the same") {
  spectra::Spectrum s = power_law(6, 0.6, 0.4);
  s.multiplicity[1] = 4;
  const auto data = data_of(s, 0.2, {0, 12});
  const auto at = [&](const std::shared_ptr<LeastSquares>& of, const char* method, const char* optimizer) {
    LinearVariance run(problem_of(of, method, optimizer));
    run.advance(12);
    return run.std();
  };
  const auto same = [&](const std::vector<double>& a, const std::vector<double>& b) {
    for (std::size_t i = 0; i < 3; ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-11));
  };
  // Workers that meet after every step are one worker with all their samples.
  same(at(data, "la-diloco", "learning_rate = 0.1\ninner_steps = 1\nouter_learning_rate = 1.0\nworkers = 3\nbatch = 2"),
       at(data, "sgd", "learning_rate = 0.1\nbatch = 6"));
  same(at(data, "momentum", "learning_rate = 0.1\nmomentum = 0.0"), at(data, "sgd", "learning_rate = 0.1"));
  same(at(data, "la-diloco", "learning_rate = 0.1\ninner_steps = 3\nworkers = 1"),
       at(data, "lookahead", "learning_rate = 0.1\ninner_steps = 3"));
  same(at(data, "momentum", "learning_rate = 0.03\nmomentum = 0.8"),
       at(data, "custom",
          "start = [1, 0]\nreadout = [1, 0]\n[[optimizer.phase]]\nT0 = [[1, -0.024], [0, 0.8]]\n"
          "T1 = [[-0.03, 0], [1, 0]]\nn = [-0.03, 1]\ne = [1, 0]\n"));
  // Equal eigenvalues, as one eigenspace and apart.
  spectra::Spectrum apart = s;
  apart.multiplicity[1] = 1;
  apart.target_power[1] = s.target_power[1] / 2;
  for (const double power : {s.target_power[1] / 2, 0.0, 0.0}) {
    apart.eigenvalue.push_back(s.eigenvalue[1]);
    apart.multiplicity.push_back(1);
    apart.target_power.push_back(power);
  }
  const auto of_apart = data_of(apart, 0.2, {0, 12});
  for (const Case& c : banded) {
    CAPTURE(c.method);
    same(at(data, c.method, c.optimizer), at(of_apart, c.method, c.optimizer));
  }
}

TEST_CASE("bands in any units, and where nothing fluctuates") {
  const auto at = [](spectra::Spectrum s, double sigma2, double rate, double batch) {
    const auto data = data_of(std::move(s), sigma2, {0, 30});
    LinearProblem problem = problem_of(
        data, "momentum", "momentum = 0.8\nmomentum_kind = 'nesterov'\nlearning_rate = " + settings::text_of(rate));
    problem.hyperparameters.set("batch", batch);
    LinearVariance run(problem);
    run.advance(30);
    return run.std();
  };
  const spectra::Spectrum s = power_law(5, 0.6, 0.4);
  const std::vector<double> plain = at(s, 0.2, 0.05, 2);
  for (const double unit : {1e-250, 1e-103, 1e-60, 1e60, 1e77, 1e103, 1e250}) {
    CAPTURE(unit);
    spectra::Spectrum inputs = s, labels = s;
    for (double& lambda : inputs.eigenvalue) lambda *= unit;
    for (double& power : inputs.target_power) power /= unit;
    const std::vector<double> of_inputs = at(inputs, 0.2, 0.05 / unit, 2);
    CHECK(of_inputs[0] == Approx(plain[0]).epsilon(1e-10));
    CHECK(of_inputs[1] == Approx(plain[1]).epsilon(1e-10));
    CHECK(of_inputs[2] * unit == Approx(plain[2]).epsilon(1e-10));
    for (double& power : labels.target_power) power *= unit;
    const std::vector<double> of_labels = at(labels, 0.2 * unit, 0.05, 2);
    for (std::size_t i = 0; i < 3; ++i) CHECK(of_labels[i] == Approx(unit * plain[i]).epsilon(1e-10));
  }
  CHECK(at(s, 0.2, 0.05, infinity) == std::vector<double>(3, 0.0));
  spectra::Spectrum still = s;
  std::ranges::fill(still.target_power, 0.0);
  CHECK(at(still, 0.0, 0.05, 1) == std::vector<double>(3, 0.0));
  CHECK(at(still, 0.2, 0.05, 1)[1] > 0);
  CHECK(at(s, 0.2, 0.0, 1) == std::vector<double>(3, 0.0));
  // One coordinate among null ones is one coordinate.
  spectra::Spectrum one = power_law(1, 0.6, 0.4), rank_one = one;
  rank_one.eigenvalue.push_back(0);
  rank_one.target_power.push_back(3);
  rank_one.multiplicity.push_back(4);
  CHECK(at(rank_one, 0.2, 0.05, 1)[1] == at(one, 0.2, 0.05, 1)[1]);
}

TEST_CASE("bands: label noise that the theory is given more of moves the band as it moves the mean") {
  const auto solved = [](const std::string& optimizer, const std::string& scale, const std::string& variance) {
    return models::testing::prepare(
               "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\n[noise]\nlaw = "
               "'gaussian'\nvariance = " +
               variance + "\n[optimizer]\nlearning_rate = 0.1\n" + optimizer +
               "\n[time]\nat = [0, 3, 20]\n[theory]\nbands = true\nscale_label_noise = " + scale + "\n")
        ->solve();
  };
  for (const std::string optimizer : {"kind = 'sgd'", "kind = 'momentum'", "kind = 'ema'", "kind = 'la-diloco'"}) {
    CAPTURE(optimizer);
    const models::Trajectory more = solved(optimizer, "2.25", "0.4"), given = solved(optimizer, "1", "0.9"),
                             less = solved(optimizer, "1", "0.4");
    for (std::size_t c = 1; c < given.columns.size(); ++c)
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(more.columns[c].value[i] == Approx(given.columns[c].value[i]).epsilon(1e-12));
        CHECK(more.columns[c].std[i] == Approx(given.columns[c].std[i]).epsilon(1e-12));
      }
    CHECK(less.columns[1].std[2] < 0.9 * more.columns[1].std[2]);
  }
}

// 9 methods, some 4 numbers each: |z| > 5 has probability 6e-7 each for a normal estimate.
TEST_CASE("the variance over replicas is the bands'") {
  const auto data = data_of(power_law(6, 0.6, 0.4), 0.2, {0, 12});
  for (const Case& c : banded) {
    CAPTURE(c.method);
    CAPTURE(c.optimizer);
    const LinearProblem problem = problem_of(data, c.method, c.optimizer);
    const auto simulation = simulate_linear(problem, Sampler::naive);
    const std::size_t count = simulation->observables().size();
    constexpr int replicas = 3000;
    std::vector<std::vector<double>> seen(count);
    std::vector<double> values(count);
    for (int r = 0; r < replicas; ++r) {
      auto replica = simulation->replica(11, static_cast<std::uint64_t>(r));
      replica->advance(12);
      replica->observe(values);
      for (std::size_t i = 0; i < count; ++i) seen[i].push_back(values[i]);
    }
    LinearRecursion mean(problem);
    mean.advance(12);
    std::vector<double> means(count);
    mean.observe(means);
    LinearVariance theory(problem);
    theory.advance(12);
    const std::vector<double> std = theory.std();
    for (std::size_t i = 0; i < count; ++i) {
      CAPTURE(i);
      double m2 = 0, m4 = 0;
      for (const double x : seen[i]) {
        const double square = (x - means[i]) * (x - means[i]);
        m2 += square / replicas;
        m4 += square * square / replicas;
      }
      CHECK(std::abs(m2 - std[i] * std[i]) < 5 * std::sqrt((m4 - m2 * m2) / replicas));
    }
  }
}

TEST_CASE("before a first sync nothing fluctuates, and goes with nothing later") {
  const auto data = data_of(power_law(6, 0.6, 0.4), 0.05, {0, 24});
  for (const Case& c : banded) {
    if (std::string(c.method) != "la-diloco") continue;
    const auto theory =
        linear_fluctuations(problem_of(data, c.method, c.optimizer), std::vector<std::uint64_t>{0, 3, 24});
    REQUIRE(theory);
    for (const std::size_t k : {0, 1}) {
      CHECK(theory->std[k] == 0);
      CHECK(theory->correlation[k] == 0);
    }
    CHECK(theory->correlation[2] == Approx(1).epsilon(1e-12));
  }
}

// 4 methods at 3 steps, spread and correlation: |z| > 5 has probability 6e-7 each for a normal estimate.
TEST_CASE("the loss's correlation with its own end is that of the replicas") {
  const auto data = data_of(power_law(6, 0.6, 0.4), 0.05, {0, 24});
  const std::vector<std::uint64_t> steps{4, 12, 20, 24};
  for (const Case& c : {banded[0], banded[1], banded[5], banded[6]}) {
    CAPTURE(c.method);
    const LinearProblem problem = problem_of(data, c.method, c.optimizer);
    const auto theory = linear_fluctuations(problem, steps);
    REQUIRE(theory);
    CHECK(theory->correlation.back() == Approx(1).epsilon(1e-12));
    const auto simulation = simulate_linear(problem, Sampler::automatic);
    constexpr int replicas = 3000;
    std::vector<std::vector<double>> loss(steps.size());
    std::vector<double> values(simulation->observables().size());
    for (int r = 0; r < replicas; ++r) {
      auto replica = simulation->replica(5, static_cast<std::uint64_t>(r));
      for (std::size_t i = 0; i < steps.size(); ++i) {
        replica->advance(steps[i]);
        replica->observe(values);
        loss[i].push_back(values[0]);
      }
    }
    const auto standardised = [&](std::size_t i) {
      double mean = 0, variance = 0;
      for (const double x : loss[i]) mean += x / replicas;
      for (const double x : loss[i]) variance += (x - mean) * (x - mean) / replicas;
      std::vector<double> out;
      for (const double x : loss[i]) out.push_back((x - mean) / std::sqrt(variance));
      return out;
    };
    const std::vector<double> end = standardised(3);
    for (std::size_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      const std::vector<double> now = standardised(i);
      double correlation = 0, spread = 0;
      for (std::size_t r = 0; r < replicas; ++r) correlation += now[r] * end[r] / replicas;
      for (std::size_t r = 0; r < replicas; ++r) {
        const double moved = now[r] * end[r] - correlation * (now[r] * now[r] + end[r] * end[r]) / 2;
        spread += moved * moved / replicas;
      }
      CHECK(std::abs(correlation - theory->correlation[i]) < 5 * std::sqrt(spread / replicas));
    }
  }
}

TEST_CASE("the derivatives that correlations rest on are those of the mean by its start") {
  // P_T is affine in the start's powers. The moments that start at 1: all, or the first alone with momentum.
  struct Started {
    const char *method, *optimizer;
    bool all;
  };
  for (const Started& c : {Started{"sgd", "learning_rate = 0.1\nbatch = 2", true},
                           Started{"momentum", "learning_rate = 0.05\nmomentum = 0.7", false},
                           Started{"lookahead", "learning_rate = 0.2\ninner_steps = 4", true},
                           Started{"la-diloco", "learning_rate = 0.2\ninner_steps = 3\nworkers = 3", true}}) {
    CAPTURE(c.method);
    const spectra::Spectrum s = power_law(5, 0.6, 0.4);
    LinearVariance run(problem_of(data_of(s, 0.3, {0, 11}), c.method, c.optimizer));
    run.advance(11);
    std::vector<double> slope = run.sensitivity();
    run.trace_back(11, 0, slope);
    for (std::size_t a = 0; a < 5; ++a) {
      double expected = 0;
      for (std::size_t k = 0; k < (c.all ? slope.size() / 5 : 1); ++k) expected += slope[k * 5 + a];
      spectra::Spectrum more = s;
      more.target_power[a] += 1;
      LinearVariance moved(problem_of(data_of(more, 0.3, {0, 11}), c.method, c.optimizer));
      moved.advance(11);
      CHECK(moved.excess_mse() - run.excess_mse() == Approx(expected).epsilon(1e-11));
    }
  }
}

TEST_CASE("nodes stand for many modes under inputs of any law") {
  const auto with_share = [](const spectra::Spectrum& s, models::ingredients::InputLaw law, double kurtosis,
                             double share) {
    auto data = data_of(s, 0.1, {0, 1, 4, 16});
    data->data = {law, kurtosis};
    const LinearProblem problem = problem_of(data, "momentum", "learning_rate = 0.02\nmomentum = 0.6\nbatch = 2");
    models::Trajectory t = solve_linear(problem, LeastSquaresTheory{});
    // Of the work that all modes take.
    const auto why = add_linear_bands(t, problem, share * LinearVariance::work(problem, 16, 60));
    return std::pair(t, why.value_or(""));
  };
  const spectra::Spectrum s = power_law(60, 0.6, 0.4);
  for (const auto& [law, kurtosis] : {std::pair(models::ingredients::InputLaw::laplace, 3.0),
                                      std::pair(models::ingredients::InputLaw::uniform, -1.2)}) {
    const auto [whole, none] = with_share(s, law, kurtosis, 1.1);
    const auto [nodes, no] = with_share(s, law, kurtosis, 0.9);
    CHECK(none.empty());
    REQUIRE(no.empty());
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 1; i < whole.steps.size(); ++i) {
        const double exact = whole.columns[c].std[i];
        CHECK(nodes.columns[c].std[i] != exact);
        CHECK(nodes.columns[c].std[i] == Approx(exact).epsilon(1e-6));
      }
  }
  // Powers of neighbours that differ have larger squares than their average.
  spectra::Spectrum jagged = power_law(400, 0.6, 0.4);
  for (std::size_t a = 8; a < jagged.modes(); ++a) jagged.target_power[a] *= a % 2 == 0 ? 2 : 0;
  CHECK(
      with_share(jagged, models::ingredients::InputLaw::laplace, 3.0, 0.9).second.find("powers of neighbours differ") !=
      std::string::npos);
}

TEST_CASE("what has no bands says why") {
  auto data = data_of(power_law(5, 0.6, 0.4), 0.1, {0, 8});
  CHECK(LinearVariance::unknown(problem_of(data, "la-diloco", "learning_rate = 0.1\nworkers = 2.5")).find("whole") !=
        std::string::npos);
  CHECK(LinearVariance::unknown(problem_of(data, "custom",
                                           "start = [1]\nreadout = [1]\n[[optimizer.phase]]\nT0 = [[1]]\nT1 = [[-0.1]]"
                                           "\nn = [-0.1]\ne = [1]\nomega = [2]\n"))
            .find("omega") != std::string::npos);
  const auto rows = std::make_shared<LeastSquares>(*data);
  rows->data.law = models::ingredients::InputLaw::rows;
  CHECK(LinearVariance::unknown(problem_of(rows, "momentum", "learning_rate = 0.1")) ==
        "the variance is not known for data.law = \"rows\"");
  const auto heavy = std::make_shared<LeastSquares>(*data);
  heavy->noise = student_noise(3, 0.2);
  CHECK(LinearVariance::unknown(problem_of(heavy, "momentum", "learning_rate = 0.1")) ==
        "the variance needs label noise of a finite fourth moment (noise.law is \"student-t\")");
}

TEST_CASE("what fluctuations are not known of: nodes, exact gradients, other laws, too many modes or steps") {
  const std::vector<std::uint64_t> steps{2, 8};
  const auto known = [&](const std::shared_ptr<LeastSquares>& of, const std::string& optimizer,
                         const std::vector<std::uint64_t>& at) {
    return linear_fluctuations(problem_of(of, "momentum", "learning_rate = 0.01\nmomentum = 0.5\n" + optimizer), at)
        .has_value();
  };
  const auto data = data_of(power_law(5, 0.6, 0.4), 0.1, {0, 8});
  CHECK(known(data, "", steps));
  CHECK_FALSE(known(data, "batch = inf", steps));
  CHECK_FALSE(known(data, "", {2, 1'000'000'000'000}));
  const auto nodes = std::make_shared<LeastSquares>(*data);
  nodes->spectrum.compressed = true;
  CHECK_FALSE(known(nodes, "", steps));
  const auto uniform = std::make_shared<LeastSquares>(*data);
  uniform->data = {models::ingredients::InputLaw::uniform, -1.2};
  CHECK_FALSE(known(uniform, "", steps));
  const auto labels = std::make_shared<LeastSquares>(*data);
  labels->noise = laplace_noise(0.1);
  CHECK(known(labels, "", steps));
  labels->noise = student_noise(3, 0.2);
  CHECK_FALSE(known(labels, "", steps));
  CHECK_FALSE(known(data_of(power_law(5000, 0.6, 0.4), 0.1, {0, 8}), "", steps));
}

TEST_CASE("bands of averages and of workers: one coordinate by its fourth moments") {
  // f = 1 - eta m, m the mean over a batch of lambda z^2: E m^k = lambda^k prod_{j < k} (B + 2 j)/B.
  const double lambda = 0.8, eta = 0.15, B = 2;
  std::array<double, 5> f{};
  for (std::size_t n = 0; n <= 4; ++n) {
    double moment = 1, binomial = 1;
    for (std::size_t k = 0; k <= n; ++k) {
      f[n] += binomial * std::pow(-eta * lambda, static_cast<double>(k)) * moment;
      moment *= (B + 2 * static_cast<double>(k)) / B;
      binomial *= static_cast<double>(n - k) / static_cast<double>(k + 1);
    }
  }
  const auto solved = [&](const std::string& optimizer) {
    return edgewise::models::testing::prepare(
               "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [0.8]\ntarget_power = "
               "[1.0]\n[time]\nat "
               "= [1, 3]\n[theory]\nbands = true\n[optimizer]\nlearning_rate = 0.15\nbatch = 2\n" +
               optimizer)
        ->solve();
  };
  const auto band = [](const Trajectory& t, const char* name, std::size_t row) {
    REQUIRE(t.find(name));
    REQUIRE(t.find(name)->std.size() == t.steps.size());
    return t.find(name)->std[row];
  };
  {
    // v' = f v, a' = d a + (1 - d) v': E v^i a^j of degree 2 and 4, from v = a = 1.
    const double d = 0.7;
    const Trajectory t = solved("kind = 'ema'\naverage_decay = 0.7\n");
    for (const auto& [row, steps] : {std::pair<std::size_t, int>{1, 1}, {2, 3}}) {
      double moments[2] = {};
      for (const std::size_t degree : {2u, 4u}) {
        std::vector<double> now(degree + 1, 1.0);  // by the power of a
        for (int k = 0; k < steps; ++k) {
          std::vector<double> next(degree + 1);
          for (std::size_t j = 0; j <= degree; ++j) {
            double binomial = 1;
            for (std::size_t i = 0; i <= j; ++i) {  // i factors d a, the others (1 - d) f v
              const std::size_t others = degree - i;
              next[j] += binomial * std::pow(d, static_cast<double>(i)) * std::pow(1 - d, static_cast<double>(j - i)) *
                         f[others] * now[i];
              binomial *= static_cast<double>(j - i) / static_cast<double>(i + 1);
            }
          }
          now = next;
        }
        moments[degree / 4] = now[degree];
      }
      CHECK(band(t, "average_excess_mse", row) ==
            Approx(lambda * std::sqrt(moments[1] - moments[0] * moments[0])).epsilon(1e-9));
    }
  }
  // Before the first sync two workers are p_1 and p_2, products of factors of their own: their mean risk (p_1^2 + p_2^2)/2,
  // and that of their average ((p_1 + p_2)/2)^2.
  const Trajectory t = solved("kind = 'la-diloco'\nworkers = 2\ninner_steps = 5\n");
  for (const auto& [row, steps] : {std::pair<std::size_t, double>{1, 1}, {2, 3}}) {
    std::array<double, 5> p{};
    for (std::size_t n = 0; n <= 4; ++n) p[n] = std::pow(f[n], steps);
    const double second = (p[2] + p[1] * p[1]) / 2, fourth = (2 * p[4] + 8 * p[3] * p[1] + 6 * p[2] * p[2]) / 16;
    CHECK(band(t, "worker_average_excess_mse", row) ==
          Approx(lambda * std::sqrt(fourth - second * second)).epsilon(1e-9));
    CHECK(band(t, "worker_excess_mse", row) == Approx(lambda * std::sqrt((p[4] - p[2] * p[2]) / 2)).epsilon(1e-9));
  }
}
