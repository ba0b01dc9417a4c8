// The tables of docs/theory/curvature-dynamics.md, section 2.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "models/framework/closed_form_list.hpp"
#include "models/self_stabilization/closed_forms.hpp"
#include "models/self_stabilization/dynamics.hpp"
#include "models/self_stabilization/tuners.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::self_stabilization {

namespace {

using Rule = std::shared_ptr<const ingredients::RateRule>;

/// "constant" is no rule.
Rule rule_of(const std::string& section) {
  return ingredients::read_rate_rule(settings::read_text("[rate]\n" + section, "closed form"), std::nullopt);
}
std::string late(double sigma, int delay, double tau = 0) {
  return fmt::format("kind = 'inverse-sharpness'\nsigma = {}\ndelay = {}\nema = {}", sigma, delay, tau);
}
std::string split(double sigma, double ema = 0) {
  return fmt::format("kind = 'cdat'\nsigma = {}\nema = {}", sigma, ema);
}
std::string polyak(double s) {
  return fmt::format("kind = 'stochastic-polyak'\nc = 1\nmultiplier = {}", s);
}

struct End {
  State state;
  double rate = 0;
  int steps = 0;  ///< taken until it ended or stopped
};
/// After `steps`; `each` sees rate times sharpness of every step before it is taken.
End after(const Landscape& land, const State& start, const std::string& rule, double constant, int steps,
          const std::function<void(double)>& each = {}) {
  const Rule shared = rule_of(rule);
  Orbit orbit(land, start, constant, shared.get());
  int k = 0;
  for (; k < steps && orbit.alive(); ++k) {
    const double sharpness = orbit.state().sharpness;
    orbit.step();
    if (each) each(orbit.rate() * sharpness);
  }
  return {orbit.state(), orbit.rate(), k};
}

Landscape landscape(double alpha, double beta) {
  Landscape land;
  land.sharpening = alpha;
  land.stabilization = beta;
  return land;
}

void add_unchecked(ClosedFormList& table) {
  const Landscape land = landscape(.1, 4);
  const State start{.05, 1, 0};
  struct Row {
    double sigma;
    int t;
    double map, formula;
    int map_decimals;
  };
  for (const Row& r : {Row{1, 10, 1.745561687, 1.744973, 9},
                       {1, 1000, 14.18651919, 14.186443, 8},
                       {1, 20000, 63.25667419, 63.256657, 8},
                       {1.9, 1000, 19.53123768, 19.531118, 8},
                       {1.9, 20000, 87.1880354, 87.188009, 7}}) {
    const std::string name = fmt::format("joint/unchecked-{:g}-{}", r.sigma, r.t);
    table.printed(name + "-map", "lambda at eta = sigma/lambda, alpha = .1, beta = 4, x_0 = .05", "2.1", r.map,
                  r.map_decimals, [=] { return after(land, start, late(r.sigma, 0), 0, r.t).state.sharpness; });
    table.printed(
        name,
        "lambda_0^2 + 2 sigma alpha t - beta x_0^2/(2 - sigma) + (sigma alpha/2) log(1 + 2 sigma alpha t/lambda_0^2)",
        "2.1", r.formula, 6, [=] { return unchecked_sharpness(land, start, r.sigma, r.t); });
  }
  table.add("joint/greedy-x", "sigma = 1: x = 0 after a step", "2.1", 1e-300,
            [=] { return std::pair(0.0, after(land, start, late(1, 0), 0, 1).state.x); });
  table.add("joint/marginal-x", "sigma = 2: |x| is frozen", "2.1", 1e-11,
            [=] { return std::pair(.05, std::abs(after(land, start, late(2, 0), 0, 1000).state.x)); });
  table.add("joint/beyond-x", "sigma = 2.2: x = (1 - sigma)^t x_0", "2.1", 1e-13,
            [=] { return std::pair(.05 * std::pow(-1.2, 15), after(land, start, late(2.2, 0), 0, 15).state.x); });
}

void add_restored(ClosedFormList& table) {
  const Landscape land = landscape(1e-3, 4);
  const State start{std::sqrt(.01 * 2e-3 / 4), 1, 0};
  struct Row {
    int delay;
    double tau, map, formula;
  };
  for (const Row& r : {Row{1, 0, 3.1635599, 3.1622777},
                       {2, 0, 1.7793154, 1.7782794},
                       {4, 0, 1.3344822, 1.3335214},
                       {0, .5, 3.1661126, 3.1622777},
                       {0, .8, 1.3356614, 1.3335214},
                       {0, .9, 1.1383973, 1.1364637}}) {
    const std::string name =
        r.delay > 0 ? fmt::format("joint/delay-{}", r.delay) : fmt::format("joint/ema-{:g}", r.tau);
    const auto end = [=] { return after(land, start, late(2, r.delay, r.tau), 0, 60000); };
    table.printed(name + "-map", "lambda at the end, sigma = 2, alpha = 1e-3, beta = 4, p_0 = .01", "2.2", r.map, 7,
                  [=] { return end().state.sharpness; });
    table.printed(name, "lambda_0 p_0^(-1/(4 m))", "2.2", r.formula, 7,
                  [=] { return restored_sharpness(land, start, r.delay > 0 ? r.delay : r.tau / (1 - r.tau)); });
    table.add(name + "-p", "p = 1 at the end", "2.2", 1e-8, [=] { return std::pair(1.0, end().state.p(land)); });
    table.add(name + "-edge", "eta lambda = 2 at the end", "2.2", 1e-8,
              [=] { return std::pair(2.0, end().rate * end().state.sharpness); });
  }
  table.add("joint/conserved", "p/lambda^(4 m) along the way, m = 1, to O(eps)", "2.2", 4e-3, [=] {
    const State now = after(land, start, late(2, 1), 0, 1000).state;
    return std::pair(.01, now.p(land) / std::pow(now.sharpness, 4));
  });
  table.add("joint/delay-threshold", "eps = 1/2 of a delay of one step", "2.2", 1e-14,
            [] { return std::pair(.5, late_threshold(1, 0)); });
  table.add("joint/crossover", "sigma < 2, late: lambda grows at the rate (2 - sigma)/sigma a step far below lambda_c",
            "2.2", 5e-3, [] {
              // lambda_c = sigma sqrt(alpha/(2 - sigma)) = .63.
              const Landscape slow = landscape(1e-4, 4);
              const auto lambda = [&](int t) {
                return after(slow, {std::sqrt(.99 * .5e-4), .05, 0}, late(1.999, 1), 0, t).state.sharpness;
              };
              return std::pair(.001 / 1.999, std::log(lambda(100) / lambda(50)) / 50);
            });
}

void add_ratios(ClosedFormList& table) {
  const auto held = [](double h, double F) {
    Landscape land;
    land.bulk_curvature = h;
    land.floor = F;
    return land;
  };
  // lambda = 1, so that kappa = h and r = x^2/G2.
  table.add("joint/split-multiplier", "mu = 2 sigma - 3 at kappa = 0", "2.3", 1e-14,
            [] { return std::pair(-.4, split_point(1.3, 0).multiplier); });
  table.add("joint/split-stability", "sigma^2 - sigma (1 + 3 kappa) + 4 kappa = 0 where mu = -1", "2.3", 1e-13, [] {
    const double kappa = .05, b = 1 + 3 * kappa, sigma = (b + std::sqrt(b * b - 16 * kappa)) / 2;
    return std::pair(-1.0, split_point(sigma, kappa).multiplier);
  });
  for (const double sigma : {1.3, 1.7})
    table.add(fmt::format("joint/split-point-{}", sigma), "r* = (sigma - 2 kappa)/(2 - sigma) attracts", "2.3", 1e-9,
              [=] {
                const double x = after(held(.05, 0), {1.1, 1, 1}, split(sigma), 0, 400).state.x;
                return std::pair(split_point(sigma, .05).ratio, x * x);
              });
  table.add("joint/split-period-two", "sigma = 1, kappa = 0: r' = 1/r", "2.3", 1e-12, [=] {
    const double x = after(held(0, 0), {1.7, 1, 1}, split(1), 0, 1).state.x;
    return std::pair(1 / (1.7 * 1.7), x * x);
  });
  table.add_reference("joint/split-growth",
                      "sigma = 2: r grows by 4 (1 - kappa) = 3.8 a step, kappa = .05; measured from step 1000 to 2000",
                      "2.3", 2e-4, [=] {
                        const auto r = [&](int t) {
                          return std::pow(after(held(.05, 0), {1, 1, 1}, split(2), 0, t).state.x, 2);
                        };
                        return std::pair(3.80062, (r(2000) - r(1000)) / 1000);
                      });
  for (const auto& [sigma, value] : {std::pair{1.3, 4.309458}, {1.5, 5.477226}, {1.8, 9.486833}})
    table.printed(fmt::format("joint/snowball-{}", sigma), "lambda_stab, alpha = .01, beta = 4, G2 = .05", "2.3", value,
                  6, [=, s = sigma] { return snowball_sharpness(landscape(.01, 4), .05, s); });
  struct Row {
    double s, ratio, mu;
    int mu_decimals;
  };
  for (const Row& r : {Row{1, 12, -1.76923, 5}, {2.5, 64, -.47692, 5}, {3, 116, .00855, 5}}) {
    table.add_reference(fmt::format("joint/polyak-ratio-{}", r.s), "r* = (s phi - 2)/(2 - s/2), phi = 20", "2.4", 1e-13,
                        [=] { return std::pair(r.ratio, polyak_point(r.s, 20).ratio); });
    table.printed(fmt::format("joint/polyak-multiplier-{}", r.s), "1 + 2 s r* (1/2 - phi)/(r* + 1)^2", "2.4", r.mu,
                  r.mu_decimals, [=] { return polyak_point(r.s, 20).multiplier; });
  }
  const auto polyak_mean = [=](double s, const std::function<double(double)>& of) {
    double sum = 0;
    int k = 0;
    after(held(0, 1), {.3, 2, .1}, polyak(s), 0, 40000, [&](double product) { sum += ++k > 2000 ? of(product) : 0; });
    return sum / 38000;
  };
  table.add_reference("joint/polyak-mean", "mean eta lambda over 38000 steps, s = 1, phi = 20", "2.4", 5e-3,
                      [=] { return std::pair(5.387, polyak_mean(1, [](double y) { return y; })); });
  table.add("joint/polyak-log", "mean log|1 - eta lambda| = 0 of any bounded run", "2.4", 1e-4,
            [=] { return std::pair(0.0, polyak_mean(1, [](double y) { return std::log(std::abs(1 - y)); })); });
  table.add("joint/polyak-edge", "eta lambda = 2 at s = 2.5", "2.4", 1e-6,
            [=] { return std::pair(2.0, polyak_mean(2.5, [](double y) { return y; })); });
}

/// Steps of a rule on 1/2 (a v_1^2 + b v_2^2): the loss, the last rate, v_1^2/v_2^2 of the gradient's components.
struct Plain {
  double a, b, v, w, rate = 0;
  double loss() const { return .5 * (a * v * v + b * w * w); }
  double ratio() const { return std::pow(a * v / (b * w), 2); }
  ingredients::StepObservation see() const {
    const double g = a * v, h = b * w;
    ingredients::StepObservation out;
    out.loss = loss();
    out.squared_gradient = out.descent = g * g + h * h;
    out.curvature_along = a * g * g + b * h * h;
    out.loss_after = [*this, g, h](double eta) { return Plain{a, b, v - eta * g, w - eta * h}.loss(); };
    return out;
  }
  void run(const std::string& text, int steps,
           const std::function<void(const ingredients::StepObservation&, double)>& each = {}) {
    const Rule rule = rule_of(text);
    ingredients::RateRun run(*rule);
    for (int k = 0; k < steps; ++k) {
      const auto now = see();
      rate = run.step(now, 1);
      if (each) each(now, rate);
      v -= rate * a * v;
      w -= rate * b * w;
    }
  }
};

void add_quadratics(ClosedFormList& table) {
  const auto after_steps = [](double sigma, int steps) {
    Plain p{2, .2, .3, 1};
    p.run(split(sigma), steps);
    return p;
  };
  for (const auto& [sigma, value, tolerance] : {std::tuple{1., 1.76452067834e-19, 1e-6},
                                                {1.3, 1.3586693076e-9, 1e-9},
                                                {1.6, 1.72278996839e-9, 1e-10},
                                                {1.9, 3.94894393504e-5, 1e-10},
                                                {2., 1., 1e-12}})
    table.add_reference(
        fmt::format("joint/quadratic-{}", sigma), "L_50/L_0 of eta = sigma g.g/g.Hg on diag(2, .2) from (.3, 1)", "2.5",
        tolerance,
        [=, s = sigma, v = value] { return std::pair(v, after_steps(s, 50).loss() / after_steps(s, 0).loss()); });
  table.add("joint/quadratic-fall", "L' - L = -sigma (1 - sigma/2) (g.g)^2/g.Hg", "2.5", 1e-13, [=] {
    const Plain p = after_steps(1.3, 4);
    const auto now = p.see();
    return std::pair(-1.3 * .35 * now.descent * now.descent / now.curvature_along,
                     after_steps(1.3, 5).loss() - p.loss());
  });
  table.add("joint/quadratic-period-two", "sigma = 1: r' = 1/r", "2.5", 1e-12,
            [=] { return std::pair(1 / after_steps(1, 6).ratio(), after_steps(1, 7).ratio()); });
  table.add("joint/quadratic-rate", "2 kappa/(1 + kappa) < sigma < 2/(1 + kappa): eta = 2/(lambda + h)", "2.5", 1e-12,
            [=] { return std::pair(2 / 2.2, after_steps(1.3, 200).rate); });
  table.add("joint/quadratic-ratio", "r* = (sigma (1 + kappa) - 2 kappa)/(2 - sigma (1 + kappa))", "2.5", 1e-11,
            [=] { return std::pair((1.3 * 1.1 - .2) / (2 - 1.3 * 1.1), after_steps(1.3, 200).ratio()); });
  table.add("joint/quadratic-contraction", "of v by (1 - kappa)/(1 + kappa) a step", "2.5", 1e-12,
            [=] { return std::pair(-.9 / 1.1, after_steps(1.3, 201).v / after_steps(1.3, 200).v); });
  table.add("joint/quadratic-multiplier",
            "1 - 2 (sigma (1 + kappa) - 2 kappa)(2 - sigma (1 + kappa))/(sigma (1 - kappa)^2)", "2.5", 1e-5, [=] {
              const double r = (1.6 * 1.1 - .2) / (2 - 1.6 * 1.1),
                           mu = 1 - 2 * (1.6 * 1.1 - .2) * (2 - 1.6 * 1.1) / (1.6 * .81);
              Plain p{2, .2, std::sqrt(r * (1 + 1e-6)) / 2, 1 / .2};
              p.run(split(1.6), 1);
              return std::pair(mu, (p.ratio() / r - 1) / 1e-6);
            });
  table.add("joint/quadratic-slow-rate", "2/(1 + kappa) < sigma <= 2: eta = sigma/lambda", "2.5", 1e-9,
            [=] { return std::pair(1.9 / 2, after_steps(1.9, 400).rate); });
  table.add("joint/quadratic-slow-contraction", "of v by sigma - 1 a step", "2.5", 1e-9,
            [=] { return std::pair(-.9, after_steps(1.9, 401).v / after_steps(1.9, 400).v); });
  table.add(
      "joint/armijo-band",
      "eta g.Hg/g.g in (2 (1 - c) shrink, 2 (1 - c)] wherever a trial is shrunk: steps outside, c = .25, shrink = .8",
      "2.5", 1e-300, [] {
        Plain p{2, .2, .3, 1};
        double last = 0, outside = 0;
        p.run("kind = 'armijo'\nc = 0.25\nshrink = 0.8\ngrow = 1.5\neta_init = 0.5\neta_max = 1000", 40,
              [&](const auto& now, double eta) {
                const double band = eta * now.curvature_along / now.descent, first = last > 0 ? 1.5 * last : .5;
                if (eta < first && !(band > 1.2 - 1e-12 && band <= 1.5 + 1e-12)) ++outside;
                last = eta;
              });
        return std::pair(0.0, outside);
      });
}

void add_trajectories(ClosedFormList& table) {
  struct Row {
    const char* name;
    std::string rule;
    double constant, G2, h, F;
    std::vector<double> at;  // x, lambda, eta of the step before, at k = 1, 5, 100
  };
  const std::vector<Row> rows = {
      {"const",
       "kind = 'constant'",
       .98,
       0,
       0,
       0,
       {-.144, 1.9984075, .98, -.12085128226, 1.9961501893, .98, .051697093648, 2.030930523, .98}},
      {"delay-1-0",
       late(1, 0),
       0,
       0,
       0,
       0,
       {0, 1.9991875, .5, 0, 2.0071787726, .49870736468, 0, 2.1884041109, .45733629404}},
      {"delay-2-1",
       late(2, 1),
       0,
       0,
       0,
       0,
       {-.15, 1.998375, 1, -.14903380007, 1.9919765146, 1.0024349346, .13505858595, 1.8972103443, 1.0535138171}},
      {"delay-1.9-1",
       late(1.9, 1),
       0,
       0,
       0,
       0,
       {-.135, 1.99845625, .95, -.088499275312, 2.0007165535, .95083986212, 5.4621413345e-6, 2.3259729804,
        .81917209166}},
      {"ema-2-.8",
       late(2, 0, .8),
       0,
       0,
       0,
       0,
       {-.15, 1.998375, 1, -.14841492875, 1.9920022119, 1.0013265716, .12680093233, 1.9583828182, 1.0211843639}},
      {"split-1",
       split(1),
       0,
       .05,
       .2,
       0,
       {-.071052631579, 1.9988026316, .73684210526, -.088699642914, 2.0059693271, .88177459868, .093553526306,
        2.1581331793, .92712825372}},
      {"split-1.5",
       split(1.5),
       0,
       .05,
       .2,
       0,
       {-.18157894737, 1.9982039474, 1.1052631579, -.18146884746, 1.9813817131, 1.0082243712, .34788663, .88688579603,
        2.1710229362}},
      {"split-2",
       split(2),
       0,
       .05,
       .2,
       0,
       {-.29210526316, 1.9976052632, 1.4736842105, -.53559994146, 1.8383792114, 1.1084072656}},
      {"split-2-.9",
       split(2, .9),
       0,
       .05,
       .2,
       0,
       {-.29210526316, 1.9976052632, 1.4736842105, -.87993541109, 1.546722585, 1.1560116222}},
      {"polyak-1",
       polyak(1),
       0,
       .05,
       0,
       .05,
       {-.0053571428571, 1.9991584821, .51785714286, -.0053932108635, 2.0151024523, .99826276416, .045447063673,
        2.3444547297, .85553297458}},
      {"polyak-2.5",
       polyak(2.5),
       0,
       .05,
       0,
       .05,
       {-.23839285714, 1.9978962054, 1.2946428571, -.22418439214, 1.9624144102, 1.0153342739, .16425160158,
        .93137519343, 2.1166431345}}};
  constexpr int steps[] = {1, 5, 100};
  constexpr const char* names[] = {"x", "lambda", "eta"};
  const auto run = [](const Row& r, int k) {
    Landscape land = landscape(.004, .5);
    land.bulk_curvature = r.h;
    land.floor = r.F;
    return after(land, {.15, 2, r.G2}, r.rule, r.constant, k);
  };
  for (const Row& r : rows)
    for (std::size_t i = 0; i < r.at.size(); ++i)
      table.add_reference(fmt::format("joint/{}-{}-{}", r.name, steps[i / 3], names[i % 3]),
                          "x_0 = .15, lambda_0 = 2, alpha = .004, beta = .5", "2.6", 1e-9, [=] {
                            const End end = run(r, steps[i / 3]);
                            const double values[] = {end.state.x, end.state.sharpness, end.rate};
                            return std::pair(r.at[i], values[i % 3]);
                          });
  for (const auto& [row, step] : {std::pair{7, 13}, {8, 47}})
    table.add_reference(fmt::format("joint/{}-stops", rows[static_cast<std::size_t>(row)].name),
                        "step at which lambda <= 0", "2.6", 1e-300,
                        [=, r = rows[static_cast<std::size_t>(row)], k = step] {
                          return std::pair(double(k), double(run(r, 1000).steps));
                        });
}

}  // namespace

std::vector<ClosedForm> tuner_closed_forms() {
  ClosedFormList table("self-stabilisation/", "curvature-dynamics");
  add_unchecked(table);
  add_restored(table);
  add_ratios(table);
  add_quadratics(table);
  add_trajectories(table);
  return table.take();
}

}  // namespace edgewise::models::self_stabilization
