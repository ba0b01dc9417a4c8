// The sections of model feature-alignment, and what it claims of runs.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/framework/model.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

std::string quadratic(const std::string& keys) {
  return "model = 'feature-alignment'\n[time]\nsteps = 0\n[alignment]\nkind = 'quadratic'\n" + keys;
}

std::string deep(const std::string& keys, const std::string& more = "") {
  return "model = 'feature-alignment'\n[time]\nsteps = 10\n[optimizer]\nlearning_rate = 0.1\n[alignment]\nkind = "
         "'deep-linear'\n" +
         keys + more;
}

}  // namespace

TEST_CASE("alignment of the start: findings, predictions and their width") {
  const auto problem = prepare(quadratic("width_ratio = 2.0\nreadout = 'gaussian'\n"));
  const auto findings = problem->stability();
  REQUIRE(findings.size() == 14);
  CHECK(std::get<double>(findings[0].value) == Approx(0.8721).epsilon(1e-4));
  const auto claims = problem->predictions();
  REQUIRE(claims.size() == 2);
  CHECK(claims[0].high - claims[0].nominal == Approx(105 * 2.0 / 20 / 250));
  // Drawn at d = 60 and c_N = .1: .026(2) above the limit, 1.57/d; of readouts 1 (nine of ten) and 10, E a^4 = 8.42, at c_m = 10
  // and c_N = 2 .37(1), 22/d.
  CHECK(claims[1].high - claims[1].nominal == Approx((1 + 2 * 2.0 / 3) / 250));
  const auto band = [](const std::string& keys) {
    return prepare(quadratic("dimension = 60\n" + keys))->predictions().at(0);
  };
  // A rank-one teacher's examples, drawn at c_N = .01 and d = 30: .040 above the limit of noise, 1.2/d and all that 1 leaves.
  CHECK(band("labels = 'rank-one'\nexamples_ratio = 0.1\nwidth_ratio = 0\n").high == Approx(1 + 1.0 / 60));
  const models::Prediction many = band("labels = 'rank-one'\nexamples_ratio = 2\nwidth_ratio = 0\n");
  CHECK(many.high - many.nominal == Approx(1.5 / 60 + (1 - many.nominal) * 4 / (60 * 4 * (2 + 2 * 15))));
  models::RecordedReplica run;
  const std::vector<std::string> names{"rho_c_1", "rho_u_1"};
  run.names = names;
  run.steps = {0};
  run.rows = {{0.3}, {0.4}};
  CHECK(*claims[0].statistic(run) == 0.3);
  CHECK(*claims[1].statistic(run) == 0.4);
  // In one dimension O(1/d) allows every correlation.
  CHECK(prepare(quadratic("dimension = 1\n"))->predictions().empty());
  CHECK(prepare(quadratic("dimension = 1\n"))
            ->reference()
            .warnings.at(0)
            .ends_with("their centred and uncentred correlation"));
  CHECK(prepare(quadratic("width_ratio = 2\nreadout = 'gaussian'\ndimension = 30\n"))
            ->reference()
            .warnings.at(0)
            .ends_with("of their centred correlation"));
  // Of real networks only a linear net of one output has a law.
  const auto trained = [](const std::string& keys) {
    return prepare(
        "model = 'feature-alignment'\n[time]\nsteps = 3\n[alignment]\nkind = 'network'\n[optimizer]\n"
        "learning_rate = 0.1\n[network]\n" +
        keys);
  };
  CHECK(trained("hidden = [3]\n")->stability().at(0).doc.starts_with("of replica 0, at step 0: layer 1"));
  const auto network = [&](const std::string& keys) { return trained(keys)->predictions().size(); };
  CHECK(network("activation = 'identity'\n") == 1);
  CHECK(network("activation = 'tanh'\n") == 0);
  CHECK(network("hidden = []\n") == 1);
}

