#include "models/quadratic_map/regression.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace edgewise::models::quadratic_map {

namespace {

/// A value with its derivative along one direction.
struct Dual {
  double value = 0, slope = 0;
  Dual() = default;
  Dual(double v) : value(v) {}  // NOLINT: constants enter formulas as they are
  Dual(double v, double s) : value(v), slope(s) {}
};

Dual operator+(Dual a, Dual b) {
  return {a.value + b.value, a.slope + b.slope};
}
Dual operator-(Dual a, Dual b) {
  return {a.value - b.value, a.slope - b.slope};
}
Dual operator*(Dual a, Dual b) {
  return {a.value * b.value, a.value * b.slope + a.slope * b.value};
}
Dual operator/(Dual a, Dual b) {
  const double quotient = a.value / b.value;
  return {quotient, (a.slope - quotient * b.slope) / b.value};
}
Dual sqrt(Dual a) {
  const double root = std::sqrt(a.value);
  return {root, a.slope / (2 * root)};
}
double value_of(double x) {
  return x;
}
double value_of(Dual x) {
  return x.value;
}

/// How far along the gradient, in units of J, SAM looks: c of docs/theory/quadratic-regression.md (5.3).
template <class T>
T look_ahead(MapRule rule, double radius, T z, T t0) {
  using std::sqrt;
  if (rule == MapRule::sam) return T(radius) * z;
  if (rule == MapRule::gd || value_of(z) == 0 || !(value_of(t0) > 0)) return T(0);
  return T(std::copysign(radius, value_of(z))) / sqrt(t0);
}

template <class T>
void step(const QuadraticRegression& problem, std::span<const T> x, std::span<T> next) {
  const std::vector<double>& omega = problem.curvature;
  const std::size_t P = omega.size();
  const T z = x[0];
  T t0(0), t1(0);
  for (std::size_t i = 0; i < P; ++i) {
    const T square = x[i + 1] * x[i + 1];
    t0 = t0 + square;
    t1 = t1 + T(omega[i]) * square;
  }
  if (problem.rule == MapRule::gd) {
    next[0] = z * (T(1) - t0) + T(0.5) * z * z * t1;
    for (std::size_t i = 0; i < P; ++i) next[i + 1] = x[i + 1] * (T(1) - z * T(omega[i]));
    return;
  }
  const T c = look_ahead(problem.rule, problem.radius, z, t0);
  const T s = z + c * t0 + T(0.5) * c * c * t1;
  T slope(0), bend(0);
  for (std::size_t i = 0; i < P; ++i) {
    const T ahead = (T(1) + c * T(omega[i])) * x[i + 1];
    slope = slope + x[i + 1] * ahead;
    bend = bend + T(omega[i]) * ahead * ahead;
    next[i + 1] = x[i + 1] - s * T(omega[i]) * ahead;
  }
  next[0] = z - s * slope + T(0.5) * s * s * bend;
}

}  // namespace

std::vector<double> QuadraticRegression::start() const {
  std::vector<double> x{residual};
  x.insert(x.end(), jacobian.begin(), jacobian.end());
  return x;
}

double curvature_moment(const QuadraticRegression& problem, std::span<const double> state, int k) {
  double sum = 0;
  for (std::size_t i = 0; i < problem.parameters(); ++i) {
    double power = state[i + 1] * state[i + 1];
    for (int n = 0; n < k; ++n) power *= problem.curvature[i];
    sum += power;
  }
  return sum;
}

solvers::Map regression_map(const QuadraticRegression& problem) {
  solvers::Map map;
  map.size = problem.parameters() + 1;
  map.step = [problem](std::span<const double> x, std::span<double> next) { step<double>(problem, x, next); };
  map.tangent = [problem](std::span<const double> x, std::span<const double> v, std::span<double> next) {
    std::vector<Dual> from(x.size()), to(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) from[i] = {x[i], v[i]};
    step<Dual>(problem, from, to);
    for (std::size_t i = 0; i < x.size(); ++i) next[i] = to[i].slope;
  };
  return map;
}

std::function<void(std::span<const double>, std::span<double>)> regression_flow(const QuadraticRegression& problem) {
  return [&problem](std::span<const double> x, std::span<double> dxdt) {
    dxdt[0] = -x[0] * curvature_moment(problem, x, 0);
    for (std::size_t i = 0; i < problem.parameters(); ++i) dxdt[i + 1] = -x[0] * problem.curvature[i] * x[i + 1];
  };
}

solvers::Map moment_map(const QuadraticRegression& problem) {
  if (problem.parameters() != 2) throw std::invalid_argument("the moments close for two parameters only");
  const double s = problem.curvature[0] + problem.curvature[1], p = problem.curvature[0] * problem.curvature[1];
  solvers::Map map;
  map.size = 3;
  map.step = [s, p, rule = problem.rule, radius = problem.radius](std::span<const double> x, std::span<double> next) {
    std::array<double, 6> T{x[1], x[2]};
    for (std::size_t k = 2; k < T.size(); ++k) T[k] = s * T[k - 1] - p * T[k - 2];
    const double z = x[0], c = look_ahead(rule, radius, z, T[0]);
    const double pull = z + c * T[0] + 0.5 * c * c * T[1];
    // sum omega^k J A and sum omega^k A^2.
    const auto mixed = [&](std::size_t k) { return T[k] + c * T[k + 1]; };
    const auto ahead = [&](std::size_t k) { return T[k] + 2 * c * T[k + 1] + c * c * T[k + 2]; };
    next[0] = z - pull * mixed(0) + 0.5 * pull * pull * ahead(1);
    next[1] = T[0] - 2 * pull * mixed(1) + pull * pull * ahead(2);
    next[2] = T[1] - 2 * pull * mixed(2) + pull * pull * ahead(3);
  };
  return map;
}

std::vector<double> moment_start(const QuadraticRegression& problem) {
  const std::vector<double> x = problem.start();
  return {x[0], curvature_moment(problem, x, 0), curvature_moment(problem, x, 1)};
}

bool has_invariant(const QuadraticRegression& problem) {
  for (std::size_t i = 0; i < problem.parameters(); ++i)
    if (problem.curvature[i] == 0 && problem.jacobian[i] != 0) return false;
  return true;
}

double invariant(const QuadraticRegression& problem, std::span<const double> state) {
  if (!has_invariant(problem)) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (std::size_t i = 0; i < problem.parameters(); ++i)
    if (problem.curvature[i] != 0) sum += state[i + 1] * state[i + 1] / problem.curvature[i];
  return state[0] - 0.5 * sum;
}

std::vector<double> parameter_direction(const QuadraticRegression& problem, std::span<const double> state) {
  std::vector<double> v(problem.parameters() + 1);
  for (std::size_t i = 0; i < problem.parameters(); ++i) {
    v[0] += state[i + 1];
    v[i + 1] = problem.curvature[i];
  }
  return v;
}

}  // namespace edgewise::models::quadratic_map
