#include "models/muon/dynamics.hpp"

#include <cmath>
#include <memory>
#include <numbers>

#include "models/muon/sign_coefficients.hpp"
#include "models/muon/spectral_coefficients.hpp"
#include "tests/approx.hpp"
#include "tests/models/muon/literal.hpp"

using namespace edgewise;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

const std::vector<double> values{2, 0.7, 0.1}, many{1, 2, 1};

}  // namespace

TEST_CASE("drift and noise of every map with known coefficients, m = 3 and B = 4") {
  MatrixLeastSquares problem = literal::four_inputs(3, 4);
  CoefficientOptions options;
  const double phi = 0.6734537181, mean = 3.5 / 4;  // phi_4 by docs/theory/muon-phases.md, section 9
  const auto check = [&](const auto& drift, const auto& noise, double tolerance) {
    const MatrixDynamics d(problem, options);
    CHECK(d.inputs);
    CHECK(d.weight == values);
    CHECK(d.count == many);
    CHECK(d.initial == std::vector{0.9, 0.5, 0.04});
    std::vector<double> h(3), q(3);
    d.at(1.7, h, q);
    for (std::size_t a = 0; a < 3; ++a) {
      CHECK(h[a] == Approx(drift(values[a])).epsilon(tolerance));
      CHECK(q[a] == Approx(many[a] * noise(a)).epsilon(tolerance));
    }
  };
  SUBCASE("SGD: h = lambda sqrt V and q = m lambda V/B") {
    problem.map = UpdateMap::sgd;
    check([](double l) { return l * std::sqrt(1.7); }, [](std::size_t a) { return 3 * values[a] / 4 * 1.7; }, 1e-14);
  }
  SUBCASE("signs in a flat basis, arcsine noise of the rotated covariance") {
    problem.map = UpdateMap::signsgd;
    const Matrix h = literal::hadamard(4);
    const auto noise = [&](std::size_t a) {
      // m u_j' A u_j, A = (2/pi) arcsin of the correlations of H diag(lambda) H'; columns 1, 2 share an eigenvalue.
      double out = 0;
      for (const std::size_t j : a == 0   ? std::vector<std::size_t>{0}
                                 : a == 1 ? std::vector<std::size_t>{1, 2}
                                          : std::vector<std::size_t>{3})
        for (std::size_t x = 0; x < 4; ++x)
          for (std::size_t y = 0; y < 4; ++y) {
            double k = 0;
            for (std::size_t i = 0; i < 4; ++i) k += h(x, i) * literal::four_values[i] * h(y, i) / mean;
            out += 3 * h(x, j) * 2 / std::numbers::pi * std::asin(x == y ? 1 : k) * h(y, j) / many[a];
          }
      return out;
    };
    check([&](double l) { return 2 * phi * l / std::sqrt(mean); }, noise, 1e-9);
    options.sign_noise = "linear";
    check([&](double l) { return 2 * phi * l / std::sqrt(mean); },
          [&](std::size_t a) { return 3 * ((1 - 2 / std::numbers::pi) + 2 / std::numbers::pi * values[a] / mean); },
          1e-9);
  }
  SUBCASE("signs in the eigenbasis precondition") {
    problem.map = UpdateMap::signsgd;
    problem.rotation = Rotation::none;
    check([&](double l) { return 2 * phi * std::sqrt(l); }, [](std::size_t) { return 3.0; }, 1e-9);
  }
  SUBCASE("idealised SignSVD") {
    options.source = CoefficientSource::idealised;
    check([](double l) { return std::sqrt(4 * l / 3); }, [](std::size_t) { return 1.0; }, 1e-14);
  }
  SUBCASE("SignSVD: Q = lambda/(lambda + kappa), one rank of three gone") {
    const MatrixDynamics d(problem, options);
    const double kappa = d.ridge;
    double rank = 0;
    for (const double l : literal::four_values) rank += l / (l + kappa);
    CHECK(rank == Approx(3).epsilon(1e-12));
    const std::vector<double> drift = signsvd_drift({values, many}, 3, 4, WeightLaw::bilinear);
    for (std::size_t a = 0; a < 3; ++a) {
      CHECK(d.drift[a] == drift[a]);
      CHECK(d.noise[a] == Approx(many[a] * values[a] / (values[a] + kappa)).epsilon(1e-12));
    }
  }
}

