// Bands: the covariance of the modes step by step, its mean map differentiated by differences and the chance of a step
// written out by pairs of modes, with laws in closed form.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "models/nonlinear/theory.hpp"
#include "tests/approx.hpp"
#include "tests/models/nonlinear/dense_covariance.hpp"

using namespace edgewise;
using namespace edgewise::models;
using namespace edgewise::models::nonlinear;
using namespace edgewise::models::ingredients;
using edgewise::tests::Approx;

namespace {

const double pi = std::acos(-1.0);
constexpr double sigma2 = 0.6;

using Vector = std::vector<double>;
using Square = std::vector<Vector>;

/// At P: the laws, and E chi^3 w, E chi^4 of residuals or `pair` of signs.
struct Law {
  double a, b, c, cube = 0, fourth = 0, pair = 0;
};

struct Rendering {
  Vector kappa, s, M;
  std::function<Law(double)> law;
  double batch, eta;
  bool greedy = false, signs = false, early = false;
  /// Noise and second moments between modes; empty where only a mode's own count.
  Square N = {}, Z = {};
  /// With N: variance of u'Ku over that of (2.8), which has it in N_ij^2.
  double squares = 0;

  double P_of(const Vector& m) const {
    double P = 0;
    for (std::size_t i = 0; i < m.size(); ++i) P += kappa[i] * m[i];
    return P;
  }
  double rate(const Vector& m) const {
    if (!greedy) return eta;
    const Law l = law(P_of(m));
    double Q = 0, T = 0, S = 0;
    for (std::size_t i = 0; i < m.size(); ++i) {
      Q += kappa[i] * kappa[i] * m[i];
      T += kappa[i] * kappa[i] * kappa[i] * m[i];
      S += kappa[i] * s[i];
    }
    return eta * l.a * Q / (l.b * S + l.c * T);
  }
  Vector mean_step(const Vector& m) const {
    const Law l = law(P_of(m));
    const double h = rate(m);
    Vector out(m.size());
    for (std::size_t i = 0; i < m.size(); ++i) {
      const double k = kappa[i];
      out[i] = (1 - 2 * h * l.a * k + h * h * l.c * k * k) * m[i] + h * h * l.b * s[i];
    }
    return out;
  }
  Square chance() const {
    const std::size_t n = M.size();
    const double P = P_of(M), h = rate(M), B = batch;
    const Law l = law(P);
    Vector met(n);
    for (std::size_t i = 0; i < n; ++i) met[i] = kappa[i] * M[i] * (1 - (signs && !early ? 0 : h * l.a * kappa[i]));
    Square D(n, Vector(n));
    if (signs) {
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          D[i][j] = 4 * h * h * (l.pair - l.a * l.a) * met[i] * met[j];
          if (!N.empty()) {
            D[i][j] +=
                4 * h * h * l.b * N[i][j] * Z[i][j] * (met[i] / (kappa[i] * M[i])) * (met[j] / (kappa[j] * M[j]));
            D[i][j] += squares * std::pow(h, 4) * l.b * l.b * N[i][j] * N[i][j];
          } else if (i == j) {
            D[i][i] += 4 * h * h * l.b * met[i] * met[i] / (kappa[i] * M[i]);
            if (early) D[i][i] += 2 * std::pow(h, 4) * l.b * l.b * (1 - 1 / B) * kappa[i] * s[i];
            // A majority moves with probability b, and its square is 0 or 1: variance b (1 - b) a coordinate.
            if (!early) D[i][i] += std::pow(h, 4) * l.b * (1 - l.b) * kappa[i] * s[i];
          }
        }
      return D;
    }
    // S = mean chi w, T = sum chi^2/B^2; c = c2/B + (1 - 1/B) mu^2.
    const double q = B * l.b, c2 = B * (l.c - (1 - 1 / B) * l.a * l.a);
    const double var_S = (P * P * c2 + P * q - l.a * P * l.a * P) / B, cov = (l.cube - l.a * P * q) / (B * B);
    const double var_T = (l.fourth - q * q) / (B * B * B);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        D[i][j] = 4 * h * h * (var_S / (P * P) - l.b / P) * met[i] * met[j] -
                  2 * h * h * h * cov / P * (met[i] * s[j] + s[i] * met[j]) + std::pow(h, 4) * var_T * s[i] * s[j];
        if (i == j)
          D[i][i] += 4 * h * h * l.b * met[i] * met[i] / (kappa[i] * M[i]) +
                     2 * std::pow(h, 4) * (var_T + l.b * l.b) * kappa[i] * s[i];
      }
    return D;
  }
  /// Standard deviations of P after 0, 1, .. steps.
  Vector deviations(int steps) {
    const std::size_t n = M.size();
    Square V(n, Vector(n, 0.0));
    Vector out{0};
    for (int t = 0; t < steps; ++t) {
      Square J(n, Vector(n)), next = chance();
      for (std::size_t j = 0; j < n; ++j) {
        Vector up = M, down = M;
        const double by = 1e-5 * M[j];
        up[j] += by, down[j] -= by;
        const Vector above = mean_step(up), below = mean_step(down);
        for (std::size_t i = 0; i < n; ++i) J[i][j] = (above[i] - below[i]) / (2 * by);
      }
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          for (std::size_t k = 0; k < n; ++k)
            for (std::size_t m = 0; m < n; ++m) next[i][j] += J[i][k] * V[k][m] * J[j][m];
      const Law l = law(P_of(M));
      const double h = rate(M);
      for (std::size_t i = 0; i < Z.size(); ++i)
        for (std::size_t j = 0; j < n; ++j)
          Z[i][j] = Z[i][j] * (1 - h * l.a * (kappa[i] + kappa[j]) + h * h * l.c * kappa[i] * kappa[j]) +
                    h * h * l.b * N[i][j];
      M = mean_step(M);
      V = next;
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) sum += kappa[i] * V[i][j] * kappa[j];
      out.push_back(std::sqrt(sum));
    }
    return out;
  }
};

