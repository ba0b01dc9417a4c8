// Which runs the predictions of second-order regression are about, and what they read off them, on records made by
// hand.
#include "models/quadratic_regression/predictions.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "models/ingredients/kernel_stability.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::Prediction;
using models::testing::prepare;

namespace {

std::string experiment(const std::string& optimizer, const std::string& data = "", const std::string& more = "") {
  return "model = 'quadratic-regression'\n[data]\noutputs = 40\nparameters = 80\n" +
         (data.empty() ? std::string("curvature = 4\n") : data) + "[optimizer]\n" + optimizer +
         "\n[time]\nsteps = 100\n" + more;
}

std::vector<std::string> names(const std::string& text) {
  std::vector<std::string> out;
  for (const Prediction& p : prepare(text)->predictions()) out.push_back(p.name);
  return out;
}

Prediction find(const std::string& text, const std::string& name) {
  for (const Prediction& p : prepare(text)->predictions())
    if (p.name == name) return p;
  FAIL("no prediction " << name);
  return {};
}

using Names = std::vector<std::string>;

/// Steps 0, 10, ..., 100, of which the last three are the last quarter.
struct Record {
  models::RecordedReplica run;
  std::vector<std::string> observables;
  Record(std::vector<std::string> the_names, const std::vector<double>& usual) : observables(std::move(the_names)) {
    for (int t = 0; t <= 100; t += 10) run.steps.push_back(t);
    for (const double x : usual) run.rows.emplace_back(11, x);
    run.names = observables;
  }
  Record(const Record&) = delete;
  void set(std::size_t row, std::size_t from, std::vector<double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) run.rows[row][from + i] = values[i];
  }
};

const std::string gd = "kind = 'gd'\nlearning_rate = 0.3", sam = "kind = 'sam'\nlearning_rate = 0.1\nrho = 0.3";

}  // namespace

TEST_CASE("what is predicted when") {
  CHECK(names(experiment(gd)) == Names{"plateau", "plateau_oscillating"});
  CHECK(names(experiment("kind = 'sgd'\nlearning_rate = 0.3\nbatch = 40")) == Names{"plateau", "plateau_oscillating"});
  const std::string batch = "kind = 'sgd'\nlearning_rate = 0.6\nbatch = ";
  CHECK(names(experiment(batch + "10")) == Names{"norm_plateau", "beyond_edge"});
  CHECK(names(experiment(batch + "11")).empty());
  CHECK(names(experiment(batch + "10", "", "[monte_carlo]\nkernel_norms = 'annealed'\n")).empty());
  CHECK(names(experiment(sam)) == Names{"sam_plateau"});
  CHECK(names(experiment(sam + "\nbatch = 10")).empty());
  CHECK(names(experiment(sam + "\nnormalised = true")).empty());
  CHECK(names(experiment(gd, "curvature = 0\n")).empty());
  CHECK(names(experiment(gd, "", "[schedule]\nkind = 'cosine'\n")).empty());
  CHECK(names(experiment(gd, "", "[theory]\nmethod = 'early-time'\n")).empty());
  CHECK(names(experiment(gd, "", "[monte_carlo]\nantithetic = true\n")).empty());
  for (const Prediction& p : prepare(experiment(gd))->predictions()) {
    CHECK(p.low < p.nominal);
    CHECK(p.nominal < p.high);
    CHECK(p.centre == models::Centre::median);
    CHECK(!p.statement.empty());
  }
  CHECK(find(experiment(gd), "plateau").low == 1.9);
  CHECK(find(experiment(gd, "curvature = 4\nshared_instance = true\n"), "plateau").low == 1.88);
}

