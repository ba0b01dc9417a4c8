// Built at -O1: nothing here takes time.
#include "models/softmax_temperature/closed_forms.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "models/framework/closed_form_list.hpp"
#include "models/softmax_temperature/kernel_dynamics.hpp"
#include "models/softmax_temperature/margin.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::softmax_temperature {

namespace {

using linear_algebra::Matrix;
using Pair = ClosedFormList::Pair;

/// Section 3.7's: K_ij = .5^|i-j|, y = (+, +, -, +).
LogitProblem page_problem(double beta, double eta) {
  LogitProblem out;
  out.kernel = Matrix(4, 4);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      out.kernel(i, j) = std::pow(0.5, std::abs(static_cast<double>(i) - static_cast<double>(j)));
  out.targets = Matrix(1, 4, std::array{1.0, 1.0, -1.0, 1.0});
  out.start = Matrix(1, 4);
  out.inverse_temperature = beta;
  out.learning_rate = eta;
  return out;
}

/// One point or more with the same kernel entry everywhere.
LogitProblem constant_kernel(std::size_t classes, std::span<const double> targets, std::size_t points, double start) {
  LogitProblem out;
  out.kernel = Matrix(points, points, 1.0);
  out.targets = Matrix(classes, points, targets);
  out.start = Matrix(classes, points);
  for (std::size_t i = 0; i < points; ++i) out.start(0, i) = start;
  return out;
}

const std::array<std::uint64_t, 1> hundred{100};

void margins_of_one_point(ClosedFormList& list) {
  const std::array<double, 3> binary[] = {
      {1, 0, .4428544010}, {10, 0, 2.1773251006}, {5, -3, .4622093850}, {100, 1, 4.5963507197}};
  for (const auto& row : binary)
    list.printed(fmt::format("margin-{}-{}", row[0], row[1]), "u + e^u = u_0 + e^u_0 + T", "3.7", row[2], 10,
                 [row] { return margin_after(row[0], row[1], 1); });
  const std::array<double, 4> classes[] = {{5, 0, 10, 3.1286195220}, {5, -2, 3, 1.9726860509}};
  for (const auto& row : classes)
    list.printed(fmt::format("margin-{}-{}-of-{}", row[0], row[1], row[2]), "(C-1) u + e^u = (C-1) u_0 + e^u_0 + C T",
                 "3.7", row[3], 10, [row] { return margin_after(row[0], row[1], row[2]); });
  for (const double u0 : {-50.0, -1.0, 0.0, 3.0}) {
    list.add(fmt::format("two-classes-{}", u0), "C = 2 is one logit at 2T", "3.3", 1e-13,
             [u0] { return Pair(margin_after(2 * 7.3, u0, 1), margin_after(7.3, u0, 2)); });
    for (const double T : {1e-3, 1.0, 1e6}) {
      list.add(fmt::format("invariant-{}-{}", u0, T), "u + e^u - T is constant", "3.3", 1e-13, [=] {
        const double u = margin_after(T, u0, 1);
        return Pair(u0 + std::exp(u0) + T, u + std::exp(u));
      });
    }
    list.add(fmt::format("descent-tends-to-the-flow-{}", u0), "g = 1e-4, error O(g)", "3.3", 1e-4,
             [u0] { return Pair(margin_after(5, u0, 4), margin_descended(50000, 1e-4, u0, 4)); });
  }
  list.add("uniform-rate", "u_0 near 0: du/dT = 1/2, of C classes 1", "3.3", 1e-6,
           [] { return Pair(0.5e-6, margin_after(1e-6, 0, 1)); });
  list.add("uniform-rate-classes", "u = T", "3.3", 1e-6, [] { return Pair(1e-6, margin_after(1e-6, 0, 7)); });
  list.add("unlearning", "u_0 = -m: u = -m + T for T < m, whatever m is", "3.3", 1e-12,
           [] { return Pair(-1e6 + 4e5, margin_after(4e5, -1e6, 1)); });
  list.add("unlearning-classes", "u = -m + C T/(C-1)", "3.3", 1e-12,
           [] { return Pair(-1e6 + 4e5 * 10 / 9, margin_after(4e5, -1e6, 10)); });
  list.add("late", "u ~ log T", "3.3", 1e-14, [] { return Pair(std::log(1e200), margin_after(1e200, 0, 1)); });
}

void population_values(ClosedFormList& list) {
  const std::array<double, 2> times[] = {
      {.01, .0255492623}, {.1, .2484382818}, {1, 2.0039453237}, {10, 13.8155129372}, {100, 129.1551565545}};
  for (const auto& row : times)
    list.printed(fmt::format("time-to-90-{}", row[0]), "T_A = 1 - u_* - e^u_*, u_* = s Phi^-1(1-A)", "3.7", row[1], 10,
                 [row] { return time_to_accuracy(.9, row[0], 1); });
  const std::array<double, 3> losses[] = {{.1, 0, .6943956232},  {.1, 1, .4967295327},  {.1, 10, .1073544802},
                                          {1, 0, .8060591833},   {1, 1, .5662029988},   {1, 10, .1062025963},
                                          {10, 0, 4.0543130312}, {10, 1, 3.6071683662}, {10, 10, .9735857716}};
  for (const auto& row : losses)
    list.printed(fmt::format("loss-{}-{}", row[0], row[1]), "E log(1 + e^-u(T; s xi))", "3.7", row[2], 10,
                 [row] { return population_at(row[1], row[0], 1).loss; });
  list.printed("loss-3-10", "the flow's value beside the Monte Carlo one", "3.7", .1116936, 7,
               [] { return population_at(10, 3, 1).loss; });
  list.add("time-to-90-small", "s -> 0: T_A ~ 2 |u_*|", "3.4", 1e-6,
           [] { return Pair(2e-6 * 1.2815515655446004, time_to_accuracy(.9, 1e-6, 1)); });
  list.add("time-to-90-large", "s -> inf: T_A ~ 1 + |u_*|", "3.4", 1e-12,
           [] { return Pair(1 + 1e6 * 1.2815515655446004, time_to_accuracy(.9, 1e6, 1)); });
  for (const double classes : {1.0, 5.0})
    list.add(fmt::format("accuracy-at-its-time-{}", classes), "A(T_A) = A", "3.4", 1e-12,
             [classes] { return Pair(.8, population_at(time_to_accuracy(.8, 2.5, classes), 2.5, classes).accuracy); });
  // Unlearning by C/(C-1) a unit of time; wrong by -u a point's loss is log(C-1) - u.
  for (const double classes : {1.0, 2.0, 3.0, 10.0})
    list.add(fmt::format("loss-large-spread-{}", classes),
             "s -> inf: E max(-u_0 - C T/(C-1), 0) + log(C-1) P(u < 0) at T = s (C-1)/C; binary T = s", "3.4", 1e-11,
             [classes] {
               const double s = 1e7, rivals = classes == 1 ? 1 : classes - 1;
               const double beyond = std::erfc(1 / std::sqrt(2.0)) / 2, density = std::exp(-0.5) / std::sqrt(2 * pi);
               return Pair(s * (density - beyond) + std::log(rivals) * beyond,
                           population_at(classes == 1 ? s : s * rivals / classes, s, classes).loss);
             });
}

void coupled_points(ClosedFormList& list) {
  const std::array<double, 4> descended{1.56802532, 1.25779191, -.86367842, 1.09876968},
      flown{1.56194490, 1.25418196, -.85950311, 1.09547171};
  for (std::size_t i = 0; i < 4; ++i) {
    list.printed(fmt::format("descent-z{}", i + 1), "100 steps at beta = 2, eta = .05", "3.7", descended[i], 8,
                 [i] { return descended_logits(page_problem(2, .05), hundred).front()(0, i); });
    const std::array<std::uint64_t, 2> from_start{0, 100};
    list.printed(fmt::format("flow-z{}", i + 1), "the same by the flow", "3.7", flown[i], 8,
                 [=] { return flown_logits(page_problem(2, .05), from_start, 1e-11).back()(0, i); });
    list.add(fmt::format("collapse-z{}", i + 1), "beta = 1, eta = .2: exactly twice", "3.2 and 3.7", 1e-14, [i] {
      return Pair(2 * descended_logits(page_problem(2, .05), hundred).front()(0, i),
                  descended_logits(page_problem(1, .2), hundred).front()(0, i));
    });
    list.add(fmt::format("collapse-to-beta-10-z{}", i + 1), "beta = 10, eta/100 is beta = 1, eta", "3.2", 1e-13, [i] {
      return Pair(descended_logits(page_problem(1, .2), hundred).front()(0, i),
                  10 * descended_logits(page_problem(10, .002), hundred).front()(0, i));
    });
  }
  // Near uniform outputs a disturbance is multiplied by 1 - eta beta^2 lambda/C a step, of one logit by 1 - .../4.
  const std::array<std::uint64_t, 1> once{1};
  list.add("threshold-classes", "stable iff eta beta^2 lambda < 2C: factor -1 there, uniform targets", "3.5", 1e-7,
           [=] {
             const std::array<double, 3> uniform{1.0 / 3, 1.0 / 3, 1.0 / 3};
             LogitProblem p = constant_kernel(3, uniform, 1, 0);
             p.start = Matrix(3, 1, std::array{1e-8, -1e-8, 0.0});
             p.learning_rate = stability_threshold(3);
             return Pair(-1, descended_logits(p, once).front()(0, 0) / 1e-8);
           });
  list.add("threshold-binary", "stable iff eta beta^2 lambda/4 < 2, labels +1 and -1 on one input", "3.5", 1e-7, [=] {
    LogitProblem p = constant_kernel(1, std::array{1.0, -1.0}, 2, 1e-8);
    p.learning_rate = stability_threshold(1) / 2;  // lambda = 2
    return Pair(-1, descended_logits(p, once).front()(0, 1) / 1e-8);
  });
  list.add("small-logits", "z = (C/beta)(1 - exp(-eta beta^2 K t/C))(Y - 1/C), one point", "3.3", 1e-4, [] {
    const std::array<double, 4> target{1, 0, 0, 0};
    LogitProblem p = constant_kernel(4, target, 1, 0);
    p.inverse_temperature = 3;
    p.learning_rate = 1e-3 / 9 / 100;
    return Pair(4.0 / 3 * (1 - std::exp(-1e-3 / 4)) * 0.75, descended_logits(p, hundred).front()(0, 0));
  });
  list.add("wide-kernel-erf", "one input: E erf^2 + E erf'^2, (2/pi)(asin(1/2) + 1/sqrt 3)", "3.6", 1e-14, [] {
    return Pair(2 / pi * (std::asin(0.5) + 1 / std::sqrt(3.0)), wide_kernel(Matrix(1, 1, 1.0), true)(0, 0));
  });
}

}  // namespace

std::vector<ClosedForm> temperature_closed_forms() {
  ClosedFormList list("softmax-temperature/", "networks-and-kernels");
  margins_of_one_point(list);
  population_values(list);
  coupled_points(list);
  return list.take();
}

}  // namespace edgewise::models::softmax_temperature
