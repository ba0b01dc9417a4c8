// The order of every stepper, measured.
#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <array>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <numbers>

#include "random/random.hpp"
#include "solvers/etd.hpp"
#include "solvers/sde.hpp"
#include "solvers/sdirk4.hpp"
#include "systems.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::solvers;
using namespace edgewise::solvers::test;
using edgewise::tests::Approx;

namespace {

/// log2 of the ratio of errors at halved steps, the finest pair.
double order(const std::vector<double>& errors) {
  return std::log2(errors[errors.size() - 2] / errors[errors.size() - 1]);
}

const TwoModes problem{1.0, 0.4, 0.3, 0.1, 0.25, 2.0, 1.0};

/// E g(Z) for Z ~ N(0,1): Gauss-Legendre on [-12, 12].
template <class F>
double expectation(const F& g) {
  double sum = 0;
  for (int k = -12; k < 12; ++k)
    sum += boost::math::quadrature::gauss<double, 10>::integrate(
        [&](double z) { return g(z) * std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi); }, k, k + 1);
  return sum;
}

Sde linear(double mu, double s, double additive) {
  Sde sde;
  sde.dimension = sde.noises = 1;
  sde.drift = [=](double, auto x, auto out) { out[0] = mu * x[0]; };
  sde.noise = [=](double, auto x, auto z, auto out) { out[0] = (s * x[0] + additive) * z[0]; };
  sde.correction = [=](double, auto x, auto out) { out[0] = 0.5 * s * (s * x[0] + additive); };
  sde.diagonal_derivative = [=](double, auto, auto out) { out[0] = s; };
  return sde;
}

/// Second moment at time 1 from x = 1 of a scheme on a linear equation. Its one-step second moment is a quadratic in x,
/// so expectations over the normals, by quadrature, give the chain exactly: no sampling error.
template <class Stepper>
double second_moment(const Sde& sde, int steps) {
  const double h = 1.0 / steps;
  Stepper stepper(sde);
  std::vector<double> x(1), z(stepper.normals_per_step());
  const auto after = [&](double from, double z0, double z1) {
    x[0] = from;
    z[0] = z0;
    if (z.size() > 1) z[1] = z1;
    stepper.step(0, h, x, z);
    return x[0];
  };
  const bool two = z.size() > 1;
  const auto mean = [&](auto g) {
    return expectation([&](double z0) { return two ? expectation([&](double z1) { return g(z0, z1); }) : g(z0, 0.0); });
  };
  // x' = (u x + v) for given normals.
  const double uu = mean([&](double a, double b) { return std::pow(after(1, a, b) - after(0, a, b), 2); });
  const double uv = mean([&](double a, double b) { return (after(1, a, b) - after(0, a, b)) * after(0, a, b); });
  const double vv = mean([&](double a, double b) { return std::pow(after(0, a, b), 2); });
  const double u = mean([&](double a, double b) { return after(1, a, b) - after(0, a, b); });
  const double v = mean([&](double a, double b) { return after(0, a, b); });
  double first = 1, second = 1;
  for (int k = 0; k < steps; ++k) {
    second = uu * second + 2 * uv * first + vv;
    first = u * first + v;
  }
  return second;
}

template <class Stepper>
double weak_order(const Sde& sde, double exact, int steps) {
  return order(
      {std::abs(second_moment<Stepper>(sde, steps) - exact), std::abs(second_moment<Stepper>(sde, 2 * steps) - exact)});
}

/// Root mean square error at time 1 along common Brownian paths against the exact functional of the path.
template <class Stepper, class Exact>
double strong_order(const Sde& sde, const Exact& exact) {
  constexpr int fine = 256, paths = 4000;
  std::vector<double> errors;
  for (const int steps : {16, 64}) {
    Stepper stepper(sde);
    double sum = 0;
    for (int r = 0; r < paths; ++r) {
      random::Stream stream(11, static_cast<std::uint64_t>(r));
      std::vector<double> normals(fine);
      stream.normals(normals);
      std::vector<double> x{1.0}, z(stepper.normals_per_step());
      const int group = fine / steps;
      for (int k = 0; k < steps; ++k) {
        double increment = 0;
        for (int j = 0; j < group; ++j) increment += normals[static_cast<std::size_t>(k * group + j)];
        z[0] = increment / std::sqrt(static_cast<double>(group));
        stepper.step(0, 1.0 / steps, x, z);
      }
      sum += std::pow(x[0] - exact(normals), 2);
    }
    errors.push_back(std::sqrt(sum / paths));
  }
  return 0.5 * std::log2(errors[0] / errors[1]);
}

}  // namespace

