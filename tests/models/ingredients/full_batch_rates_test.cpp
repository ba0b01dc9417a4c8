// The best rates of gradient descent against conjugate gradients, step by step, and against a search.
#include "models/ingredients/full_batch_rates.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "models/framework/rate_objective.hpp"
#include "models/ingredients/schedule_search/best_rates.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients;
using models::testing::holds;
using models::testing::prepare;
using Vector = std::vector<double>;
using edgewise::tests::Approx;

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
    CHECK(loss_at(lambda, weight, rates) == Approx(conjugate_gradients(lambda, v, steps)).epsilon(1e-8));
    CHECK(least_full_batch_loss(lambda, weight, static_cast<std::uint64_t>(steps)) ==
          Approx(conjugate_gradients(lambda, v, steps)).epsilon(1e-10));
    for (const double rate : rates) {
      CHECK(rate >= (1 - 1e-12) / lambda.front());
      CHECK(rate <= 1 / lambda.back());
    }
  }
  // With as many steps as there are eigenvalues nothing is left, and the rates begin again. Units do not matter.
  const Vector few{3, 1, 0, 1}, of_few{2, 1, 5, 1};
  const Vector all = best_full_batch_rates(few, of_few, 4);
  CHECK(loss_at({3, 1}, {2, 2}, all) < 1e-28);
  CHECK(all == Vector{1.0 / 3, 1, 1.0 / 3, 1});
  const Vector small = best_full_batch_rates(Vector{3e-60, 1e-60}, Vector{2e-90, 2e-90}, 1),
               one = best_full_batch_rates(Vector{3, 1}, Vector{2, 2}, 1);
  CHECK(small[0] * 1e-60 == Approx(one[0]).epsilon(1e-13));
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
  CHECK(plain.searches.front().loss == Approx(plain.loss).epsilon(1e-9));
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
  // From as many steps as eigenvalues on nothing but rounding is left, and no pass brings any back.
  for (const int steps : {12, 13, 24}) {
    CAPTURE(steps);
    CHECK(search("", steps).searches.front().loss < 1e-28);
  }
  // Momentum and weight decay have an order: the searches converge, but for some of those from disturbed rates.
  for (const char* optimizer : {"kind = 'momentum'\nmomentum = 0.5\n", "weight_decay = 0.1\n"}) {
    const auto found = search(optimizer, 5);
    CAPTURE(found.statement);
    CHECK_FALSE(holds(found.statement, "not identifiable"));
    for (const auto& one : found.searches)
      CHECK((one.converged || (one.start.starts_with("disturbed") && one.loss > found.loss)));
  }
}

TEST_CASE("the least loss of full batches: no steps, equal and null eigenvalues, units") {
  CHECK(least_full_batch_loss(Vector{2, 1}, Vector{3, 1}, 0) == Approx(4).epsilon(1e-15));
  CHECK(least_full_batch_loss(Vector{2, 1}, Vector{3, 1}, 2) == 0);
  CHECK(least_full_batch_loss(Vector{2, 2, 2}, Vector{3, 1, 1}, 1) == 0);
  CHECK(least_full_batch_loss(Vector{1, 0}, Vector{3, 0.5}, 1) == Approx(0.5).epsilon(1e-14));
  // One step: sum w - (sum w lambda)^2 / sum w lambda^2.
  CHECK(least_full_batch_loss(Vector{2e-60, 1e-60}, Vector{3e80, 1e80}, 1) ==
        Approx((4 - 49.0 / 13) * 1e80).epsilon(1e-13));
}

namespace {

std::unique_ptr<models::Problem> full_batches(const std::string& spectrum, const std::string& optimizer, int steps) {
  return prepare(fmt::format(
      "model = 'least-squares'\n[spectrum]\n{}[optimizer]\nlearning_rate = 1.0\nbatch = inf\n{}[time]\nsteps = {}\n",
      spectrum, optimizer, steps));
}

}  // namespace

