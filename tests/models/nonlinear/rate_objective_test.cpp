// The loss of nonlinear gradients as a function of every step's learning rate: the solver's own, and its differences.
#include "models/framework/rate_objective.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "models/ingredients/schedule_search/best_rates.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise::models;
using edgewise::models::testing::holds;
using edgewise::models::testing::prepare;

namespace {

std::string problem(const std::string& model, const std::string& optimizer, double rate, const std::string& more = "") {
  return "model = '" + model + "'\n[spectrum]\nkind = 'power-law'\nalpha = 0.5\nbeta = 0.3\ndimension = 30\n" +
         "[noise]\nlaw = 'student-t'\ndof = 3.5\nscale = 0.4\n[optimizer]\n" + optimizer +
         "\nlearning_rate = " + edgewise::settings::text_of(rate) + "\n[time]\nsteps = 12\n" + more;
}

}  // namespace

TEST_CASE("value and gradient, signs and clipping") {
  struct Case {
    const char *model, *optimizer;
    double rate;
  };
  for (const Case& c :
       {Case{"sign-sgd", "kind = 'sign-late'\nbatch = 3", 0.02}, Case{"sign-sgd", "kind = 'sign-early'", 0.02},
        Case{"residual-sgd", "kind = 'clip'\nthreshold = 1.5", 0.2},
        Case{"residual-sgd", "kind = 'huber'\nthreshold = 0.7\nbatch = 2", 0.2},
        Case{"residual-sgd", "kind = 'huber'\nthreshold = 0.7\nthreshold_rule = 'sqrt-risk'", 0.2},
        Case{"sign-sgd", "kind = 'ema-sign'\nema = 0.7\nbatch = 2", 0.02},
        Case{"sign-sgd", "kind = 'adam'\nbeta1 = 0.6\nbeta2 = 0.8\nbatch = 2", 0.02},
        Case{"sign-sgd", "kind = 'adam'\nbeta1 = 0\nbeta2 = 0.99", 0.02}}) {
    CAPTURE(c.optimizer);
    const auto J = prepare(problem(c.model, c.optimizer, c.rate))->rate_objective("");
    REQUIRE(J);
    std::vector<double> rates;
    for (int k = 0; k < 12; ++k) rates.push_back(c.rate * (1 - k / 12.0));
    const auto solved = prepare(problem(c.model, c.optimizer, c.rate, "[schedule]\nkind = 'linear'\n"))->solve();
    CHECK(J->value(rates) ==
          doctest::Approx(edgewise::models::testing::column(solved, "excess_mse").back()).epsilon(1e-12));
    std::vector<double> slope(12);
    CHECK(J->gradient(rates, slope) == doctest::Approx(J->value(rates)).epsilon(1e-14));
    for (std::size_t k = 0; k < 12; ++k) {
      const auto at = [&](double by) {
        std::vector<double> moved = rates;
        moved[k] += by;
        return J->value(moved);
      };
      const double h = 0.01 * c.rate;
      const double difference = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      CHECK(slope[k] == doctest::Approx(difference).epsilon(1e-6).scale(1e-3 * std::abs(slope[0])));
    }
    ingredients::ScheduleSearch search;
    search.starts = 2;
    const ingredients::Optimum best = ingredients::best_rates(*J, search, [] { return false; });
    CHECK(best.method == "L-BFGS");
    CHECK(best.loss < J->value(rates));
    const bool remembers = std::string(c.optimizer).find("ema") != std::string::npos ||
                           std::string(c.optimizer).find("beta1 = 0.6") != std::string::npos;
    CHECK(J->caution().empty() == !remembers);
    J->gradient(best.rates, slope);
    for (std::size_t k = 0; k < 12; ++k) CHECK(std::abs(slope[k] * best.rates[k]) < 1e-5 * best.loss);
  }
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
}
