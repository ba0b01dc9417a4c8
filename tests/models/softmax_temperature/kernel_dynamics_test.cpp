#include "models/softmax_temperature/kernel_dynamics.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "numerics/constants.hpp"
#include "tests/approx.hpp"

using namespace edgewise;
using namespace edgewise::models::softmax_temperature;
using edgewise::tests::Approx;
using linear_algebra::Matrix;

namespace {

/// K = .5^|i-j| of four points with labels + + - +, beta = 2, eta = .05, from 0 (networks-and-kernels.md, section 3.7).
LogitProblem four_points() {
  LogitProblem p;
  p.kernel = Matrix(4, 4);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      p.kernel(i, j) = std::pow(0.5, std::abs(static_cast<double>(i) - static_cast<double>(j)));
  p.targets = Matrix(1, 4, std::vector<double>{1, 1, -1, 1});
  p.start = Matrix(1, 4);
  p.inverse_temperature = 2;
  p.learning_rate = 0.05;
  return p;
}

}  // namespace

TEST_CASE("four coupled points: the note's values by descent and by the flow") {
  const LogitProblem p = four_points();
  const std::array<std::uint64_t, 2> steps{0, 100};
  const Matrix descended = descended_logits(p, steps)[1], flown = flown_logits(p, steps, 1e-11)[1];
  const double by_descent[] = {1.56802532, 1.25779191, -.86367842, 1.09876968},
               by_flow[] = {1.56194490, 1.25418196, -.85950311, 1.09547171};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(std::abs(descended(0, i) - by_descent[i]) < 6e-9);
    CHECK(std::abs(flown(0, i) - by_flow[i]) < 6e-9);
  }
  LogitProblem half = p;
  half.inverse_temperature = 1;
  half.learning_rate = 0.2;
  const Matrix twice = descended_logits(half, steps)[1];
  for (std::size_t i = 0; i < 4; ++i) CHECK(twice(0, i) == Approx(2 * descended(0, i)).epsilon(1e-13));
}

TEST_CASE("margins: of one logit, and against the largest wrong one") {
  LogitProblem p = four_points();
  CHECK(margins(p, Matrix(1, 4, std::vector<double>{3, -1, 2, 0})) == std::vector<double>{6, -2, -4, 0});
  p.targets = Matrix(3, 2, std::vector<double>{1, 0, 0, 0, 0, 1});
  p.inverse_temperature = 10;
  const std::vector<double> found = margins(p, Matrix(3, 2, std::vector<double>{0.5, 0.2, 0.4, 1, -1, 0.7}));
  CHECK(found[0] == Approx(1));
  CHECK(found[1] == Approx(-3));
}

TEST_CASE("the wide kernel: erf by its arc sine, tanh by Hermite's series in the correlation") {
  // Inputs in the plane at angles whose cosines are the correlations.
  const double angles[] = {0, 0.4, 1.3, pi / 2, pi};
  Matrix x(2, 5);
  for (std::size_t j = 0; j < 5; ++j) {
    x(0, j) = std::cos(angles[j]);
    x(1, j) = std::sin(angles[j]);
  }
  const Matrix erf = wide_kernel(x, true), tanh = wide_kernel(x, false);
  // E phi phi' = sum c_k^2 rho^k, and its slope by rho E phi' phi'; c_k = E phi He_k/sqrt(k!).
  std::vector<double> c(60, 0.0);
  for (double u = -9; u < 9; u += 1.0 / 64) {
    const double weight = std::exp(-u * u / 2) / std::sqrt(2 * pi) / 64;
    double before = 0, now = 1;
    for (std::size_t k = 0; k < c.size(); ++k) {
      c[k] += weight * std::tanh(u) * now;
      const auto n = static_cast<double>(k);
      const double next = (u * now - std::sqrt(n) * before) / std::sqrt(n + 1);
      before = now;
      now = next;
    }
  }
  for (std::size_t j = 1; j < 4; ++j) {
    const double rho = std::cos(angles[j]);
    CHECK(erf(0, j) ==
          Approx(2 / pi * std::asin(rho / 2) + rho * 2 / pi / std::sqrt(4 - rho * rho)).epsilon(1e-13).scale(1e-13));
    double sum = 0;
    for (std::size_t k = 0; k < c.size(); ++k) sum += (1 + static_cast<double>(k)) * c[k] * c[k] * std::pow(rho, k);
    CHECK(tanh(0, j) == Approx(sum).epsilon(2e-4).scale(1e-10));
    CHECK(tanh(j, 0) == tanh(0, j));
  }
  CHECK(tanh(0, 4) == Approx(-tanh(0, 0)).epsilon(1e-12));
}

