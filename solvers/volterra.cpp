#include "solvers/volterra.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/math/quadrature/gauss.hpp>
#include <cmath>
#include <stdexcept>

#include "linear_algebra/dense.hpp"
#include "solvers/integrate.hpp"

namespace edgewise::solvers {
namespace {

/// The memory of every exponential, m_i(t) = weight_i int_0^t e^{-rate_i (t-s)} (P(s) + shift) ds, as coupled modes:
/// dm_i/dt = -rate_i m_i + weight_i (F(t) + p + shift), p = sum_i m_i, P = F + p.
class Memory final : public CoupledModes {
 public:
  Memory(const std::function<double(double)>& F, const ExponentialSum& H, double shift)
      : F_(F), H_(H), shift_(shift), ones_(H.rate.size(), 1.0) {}
  std::size_t size() const override { return ones_.size(); }
  std::span<const double> weights(std::size_t) const override { return ones_; }
  void coefficients(double t, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    const double forcing = F_(t) + p[0] + shift_;
    for (std::size_t i = 0; i < ones_.size(); ++i) {
      rate[i] = H_.rate[i];
      source[i] = H_.weight[i] * forcing;
    }
  }
  void sensitivity(double, std::span<const double>, std::span<const double>, std::span<double> u) const override {
    std::copy(H_.weight.begin(), H_.weight.end(), u.begin());
  }
  bool affine() const override { return true; }
  bool autonomous() const override { return false; }

