#include "solvers/recursion.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

void shared_scalars(const CoupledModes& system, std::span<const double> M, std::span<double> p) {
  for (std::size_t l = 0; l < p.size(); ++l) p[l] = dot(system.weights(l).data(), M.data(), M.size());
}

void advance(const CoupledModes& system, std::uint64_t step, std::span<const double> p, std::span<double> M,
             std::span<double> rate, std::span<double> source) {
  system.coefficients(static_cast<double>(step), p, rate, source);
  for (std::size_t i = 0; i < M.size(); ++i) M[i] += source[i] - rate[i] * M[i];
}

RecursionSolution follow(const CoupledModes& system, std::span<const double> M0, std::span<const std::uint64_t> at,
                         const RecursionOptions& options) {
  const std::size_t n = system.size(), m = system.shared();
  if (M0.size() != n) throw std::invalid_argument("the recursion needs one initial value per mode");
  if (std::ranges::adjacent_find(at, std::greater_equal<>()) != at.end())
    throw std::invalid_argument("the recorded steps of a recursion must increase");
  RecursionSolution out;
  out.last.assign(M0.begin(), M0.end());
  std::vector<double> p(m), rate(n), source(n);
  shared_scalars(system, out.last, p);
  double scale = 0;
  for (const double value : p) scale = std::max(scale, std::abs(value));
  const double limit = options.divergence_limit * (scale > 0 ? scale : 1);
  // A state that comes back, at a fixed point or in a cycle of two about it, comes back for ever.
  constexpr std::uint64_t longest_cycle = 2;
  const std::uint64_t between_looks = std::max<std::uint64_t>(longest_cycle, 65536 / std::max<std::size_t>(n, 1));
  std::size_t next = 0;
  std::vector<double> seen;
  std::uint64_t seen_at = 0;
  for (std::uint64_t k = 0; next < at.size(); ++k) {
    if (std::ranges::any_of(p, [&](double value) { return !(std::abs(value) <= limit); })) {
      out.diverged_at = k;
      break;
    }
    if (k == at[next]) {
      out.steps.push_back(k);
      out.shared.emplace_back(p);
      if (options.observer) options.observer(k, p, out.last);
      if (++next == at.size()) break;
    }
    if (options.stop && k % between_looks == 0 && options.stop()) break;
    if (system.autonomous() && k % between_looks == 0) {
      seen = out.last;
      seen_at = k;
    }
    advance(system, k, p, out.last, rate, source);
    shared_scalars(system, out.last, p);
    const std::uint64_t since = k + 1 - seen_at;
    if (since <= longest_cycle && out.last == seen) k += (at[next] - k - 1) / since * since;
  }
  return out;
}

}  // namespace edgewise::solvers
