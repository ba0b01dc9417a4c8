#include "models/modular_tasks/task_levels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "models/ingredients/learning_curves/harmonics.hpp"

namespace edgewise::models::modular_tasks {

namespace {

using namespace ingredients::learning_curves;

double choose(std::size_t n, std::size_t k) {
  if (k > n) return 0;
  double out = 1;
  for (std::size_t i = 1; i <= k; ++i) out *= static_cast<double>(n - k + i) / static_cast<double>(i);
  return std::round(out);
}

/// To here |u| goes by the series of what is left of the kernel, beyond by what is left of its value, unless the series is
/// all of the kernel there too, but for this share.
constexpr double series_reach = 0.9, negligible = 1e-14;
/// At that |u| so many terms are below 1e-18 of the first.
constexpr std::size_t series_terms = 400;
/// Rounding of an average, relative to that of absolute values, with some room; and of a kernel's value, in that unit.
constexpr double rounding = 1e-14, rounding_of_value = 0.01;
/// Levels are followed to degree 24 at least, by averages to 192; beyond, codes that overlap less than fully are left out
/// where they are this small a part of an eigenvalue.
constexpr std::size_t first_degree = 24, last_degree = 192;
constexpr double overlooked = 1e-4, least_tail = 1e-4;

/// One level of codes: a function of the code that is `weight` times the kernel between codes of each overlap.
struct CodeLevel {
  std::size_t signs;           ///< powers of the overlap below this average to 0
  std::vector<double> weight;  ///< by overlap
  double copies, share;        ///< how many there are; of the power v_k^2, k > 0 or parity
};

/// Adds the degrees after the listed ones, in which the kernel is that of one code with itself, divided by the tasks, and
/// all levels of codes are one. All power of the tasks is in those listed. \returns whether there is a formula for it, and
/// the listed degrees are far enough.
bool add_beyond(Levels& levels, const TaskFamily& family, const DotKernel& kernel, const std::vector<double>& m,
                const std::vector<CodeLevel>& codes) {
  const auto one_code = [&](double k) {
    return kernel.contracted_eigenvalue(family.dimension, k, 2 / (2 + family.bias));
  };
  const std::size_t listed = m.size();
  if (!one_code(static_cast<double>(listed))) return false;
  for (std::size_t q = 0; q < codes.size(); ++q)
    for (std::size_t k = listed - 2; k < listed; ++k) {
      const double far = codes[q].weight[0] * *one_code(static_cast<double>(k));
      if (!(std::abs(levels.eigenvalue[q * listed + k] - far) < overlooked * far)) return false;
    }
  double tasks = 0;
  for (const CodeLevel& code : codes) tasks += code.copies;
  SphereSpectrum s;
  add_far_degrees(
      s, [&](double k) { return *one_code(k); }, family.dimension, listed - 1, levels.tail);
  for (std::size_t i = 0; i < s.degree.size(); ++i) {
    levels.degree.push_back(s.degree[i]);
    levels.eigenvalue.push_back(s.eigenvalue[i] / tasks);
    levels.multiplicity.push_back(s.multiplicity[i] * tasks);
    levels.power.push_back(0);
  }
  levels.tail = s.tail;
  return true;
}

/// Eigenvalues sum_s weight_s E_t kap((bias + overlap_s + t)/(2 + bias)) P_k. Powers of the argument below signs + k
/// cancel from them, so that what is left of the kernel's series from there on is averaged instead: of many signs an
/// eigenvalue is far smaller than the kernel.
Levels levels_to(const TaskFamily& family, const DotKernel& kernel, std::size_t max_degree,
                 const std::vector<double>& overlaps, const std::vector<CodeLevel>& codes) {
  const ZonalQuadrature rule(family.dimension, max_degree);
  const std::vector<double>& m = rule.multiplicity();
  std::size_t most = m.size();
  for (const CodeLevel& code : codes) most = std::max(most, m.size() + code.signs);
  const std::vector<double> b = kernel.taylor(most + series_terms);
  const double end = kernel.at(1);
  const bool entire = std::accumulate(b.begin(), b.end(), 0.0) >= (1 - negligible) * end;
  // left[s][n]: sum b_i u^i over i >= n, and what it is rounded by.
  std::vector<std::vector<double>> left(overlaps.size(), std::vector<double>(most));
  std::vector<double> error(overlaps.size()), power(b.size()), mean(m.size()), absolute(m.size());
  std::vector<std::vector<double>> lambda(codes.size(), std::vector<double>(m.size(), 0.0)), size(lambda);
  rule.for_nodes([&](double t, double weight, std::span<const double> p) {
    for (std::size_t s = 0; s < overlaps.size(); ++s) {
      const double u = (family.bias + overlaps[s] + t) / (2 + family.bias);
      const double size_of_u = std::abs(u);
      // Terms from the last one that is asked for on until they are below 1e-18 of it.
      const std::size_t end_of_terms =
          size_of_u > series_reach
              ? b.size()
              : most + std::min(series_terms,
                                static_cast<std::size_t>(std::log(1e-18) / std::log(std::max(size_of_u, 0.01))) + 1);
      power[0] = 1;
      for (std::size_t n = 1; n < end_of_terms; ++n) power[n] = power[n - 1] * u;
      if (entire || size_of_u <= series_reach) {
        double sum = 0;
        for (std::size_t n = end_of_terms; n-- > 0;) {
          sum += b[n] * power[n];
          if (n < most) left[s][n] = sum;
        }
        error[s] = 0;
      } else {
        double value = kernel.at(u);
        error[s] = rounding_of_value * std::abs(value);
        for (std::size_t n = 0; n < most; value -= b[n] * power[n], ++n) left[s][n] = value;
      }
    }
    for (std::size_t q = 0; q < codes.size(); ++q) {
      std::ranges::fill(mean, 0.0);
      std::ranges::fill(absolute, 0.0);
      for (std::size_t s = 0; s < overlaps.size(); ++s) {
        const double w = codes[q].weight[s], w_size = std::abs(w), e = error[s];
        const double* value = left[s].data() + codes[q].signs;
        for (std::size_t k = 0; k < m.size(); ++k) {
          mean[k] += w * value[k];
          absolute[k] += w_size * (std::abs(value[k]) + e);
        }
      }
      for (std::size_t k = 0; k < m.size(); ++k) {
        lambda[q][k] += weight * p[k] * mean[k];
        size[q][k] += weight * std::abs(p[k]) * absolute[k];
      }
    }
  });
  Levels out;
  double trace = 0;
  for (std::size_t q = 0; q < codes.size(); ++q) {
    const auto& [signs, weights, copies, share] = codes[q];
    for (std::size_t k = 0; k < m.size(); ++k) {
      out.degree.push_back(static_cast<double>(k));
      out.eigenvalue.push_back(lambda[q][k] > rounding * size[q][k] ? lambda[q][k] : 0);
      out.multiplicity.push_back(copies * m[k]);
      // Independent functions share their constant, which knows no direction: degree 0 is common to all codes.
      const double part = k > 0 || family.parity ? share : (q == 0 ? 1 : 0);
      out.power.push_back(k < family.power.size() ? part * family.power[k] : 0);
      trace += out.multiplicity.back() * out.eigenvalue.back();
    }
    for (std::size_t k = m.size(); k < family.power.size(); ++k) out.power_beyond += share * family.power[k];
  }
  out.tail = end - trace < 1e-13 * end ? 0 : end - trace;
  out.endless = !(kernel.exact_zeros() && kernel.last_degree(family.dimension));
  return out;
}

/// To the degree that is asked for; else as far as it goes by a formula, or to degree 192 for as long as that is far from all
/// of the kernel.
Levels levels_of(const TaskFamily& family, const DotKernel& kernel, std::optional<std::size_t> max_degree,
                 const std::vector<double>& overlaps, const std::vector<CodeLevel>& codes) {
  if (max_degree) return levels_to(family, kernel, *max_degree, overlaps, codes);
  const std::size_t least = std::max(first_degree, family.power.size() - 1);
  for (std::size_t degree = least;; degree *= 2) {
    Levels out = levels_to(family, kernel, degree, overlaps, codes);
    const std::vector<double> m = resolved_multiplicities(family.dimension, degree);
    const bool all = m.size() < degree + 1 || out.tail <= least_tail * kernel.at(1);
    if (all || add_beyond(out, family, kernel, m, codes) || degree >= last_degree) return out;
  }
}

}  // namespace

double krawtchouk(std::size_t h, std::size_t q, std::size_t s) {
  double sum = 0;
  for (std::size_t j = 0; j <= std::min(s, q); ++j) sum += (j % 2 == 0 ? 1 : -1) * choose(s, j) * choose(h - s, q - j);
  return sum;
}

double TaskFamily::code_overlap(std::size_t j, std::size_t l) const {
  if (codes == Codes::cluster) return j == l ? 1 : overlap;
  return 1 - 2 * static_cast<double>(std::popcount(j ^ l)) / static_cast<double>(depth);
}

Levels monolithic_levels(const TaskFamily& family, const DotKernel& kernel, std::optional<std::size_t> max_degree) {
  if (family.codes == TaskFamily::Codes::cluster) {
    const double T = family.tasks;
    std::vector<CodeLevel> codes{{0, {1 / T, (T - 1) / T}, 1, 1 / T}};
    if (T > 1) codes.push_back({1, {1 / T, -1 / T}, T - 1, (T - 1) / T});
    return levels_of(family, kernel, max_degree, {1, family.overlap}, codes);
  }
  const std::size_t h = family.depth;
  const double leaves = std::exp2(static_cast<double>(h));
  std::vector<double> overlaps;
  for (std::size_t s = 0; s <= h; ++s) overlaps.push_back(1 - 2 * static_cast<double>(s) / static_cast<double>(h));
  std::vector<CodeLevel> codes;
  for (std::size_t q = 0; q <= h; ++q) {
    const double copies = choose(h, q);
    codes.push_back({q, {}, copies, family.parity ? (q == h ? 1.0 : 0.0) : copies / leaves});
    for (std::size_t s = 0; s <= h; ++s)
      codes.back().weight.push_back(choose(h, s) / leaves * krawtchouk(h, q, s) / copies);
  }
  return levels_of(family, kernel, max_degree, overlaps, codes);
}

Levels single_task_levels(const TaskFamily& family, const DotKernel& kernel, std::optional<std::size_t> max_degree) {
  return levels_of(family, kernel, max_degree, {1}, {{0, {1}, 1, 1}});
}

}  // namespace edgewise::models::modular_tasks
