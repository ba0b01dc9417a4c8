#include "solvers/phase_gradient.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/phase_gradient.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef EDGEWISE_BLOCK_OF_MODES  // this file is compiled once for every instruction set
#define EDGEWISE_BLOCK_OF_MODES
namespace edgewise::solvers {
/// Where one block's numbers are; S is summed over the blocks before.
struct BlockOfModes {
  const double *x, *S, *own, *feedback;
  const double *const *sigma, *const *adjoint;
  std::size_t count;
};
/// One block on its way back through steps of one phase.
struct BlockGoingBack {
  const double *x, *own, *feedback, *weight;
  std::size_t count;
  const PhaseBlock *rest, *slope;
  double noise_scale, source;
  const double *S, *N;  ///< sums over all blocks, of one step; null: of this block, which is alone
  double drive;         ///< sum feedback_j N_j of one step; read beside N
  double* adjoint;
  const double* states;  ///< the block's moments before the first step; those before the next are `stride` numbers on
  std::size_t stride, steps;
  const double *controls, *shared;
  double* by_control;  ///< the slope by every step's control is added
};
/// A noisy phase of one coordinate that is its own source, and the modes it moves.
struct SingleRun {
  const double *x, *own, *feedback, *weight;
  const double* from;  ///< the moments before the first step; those after it go to `to`, of the next to `to` + `stride`
  double* to;
  std::size_t stride;
  double* shared;  ///< p before every step; may be null
  bool given;      ///< it is read there, not summed
  std::size_t count;
  double source, noise_scale, omega, limit;
  double T0, T0_by_c, T1, T1_by_c, n, n_by_c;
};
}  // namespace edgewise::solvers
#endif

HWY_BEFORE_NAMESPACE();
namespace edgewise::solvers {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using GradientTag = hn::CappedTag<double, 8>;
using GradientVec = hn::Vec<GradientTag>;

// The two sums over modes, in eight partial sums each whatever the vector length.
template <std::size_t r>
void depend_r(const BlockOfModes& at, const PhaseBlock& rest, const PhaseBlock& slope, double noise, double drive,
              double* linear, double* quadratic) {
  const GradientTag d;
  constexpr std::size_t lanes = hn::MaxLanes(GradientTag()), parts = 8 / lanes;
  bool row_moves[r] = {}, used[r][r], fixed[r][r];
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = 0; j < r; ++j) {
      used[i][j] = slope.T0[i * r + j] != 0 || slope.T1[i * r + j] != 0;
      fixed[i][j] = rest.T0[i * r + j] != 0 || rest.T1[i * r + j] != 0;
      row_moves[i] = row_moves[i] || used[i][j];
    }
  GradientVec first_of[parts], second_of[parts];
  for (std::size_t part = 0; part < parts; ++part) first_of[part] = second_of[part] = hn::Zero(d);
  for (std::size_t start = 0; start < at.count; start += 8) {
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t m = start + part * lanes;
      GradientVec &first = first_of[part], &second = second_of[part];
      const GradientVec x = hn::LoadU(d, at.x + m);
      GradientVec sigma[r][r], A[r][r];
      std::size_t packed = 0;
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = i; j < r; ++j, ++packed) {
          sigma[i][j] = sigma[j][i] = hn::LoadU(d, at.sigma[packed] + m);
          A[i][j] = A[j][i] = hn::LoadU(d, at.adjoint[packed] + m);
        }
      const auto entry = [&](const PhaseBlock& block, std::size_t i, std::size_t j) {
        return hn::Add(hn::Set(d, block.T0[i * r + j]), hn::Mul(x, hn::Set(d, block.T1[i * r + j])));
      };
      for (std::size_t i = 0; i < r; ++i) {
        if (!row_moves[i]) continue;
        GradientVec half[r];  // row i of (dT/dc) Sigma
        for (std::size_t k = 0; k < r; ++k) {
          half[k] = hn::Zero(d);
          for (std::size_t j = 0; j < r; ++j)
            if (used[i][j]) half[k] = hn::Add(half[k], hn::Mul(entry(slope, i, j), sigma[j][k]));
        }
        for (std::size_t j = 0; j < r; ++j)
          for (std::size_t k = 0; k < r; ++k) {
            if (fixed[j][k])
              first = hn::Add(first, hn::Mul(hn::Mul(hn::Set(d, 2.0), A[i][j]), hn::Mul(half[k], entry(rest, j, k))));
            if (used[j][k]) second = hn::Add(second, hn::Mul(A[i][j], hn::Mul(half[k], entry(slope, j, k))));
          }
      }
      if (noise == 0) continue;
      GradientVec once = hn::Zero(d), twice = hn::Zero(d);  // n'A dn/dc and dn/dc'A dn/dc
      for (std::size_t i = 0; i < r; ++i)
        for (std::size_t j = 0; j < r; ++j) {
          if (slope.n[j] == 0) continue;
          if (rest.n[i] != 0) once = hn::Add(once, hn::Mul(A[i][j], hn::Set(d, rest.n[i] * slope.n[j])));
          if (slope.n[i] != 0) twice = hn::Add(twice, hn::Mul(A[i][j], hn::Set(d, slope.n[i] * slope.n[j])));
        }
      const GradientVec C =
          hn::Mul(hn::Set(d, noise), hn::Add(hn::Mul(hn::LoadU(d, at.own + m), hn::LoadU(d, at.S + m)),
                                             hn::Mul(hn::LoadU(d, at.feedback + m), hn::Set(d, drive))));
      first = hn::Add(first, hn::Mul(hn::Mul(hn::Set(d, 2.0), C), once));
      second = hn::Add(second, hn::Mul(C, twice));
    }
  }
  for (std::size_t part = 0; part < parts; ++part) {
    hn::StoreU(first_of[part], d, linear + part * lanes);
    hn::StoreU(second_of[part], d, quadratic + part * lanes);
  }
}