TEST_CASE("traces of words are findings, polynomials in the ratios") {
  const auto listed = [](const std::string& keys, const std::vector<std::pair<std::string, double>>& known) {
    const auto findings = prepare(quadratic(keys))->stability();
    for (const auto& word : known) {
      const auto at = std::ranges::find(findings, "tau_" + word.first, &models::Finding::name);
      CAPTURE(word.first);
      REQUIRE(at != findings.end());
      CHECK(std::get<double>(at->value) == Approx(word.second).epsilon(1e-12));
    }
  };
  const double c = 0.3, b = 0.7;
  listed("labels = 'signs'\nexamples_ratio = 0.3\nwidth_ratio = 0.7\n",
         {{"AA", c},
          {"B", 1},
          {"AAB", c + c * c},
          {"AAAA", c * c * (2 + c)},
          {"AAAAB", c * c * (2 + 4 * c + c * c)},
          {"AABAAB", c * c * (2 + 8 * c + 7 * c * c + c * c * c)},
          {"MAAMAA", c * c * (2 + c + b)},
          {"WW", 1 + b}});
  listed("labels = 'signs'\nreadout = 'ones'\nexamples_ratio = 0\nwidth_ratio = 0.7\n",
         {{"WSBS", 1 + b * (3 + b)}, {"SBSSBS", 1 + b * (6 + b * (6 + b))}});
  listed("labels = 'goe-teacher'\nreadout = 'gaussian'\nexamples_ratio = 0\nwidth_ratio = 0.7\n",
         {{"MAAMBMAA", 2 + b * (12 + 15 * b)}, {"MBMAAMBMAA", 2 + b * (24 + b * (87 + 105 * b))}});
}

TEST_CASE("what may be drawn: matrices of 2e7 entries, and ratios that a dimension has") {
  // d^2, and d times d over either ratio where that is more.
  struct Case {
    const char* keys;
    int most;
  };
  for (const Case& c :
       {Case{"width_ratio = 0.19\n", 1949}, Case{"width_ratio = 0.19\nexamples_ratio = 0.1\n", 1414},
        Case{"width_ratio = 0.1\nexamples_ratio = 0.19\n", 1414}, Case{"examples_ratio = 0.19\n", 1949}}) {
    const std::string keys = c.keys;
    CAPTURE(keys);
    CHECK(error_of(quadratic(keys + "dimension = " + std::to_string(c.most) + "\n"), false, true) == "no error");
    CHECK(holds(error_of(quadratic(keys + "dimension = " + std::to_string(c.most + 1) + "\n"), false, true),
                "alignment.dimension"));
  }
  CHECK(error_of(quadratic("width_ratio = 20.0\ndimension = 10\n"), false, true) == "no error");
  CHECK(holds(error_of(quadratic("width_ratio = 21.0\ndimension = 10\n"), false, true), "must be at least 10.5"));
  CHECK(holds(error_of(quadratic("examples_ratio = 21.0\ndimension = 10\n"), false, true), "examples_ratio = 21"));
}

TEST_CASE("alignment of deep linear nets: findings at the target") {
  // The edge of sigma = 4 in 3 layers: eta 3 4^(4/3); all weights end at sigma^(1/3).
  const auto problem = prepare(deep("layers = 3\ntarget = [4.0, 1.0]\n"));
  const auto found = problem->stability();
  using models::testing::flag;
  using models::testing::number;
  CHECK(number(found, "eta_sharpness") == Approx(.3 * std::pow(4, 4. / 3)).epsilon(1e-13));
  CHECK(flag(found, "stable"));
  CHECK(!flag(prepare(deep("layers = 3\ntarget = [4.0, 1.0]\n"), {"optimizer.learning_rate=0.106"})->stability(),
              "stable"));
  CHECK(flag(prepare(deep("layers = 3\ntarget = [4.0, 1.0]\n"), {"optimizer.learning_rate=0.104"})->stability(),
             "stable"));
  CHECK(number(found, "rho_u_1_end") > 0);
}

