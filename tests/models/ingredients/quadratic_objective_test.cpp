#include "models/ingredients/quadratic_objective.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

constexpr std::size_t outputs = 2, parameters = 3;

/// Symmetric in i and j.
double q(std::size_t a, std::size_t i, std::size_t j) {
  return std::sin(1.0 + 3 * static_cast<double>(a) + static_cast<double>(i + j) + 2 * static_cast<double>(i * j));
}
double j0(std::size_t a, std::size_t i) {
  return std::cos(2.0 * static_cast<double>(a) + static_cast<double>(i));
}
const std::vector<double> z0{0.7, -1.1}, theta{0.3, -0.4, 0.9};

QuadraticObjective objective() {
  Matrix jacobian(outputs, parameters);
  for (std::size_t a = 0; a < outputs; ++a)
    for (std::size_t i = 0; i < parameters; ++i) jacobian(a, i) = j0(a, i);
  return {z0, jacobian, [](std::span<const double> v, Matrix& w) {
            for (std::size_t a = 0; a < outputs; ++a)
              for (std::size_t i = 0; i < parameters; ++i) {
                w(a, i) = 0;
                for (std::size_t j = 0; j < parameters; ++j) w(a, i) += q(a, i, j) * v[j];
              }
          }};
}

/// Outputs, Jacobian and Hessian parts written out.
struct Literal {
  Eigen::Vector2d z;
  Eigen::Matrix<double, 2, 3> j;
  Eigen::Matrix3d gauss_newton, neglected;
  explicit Literal(const std::vector<double>& at) {
    neglected.setZero();
    for (std::size_t a = 0; a < outputs; ++a) {
      z[static_cast<int>(a)] = z0[a];
      for (std::size_t i = 0; i < parameters; ++i) {
        j(static_cast<int>(a), static_cast<int>(i)) = j0(a, i);
        z[static_cast<int>(a)] += j0(a, i) * at[i];
        for (std::size_t k = 0; k < parameters; ++k) {
          z[static_cast<int>(a)] += 0.5 * q(a, i, k) * at[i] * at[k];
          j(static_cast<int>(a), static_cast<int>(i)) += q(a, i, k) * at[k];
        }
      }
    }
    for (std::size_t a = 0; a < outputs; ++a)
      for (std::size_t i = 0; i < parameters; ++i)
        for (std::size_t k = 0; k < parameters; ++k)
          neglected(static_cast<int>(i), static_cast<int>(k)) += z[static_cast<int>(a)] * q(a, i, k);
    gauss_newton = j.transpose() * j;
  }
};

}  // namespace

TEST_CASE("loss, gradient and curvature of outputs of second order, written out") {
  QuadraticObjective of = objective();
  const Literal literal(theta);
  CHECK(of.parameters() == parameters);
  CHECK(of.move_to(theta) == Approx(literal.z.squaredNorm() / 2).epsilon(1e-14));
  std::vector<double> g(parameters), out(parameters);
  of.gradient(g);
  const Eigen::Vector3d gradient = literal.j.transpose() * literal.z;
  for (std::size_t i = 0; i < parameters; ++i) CHECK(g[i] == Approx(gradient[static_cast<int>(i)]).epsilon(1e-14));
  // The gradient is the loss's slope: central differences of a quartic.
  for (std::size_t i = 0; i < parameters; ++i) {
    std::vector<double> up = theta, down = theta;
    up[i] += 1e-4;
    down[i] -= 1e-4;
    CHECK((of.move_to(up) - of.move_to(down)) / 2e-4 == Approx(g[i]).epsilon(1e-7));
  }
  of.move_to(theta);
  for (std::size_t i = 0; i < parameters; ++i) {
    std::vector<double> v(parameters);
    v[i] = 2;
    const auto check = [&](CurvaturePart part, const Eigen::Matrix3d& matrix) {
      of.product(part, v, out);
      for (std::size_t k = 0; k < parameters; ++k)
        CHECK(out[k] == Approx(2 * matrix(static_cast<int>(k), static_cast<int>(i))).epsilon(1e-13));
    };
    check(CurvaturePart::gauss_newton, literal.gauss_newton);
    check(CurvaturePart::neglected, literal.neglected);
    check(CurvaturePart::hessian, literal.gauss_newton + literal.neglected);
  }
  CHECK(of.jacobian()(1, 2) == Approx(literal.j(1, 2)).epsilon(1e-15));
  CHECK(of.cotangent()[1] == Approx(literal.z[1]).epsilon(1e-15));
  // Back at the origin nothing is left of where it was.
  of.move_to(std::vector<double>(parameters, 0.0));
  CHECK(of.cotangent() == z0);
  CHECK(of.jacobian()(1, 2) == j0(1, 2));
}

