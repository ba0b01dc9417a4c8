/// The recursion of linear methods, per optimizer step; peer: linear_numpy.py (same problems, same numbers).
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "models/ingredients/noise.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"
#include "models/least_squares/linear_methods/stability.hpp"

namespace {

using namespace edgewise;

std::shared_ptr<models::least_squares::LeastSquares> problem_R(std::size_t d) {
  auto data = std::make_shared<models::least_squares::LeastSquares>();
  for (std::size_t i = 1; i <= d; ++i) {
    const auto j = static_cast<double>(i);
    data->spectrum.eigenvalue.push_back(std::pow(j, -1.4));
    data->spectrum.multiplicity.push_back(1);
    data->spectrum.target_power.push_back(std::pow(j, -0.8));
  }
  data->initial_power = data->spectrum.target_power;
  data->label_noise_variance = 0.05;
  settings::Table table("bench", "");
  data->noise = models::ingredients::read_noise(table);
  data->schedule = models::ingredients::read_schedule(table, "schedule", 0);
  return data;
}

models::least_squares::LinearProblem problem_of(std::shared_ptr<models::least_squares::LeastSquares> data,
                                                const std::string& method, const std::string& optimizer) {
  models::least_squares::LinearProblem problem;
  problem.data = std::move(data);
  problem.method = &models::least_squares::linear_method(method);
  const settings::Table table = settings::read_text("[optimizer]\n" + optimizer, "bench");
  problem.hyperparameters = models::least_squares::Hyperparameters(
      problem.method->description, settings::read(*table.table("optimizer"), problem.method->description.parameters));
  return problem;
}

// Least time of one call, in seconds.
double seconds(const std::function<void()>& work) {
  double best = 1e9;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace

int main() {
  const std::string stack =
      "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = 0.6\n"
      "outer_momentum_kind = 'nesterov'\nmomentum = 0.8\nmomentum_kind = 'nesterov'\npersistent = true";
  const std::string diloco = "learning_rate = 0.15\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.9";
  for (const std::size_t n : {200u, 2000u}) {
    const auto data = problem_R(n);
    for (const auto& [name, problem] : {std::pair("stack_p", problem_of(data, "sla", stack)),
                                        std::pair("diloco", problem_of(data, "la-diloco", diloco))}) {
      double P = 0;
      const double time = seconds([&, &p = problem] {
        models::least_squares::LinearRecursion run(p);
        run.advance(192);
        P = run.excess_mse();
      });
      std::printf("edgewise %-19s n=%5zu  %9.3f us/step  P=%.12f\n", name, n, time / 192 * 1e6, P);
    }
  }
  const auto problem = problem_of(problem_R(200), "sla", stack);
  std::printf("edgewise growth and steady state, stack_p, n=200:  %.2f ms\n",
              1e3 * seconds([&] {
                solvers::Renewal renewal(models::least_squares::periodic(problem));
                renewal.growth();
                renewal.steady(0.05);
              }));
  std::printf("edgewise eta_max, stack_p, n=200:  %.2f ms\n",
              1e3 * seconds([&] { models::least_squares::stability_threshold(problem, "learning_rate"); }));
}