TEST_CASE("full batches with momentum: two steps end at the target where two real rates can") {
  // v_2 = v_0 (1 - (eta_0 + (1 + b) eta_1) l + eta_0 eta_1 l^2), which is (1 - l)(1 - l/8) v_0 for
  // eta_0 + (1 + b) eta_1 = 9, eta_0 eta_1 = 8.
  const auto problem = full_batches("kind = 'list'\neigenvalues = [1, 0.125]\ntarget_power = [1, 8]\n",
                                    "kind = 'momentum'\nmomentum = 0.5\n", 2);
  const auto J = problem->rate_objective("");
  const double root = std::sqrt(81 - 4 * 1.5 * 8);
  for (const double sign : {-1.0, 1.0}) {
    const Vector exact{(9 + sign * root) / 2, (9 - sign * root) / 3};
    CHECK(J->value(exact) < 1e-28);  // far below the squares' rounding
  }
  CHECK(J->value(Vector{0, 0}) == Approx(2).epsilon(1e-15));
  REQUIRE(J->predictions(1e300).size() == 1);
  CHECK(J->predictions(1e300).front().name == "conjugate_gradients_loss");
  CHECK(std::get<double>(J->predictions(1e300).front().value) == 0);
  const auto found = models::ingredients::best_rates(*J, {}, [] { return false; });
  CHECK(found.loss < 1e-15);
}

TEST_CASE("full batches: the loss of momentum and lookahead, its gradient, sweeps and greedy rates") {
  const Vector lambda{1, std::pow(2, -1.4), std::pow(3, -1.4), std::pow(4, -1.4)};
  const std::string spectrum = "kind = 'power-law'\nalpha = 0.7\nbeta = 0.4\ndimension = 4\n";
  struct Method {
    const char* text;
    double q0, q1, b, xi;
    int H;
    double decay;
  };
  const Vector rates{0.8, 1.7, 0.3, 1.1, 0.6, 0.9};
  for (const Method& m :
       {Method{"kind = 'momentum'\nmomentum = 0.7\n", 0, 1, 0.7, 0, 0, 0},
        Method{"kind = 'momentum'\nmomentum = 0.6\nmomentum_kind = 'nesterov'\nweight_decay = 0.1\ndecoupled = true\n",
               1, 0.6, 0.6, 0, 0, 0.1},
        Method{"kind = 'lookahead'\ninner_steps = 2\nouter_learning_rate = 0.6\n", 1, 0, 0, 0.6, 2, 0},
        Method{"kind = 'la-diloco'\nworkers = 3\ninner_steps = 3\nouter_learning_rate = 1.2\n", 1, 0, 0, 1.2, 3, 0}}) {
    CAPTURE(m.text);
    const auto problem = full_batches(spectrum, m.text, 6);
    const auto J = problem->rate_objective("");
    const auto literal = [&](const Vector& eta) {
      double out = 0;
      for (std::size_t i = 0; i < 4; ++i) {
        const double target = std::pow(static_cast<double>(i + 1), -0.4);
        double v = -target, V = v, u = 0;
        for (std::size_t k = 0; k < 6; ++k) {
          const double g = lambda[i] * v;
          u = m.b * u + g;
          v -= eta[k] * (m.q0 * g + m.q1 * u + m.decay * (v + target));
          if (m.H > 0 && (k + 1) % static_cast<std::size_t>(m.H) == 0) v = V += m.xi * (v - V);
        }
        out += lambda[i] * (m.H > 0 ? V * V : v * v);
      }
      return out;
    };
    CHECK(J->value(rates) == Approx(literal(rates)).epsilon(1e-12));
    Vector slope(6);
    CHECK(J->gradient(rates, slope) == J->value(rates));
    for (std::size_t k = 0; k < 6; ++k) {
      Vector more = rates, less = rates;
      more[k] += 1e-5;
      less[k] -= 1e-5;
      CHECK(slope[k] == Approx((literal(more) - literal(less)) / 2e-5).epsilon(1e-6).scale(1e-4));
    }
    Vector swept = rates;
    const double after = *J->sweep(swept, 10);
    CHECK(after < J->value(rates));
    CHECK(after == Approx(literal(swept)).epsilon(1e-10));
    // The first rate was set last: it is at its minimum.
    for (const double factor : {0.99, 1.01}) {
      Vector moved = swept;
      moved[0] *= factor;
      CHECK(literal(moved) >= after);
    }
    const models::RatePath path = J->path(rates);
    CHECK(path.loss.back() == J->value(rates));
    CHECK(path.loss.size() == 7);
    Vector greedy(6);
    if (const auto loss = J->greedy(greedy, 10)) CHECK(*loss == Approx(literal(greedy)).epsilon(1e-10));
    CHECK(std::isinf(J->value(Vector(6, 1e5))));
  }
}