TEST_CASE("experiments of deep linear nets: every column, finding and observable by the scalars of the layers") {
  // Each of 3 layers of singular values w, w^3 = s: w' = w + eta (sigma - w^3) w^2. W'W has w^2, and W'Kf W of layer l the
  // w^2 w^(2 (3 - l)) of what is above it; the centred ones have the way from the start for one w, at the start its speed.
  const auto problem = prepare(
      "model = 'feature-alignment'\n[time]\nat = [0, 1, 7]\n[optimizer]\nlearning_rate = 0.1\n[alignment]\nkind = "
      "'deep-linear'\nlayers = 3\ntarget = [2.0, 1.0, 0.5, 0.0]\nstart = [0.4, 0.3, 0.2, 0.1]\nwidth = 5\n");
  const auto theory = problem->solve();
  const auto findings = problem->stability();
  const auto simulation = problem->simulate();
  const auto replica = simulation->replica(4, 1);
  const std::vector<double> sigma{2, 1, .5, 0}, start{std::cbrt(.4), std::cbrt(.3), std::cbrt(.2), std::cbrt(.1)};
  std::vector<double> w = start, speed(4);
  const auto cosine = [](const std::vector<double>& a, const std::vector<double>& b) {
    double across = 0, of_a = 0, of_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      across += a[i] * b[i];
      of_a += a[i] * a[i];
      of_b += b[i] * b[i];
    }
    return across / std::sqrt(of_a * of_b);
  };
  int step = 0;
  for (std::size_t t = 0; t < 3; ++t) {
    for (;; ++step) {
      for (std::size_t i = 0; i < 4; ++i) speed[i] = .1 * (sigma[i] - w[i] * w[i] * w[i]) * w[i] * w[i];
      if (step == theory.steps[t]) break;
      for (std::size_t i = 0; i < 4; ++i) w[i] += speed[i];
    }
    std::map<std::string, double> expected;
    for (std::size_t i = 0; i < 4; ++i) {
      const double s = std::pow(w[i], 3);
      expected["s_" + std::to_string(i + 1)] = s;
      expected["loss"] += (s - sigma[i]) * (s - sigma[i]) / 2;
    }
    for (int l = 1; l <= 3; ++l) {
      std::vector<double> moved(4), moved_through(4), whole(4), whole_through(4);
      for (std::size_t i = 0; i < 4; ++i) {
        const double above = std::pow(w[i], 2 * (3 - l));
        moved[i] = std::pow(step == 0 ? speed[i] : w[i] - start[i], 2);
        moved_through[i] = moved[i] * above;
        whole[i] = w[i] * w[i];
        whole_through[i] = whole[i] * above;
      }
      expected["rho_c_" + std::to_string(l)] = cosine(moved, moved_through);
      expected["rho_u_" + std::to_string(l)] = cosine(whole, whole_through);
    }
    replica->advance(static_cast<std::uint64_t>(step));
    std::vector<double> seen(simulation->observables().size());
    replica->observe(seen);
    for (std::size_t o = 0; o < seen.size(); ++o) {
      const std::string& name = simulation->observables()[o].name;
      CAPTURE(name);
      CAPTURE(step);
      if (name == "imbalance") {
        CHECK(models::testing::column(theory, name)[t] == 0);
        CHECK(models::testing::number(findings, name) == 0);
        continue;
      }
      REQUIRE(expected.count(name) == 1);
      CHECK(models::testing::column(theory, name)[t] == Approx(expected[name]).epsilon(1e-12));
      CHECK(seen[o] == Approx(expected[name]).epsilon(1e-11));
      if (t == 0) CHECK(models::testing::number(findings, name) == Approx(expected[name]).epsilon(1e-12));
    }
  }
  // At the target w = sigma^(1/3), and of layer 1 w^2 beside w^6.
  std::vector<double> of_first, through;
  for (const double s : sigma) {
    of_first.push_back(std::pow(s, 2. / 3));
    through.push_back(s * s);
  }
  CHECK(models::testing::number(findings, "rho_u_1_end") == Approx(cosine(of_first, through)).epsilon(1e-13));
  // The flow of two layers: s(t) = sigma/(1 + (sigma/s_0 - 1) e^(-2 sigma t)), t = eta times steps.
  const auto flow =
      prepare(deep("layers = 2\ntarget = [2.0]\nstart = [0.4]\n", "[theory]\nmethod = 'flow'\n"))->solve();
  CHECK(models::testing::column(flow, "s_1").back() == Approx(2 / (1 + 4 * std::exp(-4))).epsilon(1e-12));
}

