#pragma once
/// \file
/// Matrix least squares with a spectral or sign update (docs/theory/muon-phases.md, section 1): what theory and
/// simulation share.
///
///     Delta = W - W*, m x n;   Delta' = Delta - eta_k S(G)
///     bilinear: r_i = a_i' Delta c_i - eps_i,  G = (1/B) sum r_i a_i c_i',   V = P + sigma^2
///     vector:   r_i = Delta c_i - e_i in R^m,  G = (1/B) sum r_i c_i',       V = sigma^2 (noise dominates)
///
/// with a ~ N(0, Sigma), c ~ N(0, K), P = tr(Sigma Delta K Delta') (vector: Sigma = I). Matrices are written in the
/// eigenbases of Sigma and K; columns of Delta at the start are random with |Delta u_j|^2 = D_j(0).
#include <algorithm>
#include <bit>
#include <cstdint>
#include <memory>

#include "models/framework/experiment.hpp"
#include "models/ingredients/schedules.hpp"
#include "settings/expression.hpp"
#include "spectra/spectrum.hpp"

namespace edgewise::models::muon {

enum class UpdateMap { signsvd, signsgd, newton_schulz, general, sgd };
enum class Labels { bilinear, vector };
/// Basis in which signs are taken; columns of the basis are the eigenvectors of K.
enum class Rotation { hadamard, haar, none };
/// How the learning rate is set. constant: eta times the schedule. adaptive: eta = gamma sqrt(V) times the schedule.
/// constant_optimal: the best constant eta for every recorded step taken as the horizon. local_equilibrium: eta
/// follows the floor of what is resolved so far (docs/theory/muon-phases.md, section 7.C, conjectured).
enum class Protocol { constant, adaptive, constant_optimal, local_equilibrium };

struct MatrixLeastSquares {
  spectra::Spectrum spectrum;         ///< K and D(0), block sums
  double outputs = 0;                 ///< m
  spectra::Spectrum output_spectrum;  ///< Sigma; one eigenvalue 1 when isotropic
  bool isotropic_outputs = true;
  Labels labels = Labels::bilinear;
  double noise_variance = 0;  ///< sigma^2 (vector: of every output)
  double batch = 1;           ///< B, whole
  UpdateMap map = UpdateMap::signsvd;
  std::shared_ptr<const settings::Expression> spectral_map;  ///< s(sigma) of `general`, odd, given for sigma > 0
  bool normalise = false;                                    ///< `general`: sigma of G/|G|_F
  double momentum = 0;                                       ///< mu of M' = mu M + G, S(M)
  Rotation rotation = Rotation::hadamard;
  std::uint64_t rotation_seed = 1;  ///< of haar
  Protocol protocol = Protocol::constant;
  double learning_rate = 0;     ///< eta of the constant protocol
  double gamma = 0;             ///< of the adaptive protocols; 0: gamma_fraction
  double gamma_fraction = 0.5;  ///< gamma / gamma_max
  std::shared_ptr<const ingredients::Schedule> schedule;
  Time time;

  double inputs() const { return spectrum.dimension(); }  ///< n
  /// Coordinates of positive variance: no gradient reaches the others.
  static double positive(const spectra::Spectrum& s) {
    double out = 0;
    for (std::size_t a = 0; a < s.modes(); ++a) out += s.eigenvalue[a] > 0 ? s.multiplicity[a] : 0;
    return out;
  }
  /// Of a gradient.
  double rank() const {
    const double rows = isotropic_outputs ? outputs : positive(output_spectrum);
    return std::min({rows, positive(spectrum), batch});
  }
  /// Whether the inputs have a Hadamard basis (Sylvester's): a power of two of them.
  bool has_hadamard_basis() const {
    const double n = inputs();
    return !spectrum.compressed && spectrum.whole_multiplicities() && n < 0x1p53 &&
           std::has_single_bit(static_cast<std::uint64_t>(n));
  }
  /// m/B, the time unit in which the two maps compare.
  double time_unit() const { return outputs / batch; }
  bool scale_free() const { return map != UpdateMap::sgd && (map != UpdateMap::general || normalise); }
  /// V at excess P.
  double residual_variance(double P) const { return labels == Labels::vector ? noise_variance : P + noise_variance; }
  double risk(double P) const { return 0.5 * (P + (labels == Labels::vector ? outputs : 1.0) * noise_variance); }
};

}  // namespace edgewise::models::muon
