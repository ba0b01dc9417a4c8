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
/// A noisy phase of one coordinate that is its own source, and the modes it moves.
struct SingleRun {
  const double *x, *own, *feedback, *weight;
  double* sigma;
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

// As LinearPhases::apply, step after step: p of the next step is summed while this one moves.
HWY_NOINLINE std::size_t run_single(const SingleRun& at, const double* c, std::size_t steps) {
  const GradientTag d;
  constexpr std::size_t lanes = hn::MaxLanes(GradientTag()), parts = 8 / lanes;
  HWY_ALIGN double partial[8];
  GradientVec total[parts];
  const auto sum = [&] {
    for (std::size_t k = 0; k < parts; ++k) hn::Store(total[k], d, partial + k * lanes);
    return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
           ((partial[1] + partial[5]) + (partial[3] + partial[7]));
  };
  for (GradientVec& part : total) part = hn::Zero(d);
  for (std::size_t i = 0; i < at.count; i += 8)
    for (std::size_t k = 0; k < parts; ++k)
      total[k] =
          hn::Add(total[k], hn::Mul(hn::LoadU(d, at.weight + i + k * lanes), hn::LoadU(d, at.sigma + i + k * lanes)));
  double p = sum();
  for (std::size_t step = 0; step < steps; ++step) {
    const double n = at.n + c[step] * at.n_by_c;
    const GradientVec T0 = hn::Set(d, at.T0 + c[step] * at.T0_by_c), T1 = hn::Set(d, at.T1 + c[step] * at.T1_by_c);
    const GradientVec level = hn::Set(d, at.noise_scale * at.omega), drive = hn::Set(d, p + at.source),
                      entering = hn::Set(d, n * n);
    for (GradientVec& part : total) part = hn::Zero(d);
    for (std::size_t start = 0; start < at.count; start += 8)
      for (std::size_t k = 0; k < parts; ++k) {
        const std::size_t i = start + k * lanes;
        const GradientVec old = hn::LoadU(d, at.sigma + i);
        const GradientVec T = hn::Add(T0, hn::Mul(hn::LoadU(d, at.x + i), T1));
        const GradientVec noise = hn::Mul(
            level, hn::Add(hn::Mul(hn::LoadU(d, at.own + i), old), hn::Mul(hn::LoadU(d, at.feedback + i), drive)));
        const GradientVec moved = hn::Add(hn::Mul(hn::Mul(T, old), T), hn::Mul(noise, entering));
        hn::StoreU(moved, d, at.sigma + i);
        total[k] = hn::Add(total[k], hn::Mul(hn::LoadU(d, at.weight + i), moved));
      }
    if (!(std::abs(p) <= at.limit)) return step;
    p = sum();
  }
  return steps;
}

// With a mode's factor a and noise b a step, p + source = drive at the start and drive + change after m steps,
// sigma <- A sigma + b (drive S + change ((m - 1)/m S - U/m)),  A = a^m, S = sum_{i<m} a^i, U = sum_{i<m} i a^i,
// which doublings give; `change` is what follows of itself.
HWY_NOINLINE double stretch_single(const SingleRun& at, double c, std::uint64_t steps, double* by_change) {
  const GradientTag d;
  constexpr std::size_t lanes = hn::MaxLanes(GradientTag()), parts = 8 / lanes;
  GradientVec before[parts], after[parts], more[parts];
  for (std::size_t k = 0; k < parts; ++k) before[k] = after[k] = more[k] = hn::Zero(d);
  const auto sum = [&](const GradientVec* of) {
    HWY_ALIGN double partial[8];
    for (std::size_t k = 0; k < parts; ++k) hn::Store(of[k], d, partial + k * lanes);
    return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
           ((partial[1] + partial[5]) + (partial[3] + partial[7]));
  };
  for (std::size_t i = 0; i < at.count; i += 8)
    for (std::size_t k = 0; k < parts; ++k)
      before[k] =
          hn::Add(before[k], hn::Mul(hn::LoadU(d, at.weight + i + k * lanes), hn::LoadU(d, at.sigma + i + k * lanes)));
  const double p = sum(before), n = at.n + c * at.n_by_c, level = at.noise_scale * at.omega * n * n;
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
          hn::Add(hn::Mul(A, hn::LoadU(d, at.sigma + i)), hn::Mul(hn::Mul(b, hn::Set(d, p + at.source)), S));
      const GradientVec change =
          hn::Mul(b, hn::Sub(hn::Mul(hn::Set(d, (m - 1) / m), S), hn::Mul(hn::Set(d, 1 / m), U)));
      hn::StoreU(moved, d, at.sigma + i);
      hn::StoreU(change, d, by_change + i);
      const GradientVec weight = hn::LoadU(d, at.weight + i);
      after[k] = hn::Add(after[k], hn::Mul(weight, moved));
      more[k] = hn::Add(more[k], hn::Mul(weight, change));
    }
  const double first = sum(after) - p, feedback = sum(more);
  // Where the noise feeds itself faster than the stretch lasts the line is no longer its own.
  const double change = feedback < 0.5 ? first / (1 - feedback) : first;
  for (std::size_t i = 0; i < at.count; ++i) at.sigma[i] += change * by_change[i];
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
HWY_EXPORT(run_single);
HWY_EXPORT(stretch_single);

namespace {

SingleRun single_run(LinearPhases& state, const ControlledPhase& phase, double limit) {
  const PhaseBlock &rest = phase.rest.blocks[0], &slope = phase.slope.blocks[0];
  const LinearModes& modes = state.linear_modes();
  return {modes.x.data(),
          modes.own.data(),
          modes.feedback.data(),
          modes.weight.data(),
          state.contents().data(),
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
  return HWY_DYNAMIC_DISPATCH(stretch_single)(single_run(state, phase, 0), control, steps, by_change.data());
}

std::size_t apply_run(LinearPhases& state, const ControlledPhase& phase, std::span<const double> controls,
                      double limit) {
  if (!has_stretches(state, phase)) {
    Phase now;
    for (std::size_t k = 0; k < controls.size(); ++k) {
      phase_at(phase, controls[k], now);
      if (!(std::abs(state.apply(now)) <= limit)) return k;
    }
    return controls.size();
  }
  return HWY_DYNAMIC_DISPATCH(run_single)(single_run(state, phase, limit), controls.data(), controls.size());
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
