// Gradients against central differences of the recursion itself, to the error that those have.
#include "solvers/adjoint.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::solvers;
using edgewise::tests::Approx;

namespace {

/// A law by its coefficients, one step after another, and the way back over a step as its formulas have it.
struct ByCoefficients : ControlledModes {
  virtual void coefficients(double t, std::span<const double> p, std::span<double> rate,
                            std::span<double> source) const = 0;
  /// u_lj, row l after row.
  virtual void sensitivity(double t, std::span<const double> p, std::span<const double> M,
                           std::span<double> u) const = 0;
  virtual void pull_back(double t, std::span<const double> p, std::span<const double> M, std::span<const double> a,
                         std::span<double> by_control, std::span<double> by_parameter) const = 0;
  void read(std::span<const double> M, std::span<double> p) const {
    for (std::size_t l = 0; l < shared(); ++l) {
      p[l] = 0;
      for (std::size_t i = 0; i < size(); ++i) p[l] += weights(l)[i] * M[i];
    }
  }
  void step(std::uint64_t k, std::span<const double> p, std::span<const double> M, std::span<double> to,
            std::span<double> next) const override {
    rates.resize(size());
    sources.resize(size());
    coefficients(static_cast<double>(k), p, rates, sources);
    for (std::size_t i = 0; i < size(); ++i) to[i] = M[i] + sources[i] - rates[i] * M[i];
    read(to, next);
  }
  void step_back(std::uint64_t k, std::span<const double> p, std::span<const double> M, std::span<const double> lift,
                 std::span<double> a, std::span<double> slope, std::span<double> by_control,
                 std::span<double> by_parameter) const override {
    const auto t = static_cast<double>(k);
    std::vector<double> u(shared() * size());
    rates.resize(size());
    sources.resize(size());
    coefficients(t, p, rates, sources);
    sensitivity(t, p, M, u);
    for (std::size_t l = 0; l < shared(); ++l)
      for (std::size_t i = 0; i < size(); ++i) a[i] += weights(l)[i] * lift[l];
    for (std::size_t l = 0; l < shared(); ++l)
      for (std::size_t i = 0; i < size(); ++i) slope[l] += a[i] * u[l * size() + i];
    pull_back(t, p, M, a, by_control, by_parameter);
    for (std::size_t i = 0; i < size(); ++i) a[i] *= 1 - rates[i];
  }
  mutable std::vector<double> rates, sources;  // of one step
};

/// SGD on least squares: rate 2 c l - c^2 l^2 (1 + g), source g c^2 l (p + s), p = sum l_i M_i; parameters (g, s) and l.
struct Sgd : ByCoefficients {
  std::vector<double> lambda, eta;
  double g = 0.25, s = 0.3;
  std::size_t size() const override { return lambda.size(); }
  std::span<const double> weights(std::size_t) const override { return lambda; }
  double c(double t) const { return eta[static_cast<std::size_t>(t)]; }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    for (std::size_t i = 0; i < lambda.size(); ++i) {
      const double x = c(t) * lambda[i];
      rate[i] = 2 * x - x * x * (1 + g);
      source[i] = g * c(t) * x * (p[0] + s);
    }
  }
  void sensitivity(double t, std::span<const double>, std::span<const double>, std::span<double> u) const override {
    for (std::size_t i = 0; i < lambda.size(); ++i) u[i] = g * c(t) * c(t) * lambda[i];
  }
  std::size_t parameters() const override { return 2 + lambda.size(); }
  void pull_back(double t, std::span<const double> p, std::span<const double> M, std::span<const double> a,
                 std::span<double> by_control, std::span<double> by_parameter) const override {
    const double e = c(t);
    for (std::size_t i = 0; i < lambda.size(); ++i) {
      const double l = lambda[i];
      by_control[0] += a[i] * (-(2 * l - 2 * e * l * l * (1 + g)) * M[i] + 2 * g * e * l * (p[0] + s));
      by_parameter[0] += a[i] * (e * e * l * l * M[i] + e * e * l * (p[0] + s));
      by_parameter[1] += a[i] * g * e * e * l;
      by_parameter[2 + i] += a[i] * (-(2 * e - 2 * e * e * l * (1 + g)) * M[i] + g * e * e * (p[0] + s));
    }
  }
};