TEST_CASE("full batch: runs that crossed 2 before the last quarter, by whether their loss decayed") {
  const Prediction plateau = find(experiment(gd), "plateau"), oscillating = find(experiment(gd), "plateau_oscillating");
  CHECK(plateau.nominal == 2);
  CHECK(plateau.high == Approx(2 * 1.05));
  CHECK(oscillating.nominal == 2);
  CHECK(oscillating.low == Approx(2 * 0.75));
  CHECK(oscillating.high == Approx(2 * 1.25));
  Record r({"loss", "eta_lambda_max"}, {1, 1.5});
  r.set(0, 10, {1e-4});
  r.set(1, 8, {1.8, 1.95, 1.9});
  CHECK(!plateau.statistic(r.run));  // it never crossed
  r.set(1, 9, {2.3});
  CHECK(!plateau.statistic(r.run));  // only where the prediction is read off
  r.set(1, 5, {2.2});
  CHECK(plateau.statistic(r.run) == 1.9);  // of 1.8, 2.3, 1.9
  CHECK(!oscillating.statistic(r.run));
  r.set(0, 10, {2e-3});
  CHECK(!plateau.statistic(r.run));
  CHECK(oscillating.statistic(r.run) == 1.9);
  r.run.diverged = true;
  CHECK(!oscillating.statistic(r.run));
  // A run far from 2 is of the kind all the same: what is claimed of it can be wrong.
  r.run.diverged = false;
  r.set(0, 10, {1e-4});
  r.set(1, 8, {1, 1, 1});
  CHECK(plateau.statistic(r.run) == 1);
}

TEST_CASE("small batches: runs whose exact norm exceeded 1 before the last quarter") {
  const std::string text = experiment("kind = 'sgd'\nlearning_rate = 0.65\nbatch = 4");
  const Prediction norm = find(text, "norm_plateau"), beyond = find(text, "beyond_edge");
  CHECK(beyond.low == 2);
  CHECK(beyond.nominal == 2);
  CHECK(beyond.high == std::numeric_limits<double>::infinity());
  Record r({"loss", "eta_lambda_max", "kernel_norm_exact"}, {1, 3, 0.5});
  CHECK(norm.low == Approx(0.96));  // docs/theory/quadratic-regression.md, section 4: 1.00 +- 0.04
  CHECK(norm.high == Approx(1.04));
  r.set(2, 8, {0.95, 0.99, 1.02});
  CHECK(!norm.statistic(r.run));
  r.set(2, 7, {0.999});
  CHECK(!norm.statistic(r.run));
  r.set(2, 7, {1.001});
  CHECK(norm.statistic(r.run) == 0.99);
  r.set(1, 8, {4.5, 4.4, 1.2});
  CHECK(beyond.statistic(r.run) == 4.4);
  r.run.diverged = true;
  CHECK(!norm.statistic(r.run));
  CHECK(!beyond.statistic(r.run));
}

TEST_CASE("SAM: the last eigenvalue of runs that exceeded lambda_SAM and whose loss decayed") {
  const Prediction p = find(experiment(sam), "sam_plateau");
  CHECK(p.nominal == Approx(6.66666667));  // docs/theory/quadratic-regression.md, section 5
  CHECK(p.low == Approx(0.98 * p.nominal));
  CHECK(p.high == Approx(1.01 * p.nominal));
  Record r({"loss", "ntk_max"}, {1, 5});
  r.set(0, 10, {1e-5});
  r.set(1, 8, {7, 7, 6.6});
  CHECK(!p.statistic(r.run));
  r.set(1, 2, {6.7});
  CHECK(p.statistic(r.run) == 6.6);
  r.set(0, 10, {0.01});
  CHECK(!p.statistic(r.run));
}

