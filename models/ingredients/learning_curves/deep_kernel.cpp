#include <algorithm>
#include <cmath>

#include "models/ingredients/learning_curves/dot_kernels.hpp"
#include "numerics/constants.hpp"
#include "numerics/power_series.hpp"

namespace edgewise::models::ingredients::learning_curves {

namespace {

using Series = numerics::PowerSeries;

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
      // arc0' = 1/(pi sqrt(1 - sigma^2)) and arc1' = arc0 in sigma.
      const double start = 1 - std::acos(sigma[0]) / pi;
      const Series slope = numerics::derivative(sigma);
      Series rest = numerics::product(sigma, sigma);
      for (double& x : rest) x = -x;
      rest[0] += 1;
      Series inner = numerics::product(slope, numerics::power(rest, -0.5));
      for (double& x : inner) x /= pi;
      const Series arc0 = numerics::integral(inner, start);
      sigma = numerics::integral(numerics::product(slope, arc0),
                                 std::sqrt(1 - sigma[0] * sigma[0]) / pi + sigma[0] * start);
      theta = numerics::product(theta, arc0);
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
