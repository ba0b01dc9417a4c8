// The loss of nonlinear gradients as a function of every step's learning rate: the solver's own, and its differences.
#include "models/framework/rate_objective.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "models/ingredients/schedule_search/best_rates.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise::models;
using edgewise::models::testing::holds;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

namespace {

std::string problem(const std::string& model, const std::string& optimizer, double rate, const std::string& more = "") {
  return "model = '" + model + "'\n[spectrum]\nkind = 'power-law'\nalpha = 0.5\nbeta = 0.3\ndimension = 30\n" +
         "[noise]\nlaw = 'student-t'\ndof = 3.5\nscale = 0.4\n[optimizer]\n" + optimizer +
         "\nlearning_rate = " + edgewise::settings::text_of(rate) + "\n[time]\nsteps = 12\n" + more;
}

struct RateCase {
  const char *model, *optimizer;
  double rate;
};

const RateCase rate_cases[] = {{"sign-sgd", "kind = 'sign-late'\nbatch = 3", 0.02},
                               {"sign-sgd", "kind = 'sign-early'", 0.02},
                               {"residual-sgd", "kind = 'clip'\nthreshold = 1.5", 0.2},
                               {"residual-sgd", "kind = 'huber'\nthreshold = 0.7\nbatch = 2", 0.2},
                               {"residual-sgd", "kind = 'huber'\nthreshold = 0.7\nthreshold_rule = 'sqrt-risk'", 0.2},
                               {"sign-sgd", "kind = 'ema-sign'\nema = 0.7\nbatch = 2", 0.02},
                               {"sign-sgd", "kind = 'adam'\nbeta1 = 0.6\nbeta2 = 0.8\nbatch = 2", 0.02},
                               {"sign-sgd", "kind = 'adam'\nbeta1 = 0\nbeta2 = 0.99", 0.02}};

/// Rates that fall to 0 along a line.
std::vector<double> falling(double rate) {
  std::vector<double> out;
  for (int k = 0; k < 12; ++k) out.push_back(rate * (1 - k / 12.0));
  return out;
}

}  // namespace

TEST_CASE("value and gradient, signs and clipping") {
  for (const RateCase& c : rate_cases) {
    CAPTURE(c.optimizer);
    const auto J = prepare(problem(c.model, c.optimizer, c.rate))->rate_objective("");
    REQUIRE(J);
    const std::vector<double> rates = falling(c.rate);
    const auto solved = prepare(problem(c.model, c.optimizer, c.rate, "[schedule]\nkind = 'linear'\n"))->solve();
    CHECK(J->value(rates) == Approx(edgewise::models::testing::column(solved, "excess_mse").back()).epsilon(1e-12));
    std::vector<double> slope(12);
    CHECK(J->gradient(rates, slope) == Approx(J->value(rates)).epsilon(1e-14));
    for (std::size_t k = 0; k < 12; ++k) {
      const auto at = [&](double by) {
        std::vector<double> moved = rates;
        moved[k] += by;
        return J->value(moved);
      };
      const double h = 0.01 * c.rate;
      const double difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      CHECK(slope[k] == Approx(difference).epsilon(1e-6).scale(1e-3 * std::abs(slope[0])));
    }
  }
}

TEST_SUITE_BEGIN("slow");

TEST_CASE("the best rates, signs and clipping") {
  for (const RateCase& c : rate_cases) {
    CAPTURE(c.optimizer);
    const auto J = prepare(problem(c.model, c.optimizer, c.rate))->rate_objective("");
    REQUIRE(J);
    std::vector<double> slope(12);
    ingredients::ScheduleSearch search;
    search.starts = 2;
    const ingredients::Optimum best = ingredients::best_rates(*J, search, [] { return false; });
    CHECK(best.method == "L-BFGS");
    CHECK(best.loss < J->value(falling(c.rate)));
    const bool remembers = std::string(c.optimizer).find("ema") != std::string::npos ||
                           std::string(c.optimizer).find("beta1 = 0.6") != std::string::npos;
    CHECK(J->facts().caution.empty() == !remembers);
    J->gradient(best.rates, slope);
    for (std::size_t k = 0; k < 12; ++k) CHECK(std::abs(slope[k] * best.rates[k]) < 1e-5 * best.loss);
  }
}

TEST_SUITE_END();