NonlinearProblem problem(Covariance covariance, const std::string& method, double batch, double eta, bool greedy,
                         double unit = 1) {
  NonlinearProblem p;
  p.covariance = std::move(covariance);
  for (double& target : p.covariance.target) target *= unit;
  p.noise = gaussian_noise(sigma2 * unit * unit);
  p.method = method;
  p.threshold = p.method == Method::huber ? std::numeric_limits<double>::infinity() : 0.3;
  p.batch = batch;
  p.learning_rate = eta;
  p.greedy = greedy;
  p.schedule = read_schedule(settings::Table("test", ""), "schedule", 4);
  p.time.steps = 4;
  p.time.at = {0, 1, 2, 4};
  return p;
}

void check(const NonlinearProblem& p, Rendering by_hand, double unit = 1) {
  NonlinearTheory with;
  with.bands = true;
  const Trajectory t = solve_nonlinear(p, modes_of(p), with);
  REQUIRE(t.steps.size() == 4);
  const Vector expected = by_hand.deviations(4), &found = t.find("excess_mse")->std;
  for (std::size_t i = 0; i < 4; ++i) {
    CAPTURE(t.steps[i]);
    const double one = expected[static_cast<std::size_t>(t.steps[i])];
    // Slopes of tabulated laws and differences: some 1e-7.
    CHECK(found[i] / (unit * unit) == Approx(one).epsilon(2e-6));
    CHECK(t.find("risk")->std[i] == found[i] / 2);
  }
}

/// Eigenvalue 2, and 1/2 twice; power 1/4 and 1.
Covariance diagonal() {
  spectra::Spectrum s;
  s.eigenvalue = {2, 0.5};
  s.multiplicity = {1, 2};
  s.target_power = {0.25, 1};
  return diagonal_covariance(s);
}

/// Var u'Ku over tr(K E uu' K E uu') of the pair of correlated coordinates below, from all outcomes of a batch of signs.
double two_coordinates(Method method, int batch) {
  const double K[2][2] = {{2, 0.6}, {0.6, 0.5}}, tau = 2 / pi * std::asin(0.6);
  const int signs = method == Method::sign_late ? 1 : batch;  // the sign of a Gaussian mean is that of one example
  Square mean(2, Vector(2));
  double first = 0, second = 0;
  for (int outcome = 0; outcome < 1 << (2 * signs); ++outcome) {
    double u[2] = {}, probability = 1;
    for (int b = 0; b < signs; ++b) {
      const int one = 2 * ((outcome >> (2 * b)) & 1) - 1, other = 2 * ((outcome >> (2 * b + 1)) & 1) - 1;
      u[0] += one, u[1] += other;
      probability *= (1 + tau * one * other) / 4;
    }
    for (double& sum : u) sum = method == Method::sign_early ? sum / signs : (sum > 0) - (sum < 0);
    double power = 0;
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j) {
        power += u[i] * K[i][j] * u[j];
        mean[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] += probability * u[i] * u[j];
      }
    first += probability * power;
    second += probability * power * power;
  }
  double trace = 0;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      double both[2] = {};
      for (int k = 0; k < 2; ++k) {
        both[0] += K[i][k] * mean[static_cast<std::size_t>(k)][static_cast<std::size_t>(j)];
        both[1] += K[j][k] * mean[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)];
      }
      trace += both[0] * both[1];
    }
  return (second - first * first) / trace;
}

}  // namespace

