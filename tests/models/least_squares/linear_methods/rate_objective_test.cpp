// The loss as a function of every step's learning rate: against the solver, central differences, and the equations of
// docs/theory/schedules-and-collapse.md, section 3 written out.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise::models;
using edgewise::models::testing::error_of;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

namespace {

std::string problem(const std::string& optimizer, int dimension, int steps, const std::string& more = "") {
  return "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\nalpha = 1.0\nbeta = 0.5\ndimension = " +
         std::to_string(dimension) +
         "\n[noise]\nlaw = 'gaussian'\nvariance = 0.25\n[optimizer]\nlearning_rate = 1.0\n" + optimizer +
         "\n[time]\nsteps = " + std::to_string(steps) + "\n" + more;
}

std::vector<double> linear_decay(std::size_t steps, double base) {
  std::vector<double> out(steps);
  for (std::size_t k = 0; k < steps; ++k) out[k] = base * (1 - static_cast<double>(k) / static_cast<double>(steps));
  return out;
}

/// (3.1), (3.2) and (3.4) as plain loops for j^-2, j^-1/2, sigma^2 = 1/4 and d distinct eigenvalues.
struct Literal {
  std::size_t d, T;
  double B;
  std::vector<double> lam, start;
  Literal(std::size_t dimension, std::size_t steps, double batch) : d(dimension), T(steps), B(batch) {
    for (std::size_t j = 1; j <= d; ++j) {
      lam.push_back(std::pow(static_cast<double>(j), -2.0));
      start.push_back(1 / static_cast<double>(j));
    }
  }
  double P(const std::vector<double>& D) const {
    double sum = 0;
    for (std::size_t i = 0; i < d; ++i) sum += lam[i] * D[i];
    return sum;
  }
  std::vector<std::vector<double>> run(const std::vector<double>& eta) const {
    std::vector<std::vector<double>> D{start};
    for (std::size_t k = 0; k < T; ++k) {
      std::vector<double> next(d);
      for (std::size_t i = 0; i < d; ++i)
        next[i] = std::pow(1 - eta[k] * lam[i], 2) * D[k][i] +
                  eta[k] * eta[k] / B * lam[i] * (lam[i] * D[k][i] + P(D[k]) + 0.25);
      D.push_back(next);
    }
    return D;
  }
  /// With `set`, the rates become those of one pass of (3.4). Returns dJ/d eta at the old rates of steps before and the
  /// new ones after.
  std::vector<double> back(std::vector<double>& eta, bool set, std::vector<double>* h = nullptr) const {
    const auto D = run(eta);
    std::vector<double> p = lam, slope(T);
    const double c = 1 + 1 / B;
    for (std::size_t k = T; k-- > 0;) {
      double first = 0, second = 0, lam_p = 0;
      for (std::size_t i = 0; i < d; ++i) {
        first += p[i] * lam[i] * D[k][i];
        second += p[i] * lam[i] * lam[i] * D[k][i];
        lam_p += lam[i] * p[i];
      }
      const double noise = lam_p * (P(D[k]) + 0.25) / B;
      slope[k] = -2 * first + 2 * eta[k] * (c * second + noise);
      if (set) eta[k] = first / (c * second + noise);
      if (h) (*h)[k] = eta[k] * eta[k] * noise;
      for (std::size_t i = 0; i < d; ++i)
        p[i] = (1 - 2 * eta[k] * lam[i] + c * eta[k] * eta[k] * lam[i] * lam[i]) * p[i] +
               eta[k] * eta[k] / B * lam_p * lam[i];
    }
    return slope;
  }
};

/// Richardson's central difference of J by the rate of step k.
double difference(const RateObjective& J, std::vector<double> rates, std::size_t k, double step) {
  const auto at = [&](double by) {
    std::vector<double> moved = rates;
    moved[k] += by;
    return J.value(moved);
  };
  return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
}

}  // namespace

TEST_CASE("a run whose states are too many to be held has the same gradient") {
  constexpr std::size_t T = 300000;  // 8 numbers a state: more than 16 MiB
  const Literal literal(7, T, 3);
  const auto J = prepare(problem("batch = 3", 7, T))->rate_objective("");
  std::vector<double> eta = linear_decay(T, 1e-3), slope(T);
  CHECK(J->gradient(eta, slope) == Approx(J->value(eta)).epsilon(1e-15));
  const std::vector<double> expected = literal.back(eta, false);
  double worst = 0;
  for (std::size_t k = 0; k < T; ++k) worst = std::max(worst, std::abs(slope[k] / expected[k] - 1));
  CHECK(worst < 1e-8);
}