TEST_CASE(
    "experiments of deep linear nets: centred correlations are claimed once something moved, all before it has "
    "settled") {
  // w_0 = .5 moves by eta 1.75/2 = .5 * 1.75e-7 a step: by a millionth from the 6th step on.
  const auto slow = prepare(
                        "model = 'feature-alignment'\n[time]\nat = [0, 1, 5, 6, 9]\n[optimizer]\nlearning_rate = 1e-7\n"
                        "[alignment]\nkind = 'deep-linear'\ntarget = [2.0]\nstart = [0.25]\n")
                        ->solve();
  REQUIRE(slow.find("rho_c_1"));
  CHECK(slow.find("rho_c_1")->valid_from == 6);
  CHECK(slow.find("rho_c_2")->valid_from == 6);
  CHECK(slow.find("rho_u_1")->valid_from == 0);
  // Of three layers w_0 = .25^(1/3) = .63 moves by 6.95e-8 a step.
  const auto deeper = prepare(
                          "model = 'feature-alignment'\n[time]\nat = [0, 1, 9, 10, 20]\n[optimizer]\nlearning_rate = "
                          "1e-7\n[alignment]\nkind = 'deep-linear'\nlayers = 3\ntarget = [2.0]\nstart = [0.25]\n")
                          ->solve();
  for (const char* name : {"rho_c_1", "rho_c_2", "rho_c_3"}) CHECK(deeper.find(name)->valid_from == 10);
  const auto settled = prepare(
                           "model = 'feature-alignment'\n[time]\nat = [0, 10, 100000]\n[optimizer]\nlearning_rate = "
                           "0.03\n[alignment]\nkind = 'deep-linear'\ntarget = [3.0, 1.0]\nstart = [0.2, 0.1]\n")
                           ->solve();
  CHECK(settled.valid_until == 10);
}

TEST_CASE("bad alignment is refused with its key") {
  CHECK(holds(error_of(quadratic("label_values = [1]\n")), "alignment.label_values: is read where labels = values"));
  CHECK(holds(error_of(quadratic("labels = 'values'\n")), "alignment.label_values: is required"));
  CHECK(
      holds(error_of(quadratic("labels = 'values'\nlabel_values = [0, 0]\n")), "label_values: needs a positive mean"));
  CHECK(holds(error_of(quadratic("labels = 'moments'\nlabel_moments = [0, 1]\n")), "label_moments: must be four"));
  CHECK(
      holds(error_of(quadratic("labels = 'moments'\nlabel_moments = [0, 1, 0, 0.5]\n")), "are the moments of no law"));
  CHECK(
      holds(error_of(quadratic("labels = 'moments'\nlabel_moments = [0, 1, 0, 2]\n"), false, true), "no law to draw"));
  CHECK(holds(error_of(quadratic("readout = 'values'\nreadout_values = [inf]\n")),
              "readout_values: must be finite, got inf"));
  CHECK(holds(error_of(quadratic("examples_ratio = 1000.0\n"), false, true), "dimension: must be at least 500"));
  CHECK(holds(error_of(quadratic("examples_ratio = 1e-9\n"), false, true), "dimension: 250 makes a matrix"));
  CHECK(error_of(quadratic("examples_ratio = 1e-9\n"), true) == "no error");
  CHECK(holds(error_of(quadratic("dimension = 2.5\n")), "dimension: must be a whole number"));
  CHECK(holds(error_of(quadratic("") + "[network]\nhidden = [3]\n"), "does not read this section"));
  CHECK(holds(error_of("model = 'feature-alignment'\n[time]\nsteps = 5\n[alignment]\nkind = 'network'\n[data]\n"
                       "test_examples = 5\n[network]\nhidden = [3]\n[optimizer]\nlearning_rate = 0.1\n"),
              "x.toml: data.test_examples: unknown key"));
  CHECK(holds(error_of(quadratic("") + "[optimizer]\nlearning_rate = 1.0\n"), "does not read this section"));
  CHECK(holds(error_of(quadratic("") + "[theory]\nmethod = 'flow'\n"), "theory.method: belongs to"));
  CHECK(holds(error_of("model = 'feature-alignment'\n[time]\nsteps = 5\n"), "that of the start: steps = 0"));
  CHECK(holds(error_of(deep("target = [1, -1]\n")), "target: must be singular values >= 0"));
  CHECK(holds(error_of(deep("target = []\n")), "target: must be singular values >= 0"));
  CHECK(holds(error_of(deep("target = [1, 2]\nstart = [0.0]\n")), "start: must be one number > 0"));
  CHECK(holds(error_of(deep("target = [1, 2]\nstart = [1, 2, 3]\n")), "one for each of the target's 2"));
  CHECK(holds(error_of(deep("target = [1, 2]\nwidth = 1\n")), "width: must be at least 2"));
  CHECK(holds(error_of(deep("target = [1]\n", "[theory]\nrtol = 1e-3\n")), "rtol: belongs to method"));
  CHECK(holds(error_of(deep("target = [1]\n", "[theory]\nmethod = 'flow'\nrtol = 1e-3\n")),
              "rtol: is of three layers or more"));
  CHECK(holds(error_of(deep("target = [1]\n", "[data]\nexamples = 3\n")), "does not read this section"));
  CHECK(holds(error_of(deep("target = [0.01]\n"), true), "start: is the target"));
  CHECK(error_of(deep("target = [1]\n"), true, true) == "no error");
}

