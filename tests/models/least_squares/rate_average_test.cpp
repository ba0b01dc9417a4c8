// The mean move of a step whose rate hangs on its own batch: against exact cases, and against samples of the batch.
#include "models/least_squares/rate_average.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
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
namespace {

/// A gamma law of mean 1 on many nodes: (x, weight).
std::vector<std::pair<double, double>> gamma_law(double shape, int nodes) {
  const double low = -27 / shape - 8 / std::sqrt(shape), high = std::log1p(40 / shape + 9 / std::sqrt(shape));
  std::vector<std::pair<double, double>> out;
  double total = 0;
  for (int i = 0; i < nodes; ++i) {
    const double y = low + (high - low) * (i + 0.5) / nodes, weight = std::exp(shape * (y + 1 - std::exp(y)));
    out.emplace_back(std::exp(y), weight);
    total += weight;
  }
  for (auto& node : out) node.second /= total;
  return out;
}

/// min(cap, (loss - floor)_+ / G) by what the batch alone shows, of a memory that is added.
class Held final : public RateRule {
 public:
  RateNeeds needs() const override { return {.gradient = true}; }
  double rate(std::span<const double> memory, const StepObservation& now) const override {
    return memory[0] + (now.loss - 0.05) / (now.squared_gradient + 0.3);
  }
  bool by_batch_alone() const override { return true; }
};

}  // namespace

// docs/theory/schedules-and-collapse.md, section 6.4, mode by mode: (6.4) to (6.6) on grids.
TEST_CASE("the mean move is that of the two laws written out, of any label noise and inputs") {
  Held rule;
  rule.multiplier = 1.3;
  const std::vector<double> memory{0.02};
  for (const double batch : {1.0, 5.0})
    for (const auto& [own_noise, label_kurtosis] : {std::pair(1.0, 3.0), {1.8, 6.0}, {1.4, 2.2}})
      for (const double cap : {1e9, 0.25}) {
        const Case at{{1, 0.5, 0.1}, {1, -0.8, 1.5}, 0.9, batch};
        BatchLaw law = at.law();
        law.own_noise = own_noise;
        law.label_kurtosis = label_kurtosis;
        rule.largest = cap;
        const double Q = at.Q(), B = batch, p = (Q - 0.9) / Q, scatter = 2 + (label_kurtosis - 3) * (1 - p) * (1 - p);
        double s2 = 0, s3 = 0;
        for (std::size_t i = 0; i < 3; ++i) {
          const double a2 = std::pow(at.lambda[i] * at.v[i], 2) / Q;
          s2 += a2;
          s3 += at.lambda[i] * a2;
        }
        const double s4 = s3 * s3 / s2;
        // along = u (slope + bend u) with E along = B and E along u = B (B + 2); E along (along + rest) = B (B + own).
        const double u2 = B * (B + scatter), u3 = u2 * (B + 2 * scatter), u4 = u3 * (B + 3 * scatter);
        const double bend = (B * u2 - B * B * (B + 2)) / (u2 * u2 - B * u3), slope = 1 - bend * u2 / B;
        const double rest = B + own_noise - (slope * slope * u2 + 2 * slope * bend * u3 + bend * bend * u4) / B;
        double rate = 0, square = 0, within = 0, mean_square = 0;
        std::vector<double> first(3), second(3);
        for (const auto& [x, px] : gamma_law(B / scatter, 500)) {
          const double u = B * x, along = u * (slope + bend * u), both = along * (along + rest),
                       part = along * along / u;
          const double M = law.trace + s2 * std::max(both / u, -1.0);
          const double V = (1 + own_noise) * law.trace2 - 4 * s3 + 2 * s2 * s2 + 4 * part * (s3 - s2 * s2);
          const double third = 8 * (law.trace3 - 3 * s4 + 3 * s3 * s2 - std::pow(s2, 3)) +
                               24 * part * (s4 - 2 * s3 * s2 + std::pow(s2, 3));
          double shape = M * M / V;
          if (third > 0) shape = std::min(shape, std::max(4 * V * V * V / (third * third), 0.5));
          const double width = std::sqrt(V * shape) / M;
          double y2 = 0, excess2 = 0, h[2][2] = {}, mean[2] = {};
          const auto norms = gamma_law(shape, 500);
          for (const auto& [z, pz] : norms) y2 += pz * std::pow(1 + width * (z - 1), 2);
          for (const auto& [z, pz] : norms) {
            const double y = 1 + width * (z - 1);
            StepObservation now;
            now.loss = Q * u / (2 * B);
            now.squared_gradient = Q * u * M * y / (B * B);
            const double eta = 0.7 * 1.3 * std::clamp(rule.rate(memory, now), 0.0, cap);
            excess2 += pz * y * (y - y2) * (y - y2);
            for (int k = 0; k < 2; ++k) {
              const double power = k == 0 ? eta : eta * eta;
              mean[k] += pz * power;
              h[k][0] += pz * power * y;
              h[k][1] += pz * power * y * (y - y2);
            }
          }
          for (auto& of : h) of[1] /= excess2;
          rate += px * mean[0];
          square += px * mean[1];
          within += px * u * M * (h[1][0] - h[0][0] * h[0][0]);
          mean_square += px * u * M * h[0][0] * h[0][0];
          for (std::size_t i = 0; i < 3; ++i) {
            const double l = at.lambda[i], a2 = std::pow(l * at.v[i], 2) / Q, m = l + a2 * both / u;
            const double c = (1 + own_noise) * l * l + a2 * (2 * s2 - 4 * l + 4 * part * (l - s2));
            first[i] -= px * l * at.v[i] * at.v[i] * along / B * (h[0][0] + (2 * (l - s2) / M - V / (M * M)) * h[0][1]);
            second[i] += px * Q * u / (B * B) * (m * h[1][0] + (c / M - m * V / (M * M)) * h[1][1]);
          }
        }
        const RateAverage mean = rate_average(rule, law, at.sums(), memory, 0.7, 0.05);
        CAPTURE(batch);
        CAPTURE(scatter);
        CAPTURE(cap);
        const double within_grids = 1e-3;
        CHECK(mean.rate == Approx(rate).epsilon(within_grids));
        CHECK(mean.variance == Approx(square / (rate * rate) - 1).epsilon(10 * within_grids));
        CHECK(mean.norm_variance == Approx(within / mean_square).epsilon(10 * within_grids));
        for (std::size_t i = 0; i < 3; ++i) {
          CHECK(moved_first(mean.move, at, i) == Approx(first[i]).epsilon(within_grids));
          CHECK(moved_square(mean.move, at, i) - at.v[i] * at.v[i] - 2 * moved_first(mean.move, at, i) ==
                Approx(second[i]).epsilon(within_grids));
        }
      }
}
