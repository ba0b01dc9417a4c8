#include <algorithm>
#include <cmath>
#include <utility>

#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "models/ingredients/learning_curves/harmonics.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

/// Smaller eigenvalues are no normal doubles.
constexpr double log_least = -700;

/// exp(log_scale + (u - 1) z).
class ExponentialKernel final : public DotKernel {
 public:
  ExponentialKernel(double z, double log_scale, bool bias) : DotKernel(bias), z_(z), log_scale_(log_scale) {}

  double at(double u) const override { return std::exp(log_scale_ + (u - 1) * z_); }

  std::vector<double> eigenvalues(double d, std::size_t max_degree) const override {
    const double z = bias() ? z_ / 2 : z_;  // (1 + rho)/2 - 1 = (rho - 1)/2
    const std::size_t last = std::min(max_degree, *last_degree(d));
    // lambda_{k+1}/lambda_k = I_{nu+1}(z)/I_nu(z), nu = k + d/2 - 1, by its continued fraction from far beyond.
    const std::size_t far = *last_degree(d) + 60;
    std::vector<double> ratio(far + 1, 0.0);
    for (std::size_t k = far; k-- > 0;) ratio[k] = z / (static_cast<double>(2 * k) + d + z * ratio[k + 1]);
    // sum m_k lambda_k = K(1), in logarithms, since lambda_0 may be below what a double holds.
    const std::vector<double> m = multiplicities(d, last);
    std::vector<double> log_lambda{0}, log_share{0};
    for (std::size_t k = 0; k < far; ++k) {
      const auto [first, second] = multiplicity_ratio(d, static_cast<double>(k));
      log_lambda.push_back(log_lambda.back() + std::log(ratio[k]));
      log_share.push_back(log_share.back() + std::log(ratio[k] * (first * second)));
    }
    const double largest = *std::max_element(log_share.begin(), log_share.end());
    double trace = 0;
    for (const double x : log_share) trace += std::exp(x - largest);
    log_lambda.resize(m.size());
    for (double& x : log_lambda) {
      x += log_scale_ - largest - std::log(trace);
      x = x > log_least ? std::exp(x) : 0;
    }
    return log_lambda;
  }

  std::optional<std::size_t> last_degree(double d) const override {
    // Degrees of weight m_k lambda_k: k (k + d - 2) is z (d - 1) on average; beyond its spread lambda_k is e^-700.
    const double z = bias() ? z_ / 2 : z_;
    return static_cast<std::size_t>(150 + std::sqrt(1400 * z) + std::min(z, std::sqrt(z * d)));
  }

 private:
  std::vector<double> plain_taylor(std::size_t size) const override {
    std::vector<double> b(size);
    double log_b = log_scale_ - z_;
    for (std::size_t k = 0; k < size; ++k) {
      b[k] = std::exp(log_b);
      log_b += std::log(z_) - std::log(static_cast<double>(k + 1));
    }
    return b;
  }
  double z_, log_scale_;
};

class TaylorKernel final : public DotKernel {
 public:
  TaylorKernel(std::vector<double> b, bool bias) : DotKernel(bias), b_(std::move(b)) {}
  bool exact_zeros() const override { return true; }

  double at(double u) const override {
    double sum = 0;
    for (std::size_t k = b_.size(); k-- > 0;) sum = sum * u + b_[k];
    return sum;
  }
  std::vector<double> eigenvalues(double d, std::size_t max_degree) const override {
    const std::vector<double> b = taylor(b_.size());
    std::vector<double> out(multiplicities(d, max_degree).size(), 0.0);
    for (std::size_t k = 0; k < out.size(); ++k)
      for (std::size_t n = k; n < b.size(); ++n)
        if (b[n] > 0) out[k] += b[n] * power_moment(d, static_cast<double>(n), k);
    return out;
  }
  std::optional<std::size_t> last_degree(double) const override { return b_.size() - 1; }

 private:
  std::vector<double> plain_taylor(std::size_t size) const override {
    std::vector<double> b = b_;
    b.resize(size, 0.0);
    return b;
  }
  std::vector<double> b_;
};

}  // namespace

std::unique_ptr<DotKernel> exponential_kernel(double s2, bool normalised, bool bias) {
  return std::make_unique<ExponentialKernel>(1 / s2, normalised ? 0 : 1 / s2, bias);
}

std::unique_ptr<DotKernel> taylor_kernel(std::vector<double> coefficients, bool bias) {
  return std::make_unique<TaylorKernel>(std::move(coefficients), bias);
}

}  // namespace edgewise::models::ingredients::learning_curves
