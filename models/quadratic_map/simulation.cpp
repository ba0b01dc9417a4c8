#include "models/quadratic_map/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "linear_algebra/dense.hpp"
#include "models/framework/simulation_of.hpp"
#include "numerics/sums.hpp"
#include "random/random.hpp"

namespace edgewise::models::quadratic_map {

namespace {

using linear_algebra::Matrix;

/// The problem in the raw variables and the basis that the parameters have.
struct ParameterSpace {
  std::vector<double> jacobian;  // J_0
  Matrix curvature;              // Q
  Matrix basis;                  // its eigenvectors, by column
  std::vector<double> eigenvalues;
  double residual = 0, learning_rate = 1, radius = 0;  // radius: rho
  MapRule rule = MapRule::gd;
  bool with_invariant = false;
};

Matrix basis_of(std::size_t size, bool rotated, std::uint64_t seed) {
  Matrix basis(size, size);
  for (std::size_t i = 0; i < size; ++i) basis(i, i) = 1;
  if (!rotated) return basis;
  // Every replica has the same: what rounding makes of it is no fluctuation.
  random::Stream stream(seed, 0, 0, random::Purpose::initial);
  for (std::size_t j = 0; j < size; ++j)
    for (double& entry : basis.column(j)) entry = stream.normal();
  return linear_algebra::orthonormal_columns(basis);
}

std::shared_ptr<const ParameterSpace> parameter_space(const QuadraticRegression& problem, double learning_rate,
                                                      bool rotated, std::uint64_t seed) {
  const std::size_t P = problem.parameters();
  auto space = std::make_shared<ParameterSpace>();
  space->learning_rate = learning_rate;
  space->residual = problem.residual / learning_rate;
  space->rule = problem.rule;
  space->radius =
      problem.rule == MapRule::sam ? problem.radius * learning_rate : problem.radius / std::sqrt(learning_rate);
  space->eigenvalues = problem.curvature;
  space->with_invariant = has_invariant(problem);
  space->basis = basis_of(P, rotated, seed);
  space->curvature = Matrix(P, P);
  space->jacobian.assign(P, 0);
  for (std::size_t k = 0; k < P; ++k) {
    const auto direction = space->basis.column(k);
    for (std::size_t i = 0; i < P; ++i) {
      space->jacobian[i] += direction[i] * problem.jacobian[k] / std::sqrt(learning_rate);
      for (std::size_t j = 0; j < P; ++j) space->curvature(i, j) += direction[i] * problem.curvature[k] * direction[j];
    }
  }
  return space;
}

class QuadraticReplica final : public Replica {
 public:
  explicit QuadraticReplica(std::shared_ptr<const ParameterSpace> space)
      : space_(std::move(space)),
        theta_(space_->jacobian.size()),
        ahead_(theta_.size()),
        jacobian_(space_->jacobian),
        residual_(space_->residual) {}

  void advance(std::uint64_t step) override {
    for (; step_ < step && std::isfinite(residual_); ++step_) move();
    step_ = std::max(step_, step);
  }

  void observe(std::span<double> out) const override {
    const std::size_t P = theta_.size();
    double curvature = 0, invariant = residual_;
    for (std::size_t j = 0; j < P; ++j)
      curvature += jacobian_[j] * numerics::dot_in_order(space_->curvature.column(j), jacobian_);
    for (std::size_t k = 0; space_->with_invariant && k < P; ++k) {
      if (space_->eigenvalues[k] == 0) continue;
      const double along = numerics::dot_in_order(space_->basis.column(k), jacobian_);
      invariant -= 0.5 * along * along / space_->eigenvalues[k];
    }
    observe_quadratic(residual_, numerics::dot_in_order(jacobian_, jacobian_), curvature, invariant,
                      space_->learning_rate, out);
  }

 private:
  // Residual and Jacobian at the parameters.
  double evaluate(std::span<const double> theta, std::span<double> jacobian) const {
    const std::size_t P = theta.size();
    for (std::size_t i = 0; i < P; ++i)
      jacobian[i] = space_->jacobian[i] + numerics::dot_in_order(space_->curvature.column(i), theta);
    double slope = 0;
    for (std::size_t i = 0; i < P; ++i) slope += 0.5 * (space_->jacobian[i] + jacobian[i]) * theta[i];
    return space_->residual + slope;
  }

  void move() {
    double residual = residual_;
    if (space_->rule != MapRule::gd) {
      const double size = std::abs(residual) * std::sqrt(numerics::dot_in_order(jacobian_, jacobian_));
      double reach = space_->radius;
      if (space_->rule == MapRule::normalized_sam) reach = size > 0 ? reach / size : 0;
      for (std::size_t i = 0; i < theta_.size(); ++i) ahead_[i] = theta_[i] + reach * residual * jacobian_[i];
      residual = evaluate(ahead_, jacobian_);
    }
    for (std::size_t i = 0; i < theta_.size(); ++i) theta_[i] -= space_->learning_rate * residual * jacobian_[i];
    residual_ = evaluate(theta_, jacobian_);
  }

  std::shared_ptr<const ParameterSpace> space_;
  std::vector<double> theta_, ahead_, jacobian_;
  double residual_ = 0;
  std::uint64_t step_ = 0;
};

}  // namespace

std::vector<Observable> quadratic_map_observables(const QuadraticRegression& problem) {
  std::vector<Observable> out = {
      {"loss", "label^2", "z^2/2"},
      {"residual", "label", "z"},
      {"sharpness", "label^2/parameter^2", "lambda = |J|^2, the kernel; the Hessian's curvature along J where z = 0"},
      {"normalized_sharpness", "1", "eta lambda = T(0); GD's edge of stability is 2"},
      {"curvature_moment", "label^3/parameter^4", "J Q J', T(1)/eta"}};
  if (has_invariant(problem)) out.push_back({"invariant", "label", "E = z - J Q^-1 J'/2, conserved"});
  return out;
}

void observe_quadratic(double residual, double sharpness, double curvature, double invariant, double learning_rate,
                       std::span<double> out) {
  const double values[] = {0.5 * residual * residual, residual,  sharpness,
                           learning_rate * sharpness, curvature, invariant};
  std::copy_n(values, std::min(out.size(), std::size(values)), out.begin());
}

std::unique_ptr<Simulation> simulate_quadratic(const QuadraticRegression& problem, double learning_rate, bool rotated) {
  return simulation_of(
      {quadratic_map_observables(problem), rotated ? "rotated" : "eigenbasis", [=](std::uint64_t seed, std::uint64_t) {
         return std::make_unique<QuadraticReplica>(parameter_space(problem, learning_rate, rotated, seed));
       }});
}

}  // namespace edgewise::models::quadratic_map