TEST_CASE("beside a saddle: the minimum on its side where steps are monotone, read off runs that stand still") {
  // L = (v^2/2 - 1)^2/2, v = theta + start, under a penalty: v' = v - eta v z (1 + rho (g v^2 + n z)), z = v^2/2 - 1.
  const auto at = [](const std::string& part, double rho, double start, double eta) {
    return prepare("model = 'quadratic-regression'\n[data]\nensemble = 'given'\nz0 = [" +
                   settings::text_of(start * start / 2 - 1) + "]\nJ0 = [[" + settings::text_of(start) +
                   "]]\nQ = [[1]]\n[theory]\nmethod = 'none'\n[time]\nsteps = 100\n[optimizer]\nkind = "
                   "'gradient-penalty'\npart = '" +
                   part + "'\nrho = " + settings::text_of(rho) + "\nlearning_rate = " + settings::text_of(eta) + "\n")
        ->predictions();
  };
  struct Case {
    std::string part;
    double rho, g, n;
  };
  for (const Case& c : {Case{"gauss-newton", 1, 1, 0}, Case{"neglected", 0.7, 0, 1}, Case{"full", 0.6, 1, 1}})
    for (const double start : {0.1, -0.1, 3.0}) {
      CAPTURE(c.part);
      CAPTURE(start);
      const double reach = std::max(std::abs(start), std::sqrt(2.0)), h = reach / 200;
      const auto drift = [&](double v) {
        const double z = v * v / 2 - 1;
        return v * z * (1 + c.rho * (c.g * v * v + c.n * z));
      };
      const double steepest = (drift(reach + h) - drift(reach)) / h;
      CHECK(at(c.part, c.rho, start, 1.001 / steepest).at(0).name != "saddle_end");
      const auto claims = at(c.part, c.rho, start, 0.999 / steepest);
      REQUIRE(claims.size() == 1);
      const Prediction& p = claims[0];
      CHECK(p.name == "saddle_end");
      const double end = std::copysign(std::sqrt(2.0), start) - start, spread = 1e-4 * std::max(2.0, end * end);
      CHECK(p.nominal == Approx(end * end).epsilon(1e-12));
      CHECK(p.high - p.nominal == Approx(spread).epsilon(1e-9));
      CHECK(p.nominal - p.low == Approx(spread).epsilon(1e-9));
      CHECK(p.statement.find("leaves the saddle") != std::string::npos);
      Record r({"parameter_power"}, {1});
      r.run.steps[7] = 75;
      r.set(0, 0, {2});
      r.set(0, 6, {3});
      CHECK(p.statistic(r.run) == 1);
      for (const std::size_t row : {7, 9}) {
        r.set(0, row, {1 + 1.05e-2 * spread});
        CHECK(!p.statistic(r.run));
        r.set(0, row, {1 - 0.95e-2 * spread});
        CHECK(p.statistic(r.run) == 1);
      }
      r.run.diverged = true;
      CHECK(!p.statistic(r.run));
    }
}

TEST_CASE("tuned rates: ends of runs, as they are claimed") {
  const auto tuned = [](const std::string& sigma) { return "kind = 'gd'\n[rate]\nkind = 'cdat'\nsigma = " + sigma; };
  const Prediction conserved = find(experiment(tuned("2.0"), "curvature = 0\n"), "conserved_loss"),
                   edge = find(experiment(tuned("2.0")), "on_edge"),
                   below = find(experiment(tuned("1.5")), "below_edge"),
                   memory = find(experiment("momentum = 0.5\n[rate]\nkind = 'cdat'\nsigma = 2.0"), "on_edge"),
                   balanced = find(experiment(tuned("1.5")), "extremes_balanced");
  Record loss({"loss"}, {2});
  loss.set(0, 10, {2.5});
  CHECK(conserved.statistic(loss.run) == 1.25);
  CHECK(conserved.nominal == 1);
  CHECK(conserved.high - 1 == Approx(1e-9).epsilon(1e-6));
  CHECK(1 - conserved.low == Approx(1e-9).epsilon(1e-6));
  loss.set(0, 0, {0});
  CHECK(!conserved.statistic(loss.run));
  Record end({"median_eta_lambda"}, {1.3});
  end.set(0, 10, {1.9});
  for (const Prediction* p : {&edge, &below, &memory}) {
    CHECK(p->statistic(end.run) == 1.9);
    CHECK(p->nominal == 2);
    CHECK(p->observable == "median_eta_lambda");
  }
  CHECK(edge.low == 1.95);
  CHECK(edge.high == 2.15);
  CHECK(memory.low == 1.9);
  CHECK(memory.high == 2.25);
  CHECK(std::isinf(below.low));
  CHECK(below.high == 2);
  // Ends of the spectrum at 1/5 of each other fall alike at 2/(1 + 1/5); where they are closer sigma is more.
  Record spectrum({"loss", "ntk_max", "ntk_min", "mean_rate"}, {3, 2, 1, 7});
  spectrum.set(0, 10, {2.9e-12});
  spectrum.set(1, 10, {5});
  spectrum.set(2, 10, {1});
  spectrum.set(3, 10, {0.4});
  CHECK(*balanced.statistic(spectrum.run) == Approx(0.4 * 5 / (2 / 1.2)));
  spectrum.set(2, 10, {4});
  CHECK(*balanced.statistic(spectrum.run) == Approx(0.4 * 5 / 1.5));
  CHECK(balanced.low == 0.99);
  CHECK(balanced.high == 1.01);
  spectrum.set(0, 10, {3.1e-12});
  CHECK(!balanced.statistic(spectrum.run));
  loss.set(0, 0, {1});
  spectrum.set(0, 10, {0});
  loss.run.diverged = end.run.diverged = spectrum.run.diverged = true;
  CHECK(!conserved.statistic(loss.run));
  CHECK(!edge.statistic(end.run));
  CHECK(!balanced.statistic(spectrum.run));
  // A step for every output: no more outputs than parameters.
  const auto shape = [&](int outputs) {
    return names("model = 'quadratic-regression'\n[data]\nparameters = 8\noutputs = " + std::to_string(outputs) +
                 "\n[optimizer]\n" + tuned("1.5") + "\n[time]\nsteps = 10\n");
  };
  CHECK(shape(8) == Names{"extremes_balanced"});
  CHECK(shape(9).empty());
  // Instances of few modes do not stay on edge with a base that has a memory: medians of 60 runs are 1.83 and 1.61 of momentum .5 and
  // Adam at D = P = 2, 2.02 and 1.93 at 8; those of RMSProp and of plain steps are 2.00 to 2.06.
  const auto on_edge = [](const std::string& base, int outputs, int parameters, const std::string& more = "") {
    return names("model = 'quadratic-regression'\n[data]\noutputs = " + std::to_string(outputs) +
                 "\nparameters = " + std::to_string(parameters) + "\n" + more + "[optimizer]\nkind = " + base +
                 "\n[rate]\nkind = 'cdat'\nsigma = 2.0\n[time]\nsteps = 400\n");
  };
  for (const std::string base : {"'gd'\nmomentum = 0.5", "'adam'"}) {
    CHECK(on_edge(base, 8, 8) == Names{"on_edge"});
    CHECK(on_edge(base, 7, 8).empty());
    CHECK(on_edge(base, 8, 7).empty());
  }
  CHECK(on_edge("'rmsprop'", 2, 2) == Names{"on_edge"});
  CHECK(on_edge("'gd'", 2, 2) == Names{"on_edge"});
  CHECK(on_edge("'gd'\nmomentum = 0.5", 2, 2, "curvature = 0\n") == Names{"conserved_loss", "on_edge"});
}

