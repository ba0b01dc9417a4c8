#include "models/linear_methods/linear_theory.hpp"

#include <doctest/doctest.h>

#include "tests/models/linear_methods_support.hpp"

using namespace edgewise::tests;

namespace {

double relative(double a, double b) {
  return std::abs(a - b) / std::abs(b);
}

double P_after(const LinearProblem& problem, std::uint64_t step) {
  LinearRecursion run(problem);
  run.advance(step);
  return run.excess_mse();
}

struct Reference {
  const char* name;
  const char* method;
  const char* parameters;
  double P1, P8, P24, worker, steady, perron;
};

// Note two-phase, section 10.
const std::vector<Reference> references{
    {"la", "lookahead", "learning_rate = 0.15\ninner_steps = 8\nouter_learning_rate = 0.7", .6399826716, .1075997570,
     .0456553998, .0494283228, .0088763407, .1710891719},
    {"la_hi", "lookahead", "learning_rate = 0.05\ninner_steps = 8\nouter_learning_rate = 1.4", .7212546133, .1365747692,
     .0560958355, .0555922073, .0058272131, .1000266174},
    {"diloco", "la-diloco", "learning_rate = 0.15\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.9",
     .4493040978, .0734844808, .0293200956, .0368427425, .0027505470, .0926514574},
    {"diloco_hi", "la-diloco", "learning_rate = 0.06\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 1.6",
     .5095698686, .0939754259, .0373547611, .0391279640, .0019385275, .0437753052},
    {"sla_hb", "sla",
     "learning_rate = 0.08\ninner_steps = 8\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = 0.7\n"
     "outer_momentum_kind = 'heavy-ball'",
     1.1814212213, .1904653010, .0467542388, .0470404017, .0027457141, .0538711761},
    {"sla_nes", "sla",
     "learning_rate = 0.08\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.3\nouter_momentum = 0.7\n"
     "outer_momentum_kind = 'nesterov'",
     .9921654411, .1351816715, .0432893889, .0466751124, .0013032249, .0401675148},
    {"stack", "sla",
     "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = 0.6\n"
     "outer_momentum_kind = 'nesterov'\nmomentum = 0.8\nmomentum_kind = 'nesterov'",
     .9047303867, .1235702266, .0453437866, .0472656266, .0013021906, .0301972719},
    {"stack_p", "sla",
     "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = 0.6\n"
     "outer_momentum_kind = 'nesterov'\nmomentum = 0.8\nmomentum_kind = 'nesterov'\npersistent = true",
     .9047303867, .0924792917, .0330134820, .0348864311, .0017871121, .0434192571},
    {"stack_hb", "sla",
     "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = 0.6\n"
     "outer_momentum_kind = 'heavy-ball'\nmomentum = 0.8\nmomentum_kind = 'heavy-ball'\npersistent = true",
     1.1239729100, .1214734562, .0334861762, .0351879621, .0018879993, .0433577651}};

}  // namespace

TEST_CASE("the nine methods on problem R reproduce the note's values") {
  const auto data = problem_R();
  for (const Reference& r : references) {
    CAPTURE(r.name);
    const LinearProblem problem = problem_of(data, r.method, r.parameters);
    LinearRecursion run(problem);
    CHECK(relative(run.excess_mse(), 1.489103528963) < 1e-12);
    run.advance(8);
    CHECK(std::abs(run.excess_mse() - r.P1) < 6e-11);
    run.advance(64);
    CHECK(std::abs(run.excess_mse() - r.P8) < 6e-11);
    run.advance(192);
    CHECK(std::abs(run.excess_mse() - r.P24) < 6e-11);
    std::vector<double> values(linear_observables(problem).size());
    run.observe(values);
    CHECK(std::abs(values[3] - r.worker) < 6e-11);
    if (std::string(r.name) == "diloco") CHECK(std::abs(values[4] - .0295446857) < 6e-11);
    if (std::string(r.name) == "stack_p") CHECK(std::abs(values[4] - .0332351032) < 6e-11);
  }
}

