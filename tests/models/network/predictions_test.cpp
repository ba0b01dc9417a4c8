// What is claimed of networks, on single runs: each edge is held where it is claimed and is told from the others.
#include "models/network/predictions.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using models::testing::prepare;

namespace {

/// A run of replica `index`, to its end.
struct Recorded {
  Recorded(const models::Problem& problem, const std::vector<double>& steps, std::uint64_t index) {
    const auto simulation = problem.simulate();
    for (const models::Observable& o : simulation->observables()) names.push_back(o.name);
    const auto replica = simulation->replica(1, index);
    run.steps = steps;
    run.names = names;
    run.rows.assign(names.size(), {});
    std::vector<double> out(names.size());
    for (const double step : steps) {
      replica->advance(static_cast<std::uint64_t>(step));
      replica->observe(out);
      for (std::size_t o = 0; o < out.size(); ++o) run.rows[o].push_back(out[o]);
    }
  }
  std::vector<std::string> names;
  models::RecordedReplica run;
};

const std::vector<double> steps{0, 50, 100, 200, 300, 400, 500, 600, 700, 760, 800, 840, 880, 921, 960, 1000};

std::string experiment(const std::string& optimizer, const std::string& more = "") {
  return "model = 'network'\n[time]\nsteps = 1000\n[data]\nexamples = 40\ninputs = 10\ntargets = 'classes'\nnoise = "
         "0.5\n"
         "[network]\nhidden = [16]\n[optimizer]\nlearning_rate = 0.8\n" +
         optimizer + more;
}

}  // namespace

TEST_CASE("networks hold the edge of what their optimizer knows of the Hessian") {
  struct Row {
    std::string optimizer;
    bool below;  // the sharpness of gradient descent's edge
  };
  for (const Row& row : {Row{"kind = 'gd'\n", false},
                         {"kind = 'sam'\nrho = 0.01\n", true},
                         {"kind = 'functional-sam'\nrho = 0.01\n", false},
                         {"kind = 'gradient-penalty'\nrho = 0.2\n", true},
                         {"kind = 'gradient-penalty'\nrho = 0.2\npart = 'gauss-newton'\n", true}}) {
    CAPTURE(row.optimizer);
    const auto problem = prepare(experiment(row.optimizer));
    const auto claims = problem->predictions();
    REQUIRE(claims.size() == 1);
    std::vector<double> held, plain;
    for (std::uint64_t index = 0; index < 5; ++index) {
      const Recorded r(*problem, steps, index);
      if (const auto value = claims[0].statistic(r.run)) held.push_back(*value);
      plain.push_back(r.run.values("eta_sharpness").back());
    }
    REQUIRE(held.size() >= 3);
    const auto median = [](std::vector<double> values) {
      std::ranges::sort(values);
      return values[values.size() / 2];
    };
    CHECK(median(held) > claims[0].low);
    CHECK(median(held) < claims[0].high);
    // Without the ascent's term the edge would be missed.
    CHECK((median(plain) < 1.7) == row.below);
  }
}

TEST_CASE("on edge: the median of the last quarter, of runs that passed 2 before, from either side") {
  std::string text = experiment("kind = 'gd'\n", "[rate]\nkind = 'cdat'\n");
  text.erase(text.find("learning_rate"), std::string("learning_rate = 0.8\n").size());
  const auto claims = prepare(text)->predictions();
  REQUIRE(claims.size() == 1);
  models::RecordedReplica run;
  const std::vector<std::string> names{"eta_sharpness"};
  run.names = names;
  run.steps = {0, 200, 400, 600, 800, 900, 1000};
  run.rows = {{1, 1.4, 2.2, 1.8, 2.03, 1.6, 2.07}};
  CHECK(claims[0].statistic(run) == 2.03);
  run.rows = {{3, 2.8, 2.2, 1.9, 2.03, 1.6, 2.07}};
  CHECK(claims[0].statistic(run) == 2.03);
  run.rows = {{1, 1.4, 1.8, 1.9, 2.03, 1.6, 2.07}};
  CHECK_FALSE(claims[0].statistic(run));
  CHECK(claims[0].nominal == 2);
  CHECK(claims[0].low == 1.95);
  CHECK(claims[0].high == 2.15);
}

