// Built at -O1: nothing here takes time.
#include "models/quadratic_regression/closed_forms.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/closed_form_list.hpp"
#include "models/ingredients/kernel_stability.hpp"
#include "models/quadratic_regression/early_time.hpp"
#include "models/quadratic_regression/memory.hpp"
#include "models/quadratic_regression/steps.hpp"
#include "settings/counted.hpp"

namespace edgewise::models::quadratic_regression {

using ingredients::annealed_critical_rate;
using ingredients::annealed_kernel_norm;
using ingredients::exact_critical_rate;
using ingredients::exact_kernel_norm;
using ingredients::sam_edge;

namespace {

using linear_algebra::Matrix;
using linear_algebra::Transposed;
using Pair = ClosedFormList::Pair;

/// A rule, its steps and where it leads: z_1, z_2, and the eigenvalues of K, ascending.
struct Path {
  const char* name;
  const char* words;
  QuadraticRule rule;
  bool alternating;  // batches of one row: 1, 2, 1, 2, ...
  std::size_t steps;
  std::array<double, 4> end;
};

const std::array<Path, 7>& paths() {
  static const std::array<Path, 7> all{
      {{"gd-1", "GD, eta = .05", {.05}, false, 1, {.8225, -1.45, 2.0627055788, 5.0722944212}},
       {"gd-2", "GD, eta = .05", {.05}, false, 2, {.6893987223, -1.0582176076, 2.4791346533, 5.2857583899}},
       {"gd-5", "GD, eta = .05", {.05}, false, 5, {.4199995735, -.3570580582, 3.0375367743, 6.7393540283}},
       {"sgd",
        "SGD, eta = .05, rows 1, 2, 1, 2",
        {.05},
        true,
        4,
        {.6707770146, -1.0528989688, 2.3470440161, 5.4729678741}},
       {"sam",
        "SAM, eta = .05, rho = .02",
        {.05, .02},
        false,
        3,
        {.5788744227, -.6812947059, 3.0714938354, 5.6481340249}},
       {"normalised-sam",
        "normalised SAM, eta = .05, rho = .1",
        {.05, .1, true},
        false,
        3,
        {.5757790517, -.6473741035, 3.1693942540, 5.6573871303}},
       {"sgd-sam",
        "SAM, eta = .05, rho = .02, rows 1, 2, 1, 2",
        {.05, .02},
        true,
        4,
        {.6540530064, -.9884366888, 2.5069735459, 5.4038738223}}}};
  return all;
}

std::array<double, 4> follow(const Path& path) {
  const QuadraticInstance instance = fixed_instance();
  QuadraticState state(instance);
  for (std::size_t t = 0; t < path.steps; ++t) {
    const std::array<std::size_t, 1> row{t % 2};
    state.step(path.rule, path.alternating ? std::span<const std::size_t>(row) : std::span<const std::size_t>());
  }
  const Matrix& j = state.jacobian();
  const auto lambda =
      linear_algebra::symmetric_eigenvalues(linear_algebra::product(j, j, Transposed::no, Transposed::yes));
  return {state.residual()[0], state.residual()[1], lambda[0], lambda[1]};
}

void add_paths(ClosedFormList& table) {
  static constexpr std::array<const char*, 4> what{"z_1", "z_2", "lambda_2(K)", "lambda_1(K)"};
  for (const Path& path : paths())
    for (std::size_t k = 0; k < 4; ++k)
      table.add_reference(fmt::format("instance-{}/{}", path.name, k),
                          fmt::format("{} of the instance F after {} of {}", what[k],
                                      settings::counted(path.steps, "step"), path.words),
                          "2 (F)", 2e-10, [path, k] {
                            return std::pair{path.end[k], follow(path)[k]};
                          });
}

QuadraticMemoryProblem memory_problem(double eta, double delta, double kappa, double b, std::size_t steps) {
  QuadraticMemoryProblem p;
  p.ensemble.delta = delta;
  p.ensemble.kappa = kappa;
  p.batch_fraction = b;
  p.learning_rate = {eta};
  p.steps = steps;
  return p;
}

/// Along curves of the causal recursion.
struct MemoryPoint {
  double eta, delta, kappa, b;
  std::size_t step;
  double loss, q;
};
constexpr MemoryPoint memory_points[] = {
    {.2, .5, 4, 1, 1, .3304000000, .0200000000},   {.2, .5, 4, 1, 2, .2299097605, .0587305600},
    {.2, .5, 4, 1, 5, .0793079012, .1877631575},   {.2, .5, 4, 1, 10, .0186941296, .3017573792},
    {.2, .5, 4, 1, 20, .0022639679, .3723918805},  {.2, .5, 4, 1, 40, .0001028881, .3994394608},
    {.3, .5, 4, 1, 1, .2695250000, .0450000000},   {.3, .5, 4, 1, 10, .0060089266, .3550719959},
    {.3, .5, 4, 1, 30, .0000764183, .4069954752},  {.3, .5, 4, 1, 60, .0150695247, .3796045640},
    {.3, .5, 4, 1, 100, .0277554451, .3650659547}, {.3, .5, 2, .2, 1, .4535405000, .0090000000},
    {.3, .5, 2, .2, 5, .3168214254, .0544382471},  {.3, .5, 2, .2, 25, .0747710422, .2698522743},
    {.3, .5, 2, .2, 50, .0184710194, .3930937072}, {.3, .5, 2, .2, 100, .0021191752, .4726141088},
    {.2, 2, 1, .5, 5, .3253379299, .2172772761},   {.2, 2, 1, .5, 15, .2611202482, .5047915324},
    {.2, 2, 1, .5, 30, .2342037165, .7330155807},  {.2, 2, 1, .5, 60, .2174729421, .9523759215},
    {.4, .25, 2, .5, 5, .0976863868, .1129889078}, {.4, .25, 2, .5, 15, .0061600798, .2152207271},
    {.4, .25, 2, .5, 30, .0001994252, .2401058287}};

void add_memory_values(ClosedFormList& table) {
  for (const MemoryPoint& p : memory_points) {
    const std::string at = fmt::format("eta-{}-delta-{}-kappa-{}-b-{}-step-{}", p.eta, p.delta, p.kappa, p.b, p.step);
    const QuadraticMemoryProblem problem = memory_problem(p.eta, p.delta, p.kappa, p.b, p.step);
    table.printed("memory-loss-" + at, "S(t, t) / 2 of the causal recursion", "3", p.loss, 10,
                  [=] { return solve_quadratic_memory(problem).loss.back(); });
    table.printed("memory-q-" + at, "C(t, t) of the causal recursion", "3", p.q, 10,
                  [=] { return solve_quadratic_memory(problem).q.back(); });
  }
  // Four digits of a bisection that was stopped early: three are not rounded from the sharp value,
  // .6463 (.646474), .4578 (.457882) and .2594 (.259566).
  const double thresholds[2][3] = {{.8937, .6463, .4303}, {.6820, .4578, .2594}};
  const double units[2][3] = {{.5, 2, .5}, {.5, 1, 2}};  // of the last digit
  const double kappas[] = {1, 4}, deltas[] = {.25, .5, 1};
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      QuadraticEnsemble e;
      e.kappa = kappas[i];
      e.delta = deltas[j];
      table.add(fmt::format("divergence-threshold-delta-{}-kappa-{}", e.delta, e.kappa),
                "largest eta whose loss stays below 100 times the initial one over 60 steps", "3",
                1.02e-4 * units[i][j] / thresholds[i][j], [e, value = thresholds[i][j]] {
                  return Pair{value, quadratic_divergence_threshold(e)};
                });
    }
}

void add_memory_limits(ClosedFormList& table) {
  for (const double b : {1.0, 0.2}) {
    const QuadraticMemoryProblem problem = memory_problem(.3, .5, 2, b, 1);
    table.add(fmt::format("memory-first-step-q-b-{}", b), "q_1 = eta^2 delta b sz2", "3", 1e-14, [=] {
      return Pair{.3 * .3 * .5 * b, solve_quadratic_memory(problem).q[1]};
    });
    table.add(fmt::format("memory-first-step-loss-b-{}", b),
              "S(1, 1) = c(q_1) - 2 eta b sz2 + eta^2 b sz2, c(q) = sz2 + sJ2 q + kappa q^2 / 2", "3", 1e-14, [=] {
                const double eta = .3, q = eta * eta * .5 * b;
                return Pair{(1 + q + q * q - 2 * eta * b + eta * eta * b) / 2, solve_quadratic_memory(problem).loss[1]};
              });
    const QuadraticMemoryProblem linear = memory_problem(.3, .5, 0, b, 40);
    table.add(fmt::format("memory-linear-b-{}", b),
              "kappa = 0: loss = int MP(dl) p_l / 2, p' = (1 - eta b l)^2 p + eta^2 b (1 - b) l^2 S", "3", 1e-11, [=] {
                return Pair{quadratic_linear_loss(linear).back(), solve_quadratic_memory(linear).loss.back()};
              });
  }
  using Losses = std::vector<std::pair<std::size_t, double>>;
  for (const auto& [step, loss] : Losses{{10, .0617880894}, {20, .0233532505}}) {
    const QuadraticMemoryProblem problem = memory_problem(.2, .5, 0, 1, step);
    table.printed(fmt::format("linear-loss-eta-0.2-b-1-step-{}", step), "1/2 int MP(dl) (1 - eta l)^(2 t)", "3", loss,
                  10, [=] { return solve_quadratic_memory(problem).loss.back(); });
  }
  for (const auto& [step, loss] : Losses{{1, .4535}, {10, .2266119818}, {40, .0613715324}}) {
    const QuadraticMemoryProblem problem = memory_problem(.3, .5, 0, .2, step);
    table.printed(fmt::format("linear-loss-eta-0.3-b-0.2-step-{}", step), "kappa = 0, mini-batches", "3", loss, 10,
                  [=] { return solve_quadratic_memory(problem).loss.back(); });
  }
  table.add("flow-early-kernel", "tr K / D = sJ2 (1 + kappa delta sz2 tau^2) + O(tau^3), tau = 1e-4", "3", 1e-3, [] {
    QuadraticEnsemble e;
    e.kappa = 2;
    const double time[] = {1e-4};
    const QuadraticFlow flow = solve_quadratic_flow(e, time, {.tolerance = 1e-13});
    return Pair{e.kappa * e.delta * time[0] * time[0], flow.kernel_mean[0] - 1};
  });
}

/// The residual and kernel of instance F, with fresh curvature.
EarlyTimeState instance_state() {
  EarlyTimeState s;
  s.residual = {1, -2};
  s.kernel = Matrix(2, 2);
  s.kernel(0, 0) = 2;
  s.kernel(1, 0) = s.kernel(0, 1) = -1;
  s.kernel(1, 1) = 5;
  s.parameters = 3;
  s.curvature_variance = .01;
  return s;
}

void add_early_time(ClosedFormList& table) {
  const double order2[] = {2.0993516389e-4, 4.1406483611e-4}, order3[] = {-3.7041251399e-5, -5.7398748601e-5},
               flow[] = {2.0993516389, 4.1406483611}, eigenvalue[] = {1.69722436, 5.30277564};
  const auto differences = [] { return sgd_mode_differences(instance_state(), .02, 1); };
  table.printed("first-difference", "E[K_1 - K_0] = eta^2 sQ2 (P + 1) tr(K Pi) I", "2", 1.76e-4, 14,
                [=] { return differences().first; });
  for (std::size_t k = 0; k < 2; ++k) {
    table.printed(fmt::format("kernel-eigenvalue-{}", k + 1), "of K = J J', instance F", "2", eigenvalue[k], 8,
                  [=] { return differences().eigenvalue[k]; });
    table.printed(fmt::format("second-difference-order-2-mode-{}", k + 1),
                  "eta^2 b^2 sQ2 (P + 1) (2 lambda z^2 + 2 z'Kz) along an eigenvector", "2", order2[k], 14,
                  [=] { return differences().order2[k]; });
    table.printed(fmt::format("second-difference-order-3-mode-{}", k + 1),
                  "-eta^3 b sQ2 v'{2 (P + 2) K Pi K + 2 (P + 1) [tr(K^2 Pi) + z'Kb K z] I} v", "2", order3[k], 15,
                  [=] { return differences().order3[k]; });
    table.printed(fmt::format("flow-acceleration-mode-{}", k + 1), "sQ2 (P + 1) v'[zz'K + Kzz' + 2 z'Kz I] v", "2",
                  flow[k], 10, [=] { return projected_acceleration(instance_state())[k]; });
  }
  table.printed("largest-eigenvalue-acceleration", "flow acceleration and level repulsion", "2", 5.9101419870, 10,
                [] { return eigenvalue_acceleration(instance_state())[1]; });
  table.add("trace-acceleration", "tr E[K''] = 2 sQ2 (P + 1) (D + 1) z'Kz", "2", 1e-13, [] {
    const Matrix k = kernel_acceleration(instance_state());
    return Pair{trace_acceleration(instance_state()), k(0, 0) + k(1, 1)};
  });
}

linear_algebra::SymmetricEigen reference_kernel() {
  Matrix k(3, 3);
  const double values[3][3] = {{1, .3, .1}, {.3, .8, -.2}, {.1, -.2, 1.5}};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) k(i, j) = values[i][j];
  return linear_algebra::symmetric_eigen(k);
}

