#include "models/least_squares/scaling_form.hpp"

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/zeta.hpp>
#include <cmath>

#include "models/least_squares/risk_variance.hpp"
#include "models/least_squares/sgd_modes.hpp"
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
  LeastSquaresScaling(const LeastSquares& problem, const ScalingForm* form, bool plain_sgd)
      : problem_(problem), plain_(plain_sgd) {
    const spectra::Spectrum& s = problem.spectrum;
    if (!form || !plain_ || problem.rate_rule || !(s.unexplained_variance > 0) || problem.alignment != -1.0) return;
    form_ = *form;
    size_ = 0;
    for (const double n : s.multiplicity) size_ += n;
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

  std::optional<Fluctuations> fluctuations(std::span<const std::uint64_t> steps) const override;

 private:
  static constexpr double most_steps = 1e8;

  /// Of the infinite power law.
  double rho(double step) const {
    return problem_.rate_at(step) * boost::math::zeta(2 * form_->alpha) / (2 * problem_.batch);
  }

  const LeastSquares& problem_;
  bool plain_;
  std::optional<ScalingForm> form_;
  double size_ = 0;
  std::vector<double> share_;  ///< sums of the schedule before every step
};

std::optional<ScalingLaw::Fluctuations> LeastSquaresScaling::fluctuations(std::span<const std::uint64_t> steps) const {
  const auto n = static_cast<double>(problem_.spectrum.modes());
  const double cost = static_cast<double>(steps.back()) * n * n * (problem_.schedule->constant() ? 1 : 3);
  if (!plain_ || problem_.rate_rule || !problem_.data.gaussian() || !problem_.noise->gaussian() ||
      std::isinf(problem_.batch) || problem_.spectrum.compressed || cost > 1e10)
    return std::nullopt;
  const SgdModes modes(problem_);
  VarianceRecursion recursion({modes.eigenvalue, modes.multiplicity, modes.power, modes.batch, modes.noise_variance});
  // Forward: the covariances of P with the powers of all modes.
  Fluctuations out;
  std::vector<std::vector<double>> with_modes;
  std::uint64_t step = 0;
  for (const std::uint64_t at : steps) {
    for (; step < at; ++step) recursion.step(problem_.rate_at(static_cast<double>(step)));
    out.std.push_back(std::sqrt(recursion.excess_mse_variance()) / 2);
    with_modes.push_back(recursion.excess_mse_covariances());
  }
  // Backward: given the powers at a step, the mean of P at the end is affine in them; its slope is the adjoint of (1.1).
  std::vector<double> adjoint = modes.eigenvalue;
  out.correlation.assign(steps.size(), nan);
  for (std::size_t i = steps.size(); i-- > 0;) {
    for (; step > steps[i]; --step) {
      const double eta = problem_.rate_at(static_cast<double>(step - 1));
      double fed = 0;
      for (std::size_t j = 0; j < adjoint.size(); ++j) fed += modes.feedback(j, eta) * adjoint[j];
      for (std::size_t j = 0; j < adjoint.size(); ++j)
        adjoint[j] += modes.eigenvalue[j] * fed - modes.contraction(j, eta) * adjoint[j];
    }
    double covariance = 0;
    for (std::size_t j = 0; j < adjoint.size(); ++j) covariance += with_modes[i][j] * adjoint[j];
    const double scale = 4 * out.std[i] * out.std.back();
    out.correlation[i] = scale > 0 ? std::clamp(covariance / scale, -1.0, 1.0) : nan;
  }
  return out;
}

}  // namespace

std::unique_ptr<ScalingLaw> scaling_law_of(const LeastSquares& problem, const ScalingForm* power_law, bool plain_sgd) {
  return std::make_unique<LeastSquaresScaling>(problem, power_law, plain_sgd);
}

}  // namespace edgewise::models::least_squares
