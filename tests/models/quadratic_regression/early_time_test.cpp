// Early-time sharpening of quadratic regression against exact enumeration of masks and of the curvature's Gaussian
// average, and against sampled curvature (docs/theory/quadratic-regression.md, section 2).
#include "models/quadratic_regression/early_time.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "settings/settings.hpp"
#include "tests/approx.hpp"

using namespace edgewise::models;
using namespace edgewise::models::quadratic_regression;
using edgewise::linear_algebra::Matrix;
using edgewise::linear_algebra::product;
using edgewise::linear_algebra::Transposed;
using edgewise::tests::Approx;

namespace {

using Mask = std::vector<double>;

/// Residual, Jacobian and curvature, advanced by the exact map in (z, J) space.
struct Instance {
  std::size_t D, P;
  std::vector<double> z;
  Matrix J;               // D x P
  std::vector<double> Q;  // [a][i][j]

  Matrix kernel() const { return product(J, J, Transposed::no, Transposed::yes); }

  Instance after(double eta, const Mask& mask) const {
    std::vector<double> g(P, 0);
    for (std::size_t a = 0; a < D; ++a)
      for (std::size_t i = 0; i < P; ++i) g[i] += J(a, i) * mask[a] * z[a];
    Instance next = *this;
    for (std::size_t a = 0; a < D; ++a)
      for (std::size_t i = 0; i < P; ++i) {
        double w = 0;
        for (std::size_t j = 0; j < P; ++j) w += Q[(a * P + i) * P + j] * g[j];
        next.z[a] += -eta * J(a, i) * g[i] + eta * eta / 2 * w * g[i];
        next.J(a, i) -= eta * w;
      }
    return next;
  }
};

std::vector<Mask> all_masks(std::size_t D, std::size_t B) {
  std::vector<Mask> masks;
  Mask mask(D, 0);
  std::fill(mask.end() - static_cast<std::ptrdiff_t>(B), mask.end(), 1);
  do masks.push_back(mask);
  while (std::next_permutation(mask.begin(), mask.end()));
  return masks;
}

struct Differences {
  Matrix first, second;
};

/// Averages over all (pairs of) masks.
Differences differences(const Instance& start, double eta, std::size_t B) {
  const std::vector<Mask> masks = all_masks(start.D, B);
  const Matrix k0 = start.kernel();
  Differences out{Matrix(start.D, start.D), Matrix(start.D, start.D)};
  const auto n = static_cast<double>(masks.size());
  for (const Mask& first : masks) {
    const Instance one = start.after(eta, first);
    const Matrix k1 = one.kernel();
    for (std::size_t i = 0; i < k0.size(); ++i) out.first.data()[i] += (k1.data()[i] - k0.data()[i]) / n;
    for (const Mask& second : masks) {
      const Matrix k2 = one.after(eta, second).kernel();
      for (std::size_t i = 0; i < k0.size(); ++i)
        out.second.data()[i] += (k2.data()[i] - 2 * k1.data()[i] + k0.data()[i]) / (n * n);
    }
  }
  return out;
}

Instance random_instance(std::size_t D, std::size_t P, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  Instance s{D, P, std::vector<double>(D), Matrix(D, P), std::vector<double>(D * P * P, 0)};
  for (double& x : s.z) x = normal(engine);
  for (std::size_t i = 0; i < s.J.size(); ++i) s.J.data()[i] = normal(engine) / std::sqrt(static_cast<double>(P));
  return s;
}

EarlyTimeState state_of(const Instance& s, double variance) {
  return {s.z, s.kernel(), s.P, variance};
}

/// The independent entries of the curvature: calls visit(instance with that entry set to 1, its variance / sQ2).
template <class Visit>
void for_each_entry(const Instance& start, Visit visit) {
  const std::size_t P = start.P;
  for (std::size_t a = 0; a < start.D; ++a)
    for (std::size_t i = 0; i < P; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        Instance s = start;
        s.Q[(a * P + i) * P + j] = s.Q[(a * P + j) * P + i] = 1;
        visit(s, i == j ? 2.0 : 1.0);
      }
}

double largest_difference(const Matrix& a, const Matrix& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a.data()[i] - b.data()[i]));
  return worst;
}

}  // namespace