void add_mean_square(ClosedFormList& table) {
  struct Row {
    std::size_t batch;
    double annealed, exact, annealed_rate, exact_rate;
  };
  for (const Row& row : {Row{1, .4400000000, .5906764460, 1.81818182, 1.35437938},
                         Row{2, .2968522172, .4242169581, 1.63432884, 1.33238549}}) {
    const std::size_t batch = row.batch;
    table.printed(fmt::format("annealed-kernel-norm-batch-{}", batch),
                  "(1/D) sum eta (1 - beta) lambda / (2 - eta beta lambda), eta = 0.8", "4", row.annealed, 10,
                  [=] { return annealed_kernel_norm(reference_kernel().values, .8, batch); });
    table.printed(fmt::format("exact-kernel-norm-batch-{}", batch), "spectral radius of G, eta = 0.8", "4", row.exact,
                  10, [=] { return exact_kernel_norm(reference_kernel(), .8, batch); });
    table.printed(fmt::format("annealed-critical-rate-batch-{}", batch), "Kn = 1", "4", row.annealed_rate, 8,
                  [=] { return annealed_critical_rate(reference_kernel().values, batch); });
    table.printed(fmt::format("exact-critical-rate-batch-{}", batch), "Kx = 1", "4", row.exact_rate, 8,
                  [=] { return exact_critical_rate(reference_kernel(), batch); });
  }
}

