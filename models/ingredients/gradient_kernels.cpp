#include "models/ingredients/gradient_kernels.hpp"

#include <array>
#include <cassert>

// The kernels keep vectors in arrays, which vectors of unknown length do not allow; NEON serves those machines.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "models/ingredients/gradient_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace edgewise::models::ingredients::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Real = hn::CappedTag<double, 8>;
using RealVector = hn::Vec<Real>;
constexpr std::size_t partial_sums = 32;
/// Vectors summed side by side.
constexpr std::size_t ways = 4;

HWY_INLINE RealVector load(const double* p) {
  return hn::LoadU(Real(), p);
}

HWY_INLINE RealVector load(const float* p) {
  const hn::Rebind<float, Real> narrow;
  return hn::PromoteTo(Real(), hn::LoadU(narrow, p));
}

/// Sums term(i) (a vector of terms i, i+1, ...) over i < n. The tail that does not fill 32 is summed by tail_term(i).
template <class Term, class TailTerm>
HWY_INLINE double sum(std::size_t n, Term term, TailTerm tail_term) {
  const Real d;
  const std::size_t lanes = hn::Lanes(d), whole = n - n % partial_sums;
  HWY_ALIGN std::array<double, partial_sums> partial;
  // A narrow vector covers the 32 sums in several passes over the data.
  for (std::size_t first = 0; first < partial_sums; first += ways * lanes) {
    RealVector sums[ways];
    for (std::size_t w = 0; w < ways; ++w) sums[w] = hn::Zero(d);
    for (std::size_t i = first; i < whole; i += partial_sums)
      for (std::size_t w = 0; w < ways; ++w) sums[w] = hn::Add(sums[w], term(i + w * lanes));
    for (std::size_t w = 0; w < ways; ++w) hn::StoreU(sums[w], d, partial.data() + first + w * lanes);
  }
  for (std::size_t i = whole; i < n; ++i) partial[i - whole] += tail_term(i);
  for (std::size_t half = partial_sums / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) partial[i] += partial[i + half];
  return partial[0];
}

template <class T>
double dot(const T* a, const double* b, std::size_t n) {
  return sum(
      n, [=](std::size_t i) HWY_ATTR { return hn::Mul(load(a + i), load(b + i)); },
      [=](std::size_t i) { return static_cast<double>(a[i]) * b[i]; });
}

double dot_double(const double* a, const double* b, std::size_t n) {
  return dot(a, b, n);
}
double dot_float(const float* a, const double* b, std::size_t n) {
  return dot(a, b, n);
}

template <class T>
void add_scaled(double scale, const T* x, double* HWY_RESTRICT out, std::size_t n) {
  const Real d;
  const std::size_t lanes = hn::Lanes(d);
  const RealVector factor = hn::Set(d, scale);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Add(load(out + i), hn::Mul(factor, load(x + i))), d, out + i);
  for (; i < n; ++i) out[i] += scale * static_cast<double>(x[i]);
}

void add_double(double scale, const double* x, double* out, std::size_t n) {
  add_scaled(scale, x, out, n);
}
void add_float(double scale, const float* x, double* out, std::size_t n) {
  add_scaled(scale, x, out, n);
}

double descend(const double* HWY_RESTRICT curvature, double shrink, double noise, const double* HWY_RESTRICT z,
               double* HWY_RESTRICT u, std::size_t n) {
  const Real d;
  const RealVector a = hn::Set(d, shrink), b = hn::Set(d, noise);
  return sum(
      n,
      [=](std::size_t i) HWY_ATTR {
        const RealVector old = load(u + i);
        const RealVector force = hn::Add(hn::Mul(a, old), hn::Mul(b, load(z + i)));
        const RealVector next = hn::Sub(old, hn::Mul(load(curvature + i), force));
        hn::StoreU(next, d, u + i);
        return hn::Mul(next, next);
      },
      [=](std::size_t i) {
        u[i] -= curvature[i] * (shrink * u[i] + noise * z[i]);
        return u[i] * u[i];
      });
}

