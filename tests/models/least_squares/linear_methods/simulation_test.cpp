#include "models/least_squares/linear_methods/simulation.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>
#include <stdexcept>

#include "tests/approx.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise::tests;
using edgewise::tests::Approx;

namespace {

struct Case {
  const char* method;
  const char* optimizer;
};

const std::vector<Case> cases{
    {"sgd", "learning_rate = 0.1\nweight_decay = 0.05"},
    {"momentum", "learning_rate = 0.02\nmomentum = 0.8\nmomentum_kind = 'heavy-ball'\nweight_decay = 0.03"},
    {"momentum",
     "learning_rate = 0.02\nmomentum = 0.8\nmomentum_kind = 'nesterov'\nweight_decay = 0.03\ndecoupled = true"},
    {"sgd", "learning_rate = 0.1\nweight_decay = 0.004\nindependent = true"},
    {"momentum",
     "learning_rate = 0.02\nmomentum = 0.8\nmomentum_kind = 'custom'\ngradient_weight = 0.4\nbuffer_weight = 0.7"},
    {"ema", "learning_rate = 0.1\naverage_decay = 0.9\nmomentum_kind = 'nesterov'\nmomentum = 0.5"},
    {"tail-average", "learning_rate = 0.1\naverage_from = 5"},
    {"lookahead", "learning_rate = 0.12\ninner_steps = 4\nouter_learning_rate = 0.6\nweight_decay = 0.05"},
    {"la-diloco", "learning_rate = 0.12\ninner_steps = 4\nouter_learning_rate = 0.9\nworkers = 3"},
    {"sla",
     "learning_rate = 0.04\ninner_steps = 4\nouter_learning_rate = 0.4\nworkers = 2\nmomentum = 0.7\nmomentum_kind = "
     "'nesterov'\nouter_momentum = 0.5\nouter_momentum_kind = 'heavy-ball'"},
    {"diloco",
     "learning_rate = 0.02\ninner_steps = 5\nworkers = 2\nmomentum = 0.7\nouter_momentum = 0.6\nweight_decay = 0.02"},
};

}  // namespace

/// Two null modes, on which decay alone moves what does not start at 0.
std::shared_ptr<LeastSquares> beside_null_modes() {
  edgewise::spectra::Spectrum spectrum;
  spectrum.eigenvalue = {1, 0.4, 0};
  spectrum.multiplicity = {1, 2, 2};
  spectrum.target_power = {1, 0.5, 2};
  auto data = data_of(std::move(spectrum), 0.1, {0, 30});
  data->alignment = -0.5;
  for (double& power : data->initial_power) power *= 0.25;
  return data;
}

TEST_CASE("without sampling the algorithm and the squared mean of the theory agree to rounding") {
  const auto all = data_of(power_law(7, 0.6, 0.4), 0.1, {0, 30}), some = beside_null_modes();
  for (std::size_t run = 0; run < 2 * cases.size(); ++run) {
    const Case& c = cases[run / 2];
    CAPTURE(run);
    CAPTURE(c.method);
    CAPTURE(c.optimizer);
    LinearProblem problem = problem_of(run % 2 == 0 ? all : some, c.method, c.optimizer);
    problem.hyperparameters.set("batch", std::numeric_limits<double>::infinity());
    const auto simulation = simulate_linear(problem, Sampler::automatic);
    auto replica = simulation->replica(1, 0);
    LinearRecursion theory(problem);
    std::vector<double> seen(simulation->observables().size()), expected(seen.size());
    for (const std::uint64_t step : {0u, 1u, 3u, 4u, 5u, 20u, 30u}) {
      CAPTURE(step);
      replica->advance(step);
      theory.advance(step);
      replica->observe(seen);
      theory.observe(expected);
      for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == Approx(expected[i]).epsilon(1e-11));
    }
  }
}

// 10 methods x 2 data laws x some 8 numbers: |z| > 5 has probability 6e-7 each under the right law.
TEST_CASE("the mean over replicas is the theory's, Gaussian and Rademacher data") {
  using edgewise::models::ingredients::InputLaw;
  for (const InputLaw law : {InputLaw::gaussian, InputLaw::rademacher}) {
    auto data = data_of(power_law(7, 0.6, 0.4), 0.1, {0, 12});
    data->data = {law, law == InputLaw::gaussian ? 0.0 : -2.0};
    for (const Case& c : cases) {
      CAPTURE(static_cast<int>(law));
      CAPTURE(c.method);
      CAPTURE(c.optimizer);
      const LinearProblem problem = problem_of(data, c.method, c.optimizer);
      const auto simulation = simulate_linear(problem, Sampler::automatic);
      const std::size_t count = simulation->observables().size();
      constexpr int replicas = 3000;
      std::vector<double> sum(count), squares(count), values(count), expected(count);
      for (int r = 0; r < replicas; ++r) {
        auto replica = simulation->replica(7, static_cast<std::uint64_t>(r));
        replica->advance(12);
        replica->observe(values);
        for (std::size_t i = 0; i < count; ++i) {
          sum[i] += values[i];
          squares[i] += values[i] * values[i];
        }
      }
      LinearRecursion theory(problem);
      theory.advance(12);
      theory.observe(expected);
      for (std::size_t i = 0; i < count; ++i) {
        CAPTURE(i);
        const double mean = sum[i] / replicas;
        const double error = std::sqrt((squares[i] / replicas - mean * mean) / replicas);
        CHECK(std::abs(mean - expected[i]) < 5 * error);
      }
    }
  }
}