TEST_CASE("order: sdirk4 and its continuous extension") {
  const LeastSquares system = problem.system();
  std::vector<double> ends, insides, estimates;
  for (const int steps : {8, 16, 32}) {
    const double h = 4.0 / steps;
    Sdirk4 stepper;
    stepper.begin(system, problem.start(), 0);
    double inside = 0;
    std::vector<double> M(2), p(1), error(2);
    for (int k = 0; k < steps; ++k) {
      REQUIRE(stepper.attempt(h, {}));
      if (k == 0) {
        stepper.error(error);
        estimates.push_back(std::abs(error[0]));
      }
      stepper.accept();
      for (const double theta : {0.2, 0.5, 0.8}) {
        const double t = (k + theta) * h;
        stepper.interpolate(t, M);
        stepper.interpolate_shared(t, p);
        inside = std::max(inside, std::abs(M[0] - problem.at(t)[0]));
        CHECK(p[0] == Approx(M[0] + M[1]).epsilon(1e-13));
      }
    }
    insides.push_back(inside);
    ends.push_back(std::abs(stepper.state()[0] - problem.at(4)[0]));
  }
  CHECK(order(ends) == Approx(4).epsilon(0.05));
  CHECK(order(insides) > 3.7);
  CHECK(order(estimates) == Approx(4).epsilon(0.1));
}

TEST_CASE("order: etd collocation, 2 s - 1 at the ends of steps") {
  const LeastSquares system = problem.system();
  for (const std::size_t stages : {2U, 3U, 4U}) {
    CAPTURE(stages);
    std::vector<double> ends;
    for (const int steps : {2, 4}) {
      // A tolerance of 1 accepts every step; each is forced to its length by the stop.
      EtdDenseOutput stepper({0.999}, stages);
      stepper.initialize(problem.start(), 0, 0);
      for (int k = 1; k <= steps; ++k) {
        stepper.stop_at(4.0 * k / steps);
        stepper.initialize(std::vector<double>(stepper.current_state()), stepper.current_time(), 4.0 / steps);
        stepper.do_step(system);
      }
      REQUIRE(stepper.current_time() == 4);
      ends.push_back(
          std::abs(stepper.current_state()[0] + stepper.current_state()[1] - problem.at(4)[0] - problem.at(4)[1]));
    }
    CHECK(order(ends) > 2.0 * static_cast<double>(stages) - 1.4);
  }
}

TEST_CASE("order: weak orders on Ornstein-Uhlenbeck and geometric Brownian motion, without sampling error") {
  // OU: dx = -x dt + 0.4 dW (with 0.7 the leading error of Euler's second moment nearly vanishes).
  const Sde ou = linear(-1, 0, 0.4);
  const double ou_exact = std::exp(-2.0) + 0.16 / 2 * (1 - std::exp(-2.0));
  CHECK(weak_order<EulerMaruyama>(ou, ou_exact, 32) == Approx(1).epsilon(0.05));
  CHECK(weak_order<Milstein>(ou, ou_exact, 32) == Approx(1).epsilon(0.05));
  CHECK(weak_order<WeakTwo>(ou, ou_exact, 32) == Approx(2).epsilon(0.05));
  // GBM: the fields commute, and the weak scheme's only error is that of its flows.
  const Sde gbm = linear(-0.5, 0.6, 0);
  const double gbm_exact = std::exp(-1 + 0.36);
  CHECK(weak_order<EulerMaruyama>(gbm, gbm_exact, 32) == Approx(1).epsilon(0.1));
  CHECK(weak_order<Milstein>(gbm, gbm_exact, 32) == Approx(1).epsilon(0.1));
  CHECK(weak_order<WeakTwo>(gbm, gbm_exact, 4) > 1.9);
  CHECK(std::abs(second_moment<WeakTwo>(gbm, 32) - gbm_exact) < 1e-6);
  // Both kinds of noise: E x = e^{mu t}, (E x^2)' = (2 mu + s^2) E x^2 + 2 s a E x + a^2.
  const double mu = -0.5, s = 0.6, a = 0.4, r = 2 * mu + s * s;
  const double c1 = 2 * s * a / (mu - r), c0 = -a * a / r;
  const double exact = c1 * std::exp(mu) + c0 + (1 - c1 - c0) * std::exp(r);
  CHECK(weak_order<EulerMaruyama>(linear(mu, s, a), exact, 32) == Approx(1).epsilon(0.1));
  CHECK(weak_order<WeakTwo>(linear(mu, s, a), exact, 16) == Approx(2).epsilon(0.1));
}

