// The best learning rates on a fixed data set: the authors' noiseless workload of docs/theory/schedules-and-collapse.md.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedule_search/best_rates.hpp"
#include "models/ingredients/schedule_search/families.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"

using namespace edgewise::models;
using edgewise::models::testing::error_of;
using edgewise::models::testing::holds;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

namespace {

/// Theta = diag(i^-1), over its trace, z_0 = 1 in every mode. Bernoulli batches have the moments of their average theory.
std::string workload(int batch, int steps, const std::string& more = "", const std::string& method = "mean-field") {
  std::string rows, targets;
  double trace = 0;
  for (int i = 1; i <= 100; ++i) trace += 1.0 / i;
  for (int i = 1; i <= 100; ++i) {
    rows += "[";
    for (int j = 1; j <= 100; ++j)
      rows += (i == j ? edgewise::settings::text_of(std::sqrt(100.0 / i / trace)) : std::string("0")) + ",";
    rows += "],";
    targets += "-1,";
  }
  return "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [" + rows + "]\ntargets = [" + targets +
         "]\n[optimizer]\nlearning_rate = 1\nsampling = 'bernoulli'\nbatch = " + std::to_string(batch) +
         "\n[theory]\nmethod = '" + method + "'\n[time]\nsteps = " + std::to_string(steps) + "\n" + more;
}

double best_of(const RateObjective& J, const std::string& family, const std::vector<double>& warmups) {
  ingredients::ScheduleSearch search;
  search.warmups = warmups;
  search.warmup_mode = "first";
  return ingredients::tune_family(J, family, search, {}).loss;
}

}  // namespace

TEST_CASE("the average workload, B = 10: fixed bases and the best") {
  const auto J = prepare(workload(10, 100))->rate_objective("");
  const auto at = [&](const std::string& schedule, double base) {
    std::string text = workload(10, 100, "[schedule]\n" + schedule + "\nwarmup = 0.1\nwarmup_mode = 'first'\n");
    text.replace(text.find("learning_rate = 1"), 17, "learning_rate = " + edgewise::settings::text_of(base));
    return edgewise::models::testing::column(prepare(text)->solve(), "loss").back();
  };
  CHECK(at("kind = 'constant'", 2) == Approx(.127062805714).epsilon(5e-12));
  CHECK(at("kind = 'cosine'", 2) == Approx(.210046131369).epsilon(5e-12));
  CHECK(at("kind = 'linear'", 2) == Approx(.209161453029).epsilon(5e-12));
  CHECK(best_of(*J, "constant", {0.1}) == Approx(.023960487931).epsilon(1e-8));
  CHECK(best_of(*J, "cosine", {0.1}) == Approx(.045534806980).epsilon(1e-8));
}

TEST_CASE("B = 1: no warm-up, one minimum, and the gaps") {
  const auto J = prepare(workload(1, 300))->rate_objective("");
  ingredients::ScheduleSearch search;
  search.starts = 8;
  const ingredients::Optimum best = ingredients::best_rates(*J, search, [] { return false; });
  CHECK(best.loss == Approx(.125250950916).epsilon(5e-12));
  CHECK(best.spread < 1e-10);
  CHECK(best.identifiable);
  const double first = J->natural_rate();
  for (const auto& known : {std::pair(0, .298), {10, .2531}, {100, .2345}, {200, .2062}, {299, .0547}})
    CHECK(std::abs(best.rates[static_cast<std::size_t>(known.first)] / first - known.second) <
          (known.first == 0 ? 6e-4 : 6e-5));
  for (std::size_t k = 1; k < 300; ++k) CHECK(best.rates[k] < best.rates[0]);
  const auto gap = [&](const std::string& family, double warmup) {
    return 100 * (best_of(*J, family, {warmup}) / best.loss - 1);
  };
  std::vector<double> root;  // a = 1
  for (int k = 0; k < 300; ++k) root.push_back(std::sqrt(1 - k / 300.0 * (k / 300.0)));
  const double of_root = ingredients::best_base(*J, root, std::numeric_limits<double>::infinity()).loss;
  CHECK(100 * (of_root / best.loss - 1) == Approx(1.04).epsilon(5e-3));
  CHECK(gap("square-root", 0) < 1.04);  // the best a is smaller
  CHECK(gap("rex", 0) == Approx(1.16).epsilon(5e-3));
  CHECK(gap("constant", 0) == Approx(20.97).epsilon(3e-4));
  CHECK(gap("linear", 0) == Approx(23.32).epsilon(3e-4));
  CHECK(gap("cosine", 0.1) == Approx(41.35).epsilon(3e-4));
}

TEST_CASE("large batches: the minimum depends on the start; full batches have no order") {
  ingredients::ScheduleSearch search;
  const auto said = [&](int batch) {
    return ingredients::best_rates(*prepare(workload(batch, 40))->rate_objective(""), search, [] { return false; });
  };
  CHECK(said(90).statement.find("the same minimum") == std::string::npos);
  CHECK(holds(said(100).statement, "not identifiable: full batches"));
  // Few steps: the inverse roots of the conjugate gradients' polynomial, which no search gets below. Two eigenvalues and two
  // steps leave nothing.
  const auto J = prepare(workload(100, 4))->rate_objective("");
  search.starts = 6;
  const ingredients::Optimum few = ingredients::best_rates(*J, search, [] { return false; });
  REQUIRE(few.searches.front().start == "closed form");
  for (const ingredients::SearchFrom& other : few.searches)
    CHECK(other.loss >= few.searches.front().loss * (1 - 1e-12));
  const ingredients::Optimum none = ingredients::best_rates(
      *prepare(
           "model = 'finite-data'\n[data]\nlaw = 'list'\ninputs = [[3, 0], [0, 0.2]]\ntargets = [1, 2]\n[optimizer]\n"
           "learning_rate = 1\nbatch = 2\n[theory]\nmethod = 'mean-field'\n[time]\nsteps = 2\n")
           ->rate_objective(""),
      search, [] { return false; });
  CHECK(none.loss < 1e-28);
  CHECK(none.rates[0] * none.rates[1] == Approx(1 / (4.5 * 0.02)).epsilon(1e-12));
}

TEST_CASE("a kernel with eigenvectors in random directions, and what has no objective") {
  const std::string kernel =
      "model = 'finite-data'\n[spectrum]\nkind = 'power-law'\nalpha = 0.5\nbeta = 0\ndimension = 60\n[data]\nlaw = "
      "'kernel'\n"
      "[optimizer]\nlearning_rate = 0.1\nbatch = 2\n[theory]\nmethod = 'mean-field'\n[time]\nsteps = 20\n";
  const auto table = prepare(kernel)->mode_table();
  for (std::size_t a = 0; a < 60; ++a) {
    CHECK(table[0].value[a] == Approx(1.0 / static_cast<double>(a + 1)).epsilon(1e-10));
    CHECK(table[2].value[a] < 8);  // delocalised: N sum V^4 is near 3
  }
  CHECK(prepare(kernel)->rate_objective("loss"));
  const auto said = [](const std::string& text) {
    try {
      prepare(text)->rate_objective("");
    } catch (const edgewise::settings::Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(holds(said(workload(1, 5, "", "closure")), "theory.method: the best learning rates are known for mean-field"));
  CHECK(holds(error_of(kernel + "[noise]\nlaw = 'gaussian'\n"), "does not read this section"));
}
