#include "solvers/contour.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>
#include <complex>
#include <stdexcept>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

RankOneSystem example(RankOneSystem::Kind kind, double strength, double source) {
  RankOneSystem s;
  s.kind = kind;
  for (int j = 1; j <= 40; ++j) {
    const double lambda = std::pow(j, -1.3);
    s.decay.push_back(0.5 * lambda);
    s.input.push_back(strength * lambda);
    s.weight.push_back(lambda);
    s.initial.push_back(1.0 / j);
  }
  s.source = source;
  return s;
}

// By the eigenvectors of the symmetrised system: s = s_inf + sum of exponentials (or powers).
double exact_shared(const RankOneSystem& s, double t, std::vector<double>* state = nullptr) {
  const auto n = static_cast<Eigen::Index>(s.decay.size());
  Eigen::MatrixXd A(n, n);
  Eigen::VectorXd scale(n), start(n), forcing(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto u = static_cast<std::size_t>(i);
    scale[i] = std::sqrt(s.weight[u] / s.input[u]);  // x = scale * s is symmetric
    start[i] = scale[i] * s.initial[u];
    forcing[i] = scale[i] * s.input[u] * s.source;
    for (Eigen::Index j = 0; j < n; ++j) {
      const auto v = static_cast<std::size_t>(j);
      A(i, j) = std::sqrt(s.input[u] * s.weight[u] * s.input[v] * s.weight[v]) - (i == j ? s.decay[u] : 0.0);
    }
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(A);
  const Eigen::VectorXd steady = -A.ldlt().solve(forcing);
  Eigen::VectorXd y = eigen.eigenvectors().transpose() * (start - steady);
  for (Eigen::Index i = 0; i < n; ++i) {
    const double mu = eigen.eigenvalues()[i];
    y[i] *= std::exp(t * (s.kind == RankOneSystem::Kind::map ? std::log1p(mu) : mu));
  }
  const Eigen::VectorXd x = eigen.eigenvectors() * y + steady;
  double p = 0;
  if (state) state->clear();
  for (Eigen::Index i = 0; i < n; ++i) {
    p += s.weight[static_cast<std::size_t>(i)] * x[i] / scale[i];
    if (state) state->push_back(x[i] / scale[i]);
  }
  return p;
}

}  // namespace

TEST_CASE("flows and maps match their eigen-decomposition at any time") {
  for (const auto kind : {RankOneSystem::Kind::flow, RankOneSystem::Kind::map})
    for (const double strength : {0.0001, 0.1, 0.2})
      for (const double source : {0.0, 0.3}) {
        const RankOneSystem system = example(kind, strength, source);
        const Contour contour(system, 1e-13);
        for (const double t : {40.0, 77.0, 1000.0, 4000.0}) {
          std::vector<double> expected_state, state(system.decay.size());
          const double expected = exact_shared(system, t, &expected_state);
          CHECK(contour.shared(t) == Approx(expected).epsilon(2e-11));
          contour.state(t, state);
          double values[2];
          const std::vector<std::vector<double>> rows = {std::vector<double>(state.size(), 1.0)};
          contour.functionals(t, rows, values);
          double total = 0, largest = 0;
          for (const double v : expected_state) {
            total += v;
            largest = std::max(largest, std::abs(v));
          }
          CHECK(values[1] == Approx(total).epsilon(2e-10));
          for (std::size_t i = 0; i < state.size(); ++i)
            CHECK(std::abs(state[i] - expected_state[i]) <= 1e-10 * largest);
        }
      }
}

TEST_CASE("solutions that vanish or explode exponentially keep their relative accuracy") {
  for (const double strength : {0.05, 0.2}) {
    const RankOneSystem system = example(RankOneSystem::Kind::map, strength, 0);
    const Contour contour(system, 1e-13);
    std::vector<double> s = system.initial;
    double p = 0;
    for (int k = 0; k <= 6000; ++k) {
      p = 0;
      for (std::size_t i = 0; i < s.size(); ++i) p += system.weight[i] * s[i];
      if (k == 6000) break;
      for (std::size_t i = 0; i < s.size(); ++i) s[i] = (1 - system.decay[i]) * s[i] + system.input[i] * p;
    }
    CHECK(contour.shared(6000) == Approx(p).epsilon(1e-10));
    CHECK((strength > 0.1 ? p > 1e15 : p < 1e-8));
  }
}