TEST_CASE("networks: what is claimed depends on what is run") {
  const auto names = [](const std::string& text) {
    std::string out;
    const auto problem = prepare(text);
    for (const models::Prediction& p : problem->predictions()) out += p.name + " ";
    // Where there is no edge it is said why.
    const auto warnings = problem->reference().warnings;
    CHECK(warnings.empty() == !out.empty());
    for (const std::string& w : warnings) CHECK(w.find("no edge is claimed: ") == 0);
    return out;
  };
  CHECK(names(experiment("kind = 'gd'\n")) == "edge_plateau ");
  CHECK(names(experiment("kind = 'gd'\nmomentum = 0.5\n")).empty());
  CHECK(names(experiment("kind = 'adam'\nbeta1 = 0.5\n")) == "edge_plateau ");
  CHECK(names(experiment("kind = 'adam'\n")).empty());
  CHECK(names(experiment("kind = 'rmsprop'\nbeta2 = 0.9\n")).empty());
  CHECK(names(experiment("kind = 'sam'\nrho = 0.1\nmomentum = 0.5\n")).empty());
  CHECK(names(experiment("kind = 'sam'\nrho = 0.1\nevery = 2\n")).empty());
  CHECK(names(experiment("kind = 'weight-noise'\ndeviation = 0.1\n")).empty());
  CHECK(names(experiment("kind = 'gd'\n", "[schedule]\nkind = 'linear'\n")).empty());
  CHECK(names(experiment("kind = 'gd'\n", "[loss]\nkind = 'cross-entropy'\n")).empty());
  CHECK(names(experiment("kind = 'sgd'\nbatch = 10\n")) == "norm_plateau ");
  CHECK(names(experiment("kind = 'sgd'\nbatch = 11\n")).empty());
  const auto tuned = [&](const std::string& rule) {
    std::string text = experiment("kind = 'gd'\n", "[rate]\n" + rule);
    text.erase(text.find("learning_rate"), std::string("learning_rate = 0.8\n").size());
    return names(text);
  };
  CHECK(tuned("kind = 'cdat'\n") == "on_edge ");
  CHECK(tuned("kind = 'cdat'\nsigma = 2\nema = 0.9\n") == "on_edge ");
  const auto averaged_of = [&](const std::string& examples, const std::string& rule) {
    std::string text = experiment("kind = 'gd'\nmomentum = 0.5\n", "[rate]\nkind = 'cdat'\n" + rule);
    text.erase(text.find("learning_rate"), std::string("learning_rate = 0.8\n").size());
    text.replace(text.find("examples = 40"), 13, "examples = " + examples);
    return names(text);
  };
  CHECK(averaged_of("15", "ema = 0.9\n").empty());
  CHECK(averaged_of("16", "ema = 0.9\n") == "on_edge ");
  CHECK(averaged_of("1", "") == "on_edge ");
  CHECK(tuned("kind = 'cdat'\nsigma = 1.9\n").empty());
  CHECK(tuned("kind = 'cdat'\nmultiplier = 0.5\n").empty());
  CHECK(tuned("kind = 'armijo'\n").empty());
  CHECK(names(experiment("kind = 'rmsprop'\n")) == "edge_plateau ");
  CHECK(names(experiment("kind = 'adam'\nbatch = 10\n")).empty());
  std::string base = experiment("kind = 'adam'\n", "[rate]\nkind = 'cdat'\n");
  base.erase(base.find("learning_rate"), std::string("learning_rate = 0.8\n").size());
  CHECK(names(base) == "on_edge ");
  const auto averaged = [&](const char* adaptive) {
    std::string text = experiment(adaptive, "[rate]\nkind = 'cdat'\nema = 0.9\n");
    text.erase(text.find("learning_rate"), std::string("learning_rate = 0.8\n").size());
    return names(text);
  };
  for (const char* more : {"kind = 'sgd'\nbatch = 10\n[rate]\nkind = 'cdat'\n",
                           "kind = 'gd'\n[rate]\nkind = 'cdat'\n[loss]\nkind = 'cross-entropy'\n"}) {
    std::string text = experiment(more);
    text.erase(text.find("learning_rate"), std::string("learning_rate = 0.8\n").size());
    CHECK(names(text).empty());
  }
  CHECK(averaged("kind = 'adam'\n") == "on_edge ");
  CHECK(averaged("kind = 'adam'\nbeta2 = 0.99\n").empty());
  CHECK(averaged("kind = 'rmsprop'\n").empty());
  CHECK(averaged("kind = 'adam'\nbeta2 = 0.998\n").empty());
  CHECK(averaged("kind = 'adam'\nbeta1 = 0.01\nbeta2 = 0.999\n") == "on_edge ");
  CHECK(names(experiment("kind = 'adam'\nbeta1 = 0.51\n")).empty());
  CHECK(names(experiment("kind = 'rmsprop'\nbeta2 = 0.99\n")) == "edge_plateau ");
  CHECK(names(experiment("kind = 'rmsprop'\nbeta2 = 0.989\n")).empty());
  CHECK(prepare(base)->predictions()[0].observable == "edge");
  std::string relu = experiment("kind = 'gd'\n", "[monte_carlo]\ntraces = 'exact'\n");
  CHECK(names(relu) == "edge_plateau ");
  relu.replace(relu.find("[16]"), 4, "[16]\nactivation = 'relu'");
  CHECK(names(relu) == "edge_plateau nme_vanishes ");
  // Few examples are learned as their edge is reached: medians of 1.80(10), 1.92(9) and 1.97(1) for 2, 4 and 8 of them, 2.00 for 16.
  // Fewer weights than examples keep an oscillation: 2.211(4) of four weights. 16 inputs and one output, [1]: 19 weights.
  const auto of_few = [](int examples, const char* hidden) {
    return "model = 'network'\n[time]\nsteps = 100\n[data]\ninputs = 16\nexamples = " + std::to_string(examples) +
           "\n[network]\nhidden = " + hidden + "\n[optimizer]\nkind = 'gd'\nlearning_rate = 0.8\n";
  };
  const auto few = [&](int examples, const char* hidden) { return names(of_few(examples, hidden)); };
  CHECK(prepare(of_few(15, "[8]"))->reference().warnings.at(0).find("15 examples, fewer than 16, are learned") !=
        std::string::npos);
  CHECK(prepare(of_few(20, "[1]"))->reference().warnings.at(0).find("fewer parameters than targets") !=
        std::string::npos);
  CHECK(few(15, "[8]").empty());
  CHECK(few(16, "[8]") == "edge_plateau ");
  CHECK(few(19, "[1]") == "edge_plateau ");
  CHECK(few(20, "[1]").empty());
}

