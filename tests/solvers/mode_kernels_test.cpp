// The innermost loops against their definitions, mode by mode.
#include "solvers/mode_kernels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers::kernels;
using edgewise::tests::Approx;

namespace {

constexpr std::size_t n = 2 * padding;

std::vector<double> numbers(double low, double high, unsigned seed, std::size_t count = n) {
  std::mt19937 generator(seed);
  std::vector<double> out(count);
  for (double& x : out) x = std::uniform_real_distribution<double>(low, high)(generator);
  return out;
}

/// sum_i w_i x_i^power y_i
double moment(const std::vector<double>& w, const std::vector<double>& y, const std::vector<double>& x, int power) {
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) sum += w[i] * y[i] * std::pow(x[i], power);
  return sum;
}

double polynomial(const double (&c)[5], double x) {
  double sum = 0;
  for (int r = 0; r < 5; ++r) sum += c[r] * std::pow(x, r);
  return sum;
}

StepPolynomial step_polynomial(unsigned seed) {
  StepPolynomial out;
  const auto c = numbers(-1, 1, seed, 15);
  for (std::size_t r = 0; r < 5; ++r) {
    out.q[r] = c[r];
    out.u[r] = c[5 + r];
    out.g[r] = c[10 + r];
  }
  return out;
}

}  // namespace

TEST_CASE("lengths are rounded up to whole vectors") {
  CHECK(padded(0) == 0);
  CHECK(padded(1) == 16);
  CHECK(padded(16) == 16);
  CHECK(padded(17) == 32);
}

TEST_CASE("tables and moments of a sdirk step") {
  const auto A = numbers(0, 30, 1), u = numbers(-1, 1, 2), g = numbers(-1, 1, 3), w = numbers(0, 1, 4),
             q = numbers(-1, 1, 5);
  const double hg = 0.3;
  std::vector<double> E(n), V(n), G(n), E_of(n), V_of(n), G_of(n);
  for (std::size_t i = 0; i < n; ++i) {
    E_of[i] = hg * A[i] / (1 + hg * A[i]);
    V_of[i] = hg * u[i] / (1 + hg * A[i]);
    G_of[i] = hg * g[i] / (1 + hg * A[i]);
  }
  StepMoments with, without;
  sdirk_tabulate(n, hg, A.data(), u.data(), g.data(), w.data(), q.data(), E.data(), V.data(), G.data(), with);
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(E[i] == Approx(E_of[i]).epsilon(1e-15));
    CHECK(V[i] == Approx(V_of[i]).epsilon(1e-15));
    CHECK(G[i] == Approx(G_of[i]).epsilon(1e-15));
  }
  sdirk_tabulate(n, hg, A.data(), u.data(), nullptr, w.data(), q.data(), E.data(), V.data(), nullptr, without);
  for (int r = 0; r < 6; ++r) {
    CHECK(with.state[r] == Approx(moment(w, q, E_of, r)).epsilon(1e-13));
    CHECK(without.state[r] == with.state[r]);
    if (r == 5) break;
    CHECK(with.u[r] == Approx(moment(w, V_of, E_of, r)).epsilon(1e-13));
    CHECK(without.u[r] == with.u[r]);
    CHECK(with.g[r] == Approx(moment(w, G_of, E_of, r)).epsilon(1e-13));
    CHECK(without.g[r] == 0);
  }
}

TEST_CASE("states, errors and moments of a sdirk step's polynomials") {
  const auto E = numbers(0, 1, 1), V = numbers(-1, 1, 2), G = numbers(-1, 1, 3), w = numbers(0, 1, 4),
             q = numbers(-1, 1, 5);
  const StepPolynomial advance = step_polynomial(6), error = step_polynomial(7);
  for (const bool with_g : {false, true}) {
    CAPTURE(with_g);
    const double* g = with_g ? G.data() : nullptr;
    std::vector<double> expected(n), q_new(n), applied(n);
    double error_of = 0, norm_of = 0;
    const auto change = [&](const StepPolynomial& p, std::size_t i) {
      return E[i] * polynomial(p.q, E[i]) * q[i] + V[i] * polynomial(p.u, E[i]) +
             (with_g ? G[i] * polynomial(p.g, E[i]) : 0.0);
    };
    for (std::size_t i = 0; i < n; ++i) {
      expected[i] = q[i] + change(advance, i);
      error_of += std::abs(w[i] * change(error, i));
      norm_of += std::abs(w[i] * expected[i]);
    }
    double state[6], error_norm = 0, norm = 0;
    sdirk_update(n, E.data(), V.data(), g, w.data(), q.data(), q_new.data(), advance, error, state, error_norm, norm);
    sdirk_apply(n, E.data(), V.data(), g, q.data(), applied.data(), advance);
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(q_new[i] == Approx(expected[i]).epsilon(1e-14).scale(1));
      CHECK(applied[i] == q_new[i]);
    }
    CHECK(error_norm == Approx(error_of).epsilon(1e-13));
    CHECK(norm == Approx(norm_of).epsilon(1e-13));
    for (int r = 0; r < 6; ++r) CHECK(state[r] == Approx(moment(w, expected, E, r)).epsilon(1e-13).scale(1));
  }
}