TEST_CASE("their renewal matrix, steady state and mode radii are the note's") {
  const auto data = problem_R();
  for (const Reference& r : references) {
    CAPTURE(r.name);
    const LinearProblem problem = problem_of(data, r.method, r.parameters);
    edgewise::solvers::Renewal renewal(periodic(problem));
    const auto growth = renewal.growth();
    CHECK(std::abs(growth.perron - r.perron) < 6e-11);
    CHECK(growth.stable);
    const auto steady = renewal.steady(0.05);
    CHECK(std::abs(steady.drive[0] - 0.05 - r.steady) < 6e-11);
    CHECK(relative(steady.amplification, 1 + r.steady / 0.05) < 1e-8);
    if (std::string(r.name) == "la") CHECK(std::abs(growth.mode_radius - .9989916596) < 6e-11);
    if (std::string(r.name) == "stack_p") CHECK(std::abs(growth.mode_radius - .9989188698) < 6e-11);
    CHECK(growth.growth_factor >= growth.mode_radius);
    CHECK(growth.growth_factor < 1);
  }
}

TEST_CASE("a long run reaches the steady state") {
  for (const Reference& r : references) {
    CAPTURE(r.name);
    const auto data = data_of(power_law(12, 0.7, 0.4), 0.05);
    const LinearProblem problem = problem_of(data, r.method, r.parameters);
    edgewise::solvers::Renewal renewal(periodic(problem));
    const double steady = renewal.steady(0.05).drive[0] - 0.05;
    CHECK(relative(P_after(problem, 16000), steady) < 1e-9);
  }
}

TEST_CASE("momentum, weight decay and averages reproduce the note's values") {
  const auto data = data_of(power_law(40, 0.5, 0.5), 0.09);
  const auto momentum = [&](const char* kind, const std::vector<double>& P) {
    const LinearProblem problem =
        problem_of(data, "momentum",
                   std::string("learning_rate = 0.03\nbatch = 2\nmomentum = 0.8\nmomentum_kind = '") + kind + "'");
    const std::vector<std::uint64_t> steps{1, 10, 40, 80};
    for (std::size_t i = 0; i < 4; ++i) CHECK(relative(P_after(problem, steps[i]), P[i]) < 1e-11);
    return edgewise::solvers::Renewal(periodic(problem));
  };
  auto hb = momentum("heavy-ball", {1.55084692112, .488873528793, .104946589143, .0503011527490});
  CHECK(relative(hb.growth().perron, .163328915009) < 1e-11);
  CHECK(relative(hb.steady(.09).drive[0] - .09, .0175691530573) < 1e-11);
  auto nag = momentum("nesterov", {1.49922893030, .455500000579, .101040084525, .0489141622596});
  CHECK(relative(nag.growth().perron, .159086994721) < 1e-11);
  CHECK(relative(nag.steady(.09).drive[0] - .09, .0170265288264) < 1e-11);

  const auto ext = data_of(power_law(24, 0.4, 0.3), 0.25);
  const std::string decay = "learning_rate = 0.12\nbatch = 2\nweight_decay = 0.05\n";
  CHECK(relative(P_after(problem_of(ext, "sgd", decay), 100), .131441832454) < 1e-11);
  std::vector<double> values(4);
  LinearRecursion tail(problem_of(ext, "tail-average", decay + "average_from = 50"));
  tail.advance(100);
  tail.observe(values);
  CHECK(relative(values[1], .131441832454) < 1e-11);
  CHECK(relative(values[3], .139650475681) < 1e-11);
  LinearRecursion ema(problem_of(ext, "ema", decay + "average_decay = 0.9"));
  ema.advance(100);
  ema.observe(values);
  CHECK(relative(values[3], .123900198235) < 1e-11);
}
