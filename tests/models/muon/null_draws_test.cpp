#include "models/muon/null_draws.hpp"

#include <functional>
#include <memory>

#include "tests/approx.hpp"
#include "tests/models/muon/literal.hpp"

using namespace edgewise;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

// Replicas that no simulation has.
constexpr std::uint64_t null_replica = 0xFFFFFFFEu, regression_replica = 0xFFFFFFFFu;

struct Measured {
  double mean, error;
};

/// The mean of draws and its standard error.
Measured measured(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  double mean = 0, square = 0;
  for (const double v : x) mean += v / n;
  for (const double v : x) square += (v - mean) * (v - mean);
  return {mean, std::sqrt(square / (n - 1) / n)};
}

void check(double mean, double error, const std::vector<double>& draws) {
  const Measured expected = measured(draws);
  CHECK(mean == Approx(expected.mean).epsilon(1e-11));
  CHECK(error == Approx(expected.error).epsilon(1e-9));
}

const std::vector<std::vector<std::size_t>> spaces{{0}, {1, 2}, {3}};

/// Means over the coordinates of an eigenspace of f(j), one number a draw.
std::vector<double> over(const std::vector<std::size_t>& space, std::size_t draws,
                         const std::function<double(std::size_t draw, std::size_t j)>& f) {
  std::vector<double> out(draws);
  for (std::size_t d = 0; d < draws; ++d)
    for (const std::size_t j : space) out[d] += f(d, j) / static_cast<double>(space.size());
  return out;
}

std::shared_ptr<const settings::Expression> formula() {
  return std::make_shared<const settings::Expression>("sigma - sigma^3/6", std::vector<std::string>{"sigma"});
}

}  // namespace

TEST_CASE("null draws by the definition of hhat and Q, draw by draw") {
  constexpr std::size_t draws = 5, m = 3;
  for (const std::size_t batch : {2u, 6u})
    for (const auto map : {UpdateMap::signsgd, UpdateMap::newton_schulz, UpdateMap::general}) {
      CAPTURE(batch);
      CAPTURE(static_cast<int>(map));
      MatrixLeastSquares problem = literal::four_inputs(m, batch);
      problem.map = map;
      problem.spectral_map = formula();
      const double V = 0.8, scale = std::sqrt(V) / static_cast<double>(batch);
      std::vector<Matrix> ghat, s;
      for (std::size_t d = 0; d < draws; ++d) {
        ghat.push_back(literal::null_gradient(
            literal::samples(literal::four_values, std::vector<double>(m, 1.0), batch, 21, null_replica, d), false));
        const Matrix g = literal::scaled(ghat[d], scale);
        s.push_back(map == UpdateMap::signsgd         ? literal::signs(g, literal::hadamard(4))
                    : map == UpdateMap::newton_schulz ? literal::newton_schulz(g)
                                                      : literal::cubic(g));
      }
      const auto drift = [&](std::size_t d, std::size_t j) {
        double out = 0;
        for (std::size_t k = 0; k < m; ++k) out += s[d](k, j) * ghat[d](k, j) / m;
        return out;
      };
      const auto noise = [&](std::size_t d, std::size_t j) {
        double out = 0;
        for (std::size_t k = 0; k < m; ++k) out += s[d](k, j) * s[d](k, j);
        return out;
      };
      std::vector<MeasuredCoefficients> found{null_coefficients(problem, draws, 21, V)};
      // Spectral maps at several V from the same draws.
      if (map != UpdateMap::signsgd) found.push_back(null_coefficients(problem, draws, 21, std::vector{3.1, V})[1]);
      for (const MeasuredCoefficients& c : found) {
        REQUIRE(c.drift.size() == 3);
        for (std::size_t a = 0; a < 3; ++a) {
          check(c.drift[a], c.drift_error[a], over(spaces[a], draws, drift));
          check(c.noise[a], c.noise_error[a], over(spaces[a], draws, noise));
        }
      }
    }
}

