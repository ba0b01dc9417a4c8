#pragma once
/// \file
/// Norms of a function of one direction in a kernel's space, and their bounds
/// (docs/theory/networks-and-kernels.md, section 4.5).
#include <cstddef>
#include <string>
#include <vector>

#include "models/ingredients/learnability/formula.hpp"
#include "models/ingredients/learning_curves/dot_kernels.hpp"

namespace edgewise::models::ingredients::learnability {

/// a_0 .. a_{size-1} of the formula's one variable at `scale` times its value; of polynomials all, and zeros. \throws
/// std::invalid_argument for several variables, functions without such a series (those of tasks), what is not analytic at
/// the origin, polynomials of degree above 4000, or series with gaps that go on beyond the size.
std::vector<double> taylor_series(const Formula& formula, double scale, std::size_t size);

/// f(x) = sum a_k <w, x>^k with |w| = 1 on the sphere. Infinite where the sums diverge, or do not end within the terms.
struct KernelNorms {
  double exact = 0;              ///< H = sum v_k^2/lambda_k, the squared norm
  double second = 0;             ///< B2 = sum a_k^2/b_k >= H
  double first = 0;              ///< B1 = (sum |a_k|/sqrt b_k)^2 >= B2
  bool bounded_only = false;     ///< H does not end within the terms, and B2 stands for it
  std::string infinite_because;  ///< where one of them is
};
KernelNorms kernel_norms(const std::vector<double>& series, const learning_curves::DotKernel& kernel, double dimension);

}  // namespace edgewise::models::ingredients::learnability