TEST_CASE("networks: an edge of an oscillation is claimed where the last quarter has even and odd steps") {
  const auto claimed = [](const std::string& optimizer, const std::string& at) {
    std::string text = experiment(optimizer);
    text.replace(text.find("steps = 1000"), 12, "at = " + at);
    const auto problem = prepare(text);
    const auto warnings = problem->reference().warnings;
    CHECK(warnings.size() == (problem->predictions().empty() ? 1 : 0));
    for (const std::string& w : warnings) CHECK(w.find("record even and odd steps") != std::string::npos);
    return !problem->predictions().empty();
  };
  for (const std::string kind : {"kind = 'gd'\n", "kind = 'sam'\nrho = 0.01\n"}) {
    CAPTURE(kind);
    CHECK(!claimed(kind, "[599, 700, 750, 800, 900, 1000]"));
    CHECK(claimed(kind, "[600, 700, 751, 800, 900, 1000]"));
    CHECK(claimed(kind, "[600, 750, 1001]") == false);  // 750 < 750.75
    CHECK(claimed(kind, "[600, 752, 1001]"));
  }
  CHECK(claimed("kind = 'rmsprop'\n", "[600, 700, 800, 900, 1000]"));
}

TEST_CASE("networks: a central flow is judged by runs that have turned at the edge before the last quarter") {
  models::Trajectory flow;
  flow.steps = {0, 40, 75, 100};
  flow.columns = {{{"oscillation", "1", ""}, {0, 1, 1, 1}, {}}, {{"mean_loss", "1", ""}, {9, 8, 3, 2}, {}}};
  flow.report = {{"turns", 0.99}};
  CHECK(models::network::central_flow_claims(flow).empty());
  flow.report = {{"turns", 1}, {"unsettled", 10}};  // which does not widen the claim here
  const auto claims = models::network::central_flow_claims(flow);
  REQUIRE(claims.size() == 1);
  // (35 x 3 + 25 x 2)/60.
  CHECK(claims[0].nominal == edgewise::tests::Approx(155. / 60));
  CHECK(claims[0].low == edgewise::tests::Approx(.75 * 155 / 60));
  CHECK(claims[0].high == edgewise::tests::Approx(1.33 * 155 / 60));
  const std::vector<std::string> names{"mean_loss", "eta_sharpness"};
  models::RecordedReplica run;
  run.names = names;
  run.steps = flow.steps;
  const auto read = [&](const std::vector<double>& product) {
    run.rows = {{9, 8, 6, 1}, product};
    return claims[0].statistic(run);
  };
  CHECK(!read({1, 1.9, 1.5, 1}));
  CHECK(!read({1, 2.1, 2.2, 1.9}));  // too late
  REQUIRE(read({1, 2.1, 1.9, 2.5}));
  CHECK(*read({1, 2.1, 1.9, 2.5}) == edgewise::tests::Approx((35 * 6 + 25 * 1) / 60.));
  CHECK(!read({2.5, 2, 2.1, 1}));
  run.diverged = true;
  CHECK(!read({1, 2.1, 1.9, 2.5}));
}