/// magnitude * sign(x), 0 where x is 0.
HWY_INLINE RealVector with_sign(RealVector magnitude, RealVector x) {
  return hn::IfThenElseZero(hn::Ne(x, hn::Zero(Real())), hn::CopySign(magnitude, x));
}

double sign(double x) {
  return static_cast<double>((x > 0) - (x < 0));
}

template <class T>
void add_signs(double scale, const T* x, double* HWY_RESTRICT out, std::size_t n) {
  const Real d;
  const std::size_t lanes = hn::Lanes(d);
  const RealVector factor = hn::Set(d, scale), one = hn::Set(d, 1);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::Add(load(out + i), hn::Mul(factor, with_sign(one, load(x + i)))), d, out + i);
  for (; i < n; ++i) out[i] += scale * sign(static_cast<double>(x[i]));
}

void add_signs_double(double scale, const double* x, double* out, std::size_t n) {
  add_signs(scale, x, out, n);
}
void add_signs_float(double scale, const float* x, double* out, std::size_t n) {
  add_signs(scale, x, out, n);
}

double descend_by_sign(const double* HWY_RESTRICT step, double shrink, double noise, const double* HWY_RESTRICT z,
                       double* HWY_RESTRICT u, std::size_t n) {
  const Real d;
  const RealVector a = hn::Set(d, shrink), b = hn::Set(d, noise), one = hn::Set(d, 1);
  return sum(
      n,
      [=](std::size_t i) HWY_ATTR {
        const RealVector old = load(u + i);
        const RealVector force = hn::Add(hn::Mul(a, old), hn::Mul(b, load(z + i)));
        const RealVector next = hn::Sub(old, hn::Mul(load(step + i), with_sign(one, force)));
        hn::StoreU(next, d, u + i);
        return hn::Mul(next, next);
      },
      [=](std::size_t i) {
        u[i] -= step[i] * sign(shrink * u[i] + noise * z[i]);
        return u[i] * u[i];
      });
}

}  // namespace edgewise::models::ingredients::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::models::ingredients {

HWY_EXPORT(dot_double);
HWY_EXPORT(dot_float);
HWY_EXPORT(add_double);
HWY_EXPORT(add_float);
HWY_EXPORT(descend);
HWY_EXPORT(add_signs_double);
HWY_EXPORT(add_signs_float);
HWY_EXPORT(descend_by_sign);

double dot(std::span<const double> a, std::span<const double> b) {
  assert(a.size() == b.size());
  return HWY_DYNAMIC_DISPATCH(dot_double)(a.data(), b.data(), a.size());
}

double dot(std::span<const float> a, std::span<const double> b) {
  assert(a.size() == b.size());
  return HWY_DYNAMIC_DISPATCH(dot_float)(a.data(), b.data(), a.size());
}

void add_scaled(double scale, std::span<const double> x, std::span<double> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(add_double)(scale, x.data(), out.data(), out.size());
}

void add_scaled(double scale, std::span<const float> x, std::span<double> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(add_float)(scale, x.data(), out.data(), out.size());
}

double descend(std::span<const double> curvature, double shrink, double noise, std::span<const double> z,
               std::span<double> u) {
  assert(curvature.size() == u.size() && z.size() == u.size());
  return HWY_DYNAMIC_DISPATCH(descend)(curvature.data(), shrink, noise, z.data(), u.data(), u.size());
}

void add_signs(double scale, std::span<const double> x, std::span<double> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(add_signs_double)(scale, x.data(), out.data(), out.size());
}

void add_signs(double scale, std::span<const float> x, std::span<double> out) {
  assert(x.size() == out.size());
  HWY_DYNAMIC_DISPATCH(add_signs_float)(scale, x.data(), out.data(), out.size());
}

double descend_by_sign(std::span<const double> step, double shrink, double noise, std::span<const double> z,
                       std::span<double> u) {
  assert(step.size() == u.size() && z.size() == u.size());
  return HWY_DYNAMIC_DISPATCH(descend_by_sign)(step.data(), shrink, noise, z.data(), u.data(), u.size());
}

}  // namespace edgewise::models::ingredients
#endif
