#include "models/ingredients/rare_noise.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <numbers>

namespace edgewise::models::ingredients {

bool has_rare_values(const Noise& noise) {
  constexpr double largest_kurtosis = 9;  // Student's t with five degrees of freedom
  const double variance = noise.variance();
  return variance > 0 && std::isfinite(variance) && noise.kurtosis() > largest_kurtosis;
}

namespace {

/// Of a mixture of N(mean, variance): P(|eps| > x), and E eps^2 there.
struct Tail {
  double probability = 0, square = 0;
};

Tail tail_of(std::span<const MixtureNode> nodes, double x) {
  Tail out;
  for (const MixtureNode& node : nodes) {
    const double m = std::abs(node.mean), s = std::sqrt(node.variance), second = m * m + node.variance;
    if (s == 0) {
      if (m < x) continue;
      out.probability += node.probability;
      out.square += node.probability * second;
      continue;
    }
    for (const double toward : {m, -m}) {
      // Above x on the side of the mean, and below -x on the other: with z the standard normal, eps = toward + s z.
      const double z = (x - toward) / s, beyond = 0.5 * std::erfc(z / std::numbers::sqrt2);
      const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
      out.probability += node.probability * beyond;
      out.square += node.probability * (second * beyond + (2 * toward * s + node.variance * z) * density);
    }
  }
  return out;
}

}  // namespace

double rare_variance(const Noise& noise, double probability) {
  if (probability >= 1) return noise.variance();
  if (const double dof = noise.tail_index(); std::isfinite(dof)) {
    // T^2/(dof + T^2) is a beta variate, and T^2 times its density one of other parameters.
    const double t = boost::math::quantile(boost::math::complement(boost::math::students_t(dof), probability / 2));
    return noise.variance() * boost::math::ibeta(dof / 2 - 1, 1.5, dof / (dof + t * t));
  }
  // Few nodes, each normal or an atom: the quantile by bisection, of an atom in proportion.
  const std::vector<MixtureNode> nodes = noise.nodes(Average{});
  double low = 0, high = 0;
  for (const MixtureNode& node : nodes) high = std::max(high, std::abs(node.mean) + 40 * std::sqrt(node.variance));
  high *= 1 + 1e-12;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (tail_of(nodes, middle).probability > probability ? low : high) = middle;
  }
  const Tail tail = tail_of(nodes, high);
  return tail.square + (probability - tail.probability) * high * high;
}

std::vector<std::uint64_t> steps_to_resolve(std::span<const std::uint64_t> recorded, std::uint64_t period) {
  std::vector<std::uint64_t> out(recorded.begin(), recorded.end());
  if (out.empty()) return out;
  out.push_back(0);
  for (std::uint64_t step = std::max<std::uint64_t>(1, period); step < recorded.back(); step *= 2) out.push_back(step);
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<double> unmet_part(const Noise& noise, std::span<const std::uint64_t> steps, std::span<const double> part,
                               std::uint64_t period, double draws) {
  std::vector<double> out;
  period = std::max<std::uint64_t>(1, period);
  double fastest = 0, before = 0;  // increase per step
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (steps[i] % period == 0 && steps[i] > at) {
      fastest = std::max(fastest, (part[i] - before) / static_cast<double>(steps[i] - at));
      before = part[i];
      at = steps[i];
    }
    if (steps[i] == 0 || !(part[i] > 0)) {
      out.push_back(0);
      continue;
    }
    const auto k = static_cast<double>(steps[i]);
    const double remembered = fastest > 0 ? std::clamp(part[i] / fastest, 1.0, k) : k;
    out.push_back(part[i] * rare_variance(noise, std::min(1.0, 1 / (draws * remembered))) / noise.variance());
  }
  return out;
}

}  // namespace edgewise::models::ingredients
