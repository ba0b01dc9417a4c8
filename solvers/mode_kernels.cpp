#include "solvers/mode_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/mode_kernels.cpp"
#include <hwy/foreach_target.h>
// The order matters: Highway's own header comes after foreach_target.
#include <hwy/highway.h>

// Vectors never cross a call that is not inlined, so their calling convention is of no concern.
#pragma GCC diagnostic ignored "-Wpsabi"

HWY_BEFORE_NAMESPACE();
namespace edgewise::solvers::kernels {
namespace HWY_NAMESPACE {

// Four lanes whatever the instruction set: two SSE2 registers, one AVX2 register.
using Lanes = double __attribute__((vector_size(32)));
using Words = std::int64_t __attribute__((vector_size(32)));

struct Reader {
  const double* at;
  HWY_INLINE Lanes operator[](std::size_t i) const {
    Lanes x;
    std::memcpy(&x, at + i, sizeof x);
    return x;
  }
};
HWY_INLINE void put(double* at, const Lanes& x) {
  std::memcpy(at, &x, sizeof x);
}
HWY_INLINE double total(const Lanes& x) {
  return (x[0] + x[1]) + (x[2] + x[3]);
}
#define EDGEWISE_ABSOLUTE(x) ((Lanes)((Words)(x)&INT64_MAX))
#define EDGEWISE_QUARTIC(c, E) (((((c)[4] * (E) + (c)[3]) * (E) + (c)[2]) * (E) + (c)[1]) * (E) + (c)[0])

template <bool with_g>
void tabulate(std::size_t n, double hg, const double* A, const double* u, const double* g, const double* w,
              const double* q, double* E, double* V, double* G, StepMoments& moments) {
  Lanes state[6] = {}, su[5] = {}, sg[5] = {};
  for (std::size_t i = 0; i < n; i += lanes) {
    const Lanes z = hg * Reader{A}[i];
    const Lanes D = 1.0 / (1.0 + z);
    const Lanes e = z * D;
    const Lanes v = (hg * Reader{u}[i]) * D;
    put(E + i, e);
    put(V + i, v);
    const Lanes weight = Reader{w}[i];
    Lanes x = weight * Reader{q}[i];
    for (int r = 0; r < 6; ++r) {
      state[r] += x;
      x *= e;
    }
    x = weight * v;
    for (int r = 0; r < 5; ++r) {
      su[r] += x;
      x *= e;
    }
    if constexpr (with_g) {
      const Lanes d = (hg * Reader{g}[i]) * D;
      put(G + i, d);
      x = weight * d;
      for (int r = 0; r < 5; ++r) {
        sg[r] += x;
        x *= e;
      }
    }
  }
  for (int r = 0; r < 6; ++r) moments.state[r] = total(state[r]);
  for (int r = 0; r < 5; ++r) moments.u[r] = total(su[r]);
  for (int r = 0; r < 5; ++r) moments.g[r] = total(sg[r]);
}

template <bool with_g>
void update(std::size_t n, const double* E, const double* V, const double* G, const double* w, const double* q,
            double* q_new, const StepPolynomial& advance, const StepPolynomial& error, double* state_moments,
            double& error_norm, double& norm) {
  Lanes state[6] = {}, errors = {}, sizes = {};
  const StepPolynomial a = advance, b = error;
  for (std::size_t i = 0; i < n; i += lanes) {
    const Lanes e = Reader{E}[i], v = Reader{V}[i], x = Reader{q}[i], weight = Reader{w}[i];
    const Lanes ex = e * x;
    Lanes y = x + (ex * EDGEWISE_QUARTIC(a.q, e) + v * EDGEWISE_QUARTIC(a.u, e));
    Lanes d = ex * EDGEWISE_QUARTIC(b.q, e) + v * EDGEWISE_QUARTIC(b.u, e);
    if constexpr (with_g) {
      const Lanes s = Reader{G}[i];
      y += s * EDGEWISE_QUARTIC(a.g, e);
      d += s * EDGEWISE_QUARTIC(b.g, e);
    }
    put(q_new + i, y);
    errors += EDGEWISE_ABSOLUTE(weight * d);
    y *= weight;
    sizes += EDGEWISE_ABSOLUTE(y);
    for (int r = 0; r < 6; ++r) {
      state[r] += y;
      y *= e;
    }
  }
  for (int r = 0; r < 6; ++r) state_moments[r] = total(state[r]);
  error_norm = total(errors);
  norm = total(sizes);
}

void SdirkTabulate(std::size_t n, double hg, const double* A, const double* u, const double* g, const double* w,
                   const double* q, double* E, double* V, double* G, StepMoments& moments) {
  if (g != nullptr)
    tabulate<true>(n, hg, A, u, g, w, q, E, V, G, moments);
  else
    tabulate<false>(n, hg, A, u, g, w, q, E, V, G, moments);
}

void SdirkUpdate(std::size_t n, const double* E, const double* V, const double* G, const double* w, const double* q,
                 double* q_new, const StepPolynomial& advance, const StepPolynomial& error, double* state_moments,
                 double& error_norm, double& norm) {
  if (G != nullptr)
    update<true>(n, E, V, G, w, q, q_new, advance, error, state_moments, error_norm, norm);
  else
    update<false>(n, E, V, G, w, q, q_new, advance, error, state_moments, error_norm, norm);
}

void SdirkApply(std::size_t n, const double* E, const double* V, const double* G, const double* q, double* out,
                const StepPolynomial& polynomial) {
  const StepPolynomial a = polynomial;
  for (std::size_t i = 0; i < n; i += lanes) {
    const Lanes e = Reader{E}[i], x = Reader{q}[i];
    Lanes y = x + ((e * x) * EDGEWISE_QUARTIC(a.q, e) + Reader{V}[i] * EDGEWISE_QUARTIC(a.u, e));
    if (G != nullptr) y += Reader{G}[i] * EDGEWISE_QUARTIC(a.g, e);
    put(out + i, y);
  }
}

void ExponentialMoments(std::size_t n, double h, const double* A, std::size_t degree, double* decay, double* moments) {
  // For z <= 2 the recurrence J_{m-1} = (1 - z J_m)/m is run downwards from far above, where any start is forgotten
  // (the product of 2/m over m = 5..26 is below 1e-18); beyond, upwards: J_m = (1 - m J_{m-1})/z.
  constexpr int start = 26;
  constexpr double switch_at = 2;
  // Four vectors side by side hide the latency of the recurrences.
  constexpr std::size_t width = 4;
  static_assert(padding == width * lanes);
  double inverse[start + 1] = {};
  for (int m = 1; m <= start; ++m) inverse[m] = 1.0 / m;
  const int top = static_cast<int>(degree);
  for (std::size_t i = 0; i < n; i += padding) {
    Lanes z[width], capped[width], low[width], series[width], r[width], fast[width], slow[width], reciprocal[width];
    Words is_small[width], exponent[width];
    for (std::size_t b = 0; b < width; ++b) {
      z[b] = h * Reader{A}[i + b * lanes];
      // Beyond 700, e^{-z} is zero to the accuracy of a double and its exponent would leave the format.
      const Words huge = z[b] > 700.0;
      capped[b] = (Lanes)(((Words)z[b] & ~huge) | ((Words)(Lanes{} + 700.0) & huge));
      low[b] = 1.0 / (capped[b] + (start + 1.0));
      is_small[b] = z[b] <= switch_at;
      reciprocal[b] = 1.0 / ((Lanes)(((Words)z[b] & ~is_small[b]) | ((Words)(Lanes{} + 1.0) & is_small[b])));
      // e^{-z} = 2^{-k} e^{-r}, |r| <= ln2/2. Adding 1.5 * 2^52 leaves the nearest integer in the low bits.
      const Lanes magic = Lanes{} + 6755399441055744.0;
      const Lanes shifted = capped[b] * 1.4426950408889634074 + magic;
      const Lanes k = shifted - magic;
      r[b] = (capped[b] - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
      exponent[b] = (1023 - ((Words)shifted - (Words)magic)) << 52;
      series[b] = Lanes{} + 1.0;
    }
    for (int m = start; m > top; --m)
      for (std::size_t b = 0; b < width; ++b) low[b] = (1.0 - capped[b] * low[b]) * inverse[m];
    for (int m = 13; m > 0; --m)
      for (std::size_t b = 0; b < width; ++b) series[b] = 1.0 - (r[b] * inverse[m]) * series[b];
    Lanes small[5][width];
    for (std::size_t b = 0; b < width; ++b) small[top][b] = low[b];
    for (int m = top; m > 0; --m)
      for (std::size_t b = 0; b < width; ++b) small[m - 1][b] = (1.0 - capped[b] * small[m][b]) * inverse[m];
    for (std::size_t b = 0; b < width; ++b) {
      fast[b] = series[b] * (Lanes)exponent[b];
      // 1 - z J_0 keeps the complement of a slow mode's decay exact.
      slow[b] = 1.0 - capped[b] * small[0][b];
      fast[b] = (Lanes)(((Words)slow[b] & is_small[b]) | ((Words)fast[b] & ~is_small[b]));
      put(decay + i + b * lanes, fast[b]);
      fast[b] = (1.0 - fast[b]) * reciprocal[b];
    }
    for (int m = 0; m <= top; ++m)
      for (std::size_t b = 0; b < width; ++b) {
        put(moments + static_cast<std::size_t>(m) * n + i + b * lanes,
            (Lanes)(((Words)small[m][b] & is_small[b]) | ((Words)fast[b] & ~is_small[b])));
        fast[b] = (1.0 - (m + 1.0) * fast[b]) * reciprocal[b];
      }
  }
}

void WeightedMoments(std::size_t n, const double* w, const double* u, std::size_t degree, const double* moments,
                     double* out) {
  for (std::size_t m = 0; m <= degree; ++m) {
    Lanes sum = {};
    for (std::size_t i = 0; i < n; i += lanes) sum += (Reader{w}[i] * Reader{u}[i]) * Reader{moments + m * n}[i];
    out[m] = total(sum);
  }
}

template <std::size_t stages>
void decayed(std::size_t n, const double* w, const double* q, const double* decay, double* sums) {
  Lanes sum[stages] = {};
  for (std::size_t i = 0; i < n; i += lanes) {
    const Lanes x = Reader{w}[i] * Reader{q}[i];
    for (std::size_t k = 0; k < stages; ++k) sum[k] += x * Reader{decay + k * n}[i];
  }
  for (std::size_t k = 0; k < stages; ++k) sums[k] = total(sum[k]);
}

void DecayedSums(std::size_t n, std::size_t stages, const double* w, const double* q, const double* decay,
                 double* sums) {
  if (stages == 2) return decayed<2>(n, w, q, decay, sums);
  if (stages == 3) return decayed<3>(n, w, q, decay, sums);
  decayed<4>(n, w, q, decay, sums);
}

template <std::size_t stages>
void advance(std::size_t n, const double* w, const double* u, const double* q, double* q_new, const double* decay,
             const double* moments, const double* c, double* sums, double& sum_new) {
  Lanes sum[stages] = {}, all = {};
  double k[stages + 1];
  for (std::size_t m = 0; m <= stages; ++m) k[m] = c[m];
  for (std::size_t i = 0; i < n; i += lanes) {
    Lanes p = k[0] * Reader{moments}[i];
    for (std::size_t m = 1; m <= stages; ++m) p += k[m] * Reader{moments + m * n}[i];
    const Lanes y = Reader{decay + (stages - 1) * n}[i] * Reader{q}[i] + Reader{u}[i] * p;
    put(q_new + i, y);
    const Lanes x = Reader{w}[i] * y;
    all += x;
    for (std::size_t j = 0; j < stages; ++j) sum[j] += x * Reader{decay + j * n}[i];
  }
  for (std::size_t j = 0; j < stages; ++j) sums[j] = total(sum[j]);
  sum_new = total(all);
}

void EtdUpdate(std::size_t n, std::size_t stages, const double* w, const double* u, const double* q, double* q_new,
               const double* decay, const double* moments, const double* c, double* sums, double& sum_new) {
  if (stages == 2) return advance<2>(n, w, u, q, q_new, decay, moments, c, sums, sum_new);
  if (stages == 3) return advance<3>(n, w, u, q, q_new, decay, moments, c, sums, sum_new);
  advance<4>(n, w, u, q, q_new, decay, moments, c, sums, sum_new);
}

void Combination(std::size_t n, std::size_t terms, const double* coefficient, const double* const* x, double* out) {
  constexpr std::size_t width = padding / lanes;
  std::size_t i = 0;
  for (; i + padding <= n; i += padding) {
    Lanes y[width];
    for (std::size_t b = 0; b < width; ++b) y[b] = coefficient[0] * Reader{x[0]}[i + b * lanes];
    for (std::size_t k = 1; k < terms; ++k)
      for (std::size_t b = 0; b < width; ++b) y[b] += coefficient[k] * Reader{x[k]}[i + b * lanes];
    for (std::size_t b = 0; b < width; ++b) put(out + i + b * lanes, y[b]);
  }
  for (; i < n; ++i) {
    double y = coefficient[0] * x[0][i];
    for (std::size_t k = 1; k < terms; ++k) y += coefficient[k] * x[k][i];
    out[i] = y;
  }
}

double LargestErrorRatio(std::size_t n, const double* error, const double* x, const double* slope, double h,
                         double atol, double rtol) {
  // A mode that rests at zero has the ratio 0/0, which no comparison finds larger.
  Lanes largest = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Lanes size = EDGEWISE_ABSOLUTE(Reader{x}[i]) + h * EDGEWISE_ABSOLUTE(Reader{slope}[i]);
    const Lanes ratio = EDGEWISE_ABSOLUTE(Reader{error}[i]) / (atol + rtol * size);
    const Words larger = ratio > largest;
    largest = (Lanes)(((Words)ratio & larger) | ((Words)largest & ~larger));
  }
  double out = std::max(std::max(largest[0], largest[1]), std::max(largest[2], largest[3]));
  for (; i < n; ++i)
    out = std::max(out, std::abs(error[i]) / (atol + rtol * (std::abs(x[i]) + h * std::abs(slope[i]))));
  return out;
}

void Relax(std::size_t n, const double* rate, const double* x, double* slope) {
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) put(slope + i, Reader{slope}[i] - Reader{rate}[i] * Reader{x}[i]);
  for (; i < n; ++i) slope[i] -= rate[i] * x[i];
}

double DriftStep(std::size_t n, const double* kappa, const double* s, const double* M, double eta, double a, double b,
                 double c, double* to) {
  const auto moved = [&](const auto& k, const auto& noise, const auto& m) {
    const auto x = eta * k;
    return m + (b * noise - (2.0 * x * a - x * x * c) * m);
  };
  Lanes sum = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Lanes k = Reader{kappa}[i];
    const Lanes next = moved(k, Reader{s}[i], Reader{M}[i]);
    put(to + i, next);
    sum += k * next;
  }
  for (; i < n; ++i) {
    to[i] = moved(kappa[i], s[i], M[i]);
    sum[0] += kappa[i] * to[i];
  }
  return total(sum);
}