// The same for any instruction set.
HWY_INLINE double sum_of_parts(const GradientVec* of) {
  const GradientTag d;
  HWY_ALIGN double partial[8];
  for (std::size_t k = 0; k < 8 / hn::MaxLanes(d); ++k) hn::Store(of[k], d, partial + k * hn::MaxLanes(d));
  return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
         ((partial[1] + partial[5]) + (partial[3] + partial[7]));
}

// As LinearPhases::apply, step after step: p of the next step, unless it is given, is summed while this one moves.
template <bool given>
HWY_INLINE std::size_t run_steps(const SingleRun& at, const double* c, std::size_t steps) {
  const GradientTag d;
  constexpr std::size_t lanes = hn::MaxLanes(GradientTag()), parts = 8 / lanes;
  GradientVec total[parts];
  double p = 0;
  if constexpr (!given) {
    for (GradientVec& part : total) part = hn::Zero(d);
    for (std::size_t i = 0; i < at.count; i += 8)
      for (std::size_t k = 0; k < parts; ++k)
        total[k] =
            hn::Add(total[k], hn::Mul(hn::LoadU(d, at.weight + i + k * lanes), hn::LoadU(d, at.from + i + k * lanes)));
    p = sum_of_parts(total);
  }
  const double* from = at.from;
  double* to = at.to;
  for (std::size_t step = 0; step < steps; ++step) {
    if constexpr (given) p = at.shared[step];
    const double n = at.n + c[step] * at.n_by_c;
    const GradientVec T0 = hn::Set(d, at.T0 + c[step] * at.T0_by_c), T1 = hn::Set(d, at.T1 + c[step] * at.T1_by_c);
    const GradientVec level = hn::Set(d, at.noise_scale * at.omega), drive = hn::Set(d, p + at.source),
                      entering = hn::Set(d, n * n);
    for (GradientVec& part : total) part = hn::Zero(d);
    for (std::size_t start = 0; start < at.count; start += 8)
      for (std::size_t k = 0; k < parts; ++k) {
        const std::size_t i = start + k * lanes;
        const GradientVec old = hn::LoadU(d, from + i);
        const GradientVec T = hn::Add(T0, hn::Mul(hn::LoadU(d, at.x + i), T1));
        const GradientVec noise = hn::Mul(
            level, hn::Add(hn::Mul(hn::LoadU(d, at.own + i), old), hn::Mul(hn::LoadU(d, at.feedback + i), drive)));
        const GradientVec moved = hn::Add(hn::Mul(hn::Mul(T, old), T), hn::Mul(noise, entering));
        hn::StoreU(moved, d, to + i);
        if constexpr (!given) total[k] = hn::Add(total[k], hn::Mul(hn::LoadU(d, at.weight + i), moved));
      }
    if constexpr (!given) {
      if (at.shared) at.shared[step] = p;
      if (!(std::abs(p) <= at.limit)) return step;
      p = sum_of_parts(total);
    }
    from = to;
    to += at.stride;
  }
  return steps;
}

