#include "models/ingredients/rate_rules.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

std::shared_ptr<const RateRule> rule(const std::string& lines, std::optional<double> start_norm = 0.0) {
  return read_rate_rule(settings::read_text("[rate]\n" + lines, "f.toml"), start_norm);
}

std::string error_of(const std::string& lines, std::optional<double> start_norm = 0.0) {
  try {
    rule(lines, start_norm);
  } catch (const settings::Error& e) {
    return e.what();
  }
  return "";
}

StepObservation seen(double squared_gradient, double loss = 0, double squared_distance = 0) {
  StepObservation out;
  out.squared_gradient = squared_gradient;
  out.loss = loss;
  out.squared_distance = squared_distance;
  return out;
}

}  // namespace

TEST_CASE("AdaGrad-norm: eta0 over the root of the sum, the present gradient included") {
  const auto adagrad = rule("kind = \"adagrad-norm\"\neta0 = 3.0\nb0 = 2.0");
  RateRun run(*adagrad);
  CHECK(run.memory()[0] == 4);
  CHECK(run.step(seen(5), 1) == Approx(3 / std::sqrt(9.0)).epsilon(1e-15));
  CHECK(run.step(seen(7), 0.5) == Approx(0.5 * 3 / std::sqrt(16.0)).epsilon(1e-15));
  CHECK(run.memory()[0] == 16);
  std::vector<double> out(2);
  run.observe(out);
  CHECK(out == std::vector<double>{0.375, 16});
}

TEST_CASE("DoG: the largest distance so far over the root of the sum") {
  const auto dog = rule("kind = \"dog\"\nr_eps = 0.5\nepsilon = 0.0\nmultiplier = 2.0");
  RateRun run(*dog);
  CHECK(run.step(seen(4, 0, 0), 1) == Approx(2 * 0.5 / 2).epsilon(1e-15));
  CHECK(run.step(seen(5, 0, 9), 1) == Approx(2 * 3.0 / 3).epsilon(1e-15));
  // Back towards the start: the largest distance stays.
  CHECK(run.step(seen(7, 0, 1), 1) == Approx(2 * 3.0 / 4).epsilon(1e-15));
  CHECK(run.memory()[0] == 16);
  CHECK(run.memory()[1] == 3);
}

TEST_CASE("DoG starts with 1e-6 (1 + |theta_0|), where that is known") {
  const auto dog = rule("kind = \"dog\"", 3.0);
  std::vector<double> memory(2);
  dog->start(memory);
  CHECK(memory[1] == Approx(4e-6).epsilon(1e-15));
  CHECK(error_of("kind = \"dog\"", std::nullopt).find("f.toml: rate.r_eps: ") == 0);
  CHECK(error_of("kind = \"dog\"\nr_eps = 0.1", std::nullopt).empty());
}

TEST_CASE("Polyak's rates: of the oracle, and of the batch") {
  const auto oracle = rule("kind = \"polyak\"\nmultiplier = 0.5");
  StepObservation now = seen(123, 456);
  now.excess_mse = 6;
  now.mean_squared_gradient = 4;
  CHECK(RateRun(*oracle).step(now, 1) == 0.75);
  CHECK(oracle->memory().empty());

  const auto batch = rule("kind = \"stochastic-polyak\"\nc = 2.0\nf_min = 1.0\neta_max = 1.5");
  CHECK(RateRun(*batch).step(seen(4, 9), 1) == 1);
  CHECK(RateRun(*batch).step(seen(4, 99), 1) == 1.5);
  CHECK(RateRun(*batch).step(seen(4, 0.5), 1) == 0);  // below what a batch is taken to reach
}

TEST_CASE("without a gradient no rule moves, and none gives anything but a number") {
  for (const RateRuleKind& kind : rate_rule_kinds()) {
    if (!kind.build) continue;
    CAPTURE(kind.description.name);
    std::string lines = "kind = \"" + kind.description.name + "\"\n";
    const auto has = [&](const char* key) {
      return std::ranges::any_of(kind.description.parameters,
                                 [&](const auto& p) { return p.name == key && !p.minimum_excluded; });
    };
    for (const char* key : {"b0", "epsilon"})
      if (has(key)) lines += std::string(key) + " = 0.0\n";
    const auto one = rule(lines);
    RateRun run(*one);
    CHECK(run.step({}, 1) == 0);
    for (const double m : run.memory()) CHECK(std::isfinite(m));
    CHECK(rate_observables(*one).size() == 1 + kind.memory.size());
  }
}

