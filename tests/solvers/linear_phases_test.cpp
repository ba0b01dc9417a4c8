#include "solvers/linear_phases.hpp"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

std::vector<double> uniform(std::size_t count, double low, double high, std::mt19937& generator) {
  std::vector<double> values(count);
  for (double& v : values) v = std::uniform_real_distribution<double>(low, high)(generator);
  return values;
}

// The definition, one mode at a time with dense matrices.
struct Reference {
  LinearModes modes;
  std::vector<std::vector<Eigen::MatrixXd>> sigma;  // [block][mode]

  double apply(const Phase& phase) {
    const std::size_t n = modes.x.size();
    std::vector<double> S(n, 0);
    for (std::size_t b = 0; b < sigma.size(); ++b)
      for (std::size_t i = 0; i < n; ++i) {
        const auto r = static_cast<Eigen::Index>(phase.blocks[b].r);
        const Eigen::Map<const Eigen::VectorXd> e(phase.blocks[b].e.data(), r);
        S[i] += (e.transpose() * sigma[b][i] * e).value();
      }
    double p = 0;
    for (std::size_t i = 0; i < n; ++i) p += modes.weight[i] * S[i];
    for (std::size_t b = 0; b < sigma.size(); ++b)
      for (std::size_t i = 0; i < n; ++i) {
        const PhaseBlock& block = phase.blocks[b];
        const auto r = static_cast<Eigen::Index>(block.r);
        using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
        const Eigen::MatrixXd T = Eigen::Map<const RowMajor>(block.T0.data(), r, r) +
                                  modes.x[i] * Eigen::Map<const RowMajor>(block.T1.data(), r, r);
        const Eigen::Map<const Eigen::VectorXd> noise(block.n.data(), r);
        const double C = phase.noise_scale * (modes.own[i] * S[i] + modes.feedback[i] * (p + modes.source));
        sigma[b][i] = (T * sigma[b][i] * T.transpose() + block.omega * C * noise * noise.transpose()).eval();
      }
    return p;
  }
};

}  // namespace

TEST_CASE("phases of every block size match the definition") {
  std::mt19937 generator(7);
  for (const std::size_t n : {1u, 5u, 8u, 19u})
    for (std::size_t first = 1; first <= max_block; ++first)
      for (std::size_t second = 1; second <= max_block; second += 2) {
        LinearModes modes;
        modes.x = uniform(n, 0, 1, generator);
        modes.weight = uniform(n, 0, 1, generator);
        modes.feedback = uniform(n, 0, 0.1, generator);
        modes.own = uniform(n, -0.1, 0.1, generator);
        modes.source = 0.3;
        LinearPhases state(modes, {first, second});
        Reference reference{modes, {}};
        Phase noisy, sync;
        for (const std::size_t r : {first, second}) {
          PhaseBlock block;
          block.r = r;
          const auto t0 = uniform(r * r, -0.6, 0.6, generator), t1 = uniform(r * r, -0.4, 0.4, generator);
          std::copy(t0.begin(), t0.end(), block.T0.begin());
          std::copy(t1.begin(), t1.end(), block.T1.begin());
          const auto nn = uniform(r, -1, 1, generator), ee = uniform(r, -1, 1, generator);
          std::copy(nn.begin(), nn.end(), block.n.begin());
          std::copy(ee.begin(), ee.end(), block.e.begin());
          block.omega = 0.7;
          noisy.blocks.push_back(block);
          sync.blocks.push_back(block);
        }
        noisy.noise_scale = 0.5;
        for (std::size_t b = 0; b < 2; ++b) {
          const auto r = static_cast<Eigen::Index>(noisy.blocks[b].r);
          reference.sigma.emplace_back();
          for (std::size_t i = 0; i < n; ++i) {
            const auto z = uniform(static_cast<std::size_t>(r), -1, 1, generator);
            const Eigen::Map<const Eigen::VectorXd> vector(z.data(), r);
            reference.sigma[b].emplace_back(vector * vector.transpose());
            for (Eigen::Index row = 0; row < r; ++row)
              for (Eigen::Index col = 0; col < r; ++col)
                state.moment(b, static_cast<std::size_t>(row), static_cast<std::size_t>(col))[i] =
                    reference.sigma[b][i](row, col);
          }
        }
        for (int k = 0; k < 6; ++k) {
          const Phase& phase = k % 3 == 2 ? sync : noisy;
          const double shared = state.shared(phase), p = state.apply(phase), expected = reference.apply(phase);
          CHECK(shared == Approx(expected).epsilon(1e-13));
          if (phase.noise_scale != 0) CHECK(p == shared);
        }
        for (std::size_t b = 0; b < 2; ++b)
          for (std::size_t i = 0; i < n; ++i)
            for (std::size_t row = 0; row < noisy.blocks[b].r; ++row)
              for (std::size_t col = 0; col < noisy.blocks[b].r; ++col) {
                const double expected =
                    reference.sigma[b][i](static_cast<Eigen::Index>(row), static_cast<Eigen::Index>(col));
                CHECK(std::abs(state.moment(b, row, col)[i] - expected) <= 1e-13 * (1 + std::abs(expected)));
              }
      }
}

