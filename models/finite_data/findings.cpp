// Built at -O1: nothing here takes time.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "models/finite_data/finite_data.hpp"
#include "models/finite_data/kernel_norms.hpp"
#include "models/ingredients/noise_kernel.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::finite_data {

namespace {

/// E|z|^2 in the steady state of (9.1): the null part of z stays and makes noise in the rest.
double steady_power(const FiniteData& data, const Kernel& kernel) {
  if (null_power(data, kernel) == 0) return 0;
  const BatchMoments c = batch_moments(data);
  const std::vector<double> start = kernel.along(data.residual);
  std::vector<double> still(data.samples(), 0.0);
  for (std::size_t a = kernel.rank; a < start.size(); ++a)
    for (std::size_t i = 0; i < still.size(); ++i) still[i] += start[a] * kernel.vectors(i, a);
  for (double& x : still) x *= x;
  if (c.c1 > 0)
    still = ingredients::noise_kernel_at(kernel.vectors, kernel.modes(), data.learning_rate, c.c1, c.c2).renewed(still);
  return std::accumulate(still.begin(), still.end(), 0.0);
}

/// The least batch whose noise does not diverge at this learning rate, where the mean does not; the noise falls with
/// the batch, to 0 at N samples or, with replacement, as the batch grows.
double least_stable_batch(FiniteData data, const Kernel& kernel) {
  const auto stable = [&](std::size_t batch) {
    data.batch = batch;
    return kernel_norm(data, kernel, NormLevel::exact, data.learning_rate) < 1;
  };
  std::size_t low = 0, high = data.samples();
  while (!stable(high)) {
    // Beyond this a whole number is no double.
    if (data.sampling != Sampling::with_replacement || high > (std::size_t{1} << 52)) return infinity;
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (stable(middle) ? high : low) = middle;
  }
  return static_cast<double>(high);
}

}  // namespace

std::vector<Finding> finite_data_stability(const FiniteData& data, const Kernel& kernel) {
  const double eta = data.learning_rate, top = kernel.eigenvalue.front();
  const double exact = kernel_norm(data, kernel, NormLevel::exact, eta);
  const bool stable = exact < 1 && eta * top < 2;
  const bool mean_stable = eta * top < 2;
  std::vector<Finding> out = {
      {"outcome",
       std::string(stable        ? "converges"
                   : mean_stable ? "noise diverges"
                                 : "mean diverges"),
       "noise diverges: beyond the stochastic edge of stability alone"},
      {"stable", stable, "in mean square: kernel_norm < 1 and eta mu_max < 2"},
      {"kernel_norm", exact, "exact; 1 is the stochastic edge of stability"},
      {"kernel_norm_closure", kernel_norm(data, kernel, NormLevel::closure, eta),
       "second moments diagonal in the kernel's eigenbasis"},
      {"kernel_norm_mean_field", kernel_norm(data, kernel, NormLevel::mean_field, eta), "delocalised eigenvectors"},
      {"kernel_norm_trace", kernel_norm(data, kernel, NormLevel::trace, eta),
       "eta tr Theta/(2B): small batches and rates"},
      {"eta_max", std::min(threshold(data, kernel, NormLevel::exact), 2 / top), "where kernel_norm reaches 1"},
      {"eta_max_closure", threshold(data, kernel, NormLevel::closure), "of the closure; too large by O(1/N)"},
      {"eta_max_mean_field", threshold(data, kernel, NormLevel::mean_field), "of the mean field; too large by O(1/N)"},
      {"eta_max_mean", 2 / top, "where the mean of z diverges: full batch"},
      {"normalized_sharpness", eta * top, "eta mu_max; 2 is the edge of the mean"},
      {"least_stable_batch", mean_stable ? least_stable_batch(data, kernel) : infinity,
       "the least batch that is stable at this learning rate"},
      {"growth_factor", growth_factor(data, kernel), "of the second moments of what can be learned, per step"}};
  const auto twice = 2 * static_cast<double>(data.samples());
  if (kernel.rank < data.samples()) {
    out.push_back({"loss_floor", null_power(data, kernel) / twice, "what no parameters fit"});
    if (stable) {
      out.push_back(
          {"steady_loss", steady_power(data, kernel) / twice, "where the loss settles: the floor and its noise"});
      // What is not learned is in the noise, beside the mean of what is.
      double mean = 0;
      if (batch_moments(data).c1 > 0)
        for (std::size_t a = 0; a < kernel.rank; ++a) mean = std::max(mean, std::abs(1 - eta * kernel.eigenvalue[a]));
      out.push_back({"approach_factor", std::max(mean, growth_factor(data, kernel)),
                     "of what the loss is off steady_loss, per step, at long times"});
    }
  }
  return out;
}

}  // namespace edgewise::models::finite_data
