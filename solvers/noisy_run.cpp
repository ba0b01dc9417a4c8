#include "solvers/noisy_run.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

using linear_algebra::Matrix;

namespace {
constexpr double too_large = 1e290;
}

std::size_t moment_place(std::size_t i, std::size_t j, std::size_t r) {
  if (i > j) std::swap(i, j);
  return i * r - i * (i + 1) / 2 + j;
}

void multiply(const double* a, const double* b, std::size_t n, double* out) {
  for (std::size_t i = 0; i < n; ++i) {
    std::fill_n(out + i * n, n, 0.0);
    for (std::size_t k = 0; k < n; ++k) {
      const double factor = a[i * n + k];
      if (factor == 0) continue;
      for (std::size_t j = 0; j < n; ++j) out[i * n + j] += factor * b[k * n + j];
    }
  }
}

NoisyRun::NoisyRun(const PhaseRun& run) : repeat(run.repeat), where(noise_coordinates(run.phase)) {
  const auto moments = [](std::size_t r) { return r * (r + 1) / 2; };
  double omega = 0;
  for (const PhaseBlock& block : run.phase.blocks) omega += block.omega;
  for (std::size_t b = 0; b < run.phase.blocks.size(); ++b) {
    offset.push_back(q);
    share.push_back(omega > 0 ? run.phase.blocks[b].omega / omega : 0);
    if (!where.joined) q += moments(where.block[b].size());
  }
  if (where.joined) q = moments(where.block[where.lead].size());
  enters.assign(q, 0.0);
  reads.assign(q, 0.0);
  for (std::size_t b = 0; b < run.phase.blocks.size(); ++b) {
    if (where.joined && b != where.lead) continue;
    const PhaseBlock& block = run.phase.blocks[b];
    const auto& at = where.block[b];
    const double scale = run.phase.noise_scale * (where.joined ? omega : block.omega);
    const std::size_t begin = where.joined ? 0 : offset[b];
    for (std::size_t i = 0; i < at.size(); ++i)
      for (std::size_t j = i; j < at.size(); ++j) {
        const std::size_t m = begin + moment_place(i, j, at.size());
        enters[m] = scale * block.n[at[i]] * block.n[at[j]];
        reads[m] = block.e[at[i]] * block.e[at[j]] * (i == j ? 1 : 2);
      }
  }
}

void NoisyRun::signal(const PhaseRun& run, double x, double* map) const {
  std::fill_n(map, q * q, 0.0);
  for (std::size_t b = 0; b < run.phase.blocks.size(); ++b) {
    if (where.joined && b != where.lead) continue;
    const PhaseBlock& block = run.phase.blocks[b];
    const auto& at = where.block[b];
    const std::size_t begin = where.joined ? 0 : offset[b], r = at.size();
    std::array<double, max_block * max_block> T{};
    transfer(block, x, T.data());
    const auto t = [&](std::size_t i, std::size_t j) { return T[at[i] * block.r + at[j]]; };
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = i; j < r; ++j)
        for (std::size_t k = 0; k < r; ++k)
          for (std::size_t l = k; l < r; ++l)
            map[(begin + moment_place(i, j, r)) * q + begin + moment_place(k, l, r)] =
                t(i, k) * t(j, l) + (k == l ? 0 : t(i, l) * t(j, k));
  }
}

double NoisyRun::read(const Coupling& modes, const std::vector<double>& moments, std::vector<double>& S) const {
  const std::size_t n = modes.weight.size();
  S.assign(n, 0.0);
  for (std::size_t k = 0; k < q; ++k) {
    const double factor = reads[k];
    if (factor == 0) continue;
    for (std::size_t i = 0; i < n; ++i) S[i] += factor * moments[k * n + i];
  }
  return dot(modes.weight.data(), S.data(), n);
}

void NoisyRun::forget() {
  jump_tried_ = stride_tried_ = false;
  jump_ = Matrix();
}

