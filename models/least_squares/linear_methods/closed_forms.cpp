// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <cmath>
#include <string>

#include "models/least_squares/closed_forms.hpp"
#include "models/least_squares/linear_methods/closed_form_problems.hpp"
#include "models/least_squares/linear_methods/isotropic.hpp"
#include "models/least_squares/linear_methods/stability.hpp"

namespace edgewise::models::least_squares {

namespace linear_forms {

namespace {

struct Reference {
  const char* name;
  const char* method;
  const char* optimizer;
  double P1, P8, P24, worker, steady, perron;
};

constexpr Reference references[] = {
    {"la", "lookahead", "learning_rate = 0.15\ninner_steps = 8\nouter_learning_rate = 0.7", .6399826716, .1075997570,
     .0456553998, .0494283228, .0088763407, .1710891719},
    {"la-hi", "lookahead", "learning_rate = 0.05\ninner_steps = 8\nouter_learning_rate = 1.4", .7212546133, .1365747692,
     .0560958355, .0555922073, .0058272131, .1000266174},
    {"diloco", "la-diloco", "learning_rate = 0.15\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.9",
     .4493040978, .0734844808, .0293200956, .0368427425, .0027505470, .0926514574},
    {"diloco-hi", "la-diloco", "learning_rate = 0.06\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 1.6",
     .5095698686, .0939754259, .0373547611, .0391279640, .0019385275, .0437753052},
    {"sla-hb", "sla",
     "learning_rate = 0.08\ninner_steps = 8\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = 0.7\n"
     "outer_momentum_kind = 'heavy-ball'",
     1.1814212213, .1904653010, .0467542388, .0470404017, .0027457141, .0538711761},
    {"sla-nes", "sla",
     "learning_rate = 0.08\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.3\nouter_momentum = 0.7\n"
     "outer_momentum_kind = 'nesterov'",
     .9921654411, .1351816715, .0432893889, .0466751124, .0013032249, .0401675148},
    {"stack", "sla",
     "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = "
     "0.6\nouter_momentum_kind = 'nesterov'\nmomentum = 0.8\nmomentum_kind = 'nesterov'",
     .9047303867, .1235702266, .0453437866, .0472656266, .0013021906, .0301972719},
    {"stack-p", "sla",
     "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = "
     "0.6\nouter_momentum_kind = 'nesterov'\nmomentum = 0.8\nmomentum_kind = 'nesterov'\npersistent = true",
     .9047303867, .0924792917, .0330134820, .0348864311, .0017871121, .0434192571},
    {"stack-hb", "sla",
     "learning_rate = 0.03\ninner_steps = 8\nworkers = 2\nbatch = 2\nouter_learning_rate = 0.3\nouter_momentum = "
     "0.6\nouter_momentum_kind = 'heavy-ball'\nmomentum = 0.8\nmomentum_kind = 'heavy-ball'\npersistent = true",
     1.1239729100, .1214734562, .0334861762, .0351879621, .0018879993, .0433577651}};

/// Of problem R.
LinearProblem of(const Reference& r) {
  return problem_of(problem_R(), r.method, r.optimizer);
}
double on_R(const std::string& method, const std::string& optimizer, std::uint64_t step) {
  return observed(problem_of(problem_R(), method, optimizer), step);
}

void add_references(ClosedFormList& table) {
  const std::string source = two_phase("10");
  for (const Reference& r : references) {
    const auto entry = [&](const char* what, double value, auto evaluate) {
      table.printed(fmt::format("{}-{}", r.name, what), "reference value, problem R", source, value, 10,
                    [r, evaluate] { return evaluate(of(r)); });
    };
    entry("P1", r.P1, [](const LinearProblem& p) { return observed(p, 8); });
    entry("P8", r.P8, [](const LinearProblem& p) { return observed(p, 64); });
    entry("P24", r.P24, [](const LinearProblem& p) { return observed(p, 192); });
    entry("worker-risk", r.worker, [](const LinearProblem& p) { return observed(p, 192, 3); });
    entry("steady", r.steady, [](const LinearProblem& p) { return steady(p); });
    entry("perron", r.perron, [](const LinearProblem& p) { return perron(p); });
    // 10. Long runs, on a spectrum short enough to get there.
    table.add(fmt::format("{}-long-run", r.name), "P_k -> P_inf = [(1 - G)^{-1} sigma^2]_0 - sigma^2",
              two_phase("9.10"), 1e-9, [r] {
                const auto p = problem_of(power_law(12, 0.7, 0.4, 0.05), r.method, r.optimizer);
                return Pair(steady(p), observed(p, 16000));
              });
    // 11. Linear in (start, sigma^2).
    table.add(fmt::format("{}-linearity", r.name), "P(b_0, sigma^2) = P(b_0, 0) + P(0, sigma^2)", two_phase("9.11"),
              1e-13, [r] {
                const auto p = of(r);
                LinearRecursion start(p, {true, true, false}), labels(p, {false, true, true});
                start.advance(80);
                labels.advance(80);
                return Pair(observed(p, 80), start.excess_mse() + labels.excess_mse());
              });
    // 15. Scale symmetry.
    table.add(fmt::format("{}-scale", r.name), "(l, eta, sigma^2) -> (c l, eta/c, c sigma^2): P -> c P",
              two_phase("9.15"), 1e-13, [r] {
                const double c = 4;
                auto s = problem_R()->spectrum;
                for (double& lambda : s.eigenvalue) lambda *= c;
                auto scaled = problem_of(data_of(s, 0.05 * c), r.method, r.optimizer);
                auto& h = scaled.hyperparameters;
                h.set("learning_rate", h("learning_rate") / c);
                return Pair(c * observed(of(r), 80), observed(scaled, 80));
              });
    // 4. Many workers or a large batch leave the squared mean.
    table.add(fmt::format("{}-large-batch", r.name), "B -> inf: P_k is the squared mean error", two_phase("9.4"), 1e-10,
              [r] {
                auto p = of(r);
                LinearRecursion mean(p, {true, false, false});
                mean.advance(80);
                p.hyperparameters.set("batch", 1e12);
                return Pair(mean.excess_mse(), observed(p, 80));
              });
  }
  table.printed("diloco-worker-average", "reference value, problem R", source, .0295446857, 10,
                [] { return observed(of(references[2]), 192, 4); });
  table.printed("stack-p-worker-average", "reference value, problem R", source, .0332351032, 10,
                [] { return observed(of(references[7]), 192, 4); });
  const auto renewal = [](std::size_t i) { return solvers::Renewal(periodic(of(references[i]))); };
  table.printed("la-amplification", "Lambda = 1 + P_inf/sigma^2", source, 1.1775268138, 10,
                [=] { return renewal(0).steady(0.05).amplification; });
  table.printed("diloco-amplification", "Lambda = 1 + P_inf/sigma^2", source, 1.0550109394, 10,
                [=] { return renewal(2).steady(0.05).amplification; });
  table.printed("la-mode-radius", "largest radius of a mode's own map", source, .9989916596, 10,
                [=] { return renewal(0).largest_radius(); });
  table.printed("stack-p-mode-radius", "largest radius of a mode's own map", source, .9989188698, 10,
                [=] { return renewal(7).largest_radius(); });

  struct Threshold {
    const char* name;
    const char* method;
    const char* optimizer;
    double value;
  };
  for (const Threshold& t :
       {Threshold{"sgd", "sgd", "learning_rate = 0.1", .5040572394},
        Threshold{"la-half", "lookahead", "learning_rate = 0.1\ninner_steps = 8\nouter_learning_rate = 0.5",
                  .6175404229},
        Threshold{"la-beyond", "lookahead", "learning_rate = 0.1\ninner_steps = 8\nouter_learning_rate = 1.5",
                  .3887668580},
        Threshold{"diloco-half", "la-diloco",
                  "learning_rate = 0.1\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 0.5", .7393812458},
        Threshold{"diloco-one", "la-diloco",
                  "learning_rate = 0.1\ninner_steps = 8\nworkers = 4\nouter_learning_rate = 1.0", .6613430305},
        Threshold{"la-long", "lookahead", "learning_rate = 0.1\ninner_steps = 64\nouter_learning_rate = 0.5",
                  .5429954620},
        Threshold{"la-batch", "lookahead", "learning_rate = 0.1\ninner_steps = 8\nbatch = 4\nouter_learning_rate = 0.5",
                  1.3363197476}})
    table.printed(fmt::format("eta-max-{}", t.name), "rho(G(1)) = 1", source, t.value, 10,
                  [t] { return stability_threshold(problem_of(problem_R(), t.method, t.optimizer), "learning_rate"); });

  const char* two = "learning_rate = 0.05\ninner_steps = 16\nworkers = 2\nouter_learning_rate = 0.7";
  table.printed("inner-flow", "a' = -2 eta l a + (eta^2 l/B)(P + sigma^2) inside a round", two_phase("3.2, 10"),
                .1033687654, 10, [two] { return inner_flow(problem_of(problem_R(), "la-diloco", two), 10).back(); });
  table.printed("inner-flow-exact", "exact recursion of the same", source, .1032075224, 10,
                [two] { return on_R("la-diloco", two, 160); });
}

void add_isotropic(ClosedFormList& table) {
  struct Case {
    const char* name;
    double eta, xi, H, M, sigma2, growth, steady, xi_max;
  };
  for (const Case& c : {Case{"a", .012, .8, 40, 3, .3, .5465938034515757, .06814190312796771, 3.0754133199040363},
                        Case{"b", .03, .25, 20, 1, .1, .8833164124332994, .1319328338256131, .5118120231096258}}) {
    const auto form = [c] { return isotropic_round(100, c.eta, 1, c.H, c.xi, c.M, c.sigma2); };
    const auto problem = [c](double sigma2) {
      return problem_of(
          isotropic(100, sigma2), "la-diloco",
          fmt::format("learning_rate = {}\ninner_steps = {}\nworkers = {}\nouter_learning_rate = {}", c.eta, c.H,
                      settings::text_of(settings::Value(c.M)), settings::text_of(settings::Value(c.xi))));
    };
    const std::string source = two_phase("3.1, 10");
    const std::string name = fmt::format("isotropic-{}", c.name);
    table.add(name + "-growth", "Gf = (1 - xi g)^2 + (xi^2/M) n, printed value", source, 1e-13,
              [=] { return Pair(c.growth, form().growth); });
    table.add(name + "-steady", "P_inf, printed value", source, 1e-13, [=] { return Pair(c.steady, form().steady()); });
    table.add(name + "-xi-max", "xi_max = 2g/(g^2 + n/M), printed value", source, 1e-13,
              [=] { return Pair(c.xi_max, form().xi_max); });
    table.add(name + "-solver-growth", "Gf by the general solver", source, 1e-10, [=] {
      return Pair(form().growth, solvers::Renewal(periodic(problem(c.sigma2))).growth().growth_factor);
    });
    table.add(name + "-solver-steady", "P_inf by the general solver", source, 1e-10,
              [=] { return Pair(form().steady(), steady(problem(c.sigma2))); });
    table.add(name + "-solver-xi-max", "xi_max by the general solver", source, 1e-10,
              [=] { return Pair(form().xi_max, stability_threshold(problem(c.sigma2), "outer_learning_rate")); });
    table.add(name + "-solver-round", "P_1 = Gf P_0 + generated", source, 1e-12, [=] {
      const auto r = form();
      return Pair(r.growth * 1 + r.generated, observed(problem(c.sigma2), static_cast<std::uint64_t>(c.H)));
    });
    table.add(name + "-greedy", "greedy outer rate = xi_max/2 at sigma = 0", source, 1e-9,
              [=] { return Pair(form().xi_fastest, greedy_outer_rate(problem(0), 1)); });
  }
  struct Limit {
    const char* name;
    double gamma, tau, xi, M, growth, steady, xi_of, fraction;
  };
  const std::string source = two_phase("3.1, 10");
  for (const Limit& c : {Limit{"a", .5, 1, 1.2, 4, .089906831787, .102433887033, 1.499603531685, 2},
                         Limit{"b", 3, .5, .3, 1, .893127791442, 1.638917595630, .548137238122, 1}}) {
    const auto form = [c] { return isotropic_limit(c.gamma, c.tau, c.xi, c.M, 1); };
    const std::string name = fmt::format("isotropic-limit-{}", c.name);
    table.printed(name + "-growth", "Gf as d -> inf", source, c.growth, 12, [=] { return form().growth; });
    table.printed(name + "-steady", "P_inf/sigma^2 as d -> inf", source, c.steady, 12, [=] { return form().steady(); });
    table.printed(name + "-xi", "xi* or xi_max as d -> inf", source, c.xi_of, 12,
                  [=] { return form().xi_max / c.fraction; });
  }
  table.add("isotropic-collapse", "eta = B/(B+d+1), M = 1: Gf(xi* = 1) = r^H", two_phase("3.1"), 1e-12, [] {
    const double d = 40, B = 2, H = 6, eta = B / (B + d + 1);
    return Pair(std::pow(1 - eta, H), isotropic_round(d, eta, B, H, 1, 1, 0).growth);
  });
}

// The identities between methods (docs/theory/two-phase.md, section 9).
void add_identities(ClosedFormList& table) {
  const auto sgd = [](double eta, double batch, std::uint64_t step) {
    return on_R("sgd", fmt::format("learning_rate = {}\nbatch = {:.1f}", eta, batch), step);
  };
  table.add("lookahead-xi-1", "M = 1, xi = 1, no momentum: SGD after kH steps", two_phase("9.1"), 1e-14, [=] {
    const char* whole = "learning_rate = 0.15\ninner_steps = 8\nouter_learning_rate = 1.0";
    return Pair(sgd(.15, 1, 64), on_R("lookahead", whole, 64));
  });
  table.add("local-sgd-H-1", "H = 1: LA-DiLoCo(M, B, eta, xi) = SGD(xi eta, batch M B)", two_phase("9.2"), 1e-13, [=] {
    const char* local = "learning_rate = 0.15\nbatch = 2\nworkers = 4\ninner_steps = 1\nouter_learning_rate = 0.9";
    return Pair(sgd(.15 * .9, 8, 40), on_R("la-diloco", local, 40));
  });
  for (const std::string kind : {"heavy-ball", "nesterov"}) {
    const std::string short_rounds = "learning_rate = 0.08\ninner_steps = 1\nouter_learning_rate = 0.3\n";
    const std::string buffer = "momentum = 0.7\nmomentum_kind = '" + kind + "'\n";
    const std::string outer = "outer_momentum = 0.7\nouter_momentum_kind = '" + kind + "'\n";
    const auto momentum = [buffer] {
      return on_R("momentum", fmt::format("learning_rate = {}\n{}", .08 * .3, buffer), 40);
    };
    table.add("outer-momentum-H-1-" + kind, "H = 1, outer momentum: SGD with that momentum at lr xi eta",
              two_phase("9.3"), 1e-12, [=] { return Pair(momentum(), on_R("sla", short_rounds + outer, 40)); });
    table.add("inner-momentum-H-1-" + kind, "H = 1, persistent inner momentum: the same", two_phase("9.3"), 1e-12,
              [=] { return Pair(momentum(), on_R("sla", short_rounds + buffer + "persistent = true", 40)); });
  }
  table.add("many-workers", "M -> inf: P_k = sum l (1 - F)^{2k} b_0", two_phase("9.4"), 1e-10, [] {
    const auto data = problem_R();
    double P = 0;
    for (std::size_t a = 0; a < data->spectrum.modes(); ++a) {
      const double l = data->spectrum.eigenvalue[a], F = .9 * (1 - std::pow(1 - .15 * l, 8));
      P += l * std::pow(1 - F, 20) * data->initial_power[a];
    }
    const char* many = "learning_rate = 0.15\ninner_steps = 8\nworkers = 1e12\nouter_learning_rate = 0.9";
    return Pair(P, on_R("la-diloco", many, 80));
  });
  table.add("frozen", "xi = 0: nothing moves", two_phase("9.5"), 1e-14, [] {
    const auto p = problem_of(problem_R(), "la-diloco", "learning_rate = 0.15\nouter_learning_rate = 0.0");
    return Pair(observed(p, 0), observed(p, 80));
  });
  table.add("noise-in-workers", "P_1(M) - P_1(inf) is proportional to 1/M", two_phase("9.7"), 1e-9, [] {
    const auto P = [](double M) {
      auto p = problem_of(problem_R(), "la-diloco", "learning_rate = 0.15\nouter_learning_rate = 0.9");
      p.hyperparameters.set("workers", M);
      return observed(p, 8);
    };
    return Pair(4.0, (P(2) - P(1e14)) / (P(8) - P(1e14)));
  });
  table.add("scalar-form", "b' = (1-F)^2 b + (xi^2/M)(a_H - r^{2H} b)", two_phase("9.13"), 1e-13, [] {
    const auto data = problem_R();
    const double eta = .15, xi = .9, M = 4, B = 1, sigma2 = .05;
    std::vector<double> b = data->initial_power;
    for (int round = 0; round < 12; ++round) {
      std::vector<double> a = b;
      for (int step = 0; step < 8; ++step) {
        double P = 0;
        for (std::size_t i = 0; i < a.size(); ++i) P += data->spectrum.eigenvalue[i] * a[i];
        for (std::size_t i = 0; i < a.size(); ++i) {
          const double l = data->spectrum.eigenvalue[i], r = 1 - eta * l;
          a[i] = (r * r + eta * eta * l * l / B) * a[i] + eta * eta * l / B * (P + sigma2);
        }
      }
      for (std::size_t i = 0; i < b.size(); ++i) {
        const double power = std::pow(1 - eta * data->spectrum.eigenvalue[i], 8), F = xi * (1 - power);
        b[i] = (1 - F) * (1 - F) * b[i] + xi * xi / M * (a[i] - power * power * b[i]);
      }
    }
    double P = 0;
    for (std::size_t i = 0; i < b.size(); ++i) P += data->spectrum.eigenvalue[i] * b[i];
    return Pair(P, observed(of(references[2]), 96));
  });
  table.printed("rademacher", "x = K^(1/2) z with z = +-1 (kurtosis 1), printed value", two_phase("9.16"), .245841, 6,
                [] {
                  auto data = std::make_shared<LeastSquares>(*power_law(12, .5, 0, .1));
                  data->data = {ingredients::InputLaw::rademacher, -2};
                  return observed(problem_of(data, "la-diloco",
                                             "learning_rate = 0.25\ninner_steps = 4\nworkers = 2\n"
                                             "outer_learning_rate = 0.7"),
                                  40);
                });
  const auto ema = [] {
    return problem_of(power_law(60, .7, .4, .1), "ema", "learning_rate = 0.15\naverage_decay = 0.9");
  };
  table.printed("ema-average", "P at the average, printed value", two_phase("9.17"), .07673570, 8,
                [=] { return observed(ema(), 80, 3); });
  table.printed("ema-iterate", "P at the iterate, printed value", two_phase("9.17"), .08366736, 8,
                [=] { return observed(ema(), 80); });
  table.add("custom-momentum", "heavy ball given by its matrices = optimizer momentum", two_phase("2"), 1e-13, [] {
    const auto data = power_law(40, .5, .5, .09);
    const char* matrices = R"(batch = 2
start = [1, 0]
readout = [1, 0]
[[optimizer.phase]]
T0 = [[1, -0.024], [0, 0.8]]
T1 = [[-0.03, 0], [1, 0]]
n = [-0.03, 1]
e = [1, 0]
)";
    return Pair(observed(problem_of(data, "momentum", "learning_rate = 0.03\nbatch = 2\nmomentum = 0.8"), 60),
                observed(problem_of(data, "custom", matrices), 60));
  });
}

}  // namespace

}  // namespace linear_forms

std::vector<ClosedForm> linear_closed_forms() {
  ClosedFormList table("linear/", "two-phase");
  linear_forms::add_references(table);
  linear_forms::add_isotropic(table);
  linear_forms::add_identities(table);
  linear_forms::add_momentum_forms(table);
  return table.take();
}

}  // namespace edgewise::models::least_squares
