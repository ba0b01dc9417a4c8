#include "solvers/contour.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <cmath>

using namespace edgewise::solvers;

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
          CHECK(contour.shared(t) == doctest::Approx(expected).epsilon(2e-11));
          contour.state(t, state);
          double values[2];
          const std::vector<std::vector<double>> rows = {std::vector<double>(state.size(), 1.0)};
          contour.functionals(t, rows, values);
          double total = 0, largest = 0;
          for (const double v : expected_state) {
            total += v;
            largest = std::max(largest, std::abs(v));
          }
          CHECK(values[1] == doctest::Approx(total).epsilon(2e-10));
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
    CHECK(contour.shared(6000) == doctest::Approx(p).epsilon(1e-10));
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
    CHECK(total == doctest::Approx(1).epsilon(1e-11));
  }
  CHECK(leading_shift(decay, std::vector<double>{0, 0, 0}, weight) == 0);
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
    CHECK(flow == doctest::Approx(t).epsilon(1e-11));
  }
  for (const double k : {40.0, 100.0, 1000.0}) {
    double map = 0;
    for (std::size_t j = 0; j < nodes; ++j) {
      const ContourNode node = contour_node(RankOneSystem::Kind::map, j, nodes, k, std::log1p(-a));
      map += (node.factor / (node.z + a)).imag();
    }
    CHECK(map == doctest::Approx(1).epsilon(1e-11));
  }
}