 private:
  const std::function<double(double)>& F_;
  const ExponentialSum& H_;
  double shift_;
  std::vector<double> ones_;
};

/// Gregory's end weights: 1 - these at the first and last nodes of the rectangle rule, differences up to the fourth.
std::array<double, 5> gregory_corrections() {
  constexpr std::array<double, 5> of_difference = {1.0 / 2, 1.0 / 12, 1.0 / 24, 19.0 / 720, 3.0 / 160};
  std::array<double, 5> correction{};
  for (std::size_t order = 0; order < 5; ++order) {
    double binomial = 1;
    for (std::size_t j = 0; j <= order; ++j) {
      correction[j] += of_difference[order] * binomial * (j % 2 == 0 ? 1 : -1);
      binomial = binomial * static_cast<double>(order - j) / static_cast<double>(j + 1);
    }
  }
  return correction;
}

double reversed_dot(const double* x, const double* y_reversed, std::size_t n) {
  double s[8] = {};
  std::size_t j = 0;
  for (; j + 8 <= n; j += 8)
    for (std::size_t k = 0; k < 8; ++k) s[k] += x[j + k] * y_reversed[j + k];
  for (; j < n; ++j) s[0] += x[j] * y_reversed[j];
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

}  // namespace

double ExponentialSum::operator()(double t) const {
  double sum = 0;
  for (std::size_t i = 0; i < rate.size(); ++i) sum += weight[i] * std::exp(-rate[i] * t);
  return sum;
}

VolterraSolution volterra(const std::function<double(double)>& F, const ExponentialSum& H, double shift,
                          std::span<const double> times, const VolterraOptions& options) {
  if (H.rate.size() != H.weight.size())
    throw std::invalid_argument(fmt::format("volterra: {} rates but {} weights", H.rate.size(), H.weight.size()));
  for (const double r : H.rate)
    if (!(r >= 0)) throw std::invalid_argument(fmt::format("volterra: the rate {} is negative", r));
  if (times.empty()) throw std::invalid_argument("volterra: no output times");
  if (!(times[0] >= 0)) throw std::invalid_argument(fmt::format("volterra: the time {} is negative", times[0]));

  VolterraSolution solution;
  if (H.rate.empty()) {
    for (const double t : times) solution.values.push_back(F(t));
    return solution;
  }
  const Memory memory(F, H, shift);
  std::vector<double> all(times.begin(), times.end());
  const bool starts_late = times[0] > 0;
  if (starts_late) all.insert(all.begin(), 0.0);
  Options how;
  how.integrator = Integrator::etd;
  how.etd_stages = options.stages;
  how.rtol = options.rtol;
  how.max_steps = options.max_steps;
  const std::vector<double> nothing(H.rate.size(), 0.0);
  const Solution memories = integrate(memory, nothing, all, how);
  if (memories.times.size() != all.size())
    throw std::runtime_error(fmt::format("volterra: the solution diverges at t = {}", memories.diverged_at.value()));
  for (std::size_t i = starts_late ? 1 : 0; i < all.size(); ++i)
    solution.values.push_back(F(all[i]) + memories.shared[i][0]);
  solution.statistics = memories.statistics;
  return solution;
}

std::vector<double> volterra_uniform(const std::function<double(double)>& F, const std::function<double(double)>& H,
                                     double shift, double step, std::size_t intervals) {
  constexpr std::size_t start = 5;
  if (!(step > 0)) throw std::invalid_argument(fmt::format("volterra_uniform: the step {} is not positive", step));
  if (intervals < start)
    throw std::invalid_argument(
        fmt::format("volterra_uniform: {} intervals, at least {} are needed", intervals, start));
  std::vector<double> kernel(intervals + 1), forcing(intervals + 1), P(intervals + 1);
  for (std::size_t k = 0; k <= intervals; ++k) kernel[k] = H(static_cast<double>(k) * step);
  P[0] = F(0);
  forcing[0] = P[0] + shift;

  // The first values: P is the polynomial through nodes 0..5, its integrals against the kernel by Gauss-Legendre.
  const auto lagrange = [](std::size_t l, double x) {
    double y = 1;
    for (std::size_t k = 0; k <= start; ++k)
      if (k != l) y *= (x - static_cast<double>(k)) / (static_cast<double>(l) - static_cast<double>(k));
    return y;
  };
  linear_algebra::Matrix matrix(start, start), right(start, 1);
  for (std::size_t k = 1; k <= start; ++k) {
    const std::size_t row = k - 1;
    right(row, 0) = F(static_cast<double>(k) * step) + shift;
    for (std::size_t l = 0; l <= start; ++l) {
      const double end = static_cast<double>(k);
      const double weight = step * boost::math::quadrature::gauss<double, 20>::integrate(
                                       [&](double x) { return H((end - x) * step) * lagrange(l, x); }, 0.0, end);
      if (l == 0)
        right(row, 0) += weight * forcing[0];
      else
        matrix(row, l - 1) = (k == l ? 1.0 : 0.0) - weight;
    }
  }
  const linear_algebra::Matrix first = linear_algebra::solve(matrix, right);
  for (std::size_t k = 1; k <= start; ++k) {
    forcing[k] = first(k - 1, 0);
    P[k] = forcing[k] - shift;
  }

  const auto correction = gregory_corrections();
  std::vector<double> reversed(kernel.rbegin(), kernel.rend());
  for (std::size_t k = start + 1; k <= intervals; ++k) {
    double sum = reversed_dot(forcing.data(), reversed.data() + (intervals - k), k);
    for (std::size_t j = 0; j < correction.size(); ++j) {
      sum -= correction[j] * kernel[k - j] * forcing[j];
      if (j > 0) sum -= correction[j] * kernel[j] * forcing[k - j];
    }
    const double own = step * (1 - correction[0]) * kernel[0];
    P[k] = (F(static_cast<double>(k) * step) + step * sum + own * shift) / (1 - own);
    forcing[k] = P[k] + shift;
  }
  return P;
}

std::vector<double> volterra_discrete(std::span<const double> F, std::span<const double> H, double shift) {
  if (F.empty()) throw std::invalid_argument("volterra_discrete: F is empty");
  const std::size_t last = F.size() - 1;
  if (H.size() < last)
    throw std::invalid_argument(
        fmt::format("volterra_discrete: {} values of H, {} are needed for {} of F", H.size(), last, F.size()));
  const std::vector<double> reversed(H.rbegin() + static_cast<std::ptrdiff_t>(H.size() - last), H.rend());
  std::vector<double> P(F.size()), forcing(F.size());
  for (std::size_t k = 0; k <= last; ++k) {
    P[k] = F[k] + reversed_dot(forcing.data(), reversed.data() + (last - k), k);
    forcing[k] = P[k] + shift;
  }
  return P;
}

}  // namespace edgewise::solvers
