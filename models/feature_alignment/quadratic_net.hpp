#pragma once
/// \file
/// Alignment at the start of a quadratic net f = (1/sqrt m) sum_j a_j (w_j.x)^2/2 on Gaussian inputs, of which w is
/// trained (docs/theory/networks-and-kernels.md, section 2.3): its limit, and draws at finite dimension.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "models/feature_alignment/correlation.hpp"

namespace edgewise::models::feature_alignment {

/// moments: of labels known by these alone, which cannot be drawn. goe_teacher: x'Tx - tr T, T a GOE matrix; rank_one:
/// (theta.x)^2 - |theta|^2. In both the teacher is seen in the population only (c_N = 0): from N ~ d examples its labels
/// are as any that are independent of x.
enum class LabelKind { signs, gaussian, values, moments, goe_teacher, rank_one };
/// The law of a_j: fair signs, all 1, N(0, 1), or one of some values, equally likely.
enum class ReadoutKind { signs, ones, gaussian, values };

struct QuadraticNet {
  double examples_ratio = 0, width_ratio = 0;  ///< c_N = d/N and c_m = d/m; 0: infinitely many
  LabelKind label = LabelKind::signs;
  ReadoutKind readout = ReadoutKind::signs;
  std::vector<double> label_values, readout_values;  ///< of kind values: equally likely
  std::vector<double> label_moments;                 ///< of kind moments: E y, E y^2, E y^3, E y^4
  std::size_t dimension = 250;                       ///< d, of draws
};

/// Centred and uncentred correlation of the first layer; the centred one is the limit t -> 0.
struct StartAlignment {
  double centred = 0, uncentred = 0;
};

/// E a^p for p = 0 .. moments.size() of numbers known by E a, E a^2, ...; divided by (E a^2)^(p/2).
/// \throws std::invalid_argument where they are the moments of no law, or of 0.
std::vector<double> unit_moments(std::span<const double> moments);
/// E y^p, p = 0 .. 4, and E a^p, p = 0 .. 8, both in units of their mean square.
std::vector<double> label_moments(const QuadraticNet& net);
std::vector<double> readout_moments(const QuadraticNet& net);

/// d, N, m -> infinity.
StartAlignment limit(const QuadraticNet& net);
/// The traces that it consists of, d, N, m -> infinity, by their words: `tau_AAB` is (1/d) tr A A B, with the moments A of
/// labels and B of inputs, and W, S, M = (1/m) sum a^e w w' for e = 0, 1, 2; y and a in units of their mean square.
std::vector<std::pair<std::string, double>> traces(const QuadraticNet& net);
/// One draw of data, weights and readouts. \throws std::domain_error where a correlation is not defined.
StartAlignment draw(const QuadraticNet& net, Correlation kind, std::uint64_t seed, std::uint64_t index);

}  // namespace edgewise::models::feature_alignment
