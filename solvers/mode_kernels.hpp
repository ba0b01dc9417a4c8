#pragma once
/// \file
/// The innermost loops over modes of sdirk4, etd, the explicit stepper and the adjoint, dispatched to the widest instruction set at run time.
///
/// The arrays of sdirk4 and etd have a length that is a multiple of `padding`, filled up with modes of zero weight. Sums run over `lanes`
/// fixed accumulators, so that every instruction set gives the same bits.
#include <cstddef>

namespace edgewise::solvers::kernels {

inline constexpr std::size_t lanes = 4;
inline constexpr std::size_t padding = 16;
inline std::size_t padded(std::size_t n) {
  return (n + padding - 1) / padding * padding;
}

/// Coefficients of q + E (sum_r q[r] E^r) q + V (sum_r u[r] E^r) + G (sum_r g[r] E^r), r = 0..4.
struct StepPolynomial {
  double q[5] = {}, u[5] = {}, g[5] = {};
};
/// Weighted moments: state[r] = sum w q E^r (r = 0..5), u[r] = sum w V E^r, g[r] = sum w G E^r (r = 0..4).
struct StepMoments {
  double state[6] = {}, u[5] = {}, g[5] = {};
};

/// For z = hg A: E = z/(1+z), V = hg u/(1+z), G = hg g/(1+z), and all moments. g and G may be null together.
void sdirk_tabulate(std::size_t n, double hg, const double* A, const double* u, const double* g, const double* w,
                    const double* q, double* E, double* V, double* G, StepMoments& moments);
/// One step: q_new by `advance`; the error estimate by `error` (its polynomials alone, without the leading q).
/// state_moments: of q_new, 6 numbers; error_norm = sum |w error|, norm = sum |w q_new|.
void sdirk_update(std::size_t n, const double* E, const double* V, const double* G, const double* w, const double* q,
                  double* q_new, const StepPolynomial& advance, const StepPolynomial& error, double* state_moments,
                  double& error_norm, double& norm);
/// out = the state that `polynomial` describes.
void sdirk_apply(std::size_t n, const double* E, const double* V, const double* G, const double* q, double* out,
                 const StepPolynomial& polynomial);

/// decay = e^{-z}, z = h A >= 0, and moments[m * n + i] = int_0^1 e^{-z_i (1-x)} x^m dx, m = 0..degree (degree <= 4).
void exponential_moments(std::size_t n, double h, const double* A, std::size_t degree, double* decay, double* moments);
/// out[m] = sum_i w_i u_i moments[m * n + i], m = 0..degree.
void weighted_moments(std::size_t n, const double* w, const double* u, std::size_t degree, const double* moments,
                      double* out);
/// sums[k] = sum_i w_i q_i decay[k * n + i], k < stages (<= 4).
void decayed_sums(std::size_t n, std::size_t stages, const double* w, const double* q, const double* decay,
                  double* sums);
/// q_new = decay_last q + u sum_m c_m moments_m (m = 0..degree) and, of q_new, decayed_sums and sum w q_new.
void etd_update(std::size_t n, std::size_t stages, const double* w, const double* u, const double* q, double* q_new,
                const double* decay, const double* moments, const double* c, double* sums, double& total);

/// out = sum_k coefficient_k x_k, summed in order; at least one term.
void combination(std::size_t n, std::size_t terms, const double* coefficient, const double* const* x, double* out);
/// max_i |error_i| / (atol + rtol (|x_i| + h |slope_i|)); a mode with 0/0 counts as 0.
double largest_error_ratio(std::size_t n, const double* error, const double* x, const double* slope, double h,
                           double atol, double rtol);
/// slope_i -= rate_i x_i.
void relax(std::size_t n, const double* rate, const double* x, double* slope);

/// A step of modes with a drift and a noise: M'_i = M_i + (b s_i - (2 x a - x^2 c) M_i), x = eta kappa_i, written to `to`,
/// which may be M. Returns sum kappa_i M'_i. Any length.
double drift_step(std::size_t n, const double* kappa, const double* s, const double* M, double eta, double a, double b,
                  double c, double* to);

/// Its adjoint v: lifted by lift kappa_i, and, once summed, times 1 - 2 x a + x^2 c.
struct DriftSums {
  double first = 0, second = 0, noise = 0;  ///< sum v kappa M, sum v kappa^2 M, sum v s
};
DriftSums drift_step_back(std::size_t n, const double* kappa, const double* s, const double* M, double lift, double eta,
                          double a, double c, double* v);

}  // namespace edgewise::solvers::kernels
