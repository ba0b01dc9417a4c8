// Rules that step along averaged gradients, in theory: MoMo against the closure written out, its digits, its labels.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "models/framework/model.hpp"
#include "settings/settings.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/framework/named.hpp"
#include "tests/models/least_squares/three_modes.hpp"

using namespace edgewise;
using namespace edgewise::tests::three_modes;
using edgewise::tests::Approx;
using models::Trajectory;
using models::testing::prepare;

TEST_CASE("momo: the theory is the closure of means") {
  const Trajectory theory =
      prepare(problem_text + "[rate]\n" + momo, {"optimizer.batch=4", "time.at=[1, 7, 60]"})->solve();
  CHECK_FALSE(theory.exact);
  // E v^2, E v d, E d^2, E v, E d; and theta - theta_0 = v - v_0.
  Vector D{}, C{}, V{}, mean = start, n{};
  for (std::size_t i = 0; i < 3; ++i) D[i] = start[i] * start[i];
  double f = 0, gamma = 0;
  std::size_t row = 1;
  for (int k = 0; k < 60; ++k) {
    const double w = k == 0 ? 1 : 0.3, P = inner(lambda, D);
    double pull = 0, along = 0, square = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const double l = lambda[i];
      V[i] = (1 - w) * (1 - w) * V[i] + 2 * (1 - w) * w * l * C[i] +
             w * w * ((1 + 1.0 / 4) * l * l * D[i] + l / 4 * (P + 0.25));
      C[i] = (1 - w) * C[i] + w * l * D[i];
      n[i] = (1 - w) * n[i] + w * l * mean[i];
      pull += l * (D[i] - start[i] * mean[i]);  // <g, v - v_0>
      along += C[i] - start[i] * n[i];          // <d, v - v_0>
      square += V[i];
    }
    f = (1 - w) * f + w * 0.5 * (P + 0.25);
    gamma = (1 - w) * gamma + w * pull;
    const double tau = std::min(1.5, std::max(f + along - gamma - 0.02, 0.0) / square);
    for (std::size_t i = 0; i < 3; ++i) {
      D[i] += tau * tau * V[i] - 2 * tau * C[i];
      mean[i] -= tau * n[i];
      C[i] -= tau * V[i];
    }
    if (k + 1 != 1 && k + 1 != 7 && k + 1 != 60) continue;
    CHECK(theory.find("excess_mse")->value[row] == Approx(inner(lambda, D)).epsilon(1e-11));
    CHECK(theory.find("learning_rate")->value[row] == Approx(tau).epsilon(1e-11));
    CHECK(theory.find("average_tangent")->value[row] == Approx(f + along - gamma).epsilon(1e-10));
    CHECK(theory.find("tangent_fall")->value[row] == Approx(tau * square).epsilon(1e-10));
    ++row;
  }
}

TEST_CASE("momo: exact gradients keep their digits far below the start, in theory and simulation") {
  // The paper's two averages in long double, whose digits they cost.
  struct Case {
    std::vector<double> lambda;
    long double beta, largest, noise;
    std::uint64_t steps;
  };
  const Case cases[] = {{{2, 0.7, 0.05}, 0.9L, 1, 0, 720},
                        {{1}, 0.9L, 1, 0, 600},
                        {{1, 0.25}, 0.5L, 1, 0, 120},
                        {{1, 0.5, 0.2}, 0, 1e9L, 0.3L, 25},
                        {{1, 0.5, 0.2}, 0.9L, 1e9L, 0.3L, 25}};
  for (const Case& c : cases) {
    const std::size_t n = c.lambda.size();
    std::string list;
    for (const double l : c.lambda) list += (list.empty() ? "" : ", ") + settings::text_of(l);
    const auto problem =
        prepare("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [" + list +
                "]\n[noise]\nlaw = 'gaussian'\n" + "variance = " + settings::text_of(static_cast<double>(c.noise)) +
                "\n[optimizer]\nbatch = inf\n[rate]\nkind = " + "'momo'\nbeta = " +
                settings::text_of(static_cast<double>(c.beta)) +
                "\neta_max = " + settings::text_of(static_cast<double>(c.largest)) + "\n[time]\nat = [" +
                settings::text_of(static_cast<double>(c.steps)) + "]\n");
    const Trajectory theory = problem->solve();
    CHECK(theory.exact);
    std::vector<long double> v(n, -1), d(n), x(n);
    long double f = 0, gamma = 0, tau = 0, P = 0;
    for (std::uint64_t k = 0; k <= c.steps; ++k) {
      P = 0;
      for (std::size_t i = 0; i < n; ++i) P += static_cast<long double>(c.lambda[i]) * v[i] * v[i];
      if (k == c.steps) break;
      const long double w = k == 0 ? 1 : 1 - c.beta;
      long double pull = 0, along = 0, square = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const long double g = static_cast<long double>(c.lambda[i]) * v[i];
        d[i] = (1 - w) * d[i] + w * g;
        pull += g * x[i];
        along += d[i] * x[i];
        square += d[i] * d[i];
      }
      f = (1 - w) * f + w * (P + c.noise) / 2;
      gamma = (1 - w) * gamma + w * pull;
      tau = std::min(c.largest, std::max(f + along - gamma, 0.0L) / square);
      for (std::size_t i = 0; i < n; ++i) {
        v[i] -= tau * d[i];
        x[i] -= tau * d[i];
      }
    }
    CAPTURE(list);
    const double expected = static_cast<double>(P), rate = static_cast<double>(tau);
    CHECK(theory.find("excess_mse")->value.back() == Approx(expected).epsilon(1e-7));
    CHECK(theory.find("learning_rate")->value.back() == Approx(rate).epsilon(1e-7));
    const auto simulation = problem->simulate();
    const auto replica = simulation->replica(1, 0);
    std::vector<double> out(simulation->observables().size());
    replica->advance(c.steps);
    replica->observe(out);
    CHECK(out[1] == Approx(expected).epsilon(1e-7));
  }
}

