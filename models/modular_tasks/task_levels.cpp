#include "models/modular_tasks/task_levels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

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

/// Collects the levels of functions of t, and what they leave of the trace and of the power.
class LevelList {
 public:
  LevelList(const TaskFamily& family, std::size_t max_degree)
      : family_(family), rule_(family.dimension, max_degree), m_(multiplicities(family.dimension, max_degree)) {}

  /// Eigenvalues E g P_k for every degree, each `copies` times m_k, with `share` of the power v_k^2.
  void add(const std::function<double(double)>& g, double copies, double share) {
    const std::vector<double> lambda = rule_.coefficients(g);
    for (std::size_t k = 0; k < lambda.size(); ++k) {
      levels_.degree.push_back(static_cast<double>(k));
      levels_.eigenvalue.push_back(std::max(lambda[k], 0.0));
      levels_.multiplicity.push_back(copies * m_[k]);
      levels_.power.push_back(k < family_.power.size() ? share * family_.power[k] : 0);
      trace_ += copies * m_[k] * levels_.eigenvalue.back();
    }
    for (std::size_t k = lambda.size(); k < family_.power.size(); ++k) levels_.power_beyond += share * family_.power[k];
  }
  /// \param trace  of the kernel
  Levels take(double trace) {
    levels_.tail = std::max(0.0, trace - trace_);
    if (levels_.tail < 1e-13 * trace) levels_.tail = 0;
    return std::move(levels_);
  }

 private:
  const TaskFamily& family_;
  ZonalQuadrature rule_;
  std::vector<double> m_;
  Levels levels_;
  double trace_ = 0;
};

/// kap at an overlap of the codes, as a function of <x, x'>.
double shifted(const TaskFamily& family, const DotKernel& kernel, double overlap, double t) {
  return kernel.at(std::clamp((family.bias + overlap + t) / (2 + family.bias), -1.0, 1.0));
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

Levels monolithic_levels(const TaskFamily& family, const DotKernel& kernel, std::size_t max_degree) {
  LevelList list(family, max_degree);
  const auto kap = [&](double overlap, double t) { return shifted(family, kernel, overlap, t); };
  if (family.codes == TaskFamily::Codes::cluster) {
    const double T = family.tasks, b = family.overlap;
    list.add([&](double t) { return (kap(1, t) + (T - 1) * kap(b, t)) / T; }, 1, 1 / T);
    if (T > 1) list.add([&](double t) { return (kap(1, t) - kap(b, t)) / T; }, T - 1, (T - 1) / T);
    return list.take(kernel.at(1));
  }
  const std::size_t h = family.depth;
  const double leaves = std::exp2(static_cast<double>(h));
  for (std::size_t q = 0; q <= h; ++q) {
    std::vector<double> weight(h + 1);
    for (std::size_t s = 0; s <= h; ++s) weight[s] = choose(h, s) / leaves * krawtchouk(h, q, s) / choose(h, q);
    list.add(
        [&](double t) {
          double sum = 0;
          for (std::size_t s = 0; s <= h; ++s)
            sum += weight[s] * kap(1 - 2 * static_cast<double>(s) / static_cast<double>(h), t);
          return sum;
        },
        choose(h, q), family.parity ? (q == h ? 1 : 0) : choose(h, q) / leaves);
  }
  return list.take(kernel.at(1));
}

Levels single_task_levels(const TaskFamily& family, const DotKernel& kernel, std::size_t max_degree) {
  LevelList list(family, max_degree);
  list.add([&](double t) { return shifted(family, kernel, 1, t); }, 1, 1);
  return list.take(kernel.at(1));
}

}  // namespace edgewise::models::modular_tasks
