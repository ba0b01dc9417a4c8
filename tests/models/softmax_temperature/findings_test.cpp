// What `edgewise stability` says of the softmax loss at a temperature, by formulas worked out by hand.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::column;
using models::testing::flag;
using models::testing::number;
using models::testing::prepare;
using models::testing::there;
using models::testing::words;

namespace {

const std::string population = "model = 'softmax-temperature'\n[time]\nat = [1, 40]\n";

/// Phi^-1(.9).
constexpr double ninth_decile = 1.2815515655446004;

}  // namespace

TEST_CASE("softmax temperature: findings of a population") {
  // g = .3 16 .5 = 2.4, s = 4 .2 = .8.
  const std::string text = population +
                           "[task]\neigenvalue = 0.5\n[initial]\ndeviation = 0.2\n[loss]\ninverse_temperature = 4\n"
                           "[optimizer]\nlearning_rate = 0.3\n";
  const auto found = prepare(text)->stability();
  CHECK(number(found, "time_per_step") == Approx(2.4).epsilon(1e-13));
  CHECK(number(found, "edge") == 8);
  CHECK(flag(found, "stable"));
  CHECK(number(found, "edge_learning_rate") == Approx(1).epsilon(1e-13));
  CHECK(number(found, "time_scale") == Approx(1 / 2.4).epsilon(1e-13));
  CHECK(number(found, "start_spread") == Approx(.8).epsilon(1e-13));
  CHECK(number(found, "unlearning_time") == Approx(.2 / (.3 * 4 * .5)).epsilon(1e-13));
  // The start at -s Phi^-1(.9) is at 0 then: u + e^u = u_0 + e^u_0 + T.
  const double u = .8 * ninth_decile, T = 1 + u - std::exp(-u);
  CHECK(number(found, "rescaled_time_to_90") == Approx(T).epsilon(1e-12));
  CHECK(number(found, "steps_to_90") == Approx(T / 2.4).epsilon(1e-12));
  CHECK(words(found, "regime") == "crossover");
  CHECK(!there(found, "slowest_time_scale"));
  CHECK(!there(found, "lazy_parameter"));
  CHECK(prepare(text)->mode_table().empty());

  // Of C classes 2C, and (C - 1) u + e^u moves by C T.
  const auto classes = prepare(text, {"task.classes=5", "optimizer.rescaled=true"})->stability();
  CHECK(number(classes, "time_per_step") == Approx(.15).epsilon(1e-13));
  CHECK(number(classes, "edge") == 10);
  CHECK(number(classes, "edge_learning_rate") == Approx(.3 / 16 * 10 / .15).epsilon(1e-13));
  CHECK(number(classes, "rescaled_time_to_90") == Approx((4 * u + 1 - std::exp(-u)) / 5).epsilon(1e-12));

  CHECK(number(classes, "unlearning_time") == Approx(.8 * (.8 / .15)).epsilon(1e-13));

  // T_90 over |u_*| is what the regime's two ends are said to have, and the unlearning time is that of wrong logits.
  for (const int count : {1, 2, 5}) {
    CAPTURE(count);
    const std::string number_of = "task.classes=" + std::to_string(count);
    const auto small = prepare(text, {number_of, "initial.deviation=1e-6"})->stability(),
               large = prepare(text, {number_of, "initial.deviation=1e6"})->stability();
    const auto ratio = [](const auto& of) {
      return number(of, "rescaled_time_to_90") / number(of, "start_spread") / ninth_decile;
    };
    const auto said = std::ranges::find(small, "regime", &models::Finding::name);
    CHECK(said->doc.ends_with(
        fmt::format(": {:.4g} in the linear, {:.4g} in the unlearning one", ratio(small), ratio(large))));
    CHECK(number(large, "unlearning_time") * number(large, "time_per_step") ==
          Approx(number(large, "rescaled_time_to_90") / ninth_decile).epsilon(1e-5));
  }

  // The flow's own accuracy is .9 then.
  const auto regime = [&](const char* deviation) {
    return words(prepare(text, {std::string("initial.deviation=") + deviation})->stability(), "regime");
  };
  CHECK(regime("0.0749") == "linear");
  CHECK(regime("0.0751") == "crossover");
  CHECK(regime("0.749") == "crossover");
  CHECK(regime("0.751") == "unlearning");
  CHECK(!flag(prepare(text, {"optimizer.learning_rate=1.001"})->stability(), "stable"));
  CHECK(prepare(text, {"optimizer.learning_rate=1.001"})->solve().warnings.size() == 1);
  CHECK(prepare(text, {"optimizer.learning_rate=0.999"})->solve().warnings.empty());
}

