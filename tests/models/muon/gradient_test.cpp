#include "models/muon/gradient.hpp"

#include <memory>

#include "tests/approx.hpp"
#include "tests/models/muon/literal.hpp"

using namespace edgewise;
using namespace edgewise::models::muon;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

Matrix whole(const MaybeFactored& g) {
  return g.factored ? literal::times(g.left, literal::transposed(g.right)) : g.matrix;
}

/// Four outputs of variances 3, .5, .5, .5.
MatrixLeastSquares anisotropic(std::size_t batch) {
  MatrixLeastSquares out = literal::four_inputs(4, batch);
  out.output_spectrum.eigenvalue = {3, 0.5};
  out.output_spectrum.multiplicity = {1, 3};
  out.output_spectrum.target_power = {0, 0};
  out.isotropic_outputs = false;
  return out;
}

}  // namespace

TEST_CASE("mini-batch gradients sample by sample, as thin factors or whole") {
  // Batches of 2 stay factored, of 3 not; 300 is more than is drawn at a time.
  for (const std::size_t batch : {2u, 3u, 300u})
    for (const bool vector : {false, true})
      for (const bool isotropic : {true, false}) {
        if (vector && !isotropic) continue;
        CAPTURE(batch);
        CAPTURE(vector);
        CAPTURE(isotropic);
        MatrixLeastSquares problem = isotropic ? literal::four_inputs(4, batch) : anisotropic(batch);
        problem.labels = vector ? Labels::vector : Labels::bilinear;
        const std::vector<double> sig = isotropic ? std::vector<double>(4, 1.0) : std::vector{3.0, 0.5, 0.5, 0.5};
        const MatrixCoordinates coordinates(problem);
        CHECK(coordinates.column.eigenvalue == literal::four_values);
        CHECK(coordinates.column.power == literal::four_powers);
        CHECK(coordinates.row.eigenvalue == sig);
        const Matrix delta = initial_error(coordinates, 11, 5);
        CHECK(literal::distance(delta, literal::start(literal::four_powers, 4, 11, 5)) < 1e-15);
        CHECK(coordinates.excess(delta) == Approx(literal::excess(delta, literal::four_values, sig)).epsilon(1e-14));
        GradientSampler sampler(problem, coordinates, 11, 5);
        for (const std::uint64_t step : {7u, 2u}) {
          const literal::Samples s = literal::samples(literal::four_values, sig, batch, 11, 5, step);
          MaybeFactored g;
          sampler.draw(step, &delta, g);
          CHECK(g.factored == (batch == 2));
          CHECK(literal::distance(whole(g), literal::gradient(s, delta, std::sqrt(0.3), vector)) < 1e-13);
          sampler.draw(step, nullptr, g);
          CHECK(literal::distance(whole(g), literal::null_gradient(s, vector)) < 1e-11);
        }
      }
}

TEST_CASE("maps of a gradient by their definitions, whole and from thin factors") {
  MatrixLeastSquares problem = literal::four_inputs(4, 2);
  const MatrixCoordinates coordinates(problem);
  const auto formula = [](const char* text) {
    return std::make_shared<const settings::Expression>(text, std::vector<std::string>{"sigma"});
  };
  const Matrix basis = haar_basis(4, 9);
  const auto check = [&](const auto& definition) {
    for (const bool factored : {false, true}) {
      CAPTURE(factored);
      GradientSampler sampler(problem, coordinates, 3, 0);
      MaybeFactored g;
      const Matrix delta = initial_error(coordinates, 3, 0);
      sampler.draw(1, &delta, g);
      REQUIRE(g.factored);
      const Matrix product = whole(g);
      if (!factored) {
        g.matrix = product;
        g.factored = false;
      }
      const MatrixUpdate update(problem, coordinates);
      Matrix s;
      update.apply(g, s);
      CHECK(literal::distance(s, definition(product)) < 1e-13);
    }
  };
  const auto with = [](const Matrix& h) { return [&h](const Matrix& g) { return literal::signs(g, h); }; };
  SUBCASE("signs in Hadamard's basis") {
    problem.map = UpdateMap::signsgd;
    check(with(literal::hadamard(4)));
  }
  SUBCASE("signs in a random basis") {
    problem.map = UpdateMap::signsgd;
    problem.rotation = Rotation::haar;
    problem.rotation_seed = 9;
    CHECK(literal::distance(literal::times(basis, literal::transposed(basis)), Matrix::identity(4, 4)) < 1e-14);
    CHECK(literal::distance(basis, haar_basis(4, 10)) > 0.1);
    check(with(basis));
  }
  SUBCASE("signs in the eigenbasis") {
    problem.map = UpdateMap::signsgd;
    problem.rotation = Rotation::none;
    check(with(Matrix::identity(4, 4)));
  }
  SUBCASE("Newton-Schulz") {
    problem.map = UpdateMap::newton_schulz;
    check(literal::newton_schulz);
  }
  SUBCASE("a general map") {
    problem.map = UpdateMap::general;
    problem.spectral_map = formula("sigma - sigma^3/6");
    check(literal::cubic);
  }
  SUBCASE("a general map of the normalised gradient") {
    problem.map = UpdateMap::general;
    problem.normalise = true;
    problem.spectral_map = formula("sigma - sigma^3/6");
    check([](const Matrix& g) { return literal::cubic(literal::scaled(g, 1 / literal::frobenius(g))); });
  }
  SUBCASE("none") {
    problem.map = UpdateMap::sgd;
    check([](const Matrix& g) { return g; });
  }
}