TEST_CASE("deep linear nets say where their target is unstable") {
  const auto problem = prepare(deep("target = [30, 1]\n"));
  for (const models::Finding& f : problem->stability()) {
    if (f.name == "eta_sharpness") CHECK(std::get<double>(f.value) == Approx(0.1 * 2 * 30));
    if (f.name == "stable") CHECK_FALSE(std::get<bool>(f.value));
    if (f.name == "rho_u_1_end") CHECK(std::get<double>(f.value) > 0.99);
  }
}

TEST_CASE("the keys of every kind are listed once, by their sections and kinds") {
  const models::Experiment any = models::read_experiment(settings::read_text(quadratic(""), "x.toml"));
  std::map<std::string, std::string> listed;
  for (const settings::Parameter& key : models::find(any).description().parameters)
    CHECK(listed.emplace(key.name, key.doc).second);
  CHECK(listed.count("alignment.kind") == 1);
  CHECK(holds(listed["alignment.width_ratio"], "quadratic: "));
  CHECK(holds(listed["alignment.layers"], "deep-linear: "));
  CHECK(holds(listed["data.examples"], "network: "));
  CHECK(holds(listed["network.hidden"], "network: "));
  CHECK(listed.count("data.test_examples") == 0);
}

TEST_CASE("feature alignment: what is left out is what the description says") {
  using models::testing::check_default;
  check_default(quadratic(""), "alignment.dimension", "250", "249");
  const std::string small = quadratic("dimension = 12\n");
  check_default(small, "alignment.examples_ratio", "0.5", "0.6");
  check_default(small, "alignment.width_ratio", "0.5", "0.6");
  check_default(small, "alignment.labels", "'signs'", "'gaussian'");
  check_default(small, "alignment.readout", "'signs'", "'gaussian'");
  check_default(small, "alignment.correlation", "'cosine'", "'pearson'");
  check_default(deep("target = [2, 1]\n"), "alignment.layers", "2", "3");
  check_default(deep("target = [2, 1]\n"), "alignment.start", "[0.01]", "[0.02]");
  check_default(deep("target = [2, 1]\n"), "alignment.width", "2", "3");
  check_default(deep("target = [2, 1]\n"), "theory.method", "'descent'", "'flow'");
  const std::string network = "model = 'feature-alignment'\n[time]\nat = [0, 2]\n[alignment]\nkind = 'network'\n",
                    gd = network + "[optimizer]\nlearning_rate = 0.1\n";
  check_default(gd, "network.hidden", "[32, 32]", "[32, 31]");
  const std::string net = gd + "[network]\nhidden = [5]\n";
  check_default(net, "alignment.correlation", "'pearson'", "'cosine'");
  check_default(net, "alignment.centred_output", "true", "false");
  check_default(net, "data.examples", "100", "99");
  check_default(net, "data.inputs", "10", "9");
  check_default(net, "data.decay", "0", "0.1");
  check_default(net, "data.targets", "'linear'", "'product'");
  check_default(net, "data.outputs", "1", "2");
  check_default(net, "data.noise", "0", "0.1");
  check_default(net, "data.target_scale", "1", "1.1");
  check_default(net, "data.input_scale", "1", "1.1");
  check_default(net, "data.seed", "1", "2");
  check_default(net + "[data]\ntargets = 'teacher'\n", "data.teacher_width", "10", "9");
  check_default(net, "network.activation", "'tanh'", "'erf'");
  check_default(net + "activation = 'beta-gelu'\n", "network.beta", "1", "1.1");
  check_default(net, "network.bias", "true", "false");
  check_default(net, "network.parametrisation", "'standard'", "'ntk'");
  check_default(net, "network.weight_variance", "1", "1.1");
  check_default(net, "network.bias_variance", "0", "0.1");
  const std::string of_kind = network + "[network]\nhidden = [5]\n[optimizer]\nlearning_rate = 0.1\n";
  check_default(of_kind + "kind = 'sgd'\n", "optimizer.batch", "1", "2");
  check_default(of_kind + "kind = 'slo'\nspeeds = [1, 1]\n", "optimizer.eps", "1e-12", "0.1");
}
