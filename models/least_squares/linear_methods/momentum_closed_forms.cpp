// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "models/least_squares/linear_methods/closed_form_problems.hpp"
#include "models/least_squares/linear_methods/stability.hpp"

namespace edgewise::models::least_squares::linear_forms {

namespace {

// Mean maps (docs/theory/two-phase.md, section 4): radius of a mode's period without noise.
void add_mean_maps(ClosedFormList& table) {
  const std::string source = two_phase("4, 10");
  const auto single = [](double lambda) { return isotropic(1, 0, 1, lambda); };
  // p_H is what a round leaves of the error: xi = 1, no noise, one round.
  for (const auto& entry : {std::pair("heavy-ball", -.415880536719), std::pair("nesterov", -.245116722886)})
    table.printed(fmt::format("reset-gain-{}", entry.first), "p_H = T11 s_H - D s_{H-1}, l = .3, printed value", source,
                  entry.second, 12, [single, kind = entry.first] {
                    const auto p =
                        problem_of(single(.3), "sla",
                                   fmt::format("learning_rate = 0.5\ninner_steps = 7\nmomentum = 0.8\nmomentum_kind = "
                                               "'{}'\nouter_learning_rate = 1.0",
                                               kind));
                    return 1 - mode_gain(p, .3);
                  });
  // An inner loop of one step with eta lambda = g is any reset inner loop with that gain.
  for (const auto& entry : {std::pair("heavy-ball", .774596669241), std::pair("nesterov", .718331399843)})
    table.printed(fmt::format("outer-radius-{}", entry.first),
                  "roots of z^2 - (1+bo-xi g(p0+p1)) z + bo(1-xi g p0), printed value", source, entry.second, 12,
                  [single, kind = entry.first] {
                    return solvers::mean_radius(periodic(
                        problem_of(single(1), "sla",
                                   fmt::format("learning_rate = 0.2\ninner_steps = 1\nouter_learning_rate = 0.7\n"
                                               "outer_momentum = 0.6\nouter_momentum_kind = '{}'",
                                               kind))))[0];
                  });
  table.printed(
      "persistent-radius", "trace and determinant of the map of (V, u), printed value", source, .992135989808, 12, [=] {
        return solvers::mean_radius(periodic(problem_of(single(.01), "sla",
                                                        "learning_rate = 0.05\ninner_steps = 8\nmomentum = 0.95\n"
                                                        "momentum_kind = 'nesterov'\npersistent = true\n"
                                                        "outer_learning_rate = 0.1")))[0];
      });
}

void add_momentum(ClosedFormList& table) {
  struct Case {
    const char* name;
    const char* kind;
    std::array<double, 4> P;
    double perron, steady, eta_max;
  };
  const std::string source = spine("5, 13");
  for (const Case& c : {Case{"hb-A",
                             "heavy-ball",
                             {1.55084692112, .488873528793, .104946589143, .0503011527490},
                             .163328915009,
                             .0175691530573,
                             .166890071403},
                        Case{"nag-A",
                             "nesterov",
                             {1.49922893030, .455500000579, .101040084525, .0489141622596},
                             .159086994721,
                             .0170265288264,
                             .190211652202}}) {
    const auto problem = [c] {
      return problem_of(power_law(40, .5, .5, .09), "momentum",
                        fmt::format("learning_rate = 0.03\nbatch = 2\nmomentum = 0.8\nmomentum_kind = '{}'", c.kind));
    };
    constexpr std::array<std::uint64_t, 4> steps{1, 10, 40, 80};
    for (std::size_t i = 0; i < 4; ++i)
      table.add(fmt::format("{}-P{}", c.name, steps[i]), "C' = T C T' + N u u', printed value", source, 2e-11,
                [=] { return Pair(c.P[i], observed(problem(), steps[i])); });
    table.add(fmt::format("{}-kernel-norm", c.name), "kappa, printed value", source, 1e-11,
              [=] { return Pair(c.perron, perron(problem())); });
    table.add(fmt::format("{}-steady", c.name), "sigma^2 kappa/(1 - kappa), printed value", source, 1e-11,
              [=] { return Pair(c.steady, steady(problem())); });
    table.add(fmt::format("{}-eta-max", c.name), "kappa = 1, printed value", source, 1e-11,
              [=] { return Pair(c.eta_max, stability_threshold(problem(), "learning_rate")); });
  }
  table.add("heavy-ball-kernel-norm", "kappa = (eta/(B(1-b))) sum l/(2 - eta l/(1+b) - eta l/(B(1-b)))", spine("5"),
            1e-11, [] {
              const double eta = .03, B = 2, b = .8;
              double kappa = 0;
              for (int j = 1; j <= 40; ++j) {
                const double l = 1.0 / j;
                kappa += l / (2 - eta * l / (1 + b) - eta * l / (B * (1 - b)));
              }
              return Pair(kappa * eta / (B * (1 - b)),
                          perron(problem_of(power_law(40, .5, .5, .09), "momentum",
                                            "learning_rate = 0.03\nbatch = 2\nmomentum = 0.8")));
            });
  const auto ext = [](const std::string& method, const std::string& more) {
    return problem_of(power_law(24, .4, .3, .25), method,
                      "learning_rate = 0.12\nbatch = 2\nweight_decay = 0.05\n" + more);
  };
  const std::string decay_source = spine("6, 13");
  table.add("ext-A-decay", "SGD with weight decay, printed value", decay_source, 1e-11,
            [=] { return Pair(.131441832454, observed(ext("sgd", ""), 100)); });
  table.add("ext-A-tail", "average of v_50..v_100, printed value", decay_source, 1e-11,
            [=] { return Pair(.139650475681, observed(ext("tail-average", "average_from = 50"), 100, 3)); });
  table.add("ext-A-ema", "EMA with decay .9, printed value", decay_source, 1e-11,
            [=] { return Pair(.123900198235, observed(ext("ema", "average_decay = 0.9"), 100, 3)); });
}

}  // namespace

void add_momentum_forms(ClosedFormList& table) {
  add_mean_maps(table);
  add_momentum(table);
}

}  // namespace edgewise::models::least_squares::linear_forms
