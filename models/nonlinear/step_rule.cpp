#include "models/nonlinear/step_rule.hpp"

#include <algorithm>
#include <cmath>

#include "models/ingredients/gradient_kernels.hpp"

namespace edgewise::models::nonlinear {

namespace {

bool remembers_gradients(Method method) {
  return method == Method::sign_ema || method == Method::ema_sign || method == Method::adam;
}

}  // namespace

double clip_factor(double norm, double c) {
  return norm > c ? c / norm : 1.0;
}

StepRule::StepRule(const NonlinearProblem& problem)
    : problem_(problem),
      average_(remembers_gradients(problem.method) ? problem.covariance.d : 0),
      second_(problem.method.averages_squares() ? problem.covariance.d : 0) {}

void StepRule::descend(double rate, double largest_norm, const BatchMoments& batch, std::span<double> v) {
  const std::span<const double> gradient = batch.mean;
  const auto decay_average = [&] {
    for (double& m : average_) m *= problem_.ema;
  };
  switch (problem_.method) {
    case Method::mean_clip:
      ingredients::add_scaled(-rate * clip_factor(std::sqrt(ingredients::dot(gradient, gradient)), largest_norm),
                              gradient, v);
      return;
    case Method::sign_late:
    case Method::sign_majority:
      ingredients::add_signs(-rate, gradient, v);
      return;
    case Method::sign_ema:
      decay_average();
      ingredients::add_scaled(1 - problem_.ema, gradient, average_);
      ingredients::add_signs(-rate, std::span<const double>(average_), v);
      return;
    case Method::ema_sign:
      decay_average();
      ingredients::add_signs(1 - problem_.ema, gradient, average_);
      ingredients::add_scaled(-rate, std::span<const double>(average_), v);
      return;
    case Method::adam:
      adam(rate, gradient, v);
      return;
    case Method::per_example_adam:
      per_example_adam(rate, batch, v);
      return;
    default:  // what was done with residuals or examples is in the gradient
      ingredients::add_scaled(-rate, gradient, v);
  }
}

void StepRule::adam(double rate, std::span<const double> gradient, std::span<double> v) {
  const double beta1 = problem_.ema, beta2 = problem_.ema_square;
  left1_ *= beta1;
  left2_ *= beta2;
  const double first = rate / (1 - left1_), second = 1 / (1 - left2_);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double g = gradient[i];
    average_[i] = beta1 * average_[i] + (1 - beta1) * g;
    second_[i] = beta2 * second_[i] + (1 - beta2) * g * g;
    if (average_[i] != 0) v[i] -= first * average_[i] / (std::sqrt(second_[i] * second) + problem_.floor);
  }
}

void StepRule::per_example_adam(double rate, const BatchMoments& batch, std::span<double> v) {
  const double beta = problem_.ema_square, B = problem_.batch;
  left2_ *= beta;
  const double correction = 1 / (1 - left2_), unbiased = B > 1 ? B / (B - 1) : 0;  // one example: zeta = 1/B
  // n averages mean^2 + (zeta - 1/B) variance, or the variance alone for infinite zeta.
  const bool alone = std::isinf(problem_.zeta);
  const double of_mean = alone ? 0 : 1, of_variance = alone ? 1 : problem_.zeta - 1 / B;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double g = batch.mean[i], variance = unbiased * std::max(batch.square[i] - g * g, 0.0);
    second_[i] = beta * second_[i] + (1 - beta) * (of_mean * g * g + of_variance * variance);
    const double scale = std::sqrt(std::max(second_[i] * correction, 0.0)) + problem_.floor;
    if (g != 0) v[i] -= rate * g / scale;
  }
}

}  // namespace edgewise::models::nonlinear