TEST_CASE("exponential moments from resting modes to the fastest") {
  // int_0^1 e^{-z (1-x)} x^m dx = m! sum_{k>=0} (-z)^k / (m+1+k)!, by its series below 1 and by parts beyond, both in
  // extended precision.
  std::vector<double> z{0, 1e-300, 1e-17, 1e-8, 0.3, 1, 1.9999, 2, 2.0001, 3, 17, 50, 300, 699, 701, 1e4, 1e17};
  z.resize(n, 0.7);
  const double h = 0.25;
  std::vector<double> A;
  for (const double x : z) A.push_back(x / h);
  const auto exact = [](long double x, int m) {
    if (x < 3) {
      long double term = 1.0L / (m + 1), sum = term;
      for (int k = 1; k < 60; ++k) sum += term *= -x / (m + 1 + k);
      return sum;
    }
    long double moment = -std::expm1(-x) / x;
    for (int k = 1; k <= m; ++k) moment = (1 - k * moment) / x;
    return moment;
  };
  for (std::size_t degree = 1; degree <= 4; ++degree) {
    CAPTURE(degree);
    std::vector<double> decay(n), moments((degree + 1) * n);
    exponential_moments(n, h, A.data(), degree, decay.data(), moments.data());
    for (std::size_t i = 0; i < n; ++i) {
      CAPTURE(z[i]);
      const auto e = static_cast<double>(std::exp(-static_cast<long double>(z[i])));
      if (z[i] <= 699)
        CHECK(decay[i] == Approx(e).epsilon(z[i] < 20 ? 2e-15 : 1e-13));
      else
        CHECK(decay[i] < 1e-300);
      for (std::size_t m = 0; m <= degree; ++m)
        CHECK(moments[m * n + i] ==
              Approx(static_cast<double>(exact(z[i], static_cast<int>(m)))).epsilon(z[i] < 3 ? 4e-14 : 2e-15));
    }
  }
}

TEST_CASE("weighted moments, decayed sums and the update of an exponential step") {
  const auto w = numbers(0, 1, 1), u = numbers(-1, 1, 2), q = numbers(-1, 1, 3), c = numbers(-1, 1, 6, 5),
             moments = numbers(0, 1, 4, 5 * n), all_decays = numbers(0, 1, 5, 4 * n);
  const auto part = [](const std::vector<double>& x, std::size_t k) {
    return std::vector<double>(x.begin() + static_cast<std::ptrdiff_t>(k * n),
                               x.begin() + static_cast<std::ptrdiff_t>((k + 1) * n));
  };
  for (std::size_t stages = 2; stages <= 4; ++stages) {
    CAPTURE(stages);
    std::vector<double> weighted(stages + 1), sums(stages), new_sums(stages), q_new(n), expected(n);
    weighted_moments(n, w.data(), u.data(), stages, moments.data(), weighted.data());
    for (std::size_t m = 0; m <= stages; ++m)
      CHECK(weighted[m] == Approx(moment(w, u, part(moments, m), 1)).epsilon(1e-13).scale(1));
    decayed_sums(n, stages, w.data(), q.data(), all_decays.data(), sums.data());
    double total = 0, total_of = 0;
    etd_update(n, stages, w.data(), u.data(), q.data(), q_new.data(), all_decays.data(), moments.data(), c.data(),
               new_sums.data(), total);
    for (std::size_t i = 0; i < n; ++i) {
      double forced = 0;
      for (std::size_t m = 0; m <= stages; ++m) forced += c[m] * moments[m * n + i];
      expected[i] = all_decays[(stages - 1) * n + i] * q[i] + u[i] * forced;
      total_of += w[i] * expected[i];
      CHECK(q_new[i] == Approx(expected[i]).epsilon(1e-14).scale(1));
    }
    CHECK(total == Approx(total_of).epsilon(1e-13).scale(1));
    for (std::size_t k = 0; k < stages; ++k) {
      CHECK(sums[k] == Approx(moment(w, q, part(all_decays, k), 1)).epsilon(1e-13).scale(1));
      CHECK(new_sums[k] == Approx(moment(w, expected, part(all_decays, k), 1)).epsilon(1e-13).scale(1));
    }
  }
}

