// Built at -O1: nothing here takes time.
#include "models/quadratic_map/closed_forms.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>

#include "linear_algebra/dense.hpp"
#include "models/framework/closed_form_list.hpp"
#include "models/ingredients/central_flow.hpp"
#include "models/ingredients/quadratic_objective.hpp"
#include "models/quadratic_map/outcome.hpp"
#include "models/quadratic_map/predictions.hpp"
#include "models/quadratic_map/regression.hpp"
#include "models/quadratic_map/simulation.hpp"
#include "settings/theory_source.hpp"
#include "solvers/flow.hpp"
#include "solvers/map.hpp"

namespace edgewise::models::quadratic_map {

namespace {

using Pair = ClosedFormList::Pair;

QuadraticRegression problem_of(std::vector<double> curvature, double residual, std::vector<double> jacobian,
                               MapRule rule = MapRule::gd, double radius = 0) {
  return {std::move(curvature), residual, std::move(jacobian), rule, radius};
}

/// omega = (1, -eps) at sharpness-at-the-minimum `top`: W_0 = (top + 2E)/(1 + eps), u_0 = W_0 + 2 (z_0 - E).
QuadraticRegression near_edge(double eps, double E, double z, double top, double r = 0) {
  const double W = (top + 2 * E) / (1 + eps);
  return problem_of({1, -eps}, z, {std::sqrt(W + 2 * (z - E)), std::sqrt(eps * W)}, r > 0 ? MapRule::sam : MapRule::gd,
                    r);
}

std::vector<double> after(const QuadraticRegression& problem, std::uint64_t steps) {
  solvers::OrbitOptions options;
  options.steps = steps;
  return solvers::iterate(regression_map(problem), problem.start(), options).last;
}

/// z, T(0), T(1) after `steps`, by what `path` says: the map of (z, J), of the moments, or the algorithm itself.
double observed(const QuadraticRegression& problem, std::uint64_t steps, std::size_t which, std::size_t path) {
  if (path == 0) {
    const std::vector<double> x = after(problem, steps);
    return which == 0 ? x[0] : curvature_moment(problem, x, static_cast<int>(which) - 1);
  }
  if (path == 1) {
    solvers::OrbitOptions options;
    options.steps = steps;
    return solvers::iterate(moment_map(problem), moment_start(problem), options).last[which];
  }
  const auto replica = simulate_quadratic(problem, 1, true)->replica(7, 0);
  replica->advance(steps);
  std::array<double, 6> values{};
  replica->observe(values);
  return values[std::array<std::size_t, 3>{1, 3, 4}[which]];
}

struct Reference {
  const char* name;
  QuadraticRegression problem;
  std::uint64_t steps;
  std::array<double, 3> value;  // z, T(0), T(1)
  std::array<bool, 3> known;
};

std::vector<Reference> references() {
  const QuadraticRegression a = problem_of({1, -0.1}, -0.4, {1.2, 0.5});
  const QuadraticRegression b = problem_of({1, -1}, 0.3, {1.0, 0.8});
  const QuadraticRegression sam = problem_of({1, -0.1}, -0.4, {1.2, 0.5}, MapRule::sam, 0.5);
  const QuadraticRegression normalized = problem_of({1, -0.1}, -0.4, {1.2, 0.5}, MapRule::normalized_sam, 0.2);
  const std::array<bool, 3> all{true, true, true}, two{true, true, false};
  return {{"gd-a", a, 1, {0.389200000000, 3.052800000000, 2.799360000000}, all},
          {"gd-a", a, 2, {-0.586930936525, 1.301654846915, 1.028103174918}, all},
          {"gd-a", a, 10, {-0.281769620515, 1.542757758185, 1.306128058263}, all},
          {"gd-a", a, 20, {-0.126469125563, 1.732338074182, 1.507810441651}, all},
          {"gd-b", b, 1, {-0.175800000000, 1.571600000000, -0.591600000000}, all},
          {"gd-b", b, 20, {0.000000013636, 1.417243592450, -0.239999972729}, all},
          {"sam", sam, 1, {0.824090639132, 3.754450197652, 0}, two},
          {"normalized-sam", normalized, 1, {0.755038777002, 3.652576350087, 3.412326470478}, all},
          {"normalized-sam", normalized, 5, {-0.803462258146, 0.382266310907, 0}, two},
          {"normalized-sam", normalized, 10, {-0.246791674847, 0.714513134428, 0}, two}};
}

void add_trajectories(ClosedFormList& table) {
  constexpr std::array<const char*, 3> quantity{"residual", "sharpness", "curvature"};
  constexpr std::array<const char*, 3> path{"map", "moments", "algorithm"};
  for (const Reference& r : references())
    for (std::size_t which = 0; which < 3; ++which) {
      if (!r.known[which]) continue;
      for (std::size_t p = 0; p < 3; ++p)
        table.printed(fmt::format("{}-{}-{}-{}", r.name, quantity[which], r.steps, path[p]),
                      "reference value after k steps", r.problem.rule == MapRule::gd ? "1" : "5", r.value[which], 12,
                      [r, which, p] { return observed(r.problem, r.steps, which, p); });
    }
  for (const std::size_t p : {0u, 1u, 2u})
    table.add(fmt::format("invariant-gd-a-{}", path[p]), "E = z - T(-1)/2 = .13 after 20 steps", "1", 1e-13, [p] {
      const Reference r = references()[3];
      const double z = observed(r.problem, 20, 0, p), t0 = observed(r.problem, 20, 1, p),
                   t1 = observed(r.problem, 20, 2, p);
      return Pair(0.13, z - 0.5 * (0.9 * t0 - t1) / -0.1);
    });
  table.add("invariant-after-1e5", "E = .12 after 1e5 steps of normalised SAM", "1", 1e-12, [] {
    const QuadraticRegression problem = problem_of({1, -1}, 0.3, {1.0, 0.8}, MapRule::normalized_sam, 0.01);
    return Pair(0.12, invariant(problem, after(problem, 100000)));
  });
  table.add("symmetry", "z(c z_0, omega/c) = c z(z_0, omega), after 10 steps", "1", 1e-12, [] {
    const double c = -3.7;
    const QuadraticRegression a = problem_of({1, -0.1}, -0.4, {1.2, 0.5});
    const QuadraticRegression b = problem_of({1 / c, -0.1 / c}, -0.4 * c, {1.2, 0.5});
    return Pair(c * after(a, 10)[0], after(b, 10)[0]);
  });
}

struct Limit {
  double eps, E, found, series;
};

void add_limits(ClosedFormList& table) {
  constexpr std::array<Limit, 6> limits{{{0.02, 0, 1.989652584934, 1.9896625},
                                         {0.01, 0, 1.994914407963, 1.994915625},
                                         {0.005, 0, 1.997478755494, 1.997478906},
                                         {0.01, -0.5, 1.997466150857, 1.997466406},
                                         {0.01, 0.5, 1.992344472228, 1.992347656},
                                         {0.005, 1, 1.994939830670, 1.994940625}}};
  for (const Limit& l : limits) {
    const std::string name = fmt::format("eps={:g}-E={:g}", l.eps, l.E);
    // The last steps round: 1e-11 is what the 1e5 steps leave of twelve decimals.
    table.add("eos-limit-" + name, "T(0) at the end of GD, by iteration", "1", 1e-11,
              [l] { return Pair(l.found, outcome_of(near_edge(l.eps, l.E, -0.1, 2.15), {}).sharpness); });
    table.printed("eos-series-" + name, "2 - eps (1+E)/2 - eps^2 (1+E)(27+11E)/32", "1", l.series, 9,
                  [l] { return gd_limit(l.eps, l.E); });
  }
  table.add("eos-third-order", "(T(0) - series)/eps^3 -> -1.2 at E = 0, in the mean of eps = .01 and .005", "1", 0.05,
            [] {
              const auto rest = [](double eps) {
                const double found = outcome_of(near_edge(eps, 0, -0.1, 2.15), {}).sharpness;
                return (found - gd_limit(eps, 0)) / (eps * eps * eps);
              };
              return Pair(-1.2, 0.5 * (rest(0.01) + rest(0.005)));
            });
  // The normal form is right to leading order: its error in (2 - T)/eps falls like eps.
  table.add("two-step-limit", "(2 - T(0))/eps -> (1+E)/2 under the two-step map, eps = 1e-4, E = .3", "1", 2e-3, [] {
    const double eps = 1e-4, E = 0.3;
    const auto pair = canonical_pair(near_edge(eps, E, -0.05, 2.02));
    solvers::SettleOptions options;
    options.max_steps = 100'000'000;
    options.convergence_tolerance = 1e-20;
    options.max_period = 1;
    const auto end = solvers::settle(two_step_map(*pair), two_step_start(*pair), options);
    return Pair((1 + E) / 2, -end.state[1] / eps);
  });
}

void add_sam(ClosedFormList& table) {
  struct Row {
    double r, edge, eps, E, found, slope;
  };
  constexpr std::array<Row, 5> rows{{{0.1, 1.70820393, .002, 0, 1.7075642141, -.31873},
                                     {0.3, 1.40651482, .002, .5, 1.4058428930, -.33436},
                                     {1, 1, .002, 0, 0.9998121660, -.09357},
                                     {1, 1, .002, .5, 0.9996236789, -.18713},
                                     {3, 0.66666667, .002, 0, 0.6665806269, -.04286}}};
  for (const Row& row : rows) {
    const std::string name = fmt::format("r={:g}-E={:g}", row.r, row.E);
    table.printed("sam-edge-" + name, "(sqrt(1 + 8 r) - 1)/(2 r)", "5", row.edge, 8, [row] { return sam_edge(row.r); });
    table.printed("sam-limit-" + name, "T(0) at the end of SAM, by iteration", "5", row.found, 10, [row] {
      return outcome_of(near_edge(row.eps, row.E, -0.03, sam_edge(row.r) + 0.05, row.r), {}).sharpness;
    });
    table.printed("sam-slope-" + name, "(T* + 2E)(a B + 2 s2)/(2 (C + B^2))", "5", row.slope, 5,
                  [row] { return (sam_limit(row.r, 1e-3, row.E) - sam_edge(row.r)) / 1e-3; });
  }
  table.add("sam-slope-extrapolated", "(T(0) - T*)/eps as eps -> 0, r = .3, E = .5", "5", 1e-6, [] {
    const auto slope = [](double eps) {
      return (outcome_of(near_edge(eps, 0.5, -0.03, sam_edge(0.3) + 0.05, 0.3), {}).sharpness - sam_edge(0.3)) / eps;
    };
    const double coarse = slope(0.002), middle = slope(0.001), fine = slope(0.0005);
    const double extrapolated = (4 * (2 * fine - middle) - (2 * middle - coarse)) / 3;
    return Pair((sam_limit(0.3, 1e-3, 0.5) - sam_edge(0.3)) / 1e-3, extrapolated);
  });
  table.add("sam-edge-small-rho", "lambda_SAM = 2/eta - 4 rho/eta^2 as rho -> 0", "5", 1e-11,
            [] { return Pair(2 - 4e-7, sam_edge(1e-7) - 16e-14); });
  table.add("sam-edge-large-rho", "lambda_SAM -> sqrt(2/(eta rho))", "5", 1e-5,
            [] { return Pair(std::sqrt(2 / 1e12), sam_edge(1e12)); });
  table.add("sam-limit-without-rho", "r = 0 is GD: 2 - eps (1+E)/2", "5", 1e-14,
            [] { return Pair(2 - 0.01 * 1.3 / 2, sam_limit(0, 0.01, 0.3)); });
  constexpr std::array<std::pair<std::uint64_t, double>, 4> drift{
      {{100, 1.123}, {1000, .622}, {10000, .120}, {100000, .0891}}};
  for (const auto& entry : drift)
    table.printed(
        fmt::format("normalized-sam-drift-{}", entry.first), "T(0) keeps falling under normalised SAM", "5",
        entry.second, entry.first == 100000 ? 4 : 3, [steps = entry.first] {
          const QuadraticRegression problem = problem_of({1, -.05}, -.1, {1.3, .3}, MapRule::normalized_sam, .05);
          return curvature_moment(problem, after(problem, steps), 0);
        });
}

/// (z, J) at the time, by integration.
std::vector<double> flow_at(const QuadraticRegression& problem, double time) {
  const std::array<double, 2> times{0, time};
  solvers::FlowOptions options;
  options.rtol = 1e-12;
  options.atol = 1e-15;
  return solvers::integrate_flow(regression_flow(problem), problem.start(), times, options).states.back();
}

void add_flow(ClosedFormList& table) {
  const QuadraticRegression symmetric = problem_of({1, -1}, 0.3, {0.6, 0.9});
  const QuadraticRegression skewed = problem_of({1, -0.1}, 0.8, {0.7, 0.4});
  for (const auto& [name, problem, value] :
       {std::tuple("symmetric", symmetric, 1.5062868253), std::tuple("skewed", skewed, 0.2737484847)}) {
    table.printed(fmt::format("flow-end-{}-any-P", name), "T(0) where z(s) = z_0 - int T(0) ds = 0", "1", value, 10,
                  [p = problem] { return flow_end(p).sharpness; });
    table.printed(fmt::format("flow-end-{}-note", name), "log((W - 2E)/u_0) + log(W/W_0)/eps = 0", "1", value, 10,
                  [p = problem] { return flow_end_sharpness(*canonical_pair(p)); });
    table.printed(fmt::format("flow-end-{}-integrated", name), "the same by integration to t = 200", "1", value, 10,
                  [p = problem] { return curvature_moment(p, flow_at(p, 200), 0); });
  }
  table.add("flow-symmetric", "T(0)_inf = 2 sqrt(E^2 + u_0 w_0)", "1", 1e-14,
            [symmetric] { return Pair(2 * std::sqrt(0.525 * 0.525 + 0.36 * 0.81), flow_end(symmetric).sharpness); });
  table.add("flow-on-the-way", "T(0) = 2 sqrt((z-E)^2 + u_0 w_0) at t = 1", "1", 1e-11, [symmetric] {
    const std::vector<double> x = flow_at(symmetric, 1);
    const double z = x[0];
    return Pair(2 * std::sqrt((z - 0.525) * (z - 0.525) + 0.36 * 0.81), curvature_moment(symmetric, x, 0));
  });
}

void add_cycles(ClosedFormList& table) {
  // omega = 1, one parameter: z' = z (1 - u) + z^2 u/2 with u = mu + 2 z.
  const auto one = [](double mu, double z) { return problem_of({1}, z, {std::sqrt(mu + 2 * z)}); };
  const double doubling = 2 * (std::sqrt(5.0) - 1);
  table.add("cycle-2", "eps = 0: a 2-cycle just below mu = 2 (sqrt 5 - 1)", "1", 0,
            [=] { return Pair(2, static_cast<double>(outcome_of(one(doubling - 0.02, -0.1), {}).period)); });
  table.add("cycle-4", "eps = 0: a 4-cycle just above mu = 2 (sqrt 5 - 1)", "1", 0,
            [=] { return Pair(4, static_cast<double>(outcome_of(one(doubling + 0.02, -0.1), {}).period)); });
  table.add("cycle-1", "eps = 0: z -> 0 below mu = 2", "1", 0,
            [=] { return Pair(1, static_cast<double>(outcome_of(one(1.98, -0.1), {}).period)); });
  table.add("fixed-point-exponent", "eps = 0, mu < 2: Lyapunov exponent log|1 - mu|", "1", 1e-2,
            [=] { return Pair(std::log(0.98), outcome_of(one(1.98, -1e-3), {}).lyapunov_exponent); });
}

/// One parameter, m = .12: where the central flow rests, and gradient descent's 2-cycle.
void add_central_flow(ClosedFormList& table) {
  constexpr double m = 0.12;
  const char* section = "docs/theory/curvature-dynamics.md, section 8";
  const auto rest = [](const std::function<double(ingredients::CentralFlow&)>& read) {
    // omega = 1: z = J^2/2 - (1 + m/2); from J^2 = 1.9.
    const double u = 1.9, z = u / 2 - 1 - m / 2;
    linear_algebra::Matrix j0(1, 1);
    j0(0, 0) = std::sqrt(u);
    ingredients::QuadraticObjective objective(
        {z}, j0, [](std::span<const double> v, linear_algebra::Matrix& w) { w(0, 0) = v[0]; });
    ingredients::CentralFlow flow(objective, std::array{0.0}, 1);
    for (int k = 0; k < 60; ++k) flow.step();
    return read(flow);
  };
  table.add("central-flow-oscillation", "x^2 = 2 m/9 of the central flow, one parameter", section, 1e-8,
            [=] { return Pair(2 * m / 9, rest([](const auto& flow) { return flow.mean_square(); })); });
  table.add("central-flow-mean", "J^2 = 2 + m/3 there", section, 1e-9, [=] {
    return Pair(2 + m / 3, rest([](const auto& flow) { return std::pow(std::sqrt(1.9) + flow.mean()[0], 2); }));
  });
  table.add("central-flow-beyond-cubic", "q = m/18 there: what the fourth order adds to the curvature", section, 1e-8,
            [=] { return Pair(m / 18, rest([](auto& flow) { return flow.beyond_cubic(); })); });
  // J' = J (1 - z) on J and K, J != K: J^2 + JK + K^2 = 2 (2 + c) by the difference, J^2 - JK + K^2 = 2c by the sum, c = 1 + m/2.
  table.add("descent-oscillation", "x^2 = m/4 of descent's 2-cycle: JK = 2, (J - K)^2 = m", section, 1e-10, [=] {
    const auto problem = problem_of({1}, 0.95 - 1 - m / 2, {std::sqrt(1.9)});
    std::vector<double> x = problem.start(), next = x;
    for (int k = 0; k < 4001; ++k) regression_map(problem).step(x, next), std::swap(x, next);
    return Pair(m / 4, std::pow((x[1] - next[1]) / 2, 2));
  });
}

}  // namespace

std::vector<ClosedForm> quadratic_map_closed_forms() {
  ClosedFormList table("quadratic-map/", "quadratic-regression");
  add_central_flow(table);
  add_trajectories(table);
  add_limits(table);
  add_sam(table);
  add_flow(table);
  add_cycles(table);
  return table.take();
}

}  // namespace edgewise::models::quadratic_map