void DriftStepBack(std::size_t n, const double* kappa, const double* s, const double* M, double lift, double eta,
                   double a, double c, double* v, DriftSums& out) {
  const auto kept = [&](const auto& k) {
    const auto x = eta * k;
    return 1.0 - (2.0 * x * a - x * x * c);
  };
  Lanes first = {}, second = {}, noise = {};
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Lanes k = Reader{kappa}[i];
    const Lanes lifted = Reader{v}[i] + k * lift;
    const Lanes part = lifted * k * Reader{M}[i];
    first += part;
    second += part * k;
    noise += lifted * Reader{s}[i];
    put(v + i, lifted * kept(k));
  }
  for (; i < n; ++i) {
    const double lifted = v[i] + kappa[i] * lift, part = lifted * kappa[i] * M[i];
    first[0] += part;
    second[0] += part * kappa[i];
    noise[0] += lifted * s[i];
    v[i] = lifted * kept(kappa[i]);
  }
  out = {total(first), total(second), total(noise)};
}

#undef EDGEWISE_ABSOLUTE
#undef EDGEWISE_QUARTIC
}  // namespace HWY_NAMESPACE
}  // namespace edgewise::solvers::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::solvers::kernels {

HWY_EXPORT(SdirkTabulate);
HWY_EXPORT(SdirkUpdate);
HWY_EXPORT(SdirkApply);
HWY_EXPORT(ExponentialMoments);
HWY_EXPORT(WeightedMoments);
HWY_EXPORT(DecayedSums);
HWY_EXPORT(EtdUpdate);
HWY_EXPORT(Combination);
HWY_EXPORT(LargestErrorRatio);
HWY_EXPORT(Relax);
HWY_EXPORT(DriftStep);
HWY_EXPORT(DriftStepBack);