HWY_NOINLINE std::size_t run_single(const SingleRun& at, const double* c, std::size_t steps) {
  return at.given ? run_steps<true>(at, c, steps) : run_steps<false>(at, c, steps);
}

// sum_ij w_ij A_ij of one vector of modes, w being symmetric.
template <std::size_t r>
HWY_INLINE GradientVec form(const double (&w)[r][r], const GradientVec (&A)[r][r]) {
  const GradientTag d;
  GradientVec out = hn::Mul(hn::Set(d, w[0][0]), A[0][0]);
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = i; j < r; ++j)
      if (j > 0 && (r < 3 || w[i][j] != 0))
        out = hn::Add(out, hn::Mul(hn::Set(d, i == j ? w[i][i] : 2 * w[i][j]), A[i][j]));
  return out;
}

// With G = A T of the step's own control, A <- T'G + C* e e' and the slope by the control is 2 <G, T_c Sigma> + 2 C omega
// n'A n_c: one pass over the modes a step, in which the sum that drives the step before is taken as well.
template <std::size_t r>
void carry_back_r(const BlockGoingBack& at) {
  const GradientTag d;
  constexpr std::size_t lanes = hn::MaxLanes(GradientTag()), parts = 8 / lanes;
  constexpr bool dense = r < 3;  // products with zeros cost less than their branches
  const bool noisy = at.noise_scale != 0;
  const double level = at.noise_scale * at.rest->omega;
  double rest0[r][r], rest1[r][r], by0[r][r], by1[r][r], ee[r][r];
  bool used[r][r], moves[r][r], row_moves[r] = {}, reads[r][r];
  for (std::size_t i = 0; i < r; ++i)
    for (std::size_t j = 0; j < r; ++j) {
      rest0[i][j] = at.rest->T0[i * r + j];
      rest1[i][j] = at.rest->T1[i * r + j];
      by0[i][j] = at.slope->T0[i * r + j];
      by1[i][j] = at.slope->T1[i * r + j];
      ee[i][j] = at.rest->e[i] * at.rest->e[j];
      moves[i][j] = by0[i][j] != 0 || by1[i][j] != 0;
      used[i][j] = dense || moves[i][j] || rest0[i][j] != 0 || rest1[i][j] != 0;
      row_moves[i] = row_moves[i] || moves[i][j];
      reads[i][j] = ee[i][j] != 0;
    }
  const auto load = [&](GradientVec(&out)[r][r], const double* from) {
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = i; j < r; ++j, from += at.count) out[i][j] = out[j][i] = hn::LoadU(d, from);
  };
  // How the noise enters at control c, n n' of `level`, and half its derivative by c.
  const auto entering = [&](double c, double(&nn)[r][r], double(&by)[r][r]) {
    double n[r];
    for (std::size_t i = 0; i < r; ++i) n[i] = at.rest->n[i] + c * at.slope->n[i];
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) {
        nn[i][j] = level * n[i] * n[j];
        by[i][j] = level * (n[i] * at.slope->n[j] + n[j] * at.slope->n[i]) / 2;
      }
  };
  double nn[r][r], bent[r][r], nn_before[r][r] = {}, bent_before[r][r] = {};
  entering(at.controls[at.steps - 1], nn, bent);
  double drive = at.noise_scale * at.drive;
  GradientVec total[parts];
  if (noisy && !at.N) {
    for (GradientVec& part : total) part = hn::Zero(d);
    for (std::size_t m = 0; m < at.count; m += lanes) {
      GradientVec A[r][r], &sum = total[m / lanes % parts];
      load(A, at.adjoint + m);
      sum = hn::Add(sum, hn::Mul(hn::LoadU(d, at.feedback + m), form<r>(nn, A)));
    }
    drive = sum_of_parts(total);
  }
  for (std::size_t step = at.steps; step-- > 0;) {
    const double c = at.controls[step];
    const double* const states = at.states + step * at.stride;
    double T0[r][r], T1[r][r];
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) {
        T0[i][j] = rest0[i][j] + c * by0[i][j];
        T1[i][j] = rest1[i][j] + c * by1[i][j];
      }
    if (step > 0) entering(at.controls[step - 1], nn_before, bent_before);
    const GradientVec driven = hn::Set(d, drive), fed = hn::Set(d, at.shared[step] + at.source);
    GradientVec by_control[parts];
    for (std::size_t k = 0; k < parts; ++k) by_control[k] = total[k] = hn::Zero(d);
    for (std::size_t start = 0; start < at.count; start += 8)
      for (std::size_t part = 0; part < parts; ++part) {
        const std::size_t m = start + part * lanes;
        const GradientVec x = hn::LoadU(d, at.x + m);
        GradientVec sigma[r][r], A[r][r], T[r][r], G[r][r], next[r][r];
        load(sigma, states + m);
        load(A, at.adjoint + m);
        for (std::size_t i = 0; i < r; ++i)
          for (std::size_t j = 0; j < r; ++j) T[i][j] = hn::Add(hn::Set(d, T0[i][j]), hn::Mul(x, hn::Set(d, T1[i][j])));
        for (std::size_t i = 0; i < r; ++i)
          for (std::size_t j = 0; j < r; ++j) {
            G[i][j] = hn::Mul(A[i][0], T[0][j]);
            for (std::size_t k = 1; k < r; ++k)
              if (dense || used[k][j]) G[i][j] = hn::Add(G[i][j], hn::Mul(A[i][k], T[k][j]));
          }
        GradientVec slopes = by_control[part];
        for (std::size_t i = 0; i < r; ++i) {
          if (!row_moves[i]) continue;
          for (std::size_t j = 0; j < r; ++j) {
            if (!moves[i][j]) continue;
            GradientVec along = hn::Mul(G[i][0], sigma[j][0]);  // (G Sigma)_ij
            for (std::size_t k = 1; k < r; ++k) along = hn::Add(along, hn::Mul(G[i][k], sigma[j][k]));
            const GradientVec by = hn::Add(hn::Set(d, by0[i][j]), hn::Mul(x, hn::Set(d, by1[i][j])));
            slopes = hn::Add(slopes, hn::Mul(by, along));
          }
        }
        for (std::size_t i = 0; i < r; ++i)
          for (std::size_t j = i; j < r; ++j) {
            next[i][j] = hn::Mul(T[0][i], G[0][j]);
            for (std::size_t k = 1; k < r; ++k)
              if (dense || used[k][i]) next[i][j] = hn::Add(next[i][j], hn::Mul(T[k][i], G[k][j]));
          }
        if (noisy) {
          const GradientVec own = hn::LoadU(d, at.own + m), feedback = hn::LoadU(d, at.feedback + m);
          const GradientVec S = at.S ? hn::LoadU(d, at.S + m) : form<r>(ee, sigma);
          const GradientVec N = at.N ? hn::Mul(hn::Set(d, at.noise_scale), hn::LoadU(d, at.N + m)) : form<r>(nn, A);
          const GradientVec C = hn::Add(hn::Mul(own, S), hn::Mul(feedback, fed));
          slopes = hn::Add(slopes, hn::Mul(C, form<r>(bent, A)));
          const GradientVec back = hn::Add(hn::Mul(own, N), hn::Mul(hn::LoadU(d, at.weight + m), driven));
          for (std::size_t i = 0; i < r; ++i)
            for (std::size_t j = i; j < r; ++j) {
              if (dense || reads[i][j]) next[i][j] = hn::Add(next[i][j], hn::Mul(back, hn::Set(d, ee[i][j])));
              next[j][i] = next[i][j];
            }
          if (!at.N) total[part] = hn::Add(total[part], hn::Mul(feedback, form<r>(nn_before, next)));
        }
        by_control[part] = slopes;
        double* to = at.adjoint + m;
        for (std::size_t i = 0; i < r; ++i)
          for (std::size_t j = i; j < r; ++j, to += at.count) hn::StoreU(next[i][j], d, to);
      }
    at.by_control[step] += 2 * sum_of_parts(by_control);
    drive = sum_of_parts(total);
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) {
        nn[i][j] = nn_before[i][j];
        bent[i][j] = bent_before[i][j];
      }
  }
}