TEST_CASE("SAM alone has no curve; what has no prediction either still says why") {
  const models::Trajectory t = prepare(experiment(sam))->reference();
  CHECK(t.columns.empty());
  CHECK_THROWS_AS(prepare(experiment(sam))->solve(), settings::Error);
  CHECK_THROWS_AS(prepare(experiment(sam + "\nbatch = 10"))->reference(), settings::Error);
}

TEST_CASE("the memory recursion under small batches is valid until its kernel norm nears the stochastic edge") {
  const auto until = [](const std::string& rate) {
    return prepare(experiment("kind = 'sgd'\nbatch = 4\nlearning_rate = " + rate))->reference().valid_until;
  };
  // The diagram of docs/theory/quadratic-regression.md, section 4 at B = 4: the norm stays at .61 at eta = .4 and is
  // held at 1 at .7.
  CHECK(!until("0.4"));
  const auto late = until("0.65"), early = until("0.8");
  REQUIRE(late);
  REQUIRE(early);
  CHECK(*early < *late);
  CHECK(*early > 1);
  CHECK(*late < 100);
  // At that step the kernel, grown as its mean, has a norm just below 0.93: recomputed from one initial kernel.
  const auto problem = prepare(experiment("kind = 'sgd'\nbatch = 4\nlearning_rate = 0.65"));
  const auto reference = problem->reference();
  const models::Column* mean = reference.find("ntk_mean");
  std::size_t at = 0;
  while (reference.steps[at] < *late) ++at;
  for (const auto& finding : problem->stability())
    if (finding.name == "eta_max") {  // where the initial norm is 1
      const double critical = std::get<double>(finding.value);
      CHECK(0.65 * mean->value[at] / mean->value[0] > 0.8 * critical);
      CHECK(0.65 * mean->value[at] / mean->value[0] < 1.05 * critical);
    }
  CHECK(models::testing::holds(reference.warnings.back(), "judged up to step"));
  CHECK(!prepare(
             experiment("kind = 'sgd'\nbatch = 4\nlearning_rate = 0.65", "", "[monte_carlo]\nkernel_norms = 'none'\n"))
             ->reference()
             .valid_until);
}
