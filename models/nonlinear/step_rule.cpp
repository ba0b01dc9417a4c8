#include "models/nonlinear/step_rule.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "models/ingredients/gradient_kernels.hpp"

namespace edgewise::models::nonlinear {

namespace {

struct Word {
  const char* name;
  Method method;
};
constexpr std::array<Word, 15> words{{{"sgd", Method::residual},
                                      {"huber", Method::residual},
                                      {"lad", Method::residual},
                                      {"quantile", Method::residual},
                                      {"reject", Method::residual},
                                      {"custom", Method::residual},
                                      {"clip", Method::clip},
                                      {"mean-clip", Method::mean_clip},
                                      {"sign-late", Method::sign_late},
                                      {"sign-early", Method::sign_early},
                                      {"sign-majority", Method::sign_majority},
                                      {"sign-ema", Method::sign_ema},
                                      {"ema-sign", Method::ema_sign},
                                      {"adam", Method::adam},
                                      {"per-example-adam", Method::per_example_adam}}};

bool remembers_gradients(Method method) {
  return method == Method::sign_ema || method == Method::ema_sign || method == Method::adam;
}

}  // namespace

Method method_of(const std::string& name) {
  std::vector<std::string> names;
  for (const Word& word : words) {
    if (name == word.name) return word.method;
    names.emplace_back(word.name);
  }
  throw std::invalid_argument("optimizer.method: unknown method '" + name + "'" + settings::suggestion(name, names) +
                              "; accepted: " + settings::join(names));
}

bool needs_examples(Method method) {
  return method == Method::clip || method == Method::sign_early || method == Method::sign_majority ||
         method == Method::per_example_adam;
}

double clip_factor(double norm, double c) {
  return norm > c ? c / norm : 1.0;
}

StepRule::StepRule(const NonlinearProblem& problem, Method method)
    : problem_(problem),
      method_(method),
      average_(remembers_gradients(method) ? problem.covariance.d : 0),
      second_(method == Method::adam || method == Method::per_example_adam ? problem.covariance.d : 0) {}

void StepRule::descend(double rate, double largest_norm, const BatchMoments& batch, std::span<double> v) {
  const std::span<const double> gradient = batch.mean;
  const auto decay_average = [&] {
    for (double& m : average_) m *= problem_.ema;
  };
  switch (method_) {
    case Method::residual:
    case Method::clip:
    case Method::sign_early:
      ingredients::add_scaled(-rate, gradient, v);
      return;
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
  const double correction = 1 / (1 - left2_), unbiased = B / (B - 1);
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
