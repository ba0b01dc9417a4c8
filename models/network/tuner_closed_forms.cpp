// The tables of docs/theory/curvature-dynamics.md, sections 3.2 and 3.3: tuners, by the rate rules that networks take.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/framework/closed_form_list.hpp"
#include "models/ingredients/quadratic_objective.hpp"
#include "models/ingredients/rate_rules.hpp"
#include "models/network/closed_forms.hpp"
#include "models/network/reference_problems.hpp"
#include "models/network/updates.hpp"
#include "settings/settings.hpp"

namespace edgewise::models::network {

namespace {

using ingredients::CurvaturePart;
using ingredients::QuadraticObjective;

/// A run under a rule, or at a constant rate.
class TunedRun {
 public:
  TunedRun(QuadraticObjective& objective, std::vector<double> theta, const std::string& rule, double constant)
      : objective_(objective), theta_(std::move(theta)), constant_(constant), updates_({}, theta_.size(), 1, 0) {
    if (rule.empty()) return;
    rule_ = ingredients::read_rate_rule(settings::read_text("[rate]\n" + rule, "closed form"), std::nullopt);
    run_.emplace(*rule_);
  }

  struct Point {
    double loss, rate, sharpness;  // at theta_k, and of the step from there
  };
  const std::vector<double>& theta() const { return theta_; }
  /// The next step.
  Point step() {
    const double loss = objective_.move_to(theta_);
    const std::vector<double>& g = updates_.direction(objective_, theta_, step_++);
    const double sharpness = largest_curvature(objective_, CurvaturePart::hessian).value;
    const double rate = run_ ? run_->step(observe_step(objective_, theta_, loss, g, rule_->needs()), 1) : constant_;
    move(g, rate, theta_);
    return {loss, rate, sharpness};
  }