TEST_CASE("bands of residual nonlinearities, by the moments of chi") {
  struct Case {
    const char* method;
    double batch, eta;
    bool greedy;
    double unit;
  };
  for (const Case& o : {Case{"huber", 1, 0.1, false, 1}, Case{"sgd", 3, 0.7, true, 1}, Case{"lad", 2, 0.15, false, 1},
                        Case{"lad", 4, 0.8, true, 1}, Case{"quantile", 1, 0.2, false, 1},
                        Case{"quantile", 3, 0.6, true, 1}, Case{"huber", 2, 0.2, false, 1e-60}}) {
    CAPTURE(o.method);
    CAPTURE(o.greedy);
    CAPTURE(o.unit);
    const double B = o.batch;
    const auto law = [&, method = std::string(o.method)](double P) {
      const double V = P + sigma2, density = 1 / std::sqrt(2 * pi * V);
      // Nothing is cut: SGD, whose own bands are not linearised but exact.
      if (method == "sgd" || method == "huber") return Law{1, V / B, 2 / B + 1 - 1 / B, 3 * V * P, 3 * V * V};
      if (method == "lad") {
        const double mu = 2 * density;
        return Law{mu, 1 / B, (1 - 1 / B) * mu * mu, mu * P, 1};
      }
      // chi = 1{r > 0} - tau, tau = .3.
      const double up = 0.7, down = 0.3;
      return Law{density, (up * up + down * down) / 2 / B, (1 - 1 / B) * density * density,
                 P * density * (std::pow(up, 3) + std::pow(down, 3)), (std::pow(up, 4) + std::pow(down, 4)) / 2};
    };
    check(problem(diagonal(), o.method, B, o.eta, o.greedy, o.unit),
          {{2, 0.5}, {2, 1}, {0.25, 1}, law, B, o.eta, o.greedy}, o.unit);
  }
}

TEST_CASE("bands of signs, whose squares and pairs depend on their placement") {
  struct Case {
    const char* method;
    double batch, eta;
    bool greedy;
  };
  for (const Case& o :
       {Case{"sign-late", 3, 0.05, false}, Case{"sign-late", 3, 0.5, true}, Case{"sign-early", 3, 0.1, false},
        Case{"sign-early", 5, 0.8, true}, Case{"sign-majority", 3, 0.05, false}, Case{"sign-majority", 4, 0.05, false}})
    for (const bool dense : {false, true}) {
      CAPTURE(o.method);
      CAPTURE(o.batch);
      CAPTURE(o.greedy);
      CAPTURE(dense);
      const double B = o.batch;
      const auto law = [&, method = std::string(o.method)](double P) {
        const double V = P + sigma2, one = 2 / pi / std::sqrt(V);
        if (method == "sign-late") {  // E chi_3 = 2 sqrt(2/pi)
          return Law{4 / pi / std::sqrt(V), 1, 0, 0, 0, 2 / pi * (B - 1) / V};
        }
        if (method == "sign-early") {
          const double c = (1 - 1 / B) * one * one;
          return Law{one, 1 / B, c, 0, 0, c};
        }
        // Three or four signs: E|sum| = 3/2; four tie with 3/8.
        const double a = 1.5 * one;
        return Law{a, B == 4 ? 0.625 : 1, 0, 0, 0, (1 - 1 / B) * a * a};
      };
      const NonlinearProblem p =
          problem(dense ? models::testing::dense_covariance({2, 0.6, 0.6, 0.5}, {0.3, 0.8}) : diagonal(), o.method, B,
                  o.eta, o.greedy);
      const ModeSystem modes = modes_of(p);
      Rendering by_hand{
          modes.kappa, modes.s, modes.initial, law, B, o.eta, o.greedy, true, p.method == Method::sign_early};
      if (dense) {
        const linear_algebra::Matrix N = modes.coordinates->mode_noise();
        const std::vector<double>& z = modes.coordinates->start;
        for (std::size_t i = 0; i < 2; ++i) {
          by_hand.N.push_back({N(i, 0), N(i, 1)});
          by_hand.Z.push_back({z[i] * z[0], z[i] * z[1]});
          CHECK(N(i, i) == Approx(modes.s[i]).epsilon(1e-12));
        }
        by_hand.squares = two_coordinates(p.method, static_cast<int>(B));
      } else {
        CHECK(modes.kappa == std::vector<double>{std::sqrt(2.0), std::sqrt(0.5)});
      }
      check(p, by_hand);
    }
}

