#pragma once
/// \file
/// Second moments of the second moments of linear phases (solvers/linear_phases) under sampling noise: how far single
/// runs stray from the means (docs/theory/two-phase.md, section 2b).
///
/// A source averages `batch` samples x (x'v - eps), x ~ N(0, diag(lambda)) and a symmetric eps of variance sigma^2, with v_i =
/// e'z_i of the coordinates z_i of mode i; its noise is what that differs from its mean by. Exact for any number of modes.
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace edgewise::solvers {

/// What one phase does to the r coordinates z of every mode: z <- (T0 + lambda T1) z + sum over sources of n_w times the
/// noise at e_w'z. Matrices are row-major.
struct GramPhase {
  std::size_t r = 1;
  std::vector<double> T0, T1;
  std::vector<std::vector<double>> e, n;                   ///< [source][coordinate]; empty: a noiseless phase
  double batch = std::numeric_limits<double>::infinity();  ///< of every source
};

/// The modes, and the coordinates at the start: factor[c] sqrt(power[a]) in eigenspace a.
struct GramProblem {
  std::vector<double> eigenvalue, multiplicity, power;
  std::vector<double> factor;
  double noise_variance = 0;  ///< sigma^2
  std::size_t sources = 1;    ///< all alike; each has the like share of the last `own` * `sources` coordinates
  std::size_t own = 0;
  double noise_excess = 0;  ///< E eps^4 - 3 sigma^4
};

/// A quadratic form z'Az of the coordinates, summed over all modes with weights.
struct GramForm {
  std::vector<double> A;      ///< r x r, symmetric
  bool by_eigenvalue = true;  ///< the weights are the eigenvalues, as in a risk; else 1
};

/// The Gram matrices G_a = sum over eigenspace a of z z', which differ from run to run: their means and all covariances.
class GramCovariance {
 public:
  /// \throws std::invalid_argument on inconsistent lengths.
  explicit GramCovariance(GramProblem problem);

  /// About work() multiplications. \throws std::invalid_argument for a phase of other coordinates.
  void apply(const GramPhase& phase);
  double mean(const GramForm& form) const;
  /// Over runs; clipped at 0, infinite where it has overflowed.
  double variance(const GramForm& form) const;
  /// Of the form with every entry of every G_a, in the order of sensitivity().
  std::vector<double> covariances(const GramForm& form) const;

  /// The derivative of the form by the entries of the G_a ...
  std::vector<double> sensitivity(const GramForm& form) const;
  /// ... and, from that of a mean after a phase, its derivative by the entries before it.
  std::vector<double> sensitivity_before(const GramPhase& phase, std::span<const double> after) const;

  /// Multiplications of a phase.
  double work(const GramPhase& phase) const;
  /// How many covariances are kept for so many coordinates.
  static double size(double r, double modes);

 private:
  /// A map of every G_a's entries to their like, at the same places in all modes.
  struct Entry {
    std::size_t row, col;
    std::vector<double> value;  ///< one per mode
  };
  using EntryMap = std::vector<Entry>;
  struct Maps {
    EntryMap own;                            ///< T G T' and what a mode's own S feeds back
    std::vector<EntryMap> cross;             ///< [source] how G enters the products of state and noise
    std::vector<std::vector<double>> nu;     ///< [source] the entries of n n'
    std::vector<std::vector<double>> sigma;  ///< [source] e'Ge by the entries of G
  };
  /// What is added to the covariances beside the congruences.
  struct Added {
    struct Outer {
      std::vector<double> x, y;
      std::vector<bool> any;  ///< [entry] whether x has any there
    };
    std::vector<Outer> outer;  ///< x y' + y x'
    struct Square {
      std::vector<double> sigma, pattern, mean;
      double factor;
    };
    std::vector<Square> squares;                ///< factor E[s_a s_b] pattern pattern', s_a = lambda_a^2 sigma.G_a
    std::vector<std::vector<double>> diagonal;  ///< [mode] entries x entries
  };

  static Maps maps(const GramPhase& phase, std::span<const double> eigenvalue, bool cross = true);
  std::vector<double> image(const EntryMap& map, std::span<const double> g) const;
  /// n_a lambda_a nu / B: the response to the shared scalar of one source.
  std::vector<double> feedback(std::span<const double> nu, double batch) const;
  /// p of one source by the entries: lambda_a sigma.
  std::vector<double> risk(std::span<const double> sigma) const;
  std::vector<double> moved_covariance(std::span<const double> g) const;
  Added added(const GramPhase& phase, const Maps& maps, std::span<const std::vector<double>> shared,
              std::span<const std::vector<double>> response) const;
  void add_products(const GramPhase& phase, const Maps& maps, std::size_t source, std::span<const double> with_shared,
                    double shared_square, Added& out) const;
  void assemble(const Maps& maps, double inverse_batch, const Added& more);
  /// The columns of the covariance that the representatives' columns of the result need through a map.
  std::vector<bool> needed(const EntryMap& map) const;
  std::size_t modes() const { return problem_.eigenvalue.size(); }

  GramProblem problem_;
  std::size_t r_ = 0, entries_ = 0, total_ = 0;
  std::vector<double> mean_;               // [entry][mode]
  std::vector<double> covariance_, next_;  // columns of that order
  bool random_ = false;                    // false: no noise yet
  /// Per entry of G the one that an exchange of sources turns it into, and where that takes all entries.
  struct Exchange {
    std::size_t to;
    std::vector<std::size_t> places;
  };
  std::vector<Exchange> exchange_;
};

}  // namespace edgewise::solvers