// 11 methods x some 4 numbers at |z| > 5, 6e-7 each.
TEST_CASE("nothing of the gradients stays on null modes") {
  const auto data = beside_null_modes();
  for (const Case& c : cases) {
    CAPTURE(c.method);
    CAPTURE(c.optimizer);
    const LinearProblem problem = problem_of(data, c.method, std::string(c.optimizer) + "\nbatch = 5");
    const auto simulation = simulate_linear(problem, Sampler::exact);
    std::vector<std::vector<double>> seen(simulation->observables().size());
    std::vector<double> values(seen.size()), expected(seen.size());
    constexpr int replicas = 500;
    for (int r = 0; r < replicas; ++r) {
      auto replica = simulation->replica(3, static_cast<std::uint64_t>(r));
      replica->advance(30);
      replica->observe(values);
      for (std::size_t i = 0; i < values.size(); ++i) seen[i].push_back(values[i]);
    }
    LinearRecursion theory(problem);
    theory.advance(30);
    theory.observe(expected);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      CAPTURE(i);
      const double mean = std::accumulate(seen[i].begin(), seen[i].end(), 0.0) / replicas;
      double squares = 0;
      for (const double x : seen[i]) squares += (x - mean) * (x - mean);
      CHECK(std::abs(mean - expected[i]) < 5 * std::sqrt(squares) / replicas);
    }
  }
}

TEST_CASE("the exact and the naive sampler of several workers share one law") {
  const auto data = data_of(power_law(5, 0.6, 0.4), 0.1, {0, 8});
  const LinearProblem problem =
      problem_of(data, "la-diloco", "learning_rate = 0.15\ninner_steps = 4\nworkers = 2\nbatch = 3");
  const auto moments = [&](Sampler sampler) {
    const auto simulation = simulate_linear(problem, sampler);
    std::vector<double> values(simulation->observables().size());
    double sum = 0, squares = 0;
    constexpr int replicas = 4000;
    for (int r = 0; r < replicas; ++r) {
      auto replica = simulation->replica(sampler == Sampler::exact ? 1 : 2, static_cast<std::uint64_t>(r));
      replica->advance(8);
      replica->observe(values);
      sum += std::log(values[1]);
      squares += std::log(values[1]) * std::log(values[1]);
    }
    const double mean = sum / replicas;
    return std::pair(mean, squares / replicas - mean * mean);
  };
  const auto [mean_exact, variance_exact] = moments(Sampler::exact);
  const auto [mean_naive, variance_naive] = moments(Sampler::naive);
  CHECK(std::abs(mean_exact - mean_naive) < 5 * std::sqrt((variance_exact + variance_naive) / 4000));
  // A guard: two variances of 4000 draws each, known to 2% to 4%.
  CHECK(variance_exact == Approx(variance_naive).epsilon(0.15));
}

TEST_CASE("a method given by its matrices runs by them") {
  const auto data = data_of(power_law(7, 0.6, 0.4), 0.1, {0, 20});
  const LinearProblem momentum = problem_of(data, "momentum", "learning_rate = 0.03\nmomentum = 0.8");
  // In whatever order it holds its coordinates.
  for (const char* matrices : {"start = [1, 0]\nreadout = [1, 0]\n[[optimizer.phase]]\nT0 = [[1, -0.024], [0, 0.8]]\n"
                               "T1 = [[-0.03, 0], [1, 0]]\nn = [-0.03, 1]\ne = [1, 0]\n",
                               "start = [0, 1]\nreadout = [0, 1]\n[[optimizer.phase]]\nT0 = [[0.8, 0], [-0.024, 1]]\n"
                               "T1 = [[0, 1], [0, -0.03]]\nn = [1, -0.03]\ne = [0, 1]\n"}) {
    const auto by_rule = simulate_linear(momentum, Sampler::automatic),
               by_matrices = simulate_linear(problem_of(data, "custom", matrices), Sampler::automatic);
    auto a = by_rule->replica(3, 5), b = by_matrices->replica(3, 5);
    std::vector<double> x(3), y(3);
    for (const std::uint64_t step : {1u, 7u, 20u}) {
      a->advance(step);
      b->advance(step);
      a->observe(x);
      b->observe(y);
      for (std::size_t i = 0; i < 3; ++i) CHECK(x[i] == Approx(y[i]).epsilon(1e-10));
    }
  }
}