TEST_CASE("plain SGD: value, gradient, sweep, h and greedy rates are the equations written out") {
  const Literal literal(7, 23, 3);
  const auto J = prepare(problem("batch = 3", 7, 23))->rate_objective("");
  REQUIRE(J);
  CHECK(J->steps() == 23);
  CHECK(J->natural_rate() == 1);
  std::vector<double> eta = linear_decay(23, 0.4), slope(23), h(23);
  CHECK(J->value(eta) == Approx(literal.P(literal.run(eta).back())).epsilon(1e-13));
  CHECK(J->gradient(eta, slope) == Approx(J->value(eta)).epsilon(1e-15));
  const std::vector<double> expected = literal.back(eta, false, &h);
  const RatePath path = J->path(eta);
  for (std::size_t k = 0; k < 23; ++k) {
    CHECK(slope[k] == Approx(expected[k]).epsilon(1e-11));
    CHECK(path.injected[k] == Approx(h[k]).epsilon(1e-12));
    CHECK(path.loss[k] == Approx(literal.P(literal.run(eta)[k])).epsilon(1e-13));
  }
  std::vector<double> swept = eta, literally = eta;
  const double before = J->value(eta), after = J->sweep(swept, 1e9).value();
  literal.back(literally, true);
  for (std::size_t k = 0; k < 23; ++k) CHECK(swept[k] == Approx(literally[k]).epsilon(1e-12));
  CHECK(after < before);
  CHECK(after == Approx(J->value(swept)).epsilon(1e-13));
  std::vector<double> capped = eta;
  J->sweep(capped, 0.2);
  for (const double rate : capped) CHECK(rate <= 0.2);

  std::vector<double> greedy(23), D = literal.start;
  const double greedily = J->greedy(greedy, 1e9).value();
  for (std::size_t k = 0; k < 23; ++k) {
    double S2 = 0, S3 = 0, trace = 0;
    for (std::size_t i = 0; i < 7; ++i) {
      S2 += std::pow(literal.lam[i], 2) * D[i];
      S3 += std::pow(literal.lam[i], 3) * D[i];
      trace += std::pow(literal.lam[i], 2);
    }
    CHECK(greedy[k] == Approx(S2 / ((1 + 1. / 3) * S3 + trace / 3 * (literal.P(D) + 0.25))).epsilon(1e-12));
    D = literal.run(greedy)[k + 1];
  }
  CHECK(greedily == Approx(literal.P(D)).epsilon(1e-13));
}

TEST_CASE("R1: the pinned values and gradient of fixed schedules") {
  const auto J = prepare(problem("batch = 1", 100, 300))->rate_objective("");
  const std::vector<double> eta = linear_decay(300, 0.2);
  std::vector<double> slope(300);
  CHECK(std::abs(J->gradient(eta, slope) - 0.017077786310) < 6e-13);
  CHECK(slope[0] == Approx(1.85928736e-04).epsilon(3e-9));
  CHECK(slope[150] == Approx(-8.70869402e-05).epsilon(3e-9));
  CHECK(slope[299] == Approx(-7.51634213e-03).epsilon(1e-9));
}

TEST_CASE("every linear method: the value is the solver's, the gradient is that of central differences") {
  for (const std::string optimizer :
       {"batch = 2", "weight_decay = 0.1", "weight_decay = 0.1\ndecoupled = true\nbatch = 3",
        "weight_decay = 0.02\nindependent = true", "kind = 'momentum'\nmomentum = 0.7\nbatch = 2",
        "kind = 'momentum'\nmomentum_kind = 'nesterov'\nmomentum = 0.6\nweight_decay = 0.05",
        "kind = 'ema'\naverage_decay = 0.8", "kind = 'tail-average'\naverage_from = 4",
        "kind = 'lookahead'\ninner_steps = 3\nouter_learning_rate = 0.6",
        "kind = 'la-diloco'\ninner_steps = 4\nworkers = 3",
        "kind = 'diloco'\ninner_steps = 4\nworkers = 3\nouter_learning_rate = 0.7"}) {
    CAPTURE(optimizer);
    const auto J = prepare(problem(optimizer, 5, 13))->rate_objective("");
    std::vector<double> eta = linear_decay(13, 0.3);
    std::string text = problem(optimizer, 5, 13, "[schedule]\nkind = 'linear'\n");
    text.replace(text.find("learning_rate = 1.0"), 19, "learning_rate = 0.3");
    const auto trajectory = prepare(text)->solve();
    CHECK(J->value(eta) == Approx(testing::column(trajectory, "excess_mse").back()).epsilon(1e-12));
    std::vector<double> slope(13);
    J->gradient(eta, slope);
    for (std::size_t k = 0; k < 13; ++k)
      CHECK(slope[k] == Approx(difference(*J, eta, k, 1e-3)).epsilon(1e-7).scale(1e-4));
    double now = J->value(eta);
    for (int pass = 0; pass < 4; ++pass) {
      const double next = J->sweep(eta, 1e9).value();
      CHECK(next <= now * (1 + 1e-14));
      CHECK(next == Approx(J->value(eta)).epsilon(1e-12));
      now = next;
    }
  }
}