bool NoisyRun::follow(const Coupling& modes, double source, std::vector<double>& g, std::vector<double>& v) {
  const std::size_t n = modes.weight.size();
  v.assign(q * n, 0.0);
  if (std::ranges::all_of(enters, [](double e) { return e == 0; })) return true;
  if (!jump_tried_ && worth_a_jump(n)) make_jump(modes);
  if (jump_.size() == 0) return make_stride(modes) ? walk_by_strides(modes, source, g, v) : walk(modes, source, g, v);
  if (!jump_finite_) return false;
  std::vector<double> x(q * n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < q; ++k) x[i * q + k] = g[k * n + i];
  const Matrix end = linear_algebra::product(jump_, Matrix(x.size(), 1, x));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < q; ++k) v[k * n + i] = end(i * q + k, 0) + source * jump_source_[i * q + k];
  return true;
}

// ---- step by step ---------------------------------------------------------------------------------------------------

// moments <- step moments + enters noise
void NoisyRun::move(std::vector<double>& moments) {
  const std::size_t n = noise_.size();
  next_.resize(q * n);
  for (std::size_t a = 0; a < q; ++a) {
    double* to = next_.data() + a * n;
    for (std::size_t i = 0; i < n; ++i) to[i] = enters[a] * noise_[i];
    for (std::size_t b = 0; b < q; ++b) {
      const double* by = step.data() + (a * q + b) * n;
      const double* from = moments.data() + b * n;
      for (std::size_t i = 0; i < n; ++i) to[i] += by[i] * from[i];
    }
  }
  moments.swap(next_);
}

bool NoisyRun::walk(const Coupling& modes, double source, std::vector<double>& g, std::vector<double>& v) {
  const std::size_t n = modes.weight.size();
  noise_.resize(n);
  for (std::uint64_t j = 0; j < repeat; ++j) {
    const double p = read(modes, g, S_);
    if (!(std::abs(p) < too_large)) return false;
    for (std::size_t i = 0; i < n; ++i)
      noise_[i] = modes.factor * (modes.feedback[i] * p - modes.itself[i] * S_[i]) + modes.feedback[i] * source;
    move(g);
    move(v);
    ++passes_;
  }
  return true;
}

// ---- many steps at once ---------------------------------------------------------------------------------------------

namespace {
// y += sum_k factor[k] x[k], rows of n.
void add_rows(const double* x, const double* factor, std::size_t rows, std::size_t n, double* y) {
  std::size_t k = 0;
  for (; k + 4 <= rows; k += 4) {
    const double *a = x + k * n, *b = a + n, *c = b + n, *d = c + n, *by = factor + k;
    for (std::size_t i = 0; i < n; ++i) y[i] += (by[0] * a[i] + by[1] * b[i]) + (by[2] * c[i] + by[3] * d[i]);
  }
  for (; k < rows; ++k)
    for (std::size_t i = 0; i < n; ++i) y[i] += factor[k] * x[k * n + i];
}
}  // namespace

bool NoisyRun::make_stride(const Coupling& modes) {
  if (stride_tried_) return stride_made_;
  stride_tried_ = true;
  stride_made_ = false;
  if (repeat < 2 * stride) return false;
  const std::size_t n = modes.weight.size(), row = q * n;
  Stride& s = strides_;
  s.seen.assign(stride * row, 0.0);
  s.left.assign(stride * row, 0.0);
  s.kernel.assign(stride, 0.0);
  for (Stride::Power* to : {&s.full, &s.rest}) {
    to->signal.assign(q * row, 0.0);
    to->own.assign(q * row, 0.0);
  }
  std::vector<double> A(q * q), with(q * q), power(q * q), gap(q * q), next(q * q), r(q), c(q), to(q);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t a = 0; a < q; ++a) {
      r[a] = modes.weight[i] * reads[a];
      c[a] = modes.feedback[i] * enters[a];
      for (std::size_t b = 0; b < q; ++b) {
        A[a * q + b] = step[(a * q + b) * n + i];
        with[a * q + b] = A[a * q + b] - modes.factor * modes.itself[i] * enters[a] * reads[b];
        power[a * q + b] = a == b;
        gap[a * q + b] = 0;
      }
    }
    for (std::size_t k = 0; k < stride; ++k) {
      for (std::size_t a = 0; a < q; ++a) {
        s.seen[k * row + a * n + i] = r[a];
        s.left[k * row + a * n + i] = c[a];
        s.kernel[k] += modes.weight[i] * reads[a] * c[a];
      }
      // gap <- with gap + (with - A) power, power <- A power
      multiply(with.data(), gap.data(), q, next.data());
      for (std::size_t b = 0; b < q; ++b) {
        double read = 0;
        for (std::size_t a = 0; a < q; ++a) read += reads[a] * power[a * q + b];
        for (std::size_t a = 0; a < q; ++a) next[a * q + b] -= modes.factor * modes.itself[i] * enters[a] * read;
      }
      gap = next;
      multiply(A.data(), power.data(), q, next.data());
      power = next;
      std::ranges::fill(to, 0.0);
      for (std::size_t a = 0; a < q; ++a)
        for (std::size_t b = 0; b < q; ++b) to[b] += r[a] * with[a * q + b];
      r = to;
      std::ranges::fill(to, 0.0);
      for (std::size_t a = 0; a < q; ++a)
        for (std::size_t b = 0; b < q; ++b) to[a] += with[a * q + b] * c[b];
      c = to;
      for (Stride::Power* kept : {&s.full, &s.rest}) {
        if (k + 1 != (kept == &s.full ? stride : repeat % stride)) continue;
        for (std::size_t m = 0; m < q * q; ++m) {
          kept->signal[m * n + i] = power[m];
          kept->own[m * n + i] = gap[m];
        }
      }
    }
  }
  // Powers that leave the range of doubles would meet zeros.
  stride_made_ = all_finite(s.seen) && all_finite(s.left) && all_finite(s.full.signal) && all_finite(s.full.own);
  return stride_made_;
}

