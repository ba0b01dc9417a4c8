// The mean move of a step whose rate hangs on its own batch: against exact cases, and against samples of the batch.
#include "models/least_squares/rate_average.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "random/random.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/models/least_squares/linear_methods/support.hpp"

using namespace edgewise::tests;
using edgewise::models::testing::prepare;
using edgewise::tests::Approx;

namespace {

std::shared_ptr<const RateRule> polyak_rule(const std::string& keys) {
  return read_rate_rule(edgewise::settings::read_text("[rate]\nkind = 'stochastic-polyak'\n" + keys, "f.toml"), 0.0);
}

struct Case {
  std::vector<double> lambda, v;
  double noise, batch;

  BatchLaw law() const {
    edgewise::spectra::Spectrum s;
    s.eigenvalue = lambda;
    s.multiplicity = s.target_power = std::vector<double>(lambda.size(), 1.0);
    auto data = data_of(edgewise::spectra::checked(std::move(s)), noise);
    data->batch = batch;
    return BatchLaw(*data);
  }
  StepSums sums() const {
    StepSums out;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const double once = lambda[i] * v[i] * v[i];
      out.excess += once;
      out.slope += lambda[i] * once;
      out.curvature += lambda[i] * lambda[i] * once;
    }
    return out;
  }
  double Q() const { return sums().excess + noise; }
};

/// E v_i' v_i - v_i^2 and E v_i'^2, by the move.
double moved_first(const MeanMove& m, const Case& at, std::size_t i) {
  return -at.lambda[i] * m.rate_at(at.lambda[i]) * at.v[i] * at.v[i];
}
double moved_square(const MeanMove& m, const Case& at, std::size_t i) {
  const double l = at.lambda[i], D = at.v[i] * at.v[i], r = m.rate_at(l);
  return D - 2 * l * r * D + l * l * (r * r + m.scatter_at(l)) * D + l * at.Q() * m.feedback_at(l);
}

}  // namespace

TEST_CASE("a cap that always binds is that rate") {
  for (const double batch : {1.0, 7.0, 1e6}) {
    const Case at{{1, 0.5, 0.1}, {1, -2, 3}, 0.2, batch};
    const MeanMove mean = rate_average(*polyak_rule("eta_max = 1e-9"), at.law(), at.sums(), {}, 0.5).move;
    const MeanMove one = move_at(0.5e-9, at.law());
    CAPTURE(batch);
    CHECK(mean.rate == Approx(one.rate).epsilon(1e-9));
    CHECK(std::abs(mean.rate_slope) < 1e-9 * one.rate);
    CHECK(mean.feedback == Approx(one.feedback).epsilon(1e-9));
    CHECK(std::abs(mean.feedback_slope) < 1e-9 * one.feedback);
    CHECK(mean.scatter_at(0.7) == Approx(one.scatter).epsilon(1e-9).scale(one.rate * one.rate));
  }
}

TEST_CASE("one dimension without noise: v <- (1 - 1/2c) v by every sample") {
  for (const double c : {0.5, 2.0}) {
    const Case at{{3}, {0.7}, 0, 1};
    const RateAverage mean = rate_average(*polyak_rule("c = " + std::to_string(c)), at.law(), at.sums(), {}, 1);
    CHECK(3 * mean.move.rate_at(3) == Approx(1 / (2 * c)).epsilon(1e-3));
    CHECK(moved_square(mean.move, at, 0) == Approx(0.49 * std::pow(1 - 1 / (2 * c), 2)).epsilon(1e-3).scale(1));
    CHECK(mean.norm_variance < 1e-9);
  }
}

