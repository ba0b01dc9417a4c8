// The best rates of gradient descent against conjugate gradients, step by step, and against a search.
#include "models/least_squares/linear_methods/full_batch_rates.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedule_search/best_rates.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models::least_squares;
using models::testing::holds;
using models::testing::prepare;
using Vector = std::vector<double>;

namespace {

/// sum lambda v^2 after so many steps of conjugate gradients on v' diag(lambda) v/2, as they are written.
double conjugate_gradients(const Vector& lambda, Vector v, int steps) {
  Vector r(v.size()), p(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) p[i] = r[i] = -lambda[i] * v[i];
  for (int k = 0; k < steps; ++k) {
    double rr = 0, pAp = 0, next = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      rr += r[i] * r[i];
      pAp += lambda[i] * p[i] * p[i];
    }
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] += rr / pAp * p[i];
      r[i] -= rr / pAp * lambda[i] * p[i];
      next += r[i] * r[i];
    }
    for (std::size_t i = 0; i < v.size(); ++i) p[i] = r[i] + next / rr * p[i];
  }
  double out = 0;
  for (std::size_t i = 0; i < v.size(); ++i) out += lambda[i] * v[i] * v[i];
  return out;
}

double loss_at(const Vector& lambda, const Vector& weight, const Vector& rates) {
  double out = 0;
  for (std::size_t i = 0; i < lambda.size(); ++i) {
    double factor = 1;
    for (const double rate : rates) factor *= 1 - rate * lambda[i];
    out += weight[i] * factor * factor;
  }
  return out;
}

}  // namespace

TEST_CASE("the best rates of full batches make what conjugate gradients make") {
  Vector lambda, v, weight;
  for (int i = 1; i <= 20; ++i) {
    lambda.push_back(std::pow(i, -1.5));
    v.push_back(std::pow(i, 0.4));
    weight.push_back(lambda.back() * v.back() * v.back());
  }
  for (const int steps : {1, 2, 5, 9}) {
    const Vector rates = best_full_batch_rates(lambda, weight, static_cast<std::uint64_t>(steps));
    CHECK(loss_at(lambda, weight, rates) == doctest::Approx(conjugate_gradients(lambda, v, steps)).epsilon(1e-8));
    for (const double rate : rates) {
      CHECK(rate >= (1 - 1e-12) / lambda.front());
      CHECK(rate <= 1 / lambda.back());
    }
  }
  // With as many steps as there are eigenvalues nothing is left; more rates do nothing. Units do not matter.
  const Vector few{3, 1, 0, 1}, of_few{2, 1, 5, 1};
  const Vector all = best_full_batch_rates(few, of_few, 4);
  CHECK(loss_at({3, 1}, {2, 2}, all) < 1e-28);
  CHECK(std::ranges::count(all, 0.0) == 2);
  const Vector small = best_full_batch_rates(Vector{3e-60, 1e-60}, Vector{2e-90, 2e-90}, 1),
               one = best_full_batch_rates(Vector{3, 1}, Vector{2, 2}, 1);
  CHECK(small[0] * 1e-60 == doctest::Approx(one[0]).epsilon(1e-13));
  CHECK(best_full_batch_rates(Vector{0}, Vector{1}, 3).empty());
  CHECK(best_full_batch_rates(Vector{1}, Vector{1}, 0).empty());
}

TEST_CASE("schedules of full batches: the minimum is exact, and only what has no order is not identifiable") {
  const auto search = [](const std::string& optimizer, int steps) {
    const auto problem = prepare(fmt::format(
        "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\nalpha = 1.0\nbeta = 0.5\ndimension = "
        "12\n[noise]\nvariance = 0.1\n[optimizer]\nlearning_rate = 1.0\nbatch = inf\n{}[time]\nsteps = {}\n",
        optimizer, steps));
    return models::ingredients::best_rates(*problem->rate_objective(""), {}, [] { return false; });
  };
  const auto plain = search("", 5);
  REQUIRE(plain.searches.front().start == "closed form");
  CHECK(plain.searches.front().loss == doctest::Approx(plain.loss).epsilon(1e-9));
  CHECK(plain.searches.front().converged);
  CHECK_FALSE(plain.identifiable);
  CHECK(holds(plain.statement, "conjugate gradients"));
  // A search from anywhere is no better.
  const auto problem = prepare(
      "model = 'least-squares'\n[spectrum]\nkind = 'power-law'\nalpha = 1.0\nbeta = 0.5\ndimension = "
      "12\n[noise]\nvariance "
      "= 0.1\n[optimizer]\nlearning_rate = 1.0\nbatch = inf\n[time]\nsteps = 5\n");
  const auto J = problem->rate_objective("");
  for (const double factor : {0.8, 1.25})
    for (std::size_t k = 0; k < 5; ++k) {
      Vector moved = plain.rates;
      moved[k] *= factor;
      CHECK(J->value(moved) > plain.loss);
    }
  // Momentum and weight decay have an order: the searches converge.
  for (const char* optimizer : {"kind = 'momentum'\nmomentum = 0.5\n", "weight_decay = 0.1\n"}) {
    const auto found = search(optimizer, 5);
    CAPTURE(found.statement);
    CHECK_FALSE(holds(found.statement, "not identifiable"));
    for (const auto& one : found.searches) CHECK(one.converged);
  }
}