TEST_CASE("order: weak order 2 for noise that does not commute, exact second moments") {
  // dx = A x dt + B1 x dW1 + B2 x dW2 with matrices that do not commute: S = E x x' obeys a linear equation, and one
  // step of the scheme maps S linearly too.
  Eigen::Matrix2d A, B1, B2;
  A << -0.5, 0.3, -0.2, -0.8;
  B1 << 0.3, 0.4, 0.0, 0.2;
  B2 << 0.1, 0.0, 0.5, -0.3;
  Sde sde;
  sde.dimension = sde.noises = 2;
  using In = Eigen::Map<const Eigen::Vector2d>;
  using Out = Eigen::Map<Eigen::Vector2d>;
  sde.drift = [&](double, auto x, auto out) { Out(out.data()) = A * In(x.data()); };
  sde.noise = [&](double, auto x, auto z, auto out) { Out(out.data()) = (z[0] * B1 + z[1] * B2) * In(x.data()); };
  sde.correction = [&](double, auto x, auto out) { Out(out.data()) = 0.5 * (B1 * B1 + B2 * B2) * In(x.data()); };
  // Hermite nodes of five points are exact for polynomials of degree 9 in each normal.
  const double r10 = std::sqrt(10.0);
  const std::array<double, 5> node{0, std::sqrt(5 - r10), -std::sqrt(5 - r10), std::sqrt(5 + r10), -std::sqrt(5 + r10)};
  const double near = (7 + 2 * r10) / 60, far = (7 - 2 * r10) / 60;
  const std::array<double, 5> weight{8.0 / 15, near, near, far, far};
  std::vector<double> errors;
  for (const int steps : {8, 16}) {
    WeakTwo stepper(sde);
    Eigen::Matrix3d map = Eigen::Matrix3d::Zero();  // acts on (S11, S12, S22)
    for (std::size_t i = 0; i < 625; ++i) {
      const std::array<std::size_t, 4> index{i % 5, i / 5 % 5, i / 25 % 5, i / 125};
      std::vector<double> z(4);
      double w = 1;
      for (std::size_t k = 0; k < 4; ++k) {
        z[k] = node[index[k]];
        w *= weight[index[k]];
      }
      Eigen::Matrix2d F;
      for (int c = 0; c < 2; ++c) {
        std::vector<double> x{c == 0 ? 1.0 : 0.0, c == 0 ? 0.0 : 1.0};
        stepper.step(0, 1.0 / steps, x, z);
        F(0, c) = x[0];
        F(1, c) = x[1];
      }
      map.row(0) += w * Eigen::RowVector3d(F(0, 0) * F(0, 0), 2 * F(0, 0) * F(0, 1), F(0, 1) * F(0, 1));
      map.row(1) += w * Eigen::RowVector3d(F(0, 0) * F(1, 0), F(0, 0) * F(1, 1) + F(0, 1) * F(1, 0), F(0, 1) * F(1, 1));
      map.row(2) += w * Eigen::RowVector3d(F(1, 0) * F(1, 0), 2 * F(1, 0) * F(1, 1), F(1, 1) * F(1, 1));
    }
    Eigen::Vector3d s(1, 0, 0);
    for (int k = 0; k < steps; ++k) s = map * s;
    // The moment equation by many small steps of the classical Runge-Kutta method.
    Eigen::Matrix2d S = Eigen::Matrix2d::Zero();
    S(0, 0) = 1;
    const auto f = [&](const Eigen::Matrix2d& X) -> Eigen::Matrix2d {
      return A * X + X * A.transpose() + B1 * X * B1.transpose() + B2 * X * B2.transpose();
    };
    const double h = 1e-3;
    for (int k = 0; k < 1000; ++k) {
      const Eigen::Matrix2d k1 = f(S), k2 = f(S + h / 2 * k1), k3 = f(S + h / 2 * k2), k4 = f(S + h * k3);
      S += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
    }
    errors.push_back((s - Eigen::Vector3d(S(0, 0), S(0, 1), S(1, 1))).norm());
  }
  CHECK(order(errors) == Approx(2).epsilon(0.1));
  CHECK(errors.back() < 1e-3);
}

TEST_CASE("order: strong orders along common Brownian paths") {
  // 4000 paths of a fixed seed: the order's statistical error is some 0.02.
  const Sde gbm = linear(-0.5, 0.6, 0);
  const auto gbm_end = [](const std::vector<double>& normals) {
    double w = 0;
    for (const double z : normals) w += z;
    return std::exp(-0.5 - 0.18 + 0.6 * w / std::sqrt(static_cast<double>(normals.size())));
  };
  // A guard: a slope over few step sizes, of errors that are averages over paths.
  CHECK(strong_order<EulerMaruyama>(gbm, gbm_end) == Approx(0.5).epsilon(0.15));
  CHECK(strong_order<Milstein>(gbm, gbm_end) == Approx(1).epsilon(0.1));
  // OU, additive noise: Euler-Maruyama is of strong order 1. The reference is Ito's integral on the finest mesh, whose
  // own error, 1/256, is well below.
  const Sde ou = linear(-1, 0, 0.7);
  const auto ou_end = [](const std::vector<double>& normals) {
    const auto n = static_cast<double>(normals.size());
    double x = std::exp(-1.0);
    for (std::size_t k = 0; k < normals.size(); ++k) {
      // The exact conditional mean of the integral over each small interval given its increment.
      const double h = 1 / n, left = std::exp(-(1 - static_cast<double>(k) * h));
      x += 0.7 * normals[k] * std::sqrt(h) * left * std::expm1(h) / h;
    }
    return x;
  };
  CHECK(strong_order<EulerMaruyama>(ou, ou_end) == Approx(1).epsilon(0.1));
}