TEST_CASE("the error falls with the number of nodes as the theory of the contour says") {
  const RankOneSystem system = example(RankOneSystem::Kind::flow, 0.1, 0.3);
  const double expected = exact_shared(system, 300);
  double previous = 1;
  for (const double rtol : {1e-4, 1e-6, 1e-8, 1e-10}) {
    const double error = std::abs(Contour(system, rtol).shared(300) / expected - 1);
    CHECK(error < rtol);
    CHECK(error < previous);
    previous = error;
  }
}

TEST_CASE("leading shift solves the secular equation, from weak to strong coupling") {
  const std::vector<double> decay = {1e-9, 0.01, 1}, weight = {1, 1, 1};
  for (const double strength : {1e-14, 1e-6, 0.3, 100.0}) {
    const std::vector<double> input = {strength, strength, strength};
    const double x = leading_shift(decay, input, weight);
    double total = 0;
    for (std::size_t i = 0; i < 3; ++i) total += strength / (x + (decay[i] - 1e-9));
    CHECK(total == Approx(1).epsilon(1e-11));
  }
  CHECK(leading_shift(decay, std::vector<double>{0, 0, 0}, weight) == 0);
  // Two modes 2 apart: a/x + b/(x + 2) = 1 where a and b are inputs times weights; a mode without either has no say.
  for (const double scale : {1.0, 1e-3, 1e3}) {
    const double a = 2, b = 6, half = (a + b - 2) / 2;
    CHECK(leading_shift(std::vector<double>{3, 1, 0.5, 0.1}, std::vector<double>{2 / scale, 0.5 / scale, 0, 4},
                        std::vector<double>{3 * scale, 4 * scale, 1, 0}) ==
          Approx(half + std::sqrt(half * half + 2 * a)).epsilon(1e-11));
  }
}

TEST_CASE("without coupling a source changes nothing, and p is a sum of powers however small") {
  // (1 - 0.2)^2 of one mode, gradient descent with label noise: P falls to 4.8e-47 at step 239, far below the noise.
  for (const double source : {0.0, 0.04}) {
    const Contour contour({RankOneSystem::Kind::map, {0.36, 1.0, 2.0}, {0, 0, 0}, {1, 1, 1}, {1, 1, 0.25}, source});
    CHECK(contour.earliest() == 0);
    CHECK(contour.shared(0) == Approx(2.25).epsilon(1e-15));
    CHECK(contour.shared(1) == Approx(0.64 - 0.25).epsilon(1e-14));
    CHECK(contour.shared(2) == Approx(0.64 * 0.64 + 0.25).epsilon(1e-14));
    std::vector<double> s(3);
    contour.state(239, s);
    CHECK(s[0] == Approx(std::pow(0.8, 478)).epsilon(1e-12));
    CHECK(s[1] == 0);
    CHECK(s[2] == -0.25);
    double values[2];
    CHECK(contour.functionals(2, std::vector<std::vector<double>>{{3, 5, 7}}, values) == 0);
    CHECK(values[0] == Approx(0.64 * 0.64 + 0.25).epsilon(1e-14));
    CHECK(values[1] == Approx(3 * 0.64 * 0.64 + 7 * 0.25).epsilon(1e-14));
  }
  const Contour flow({RankOneSystem::Kind::flow, {0.5, 1e-9}, {0, 0}, {1, 1}, {1, 1e-12}, 3.0});
  CHECK(flow.shared(1e9) == Approx(1e-12 * std::exp(-1)).epsilon(1e-12));
  CHECK(flow.shared(1000) == Approx(1e-12 * std::exp(-1e-6)).epsilon(1e-12));
  // A perfect step: the factor is 0.
  const Contour perfect({RankOneSystem::Kind::map, {1.0}, {0}, {1}, {1}, 0.0});
  CHECK(perfect.shared(0) == 1);
  for (const double t : {1.0, 2.0, 240.0, 1e6}) CHECK(perfect.shared(t) == 0);
}

TEST_CASE("a weak source is excited on its own contour: the steady state counts, not the start") {
  // One mode: p_inf = sigma^2 b/(m - b), which is 1e-18 of the start.
  const double m = 0.36, b = 1e-18, source = 0.36;
  const Contour contour({RankOneSystem::Kind::map, {m}, {b}, {1}, {1}, source});
  const double steady = source * b / (m - b);
  for (const double t : {40.0, 60.0, 150.0, 1000.0}) {
    const double expected = steady + std::pow(1 - m + b, t) * (1 - steady);
    CHECK(contour.shared(t) == Approx(expected).epsilon(1e-11));
    std::vector<double> s(1);
    contour.state(t, s);
    CHECK(s[0] == Approx(expected).epsilon(1e-11));
  }
  CHECK(contour.error_estimate() < 1e-10);
}

