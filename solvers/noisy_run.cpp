#include "solvers/noisy_run.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "solvers/mode_sums.hpp"

namespace edgewise::solvers {

namespace {
constexpr double too_large = 1e290;
}

std::size_t moment_place(std::size_t i, std::size_t j, std::size_t r) {
  if (i > j) std::swap(i, j);
  return i * r - i * (i + 1) / 2 + j;
}

NoisyRun::NoisyRun(const PhaseRun& run, std::shared_ptr<Jumps> jumps)
    : repeat(run.repeat), where(noise_coordinates(run.phase)), jumps_(std::move(jumps)) {
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
  jump_.reset();
}

bool NoisyRun::follow(const Coupling& modes, double source, std::vector<double>& g, std::vector<double>& v) {
  const std::size_t n = modes.weight.size();
  v.assign(q * n, 0.0);
  if (std::ranges::all_of(enters, [](double e) { return e == 0; })) return true;
  if (!jump_tried_ && worth_a_jump(n)) make_jump(modes);
  if (!jump_) return make_stride(modes) ? walk_by_strides(modes, source, g, v) : walk(modes, source, g, v);
  if (!jump_->power.finite()) return false;
  std::vector<double> x(q * n), left(q * n, 0.0);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < q; ++k) x[i * q + k] = g[k * n + i];
  jump_->gained.add(x.data(), left.data());
  jump_->power.add(x, left);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < q; ++k) v[k * n + i] = left[i * q + k] + source * jump_->power.driven()[i * q + k];
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

// Cost of a jump against that of strides, which a boundary does dozens of times with the same run.
bool NoisyRun::worth_a_jump(std::size_t modes) const {
  const auto N = static_cast<double>(modes * q), L = static_cast<double>(repeat);
  const double rank = std::min(N, 25.0), jump = std::log2(L) * rank * rank * (40 * N + 200 * rank);
  return repeat >= 2 * stride && jump < 360 * L * N;
}

void NoisyRun::make_jump(const Coupling& modes) {
  jump_tried_ = true;
  const std::size_t n = modes.weight.size();
  ModeBlocks A(n, q), own(n, q);
  std::vector<double> drives(n * q), reading(n * q);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t a = 0; a < q; ++a) {
      drives[i * q + a] = enters[a] * modes.feedback[i];
      reading[i * q + a] = modes.factor * modes.weight[i] * reads[a];
      for (std::size_t b = 0; b < q; ++b) {
        A(i, a, b) = step[(a * q + b) * n + i];
        own(i, a, b) = -modes.factor * modes.itself[i] * enters[a] * reads[b];
      }
    }
  jump_ = jumps_->of(repeat, std::move(A), std::move(own), std::move(drives), std::move(reading));
}

namespace {
// (A + own)^repeat - A^repeat; nothing cancels in it.
ModeBlocks gained_by(const ModeBlocks& A, const ModeBlocks& own, std::uint64_t repeat) {
  ModeBlocks gained = own, power = A, with_own = A;
  with_own += own;
  // W1 (W - A) + (W1 - A1) A of powers W, A and W1, A1
  const auto join = [&](const ModeBlocks& with, const ModeBlocks& gap) {
    ModeBlocks next = gained.product_with(with);
    next += power.product_with(gap);
    gained = std::move(next);
  };
  for_bits(repeat, [&](bool add) {
    ModeBlocks with = power;
    with += gained;
    join(with, ModeBlocks(gained));
    power = power.product_with(power);
    if (!add) return;
    join(with_own, own);
    power = power.product_with(A);
  });
  return gained;
}
}  // namespace

std::shared_ptr<const Jump> Jumps::of(std::uint64_t repeat, ModeBlocks step, ModeBlocks own, std::vector<double> drives,
                                      std::vector<double> reading) {
  constexpr std::size_t most = 4;
  for (const auto& jump : known_)
    if (jump->repeat == repeat && jump->step == step && jump->own == own && jump->drives == drives &&
        jump->reading == reading)
      return jump;
  ModeBlocks with = step, gained = gained_by(step, own, repeat);
  with += own;
  CoupledPower power(std::move(with), drives, reading, repeat);
  known_.push_back(std::make_shared<const Jump>(Jump{repeat, std::move(step), std::move(own), std::move(drives),
                                                     std::move(reading), std::move(gained), std::move(power)}));
  if (known_.size() > most) known_.pop_front();
  return known_.back();
}

}  // namespace edgewise::solvers
