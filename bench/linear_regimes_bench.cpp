/// Tuned comparison of the linear methods at equal samples: the regime tables of docs/theory/two-phase.md, sections 5,
/// 6 and 7.
///
///     linear_regimes_bench [EVALUATIONS]
///
/// Every method gets the same number of solves (default 3 searches of 3000); prints risks and their ratio to SGD's.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "models/least_squares/linear_methods/tuning.hpp"

namespace {

using namespace edgewise;
using models::least_squares::LinearProblem;
using models::least_squares::TuneRange;

std::shared_ptr<const models::least_squares::LeastSquares> data_of(std::size_t d, double alpha, double beta,
                                                                   double sigma2, std::uint64_t steps) {
  spectra::Spectrum s;
  for (std::size_t i = 1; i <= d; ++i) {
    const auto j = static_cast<double>(i);
    s.eigenvalue.push_back(std::pow(j, -2 * alpha));
    s.multiplicity.push_back(1);
    s.target_power.push_back(std::pow(j, -2 * beta));
  }
  auto data = std::make_shared<models::least_squares::LeastSquares>();
  settings::Table table("bench", "");
  auto& noise = table.make_table("noise");
  noise.set("law", std::string("gaussian"));
  noise.set("variance", sigma2);
  data->noise = models::ingredients::read_noise(table);
  data->label_noise_variance = sigma2;
  data->initial_power = s.target_power;
  data->spectrum = spectra::checked(std::move(s));
  data->schedule = models::ingredients::read_schedule(table, "schedule", 0);
  data->time.steps = steps;
  data->time.at = {0, steps};
  return data;
}

LinearProblem problem_of(const std::shared_ptr<const models::least_squares::LeastSquares>& data,
                         const std::string& method, const std::string& optimizer) {
  LinearProblem problem;
  problem.data = data;
  problem.method = &models::least_squares::linear_method(method);
  const settings::Table table = settings::read_text("[optimizer]\nlearning_rate = 0.01\n" + optimizer, "bench");
  problem.hyperparameters = models::least_squares::Hyperparameters(
      problem.method->description, settings::read(*table.table("optimizer"), problem.method->description.parameters));
  return problem;
}

std::uint64_t evaluations = 3000;
constexpr std::uint64_t searches = 3;

models::least_squares::Tuned best_of(const LinearProblem& problem, const std::vector<TuneRange>& ranges) {
  models::least_squares::Tuned best;
  best.value = std::numeric_limits<double>::infinity();
  for (std::uint64_t seed = 1; seed <= searches; ++seed) {
    models::least_squares::TuneOptions options;
    options.evaluations = evaluations;
    options.seed = seed;
    const models::least_squares::Tuned found = models::least_squares::tune(problem, ranges, options);
    if (found.value < best.value) best = found;
  }
  return best;
}

void print(const char* name, const models::least_squares::Tuned& found, double reference) {
  std::printf("  %-44s %.6f  ratio %.4f ", name, found.value, found.value / reference);
  for (const auto& [key, value] : found.best) std::printf(" %s=%.4g", key.c_str(), value);
  for (const auto& key : found.on_bound) std::printf("  BOUND:%s", key.c_str());
  std::printf("\n");
  std::fflush(stdout);
}

const std::vector<TuneRange> eta{{"learning_rate", 1e-4, 16}};
std::vector<TuneRange> with(std::vector<TuneRange> ranges, std::vector<TuneRange> more) {
  ranges.insert(ranges.end(), more.begin(), more.end());
  return ranges;
}
const TuneRange xi{"outer_learning_rate", 0.005, 8}, inner{"momentum", 0, 0.9995}, outer{"outer_momentum", 0, 0.999};

void lookahead() {
  std::printf("# 5: lookahead at equal samples, d = 200, alpha = 1, beta = 0, N = 1024, B = 1\n");
  for (const double sigma2 : {0.0, 0.1, 1.0, 10.0}) {
    const auto data = data_of(200, 1, 0, sigma2, 1024);
    const auto sgd = best_of(problem_of(data, "sgd", ""), eta);
    std::printf("sigma^2 = %g\n", sigma2);
    print("SGD", sgd, sgd.value);
    for (const int H : {4, 16, 64, 256})
      print(("lookahead H = " + std::to_string(H)).c_str(),
            best_of(problem_of(data, "lookahead", "inner_steps = " + std::to_string(H)), with(eta, {xi})), sgd.value);
  }
}

void workers() {
  std::printf("# 6: four workers, B = 1, 256 sequential steps, d = 60, alpha = .7, beta = .4; SGD has batch 4\n");
  for (const double sigma2 : {1.0, 0.0}) {
    const auto data = data_of(60, .7, .4, sigma2, 256);
    const auto sgd = best_of(problem_of(data, "sgd", "batch = 4"), eta);
    std::printf("sigma^2 = %g\n", sigma2);
    print("SGD, batch 4", sgd, sgd.value);
    for (const int H : {4, 16, 64}) {
      const std::string text = "workers = 4\ninner_steps = " + std::to_string(H);
      print(("la-diloco H = " + std::to_string(H)).c_str(),
            best_of(problem_of(data, "la-diloco", text), with(eta, {xi})), sgd.value);
      print(("la-diloco H = " + std::to_string(H) + ", xi = 1").c_str(),
            best_of(problem_of(data, "la-diloco", text + "\nouter_learning_rate = 1.0"), eta), sgd.value);
    }
  }
}

void momentum() {
  struct Regime {
    double alpha, beta, batch, sigma2;
  };
  std::printf("# 7: 256 steps, M = 1, d = 60\n");
  for (const Regime r : {Regime{1, 0, 1, 0}, Regime{1, 0, 1, 1}, Regime{1, 0, 16, 1}, Regime{1, 0, 256, 1},
                         Regime{.7, .4, 1, 0}, Regime{.7, .4, 1, 1}, Regime{.7, .4, 16, 1}, Regime{.7, .4, 256, 1}}) {
    const auto data = data_of(60, r.alpha, r.beta, r.sigma2, 256);
    const std::string batch = "batch = " + settings::text_of(settings::Value(r.batch)) + "\n";
    const auto sgd = best_of(problem_of(data, "sgd", batch), eta);
    std::printf("(%g, %g), B = %g, sigma^2 = %g\n", r.alpha, r.beta, r.batch, r.sigma2);
    print("SGD", sgd, sgd.value);
    const auto row = [&](const char* name, const char* method, const std::string& text, std::vector<TuneRange> ranges) {
      print(name, best_of(problem_of(data, method, batch + text), with(eta, std::move(ranges))), sgd.value);
    };
    row("Nesterov", "momentum", "momentum_kind = 'nesterov'", {inner});
    row("heavy ball", "momentum", "momentum_kind = 'heavy-ball'", {inner});
    row("lookahead H = 8", "lookahead", "inner_steps = 8", {xi});
    row("outer Nesterov H = 8", "sla", "inner_steps = 8\nouter_momentum_kind = 'nesterov'", {xi, outer});
    for (const char* H : {"8", "32"})
      row((std::string("persistent inner + outer Nesterov H = ") + H).c_str(), "sla",
          std::string("inner_steps = ") + H +
              "\nmomentum_kind = 'nesterov'\npersistent = true\nouter_momentum_kind = 'nesterov'",
          {xi, inner, outer});
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) evaluations = std::strtoull(argv[1], nullptr, 10);
  lookahead();
  workers();
  momentum();
}
