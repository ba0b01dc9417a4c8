#pragma once
/// \file
/// Steppers for Ito equations dx = f(t, x) dt + B(t, x) dW with W of any dimension.
///
/// The noise enters only as a product B(t, x) z with a given vector z. A scheme may therefore ask for a few such
/// products a step but never for single columns of B, so that a model with as many noises as modes, plus a rank-one
/// part (the homogenized SGD of docs/theory/least-squares-sgd.md, section 3), costs O(d) a step.
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "random/random.hpp"

namespace edgewise::solvers {

/// An Ito equation. Spans of the state have length `dimension`, those of the noise `noises`.
struct Sde {
  using Field = std::function<void(double t, std::span<const double> x, std::span<double> out)>;
  std::size_t dimension = 0;
  std::size_t noises = 0;
  /// out = f(t, x)
  Field drift;
  /// out = B(t, x) z
  std::function<void(double t, std::span<const double> x, std::span<const double> z, std::span<double> out)> noise;
  /// out = (1/2) sum_j (D B_j) B_j, B_j the columns of B: Ito drift minus Stratonovich drift. Asked for by WeakTwo;
  /// leave empty for additive noise.
  Field correction;
  /// out_i = d B_ii / d x_i, for Milstein, which takes B diagonal with B_ii a function of x_i alone.
  Field diagonal_derivative;
};

/// Euler-Maruyama: strong order 1/2 (1 for additive noise), weak order 1.
class EulerMaruyama {
 public:
  explicit EulerMaruyama(const Sde& sde);
  std::size_t normals_per_step() const { return sde_.noises; }
  /// One step of size h with standard normals z (normals_per_step() of them): the increment of W is sqrt(h) z.
  void step(double t, double h, std::span<double> x, std::span<const double> z);

 private:
  Sde sde_;
  std::vector<double> f_, g_, dw_;
};

/// Milstein for diagonal noise: strong and weak order 1.
class Milstein {
 public:
  /// Throws std::invalid_argument unless noises = dimension and diagonal_derivative is given.
  explicit Milstein(const Sde& sde);
  std::size_t normals_per_step() const { return sde_.noises; }
  void step(double t, double h, std::span<double> x, std::span<const double> z);

 private:
  Sde sde_;
  std::vector<double> f_, g_, b_, db_, ones_;
};

/// Weak order 2 for any noise, commuting or not: Ninomiya & Ninomiya (Finance and Stochastics 13, 2009). Two flows of
/// random fields
///   y' = (h/2) f_S + sqrt(h) B z_k,   k = 1, 2,   E z_k z_k' = 3/4 I,  E z_1 z_2' = -1/4 I,
/// f_S the Stratonovich drift, each run for unit time with one step of Dormand & Prince's Runge-Kutta method of
/// order 5. Twelve evaluations of drift, correction and noise a step, whatever the number of noises. Schemes built on
/// columns (Platen's, Roessler's) would cost O(noises) of them. Time is carried along as a coordinate of the drift.
class WeakTwo {
 public:
  explicit WeakTwo(const Sde& sde);
  std::size_t normals_per_step() const { return 2 * sde_.noises; }
  void step(double t, double h, std::span<double> x, std::span<const double> z);

 private:
  void flow(double t, double h, std::span<double> x, std::span<const double> z);
  Sde sde_;
  std::vector<double> first_, second_, stage_, part_;
  std::vector<std::vector<double>> k_;
};

enum class SdeScheme { euler_maruyama, milstein, weak_two };

/// Called at each output time; return false to stop the path.
using PathObserver = std::function<bool(std::size_t index, double t, std::span<const double> x)>;

/// One path from x(times[0]) = x0 through increasing `times`, steps of at most `h` that divide each interval evenly.
/// Step number k of the path draws from `stream` sought to step k, so that a path is a function of the stream's key.
/// Returns the last state; stops early, at a state that is not finite, after reporting it to the observer.
std::vector<double> simulate_path(const Sde& sde, SdeScheme scheme, std::span<const double> x0,
                                  std::span<const double> times, double h, random::Stream& stream,
                                  const PathObserver& observer);

}  // namespace edgewise::solvers
