#pragma once
/// \file
/// Integrals over a line of functions that are smooth between known places, near which they may turn quickly.
#include <span>
#include <vector>

namespace edgewise::numerics {

/// Edges of pieces of [low, high]: every cut inside, and from each outwards first `width`, then twice as wide, never
/// wider than `widest`.
std::vector<double> piece_edges(double low, double high, std::span<const double> cuts, double width, double widest);

struct WeightedNode {
  double x = 0, weight = 0;
};
enum class GaussPoints { ten = 10, twenty = 20, thirty = 30 };
/// Gauss-Legendre nodes on every piece.
std::vector<WeightedNode> piecewise_gauss(std::span<const double> edges, GaussPoints points);

}  // namespace edgewise::numerics
