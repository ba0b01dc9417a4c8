#pragma once
/// \file
/// Second moments of the second moments of linear phases, as solvers/gram_covariance, for inputs of independent coordinates
/// of any symmetric law (docs/theory/two-phase.md, section 2b).
#include <span>
#include <vector>

#include "solvers/gram_covariance.hpp"

namespace edgewise::solvers {

/// E z^4, E z^6 and E z^8 of the coordinates z of the inputs, E z^2 = 1; 3, 15 and 105 are Gaussian.
struct InputMoments {
  double fourth = 3, sixth = 15, eighth = 105;
};

/// The moments of the coordinates z_i of single modes: E z z', E z z z z, and E z_i z_i z_j z_j of two of them. The start is
/// spread evenly over each eigenspace. Multiplicities may be the weights of nodes, any positive numbers: sums over coordinates and
/// over pairs of them are then those of the nodes. A spread below 1e-7 of the mean is rounding, and taken as 0.
class ProductCovariance {
 public:
  /// \throws std::invalid_argument on inconsistent lengths.
  ProductCovariance(GramProblem problem, const InputMoments& inputs);

  /// About work() multiplications. \throws std::invalid_argument for a phase of other coordinates.
  void apply(const GramPhase& phase);
  double mean(const GramForm& form) const;
  /// Over runs; infinite where it has overflowed.
  double variance(const GramForm& form) const;
  /// Multiplications of a phase.
  static double work(const GramPhase& phase, double modes);
  /// How many moments are kept during a phase.
  static double size(double r, double sources, double modes);

 private:
  std::size_t modes() const { return problem_.eigenvalue.size(); }
  /// A phase's noise once its mean is taken: what each source w = sqrt(lambda) e'z moves, z' = y + sum of push xi, and of
  /// Q = sigma^2 + sum of w^2 over all coordinates E Q, E Q Q', E z z Q of a coordinate, and E sum of w^4.
  struct Noise {
    std::size_t sources, R;  ///< R = r + sources
    double batch;
    std::vector<std::vector<double>> push;  ///< [mode] sources times r entries
    std::vector<double> Q, QQ, fourths;     ///< [source], [source, source], [source]
    std::vector<std::vector<double>> with;  ///< [mode, source] R^2 entries
  };
  /// Moves the moments by the mean, with those of the sources behind them. \returns push of Noise
  std::vector<std::vector<double>> turn(const GramPhase& phase, std::size_t sources);
  void mirror(std::size_t a, std::size_t b, std::size_t size);
  Noise noise_of(std::vector<std::vector<double>> push, std::size_t sources, double batch) const;
  /// The moments of one coordinate of mode a after the noise, and of two.
  void own_after(const Noise& noise, std::size_t a, std::vector<double>& second, std::vector<double>& fourth) const;
  std::vector<double> pair_after(const Noise& noise, std::size_t a, std::size_t b) const;
  /// How many coordinates mode c has besides one of mode a.
  double others(std::size_t c, std::size_t a) const;
  std::vector<double>& pair(std::size_t a, std::size_t b) { return pairs_[a * modes() + b]; }
  const std::vector<double>& pair(std::size_t a, std::size_t b) const { return pairs_[a * modes() + b]; }

  GramProblem problem_;
  InputMoments inputs_;
  std::size_t r_;
  std::vector<std::vector<double>> second_, fourth_;  ///< [mode] r^2 and r^4 entries
  std::vector<std::vector<double>> pairs_;            ///< [mode, mode] r^2 of the one times r^2 of the other
};

}  // namespace edgewise::solvers
