#include <fmt/format.h>

#include <array>
#include <cmath>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/kernel_norms.hpp"

namespace edgewise::models {

namespace {

using Pair = std::pair<double, double>;

/// The note's instance: N = 12, p = 20, X_ij = sqrt2 sin(1 + 3 i + 7 j + i j), z_i = cos i, eta = .03, B = 2.
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
  data.batch = batch;
  data.time.steps = at.back();
  data.time.at = std::move(at);
  return data;
}

double loss_after(const FiniteData& data, const std::string& method = "exact") {
  return solve_finite_data(data, kernel_of(data), method).columns[0].value.back();
}

class Table {
 public:
  void add(std::string name, std::string formula, double tolerance, std::function<Pair()> evaluate) {
    forms.push_back(
        {"finite-data/" + std::move(name), std::move(formula), "least-squares-sgd 9", tolerance, std::move(evaluate)});
  }
  void printed(std::string name, std::string formula, double value, int decimals, std::function<double()> evaluate) {
    add(std::move(name), std::move(formula), 0.6 * std::pow(10.0, -decimals) / std::abs(value),
        [value, evaluate = std::move(evaluate)] { return Pair(value, evaluate()); });
  }
  std::vector<ClosedForm> forms;
};

void add_references(Table& table) {
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
                    "S' = S - eta (Theta S + S Theta) + eta^2 Theta (c2 S + c1 diag S) Theta", instance.loss[k],
                    k == 3 ? 14 : 12, [sampling, step = steps[k]] { return loss_after(reference(sampling, {step})); });
    for (std::size_t k = 0; k < levels.size(); ++k)
      table.printed(fmt::format("fin-{}-norm-{}", instance.name, level_names[k]), "kernel norm at eta = .03",
                    instance.norm[k], 12, [sampling, level = levels[k]] {
                      const FiniteData data = reference(sampling);
                      return kernel_norm(data, kernel_of(data), level, data.learning_rate);
                    });
    for (std::size_t k = 0; k < 3; ++k)
      table.printed(fmt::format("fin-{}-threshold-{}", instance.name, level_names[k]), "eta where the norm is 1",
                    instance.threshold[k], 12, [sampling, level = levels[k]] {
                      const FiniteData data = reference(sampling);
                      return threshold(data, kernel_of(data), level);
                    });
    // The printed digits are those of an iteration stopped 5e-12 early; growth-by-iteration is to full precision.
    table.add(fmt::format("fin-{}-growth", instance.name), "growth per step of (9.1)", 1e-11,
              [sampling, growth = instance.growth] {
                const FiniteData data = reference(sampling);
                return Pair(growth, growth_factor(data, kernel_of(data)));
              });
  }
  table.add("growth-by-iteration", "growth factor = L_{k+1}/L_k at k = 20000", 1e-13, [] {
    FiniteData data = reference(Sampling::without_replacement, {20000, 20001});
    const Kernel kernel = kernel_of(data);
    const std::vector<double> loss = solve_finite_data(data, kernel, "exact").columns[0].value;
    return Pair(loss[1] / loss[0], growth_factor(data, kernel));
  });
  table.printed("fin-sharpness", "eta mu_max", .0986449860853, 13, [] {
    const FiniteData data = reference(Sampling::bernoulli);
    return data.learning_rate * kernel_of(data).eigenvalue.front();
  });
}

void add_formulas(Table& table) {
  table.add("full-batch", "B = N: L_k = |(1 - eta Theta)^k z_0|^2/(2N), gradient descent", 1e-12, [] {
    const FiniteData data = reference(Sampling::without_replacement, {50}, 12);
    const Kernel kernel = kernel_of(data);
    double sum = 0;
    for (std::size_t a = 0; a < 12; ++a) {
      double along = 0;
      for (std::size_t i = 0; i < 12; ++i) along += kernel.vectors(i, a) * data.residual[i];
      sum += std::pow(1 - 0.03 * kernel.eigenvalue[a], 100) * along * along;
    }
    return Pair(sum / 24, loss_after(data));
  });
  table.add("full-batch-threshold", "B = N: eta_max = 2/mu_max", 1e-13, [] {
    const FiniteData data = reference(Sampling::without_replacement, {0}, 12);
    const Kernel kernel = kernel_of(data);
    return Pair(2 / kernel.eigenvalue.front(), threshold(data, kernel, NormLevel::exact));
  });
  // Orthogonal samples: every z_i moves alone, by 1 - (eta/B) n_i, n_i the times that i is drawn.
  for (const Sampling sampling : {Sampling::without_replacement, Sampling::with_replacement, Sampling::bernoulli})
    table.add(fmt::format("orthogonal-samples-{}", sampling_names()[static_cast<std::size_t>(sampling)]),
              "X = 1: E z_i^2 is multiplied by 1 - 2 (eta/B) E n_i + (eta/B)^2 E n_i^2", 1e-12, [sampling] {
                FiniteData data;
                constexpr std::size_t N = 5;
                data.inputs = linear_algebra::Matrix(N, N);
                for (std::size_t i = 0; i < N; ++i) data.inputs(i, i) = 1;
                data.residual = {1, -2, 0.5, 3, 1};
                data.sampling = sampling;
                data.learning_rate = 0.7;
                data.batch = 2;
                data.time.at = {30};
                const double mean = 0.4, eta = 0.7 / 2;
                double square = mean;
                if (sampling == Sampling::with_replacement) square = 2 * 0.2 * 0.8 + mean * mean;
                return Pair(std::pow(1 - 2 * eta * mean + eta * eta * square, 30) * 15.25 / 10, loss_after(data));
              });
  table.add("floor", "p < N: what the null modes hold stays, (1/2N) sum_null p", 1e-12, [] {
    const FiniteData data = reference(Sampling::without_replacement, {1}, 12, 4);
    double found = 0;
    for (const Finding& f : finite_data_stability(data, kernel_of(data)))
      if (f.name == "loss_floor") found = std::get<double>(f.value);
    FiniteData late = data;
    late.time.at = {200000};
    return Pair(found, loss_after(late, "closure"));
  });
  for (const Sampling sampling : {Sampling::without_replacement, Sampling::with_replacement})
    table.add(fmt::format("steady-loss-{}", sampling_names()[static_cast<std::size_t>(sampling)]),
              "p < N: steady state of (9.1), d = (1 - M)^{-1} d_null", 1e-9, [sampling] {
                FiniteData data = reference(sampling, {6000}, 2, 4);
                double found = 0;
                for (const Finding& f : finite_data_stability(data, kernel_of(data)))
                  if (f.name == "steady_loss") found = std::get<double>(f.value);
                return Pair(found, loss_after(data));
              });
  table.add("critical-growth", "growth factor 1 where the exact kernel norm is 1", 1e-10, [] {
    FiniteData data = reference(Sampling::bernoulli);
    const Kernel kernel = kernel_of(data);
    data.learning_rate = threshold(data, kernel, NormLevel::exact);
    return Pair(1, growth_factor(data, kernel));
  });
  table.add("closure-rows", "sum_b C_ab = 1: eigenvectors are normalised", 1e-13, [] {
    const linear_algebra::Matrix C = overlaps(kernel_of(reference(Sampling::bernoulli)));
    double sum = 0;
    for (std::size_t b = 0; b < 12; ++b) sum += C(3, b);
    return Pair(1, sum);
  });
}

}  // namespace

std::vector<ClosedForm> finite_data_closed_forms() {
  Table table;
  add_references(table);
  add_formulas(table);
  return std::move(table.forms);
}

}  // namespace edgewise::models