bool NoisyRun::walk_by_strides(const Coupling& modes, double source, std::vector<double>& g, std::vector<double>& v) {
  const std::size_t n = modes.weight.size(), row = q * n;
  const Stride& s = strides_;
  std::array<double, stride> drive{}, backwards{};
  std::vector<double> noise(row), next_g(row), next_v(row);
  for (std::uint64_t done = 0; done < repeat;) {
    const bool full = repeat - done >= stride;
    const std::size_t phases = full ? stride : static_cast<std::size_t>(repeat - done);
    const Stride::Power& power = full ? s.full : s.rest;
    for (std::size_t k = 0; k < phases; ++k) {
      double p = dot(s.seen.data() + k * row, g.data(), row);
      for (std::size_t m = 0; m < k; ++m) p += s.kernel[k - 1 - m] * drive[m];
      if (!(std::abs(p) < too_large)) return false;
      drive[k] = modes.factor * p + source;
      backwards[phases - 1 - k] = drive[k];
    }
    std::ranges::fill(noise, 0.0);
    add_rows(s.left.data(), backwards.data(), phases, row, noise.data());
    for (std::size_t a = 0; a < q; ++a) {
      double *to_g = next_g.data() + a * n, *to_v = next_v.data() + a * n;
      std::copy_n(noise.data() + a * n, n, to_v);
      std::fill_n(to_g, n, 0.0);
      for (std::size_t b = 0; b < q; ++b) {
        const double *by = power.signal.data() + (a * q + b) * n, *itself = power.own.data() + (a * q + b) * n;
        const double *from_g = g.data() + b * n, *from_v = v.data() + b * n;
        for (std::size_t i = 0; i < n; ++i) {
          to_v[i] += by[i] * from_v[i] + itself[i] * from_g[i];
          to_g[i] += (by[i] + itself[i]) * from_g[i];
        }
      }
      for (std::size_t i = 0; i < n; ++i) to_g[i] += noise[a * n + i];
    }
    g.swap(next_g);
    v.swap(next_v);
    ++passes_;
    done += phases;
  }
  return true;
}

// ---- all at once ----------------------------------------------------------------------------------------------------

// Cost of a jump (dense squarings) against that of stepping, which a solution does about a dozen times.
bool NoisyRun::worth_a_jump(std::size_t modes) const {
  const auto N = static_cast<double>(modes * q), L = static_cast<double>(repeat), moments = static_cast<double>(q);
  return repeat >= 32 && N <= 1500 && 0.5 * N * N * N * std::log2(L) < 12 * L * N * (4 * moments + 6);
}

// Adds what one phase's coupling makes of a column of all moments, [mode][q].
void NoisyRun::couple(const Coupling& modes, const double* column, double* to) {
  const std::size_t n = modes.weight.size();
  S_.resize(n);
  double p = 0;
  for (std::size_t i = 0; i < n; ++i) {
    S_[i] = 0;
    for (std::size_t k = 0; k < q; ++k) S_[i] += reads[k] * column[i * q + k];
    p += modes.weight[i] * S_[i];
  }
  for (std::size_t i = 0; i < n; ++i) {
    const double noise = modes.factor * (modes.feedback[i] * p - modes.itself[i] * S_[i]);
    for (std::size_t k = 0; k < q; ++k) to[i * q + k] += enters[k] * noise;
  }
}