TEST_CASE("coefficients of both differences are exact: enumeration of masks, and of the curvature's average") {
  // K_2 is a polynomial, of degree 8 in eta and 6 in Q. The Gaussian average of its part quadratic in Q is the sum over
  // the independent entries of Q of their variance times that part with this entry alone; parts of higher order in Q
  // carry at least four powers of eta.
  const std::vector<double> etas = {-1.5, -1, -.5, .5, 1, 1.5, 2}, scales = {.5, 1, 1.5};
  Matrix eta_powers(7, 7), scale_powers(3, 3);
  for (std::size_t i = 0; i < 7; ++i)
    for (std::size_t m = 0; m < 7; ++m) eta_powers(i, m) = std::pow(etas[i], static_cast<double>(m + 2));
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t m = 0; m < 3; ++m) scale_powers(i, m) = std::pow(scales[i], static_cast<double>(2 * m + 2));
  const double variance = .3, eta = .1;
  for (const auto& [D, P] : std::vector<std::pair<std::size_t, std::size_t>>{{2, 3}, {3, 2}}) {
    const Instance start = random_instance(D, P, 5);
    for (std::size_t B = 1; B <= D; ++B) {
      const std::size_t batch = B, entries = D * D;
      Matrix second(7, entries);
      std::vector<double> first(entries, 0);
      for_each_entry(start, [&](const Instance& unit, double weight) {
        for (std::size_t e = 0; e < etas.size(); ++e) {
          Matrix even(3, entries);
          for (std::size_t k = 0; k < scales.size(); ++k)
            for (const double sign : {-.5, .5}) {
              Instance scaled = unit;
              for (double& x : scaled.Q) x *= 2 * sign * scales[k];
              const Differences d = differences(scaled, etas[e], batch);
              for (std::size_t i = 0; i < entries; ++i) {
                even(k, i) += d.second.data()[i] / 2;
                if (e == 4 && k == 1) first[i] += weight * variance * d.first.data()[i] / 2;
              }
            }
          const Matrix quadratic = edgewise::linear_algebra::solve(scale_powers, even);
          for (std::size_t i = 0; i < entries; ++i) second(e, i) += weight * variance * quadratic(0, i);
        }
      });
      const Matrix coefficients = edgewise::linear_algebra::solve(eta_powers, second);
      const KernelDifferences theory = sgd_kernel_differences(state_of(start, variance), eta, B);
      CAPTURE(entries);
      CAPTURE(B);
      for (std::size_t i = 0; i < entries; ++i) {
        CHECK(std::abs(theory.order2.data()[i] / (eta * eta) - coefficients(0, i)) < 1e-9);
        CHECK(std::abs(theory.order3.data()[i] / (eta * eta * eta) - coefficients(1, i)) < 1e-9);
        const bool diagonal = i % (D + 1) == 0;
        CHECK(std::abs((diagonal ? theory.first / (eta * eta) : 0) - first[i]) < 1e-12);
      }
    }
  }
}

TEST_CASE("eigenvalues under gradient flow: second-order perturbation, averaged exactly over the curvature") {
  const double variance = .3;
  const Instance start = random_instance(4, 5, 2);
  const EarlyTimeState state = state_of(start, variance);
  const auto eigen = edgewise::linear_algebra::symmetric_eigen(state.kernel);
  std::vector<double> expected = projected_acceleration(state), g(5, 0);
  for (std::size_t a = 0; a < 4; ++a)
    for (std::size_t i = 0; i < 5; ++i) g[i] += start.J(a, i) * start.z[a];
  for_each_entry(start, [&](const Instance& s, double weight) {
    Matrix w(4, 5);  // J' = -Q g
    for (std::size_t a = 0; a < 4; ++a)
      for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t j = 0; j < 5; ++j) w(a, i) -= s.Q[(a * 5 + i) * 5 + j] * g[j];
    const Matrix half = product(w, start.J, Transposed::no, Transposed::yes);
    Matrix slope(4, 4);
    for (std::size_t a = 0; a < 4; ++a)
      for (std::size_t c = 0; c < 4; ++c) slope(a, c) = half(a, c) + half(c, a);
    const Matrix rotated = product(product(eigen.vectors, slope, Transposed::yes), eigen.vectors);
    for (std::size_t k = 0; k < 4; ++k)
      for (std::size_t m = 0; m < 4; ++m)
        if (m != k)
          expected[k] += 2 * variance * weight * rotated(k, m) * rotated(k, m) / (eigen.values[k] - eigen.values[m]);
  });
  const std::vector<double> computed = eigenvalue_acceleration(state);
  double sum = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(computed[k] == Approx(expected[k]).epsilon(1e-11));
    sum += computed[k];
  }
  // Repulsion moves eigenvalues apart and leaves the trace alone.
  CHECK(sum == Approx(trace_acceleration(state)).epsilon(1e-11));
  CHECK(computed.back() > projected_acceleration(state).back());
  const Matrix k2 = kernel_acceleration(state);
  CHECK(k2(0, 0) + k2(1, 1) + k2(2, 2) + k2(3, 3) == Approx(trace_acceleration(state)).epsilon(1e-13));
}

