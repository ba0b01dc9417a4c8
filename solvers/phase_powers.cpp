#include "solvers/phase_powers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace edgewise::solvers {

namespace {

using Matrix = std::vector<long double>;

Matrix product(const Matrix& a, const Matrix& b, std::size_t n) {
  Matrix out(n * n, 0.0L);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k) {
      const long double factor = a[i * n + k];
      if (factor == 0) continue;
      for (std::size_t j = 0; j < n; ++j) out[i * n + j] += factor * b[k * n + j];
    }
  return out;
}

/// T(x) of a block, row-major.
Matrix transfer_of(const PhaseBlock& block, double x) {
  Matrix T(block.r * block.r);
  for (std::size_t i = 0; i < T.size(); ++i) T[i] = block.T0[i] + static_cast<long double>(x) * block.T1[i];
  return T;
}

/// One phase on moments [block][row <= col][mode], whose last entry multiplies the source.
void apply(const Phase& phase, const LinearModes& modes, std::size_t count, std::vector<long double>& y) {
  std::vector<long double> S(count, 0.0L);
  std::size_t offset = 0;
  const auto at = [&](std::size_t r, std::size_t i, std::size_t j, std::size_t a) -> long double& {
    if (i > j) std::swap(i, j);
    return y[offset + (i * r - i * (i + 1) / 2 + j) * count + a];
  };
  long double p = modes.source * y.back();
  for (const PhaseBlock& block : phase.blocks) {
    for (std::size_t a = 0; a < count; ++a)
      for (std::size_t i = 0; i < block.r; ++i)
        for (std::size_t j = 0; j < block.r; ++j) S[a] += block.e[i] * at(block.r, i, j, a) * block.e[j];
    offset += block.r * (block.r + 1) / 2 * count;
  }
  for (std::size_t a = 0; a < count; ++a) p += modes.weight[a] * S[a];
  offset = 0;
  for (const PhaseBlock& block : phase.blocks) {
    const std::size_t r = block.r;
    for (std::size_t a = 0; a < count; ++a) {
      const Matrix T = transfer_of(block, modes.x[a]);
      Matrix sigma(r * r);
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = 0; j < r; ++j) sigma[i * r + j] = at(r, i, j, a);
      const Matrix half = product(T, sigma, r);
      const long double C = phase.noise_scale * (modes.own[a] * S[a] + modes.feedback[a] * p) * block.omega;
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = i; j < r; ++j) {
          long double sum = phase.noise_scale == 0 ? 0 : C * block.n[i] * block.n[j];
          for (std::size_t k = 0; k < r; ++k) sum += half[i * r + k] * T[j * r + k];
          at(r, i, j, a) = sum;
        }
    }
    offset += r * (r + 1) / 2 * count;
  }
}

/// f(moment, the modes' values) for every moment in the order of `apply`.
template <class Use>
void for_each_moment(LinearPhases& state, const Use& use) {
  std::size_t offset = 0;
  for (std::size_t b = 0; b < state.blocks(); ++b)
    for (std::size_t i = 0; i < state.sizes()[b]; ++i)
      for (std::size_t j = i; j < state.sizes()[b]; ++j, offset += state.modes()) use(offset, state.moment(b, i, j));
}

}  // namespace

std::size_t PhasePowers::size(const LinearPhases& state) {
  std::size_t moments = 0;
  for (const std::size_t r : state.sizes()) moments += r * (r + 1) / 2;
  return moments * state.modes() + 1;
}

PhasePowers::PhasePowers(const LinearPhases& state, std::vector<Phase> period) : size_(size(state)) {
  Matrix map(size_ * size_);
  for (std::size_t j = 0; j < size_; ++j) {
    std::vector<long double> y(size_, 0.0L);
    y[j] = 1;
    for (const Phase& phase : period) apply(phase, state.linear_modes(), state.modes(), y);
    for (std::size_t i = 0; i < size_; ++i) map[i * size_ + j] = y[i];
  }
  squares_.push_back(std::move(map));
}

