#include <algorithm>
#include <cmath>

#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

using Series = std::vector<double>;

Series product(const Series& a, const Series& b) {
  Series out(a.size(), 0.0);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != 0)
      for (std::size_t j = 0; i + j < a.size(); ++j) out[i + j] += a[i] * b[j];
  return out;
}

/// The series with this derivative and value at 0.
Series integral(const Series& derivative, double start) {
  Series out(derivative.size(), 0.0);
  out[0] = start;
  for (std::size_t k = 1; k < out.size(); ++k) out[k] = derivative[k - 1] / static_cast<double>(k);
  return out;
}

/// (1 - s^2)^(-1/2), by f' (1 - s^2) = s s' f.
Series inverse_root(const Series& s) {
  const Series square = product(s, s);
  Series out(s.size(), 0.0);
  out[0] = 1 / std::sqrt(1 - square[0]);
  for (std::size_t k = 1; k < s.size(); ++k) {
    double sum = 0;
    for (std::size_t i = 1; i <= k; ++i)
      sum += (static_cast<double>(i) / 2 - static_cast<double>(i) + static_cast<double>(k)) * square[i] * out[k - i];
    out[k] = sum / (static_cast<double>(k) * (1 - square[0]));
  }
  return out;
}

/// Sigma_0 = Theta_0 = rho; Sigma_l = arc1(Sigma_{l-1}), Theta_l = Sigma_l + Theta_{l-1} arc0(Sigma_{l-1}).
class DeepTangentKernel final : public DotKernel {
 public:
  DeepTangentKernel(std::size_t layers, bool bias) : DotKernel(bias), layers_(layers) {}

  double at(double u) const override {
    double sigma = std::clamp(u, -1.0, 1.0), theta = sigma;
    for (std::size_t l = 0; l < layers_; ++l) {
      const double arc0 = 1 - std::acos(sigma) / pi;
      sigma = std::clamp(std::sqrt(std::max(0.0, (1 - sigma) * (1 + sigma))) / pi + sigma * arc0, -1.0, 1.0);
      theta = sigma + theta * arc0;
    }
    return theta;
  }

 private:
  Series plain_taylor(std::size_t size) const override {
    Series sigma(size, 0.0);
    if (size > 1) sigma[1] = 1;
    Series theta = sigma;
    for (std::size_t l = 0; l < layers_; ++l) {
      Series slope(size, 0.0);
      for (std::size_t k = 0; k + 1 < size; ++k) slope[k] = static_cast<double>(k + 1) * sigma[k + 1];
      // arc0' = 1/(pi sqrt(1 - sigma^2)) and arc1' = arc0 in sigma.
      const double angle = std::acos(sigma[0]), arc0_start = 1 - angle / pi;
      Series inner = product(slope, inverse_root(sigma));
      for (double& x : inner) x /= pi;
      const Series arc0 = integral(inner, arc0_start);
      sigma = integral(product(slope, arc0), std::sqrt(1 - sigma[0] * sigma[0]) / pi + sigma[0] * arc0_start);
      theta = product(theta, arc0);
      for (std::size_t k = 0; k < size; ++k) theta[k] += sigma[k];
    }
    return theta;
  }
  std::size_t layers_;
};

}  // namespace

std::unique_ptr<DotKernel> deep_tangent_kernel(std::size_t layers, bool bias) {
  return std::make_unique<DeepTangentKernel>(layers, bias);
}

}  // namespace edgewise::models::ingredients::learning_curves