TEST_CASE("the section [rate]") {
  CHECK(rule("kind = \"constant\"") == nullptr);
  CHECK(read_rate_rule(settings::Table("f.toml", ""), 0.0) == nullptr);
  CHECK(error_of("kind = \"dgo\"").find("f.toml: rate.kind: 'dgo'") == 0);
  CHECK(error_of("kind = \"dgo\"").find("did you mean 'dog'") != std::string::npos);
  CHECK(error_of("kind = \"constant\"\nmultiplier = 2").find("f.toml: rate.multiplier: unknown key") == 0);
  CHECK(error_of("kind = \"polyak\"\nc = 2").find("f.toml: rate.c: unknown key") == 0);
  for (const char* bad :
       {"kind = \"dog\"\nr_eps = 0.0", "kind = \"dog\"\nepsilon = -1.0", "kind = \"adagrad-norm\"\neta0 = 0.0",
        "kind = \"adagrad-norm\"\nb0 = -1.0", "kind = \"stochastic-polyak\"\nc = 0.0",
        "kind = \"stochastic-polyak\"\neta_max = 0.0", "kind = \"polyak\"\nmultiplier = 0.0"})
    CHECK(error_of(bad).find("must be >") != std::string::npos);
}

TEST_CASE("CDAT: sigma times the best rate of the batch's own loss, from averages") {
  const auto along = [](double descent, double curvature) {
    StepObservation out;
    out.descent = descent;
    out.curvature_along = curvature;
    return out;
  };
  const auto plain = rule("kind = \"cdat\"\nsigma = 1.5\neta_max = 7.0");
  RateRun run(*plain);
  CHECK(run.step(along(4, 2), 1) == Approx(3).epsilon(1e-15));
  CHECK(run.step(along(4, -8), 0.5) == Approx(0.375).epsilon(1e-15));  // |u.Hu|
  CHECK(run.step(along(4, 1e-9), 1) == 7);
  CHECK(run.step(along(4, 0), 1) == 7);
  CHECK(run.step(along(-1, 2), 1) == 0);
  const auto averaged = rule("kind = \"cdat\"\nsigma = 2.0\nema = 0.75\nepsilon = 1.0");
  RateRun slow(*averaged);
  CHECK(slow.step(along(8, 3), 1) == Approx(4).epsilon(1e-15));  // the first values, no correction
  CHECK(slow.step(along(4, 1), 1) == Approx(2 * (0.75 * 8 + 0.25 * 4) / (0.75 * 4 + 0.25 * 2)).epsilon(1e-15));
  const auto open = rule("kind = \"cdat\"");
  CHECK_THROWS_AS(RateRun(*open).step(along(1, 0), 1), std::runtime_error);
}

TEST_CASE("Armijo: shrinks from a grown trial until the loss falls enough") {
  // L = (1 - eta)^2/2 along the gradient 1: accepted iff eta <= 2 (1 - c).
  StepObservation now;
  now.descent = 1;
  now.loss = 0.5;
  now.loss_after = [](double eta) { return 0.5 * (1 - eta) * (1 - eta); };
  const auto armijo = rule("kind = \"armijo\"\nc = 0.25\nshrink = 0.8\ngrow = 1.5\neta_init = 1.0\neta_max = 10.0");
  RateRun run(*armijo);
  CHECK(run.step(now, 1) == 1);
  CHECK(run.step(now, 1) == 1.5);
  const double next = run.step(now, 1);
  CHECK(next == Approx(1.5 * 1.5 * 0.8 * 0.8).epsilon(1e-15));
  CHECK(next > 1.5 * 0.8);  // Armijo is CDAT with sigma in (2 (1 - c) shrink, 2 (1 - c)]
  const auto capped = rule("kind = \"armijo\"");
  RateRun short_run(*capped);
  short_run.step(now, 1);
  CHECK(short_run.step(now, 1) == 1);
  now.loss_after = [](double) { return std::nan(""); };
  CHECK(RateRun(*capped).step(now, 1) == Approx(std::pow(0.8, 60)));
}

TEST_CASE("models that do not show the loss along the step take all rules but those that read it") {
  const std::vector<std::string> words = rates_without_own_loss();
  CHECK(words.front() == "constant");
  CHECK(words.size() == rate_rule_kinds().size() - 3);
  for (const char* word : {"cdat", "armijo", "inverse-sharpness"}) CHECK(std::ranges::count(words, word) == 0);
  CHECK_FALSE(rate_kind(words).required);
  CHECK(rate_kind({"cdat"}).required);  // there is no usual one
}

TEST_CASE("numbers of rules that read the loss along the step are checked") {
  CHECK(error_of("kind = 'cdat'\nsigma = 0.0").find("rate.sigma: must be > 0") != std::string::npos);
  CHECK(error_of("kind = 'cdat'\nema = 1.0").find("rate.ema") != std::string::npos);
  CHECK(error_of("kind = 'armijo'\nc = 1.0").find("rate.c") != std::string::npos);
  CHECK(error_of("kind = 'armijo'\nshrink = 1.0").find("rate.shrink") != std::string::npos);
  CHECK(error_of("kind = 'armijo'\ngrow = 0.9").find("rate.grow") != std::string::npos);
}
