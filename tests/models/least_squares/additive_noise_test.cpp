// The best schedule under additive noise: the tables of docs/theory/schedules-and-collapse.md, section 3.4.
#include "models/least_squares/additive_noise.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/approx.hpp"

using edgewise::models::least_squares::AdditiveNoise;
using edgewise::tests::Approx;

namespace {

AdditiveNoise power_law(double alpha, double beta, int d) {
  std::vector<double> lambda, power;
  for (int j = 1; j <= d; ++j) {
    lambda.push_back(std::pow(j, -2 * alpha));
    power.push_back(std::pow(j, -2 * beta));
  }
  return {lambda, std::vector<double>(lambda.size(), 1.0), power, 0.25};
}

}  // namespace

TEST_CASE("one eigenvalue: everything in closed form") {
  // K = l^2 e^(-2 l s): I = 1 - e^(-l tau); P = l rho x^2 + (noise/T)(1 - x)^2 at x = e^(-l tau).
  const double l = 0.3, rho = 2, noise = 0.4, T = 50;
  const AdditiveNoise theory({l}, {1}, {rho}, noise);
  const double a = l * rho, b = noise / T, x = b / (a + b);
  const AdditiveNoise::Optimum best = theory.optimum(T);
  CHECK(best.tau == Approx(-std::log(x) / l).epsilon(1e-9));
  CHECK(best.loss == Approx(a * b / (a + b)).epsilon(1e-10));
  // eta = I/(T l e^(-l s)), and the remaining time is T (1 - e^(-l s))/I.
  CHECK(theory.rate(best, T, T) == Approx((1 - x) / (T * l)).epsilon(1e-9));
  CHECK(theory.rate(best, T, T / 2) == Approx((1 - x) / (T * l) / (1 - 0.5 * (1 - x))).epsilon(1e-8));
  // Constant rate tau/T: noise (tau/T) l/2 (1 - x^2).
  const auto constant = [&](double tau) {
    return l * rho * std::exp(-2 * l * tau) + noise * tau / T * l / 2 * (1 - std::exp(-2 * l * tau));
  };
  const double found = theory.polynomial(T, 0);
  double least = 1e9;
  for (double tau = 0.01; tau < 60; tau += 0.001) least = std::min(least, constant(tau));
  CHECK(found == Approx(least).epsilon(1e-6));
}

TEST_CASE("under a cap the rate is the cap and then falls, and no other run of that kind ends lower") {
  // One eigenvalue l, rho, noise; eta = cap until `left` of the intrinsic time is left, then cap e^(l (s - left)), by sums.
  const double l = 0.3, rho = 2, noise = 0.4, T = 50;
  const AdditiveNoise theory({l}, {1}, {rho}, noise);
  const AdditiveNoise::Optimum free = theory.optimum(T);
  CHECK(free.first == Approx(theory.rate(free, T, 0)).epsilon(1e-9));
  CHECK(free.last == Approx(theory.rate(free, T, T)).epsilon(1e-9));
  CHECK(free.capped == 0);
  CHECK(theory.optimum(T, 2 * free.first).loss == free.loss);
  const auto slope = [&](double cap) {
    const double h = 1e-4;
    return -(std::log(theory.optimum(T * (1 + h), cap).loss) - std::log(theory.optimum(T * (1 - h), cap).loss)) /
           (2 * h);
  };
  CHECK(free.exponent == Approx(slope(1e9)).epsilon(1e-6));
  for (const double share : {0.9, 0.5, 0.2, 0.02}) {
    CAPTURE(share);
    const double cap = share * free.first;
    const AdditiveNoise::Optimum best = theory.optimum(T, cap);
    const auto loss = [&](double left) {
      // Time of the fall: int_0^left e^(l (left - s))/cap ds.
      const double fall = (std::exp(l * left) - 1) / (l * cap);
      if (fall > T) return 1e9;
      const double tau = left + cap * (T - fall);
      const double put_in_late = cap * l * std::exp(-l * left) * (1 - std::exp(-l * left));
      const double before = cap * l / 2 * (std::exp(-2 * l * left) - std::exp(-2 * l * tau));
      return l * rho * std::exp(-2 * l * tau) + noise * (put_in_late + before);
    };
    double least = 1e9;
    for (double left = 0; left < 30; left += 1e-4) least = std::min(least, loss(left));
    CHECK(best.loss == Approx(least).epsilon(1e-6));
    CHECK(best.first == cap);
    CHECK(best.last <= cap);
    CHECK(best.capped > 0);
    CHECK(best.capped <= 1);
    CHECK(best.exponent == Approx(slope(cap)).epsilon(1e-5));
  }
  CHECK(theory.optimum(T, 1e-6 * free.first).capped == Approx(1).epsilon(1e-4));
}