TEST_CASE("one block of several coordinates is its own source by all of them") {
  // Sigma = a a' of every mode, so that the source is (e.a)^2.
  const std::vector<double> a{2, -3, 0.5};
  for (const std::size_t r : {1, 2, 3})
    for (const std::vector<double>& e : {std::vector<double>{1, 0.5, 4}, {1, 0, 0}, {0, 1, 0}, {-0.3, 1, 2}}) {
      CAPTURE(r);
      CAPTURE(e[0]);
      LinearModes modes;
      modes.x = {0.1, 0.7};
      modes.weight = {1, 0.25};
      modes.feedback = modes.own = {0, 0};
      LinearPhases state(modes, {r});
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = i; j < r; ++j) std::ranges::fill(state.moment(0, i, j), a[i] * a[j]);
      Phase phase;
      phase.blocks.emplace_back();
      phase.blocks[0].r = r;
      std::copy_n(e.begin(), r, phase.blocks[0].e.begin());
      double along = 0;
      for (std::size_t i = 0; i < r; ++i) along += e[i] * a[i];
      CHECK(state.shared(phase) == Approx(1.25 * along * along).epsilon(1e-14));
    }
}

TEST_CASE("a drive takes the place of p and source, and sums over modes are weighted moments") {
  LinearModes modes;
  modes.x = {0.1, 0.7, 0.3};
  modes.weight = {1, 0.25, 2};
  modes.feedback = {0.5, 2, 1};
  modes.own = {0.3, -0.1, 0.2};
  modes.source = 5;
  LinearPhases state(modes, {1, 2});
  CHECK(state.modes() == 3);
  CHECK(state.blocks() == 2);
  const std::vector<double> start{2, 3, 4};
  std::ranges::copy(start, state.moment(1, 1, 1).begin());
  std::ranges::copy(std::vector<double>{7, 8, 9}, state.moment(1, 0, 1).begin());
  CHECK(state.sum(1, 1, 1, std::vector<double>{1, 10, 100}) == 432);
  CHECK(state.sum(1, 1, 0, std::vector<double>{1, 10, 100}) == 987);
  CHECK(state.sum(0, 0, 0, std::vector<double>{1, 10, 100}) == 0);
  Phase phase;
  phase.noise_scale = 0.5;
  phase.blocks.resize(2);
  phase.blocks[1].r = 2;
  phase.blocks[1].T0 = {1, 0, 0, 0.5};
  phase.blocks[1].T1 = {0, 0, 0, 1};
  phase.blocks[1].e = {0, 2};
  phase.blocks[1].n = {0, 3};
  phase.blocks[1].omega = 0.25;
  LinearPhases free = state;
  const double p = 4 * (2 + 0.25 * 3 + 2 * 4);
  CHECK(state.apply_driven(phase, 0.7) == Approx(p).epsilon(1e-14));
  CHECK(free.apply(phase) == Approx(p).epsilon(1e-14));
  for (std::size_t i = 0; i < 3; ++i) {
    const double T = 0.5 + modes.x[i], S = 4 * start[i];
    CHECK(state.moment(1, 1, 1)[i] ==
          Approx(T * T * start[i] + 0.25 * 9 * 0.5 * (modes.own[i] * S + modes.feedback[i] * 0.7)).epsilon(1e-14));
    CHECK(free.moment(1, 1, 1)[i] ==
          Approx(T * T * start[i] + 0.25 * 9 * 0.5 * (modes.own[i] * S + modes.feedback[i] * (p + 5))).epsilon(1e-14));
    CHECK(state.moment(1, 0, 1)[i] == Approx(T * (7 + static_cast<double>(i))).epsilon(1e-14));
    CHECK(state.moment(0, 0, 0)[i] == 0);
  }
  // Without noise neither counts, and p is not read.
  phase.noise_scale = 0;
  const double before = state.moment(1, 1, 1)[2];
  CHECK(state.apply_driven(phase, 100) == 0);
  CHECK(state.moment(1, 1, 1)[2] == Approx(0.64 * before).epsilon(1e-14));
}

TEST_CASE("bad shapes are refused") {
  LinearModes modes;
  CHECK_THROWS_WITH(LinearPhases(modes, {1}), "linear modes: there are none");
  modes.x = {1, 2};
  modes.weight = {1};
  modes.feedback = modes.own = {0, 0};
  CHECK_THROWS_WITH(LinearPhases(modes, {1}), "linear modes: weight has a wrong length");
  modes.weight = {1, 1};
  CHECK_THROWS(LinearPhases(modes, {max_block + 1}));
  CHECK_THROWS(LinearPhases(modes, {}));
}

TEST_CASE("dot products do not depend on how the sum is cut by the vector length") {
  std::mt19937 generator(3);
  for (const std::size_t n : {0u, 1u, 7u, 8u, 9u, 1000u}) {
    const auto a = uniform(n, -1, 1, generator), b = uniform(n, -1, 1, generator);
    double partial[8] = {};
    const std::size_t whole = n / 8 * 8;
    for (std::size_t i = 0; i < whole; ++i) partial[i % 8] += a[i] * b[i];
    double expected = ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
                      ((partial[1] + partial[5]) + (partial[3] + partial[7]));
    for (std::size_t i = whole; i < n; ++i) expected += a[i] * b[i];
    CHECK(dot(a, b) == expected);
  }
}