// The step is r x/(2c |x|^2), so that E |v'|^2 = |v|^2 (1 - (1/c - 1/4c^2)/d) + sigma^2/(4c^2 lambda (d - 2)).
TEST_CASE("isotropic single samples: the exact recursion, up to the square of 1/d") {
  for (const int d : {8, 50, 400})
    for (const double c : {0.5, 2.0}) {
      CAPTURE(d);
      CAPTURE(c);
      const double lambda = 0.7, noise = 0.3;
      double P = 1;
      for (int k = 0; k < 200; ++k) P = P * (1 - (1 / c - 1 / (4 * c * c)) / d) + noise / (4 * c * c * (d - 2));
      const auto theory =
          prepare("model = 'least-squares'\n[spectrum]\nkind = 'list'\neigenvalues = [" + std::to_string(lambda) +
                      "]\nmultiplicities = [" + std::to_string(d) + "]\n[initial]\nerror_power = [" +
                      std::to_string(1 / lambda) + "]\n[noise]\nlaw = 'gaussian'\nvariance = " + std::to_string(noise) +
                      "\n[rate]\nkind = 'stochastic-polyak'\nc = " + std::to_string(c),
                  {"optimizer.batch=1", "time.at=[200]"})
              ->solve();
      CHECK(theory.find("excess_mse")->value.back() == Approx(P).epsilon(5.0 / (d * d)));
    }
}

// Errors of the mean over 2e5 batches are some .3%; those of the gamma law below 2%, at d = 2 below 9%.
TEST_CASE("samples of the batch move as the mean says, capped and floored" * doctest::test_suite("slow")) {
  std::vector<Case> cases;
  for (const std::size_t d : {2u, 8u, 40u})
    for (const double batch : {1.0, 4.0}) {
      Case at{{}, {}, 0.5, batch};
      for (std::size_t j = 1; j <= d; ++j) {
        at.lambda.push_back(std::pow(static_cast<double>(j), -0.6));
        at.v.push_back((j % 2 == 0 ? 1 : -1) * std::pow(static_cast<double>(j), -0.3));
      }
      cases.push_back(at);
    }
  for (const Case& at : cases)
    for (const bool floor : {false, true}) {
      const double trace = std::accumulate(at.lambda.begin(), at.lambda.end(), 0.0), cap = 0.7 * at.batch / trace;
      const auto polyak = polyak_rule("eta_max = " + std::to_string(cap) + (floor ? "\nf_min = 0.2" : ""));
      const std::size_t d = at.v.size();
      std::vector<double> first(d), square(d), g(d), x(d);
      constexpr int batches = 200000;
      edgewise::random::Stream stream(17, d);
      for (int n = 0; n < batches; ++n) {
        std::fill(g.begin(), g.end(), 0.0);
        StepObservation now;
        for (double b = 0; b < at.batch; ++b) {
          double r = std::sqrt(at.noise) * stream.normal();
          for (std::size_t i = 0; i < d; ++i) {
            x[i] = std::sqrt(at.lambda[i]) * stream.normal();
            r += x[i] * at.v[i];
          }
          for (std::size_t i = 0; i < d; ++i) g[i] += r * x[i] / at.batch;
          now.loss += r * r / (2 * at.batch);
        }
        for (const double gi : g) now.squared_gradient += gi * gi;
        const double eta = polyak->held(polyak->rate({}, now));
        for (std::size_t i = 0; i < d; ++i) {
          const double to = at.v[i] - eta * g[i];
          first[i] += (to - at.v[i]) * at.v[i] / batches;
          square[i] += to * to / batches;
        }
      }
      const MeanMove mean = rate_average(*polyak, at.law(), at.sums(), {}, 1).move;
      CAPTURE(d);
      CAPTURE(at.batch);
      CAPTURE(floor);
      double move = 0, moved = 0, rise = 0, risen = 0;
      for (std::size_t i = 0; i < d; ++i) {
        move += at.lambda[i] * first[i];
        moved += at.lambda[i] * moved_first(mean, at, i);
        rise += at.lambda[i] * square[i];
        risen += at.lambda[i] * moved_square(mean, at, i);
      }
      CHECK(moved == Approx(move).epsilon(d == 2 ? 0.03 : 0.02));
      CHECK(risen == Approx(rise).epsilon(d == 2 ? 0.09 : 0.02));
      // The single modes too.
      for (const std::size_t i : {std::size_t{0}, d - 1})
        CHECK(moved_square(mean, at, i) == Approx(square[i]).epsilon(d == 2 ? 0.09 : 0.03));
    }
}
