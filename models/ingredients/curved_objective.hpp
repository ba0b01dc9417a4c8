#pragma once
/// \file
/// A loss of many parameters that knows its derivatives at a point, and the two parts of its Hessian
/// (docs/theory/curvature-dynamics.md, sections 5 and 6):
///
///     L(theta) = loss(f(theta)),  c = dL/df,  g = J'c,   H = GGN + NME,  GGN = J' (d2loss/df2) J,  NME = sum_a c_a grad^2 f_a
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "random/random.hpp"

namespace edgewise::models::ingredients {

enum class CurvaturePart { hessian, gauss_newton, neglected };

class CurvedObjective {
 public:
  virtual ~CurvedObjective() = default;
  virtual std::size_t parameters() const = 0;
  /// Goes to theta, which everything below is about from then on, and returns the loss there.
  virtual double move_to(std::span<const double> theta) = 0;
  virtual void gradient(std::span<double> out) const = 0;
  /// out = A v, A the part of the Hessian.
  virtual void product(CurvaturePart part, std::span<const double> v, std::span<double> out) const = 0;
  /// c. \throws std::logic_error where the loss is known without outputs, as all below.
  virtual std::vector<double> cotangent() const;
  /// (d2loss/df2) J v, the derivative of c along v.
  virtual std::vector<double> moved_cotangent(std::span<const double> v) const;
  /// out = J'c.
  virtual void pull_back(std::span<const double> c, std::span<double> out) const;
  /// out = sum_a c_a (grad^2 f_a) v.
  virtual void weighted_curvature(std::span<const double> c, std::span<const double> v, std::span<double> out) const;
  /// A random c with E c c' = d2loss/df2, where that is the same everywhere (squared losses).
  virtual std::vector<double> root_probe(random::Stream& stream) const;
};

/// The largest eigenvalue of a part A of the Hessian, where it is algebraically largest; of P^-1 A where a preconditioner
/// P > 0 is given, by parameter (its vector then that of P^-1/2 A P^-1/2).
struct LargestCurvature {
  double value = 0;
  std::vector<double> vector;         ///< of norm 1
  linear_algebra::Matrix next_start;  ///< for a point nearby
};
/// \param start  empty, or `next_start` of a point nearby. \throws std::runtime_error where it is no number.
LargestCurvature largest_curvature(const CurvedObjective& objective, CurvaturePart part,
                                   const linear_algebra::Matrix& start = {}, double tolerance = 1e-6,
                                   std::span<const double> P = {});

/// Hutchinson's estimate of traces: the mean of v'A v over signs v = +-1, and its standard error (0 of one probe).
struct EstimatedTraces {
  double hessian = 0, gauss_newton = 0, neglected = 0;
  double hessian_sem = 0, gauss_newton_sem = 0, neglected_sem = 0;
};
/// Unbiased; the variance of a probe is 2 (|A|_F^2 - sum_i A_ii^2). \throws std::invalid_argument without probes.
EstimatedTraces hutchinson_traces(const CurvedObjective& objective, std::size_t probes, random::Stream& stream);
/// The traces from parameters() products with each unit vector: exact, for small problems and tests.
EstimatedTraces traces_by_columns(const CurvedObjective& objective);

/// v'A v.
double curvature_along(const CurvedObjective& objective, CurvaturePart part, std::span<const double> v);

}  // namespace edgewise::models::ingredients