TEST_CASE("softmax temperature: the spread of a population's losses is that of its draws") {
  // Steps of beta k eta sigma(-u) on 4e5 points.
  const std::string text = population +
                           "[initial]\ndeviation = 0.5\n[loss]\ninverse_temperature = 2\n[optimizer]\nlearning_rate = "
                           "0.2\n[monte_carlo]\npoints = 100\nreplicas = 7\n";
  for (const char* method : {"gd", "flow"}) {
    const auto theory = prepare(text, {std::string("theory.method=") + method})->solve();
    // One point of all that are drawn.
    CHECK(theory.find("accuracy")->rounding == 1.0 / 700);
    for (std::size_t row = 0; row < theory.steps.size(); ++row) {
      // Quadrature in steps of s/100 over u_0 ~ N(0, 1): beta std z_0 = 1.
      double mean = 0, square = 0, right = 0, total = 0;
      for (int i = -900; i <= 900; ++i) {
        const double start = (i + .5) * .01, weight = std::exp(-start * start / 2);
        double u = start;
        const int parts = method[0] == 'g' ? 1 : 200;
        for (int k = 0; k < theory.steps[row] * parts; ++k) {
          const double half = u + .4 / parts / (1 + std::exp(u));  // of g = .8, midpoint rule of the flow
          u += .8 / parts / (1 + std::exp(parts == 1 ? u : half));
        }
        const double loss = std::log1p(std::exp(-u));
        mean += weight * loss;
        square += weight * loss * loss;
        right += u > 0 ? weight : 0;
        total += weight;
      }
      mean /= total;
      right /= total;
      CAPTURE(method);
      CAPTURE(row);
      CHECK(column(theory, "loss")[row] == Approx(mean).epsilon(1e-5));
      CHECK(theory.find("loss")->std[row] == Approx(std::sqrt((square / total - mean * mean) / 100)).epsilon(1e-4));
      CHECK(column(theory, "accuracy")[row] == Approx(right).epsilon(4e-3));
      const double accuracy = column(theory, "accuracy")[row];
      CHECK(theory.find("accuracy")->std[row] == Approx(std::sqrt(accuracy * (1 - accuracy) / 100)).epsilon(1e-13));
    }
  }
}