TEST_CASE("null draws of anisotropic outputs: one number a pair of eigenspaces") {
  constexpr std::size_t draws = 4, batch = 3;
  MatrixLeastSquares problem = literal::four_inputs(3, batch);
  problem.map = UpdateMap::signsgd;
  problem.output_spectrum.eigenvalue = {3, 0.5};
  problem.output_spectrum.multiplicity = {1, 2};
  problem.output_spectrum.target_power = {0, 0};
  problem.isotropic_outputs = false;
  std::vector<Matrix> ghat, s;
  for (std::size_t d = 0; d < draws; ++d) {
    ghat.push_back(literal::null_gradient(
        literal::samples(literal::four_values, {3, 0.5, 0.5}, batch, 8, null_replica, d), false));
    s.push_back(literal::signs(ghat[d], literal::hadamard(4)));
  }
  const MeasuredCoefficients c = null_coefficients(problem, draws, 8, 1.0);
  REQUIRE(c.drift.size() == 6);
  const std::vector<std::vector<std::size_t>> rows{{0}, {1, 2}};
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t a = 0; a < 3; ++a) {
      std::vector<double> drift(draws), noise(draws);
      const auto cells = static_cast<double>(rows[b].size() * spaces[a].size());
      for (std::size_t d = 0; d < draws; ++d)
        for (const std::size_t k : rows[b])
          for (const std::size_t j : spaces[a]) {
            drift[d] += s[d](k, j) * ghat[d](k, j) / cells;
            noise[d] += s[d](k, j) * s[d](k, j) / cells;
          }
      check(c.drift[b * 3 + a], c.drift_error[b * 3 + a], drift);
      check(c.noise[b * 3 + a], c.noise_error[b * 3 + a], noise);
    }
}

TEST_CASE("coefficients regressed on a real Delta, draw by draw") {
  constexpr std::size_t draws = 4, batch = 6, m = 3;
  MatrixLeastSquares problem = literal::four_inputs(m, batch);
  problem.map = UpdateMap::newton_schulz;
  const std::vector<double> ones(m, 1.0);
  const Matrix delta = literal::start(literal::four_powers, m, 13, regression_replica);
  const double V = literal::excess(delta, literal::four_values, ones) + 0.3;
  std::vector<Matrix> s;
  for (std::size_t d = 0; d < draws; ++d)
    s.push_back(literal::newton_schulz(literal::gradient(
        literal::samples(literal::four_values, ones, batch, 13, regression_replica, d), delta, std::sqrt(0.3), false)));
  const MeasuredCoefficients c = regressed_coefficients(problem, draws, 13);
  REQUIRE(c.drift.size() == 3);
  for (std::size_t a = 0; a < 3; ++a) {
    check(c.drift[a], c.drift_error[a], over(spaces[a], draws, [&](std::size_t d, std::size_t j) {
            double along = 0, square = 0;
            for (std::size_t k = 0; k < m; ++k) {
              along += s[d](k, j) * delta(k, j);
              square += delta(k, j) * delta(k, j);
            }
            return std::sqrt(V) * along / square;
          }));
    check(c.noise[a], c.noise_error[a], over(spaces[a], draws, [&](std::size_t d, std::size_t j) {
            double square = 0;
            for (std::size_t k = 0; k < m; ++k) square += s[d](k, j) * s[d](k, j);
            return square;
          }));
  }
}

TEST_CASE("null draws want two, and regressed ones isotropic outputs") {
  MatrixLeastSquares problem = literal::four_inputs(3, 2);
  CHECK_THROWS_WITH(null_coefficients(problem, 1, 1, 1.0),
                    "theory.null_draws: at least 2 draws are needed for a standard error");
  CHECK_THROWS_WITH(regressed_coefficients(problem, 1, 1),
                    "theory.regression_draws: at least 2 draws are needed for a standard error");
  problem.isotropic_outputs = false;
  CHECK_THROWS_AS(regressed_coefficients(problem, 2, 1), std::invalid_argument);
}