TEST_CASE("largest curvatures, with and without a preconditioner, and traces are those of the matrix") {
  QuadraticObjective of = objective();
  of.move_to(theta);
  const Literal literal(theta);
  const Eigen::Matrix3d hessian = literal.gauss_newton + literal.neglected;
  const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> plain(hessian);
  const LargestCurvature top = largest_curvature(of, CurvaturePart::hessian, {}, 1e-12);
  CHECK(top.value == Approx(plain.eigenvalues()[2]).epsilon(1e-10));
  const double along = top.vector[0] * plain.eigenvectors()(0, 2) + top.vector[1] * plain.eigenvectors()(1, 2) +
                       top.vector[2] * plain.eigenvectors()(2, 2);
  CHECK(std::abs(along) == Approx(1).epsilon(1e-10));
  CHECK(curvature_along(of, CurvaturePart::hessian, top.vector) == Approx(top.value).epsilon(1e-10));

  const std::vector<double> P{0.5, 2, 3};
  const Eigen::Vector3d root(1 / std::sqrt(0.5), 1 / std::sqrt(2.0), 1 / std::sqrt(3.0));
  const Eigen::Matrix3d balanced = root.asDiagonal() * hessian * root.asDiagonal();
  CHECK(largest_curvature(of, CurvaturePart::hessian, {}, 1e-12, P).value ==
        Approx(Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d>(balanced).eigenvalues()[2]).epsilon(1e-10));

  const EstimatedTraces traces = traces_by_columns(of);
  CHECK(traces.gauss_newton == Approx(literal.gauss_newton.trace()).epsilon(1e-13));
  CHECK(traces.neglected == Approx(literal.neglected.trace()).epsilon(1e-13));
  CHECK(traces.hessian == Approx(hessian.trace()).epsilon(1e-13));
}

TEST_CASE("Hutchinson's estimate: the mean of the same probes, and their standard error") {
  QuadraticObjective of = objective();
  of.move_to(theta);
  const Literal literal(theta);
  constexpr std::size_t probes = 200;
  random::Stream stream(5, 0), again(5, 0);
  const EstimatedTraces found = hutchinson_traces(of, probes, stream);
  std::vector<double> gauss_newton, hessian;
  double mean_g = 0, mean_h = 0;
  for (std::size_t k = 0; k < probes; ++k) {
    Eigen::Vector3d v;
    for (int i = 0; i < 3; ++i) v[i] = again.uniform() < 0.5 ? -1 : 1;
    gauss_newton.push_back(v.dot(literal.gauss_newton * v));
    hessian.push_back(gauss_newton.back() + v.dot(literal.neglected * v));
    mean_g += gauss_newton.back() / probes;
    mean_h += hessian.back() / probes;
  }
  double spread_g = 0, spread_h = 0;
  for (std::size_t k = 0; k < probes; ++k) {
    spread_g += std::pow(gauss_newton[k] - mean_g, 2);
    spread_h += std::pow(hessian[k] - mean_h, 2);
  }
  CHECK(found.gauss_newton == Approx(mean_g).epsilon(1e-12));
  CHECK(found.hessian == Approx(mean_h).epsilon(1e-12));
  CHECK(found.neglected == Approx(mean_h - mean_g).epsilon(1e-12));
  CHECK(found.gauss_newton_sem == Approx(std::sqrt(spread_g / (probes - 1) / probes)).epsilon(1e-11));
  CHECK(found.hessian_sem == Approx(std::sqrt(spread_h / (probes - 1) / probes)).epsilon(1e-11));
  // Unbiased, and the variance of a probe is 2 (|A|_F^2 - sum_i A_ii^2): one seed, 5 standard errors.
  const Eigen::Matrix3d h = literal.gauss_newton + literal.neglected;
  const double variance = 2 * (h.squaredNorm() - h.diagonal().squaredNorm());
  CHECK(std::abs(found.hessian - h.trace()) < 5 * std::sqrt(variance / probes));
  CHECK(found.hessian_sem == Approx(std::sqrt(variance / probes)).epsilon(0.25));
  random::Stream once(5, 1);
  CHECK(hutchinson_traces(of, 1, once).hessian_sem == 0);
  CHECK_THROWS_AS(hutchinson_traces(of, 0, stream), std::invalid_argument);
}