double PhasePowers::cost(const PhasePowers* powers, std::size_t size, std::uint64_t periods) {
  const double n = static_cast<double>(size), bits = static_cast<double>(std::bit_width(periods));
  const double known = powers == nullptr ? 1 : static_cast<double>(powers->squares_.size());
  return n * n * bits + n * n * n * std::max(0.0, bits - known);
}

bool PhasePowers::advance(LinearPhases& state, std::uint64_t periods) {
  std::vector<long double> y(size_, 1.0L);
  for_each_moment(state, [&](std::size_t offset, std::span<double> moment) {
    std::copy(moment.begin(), moment.end(), y.begin() + static_cast<std::ptrdiff_t>(offset));
  });
  for (std::size_t k = 0; periods >> k != 0; ++k) {
    if (k == squares_.size()) squares_.push_back(product(squares_[k - 1], squares_[k - 1], size_));
    if ((periods >> k & 1) == 0) continue;
    std::vector<long double> next(size_, 0.0L);
    for (std::size_t i = 0; i < size_; ++i)
      for (std::size_t j = 0; j < size_; ++j) next[i] += squares_[k][i * size_ + j] * y[j];
    y = std::move(next);
  }
  if (!std::ranges::all_of(y, [](long double value) { return std::isfinite(static_cast<double>(value)); }))
    return false;
  for_each_moment(state, [&](std::size_t offset, std::span<double> moment) {
    for (std::size_t a = 0; a < moment.size(); ++a) moment[a] = static_cast<double>(y[offset + a]);
  });
  return true;
}

std::vector<std::vector<double>> moved_means(const Phase& phase, std::span<const double> x,
                                             const std::vector<std::vector<double>>& z, bool transposed) {
  std::vector<std::vector<double>> out;
  for (std::size_t b = 0; b < z.size(); ++b) {
    const PhaseBlock& block = phase.blocks[b];
    const std::size_t n = z[b].size() / block.r;
    out.emplace_back(z[b].size(), 0.0);
    for (std::size_t i = 0; i < block.r; ++i)
      for (std::size_t j = 0; j < block.r; ++j) {
        const double T0 = block.T0[i * block.r + j], T1 = block.T1[i * block.r + j];
        if (T0 == 0 && T1 == 0) continue;
        double* to = out.back().data() + (transposed ? j : i) * n;
        const double* from = z[b].data() + (transposed ? i : j) * n;
        for (std::size_t a = 0; a < n; ++a) to[a] += (T0 + x[a] * T1) * from[a];
      }
  }
  return out;
}

double squared_means(const std::vector<std::vector<double>>& selector, std::span<const double> weight,
                     const std::vector<std::vector<double>>& z) {
  const std::size_t n = weight.size();
  double total = 0;
  for (std::size_t b = 0; b < z.size(); ++b)
    for (std::size_t a = 0; a < n; ++a) {
      double at = 0;
      for (std::size_t i = 0; i < selector[b].size(); ++i) at += selector[b][i] * z[b][i * n + a];
      total += weight[a] * at * at;
    }
  return total;
}

void advance_means(const std::vector<Phase>& period, std::size_t block, std::span<const double> x,
                   std::uint64_t periods, std::span<double> z) {
  const std::size_t modes = x.size(), r = z.size() / modes;
  for (std::size_t a = 0; a < modes; ++a) {
    Matrix map = matrix_power({}, r, 0);
    for (const Phase& phase : period) map = product(transfer_of(phase.blocks[block], x[a]), map, r);
    map = matrix_power(std::move(map), r, periods);
    Matrix moved(r, 0.0L);
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) moved[i] += map[i * r + j] * z[j * modes + a];
    for (std::size_t i = 0; i < r; ++i) z[i * modes + a] = static_cast<double>(moved[i]);
  }
}

std::vector<long double> matrix_power(std::vector<long double> matrix, std::size_t r, std::uint64_t power) {
  Matrix out(r * r, 0.0L);
  for (std::size_t i = 0; i < r; ++i) out[i * r + i] = 1;
  for (; power != 0; power >>= 1) {
    if ((power & 1) != 0) out = product(matrix, out, r);
    matrix = product(matrix, matrix, r);
  }
  return out;
}

}  // namespace edgewise::solvers