TEST_CASE("repulsion of levels under SGD: enumeration of masks and of the curvature's average") {
  // In second-order perturbation theory lambda(t) - lambda(0) - v' (K_t - K_0) v is the sum over the other eigenvectors
  // w of (v' X_t w)^2 / (lambda_v - lambda_w), X_t the part of K_t - K_0 that is linear in Q: a polynomial in eta that
  // is found from K_t at +-q Q and +-2 q Q (odd in Q, of degree 5 at most).
  const std::size_t D = 3, P = 4;
  const double variance = .3;
  const Instance start = random_instance(D, P, 8);
  const EarlyTimeState state = state_of(start, variance);
  const auto eigen = edgewise::linear_algebra::symmetric_eigen(state.kernel);
  const std::vector<double> etas = {-1.5, -1, -.5, .5, 1, 1.5}, scales = {.5, 1, 1.5};
  Matrix eta_powers(6, 6), scale_powers(3, 3);  // eta^2 ... eta^7; Q, Q^3, Q^5
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t m = 0; m < 6; ++m) eta_powers(i, m) = std::pow(etas[i], static_cast<double>(m + 2));
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t m = 0; m < 3; ++m) scale_powers(i, m) = std::pow(scales[i], static_cast<double>(2 * m + 1));
  // The part linear in Q of K after the given masks, in the initial eigenbasis.
  const auto linear = [&](const Instance& unit, double eta, const std::vector<Mask>& masks) {
    Matrix odd(3, D * D);
    for (std::size_t k = 0; k < scales.size(); ++k)
      for (const double sign : {-1., 1.}) {
        Instance s = unit;
        for (double& x : s.Q) x *= sign * scales[k];
        for (const Mask& mask : masks) s = s.after(eta, mask);
        const Matrix kernel = s.kernel();
        for (std::size_t i = 0; i < D * D; ++i) odd(k, i) += sign * kernel.data()[i] / 2;
      }
    const Matrix parts = edgewise::linear_algebra::solve(scale_powers, odd);
    Matrix x(D, D);
    for (std::size_t i = 0; i < D * D; ++i) x.data()[i] = parts(0, i);
    return product(product(eigen.vectors, x, Transposed::yes), eigen.vectors);
  };
  for (std::size_t B = 1; B <= D; ++B) {
    const std::vector<Mask> masks = all_masks(D, B);
    const auto n = static_cast<double>(masks.size());
    Matrix second(6, D);
    for (std::size_t e = 0; e < etas.size(); ++e)
      for_each_entry(start, [&](const Instance& unit, double weight) {
        for (const Mask& one : masks) {
          const Matrix x1 = linear(unit, etas[e], {one});
          for (const Mask& two : masks) {
            const Matrix x2 = linear(unit, etas[e], {one, two});
            for (std::size_t k = 0; k < D; ++k)
              for (std::size_t m = 0; m < D; ++m)
                if (m != k)
                  second(e, k) += weight * variance * (x2(k, m) * x2(k, m) - 2 * x1(k, m) * x1(k, m)) /
                                  (eigen.values[k] - eigen.values[m]) / (n * n);
          }
        }
      });
    const Matrix coefficients = edgewise::linear_algebra::solve(eta_powers, second);
    const double eta = .1;
    const LevelRepulsion theory = sgd_level_repulsion(state, eta, B);
    CAPTURE(B);
    for (std::size_t k = 0; k < D; ++k) {
      CHECK(theory.order2[k] / (eta * eta) == Approx(coefficients(0, k)).epsilon(1e-8));
      CHECK(theory.order3[k] / (eta * eta * eta) == Approx(coefficients(1, k)).epsilon(1e-8));
    }
  }
  // At full batch it begins as under gradient flow.
  const LevelRepulsion full = sgd_level_repulsion(state, 1, D);
  const std::vector<double> eigenvalue = eigenvalue_acceleration(state), along = projected_acceleration(state);
  for (std::size_t k = 0; k < D; ++k) CHECK(full.order2[k] == Approx(eigenvalue[k] - along[k]).epsilon(1e-12));
  CHECK(full.order2.back() > 0);
}

