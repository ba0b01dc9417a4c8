#include "solvers/adjoint.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

Functional final_scalar(std::uint64_t last, std::size_t l) {
  return [last, l](std::uint64_t step, std::span<const double> p, std::span<double> slope) {
    if (step != last) return 0.0;
    slope[l] = 1;
    return p[l];
  };
}

namespace {
/// Numbers that are held without a second thought, and whose memory a thread keeps.
constexpr std::size_t few = 1 << 21;
/// Of the states that are computed again at once, so that they stay in the cache.
constexpr double cached = 1 << 16;
struct Memory {
  std::size_t capacity = 0;
  std::unique_ptr<double[]> numbers;
};
thread_local Memory last_states;

std::uint64_t stride_of(std::uint64_t steps, std::size_t size) {
  const double n = static_cast<double>(size), all = static_cast<double>(steps) * n;
  if (all <= static_cast<double>(few)) return 1;
  const double stride = std::max(all / static_cast<double>(few), cached / n);
  return static_cast<std::uint64_t>(std::max(1.0, std::min(std::ceil(stride), std::sqrt(static_cast<double>(steps)))));
}
}  // namespace

Checkpoints::Checkpoints(std::uint64_t steps, std::size_t size)
    : steps_(steps), stride_(stride_of(steps, size)), size_(size) {
  const std::size_t needed = (steps / stride_ + 1 + (all() ? 0 : stride_)) * size;
  if (last_states.capacity < needed) last_states = {needed, std::unique_ptr<double[]>(new double[needed])};
  std::swap(memory_, last_states.numbers);
  capacity_ = std::exchange(last_states.capacity, 0);
}

Checkpoints::~Checkpoints() {
  if (capacity_ <= 2 * few && capacity_ > last_states.capacity) last_states = {capacity_, std::move(memory_)};
}

Gradient gradient(const ControlledModes& system, std::span<const double> M0, std::uint64_t steps,
                  const Functional& functional, const Accept& accept, bool by_weight) {
  const std::size_t n = system.size(), m = system.shared(), c = system.controls();
  if (M0.size() != n) throw std::invalid_argument("the gradient needs one initial value per mode");
  std::vector<double> shared((steps + 1) * m), M(M0.begin(), M0.end());
  const auto p = [&](std::uint64_t k) { return std::span(shared).subspan(k * m, m); };
  const Checkpoints checkpoints(steps, n);
  Gradient out;
  for (std::size_t l = 0; l < m; ++l) shared[l] = dot(system.weights(l).data(), M.data(), n);
  for (std::uint64_t k = 0;; ++k) {
    if (accept && !accept(k, p(k))) {
      out.value = std::numeric_limits<double>::infinity();
      return out;
    }
    if (k == checkpoints.held_before(k)) std::ranges::copy(M, checkpoints.at(k));
    if (k == steps) break;
    system.step(k, p(k), M, M, p(k + 1));
  }
  if (!all_finite(M)) throw std::runtime_error("the trajectory diverges: it has no gradient");
  out.by_control.assign(steps * c, 0.0);
  out.by_parameter.assign(system.parameters(), 0.0);
  out.by_weight.assign(by_weight ? n * m : 0, 0.0);
  // What changes p changes M and W alike: p_l = sum W_li M_i. The adjoint state takes its part in the next step back.
  std::vector<double> adjoint(n, 0.0), lift(m, 0.0), slope(m, 0.0), scratch(m);
  const auto spread = [&](std::span<const double> at) {
    for (std::size_t l = 0; by_weight && l < m; ++l)
      for (std::size_t i = 0; i < n; ++i) out.by_weight[l * n + i] += at[i] * slope[l];
    std::swap(lift, slope);
  };
  out.value += functional(steps, p(steps), slope);
  spread(M);
  checkpoints.backwards(
      [&](std::uint64_t first, std::uint64_t end, double* states) {
        for (std::uint64_t k = first; k + 1 < end; ++k, states += n)
          system.step(k, p(k), {states, n}, {states + n, n}, scratch);
      },
      [&](std::uint64_t first, std::uint64_t end, const double* states) {
        for (std::uint64_t k = end; k-- > first;) {
          const std::span<const double> at(states + (k - first) * n, n);
          std::ranges::fill(slope, 0.0);
          out.value += functional(k, p(k), slope);
          system.step_back(k, p(k), at, lift, adjoint, slope, std::span(out.by_control).subspan(k * c, c),
                           out.by_parameter);
          spread(at);
        }
      });
  for (std::size_t l = 0; l < m; ++l)
    for (std::size_t i = 0; i < n; ++i) adjoint[i] += system.weights(l)[i] * lift[l];
  out.by_start = std::move(adjoint);
  return out;
}

}  // namespace edgewise::solvers