TEST_CASE("networks: bands, and what is read off a run") {
  using edgewise::tests::Approx;
  const auto first = [](const std::string& text) { return prepare(text)->predictions().at(0); };
  const models::Prediction edge = first(experiment("kind = 'gd'\n"));
  CHECK(edge.nominal == 2);
  CHECK(edge.low == 1.9);
  CHECK(edge.high == 2.15);
  const std::vector<std::string> names{"edge",      "kernel_norm", "nme_trace",        "ggn_trace",
                                       "sharpness", "logit_share", "functional_share", "loss"};
  models::RecordedReplica run;
  run.names = names;
  run.steps = {0, 40, 70, 75, 80, 90, 100};
  // Of the last quarter, from 75 on, of runs that have passed 2 before it and oscillate between 50 and 75: the curvature along the gradient
  // is half the sharpness or more. The mean of the medians at even and odd steps.
  run.rows = {
      {1, 2.5, 1.5, 1.7, 1.8, 2.2, 1.6}, {.1, .2, 1.3, .7, 1.2, .8, .9}, {0, 0, -3, 1, 0, 0, 0}, {1, 2, 6, 0, 1, 1, 1}};
  run.rows.push_back(std::vector<double>(7, 4.0));
  run.rows.push_back({0, 0, 4.35, 0, 0, 0, 0});
  run.rows.push_back(std::vector<double>(7, -0.5));
  run.rows.push_back({4, 3, 2, 1, 1, 1, 1});
  run.rows[0][2] = 1.91;  // at the edge
  CHECK(*edge.statistic(run) == Approx((1.7 + 1.8) / 2));
  run.rows[7][2] = 3.9e-12;
  CHECK(!edge.statistic(run));  // all is learned
  run.rows[7][2] = 4.1e-12;
  CHECK(edge.statistic(run));
  run.rows[0][2] = 1.89;
  CHECK(!edge.statistic(run));
  run.rows[0][2] = 1.91;
  run.rows[5][2] = 4.29;  // .9475 of the sharpness: H turns along the oscillation
  CHECK(!edge.statistic(run));
  run.rows[5][2] = 4.31;
  CHECK(edge.statistic(run));
  run.rows[5][2] = 2.4;
  CHECK(!edge.statistic(run));
  // But for a burst that threw it back after it had risen through 2.
  run.steps = {0, 25, 26, 75, 80, 90, 100};
  CHECK(!edge.statistic(run));
  run.steps = {0, 30, 40, 74, 80, 90, 100};
  run.rows[0] = {1, 1.5, 2.5, 2.4, 1.8, 2.2, 1.6};
  CHECK(*edge.statistic(run) == Approx(1.8));
  run.rows[0][3] = 2.6;
  CHECK(!edge.statistic(run));
  run.rows[0][3] = 1.5;
  CHECK(!edge.statistic(run));  // which is not back before the last quarter
  // Quiet records say nothing of the angle, those of the burst do.
  run.steps = {0, 30, 50, 55, 60, 74, 100};
  run.rows[0] = {1, 1.5, 2.5, 2.4, 2.2, 2.1, 1.6};
  run.rows[5] = {0, 0, 1, 4.29, 1, 1, 0};
  CHECK(!edge.statistic(run));
  run.rows[5][3] = 4.31;
  CHECK(*edge.statistic(run) == Approx(1.6));
  run.rows[5][2] = -2;  // -.625: as curved the other way
  CHECK(!edge.statistic(run));
  run.rows[5] = {0, 0, 2.4, 0, 0, 0, 0};
  run.steps = {0, 40, 70, 75, 80, 90, 100};
  run.rows[0] = {1, 2.5, 1.91, 1.7, 1.8, 2.2, 1.6};
  run.rows[5][2] = 4.35;
  CHECK(edge.statistic(run));
  run.rows[0][1] = 1.8;
  CHECK(!edge.statistic(run));
  run.rows[0][3] = 2.5;  // too late
  CHECK(!edge.statistic(run));
  run.rows[0][2] = 2.1;
  run.diverged = true;
  CHECK(!edge.statistic(run));
  run.diverged = false;
  const models::Prediction norm = first(experiment("kind = 'sgd'\nbatch = 10\n"));
  CHECK(norm.nominal == 1);
  CHECK(norm.low == .9);
  CHECK(norm.high == 1.1);
  CHECK(*norm.statistic(run) == Approx(.85));
  std::string relu = experiment("kind = 'gd'\n", "[monte_carlo]\ntraces = 'exact'\n");
  relu.replace(relu.find("[16]"), 4, "[16]\nactivation = 'relu'");
  const models::Prediction vanishing = prepare(relu)->predictions().at(1);
  CHECK(*vanishing.statistic(run) == Approx(.5));  // of 3/6, where tr GGN is not 0
  CHECK(vanishing.low == 0);
  CHECK(vanishing.high == 1e-12);
  std::string tuned = experiment("kind = 'gd'\n", "[rate]\nkind = 'cdat'\n");
  tuned.erase(tuned.find("learning_rate"), std::string("learning_rate = 0.8\n").size());
  const models::Prediction on_edge = first(tuned);
  CHECK(on_edge.observable == "eta_sharpness");
  CHECK(on_edge.low == 1.95);
  CHECK(on_edge.high == 2.15);
}