namespace {

/// One q x q matrix a mode.
class ModeBlocks {
 public:
  ModeBlocks(std::size_t n, std::size_t q) : n_(n), q_(q), entries_(n * q * q), product_(q * q) {}
  double& operator()(std::size_t mode, std::size_t a, std::size_t b) { return entries_[(mode * q_ + a) * q_ + b]; }
  /// to += (these) column
  void add(const double* column, double* to) const {
    for (std::size_t i = 0; i < n_; ++i)
      for (std::size_t a = 0; a < q_; ++a)
        for (std::size_t b = 0; b < q_; ++b) to[i * q_ + a] += entries_[(i * q_ + a) * q_ + b] * column[i * q_ + b];
  }
  /// (these) <- by (these)
  void multiply_by(const ModeBlocks& by) {
    for (std::size_t i = 0; i < n_; ++i) {
      multiply(by.entries_.data() + i * q_ * q_, entries_.data() + i * q_ * q_, q_, product_.data());
      std::copy(product_.begin(), product_.end(), entries_.begin() + static_cast<std::ptrdiff_t>(i * q_ * q_));
    }
  }

 private:
  std::size_t n_, q_;
  std::vector<double> entries_, product_;
};

}  // namespace

// X = (A + C)^repeat - A^repeat with the own maps A and the coupling C, by squaring; nothing cancels in it.
void NoisyRun::make_jump(const Coupling& modes) {
  jump_tried_ = true;
  const std::size_t n = modes.weight.size(), N = n * q;
  ModeBlocks once(n, q);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t a = 0; a < q; ++a)
      for (std::size_t b = 0; b < q; ++b) once(i, a, b) = step[(a * q + b) * n + i];
  ModeBlocks A = once;
  std::vector<double> column(N), source(N);
  Matrix X(N, N), Y;
  for (std::size_t c = 0; c < N; ++c) {
    std::ranges::fill(column, 0.0);
    column[c] = 1;
    couple(modes, column.data(), X.column(c).data());
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < q; ++k) source[i * q + k] = enters[k] * modes.feedback[i];
  const std::vector<double> source_once = source;
  for_bits(repeat, [&](bool add) {
    // The source's response s: (A + X) s + s.
    std::vector<double> twice = source;
    const Matrix coupled = linear_algebra::product(X, Matrix(N, 1, source));
    for (std::size_t k = 0; k < N; ++k) twice[k] += coupled(k, 0);
    A.add(source.data(), twice.data());
    source = twice;
    // X X + A X + X A
    linear_algebra::multiply(1, X, linear_algebra::Transposed::no, X, linear_algebra::Transposed::no, 0, Y);
    for (std::size_t c = 0; c < N; ++c) {
      A.add(X.column(c).data(), Y.column(c).data());
      for (std::size_t a = 0; a < q; ++a) {
        const double factor = A(c / q, a, c % q);
        const auto from = X.column(c / q * q + a);
        for (std::size_t k = 0; k < N; ++k) Y(k, c) += factor * from[k];
      }
    }
    std::swap(X, Y);
    A.multiply_by(ModeBlocks(A));
    if (!add) return;
    // Once more: s <- (A1 + C) s + s1,  X <- A1 X + C (A + X).
    std::vector<double> on = source_once;
    once.add(source.data(), on.data());
    couple(modes, source.data(), on.data());
    source = on;
    Y = Matrix(N, N);
    for (std::size_t c = 0; c < N; ++c) {
      once.add(X.column(c).data(), Y.column(c).data());
      std::ranges::copy(X.column(c), column.begin());
      for (std::size_t a = 0; a < q; ++a) column[c / q * q + a] += A(c / q, a, c % q);
      couple(modes, column.data(), Y.column(c).data());
    }
    std::swap(X, Y);
    A.multiply_by(once);
  });
  jump_finite_ = all_finite(X.entries());
  jump_ = std::move(X);
  jump_source_ = std::move(source);
}

}  // namespace edgewise::solvers
