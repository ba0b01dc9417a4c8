#pragma once
/// \file
/// Null gradients of batches too large to be drawn example by example (docs/theory/muon-phases.md, section 2).
///
/// Given one factor's rows, Ghat = sum_i g_i a_i c_i' = M K^(1/2)-normal columns, M M' = sum_i g_i^2 a_i a_i'. The g_i^2,
/// chi^2 of one degree, are put on the nodes of a Gauss rule: how many fall on each is multinomial, and the sum over a
/// node is a Wishart matrix, drawn by its Bartlett factor at a cost that does not depend on the batch. Vector labels
/// have no weights, and one node: their law is exact.
#include <cstdint>
#include <span>
#include <vector>

#include "linear_algebra/dense.hpp"
#include "random/random.hpp"

namespace edgewise::models::muon {

/// Weights g^2 with their probabilities.
struct WeightNodes {
  std::vector<double> value, share;
};

/// The Gauss rule of chi^2 of one degree: E of polynomials up to degree 2 count - 1 is exact, and so are the moments of
/// M M' up to that order.
WeightNodes chi_square_nodes(std::size_t count);

/// Nodes that are used. The remainder of the rule bounds its error of Phi(rho) = E[rho g^2/(1 + rho g^2)], by which the
/// batch enters the deterministic equivalent: 8! Gamma(8.5)/Gamma(.5) 2^16 rho^16 < 2.1e13 rho^16. With 32 examples
/// and more for each row rho < .035: below 2e-10.
constexpr std::size_t weight_nodes = 8;
constexpr double examples_per_row = 32;

/// Whether the null gradients of a batch are drawn so: beyond 16384 examples and 32 for each row of the smaller side.
bool is_large_batch(double batch, std::size_t rows, std::size_t columns);

/// Binomial(count, share), exact, at a cost of O(log count): by the order statistics of uniform numbers, each a beta
/// variate. \param count  whole, >= 0
double binomial(random::Stream& stream, double count, double share);

/// A null gradient, root_row (sum_i g_i a_i c_i') root_column with standard normal a_i and c_i.
/// \param weights  law of g^2; one node of value 1 for vector labels
/// \param factor, normals, counts  sequences that are used up
void draw_large_batch(double batch, const WeightNodes& weights, std::span<const double> root_row,
                      std::span<const double> root_column, random::Stream& factor, random::Stream& normals,
                      random::Stream& counts, linear_algebra::Matrix& out);

}  // namespace edgewise::models::muon