TEST_CASE("softmax temperature: findings and modes of a kernel and of a network") {
  // K = [[2, 1], [1, 2]] has eigenvalues 1 and 3.
  const std::string text = population +
                           "[task]\nkind = 'kernel'\nkernel = 'list'\nmatrix = [[2, 1], [1, 2]]\nlabels = [1, -1]\n"
                           "[initial]\nlogits = [0.3, -0.4]\n[loss]\ninverse_temperature = 2\n[optimizer]\n"
                           "learning_rate = 0.1\n";
  const auto problem = prepare(text);
  const auto found = problem->stability();
  CHECK(number(found, "time_per_step") == Approx(1.2).epsilon(1e-13));
  CHECK(number(found, "edge_learning_rate") == Approx(.8 / 1.2).epsilon(1e-13));
  CHECK(number(found, "time_scale") == Approx(1 / 1.2).epsilon(1e-13));
  CHECK(number(found, "slowest_time_scale") == Approx(2.5).epsilon(1e-13));
  const double root = std::sqrt(.125);
  CHECK(number(found, "start_spread") == Approx(2 * root).epsilon(1e-13));
  CHECK(number(found, "unlearning_time") == Approx(2 * root / 1.2).epsilon(1e-13));
  CHECK(!there(found, "steps_to_90"));
  const auto modes = problem->mode_table();
  CHECK(column(modes, "eigenvalue")[0] == Approx(1).epsilon(1e-13));
  CHECK(column(modes, "eigenvalue")[1] == Approx(3).epsilon(1e-13));
  CHECK(column(modes, "time_scale")[0] == Approx(2.5).epsilon(1e-13));
  CHECK(column(modes, "time_scale")[1] == Approx(2.5 / 3).epsilon(1e-13));
  // min_margin: beta y z, .6 and .8 at the start.
  CHECK(column(problem->solve(), "min_margin")[0] == Approx(.6).epsilon(1e-13));
  CHECK(column(problem->solve(), "accuracy")[0] == 1);
  // Roundings: a share of the largest logit, of margins beta times as much.
  const auto theory = problem->solve();
  double largest = 0;
  for (const char* z : {"z_1", "z_2"})
    for (const double x : column(theory, z)) largest = std::max(largest, std::abs(x));
  CHECK(theory.find("z_1")->rounding == Approx(1e-14 * largest).epsilon(1e-12));
  CHECK(theory.find("min_margin")->rounding == Approx(2e-14 * largest).epsilon(1e-12));
  // Of a kernel of rank one the slowest time is that of the rank.
  const auto flat = prepare(text, {"task.matrix=[[1, 1], [1, 1]]"});
  CHECK(number(flat->stability(), "slowest_time_scale") == Approx(1 / .8).epsilon(1e-12));

  // Powers of a base between two points: 1 and the base.
  const std::string powers = population +
                             "[task]\nkind = 'kernel'\nkernel = 'powers'\nlabels = [1, 1]\nbase = 0.3\n"
                             "[optimizer]\nlearning_rate = 0.1\n";
  CHECK(column(prepare(powers)->mode_table(), "eigenvalue")[0] == Approx(.7).epsilon(1e-13));
  CHECK(column(prepare(powers)->mode_table(), "eigenvalue")[1] == Approx(1.3).epsilon(1e-13));
  // A wide network's kernel of a point with itself, E phi^2 + E phi'^2 of a normal number, by the rectangle rule.
  for (const bool erf : {false, true}) {
    double expected = 0;
    for (double x = -9; x < 9.005; x += .01) {
      const double state = erf ? std::erf(x / std::sqrt(2)) : std::tanh(x),
                   slope = erf ? std::sqrt(2 / std::acos(-1.0)) * std::exp(-x * x / 2) : 1 - state * state;
      expected += .01 * std::exp(-x * x / 2) / std::sqrt(2 * std::acos(-1.0)) * (state * state + slope * slope);
    }
    const auto single = prepare(population + "[task]\nkind = 'network'\npoints = 1\nactivation = '" +
                                (erf ? "erf" : "tanh") + "'\n[optimizer]\nlearning_rate = 0.1\n");
    CHECK(column(single->mode_table(), "eigenvalue")[0] == Approx(expected).epsilon(1e-9));
  }

  const auto network = prepare(population +
                               "[task]\nkind = 'network'\nwidth = 64\npoints = 3\ninputs = 4\n[loss]\n"
                               "inverse_temperature = 10\n[optimizer]\nlearning_rate = 0.001\n");
  CHECK(number(network->stability(), "lazy_parameter") == Approx(1. / 80).epsilon(1e-13));
  CHECK(number(network->stability(), "start_spread") == 0);
}

TEST_CASE("softmax temperature: times until other shares are right") {
  const std::string text = population + "[initial]\ndeviation = 2\n[optimizer]\nlearning_rate = 0.5\n";
  const auto found = prepare(text + "[theory]\naccuracies = [0.5, 0.75, 0.999]\n")->stability();
  CHECK(number(found, "rescaled_time_to_50") == 0);
  const double u = 2 * 0.6744897501960817, T = 1 + u - std::exp(-u);
  CHECK(number(found, "rescaled_time_to_75") == Approx(T).epsilon(1e-12));
  CHECK(number(found, "steps_to_75") == Approx(2 * T).epsilon(1e-12));
  CHECK(number(found, "steps_to_50") == 0);
  // Phi^-1(.999).
  const double far = 2 * 3.0902323061678132, longest = 1 + far - std::exp(-far);
  CHECK(number(found, "rescaled_time_to_99.9") == Approx(longest).epsilon(1e-12));
  CHECK(number(found, "steps_to_99.9") == Approx(2 * longest).epsilon(1e-12));
  CHECK(!there(found, "rescaled_time_to_90"));
  CHECK_THROWS_WITH(prepare(text + "[theory]\naccuracies = [1]\n"),
                    doctest::Contains("theory.accuracies: must be below 1"));
}
