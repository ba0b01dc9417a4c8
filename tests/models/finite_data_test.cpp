#include "models/finite_data/finite_data.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <variant>

#include "models/finite_data/kernel_norms.hpp"
#include "tests/models/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models;
using doctest::Approx;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

std::string experiment(const std::string& optimizer, const std::string& data = "samples = 12",
                       const std::string& more = "",
                       const std::string& spectrum = "kind = 'isotropic'\ndimension = 20") {
  return "model = 'finite-data'\n[spectrum]\n" + spectrum + "\n[data]\n" + data + "\n[optimizer]\n" + optimizer +
         "\n[time]\nat = [1, 10, 40]\n" + more;
}

/// Mean loss of `replicas` replicas at a step, and its standard error.
std::pair<double, double> sampled(const Simulation& simulation, std::uint64_t step, std::uint64_t replicas) {
  double sum = 0, square = 0;
  for (std::uint64_t r = 0; r < replicas; ++r) {
    const auto replica = simulation.replica(5, r);
    replica->advance(step);
    double loss = 0;
    replica->observe({&loss, 1});
    sum += loss;
    square += loss * loss;
  }
  const auto n = static_cast<double>(replicas);
  return {sum / n, std::sqrt((square / n - sum * sum / n / n) / n)};
}

}  // namespace

TEST_CASE("the exact theory is the mean of the algorithm, under every fresh sampling") {
  // 9 comparisons at 5 standard errors: a right program fails with probability 5e-6, and the seed is fixed.
  for (const char* sampling : {"without-replacement", "with-replacement", "bernoulli"}) {
    CAPTURE(sampling);
    const auto problem =
        prepare(experiment("learning_rate = 0.1\nbatch = 3\nsampling = '" + std::string(sampling) + "'"));
    const Trajectory theory = problem->solve();
    CHECK(theory.exact);
    const auto simulation = problem->simulate();
    for (std::size_t k = 1; k < theory.steps.size(); ++k) {
      const auto [mean, sem] = sampled(*simulation, static_cast<std::uint64_t>(theory.steps[k]), 20000);
      CHECK(std::abs(mean - theory.columns[0].value[k]) < 5 * sem);
    }
  }
}

TEST_CASE("parameters and residuals are the same run") {
  for (const char* sampling : {"without-replacement", "with-replacement", "bernoulli", "shuffle"}) {
    double loss[2] = {};
    for (const int k : {0, 1}) {
      const auto problem = prepare(
          experiment("learning_rate = 0.1\nbatch = 3\nsampling = '" + std::string(sampling) + "'", "samples = 12",
                     "[monte_carlo]\nsampler = '" + std::string(k ? "kernel" : "parameters") + "'"));
      const auto simulation = problem->simulate();
      CHECK(simulation->sampler() == (k ? "kernel" : "parameters"));
      const auto replica = simulation->replica(1, 4);
      replica->advance(40);
      replica->observe({&loss[k], 1});
    }
    CHECK(loss[0] == Approx(loss[1]).epsilon(1e-12));
  }
}

TEST_CASE("shuffled passes are not what the theory says, and it warns") {
  const auto problem = prepare(experiment("learning_rate = 0.2\nbatch = 3\nsampling = 'shuffle'"));
  const Trajectory theory = problem->solve();
  CHECK_FALSE(theory.exact);
  CHECK(theory.warnings.size() == 1);
  const auto [mean, sem] = sampled(*problem->simulate(), 40, 4000);
  CHECK(std::abs(mean - theory.columns[0].value[3]) > 8 * sem);
}