TEST_CASE("p that falls much faster than 1/t keeps its digits, against positive steps that cannot cancel") {
  // A fast mode that holds all, slow ones that hold nothing and hardly couple: at 3e5 steps p is 1e-19 of the start,
  // 1e14 times less than what an inverted transform adds up.
  for (const double strength : {1e-9, 1e-3}) {
    RankOneSystem system;
    system.kind = RankOneSystem::Kind::map;
    for (int j = 0; j < 12; ++j) {
      system.decay.push_back(0.5 * std::pow(10.0, -0.5 * j));
      system.weight.push_back(system.decay.back());
      system.input.push_back(strength * system.decay.back());
      system.initial.push_back(j == 0 ? 1.0 : j == 11 ? 1e-13 : 0.0);
    }
    const Contour contour(system);
    std::vector<double> s = system.initial;
    const std::vector<std::vector<double>> rows = {std::vector<double>(12, 1.0)};
    int k = 0;
    for (const int target : {40, 1000, 30000, 300000}) {
      double p = 0;
      for (;; ++k) {
        p = 0;
        for (std::size_t i = 0; i < s.size(); ++i) p += system.weight[i] * s[i];
        if (k == target) break;
        for (std::size_t i = 0; i < s.size(); ++i) s[i] = (1 - system.decay[i]) * s[i] + system.input[i] * p;
      }
      double values[2], total = 0;
      CHECK(contour.functionals(target, rows, values) < 1e-7);
      for (const double x : s) total += x;
      CHECK(values[0] == Approx(p).epsilon(1e-8));
      CHECK(values[1] == Approx(total).epsilon(1e-8));
      std::vector<double> state(12);
      contour.state(target, state);
      for (std::size_t i = 0; i < s.size(); ++i) CHECK(std::abs(state[i] - s[i]) <= 1e-7 * total);
    }
  }
}

TEST_CASE("contour: what it says of itself") {
  for (const auto kind : {RankOneSystem::Kind::flow, RankOneSystem::Kind::map}) {
    const bool map = kind == RankOneSystem::Kind::map;
    CHECK(Contour(example(kind, 0.1, 0), 1e-1).nodes() == 5);  // no fewer than five digits
    CHECK(Contour(example(kind, 0.1, 0), 1e-8).nodes() == 11);
    CHECK(Contour(example(kind, 0.1, 0), 1e-20).nodes() == 15);
    CHECK(Contour(example(kind, 0.1, 0)).earliest() == (map ? 30 : 0));
    for (const double strength : {0.0001, 0.2})
      for (const double source : {0.0, 0.3}) {
        const RankOneSystem system = example(kind, strength, source);
        const Contour contour(system, 1e-11);
        REQUIRE(contour.nodes() == 14);
        // Growth: the largest eigenvalue, which the ratio of two late values without source shows too.
        RankOneSystem free = system;
        free.source = 0;
        const double late = 20000, ratio = exact_shared(free, late) / exact_shared(free, late - 100);
        if (strength > 0.1) CHECK(contour.growth_rate() == Approx(std::log(ratio) / 100).epsilon(1e-10));
        // The rule's terms, one by one. A decaying start and a source are inverted apart, each on its own contour.
        const double t = 500, growth = contour.growth_rate();
        const std::size_t rules = source > 0 && growth < 0 ? 2 : 1;
        double sum = 0, magnitude = 0;
        for (std::size_t rule = 0; rule < rules; ++rule) {
          const double shift = rule == 0 ? growth : 0, start = rule == 0 ? 1 : 0,
                       forcing = rule + 1 == rules ? source : 0;
          for (std::size_t j = 0; j < 14; ++j) {
            const ContourNode node = contour_node(kind, j, 14, t, shift);
            std::complex<double> f = 0, g = 0;
            for (std::size_t i = 0; i < system.decay.size(); ++i) {
              f += system.weight[i] * system.initial[i] / (node.z + system.decay[i]);
              g += system.weight[i] * system.input[i] / (node.z + system.decay[i]);
            }
            const std::complex<double> term =
                std::exp(shift * t) * node.factor * (start * f + g * forcing / node.z) / (1.0 - g);
            sum += term.imag();
            magnitude += std::abs(term);
          }
        }
        CHECK(contour.error_estimate() == 0);
        CHECK(contour.shared(t) == Approx(sum).epsilon(1e-11));
        CHECK(contour.error_estimate() == Approx(std::pow(10.13, -14) * magnitude / sum).epsilon(1e-6));
        CHECK(contour.evaluations() == 14 * rules);
        std::vector<double> state(system.decay.size());
        contour.state(t, state);
        CHECK(contour.evaluations() == 28 * rules);
        // The worst so far is kept.
        const double before = contour.error_estimate();
        contour.shared(40);
        CHECK(contour.error_estimate() >= before);
      }
  }
}