/// Two shared scalars in a nonlinear law, two controls a step: rate = c_0 w_i sqrt(p_0), source = c_1 p_1 / (1 + p_0).
struct TwoScalars : ByCoefficients {
  std::vector<double> first{1.0, 0.5, 0.25}, second{0.2, 0.3, 0.1}, control;
  std::size_t size() const override { return 3; }
  std::size_t shared() const override { return 2; }
  std::size_t controls() const override { return 2; }
  std::span<const double> weights(std::size_t l) const override { return l == 0 ? first : second; }
  const double* at(double t) const { return control.data() + 2 * static_cast<std::size_t>(t); }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    for (std::size_t i = 0; i < 3; ++i) {
      rate[i] = at(t)[0] * first[i] * std::sqrt(p[0]);
      source[i] = at(t)[1] * p[1] / (1 + p[0]);
    }
  }
  void sensitivity(double t, std::span<const double> p, std::span<const double> M, std::span<double> u) const override {
    for (std::size_t i = 0; i < 3; ++i) {
      u[i] = -at(t)[0] * first[i] * M[i] / (2 * std::sqrt(p[0])) - at(t)[1] * p[1] / ((1 + p[0]) * (1 + p[0]));
      u[3 + i] = at(t)[1] / (1 + p[0]);
    }
  }
  void pull_back(double, std::span<const double> p, std::span<const double> M, std::span<const double> a,
                 std::span<double> by_control, std::span<double>) const override {
    for (std::size_t i = 0; i < 3; ++i) {
      by_control[0] -= a[i] * first[i] * std::sqrt(p[0]) * M[i];
      by_control[1] += a[i] * p[1] / (1 + p[0]);
    }
  }
};

/// J by the steps alone.
double value(const ByCoefficients& system, const std::vector<double>& start, std::uint64_t steps,
             const Functional& phi) {
  std::vector<double> M = start, p(system.shared()), slope(p.size());
  system.read(M, p);
  double sum = 0;
  for (std::uint64_t k = 0;; ++k) {
    sum += phi(k, p, slope);
    if (k == steps) return sum;
    system.step(k, p, M, M, p);
  }
}

/// dJ/dx by central differences of fourth order: error some 1e-10 here.
double difference(double& x, const std::function<double()>& J) {
  const double at = x, h = 1e-3 * std::max(std::abs(at), 0.1);
  const auto of = [&](double shift) {
    x = at + shift;
    const double out = J();
    x = at;
    return out;
  };
  return (8 * (of(h) - of(-h)) - (of(2 * h) - of(-2 * h))) / (12 * h);
}

void check(double computed, double expected) {
  CHECK(computed == Approx(expected).epsilon(1e-7).scale(1e-2));
}

/// Of the whole trajectory: a weighted sum of log p.
double weighted_log(std::uint64_t k, std::span<const double> p, std::span<double> slope) {
  const double weight = 1 / (1.0 + static_cast<double>(k));
  slope[0] = weight / p[0];
  return weight * std::log(p[0]);
}

}  // namespace

TEST_CASE("SGD: by every rate, by hyperparameters, by the spectrum, by the start") {
  for (const std::uint64_t steps : {1, 2, 3, 16, 17, 40}) {
    CAPTURE(steps);
    Sgd system;
    system.lambda = {1.0, 0.4, 0.4, 0.01};
    for (std::uint64_t k = 0; k < steps; ++k) system.eta.push_back(0.3 + 0.2 * std::cos(static_cast<double>(k)));
    std::vector<double> start{1.0, 0.5, 2.0, 3.0};
    for (const Functional& phi : {final_scalar(steps), Functional(weighted_log)}) {
      const Gradient found = gradient(system, start, steps, phi, {}, true);
      const auto J = [&] { return value(system, start, steps, phi); };
      CHECK(found.value == Approx(J()).epsilon(1e-13));
      for (std::uint64_t k = 0; k < steps; ++k) check(found.by_control[k], difference(system.eta[k], J));
      check(found.by_parameter[0], difference(system.g, J));
      check(found.by_parameter[1], difference(system.s, J));
      for (std::size_t i = 0; i < 4; ++i) {
        // lambda is a coefficient and a weight.
        check(found.by_parameter[2 + i] + found.by_weight[i], difference(system.lambda[i], J));
        check(found.by_start[i], difference(start[i], J));
      }
    }
  }
}

TEST_CASE("a nonlinear law of two shared scalars with two controls a step") {
  constexpr std::uint64_t steps = 11;
  TwoScalars system;
  for (std::uint64_t k = 0; k < 2 * steps; ++k) system.control.push_back(0.1 + 0.01 * static_cast<double>(k % 7));
  std::vector<double> start{1.0, 2.0, 0.5};
  const Functional phi = [](std::uint64_t k, std::span<const double> p, std::span<double> slope) {
    slope[0] = k == 5 ? 2 * p[0] : 0;
    slope[1] = k == steps ? 1 : 0;
    return (k == 5 ? p[0] * p[0] : 0) + (k == steps ? p[1] : 0);
  };
  const Gradient found = gradient(system, start, steps, phi, {}, true);
  const auto J = [&] { return value(system, start, steps, phi); };
  for (std::size_t k = 0; k < system.control.size(); ++k) check(found.by_control[k], difference(system.control[k], J));
  for (std::size_t i = 0; i < 3; ++i) {
    check(found.by_start[i], difference(start[i], J));
    check(found.by_weight[3 + i], difference(system.second[i], J));  // `second` is a weight only
  }
}

