// Rules whose memory is a few scalars, step by step with numbers by hand: what they read, what they remember, their defaults.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/ingredients/rate_rules.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

std::shared_ptr<const RateRule> rule(const std::string& lines) {
  return read_rate_rule(settings::read_text("[rate]\n" + lines, "f.toml"), 0.0);
}

/// The rate before it is held, of a memory that has seen nothing.
double first_rate(const std::string& lines, const StepObservation& now) {
  const auto one = rule(lines);
  std::vector<double> memory(one->memory().size());
  one->start(memory);
  return one->rate(memory, now);
}

/// Of a quadratic loss: 1 - eta descent + eta^2 curvature/2.
StepObservation along(double descent, double curvature) {
  StepObservation out;
  out.loss = 1;
  out.squared_gradient = 1;
  out.descent = descent;
  out.curvature_along = curvature;
  out.loss_after = [=](double eta) { return 1 - eta * descent + eta * eta * curvature / 2; };
  return out;
}

}  // namespace

TEST_CASE("DoWG: squared distances over weighted gradients, epsilon in the root or beside it") {
  for (const bool root : {false, true}) {
    CAPTURE(root);
    const auto dowg =
        rule(std::string("kind = 'dowg'\nr_eps = 0.5\nepsilon = 0.25\n") + (root ? "form = 'root'\n" : ""));
    RateRun run(*dowg);
    CHECK(run.step({.squared_gradient = 4}, 1) == Approx(0.25 / (root ? 1.25 : std::sqrt(1.25))).epsilon(1e-15));
    // S = 1 + 9.
    CHECK(run.step({.squared_gradient = 1, .squared_distance = 9}, 1) ==
          Approx(9 / (root ? std::sqrt(10) + 0.25 : std::sqrt(10.25))).epsilon(1e-15));
    CHECK(run.memory()[0] == 10);
    CHECK(run.memory()[1] == 3);
  }
  CHECK(first_rate("kind = 'dowg'", {.squared_gradient = 1}) == Approx(1e-4 / std::sqrt(1e-4 + 1e-8)).epsilon(1e-14));
  CHECK(first_rate("kind = 'dowg'\nform = 'root'", {.squared_gradient = 1}) == Approx(1e-4 / 1.01e-2).epsilon(1e-14));
  CHECK(first_rate("kind = 'dog'\nr_eps = 0.5", {}) == Approx(5000).epsilon(1e-14));
  CHECK(first_rate("kind = 'dog'\nr_eps = 0.5\nepsilon = 0.0", {}) == 0);
}

TEST_CASE("D-Adaptation and Prodigy: the estimate grows by what pulled back over how far it went") {
  for (const bool prodigy : {false, true}) {
    CAPTURE(prodigy);
    const auto one =
        rule(std::string("kind = '") + (prodigy ? "prodigy" : "d-adaptation") + "'\nd0 = 0.5\nprior = 2.0\n");
    RateRun run(*one);
    CHECK(run.step({.squared_gradient = 5}, 1) == Approx(prodigy ? 0.25 / 1.5 : 0.5 / 3).epsilon(1e-15));
    CHECK(run.step({.squared_gradient = 7, .squared_distance = 4, .toward_start = 3}, 1) ==
          Approx(prodigy ? 0.25 / 2 : 0.5 / 4).epsilon(1e-15));
    CHECK(run.memory()[0] == Approx(prodigy ? 3 : 12).epsilon(1e-15));
    CHECK(run.memory()[1] == Approx(0.375).epsilon(1e-15));
    CHECK(run.memory()[2] == 0.5);
    // d = .375/.1; half of the rate by a schedule, of which the numerator knows.
    const double rate = prodigy ? 14.0625 / std::sqrt(3 + 14.0625 * 13) : 3.75 / 5;
    CHECK(run.step({.squared_gradient = 9, .squared_distance = 0.01, .toward_start = -1}, 0.5) ==
          Approx(0.5 * rate).epsilon(1e-14));
    CHECK(run.memory()[1] == Approx(0.375 - 0.5 * rate).epsilon(1e-14));
    CHECK(run.memory()[2] == Approx(3.75).epsilon(1e-14));
  }
  for (const std::string kind : {"d-adaptation", "prodigy"})
    CHECK(first_rate("kind = '" + kind + "'", {.squared_gradient = 4}) == Approx(5e-7).epsilon(1e-14));
}

TEST_CASE("MoMo: the average of the tangents, continued to where the run is") {
  const auto momo = rule("kind = 'momo'\nbeta = 0.5\nf_min = 0.1\neta_max = inf\n");
  CHECK(momo->averaging() == 0.5);
  CHECK_FALSE(momo->by_batch_alone());
  CHECK(rule("kind = 'momo'\nbeta = 0.0")->by_batch_alone());
  CHECK(rule("kind = 'momo'")->averaging() == 0.9);
  CHECK(*rule("kind = 'momo'")->largest == 1);
  RateRun run(*momo);
  CHECK(run.step({.squared_gradient = 4, .loss = 2, .weight = 1, .squared_direction = 4}, 1) ==
        Approx(1.9 / 4).epsilon(1e-15));
  CHECK(run.memory()[0] == 2);
  CHECK(run.memory()[1] == Approx(1.9).epsilon(1e-15));
  // m = (2 - 1.9)/2 + 1/2.
  CHECK(run.step({.squared_gradient = 1, .loss = 1, .weight = 0.5, .squared_direction = 2}, 1) ==
        Approx(0.45 / 2).epsilon(1e-14));
  // Below f_min there is nothing to gain.
  CHECK(run.step({.squared_gradient = 1, .loss = 0.05, .weight = 1, .squared_direction = 2}, 1) == 0);
}

