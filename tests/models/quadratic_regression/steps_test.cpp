// Steps in residual space against instance F of docs/theory/quadratic-regression.md, section 2, and against the same
// rules written in parameter space.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include "models/quadratic_regression/closed_forms.hpp"
#include "models/quadratic_regression/steps.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using linear_algebra::Matrix;
using models::ingredients::QuadraticInstance;
using models::quadratic_regression::QuadraticRule;
using models::quadratic_regression::QuadraticState;
using Rows = std::vector<std::size_t>;
using edgewise::tests::Approx;

namespace {

models::ingredients::QuadraticLaw law_of(std::size_t outputs, std::size_t parameters, double curvature) {
  models::ingredients::QuadraticLaw law;
  law.outputs = outputs;
  law.parameters = parameters;
  law.curvature = curvature;
  return law;
}

/// The model as it is defined, in parameter space, entry by entry.
struct Definition {
  const QuadraticInstance& x;

  Matrix jacobian(const std::vector<double>& theta) const {
    Matrix j = x.j0;
    for (std::size_t a = 0; a < j.rows(); ++a)
      for (std::size_t i = 0; i < j.columns(); ++i)
        for (std::size_t k = 0; k < j.columns(); ++k) j(a, i) += x.curvature.at(a, i, k) * theta[k];
    return j;
  }
  std::vector<double> residual(const std::vector<double>& theta) const {
    const Matrix j = jacobian(theta);
    std::vector<double> z = x.z0;
    for (std::size_t a = 0; a < z.size(); ++a)
      for (std::size_t i = 0; i < theta.size(); ++i) z[a] += 0.5 * (x.j0(a, i) + j(a, i)) * theta[i];
    return z;
  }
  std::vector<double> gradient(const std::vector<double>& theta, const Rows& batch) const {
    const Matrix j = jacobian(theta);
    const std::vector<double> z = residual(theta);
    std::vector<double> g(theta.size(), 0.0);
    for (const std::size_t a : batch)
      for (std::size_t i = 0; i < g.size(); ++i) g[i] += j(a, i) * z[a];
    return g;
  }
  void step(std::vector<double>& theta, const QuadraticRule& rule, const Rows& batch) const {
    std::vector<double> g = gradient(theta, batch);
    if (rule.rho > 0) {
      double norm = 0;
      for (const double v : g) norm += v * v;
      const double rho = rule.normalised ? rule.rho / std::sqrt(norm) : rule.rho;
      std::vector<double> ascent = theta;
      for (std::size_t i = 0; i < g.size(); ++i) ascent[i] += rho * g[i];
      g = gradient(ascent, batch);
    }
    for (std::size_t i = 0; i < g.size(); ++i) theta[i] -= rule.learning_rate * g[i];
  }
};

}  // namespace

TEST_CASE("residual space and parameter space agree to rounding") {
  const QuadraticInstance x =
      models::ingredients::draw_instance(law_of(7, 13, 3), 9, 0, models::ingredients::CurvatureTensor::Storage::stored);
  const Definition definition{x};
  const Rows all{0, 1, 2, 3, 4, 5, 6};
  const std::array<Rows, 3> batches{Rows{1, 4}, Rows{0, 6}, Rows{5, 2}};
  struct Case {
    QuadraticRule rule;
    bool masked;
  };
  for (const Case& c : {Case{{0.1}, false}, Case{{0.2}, true}, Case{{0.1, 0.05}, false}, Case{{0.1, 0.05}, true},
                        Case{{0.1, 0.2, true}, false}, Case{{0.1, 0.2, true}, true}}) {
    QuadraticState state(x);
    std::vector<double> theta(13, 0.0);
    for (std::size_t t = 0; t < 8; ++t) {
      const Rows& batch = c.masked ? batches[t % 3] : all;
      state.step(c.rule, c.masked ? batch : Rows{});
      definition.step(theta, c.rule, batch);
      const std::vector<double> z = definition.residual(theta);
      const Matrix j = definition.jacobian(theta);
      for (std::size_t a = 0; a < z.size(); ++a) CHECK(std::abs(state.residual()[a] - z[a]) < 1e-14);
      for (std::size_t i = 0; i < j.size(); ++i) CHECK(std::abs(state.jacobian().data()[i] - j.data()[i]) < 1e-14);
      for (std::size_t i = 0; i < theta.size(); ++i) CHECK(std::abs(state.theta()[i] - theta[i]) < 1e-14);
    }
  }
}

TEST_CASE("after many steps z is still that of theta: z = z0 + (J0 + J) theta / 2") {
  const QuadraticInstance x = models::ingredients::draw_instance(law_of(20, 40, 4), 2, 0,
                                                                 models::ingredients::CurvatureTensor::Storage::stored);
  QuadraticState state(x);
  for (int t = 0; t < 300; ++t) state.step({0.3});
  const Matrix& j = state.jacobian();
  for (std::size_t a = 0; a < 20; ++a) {
    double z = x.z0[a];
    for (std::size_t i = 0; i < 40; ++i) z += 0.5 * (x.j0(a, i) + j(a, i)) * state.theta()[i];
    CHECK(std::abs(state.residual()[a] - z) < 1e-13);
  }
}

TEST_CASE("without curvature the residual shrinks by I - eta K") {
  const QuadraticInstance x =
      models::ingredients::draw_instance(law_of(5, 9, 0), 2, 0, models::ingredients::CurvatureTensor::Storage::stored);
  QuadraticState state(x);
  std::vector<double> z = x.z0;
  for (int t = 0; t < 20; ++t) {
    state.step({0.4});
    std::vector<double> g(9, 0.0);
    for (std::size_t i = 0; i < 9; ++i)
      for (std::size_t a = 0; a < 5; ++a) g[i] += x.j0(a, i) * z[a];
    for (std::size_t a = 0; a < 5; ++a)
      for (std::size_t i = 0; i < 9; ++i) z[a] -= 0.4 * x.j0(a, i) * g[i];
  }
  for (std::size_t a = 0; a < 5; ++a) CHECK(state.residual()[a] == Approx(z[a]).epsilon(1e-12));
  CHECK(state.jacobian()(2, 3) == x.j0(2, 3));
}

TEST_CASE("runs that step together must be on one instance") {
  const QuadraticInstance x =
      models::ingredients::draw_instance(law_of(4, 6, 1), 9, 0, models::ingredients::CurvatureTensor::Storage::stored);
  const QuadraticInstance y =
      models::ingredients::draw_instance(law_of(4, 6, 1), 9, 1, models::ingredients::CurvatureTensor::Storage::stored);
  QuadraticState a(x), b(y);
  models::quadratic_regression::JointSteps steps;
  steps.add(a, {});
  steps.add(b, {});
  CHECK_THROWS_AS(steps.take({0.1}), std::invalid_argument);
}

TEST_CASE("SAM without ascent is gradient descent; at a minimum normalised SAM stays") {
  const QuadraticInstance f = models::quadratic_regression::fixed_instance();
  QuadraticState gd(f), sam(f);
  for (int t = 0; t < 5; ++t) {
    gd.step({0.05});
    sam.step({0.05, 0.0, true});
  }
  CHECK(gd.residual() == sam.residual());
  QuadraticInstance at_minimum = f;
  at_minimum.z0 = {0, 0};
  QuadraticState still(at_minimum);
  still.step({0.05, 0.1, true});
  CHECK(still.residual() == std::vector<double>{0, 0});
  CHECK(still.loss() == 0);
}