// With a mode's factor a and noise b a step, p + source = drive at the start and drive + change after m steps,
// sigma <- A sigma + b (drive S + change ((m - 1)/m S - U/m)),  A = a^m, S = sum_{i<m} a^i, U = sum_{i<m} i a^i,
// which doublings give; `change` is what follows of itself.
HWY_NOINLINE double stretch_single(const SingleRun& at, double c, std::uint64_t steps, double* by_change) {
  const GradientTag d;
  constexpr std::size_t lanes = hn::MaxLanes(GradientTag()), parts = 8 / lanes;
  GradientVec before[parts], after[parts], more[parts];
  for (std::size_t k = 0; k < parts; ++k) before[k] = after[k] = more[k] = hn::Zero(d);
  for (std::size_t i = 0; i < at.count; i += 8)
    for (std::size_t k = 0; k < parts; ++k)
      before[k] =
          hn::Add(before[k], hn::Mul(hn::LoadU(d, at.weight + i + k * lanes), hn::LoadU(d, at.from + i + k * lanes)));
  const double p = sum_of_parts(before), n = at.n + c * at.n_by_c, level = at.noise_scale * at.omega * n * n;
  const auto m = static_cast<double>(steps);
  for (std::size_t start = 0; start < at.count; start += 8)
    for (std::size_t k = 0; k < parts; ++k) {
      const std::size_t i = start + k * lanes;
      const GradientVec T = hn::Add(hn::Set(d, at.T0 + c * at.T0_by_c),
                                    hn::Mul(hn::LoadU(d, at.x + i), hn::Set(d, at.T1 + c * at.T1_by_c)));
      GradientVec A = hn::Add(hn::Mul(T, T), hn::Mul(hn::Set(d, level), hn::LoadU(d, at.own + i)));
      GradientVec S = hn::Set(d, 1.0), U = hn::Zero(d);
      for (std::uint64_t done = 1; done < steps; done *= 2) {
        U = hn::Add(U, hn::Mul(A, hn::Add(U, hn::Mul(hn::Set(d, static_cast<double>(done)), S))));
        S = hn::Add(S, hn::Mul(A, S));
        A = hn::Mul(A, A);
      }
      const GradientVec b = hn::Mul(hn::Set(d, level), hn::LoadU(d, at.feedback + i));
      const GradientVec moved =
          hn::Add(hn::Mul(A, hn::LoadU(d, at.from + i)), hn::Mul(hn::Mul(b, hn::Set(d, p + at.source)), S));
      const GradientVec change =
          hn::Mul(b, hn::Sub(hn::Mul(hn::Set(d, (m - 1) / m), S), hn::Mul(hn::Set(d, 1 / m), U)));
      hn::StoreU(moved, d, at.to + i);
      hn::StoreU(change, d, by_change + i);
      const GradientVec weight = hn::LoadU(d, at.weight + i);
      after[k] = hn::Add(after[k], hn::Mul(weight, moved));
      more[k] = hn::Add(more[k], hn::Mul(weight, change));
    }
  const double first = sum_of_parts(after) - p, feedback = sum_of_parts(more);
  // Where the noise feeds itself faster than the stretch lasts the line is no longer its own.
  const double change = feedback < 0.5 ? first / (1 - feedback) : first;
  for (std::size_t i = 0; i < at.count; ++i) at.to[i] += change * by_change[i];
  return p + first + change * feedback;
}