TEST_CASE("inputs without a Hadamard basis: noise linearised in a flat one, arcsine is refused") {
  MatrixLeastSquares problem = literal::four_inputs(3, 4);
  problem.map = UpdateMap::signsgd;
  CoefficientOptions arcsine;
  arcsine.sign_noise = "arcsine";
  CHECK(MatrixDynamics(problem, arcsine).description == "signs in the Hadamard basis, exact arcsine noise");
  problem.spectrum.multiplicity = {1, 1, 1};
  MatrixLeastSquares compressed = literal::four_inputs(3, 4);
  compressed.map = UpdateMap::signsgd;
  compressed.spectrum.compressed = true;
  for (const MatrixLeastSquares& one : {problem, compressed}) {
    const MatrixDynamics d(one, {});
    CHECK(d.description == "signs in a flat basis, linearised noise");
    const double mean = one.spectrum.trace() / one.inputs();
    for (std::size_t a = 0; a < 3; ++a) {
      CHECK(d.noise[a] == Approx(3 * one.spectrum.multiplicity[a] *
                                 (1 - 2 / std::numbers::pi + 2 / std::numbers::pi * values[a] / mean))
                              .epsilon(1e-13));
      CHECK(d.drift[a] == Approx(2 * 0.6734537181 * values[a] / std::sqrt(mean)).epsilon(1e-9));
    }
    CHECK_THROWS_WITH(MatrixDynamics(one, arcsine), doctest::Contains("theory.sign_noise: arcsine needs a Hadamard"));
  }
}

TEST_CASE("signs and SGD know any batch, spectral maps want a rank of 2") {
  MatrixLeastSquares problem = literal::four_inputs(3, 1);
  problem.map = UpdateMap::signsgd;
  const MatrixDynamics one(problem, {});
  CHECK(one.sign_factor == Approx(std::pow(2 / std::numbers::pi, 1.5)).epsilon(1e-13));
  for (std::size_t a = 0; a < 3; ++a)
    CHECK(one.drift[a] == Approx(one.sign_factor * values[a] / std::sqrt(3.5 / 4)).epsilon(1e-13));
  problem.map = UpdateMap::sgd;
  CHECK(MatrixDynamics(problem, {}).drift == values);
  problem.map = UpdateMap::signsvd;
  CHECK_FALSE(one.exact());
  CHECK_THROWS_AS(MatrixDynamics(problem, {}), std::invalid_argument);
}

TEST_CASE("signs in a random basis: E S = sqrt(B) phi_B Delta K diag(K)^(-1/2)/sqrt(V), noise (2/pi) arcsin") {
  MatrixLeastSquares problem = literal::four_inputs(3, 4);
  problem.map = UpdateMap::signsgd;
  problem.rotation = Rotation::haar;
  problem.rotation_seed = 7;
  const MatrixDynamics d(problem, {});
  CHECK_FALSE(d.inputs);
  // The first step of the risk: in coordinates, P = tr(D K) with D = Delta' Delta of expected diagonal in the eigenbasis.
  const Matrix basis = haar_basis(4, 7);
  Matrix k(4, 4), start(4, 4);
  for (std::size_t x = 0; x < 4; ++x)
    for (std::size_t y = 0; y < 4; ++y)
      for (std::size_t i = 0; i < 4; ++i) {
        k(x, y) += basis(x, i) * literal::four_values[i] * basis(y, i);
        start(x, y) += basis(x, i) * literal::four_powers[i] * basis(y, i);
      }
  // -2 tr(D K G), G = diag(K)^(-1/2), per eta sqrt(B) phi/sqrt V, on (K + K')/2; and the noise m tr(A K).
  double drift = 0, noise = 0, P = 0;
  const Matrix product = literal::times(start, k);
  for (std::size_t x = 0; x < 4; ++x) {
    P += product(x, x);
    for (std::size_t y = 0; y < 4; ++y) {
      drift += product(x, y) / std::sqrt(k(y, y)) * k(y, x);
      noise += 3 * 2 / std::numbers::pi * std::asin(x == y ? 1 : k(x, y) / std::sqrt(k(x, x) * k(y, y))) * k(x, y);
    }
  }
  double found_P = 0, found_drift = 0, found_noise = 0;
  for (std::size_t j = 0; j < 4; ++j) {
    CHECK(d.count[j] == 1);
    found_P += d.weight[j] * d.initial[j];
    found_drift += d.weight[j] * d.drift[j] * d.initial[j];
    found_noise += d.weight[j] * d.noise[j];
  }
  CHECK(found_P == Approx(P).epsilon(1e-12));
  CHECK(found_drift == Approx(2 * 0.6734537181 * drift).epsilon(1e-9));
  CHECK(found_noise == Approx(noise).epsilon(1e-12));
}