/// factor^t.
class Powers final : public edgewise::models::ingredients::Schedule {
 public:
  explicit Powers(double factor) : factor_(factor) {}
  double at(double t) const override { return std::pow(factor_, t); }

 private:
  double factor_;
};

TEST_CASE("what cannot be simulated is refused with a reason") {
  const auto data = data_of(power_law(5, 0.6, 0.4), 0.1);
  const auto refused = [&](const LinearProblem& problem, Sampler sampler, const char* word) {
    try {
      simulate_linear(problem, sampler);
      FAIL("no error");
    } catch (const std::invalid_argument& e) {
      CHECK(std::string(e.what()).find(word) != std::string::npos);
    }
  };
  refused(problem_of(data, "la-diloco", "learning_rate = 0.1\nworkers = 2.5"), Sampler::automatic, "optimizer.workers");
  refused(problem_of(data, "lookahead", "learning_rate = 0.1\nbatch = 1.5"), Sampler::automatic, "optimizer.batch");
  refused(problem_of(data, "lookahead", "learning_rate = 0.1"), Sampler::block, "accepted here");
  for (const char* workers : {"1.9e19", "1e20", "1e150", "1e300", "1e15"})
    for (const char* method : {"la-diloco", "sla", "diloco"})
      refused(problem_of(data, method, std::string("learning_rate = 0.1\nworkers = ") + workers), Sampler::automatic,
              "are more than have random numbers of their own (at most 4294967296 of all replicas)");
  const LinearProblem many = problem_of(data, "la-diloco", "learning_rate = 0.1\nworkers = 4294967296");
  refused(many, Sampler::automatic, "need ");  // 7 TiB
  CHECK_THROWS_WITH_AS(
      simulate_linear(problem_of(data, "la-diloco", "learning_rate = 0.1\nworkers = 5"), Sampler::automatic, 858993460),
      doctest::Contains("optimizer.workers: 5 workers in each of 858993460 replicas"), std::invalid_argument);
  CHECK_NOTHROW(simulate_linear(problem_of(data, "la-diloco", "learning_rate = 0.1\nworkers = 5"), Sampler::automatic,
                                858993459));
  // Five coordinates are padded to 64 numbers.
  auto uniform = std::make_shared<LeastSquares>(*data);
  uniform->data.law = edgewise::models::ingredients::InputLaw::uniform;
  const std::string most = " examples a step are more than can be drawn one by one (at most 134217727 here)";
  for (const char* method : {"momentum", "diloco"})
    for (const char* batch : {"1.9e+19", "1e+20", "1e+150"})
      refused(problem_of(uniform, method, std::string("learning_rate = 0.1\nbatch = ") + batch), Sampler::automatic,
              ("optimizer.batch: " + (batch + most)).c_str());
  const char* matrices =
      "batch = 1e20\nstart = [1, 0]\nreadout = [1, 0]\n[[optimizer.phase]]\nT0 = [[1, -0.024], [0, 0.8]]\n"
      "T1 = [[-0.03, 0], [1, 0]]\nn = [-0.03, 1]\ne = [1, 0]\n";
  refused(problem_of(uniform, "custom", matrices), Sampler::automatic, ("optimizer.batch: 1e+20" + most).c_str());
  CHECK_NOTHROW(simulate_linear(problem_of(data, "custom", matrices), Sampler::automatic));
  // A batch that a schedule takes there.
  const auto scheduled = [&](double batch, double factor) {
    auto walked = std::make_shared<LeastSquares>(*uniform);
    walked->time.steps = 3;
    LinearProblem out = problem_of(walked, "momentum", "learning_rate = 0.1");
    out.hyperparameters.set("batch", batch);
    out.hyperparameters.schedule("batch", std::make_shared<Powers>(factor));
    out.hyperparameters.seek(0);
    return out;
  };
  refused(scheduled(1000, 1e6), Sampler::automatic, ("optimizer.batch: 1e+21" + most).c_str());
  CHECK_NOTHROW(simulate_linear(scheduled(1000, 10), Sampler::automatic));
  auto powers = std::make_shared<LeastSquares>(*data);
  powers->alignment.reset();
  refused(problem_of(powers, "sgd", "learning_rate = 0.1\nweight_decay = 0.1"), Sampler::automatic, "initial");
  CHECK_THROWS_AS(LinearRecursion(problem_of(powers, "sgd", "learning_rate = 0.1\nweight_decay = 0.1")),
                  std::invalid_argument);
}