TEST_CASE("a start at the optimum has a band as soon as noise moves it") {
  // One step from v = 0: v = -eta gbar, P = eta^2 T sum lambda^2 z^2, T the mean square of B residuals over B. The squares
  // of a sign are certain.
  for (const char* method : {"sgd", "lad", "sign-late"}) {
    CAPTURE(method);
    Covariance K = diagonal();
    K.target = {0, 0, 0};
    NonlinearProblem p = problem(K, method, 2, 0.1, false);
    p.time.at = {0, 1};
    NonlinearTheory with;
    with.bands = true;
    const Trajectory t = solve_nonlinear(p, modes_of(p), with);
    const double P = t.find("excess_mse")->value[1], std = t.find("excess_mse")->std[1];
    if (p.coordinatewise()) {
      CHECK(P == Approx(0.01 * 3).epsilon(1e-9));
      CHECK(std < 1e-9);
      continue;
    }
    const bool sgd = p.method == Method::sgd;
    // E T = q/B, E T^2 = (E chi^4/B + (1 - 1/B) q^2)/B^2; sum lambda^2 z^2 has mean 4.5, variance 2 (16 + 2/16).
    const double q = sgd ? sigma2 : 1, fourth = sgd ? 3 * sigma2 * sigma2 : 1;
    const double T = q / 2, T2 = (fourth / 2 + q * q / 2) / 4;
    CHECK(P == Approx(0.01 * 4.5 * T).epsilon(1e-9));
    CHECK(std == Approx(0.01 * std::sqrt(T2 * (4.5 * 4.5 + 2 * (16 + 0.125)) - 4.5 * 4.5 * T * T)).epsilon(1e-6));
  }
}

TEST_CASE("the first step from the optimum spreads as products of correlated signs do") {
  // Sampled: 20000 steps of 24 autoregressive coordinates, standard errors of deviations some 1% (6 checks within 6%).
  constexpr std::size_t d = 24;
  constexpr int samples = 20000;
  std::vector<double> matrix(d * d);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j) matrix[i * d + j] = std::pow(0.5, i > j ? i - j : j - i);
  std::mt19937_64 draw(7);
  std::normal_distribution<double> normal;
  for (const auto& [method, batch] : {std::pair{"sign-late", 1},
                                      {"sign-late", 2},
                                      {"sign-early", 2},
                                      {"sign-majority", 2},
                                      {"sign-majority", 3},
                                      {"sign-majority", 4}}) {
    const std::string name = method;
    double first = 0, second = 0;
    for (int sample = 0; sample < samples; ++sample) {
      std::vector<double> u(d, 0.0);
      for (int b = 0; b < (name == "sign-late" ? 1 : batch); ++b) {
        double x = normal(draw);
        for (std::size_t i = 0; i < d; ++i, x = 0.5 * x + std::sqrt(0.75) * normal(draw)) u[i] += x > 0 ? 1 : -1;
      }
      double power = 0, from_left = 0;
      for (std::size_t i = 0; i < d; ++i) {
        const double step = name == "sign-early" ? u[i] / batch : (u[i] > 0) - (u[i] < 0);
        power += step * step + 2 * step * from_left;
        from_left = 0.5 * (from_left + step);
      }
      first += power / samples;
      second += power * power / samples;
    }
    NonlinearProblem p =
        problem(models::testing::dense_covariance(matrix, std::vector<double>(d, 0.0)), name, batch, 0.1, false);
    p.time.steps = 1;
    p.time.at = {0, 1};
    NonlinearTheory with;
    with.bands = true;
    const Trajectory t = solve_nonlinear(p, modes_of(p), with);
    CAPTURE(name);
    CAPTURE(p.batch);
    CHECK(t.find("excess_mse")->value[1] == Approx(0.01 * first).epsilon(0.02));
    CHECK(t.find("excess_mse")->std[1] == Approx(0.01 * std::sqrt(second - first * first)).epsilon(0.06));
    CHECK(t.warnings.empty());
  }
  // Coordinates that are nearly one: said, where the start is the optimum.
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t j = 0; j < d; ++j) matrix[i * d + j] = std::pow(0.95, i > j ? i - j : j - i);
  for (const double start : {0.0, 0.3}) {
    NonlinearTheory with;
    with.bands = true;
    const NonlinearProblem p =
        problem(models::testing::dense_covariance(matrix, std::vector<double>(d, start)), "sign-late", 1, 0.01, false);
    const Trajectory t = solve_nonlinear(p, modes_of(p), with);
    CHECK(std::ranges::any_of(t.warnings, [](const std::string& w) { return w.starts_with("theory.bands"); }) ==
          (start == 0));
  }
}
