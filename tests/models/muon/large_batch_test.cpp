#include "models/muon/large_batch.hpp"

#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <vector>

#include "models/muon/null_draws.hpp"
#include "models/muon/simulation.hpp"
#include "models/muon/spectral_coefficients.hpp"
#include "tests/approx.hpp"
#include "tests/models/muon/literal.hpp"

using namespace edgewise;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

random::Stream stream(random::Purpose purpose, std::uint64_t step = 0) {
  return {17, 3, step, purpose};
}

struct Moments {
  double mean, error;
};

Moments moments(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  double mean = 0, square = 0;
  for (const double v : x) mean += v / n;
  for (const double v : x) square += (v - mean) * (v - mean);
  return {mean, std::sqrt(square / (n - 1) / n)};
}

/// tr G'G and its square, over draws from steps 0..draws - 1.
std::vector<double> squares(double batch, const WeightNodes& weights, const std::vector<double>& rows,
                            const std::vector<double>& columns, std::uint64_t draws) {
  std::vector<double> out;
  Matrix g;
  for (std::uint64_t d = 0; d < draws; ++d) {
    auto a = stream(random::Purpose::data, d), b = stream(random::Purpose::gradient, d),
         c = stream(random::Purpose::labels, d);
    draw_large_batch(batch, weights, rows, columns, a, b, c, g);
    REQUIRE(g.rows() == rows.size());
    REQUIRE(g.columns() == columns.size());
    out.push_back(literal::frobenius(g) * literal::frobenius(g));
  }
  return out;
}

}  // namespace

TEST_CASE("the nodes of chi^2 have its moments, (2k - 1)!!, and Phi to the stated error") {
  const WeightNodes of = chi_square_nodes(weight_nodes);
  double moment = 1;
  for (int k = 0; k < 16; ++k) {
    if (k > 0) moment *= 2 * k - 1;
    double sum = 0;
    for (std::size_t i = 0; i < of.value.size(); ++i) sum += of.share[i] * std::pow(of.value[i], k);
    CHECK(sum == Approx(moment).epsilon(1e-12));
  }
  for (const double rho : {1e-3, 0.01, 0.02, 0.035}) {
    double sum = 0;
    for (std::size_t i = 0; i < of.value.size(); ++i) sum += of.share[i] * rho * of.value[i] / (1 + rho * of.value[i]);
    CHECK(std::abs(sum - weight_transform(WeightLaw::bilinear, rho)) < 2.1e13 * std::pow(rho, 16) + 1e-15);
  }
}

TEST_CASE("binomial counts follow their law, of many and of few") {
  for (const auto& given : {std::pair{12.0, 0.3}, {300.0, 0.02}, {5000.0, 0.97}}) {
    const double count = given.first, share = given.second;
    CAPTURE(count);
    const boost::math::binomial_distribution<double> law(count, share);
    constexpr int draws = 4000;
    auto source = stream(random::Purpose::labels);
    const double middle = std::floor(count * share);
    int below = 0;
    double mean = 0, square = 0;
    for (int d = 0; d < draws; ++d) {
      const double x = binomial(source, count, share);
      REQUIRE(x == std::floor(x));
      REQUIRE(x >= 0);
      REQUIRE(x <= count);
      below += x <= middle ? 1 : 0;
      mean += x / draws;
      square += (x - count * share) * (x - count * share) / draws;
    }
    const double variance = count * share * (1 - share), p = boost::math::cdf(law, middle);
    CHECK(std::abs(mean - count * share) < 4 * std::sqrt(variance / draws));
    CHECK(std::abs(square / variance - 1) < 4 * std::sqrt((2 + 1 / variance) / draws));
    CHECK(std::abs(below / double{draws} - p) < 4 * std::sqrt(p * (1 - p) / draws));
  }
  auto source = stream(random::Purpose::labels);
  CHECK(binomial(source, 1e15, 0) == 0);
  CHECK(binomial(source, 1e15, 1) == 1e15);
  CHECK(binomial(source, 1e15, 0.25) == Approx(2.5e14).epsilon(1e-6));
}