TEST_CASE("under additive noise the best schedule of one eigenvalue is in closed form; where it says nothing") {
  const auto said = [](const std::string& optimizer, const std::string& spectrum, double variance = 0.5) {
    return prepare("model = 'least-squares'\n[spectrum]\nkind = 'list'\n" + spectrum +
                   "[noise]\nlaw = 'gaussian'\nvariance = " + std::to_string(variance) +
                   "\n[optimizer]\nlearning_rate = 1.0\n" + optimizer + "\n[time]\nsteps = 40\n")
        ->rate_objective("")
        ->predictions(1e300);
  };
  const std::string spectrum = "eigenvalues = [0.3, 0]\nmultiplicities = [3, 2]\ntarget_power = [2.0, 7.0]\n";
  // Of n modes l the last rate is (1 - x)/(T l), the first 1/x of it, and J = l rho x^2 + n sigma^2/(B T) (1 - x)^2. Modes
  // of 0 have no part.
  const double l = 0.3, n = 3, rho = 2, T = 40;
  for (const double batch : {1.0, 2.0}) {
    CAPTURE(batch);
    const auto found = said(batch == 1 ? "batch = 1" : "batch = 2", spectrum);
    const double a = l * rho, b = n * 0.5 / batch / T, x = b / (a + b);
    CHECK(testing::number(found, "additive_noise_loss") == Approx(a * b / (a + b)).epsilon(1e-9));
    CHECK(testing::number(found, "additive_noise_last_rate") == Approx((1 - x) / (T * l)).epsilon(1e-8));
    CHECK(testing::number(found, "additive_noise_first_rate") == Approx((1 - x) / (T * l) / x).epsilon(1e-8));
  }
  for (const char* other : {"batch = inf", "kind = 'momentum'\nmomentum = 0.5", "weight_decay = 0.1"}) {
    CAPTURE(other);
    CHECK(said(other, spectrum).empty());
  }
  CHECK(said("batch = 2", spectrum, 0).empty());
  CHECK(said("batch = 2", "eigenvalues = [0.3]\ntarget_power = [0]\n").empty());
}

TEST_CASE("what is known before a search: exponents of power laws, optima of exact gradients, and nothing elsewhere") {
  const auto facts = [](const std::string& optimizer, const std::string& spectrum, const std::string& noise = "0.25",
                        int steps = 6) {
    return prepare("model = 'least-squares'\n[spectrum]\n" + spectrum +
                   "\n[noise]\nlaw = 'gaussian'\nvariance = " + noise + "\n[optimizer]\nlearning_rate = 1.0\n" +
                   optimizer + "\n[time]\nsteps = " + std::to_string(steps) + "\n")
        ->rate_objective("")
        ->facts();
  };
  const auto law = [](double alpha, double beta) {
    return "kind = 'power-law'\ndimension = 12\nalpha = " + std::to_string(alpha) + "\nbeta = " + std::to_string(beta);
  };
  const auto exponents = facts("batch = 2", law(0.8, 0.3)).predictions;
  CHECK(testing::number(exponents, "optimum_exponent") == Approx((1.6 + 0.6 - 1) / (1.6 + 0.6)).epsilon(1e-12));
  CHECK(testing::number(exponents, "cooldown_exponent") == Approx(2.2).epsilon(1e-12));
  CHECK(testing::number(exponents, "peak_exponent") == Approx(0.3 / 1.1).epsilon(1e-12));
  for (const auto& [optimizer, alpha, beta, noise] : std::vector<std::tuple<std::string, double, double, std::string>>{
           {"batch = 2", 0.25, 0.6, "0.25"},
           {"batch = 2", 0.8, 0, "0.25"},
           {"batch = 2", 0.8, 0.3, "0"},
           {"batch = inf", 0.8, 0.3, "0.25"},
           {"kind = 'momentum'\nmomentum = 0.5", 0.8, 0.3, "0.25"}}) {
    CHECK_FALSE(testing::there(facts(optimizer, law(alpha, beta), noise).predictions, "optimum_exponent"));
  }
  CHECK(testing::there(facts("batch = 2", law(0.26, 0.01)).predictions, "optimum_exponent"));

  // Exact gradients: as many eigenvalues as steps are removed at once, by the inverse eigenvalues in some order.
  const std::string list = "kind = 'list'\neigenvalues = [1.0, 0.5, 0.2]\ntarget_power = [1, 2, 3]";
  RateFacts descent = facts("batch = inf", list, "0", 3);
  std::ranges::sort(descent.optimum);
  REQUIRE(descent.optimum.size() == 3);
  for (std::size_t k = 0; k < 3; ++k)
    CHECK(descent.optimum[k] == Approx(std::vector<double>{1, 2, 5}[k]).epsilon(1e-6));
  CHECK(descent.uniqueness.first == Uniqueness::none);
  CHECK(facts("batch = 2", list).optimum.empty());
  const std::string momentum = "kind = 'momentum'\nmomentum = 0.5\nbatch = inf";
  CHECK(facts(momentum, list, "0", 3).optimum.empty());
  // No method goes below the least squares of a polynomial that is 1 at 0: of one step, for two eigenvalues,
  // min_c sum lambda rho (1 - c lambda)^2.
  const RateFacts one = facts(momentum, "kind = 'list'\neigenvalues = [1.0, 0.5]\ntarget_power = [1, 2]", "0", 1);
  REQUIRE(one.least);
  const double c = (1 * 1 + 0.5 * 0.5 * 2) / (1 * 1 * 1 + 0.5 * 0.5 * 0.5 * 2);
  const double least = std::pow(1 - c, 2) + 0.5 * 2 * std::pow(1 - 0.5 * c, 2);
  CHECK(*one.least == Approx(least).epsilon(1e-10));
  CHECK(testing::number(one.predictions, "conjugate_gradients_loss") == Approx(least).epsilon(1e-10));
  CHECK_FALSE(facts("weight_decay = 0.1\nbatch = inf", list, "0", 3).least);
  CHECK_FALSE(facts("kind = 'momentum'\nmomentum = 0.5", list, "0", 3).least);

  // Uniqueness.
  using Known = std::pair<Uniqueness, std::string>;
  CHECK(facts("batch = 2", list, "0.1", 1).uniqueness ==
        Known{Uniqueness::proved, "one step: the loss is a parabola of its rate"});
  CHECK(facts("batch = 2", list).uniqueness == Known{Uniqueness::unknown, ""});
  CHECK(facts("kind = 'momentum'\nmomentum = 0.5", list, "0.1", 1).uniqueness == Known{Uniqueness::unknown, ""});
  CHECK(facts("batch = 2", "kind = 'list'\neigenvalues = [0.5, 0]\nmultiplicities = [3, 2]").uniqueness.first ==
        Uniqueness::proved);
  CHECK(facts("batch = 2", list).natural_rate == Approx(1).epsilon(1e-12));
  CHECK(facts("batch = 2", "kind = 'list'\neigenvalues = [0.3, 4.0]").natural_rate == Approx(0.25).epsilon(1e-12));
}