TEST_CASE("the full-batch second difference begins as the flow's acceleration") {
  const EarlyTimeState state = state_of(random_instance(5, 7, 3), .02);
  KernelDifferences d = sgd_kernel_differences(state, .01, 5);
  for (std::size_t i = 0; i < d.order2.size(); ++i) d.order2.data()[i] /= .0001;
  CHECK(largest_difference(d.order2, kernel_acceleration(state)) < 1e-13);
}

TEST_CASE("averages over residuals are those of their basis, and over Jacobians the closed form") {
  const Instance start = random_instance(5, 4, 9);
  const double variance = .07, residual_variance = 1.9, eta = .13;
  for (const std::size_t B : {1, 3, 5}) {
    const ModeDifferences averaged = averaged_mode_differences(start.kernel(), 4, variance, residual_variance, eta, B);
    std::vector<double> order2(5, 0), order3(5, 0);
    double first = 0;
    // Every term is a quadratic form of z.
    for (std::size_t a = 0; a < 5; ++a) {
      EarlyTimeState state = state_of(start, variance);
      std::fill(state.residual.begin(), state.residual.end(), 0.0);
      state.residual[a] = std::sqrt(residual_variance);
      const ModeDifferences d = sgd_mode_differences(state, eta, B);
      first += d.first;
      for (std::size_t k = 0; k < 5; ++k) {
        order2[k] += d.order2[k];
        order3[k] += d.order3[k];
      }
    }
    CHECK(averaged.first == Approx(first).epsilon(1e-12));
    for (std::size_t k = 0; k < 5; ++k) {
      CHECK(averaged.order2[k] == Approx(order2[k]).epsilon(1e-12));
      CHECK(averaged.order3[k] == Approx(order3[k]).epsilon(1e-12));
      CHECK(averaged.ratio[k] == Approx(1 + order3[k] / order2[k]).epsilon(1e-12));
      if (k > 0) CHECK(averaged.order3[k] < averaged.order3[k - 1]);  // the top modes lose most
    }
  }
  Matrix mean_kernel(3, 3);
  for (std::size_t a = 0; a < 3; ++a) mean_kernel(a, a) = 1.4;
  const ModeDifferences d = averaged_mode_differences(mean_kernel, 6, .05, .8, 1e-3, 3);
  CHECK(d.order2[0] / 1e-6 == Approx(averaged_kernel_acceleration(3, 6, .05, .8, 1.4)).epsilon(1e-12));
  CHECK(sharpening_time(2, 6, 6, .05, .8) == Approx(1 / std::sqrt(2 * .05 * .8 * 7 * 4)).epsilon(1e-14));
}

TEST_CASE("at fixed effective time the loss of acceleration grows as the inverse batch fraction") {
  const Matrix kernel = random_instance(40, 80, 4).kernel();
  const double tau = .02;
  double last = 1;
  for (const std::size_t B : {40, 20, 8, 4, 1}) {
    const double b = static_cast<double>(B) / 40;
    const ModeDifferences d = averaged_mode_differences(kernel, 80, 1e-4, 1, tau / b, B);
    CHECK(d.ratio.back() < last);
    last = d.ratio.back();
    // The part quadratic in the eigenvalue, by differences between modes of 1 - ratio times (lambda + tr K).
    double trace = 0;
    for (const double x : d.eigenvalue) trace += x;
    const auto lost = [&](std::size_t k) { return (1 - d.ratio[k]) * (d.eigenvalue[k] + trace); };
    const double slope = (lost(39) - lost(0)) / (std::pow(d.eigenvalue[39], 2) - std::pow(d.eigenvalue[0], 2));
    CHECK(slope == Approx(tau / b * 82 / 81).epsilon(1e-9));
  }
}