TEST_CASE("gradients of large batches have the second and fourth moments of sums over examples") {
  // E |G|^2 = B tr Sigma tr K. E |G|^4 = E (sum g_i^2 |a_i|^2 |c_i|^2 + cross)^2, by Isserlis' theorem:
  // B E g^4 E|a|^4 E|c|^4 + B (B - 1)((tr S tr K)^2 + 2 tr S^2 tr K^2), E|a|^4 = (tr S)^2 + 2 tr S^2.
  const std::vector<double> rows{std::sqrt(3.0), std::sqrt(0.5), std::sqrt(0.5)}, columns{1, 0.7, 0.5, 0.3};
  double s = 0, s2 = 0, k = 0, k2 = 0;
  for (const double r : rows) s += r * r, s2 += std::pow(r, 4);
  for (const double r : columns) k += r * r, k2 += std::pow(r, 4);
  constexpr std::uint64_t draws = 20000;
  for (const double batch : {2.0, 40.0, 1e15})
    for (const bool vector : {false, true})
      for (const bool turned : {false, true}) {
        CAPTURE(batch);
        CAPTURE(vector);
        const WeightNodes weights = vector ? WeightNodes{{1}, {1}} : chi_square_nodes(weight_nodes);
        const std::vector<double> x =
            turned ? squares(batch, weights, columns, rows, draws) : squares(batch, weights, rows, columns, draws);
        std::vector<double> second, fourth;
        for (const double v : x) {
          second.push_back(v / (batch * s * k));
          fourth.push_back(second.back() * second.back());
        }
        const double own = (vector ? 1 : 3) * (s * s + 2 * s2) * (k * k + 2 * k2);
        const double expected = (own / batch + (1 - 1 / batch) * (s * s * k * k + 2 * s2 * k2)) / (s * s * k * k);
        const Moments m2 = moments(second), m4 = moments(fourth);
        CHECK(std::abs(m2.mean - 1) < 4 * m2.error);
        CHECK(std::abs(m4.mean - expected) < 4 * m4.error);
      }
}

TEST_CASE("null coefficients of a large batch are those of its examples") {
  // Where both can be afforded: a batch below the border, drawn by examples, and twice that, drawn by nodes; the drift
  // over sqrt B of both is its limit to O(m/B) = 2e-4, far below the errors of the draws.
  MatrixLeastSquares problem = literal::four_inputs(3, 16384);
  problem.map = UpdateMap::newton_schulz;
  REQUIRE(!is_large_batch(16384, 3, 4));
  REQUIRE(is_large_batch(16385, 3, 4));
  REQUIRE(!is_large_batch(16385, 3000, 4000));
  const MeasuredCoefficients direct = null_coefficients(problem, 400, 5, 1.0);
  problem.batch = 32768;
  const MeasuredCoefficients by_nodes = null_coefficients(problem, 4000, 6, 1.0);
  for (std::size_t a = 0; a < direct.drift.size(); ++a) {
    const double scale = std::sqrt(0.5);
    CHECK(std::abs(direct.drift[a] - scale * by_nodes.drift[a]) <
          4 * std::hypot(direct.drift_error[a], scale * by_nodes.drift_error[a]));
    CHECK(std::abs(direct.noise[a] - by_nodes.noise[a]) <
          4 * std::hypot(direct.noise_error[a], by_nodes.noise_error[a]));
  }
  // The greatest batch that an experiment may have.
  problem.batch = 1e15;
  const MeasuredCoefficients greatest = null_coefficients(problem, 4000, 7, 1.0);
  for (std::size_t a = 0; a < direct.drift.size(); ++a) {
    const double scale = std::sqrt(32768 / 1e15);
    CHECK(std::abs(by_nodes.drift[a] - greatest.drift[a] * scale) <
          4 * std::hypot(by_nodes.drift_error[a], greatest.drift_error[a] * scale));
  }
}

TEST_CASE("what takes every example has a greatest batch, and says so") {
  auto problem = std::make_shared<MatrixLeastSquares>(literal::four_inputs(3, 1));
  problem->map = UpdateMap::signsvd;
  problem->batch = 1e15;
  const std::string said =
      "optimizer.batch: a gradient with a signal takes every example, at most 1e+08 of them, got 1e+15";
  CHECK_THROWS_WITH(simulate_matrix(problem, nullptr, {}), said.c_str());
  CHECK_THROWS_WITH(regressed_coefficients(*problem, 2, 1), said.c_str());
}