 private:
  QuadraticObjective& objective_;
  std::vector<double> theta_;
  double constant_;
  Updates updates_;
  std::shared_ptr<const ingredients::RateRule> rule_;
  std::optional<ingredients::RateRun> run_;
  std::uint64_t step_ = 0;
};

struct Row {
  const char* name;
  std::string rule;
  double constant;
  std::array<double, 9> at;  // L_k, eta_k, lambda_k at three steps
};

void add_rows(ClosedFormList& table, const char* name, const char* words, const char* section,
              const std::array<int, 3>& steps, const std::vector<Row>& rows, QuadraticInstance (*instance)(),
              const std::vector<double>& start) {
  for (const Row& row : rows) {
    const auto points = [=] {
      QuadraticObjective objective(instance());
      TunedRun run(objective, start, row.rule, row.constant);
      std::vector<double> out;
      for (int k = 0; k <= steps[2]; ++k) {
        const TunedRun::Point p = run.step();
        if (k == steps[0] || k == steps[1] || k == steps[2]) out.insert(out.end(), {p.loss, p.rate, p.sharpness});
      }
      return out;
    };
    for (std::size_t k = 0; k < 9; ++k) {
      static constexpr std::array<const char*, 3> what{"L", "eta", "lambda"};
      table.add_reference(fmt::format("{}/{}-{}-{}", name, row.name, steps[k / 3], what[k % 3]),
                          fmt::format("{} at step {} of {}", what[k % 3], steps[k / 3], words), section, 1e-9, [=] {
                            return std::pair{row.at[k], points()[k]};
                          });
    }
  }
}

std::string armijo_rule(const char* c, const char* first) {
  return fmt::format("kind = 'armijo'\nc = {}\nshrink = 0.8\ngrow = 1.5\neta_init = {}\neta_max = 1000", c, first);
}

std::string cdat_rule(const char* sigma, const char* ema = "0") {
  return fmt::format("kind = 'cdat'\nsigma = {}\nema = {}", sigma, ema);
}

const char* const polyak_rule = "kind = 'stochastic-polyak'\nc = 1\neta_max = 1";

const std::vector<Row>& toy_rows() {
  static const std::vector<Row> rows{
      {"const .8", "", .8, {.5022258592, .8, 1.87188179, .4906621656, .8, 2.062726651, .4431242709, .8, 3.510383619}},
      {"const .4", "", .4, {.5009402632, .4, 2.087089565, .496107512, .4, 2.045035548, .4734183467, .4, 2.314444494}},
      {"greedy",
       cdat_rule("1"),
       0,
       {.5007967851, 134.8184561, 2.049820619, .3358044556, .3723376944, 8.5913258, .3242281549, .2934847819,
        10.00117388}},
      {"cdat 1.5",
       cdat_rule("1.5"),
       0,
       {.501448897, 1.048236936, 1.92369019, .489620029, .8530089799, 2.222517693, .4435826284, .5488252592,
        3.562647976}},
      {"cdat 1.9",
       cdat_rule("1.9"),
       0,
       {.5031913853, 1.16058204, 1.824704479, .4952958199, .8128377215, 2.439456861, .4500695131, .5710499895,
        3.472857181}},
      {"cdat 2",
       cdat_rule("2"),
       0,
       {.5037893345, 1.215502054, 1.800224558, .5095039464, .7513567297, 2.701990414, .4948557153, .6209558522,
        3.257828545}},
      {"cdat 2 ema .9",
       cdat_rule("2", "0.9"),
       0,
       {.5037893345, .9556393709, 1.800224558, .4921405861, 1.010565991, 2.338864947, .4784349161, .8581776789,
        2.991152531}},
      {"cdat 2.05",
       cdat_rule("2.05"),
       0,
       {.5041120686, 1.244986748, 1.788024577, .5314369692, .6976572948, 2.961587924, .5960006967, .5552098214,
        3.705492}},
      {"armijo 1e-4",
       armijo_rule("1e-4", "0.5"),
       0,
       {.5007822813, .75, 2.032558456, .4883147206, 1.014454095, 2.311363364, .4434389236, .6048278581, 3.595417817}},
      {"armijo .5",
       armijo_rule("0.5", "0.5"),
       0,
       {.5009402632, .6, 2.087089565, .4856825148, .8115632764, 2.015587519, .4389875715, .3870898292, 3.704238352}},
      {"polyak",
       polyak_rule,
       0,
       {.504701125, 1, 1.767194892, .4946064347, 1, 2.416328124, .4860998639, 1, 2.907556206}}};
  return rows;
}

const std::vector<Row>& quadratic_rows() {
  static const std::vector<Row> rows{
      {"const .25",
       "",
       .25,
       {3.08628075204, .25, 2.73795219953, .979830425728, .25, 3.92934936745, .0220214991807, .25, 5.72566253424}},
      {"greedy",
       cdat_rule("1"),
       0,
       {1.98103472569, .75611512001, 3.62424365271, .257795260545, .409599823309, 4.99209806345, .00223124679176,
        .271463107399, 6.06480359155}},
      {"cdat 2",
       cdat_rule("2"),
       0,
       {9.21807647624, .465985050322, 6.40380176772, 2.12116808781, .519347341176, 5.15863540046, 1.57842819353,
        .389450748751, 5.43329549803}},
      {"cdat 2 ema .9",
       cdat_rule("2", "0.9"),
       0,
       {9.21807647624, .78471753354, 6.40380176772, 1.41395956365, .515295194887, 3.92972912791, .108546813949,
        .43909824476, 4.68167591304}},
      {"armijo",
       armijo_rule("1e-4", "0.25"),
       0,
       {3.08628075204, .375, 2.73795219953, .318065640185, .3981312, 5.72676300386, .00425725036226, .337221095184,
        6.0135970938}},
      {"polyak",
       polyak_rule,
       0,
       {2.13525131029, .981242750682, 3.09057110017, .243682561416, .282497129136, 5.13537562843, .000257352773905,
        .21753394246, 6.12652948072}}};
  return rows;
}

/// The toy after `steps` steps.
TunedRun::Point toy_at(const Row& row, int steps) {
  QuadraticObjective toy(sharpening_toy());
  TunedRun run(toy, {1.1, 0, 0}, row.rule, row.constant);
  for (int k = 0; k < steps; ++k) run.step();
  return run.step();
}

const Row& toy_row(const std::string& name) {
  for (const Row& row : toy_rows())
    if (row.name == name) return row;
  throw std::logic_error("no row " + name);
}

/// lambda at step k of the toy's edge law, dm1/dk = dm2/dk = 2 h (y2 - h (m1 + m2))/lambda, from CDAT's state (sigma =
/// 1.5) at step 300; lambda = (1 + m1)^2 + 1/(1 + m1)^2. Runge-Kutta, a step at a time.
double edge_law(int step) {
  QuadraticObjective toy(sharpening_toy());
  TunedRun run(toy, {1.1, 0, 0}, cdat_rule("1.5"), 0);
  for (int k = 0; k < 300; ++k) run.step();
  constexpr double h = 0.03;
  double m1 = run.theta()[1];
  const double apart = run.theta()[2] - m1;
  const auto lambda = [](double m) { return (1 + m) * (1 + m) + 1 / ((1 + m) * (1 + m)); };
  const auto slope = [&](double m) { return 2 * h * (1 - h * (2 * m + apart)) / lambda(m); };
  for (int k = 300; k < step; ++k) {
    const double a = slope(m1), b = slope(m1 + a / 2), c = slope(m1 + b / 2), d = slope(m1 + c);
    m1 += (a + 2 * b + 2 * c + d) / 6;
  }
  return lambda(m1);
}

void add_long_runs(ClosedFormList& table) {
  struct Long {
    const char* name;
    int steps;
    double loss;
    int loss_decimals;
    double sharpness;
    int sharpness_decimals;
  };
  for (const Long& l : {Long{"const .8", 1000, .139, 3, 2.82, 2},
                        {"const .8", 10000, 1.43e-5, 7, 2.51, 2},
                        {"greedy", 1000, .224, 3, 29.2, 1},
                        {"greedy", 10000, .0802, 4, 97.7, 1},
                        {"cdat 1.5", 1000, .269, 3, 27.0, 1},
                        {"cdat 1.5", 10000, .0971, 4, 101.6, 1},
                        {"cdat 1.9", 1000, .266, 3, 26.5, 1},
                        {"cdat 1.9", 10000, .0947, 4, 100.6, 1},
                        {"cdat 2", 1000, .147, 3, 3.22, 2},
                        {"cdat 2", 10000, 1.48e-4, 6, 2.21, 2},
                        {"cdat 2 ema .9", 1000, .142, 3, 3.34, 2},
                        {"cdat 2 ema .9", 10000, 1.16e-4, 6, 2.94, 2},
                        {"cdat 2.05", 1000, .186, 3, 3.46, 2},
                        {"cdat 2.05", 10000, .106, 3, 3.38, 2},
                        {"armijo 1e-4", 1000, .268, 3, 26.9, 1},
                        {"armijo 1e-4", 10000, .0959, 4, 101.5, 1},
                        {"armijo .5", 1000, .267, 3, 27.8, 1},
                        {"armijo .5", 10000, .0950, 4, 103.5, 1},
                        {"polyak", 1000, .102, 3, 2.67, 2}}) {
    const std::string name = fmt::format("toy/{}-{}", l.name, l.steps), words = fmt::format("after {} steps", l.steps);
    table.printed(name + "-L", "L of the toy " + words, "3.2", l.loss, l.loss_decimals,
                  [l] { return toy_at(toy_row(l.name), l.steps).loss; });
    table.printed(name + "-lambda", "lambda of the toy " + words, "3.2", l.sharpness, l.sharpness_decimals,
                  [l] { return toy_at(toy_row(l.name), l.steps).sharpness; });
  }
  for (const auto& [step, value] : {std::pair{1000, 27.0946}, {3000, 52.4544}, {10000, 101.6864}})
    table.printed(fmt::format("toy/edge-law-{}", step), "lambda of the toy's edge law from CDAT's state at step 300",
                  "3.2", value, 4, [step = step] { return edge_law(step); });
  for (const char* name : {"greedy", "cdat 1.5", "cdat 1.9", "armijo 1e-4", "armijo .5"})
    table.add(fmt::format("toy/{}-follows", name),
              "lambda after 10000 steps of every tuner below the edge: the edge law's", "3.2", 0.05, [name] {
                return std::pair{edge_law(10000), toy_at(toy_row(name), 10000).sharpness};
              });
}

/// Mean loss of a constant rate at its edge over steps 901 to 1100, where lambda is 2/eta to 1%: z2 from its state at step
/// 200 by z2' = -eta h^2 z2, and what the oscillation along the sharp direction adds.
void add_edge_loss(ClosedFormList& table) {
  table.add("toy/edge-loss",
            "L = z2^2/2 + h |z2| sqrt(lambda)/(2 kappa) on average at the edge of eta = .8 (heuristic)", "3.2", 0.03,
            [] {
              constexpr double eta = 0.8, h = 0.03;
              constexpr int first = 200, begin = 900, end = 1100;
              QuadraticObjective toy(sharpening_toy());
              TunedRun run(toy, {1.1, 0, 0}, "", eta);
              double z2 = 0, predicted = 0, met = 0;
              for (int k = 0; k < end; ++k) {
                if (k == first) z2 = h * (run.theta()[1] + run.theta()[2]) - 1;
                const double loss = run.step().loss;
                if (k < begin) continue;
                const double now = z2 * std::exp(-eta * h * h * (k - first));
                predicted += (now * now / 2 + h * std::abs(now) * std::sqrt(2 / eta) / 2) / (end - begin);
                met += loss / (end - begin);
              }
              return std::pair{predicted, met};
            });
}

/// Polyak's rate is chaotic on the toy past some thousand steps: means over starts, against those of 400 starts written in
/// another language, within five standard errors.
void add_polyak(ClosedFormList& table) {
  struct Means {
    double product = 0, logarithm = 0, sharpness = 0, log_loss = 0;
  };
  const auto means = [] {
    constexpr int starts = 8, steps = 10000;
    Means out;
    for (int start = 0; start < starts; ++start) {
      QuadraticObjective toy(sharpening_toy());
      TunedRun run(toy, {1.1 + .001 * start / starts, 0, 0}, polyak_rule, 0);
      for (int k = 0; k < steps; ++k) {
        const TunedRun::Point p = run.step();
        if (k < steps / 2) continue;
        out.product += p.rate * p.sharpness / (steps / 2) / starts;
        out.logarithm += std::log(std::abs(1 - p.rate * p.sharpness)) / (steps / 2) / starts;
      }
      const TunedRun::Point end = run.step();
      out.sharpness += end.sharpness / starts;
      out.log_loss += std::log(end.loss) / starts;
    }
    return out;
  };
  const char* late = "of Polyak's rate on the toy, steps 5001 to 10000, mean over starts";
  table.add_reference("toy/polyak-edge", fmt::format("mean of eta lambda {}", late), "3.2", .0235, [means] {
    return std::pair{4.7682, means().product};
  });
  table.add("toy/polyak-balance", fmt::format("<log|1 - eta lambda|> = 0 {}", late), "2.4", .0015, [means] {
    return std::pair{0.0, means().logarithm};
  });
  const char* end = "after 10000 steps of Polyak's rate on the toy, mean over starts";
  table.add_reference("toy/polyak-10000-lambda", fmt::format("lambda {}", end), "3.2", .019, [means] {
    return std::pair{16.089, means().sharpness};
  });
  table.add_reference("toy/polyak-10000-L", fmt::format("log L {}", end), "3.2", .075, [means] {
    return std::pair{-13.407, means().log_loss};
  });
}

/// Over the last `tail` of `steps` steps on the toy, eta_k lambda_k.
std::vector<double> toy_products(const std::string& rule, int steps, int tail, double constant = 0) {
  QuadraticObjective toy(sharpening_toy());
  TunedRun run(toy, {1.1, 0, 0}, rule, constant);
  std::vector<double> out;
  for (int k = 0; k < steps; ++k) {
    const TunedRun::Point p = run.step();
    if (k >= steps - tail) out.push_back(p.rate * p.sharpness);
  }
  return out;
}

}  // namespace

std::vector<ClosedForm> tuner_closed_forms() {
  ClosedFormList table("network/", "curvature-dynamics");
  add_rows(table, "toy", "the sharpening toy from (1.1, 0, 0)", "3.2", {1, 10, 50}, toy_rows(), sharpening_toy,
           {1.1, 0, 0});
  add_rows(table, "quadratic", "portable quadratic regression from 0", "3.3", {1, 5, 20}, quadratic_rows(),
           portable_quadratic, std::vector<double>(16));
  // Long runs, to the digits printed. Armijo's rate goes round a cycle: over 200 steps its mean is 2.007 to 2.010, by where
  // they begin.
  struct Average {
    const char* name;
    std::string rule;
    double value;
  };
  for (const Average& a : {Average{"greedy", cdat_rule("1"), 2.0},
                           {"cdat 1.5", cdat_rule("1.5"), 2.0},
                           {"cdat 2", cdat_rule("2"), 2.0},
                           {"cdat 2.05", cdat_rule("2.05"), 2.05},
                           {"armijo 1e-4", armijo_rule("1e-4", "0.5"), 2.009}})
    table.printed(fmt::format("toy/{}-edge", a.name), "mean of eta lambda over the last 2000 of 10000 steps of the toy",
                  "3.2", a.value, 3, [rule = a.rule] {
                    double sum = 0;
                    for (const double x : toy_products(rule, 10000, 2000)) sum += x / 2000;
                    return sum;
                  });
  for (const Average& a : {Average{"const .8", "", 2.0},
                           {"cdat 1.9", cdat_rule("1.9"), 2.0},
                           {"cdat 2 ema .9", cdat_rule("2", "0.9"), 2.0},
                           {"armijo .5", armijo_rule("0.5", "0.5"), 2.074}})
    table.printed(fmt::format("toy/{}-edge", a.name), "mean of eta lambda over steps 9801 to 10000 of the toy", "3.2",
                  a.value, 3, [a] {
                    double sum = 0;
                    for (const double x : toy_products(a.rule, 10001, 200, a.rule.empty() ? .8 : 0)) sum += x / 200;
                    return sum;
                  });
  table.add("toy/growth-exponent", "the edge law before z2 is spent: lambda^(3/2) = 1 + 6 kappa h y2 k, exponent 2/3",
            "3.2", 5e-3, [] {
              // h = 1e-5; steps of 100 by the midpoint.
              const double h = 1e-5;
              const auto slope = [h](double m) {
                return 2 * h * (1 - 2 * h * m) / ((1 + m) * (1 + m) + 1 / ((1 + m) * (1 + m)));
              };
              double m = 0, early = 0;
              for (int k = 0; k < 200000; ++k) {
                if (k == 20000) early = (1 + m) * (1 + m);
                m += 100 * slope(m + 50 * slope(m));
              }
              return std::pair{2.0 / 3, std::log((1 + m) * (1 + m) / early) / std::log(10.0)};
            });
  add_long_runs(table);
  add_edge_loss(table);
  add_polyak(table);
  return table.take();
}

}  // namespace edgewise::models::network
