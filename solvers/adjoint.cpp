#include "solvers/adjoint.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

namespace {

/// The way back: the adjoint state and what it gathers.
class WayBack {
 public:
  WayBack(const ControlledModes& system, std::uint64_t steps, const Functional& functional)
      : system_(system),
        functional_(functional),
        n_(system.size()),
        m_(system.shared()),
        adjoint_(n_, 0.0),
        slope_(m_),
        rate_(n_),
        source_(n_),
        response_(n_ * m_) {
    out_.by_control.assign(steps * system.controls(), 0.0);
    out_.by_parameter.assign(system.parameters(), 0.0);
    out_.by_weight.assign(n_ * m_, 0.0);
  }

  /// Adds phi_k and its part of the adjoint state at M(k), k = T first.
  void last(std::uint64_t k, std::span<const double> p, std::span<const double> M) {
    add_functional(k, p);
    spread(M);
  }

  /// From a(k+1) to a(k), M = M(k), p = p(k).
  void step(std::uint64_t k, std::span<const double> p, std::span<const double> M) {
    const auto t = static_cast<double>(k);
    system_.coefficients(t, p, rate_, source_);
    system_.sensitivity(t, p, M, response_);
    const std::size_t c = system_.controls();
    system_.pull_back(t, p, M, adjoint_, std::span(out_.by_control).subspan(k * c, c), out_.by_parameter);
    add_functional(k, p);
    for (std::size_t l = 0; l < m_; ++l) slope_[l] += dot(adjoint_.data(), response_.data() + l * n_, n_);
    for (std::size_t i = 0; i < n_; ++i) adjoint_[i] *= 1 - rate_[i];
    spread(M);
  }

  Gradient take() {
    out_.by_start = std::move(adjoint_);
    return std::move(out_);
  }

 private:
  void add_functional(std::uint64_t k, std::span<const double> p) {
    std::ranges::fill(slope_, 0.0);
    out_.value += functional_(k, p, slope_);
  }
  /// What changes p changes M and W alike: p_l = sum W_li M_i.
  void spread(std::span<const double> M) {
    for (std::size_t l = 0; l < m_; ++l) {
      if (slope_[l] == 0) continue;
      const std::span<const double> w = system_.weights(l);
      for (std::size_t i = 0; i < n_; ++i) {
        adjoint_[i] += w[i] * slope_[l];
        out_.by_weight[l * n_ + i] += M[i] * slope_[l];
      }
    }
  }

  const ControlledModes& system_;
  const Functional& functional_;
  std::size_t n_, m_;
  std::vector<double> adjoint_, slope_, rate_, source_, response_;
  Gradient out_;
};

}  // namespace

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
constexpr double cached = 1 << 15;
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
                  const Functional& functional, const Accept& accept) {
  const std::size_t n = system.size(), m = system.shared();
  if (M0.size() != n) throw std::invalid_argument("the gradient needs one initial value per mode");
  std::vector<double> shared((steps + 1) * m), rate(n), source(n), M(M0.begin(), M0.end());
  const auto p = [&](std::uint64_t k) { return std::span(shared).subspan(k * m, m); };
  Checkpoints checkpoints(steps, n);
  for (std::uint64_t k = 0;; ++k) {
    shared_scalars(system, M, p(k));
    if (accept && !accept(k, p(k))) {
      Gradient refused;
      refused.value = std::numeric_limits<double>::infinity();
      return refused;
    }
    if (k == steps) break;
    if (k == checkpoints.held_before(k)) std::ranges::copy(M, checkpoints.at(k));
    advance(system, k, p(k), M, rate, source);
  }
  if (!all_finite(M)) throw std::runtime_error("the trajectory diverges: it has no gradient");
  WayBack back(system, steps, functional);
  back.last(steps, p(steps), M);
  checkpoints.backwards(
      [&](std::uint64_t first, std::uint64_t end, double* states) {
        std::copy_n(states, n, M.begin());
        for (std::uint64_t k = first; k + 1 < end; ++k) {
          advance(system, k, p(k), M, rate, source);
          std::ranges::copy(M, states + (k + 1 - first) * n);
        }
      },
      [&](std::uint64_t first, std::uint64_t end, const double* states) {
        for (std::uint64_t k = end; k-- > first;) back.step(k, p(k), std::span(states + (k - first) * n, n));
      });
  return back.take();
}

}  // namespace edgewise::solvers