TEST_CASE("contour: modes that nothing drives or that nothing reads") {
  // The first decays on its own and is read; the second is driven and not read; the third is silent.
  RankOneSystem s;
  s.decay = {0.3, 0.1, 0.01};
  s.input = {0, 0.5, 0};
  s.weight = {1, 0, 1};
  s.initial = {2, 1, 0};
  s.source = 0.7;
  const Contour contour(s, 1e-12);
  CHECK(contour.growth_rate() == Approx(-0.1).epsilon(1e-14));
  std::vector<double> state(3);
  for (const double t : {1.0, 30.0}) {
    CHECK(contour.shared(t) == Approx(2 * std::exp(-0.3 * t)).epsilon(1e-10));
    contour.state(t, state);
    // s_2' = -0.1 s_2 + 0.5 (2 e^(-0.3 t) + 0.7)
    const double steady = 3.5, forced = -0.5 * 2 / 0.2;
    const double second = steady + forced * std::exp(-0.3 * t) + (1 - steady - forced) * std::exp(-0.1 * t);
    CHECK(state[1] == Approx(second).epsilon(1e-10));
    CHECK(std::abs(state[2]) < 1e-10);
  }
}

TEST_CASE("contour: maps are invertible where their leading factor is more than twice what the fastest is below 0") {
  const auto map = [](std::vector<double> decay, std::vector<double> input, std::vector<double> initial) {
    return invertible({RankOneSystem::Kind::map, std::move(decay), std::move(input), {1, 1}, std::move(initial), 0});
  };
  // The fastest factor is -.2: the leading one must be above .4.
  CHECK(map({1.2, 0.59}, {1e-9, 1e-9}, {1, 1}));
  CHECK_FALSE(map({1.2, 0.61}, {1e-9, 1e-9}, {1, 1}));
  // It counts where it couples, or where it starts.
  CHECK(map({1.2, 0.59}, {1e-9, 0}, {1, 1}));
  CHECK_FALSE(map({1.2, 0.59}, {1e-9, 0}, {1, 0}));
  // Coupling raises it: of equal modes by the sum of inputs times weights, 1 - .61 + .02.
  CHECK(map({1.2, 0.61}, {1e-9, 0.02}, {1, 1}));
  CHECK(map({1.25, 0.4}, {0.01, 0.01}, {1, 1}));
  CHECK_FALSE(map({1.2501, 0.4}, {0.01, 0.01}, {1, 1}));
  // No factor below 0: anything does; flows and what does not couple always.
  CHECK(map({0.99, 0.98}, {0.01, 0.01}, {1, 1}));
  CHECK(map({1.9, 1.9}, {0, 0}, {1, 1}));
  CHECK(invertible({RankOneSystem::Kind::flow, {1.9, 50}, {1, 1}, {1, 1}, {1, 1}, 0}));
  RankOneSystem bad{RankOneSystem::Kind::map, {1.2, 0.61}, {1e-9, 1e-9}, {1, 1}, {1, 1}, 0};
  CHECK_THROWS_WITH_AS(Contour{bad}, "contour: a map's factors must not be well below 0", std::invalid_argument);
  bad = {RankOneSystem::Kind::flow, {1, INFINITY}, {1, 1}, {1, 1}, {1, 1}, 0};
  const char* numbers = "contour: decays must be finite, input and weight not negative";
  CHECK_THROWS_WITH_AS(Contour{bad}, numbers, std::invalid_argument);
  bad.decay[1] = 2;
  bad.weight[0] = -1;
  CHECK_THROWS_WITH_AS(Contour{bad}, numbers, std::invalid_argument);
  bad.weight = {1};
  CHECK_THROWS_WITH_AS(Contour{bad}, "contour: decay, input, weight and initial must have one entry per mode",
                       std::invalid_argument);
}

