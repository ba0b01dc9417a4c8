/// Theory and simulation of signSGD and clipped SGD. Peers: nonlinear_scipy.py, nonlinear_numpy.py.
///
///     nonlinear_bench
///
/// Power law (0.25, 0.5), d = 500, 3000 steps: P at the end of the ODE at rtol 1e-8 with its time, and the time of a
/// simulated step.
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/timing.hpp"
#include "models/nonlinear/simulation.hpp"
#include "models/nonlinear/theory.hpp"

namespace {

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using models::ingredients::cauchy_noise;
using models::ingredients::gaussian_noise;
using models::ingredients::Noise;
using models::ingredients::read_schedule;

constexpr std::size_t d = 500;
constexpr std::uint64_t steps = 3000;

NonlinearProblem problem(const char* method, std::shared_ptr<const Noise> noise, double eta, double threshold) {
  NonlinearProblem p;
  p.covariance.d = d;
  for (std::size_t j = 1; j <= d; ++j) {
    p.covariance.eigenvalue.push_back(std::pow(static_cast<double>(j), -0.5));
    p.covariance.target.push_back(std::pow(static_cast<double>(j), -0.5));
  }
  p.noise = std::move(noise);
  p.method = method;
  p.learning_rate = eta;
  p.threshold = threshold;
  p.schedule = read_schedule(settings::Table("bench", ""), "schedule", static_cast<double>(steps));
  p.time.steps = steps;
  p.time.at = {0, steps};
  return p;
}

void run(const char* name, const NonlinearProblem& p) {
  for (const char* method : {"auto", "explicit", "sdirk4", "recursion"}) {
    NonlinearTheory theory;
    theory.method = std::string(method) == "recursion" ? "recursion" : "ode";
    if (std::string(method) == "explicit") theory.integrator = solvers::Integrator::explicit_;
    if (std::string(method) == "sdirk4") theory.integrator = solvers::Integrator::sdirk4;
    double P = 0;
    const auto solve = [&] { P = solve_nonlinear(p, modes_of(p), theory).find("excess_mse")->value.back(); };
    const double seconds = bench::best({solve}, 5)[0];
    std::printf("%-5s theory, %-10s %10.3f ms   P = %.12f\n", name, method, 1e3 * seconds, P);
  }
  const auto simulation = simulate_nonlinear(std::make_shared<NonlinearProblem>(p));
  const double seconds = bench::best({[&] { simulation->replica(1, 0)->advance(steps); }}, 5)[0];
  std::printf("%-5s simulation        %10.3f us per step\n", name, 1e6 * seconds / steps);
}

}  // namespace

int main() {
  run("sign", problem("sign-late", gaussian_noise(0.25), 0.002, 0));
  run("clip", problem("clip", cauchy_noise(0.5), 0.01, 3));
}
