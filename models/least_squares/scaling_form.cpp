#include "models/least_squares/scaling_form.hpp"

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/zeta.hpp>
#include <cmath>

#include "models/least_squares/linear_methods/linear_bands.hpp"
#include "numerics/constants.hpp"
#include "numerics/roots.hpp"

namespace edgewise::models::least_squares {

double ScalingForm::f(double z) const {
  return std::pow(2 * z, -a()) * boost::math::tgamma(a(), 2 * z) / (2 * alpha) + 1 / b();
}

double ScalingForm::slope(double z) const {
  return -a() * (f(z) - 1 / b()) - std::exp(-2 * z) / (2 * alpha);
}

double ScalingForm::horizon() const {
  const auto off = [&](double log_z) {
    const double z = std::exp(log_z);
    return slope(z) / f(z) + b() / (1 + 2 * alpha);
  };
  return std::exp(numerics::root(off, -12, 4));
}

namespace {

class LeastSquaresScaling final : public ScalingLaw {
 public:
  LeastSquaresScaling(const LinearProblem& linear, const std::optional<ScalingForm>& form)
      : linear_(linear), problem_(*linear.data) {
    const LeastSquares& problem = problem_;
    const spectra::Spectrum& s = problem.spectrum;
    if (!form || !is_plain_sgd(linear) || problem.rate_rule || !(s.unexplained_variance > 0) ||
        problem.alignment != -1.0)
      return;
    form_ = form;
    size_ = s.dimension();
    if (form->alpha <= 0.5 || problem.label_noise_variance > 0) return;
    // Shares of the intrinsic time, step by step; a long run's by its mean over whole stretches.
    const auto steps = static_cast<double>(problem.time.steps);
    if (!(steps >= 1) || steps > most_steps) return;
    share_.reserve(problem.time.steps + 1);
    double sum = 0;
    for (std::uint64_t k = 0; k < problem.time.steps; ++k) {
      share_.push_back(sum);
      sum += problem.schedule->at(static_cast<double>(k));
    }
    share_.push_back(sum);
  }

  double floor() const override { return problem_.label_noise_variance / 2; }

  std::string caution() const override {
    if (!form_ || form_->alpha > 0.5) return "";
    return "alpha <= 1/2: tr K, and with it eta tr K/(2 B), grows with the size, so that the compute-optimal steps are "
           "not "
           "those of this law and no curve of large sizes is known";
  }

  double horizon() const override {
    return form_ ? form_->horizon() * std::pow(size_, 2 * form_->alpha) / problem_.learning_rate : nan;
  }

  double limit(double x) const override {
    if (share_.empty() || !(share_.back() > 0)) return nan;
    const double step = x * static_cast<double>(problem_.time.steps);
    const auto k = static_cast<std::size_t>(step);
    const std::size_t next = std::min(k + 1, share_.size() - 1);
    const double tau = share_[k] + (step - static_cast<double>(k)) * (share_[next] - share_[k]);
    const double z = problem_.learning_rate * share_.back() * std::pow(size_, -2 * form_->alpha);
    // At the end the rate of the last step.
    const double last = static_cast<double>(problem_.time.steps - 1);
    return form_->normalised(z, tau / share_.back(), rho(std::min(static_cast<double>(k), last)), rho(last));
  }

  std::optional<Fluctuations> fluctuations(std::span<const std::uint64_t> steps) const override {
    if (problem_.rate_rule) return std::nullopt;
    return linear_fluctuations(linear_, steps);
  }

 private:
  static constexpr double most_steps = 1e8;

  /// Of the infinite power law.
  double rho(double step) const {
    return problem_.rate_at(step) * boost::math::zeta(2 * form_->alpha) / (2 * problem_.batch);
  }

  const LinearProblem& linear_;
  const LeastSquares& problem_;
  std::optional<ScalingForm> form_;
  double size_ = 0;
  std::vector<double> share_;  ///< sums of the schedule before every step
};

}  // namespace

std::unique_ptr<ScalingLaw> scaling_law_of(const LinearProblem& problem, const std::optional<ScalingForm>& power_law) {
  return std::make_unique<LeastSquaresScaling>(problem, power_law);
}

}  // namespace edgewise::models::least_squares