TEST_CASE("a rule that amplifies rounding says where, and others do not") {
  const auto solved = [](const std::string& rate, const std::string& variance) {
    return prepare(
               "model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5, 0.2]\n[noise]\nlaw = "
               "'gaussian'\nvariance = " +
               variance + "\n[optimizer]\nbatch = inf\n[rate]\n" + rate +
               "\n[time]\nat = [0, 10, 50, 100, 300, 1000]\n")
        ->solve();
  };
  // Polyak's rates grow without end where the loss they ask for is below the noise: whatever they do is chaotic.
  const Trajectory chaotic = solved("kind = 'momo'\nbeta = 0\neta_max = inf", "0.3");
  REQUIRE(chaotic.valid_until);
  CHECK(*chaotic.valid_until >= 10);
  CHECK(*chaotic.valid_until < 300);
  // The first record after the last that is judged.
  const auto next = std::ranges::upper_bound(chaotic.steps, *chaotic.valid_until);
  REQUIRE(next != chaotic.steps.end());
  CHECK(models::testing::label(chaotic, "rounding") ==
        "amplified, from step " + std::to_string(static_cast<int>(*next)));
  for (const std::string rate : {"kind = 'momo'", "kind = 'dog'", "kind = 'adagrad-norm'", "kind = 'prodigy'\nd0 = 0.1",
                                 "kind = 'd-adaptation'\nd0 = 0.1"}) {
    CAPTURE(rate);
    const Trajectory calm = solved(rate, "0.0");
    CHECK_FALSE(calm.valid_until);
    CHECK(calm.exact);
  }
}

TEST_CASE("momo: where single runs differ the theory says so, and by how much they do as batches grow") {
  const auto solved = [](const std::string& batch) {
    return prepare(problem_text + "[rate]\nkind = \"momo\"", {"optimizer.batch=" + batch, "time.at=[1, 10, 60]"})
        ->solve();
  };
  const Trajectory one = solved("1");
  CHECK(one.valid_until);
  CHECK(one.labels.front().second == "no, simulation only");
  // Small fluctuations fall with the root of the batch.
  const Trajectory large = solved("100000000"), larger = solved("10000000000");
  CHECK(large.labels.front().second == "yes");
  CHECK(large.report.front().first == "closure_spread");
  CHECK(large.report.front().second == Approx(10 * larger.report.front().second).epsilon(0.02));
  CHECK(larger.report.front().second > 0);

  // At the first step it is Polyak's stochastic rate, but that one is averaged over its batch, whose spread does not count.
  const std::string free = problem_text + "[rate]\nkind = \"momo\"\neta_max = inf";
  const auto first = prepare(free, {"optimizer.batch=4000", "time.at=[1]"})->solve();
  const auto polyak =
      prepare(problem_text + "[rate]\nkind = \"stochastic-polyak\"\nc = 1.0", {"optimizer.batch=4000", "time.at=[1]"})
          ->solve();
  CHECK(first.find("learning_rate")->value.back() == Approx(polyak.find("learning_rate")->value.back()).epsilon(1e-2));
  CHECK(polyak.report.front().second < 0.3 * first.report.front().second);
}

TEST_CASE("momo: without averaging it is Polyak's stochastic rate with c = 1") {
  const auto end = [](const std::string& rate) {
    return prepare(problem_text + "[rate]\n" + rate, {"optimizer.batch=8", "time.at=[50]"})
        ->solve()
        .find("excess_mse")
        ->value.back();
  };
  CHECK(end("kind = \"momo\"\nbeta = 0.0\neta_max = 0.9\nf_min = 0.01") ==
        Approx(end("kind = \"stochastic-polyak\"\nc = 1.0\neta_max = 0.9\nf_min = 0.01")).epsilon(1e-13));
}
