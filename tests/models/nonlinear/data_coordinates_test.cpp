// Coordinates of nonlinear gradients: the law of what they colour, P, and the powers of a greedy rate, by loops over K.
#include "models/nonlinear/data_coordinates.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "models/ingredients/noise.hpp"
#include "spectra/spectrum.hpp"
#include "tests/approx.hpp"
#include "tests/models/nonlinear/dense_covariance.hpp"

using namespace edgewise;
using namespace edgewise::models::nonlinear;
using edgewise::models::testing::dense_covariance;
using edgewise::tests::Approx;

namespace {

const std::vector<double> K{2, 0.6, -0.3, 0.6, 0.5, 0.1, -0.3, 0.1, 1.25}, target{1, -2, 0.5}, v{0.7, 0.2, -1.1};

double at(std::size_t i, std::size_t j) {
  return K[3 * i + j];
}

NonlinearProblem problem_of(Covariance covariance, Method method) {
  NonlinearProblem out;
  out.covariance = std::move(covariance);
  out.noise = models::ingredients::gaussian_noise(0.3);
  out.method = method;
  out.learning_rate = 1;
  out.greedy = true;
  return out;
}

/// What color makes of the unit vectors: the columns of K's factor.
std::vector<std::vector<double>> columns(const DataCoordinates& c) {
  std::vector<std::vector<double>> out;
  for (std::size_t j = 0; j < c.size(); ++j) {
    std::vector<double> z(c.size()), x(c.size());
    z[j] = 1;
    c.color(z, x);
    out.push_back(x);
  }
  return out;
}

void check_dense(const DataCoordinates& c, bool signs) {
  CHECK_FALSE(c.diagonal());
  for (std::size_t i = 0; i < 3; ++i) CHECK(c.start()[i] == -target[i]);
  const auto factor = columns(c);
  double P = 0, start = 0;
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      double k = 0;
      for (const auto& column : factor) k += column[i] * column[j];
      CHECK(k == Approx(at(i, j)).epsilon(1e-13));
      P += v[i] * at(i, j) * v[j];
      start += target[i] * at(i, j) * target[j];
    }
  CHECK(c.excess() == Approx(start).epsilon(1e-13));
  std::vector<double> u(3);
  CHECK(c.whiten(v, u) == Approx(P).epsilon(1e-13));
  // <x, v> = <z, u> for every x = color(z).
  for (std::size_t j = 0; j < 3; ++j)
    CHECK(u[j] == Approx(factor[j][0] * v[0] + factor[j][1] * v[1] + factor[j][2] * v[2]).epsilon(1e-13));
  // Q = v'K D K v, T = (D K v)'K (D K v).
  std::vector<double> pull(3), direction(3);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) pull[i] += at(i, j) * v[j];
    direction[i] = signs ? pull[i] / std::sqrt(at(i, i)) : pull[i];
  }
  double Q = 0, T = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    Q += pull[i] * direction[i];
    for (std::size_t j = 0; j < 3; ++j) T += direction[i] * at(i, j) * direction[j];
  }
  const auto powers = c.drift_powers(u);
  CHECK(powers.Q == Approx(Q).epsilon(1e-12));
  CHECK(powers.T == Approx(T).epsilon(1e-12));
}

}  // namespace

TEST_CASE("coordinates of a dense covariance: signs act on its own, examples as rows too") {
  check_dense(DataCoordinates(problem_of(dense_covariance(K, target), Method::sign_late), false), true);
  check_dense(DataCoordinates(problem_of(dense_covariance(K, target), Method::sgd), true), false);
}

TEST_CASE("coordinates of a covariance without an inverse") {
  // (1, 2)'(1, 2) and a coordinate of its own.
  const std::vector<double> singular{1, 2, 0, 2, 4, 0, 0, 0, 9};
  const DataCoordinates c(problem_of(dense_covariance(singular, target), Method::sign_late), false);
  const auto factor = columns(c);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) {
      double k = 0;
      for (const auto& column : factor) k += column[i] * column[j];
      CHECK(k == Approx(singular[3 * i + j]).epsilon(1e-12).scale(1));
    }
  CHECK(c.excess() == Approx((1 - 4) * (1 - 4) + 9 * 0.25).epsilon(1e-12));
}

TEST_CASE("coordinates of a method that commutes with rotations are the eigenbasis") {
  const DataCoordinates c(problem_of(dense_covariance(K, target), Method::sgd), false);
  CHECK(c.diagonal());
  double trace = 0, start = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    trace += c.eigenvalue()[i];
    CHECK(c.root()[i] == Approx(std::sqrt(c.eigenvalue()[i])).epsilon(1e-14));
    for (std::size_t j = 0; j < 3; ++j) start += target[i] * at(i, j) * target[j];
  }
  CHECK(trace == Approx(3.75).epsilon(1e-13));
  CHECK(c.excess() == Approx(start).epsilon(1e-12));
  // sum of theta*^2, which no rotation changes.
  CHECK(c.start()[0] * c.start()[0] + c.start()[1] * c.start()[1] + c.start()[2] * c.start()[2] ==
        Approx(5.25).epsilon(1e-12));
}

TEST_CASE("coordinates of a diagonal covariance, with what a greedy rate takes from them") {
  spectra::Spectrum spectrum;
  spectrum.eigenvalue = {4, 0.25};
  spectrum.multiplicity = {1, 2};
  spectrum.target_power = {9, 0.5};
  for (const bool signs : {false, true}) {
    CAPTURE(signs);
    const DataCoordinates c(
        problem_of(diagonal_covariance(spectra::checked(spectrum)), signs ? Method::sign_late : Method::sgd), false);
    CHECK(c.diagonal());
    CHECK(std::vector<double>(c.root().begin(), c.root().end()) == std::vector<double>{2, 0.5, 0.5});
    CHECK(c.start()[0] == -3);
    CHECK(c.start()[2] == Approx(-0.5).epsilon(1e-15));
    CHECK(c.excess() == Approx(36 + 0.125).epsilon(1e-14));
    const std::vector<double> z{1, 2, 3};
    std::vector<double> x(3), u(3);
    c.color(z, x);
    CHECK(x == std::vector<double>{2, 1, 1.5});
    CHECK(c.whiten(z, u) == Approx(4 + 0.25 * 13).epsilon(1e-15));
    CHECK(u == x);
    // K v = (4, .5, .75), D = 1 or (1/2, 2, 2).
    const auto powers = c.drift_powers(u);
    CHECK(powers.Q == Approx(signs ? 8 + 0.5 + 1.125 : 16 + 0.25 + 0.5625).epsilon(1e-14));
    CHECK(powers.T == Approx(signs ? 16 + 0.25 + 0.5625 : 64 + 0.0625 + 0.140625).epsilon(1e-14));
  }
}