TEST_CASE("inverse sharpness: late and averaged, the first for all before") {
  const auto sharp = [](double lambda) {
    StepObservation out = along(1, 1);
    out.sharpness = lambda;
    return out;
  };
  const auto late = rule("kind = 'inverse-sharpness'\nsigma = 1.5\ndelay = 2\nema = 0.5\n");
  CHECK(late->memory().size() == 3);
  RateRun run(*late);
  const double lambda[] = {4, 2, 1, 8, 8}, average[] = {4, 4, 4, 3, 2};
  for (int k = 0; k < 5; ++k) CHECK(run.step(sharp(lambda[k]), 1) == Approx(1.5 / average[k]).epsilon(1e-15));
  const auto now = rule("kind = 'inverse-sharpness'\nema = 0.75\n");
  RateRun at_once(*now);
  CHECK(at_once.step(sharp(4), 1) == Approx(2.0 / 4).epsilon(1e-15));
  CHECK(at_once.step(sharp(2), 1) == Approx(2.0 / 3.5).epsilon(1e-15));
  // Where there is no sharpness, the largest rate, if there is one.
  CHECK(first_rate("kind = 'inverse-sharpness'\neta_max = 0.7", sharp(-1)) == 0.7);
  CHECK_THROWS_AS(first_rate("kind = 'inverse-sharpness'", sharp(-1)), std::runtime_error);
  CHECK(first_rate("kind = 'inverse-sharpness'", {}) == 0);
}

TEST_CASE("CDAT: averages of descent and curvature, and which multiple of the greedy rate it is") {
  const auto cdat = rule("kind = 'cdat'\nsigma = 1.5\nema = 0.5\nepsilon = 1.0\n");
  RateRun run(*cdat);
  CHECK(run.step(along(2, -3), 1) == Approx(1.5 * 2 / 4).epsilon(1e-15));
  // An ascent counts as none: n = (2 + 0)/2, d = (4 + 2)/2.
  CHECK(run.step(along(-1, 1), 1) == Approx(1.5 / 3).epsilon(1e-15));
  CHECK(cdat->greedy_multiple().low == 0);
  CHECK(cdat->greedy_multiple().high == 1.5);
  CHECK(cdat->greedy_multiple().averaged);
  CHECK(first_rate("kind = 'cdat'", along(3, 2)) == 3);
  CHECK_THROWS_AS(first_rate("kind = 'cdat'", along(3, 0)), std::runtime_error);
  CHECK(first_rate("kind = 'cdat'", along(0, 0)) == 0);
  CHECK(rule("kind = 'cdat'")->greedy_multiple().on_edge());
  CHECK_FALSE(rule("kind = 'cdat'\neta_max = 1.0")->greedy_multiple().on_edge());
  CHECK(rule("kind = 'cdat'\nsigma = 1.5")->greedy_multiple().below_edge());
  CHECK_FALSE(rule("kind = 'cdat'\nsigma = 1")->greedy_multiple().below_edge());
  CHECK_FALSE(rule("kind = 'cdat'\nsigma = 1.5\nepsilon = 0.1")->greedy_multiple().below_edge());
}

TEST_CASE("Armijo: defaults, the trial from step to step, and losses that are no numbers") {
  const auto armijo = rule("kind = 'armijo'");
  CHECK(armijo->jumps());
  CHECK(armijo->greedy_multiple().high == Approx(2 * (1 - 1e-4)).epsilon(1e-15));
  CHECK(armijo->greedy_multiple().below_edge());
  RateRun run(*armijo);
  // -eta + 2 eta^2 <= -1e-4 eta up to eta = .49995: 1, .8, .64, .512 fail; then 1.5 .4096 does and .8 of it passes.
  CHECK(run.step(along(1, 4), 1) == Approx(std::pow(0.8, 4)).epsilon(1e-14));
  CHECK(run.step(along(1, 4), 1) == Approx(1.5 * std::pow(0.8, 5)).epsilon(1e-14));
  // Never above eta_max = 1, and 0 without a descent, which is not remembered.
  CHECK(run.step(along(1, 0.1), 1) == Approx(1.5 * 1.5 * std::pow(0.8, 5)).epsilon(1e-14));
  CHECK(run.step(along(1, 0.1), 1) == 1);
  CHECK(run.step(along(0, 0.1), 1) == 0);
  CHECK(run.step(along(1, 0.1), 1) == 1);
  StepObservation steep = along(1, 4);
  steep.loss_after = [](double eta) { return eta > 0.1 ? NAN : 0; };
  CHECK(first_rate("kind = 'armijo'\nshrink = 0.5", steep) == Approx(0.0625).epsilon(1e-15));
}