TEST_CASE("the flow of coupled points, and its stage of small logits, by Runge and Kutta's steps") {
  // dz_ic/dt = eta beta sum_j K_ij (y_jc - softmax(beta z_j)_c), of one logit y sigma(-beta y z). Where logits are small the
  // softmax is its tangent at 0, of what is left of z without its mean over classes.
  for (const std::size_t C : {1, 3}) {
    CAPTURE(C);
    LogitProblem p;
    p.kernel = Matrix(2, 2, std::vector<double>{2, 0.5, 0.5, 1});
    p.inverse_temperature = 1.7;
    p.learning_rate = 0.1;
    p.start = C == 1 ? Matrix(1, 2, std::vector<double>{0.5, -0.3})
                     : Matrix(3, 2, std::vector<double>{0.5, 0, -1, 0.2, 0.1, 0});
    p.targets = C == 1 ? Matrix(1, 2, std::vector<double>{1, -1}) : Matrix(3, 2, std::vector<double>{0, 0, 1, 1, 0, 0});
    const double beta = 1.7;
    const auto rate = [&](const Matrix& z, bool small) {
      Matrix force(C, 2), out(C, 2);
      for (std::size_t i = 0; i < 2; ++i) {
        double all = 0, mean = 0;
        for (std::size_t c = 0; c < C; ++c) {
          all += std::exp(beta * z(c, i));
          mean += z(c, i) / static_cast<double>(C);
        }
        for (std::size_t c = 0; c < C; ++c) {
          const double y = p.targets(c, i);
          if (C == 1)
            force(c, i) = small ? y / 2 - beta * z(c, i) / 4 : y / (1 + std::exp(beta * y * z(c, i)));
          else
            force(c, i) = y - (small ? 1.0 / 3 + beta * (z(c, i) - mean) / 3 : std::exp(beta * z(c, i)) / all);
        }
      }
      for (std::size_t i = 0; i < 2; ++i)
        for (std::size_t j = 0; j < 2; ++j)
          for (std::size_t c = 0; c < C; ++c) out(c, i) += 0.1 * beta * p.kernel(i, j) * force(c, j);
      return out;
    };
    const auto moved = [](Matrix z, const Matrix& by, double factor) {
      for (std::size_t k = 0; k < z.size(); ++k) z.entries()[k] += factor * by.entries()[k];
      return z;
    };
    const std::array<std::uint64_t, 3> steps{0, 3, 20};
    const auto flown = flown_logits(p, steps, 1e-11), small = small_logits(p, steps);
    for (const bool linear : {false, true}) {
      CAPTURE(linear);
      Matrix z = p.start;
      constexpr int parts = 20;
      constexpr double h = 1.0 / parts;
      for (std::uint64_t step = 0, at = 0; step <= 20; ++step) {
        if (step == steps[at]) {
          for (std::size_t k = 0; k < z.size(); ++k)
            CHECK((linear ? small : flown)[at].entries()[k] == Approx(z.entries()[k]).epsilon(1e-7));
          ++at;
        }
        for (int part = 0; part < parts; ++part) {
          const Matrix a = rate(z, linear), b = rate(moved(z, a, h / 2), linear), c = rate(moved(z, b, h / 2), linear),
                       d = rate(moved(z, c, h), linear);
          z = moved(moved(moved(moved(z, a, h / 6), b, h / 3), c, h / 3), d, h / 6);
        }
      }
    }
  }
}
