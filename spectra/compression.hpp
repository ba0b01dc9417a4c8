#pragma once
/// \file
/// Few weighted nodes in place of many eigenvalues, with an error that is asked for and measured.
///
/// Everything the theory needs of a spectrum is an integral of a smooth function of lambda: the decaying bias F(tau) =
/// sum rho lambda e^(-tau lambda), the kernel H(tau) = sum n lambda^2 e^(-tau lambda), and sums such as the kernel
/// norm. The eigenvalues are cut into bins of equal ratio, finer near the slowest modes,
/// which alone are left when F and H have fallen by hundreds of decades, and each bin is replaced by the nodes and weights of the
/// Gauss rule of its own discrete measure (docs/theory/least-squares-sgd.md, section 7b, with the Gauss rule of the sum
/// itself in place of that of an integral: there is no end-point error, weights are positive and the sums are kept
/// exactly; of a power law's nodes they are made so, for a learning rate gamma/tr K has the error of tr K).
#include <cstddef>

#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// Largest relative errors of a compressed spectrum, all dimensionless.
struct CompressionError {
  double bias = 0;    ///< of F(tau), tau from 0 to 600 / (smallest eigenvalue with target power)
  double kernel = 0;  ///< of H(tau), tau from 0 to 600 / (smallest positive eigenvalue)
  /// of d, tr K, tr K^2, |theta*|^2, theta*'K theta* and of the kernel norm sum n lambda / (1 - x lambda / lambda_max)
  /// at x = 0.5, 0.9 and 0.99
  double sums = 0;
  /// of F and H at a learning rate gamma/tr K, the last e^-600 included: 600 times the error of tr K beyond rounding
  double rate = 0;
  double worst() const;
};

/// A compressed spectrum and how far it is from the one it stands for.
struct Compressed {
  Spectrum spectrum;
  CompressionError error;
};

/// Compares two spectra on a logarithmic grid of times (twelve per decade, 0 included) and at the tops between them.
CompressionError compression_error(const Spectrum& nodes, const Spectrum& reference);

/// Replaces the modes of `spectrum` by fewer nodes whose errors are at most `tolerance` at all times: the measured
/// `CompressionError::worst()` is 1.02 times smaller.
///
/// The eight largest eigenvalues are kept as they are, zero eigenvalues become one mode. A spectrum that cannot be
/// shortened within the tolerance is returned unchanged but for equal eigenvalues being merged (error 0,
/// `compressed` false). Cost: O(modes) times some hundreds.
/// \throws std::invalid_argument unless 0 < tolerance < 1.
Compressed compress(const Spectrum& spectrum, double tolerance);

/// Nodes of the power law lambda_j = j^(-2 alpha), theta*_j = j^(-beta), j = 1..dimension, from its formula: the cost
/// does not depend on the dimension (a whole number, up to 1e15). The error is measured against a rule several times
/// finer, whose own error is at the level of rounding.
/// \throws std::invalid_argument unless 0 < tolerance < 1, dimension >= 1 and alpha > 0.
Compressed power_law_nodes(double dimension, double alpha, double beta, double tolerance);

}  // namespace edgewise::spectra