TEST_CASE("a run whose states are too many to be held has the same gradient") {
  constexpr std::uint64_t steps = 800000;  // 3 numbers a state: more than 16 MiB
  Sgd system;
  system.lambda = {1.0, 0.4, 0.01};
  system.eta.assign(steps, 1e-6);
  const std::vector<double> start{1.0, 0.5, 2.0};
  CHECK(Checkpoints(steps, 3).stride() == 894);
  const Gradient found = gradient(system, start, steps, final_scalar(steps));
  const auto J = [&] { return value(system, start, steps, final_scalar(steps)); };
  CHECK(found.value == Approx(J()).epsilon(1e-13));
  // A rate of 1e-6 moves J by little: steps as large as rates may be.
  const double moves = -2 * (std::exp(-1.6) + 0.16 * 0.5 * std::exp(-0.64) + 1e-4 * 2 * std::exp(-0.016));
  for (const std::uint64_t k : {std::uint64_t{0}, std::uint64_t{893}, std::uint64_t{894}, steps / 2, steps - 1}) {
    CAPTURE(k);
    const double at = system.eta[k], h = 0.01;
    const auto of = [&](double shift) {
      system.eta[k] = at + shift;
      const double out = J();
      system.eta[k] = at;
      return out;
    };
    CHECK(found.by_control[k] == Approx((of(h) - of(-h)) / (2 * h)).epsilon(1e-9));  // J is a parabola of it
    CHECK(found.by_control[k] == Approx(moves).epsilon(1e-4));
  }
}

TEST_CASE("states are held where the way back starts from") {
  Checkpoints all(4, 2), some(10, std::size_t{1} << 20);
  CHECK(all.stride() == 1);
  CHECK(some.stride() == 3);
  // Stretches of 512 kB, where 16 MiB hold the states between; else as many states as they hold.
  CHECK(Checkpoints(3000, 3000).stride() == 22);
  CHECK(Checkpoints(100000, 900).stride() == 73);
  const std::vector<double> state{1.5, -2.0}, large(std::size_t{1} << 20, 7.0);
  CHECK(all.held_before(3) == 3);
  CHECK(some.held_before(5) == 3);
  CHECK(all.at(3) == all.at(0) + 6);
  CHECK(some.at(3) == some.at(0) + (std::size_t{1} << 20));
  // All of a short run are seen at once, of a long one stretch after stretch, computed again from where they are held.
  const auto tell = [](const Checkpoints& of, std::uint64_t steps, std::size_t size) {
    for (std::uint64_t k = 0; k <= steps; ++k)
      if (k == of.held_before(k)) of.at(k)[size - 1] = static_cast<double>(k);
    std::vector<double> seen;
    of.backwards(
        [&](std::uint64_t first, std::uint64_t end, double* states) {
          for (std::uint64_t k = first; k + 1 < end; ++k)
            states[(k + 2 - first) * size - 1] = states[(k + 1 - first) * size - 1] + 1;
        },
        [&](std::uint64_t first, std::uint64_t end, const double* states) {
          for (std::uint64_t k = end; k-- > first;) seen.push_back(states[(k + 1 - first) * size - 1]);
        });
    return seen;
  };
  CHECK(tell(all, 4, 2) == std::vector<double>{3, 2, 1, 0});
  CHECK(tell(some, 10, std::size_t{1} << 20) == std::vector<double>{9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
}

TEST_CASE("a run that is refused has no gradient") {
  Sgd system;
  system.lambda = {1.0};
  system.eta.assign(9, 5.0);
  const std::vector<double> start{1.0};
  std::uint64_t asked = 0;
  const Gradient found = gradient(system, start, 9, final_scalar(9), [&](std::uint64_t k, std::span<const double> p) {
    asked = k;
    return p[0] < 1e3;
  });
  CHECK(std::isinf(found.value));
  CHECK(found.by_control.empty());
  CHECK(asked < 9);
}

TEST_CASE("no step, no gradient by a control") {
  Sgd system;
  system.lambda = {2.0};
  const std::vector<double> start{3.0};
  const Gradient found = gradient(system, start, 0, final_scalar(0), {}, true);
  CHECK(found.value == 6);
  CHECK(found.by_start == std::vector<double>{2.0});
  CHECK(found.by_weight == std::vector<double>{3.0});
  CHECK(found.by_control.empty());
}

TEST_CASE("a diverging trajectory and a wrong start are told") {
  Sgd system;
  system.lambda = {1.0};
  system.eta.assign(800, 1e6);
  const std::vector<double> one{1.0}, two{1.0, 1.0};
  CHECK_THROWS_WITH_AS(gradient(system, one, 800, final_scalar(800)), "the trajectory diverges: it has no gradient",
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(gradient(system, two, 1, final_scalar(1)), "the gradient needs one initial value per mode",
                       std::invalid_argument);
}
