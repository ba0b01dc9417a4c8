#pragma once
/// \file
/// The modes of a nonlinear-gradient method (theory note sign-and-clip, 1): one shape for residual nonlinearities and
/// coordinate-wise signs.
#include <vector>

namespace edgewise::models {

/// dM_i/dt = -2 eta a(P) kappa_i M_i + eta^2 [b(P) s_i + c(P) kappa_i^2 M_i],   P = sum_i kappa_i M_i
struct ModeSystem {
  std::vector<double> kappa;    ///< class I: eigenvalues of K; class II: of Dg^(-1/4) K Dg^(-1/4)
  std::vector<double> s;        ///< noise power per mode
  std::vector<double> initial;  ///< M_i(0)
};

}  // namespace edgewise::models