TEST_CASE("sums of states, errors over sizes and the decay of slopes, at any length") {
  for (const std::size_t count : {1U, 3U, 15U, 16U, 37U}) {
    CAPTURE(count);
    const auto a = numbers(-1, 1, 1, count), b = numbers(-1, 1, 2, count), c = numbers(-1, 1, 3, count);
    const double factor[] = {0.5, -2, 3};
    const double* const from[] = {a.data(), b.data(), c.data()};
    std::vector<double> out(count), slope = c;
    combination(count, 3, factor, from, out.data());
    double ratio = 0;
    relax(count, a.data(), b.data(), slope.data());
    for (std::size_t i = 0; i < count; ++i) {
      CHECK(out[i] == 0.5 * a[i] + -2 * b[i] + 3 * c[i]);
      CHECK(slope[i] == c[i] - a[i] * b[i]);
      ratio = std::max(ratio, std::abs(a[i]) / (0.1 + 0.01 * (std::abs(b[i]) + 0.3 * std::abs(c[i]))));
    }
    CHECK(largest_error_ratio(count, a.data(), b.data(), c.data(), 0.3, 0.1, 0.01) == Approx(ratio).epsilon(1e-15));
    combination(count, 1, factor, from, out.data());
    CHECK(out.back() == 0.5 * a.back());
  }
  // 0/0 counts as nothing wherever it stands.
  for (const std::size_t rests : {0U, 6U, 16U}) {
    std::vector<double> error(17, 2.0), x(17, 1.0), slope(17, 0.0);
    error[rests] = x[rests] = 0;
    CHECK(largest_error_ratio(17, error.data(), x.data(), slope.data(), 1, 0, 1) == 2);
  }
}

TEST_CASE("a step of modes with drift and noise, and its adjoint, at any length") {
  for (const std::size_t count : {1u, 3u, 4u, 11u}) {
    CAPTURE(count);
    std::vector<double> kappa, s, M, v;
    for (std::size_t i = 0; i < count; ++i) {
      const auto x = static_cast<double>(i + 1);
      kappa.push_back(1 / x);
      s.push_back(0.5 + x);
      M.push_back(2 - 0.1 * x);
      v.push_back(std::sin(x));
    }
    const double eta = 0.3, a = 0.7, b = 0.02, c = 1.5, lift = -0.4;
    std::vector<double> moved(count), expected(count);
    double P = 0, first = 0, second = 0, noise = 0;
    for (std::size_t i = 0; i < count; ++i) {
      expected[i] = M[i] * (1 - 2 * eta * kappa[i] * a + eta * eta * kappa[i] * kappa[i] * c) + b * s[i];
      P += kappa[i] * expected[i];
    }
    CHECK(drift_step(count, kappa.data(), s.data(), M.data(), eta, a, b, c, moved.data()) == Approx(P).epsilon(1e-14));
    for (std::size_t i = 0; i < count; ++i) CHECK(moved[i] == Approx(expected[i]).epsilon(1e-14));
    std::vector<double> here = M;  // in place
    drift_step(count, kappa.data(), s.data(), here.data(), eta, a, b, c, here.data());
    CHECK(here == moved);
    for (std::size_t i = 0; i < count; ++i) {
      const double lifted = v[i] + lift * kappa[i];
      first += lifted * kappa[i] * M[i];
      second += lifted * kappa[i] * kappa[i] * M[i];
      noise += lifted * s[i];
      expected[i] = lifted * (1 - 2 * eta * kappa[i] * a + eta * eta * kappa[i] * kappa[i] * c);
    }
    const DriftSums sums = drift_step_back(count, kappa.data(), s.data(), M.data(), lift, eta, a, c, v.data());
    CHECK(sums.first == Approx(first).epsilon(1e-13));
    CHECK(sums.second == Approx(second).epsilon(1e-13));
    CHECK(sums.noise == Approx(noise).epsilon(1e-13));
    for (std::size_t i = 0; i < count; ++i) CHECK(v[i] == Approx(expected[i]).epsilon(1e-14));
  }
}