// Signs of means of 8 gradients begin where the theory holds up to the largest mode's optimum alone, and every rate is best
// there: least losses of a grid over the shares of these bounds, by a program of its own (B = 8: a = 2 sqrt(8) t_8(0)/sqrt(P +
// sigma^2), t_8 the density of Student's t; kappa_i = s_i = i^-1/2, M_i = kappa_i i^-.6).
TEST_CASE("the best rates beside the bounds of the theory") {
  const auto text = [](int steps, const char* more) {
    return "model = 'sign-sgd'\n[spectrum]\nkind = 'power-law'\nalpha = 0.5\nbeta = 0.3\ndimension = 6\n"
           "[noise]\nlaw = 'gaussian'\nvariance = 0.25\n[optimizer]\nlearning_rate = 0.01\n" +
           std::string(more) + "\n[time]\nsteps = " + std::to_string(steps) + "\n";
  };
  const std::vector<double> expected{0.5549068371132643, 0.2972704358728578, 0.18537567043672534};
  ingredients::ScheduleSearch search;
  search.starts = 4;
  const auto never = [] { return false; };
  for (int T = 1; T <= 3; ++T) {
    CAPTURE(T);
    const auto J = prepare(text(T, "kind = 'sign-late'\nbatch = 8"))->rate_objective("");
    const ingredients::Optimum best = ingredients::best_rates(*J, search, never);
    CHECK(best.loss == Approx(expected[static_cast<std::size_t>(T) - 1]).epsilon(1e-8));
    CHECK(best.spread < 1e-12);
    for (const ingredients::SearchFrom& from : best.searches) CHECK(from.converged);
    CHECK(holds(best.warnings.at(0), "the largest at which the theory holds"));
    CHECK(J->value(best.rates) == best.loss);
    // A cap below the first bound holds it, and the later rates follow.
    search.max_rate = 0.2;
    CHECK(ingredients::best_rates(*J, search, never).rates.front() == Approx(0.2));
    search.max_rate = ingredients::ScheduleSearch().max_rate;
  }
  // Adam's bound moves with what its denominators remember: no neighbour within the bounds is better.
  const auto J = prepare(text(5, "kind = 'adam'\nbeta1 = 0\nbeta2 = 0.9\nbatch = 4"))->rate_objective("");
  const ingredients::Optimum best = ingredients::best_rates(*J, search, never);
  CHECK(best.spread < 1e-12);
  const auto shares = J->shares(search.max_rate);
  const std::vector<double> at = shares->of(best.rates);
  CHECK(at[0] == Approx(1));
  CHECK(at[4] < 0.9);
  for (std::size_t k = 0; k < 5; ++k)
    for (const double by : {0.97, 1.03}) {
      std::vector<double> moved = at;
      moved[k] = std::min(moved[k] * by, 1.0);
      CHECK(J->value(shares->rates(moved)) >= best.loss * (1 - 1e-12));
    }
}

TEST_CASE("the gradient by shares of the bounds is that of its differences") {
  for (const char* optimizer : {"kind = 'sign-late'\nbatch = 3", "kind = 'ema-sign'\nema = 0.7\nbatch = 2",
                                "kind = 'adam'\nbeta1 = 0.6\nbeta2 = 0.8\nbatch = 2"}) {
    CAPTURE(optimizer);
    const auto J = prepare(problem("sign-sgd", optimizer, 0.02))->rate_objective("");
    const double cap = 10;
    const auto in = J->shares(cap);
    std::vector<double> shares(12), slope(12), none(12);
    for (std::size_t k = 0; k < 12; ++k) shares[k] = 0.9 - 0.07 * static_cast<double>(k);
    CHECK(in->gradient(shares, slope) == Approx(J->value(in->rates(shares))).epsilon(1e-12));
    const std::vector<double> back = in->of(in->rates(shares));
    for (std::size_t k = 0; k < 12; ++k) {
      CHECK(back[k] == Approx(shares[k]).epsilon(1e-12));
      const auto moved = [&](double by) {
        std::vector<double> x = shares;
        x[k] += by;
        return in->gradient(x, none);
      };
      const double h = 1e-3, difference = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h);
      CHECK(slope[k] == Approx(difference).epsilon(1e-6).scale(1e-3 * std::abs(slope[0])));
    }
  }
}

// M' = M - 2 eta a M + eta^2 (b + c M), a^2 = 2/(pi (P + sigma^2)), b = 1/B, c = (1 - 1/B) a^2: signs of residuals have these
// second moments at any rate, and the best one lies where 2 eta a - eta^2 c > 1.
TEST_CASE("nothing bounds the rates where the second moments are the steps' own") {
  const auto J =
      prepare(
          "model = 'residual-sgd'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0]\ntarget_power = [1.0]\n[noise]\n"
          "law = 'gaussian'\nvariance = 0.01\n[optimizer]\nkind = 'lad'\nbatch = 1000\nlearning_rate = 0.1\n"
          "[time]\nsteps = 1\n")
          ->rate_objective("");
  CHECK_FALSE(J->shares(1));
  const ingredients::Optimum best = ingredients::best_rates(*J, {}, [] { return false; });
  const double square = 2 / (std::numbers::pi * 1.01), b = 1e-3, c = (1 - 1e-3) * square;
  CHECK(best.rates[0] == Approx(std::sqrt(square) / (c + b)).epsilon(1e-6));
  CHECK(best.loss == Approx(1 - square / (c + b)).epsilon(1e-8));
}

TEST_CASE("what has none says why") {
  const auto said = [](const std::string& text) {
    try {
      prepare(text)->rate_objective("");
    } catch (const edgewise::settings::Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(holds(said(problem("residual-sgd", "kind = 'huber'\nthreshold = 1\nlearning_rate_rule = 'greedy'", 1)),
              "greedy sets the rates"));
  CHECK(holds(said(problem("sign-sgd", "kind = 'per-example-adam'\nbatch = 4", 1)), "its own second moment"));
  CHECK(said("model = 'sign-sgd'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0]\ntarget_power = [0.0]\n[noise]\n"
             "law = 'gaussian'\nvariance = 0.01\n[optimizer]\nlearning_rate = 0.1\n[time]\nsteps = 1\n") ==
        "x.toml: spectrum: the run starts at the target, which no learning rate can improve on");
}