TEST_CASE("a map with a scale: coefficients between the nodes of V are those measured there") {
  MatrixLeastSquares problem = literal::four_inputs(3, 4);
  problem.map = UpdateMap::general;
  problem.spectral_map =
      std::make_shared<const settings::Expression>("sigma/(1 + sigma)", std::vector<std::string>{"sigma"});
  CoefficientOptions options;
  options.source = CoefficientSource::null;
  options.draws = 5;
  options.seed = 3;
  const MatrixDynamics d(problem, options);
  CHECK_FALSE(d.constant());
  std::vector<double> h(3), q(3);
  const double P0 = 2 * 0.9 + 0.7 * 0.5 + 0.1 * 0.04, top = 4 * (P0 + 0.3);
  for (const double V : {0.31, 0.9, 2.0, 0.99 * top}) {
    CAPTURE(V);
    const MeasuredCoefficients c = null_coefficients(problem, 5, 3, V);
    d.at(V, h, q);
    for (std::size_t a = 0; a < 3; ++a) {
      CHECK(h[a] == Approx(c.drift[a]).epsilon(1e-5));
      CHECK(q[a] == Approx(many[a] * c.noise[a]).epsilon(1e-5));
    }
  }
  // Held beyond the ends.
  std::vector<double> h2(3), q2(3);
  d.at(top, h, q);
  d.at(10 * top, h2, q2);
  CHECK(h == h2);
  CHECK(q == q2);
  const MeasuredCoefficients start = null_coefficients(problem, 5, 3, P0 + 0.3);
  for (std::size_t a = 0; a < 3; ++a) CHECK(d.drift[a] == Approx(start.drift[a]).epsilon(1e-5));
}

TEST_CASE("sgd has coefficients from null draws at rank 1, too") {
  MatrixLeastSquares problem = literal::four_inputs(3, 1);
  problem.map = UpdateMap::sgd;
  CoefficientOptions options;
  options.source = CoefficientSource::null;
  CHECK(MatrixDynamics(problem, options).drift.size() == 3);
}

TEST_CASE("anisotropic outputs: pairs, their weights and starts, measured noise") {
  MatrixLeastSquares problem = literal::four_inputs(3, 4);
  problem.output_spectrum.eigenvalue = {3, 0.5};
  problem.output_spectrum.multiplicity = {1, 2};
  problem.output_spectrum.target_power = {0, 0};
  problem.isotropic_outputs = false;
  CoefficientOptions options;
  options.draws = 4;
  options.seed = 2;
  const MatrixDynamics d(problem, options);
  const MeasuredCoefficients c = null_coefficients(problem, 4, 2, 1.0);
  const std::vector<double> sig{3, 0.5}, rows{1, 2}, power{0.9, 0.5, 0.04};
  const std::vector<double> drift = signsvd_drift_matrix({values, many}, {sig, rows}, 4, WeightLaw::bilinear);
  CHECK_FALSE(d.inputs);
  REQUIRE(d.size() == 6);
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t a = 0; a < 3; ++a) {
      const std::size_t i = 3 * b + a;
      CHECK(d.weight[i] == sig[b] * values[a]);
      CHECK(d.count[i] == rows[b] * many[a]);
      CHECK(d.initial[i] == Approx(power[a] * rows[b] / 3).epsilon(1e-14));
      CHECK(d.drift[i] == drift[i]);
      CHECK(d.noise[i] == Approx(rows[b] * many[a] * c.noise[i]).epsilon(1e-13));
    }
  CHECK(d.excess(d.initial) == Approx((3 + 2 * 0.5) / 3 * (1.8 + 0.35 + 0.004)).epsilon(1e-13));
}

