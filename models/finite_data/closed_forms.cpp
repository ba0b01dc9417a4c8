// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numeric>
#include <tuple>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/kernel_norms.hpp"
#include "models/finite_data/population.hpp"
#include "models/framework/closed_form_list.hpp"
#include "models/ingredients/schedule_search/best_rates.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::finite_data {

namespace {

using Pair = ClosedFormList::Pair;

std::shared_ptr<const ingredients::Schedule> schedule(const std::string& kind, double steps,
                                                      const std::string& more = "") {
  return ingredients::read_schedule(settings::read_text("[schedule]\nkind = '" + kind + "'\n" + more, "closed form"),
                                    "schedule", steps);
}

/// docs/theory/least-squares-sgd.md, section 13 (fin): N = 12, p = 20, X_ij = sqrt2 sin(1 + 3 i + 7 j + i j), z_i = cos
/// i, eta = .03, B = 2.
FiniteData reference(Sampling sampling, std::vector<std::uint64_t> at = {0}, std::size_t batch = 2,
                     std::size_t parameters = 20) {
  constexpr std::size_t N = 12;
  FiniteData data;
  data.inputs = linear_algebra::Matrix(parameters, N);
  for (std::size_t i = 1; i <= N; ++i) {
    for (std::size_t j = 1; j <= parameters; ++j)
      data.inputs(j - 1, i - 1) = std::sqrt(2.0) * std::sin(static_cast<double>(1 + 3 * i + 7 * j + i * j));
    data.residual.push_back(std::cos(static_cast<double>(i)));
  }
  data.sampling = sampling;
  data.learning_rate = 0.03;
  data.schedule = schedule("constant", 0);
  data.batch = batch;
  data.time.steps = at.back();
  data.time.at = std::move(at);
  return data;
}

double loss_after(const FiniteData& data, Level level = Level::exact) {
  return solve_finite_data(data, kernel_of(data), {level}).columns[0].value.back();
}

double finding(const FiniteData& data, const std::string& name) {
  for (const Finding& f : finite_data_stability(data, kernel_of(data)))
    if (f.name == name) return std::get<double>(f.value);
  return nan;
}

/// Five orthogonal samples, eta/B = .35: every z_i moves alone, by 1 - .35 n_i, n_i the times that i is drawn.
FiniteData orthogonal(Sampling sampling, std::uint64_t step) {
  FiniteData data;
  data.inputs = linear_algebra::Matrix::identity(5, 5);
  data.residual = {1, -2, 0.5, 3, 1};
  data.population = Population{std::vector<double>(5, 1.0), {1, 0, -2, 0.5, 1}, 0.25};
  data.sampling = sampling;
  data.learning_rate = 0.7;
  data.schedule = schedule("constant", 0);
  data.batch = 2;
  data.time.steps = step;
  data.time.at = {step};
  return data;
}

/// E (1 - .35 n_i)^2.
double orthogonal_square(Sampling sampling) {
  const double second = sampling == Sampling::with_replacement ? 2 * 0.2 * 0.8 + 0.16 : 0.4;
  return 1 - 2 * 0.35 * 0.4 + 0.35 * 0.35 * second;
}

void add_references(ClosedFormList& table) {
  struct Instance {
    const char* name;
    Sampling sampling;
    std::array<double, 4> loss, norm;  // steps 0, 1, 10, 100; mean field, closure, exact, trace
    double growth;
    std::array<double, 3> threshold;  // mean field, closure, exact
  };
  const std::array<Instance, 2> instances{{{"wor",
                                            Sampling::without_replacement,
                                            {.237944935708, .222565006465, .125278974305, .00331649790622},
                                            {.142526476067, .142764768570, .145764533170, .153934747886},
                                            .981612121255,
                                            {.189453464101, .189201257322, .187027555559}},
                                           {"wr",
                                            Sampling::with_replacement,
                                            {.237944935708, .222987469686, .127050787767, .00340549451072},
                                            {.156537530347, .156801361159, .160117270251, .153934747886},
                                            .981626665336,
                                            {.175682181756, .175459770151, .173345374617}}}};
  constexpr std::array<std::uint64_t, 4> steps{0, 1, 10, 100};
  constexpr std::array<NormLevel, 4> levels{NormLevel::mean_field, NormLevel::closure, NormLevel::exact,
                                            NormLevel::trace};
  constexpr std::array<const char*, 4> level_names{"mean-field", "closure", "exact", "trace"};
  for (const Instance& instance : instances) {
    const Sampling sampling = instance.sampling;
    for (std::size_t k = 0; k < steps.size(); ++k)
      table.printed(fmt::format("fin-{}-loss-{}", instance.name, steps[k]),
                    "S' = S - eta (Theta S + S Theta) + eta^2 Theta (c2 S + c1 diag S) Theta", "9", instance.loss[k],
                    k == 3 ? 14 : 12, [sampling, step = steps[k]] { return loss_after(reference(sampling, {step})); });
    for (std::size_t k = 0; k < levels.size(); ++k)
      table.printed(fmt::format("fin-{}-norm-{}", instance.name, level_names[k]), "kernel norm at eta = .03", "9",
                    instance.norm[k], 12, [sampling, level = levels[k]] {
                      const FiniteData data = reference(sampling);
                      return kernel_norm(data, kernel_of(data), level, data.learning_rate);
                    });
    for (std::size_t k = 0; k < 3; ++k)
      table.printed(fmt::format("fin-{}-threshold-{}", instance.name, level_names[k]), "eta where the norm is 1", "9",
                    instance.threshold[k], 12, [sampling, level = levels[k]] {
                      const FiniteData data = reference(sampling);
                      return threshold(data, kernel_of(data), level);
                    });
    // The printed digits are those of an iteration stopped 5e-12 early; growth-by-iteration is to full precision.
    table.add(fmt::format("fin-{}-growth", instance.name), "growth per step of (9.1)", "9", 1e-11,
              [sampling, growth = instance.growth] {
                const FiniteData data = reference(sampling);
                return Pair(growth, growth_factor(data, kernel_of(data)));
              });
  }
  table.add("growth-by-iteration", "growth factor = L_{k+1}/L_k at k = 20000", "9", 1e-13, [] {
    FiniteData data = reference(Sampling::without_replacement, {20000, 20001});
    const Kernel kernel = kernel_of(data);
    const std::vector<double> loss = solve_finite_data(data, kernel, {}).columns[0].value;
    return Pair(loss[1] / loss[0], growth_factor(data, kernel));
  });
  table.printed("fin-sharpness", "eta mu_max", "9", .0986449860853, 13, [] {
    const FiniteData data = reference(Sampling::bernoulli);
    return data.learning_rate * kernel_of(data).eigenvalue.front();
  });
}

void add_formulas(ClosedFormList& table) {
  table.add("full-batch", "B = N: L_k = |(1 - eta Theta)^k z_0|^2/(2N), gradient descent", "9", 1e-12, [] {
    const FiniteData data = reference(Sampling::without_replacement, {50}, 12);
    const Kernel kernel = kernel_of(data);
    const std::vector<double> along = kernel.along(data.residual);
    double sum = 0;
    for (std::size_t a = 0; a < 12; ++a) sum += std::pow(1 - 0.03 * kernel.eigenvalue[a], 100) * along[a] * along[a];
    return Pair(sum / 24, loss_after(data));
  });
  table.add("full-batch-threshold", "B = N: eta_max = 2/mu_max", "9", 1e-13, [] {
    const FiniteData data = reference(Sampling::without_replacement, {0}, 12);
    const Kernel kernel = kernel_of(data);
    return Pair(2 / kernel.eigenvalue.front(), threshold(data, kernel, NormLevel::exact));
  });
  for (const Sampling sampling : {Sampling::without_replacement, Sampling::with_replacement, Sampling::bernoulli})
    table.add(fmt::format("orthogonal-samples-{}", sampling_names()[static_cast<std::size_t>(sampling)]),
              "X = 1: E z_i^2 is multiplied by 1 - 2 (eta/B) E n_i + (eta/B)^2 E n_i^2", "9", 1e-12, [sampling] {
                return Pair(std::pow(orthogonal_square(sampling), 30) * 15.25 / 10,
                            loss_after(orthogonal(sampling, 30)));
              });
  for (const Sampling sampling : {Sampling::without_replacement, Sampling::with_replacement, Sampling::bernoulli})
    table.add(fmt::format("orthogonal-samples-excess-{}", sampling_names()[static_cast<std::size_t>(sampling)]),
              "X = 1, K = 1: P = sum_i E (z_i + y_i - theta*_i)^2", "9", 1e-12, [sampling] {
                const FiniteData data = orthogonal(sampling, 30);
                const double mean = 1 - 0.35 * 0.4, square = orthogonal_square(sampling);
                double excess = 0;
                for (std::size_t i = 0; i < 5; ++i) {
                  const double z = data.residual[i], rest = -z - data.population->target[i];
                  excess += z * z * std::pow(square, 30) + 2 * rest * z * std::pow(mean, 30) + rest * rest;
                }
                return Pair(excess, solve_finite_data(data, kernel_of(data), {}).columns[2].value.back());
              });
  for (const Sampling sampling : {Sampling::with_replacement, Sampling::bernoulli})
    table.add(fmt::format("orthogonal-samples-std-{}", sampling_names()[static_cast<std::size_t>(sampling)]),
              "X = 1: std of sum_i z_i^2 from E z_i^4 and E z_i^2 z_j^2", "9", 1e-12, [sampling] {
                const FiniteData data = orthogonal(sampling, 10);
                // Of one draw of all counts: E f_i^4, E f_i^2 f_j^2, f_i = 1 - .35 n_i.
                const auto f = [](double n) { return std::pow(1 - 0.35 * n, 2); };
                double fourth = 0.6 + 0.4 * f(1) * f(1), pair = std::pow(orthogonal_square(sampling), 2);
                if (sampling == Sampling::with_replacement) {
                  fourth = 0.64 + 0.32 * f(1) * f(1) + 0.04 * f(2) * f(2);
                  pair = (9 + 12 * f(1) + 2 * f(2) + 2 * f(1) * f(1)) / 25;
                }
                double squares = 0, fourths = 0;
                for (const double z : data.residual) {
                  squares += z * z;
                  fourths += std::pow(z, 4);
                }
                const double variance = fourths * std::pow(fourth, 10) +
                                        (squares * squares - fourths) * std::pow(pair, 10) -
                                        std::pow(squares * std::pow(orthogonal_square(sampling), 10), 2);
                return Pair(std::sqrt(variance) / 10,
                            solve_finite_data(data, kernel_of(data), {Level::exact, true}).columns[0].std.back());
              });
  table.add("full-batch-excess", "B = N: P along theta' = theta - (eta/N) X' (X theta - y)", "9", 1e-12, [] {
    FiniteData data = reference(Sampling::without_replacement, {50}, 12);
    data.population.emplace();
    for (std::size_t j = 0; j < 20; ++j) {
      data.population->eigenvalue.push_back(1 / static_cast<double>(j + 1));
      data.population->target.push_back(std::sin(static_cast<double>(j)));
    }
    std::vector<double> theta(20, 0.0);
    for (int k = 0; k < 50; ++k) {
      std::vector<double> gradient(20, 0.0);
      for (std::size_t i = 0; i < 12; ++i) {
        const auto x = data.inputs.column(i);
        const double z = std::inner_product(x.begin(), x.end(), theta.begin(), data.residual[i]);
        for (std::size_t j = 0; j < 20; ++j) gradient[j] += x[j] * z / 12;
      }
      for (std::size_t j = 0; j < 20; ++j) theta[j] -= 0.03 * gradient[j];
    }
    return Pair(population_excess(*data.population, theta),
                solve_finite_data(data, kernel_of(data), {}).columns[2].value.back());
  });
  for (const Level level : {Level::exact, Level::closure})
    table.add(level == Level::exact ? "full-batch-schedule-exact" : "full-batch-schedule-closure",
              "B = N under a schedule: L_T = |prod_k (1 - eta_k Theta) z_0|^2/(2N), eta_k = eta (1 - k/T)", "9", 1e-12,
              [level] {
                FiniteData data = reference(Sampling::without_replacement, {50}, 12);
                data.schedule = schedule("linear", 50);
                const Kernel kernel = kernel_of(data);
                const std::vector<double> along = kernel.along(data.residual);
                double sum = 0;
                for (std::size_t a = 0; a < 12; ++a) {
                  double left = along[a];
                  for (int k = 0; k < 50; ++k) left *= 1 - 0.03 * (1 - k / 50.0) * kernel.eigenvalue[a];
                  sum += left * left;
                }
                return Pair(sum / 24, loss_after(data, level));
              });
  table.add("mean-field-norm", "with replacement: (eta/B) sum_a mu_a/(2 - eta mu_a (1 - 1/B))", "9", 1e-13, [] {
    const FiniteData data = reference(Sampling::with_replacement, {0}, 3);
    const Kernel kernel = kernel_of(data);
    double sum = 0;
    for (const double mu : kernel.eigenvalue) sum += 0.01 * mu / (2 - 0.03 * mu * (1 - 1 / 3.0));
    return Pair(sum, kernel_norm(data, kernel, NormLevel::mean_field, 0.03));
  });
  table.add("floor", "p < N: what the null modes hold stays, (1/2N) sum_null p", "9", 1e-12, [] {
    const FiniteData data = reference(Sampling::without_replacement, {1}, 12, 4);
    FiniteData late = data;
    late.time.at = {200000};
    return Pair(finding(data, "loss_floor"), loss_after(late, Level::closure));
  });
  for (const Sampling sampling : {Sampling::without_replacement, Sampling::with_replacement})
    table.add(fmt::format("steady-loss-{}", sampling_names()[static_cast<std::size_t>(sampling)]),
              "p < N: steady state of (9.1), d = (1 - M)^{-1} d_null", "9", 1e-9, [sampling] {
                const FiniteData data = reference(sampling, {6000}, 2, 4);
                return Pair(finding(data, "steady_loss"), loss_after(data));
              });
  for (const Sampling sampling : {Sampling::without_replacement, Sampling::with_replacement, Sampling::bernoulli})
    for (const std::size_t parameters : {20, 4})
      table.add(fmt::format("critical-growth-{}-{}", sampling_names()[static_cast<std::size_t>(sampling)], parameters),
                "growth factor 1 where the exact kernel norm is 1", "9", 1e-10, [sampling, parameters] {
                  FiniteData data = reference(sampling, {0}, 2, parameters);
                  const Kernel kernel = kernel_of(data);
                  data.learning_rate = threshold(data, kernel, NormLevel::exact);
                  return Pair(1, growth_factor(data, kernel));
                });
  table.add("null-modes-are-label-noise", "mean field, p < N: L -> (1/2N) sum_null p/(1 - kappa)", "9", 1e-10, [] {
    const FiniteData data = reference(Sampling::with_replacement, {20000}, 2, 4);
    const Kernel kernel = kernel_of(data);
    return Pair(
        null_power(data, kernel) / 24 / (1 - kernel_norm(data, kernel, NormLevel::mean_field, data.learning_rate)),
        loss_after(data, Level::mean_field));
  });
  table.add("trace-norm", "with replacement, eta mu -> 0: mean field -> eta tr Theta/(2B)", "9", 1e-5, [] {
    const FiniteData data = reference(Sampling::with_replacement);
    const Kernel kernel = kernel_of(data);
    return Pair(kernel_norm(data, kernel, NormLevel::trace, 1e-6),
                kernel_norm(data, kernel, NormLevel::mean_field, 1e-6));
  });
  table.add("closure-rows", "sum_b C_ab = 1: eigenvectors are normalised", "9", 1e-13, [] {
    const linear_algebra::Matrix C = overlaps(kernel_of(reference(Sampling::bernoulli)));
    double sum = 0;
    for (std::size_t b = 0; b < 12; ++b) sum += C(3, b);
    return Pair(1, sum);
  });
}

/// The noiseless workload of the schedules' authors: 100 samples, eigenvalues 1/i over their sum, z_0 = 1 in every mode.
std::shared_ptr<const RateObjective> average_workload(std::size_t batch, std::uint64_t steps) {
  constexpr std::size_t N = 100;
  FiniteData data;
  data.inputs = linear_algebra::Matrix(N, N);
  double trace = 0;
  for (std::size_t i = 1; i <= N; ++i) trace += 1 / static_cast<double>(i);
  for (std::size_t i = 0; i < N; ++i) data.inputs(i, i) = std::sqrt(N / (static_cast<double>(i + 1) * trace));
  data.residual.assign(N, 1.0);
  data.sampling = Sampling::bernoulli;
  data.batch = batch;
  data.time.steps = steps;
  return finite_data_rate_objective(data, kernel_of(data), {Level::mean_field});
}

/// `kind` with a linear warm-up over the first tenth that has a clock of its own, or none.
std::vector<double> shape_of(const std::string& kind, std::uint64_t steps, bool warmup) {
  const auto shape = schedule(kind, static_cast<double>(steps), warmup ? "warmup = 0.1\nwarmup_mode = 'first'\n" : "");
  std::vector<double> out;
  for (std::uint64_t k = 0; k < steps; ++k) out.push_back(shape->at(static_cast<double>(k)));
  return out;
}

double tuned(const RateObjective& J, const std::vector<double>& shape) {
  return ingredients::best_base(J, shape, infinity).loss;
}

void add_schedules(ClosedFormList& table) {
  const char* source = "docs/theory/schedules-and-collapse.md, section 3.5";
  struct Known {
    const char* kind;
    double fixed, best;
  };
  for (const Known& known : {Known{"constant", .127062805714, .023960487931},
                             {"cosine", .210046131369, .045534806980},
                             {"linear", .209161453029, 0}}) {
    table.printed(fmt::format("workload-fixed-{}", known.kind), "B = 10, T = 100, warm-up first, base 2", source,
                  known.fixed, 12, [kind = known.kind] {
                    std::vector<double> rates = shape_of(kind, 100, true);
                    for (double& rate : rates) rate *= 2;
                    return average_workload(10, 100)->value(rates);
                  });
    if (known.best > 0)
      table.printed(fmt::format("workload-best-{}", known.kind), "B = 10, T = 100, warm-up first, the best base",
                    source, known.best, 10,
                    [kind = known.kind] { return tuned(*average_workload(10, 100), shape_of(kind, 100, true)); });
  }
  const auto optimum = [](const RateObjective& J) {
    ingredients::ScheduleSearch search;
    search.starts = 1;
    return ingredients::best_rates(J, search, [] { return false; }).loss;
  };
  table.printed("workload-optimum", "B = 1, T = 300: no schedule ends lower", source, .125250950916, 12,
                [optimum] { return optimum(*average_workload(1, 300)); });
  for (const auto& [kind, warmup, gap] :
       {std::tuple("constant", false, 20.97), {"linear", false, 23.32}, {"cosine", true, 41.35}})
    table.printed(fmt::format("workload-gap-{}", kind), "B = 1, T = 300: percent above the optimum", source, gap, 2,
                  [optimum, kind = kind, warmup = warmup] {
                    const auto J = average_workload(1, 300);
                    return 100 * (tuned(*J, shape_of(kind, 300, warmup)) / optimum(*J) - 1);
                  });
}

}  // namespace

std::vector<ClosedForm> finite_data_closed_forms() {
  ClosedFormList table("finite-data/", "least-squares-sgd");
  add_references(table);
  add_formulas(table);
  add_schedules(table);
  return table.take();
}

}  // namespace edgewise::models::finite_data