TEST_CASE("the closure is near the exact theory, and its thresholds above") {
  const auto find = [](const std::vector<Finding>& all, const std::string& name) {
    for (const Finding& f : all)
      if (f.name == name) return std::get<double>(f.value);
    return 0.0;
  };
  const std::string optimizer = "learning_rate = 0.005\nbatch = 1\nsampling = 'with-replacement'";
  const std::string data = "samples = 40", spectrum = "kind = 'isotropic'\ndimension = 80";
  const auto findings = prepare(experiment(optimizer, data, "", spectrum))->stability();
  const double exact = find(findings, "eta_max"), closure = find(findings, "eta_max_closure"),
               field = find(findings, "eta_max_mean_field");
  // Another draw of the data than the note's: .02523, .02454, .02256 there.
  CHECK(exact < closure);
  CHECK(closure < field);
  CHECK(exact == Approx(0.0226).epsilon(0.05));
  CHECK(field == Approx(0.0252).epsilon(0.05));
  const auto solve = [&](const std::string& method) {
    return prepare(experiment(optimizer, data, "[theory]\nmethod = '" + method + "'", spectrum))
        ->solve()
        .columns[0]
        .value.back();
  };
  CHECK(solve("closure") == Approx(solve("exact")).epsilon(0.01));
  CHECK(solve("mean-field") == Approx(solve("exact")).epsilon(0.02));
}

TEST_CASE("beyond the threshold the second moments grow, below it they fall") {
  const auto data = std::make_shared<FiniteData>();
  data->inputs = linear_algebra::Matrix(6, 4);
  for (std::size_t k = 0; k < data->inputs.size(); ++k) {
    const auto x = static_cast<double>(k);
    data->inputs.data()[k] = std::sin(1 + 3 * x + x * x);
  }
  data->residual = {1, -1, 2, 0.5};
  data->sampling = Sampling::with_replacement;
  data->time.at = {600, 601};
  const Kernel kernel = kernel_of(*data);
  const double critical = threshold(*data, kernel, NormLevel::exact);
  for (const double factor : {0.97, 1.03}) {
    data->learning_rate = factor * critical;
    CHECK((kernel_norm(*data, kernel, NormLevel::exact, data->learning_rate) < 1) == (factor < 1));
    const Trajectory out = solve_finite_data(*data, kernel, "exact");
    REQUIRE(out.columns[0].value.size() == 2);
    CHECK(out.columns[0].value[1] / out.columns[0].value[0] == Approx(growth_factor(*data, kernel)).epsilon(1e-9));
    CHECK((growth_factor(*data, kernel) < 1) == (factor < 1));
  }
  data->learning_rate = 50 * critical;
  CHECK(solve_finite_data(*data, kernel, "exact").diverged_at.has_value());
}

TEST_CASE("data may be given row by row") {
  const std::string text =
      "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[1, 0], [0, 2]]\ntargets = [1, 1]\n[optimizer]\n"
      "learning_rate = 0.5\nbatch = 2\n[time]\nat = [1]\n";
  // Full batch: z_1 = -1 (1 - .25), z_2 = -1 (1 - 1).
  CHECK(prepare(text)->solve().columns[0].value[1] == Approx(0.75 * 0.75 / 4).epsilon(1e-14));
  const auto modes = prepare(text)->mode_table();
  REQUIRE(modes.size() == 3);
  CHECK(modes[0].value[0] == Approx(2));
  CHECK(modes[2].value[0] == Approx(2));
}

TEST_CASE("bad data sets are refused, and the message says how") {
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "")), "samples"));
  CHECK(holds(error_of(experiment("batch = 1")), "learning_rate"));
  CHECK(holds(error_of(experiment("learning_rate = -1")), "learning_rate"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1\nbatch = 13")), "more than the 12 samples"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1\nbatch = 0")), "batch"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1\nsampling = 'wrong'")), "sampling"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5\nlaw = 'rows'")), "dataset"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5\ntargets = [1]")), "list"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "law = 'list'")), "leave it out"));
  CHECK(holds(error_of(experiment("learning_rate = 0.1", "samples = 5", "[schedule]\nkind = 'constant'")),
              "leave it out"));
  const std::string list =
      "model = 'finite-data'\n[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 1\n[data]\nlaw = 'list'\n";
  CHECK(holds(error_of(list + "targets = [1]"), "inputs"));
  CHECK(holds(error_of(list + "inputs = [[1], [2]]\ntargets = [1]"), "one number per row"));
  CHECK(holds(error_of(list + "inputs = [[1], [2]]\ntargets = [1, 2]\nsamples = 3"), "2 rows"));
}