TEST_CASE("dressing: signal shares, inflations and where none is known") {
  MatrixLeastSquares problem = literal::four_inputs(3, 4);
  const std::vector<double> M{0.8, 0.3, 0.02};
  const double V = 1.1, strength = 2 + 4.0 / 3;
  std::vector<double> f(3);
  {
    const MatrixDynamics d(problem, {});
    d.inflation(M, V, f);
    std::vector<double> inflated, h = d.drift;
    for (std::size_t a = 0; a < 3; ++a) {
      CHECK(f[a] == Approx(strength * values[a] * M[a] / many[a] / V).epsilon(1e-14));
      inflated.push_back(values[a] * (1 + f[a]));
    }
    CHECK(d.signal_to_noise(M, V) == Approx(strength * 1.6 / V).epsilon(1e-14));
    d.dress(f, h);
    const std::vector<double> polar = signsvd_drift({inflated, many}, 3, 4, WeightLaw::bilinear);
    for (std::size_t a = 0; a < 3; ++a) CHECK(h[a] == Approx(polar[a] / (1 + f[a])).epsilon(1e-9));
    CHECK_FALSE(d.no_dressing());
  }
  problem.map = UpdateMap::signsgd;
  {
    const MatrixDynamics d(problem, {});
    d.inflation(M, V, f);
    const double psi = (4 * 0.8 + 0.49 * 0.3 + 0.01 * 0.02) / V / 3.5;
    for (const double x : f) CHECK(x == Approx(strength * psi).epsilon(1e-14));
    std::vector<double> h = d.drift;
    d.dress(f, h);
    for (std::size_t a = 0; a < 3; ++a)
      CHECK(h[a] == Approx(d.drift[a] / std::sqrt(1 + strength * psi)).epsilon(1e-14));
  }
  problem.rotation = Rotation::none;
  {
    const MatrixDynamics d(problem, {});
    d.inflation(M, V, f);
    CHECK(f[1] == Approx(strength * 0.7 * 0.15 / V).epsilon(1e-14));
    CHECK_FALSE(d.no_dressing());
  }
  problem.rotation = Rotation::haar;
  CHECK(MatrixDynamics(problem, {}).no_dressing() == "signs in a random basis");
  problem.map = UpdateMap::sgd;
  CHECK(MatrixDynamics(problem, {}).no_dressing() == "sgd, which needs none");
  problem.map = UpdateMap::signsvd;
  problem.labels = Labels::vector;
  CHECK(MatrixDynamics(problem, {}).no_dressing() == "vector labels");
}

TEST_CASE("null modes: no gradient reaches them, and every number is that of the others alone") {
  MatrixLeastSquares with = literal::four_inputs(3, 4), without = with;
  with.spectrum.eigenvalue.push_back(0);
  with.spectrum.multiplicity.push_back(4);  // eight inputs: a Hadamard basis
  with.spectrum.target_power.push_back(0.7);
  CHECK(with.rank() == without.rank());
  for (const UpdateMap map : {UpdateMap::signsvd, UpdateMap::signsgd, UpdateMap::newton_schulz, UpdateMap::sgd}) {
    CAPTURE(static_cast<int>(map));
    with.map = without.map = map;
    with.rotation = without.rotation = map == UpdateMap::signsgd ? Rotation::none : Rotation::hadamard;
    CoefficientOptions options;
    if (map == UpdateMap::newton_schulz) options.source = CoefficientSource::null;
    options.draws = 2000;
    const MatrixDynamics a(with, options), b(without, options);
    REQUIRE(a.size() == 4);
    CHECK(a.drift[3] == 0);
    CHECK(a.noise[3] == 0);
    CHECK(a.initial[3] == 0.7);
    const double tolerance = map == UpdateMap::newton_schulz ? 0.1 : 1e-12;  // two sets of draws
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(a.drift[i] == Approx(b.drift[i]).epsilon(tolerance));
      CHECK(a.noise[i] == Approx(b.noise[i]).epsilon(tolerance));
    }
    CHECK(a.noise_to_drift() == Approx(b.noise_to_drift()).epsilon(tolerance));
    CHECK(a.excess(a.initial) == Approx(b.excess(b.initial)).epsilon(1e-14));
  }
  // Signs in a basis that mixes the modes push null ones about, which P does not see.
  with.map = UpdateMap::signsgd;
  with.rotation = Rotation::haar;
  const MatrixDynamics d(with, {});
  int null = 0;
  double seen = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    if (d.weight[i] > 0) {
      seen += d.weight[i] * d.noise[i] / d.drift[i];
      continue;
    }
    ++null;
    CHECK(d.drift[i] == 0);
    CHECK(d.noise[i] > 0);
  }
  CHECK(null == 4);
  CHECK(d.noise_to_drift() == Approx(seen).epsilon(1e-13));
}