void add_sam(ClosedFormList& table) {
  struct Row {
    double eta, rho, edge;
  };
  for (const Row& row :
       {Row{.1, .2, 7.80776406}, Row{.1, .3, 6.66666667}, Row{.1, .4, 5.93070331}, Row{.2, .05, 7.32050808},
        Row{.2, .1, 6.18033989}, Row{.3, .02, 5.95695937}, Row{.3, .05, 5.27525232}})
    table.printed(fmt::format("sam-edge-eta-{}-rho-{}", row.eta, row.rho), "(sqrt(1 + 8 rho / eta) - 1) / (2 rho)", "5",
                  row.edge, 8, [=] { return sam_edge(row.eta, row.rho); });
  table.add("sam-edge-small-rho", "2 / eta - 4 rho / eta^2, rho / eta = 1e-7", "5", 1e-12, [] {
    const double eta = .3, rho = 3e-8;
    return Pair{2 / eta - 4 * rho / (eta * eta), sam_edge(eta, rho)};
  });
  table.add("sam-edge-large-rho", "sqrt(2 / (eta rho)), rho / eta = 1e12", "5", 1e-6, [] {
    const double eta = .3, rho = 3e11;
    return Pair{std::sqrt(2 / (eta * rho)), sam_edge(eta, rho)};
  });
}

}  // namespace

QuadraticInstance fixed_instance() {
  Matrix j0(2, 3), rows(6, 3);
  constexpr double jacobian[2][3] = {{1, 0, 1}, {0, 2, -1}};
  constexpr double curvature[6][3] = {{1, 2, 0}, {2, 0, -1}, {0, -1, 1}, {0, 1, 1}, {1, -1, 0}, {1, 0, 2}};
  for (std::size_t j = 0; j < 3; ++j) {
    for (std::size_t i = 0; i < 2; ++i) j0(i, j) = jacobian[i][j];
    for (std::size_t i = 0; i < 6; ++i) rows(i, j) = curvature[i][j];
  }
  return {{1, -2}, j0, CurvatureTensor(2, 3, rows)};
}

std::vector<ClosedForm> quadratic_closed_forms() {
  ClosedFormList table("quadratic-regression/", "quadratic-regression");
  add_paths(table);
  add_early_time(table);
  add_memory_values(table);
  add_memory_limits(table);
  add_mean_square(table);
  add_sam(table);
  return table.take();
}

}  // namespace edgewise::models::quadratic_regression