TEST_CASE("bad systems are refused") {
  RankOneSystem s = example(RankOneSystem::Kind::map, 0.1, 0);
  s.decay[0] = 1.9;
  CHECK_THROWS(Contour{s});
  s.decay[0] = 0.5;
  s.input[3] = -1;
  CHECK_THROWS(Contour{s});
  s.input.pop_back();
  CHECK_THROWS(Contour{s});
}

TEST_CASE("contour: the nodes invert transforms that they have not seen") {
  // Laplace: 1/(z + a)^2 is t e^(-a t); z-transform: 1/(w + a) with w = e^s - 1 is (1 - a)^k.
  const std::size_t nodes = contour_nodes(14);
  CHECK(nodes == 14);
  const double a = 0.3;
  for (const double t : {0.1, 1.0, 40.0}) {
    double flow = 0;
    for (std::size_t j = 0; j < nodes; ++j) {
      const ContourNode node = contour_node(RankOneSystem::Kind::flow, j, nodes, t, -a);
      flow += (node.factor / ((node.z + a) * (node.z + a))).imag();
    }
    CHECK(flow == Approx(t).epsilon(1e-11));
  }
  for (const double k : {40.0, 100.0, 1000.0}) {
    double map = 0;
    for (std::size_t j = 0; j < nodes; ++j) {
      const ContourNode node = contour_node(RankOneSystem::Kind::map, j, nodes, k, std::log1p(-a));
      map += (node.factor / (node.z + a)).imag();
    }
    CHECK(map == Approx(1).epsilon(1e-11));
  }
}

TEST_CASE("contour: the hyperbola is the best one of Weideman and Trefethen") {
  // s = mu (1 + sin(iu - alpha)), u = (j + 1/2) h: with A = arccosh(2 alpha/((4 alpha - pi) sin alpha)) the terms that are left out,
  // and those between the nodes, are alike for h = A/N and mu = (4 pi alpha - pi^2)/A N/t, and fall as e^(-B N), B =
  // (pi^2 - 2 pi alpha)/A; alpha makes B largest.
  const double pi = std::acos(-1.0);
  const auto A = [&](double alpha) { return std::acosh(2 * alpha / ((4 * alpha - pi) * std::sin(alpha))); };
  const auto B = [&](double alpha) { return (pi * pi - 2 * pi * alpha) / A(alpha); };
  double low = 0.9, high = 1.5;
  while (high - low > 1e-9) {
    const double third = (high - low) / 3;
    (B(low + third) < B(high - third) ? low : high) = B(low + third) < B(high - third) ? low + third : high - third;
  }
  const double alpha = low, h = A(alpha), mu = (4 * pi * alpha - pi * pi) / A(alpha);
  CHECK(contour_nodes(12) == static_cast<std::size_t>(std::ceil(12 / std::log10(std::exp(B(alpha))))));
  CHECK(contour_nodes(9.04) == 9);  // 10.13^-9 is 9.0505 digits
  CHECK(contour_nodes(9.06) == 10);
  const double shift = -0.2;
  for (const double N : {5.0, 14.0})
    for (const double t : {0.7, 60.0})
      for (std::size_t j = 0; j < static_cast<std::size_t>(N); j += 2) {
        const std::complex<double> iu(0, (static_cast<double>(j) + 0.5) * h / N),
            s = shift + mu * N / t * (1.0 + std::sin(iu - alpha)),
            slope = mu * N / t * std::complex<double>(0, 1) * std::cos(iu - alpha);
        const std::complex<double> weight = h / N / pi * slope * std::exp((s - shift) * t);
        const auto near = [](std::complex<double> a, std::complex<double> b) {
          return std::abs(a - b) < 1e-6 * std::abs(b);
        };
        const ContourNode flow = contour_node(RankOneSystem::Kind::flow, j, static_cast<std::size_t>(N), t, shift);
        CHECK(near(flow.z, s));
        CHECK(near(flow.factor, weight));
        if (t < 10) continue;  // a map's nodes stay within |Im s| < pi
        const ContourNode map = contour_node(RankOneSystem::Kind::map, j, static_cast<std::size_t>(N), t, shift);
        CHECK(near(map.z, std::exp(s) - 1.0));
        CHECK(near(map.factor, weight * std::exp(s)));
      }
}