void sdirk_tabulate(std::size_t n, double hg, const double* A, const double* u, const double* g, const double* w,
                    const double* q, double* E, double* V, double* G, StepMoments& moments) {
  HWY_DYNAMIC_DISPATCH(SdirkTabulate)(n, hg, A, u, g, w, q, E, V, G, moments);
}

void sdirk_update(std::size_t n, const double* E, const double* V, const double* G, const double* w, const double* q,
                  double* q_new, const StepPolynomial& advance, const StepPolynomial& error, double* state_moments,
                  double& error_norm, double& norm) {
  HWY_DYNAMIC_DISPATCH(SdirkUpdate)(n, E, V, G, w, q, q_new, advance, error, state_moments, error_norm, norm);
}

void sdirk_apply(std::size_t n, const double* E, const double* V, const double* G, const double* q, double* out,
                 const StepPolynomial& polynomial) {
  HWY_DYNAMIC_DISPATCH(SdirkApply)(n, E, V, G, q, out, polynomial);
}

void exponential_moments(std::size_t n, double h, const double* A, std::size_t degree, double* decay, double* moments) {
  HWY_DYNAMIC_DISPATCH(ExponentialMoments)(n, h, A, degree, decay, moments);
}

void weighted_moments(std::size_t n, const double* w, const double* u, std::size_t degree, const double* moments,
                      double* out) {
  HWY_DYNAMIC_DISPATCH(WeightedMoments)(n, w, u, degree, moments, out);
}