TEST_CASE("sampled curvature, antithetic, with all pairs of masks") {
  // D = 6, P = 12, eta = 0.02; the neglected O(eta^4) is some (eta lambda)^2 < 0.3% of the second difference. Six
  // standard errors on 25 numbers: p < 1e-7 for a right formula, were the seed not fixed.
  const std::size_t D = 6, P = 12, samples = 8000;
  const double eta = .02, variance = 1.0 / 144;
  Instance s = random_instance(D, P, 11);
  const EarlyTimeState state = state_of(s, variance);
  const auto eigen = edgewise::linear_algebra::symmetric_eigen(state.kernel);
  REQUIRE(eta * eigen.values.back() < .06);
  std::mt19937_64 engine(12);
  std::normal_distribution<double> normal(0, std::sqrt(variance));
  for (const std::size_t B : {std::size_t{1}, D}) {
    std::vector<double> sum(D, 0), squares(D, 0);
    double trace = 0, trace_squares = 0;
    for (std::size_t n = 0; n < samples; ++n) {
      for (std::size_t a = 0; a < D; ++a)
        for (std::size_t i = 0; i < P; ++i)
          for (std::size_t j = 0; j <= i; ++j)
            s.Q[(a * P + i) * P + j] = s.Q[(a * P + j) * P + i] = normal(engine) * (i == j ? std::sqrt(2.0) : 1.0);
      std::vector<double> along(D, 0);
      double first = 0;
      for (int half = 0; half < 2; ++half) {
        const Differences d = differences(s, eta, B);
        const Matrix rotated = product(product(eigen.vectors, d.second, Transposed::yes), eigen.vectors);
        for (std::size_t k = 0; k < D; ++k) {
          along[k] += rotated(k, k) / 2;
          first += d.first(k, k) / 2;
        }
        for (double& x : s.Q) x = -x;
      }
      for (std::size_t k = 0; k < D; ++k) {
        sum[k] += along[k] / samples;
        squares[k] += along[k] * along[k] / samples;
      }
      trace += first / samples;
      trace_squares += first * first / samples;
    }
    const auto error = [&](double mean, double square) {
      return std::sqrt((square - mean * mean) / static_cast<double>(samples));
    };
    const ModeDifferences theory = sgd_mode_differences(state, eta, B);
    CAPTURE(B);
    CHECK(std::abs(trace - static_cast<double>(D) * theory.first) < 6 * error(trace, trace_squares));
    for (std::size_t k = 0; k < D; ++k) {
      CAPTURE(k);
      const double se = error(sum[k], squares[k]), expected = theory.order2[k] + theory.order3[k];
      CHECK(std::abs(sum[k] - expected) < 6 * se + .003 * theory.order2[k]);
      CHECK(6 * se < .05 * expected);  // 5% of the acceleration would show
    }
  }
}

TEST_CASE("bad input of early-time formulas is named") {
  EarlyTimeState state = state_of(random_instance(3, 4, 1), .1);
  CHECK_THROWS_WITH_AS(sgd_kernel_differences(state, 0, 1),
                       "optimizer.learning_rate: must be positive and finite, not 0", std::invalid_argument);
  CHECK_THROWS_WITH_AS(sgd_kernel_differences(state, .1, 4), "optimizer.batch: must lie in 1..3, not 4",
                       std::invalid_argument);
  CHECK_THROWS_AS(averaged_mode_differences(state.kernel, 4, .1, -1, .1, 1), std::invalid_argument);
  state.residual.push_back(1);
  CHECK_THROWS_WITH_AS(kernel_acceleration(state), "a residual of 4 entries does not fit a kernel of 3 x 3",
                       std::invalid_argument);
  state.kernel = Matrix(3, 2);
  CHECK_THROWS_WITH_AS(trace_acceleration(state), "the kernel must be square, not 3 x 2", std::invalid_argument);
}