TEST_CASE(
    "networks: an edge of first order is claimed where the Jacobian hardly changes along ascent and oscillation") {
  // |e| = .1, the oscillation |g|/lambda = .2/4, GGN e = 3 |e|: a residual of .3 c changes J by c along e, by 1.5 c along both.
  const auto held = [](const std::string& optimizer, double residual, double outside) {
    const auto problem = prepare(experiment(optimizer));
    const auto claims = problem->predictions();
    REQUIRE(claims.size() == 1);
    const std::vector<std::string> names{"gradient_norm",        "sharpness",        "edge", "logit_share",
                                         "sam_residual_leading", "functional_share", "loss"};
    models::RecordedReplica run;
    run.names = names;
    run.steps = {0, 100, 249, 250, 500, 749, 750, 1000};
    run.rows = {std::vector<double>(8, 0.2), std::vector<double>(8, 4.0),      {1, 2.1, 2, 2, 2, 2, 2, 2},
                std::vector<double>(8, 3.0), std::vector<double>(8, residual), std::vector<double>(8, 0.9),
                std::vector<double>(8, 1.0)};
    for (const std::size_t t : {0, 1, 2, 6, 7}) run.rows[4][t] = outside;
    return claims[0].statistic(run);
  };
  for (const std::string kind : {"'sam'\n", "'functional-sam'\n", "'logit-sam'\n", "'gradient-penalty'\n"})
    for (const std::string length : {"rho = 0.1\nnormalised = true\n", "rho = 0.5\nnormalised = false\n"}) {
      CAPTURE(kind);
      CAPTURE(length);
      const std::string optimizer = "kind = " + kind + length;
      CHECK(held(optimizer, 0.3 * 0.0399 / 1.5, 10) == 2);
      CHECK_FALSE(held(optimizer, 0.3 * 0.0401 / 1.5, 0));
    }
  CHECK(held("kind = 'gd'\n", 10, 10) == 2);
}