HWY_NOINLINE void depend(const BlockOfModes& at, const PhaseBlock& rest, const PhaseBlock& slope, double noise,
                         double drive, double* linear, double* quadratic) {
  switch (rest.r) {
    case 1:
      return depend_r<1>(at, rest, slope, noise, drive, linear, quadratic);
    case 2:
      return depend_r<2>(at, rest, slope, noise, drive, linear, quadratic);
    case 3:
      return depend_r<3>(at, rest, slope, noise, drive, linear, quadratic);
    case 4:
      return depend_r<4>(at, rest, slope, noise, drive, linear, quadratic);
    case 5:
      return depend_r<5>(at, rest, slope, noise, drive, linear, quadratic);
    default:
      return depend_r<6>(at, rest, slope, noise, drive, linear, quadratic);
  }
}

HWY_NOINLINE void carry_back(const BlockGoingBack& at) {
  switch (at.rest->r) {
    case 1:
      return carry_back_r<1>(at);
    case 2:
      return carry_back_r<2>(at);
    case 3:
      return carry_back_r<3>(at);
    case 4:
      return carry_back_r<4>(at);
    case 5:
      return carry_back_r<5>(at);
    default:
      return carry_back_r<6>(at);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace edgewise::solvers
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::solvers {

namespace {

/// The same for any instruction set.
double sum_of_lanes(const double* partial) {
  return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
         ((partial[1] + partial[5]) + (partial[3] + partial[7]));
}

void move_numbers(const PhaseBlock& rest, const PhaseBlock& slope, double c, PhaseBlock& out) {
  const std::size_t r = rest.r;
  out.r = r;
  out.omega = rest.omega;
  for (std::size_t i = 0; i < r * r; ++i) {
    out.T0[i] = rest.T0[i] + c * slope.T0[i];
    out.T1[i] = rest.T1[i] + c * slope.T1[i];
  }
  for (std::size_t i = 0; i < r; ++i) {
    out.n[i] = rest.n[i] + c * slope.n[i];
    out.e[i] = rest.e[i];
  }
}

}  // namespace

HWY_EXPORT(depend);
HWY_EXPORT(carry_back);
HWY_EXPORT(run_single);
HWY_EXPORT(stretch_single);

namespace {

SingleRun single_run(const LinearPhases& state, const ControlledPhase& phase, const RunPlace& place, double limit) {
  const PhaseBlock &rest = phase.rest.blocks[0], &slope = phase.slope.blocks[0];
  const LinearModes& modes = state.linear_modes();
  return {modes.x.data(),
          modes.own.data(),
          modes.feedback.data(),
          modes.weight.data(),
          place.states,
          place.states + (place.kept ? modes.x.size() : 0),
          place.kept ? modes.x.size() : 0,
          place.shared,
          place.given,
          modes.x.size(),
          modes.source,
          phase.rest.noise_scale,
          rest.omega,
          limit,
          rest.T0[0],
          slope.T0[0],
          rest.T1[0],
          slope.T1[0],
          rest.n[0],
          slope.n[0]};
}

}  // namespace

bool has_stretches(const LinearPhases& state, const ControlledPhase& phase) {
  const PhaseBlock& rest = phase.rest.blocks[0];
  return phase.rest.noise_scale != 0 && state.blocks() == 1 && rest.r == 1 && rest.e[0] == 1;
}

double apply_stretch(LinearPhases& state, const ControlledPhase& phase, double control, std::uint64_t steps) {
  std::vector<double> by_change(state.linear_modes().x.size());
  return HWY_DYNAMIC_DISPATCH(stretch_single)(single_run(state, phase, {state.contents().data()}, 0), control, steps,
                                              by_change.data());
}

std::size_t apply_run(LinearPhases& state, const ControlledPhase& phase, std::span<const double> controls, double limit,
                      const RunPlace& place) {
  if (has_stretches(state, phase))
    return HWY_DYNAMIC_DISPATCH(run_single)(single_run(state, phase, place, limit), controls.data(), controls.size());
  thread_local Phase now;
  double* from = place.states;
  for (std::size_t k = 0; k < controls.size(); ++k) {
    double* const to = from + (place.kept ? state.contents().size() : 0);
    phase_at(phase, controls[k], now);
    if (place.given) {
      state.apply_driven(now, place.shared[k] + state.linear_modes().source, from, to);
      from = to;
      continue;
    }
    const double p = state.apply(now, from, to);
    if (place.shared) place.shared[k] = p;
    if (!(std::abs(p) <= limit)) return k;
    from = to;
  }
  return controls.size();
}

std::size_t apply_run(LinearPhases& state, const ControlledPhase& phase, std::span<const double> controls,
                      double limit) {
  return apply_run(state, phase, controls, limit, {state.contents().data()});
}

void carry_back(LinearPhases& adjoint, const LinearPhases& state, const ControlledPhase& phase,
                std::span<const double> controls, const double* states, const double* shared,
                std::span<double> by_control) {
  const LinearModes& modes = state.linear_modes();
  const std::size_t padded = modes.x.size(), size = state.contents().size();
  const bool together = state.blocks() > 1 && phase.rest.noise_scale != 0;
  BlockGoingBack at{modes.x.data(),
                    modes.own.data(),
                    modes.feedback.data(),
                    modes.weight.data(),
                    padded,
                    nullptr,
                    nullptr,
                    phase.rest.noise_scale,
                    modes.source,
                    nullptr,
                    nullptr,
                    0,
                    nullptr,
                    nullptr,
                    size,
                    controls.size(),
                    nullptr,
                    nullptr,
                    nullptr};
  thread_local Phase now, back;
  thread_local std::vector<double> sources, noises;
  // What the blocks have in common is summed before each step.
  for (std::size_t k = controls.size(); k > 0; k -= at.steps) {
    if (together) {
      at.steps = 1;
      phase_at(phase, controls[k - 1], now);
      adjoint_phase(now, back);
      at.S = state.sources(phase.rest, {states + (k - 1) * size, size}, sources);
      at.N = adjoint.sources(back, adjoint.contents(), noises, &at.drive);
    }
    at.controls = controls.data() + k - at.steps;
    at.shared = shared + k - at.steps;
    at.by_control = by_control.data() + k - at.steps;
    std::ranges::fill(by_control.subspan(k - at.steps, at.steps), 0.0);
    std::size_t offset = 0;
    for (std::size_t b = 0; b < state.blocks(); ++b) {
      const std::size_t r = state.sizes()[b];
      at.rest = &phase.rest.blocks[b];
      at.slope = &phase.slope.blocks[b];
      at.adjoint = adjoint.contents().data() + offset;
      at.states = states + (k - at.steps) * size + offset;
      HWY_DYNAMIC_DISPATCH(carry_back)(at);
      offset += r * (r + 1) / 2 * padded;
    }
  }
}

void phase_at(const ControlledPhase& phase, double c, Phase& out) {
  out.noise_scale = phase.rest.noise_scale;
  out.blocks.resize(phase.rest.blocks.size());
  for (std::size_t b = 0; b < out.blocks.size(); ++b)
    move_numbers(phase.rest.blocks[b], phase.slope.blocks[b], c, out.blocks[b]);
}

ControlledPhase controlled_phase(const Phase& at_zero, const Phase& at_step, const Phase& at_twice, double step) {
  ControlledPhase out{at_zero, at_step};
  const auto differs = [](double a, double b, double scale) { return !(std::abs(a - b) <= 1e-9 * scale); };
  bool affine = at_zero.noise_scale == at_step.noise_scale && at_zero.noise_scale == at_twice.noise_scale &&
                at_zero.blocks.size() == at_step.blocks.size() && at_zero.blocks.size() == at_twice.blocks.size();
  for (std::size_t b = 0; affine && b < at_zero.blocks.size(); ++b) {
    const PhaseBlock &zero = at_zero.blocks[b], &one = at_step.blocks[b], &two = at_twice.blocks[b];
    PhaseBlock& slope = out.slope.blocks[b];
    const auto line = [&](const auto& from, const auto& to, const auto& beyond, auto& by) {
      for (std::size_t i = 0; i < from.size(); ++i) {
        by[i] = (to[i] - from[i]) / step;
        if (differs(beyond[i], 2 * to[i] - from[i], std::abs(from[i]) + std::abs(to[i]) + std::abs(beyond[i])))
          affine = false;
      }
    };
    line(zero.T0, one.T0, two.T0, slope.T0);
    line(zero.T1, one.T1, two.T1, slope.T1);
    line(zero.n, one.n, two.n, slope.n);
    affine = affine && zero.r == one.r && zero.omega == one.omega && zero.omega == two.omega && zero.e == one.e &&
             zero.e == two.e;
  }
  if (!affine) throw std::invalid_argument("the steps of this method are not linear in its learning rate");
  return out;
}

LinearModes adjoint_modes(LinearModes modes) {
  std::swap(modes.weight, modes.feedback);
  modes.source = 0;
  return modes;
}

void adjoint_phase(const Phase& phase, Phase& out) {
  out.noise_scale = phase.noise_scale;
  out.blocks.resize(phase.blocks.size());
  for (std::size_t b = 0; b < phase.blocks.size(); ++b) {
    const PhaseBlock& block = phase.blocks[b];
    PhaseBlock& back = out.blocks[b];
    const std::size_t r = back.r = block.r;
    // One coordinate alone is read as it stands, which costs the phase nothing; its factor is in omega then.
    const bool alone = r == 1 && phase.blocks.size() == 1;
    back.omega = alone ? block.omega * block.n[0] * block.n[0] : 1;
    for (std::size_t i = 0; i < r; ++i) {
      back.n[i] = block.e[i];
      back.e[i] = alone ? 1 : std::sqrt(block.omega) * block.n[i];
      for (std::size_t j = 0; j < r; ++j) {
        back.T0[i * r + j] = block.T0[j * r + i];
        back.T1[i * r + j] = block.T1[j * r + i];
      }
    }
  }
}

ControlDependence control_dependence(const LinearPhases& adjoint, const LinearPhases& state,
                                     std::span<const double> moments, const ControlledPhase& phase, double p) {
  const LinearModes& modes = state.linear_modes();
  const std::size_t padded = modes.x.size();
  const bool noisy = phase.rest.noise_scale != 0;
  thread_local std::vector<double> room;
  const double* S = noisy ? state.sources(phase.rest, moments, room) : nullptr;
  const double drive = p + modes.source;
  ControlDependence out;
  const double *sigma = moments.data(), *A = adjoint.contents().data();
  for (std::size_t b = 0; b < state.blocks(); ++b) {
    const std::size_t r = state.sizes()[b];
    const double *sigma_at[max_block * (max_block + 1) / 2], *A_at[max_block * (max_block + 1) / 2];
    for (std::size_t m = 0; m < r * (r + 1) / 2; ++m, sigma += padded, A += padded) {
      sigma_at[m] = sigma;
      A_at[m] = A;
    }
    double linear[8] = {}, quadratic[8] = {};
    const double noise = noisy ? phase.rest.noise_scale * phase.rest.blocks[b].omega : 0;
    HWY_DYNAMIC_DISPATCH(depend)
    ({modes.x.data(), S, modes.own.data(), modes.feedback.data(), sigma_at, A_at, padded}, phase.rest.blocks[b],
     phase.slope.blocks[b], noise, drive, linear, quadratic);
    out.linear += sum_of_lanes(linear);
    out.quadratic += sum_of_lanes(quadratic);
  }
  return out;
}

}  // namespace edgewise::solvers
#endif
