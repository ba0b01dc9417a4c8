// The search for hyperparameters written out: its budget, its scales and its draws.
#include "models/least_squares/linear_methods/tuning.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise;
using namespace edgewise::tests;
using edgewise::tests::Approx;

namespace {

std::shared_ptr<LeastSquares> data(std::uint64_t steps = 20) {
  spectra::Spectrum s;
  s.eigenvalue = {1, 0.3};
  s.multiplicity = {2, 5};
  s.target_power = {1.5, 2};
  return data_of(spectra::checked(std::move(s)), 0.2, {0, steps});
}

/// P of plain SGD after so many steps.
double sgd(double eta, double batch, std::uint64_t steps) {
  double D[] = {1.5, 2};
  const double lambda[] = {1, 0.3}, n[] = {2, 5};
  for (std::uint64_t k = 0; k < steps; ++k) {
    const double Q = D[0] + 0.3 * D[1] + 0.2;
    for (int a = 0; a < 2; ++a) {
      const double x = eta * lambda[a];
      D[a] = ((1 - x) * (1 - x) + x * x / batch) * D[a] + eta * eta / batch * n[a] * lambda[a] * Q;
    }
  }
  return D[0] + 0.3 * D[1];
}

/// The search as its documentation has it. \param value  of points on the scale
struct Searched {
  std::vector<double> best;
  double value = std::numeric_limits<double>::infinity();
  int diverged = 0;
};
template <class Value>
Searched searched(std::size_t dimensions, int evaluations, std::uint64_t seed, Value value) {
  Searched out;
  random::Stream stream(seed, 0, 0, random::Purpose::other);
  std::vector<double> at(dimensions);
  const int spread = evaluations / 2;
  for (int i = 0; i < evaluations; ++i) {
    if (i < spread || out.best.empty()) {
      for (double& x : at) x = stream.uniform();
    } else {
      const double width = 0.2 * std::pow(0.005, static_cast<double>(i - spread) / (evaluations - spread));
      for (std::size_t d = 0; d < dimensions; ++d) {
        at[d] = out.best[d];
        if (dimensions > 1 && stream.uniform() < 0.5) continue;
        at[d] = std::abs(at[d] + width * stream.normal());
        if (at[d] > 1) at[d] = 2 - at[d];
      }
    }
    const double found = value(at);
    if (!std::isfinite(found)) ++out.diverged;
    if (found < out.value) {
      out.value = found;
      out.best = at;
    }
  }
  return out;
}

std::string refused(const LinearProblem& problem, const std::vector<TuneRange>& ranges,
                    const TuneOptions& options = {}) {
  try {
    tune(problem, ranges, options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("the value of a budget: so many samples, in whole rounds, of what is asked for") {
  std::uint64_t steps = 0;
  const LinearProblem plain = problem_of(data(), "sgd", "learning_rate = 0.1\nbatch = 3");
  CHECK(value_at_budget(plain, {}, &steps) == Approx(sgd(0.1, 3, 20)).epsilon(1e-12));
  CHECK(steps == 20);
  CHECK(value_at_budget(plain, {.samples = 100}, &steps) == Approx(sgd(0.1, 3, 33)).epsilon(1e-12));
  CHECK(steps == 33);
  CHECK(value_at_budget(plain, {.samples = 100, .observable = "risk"}) ==
        Approx((sgd(0.1, 3, 33) + 0.2) / 2).epsilon(1e-12));
  // Workers that meet after every round of 5: 100 samples are 100/(2 3) = 16 steps, three rounds.
  const LinearProblem rounds =
      problem_of(data(), "la-diloco", "learning_rate = 0.1\nbatch = 2\nworkers = 3\ninner_steps = 5");
  value_at_budget(rounds, {.samples = 100}, &steps);
  CHECK(steps == 15);
  value_at_budget(problem_of(data(19), "la-diloco", "learning_rate = 0.1\nworkers = 3\ninner_steps = 5"), {}, &steps);
  CHECK(steps == 15);
}

TEST_CASE("a run is lost where it has grown a thousandfold") {
  spectra::Spectrum s;
  s.eigenvalue = {1};
  s.multiplicity = {1};
  s.target_power = {2};
  for (const double grown : {980.0, 1020.0}) {
    // P (1 - eta)^(2k) at exact gradients, k = 6.
    const double eta = 1 + std::pow(grown, 1.0 / 12);
    LinearProblem problem = problem_of(data_of(s, 0, {0, 6}), "sgd", "learning_rate = 0.1\nbatch = inf");
    problem.hyperparameters.set("learning_rate", eta);
    if (grown < 1000)
      CHECK(value_at_budget(problem, {}) == Approx(2 * grown).epsilon(1e-10));
    else
      CHECK(std::isinf(value_at_budget(problem, {})));
    // Of the noise, where that is more: from it, not from what there is at the start.
    LinearProblem noisy = problem_of(data_of(s, 3, {0, 6}), "sgd", "learning_rate = 0.1\nbatch = inf");
    noisy.hyperparameters.set("learning_rate", 1 + std::pow(1.5 * grown, 1.0 / 12));
    CHECK(std::isfinite(value_at_budget(noisy, {})) == (grown < 1000));
  }
}

TEST_CASE("the search: a half spread over the scales, a half narrowing about the best") {
  const LinearProblem plain = problem_of(data(), "sgd", "learning_rate = 0.1\nbatch = 3");
  const Tuned one = tune(plain, {{"learning_rate", 0.01, 4}}, {.evaluations = 41, .seed = 5});
  const Searched literal = searched(1, 41, 5, [](const std::vector<double>& at) {
    const double value = sgd(0.01 * std::pow(400.0, at[0]), 3, 20), start = 1.5 + 0.3 * 2;
    return value <= 1e3 * start ? value : std::numeric_limits<double>::infinity();
  });
  CHECK(one.value == Approx(literal.value).epsilon(1e-12));
  CHECK(one.best.front().second == Approx(0.01 * std::pow(400.0, literal.best[0])).epsilon(1e-12));
  CHECK(one.evaluations == 41);
  CHECK(one.diverged == literal.diverged);
  CHECK(one.diverged > 0);
  CHECK(one.steps == 20);
  CHECK(one.on_bound.empty());

  // Two at once: memories by their length, from none on.
  const LinearProblem momentum = problem_of(data(), "momentum", "learning_rate = 0.1\nmomentum = 0.5");
  const Tuned two =
      tune(momentum, {{"learning_rate", 0.02, 0.2}, {"momentum", 0, 0.9}}, {.evaluations = 60, .seed = 6});
  const auto memory = [](double x) { return 1 - std::pow(0.1, x); };
  const Searched both = searched(2, 60, 6, [&](const std::vector<double>& at) {
    LinearProblem trial = momentum;
    trial.hyperparameters.set("learning_rate", 0.02 * std::pow(10.0, at[0]));
    trial.hyperparameters.set("momentum", memory(at[1]));
    return value_at_budget(trial, {});
  });
  CHECK(two.value == Approx(both.value).epsilon(1e-12));
  CHECK(two.best[0].second == Approx(0.02 * std::pow(10.0, both.best[0])).epsilon(1e-12));
  CHECK(two.best[1].second == Approx(memory(both.best[1])).epsilon(1e-12));

  // Counts are rounded; the samples stay those of the run as it is written.
  const LinearProblem workers =
      problem_of(data(), "la-diloco", "learning_rate = 0.3\nworkers = 2\nbatch = 2\ninner_steps = 2");
  const Tuned counted = tune(workers, {{"workers", 1, 9}, {"learning_rate", 0.01, 1}}, {.evaluations = 30, .seed = 7});
  const Searched whole = searched(2, 30, 7, [&](const std::vector<double>& at) {
    LinearProblem trial = workers;
    trial.hyperparameters.set("workers", std::round(std::pow(9.0, at[0])));
    trial.hyperparameters.set("learning_rate", 0.01 * std::pow(100.0, at[1]));
    return value_at_budget(trial, {.samples = 80});
  });
  CHECK(counted.value == Approx(whole.value).epsilon(1e-12));
  CHECK(counted.best[0].second == std::round(std::pow(9.0, whole.best[0])));
}

TEST_CASE("a best value is on a bound within a hundredth of the scale, or at an end of whole numbers") {
  const LinearProblem plain = problem_of(data(400), "sgd", "learning_rate = 0.1\nbatch = 3");
  // The best rate is found freely first, and then put so far from an end of the range.
  const double best = tune(plain, {{"learning_rate", 0.001, 1}}, {.evaluations = 400, .seed = 2}).best[0].second;
  for (const double share : {0.002, 0.05}) {
    CAPTURE(share);
    const double from = best * std::pow(10.0, -share), to = best * std::pow(10.0, share);
    CHECK(tune(plain, {{"learning_rate", from, 10 * from}}, {.evaluations = 400, .seed = 3}).on_bound.empty() ==
          (share > 0.01));
    CHECK(tune(plain, {{"learning_rate", to / 10, to}}, {.evaluations = 400, .seed = 3}).on_bound.empty() ==
          (share > 0.01));
  }
  CHECK(tune(plain, {{"learning_rate", 0.1, 0.1}}, {.evaluations = 4}).on_bound.empty());
  CHECK(tune(plain, {{"learning_rate", 0.1, 0.1}}, {.evaluations = 4}).best[0].second == Approx(0.1).epsilon(1e-15));
}

TEST_CASE("what cannot be searched") {
  const LinearProblem plain = problem_of(data(), "sgd", "learning_rate = 0.1\nbatch = 3");
  const LinearProblem momentum = problem_of(data(), "momentum", "learning_rate = 0.1\nmomentum = 0.5");
  CHECK(refused(plain, {}) == "tune: there is nothing to tune");
  CHECK(refused(plain, {{"momentum", 0.1, 0.2}}) == "tune.momentum: optimizer sgd has no such number");
  const std::string positive = "tune.learning_rate: needs 0 < from <= to",
                    memory = "tune.momentum: needs 0 <= from <= to < 1";
  CHECK(refused(plain, {{"learning_rate", 0, 1}}) == positive);
  CHECK(refused(plain, {{"learning_rate", 1, 0.5}}) == positive);
  CHECK(refused(plain, {{"learning_rate", -1, 1}}) == positive);
  CHECK(refused(momentum, {{"momentum", -0.1, 0.5}}) == memory);
  CHECK(refused(momentum, {{"momentum", 0.1, 1}}) == memory);
  CHECK(refused(momentum, {{"momentum", 0.5, 0.4}}) == memory);
  CHECK(refused(momentum, {{"momentum", 0, 0.4}}, {.evaluations = 2}) == "no error");
  const LinearProblem exact = problem_of(data(), "sgd", "learning_rate = 0.1\nbatch = inf");
  CHECK(refused(exact, {{"batch", 1, 8}}) ==
        "tune.samples: is needed where batch or workers is searched and optimizer.batch is inf");
  CHECK(refused(exact, {{"batch", 1, 8}}, {.evaluations = 2, .samples = 40}) == "no error");
  CHECK(refused(exact, {{"learning_rate", 0.1, 0.2}}, {.evaluations = 2}) == "no error");
  CHECK(refused(plain, {{"learning_rate", 50, 100}, {"batch", 1, 2}}, {.evaluations = 10}) ==
        "tune.learning_rate: every one of the 10 runs tried diverged, so there is no best value; give ranges (of "
        "learning_rate, batch) with smaller values");
  CHECK(refused(plain, {{"learning_rate", 50, 100}}, {.evaluations = 10}) ==
        "tune.learning_rate: every one of the 10 runs tried diverged, so there is no best value; give a range with "
        "smaller values");
}

TEST_CASE("the findings of a search are what it came to") {
  const Experiment experiment = read_experiment(edgewise::settings::read_text(
      "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\ndimension = 12\nalpha = 0.7\nbeta = 0.4\n[noise]\n"
      "variance = 0.05\n[optimizer]\nkind = 'la-diloco'\nlearning_rate = 0.1\ninner_steps = 4\nworkers = 2\n[time]\n"
      "steps = 40\n[tune]\nevaluations = 80\nlearning_rate = [0.05, 5]\nouter_learning_rate = [0.01, 0.02]\n"
      "[monte_carlo]\nseed = 9\n",
      "x.toml"));
  const Tuned found =
      tune(read_linear_problem(experiment), {{"learning_rate", 0.05, 5}, {"outer_learning_rate", 0.01, 0.02}},
           {.evaluations = 80, .seed = 9});
  const auto said = find(experiment).tune(experiment);
  using namespace edgewise::models::testing;
  CHECK(number(said, "learning_rate") == found.best[0].second);
  CHECK(number(said, "outer_learning_rate") == found.best[1].second);
  // Workers that hardly move would all move more.
  CHECK(number(said, "outer_learning_rate") == Approx(0.02).epsilon(0.02));
  CHECK(words(said, "on_bound") == "outer_learning_rate");
  CHECK(number(said, "excess_mse") == found.value);
  CHECK(number(said, "evaluations") == 80);
  CHECK(number(said, "steps") == 40);
  CHECK(found.diverged > 0);
  CHECK(number(said, "diverged") == static_cast<double>(found.diverged));
}

TEST_CASE("every key of [tune] is the range of the hyperparameter of its name, budget and target as asked") {
  struct Row {
    const char *optimizer, *key;
    double from, to;
  };
  const char *momentum =
                 "kind = 'momentum'\nmomentum_kind = 'custom'\nlearning_rate = 0.1\nmomentum = 0.5\nbatch = 2\n"
                 "gradient_weight = 0.4\nbuffer_weight = 0.8\nweight_decay = 0.01\n",
             *ema = "kind = 'ema'\nlearning_rate = 0.1\naverage_decay = 0.7\n",
             *diloco =
                 "kind = 'diloco'\nlearning_rate = 0.1\ninner_steps = 4\nworkers = 2\nbatch = 2\n"
                 "outer_momentum_kind = 'custom'\nouter_learning_rate = 0.7\nouter_momentum = 0.3\n"
                 "outer_gradient_weight = 0.5\nouter_buffer_weight = 0.6\n";
  for (const Row& row :
       {Row{momentum, "learning_rate", 0.02, 0.7}, Row{momentum, "momentum", 0, 0.93}, Row{momentum, "batch", 1, 9},
        Row{momentum, "gradient_weight", 0.03, 1.7}, Row{momentum, "buffer_weight", 0.07, 2.3},
        Row{momentum, "weight_decay", 0.0003, 0.05}, Row{ema, "average_decay", 0.1, 0.97},
        Row{diloco, "inner_steps", 1, 11}, Row{diloco, "workers", 1, 7}, Row{diloco, "outer_learning_rate", 0.05, 2},
        Row{diloco, "outer_momentum", 0.02, 0.9}, Row{diloco, "outer_gradient_weight", 0.1, 2},
        Row{diloco, "outer_buffer_weight", 0.1, 2}}) {
    const std::string key = row.key;
    CAPTURE(key);
    const auto experiment = [&](const std::string& more) {
      return read_experiment(edgewise::settings::read_text(
          std::string("model = 'least-squares'\n[spectrum]\nkind = 'isotropic'\ndimension = 9\n[noise]\nvariance = "
                      "0.05\n[time]\nsteps = 30\n[monte_carlo]\nseed = 9\n[optimizer]\n") +
              row.optimizer + "[tune]\nevaluations = 14\n" + key + " = [" + std::to_string(row.from) + ", " +
              std::to_string(row.to) + "]\n" + more,
          "x.toml"));
    };
    const std::string target = key == "average_decay" ? "average_excess_mse" : "risk";
    const Experiment plain = experiment(""), asked = experiment("samples = 131\nobservable = '" + target + "'\n");
    using edgewise::models::testing::number;
    // As `tune` is of the same ranges, which is compared with the search written out above.
    const Tuned by_steps = tune(read_linear_problem(plain), {{key, row.from, row.to}}, {.evaluations = 14, .seed = 9});
    const auto said = find(plain).tune(plain);
    CHECK(number(said, key) == by_steps.best.front().second);
    CHECK(number(said, "excess_mse") == by_steps.value);
    CHECK(number(said, "evaluations") == 14);
    const Tuned by_samples = tune(read_linear_problem(asked), {{key, row.from, row.to}},
                                  {.evaluations = 14, .seed = 9, .samples = 131, .observable = target});
    const auto of_samples = find(asked).tune(asked);
    CHECK(number(of_samples, key) == by_samples.best.front().second);
    CHECK(number(of_samples, target) == by_samples.value);
    CHECK(number(of_samples, "steps") == static_cast<double>(by_samples.steps));
  }
}