TEST_CASE("sign(0) = 0 in every basis") {
  MatrixLeastSquares problem = literal::four_inputs(3, 2);
  problem.map = UpdateMap::signsgd;
  problem.rotation = Rotation::none;
  const MatrixCoordinates coordinates(problem);
  const MatrixUpdate update(problem, coordinates);
  MaybeFactored g;
  g.matrix = Matrix(3, 4);
  g.matrix(1, 2) = -1e-300;
  g.matrix(2, 0) = 5;
  Matrix s;
  update.apply(g, s);
  for (std::size_t k = 0; k < 3; ++k)
    for (std::size_t j = 0; j < 4; ++j) CHECK(s(k, j) == (k == 1 && j == 2 ? -1 : k == 2 && j == 0 ? 1 : 0));
}

TEST_CASE("what a singular value becomes") {
  MatrixLeastSquares problem = literal::four_inputs(3, 2);
  problem.spectral_map =
      std::make_shared<const settings::Expression>("sigma/(0.5 + sigma)", std::vector<std::string>{"sigma"});
  CHECK(spectral_value(problem, 0.3, 2) == 1);
  problem.map = UpdateMap::sgd;
  CHECK(spectral_value(problem, 0.3, 2) == 0.3);
  problem.map = UpdateMap::general;
  CHECK(spectral_value(problem, 0.3, 2) == Approx(0.375).epsilon(1e-15));
  problem.normalise = true;
  CHECK(spectral_value(problem, 0.3, 2) == Approx(0.15 / 0.65).epsilon(1e-15));
  problem.map = UpdateMap::newton_schulz;
  double x = 0.15;
  for (int i = 0; i < 5; ++i) x = 3.4445 * x - 4.7750 * std::pow(x, 3) + 2.0315 * std::pow(x, 5);
  CHECK(spectral_value(problem, 0.3, 2) == Approx(x).epsilon(1e-14));
}

TEST_CASE("what cannot be simulated") {
  MatrixLeastSquares problem = literal::four_inputs(3, 2);
  problem.map = UpdateMap::signsgd;
  problem.spectrum.multiplicity = {1, 1, 1};
  CHECK_THROWS_WITH(MatrixUpdate(problem, MatrixCoordinates(problem)),
                    "data.rotation: hadamard needs a power of two inputs, the spectrum has 3; use haar or none");
  problem.spectrum.multiplicity = {1, 1.5, 1.5};
  CHECK_THROWS_AS(MatrixCoordinates{problem}, std::invalid_argument);
  problem.spectrum.multiplicity = {1, 2, 1};
  problem.spectrum.compressed = true;
  CHECK_THROWS_AS(MatrixCoordinates{problem}, std::invalid_argument);
  problem.spectrum.compressed = false;
  problem.outputs = 2.5e7 + 1;
  CHECK_THROWS_AS(MatrixCoordinates{problem}, std::invalid_argument);
}