TEST_CASE("which excess is searched for: that of the parameters, of the average, of the workers' average") {
  const auto objective = [](const std::string& optimizer, const std::string& observable) {
    return prepare(problem(optimizer, 5, 12))->rate_objective(observable);
  };
  const std::vector<double> eta = linear_decay(12, 0.3);
  std::string text = problem("kind = 'tail-average'\naverage_from = 4", 5, 12, "[schedule]\nkind = 'linear'\n");
  text.replace(text.find("learning_rate = 1.0"), 19, "learning_rate = 0.3");
  const auto solved = prepare(text)->solve();
  for (const std::string name : {"excess_mse", "average_excess_mse"}) {
    const auto J = objective("kind = 'tail-average'\naverage_from = 4", name);
    CHECK(J->facts().observable.name == name);
    CHECK(J->value(eta) == Approx(testing::column(solved, name).back()).epsilon(1e-12));
  }
  CHECK_THROWS_WITH_AS(objective("kind = 'tail-average'\naverage_from = 4", "averge_excess_mse"),
                       doctest::Contains("schedule_search.observable: 'averge_excess_mse' is not one of excess_mse, "
                                         "average_excess_mse, of which optimizer tail-average has a gradient"),
                       edgewise::settings::Error);
  // What is read before a sync has none.
  CHECK_THROWS_AS(objective("kind = 'lookahead'\ninner_steps = 3", "worker_excess_mse"), edgewise::settings::Error);
}

// From theta* without noise a step of weight decay w leads to v = -eta w theta*: P = lambda rho (eta w)^2.
TEST_CASE("weight decay leads away from the target") {
  const auto objective =
      prepare(
          "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [2.0, 0.5]\ntarget_power = [3.0, 8.0]\n"
          "[initial]\nscale = 1.0\n[optimizer]\nlearning_rate = 1.0\nweight_decay = 0.1\n[time]\nsteps = 1\n")
          ->rate_objective("");
  const std::vector<double> rate{0.5};
  std::vector<double> slope(1);
  CHECK(objective->value(rate) == Approx(10 * 0.25 * 0.01).epsilon(1e-14));
  CHECK(objective->gradient(rate, slope) == Approx(10 * 0.25 * 0.01).epsilon(1e-14));
  CHECK(slope[0] == Approx(2 * 10 * 0.5 * 0.01).epsilon(1e-14));
  CHECK(objective->facts().uniqueness.first == Uniqueness::unknown);
}
