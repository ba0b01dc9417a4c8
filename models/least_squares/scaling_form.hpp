#pragma once
/// \file
/// Streaming least squares at size p of an infinite power law (docs/theory/schedules-and-collapse.md, sections 4.1 to
/// 4.3): lambda_j = j^(-2 alpha), theta*_j = j^(-beta), of which the first p coordinates are trained and the rest is noise.
#include <memory>
#include <optional>

#include "models/framework/scaling_law.hpp"
#include "models/least_squares/linear_methods/linear_theory.hpp"

namespace edgewise::models::least_squares {

/// The excess loss of gradient flow at intrinsic time tau, F + tail -> p^-b f(z), z = tau p^(-2 alpha), as p grows.
/// alpha > 0, 2 alpha + 2 beta > 1.
struct ScalingForm {
  double alpha = 1, beta = 0.5;

  double b() const { return 2 * alpha + 2 * beta - 1; }
  double a() const { return b() / (2 * alpha); }
  /// (4.1), z > 0.
  double f(double z) const;
  /// z f'(z).
  double slope(double z) const;
  /// (4.2): f(z) is least at fixed p tau. \throws std::domain_error where it has no root in log z from -12 to 4.
  double horizon() const;
  /// (4.3) for rates with rho = eta tr K/(2B) at x and at the end. \param z  at the end \param share  tau(x)/tau(1)
  double normalised(double z, double share, double rho, double rho_end) const {
    return f(z * share) * (1 - rho_end) / (f(z) * (1 - rho));
  }
};

/// L0 = sigma^2/2 of the label noise alone; horizon and limit of plain SGD where `power_law` gives alpha and beta and the
/// spectrum's tail is noise; the exact fluctuations of every linear method for Gaussian data and label noise of a finite fourth moment.
std::unique_ptr<ScalingLaw> scaling_law_of(const LinearProblem& problem, const std::optional<ScalingForm>& power_law);

}  // namespace edgewise::models::least_squares
