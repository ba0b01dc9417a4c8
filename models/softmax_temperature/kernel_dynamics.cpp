#include "models/softmax_temperature/kernel_dynamics.hpp"

#include <algorithm>
#include <cmath>

#include "numerics/constants.hpp"
#include "numerics/sums.hpp"
#include "solvers/flow.hpp"

namespace edgewise::models::softmax_temperature {

using linear_algebra::Matrix;

Matrix LogitProblem::force(const Matrix& logits) const {
  Matrix out = loss().cotangent(logits, targets);
  for (double& x : out.entries()) x *= -static_cast<double>(points());
  return out;
}

std::vector<double> margins(const LogitProblem& problem, const Matrix& logits) {
  std::vector<double> out;
  for (std::size_t i = 0; i < logits.columns(); ++i) {
    const auto z = logits.column(i), y = problem.targets.column(i);
    double margin = 0;
    if (logits.rows() == 1) {
      margin = y[0] * z[0];
    } else {
      const auto right = static_cast<std::size_t>(std::ranges::max_element(y) - y.begin());
      double other = -infinity;
      for (std::size_t c = 0; c < z.size(); ++c)
        if (c != right) other = std::max(other, z[c]);
      margin = z[right] - other;
    }
    out.push_back(problem.inverse_temperature * margin);
  }
  return out;
}

std::vector<Matrix> descended_logits(const LogitProblem& problem, std::span<const std::uint64_t> steps) {
  std::vector<Matrix> out;
  Matrix z = problem.start;
  std::uint64_t k = 0;
  for (const std::uint64_t step : steps) {
    for (; k < step; ++k)
      linear_algebra::multiply(problem.learning_rate, problem.force(z), linear_algebra::Transposed::no, problem.kernel,
                               linear_algebra::Transposed::no, 1, z);
    out.push_back(z);
  }
  return out;
}

std::vector<Matrix> flown_logits(const LogitProblem& problem, std::span<const std::uint64_t> steps, double rtol) {
  const std::size_t C = problem.start.rows(), n = problem.points();
  std::vector<double> times(steps.begin(), steps.end());
  solvers::FlowOptions options;
  options.rtol = rtol;
  options.atol = rtol * 1e-3 / problem.inverse_temperature;
  const auto rate = [&](std::span<const double> x, std::span<double> dxdt) {
    const Matrix force = problem.force(Matrix(C, n, x));
    linear_algebra::multiply(C, n, n, problem.learning_rate, force.data(), C, linear_algebra::Transposed::no,
                             problem.kernel.data(), n, linear_algebra::Transposed::no, 0, dxdt.data(), C);
  };
  std::vector<Matrix> out;
  if (times.size() == 1) return {problem.start};
  for (const std::vector<double>& state : solvers::integrate_flow(rate, problem.start.entries(), times, options).states)
    out.emplace_back(C, n, state);
  return out;
}

std::vector<Matrix> small_logits(const LogitProblem& problem, std::span<const std::uint64_t> steps) {
  const Matrix& start = problem.start;
  const std::size_t C = start.rows(), n = problem.points();
  const double beta = problem.inverse_temperature, slope = beta * beta * (C == 1 ? 0.25 : 1 / static_cast<double>(C));
  // z - mean over classes goes to force(0)/slope at the rates slope times the eigenvalues of K.
  const linear_algebra::SymmetricEigen of = linear_algebra::symmetric_eigen(problem.kernel);
  const Matrix pull = problem.force(Matrix(C, n));
  Matrix away(C, n);
  for (std::size_t i = 0; i < n; ++i) {
    double mean = 0;
    for (const double z : start.column(i)) mean += C == 1 ? 0 : z / static_cast<double>(C);
    for (std::size_t c = 0; c < C; ++c) away(c, i) = start(c, i) - mean - pull(c, i) / slope;
  }
  const Matrix along = linear_algebra::product(away, of.vectors);
  std::vector<Matrix> out;
  for (const std::uint64_t step : steps) {
    Matrix fallen = along;
    for (std::size_t j = 0; j < n; ++j) {
      const double by =
          std::expm1(-problem.learning_rate * slope * std::max(of.values[j], 0.0) * static_cast<double>(step));
      for (double& x : fallen.column(j)) x *= by;
    }
    Matrix z =
        linear_algebra::product(fallen, of.vectors, linear_algebra::Transposed::no, linear_algebra::Transposed::yes);
    for (std::size_t k = 0; k < z.size(); ++k) z.data()[k] += start.data()[k];
    out.push_back(std::move(z));
  }
  return out;
}

Matrix wide_kernel(const Matrix& inputs, bool erf) {
  const std::size_t n = inputs.columns();
  Matrix out(n, n);
  constexpr int half = 32;
  constexpr double h = 0.25;
  const auto weight = [](int i) { return std::exp(-h * h * i * i / 2) * h / std::sqrt(2 * pi); };
  for (std::size_t a = 0; a < n; ++a)
    for (std::size_t b = 0; b <= a; ++b) {
      const double rho = std::clamp(numerics::dot_in_order(inputs.column(a), inputs.column(b)), -1.0, 1.0);
      double states = 0, slopes = 0;
      if (erf) {
        states = 2 / pi * std::asin(rho / 2);
        slopes = 2 / pi / std::sqrt(1 - rho * rho / 4) / 2;
      } else {
        const double across = std::sqrt((1 - rho) * (1 + rho));
        for (int i = -half; i <= half; ++i)
          for (int j = -half; j <= half; ++j) {
            const double first = std::tanh(h * i), second = std::tanh(rho * h * i + across * h * j);
            const double w = weight(i) * weight(j);
            states += w * first * second;
            slopes += w * (1 - first * first) * (1 - second * second);
          }
      }
      out(a, b) = out(b, a) = states + rho * slopes;
    }
  return out;
}

}  // namespace edgewise::models::softmax_temperature