void decayed_sums(std::size_t n, std::size_t stages, const double* w, const double* q, const double* decay,
                  double* sums) {
  HWY_DYNAMIC_DISPATCH(DecayedSums)(n, stages, w, q, decay, sums);
}

void etd_update(std::size_t n, std::size_t stages, const double* w, const double* u, const double* q, double* q_new,
                const double* decay, const double* moments, const double* c, double* sums, double& total) {
  HWY_DYNAMIC_DISPATCH(EtdUpdate)(n, stages, w, u, q, q_new, decay, moments, c, sums, total);
}

void combination(std::size_t n, std::size_t terms, const double* coefficient, const double* const* x, double* out) {
  HWY_DYNAMIC_DISPATCH(Combination)(n, terms, coefficient, x, out);
}

double largest_error_ratio(std::size_t n, const double* error, const double* x, const double* slope, double h,
                           double atol, double rtol) {
  return HWY_DYNAMIC_DISPATCH(LargestErrorRatio)(n, error, x, slope, h, atol, rtol);
}

void relax(std::size_t n, const double* rate, const double* x, double* slope) {
  HWY_DYNAMIC_DISPATCH(Relax)(n, rate, x, slope);
}

double drift_step(std::size_t n, const double* kappa, const double* s, const double* M, double eta, double a, double b,
                  double c, double* to) {
  return HWY_DYNAMIC_DISPATCH(DriftStep)(n, kappa, s, M, eta, a, b, c, to);
}

DriftSums drift_step_back(std::size_t n, const double* kappa, const double* s, const double* M, double lift, double eta,
                          double a, double c, double* v) {
  DriftSums out;
  HWY_DYNAMIC_DISPATCH(DriftStepBack)(n, kappa, s, M, lift, eta, a, c, v, out);
  return out;
}

}  // namespace edgewise::solvers::kernels
#endif