TEST_CASE("several modes of several dimensions: least over the length of the run, by sums") {
  const double lambda[] = {1, 0.3, 0.05}, n[] = {2, 5, 11}, power[] = {1, 3, 8}, noise = 0.4, T = 80;
  const AdditiveNoise theory({1, 0.3, 0.05}, {2, 5, 11}, {1, 3, 8}, noise);
  const auto K = [&](double s) {
    double sum = 0;
    for (int i = 0; i < 3; ++i) sum += n[i] * lambda[i] * lambda[i] * std::exp(-2 * lambda[i] * s);
    return sum;
  };
  const auto F = [&](double tau) {
    double sum = 0;
    for (int i = 0; i < 3; ++i) sum += lambda[i] * power[i] * std::exp(-2 * lambda[i] * tau);
    return sum;
  };
  // sqrt K, and s^a K, on cells of .002.
  const double h = 0.002;
  double I = 0, least = 1e9, tau = 0, best_I = 0;
  double of_power[2] = {}, least_power[2] = {1e9, 1e9};
  const double p[] = {0.5, 2};
  for (int k = 0; k < 40000; ++k) {
    const double s = (k + 0.5) * h, end = (k + 1) * h;
    I += h * std::sqrt(K(s));
    if (const double loss = F(end) + noise / T * I * I; loss < least) {
      least = loss;
      tau = end;
      best_I = I;
    }
    for (int i = 0; i < 2; ++i) {
      const double a = p[i] / (p[i] + 1);
      of_power[i] += h * std::pow(s, a) * K(s);
      least_power[i] = std::min(least_power[i], F(end) + noise * (p[i] + 1) * std::pow(end, 1 - a) / T * of_power[i]);
    }
  }
  const AdditiveNoise::Optimum best = theory.optimum(T);
  CHECK(best.loss == Approx(least).epsilon(1e-6));
  CHECK(best.tau == Approx(tau).epsilon(1e-3));
  CHECK(best.integral == Approx(best_I).epsilon(1e-3));
  CHECK(best.first == Approx(best_I / T / std::sqrt(K(tau))).epsilon(2e-3));
  CHECK(best.last == Approx(best_I / T / std::sqrt(K(0))).epsilon(1e-3));
  CHECK(best.exponent == Approx(noise / T * best_I * best_I / least).epsilon(1e-3));
  for (int i = 0; i < 2; ++i) CHECK(theory.polynomial(T, p[i]) == Approx(least_power[i]).epsilon(1e-4));
  // The rates add up to tau, and (3.6) what is left of the time goes as int_0^s sqrt K.
  double sum = 0;
  for (int k = 0; k < 400; ++k) sum += theory.rate(best, T, (k + 0.5) * T / 400) * T / 400;
  CHECK(sum == Approx(best.tau).epsilon(1e-3));
}

TEST_CASE("local slopes of the optimum and of polynomial cooldowns, and of the optimum's own cooldown" *
          doctest::test_suite("slow")) {
  const AdditiveNoise theory = power_law(1, 0.5, 20000);
  struct Row {
    double p, first, second, at_first;
  };
  for (const Row& row : {Row{-1, -0.6423, -0.6503, 0.00158061}, Row{0, -0.4965, -0.4980, 0.00445206},
                         Row{0.5, -0.5793, -0.5845, 0.00234168}, Row{1, -0.6175, -0.6243, 0.00183813},
                         Row{2, -0.6441, -0.6501, 0.00164913}, Row{3, -0.6522, -0.6571, 0.00169886}}) {
    CAPTURE(row.p);
    const auto loss = [&](double T) { return row.p < 0 ? theory.optimum(T).loss : theory.polynomial(T, row.p); };
    const double a = loss(1e4), b = loss(1e5), c = loss(1e6);
    CHECK(std::abs(a - row.at_first) < 0.6e-8);
    CHECK(std::abs(std::log10(b / a) - row.first) < 0.6e-4);
    CHECK(std::abs(std::log10(c / b) - row.second) < 0.6e-4);
  }
  struct Cooldown {
    double alpha;
    double slope[3];
  };
  for (const Cooldown& row : {Cooldown{0.75, {1.611, 1.743, 1.833}}, Cooldown{1, {2.171, 2.400, 2.575}}}) {
    const AdditiveNoise own = power_law(row.alpha, 0.5, 20000);
    for (int i = 0; i < 3; ++i) {
      const double T = std::pow(10.0, 3 + i);
      const AdditiveNoise::Optimum best = own.optimum(T);
      const double slope = std::log(own.rate(best, T, 0.2 * T) / own.rate(best, T, 0.6 * T)) / std::log(2.0);
      CAPTURE(row.alpha);
      CAPTURE(T);
      CHECK(std::abs(slope - row.slope[i]) < 0.6e-3);
    }
  }
}
